//! SYNs and their answers over IPv6 (RFC 8200, RFC 9293, RFC 4443).

use std::net::{Ipv6Addr, SocketAddrV6};

use super::{Heard, Kind, RST, SYN, TCP, TTL, WINDOW, array, be16, be32, fold, put, sum, words};

pub(in super::super) const HEADER_LEN: usize = 40;
/// IPv6 header, TCP header and the MSS option.
pub(in super::super) const SYN_LEN: usize = 64;
pub(in super::super) const RST_LEN: usize = 60;

/// 1500 bytes less the headers.
const MSS: u16 = 1440;
const ICMPV6: u8 = 58;
const DESTINATION_UNREACHABLE: u8 = 1;

/// A SYN but for its target, with what is constant already summed up.
#[derive(Clone, Debug)]
pub(in super::super) struct SynTemplate {
    bytes: [u8; SYN_LEN],
    tcp_sum: u32,
}

impl SynTemplate {
    pub(in super::super) fn new(source: Ipv6Addr, source_port: u16) -> Self {
        let mut bytes = [0; SYN_LEN];
        put(&mut bytes, 0, &header(source, TCP, 24, TTL));
        put(&mut bytes, 40, &source_port.to_be_bytes());
        put(&mut bytes, 52, &[(24 / 4) << 4, SYN]);
        put(&mut bytes, 54, &WINDOW.to_be_bytes());
        let [high, low] = MSS.to_be_bytes();
        put(&mut bytes, 60, &[2, 4, high, low]);
        let (_, tcp) = bytes.split_at(HEADER_LEN);
        let tcp_sum = sum(tcp) + pseudo_header(source, TCP, 24);
        Self { bytes, tcp_sum }
    }

    pub(in super::super) fn write(
        &self,
        out: &mut [u8; SYN_LEN],
        target: SocketAddrV6,
        sequence: u32,
    ) {
        *out = self.bytes;
        let to = target.ip().octets();
        put(out, 24, &to);
        put(out, 42, &target.port().to_be_bytes());
        put(out, 44, &sequence.to_be_bytes());
        let tcp = self.tcp_sum + sum(&to) + u32::from(target.port()) + words(sequence);
        put(out, 56, &fold(tcp).to_be_bytes());
    }
}

/// Ends a connection that a target holds half open. `sequence` is that of the SYN.
pub(in super::super) fn reset(
    source: Ipv6Addr,
    source_port: u16,
    target: SocketAddrV6,
    sequence: u32,
) -> [u8; RST_LEN] {
    let mut bytes = [0; RST_LEN];
    let to = target.ip().octets();
    put(&mut bytes, 0, &header(source, TCP, 20, TTL));
    put(&mut bytes, 24, &to);
    put(&mut bytes, 40, &source_port.to_be_bytes());
    put(&mut bytes, 42, &target.port().to_be_bytes());
    put(&mut bytes, 44, &sequence.wrapping_add(1).to_be_bytes());
    put(&mut bytes, 52, &[(20 / 4) << 4, RST]);
    let (_, tcp) = bytes.split_at(HEADER_LEN);
    let tcp_sum = fold(sum(tcp) + pseudo_header(source, TCP, 20) + sum(&to));
    put(&mut bytes, 56, &tcp_sum.to_be_bytes());
    bytes
}

/// Without a destination.
pub(super) fn header(
    source: Ipv6Addr,
    next_header: u8,
    length: u16,
    hop_limit: u8,
) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    put(&mut header, 0, &[0x60]);
    put(&mut header, 4, &length.to_be_bytes());
    put(&mut header, 6, &[next_header, hop_limit]);
    put(&mut header, 8, &source.octets());
    header
}

/// What checksums have of IP's header (RFC 8200 section 8.1), without the destination.
pub(super) fn pseudo_header(source: Ipv6Addr, next_header: u8, length: u16) -> u32 {
    sum(&source.octets()) + u32::from(next_header) + u32::from(length)
}

/// Reads an IPv6 packet. An answer behind extension headers is none: hosts send none with a
/// SYN-ACK or a reset.
pub(super) fn parse(packet: &[u8], source_port: u16) -> Option<Heard> {
    let (next_header, source, destination, payload) = split(packet)?;
    match next_header {
        TCP => super::answer(source.into(), destination.into(), payload, source_port),
        ICMPV6 => {
            let [kind, code] = array(payload, 0)?;
            let (next_header, source, destination, sent) = split(payload.get(8..)?)?;
            let (from, to, sequence) = (be16(sent, 0)?, be16(sent, 2)?, be32(sent, 4)?);
            let is_ours = next_header == TCP && from == source_port;
            (kind == DESTINATION_UNREACHABLE && is_ours).then(|| Heard {
                target: (destination, to).into(),
                source: source.into(),
                sequence,
                kind: Kind::Unreachable(code),
            })
        }
        _ => None,
    }
}

fn split(packet: &[u8]) -> Option<(u8, Ipv6Addr, Ipv6Addr, &[u8])> {
    let source: [u8; 16] = array(packet, 8)?;
    let destination: [u8; 16] = array(packet, 24)?;
    let [version, .., next_header] = array::<7>(packet, 0)?;
    let payload = packet.get(HEADER_LEN..)?;
    (version >> 4 == 6).then(|| (next_header, source.into(), destination.into(), payload))
}

#[cfg(test)]
pub(in super::super) mod tests {
    use super::super::{ACK, parse};
    use super::*;
    use proptest::prelude::*;

    /// What a target answers to `syn`, with these flags.
    pub(in super::super::super) fn answer(syn: &[u8; SYN_LEN], flags: u8) -> Vec<u8> {
        let from = Ipv6Addr::from(array::<16>(syn, 24).unwrap());
        let mut bytes = vec![0; RST_LEN];
        put(&mut bytes, 0, &header(from, TCP, 20, TTL));
        put(&mut bytes, 24, &syn[8..24]);
        put(&mut bytes, 40, &syn[42..44]);
        put(&mut bytes, 42, &syn[40..42]);
        put(&mut bytes, 48, &be32(syn, 44).unwrap().wrapping_add(1).to_be_bytes());
        put(&mut bytes, 52, &[5 << 4, flags]);
        bytes
    }

    /// What a router answers: `syn` comes back.
    pub(in super::super::super) fn unreachable(syn: &[u8; SYN_LEN], code: u8) -> Vec<u8> {
        let mut bytes = header("fd00:6473::9".parse().unwrap(), ICMPV6, 72, TTL).to_vec();
        bytes[24..40].copy_from_slice(&syn[8..24]);
        bytes.extend([DESTINATION_UNREACHABLE, code, 0, 0, 0, 0, 0, 0]);
        bytes.extend(syn);
        bytes
    }

    pub(in super::super::super) fn syn(
        target: SocketAddrV6,
        source_port: u16,
        sequence: u32,
    ) -> [u8; SYN_LEN] {
        let mut out = [0; SYN_LEN];
        SynTemplate::new(Ipv6Addr::LOCALHOST, source_port).write(&mut out, target, sequence);
        out
    }

    fn assert_checksum(packet: &[u8]) {
        let tcp = &packet[40..];
        let ends = sum(&packet[8..40]) + 6 + u32::try_from(tcp.len()).unwrap();
        assert_eq!(fold(sum(tcp) + ends), 0);
    }

    fn address(bits: u128, port: u16) -> SocketAddrV6 {
        SocketAddrV6::new(bits.into(), port, 0, 0)
    }

    #[test]
    fn a_known_syn() {
        let packet = syn(address(1, 2375), 40_000, 0x0102_0304);
        assert_eq!(packet[..8], [0x60, 0, 0, 0, 0, 24, 6, 64]);
        assert_eq!(
            packet[40..56],
            [0x9c, 0x40, 0x09, 0x47, 1, 2, 3, 4, 0, 0, 0, 0, 0x60, 2, 0xfa, 0xf0]
        );
        assert_eq!(packet[58..], [0, 0, 2, 4, 0x05, 0xa0]);
        assert_checksum(&packet);
    }

    proptest! {
        #[test]
        fn checksums_are_right(source: u128, from: u16, to: u128, port: u16, sequence: u32) {
            let target = address(to, port);
            let mut out = [0; SYN_LEN];
            SynTemplate::new(source.into(), from).write(&mut out, target, sequence);
            assert_checksum(&out);
            assert_checksum(&reset(source.into(), from, target, sequence));
        }

        #[test]
        fn answers_lead_back_to_the_probe(to: u128, port: u16, from: u16, sequence: u32, code: u8) {
            let target = address(to, port);
            let syn = syn(target, from, sequence);
            let source = Ipv6Addr::LOCALHOST.into();
            let heard = |kind| Some(Heard { target: target.into(), source, sequence, kind });
            prop_assert_eq!(parse(&answer(&syn, SYN | ACK), from), heard(Kind::SynAck));
            prop_assert_eq!(parse(&answer(&syn, RST | ACK), from), heard(Kind::Reset));
            prop_assert_eq!(parse(&answer(&syn, RST), from), None);
            prop_assert_eq!(parse(&answer(&syn, SYN | ACK), !from), None);
            prop_assert_eq!(parse(&unreachable(&syn, code), from), heard(Kind::Unreachable(code)));
            prop_assert_eq!(parse(&unreachable(&syn, code), !from), None);
        }

        #[test]
        fn bent_answers_are_read_without_panic(cut in 0usize..120, at in 0usize..112, byte: u8) {
            let syn = syn(address(1, 2375), 40_000, 7);
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
