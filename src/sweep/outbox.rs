//! What the sweep has found and its receiver has yet to take; for both engines.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::Swept;

/// Keeps the order. While anything waits in it, the engines send nothing.
#[derive(Debug)]
pub(super) struct Outbox {
    receiver: mpsc::Sender<Swept>,
    waiting: VecDeque<Swept>,
    lost: bool,
}

/// Something was found that nobody takes any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReceiverGone;

impl Outbox {
    pub(super) fn new(receiver: mpsc::Sender<Swept>) -> Self {
        Self { receiver, waiting: VecDeque::new(), lost: false }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.receiver.is_closed()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, swept: Swept) {
        self.waiting.push_back(swept);
    }

    /// Hands on as many as there is room for.
    pub(super) fn deliver(&mut self) {
        while let Some(swept) = self.waiting.pop_front() {
            match self.receiver.try_send(swept) {
                Ok(()) => {}
                Err(TrySendError::Full(swept)) => return self.waiting.push_front(swept),
                Err(TrySendError::Closed(_)) => self.lost = true,
            }
        }
    }

    /// Waits until all are taken.
    ///
    /// # Errors
    /// One of all that were ever pushed was not.
    pub(super) fn deliver_rest(&mut self) -> Result<(), ReceiverGone> {
        for swept in self.waiting.drain(..) {
            self.lost |= self.receiver.blocking_send(swept).is_err();
        }
        if self.lost { Err(ReceiverGone) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sweep::OpenPort;

    fn open(port: u16) -> Swept {
        let address = ([127, 0, 0, 1], port).into();
        Swept::Open(OpenPort { address, rtt: Duration::ZERO })
    }

    #[test]
    fn what_finds_no_room_waits_in_order() {
        let (sender, mut receiver) = mpsc::channel(2);
        let mut outbox = Outbox::new(sender);
        (1..=3).for_each(|port| outbox.push(open(port)));
        outbox.deliver();
        assert!(!outbox.is_empty());
        let mut taken = Vec::new();
        while let Ok(Swept::Open(open)) = receiver.try_recv() {
            taken.push(open.address.port());
            outbox.deliver();
        }
        assert_eq!(taken, [1, 2, 3]);
        assert!(outbox.is_empty());
        assert_eq!(outbox.deliver_rest(), Ok(()));
    }

    #[test]
    fn a_loss_is_told_also_later() {
        let (sender, receiver) = mpsc::channel(2);
        let mut outbox = Outbox::new(sender);
        drop(receiver);
        assert!(outbox.is_closed());
        assert_eq!(outbox.deliver_rest(), Ok(()), "nothing was found");
        outbox.push(open(1));
        outbox.deliver();
        assert!(outbox.is_empty());
        assert_eq!(outbox.deliver_rest(), Err(ReceiverGone));
    }
}
