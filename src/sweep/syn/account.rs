//! What a sweep says of itself: how far it is, now and then, and in the end what it came to.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::transmit::Lane;
use super::{Sweep, SweepOutcome, SweepState, Swept};
use crate::sweep::Counts;
use crate::sweep::state::Place;

impl Sweep<'_> {
    pub(super) fn say_how_far(&mut self) {
        if !self.timer.is_asked() || !self.outbox.is_empty() {
            return;
        }
        let began = Instant::now();
        if self.timer.is_due(began) {
            let place = self.place();
            self.say(self.ledger.state(place));
            self.outbox.deliver();
            self.timer.made(began, Instant::now());
        }
    }

    /// All before it is answered, or has been silent for its time.
    pub(super) fn place(&mut self) -> Place {
        // Once packets wait for room, the trail goes no further, but it may get as far as them.
        let waiting = self.lanes.iter().flat_map(Lane::waiting).chain(self.neighbours.waiting());
        let waiting = waiting.map(|queued| queued.position);
        let waiting = waiting.filter(|position| !self.ledger.is_done(*position));
        let waiting = waiting.min().unwrap_or(u64::MAX);
        let place = self.trail.old_enough(Instant::now());
        Place { cursor: place.cursor.min(waiting), ..place }
    }

    pub(super) fn say(&mut self, state: SweepState) {
        self.outbox.push(Swept::Reached(Box::new(SweepState {
            counts: Counts { sent: self.probes_sent(), ..state.counts },
            found_in_round: self.found_in_round,
            lost: self.lost_before + self.mailbox.lost(),
            ..state
        })));
    }

    /// Like resets, what watches for loss is no probe.
    fn probes_sent(&self) -> u64 {
        self.progress.sent.load(Ordering::Relaxed).saturating_sub(self.loss.totals().0)
    }

    pub(super) fn finish(self) -> SweepOutcome {
        // Only a stopped sweep still holds probes.
        let held = self.lanes.iter().flat_map(Lane::waiting).chain(self.neighbours.waiting());
        let held = held.filter(|queued| !self.ledger.is_done(queued.position)).count();
        self.progress.sent.store(self.probes_sent(), Ordering::Relaxed);
        let lost = self.lost_before + self.mailbox.lost();
        let lost = (lost > 0)
            .then(|| format!("{lost} answers came faster than they could be read, and were lost"));
        let notes = self.neighbours.note().into_iter().chain(self.loss_note()).chain(lost);
        self.ledger.outcome(held as u64, notes.collect::<Vec<_>>(), self.stopped)
    }
}
