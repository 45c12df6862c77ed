//! What the kernel knows of routes and neighbours, asked by rtnetlink (RFC 3549).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use ipnet::IpNet;
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia,
};
use netlink_packet_route::rule::{RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as Message};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::sweep::links::Mac;

/// A conversation with the kernel.
#[derive(Debug)]
pub(super) struct Rtnetlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

/// How the kernel would send to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) kind: RouteType,
    /// `None`: the address is on the link itself.
    pub(super) gateway: Option<IpAddr>,
    /// The index of the interface.
    pub(super) link: Option<u32>,
    /// From which address.
    pub(super) source: Option<IpAddr>,
}

/// The kernel answers at once; this is for one that is broken.
const TIMEOUT: Duration = Duration::from_secs(5);

/// More than the kernel puts into one datagram of a dump.
const BUFFER: usize = 1 << 16;

/// Four times the routes of the whole Internet.
const MOST: usize = 4 << 20;

impl Rtnetlink {
    /// # Errors
    /// The system's.
    pub(super) fn open() -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            rustix::net::AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            // NETLINK_ROUTE.
            None,
        )?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        // Only the kernel is heard then.
        rustix::net::connect(&socket, &SocketAddrNetlink::new(0, 0))?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(TIMEOUT))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// The destinations of all routes in all tables, and of all rules that name one: between the
    /// ends of these, the kernel sends to every address by the same path.
    ///
    /// # Errors
    /// The system's, or there are more than 4 million.
    pub(super) fn networks(&mut self, family: AddressFamily) -> io::Result<Vec<IpNet>> {
        let mut networks = Vec::new();
        let mut routes = RouteMessage::default();
        routes.header.address_family = family;
        let mut rules = RuleMessage::default();
        rules.header.family = family;
        for question in [Message::GetRoute(routes), Message::GetRule(rules)] {
            let dumped = self.dump(question, |answer| {
                networks.extend(network(&answer));
                if networks.len() > MOST {
                    return Err(io::Error::other(format!("more than {MOST} routes")));
                }
                Ok(())
            });
            match dumped {
                // A kernel without rules or without this family has none to tell of.
                Err(error) if is_unsupported(&error) => {}
                dumped => dumped?,
            }
        }
        Ok(networks)
    }

    /// How the kernel would send to `address`, from `source` and through the interface `link`, if
    /// these are given. Rules are followed. The inner error says that it would not.
    ///
    /// # Errors
    /// The kernel could not be asked.
    pub(super) fn path(
        &mut self,
        address: IpAddr,
        source: Option<IpAddr>,
        link: Option<u32>,
    ) -> io::Result<Result<Path, Errno>> {
        let mut question = RouteMessage::default();
        question.header.address_family = family_of(address);
        question.header.destination_prefix_length = bits(address);
        question.attributes.push(RouteAttribute::Destination(address.into()));
        if let Some(source) = source {
            question.header.source_prefix_length = bits(source);
            question.attributes.push(RouteAttribute::Source(source.into()));
        }
        question.attributes.extend(link.map(RouteAttribute::Oif));
        self.send(Message::GetRoute(question), NLM_F_REQUEST)?;
        let mut path = None;
        self.receive(|payload| {
            path = match payload {
                NetlinkPayload::InnerMessage(Message::NewRoute(route)) => Some(Ok(path_of(&route))),
                NetlinkPayload::Error(error) => {
                    Some(Err(Errno::from_io_error(&error.to_io()).unwrap_or(Errno::NETUNREACH)))
                }
                _ => return Ok(Flow::On),
            };
            Ok(Flow::Over)
        })?;
        path.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The Ethernet addresses of neighbours, by interface and address.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn neighbours(
        &mut self,
        family: AddressFamily,
    ) -> io::Result<HashMap<(u32, IpAddr), Mac>> {
        let mut neighbours = HashMap::new();
        let mut question = NeighbourMessage::default();
        question.header.family = family;
        self.dump(Message::GetNeighbour(question), |answer| {
            if let Message::NewNeighbour(neighbour) = answer
                && neighbours.len() < MOST
            {
                neighbours.extend(neighbour_of(&neighbour));
            }
            Ok(())
        })?;
        Ok(neighbours)
    }

    fn dump(
        &mut self,
        question: Message,
        mut each: impl FnMut(Message) -> io::Result<()>,
    ) -> io::Result<()> {
        self.send(question, NLM_F_REQUEST | NLM_F_DUMP)?;
        self.receive(|payload| match payload {
            NetlinkPayload::InnerMessage(message) => each(message).map(|()| Flow::On),
            NetlinkPayload::Error(error) => Err(error.to_io()),
            NetlinkPayload::Done(_) => Ok(Flow::Over),
            _ => Ok(Flow::On),
        })
    }

    fn send(&mut self, question: Message, flags: u16) -> io::Result<()> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(question));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        rustix::net::send(&self.socket, &bytes, SendFlags::empty())?;
        Ok(())
    }

    /// Hands on what answers the last question, until told that it is over.
    fn receive(
        &mut self,
        mut take: impl FnMut(NetlinkPayload<Message>) -> io::Result<Flow>,
    ) -> io::Result<()> {
        loop {
            let (length, whole) =
                rustix::net::recv(&self.socket, &mut self.buffer[..], RecvFlags::TRUNC)?;
            if whole > length {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let datagram = self.buffer.get(..length).unwrap_or_default();
            for payload in payloads(datagram, self.sequence) {
                if let Flow::Over = take(payload)? {
                    return Ok(());
                }
            }
        }
    }
}

enum Flow {
    On,
    Over,
}

/// The messages of a datagram that answer the question `sequence`. One that cannot be read, for
/// want of knowing some kind of tunnel, is passed over.
fn payloads(datagram: &[u8], sequence: u32) -> impl Iterator<Item = NetlinkPayload<Message>> + '_ {
    let mut rest = datagram;
    let messages = std::iter::from_fn(move || {
        let length = NetlinkBuffer::new_checked(rest).ok()?.length();
        let message = rest.get(..usize::try_from(length).ok()?)?;
        // Messages begin at multiples of four bytes.
        rest = rest.get(message.len().next_multiple_of(4)..).unwrap_or_default();
        Some(NetlinkMessage::deserialize(message))
    });
    messages.filter_map(move |message| match message {
        Ok(message) => (message.header.sequence_number == sequence).then_some(message.payload),
        Err(error) => {
            tracing::debug!(%error, "an answer of the kernel's could not be read");
            None
        }
    })
}

fn network(answer: &Message) -> Option<IpNet> {
    match answer {
        Message::NewRoute(route) => {
            let destination = route.attributes.iter().find_map(|attribute| match attribute {
                RouteAttribute::Destination(address) => ip(address),
                _ => None,
            });
            let any = match route.header.address_family {
                AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
                AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
                _ => return None,
            };
            let prefix = route.header.destination_prefix_length;
            IpNet::new(destination.unwrap_or(any), prefix).ok()
        }
        Message::NewRule(rule) => rule.attributes.iter().find_map(|attribute| match attribute {
            RuleAttribute::Destination(address) => IpNet::new(*address, rule.header.dst_len).ok(),
            _ => None,
        }),
        _ => None,
    }
}

fn path_of(route: &RouteMessage) -> Path {
    let mut path = Path { kind: route.header.kind, gateway: None, link: None, source: None };
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Gateway(address) => path.gateway = ip(address),
            RouteAttribute::Via(RouteVia::Inet(address)) => path.gateway = Some((*address).into()),
            RouteAttribute::Via(RouteVia::Inet6(address)) => path.gateway = Some((*address).into()),
            RouteAttribute::Oif(link) => path.link = Some(*link),
            RouteAttribute::PrefSource(address) => path.source = ip(address),
            _ => {}
        }
    }
    path
}

fn neighbour_of(neighbour: &NeighbourMessage) -> Option<((u32, IpAddr), Mac)> {
    let is_known = matches!(
        neighbour.header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
    );
    let address = neighbour.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => {
            Some(IpAddr::V4(*address))
        }
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => {
            Some(IpAddr::V6(*address))
        }
        _ => None,
    });
    let mac = neighbour.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => Mac::try_from(bytes.as_slice()).ok(),
        _ => None,
    });
    Some(((neighbour.header.ifindex, address?), mac.filter(|_| is_known)?))
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::OPNOTSUPP))
}

fn family_of(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

const fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn loopback_is_local() {
        let mut kernel = Rtnetlink::open().unwrap();
        let address = IpAddr::from([127, 62, 0, 9]);
        let path = kernel.path(address, None, None).unwrap().unwrap();
        assert_eq!((path.kind, path.gateway), (RouteType::Local, None));
        let source: IpAddr = [127, 62, 0, 8].into();
        let path = kernel.path(address, Some(source), None).unwrap().unwrap();
        assert_eq!(path.kind, RouteType::Local);
        let networks = kernel.networks(AddressFamily::Inet).unwrap();
        assert!(networks.contains(&"127.0.0.0/8".parse().unwrap()), "{networks:?}");
    }

    #[test]
    fn no_route_is_an_answer() {
        let mut kernel = Rtnetlink::open().unwrap();
        // No such interface.
        let answer = kernel.path([127, 62, 0, 9].into(), None, Some(u32::MAX / 2)).unwrap();
        assert!(answer.is_err(), "{answer:?}");
        assert!(kernel.path([127, 62, 0, 9].into(), None, None).unwrap().is_ok(), "it goes on");
    }

    #[test]
    fn neighbours_are_those_with_an_address() {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = 3;
        message.header.state = NeighbourState::Stale;
        let address = Ipv4Addr::new(127, 62, 0, 1);
        message.attributes = vec![
            NeighbourAttribute::Destination(NeighbourAddress::Inet(address)),
            NeighbourAttribute::LinkLayerAddress(vec![2, 0, 0, 0, 0, 9]),
        ];
        assert_eq!(neighbour_of(&message), Some(((3, address.into()), [2, 0, 0, 0, 0, 9])));
        message.header.state = NeighbourState::Failed;
        assert_eq!(neighbour_of(&message), None);
        message.header.state = NeighbourState::Reachable;
        message.attributes[1] = NeighbourAttribute::LinkLayerAddress(vec![1; 20]);
        assert_eq!(neighbour_of(&message), None, "no Ethernet");
    }

    /// A route to a network by a gateway, as the kernel would write it.
    fn datagram() -> Vec<u8> {
        let mut route = RouteMessage::default();
        route.header.address_family = AddressFamily::Inet;
        route.header.destination_prefix_length = 24;
        route.header.kind = RouteType::Unicast;
        route.attributes = vec![
            RouteAttribute::Destination(RouteAddress::Inet(Ipv4Addr::new(127, 62, 1, 0))),
            RouteAttribute::Gateway(RouteAddress::Inet(Ipv4Addr::new(127, 62, 0, 1))),
            RouteAttribute::Oif(7),
        ];
        let mut header = NetlinkHeader::default();
        header.sequence_number = 1;
        let payload = NetlinkPayload::from(Message::NewRoute(route));
        let mut message = NetlinkMessage::new(header, payload);
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        [bytes.clone(), bytes].concat()
    }

    #[test]
    fn only_answers_to_the_question_are_read() {
        let datagram = datagram();
        assert_eq!(payloads(&datagram, 1).count(), 2);
        assert_eq!(payloads(&datagram, 2).count(), 0);
        let NetlinkPayload::InnerMessage(message) = payloads(&datagram, 1).next().unwrap() else {
            panic!("no message");
        };
        assert_eq!(network(&message), Some("127.62.1.0/24".parse().unwrap()));
        let Message::NewRoute(route) = message else { panic!("no route") };
        let path = path_of(&route);
        assert_eq!((path.gateway, path.link), (Some([127, 62, 0, 1].into()), Some(7)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            payloads(&bytes, 0).for_each(drop);
        }

        #[test]
        fn bent_answers_are_read_without_panic(at in 0usize..112, byte: u8, cut in 0usize..120) {
            let mut datagram = datagram();
            if let Some(place) = datagram.get_mut(at) {
                *place = byte;
            }
            datagram.truncate(cut);
            for payload in payloads(&datagram, 1) {
                if let NetlinkPayload::InnerMessage(message) = payload {
                    let _ = network(&message);
                    if let Message::NewRoute(route) = message {
                        let _ = path_of(&route);
                    }
                }
            }
        }
    }
}
