//! When a probe left, without a clock reading a probe: they leave in the order of their positions,
//! so a few times a batch tell.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The departures of this round and the one before.
#[derive(Debug, Default)]
pub(super) struct SendLog {
    /// Ascending; each holds up to the next one's position.
    current: VecDeque<(u64, Instant)>,
    previous: VecDeque<(u64, Instant)>,
    rounds: u32,
}

/// Enough of them for a second and more at any rate; older ones lose precision first.
const LONGEST: usize = 1 << 16;

impl SendLog {
    pub(super) fn next_round(&mut self) {
        self.previous = std::mem::take(&mut self.current);
        self.rounds += 1;
    }

    /// From `position` on, probes left at `at`. What is older than `worth` is forgotten.
    pub(super) fn note(&mut self, position: u64, at: Instant, worth: Duration) {
        self.current.push_back((position, at));
        while self.current.len() > LONGEST
            || self.current.get(1).is_some_and(|(_, next)| at.duration_since(*next) > worth * 2)
        {
            self.current.pop_front();
        }
    }

    /// The probe went out more than once, so that an answer may be one to either (Karn's problem).
    pub(super) const fn resent(&self, position: u64, cursor: u64) -> bool {
        self.rounds > 2 || self.rounds == 2 && position < cursor
    }

    /// How long before `now` the probe last left; `cursor` is where this round stands. `None` where
    /// that is forgotten.
    pub(super) fn time_since(&self, position: u64, cursor: u64, now: Instant) -> Option<Duration> {
        let log = if position < cursor { &self.current } else { &self.previous };
        let after = log.partition_point(|(first, _)| *first <= position);
        let (_, left) = log.get(after.checked_sub(1)?)?;
        Some(now.saturating_duration_since(*left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORTH: Duration = Duration::from_secs(1);

    #[test]
    fn departures_are_those_of_the_last_round_that_reached_the_probe() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut log = SendLog::default();
        log.next_round();
        log.note(0, at(0), WORTH);
        log.note(64, at(10), WORTH);
        let since = |log: &SendLog, position, cursor| {
            log.time_since(position, cursor, at(100)).map(|time| time.as_millis())
        };
        assert_eq!(since(&log, 63, 128), Some(100));
        assert_eq!(since(&log, 64, 128), Some(90));
        assert!(!log.resent(63, 128));
        log.next_round();
        log.note(0, at(50), WORTH);
        assert_eq!(since(&log, 5, 64), Some(50));
        assert_eq!(since(&log, 70, 64), Some(90), "not yet sent again");
        assert!(log.resent(5, 64));
        assert!(!log.resent(70, 64));
    }

    #[test]
    fn old_departures_are_forgotten() {
        let start = Instant::now();
        let mut log = SendLog::default();
        for second in 0..10 {
            log.note(second * 64, start + Duration::from_secs(second), WORTH);
        }
        let now = start + Duration::from_secs(9);
        assert_eq!(log.time_since(0, u64::MAX, now), None);
        assert_eq!(log.time_since(9 * 64, u64::MAX, now), Some(Duration::ZERO));
    }
}
