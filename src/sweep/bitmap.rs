//! One bit a probe.

/// A set of probes, by their positions.
#[derive(Clone, Debug)]
pub(super) struct Bitmap {
    words: Vec<u64>,
    len: u64,
}

impl Bitmap {
    /// None of `len` is in it. The system hands the memory out as it is first written to.
    pub(super) fn new(len: u64) -> Self {
        let words = usize::try_from(len.div_ceil(64)).unwrap_or(usize::MAX);
        Self { words: vec![0; words], len }
    }

    pub(super) fn set(&mut self, position: u64) {
        if let Some(word) = usize::try_from(position / 64).ok().and_then(|i| self.words.get_mut(i))
        {
            *word |= 1 << (position % 64);
        }
    }

    pub(super) fn clear(&mut self, position: u64) {
        if let Some(word) = usize::try_from(position / 64).ok().and_then(|i| self.words.get_mut(i))
        {
            *word &= !(1 << (position % 64));
        }
    }

    /// Adds all of `others`, which is as long.
    pub(super) fn set_all(&mut self, others: &Self) {
        self.words.iter_mut().zip(&others.words).for_each(|(word, other)| *word |= other);
    }

    /// Takes out all of `others`, which is as long.
    pub(super) fn clear_all(&mut self, others: &Self) {
        self.words.iter_mut().zip(&others.words).for_each(|(word, other)| *word &= !other);
    }

    pub(super) fn contains_all(&self, others: &Self) -> bool {
        self.words.iter().zip(&others.words).all(|(word, other)| other & !word == 0)
    }

    pub(super) fn contains(&self, position: u64) -> bool {
        let word = usize::try_from(position / 64).ok().and_then(|index| self.words.get(index));
        word.is_some_and(|word| word >> (position % 64) & 1 == 1)
    }

    /// How many there are from `from` on.
    pub(super) fn count_from(&self, from: u64) -> u64 {
        let Some(first) = usize::try_from(from / 64).ok().and_then(|index| self.words.get(index..))
        else {
            return 0;
        };
        let Some((first, rest)) = first.split_first() else { return 0 };
        let before = (1 << (from % 64)) - 1;
        let ones = |word: &u64| u64::from(word.count_ones());
        ones(&(first & !before)) + rest.iter().map(ones).sum::<u64>()
    }

    /// Runs of words: their number and kind as one LEB128 number, then the words themselves where
    /// they are neither all zeros nor all ones. Never much longer than the bitmap; a sweep's is far
    /// shorter at its begin, and where everyone answers.
    pub(super) fn encode(&self) -> Vec<u8> {
        let used = self.words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
        let words = self.words.get(..used).unwrap_or_default();
        let mut bytes = Vec::new();
        for run in words.chunk_by(|one, next| kind(*one) == kind(*next)) {
            let kind = run.first().map_or(ZEROS, |word| kind(*word));
            push_number(&mut bytes, (run.len() as u64) << KIND_BITS | kind);
            if kind == MIXED {
                run.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
            }
        }
        bytes
    }

    /// What `encode` wrote, for `len` probes; `None` if it did not write this.
    pub(super) fn decode(mut bytes: &[u8], len: u64) -> Option<Self> {
        let mut bitmap = Self::new(len);
        let mut free = bitmap.words.iter_mut();
        while !bytes.is_empty() {
            let run = take_number(&mut bytes)?;
            let words = usize::try_from(run >> KIND_BITS).ok()?;
            if words > free.len() {
                return None;
            }
            for word in free.by_ref().take(words) {
                *word = match run & ((1 << KIND_BITS) - 1) {
                    ZEROS => continue,
                    ONES => u64::MAX,
                    MIXED => {
                        let (word, rest) = bytes.split_first_chunk()?;
                        bytes = rest;
                        u64::from_le_bytes(*word)
                    }
                    _ => return None,
                };
            }
        }
        (bitmap.count_from(len) == 0).then_some(bitmap)
    }

    /// The first position from `from` on that is not in it, and is in `within` where that is given.
    pub(super) fn next_unset(&self, within: Option<&Self>, from: u64) -> Option<u64> {
        let mut index = usize::try_from(from / 64).ok()?;
        // What lies before `from`, or without `within`, is passed like what is in it.
        let mut passed = (1 << (from % 64)) - 1;
        loop {
            let without = match within {
                Some(within) => !within.words.get(index)?,
                None => 0,
            };
            let word = self.words.get(index)? | without | passed;
            if word != u64::MAX {
                let position = u64::try_from(index).ok()? * 64 + u64::from(word.trailing_ones());
                return (position < self.len).then_some(position);
            }
            passed = 0;
            index += 1;
        }
    }
}

const KIND_BITS: u32 = 2;
const ZEROS: u64 = 0;
const ONES: u64 = 1;
const MIXED: u64 = 2;

const fn kind(word: u64) -> u64 {
    match word {
        0 => ZEROS,
        u64::MAX => ONES,
        _ => MIXED,
    }
}

fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn long_runs_are_few_bytes() {
        let mut answered = Bitmap::new(1 << 20);
        (0..1 << 19).for_each(|position| answered.set(position));
        assert_eq!(answered.encode().len(), 3);
        answered.set(1 << 19);
        assert_eq!(answered.encode().len(), 3 + 1 + 8);
        assert!(Bitmap::new(1 << 20).encode().is_empty());
    }

    proptest! {
        #[test]
        fn walks_what_is_unset(len in 0u64..300, set in proptest::collection::vec(0u64..300, 0..300)) {
            let mut answered = Bitmap::new(len);
            set.iter().filter(|position| **position < len).for_each(|p| answered.set(*p));
            let mut walked = Vec::new();
            let mut from = 0;
            while let Some(position) = answered.next_unset(None, from) {
                walked.push(position);
                from = position + 1;
            }
            let expected: Vec<u64> = (0..len).filter(|position| !set.contains(position)).collect();
            prop_assert_eq!(walked, expected);
            let answered_from = (0..len).filter(|p| set.contains(p) && *p >= from / 2).count();
            prop_assert_eq!(answered.count_from(from / 2), answered_from as u64);
        }

        #[test]
        fn as_sets_do(
            len in 1u64..300,
            one in proptest::collection::btree_set(0u64..300, 0..80),
            other in proptest::collection::btree_set(0u64..300, 0..80),
        ) {
            let bitmap = |set: &BTreeSet<u64>| {
                let mut bitmap = Bitmap::new(len);
                set.iter().filter(|position| **position < len).for_each(|p| bitmap.set(*p));
                bitmap
            };
            let all = |set: &BTreeSet<u64>| bitmap(set).words;
            let (mut with, mut without) = (bitmap(&one), bitmap(&one));
            prop_assert_eq!(with.contains_all(&bitmap(&other)), (&other - &one).range(..len).count() == 0);
            with.set_all(&bitmap(&other));
            without.clear_all(&bitmap(&other));
            prop_assert_eq!(&with.words, &all(&(&one | &other)));
            prop_assert_eq!(&without.words, &all(&(&one - &other)));
            let next = bitmap(&one).next_unset(Some(&bitmap(&other)), len / 3);
            prop_assert_eq!(next, (&other - &one).range(len / 3..len).next().copied());
            other.iter().filter(|position| **position < len).for_each(|p| with.clear(*p));
            prop_assert_eq!(with.words, without.words);
        }

        #[test]
        fn what_is_encoded_is_decoded(
            len in 1u64..3000,
            filled in 0u64..3000,
            set in proptest::collection::vec(0u64..3000, 0..30),
        ) {
            let mut answered = Bitmap::new(len);
            set.into_iter().chain(0..filled).filter(|p| *p < len).for_each(|p| answered.set(p));
            let bytes = answered.encode();
            prop_assert!(bytes.len() <= answered.words.len() * 9 + 9);
            let decoded = Bitmap::decode(&bytes, len).unwrap();
            prop_assert_eq!(&decoded.words, &answered.words);
            if let Some(last) = (0..len).rev().find(|position| answered.contains(*position)) {
                prop_assert!(Bitmap::decode(&bytes, last).is_none(), "a bit too many");
            }
        }

        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60), len in 0u64..600) {
            let _ = Bitmap::decode(&bytes, len);
        }
    }
}
