//! Asking on an Ethernet link who has an address: ARP (RFC 826) and Neighbour Discovery (RFC 4861).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{ETHERNET_LEN, array, fold, put, sum, v6};
use crate::sweep::links::Mac;

pub(in super::super) const ARP_LEN: usize = ETHERNET_LEN + 28;
pub(in super::super) const SOLICITATION_LEN: usize = ETHERNET_LEN + v6::HEADER_LEN + 32;

pub(in super::super) const ETHERTYPE_V4: u16 = 0x0800;
pub(in super::super) const ETHERTYPE_V6: u16 = 0x86dd;
pub(in super::super) const ETHERTYPE_ARP: u16 = 0x0806;

const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
pub(in super::super) const ADVERTISEMENT: u8 = 136;
/// Only a neighbour's packet still has it: every router takes one off.
const HOP_LIMIT: u8 = 255;
const SOLICITED: u8 = 0x40;
const SOURCE_LINK_ADDRESS: u8 = 1;
const TARGET_LINK_ADDRESS: u8 = 2;

pub(in super::super) fn ethernet(to: Mac, from: Mac, ethertype: u16) -> [u8; ETHERNET_LEN] {
    let mut header = [0; ETHERNET_LEN];
    put(&mut header, 0, &to);
    put(&mut header, 6, &from);
    put(&mut header, 12, &ethertype.to_be_bytes());
    header
}

/// Asks who has `address`, in an Ethernet frame to all.
pub(in super::super) fn arp_request(
    from: Mac,
    source: Ipv4Addr,
    address: Ipv4Addr,
) -> [u8; ARP_LEN] {
    let mut frame = [0; ARP_LEN];
    put(&mut frame, 0, &ethernet([0xff; 6], from, ETHERTYPE_ARP));
    put(&mut frame, 14, &[0, 1, 8, 0, 6, 4, 0, 1]);
    put(&mut frame, 22, &from);
    put(&mut frame, 28, &source.octets());
    put(&mut frame, 38, &address.octets());
    frame
}

/// Who says to have which address, in an ARP packet without its Ethernet header.
pub(in super::super) fn arp_reply(packet: &[u8]) -> Option<(Ipv4Addr, Mac)> {
    let head: [u8; 8] = array(packet, 0)?;
    let address: [u8; 4] = array(packet, 14)?;
    let mac = single_host(array(packet, 8)?)?;
    (head == [0, 1, 8, 0, 6, 4, 0, 2]).then(|| (address.into(), mac))
}

/// Asks who has `address`, in an Ethernet frame to those whose addresses end alike.
pub(in super::super) fn solicitation(
    from: Mac,
    source: Ipv6Addr,
    address: Ipv6Addr,
) -> [u8; SOLICITATION_LEN] {
    let [.., a, b, c] = address.octets();
    let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
    let mut message = [0; 32];
    put(&mut message, 0, &[SOLICITATION]);
    put(&mut message, 8, &address.octets());
    put(&mut message, 24, &[SOURCE_LINK_ADDRESS, 1]);
    put(&mut message, 26, &from);
    let length = message.len() as u16;
    let pseudo = v6::pseudo_header(source, ICMPV6, length) + sum(&group.octets());
    let checksum = fold(sum(&message) + pseudo);
    put(&mut message, 2, &checksum.to_be_bytes());
    let mut frame = [0; SOLICITATION_LEN];
    put(&mut frame, 0, &ethernet([0x33, 0x33, 0xff, a, b, c], from, ETHERTYPE_V6));
    put(&mut frame, ETHERNET_LEN, &v6::header(source, ICMPV6, length, HOP_LIMIT));
    put(&mut frame, ETHERNET_LEN + 24, &group.octets());
    put(&mut frame, ETHERNET_LEN + v6::HEADER_LEN, &message);
    frame
}

/// Who says to have which address, in the IPv6 packet of an answer to a solicitation.
pub(in super::super) fn advertisement(packet: &[u8]) -> Option<(Ipv6Addr, Mac)> {
    let head: [u8; 2] = array(packet, 6)?;
    let message = packet.get(v6::HEADER_LEN..)?;
    let [kind, code, _, _, flags, ..] = array::<8>(message, 0)?;
    let is_answer =
        head == [ICMPV6, HOP_LIMIT] && [kind, code] == [ADVERTISEMENT, 0] && flags & SOLICITED != 0;
    let address: [u8; 16] = array(message, 8)?;
    let mut options = message.get(24..)?;
    while let Some([kind, length]) = array(options, 0).filter(|_| is_answer) {
        if kind == TARGET_LINK_ADDRESS && length == 1 {
            return Some((address.into(), single_host(array(options, 2)?)?));
        }
        // In units of eight bytes; without any, the option would never end.
        options = options.get(usize::from(length) * 8..).filter(|_| length > 0)?;
    }
    None
}

/// What is sent to a group address would reach everyone on the link.
fn single_host(mac: Mac) -> Option<Mac> {
    let [first, ..] = mac;
    (first & 1 == 0 && mac != [0; 6]).then_some(mac)
}

#[cfg(test)]
pub(in super::super) mod tests {
    use super::*;
    use proptest::prelude::*;

    const ME: Mac = [2, 0, 0, 0, 0, 1];
    const PEER: Mac = [2, 0, 0, 0, 0, 2];

    fn own_v6() -> Ipv6Addr {
        "fd00:6473::1".parse().unwrap()
    }

    fn peer_v6() -> Ipv6Addr {
        "fd00:6473::ab:cdef".parse().unwrap()
    }

    /// What `peer` with `mac` answers to who asks for it, as an IPv6 packet.
    pub(in super::super::super) fn advertise(peer: Ipv6Addr, mac: Mac) -> Vec<u8> {
        let mut packet = v6::header(peer, ICMPV6, 32, HOP_LIMIT).to_vec();
        packet.extend([ADVERTISEMENT, 0, 0, 0, SOLICITED, 0, 0, 0]);
        packet.extend(peer.octets());
        packet.extend([TARGET_LINK_ADDRESS, 1]);
        packet.extend(mac);
        packet
    }

    #[test]
    fn arp_asks_and_understands() {
        let (mine, peer) = (Ipv4Addr::new(127, 1, 1, 1), Ipv4Addr::new(127, 1, 1, 2));
        let frame = arp_request(ME, mine, peer);
        assert_eq!(frame[..14], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6]);
        assert_eq!(arp_reply(&frame[14..]), None, "a request is no reply");
        let mut reply = arp_request(PEER, peer, mine)[14..].to_vec();
        reply[7] = 2;
        assert_eq!(arp_reply(&reply), Some((peer, PEER)));
        assert_eq!(arp_reply(&reply[..17]), None);
        reply[8] = 0xff;
        assert_eq!(arp_reply(&reply), None, "nobody has a group's address");
    }

    #[test]
    fn a_solicitation_goes_to_the_group_of_its_address() {
        let frame = solicitation(ME, own_v6(), peer_v6());
        assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0xab, 0xcd, 0xef]);
        let packet = &frame[14..];
        assert_eq!(packet[4..8], [0, 32, 58, 255]);
        let group: Ipv6Addr = "ff02::1:ffab:cdef".parse().unwrap();
        assert_eq!(packet[24..40], group.octets());
        let ends = sum(&packet[8..40]) + 58 + 32;
        assert_eq!(fold(sum(&packet[40..]) + ends), 0, "checksum");
    }

    #[test]
    fn an_advertisement_is_a_neighbours_or_nobodys() {
        let packet = advertise(peer_v6(), PEER);
        assert_eq!(advertisement(&packet), Some((peer_v6(), PEER)));
        let bent = |at: usize, byte| {
            let mut packet = packet.clone();
            packet[at] = byte;
            advertisement(&packet)
        };
        assert_eq!(bent(7, 254), None, "it came by a router");
        assert_eq!(bent(40, 135), None, "a solicitation");
        assert_eq!(bent(44, 0), None, "nobody asked");
        assert_eq!(bent(65, 0), None, "an option without end");
        assert_eq!(bent(66, 3), None, "a group's address");
        let mut longer = packet[..64].to_vec();
        longer.extend([14, 1, 0, 0, 0, 0, 0, 0]);
        longer.extend(&packet[64..]);
        assert_eq!(advertisement(&longer), Some((peer_v6(), PEER)), "after another option");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = arp_reply(&bytes);
            let _ = advertisement(&bytes);
        }

        #[test]
        fn bent_advertisements_are_read_without_panic(at in 0usize..72, byte: u8, cut in 0usize..80) {
            let mut packet = advertise(peer_v6(), PEER);
            packet[at] = byte;
            packet.truncate(cut);
            let _ = advertisement(&packet);
        }
    }
}
