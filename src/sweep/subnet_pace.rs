//! How fast probes may go to one subnet: a /24 of IPv4, a /64 of IPv6.
//!
//! A router that has to resolve each silent address, and a small firewall that keeps a state for
//! each SYN, feel what their own subnet gets, whatever the whole rate is.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::Rate;

/// A token bucket for each subnet, in constant memory: subnets that fall into the same slot share
/// its bucket. So many share one only in sweeps of so many that none of them gets near its share of
/// the rate. Loopback has no links to spare, and no limit.
#[derive(Debug)]
pub(super) struct SubnetPace {
    limit: Option<Limit>,
}

#[derive(Debug)]
struct Limit {
    /// Between two probes at the limit.
    interval: Duration,
    began: Instant,
    /// For each slot the time since `began` at which its bucket is full again.
    full_at: Vec<Duration>,
}

const SLOTS: usize = 1 << 12;

/// What a subnet may get at once, in time at its limit: the order of a sweep is even, but chance
/// has it that two neighbours come together.
const BURST: Duration = Duration::from_millis(100);

/// A subnet takes this much, however little the whole is.
const LEAST: u32 = 256;

impl SubnetPace {
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        let limit = match rate {
            Rate::Max => None,
            Rate::PerSecond(rate) => Some(Limit {
                interval: Duration::from_secs(1) / rate.get(),
                began: now,
                full_at: vec![Duration::ZERO; SLOTS],
            }),
        };
        Self { limit }
    }

    /// How long until a probe may go to this subnet; zero: now.
    pub(super) fn wait(&self, target: IpAddr, now: Instant) -> Duration {
        let Some(limit) = &self.limit else { return Duration::ZERO };
        let Some(full_at) = slot(target).and_then(|slot| limit.full_at.get(slot)) else {
            return Duration::ZERO;
        };
        let allowed = now.saturating_duration_since(limit.began) + limit.burst();
        (*full_at + limit.interval).saturating_sub(allowed)
    }

    /// A probe went there.
    pub(super) fn spend(&mut self, target: IpAddr, now: Instant) {
        let Some(limit) = &mut self.limit else { return };
        let now = now.saturating_duration_since(limit.began);
        let interval = limit.interval;
        if let Some(full_at) = slot(target).and_then(|slot| limit.full_at.get_mut(slot)) {
            *full_at = (*full_at).max(now) + interval;
        }
    }
}

impl Limit {
    fn burst(&self) -> Duration {
        BURST.max(self.interval)
    }
}

impl Rate {
    /// What a subnet gets of this whole where nothing else is asked for: a twentieth, and 256
    /// probes a second at least.
    #[must_use]
    pub fn share_of_a_subnet(self) -> Self {
        match self {
            Self::Max => Self::Max,
            Self::PerSecond(whole) => {
                NonZeroU32::new((whole.get() / 20).max(LEAST)).map_or(Self::Max, Self::PerSecond)
            }
        }
    }
}

fn slot(target: IpAddr) -> Option<usize> {
    if target.is_loopback() {
        return None;
    }
    let subnet = match target {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 8),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    };
    // The golden ratio spreads neighbours evenly over the slots (Fibonacci hashing).
    let spread = subnet.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(spread >> (u64::BITS - SLOTS.trailing_zeros())).ok()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn per_second(rate: u32) -> Rate {
        Rate::PerSecond(NonZeroU32::new(rate).unwrap())
    }

    fn address(subnet: u8, host: u8) -> IpAddr {
        Ipv4Addr::new(198, 18, subnet, host).into()
    }

    /// When each of `probes` to `targets` leaves, in ms, by a sender that waits as long as it is told.
    fn departures(pace: &mut SubnetPace, start: Instant, targets: &[IpAddr]) -> Vec<u128> {
        let mut now = start;
        let each = targets.iter().map(|target| {
            now += pace.wait(*target, now);
            assert_eq!(pace.wait(*target, now), Duration::ZERO);
            pace.spend(*target, now);
            now.duration_since(start).as_millis()
        });
        each.collect()
    }

    #[test]
    fn one_subnet_gets_its_limit_and_no_more() {
        let start = Instant::now();
        let mut pace = SubnetPace::new(per_second(500), start);
        let targets: Vec<IpAddr> = (0..2000).map(|n| address(1, (n % 256) as u8)).collect();
        let left = departures(&mut pace, start, &targets);
        for (first, second) in left.iter().zip(left.get(100..).unwrap()) {
            assert!(second - first >= 99, "100 probes in {} ms", second - first);
        }
        assert_eq!(left.iter().filter(|at| **at == 0).count(), 50, "a tenth of a second's worth");
        assert!(left.last().is_some_and(|last| (3890..=3910).contains(last)), "{:?}", left.last());
    }

    #[test]
    fn an_even_order_over_many_subnets_never_waits() {
        let start = Instant::now();
        let mut pace = SubnetPace::new(per_second(256), start);
        let mut now = start;
        for n in 0..50_000_u32 {
            let target = address((n % 251) as u8, (n / 251) as u8);
            assert_eq!(pace.wait(target, now), Duration::ZERO, "probe {n}");
            pace.spend(target, now);
            now += Duration::from_micros(100);
        }
    }

    #[test]
    fn subnets_do_not_wait_for_each_other() {
        let start = Instant::now();
        let mut pace = SubnetPace::new(per_second(1), start);
        pace.spend(address(1, 1), start);
        assert!(pace.wait(address(1, 2), start) > Duration::ZERO);
        assert_eq!(pace.wait(address(2, 1), start), Duration::ZERO);
        let v6 = |text: &str| text.parse::<IpAddr>().unwrap();
        pace.spend(v6("fd00:1::1"), start);
        assert!(pace.wait(v6("fd00:1::ffff:1"), start) > Duration::ZERO);
        assert_eq!(pace.wait(v6("fd00:1:0:1::1"), start), Duration::ZERO);
    }

    #[test]
    fn loopback_and_the_highest_rate_have_no_limit() {
        let start = Instant::now();
        let mut pace = SubnetPace::new(per_second(1), start);
        let loopback = Ipv4Addr::LOCALHOST.into();
        pace.spend(loopback, start);
        assert_eq!(pace.wait(loopback, start), Duration::ZERO);
        let mut pace = SubnetPace::new(Rate::Max, start);
        pace.spend(address(1, 1), start);
        assert_eq!(pace.wait(address(1, 1), start), Duration::ZERO);
    }

    #[test]
    fn the_share_of_a_subnet() {
        assert_eq!(per_second(10_000).share_of_a_subnet(), per_second(500));
        assert_eq!(per_second(100).share_of_a_subnet(), per_second(256));
        assert_eq!(Rate::Max.share_of_a_subnet(), Rate::Max);
    }
}
