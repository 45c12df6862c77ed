//! This machine's links, and which addresses on them name no single host.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{LinkAddr, SockaddrStorage};
use serde::{Deserialize, Serialize};

/// An Ethernet address.
pub(super) type Mac = [u8; 6];

/// ARPHRD_ETHER.
const ETHERNET: u16 = 1;

/// The network interfaces, by name.
#[derive(Debug, Default)]
pub(super) struct Links(BTreeMap<String, Link>);

#[derive(Debug, Default)]
pub(super) struct Link {
    /// Where packets of this link are sent to and received from; `None` for what has no such.
    pub(super) address: Option<LinkAddr>,
    pub(super) addresses: Vec<IpAddr>,
    /// Neighbours are asked for by ARP or Neighbour Discovery.
    asks_neighbours: bool,
    no_hosts: Vec<Ipv4Addr>,
}

impl Links {
    /// # Errors
    /// The system does not tell.
    pub(super) fn look_up() -> io::Result<Self> {
        let mut links = Self::default();
        for entry in getifaddrs()? {
            let Some(address) = entry.address else { continue };
            // An IPv4 address may have a label of its own, which follows the name.
            let name = entry.interface_name.split(':').next().unwrap_or_default();
            let link = links.0.entry(name.to_owned()).or_default();
            if let Some(address) = address.as_link_addr() {
                link.address = Some(*address);
                link.asks_neighbours = address.hatype() == ETHERNET
                    && !entry.flags.contains(InterfaceFlags::IFF_NOARP);
            } else if let Some(address) = ip(&address) {
                link.addresses.push(address);
                if let (IpAddr::V4(address), Some(IpAddr::V4(mask))) =
                    (address, entry.netmask.as_ref().and_then(ip))
                {
                    link.no_hosts.extend(no_hosts(address, mask, entry.flags));
                }
            }
        }
        Ok(links)
    }

    pub(super) fn named(&self, name: &str) -> Option<&Link> {
        self.0.get(name)
    }

    pub(super) fn numbered(&self, index: u32) -> Option<&Link> {
        self.0.values().find(|link| link.index() == Some(index))
    }

    /// The network and broadcast addresses of the links that are up, ascending. A machine's own
    /// address is never among them.
    pub(super) fn no_hosts(&self) -> Vec<Ipv4Addr> {
        let own: BTreeSet<IpAddr> =
            self.0.values().flat_map(|link| &link.addresses).copied().collect();
        let all = self.0.values().flat_map(|link| &link.no_hosts);
        let mut no_hosts: Vec<Ipv4Addr> =
            all.filter(|address| !own.contains(&IpAddr::V4(**address))).copied().collect();
        no_hosts.sort_unstable();
        no_hosts.dedup();
        no_hosts
    }
}

impl Link {
    pub(super) fn index(&self) -> Option<u32> {
        self.address.and_then(|address| u32::try_from(address.ifindex()).ok())
    }

    /// Its address for packet sockets and its Ethernet address, if neighbours on it are found by
    /// asking.
    pub(super) fn ethernet(&self) -> Option<(LinkAddr, Mac)> {
        let address = self.address.filter(|_| self.asks_neighbours)?;
        Some((address, address.addr()?))
    }
}

/// Probes to network and broadcast addresses of this machine's links, which are never sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeftOut(Option<(u64, SocketAddr)>);

impl LeftOut {
    pub(super) fn add(&mut self, target: SocketAddr) {
        self.0.get_or_insert((0, target)).0 += 1;
    }

    pub(super) fn count(&self) -> u64 {
        self.0.map_or(0, |(count, _)| count)
    }

    pub(super) fn note(&self) -> Option<String> {
        let (count, example) = self.0?;
        let (probes, addresses) =
            if count == 1 { ("probe", "an address") } else { ("probes", "addresses") };
        Some(format!(
            "left out {count} {probes} to {addresses} of this machine's links that name no host \
             (network or broadcast), e.g. {example}"
        ))
    }
}

/// The kernel's own idea of a network address has changed (since Linux 5.14 it may be a host's),
/// while older systems on the link still answer to it all at once.
fn no_hosts(address: Ipv4Addr, mask: Ipv4Addr, flags: InterfaceFlags) -> Vec<Ipv4Addr> {
    let (bits, mask) = (address.to_bits(), mask.to_bits());
    let (network, broadcast) = (Ipv4Addr::from(bits & mask), Ipv4Addr::from(bits | !mask));
    // RFC 3021: a link of two addresses has no others.
    if !flags.contains(InterfaceFlags::IFF_UP) || mask.count_ones() >= 31 {
        Vec::new()
    } else if flags.contains(InterfaceFlags::IFF_LOOPBACK) {
        vec![broadcast]
    } else if flags.contains(InterfaceFlags::IFF_BROADCAST) {
        vec![network, broadcast]
    } else {
        Vec::new()
    }
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_that_broadcast_have_addresses_of_no_host() {
        let up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_BROADCAST;
        let of = |last, bits: u32, flags| {
            let mask = Ipv4Addr::from(u32::MAX.checked_shl(32 - bits).unwrap_or(0));
            no_hosts(Ipv4Addr::new(198, 18, 5, last), mask, flags)
        };
        let address = |last| Ipv4Addr::new(198, 18, 5, last);
        const NONE: [Ipv4Addr; 0] = [];
        assert_eq!(of(9, 24, up), [address(0), address(255)]);
        assert_eq!(of(9, 30, up), [address(8), address(11)]);
        assert_eq!(of(9, 31, up), NONE);
        assert_eq!(of(9, 32, up), NONE);
        assert_eq!(of(9, 24, InterfaceFlags::IFF_BROADCAST), NONE, "a link that is down");
        assert_eq!(of(9, 24, InterfaceFlags::IFF_UP | InterfaceFlags::IFF_POINTOPOINT), NONE);
        let loopback = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_LOOPBACK;
        assert_eq!(of(9, 24, loopback), [address(255)]);
    }

    #[test]
    fn the_loopback_link_is_known() {
        let links = Links::look_up().unwrap();
        let lo = links.named("lo").unwrap();
        assert!(lo.addresses.contains(&Ipv4Addr::LOCALHOST.into()));
        assert!(lo.ethernet().is_none());
        assert!(links.numbered(lo.index().unwrap()).is_some());
        assert!(links.no_hosts().contains(&Ipv4Addr::new(127, 255, 255, 255)));
    }

    #[test]
    fn the_note_counts_and_gives_an_example() {
        let mut left_out = LeftOut::default();
        assert_eq!((left_out.count(), left_out.note()), (0, None));
        left_out.add("127.255.255.255:2375".parse().unwrap());
        left_out.add("127.255.255.255:2376".parse().unwrap());
        assert_eq!(left_out.count(), 2);
        let note = left_out.note().unwrap();
        assert!(note.starts_with("left out 2 probes") && note.ends_with(":2375"), "{note}");
    }
}
