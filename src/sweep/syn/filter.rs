//! Which packets the kernel hands to the receiver at all, as a program of its packet filter
//! (classic BPF). What passes is read and checked as if nothing had been.

use socket2::SockFilter;

use super::packet::neighbour::ADVERTISEMENT;

/// Enough for every header with every option, of the packet and of the one an ICMP error quotes.
pub(super) const SNAP_LEN: u32 = 192;

// Instructions: a class, a size and a mode each (linux/bpf_common.h).
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE_INDEXED: u16 = 0x50;
const LOAD_HALF_INDEXED: u16 = 0x48;
/// X = four times the low half of a byte: the length of an IPv4 header.
const LOAD_HEADER_LENGTH: u16 = 0xb1;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_SET: u16 = 0x45;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

const TCP: u32 = 6;
const ICMP: u32 = 1;
const ICMPV6: u32 = 58;
const FRAGMENT_OFFSET: u32 = 0x1fff;
const REPLY: u32 = 2;
const RST: u32 = 0x04;
const SYN_ACK: u32 = 0x12;

/// For packets that begin with their IPv4 header: SYN-ACKs and resets to `source_port`, and ICMP's
/// destination unreachable about TCP from `source_port` (the quoted packet is ours, so its header
/// is 20 bytes long).
pub(super) fn answers_v4(source_port: u16) -> [SockFilter; 23] {
    let port = u32::from(source_port);
    let step = |code, k| SockFilter::new(code, 0, 0, k);
    // Jumps say how many instructions to skip.
    let jump = |code, k, yes, no| SockFilter::new(code, yes, no, k);
    [
        /* 0 */ step(LOAD_BYTE, 9),
        /* 1 */ jump(JUMP_IF_EQUAL, TCP, 1, 0),
        /* 2 */ jump(JUMP_IF_EQUAL, ICMP, 9, 18),
        /* 3: TCP */ step(LOAD_HALF, 6),
        /* 4 */ jump(JUMP_IF_SET, FRAGMENT_OFFSET, 16, 0),
        /* 5 */ step(LOAD_HEADER_LENGTH, 0),
        /* 6 */ step(LOAD_HALF_INDEXED, 2),
        /* 7 */ jump(JUMP_IF_EQUAL, port, 0, 13),
        /* 8 */ step(LOAD_BYTE_INDEXED, 13),
        /* 9 */ jump(JUMP_IF_SET, RST, 12, 0),
        /* 10 */ step(AND, SYN_ACK),
        /* 11 */ jump(JUMP_IF_EQUAL, SYN_ACK, 10, 9),
        /* 12: ICMP */ step(LOAD_HALF, 6),
        /* 13 */ jump(JUMP_IF_SET, FRAGMENT_OFFSET, 7, 0),
        /* 14 */ step(LOAD_HEADER_LENGTH, 0),
        /* 15 */ step(LOAD_BYTE_INDEXED, 0),
        /* 16 */ jump(JUMP_IF_EQUAL, 3, 0, 4),
        /* 17 */ step(LOAD_BYTE_INDEXED, 8 + 9),
        /* 18 */ jump(JUMP_IF_EQUAL, TCP, 0, 2),
        /* 19 */ step(LOAD_HALF_INDEXED, 8 + 20),
        /* 20 */ jump(JUMP_IF_EQUAL, port, 1, 0),
        /* 21: refused */ step(RETURN, 0),
        /* 22: taken */ step(RETURN, SNAP_LEN),
    ]
}

/// The same for packets that begin with their IPv6 header, behind which nothing else comes first.
pub(super) fn answers_v6(source_port: u16) -> [SockFilter; 17] {
    let port = u32::from(source_port);
    let step = |code, k| SockFilter::new(code, 0, 0, k);
    let jump = |code, k, yes, no| SockFilter::new(code, yes, no, k);
    [
        /* 0 */ step(LOAD_BYTE, 6),
        /* 1 */ jump(JUMP_IF_EQUAL, TCP, 1, 0),
        /* 2 */ jump(JUMP_IF_EQUAL, ICMPV6, 6, 12),
        /* 3: TCP */ step(LOAD_HALF, 40 + 2),
        /* 4 */ jump(JUMP_IF_EQUAL, port, 0, 10),
        /* 5 */ step(LOAD_BYTE, 40 + 13),
        /* 6 */ jump(JUMP_IF_SET, RST, 9, 0),
        /* 7 */ step(AND, SYN_ACK),
        /* 8 */ jump(JUMP_IF_EQUAL, SYN_ACK, 7, 6),
        /* 9: ICMPv6 */ step(LOAD_BYTE, 40),
        /* 10 */ jump(JUMP_IF_EQUAL, 1, 0, 4),
        /* 11 */ step(LOAD_BYTE, 48 + 6),
        /* 12 */ jump(JUMP_IF_EQUAL, TCP, 0, 2),
        /* 13 */ step(LOAD_HALF, 48 + 40),
        /* 14 */ jump(JUMP_IF_EQUAL, port, 1, 0),
        /* 15: refused */ step(RETURN, 0),
        /* 16: taken */ step(RETURN, SNAP_LEN),
    ]
}

/// For ARP packets without their Ethernet header: replies.
pub(super) fn arp_replies() -> [SockFilter; 4] {
    [
        SockFilter::new(LOAD_HALF, 0, 0, 6),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, REPLY),
        SockFilter::new(RETURN, 0, 0, SNAP_LEN),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// For packets that begin with their IPv6 header: neighbour advertisements.
pub(super) fn advertisements() -> [SockFilter; 6] {
    [
        SockFilter::new(LOAD_BYTE, 0, 0, 6),
        SockFilter::new(JUMP_IF_EQUAL, 0, 3, ICMPV6),
        SockFilter::new(LOAD_BYTE, 0, 0, 40),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, ADVERTISEMENT as u32),
        SockFilter::new(RETURN, 0, 0, SNAP_LEN),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
    use std::os::unix::net::UnixDatagram;

    use proptest::prelude::*;
    use socket2::SockRef;

    use super::super::packet::neighbour::{arp_request, tests::advertise};
    use super::super::packet::tests::{answer, syn, unreachable};
    use super::super::packet::v6::tests as v6;
    use super::*;

    const PORT: u16 = 40_000;

    /// The kernel runs the program on datagrams of any kind of socket.
    struct Kernel {
        into: UnixDatagram,
        out: UnixDatagram,
    }

    impl Kernel {
        fn new(filter: &[SockFilter]) -> Self {
            let (into, out) = UnixDatagram::pair().unwrap();
            SockRef::from(&out).attach_filter(filter).unwrap();
            out.set_nonblocking(true).unwrap();
            Self { into, out }
        }

        fn takes(&self, packet: &[u8]) -> bool {
            self.into.send(packet).unwrap();
            let mut buffer = [0; 2048];
            match self.out.recv(&mut buffer) {
                Ok(length) => {
                    let kept = packet.len().min(SNAP_LEN as usize);
                    assert_eq!(buffer[..length], packet[..kept]);
                    true
                }
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                    false
                }
            }
        }
    }

    fn probe(source_port: u16) -> [u8; 44] {
        syn(SocketAddrV4::new(Ipv4Addr::new(127, 3, 2, 1), 2375), source_port, 0x1234_5678)
    }

    fn with_ip_options(packet: &[u8]) -> Vec<u8> {
        let mut longer = packet[..20].to_vec();
        longer[0] = 0x46;
        longer.extend([1, 1, 1, 0]);
        longer.extend(&packet[20..]);
        longer
    }

    #[test]
    fn answers_pass_and_nothing_else_does() {
        let kernel = Kernel::new(&answers_v4(PORT));
        let (ours, other) = (probe(PORT), probe(PORT + 1));
        assert!(kernel.takes(&answer(&ours, 0x12)), "SYN-ACK");
        assert!(kernel.takes(&answer(&ours, 0x52)), "SYN-ACK with ECE");
        assert!(kernel.takes(&answer(&ours, 0x14)), "RST");
        assert!(kernel.takes(&unreachable(&ours, 13)));
        assert!(kernel.takes(&with_ip_options(&answer(&ours, 0x12))));
        assert!(kernel.takes(&with_ip_options(&unreachable(&ours, 1))));

        assert!(!kernel.takes(&ours), "our own SYN");
        assert!(!kernel.takes(&answer(&ours, 0x10)), "ACK");
        assert!(!kernel.takes(&answer(&ours, 0x02)), "SYN");
        assert!(!kernel.takes(&answer(&other, 0x12)), "another port");
        assert!(!kernel.takes(&unreachable(&other, 1)));
        let mut echo = unreachable(&ours, 0);
        echo[20] = 0;
        assert!(!kernel.takes(&echo), "an echo reply");
        let mut quoting_udp = unreachable(&ours, 3);
        quoting_udp[28 + 9] = 17;
        assert!(!kernel.takes(&quoting_udp));
        for mut fragment in [answer(&ours, 0x12), unreachable(&ours, 1)] {
            fragment[7] = 1;
            assert!(!kernel.takes(&fragment), "a later fragment");
        }
        let mut long = answer(&ours, 0x12);
        long.resize(1500, 0);
        assert!(kernel.takes(&long), "and is cut");
    }

    fn probe_v6(source_port: u16) -> [u8; 64] {
        v6::syn(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 2375, 0, 0), source_port, 0x1234_5678)
    }

    #[test]
    fn answers_by_ipv6_pass_and_nothing_else_does() {
        let kernel = Kernel::new(&answers_v6(PORT));
        let (ours, other) = (probe_v6(PORT), probe_v6(PORT + 1));
        assert!(kernel.takes(&v6::answer(&ours, 0x12)), "SYN-ACK");
        assert!(kernel.takes(&v6::answer(&ours, 0x52)), "SYN-ACK with ECE");
        assert!(kernel.takes(&v6::answer(&ours, 0x14)), "RST");
        assert!(kernel.takes(&v6::unreachable(&ours, 1)));

        assert!(!kernel.takes(&ours), "our own SYN");
        assert!(!kernel.takes(&v6::answer(&ours, 0x10)), "ACK");
        assert!(!kernel.takes(&v6::answer(&other, 0x12)), "another port");
        assert!(!kernel.takes(&v6::unreachable(&other, 1)));
        for (at, byte, what) in
            [(40, 2, "packet too big"), (54, 17, "about UDP"), (6, 44, "a fragment")]
        {
            let mut packet = v6::unreachable(&ours, 1);
            packet[at] = byte;
            assert!(!kernel.takes(&packet), "{what}");
        }
        assert!(!kernel.takes(&advertise(Ipv6Addr::LOCALHOST, [2; 6])));
    }

    #[test]
    fn only_answers_of_neighbours_pass() {
        let arp = Kernel::new(&arp_replies());
        let mut packet =
            arp_request([2; 6], Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST)[14..].to_vec();
        assert!(!arp.takes(&packet), "a request");
        packet[7] = 2;
        assert!(arp.takes(&packet));
        assert!(!arp.takes(&packet[..6]));

        let discovery = Kernel::new(&advertisements());
        let advertisement = advertise(Ipv6Addr::LOCALHOST, [2; 6]);
        assert!(discovery.takes(&advertisement));
        assert!(!discovery.takes(&v6::unreachable(&probe_v6(PORT), 1)));
        assert!(!discovery.takes(&v6::answer(&probe_v6(PORT), 0x12)));
        assert!(!discovery.takes(&advertisement[..40]));
    }

    proptest! {
        #[test]
        fn what_the_parser_reads_of_ipv6_passes(
            port in any::<u16>(), at in 0usize..112, byte: u8, cut in 40usize..120,
        ) {
            let kernel = Kernel::new(&answers_v6(PORT));
            let syn = v6::syn(SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0), PORT, 7);
            for mut packet in [v6::answer(&syn, 0x12), v6::answer(&syn, 0x14), v6::unreachable(&syn, 1)] {
                if let Some(place) = packet.get_mut(at) {
                    *place = byte;
                }
                packet.truncate(cut);
                // What says to be IPv4 does not come by this socket.
                let is_v6 = packet[0] >> 4 == 6;
                if is_v6 && super::super::packet::parse(&packet, PORT).is_some() {
                    prop_assert!(kernel.takes(&packet));
                }
            }
        }

        #[test]
        fn what_the_parser_reads_passes(
            port in any::<u16>(), at in 0usize..56, byte: u8, cut in 20usize..60,
        ) {
            let kernel = Kernel::new(&answers_v4(PORT));
            let target = SocketAddrV4::new(Ipv4Addr::new(127, 3, 2, 1), port);
            let syn = syn(target, PORT, 7);
            for mut packet in [answer(&syn, 0x12), answer(&syn, 0x14), unreachable(&syn, 13)] {
                if let Some(place) = packet.get_mut(at) {
                    *place = byte;
                }
                packet.truncate(cut);
                let is_v4 = packet.first().is_some_and(|byte| byte >> 4 == 4);
                let read = is_v4 && super::super::packet::parse(&packet, PORT).is_some();
                // The filter alone expects a quoted header without options.
                let quoted_options = packet.get(9) == Some(&1) && packet.get(28) != Some(&0x45);
                if read && !quoted_options {
                    prop_assert!(kernel.takes(&packet));
                }
            }
        }
    }
}
