//! Whether the network loses more than it should, by asking again what is known to answer.
//!
//! A sweep cannot tell silence from loss, and sending slower is no cure for silence. So a few
//! addresses that answered by a reset are asked again while the sweep goes on: what they leave
//! unanswered was lost. Pure: it is told what happened and when.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::sweep::Rate;

/// Asks witnesses, and says by how much to slow down.
#[derive(Debug)]
pub(super) struct LossWatch {
    witnesses: VecDeque<Witness>,
    next_ask: Instant,
    /// How many probes go before an ask that is due.
    probes_before: u32,
    probes_before_last: u32,
    /// What became of the last asks, the newest at the back.
    heard: VecDeque<bool>,
    asks: u64,
    lost: u64,
}

#[derive(Clone, Copy, Debug)]
struct Witness {
    target: SocketAddr,
    asked: Option<Instant>,
}

/// Enough that no single host's own limits decide.
const WITNESSES: usize = 16;
/// Shorter sweeps are over before they could change.
const FIRST_ASK: Duration = Duration::from_secs(1);
const BETWEEN_ASKS: Duration = Duration::from_millis(20);
/// A power of two: the step through the values has its full period then.
const SPREAD: u32 = 32;
/// Asks that a verdict takes.
const WINDOW: usize = 24;
/// Of these so many lost: far more than a line loses by itself, as it is where a device on the way
/// is at its limit. At a loss of 10 % it is reached by chance once in some thousand windows.
const TOO_MANY: usize = 8;
/// Of these so few lost: no more than a line loses by itself.
const FEW: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    TooMuch,
    Little,
}

/// At what rate to send, by the verdicts so far.
#[derive(Debug)]
pub(super) struct Throttle {
    asked: Rate,
    /// In packets a second; `None`: as asked.
    rate: Option<NonZeroU32>,
    /// The rate that was too high, and when.
    too_high: Option<(u32, Instant)>,
    slowest: Option<NonZeroU32>,
}

/// Slower than this no loss makes a sweep.
const LEAST: u32 = 100;
/// So long a rate that was too high is not tried again.
const MEMORY: Duration = Duration::from_secs(60);

impl Throttle {
    pub(super) const fn new(asked: Rate) -> Self {
        Self { asked, rate: None, too_high: None, slowest: None }
    }

    /// The new rate, if it changes. `measured` is what was sent in the last second, or would have
    /// been.
    pub(super) fn adapt(&mut self, loss: Loss, measured: u32, now: Instant) -> Option<Rate> {
        let rate = match (loss, self.rate) {
            (Loss::TooMuch, _) => {
                self.too_high = Some((measured, now));
                (measured / 2).max(LEAST)
            }
            (Loss::Little, None) => return None,
            (Loss::Little, Some(rate)) => {
                let remembered =
                    self.too_high.filter(|(_, at)| now.saturating_duration_since(*at) < MEMORY);
                let most = remembered.map_or(u32::MAX, |(rate, _)| rate / 10 * 7);
                (rate.get() + rate.get() / 4).min(most).max(rate.get())
            }
        };
        let next = match self.asked {
            Rate::PerSecond(asked) if rate >= asked.get() => None,
            _ => NonZeroU32::new(rate),
        };
        if let Some(next) = next {
            self.slowest = Some(self.slowest.map_or(next, |slowest| slowest.min(next)));
        }
        (next != self.rate).then(|| {
            self.rate = next;
            next.map_or(self.asked, Rate::PerSecond)
        })
    }

    /// The lowest rate that loss has led to.
    pub(super) const fn slowest(&self) -> Option<NonZeroU32> {
        self.slowest
    }
}

impl LossWatch {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            witnesses: VecDeque::with_capacity(WITNESSES),
            next_ask: now + FIRST_ASK,
            probes_before: 0,
            probes_before_last: 0,
            heard: VecDeque::with_capacity(WINDOW),
            asks: 0,
            lost: 0,
        }
    }

    /// This address reset a probe.
    pub(super) fn reset_by(&mut self, target: SocketAddr) {
        if self.witnesses.len() < WITNESSES {
            self.witnesses.push_back(Witness { target, asked: None });
        }
    }

    /// Whom to ask before the next probe, if anyone. Asks that are older than `patience` are lost.
    pub(super) fn due(&mut self, now: Instant, patience: Duration) -> Option<SocketAddr> {
        if self.witnesses.len() < WITNESSES || self.next_ask > now {
            return None;
        }
        for witness in &mut self.witnesses {
            if witness.asked.is_some_and(|asked| now.saturating_duration_since(asked) > patience) {
                witness.asked = None;
                self.lost += 1;
                self.heard.push_back(false);
            }
        }
        match self.probes_before.checked_sub(1) {
            Some(left) => {
                self.probes_before = left;
                None
            }
            None => {
                let free = self.witnesses.iter().find(|witness| witness.asked.is_none());
                free.map(|witness| witness.target)
            }
        }
    }

    /// It was asked, and is not for a while.
    pub(super) fn asked(&mut self, target: SocketAddr, now: Instant) {
        let at = self.witnesses.iter().position(|witness| witness.target == target);
        if let Some(mut witness) = at.and_then(|at| self.witnesses.remove(at)) {
            witness.asked = Some(now);
            self.witnesses.push_back(witness);
            self.asks += 1;
            self.next_ask = now + BETWEEN_ASKS;
            // Probes leave in bursts, and what limits them lets the first of a burst pass: asks have to
            // come anywhere in it. A multiplicative step through all values is even enough.
            self.probes_before = (self.probes_before_last * 5 + 7) % SPREAD;
            self.probes_before_last = self.probes_before;
        }
    }

    /// An answer from an address that had answered before; whether it was to an ask of this watch.
    pub(super) fn answered(&mut self, target: SocketAddr) -> bool {
        let asked = self.witnesses.iter_mut().find(|witness| witness.target == target);
        let answered = asked.is_some_and(|witness| witness.asked.take().is_some());
        if answered {
            self.heard.push_back(true);
        }
        answered
    }

    /// What the last asks say, once: the next verdict takes others.
    pub(super) fn verdict(&mut self) -> Option<Loss> {
        while self.heard.len() > WINDOW {
            self.heard.pop_front();
        }
        if self.heard.len() < WINDOW {
            return None;
        }
        let verdict = match self.heard.iter().filter(|heard| !**heard).count() {
            TOO_MANY.. => Loss::TooMuch,
            0..=FEW => Loss::Little,
            _ => return None,
        };
        self.heard.clear();
        if verdict == Loss::TooMuch {
            // What is under way was sent at the rate that was too high.
            self.witnesses.iter_mut().for_each(|witness| witness.asked = None);
        }
        Some(verdict)
    }

    /// Asks, and how many of them were lost.
    pub(super) const fn totals(&self) -> (u64, u64) {
        (self.asks, self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(250);

    fn target(host: u16) -> SocketAddr {
        ([198, 18, 0, 1], 10_000 + host).into()
    }

    fn with_witnesses(start: Instant) -> LossWatch {
        let mut watch = LossWatch::new(start);
        (0..20).for_each(|host| watch.reset_by(target(host)));
        watch
    }

    /// Asks for 60 seconds, answers but for those of which `lost` says so by number, and counts the
    /// verdicts.
    fn verdicts(lost: impl Fn(u64) -> bool) -> (u32, (u64, u64)) {
        let start = Instant::now();
        let mut watch = with_witnesses(start);
        let (mut number, mut verdicts) = (0, 0);
        for tick in 0..60_000_u64 {
            let now = start + Duration::from_millis(tick);
            for _ in 0..SPREAD {
                let Some(asked) = watch.due(now, PATIENCE) else { continue };
                watch.asked(asked, now);
                number += 1;
                if !lost(number) {
                    assert!(watch.answered(asked));
                    assert!(!watch.answered(asked), "a second answer is no answer to an ask");
                }
            }
            verdicts += u32::from(watch.verdict() == Some(Loss::TooMuch));
        }
        (verdicts, watch.totals())
    }

    #[test]
    fn without_witnesses_nothing_is_asked() {
        let start = Instant::now();
        let mut watch = LossWatch::new(start);
        watch.reset_by(target(1));
        assert_eq!(watch.due(start + Duration::from_secs(9), PATIENCE), None);
        assert!(!watch.answered(target(1)));
        assert_eq!(watch.verdict(), None);
    }

    #[test]
    fn what_a_line_loses_by_itself_changes_nothing() {
        assert_eq!(verdicts(|_| false).0, 0);
        let (verdicts, (asks, lost)) = verdicts(|number| number % 10 == 0);
        assert_eq!(verdicts, 0);
        assert!((2850..=2951).contains(&asks), "{asks} asks in 59 s, 20 ms apart");
        assert!(lost >= asks / 10 - 2, "{lost} of {asks}");
    }

    #[test]
    fn heavy_loss_is_told_again_and_again() {
        let (verdicts, _) = verdicts(|number| number % 2 == 0);
        assert!(verdicts > 10, "{verdicts}");
    }

    #[test]
    fn asks_come_anywhere_in_a_burst() {
        let mut now = Instant::now();
        let mut watch = with_witnesses(now);
        let mut places = [0; SPREAD as usize];
        for _ in 0..64 {
            now += FIRST_ASK;
            let place = (0..SPREAD).find(|_| match watch.due(now, PATIENCE) {
                Some(asked) => {
                    watch.asked(asked, now);
                    watch.answered(asked)
                }
                None => false,
            });
            places[place.unwrap() as usize] += 1;
        }
        assert_eq!(places, [2; SPREAD as usize]);
    }

    #[test]
    fn a_rate_that_was_too_high_is_halved_and_approached_again() {
        let (start, asked) = (Instant::now(), Rate::PerSecond(NonZeroU32::new(10_000).unwrap()));
        let per_second = |rate| Some(Rate::PerSecond(NonZeroU32::new(rate).unwrap()));
        let mut throttle = Throttle::new(asked);
        assert_eq!(throttle.adapt(Loss::Little, 10_000, start), None);
        assert_eq!(throttle.adapt(Loss::TooMuch, 10_000, start), per_second(5_000));
        assert_eq!(throttle.adapt(Loss::TooMuch, 5_000, start), per_second(2_500));
        assert_eq!(throttle.adapt(Loss::Little, 2_500, start), per_second(3_125));
        assert_eq!(throttle.adapt(Loss::Little, 3_125, start), per_second(3_500), "0.7 of 5,000");
        assert_eq!(throttle.adapt(Loss::Little, 3_500, start), None);
        let later = start + Duration::from_secs(61);
        let rates: Vec<_> =
            (0..10).filter_map(|_| throttle.adapt(Loss::Little, 3_500, later)).collect();
        assert_eq!(rates.last(), Some(&asked), "an outage is no reason for ever: {rates:?}");
        assert_eq!(throttle.slowest().map(NonZeroU32::get), Some(2_500));
    }

    #[test]
    fn no_loss_stops_a_sweep() {
        let mut throttle = Throttle::new(Rate::Max);
        let (mut rate, now) = (1_000_000, Instant::now());
        for _ in 0..40 {
            if let Some(Rate::PerSecond(lower)) = throttle.adapt(Loss::TooMuch, rate, now) {
                rate = lower.get();
            }
        }
        assert_eq!(rate, LEAST);
    }

    #[test]
    fn after_a_verdict_the_past_is_forgotten() {
        let start = Instant::now();
        let mut watch = with_witnesses(start);
        let mut told = None;
        for tick in 0..20_000 {
            let now = start + Duration::from_millis(tick);
            let asked = (0..SPREAD).find_map(|_| watch.due(now, PATIENCE));
            if let Some(asked) = asked {
                watch.asked(asked, now);
                if told.is_some() {
                    watch.answered(asked);
                }
            }
            if watch.verdict() == Some(Loss::TooMuch) {
                assert_eq!(told.replace(tick), None, "told twice");
            }
        }
        assert!(told.is_some_and(|tick| tick < 3_000), "{told:?}");
    }
}
