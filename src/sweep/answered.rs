//! One bit a probe.

/// Which probes need no further attempt.
#[derive(Debug)]
pub(super) struct Answered {
    words: Vec<u64>,
    len: u64,
}

impl Answered {
    /// None of `len` is answered. The system hands the memory out as it is first written to.
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

    pub(super) fn contains(&self, position: u64) -> bool {
        let word = usize::try_from(position / 64).ok().and_then(|index| self.words.get(index));
        word.is_some_and(|word| word >> (position % 64) & 1 == 1)
    }

    /// The first unanswered position from `from` on.
    pub(super) fn next_unset(&self, from: u64) -> Option<u64> {
        let mut index = usize::try_from(from / 64).ok()?;
        // What lies before `from` counts as answered.
        let mut word = self.words.get(index)? | ((1 << (from % 64)) - 1);
        while word == u64::MAX {
            index += 1;
            word = *self.words.get(index)?;
        }
        let position = u64::try_from(index).ok()? * 64 + u64::from(word.trailing_ones());
        (position < self.len).then_some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn walks_what_is_unset(len in 0u64..300, set in proptest::collection::vec(0u64..300, 0..300)) {
            let mut answered = Answered::new(len);
            set.iter().filter(|position| **position < len).for_each(|p| answered.set(*p));
            let mut walked = Vec::new();
            let mut from = 0;
            while let Some(position) = answered.next_unset(from) {
                walked.push(position);
                from = position + 1;
            }
            let expected: Vec<u64> = (0..len).filter(|position| !set.contains(position)).collect();
            prop_assert_eq!(walked, expected);
        }
    }
}
