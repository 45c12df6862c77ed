//! The packets themselves: IPv4 (RFC 791), TCP (RFC 9293) and ICMP (RFC 792), as far as a SYN and
//! its answers need them; IPv6 and the questions to neighbours in modules of their own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

pub(super) mod neighbour;
pub(super) mod v6;

/// IPv4 header, TCP header and the MSS option: some hosts drop a SYN without it.
pub(super) const SYN_LEN: usize = 44;
pub(super) const RST_LEN: usize = 40;
pub(super) const ETHERNET_LEN: usize = 14;

const IP_LEN: usize = 20;
const TCP: u8 = 6;
const ICMP: u8 = 1;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const WINDOW: u16 = 64_240;
const MSS: u16 = 1460;
const TTL: u8 = 64;
const DESTINATION_UNREACHABLE: u8 = 3;
const FRAGMENTATION_NEEDED: u8 = 4;

/// A SYN but for its target, with what is constant already summed up.
#[derive(Clone, Debug)]
pub(super) struct SynTemplate {
    bytes: [u8; SYN_LEN],
    ip_sum: u32,
    tcp_sum: u32,
}

impl SynTemplate {
    pub(super) fn new(source: Ipv4Addr, source_port: u16) -> Self {
        let mut bytes = [0; SYN_LEN];
        put(&mut bytes, 0, &ip_header(SYN_LEN as u16, source));
        put(&mut bytes, 20, &source_port.to_be_bytes());
        put(&mut bytes, 32, &[(24 / 4) << 4, SYN]);
        put(&mut bytes, 34, &WINDOW.to_be_bytes());
        let [high, low] = MSS.to_be_bytes();
        put(&mut bytes, 40, &[2, 4, high, low]);
        let (ip, tcp) = bytes.split_at(IP_LEN);
        let (ip_sum, tcp_sum) = (sum(ip), sum(tcp) + pseudo_header(source, 24));
        Self { bytes, ip_sum, tcp_sum }
    }

    pub(super) fn write(&self, out: &mut [u8; SYN_LEN], target: SocketAddrV4, sequence: u32) {
        *out = self.bytes;
        let to = words(target.ip().to_bits());
        let id = (sequence >> 16 ^ sequence) & 0xffff;
        put(out, 4, &(id as u16).to_be_bytes());
        put(out, 10, &fold(self.ip_sum + to + id).to_be_bytes());
        put(out, 16, &target.ip().octets());
        put(out, 22, &target.port().to_be_bytes());
        put(out, 24, &sequence.to_be_bytes());
        let tcp = self.tcp_sum + to + u32::from(target.port()) + words(sequence);
        put(out, 36, &fold(tcp).to_be_bytes());
    }
}

/// Ends a connection that a target holds half open. `sequence` is that of the SYN.
pub(super) fn reset(
    source: Ipv4Addr,
    source_port: u16,
    target: SocketAddrV4,
    sequence: u32,
) -> [u8; RST_LEN] {
    let mut bytes = [0; RST_LEN];
    put(&mut bytes, 0, &ip_header(RST_LEN as u16, source));
    put(&mut bytes, 16, &target.ip().octets());
    put(&mut bytes, 20, &source_port.to_be_bytes());
    put(&mut bytes, 22, &target.port().to_be_bytes());
    put(&mut bytes, 24, &sequence.wrapping_add(1).to_be_bytes());
    put(&mut bytes, 32, &[(20 / 4) << 4, RST]);
    let (ip, tcp) = bytes.split_at(IP_LEN);
    let ip_sum = fold(sum(ip));
    let tcp_sum = fold(sum(tcp) + pseudo_header(source, 20) + words(target.ip().to_bits()));
    put(&mut bytes, 10, &ip_sum.to_be_bytes());
    put(&mut bytes, 36, &tcp_sum.to_be_bytes());
    bytes
}

/// An answer to a SYN, not yet known to be one to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) target: SocketAddr,
    /// The address that the SYN came from, as the answer has it.
    pub(super) source: IpAddr,
    /// The sequence number of the SYN, as the answer has it.
    pub(super) sequence: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    SynAck,
    Reset,
    /// Destination unreachable, with the code of ICMP (RFC 792, RFC 1812) or ICMPv6 (RFC 4443).
    Unreachable(u8),
}

/// Reads an IP packet. Checksums are not looked at: on virtual links they are not filled in.
pub(super) fn parse(packet: &[u8], source_port: u16) -> Option<Heard> {
    match packet.first()? >> 4 {
        4 => parse_v4(packet, source_port),
        6 => v6::parse(packet, source_port),
        _ => None,
    }
}

fn parse_v4(packet: &[u8], source_port: u16) -> Option<Heard> {
    let ip = Ip::parse(packet)?;
    match ip.protocol {
        TCP => answer(ip.source.into(), ip.destination.into(), ip.payload, source_port),
        ICMP => {
            let (kind, code) = (*ip.payload.first()?, *ip.payload.get(1)?);
            if kind != DESTINATION_UNREACHABLE || code == FRAGMENTATION_NEEDED {
                return None;
            }
            let sent = Ip::parse(ip.payload.get(8..)?)?;
            let (from, to) = (be16(sent.payload, 0)?, be16(sent.payload, 2)?);
            let sequence = be32(sent.payload, 4)?;
            (sent.protocol == TCP && from == source_port).then(|| Heard {
                target: (sent.destination, to).into(),
                source: sent.source.into(),
                sequence,
                kind: Kind::Unreachable(code),
            })
        }
        _ => None,
    }
}

/// Reads a TCP segment.
fn answer(source: IpAddr, destination: IpAddr, tcp: &[u8], source_port: u16) -> Option<Heard> {
    let (from, to) = (be16(tcp, 0)?, be16(tcp, 2)?);
    let flags = *tcp.get(13)?;
    let kind = match flags & (SYN | ACK | RST | FIN) {
        answer if answer == SYN | ACK => Kind::SynAck,
        // A reset without ACK names no sequence number of ours: anyone could send it.
        answer if answer == RST | ACK => Kind::Reset,
        _ => return None,
    };
    let sequence = be32(tcp, 8)?.wrapping_sub(1);
    (to == source_port).then(|| Heard {
        target: (source, from).into(),
        source: destination,
        sequence,
        kind,
    })
}

struct Ip<'a> {
    protocol: u8,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    payload: &'a [u8],
}

impl<'a> Ip<'a> {
    fn parse(packet: &'a [u8]) -> Option<Self> {
        let first = *packet.first()?;
        let header = usize::from(first & 0x0f) * 4;
        let is_later_fragment = be16(packet, 6)? & 0x1fff != 0;
        if first >> 4 != 4 || header < IP_LEN || is_later_fragment {
            return None;
        }
        Some(Self {
            protocol: *packet.get(9)?,
            source: Ipv4Addr::from(array::<4>(packet, 12)?),
            destination: Ipv4Addr::from(array::<4>(packet, 16)?),
            payload: packet.get(header..)?,
        })
    }
}

/// Without target, identification and checksum.
fn ip_header(length: u16, source: Ipv4Addr) -> [u8; IP_LEN] {
    let mut header = [0; IP_LEN];
    put(&mut header, 0, &[0x45, 0]);
    put(&mut header, 2, &length.to_be_bytes());
    // Don't fragment.
    put(&mut header, 6, &[0x40, 0, TTL, TCP]);
    put(&mut header, 12, &source.octets());
    header
}

/// What the TCP checksum has of IP's header, without the target.
fn pseudo_header(source: Ipv4Addr, length: u32) -> u32 {
    words(source.to_bits()) + u32::from(TCP) + length
}

const fn words(value: u32) -> u32 {
    (value >> 16) + (value & 0xffff)
}

fn sum(bytes: &[u8]) -> u32 {
    let pairs = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    pairs.sum()
}

/// RFC 1071.
const fn fold(sum: u32) -> u16 {
    !(words(words(sum)) as u16)
}

/// The layouts above are constants that fit; what did not would be left out.
fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a target answers to `syn`, with these flags.
    pub(in super::super) fn answer(syn: &[u8; SYN_LEN], flags: u8) -> Vec<u8> {
        let mut bytes = vec![0; RST_LEN];
        put(
            &mut bytes,
            0,
            &ip_header(RST_LEN as u16, Ipv4Addr::from(array::<4>(syn, 16).unwrap())),
        );
        put(&mut bytes, 16, &syn[12..16]);
        put(&mut bytes, 20, &syn[22..24]);
        put(&mut bytes, 22, &syn[20..22]);
        put(&mut bytes, 28, &be32(syn, 24).unwrap().wrapping_add(1).to_be_bytes());
        put(&mut bytes, 32, &[5 << 4, flags]);
        bytes
    }

    /// What a router answers: the beginning of `syn` comes back.
    pub(in super::super) fn unreachable(syn: &[u8; SYN_LEN], code: u8) -> Vec<u8> {
        let mut bytes = ip_header(56, Ipv4Addr::new(127, 9, 9, 9)).to_vec();
        bytes[9] = ICMP;
        bytes[16..20].copy_from_slice(&syn[12..16]);
        bytes.extend([DESTINATION_UNREACHABLE, code, 0, 0, 0, 0, 0, 0]);
        bytes.extend(&syn[..28]);
        bytes
    }

    pub(in super::super) fn syn(
        target: SocketAddrV4,
        source_port: u16,
        sequence: u32,
    ) -> [u8; SYN_LEN] {
        let mut out = [0; SYN_LEN];
        SynTemplate::new(Ipv4Addr::LOCALHOST, source_port).write(&mut out, target, sequence);
        out
    }

    /// The sum over header and data, checksum included, is all ones (RFC 1071).
    fn assert_checksums(packet: &[u8]) {
        assert_eq!(fold(sum(&packet[..20])), 0, "IP");
        let ends = words(be32(packet, 12).unwrap()) + words(be32(packet, 16).unwrap());
        let tcp = &packet[20..];
        assert_eq!(fold(sum(tcp) + ends + 6 + u32::try_from(tcp.len()).unwrap()), 0, "TCP");
    }

    #[test]
    fn a_known_syn() {
        let target = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 2), 2375);
        let packet = syn(target, 40_000, 0x0102_0304);
        let expected = [
            0x45, 0, 0, 44, 0x02, 0x06, 0x40, 0, 64, 6, 0x3a, 0xc3, 127, 0, 0, 1, 127, 0, 0,
            2, //
            0x9c, 0x40, 0x09, 0x47, 1, 2, 3, 4, 0, 0, 0, 0, 0x60, 2, 0xfa, 0xf0,
        ];
        assert_eq!(packet[..36], expected);
        assert_eq!(packet[38..], [0, 0, 2, 4, 0x05, 0xb4]);
        assert_checksums(&packet);
    }

    proptest! {
        #[test]
        fn checksums_are_right(source: u32, from: u16, to: u32, port: u16, sequence: u32) {
            let target = SocketAddrV4::new(to.into(), port);
            let mut out = [0; SYN_LEN];
            SynTemplate::new(source.into(), from).write(&mut out, target, sequence);
            assert_checksums(&out);
            assert_checksums(&reset(source.into(), from, target, sequence));
        }

        #[test]
        fn answers_lead_back_to_the_probe(to: u32, port: u16, from: u16, sequence: u32, code: u8) {
            let target = SocketAddrV4::new(to.into(), port);
            let syn = syn(target, from, sequence);
            let source = Ipv4Addr::LOCALHOST.into();
            let heard = |kind| Some(Heard { target: target.into(), source, sequence, kind });
            prop_assert_eq!(parse(&answer(&syn, SYN | ACK), from), heard(Kind::SynAck));
            prop_assert_eq!(parse(&answer(&syn, RST | ACK), from), heard(Kind::Reset));
            prop_assert_eq!(parse(&answer(&syn, RST), from), None);
            prop_assert_eq!(parse(&answer(&syn, SYN), from), None);
            prop_assert_eq!(parse(&answer(&syn, SYN | ACK), !from), None);
            let expected = (code != 4).then(|| heard(Kind::Unreachable(code))).flatten();
            prop_assert_eq!(parse(&unreachable(&syn, code), from), expected);
            prop_assert_eq!(parse(&unreachable(&syn, 1), !from), None);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), port: u16) {
            let _ = parse(&bytes, port);
        }

        #[test]
        fn cut_and_bent_answers_are_read_without_panic(cut in 0usize..60, at in 0usize..56, byte: u8) {
            let target = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 2375);
            let syn = syn(target, 40_000, 7);
            for mut packet in [answer(&syn, SYN | ACK), unreachable(&syn, 1)] {
                if let Some(place) = packet.get_mut(at) {
                    *place = byte;
                }
                packet.truncate(cut);
                let _ = parse(&packet, 40_000);
            }
        }
    }
}
