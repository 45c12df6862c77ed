//! What is known of each probe, which is next, and the counts that follow; for both engines.
//!
//! A sweep goes through its probes in rounds. What this machine refused to send is passed over
//! until they are done, and then gets rounds of its own, once a run: a link may be back by then,
//! and in a run that goes on with this sweep more may be.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;

use super::bitmap::Bitmap;
use super::links::LeftOut;
use super::state::{Place, Resume, StateError, SweepState, bitmaps};
use super::trouble::Tally;
use super::{Counts, StopReason, SweepConfig, SweepError, SweepOutcome, SweepProgress};
use crate::target::TargetSet;
use crate::target::order::Permutation;

/// What it means that this machine did not send a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A packet filter, a route or a link keeps it from leaving: in the end it counts as unreachable.
    NoWay,
    /// In the end it counts as not probed.
    Impossible,
}

pub(super) struct Ledger<'a> {
    targets: &'a TargetSet,
    config: &'a SweepConfig,
    progress: &'a SweepProgress,
    order: Permutation,
    probes: u64,
    here: Place,
    stage: Stage,
    /// Of its probes, how many are not done.
    left: u64,
    /// By position in this shard's order, so that a round walks it word by word: what needs no
    /// further attempt, or none for now.
    done: Bitmap,
    /// Of these, what this machine refused to send.
    refused: Bitmap,
    /// How many positions were tried, or stood in the way of being tried.
    begun: u64,
    /// Said by others.
    unreachable: Tally,
    /// Refused by this machine since the stage began, as [`Refusal::NoWay`].
    no_way: Tally,
    /// The same, as [`Refusal::Impossible`].
    impossible: Tally,
    /// What no later attempt can change.
    never: Tally,
    left_out: LeftOut,
    sent_before: u64,
    /// Whether this run began a probe that none before had begun.
    began: bool,
}

/// Which probes the present rounds are for.
enum Stage {
    Unbegun,
    All,
    /// Those that were refused before.
    Refused(Bitmap),
}

impl<'a> Ledger<'a> {
    /// Begins with nothing, or with what an earlier run came to.
    ///
    /// # Errors
    /// The state to go on with is not of a sweep with these targets.
    pub(super) fn new(
        targets: &'a TargetSet,
        config: &'a SweepConfig,
        progress: &'a SweepProgress,
    ) -> Result<Self, SweepError> {
        let probes = config.shard.share(targets.len());
        let mut ledger = Self {
            targets,
            config,
            progress,
            order: Permutation::new(targets.len(), config.seed),
            probes,
            here: Place::default(),
            stage: Stage::Unbegun,
            left: probes,
            done: Bitmap::new(probes),
            refused: Bitmap::new(probes),
            begun: 0,
            unreachable: Tally::default(),
            no_way: Tally::default(),
            impossible: Tally::default(),
            never: Tally::default(),
            left_out: LeftOut::default(),
            sent_before: 0,
            began: false,
        };
        progress.restore(&Counts { probes, ..Counts::default() });
        if let Some(resume) = config.resume.as_deref() {
            ledger.restore(resume).map_err(SweepError::State)?;
        }
        Ok(ledger)
    }

    fn restore(&mut self, resume: &Resume) -> Result<(), StateError> {
        let Resume { state, open } = resume;
        let SweepState { place, mut counts, left_out, .. } = *state;
        if counts.probes != self.probes {
            return Err(StateError);
        }
        (self.done, self.refused) = state.decoded()?;
        for address in open {
            let position = self.position(*address).ok_or(StateError)?;
            let is_known = self.done.contains(position) && !self.refused.contains(position);
            counts.open += u64::from(!is_known);
            self.done.set(position);
            self.refused.clear(position);
        }
        let beyond = self.done.count_from(place.cursor);
        let before = self.done.count_from(0) - beyond;
        let begun = if place.round == 0 { place.cursor + beyond } else { self.probes };
        // What was refused begins anew.
        self.begun = begun - self.refused.count_from(0);
        self.left = self.probes - before - beyond;
        self.here = place;
        self.unreachable = Tally::of(&state.unreachable).ok_or(StateError)?;
        self.never = Tally::of(&state.never).ok_or(StateError)?;
        self.left_out = left_out;
        let not_probed = self.never.probes().checked_add(left_out.count()).ok_or(StateError)?;
        if (self.unreachable.probes(), not_probed) != (counts.unreachable, counts.not_probed) {
            return Err(StateError);
        }
        self.sent_before = counts.sent;
        self.progress.restore(&counts);
        let walked = if place.round == 0 { begun } else { place.cursor - before };
        self.progress.round_walked.store(walked, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn target(&self, position: u64) -> Option<SocketAddr> {
        self.targets.probe(self.order.get(self.config.shard.position(position)))
    }

    pub(super) fn position(&self, target: SocketAddr) -> Option<u64> {
        let index = self.targets.index(target)?;
        self.config.shard.nth(self.order.position(index)?)
    }

    /// Goes to the next round that has anything to do; `None`: all are over.
    pub(super) fn next_round(&mut self) -> Option<u8> {
        let mut next = match self.stage {
            Stage::Unbegun => self.here,
            _ => Place { round: self.here.round + 1, cursor: 0 },
        };
        let walked = match self.stage {
            Stage::Unbegun => self.progress.round_walked.load(Ordering::Relaxed),
            _ => 0,
        };
        if let Stage::Unbegun = self.stage {
            self.stage = Stage::All;
        }
        if next.round > self.config.retries || self.left == 0 {
            self.turn_to_refused()?;
            next = Place::default();
        }
        self.here = next;
        // For who watches, these are further retries.
        let before = if self.is_at_refused() { u64::from(self.config.retries) + 1 } else { 0 };
        self.progress.round.store(before + u64::from(next.round), Ordering::Relaxed);
        self.progress.round_probes.store(self.left, Ordering::Relaxed);
        self.progress.round_walked.store(walked, Ordering::Relaxed);
        Some(next.round)
    }

    fn turn_to_refused(&mut self) -> Option<()> {
        let count = self.refused.count_from(0);
        if self.is_at_refused() || count == 0 {
            return None;
        }
        let again = std::mem::replace(&mut self.refused, Bitmap::new(self.probes));
        self.done.clear_all(&again);
        self.left = count;
        let [no_way, impossible] = [&mut self.no_way, &mut self.impossible].map(std::mem::take);
        self.begun -= no_way.probes() + impossible.probes();
        add(&self.progress.unreachable, no_way.probes().wrapping_neg());
        add(&self.progress.not_probed, impossible.probes().wrapping_neg());
        self.stage = Stage::Refused(again);
        Some(())
    }

    const fn is_at_refused(&self) -> bool {
        matches!(self.stage, Stage::Refused(_))
    }

    /// Where the present round stands: it has not looked at anything from there on.
    pub(super) const fn cursor(&self) -> u64 {
        self.here.cursor
    }

    pub(super) const fn here(&self) -> Place {
        self.here
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.done.next_unset(self.stage.only(), self.here.cursor)
    }

    /// The present round takes up that probe, the next one.
    pub(super) fn begin(&mut self, position: u64) {
        self.here.cursor = position + 1;
        if self.here.round == 0 {
            self.begun += 1;
            self.began |= !self.is_at_refused();
        }
        add(&self.progress.round_walked, 1);
    }

    /// Of the probes of the present rounds, how many are not done.
    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    /// The same, as a part of them all.
    pub(super) fn share_left(&self) -> f64 {
        let all = self.stage.only().map_or(self.probes, |only| only.count_from(0));
        self.left as f64 / all.max(1) as f64
    }

    pub(super) fn is_done(&self, position: u64) -> bool {
        self.done.contains(position)
    }

    pub(super) fn open(&mut self, position: u64) {
        self.mark(position);
        add(&self.progress.open, 1);
    }

    pub(super) fn closed(&mut self, position: u64) {
        self.mark(position);
        add(&self.progress.closed, 1);
    }

    /// Somebody else said so.
    pub(super) fn unreachable(&mut self, position: u64, target: SocketAddr, error: Errno) {
        self.mark(position);
        self.unreachable.add(error, target);
        add(&self.progress.unreachable, 1);
    }

    pub(super) fn left_out(&mut self, position: u64, target: SocketAddr) {
        self.mark(position);
        self.left_out.add(target);
        add(&self.progress.not_probed, 1);
    }

    /// This machine did not send it, for that reason.
    pub(super) fn refused(
        &mut self,
        position: u64,
        target: SocketAddr,
        (refusal, error): (Refusal, Errno),
    ) {
        self.mark(position);
        let (tally, count) = match refusal {
            // A family that there is no address of, here or among the options.
            Refusal::Impossible if error == Errno::AFNOSUPPORT => {
                self.never.add(error, target);
                return add(&self.progress.not_probed, 1);
            }
            Refusal::Impossible => (&mut self.impossible, &self.progress.not_probed),
            Refusal::NoWay => (&mut self.no_way, &self.progress.unreachable),
        };
        tally.add(error, target);
        add(count, 1);
        self.refused.set(position);
    }

    fn mark(&mut self, position: u64) {
        self.done.set(position);
        self.left -= u64::from(self.stage.only().is_none_or(|only| only.contains(position)));
    }

    /// For another run, which is to go on at `place`.
    pub(super) fn state(&self, place: Place) -> SweepState {
        let (place, bitmaps) = match &self.stage {
            Stage::Refused(again) => {
                let mut unfinished = again.clone();
                unfinished.clear_all(&self.done);
                let (mut done, mut refused) = (self.done.clone(), self.refused.clone());
                done.set_all(&unfinished);
                refused.set_all(&unfinished);
                (self.end(), bitmaps::encode(&done, &refused))
            }
            Stage::Unbegun | Stage::All => (place, bitmaps::encode(&self.done, &self.refused)),
        };
        SweepState {
            place,
            counts: Counts {
                unreachable: self.unreachable.probes(),
                not_probed: self.left_out.count() + self.never.probes(),
                ..self.progress.counts()
            },
            unreachable: self.unreachable.refused(),
            never: self.never.refused(),
            left_out: self.left_out,
            bitmaps,
            ..SweepState::unbegun(self.probes)
        }
    }

    /// The same at the end, where a sweep that was stopped is to go on at `place`.
    pub(super) fn last_state(&self, stopped: Option<StopReason>, place: Place) -> SweepState {
        match stopped {
            None => self.state(self.end()),
            // What sent nothing is where it began.
            Some(StopReason::NoWay) => match self.config.resume.as_deref() {
                Some(resume) => resume.state.clone(),
                None => SweepState::unbegun(self.probes),
            },
            Some(_) => self.state(place),
        }
    }

    /// All rounds are over.
    const fn end(&self) -> Place {
        Place { round: self.config.retries + 1, cursor: 0 }
    }

    /// This run had probes to send, and could send none.
    pub(super) fn had_no_way(&self) -> bool {
        let sent = self.progress.sent.load(Ordering::Relaxed);
        self.began && sent == self.sent_before && self.no_way.probes() > 0
    }

    /// What the sweep came to; `unsent` probes were begun and then not sent, and `more` notes follow
    /// those on the probes.
    pub(super) fn outcome(
        self,
        unsent: u64,
        more: impl IntoIterator<Item = String>,
        stopped: Option<StopReason>,
    ) -> SweepOutcome {
        // In a later round they were sent before.
        let begun = self.begun - if self.here.round == 0 { unsent } else { 0 };
        let before = self.progress.counts();
        let ended = before.open + before.closed + before.unreachable + before.not_probed;
        self.progress.silent.store(begun.saturating_sub(ended), Ordering::Relaxed);
        add(&self.progress.not_probed, self.probes - begun);
        let mut unreachable = self.unreachable;
        unreachable.merge(&self.no_way);
        let mut not_probed = self.never;
        not_probed.merge(&self.impossible);
        let notes = unreachable.unreachable_notes().chain(not_probed.not_probed_notes());
        SweepOutcome {
            notes: notes.chain(self.left_out.note()).chain(more).collect(),
            counts: self.progress.counts(),
            left_out: self.left_out.count(),
            refused: self.impossible.probes(),
            local_errors: not_probed.local_errors(),
            stopped,
        }
    }
}

impl Stage {
    const fn only(&self) -> Option<&Bitmap> {
        match self {
            Self::Refused(again) => Some(again),
            Self::Unbegun | Self::All => None,
        }
    }
}

/// There is one writer; the others only look.
pub(super) fn add(count: &AtomicU64, by: u64) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}
