//! What the connect engine does when descriptors, buffers or ports run short on this machine: how
//! many attempts there is room for, and a probe that waits for its turn.

use std::time::{Duration, Instant};

/// After a shortage of descriptors, how long until more are tried for.
const RECOVERY: Duration = Duration::from_secs(1);

/// Attempts at one probe; their pauses add up to three quarters of a second.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// A shortage that lasts this long without a single launch ends the sweep.
const END: Duration = Duration::from_secs(10);

/// How many attempts may be under way.
pub(super) struct Room {
    ceiling: usize,
    limit: usize,
    /// When the limit was last changed, while it is below the ceiling.
    narrowed: Option<Instant>,
    narrowest: Option<usize>,
}

impl Room {
    /// `narrowest` is what an earlier run of the sweep had come to, if it was ever short.
    pub(super) const fn new(ceiling: usize, narrowest: Option<usize>) -> Self {
        Self { ceiling, limit: ceiling, narrowed: None, narrowest }
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// The least that there ever was room for, if it was ever short.
    pub(super) const fn narrowest(&self) -> Option<usize> {
        self.narrowest
    }

    pub(super) fn narrow(&mut self, under_way: usize, now: Instant) {
        self.limit = under_way.clamp(1, self.ceiling);
        self.narrowed = Some(now);
        self.narrowest = Some(self.narrowest.map_or(self.limit, |known| known.min(self.limit)));
    }

    pub(super) fn recover(&mut self, now: Instant) {
        if self.narrowed.is_some_and(|since| now.duration_since(since) >= RECOVERY) {
            self.limit = (self.limit * 2).min(self.ceiling);
            self.narrowed = (self.limit < self.ceiling).then_some(now);
        }
    }
}

/// A probe that a shortage kept from being made, to be tried before any other; without a position,
/// one was given up, and the next gets a single try until one succeeds.
#[derive(Clone, Copy)]
pub(super) struct Held {
    pub(super) position: Option<u64>,
    pub(super) until: Instant,
    tries: u32,
    pause: Duration,
    since: Instant,
}

impl Held {
    pub(super) const fn new(now: Instant) -> Self {
        Self { position: None, tries: 0, pause: PAUSE, until: now, since: now }
    }

    /// To be tried as soon as something that is under way ends.
    pub(super) const fn at_once(self, position: u64, now: Instant) -> Self {
        Self { position: Some(position), until: now, ..self }
    }

    /// To be tried again after a pause, twice as long each time; `None` after the last try.
    pub(super) fn again(self, position: u64, now: Instant) -> Option<Self> {
        (self.tries < TRIES).then(|| Self {
            position: Some(position),
            tries: self.tries + 1,
            pause: (self.pause * 2).min(LONGEST_PAUSE),
            until: now + self.pause,
            since: self.since,
        })
    }

    /// Its probe was given up.
    pub(super) fn without_probe(self, now: Instant) -> Self {
        Self { position: None, until: now + self.pause, ..self }
    }

    pub(super) fn has_lasted_too_long(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= END
    }
}
