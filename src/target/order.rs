//! The order in which probes go out: a seeded permutation, so that no subnet gets a burst.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use thiserror::Error;

/// A bijection on `0..len` computed a value at a time, in constant memory.
///
/// It is a Feistel network over the smallest power of two that holds `len`, with cycle walking:
/// what falls outside `0..len` is permuted again, less than twice on average. Four rounds with
/// good round functions make a pseudorandom permutation (Luby and Rackoff); there are six because
/// the halves of a small target list have only a few bits, and two more rounds cost nanoseconds
/// beside a system call. The order has to be even, it need not resist an attacker.
#[derive(Clone, Debug)]
pub struct Permutation {
    len: u64,
    low_bits: u32,
    high_mask: u64,
    low_mask: u64,
    keys: [(u64, u64); ROUND_PAIRS],
}

const ROUND_PAIRS: usize = 3;

impl Permutation {
    /// The same `len` and `seed` give the same order, on every machine.
    pub fn new(len: u64, seed: u64) -> Self {
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        let (high_bits, low_bits) = (bits / 2, bits - bits / 2);
        let mut state = seed;
        let mut key = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(state)
        };
        let keys = std::array::from_fn(|_| (key(), key()));
        Self { len, low_bits, high_mask: mask(high_bits), low_mask: mask(low_bits), keys }
    }

    pub const fn len(&self) -> u64 {
        self.len
    }

    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value at `position`, which wraps around at `len`; 0 when the permutation is empty.
    pub fn get(&self, position: u64) -> u64 {
        let Some(mut value) = position.checked_rem(self.len) else { return 0 };
        // A permutation's cycle leads back to where it began, so this ends at `position` at worst.
        loop {
            value = self.scramble(value);
            if value < self.len {
                return value;
            }
        }
    }

    /// Where `value` comes in the order: the inverse of [`Permutation::get`]. `None` for what is
    /// no value of it.
    pub fn position(&self, value: u64) -> Option<u64> {
        if value >= self.len {
            return None;
        }
        let mut position = value;
        loop {
            position = self.unscramble(position);
            if position < self.len {
                return Some(position);
            }
        }
    }

    /// The values of one shard, in its order.
    pub fn iter(&self, shard: Shard) -> impl Iterator<Item = u64> + '_ {
        (0..shard.share(self.len)).map(move |nth| self.get(shard.position(nth)))
    }

    fn unscramble(&self, value: u64) -> u64 {
        let (mut high, mut low) = (value >> self.low_bits & self.high_mask, value & self.low_mask);
        for (low_key, high_key) in self.keys.into_iter().rev() {
            high ^= mix(low ^ high_key) & self.high_mask;
            low ^= mix(high ^ low_key) & self.low_mask;
        }
        high << self.low_bits | low
    }

    fn scramble(&self, value: u64) -> u64 {
        let (mut high, mut low) = (value >> self.low_bits & self.high_mask, value & self.low_mask);
        for (low_key, high_key) in self.keys {
            low ^= mix(high ^ low_key) & self.low_mask;
            high ^= mix(low ^ high_key) & self.high_mask;
        }
        high << self.low_bits | low
    }
}

/// One of `count` disjoint parts of a permutation: the positions that are `index` modulo `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: NonZeroU64,
}

impl Shard {
    /// Everything.
    pub const WHOLE: Self = Self { index: 0, count: NonZeroU64::MIN };

    /// `None` unless `index` is below `count`.
    pub fn new(index: u64, count: NonZeroU64) -> Option<Self> {
        (index < count.get()).then_some(Self { index, count })
    }

    /// How many shards make the whole.
    pub const fn count(self) -> u64 {
        self.count.get()
    }

    /// Which of them this is, counted from 1.
    pub const fn number(self) -> u64 {
        self.index.saturating_add(1)
    }

    /// How many of `total` positions fall to this shard.
    pub const fn share(self, total: u64) -> u64 {
        total.saturating_sub(self.index).div_ceil(self.count.get())
    }

    /// The position of its `nth` member, counted from 0.
    pub const fn position(self, nth: u64) -> u64 {
        nth.wrapping_mul(self.count.get()).wrapping_add(self.index)
    }

    /// Which of the shard's positions `position` is: the inverse of [`Shard::position`]. `None`
    /// for those of other shards.
    pub const fn nth(self, position: u64) -> Option<u64> {
        match position.checked_sub(self.index) {
            Some(offset) if offset.is_multiple_of(self.count.get()) => {
                Some(offset / self.count.get())
            }
            _ => None,
        }
    }
}

impl fmt::Display for Shard {
    /// `3/16`, counted from 1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number(), self.count)
    }
}

/// What is no shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a shard such as 3/16, the third of sixteen")]
pub struct ShardError;

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let (number, count) = text.split_once('/').ok_or(ShardError)?;
        if !digits(number) || !digits(count) {
            return Err(ShardError);
        }
        let number: u64 = number.parse().map_err(|_| ShardError)?;
        let count = count.parse().map_err(|_| ShardError)?;
        number.checked_sub(1).and_then(|index| Self::new(index, count)).ok_or(ShardError)
    }
}

const fn mask(bits: u32) -> u64 {
    match u64::MAX.checked_shr(u64::BITS - bits) {
        Some(mask) => mask,
        None => 0,
    }
}

/// The finalizer of splitmix64: every input bit reaches every output bit.
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assert_bijective(len: u64, seed: u64) {
        let order = Permutation::new(len, seed);
        let mut seen = vec![false; usize::try_from(len).unwrap()];
        for position in 0..len {
            let value = usize::try_from(order.get(position)).unwrap();
            assert!(!std::mem::replace(&mut seen[value], true), "{len}/{seed}: {value} twice");
        }
    }

    #[test]
    fn every_small_length_is_a_bijection() {
        for len in 1..=600 {
            assert_bijective(len, 7);
        }
        for len in [1023, 1024, 1025, 65_535, 65_536, 65_537] {
            assert_bijective(len, u64::MAX);
        }
    }

    #[test]
    fn the_longest_lengths_stay_within_bounds_and_distinct() {
        for len in [1 << 32, (1 << 32) - 1, (1 << 33) + 1, u64::MAX] {
            let order = Permutation::new(len, 3);
            let values: std::collections::HashSet<u64> =
                (0..2000).chain(len - 2000..len).map(|position| order.get(position)).collect();
            assert_eq!(values.len(), 4000);
            assert!(values.iter().all(|value| *value < len));
        }
    }

    #[test]
    fn an_empty_permutation_has_no_values() {
        let order = Permutation::new(0, 1);
        assert!(order.is_empty());
        assert_eq!(order.iter(Shard::WHOLE).count(), 0);
    }

    #[test]
    fn the_seed_changes_the_order_and_only_the_seed() {
        let first = |seed| Permutation::new(10_000, seed).iter(Shard::WHOLE).collect::<Vec<_>>();
        assert_eq!(first(1), first(1));
        let same = first(1).iter().zip(first(2)).filter(|(a, b)| *a == b).count();
        assert!(same < 20, "{same} of 10000 at the same place");
    }

    #[test]
    fn neighbours_in_time_are_not_neighbours_in_space() {
        // Two /24s: of any 32 probes in a row, each must get its share, and of each 1/8 of a /24.
        for seed in 0..20 {
            let values: Vec<u64> = Permutation::new(512, seed).iter(Shard::WHOLE).collect();
            for window in values.windows(32) {
                let upper = window.iter().filter(|value| **value >= 256).count();
                assert!((4..=28).contains(&upper), "seed {seed}: {upper} of 32 in one /24");
                for eighth in 0..16 {
                    let near = window.iter().filter(|value| **value / 32 == eighth).count();
                    assert!(near <= 12, "seed {seed}: {near} of 32 in one eighth");
                }
            }
            let adjacent = values.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) == 1).count();
            assert!(adjacent < 16, "seed {seed}: {adjacent} adjacent pairs");
        }
    }

    #[test]
    fn shards_are_written_from_1() {
        for text in ["1/1", "1/16", "16/16", "18446744073709551615/18446744073709551615"] {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        }
        let wrong = ["", "/", "3", "0/4", "5/4", "1/0", "-1/4", "+1/4", "1/4/4", " 1/4", "1/4x"];
        for text in wrong {
            assert_eq!(text.parse::<Shard>(), Err(ShardError), "{text}");
        }
        assert_eq!("1/1".parse(), Ok(Shard::WHOLE));
    }

    proptest! {
        #[test]
        fn positions_are_found_again(len in 1u64.., seed: u64, at: u64, count in 1u64..100) {
            let order = Permutation::new(len, seed);
            let position = at % len;
            prop_assert_eq!(order.position(order.get(position)), Some(position));
            prop_assert_eq!(order.position(len), None);
            let count = NonZeroU64::new(count).unwrap();
            for index in 0..count.get() {
                let shard = Shard::new(index, count).unwrap();
                let mine = position % count.get() == index;
                prop_assert_eq!(shard.nth(position), mine.then_some(position / count.get()));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_length_and_seed_are_a_bijection(len in 1u64..20_000, seed: u64) {
            assert_bijective(len, seed);
        }

        #[test]
        fn shards_are_disjoint_and_complete(len in 0u64..3000, count in 1u64..9, seed: u64) {
            let order = Permutation::new(len, seed);
            let count = NonZeroU64::new(count).unwrap();
            let mut all: Vec<u64> = (0..count.get())
                .flat_map(|index| order.iter(Shard::new(index, count).unwrap()).collect::<Vec<_>>())
                .collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..len).collect::<Vec<_>>());
            prop_assert!(Shard::new(count.get(), count).is_none());
        }
    }
}
