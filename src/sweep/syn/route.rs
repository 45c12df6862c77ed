//! By which way packets leave: the kernel's routes and neighbours, as `/proc` shows them.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::LinkAddr;
use rustix::event::{PollFd, PollFlags, poll};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::packet::{self, Mac};
use crate::sweep::SweepConfig;
use crate::target::TargetSet;

/// By which way, and from which address, packets to some targets leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) source: Ipv4Addr,
    pub(super) next: Next,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A router on an Ethernet link.
    Router { link: LinkAddr, own: Mac, router: Mac },
    /// The kernel finds it: loopback, tunnels, and neighbours on the link.
    Kernel,
}

/// The ways of all targets.
#[derive(Debug)]
pub(super) struct Ways {
    /// The longest prefix first.
    by_network: Vec<(Network, usize)>,
    ways: Vec<Way>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: u32,
    mask: u32,
}

/// A line of `/proc/net/route`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    network: Network,
    gateway: Option<Ipv4Addr>,
    interface: String,
    metric: u32,
}

#[derive(Debug, Default)]
struct Interface {
    link: Option<LinkAddr>,
    addresses: Vec<Ipv4Addr>,
}

const ETHERNET: u16 = 1;
const ETH_P_ARP: u16 = 0x0806;
const ARP_TRIES: u32 = 3;
const ARP_WAIT: Duration = Duration::from_millis(300);

impl Ways {
    /// Looks up what the targets need, and asks routers that are not known yet for their address
    /// on the link.
    ///
    /// # Errors
    /// The system does not tell its interfaces or routes.
    pub(super) fn find(targets: &TargetSet, config: &SweepConfig) -> io::Result<Self> {
        let interfaces = interfaces()?;
        let mut ways = Self { by_network: Vec::new(), ways: Vec::new() };
        let here = |source| Way { source, next: Next::Kernel };
        let loopback = Network { address: 0x7f00_0000, mask: 0xff00_0000 };
        for network in own_networks(&interfaces).filter(|network| network.meets(targets)) {
            // The kernel answers itself from the address that was asked.
            let from =
                if network == loopback { Ipv4Addr::LOCALHOST } else { network.address.into() };
            ways.add(network, here(source(config).unwrap_or(from)));
        }
        let mut routes = parse_routes(&std::fs::read_to_string("/proc/thread-self/net/route")?);
        let wanted = config.interface.as_deref();
        routes.retain(|route| wanted.is_none_or(|name| name == route.interface));
        for route in routes.iter().filter(|route| route.network.meets(targets)) {
            let interface = interfaces.get(&route.interface);
            let Some(source) = source(config).or_else(|| route.source(config)) else { continue };
            let next = match interface {
                Some(interface) if interface.has(source) => route.next(interface, source),
                // The source address is not the interface's: some rule sends these elsewhere.
                _ => Next::Kernel,
            };
            ways.add(route.network, Way { source, next });
        }
        Ok(ways)
    }

    pub(super) fn all(&self) -> &[Way] {
        &self.ways
    }

    /// Which of [`Ways::all`] leads to an address; `None`: there is no route.
    pub(super) fn to(&self, address: Ipv4Addr) -> Option<usize> {
        let holds = |(network, _): &&(Network, usize)| network.holds(address.to_bits());
        self.by_network.iter().find(holds).map(|(_, way)| *way)
    }

    fn add(&mut self, network: Network, way: Way) {
        let known = self.ways.iter().position(|known| *known == way);
        let index = known.unwrap_or_else(|| {
            self.ways.push(way);
            self.ways.len() - 1
        });
        let mask = network.mask;
        let at = self.by_network.partition_point(|(known, _)| known.mask >= mask);
        self.by_network.insert(at, (network, index));
    }
}

impl Network {
    fn holds(&self, address: u32) -> bool {
        address & self.mask == self.address
    }

    fn meets(&self, targets: &TargetSet) -> bool {
        let last = self.address | !self.mask;
        targets.ranges().any(|(range, _)| match (range.first(), range.last()) {
            (IpAddr::V4(low), IpAddr::V4(high)) => {
                low.to_bits() <= last && self.address <= high.to_bits()
            }
            _ => false,
        })
    }
}

impl Route {
    /// What the kernel would send from. Connecting a UDP socket only looks up a route.
    fn source(&self, config: &SweepConfig) -> Option<Ipv4Addr> {
        let address = match self.network.address {
            0 => self.gateway?,
            address => Ipv4Addr::from(address | 1 & !self.network.mask),
        };
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        if let Some(name) = &config.interface {
            SockRef::from(&socket).bind_device(Some(name.as_bytes())).ok()?;
        }
        socket.connect((address, 9)).ok()?;
        match socket.local_addr().ok()? {
            SocketAddr::V4(local) => Some(*local.ip()),
            SocketAddr::V6(_) => None,
        }
    }

    fn next(&self, interface: &Interface, source: Ipv4Addr) -> Next {
        let known = |gateway| {
            let link = interface.link.filter(|link| link.hatype() == ETHERNET)?;
            let own = link.addr()?;
            let router = neighbour(gateway, &self.interface)
                .or_else(|| ask(&link, own, source, gateway).ok().flatten())?;
            Some(Next::Router { link, own, router })
        };
        self.gateway.and_then(known).unwrap_or(Next::Kernel)
    }
}

impl Interface {
    fn has(&self, address: Ipv4Addr) -> bool {
        self.addresses.contains(&address)
    }
}

fn source(config: &SweepConfig) -> Option<Ipv4Addr> {
    match config.source_ip {
        Some(IpAddr::V4(source)) => Some(source),
        _ => None,
    }
}

fn interfaces() -> io::Result<BTreeMap<String, Interface>> {
    let mut interfaces: BTreeMap<String, Interface> = BTreeMap::new();
    for entry in getifaddrs()? {
        let Some(address) = entry.address else { continue };
        let interface = interfaces.entry(entry.interface_name).or_default();
        if let Some(link) = address.as_link_addr() {
            interface.link = Some(*link);
        } else if let Some(address) = address.as_sockaddr_in() {
            interface.addresses.push(address.ip());
        }
    }
    Ok(interfaces)
}

/// What this machine answers itself.
fn own_networks(interfaces: &BTreeMap<String, Interface>) -> impl Iterator<Item = Network> + '_ {
    let own = interfaces.values().flat_map(|interface| &interface.addresses);
    let own = own.filter(|address| !address.is_loopback());
    own.map(|address| Network { address: address.to_bits(), mask: u32::MAX })
        .chain([Network { address: 0x7f00_0000, mask: 0xff00_0000 }])
}

/// Usable routes, of several to the same network the best.
fn parse_routes(text: &str) -> Vec<Route> {
    const UP: u32 = 0x1;
    const GATEWAY: u32 = 0x2;
    const REJECT: u32 = 0x200;
    let mut routes: Vec<Route> = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [interface, destination, gateway, flags, _, _, metric, mask, ..] = fields[..] else {
            continue;
        };
        let hex = |field| u32::from_str_radix(field, 16).ok();
        // The kernel prints addresses as they lie in memory.
        let address = |field| hex(field).map(|value| u32::from_be_bytes(value.to_ne_bytes()));
        let (Some(destination), Some(gateway), Some(mask), Some(flags), Ok(metric)) =
            (address(destination), address(gateway), address(mask), hex(flags), metric.parse())
        else {
            continue;
        };
        if flags & UP == 0 || flags & REJECT != 0 {
            continue;
        }
        let route = Route {
            network: Network { address: destination, mask },
            gateway: (flags & GATEWAY != 0).then_some(gateway.into()),
            interface: interface.to_owned(),
            metric,
        };
        match routes.iter_mut().find(|known| known.network == route.network) {
            Some(known) if route.metric < known.metric => *known = route,
            Some(_) => {}
            None => routes.push(route),
        }
    }
    routes
}

/// What the kernel knows of a neighbour.
fn neighbour(address: Ipv4Addr, interface: &str) -> Option<Mac> {
    parse_neighbour(&std::fs::read_to_string("/proc/thread-self/net/arp").ok()?, address, interface)
}

fn parse_neighbour(text: &str, address: Ipv4Addr, interface: &str) -> Option<Mac> {
    const COMPLETE: u32 = 0x2;
    text.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [known, _, flags, mac, _, device] = fields[..] else { return None };
        let flags = u32::from_str_radix(flags.strip_prefix("0x")?, 16).ok()?;
        let is_it = known.parse() == Ok(address) && device == interface && flags & COMPLETE != 0;
        let octets: Vec<u8> =
            mac.split(':').map_while(|octet| u8::from_str_radix(octet, 16).ok()).collect();
        octets.try_into().ok().filter(|_| is_it)
    })
}

/// Asks on the link, without the kernel's help: its own question would need a packet to send.
fn ask(link: &LinkAddr, own: Mac, source: Ipv4Addr, address: Ipv4Addr) -> io::Result<Option<Mac>> {
    let protocol = Protocol::from(i32::from(ETH_P_ARP.to_be()));
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
    nix::sys::socket::bind(socket.as_raw_fd(), link)?;
    let request = packet::arp_request(own, source, address);
    for _ in 0..ARP_TRIES {
        rustix::net::send(&socket, &request, rustix::net::SendFlags::empty())?;
        let until = Instant::now() + ARP_WAIT;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            let timeout = rustix::time::Timespec::try_from(left).ok();
            if poll(&mut [PollFd::new(&socket, PollFlags::IN)], timeout.as_ref())? == 0 {
                break;
            }
            let mut frame = [0; 64];
            let (length, _) =
                rustix::net::recv(&socket, &mut frame, rustix::net::RecvFlags::DONTWAIT)?;
            let reply = frame.get(..length).and_then(|frame| packet::arp_reply(frame, address));
            if reply.is_some() {
                return Ok(reply);
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Ports, TargetList};

    #[cfg(target_endian = "little")]
    const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
wlan0\t0001A8C0\t00000000\t0001\t0\t0\t50\t00FFFFFF\t0\t0\t0
*\t0000000A\t00000000\t0201\t0\t0\t0\t000000FF\t0\t0\t0
broken line
";

    #[test]
    #[cfg(target_endian = "little")]
    fn routes_are_read_and_the_better_one_kept() {
        let routes = parse_routes(ROUTES);
        let default = Route {
            network: Network { address: 0, mask: 0 },
            gateway: Some(Ipv4Addr::new(192, 168, 1, 1)),
            interface: "eth0".to_owned(),
            metric: 100,
        };
        let on_link = Route {
            network: Network { address: 0xc0a8_0100, mask: 0xffff_ff00 },
            gateway: None,
            interface: "wlan0".to_owned(),
            metric: 50,
        };
        assert_eq!(routes, [default, on_link]);
    }

    #[test]
    fn neighbours_are_read() {
        let text = "\
IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         02:aa:bb:cc:dd:0e     *        eth0
192.168.1.2      0x1         0x0         00:00:00:00:00:00     *        eth0
";
        let of = |last, device| parse_neighbour(text, Ipv4Addr::new(192, 168, 1, last), device);
        assert_eq!(of(1, "eth0"), Some([2, 0xaa, 0xbb, 0xcc, 0xdd, 0x0e]));
        assert_eq!(of(1, "eth1"), None);
        assert_eq!(of(2, "eth0"), None, "incomplete");
    }

    #[test]
    fn the_longest_prefix_wins() {
        let mut ways = Ways { by_network: Vec::new(), ways: Vec::new() };
        let from = |last| Way { source: Ipv4Addr::new(127, 0, 0, last), next: Next::Kernel };
        ways.add(Network { address: 0, mask: 0 }, from(1));
        ways.add(Network { address: 0x7f01_0200, mask: 0xffff_ff00 }, from(2));
        ways.add(Network { address: 0x7f01_0000, mask: 0xffff_0000 }, from(3));
        ways.add(Network { address: 0x7f01_0207, mask: u32::MAX }, from(1));
        let source =
            |address: [u8; 4]| ways.all()[ways.to(address.into()).unwrap()].source.octets()[3];
        assert_eq!(ways.all().len(), 3);
        assert_eq!(source([8, 8, 8, 8]), 1);
        assert_eq!(source([127, 1, 2, 3]), 2);
        assert_eq!(source([127, 1, 3, 3]), 3);
        assert_eq!(source([127, 1, 2, 7]), 1);
    }

    #[test]
    fn loopback_goes_by_the_kernel() {
        let mut list = TargetList::new();
        list.add("127.3.0.0/24").unwrap();
        let targets = list.into_set(&Ports::new([2375]).unwrap()).unwrap();
        let ways = Ways::find(&targets, &SweepConfig::default()).unwrap();
        let way = &ways.all()[ways.to(Ipv4Addr::new(127, 3, 0, 9)).unwrap()];
        assert_eq!(*way, Way { source: Ipv4Addr::LOCALHOST, next: Next::Kernel });
    }
}
