//! What a sweep says of itself: how far it is, now and then, and in the end what it came to.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::transmit::Lane;
use super::{Counts, Place, Sweep, SweepOutcome, SweepState, Swept};

impl Sweep<'_> {
    pub(super) fn say_how_far(&mut self) {
        if !self.timer.is_asked() || !self.outbox.is_empty() {
            return;
        }
        let began = Instant::now();
        if self.timer.is_due(began) {
            let place = self.place();
            self.outbox.push(self.state(place));
            self.outbox.deliver();
            self.timer.made(began, Instant::now());
        }
    }

    /// All before it is answered, or has been silent for its time.
    pub(super) fn place(&mut self) -> Place {
        // Once packets wait for room, the trail goes no further, but it may get as far as them.
        let waiting = self.lanes.iter().flat_map(Lane::waiting).chain(self.neighbours.waiting());
        let waiting = waiting.map(|queued| queued.position);
        let waiting = waiting.filter(|position| !self.answered.contains(*position));
        let waiting = waiting.min().unwrap_or(u64::MAX);
        let place = self.trail.old_enough(Instant::now());
        Place { cursor: place.cursor.min(waiting), ..place }
    }

    pub(super) fn state(&self, place: Place) -> Swept {
        let counts = self.progress.counts();
        Swept::Reached(Box::new(SweepState {
            place,
            counts: Counts { sent: self.probes_sent(), ..counts },
            found_in_round: self.found_in_round,
            unreachable: self.unreachable.refused(),
            not_probed: self.not_probed.refused(),
            left_out: self.left_out,
            narrowest: None,
            lost: self.lost_before + self.mailbox.lost(),
            answered: self.answered.encode(),
        }))
    }

    /// Like resets, what watches for loss is no probe.
    fn probes_sent(&self) -> u64 {
        self.progress.sent.load(Ordering::Relaxed).saturating_sub(self.loss.totals().0)
    }

    pub(super) fn finish(self, probes: u64) -> SweepOutcome {
        // Only a stopped sweep still holds probes; in the first round they were not made at all.
        let first_round = self.progress.round.load(Ordering::Relaxed) == 0;
        let held = self.lanes.iter().flat_map(Lane::waiting).chain(self.neighbours.waiting());
        let held = held.filter(|queued| first_round && !self.answered.contains(queued.position));
        let reached = self.reached - held.count() as u64;
        self.progress.silent.store(reached.saturating_sub(self.settled), Ordering::Relaxed);
        self.progress.not_probed.fetch_add(probes - reached, Ordering::Relaxed);
        self.progress.sent.store(self.probes_sent(), Ordering::Relaxed);
        let mut notes: Vec<String> = self.unreachable.unreachable_notes().collect();
        notes.extend(self.not_probed.not_probed_notes());
        notes.extend(self.neighbours.note());
        notes.extend(self.left_out.note());
        notes.extend(self.loss_note());
        let lost = self.lost_before + self.mailbox.lost();
        if lost > 0 {
            notes
                .push(format!("{lost} answers came faster than they could be read, and were lost"));
        }
        SweepOutcome {
            counts: self.progress.counts(),
            left_out: self.left_out.count(),
            local_errors: self.not_probed.local_errors(),
            notes,
            stopped: self.stopped,
        }
    }
}
