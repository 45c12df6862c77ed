//! How long to wait for an answer.

use std::time::Duration;

/// Learns from the round trips seen, as RFC 6298 does for retransmissions.
///
/// A sweep differs from one connection in that the hosts differ, so this is made to err on the
/// patient side: it waits for the smoothed round trip and eight deviations (RFC 6298: four), for
/// at least twice the slowest answer so far, and for at least [`Patience::LEAST`]; it says nothing
/// before [`Patience::ENOUGH`] answers. The last round, which nothing comes after, waits twice as
/// long, and for at least [`Patience::LAST_LEAST`].
#[derive(Debug)]
pub(super) struct Patience {
    longest: Duration,
    smoothed: Duration,
    deviation: Duration,
    slowest: Duration,
    answers: u32,
}

impl Patience {
    pub(super) const LEAST: Duration = Duration::from_millis(250);
    pub(super) const LAST_LEAST: Duration = Duration::from_millis(500);
    pub(super) const ENOUGH: u32 = 20;
    pub(super) const MANY: u32 = 1000;

    /// `longest` is the configured timeout, never exceeded.
    pub(super) const fn new(longest: Duration) -> Self {
        Self {
            longest,
            smoothed: Duration::ZERO,
            deviation: Duration::ZERO,
            slowest: Duration::ZERO,
            answers: 0,
        }
    }

    pub(super) fn observe(&mut self, rtt: Duration) {
        if self.answers == 0 {
            (self.smoothed, self.deviation) = (rtt, rtt / 2);
        } else {
            self.deviation = (self.deviation * 3 + self.smoothed.abs_diff(rtt)) / 4;
            self.smoothed = (self.smoothed * 7 + rtt) / 8;
        }
        self.slowest = self.slowest.max(rtt);
        self.answers = self.answers.saturating_add(1);
    }

    pub(super) fn timeout(&self) -> Duration {
        if self.answers < Self::ENOUGH {
            return self.longest;
        }
        let learned = (self.smoothed + self.deviation * 8).max(self.slowest * 2);
        learned.max(Self::LEAST).min(self.longest)
    }

    /// In the last round.
    pub(super) fn last_timeout(&self) -> Duration {
        (self.timeout() * 2).max(Self::LAST_LEAST).min(self.longest)
    }

    /// In the last round, where answers to the rounds before were waited for far longer than that:
    /// of [`Patience::MANY`] answers the slowest stands for all but three in a thousand hosts (at
    /// 95 %), and one of these is missed only if its earlier answers were lost.
    pub(super) fn last_timeout_after_all_came_in(&self) -> Duration {
        if self.answers < Self::MANY {
            return self.last_timeout();
        }
        self.timeout()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(900);

    fn after(rtts: impl IntoIterator<Item = u64>) -> Duration {
        let mut patience = Patience::new(LONGEST);
        rtts.into_iter().for_each(|ms| patience.observe(Duration::from_millis(ms)));
        patience.timeout()
    }

    #[test]
    fn few_answers_change_nothing() {
        assert_eq!(after([]), LONGEST);
        assert_eq!(after([1; 19]), LONGEST);
    }

    #[test]
    fn near_hosts_shorten_it_to_the_least() {
        assert_eq!(after([1; 20]), Patience::LEAST);
    }

    #[test]
    fn the_last_round_waits_twice_as_long() {
        let last = |count, ms| {
            let mut patience = Patience::new(LONGEST);
            (0..count).for_each(|_| patience.observe(Duration::from_millis(ms)));
            patience.last_timeout()
        };
        assert_eq!(last(19, 1), LONGEST, "few answers change nothing");
        assert_eq!(last(20, 1), Patience::LAST_LEAST);
        assert_eq!(last(1000, 150), Duration::from_millis(600));
        assert_eq!(last(20, 300), LONGEST);
    }

    #[test]
    fn many_answers_that_could_be_late_and_were_not_shorten_the_last_round() {
        let last = |count, ms| {
            let mut patience = Patience::new(LONGEST);
            (0..count).for_each(|_| patience.observe(Duration::from_millis(ms)));
            patience.last_timeout_after_all_came_in()
        };
        assert_eq!(last(999, 45), Patience::LAST_LEAST);
        assert_eq!(last(1000, 45), Patience::LEAST);
        assert_eq!(last(1000, 200), Duration::from_millis(400), "twice the slowest");
    }

    #[test]
    fn one_slow_answer_is_remembered() {
        let timeout = after([1; 20].into_iter().chain([200]).chain([1; 1000]));
        assert_eq!(timeout, Duration::from_millis(400));
    }

    #[test]
    fn far_hosts_never_lengthen_it() {
        assert_eq!(after([800; 50]), LONGEST);
        let short = Duration::from_millis(100);
        let mut patience = Patience::new(short);
        (0..50).for_each(|_| patience.observe(Duration::from_millis(1)));
        assert_eq!(patience.timeout(), short);
    }
}
