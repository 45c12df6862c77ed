//! The probes under way: a table threaded in launch order, whose slots keep their sockets.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Instant;

use super::distances::Wait;

/// A connection attempt that has not been answered yet.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) socket: OwnedFd,
    pub(super) address: SocketAddr,
    /// Where in this sweep's order it is.
    pub(super) position: u64,
    pub(super) started: Instant,
    pub(super) wait: Wait,
}

/// Slots are reused and nothing is allocated once the table has grown to its peak. Linked lists
/// through the slots, one for each [`Wait`], keep launch order under removal from the middle, which
/// is also the order of expiry: one timeout holds for all of a list at any one time, however it
/// changes in between.
#[derive(Debug)]
pub(super) struct InFlight {
    slots: Vec<Slot>,
    len: usize,
    free: Link,
    short: Ends,
    long: Ends,
}

#[derive(Debug)]
struct Ends {
    oldest: Link,
    newest: Link,
}

/// An unconnected socket for the next attempt in its slot. Making, watching and closing sockets
/// takes as long as all else that an attempt does.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) socket: OwnedFd,
    pub(super) watch: Watch,
    pub(super) family: Family,
}

/// Whether epoll knows the socket, by the number of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const fn of(address: &SocketAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

type Link = Option<u32>;

#[derive(Debug)]
struct Slot {
    attempt: Option<Attempt>,
    /// In a free slot.
    idle: Option<Idle>,
    older: Link,
    /// In a free slot: the next free one.
    newer: Link,
}

impl InFlight {
    pub(super) const fn new() -> Self {
        const NONE: Ends = Ends { oldest: None, newest: None };
        Self { slots: Vec::new(), len: 0, free: None, short: NONE, long: NONE }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slot that the next `insert` will take.
    pub(super) fn next_slot(&self) -> u32 {
        self.free.unwrap_or_else(|| u32::try_from(self.slots.len()).unwrap_or(u32::MAX))
    }

    /// Adds an attempt, newer than all others, in `next_slot`.
    pub(super) fn insert(&mut self, attempt: Attempt) {
        let id = self.next_slot();
        let wait = attempt.wait;
        let older = self.ends(wait).newest;
        let slot = Slot { attempt: Some(attempt), idle: None, older, newer: None };
        match self.slot_mut(Some(id)) {
            Some(free) => {
                let next = free.newer;
                *free = slot;
                self.free = next;
            }
            None => self.slots.push(slot),
        }
        match self.slot_mut(older) {
            Some(older) => older.newer = Some(id),
            None => self.ends(wait).oldest = Some(id),
        }
        self.ends(wait).newest = Some(id);
        self.len += 1;
    }

    pub(super) fn get(&self, id: u32) -> Option<&Attempt> {
        self.slots.get(usize::try_from(id).ok()?)?.attempt.as_ref()
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Attempt> {
        let free = self.free;
        let slot = self.slot_mut(Some(id))?;
        let attempt = slot.attempt.take()?;
        let (older, newer) = (slot.older, slot.newer);
        slot.newer = free;
        self.free = Some(id);
        self.len -= 1;
        match self.slot_mut(older) {
            Some(slot) => slot.newer = newer,
            None => self.ends(attempt.wait).oldest = newer,
        }
        match self.slot_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.ends(attempt.wait).newest = older,
        }
        Some(attempt)
    }

    /// The socket of `next_slot`, if it has one of this family; one of the other is closed.
    pub(super) fn take_idle(&mut self, family: Family) -> Option<Idle> {
        self.slot_mut(self.free)?.idle.take().filter(|idle| idle.family == family)
    }

    /// Keeps a socket for the next attempt in `next_slot`, which is the one that was freed last.
    pub(super) fn keep_idle(&mut self, idle: Idle) {
        if self.free.is_none() {
            self.free = Some(self.next_slot());
            self.slots.push(Slot { attempt: None, idle: None, older: None, newer: None });
        }
        if let Some(slot) = self.slot_mut(self.free) {
            slot.idle = Some(idle);
        }
    }

    /// For the sake of their descriptors.
    pub(super) fn close_idle(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.idle = None);
    }

    /// Of those with this wait.
    pub(super) fn oldest(&self, wait: Wait) -> Option<(u32, &Attempt)> {
        let ends = match wait {
            Wait::Short => &self.short,
            Wait::Long => &self.long,
        };
        let id = ends.oldest?;
        Some((id, self.get(id)?))
    }

    fn ends(&mut self, wait: Wait) -> &mut Ends {
        match wait {
            Wait::Short => &mut self.short,
            Wait::Long => &mut self.long,
        }
    }

    fn slot_mut(&mut self, link: Link) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(link?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::os::fd::AsRawFd as _;

    fn attempt(position: u64, wait: Wait) -> Attempt {
        Attempt {
            socket: std::fs::File::open("/dev/null").unwrap().into(),
            address: "127.0.0.1:1".parse().unwrap(),
            position,
            started: Instant::now(),
            wait,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Each step inserts, or removes the nth of those under way.
        #[test]
        fn keeps_launch_order_like_two_queues(
            steps in proptest::collection::vec(
                proptest::result::maybe_ok(0usize..8, proptest::sample::select(&Wait::BOTH[..])),
                0..120,
            ),
        ) {
            let mut table = InFlight::new();
            let mut model: VecDeque<(u32, u64, Wait)> = VecDeque::new();
            let mut peak = 0;
            for (position, step) in (0u64..).zip(steps) {
                match step {
                    Err(wait) => {
                        model.push_back((table.next_slot(), position, wait));
                        table.insert(attempt(position, wait));
                    }
                    Ok(nth) => {
                        if let Some((id, position, _)) = model.remove(nth) {
                            prop_assert_eq!(table.remove(id).unwrap().position, position);
                            prop_assert!(table.remove(id).is_none());
                        }
                    }
                }
                peak = peak.max(model.len());
                prop_assert_eq!(table.len(), model.len());
                for wait in Wait::BOTH {
                    let oldest = table.oldest(wait).map(|(id, attempt)| (id, attempt.position));
                    let first = model.iter().find(|(_, _, its)| *its == wait);
                    prop_assert_eq!(oldest, first.map(|(id, position, _)| (*id, *position)));
                }
            }
            prop_assert_eq!(table.slots.len(), peak);
            for (id, position, _) in model {
                prop_assert_eq!(table.remove(id).unwrap().position, position);
            }
            prop_assert!(table.is_empty());
            prop_assert!(Wait::BOTH.iter().all(|wait| table.oldest(*wait).is_none()));
        }
    }

    fn idle(family: Family) -> Idle {
        let socket = std::fs::File::open("/dev/null").unwrap().into();
        Idle { socket, watch: Watch::On, family }
    }

    #[test]
    fn a_socket_stays_with_its_slot() {
        let mut table = InFlight::new();
        assert!(table.take_idle(Family::V4).is_none());
        for position in 0..3 {
            table.insert(attempt(position, Wait::Long));
        }
        for id in [0, 2] {
            table.remove(id);
            table.keep_idle(idle(Family::V4));
        }
        assert_eq!(table.next_slot(), 2);
        let taken = table.take_idle(Family::V4).unwrap();
        assert!(table.take_idle(Family::V4).is_none(), "it is taken");
        table.keep_idle(taken);
        table.insert(attempt(3, Wait::Long));
        assert_eq!(table.next_slot(), 0);
        assert!(table.take_idle(Family::V6).is_none(), "it is of the other family, and closed");
        assert!(table.take_idle(Family::V4).is_none());
    }

    #[test]
    fn a_socket_is_kept_also_where_nothing_was_ever_under_way() {
        let mut table = InFlight::new();
        let kept = idle(Family::V6);
        let number = kept.socket.as_raw_fd();
        table.keep_idle(kept);
        assert_eq!((table.next_slot(), table.len()), (0, 0));
        assert_eq!(table.take_idle(Family::V6).unwrap().socket.as_raw_fd(), number);
        table.keep_idle(idle(Family::V6));
        table.close_idle();
        assert!(table.take_idle(Family::V6).is_none());
        table.insert(attempt(1, Wait::Short));
        assert_eq!(table.oldest(Wait::Short).unwrap().0, 0);
    }
}
