//! Takes answers from the network, on a thread of its own, so that sending never waits for them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::time::Timespec;
use socket2::{Domain, Protocol, Socket, Type};

use super::cookie::Cookie;
use super::packet::neighbour::{ETHERTYPE_V4, ETHERTYPE_V6};
use super::packet::{self, Heard, Kind};
use super::ways::{Next, Ways};
use super::{ask, filter};
use crate::sweep::links::Mac;

/// An answer to a probe of this sweep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter {
    pub(super) target: SocketAddr,
    pub(super) kind: Kind,
    pub(super) at: Instant,
}

/// A neighbour's answer to who asks for an address, maybe not to us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Presence {
    /// The index of the interface.
    pub(super) link: usize,
    pub(super) address: IpAddr,
    pub(super) mac: Mac,
}

/// Where answers wait for the sweep.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    letters: Mutex<Vec<Letter>>,
    present: Mutex<Vec<Presence>>,
    arrived: Condvar,
    closed: AtomicBool,
    link_fell: AtomicBool,
    lost: AtomicU64,
}

/// Answers that may wait: 64 MB, seconds of a flood.
const ROOM: usize = 1 << 20;
/// Neighbours' answers that may wait. What a flood displaces is asked for again.
const PRESENCE_ROOM: usize = 1 << 16;
/// What the kernel may hold while the receiver does not run.
const BUFFER: usize = 16 << 20;
/// How often the receiver looks whether it is still needed.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// Packets taken between two deliveries.
const GULP: usize = 64;

/// The sockets that hear what the network answers.
#[derive(Debug)]
pub(super) struct Receiver {
    answers: Vec<Socket>,
    /// One for each link and family of neighbours, with the link's index.
    neighbours: Vec<(usize, Socket)>,
}

impl Receiver {
    /// Hears answers to SYNs from `source_port`, and neighbours on the links of `ways`.
    ///
    /// # Errors
    /// The system's: no CAP_NET_RAW.
    pub(super) fn open(ways: &Ways, source_port: u16) -> io::Result<Self> {
        let mut answers = Vec::new();
        let mut neighbours: Vec<(usize, bool, Socket)> = Vec::new();
        for is_v4 in [true, false] {
            if ways.all().iter().any(|way| way.source.is_ipv4() == is_v4) {
                answers.push(open(is_v4, source_port)?);
            }
        }
        for way in ways.all() {
            let Next::Neighbours { link, asking, .. } = &way.next else { continue };
            let (index, is_v4) = (link.ifindex(), asking.is_ipv4());
            if !neighbours.iter().any(|(known, family, _)| (*known, *family) == (index, is_v4)) {
                neighbours.push((index, is_v4, ask::listen(link, *asking)?));
            }
        }
        let neighbours = neighbours.into_iter().map(|(link, _, socket)| (link, socket)).collect();
        Ok(Self { answers, neighbours })
    }

    /// Waits for a packet, not long.
    fn wait(&self) {
        let sockets = self.answers.iter().chain(self.neighbours.iter().map(|(_, socket)| socket));
        let mut sockets: Vec<PollFd<'_>> =
            sockets.map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        // An interrupted wait is a short one; an interface that went down is no end.
        let _ = poll(&mut sockets, Some(&TICK));
    }
}

/// Whether packet sockets can be had.
///
/// # Errors
/// The system's: no CAP_NET_RAW.
pub(super) fn check() -> io::Result<()> {
    open(true, 0).map(drop)
}

/// A socket that sees the answers on every interface, before the machine's own packet filter does.
fn open(is_v4: bool, source_port: u16) -> io::Result<Socket> {
    let ethertype = if is_v4 { ETHERTYPE_V4 } else { ETHERTYPE_V6 };
    let protocol = Protocol::from(i32::from(ethertype.to_be()));
    // Of the datagram kind it has no link-layer header, whatever the link is.
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
    if is_v4 {
        socket.attach_filter(&filter::answers_v4(source_port))?;
    } else {
        socket.attach_filter(&filter::answers_v6(source_port))?;
    }
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER).is_err() {
        socket.set_recv_buffer_size(BUFFER)?;
    }
    Ok(socket)
}

impl Mailbox {
    /// Takes answers to probes until the mailbox is closed.
    pub(super) fn fill(&self, receiver: &Receiver, cookie: &Cookie, source_port: u16) {
        let mut taken = Vec::with_capacity(GULP);
        while !self.closed.load(Ordering::Relaxed) {
            let mut most = 0;
            for socket in &receiver.answers {
                let (packets, _) = gulp(socket, |packet| {
                    let heard = packet::parse(packet, source_port);
                    taken.extend(heard.and_then(|heard| genuine(heard, cookie)));
                });
                most = most.max(packets);
                self.put(&mut taken);
            }
            for (link, socket) in &receiver.neighbours {
                let (packets, end) = gulp(socket, |packet| {
                    if let Some((address, mac)) = ask::answer(packet) {
                        self.put_presence(Presence { link: *link, address, mac });
                    }
                });
                most = most.max(packets);
                if end == Some(Errno::NETDOWN) {
                    self.link_fell.store(true, Ordering::Relaxed);
                }
            }
            if most < GULP {
                receiver.wait();
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

    /// Moves what neighbours have said to `present`, which is empty.
    pub(super) fn take_present(&self, present: &mut Vec<Presence>) {
        let mut said = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *said, present);
    }

    /// Whether a link of neighbours went down since this was last asked.
    pub(super) fn link_fell(&self) -> bool {
        self.link_fell.swap(false, Ordering::Relaxed)
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

    fn put_presence(&self, presence: Presence) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if present.len() < PRESENCE_ROOM {
            present.push(presence);
        }
        drop(present);
        self.arrived.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Letter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes packets that are there, up to [`GULP`], and says how many, and why there were no more.
fn gulp(socket: &Socket, mut take: impl FnMut(&[u8])) -> (usize, Option<Errno>) {
    let mut buffer = [0; filter::SNAP_LEN as usize];
    for packets in 0..GULP {
        match rustix::net::recv(socket, &mut buffer, RecvFlags::DONTWAIT) {
            Ok((length, _)) => take(buffer.get(..length).unwrap_or_default()),
            Err(error) => return (packets, Some(error)),
        }
    }
    (GULP, None)
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
        let target = SocketAddr::from(([127, 1, 2, 3], 2375));
        let sequence = cookie.sequence(target);
        let heard = |target, sequence| Heard {
            target,
            source: Ipv4Addr::LOCALHOST.into(),
            sequence,
            kind: Kind::SynAck,
        };
        assert!(genuine(heard(target, sequence), &cookie).is_some());
        assert!(genuine(heard(target, sequence ^ 1), &cookie).is_none());
        let other = SocketAddr::new(target.ip(), 2376);
        assert!(genuine(heard(other, sequence), &cookie).is_none());
    }

    #[test]
    fn a_full_mailbox_counts_what_it_loses() {
        let mailbox = Mailbox::default();
        let letter = Letter {
            target: SocketAddr::from(([127, 0, 0, 1], 1)),
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
