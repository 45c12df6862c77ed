//! The probes under way: a table of fixed size, threaded in launch order.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Instant;

/// A connection attempt that has not been answered yet.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) socket: OwnedFd,
    pub(super) address: SocketAddr,
    /// Where in this sweep's order it is.
    pub(super) position: u64,
    pub(super) started: Instant,
}

/// Slots are reused and nothing is allocated once the table has grown to its peak. A linked list
/// through the slots keeps launch order under removal from the middle, which is also the order of
/// expiry: one timeout holds for all at any one time, however it changes in between.
#[derive(Debug)]
pub(super) struct InFlight {
    slots: Vec<Slot>,
    len: usize,
    free: Link,
    oldest: Link,
    newest: Link,
}

type Link = Option<u32>;

#[derive(Debug)]
struct Slot {
    attempt: Option<Attempt>,
    older: Link,
    /// In a free slot: the next free one.
    newer: Link,
}

impl InFlight {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), len: 0, free: None, oldest: None, newest: None }
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
        let older = self.newest;
        let slot = Slot { attempt: Some(attempt), older, newer: None };
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
            None => self.oldest = Some(id),
        }
        self.newest = Some(id);
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
            None => self.oldest = newer,
        }
        match self.slot_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        Some(attempt)
    }

    pub(super) fn oldest(&self) -> Option<(u32, &Attempt)> {
        let id = self.oldest?;
        Some((id, self.get(id)?))
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

    fn attempt(position: u64) -> Attempt {
        Attempt {
            socket: std::fs::File::open("/dev/null").unwrap().into(),
            address: "127.0.0.1:1".parse().unwrap(),
            position,
            started: Instant::now(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Each step inserts (`None`) or removes the nth of those under way.
        #[test]
        fn keeps_launch_order_like_a_queue(
            steps in proptest::collection::vec(proptest::option::of(0usize..8), 0..120),
        ) {
            let mut table = InFlight::new();
            let mut model: VecDeque<(u32, u64)> = VecDeque::new();
            let mut peak = 0;
            for (position, step) in (0u64..).zip(steps) {
                match step {
                    None => {
                        model.push_back((table.next_slot(), position));
                        table.insert(attempt(position));
                    }
                    Some(nth) => {
                        if let Some((id, position)) = model.remove(nth) {
                            prop_assert_eq!(table.remove(id).unwrap().position, position);
                            prop_assert!(table.remove(id).is_none());
                        }
                    }
                }
                peak = peak.max(model.len());
                prop_assert_eq!(table.len(), model.len());
                let oldest = table.oldest().map(|(id, attempt)| (id, attempt.position));
                prop_assert_eq!(oldest, model.front().copied());
            }
            prop_assert_eq!(table.slots.len(), peak);
            while let Some((id, position)) = table.oldest().map(|(id, a)| (id, a.position)) {
                prop_assert_eq!(model.pop_front(), Some((id, position)));
                table.remove(id);
            }
            prop_assert!(table.is_empty() && model.is_empty());
        }
    }
}
