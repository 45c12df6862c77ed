//! How far a sweep is, so that another process can go on with it.
//!
//! The engines make a [`SweepState`] now and then and send it after the open ports that it speaks
//! of; the scan hands it to `checkpoint`, which keeps it. The [`ledger`](super::ledger) makes it and
//! is the way back.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Counts;
use super::bitmap::Bitmap;
use super::links::LeftOut;
use super::trouble::Refused;
use crate::target::TargetSet;

/// All that a sweep knows at one moment. What may still be under way counts as not sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepState {
    pub(super) place: Place,
    /// Without the silent, and without what a later run is to try again.
    pub(super) counts: Counts,
    pub(super) found_in_round: u64,
    pub(super) unreachable: Vec<Refused>,
    /// Of those not probed, what no later run can send.
    pub(super) never: Vec<Refused>,
    /// Of those not probed, what names no host.
    pub(super) left_out: LeftOut,
    /// The fewest attempts under way at once that descriptors left room for, if they ran short.
    pub(super) narrowest: Option<usize>,
    /// Answers that came faster than they could be read.
    pub(super) lost: u64,
    /// As [`bitmaps::encode`] writes them.
    #[serde(skip)]
    pub(super) bitmaps: Vec<u8>,
}

/// A place in the way through the rounds: what lies before it needs no more sending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    /// The first is 0; one above the last means that all rounds are over.
    pub(super) round: u8,
    /// The first position, in the order of this shard, that the round has yet to look at.
    pub(super) cursor: u64,
}

/// A state that contradicts itself or is of another sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state of the sweep contradicts itself")]
pub struct StateError;

impl SweepState {
    /// A sweep of that many probes that has not begun.
    pub fn unbegun(probes: u64) -> Self {
        Self {
            place: Place::default(),
            counts: Counts { probes, ..Counts::default() },
            found_in_round: 0,
            unreachable: Vec::new(),
            never: Vec::new(),
            left_out: LeftOut::default(),
            narrowest: None,
            lost: 0,
            bitmaps: bitmaps::encode(&Bitmap::new(0), &Bitmap::new(0)),
        }
    }

    /// What became of the probes so far.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The part that is not serialized: which probes are done, in few bytes.
    pub fn bitmaps(&self) -> &[u8] {
        &self.bitmaps
    }

    /// Puts that part back.
    ///
    /// # Errors
    /// It does not belong to this state.
    pub fn with_bitmaps(mut self, bitmaps: Vec<u8>) -> Result<Self, StateError> {
        self.bitmaps = bitmaps;
        self.decoded().map(drop)?;
        Ok(self)
    }

    /// The probes that need no further attempt, or none before the end; of these, those that this
    /// machine refused to send.
    pub(super) fn decoded(&self) -> Result<(Bitmap, Bitmap), StateError> {
        let Counts { probes, open, closed, unreachable, not_probed, .. } = self.counts;
        if probes > TargetSet::MAX_PROBES || self.place.cursor > probes {
            return Err(StateError);
        }
        let (done, refused) = bitmaps::decode(&self.bitmaps, probes).ok_or(StateError)?;
        let ended = [open, closed, unreachable, not_probed, refused.count_from(0)]
            .into_iter()
            .try_fold(0_u64, |sum, count| sum.checked_add(count));
        if ended != Some(done.count_from(0)) || !done.contains_all(&refused) {
            return Err(StateError);
        }
        Ok((done, refused))
    }
}

/// Both bitmaps as one run of bytes: how long the first is, and each as [`Bitmap::encode`] writes it.
pub(super) mod bitmaps {
    use super::Bitmap;

    pub(in crate::sweep) fn encode(done: &Bitmap, refused: &Bitmap) -> Vec<u8> {
        let done = done.encode();
        [&(done.len() as u64).to_le_bytes(), &*done, &refused.encode()].concat()
    }

    pub(super) fn decode(bytes: &[u8], probes: u64) -> Option<(Bitmap, Bitmap)> {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (done, refused) = rest.split_at_checked(length)?;
        Some((Bitmap::decode(done, probes)?, Bitmap::decode(refused, probes)?))
    }
}

/// Where to go on.
#[derive(Clone, Debug)]
pub struct Resume {
    pub state: SweepState,
    /// Open ports that are known, also such as were found after the state was made.
    pub open: Vec<SocketAddr>,
}

/// When the next state is due; never, unless states are asked for.
#[derive(Debug)]
pub(super) struct Timer {
    every: Option<Duration>,
    due: Instant,
}

/// Of this many parts of the time, making states takes one at most.
const SHARE: u32 = 50;

impl Timer {
    pub(super) fn new(every: Option<Duration>, now: Instant) -> Self {
        Self { every, due: now + every.unwrap_or_default() }
    }

    pub(super) const fn is_asked(&self) -> bool {
        self.every.is_some()
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.is_asked() && now >= self.due
    }

    /// A state was made, from `began` to `now`.
    pub(super) fn made(&mut self, began: Instant, now: Instant) {
        let every = self.every.unwrap_or_default();
        self.due = now + every.max(now.saturating_duration_since(began) * SHARE);
    }
}

/// Where the sweep was some time ago, so that what left since counts as still under way.
#[derive(Debug)]
pub(super) struct Trail {
    /// Everything before `place` has been under way for long enough.
    place: Place,
    recent: VecDeque<(Instant, Place)>,
    /// How long an answer may take.
    age: Duration,
}

/// Steps of the trail; the finest that are kept are this part of its age.
const STEPS: u32 = 16;

impl Trail {
    pub(super) const fn new(place: Place, age: Duration) -> Self {
        Self { place, recent: VecDeque::new(), age }
    }

    /// All before `place` had left by `now`.
    pub(super) fn note(&mut self, place: Place, now: Instant) {
        let step = self.age / STEPS;
        if self.recent.back().is_none_or(|(last, _)| now.duration_since(*last) >= step) {
            self.recent.push_back((now, place));
        }
        self.forget(now);
    }

    /// All before it left so long ago that no answer to it is missed.
    pub(super) fn old_enough(&mut self, now: Instant) -> Place {
        self.forget(now);
        self.place
    }

    fn forget(&mut self, now: Instant) {
        while let Some((at, place)) = self.recent.front().copied()
            && now.saturating_duration_since(at) >= self.age
        {
            self.place = place;
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(16);

    fn place(cursor: u64) -> Place {
        Place { round: 0, cursor }
    }

    #[test]
    fn the_trail_lags_by_its_age_and_stays_short() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut trail = Trail::new(place(7), AGE);
        assert_eq!(trail.old_enough(at(1e6)), place(7));
        for tenth in 0..1000 {
            trail.note(place(100 + tenth), at(tenth as f64 / 10.0));
            assert!(trail.recent.len() <= 18, "{}", trail.recent.len());
        }
        let Place { cursor, .. } = trail.old_enough(at(99.9));
        let sent_at = (cursor - 100) as f64 / 10.0;
        assert!((82.0..=83.9).contains(&sent_at), "{sent_at}");
        assert_eq!(trail.old_enough(at(130.0)).cursor, 100 + 990);
    }

    #[test]
    fn states_take_a_small_part_of_the_time() {
        let start = Instant::now();
        let mut never = Timer::new(None, start);
        assert!(!never.is_due(start + AGE) && !never.is_asked());
        never.made(start, start);
        assert!(!never.is_due(start + AGE));
        let mut timer = Timer::new(Some(Duration::from_secs(1)), start);
        assert!(!timer.is_due(start) && timer.is_due(start + Duration::from_secs(1)));
        timer.made(start, start + Duration::from_secs(1));
        assert!(!timer.is_due(start + Duration::from_secs(50)));
        assert!(timer.is_due(start + Duration::from_secs(51)));
    }

    #[test]
    fn a_state_that_contradicts_itself_is_refused() {
        let mut state = SweepState::unbegun(100);
        let (mut done, mut refused) = (Bitmap::new(100), Bitmap::new(100));
        done.set(3);
        done.set(99);
        let bits = bitmaps::encode(&done, &refused);
        assert_eq!(state.clone().with_bitmaps(bits.clone()), Err(StateError), "none was done");
        state.counts.open = 2;
        assert!(state.clone().with_bitmaps(bits.clone()).is_ok());
        let wrong: [fn(&mut SweepState); 5] = [
            |state| state.place.cursor = 101,
            |state| state.counts.probes = 99,
            |state| state.counts.probes = u64::MAX,
            |state| state.counts.closed = u64::MAX,
            |state| state.counts.open = 1,
        ];
        for change in wrong {
            let mut state = state.clone();
            change(&mut state);
            assert_eq!(state.with_bitmaps(bits.clone()), Err(StateError));
        }
        for cut in 0..bits.len() {
            let _ = state.clone().with_bitmaps(bits[..cut].to_vec());
        }
        state.counts.open = 1;
        refused.set(3);
        assert!(state.clone().with_bitmaps(bitmaps::encode(&done, &refused)).is_ok());
        refused.clear(3);
        refused.set(4);
        let wrong = state.with_bitmaps(bitmaps::encode(&done, &refused));
        assert_eq!(wrong, Err(StateError), "refused, and yet to be tried");
    }
}
