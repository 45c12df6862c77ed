//! How fast probes may go out.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// The most probes a second, retries included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rate {
    /// As many as the system takes.
    #[default]
    Max,
    PerSecond(NonZeroU32),
}

/// A token bucket. What was not used is kept for a short time only ([`BURST_MICROS`]), so that
/// the sum over any window stays within the rate plus that burst: 4 % over in 100 ms. Below 250
/// probes a second the burst is a single probe.
#[derive(Debug)]
pub(super) struct Pace {
    bucket: Option<Bucket>,
}

/// What an idle moment may save up for: 4 ms covers the rounding of the system's timers to 1 ms
/// and the usual delays in waking up.
const BURST_MICROS: u64 = 4_000;

/// Waking up for each single probe would cost more than the probe.
const BATCH_MICROS: u64 = 1_000;

const NANOS: u128 = 1_000_000_000;

#[derive(Debug)]
struct Bucket {
    rate: u128,
    /// In billionths of a probe, so that no fraction is ever lost.
    credit: u128,
    most: u128,
    batch: u128,
    refilled: Instant,
}

impl Pace {
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        let bucket = match rate {
            Rate::Max => None,
            Rate::PerSecond(rate) => {
                let rate = u128::from(rate.get());
                // A probe is NANOS of credit, and `rate` credits come each nanosecond.
                let worth = |micros: u64| (rate * u128::from(micros) * 1000).max(NANOS);
                Some(Bucket {
                    rate,
                    credit: NANOS,
                    most: worth(BURST_MICROS),
                    batch: worth(BATCH_MICROS),
                    refilled: now,
                })
            }
        };
        Self { bucket }
    }

    /// From now on at this rate; nothing is saved up.
    pub(super) fn change(&mut self, rate: Rate, now: Instant) {
        *self = Self::new(rate, now);
    }

    /// Takes leave for one probe, if there is any.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let Some(bucket) = &mut self.bucket else { return true };
        bucket.refill(now);
        match bucket.credit.checked_sub(NANOS) {
            Some(rest) => {
                bucket.credit = rest;
                true
            }
            None => false,
        }
    }

    /// How long until it is worth asking again.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let Some(bucket) = &self.bucket else { return Duration::ZERO };
        let since = now.saturating_duration_since(bucket.refilled).as_nanos();
        let credit = bucket.credit + since * bucket.rate;
        let nanos = bucket.batch.saturating_sub(credit).div_ceil(bucket.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl Bucket {
    fn refill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.refilled).as_nanos();
        self.credit = self.most.min(self.credit + since * self.rate);
        self.refilled = self.refilled.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn per_second(rate: u32) -> Rate {
        Rate::PerSecond(NonZeroU32::new(rate).unwrap())
    }

    /// The launch times (ns) of a sender that is always ready and wakes up `late` after asked to.
    fn launches(rate: u32, for_ms: u64, late: Duration) -> Vec<u64> {
        let start = Instant::now();
        let mut pace = Pace::new(per_second(rate), start);
        let (mut now, mut times) = (start, Vec::new());
        while now.duration_since(start) < Duration::from_millis(for_ms) {
            while pace.take(now) {
                times.push(u64::try_from(now.duration_since(start).as_nanos()).unwrap());
            }
            now += pace.wait(now).max(Duration::from_nanos(1)) + late;
        }
        times
    }

    fn most_in_window(times: &[u64], window_ns: u64) -> usize {
        let mut most = 0;
        let mut end = 0;
        for (begin, first) in times.iter().enumerate() {
            while end < times.len() && times[end] < first + window_ns {
                end += 1;
            }
            most = most.max(end - begin);
        }
        most
    }

    #[test]
    fn no_limit_is_no_limit() {
        let now = Instant::now();
        let mut pace = Pace::new(Rate::Max, now);
        assert!((0..10_000).all(|_| pace.take(now)));
        assert_eq!(pace.wait(now), Duration::ZERO);
    }

    #[test]
    fn reaches_the_rate_and_never_exceeds_it_by_much() {
        for rate in [1000, 5000, 100_000, 777_777] {
            for late_us in [0, 50, 1000] {
                let times = launches(rate, 1000, Duration::from_micros(late_us));
                let sent = u32::try_from(times.len()).unwrap();
                assert!(sent >= rate / 100 * 99, "{rate}/s, {late_us} us late: {sent}");
                let in_window = most_in_window(&times, 100_000_000);
                let allowed = f64::from(rate) / 10.0 * 1.05;
                assert!(in_window as f64 <= allowed, "{rate}/s: {in_window} in 100 ms");
            }
        }
    }

    #[test]
    fn slow_rates_send_single_probes() {
        assert_eq!(
            launches(10, 1000, Duration::ZERO),
            (0..10).map(|n| n * 100_000_000).collect::<Vec<_>>()
        );
        assert_eq!(launches(1, 3500, Duration::ZERO).len(), 4);
    }

    #[test]
    fn a_long_pause_saves_up_no_more_than_the_burst() {
        let start = Instant::now();
        let mut pace = Pace::new(per_second(10_000), start);
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..1000).filter(|_| pace.take(later)).count(), 40);
    }

    proptest! {
        #[test]
        fn any_window_keeps_to_the_rate_and_one_burst(
            rate in 1u32..1_000_000,
            steps in proptest::collection::vec(0u64..20_000_000, 1..60),
        ) {
            let start = Instant::now();
            let mut pace = Pace::new(per_second(rate), start);
            let (mut now, mut total) = (start, 0u128);
            for step in steps {
                now += Duration::from_nanos(step);
                while pace.take(now) {
                    total += 1;
                }
                let elapsed = now.duration_since(start).as_nanos();
                let burst = (u128::from(rate) * u128::from(BURST_MICROS) / 1_000_000).max(1) + 1;
                prop_assert!(total <= elapsed * u128::from(rate) / NANOS + burst);
            }
        }
    }
}
