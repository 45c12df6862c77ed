//! Asks one neighbour for its address on the link, without the kernel's help: its own question
//! would need a packet to send.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use nix::sys::socket::LinkAddr;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, Protocol, Socket, Type};

use super::filter;
use super::packet::neighbour::{self, ETHERTYPE_ARP, ETHERTYPE_V6};
use crate::sweep::links::Mac;

const TRIES: u32 = 3;
const WAIT: Duration = Duration::from_millis(300);

/// Who has `address` on a link; `None`: nobody says so in a second. Blocks.
///
/// # Errors
/// The system's.
pub(super) fn once(
    link: &LinkAddr,
    own: Mac,
    asking: IpAddr,
    address: IpAddr,
) -> io::Result<Option<Mac>> {
    let Some(frame) = question(own, asking, address) else { return Ok(None) };
    let sender = Socket::new(Domain::PACKET, Type::RAW, None)?;
    nix::sys::socket::bind(sender.as_raw_fd(), link)?;
    let receiver = listen(link, address)?;
    for _ in 0..TRIES {
        rustix::net::send(&sender, &frame, SendFlags::empty())?;
        let until = Instant::now() + WAIT;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            let timeout = rustix::time::Timespec::try_from(left).ok();
            if poll(&mut [PollFd::new(&receiver, PollFlags::IN)], timeout.as_ref())? == 0 {
                break;
            }
            let mut buffer = [0; filter::SNAP_LEN as usize];
            let (length, _) = rustix::net::recv(&receiver, &mut buffer, RecvFlags::DONTWAIT)?;
            let heard = buffer.get(..length).and_then(answer);
            if let Some((_, mac)) = heard.filter(|(from, _)| *from == address) {
                return Ok(Some(mac));
            }
        }
    }
    Ok(None)
}

/// The Ethernet frame that asks for `address`; `None` where it is not of the family of `asking`.
pub(super) fn question(own: Mac, asking: IpAddr, address: IpAddr) -> Option<Vec<u8>> {
    match (asking, address) {
        (IpAddr::V4(asking), IpAddr::V4(address)) => {
            Some(neighbour::arp_request(own, asking, address).to_vec())
        }
        (IpAddr::V6(asking), IpAddr::V6(address)) => {
            Some(neighbour::solicitation(own, asking, address).to_vec())
        }
        _ => None,
    }
}

/// A socket that hears what neighbours on a link answer to questions for addresses like this one.
///
/// # Errors
/// The system's.
pub(super) fn listen(link: &LinkAddr, like: IpAddr) -> io::Result<Socket> {
    let ethertype = if like.is_ipv4() { ETHERTYPE_ARP } else { ETHERTYPE_V6 };
    let protocol = Protocol::from(i32::from(ethertype.to_be()));
    // Of the datagram kind: without the Ethernet header.
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
    if like.is_ipv4() {
        socket.attach_filter(&filter::arp_replies())?;
    } else {
        socket.attach_filter(&filter::advertisements())?;
    }
    nix::sys::socket::bind(socket.as_raw_fd(), link)?;
    Ok(socket)
}

/// Who says to have which address, in a packet from such a socket.
pub(super) fn answer(packet: &[u8]) -> Option<(IpAddr, Mac)> {
    let arp = neighbour::arp_reply(packet).map(|(address, mac)| (address.into(), mac));
    arp.or_else(|| neighbour::advertisement(packet).map(|(address, mac)| (address.into(), mac)))
}
