//! Takes answers from the network, on a thread of its own, so that sending never waits for them.

use std::io;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::RecvFlags;
use rustix::time::Timespec;
use socket2::{Domain, Protocol, Socket, Type};

use super::cookie::Cookie;
use super::filter;
use super::packet::{self, Heard, Kind};

/// An answer to a probe of this sweep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter {
    pub(super) target: SocketAddrV4,
    pub(super) kind: Kind,
    pub(super) at: Instant,
}

/// Where answers wait for the sweep.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    letters: Mutex<Vec<Letter>>,
    arrived: Condvar,
    closed: AtomicBool,
    lost: AtomicU64,
}

/// Answers that may wait: 32 MB, seconds of a flood.
const ROOM: usize = 1 << 20;
/// What the kernel may hold while the receiver does not run.
const BUFFER: usize = 16 << 20;
const ETH_P_IP: u16 = 0x0800;
/// How often the receiver looks whether it is still needed.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// Packets taken between two deliveries.
const GULP: usize = 64;

/// A socket that sees the answers on every interface, before the machine's own packet filter does.
///
/// # Errors
/// The system's: no CAP_NET_RAW.
pub(super) fn open(source_port: u16) -> io::Result<Socket> {
    let protocol = Protocol::from(i32::from(ETH_P_IP.to_be()));
    // Of the datagram kind it has no link-layer header, whatever the link is.
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
    socket.attach_filter(&filter::answers_to(source_port))?;
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER).is_err() {
        socket.set_recv_buffer_size(BUFFER)?;
    }
    Ok(socket)
}

impl Mailbox {
    /// Takes answers to probes until the mailbox is closed.
    pub(super) fn fill(&self, socket: &Socket, cookie: &Cookie, source_port: u16) {
        let mut taken = Vec::with_capacity(GULP);
        let mut buffer = [0; filter::SNAP_LEN as usize];
        while !self.closed.load(Ordering::Relaxed) {
            let mut packets = 0;
            while packets < GULP
                && let Ok((length, _)) = rustix::net::recv(socket, &mut buffer, RecvFlags::DONTWAIT)
            {
                packets += 1;
                let heard =
                    buffer.get(..length).and_then(|packet| packet::parse(packet, source_port));
                taken.extend(heard.and_then(|heard| genuine(heard, cookie)));
            }
            self.put(&mut taken);
            if packets < GULP {
                // An interrupted wait is a short one; an interface that went down is no end.
                let _ = poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&TICK));
            }
        }
    }

    /// Waits for answers, no longer than `wait`, and moves them to `letters`, which is empty.
    pub(super) fn take(&self, letters: &mut Vec<Letter>, wait: Duration) {
        let mut waiting = self.lock();
        if waiting.is_empty() && !wait.is_zero() {
            waiting = self
                .arrived
                .wait_timeout(waiting, wait)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(waiting, _)| waiting);
        }
        std::mem::swap(&mut *waiting, letters);
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Answers that there was no room for.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn put(&self, taken: &mut Vec<Letter>) {
        if taken.is_empty() {
            return;
        }
        let mut waiting = self.lock();
        let room = ROOM.saturating_sub(waiting.len()).min(taken.len());
        self.lost.fetch_add((taken.len() - room) as u64, Ordering::Relaxed);
        waiting.extend(taken.drain(..room));
        drop(waiting);
        taken.clear();
        self.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Letter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What proves by its sequence number that it answers a probe.
fn genuine(heard: Heard, cookie: &Cookie) -> Option<Letter> {
    (cookie.sequence(heard.target) == heard.sequence).then(|| Letter {
        target: heard.target,
        kind: heard.kind,
        at: Instant::now(),
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_forged_number_is_no_answer() {
        let cookie = Cookie::new(40_000);
        let target = SocketAddrV4::new(Ipv4Addr::new(127, 1, 2, 3), 2375);
        let sequence = cookie.sequence(target);
        let heard = |target, sequence| Heard {
            target,
            source: Ipv4Addr::LOCALHOST,
            sequence,
            kind: Kind::SynAck,
        };
        assert!(genuine(heard(target, sequence), &cookie).is_some());
        assert!(genuine(heard(target, sequence ^ 1), &cookie).is_none());
        let other = SocketAddrV4::new(*target.ip(), 2376);
        assert!(genuine(heard(other, sequence), &cookie).is_none());
    }

    #[test]
    fn a_full_mailbox_counts_what_it_loses() {
        let mailbox = Mailbox::default();
        let letter = Letter {
            target: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1),
            kind: Kind::Reset,
            at: Instant::now(),
        };
        mailbox.put(&mut vec![letter; ROOM - 1]);
        mailbox.put(&mut vec![letter; 3]);
        let mut letters = Vec::new();
        mailbox.take(&mut letters, Duration::from_secs(60));
        assert_eq!((letters.len(), mailbox.lost()), (ROOM, 2));
    }
}
