//! By which way packets leave for each target, as the kernel would route them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::RouteType;
use nix::sys::socket::LinkAddr;
use rustix::io::Errno;

use super::ask;
use super::rtnetlink::{Path, Rtnetlink};
use crate::sweep::SweepConfig;
use crate::sweep::links::{Links, Mac};
use crate::target::TargetSet;

/// By which way, and from which address, packets to some targets leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) source: IpAddr,
    pub(super) next: Next,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A router on an Ethernet link.
    Router { link: LinkAddr, own: Mac, router: Mac },
    /// Hosts on an Ethernet link, each with an address of its own there. They are asked from
    /// `asking`, an address of that link.
    Neighbours { link: LinkAddr, own: Mac, asking: IpAddr },
    /// The kernel finds it: loopback, this machine's own addresses, tunnels.
    Kernel,
}

/// Where packets for an address go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    /// Index into [`Ways::all`].
    Way(usize),
    /// The kernel would send nothing there, for this reason.
    Nowhere(Errno),
    /// The address is a network's or a link's broadcast address.
    NoHost,
}

/// The ways of all targets.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// Disjoint and ascending.
    v4: Vec<Span>,
    v6: Vec<Span>,
    ways: Vec<Way>,
}

/// Addresses, as numbers, that one lead is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u128,
    last: u128,
    lead: Lead,
}

impl Ways {
    /// Asks the kernel, for a target in each part of the address space that its tables tell apart,
    /// how it would send there; and asks routers that it does not know yet for their address on the
    /// link.
    ///
    /// # Errors
    /// The system does not tell its links, routes or neighbours.
    pub(super) fn find(targets: &TargetSet, config: &SweepConfig) -> io::Result<Self> {
        let mut finder = Finder {
            config,
            links: Links::look_up()?,
            rtnetlink: Rtnetlink::open()?,
            routers: HashMap::new(),
            known: HashMap::new(),
            ways: Vec::new(),
        };
        let no_hosts = finder.links.no_hosts();
        let v4 = finder.spans(targets, AddressFamily::Inet, &no_hosts)?;
        let v6 = finder.spans(targets, AddressFamily::Inet6, &[])?;
        Ok(Self { v4, v6, ways: finder.ways })
    }

    pub(super) fn all(&self) -> &[Way] {
        &self.ways
    }

    /// Each host on that way has an address of its own on the link.
    pub(super) fn is_on_link(&self, way: usize) -> bool {
        self.ways.get(way).is_some_and(|way| matches!(way.next, Next::Neighbours { .. }))
    }

    /// The index of the interface, where a way has one of its own.
    pub(super) fn link(&self, way: usize) -> Option<usize> {
        match &self.ways.get(way)?.next {
            Next::Router { link, .. } | Next::Neighbours { link, .. } => Some(link.ifindex()),
            Next::Kernel => None,
        }
    }

    pub(super) fn to(&self, address: IpAddr) -> Lead {
        let (spans, at) = match address {
            IpAddr::V4(address) => (&self.v4, address.to_bits().into()),
            IpAddr::V6(address) => (&self.v6, address.to_bits()),
        };
        let after = spans.partition_point(|span| span.first <= at);
        let span = after.checked_sub(1).and_then(|index| spans.get(index));
        span.filter(|span| at <= span.last).map_or(Lead::Nowhere(Errno::NETUNREACH), |s| s.lead)
    }
}

struct Finder<'a> {
    config: &'a SweepConfig,
    links: Links,
    rtnetlink: Rtnetlink,
    /// What routers answered, or that they did not.
    routers: HashMap<(u32, IpAddr), Option<Mac>>,
    /// What the kernel knows, by family.
    known: HashMap<bool, HashMap<(u32, IpAddr), Mac>>,
    ways: Vec<Way>,
}

impl Finder<'_> {
    fn spans(
        &mut self,
        targets: &TargetSet,
        family: AddressFamily,
        no_hosts: &[Ipv4Addr],
    ) -> io::Result<Vec<Span>> {
        let is_v4 = family == AddressFamily::Inet;
        let ranges: Vec<(u128, u128)> = targets
            .ranges()
            .filter(|(range, _)| range.first().is_ipv4() == is_v4)
            .map(|(range, _)| (number(range.first()), number(range.last())))
            .collect();
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let mut networks = self.rtnetlink.networks(family)?;
        networks.extend(no_hosts.iter().map(|address| IpNet::from(IpAddr::V4(*address))));
        let whole = if is_v4 { u128::from(u32::MAX) } else { u128::MAX };
        let mut spans: Vec<Span> = Vec::new();
        for (first, last, sample) in parts(&networks, whole, &ranges) {
            let lead = self.lead(address(sample, is_v4), no_hosts)?;
            match spans.last_mut() {
                Some(span) if span.lead == lead && span.last.checked_add(1) == Some(first) => {
                    span.last = last;
                }
                _ => spans.push(Span { first, last, lead }),
            }
        }
        Ok(spans)
    }

    fn lead(&mut self, target: IpAddr, no_hosts: &[Ipv4Addr]) -> io::Result<Lead> {
        if let IpAddr::V4(target) = target
            && no_hosts.binary_search(&target).is_ok()
        {
            return Ok(Lead::NoHost);
        }
        let wanted = self.config.source_ip;
        if wanted.is_some_and(|source| source.is_ipv4() != target.is_ipv4()) {
            return Ok(Lead::Nowhere(Errno::AFNOSUPPORT));
        }
        let name = self.config.interface.as_deref();
        let link = name.and_then(|name| self.links.named(name)).and_then(|link| link.index());
        let path = match self.rtnetlink.path(target, wanted, link)? {
            Ok(path) => path,
            // A route that drops silently is one that leads nowhere.
            Err(Errno::INVAL) => return Ok(Lead::Nowhere(Errno::NETUNREACH)),
            Err(error) => return Ok(Lead::Nowhere(error)),
        };
        let Some(source) = wanted.or(path.source) else {
            return Ok(Lead::Nowhere(Errno::ADDRNOTAVAIL));
        };
        let next = match path.kind {
            RouteType::Broadcast | RouteType::Multicast => return Ok(Lead::NoHost),
            RouteType::Unicast => self.next(&path, source)?,
            _ => Next::Kernel,
        };
        let way = Way { source, next };
        let known = self.ways.iter().position(|known| *known == way);
        Ok(Lead::Way(known.unwrap_or_else(|| {
            self.ways.push(way);
            self.ways.len() - 1
        })))
    }

    fn next(&mut self, path: &Path, source: IpAddr) -> io::Result<Next> {
        let link = path.link.and_then(|index| Some((index, self.links.numbered(index)?)));
        let Some((index, link)) = link else { return Ok(Next::Kernel) };
        let Some((address, own)) = link.ethernet() else { return Ok(Next::Kernel) };
        let asked = path.gateway.unwrap_or(source);
        let Some(asking) = asking(&link.addresses, source, asked) else { return Ok(Next::Kernel) };
        let Some(gateway) = path.gateway else {
            return Ok(Next::Neighbours { link: address, own, asking });
        };
        if let Some(answer) = self.routers.get(&(index, gateway)) {
            return Ok(by_router(address, own, *answer));
        }
        let family = if gateway.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        if !self.known.contains_key(&gateway.is_ipv4()) {
            self.known.insert(gateway.is_ipv4(), self.rtnetlink.neighbours(family)?);
        }
        let known = self.known.get(&gateway.is_ipv4()).and_then(|of| of.get(&(index, gateway)));
        let router = known.copied().or_else(|| {
            // A link that is down has no answer, as one that nobody is on.
            ask::once(&address, own, asking, gateway).ok().flatten()
        });
        self.routers.insert((index, gateway), router);
        Ok(by_router(address, own, router))
    }
}

/// A router that did not answer is left to the kernel, which goes on asking.
fn by_router(link: LinkAddr, own: Mac, router: Option<Mac>) -> Next {
    router.map_or(Next::Kernel, |router| Next::Router { link, own, router })
}

/// From which address to ask for `asked` on a link that has `addresses`: that the packets will come
/// from, if it is one of these, so that the neighbour learns where to answer to.
fn asking(addresses: &[IpAddr], source: IpAddr, asked: IpAddr) -> Option<IpAddr> {
    let fits = |own: &IpAddr| own.is_ipv4() == asked.is_ipv4();
    let own = Some(source).filter(|source| fits(source) && addresses.contains(source));
    own.or_else(|| addresses.iter().copied().find(fits)).or(Some(source).filter(fits))
}

/// The parts of the address space up to `whole` that networks tell apart and that hold targets,
/// ascending: first and last address, and the first target. `targets` are disjoint and ascending.
fn parts(networks: &[IpNet], whole: u128, targets: &[(u128, u128)]) -> Vec<(u128, u128, u128)> {
    let mut starts = vec![0];
    for network in networks {
        starts.push(number(network.network()));
        starts.extend(number(network.broadcast()).checked_add(1).filter(|next| *next <= whole));
    }
    starts.sort_unstable();
    starts.dedup();
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([whole]);
    let mut waiting = targets.iter().peekable();
    let mut parts = Vec::new();
    for (first, last) in starts.iter().copied().zip(ends) {
        while waiting.next_if(|(_, end)| *end < first).is_some() {}
        if let Some((begin, _)) = waiting.peek().filter(|(begin, _)| *begin <= last) {
            parts.push((first, last, first.max(*begin)));
        }
    }
    parts
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn address(number: u128, is_v4: bool) -> IpAddr {
    match u32::try_from(number) {
        Ok(number) if is_v4 => IpAddr::V4(number.into()),
        _ => IpAddr::V6(number.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Ports, TargetList};
    use proptest::prelude::*;

    fn targets(words: &[&str]) -> TargetSet {
        let mut list = TargetList::new();
        words.iter().for_each(|word| list.add(word).unwrap());
        list.into_set(&Ports::new([2375]).unwrap()).unwrap()
    }

    #[test]
    fn loopback_goes_by_the_kernel() {
        let targets = targets(&["127.62.0.0/24"]);
        let ways = Ways::find(&targets, &SweepConfig::default()).unwrap();
        let Lead::Way(way) = ways.to([127, 62, 0, 9].into()) else { panic!("{ways:?}") };
        assert_eq!(ways.all()[way], Way { source: Ipv4Addr::LOCALHOST.into(), next: Next::Kernel });
        assert_eq!(ways.to([10, 0, 0, 1].into()), Lead::Nowhere(Errno::NETUNREACH), "no target");
    }

    #[test]
    fn the_source_address_asked_for_is_taken() {
        let source: IpAddr = [127, 62, 0, 77].into();
        let config = SweepConfig { source_ip: Some(source), ..SweepConfig::default() };
        let ways = Ways::find(&targets(&["127.62.0.0/24", "::1"]), &config).unwrap();
        assert_eq!(ways.all(), [Way { source, next: Next::Kernel }]);
        let v6 = ways.to(std::net::Ipv6Addr::LOCALHOST.into());
        assert_eq!(v6, Lead::Nowhere(Errno::AFNOSUPPORT));
    }

    #[test]
    fn a_broadcast_address_is_no_host() {
        let targets = targets(&["127.255.255.0/24"]);
        let ways = Ways::find(&targets, &SweepConfig::default()).unwrap();
        assert_eq!(ways.to([127, 255, 255, 255].into()), Lead::NoHost);
        assert!(matches!(ways.to([127, 255, 255, 254].into()), Lead::Way(_)));
    }

    #[test]
    fn networks_part_the_space_where_targets_are() {
        let networks = ["0.0.0.0/0", "127.62.0.0/16", "127.62.5.0/24", "127.62.5.255/32"]
            .map(|network| network.parse().unwrap());
        let at = |last: [u8; 2]| number(IpAddr::from([127, 62, last[0], last[1]]));
        let found = parts(
            &networks,
            u32::MAX.into(),
            &[(at([4, 9]), at([4, 9])), (at([5, 7]), at([5, 255]))],
        );
        assert_eq!(
            found,
            [
                (at([0, 0]), at([4, 255]), at([4, 9])),
                (at([5, 0]), at([5, 254]), at([5, 7])),
                (at([5, 255]), at([5, 255]), at([5, 255])),
            ]
        );
    }

    proptest! {
        #[test]
        fn every_target_is_in_a_part_that_no_network_divides(
            networks in proptest::collection::vec((any::<u32>(), 0u8..=32), 0..20),
            mut ends in proptest::collection::btree_set(any::<u32>(), 0..12),
        ) {
            if ends.len() % 2 == 1 {
                ends.pop_first();
            }
            let ends: Vec<u128> = ends.into_iter().map(u128::from).collect();
            let targets: Vec<(u128, u128)> = ends.chunks(2).map(|pair| (pair[0], pair[1])).collect();
            let networks: Vec<IpNet> = networks
                .into_iter()
                .map(|(bits, prefix)| IpNet::new(IpAddr::V4(bits.into()), prefix).unwrap())
                .collect();
            let parts = parts(&networks, u32::MAX.into(), &targets);
            prop_assert!(parts.is_sorted());
            for end in ends {
                prop_assert!(parts.iter().any(|(first, last, _)| (*first..=*last).contains(&end)));
            }
            for (first, last, sample) in parts {
                prop_assert!((first..=last).contains(&sample));
                prop_assert!(targets.iter().any(|(low, high)| (*low..=*high).contains(&sample)));
                for network in &networks {
                    let has = |at| network.contains(&address(at, true));
                    prop_assert_eq!(has(first), has(last));
                    prop_assert_eq!(has(first), has(sample));
                }
            }
        }
    }
}
