//! How far away each subnet is, by who has answered there: how long its silent addresses are worth
//! waiting for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Round trips by subnet, a /24 of IPv4 or a /64 of IPv6. An entry for each subnet that answered,
/// so memory grows with what is found.
///
/// How long an answer takes is mostly a matter of the way, and the way is the subnet's. Where
/// somebody answered fast, a neighbour's silence means something after a short while; a subnet that
/// nobody answered from may be behind a slow link, and gets all the time that a sweep has learned.
#[derive(Debug, Default)]
pub(super) struct Distances {
    smoothed: HashMap<u64, Duration>,
}

/// How long an attempt is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Its subnet is near.
    Short,
    /// As long as the whole sweep has learned to.
    Long,
}

impl Wait {
    pub(super) const BOTH: [Self; 2] = [Self::Short, Self::Long];
}

impl Distances {
    /// Subnets of this round trip or less are near.
    const NEAR: Duration = Duration::from_millis(64);

    pub(super) fn observe(&mut self, address: IpAddr, rtt: Duration) {
        let smoothed = self.smoothed.entry(subnet(address)).or_insert(rtt);
        // As RFC 6298 smooths round trips.
        *smoothed = (*smoothed * 7 + rtt) / 8;
    }

    pub(super) fn wait_for(&self, address: IpAddr) -> Wait {
        match self.smoothed.get(&subnet(address)) {
            Some(rtt) if *rtt <= Self::NEAR => Wait::Short,
            _ => Wait::Long,
        }
    }
}

/// Whether what a round misses gets another chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    ThereIsAnother,
    Last,
}

/// How long attempts are waited for, for now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    short: Duration,
    long: Duration,
}

impl Waits {
    /// Two and a half of the longest round trip that is near; a slower answer is met by the next
    /// round.
    const NEAR: Duration = Duration::from_millis(160);
    /// Four of them.
    const NEAR_AND_LAST: Duration = Duration::from_millis(256);

    /// `long` is what the sweep has learned.
    pub(super) fn new(long: Duration, round: Round) -> Self {
        let near = match round {
            Round::ThereIsAnother => Self::NEAR,
            Round::Last => Self::NEAR_AND_LAST,
        };
        Self { short: near.min(long), long }
    }

    pub(super) const fn of(self, wait: Wait) -> Duration {
        match wait {
            Wait::Short => self.short,
            Wait::Long => self.long,
        }
    }
}

fn subnet(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 8),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const FAST: Duration = Duration::from_millis(45);
    const SLOW: Duration = Duration::from_millis(300);

    #[test]
    fn near_subnets_never_get_longer_than_far_ones() {
        let waits = Waits::new(Duration::from_millis(100), Round::Last);
        assert_eq!((waits.of(Wait::Short), waits.of(Wait::Long)), (waits.long, waits.long));
        let waits = Waits::new(Duration::from_millis(500), Round::Last);
        assert_eq!(waits.of(Wait::Short), Waits::NEAR_AND_LAST);
        assert_eq!(waits.of(Wait::Long), Duration::from_millis(500));
    }

    #[test]
    fn neighbours_of_a_fast_answer_are_near() {
        let mut distances = Distances::default();
        assert_eq!(distances.wait_for(at("198.18.4.1")), Wait::Long, "nobody answered");
        distances.observe(at("198.18.4.9"), FAST);
        assert_eq!(distances.wait_for(at("198.18.4.1")), Wait::Short);
        assert_eq!(distances.wait_for(at("198.18.5.1")), Wait::Long);
        distances.observe(at("2001:db8::1"), FAST);
        assert_eq!(distances.wait_for(at("2001:db8::ffff:2")), Wait::Short);
        assert_eq!(distances.wait_for(at("2001:db8:0:1::1")), Wait::Long);
    }

    #[test]
    fn a_slow_link_is_far_and_one_late_answer_is_not() {
        let mut distances = Distances::default();
        distances.observe(at("198.18.4.9"), SLOW);
        assert_eq!(distances.wait_for(at("198.18.4.1")), Wait::Long);
        for _ in 0..8 {
            distances.observe(at("198.18.6.9"), FAST);
        }
        distances.observe(at("198.18.6.9"), FAST * 4);
        assert_eq!(distances.wait_for(at("198.18.6.1")), Wait::Short);
        for _ in 0..8 {
            distances.observe(at("198.18.6.9"), FAST * 4);
        }
        assert_eq!(distances.wait_for(at("198.18.6.1")), Wait::Long);
    }
}
