//! One over a large number, by Newton's iteration: the one division of a batch GCD.

use num_bigint::BigUint;

use super::limbs::{from_big, to_big};
use super::multiply::{Multiplier, add, subtract};
use super::parallel::Workers;

/// Up to this many limbs a reciprocal is divided out.
const DIVIDED: usize = 24;

/// About `2^(128·limbs) / d`, where `d` is the first `limbs` limbs (zeros follow where there are
/// fewer) of `divisor`, whose highest bit must be set. It has `limbs + 1` limbs, and is wrong by
/// less than the factor `1 ± 2^(64 - 64·limbs)`.
///
/// The iteration doubles the places: from x at half the places, x + x·(1 - d·x).
pub(super) fn reciprocal(
    divisor: &[u64],
    limbs: usize,
    multiplier: &Multiplier,
    workers: Workers,
) -> Vec<u64> {
    let head = head(divisor, limbs);
    if limbs <= DIVIDED {
        let mut quotient = from_big(&((BigUint::from(1u8) << (128 * limbs)) / to_big(&head)));
        quotient.resize(limbs + 1, 0);
        return quotient;
    }
    let half = limbs / 2 + 2;
    let first = reciprocal(divisor, half, multiplier, workers);

    // 2^(64(limbs + half)) - d·x, in two's complement; it is short, of either sign.
    let mut error = vec![0; limbs + half + 1];
    if let Some(top) = error.last_mut() {
        *top = 1;
    }
    let product = multiplier.product(&head, &first, workers);
    subtract(&mut error, &product);
    let negative = error.last().is_some_and(|top| *top != 0);
    if negative {
        negate(&mut error);
    }
    // Of the error only the first half counts: it is about 2^(64·limbs + 64) at most.
    let dropped = limbs.saturating_sub(half + 1);
    let error = error.split_off(dropped);
    let kept = error.get(..half + 3).unwrap_or(&error);
    let mut correction = multiplier.product(&first, kept, workers);
    let correction = correction.split_off((2 * half - dropped).min(correction.len()));

    let mut result = vec![0; limbs - half];
    result.extend_from_slice(&first);
    if negative {
        subtract(&mut result, &correction);
    } else {
        add(&mut result, &correction);
    }
    result
}

/// The highest `limbs` limbs, with zeros below where there are fewer.
fn head(number: &[u64], limbs: usize) -> Vec<u64> {
    let missing = limbs.saturating_sub(number.len());
    let mut head = vec![0; missing];
    head.extend(number.iter().skip(number.len().saturating_sub(limbs)));
    head
}

fn negate(number: &mut [u64]) {
    number.iter_mut().for_each(|limb| *limb = !*limb);
    add(number, &[1]);
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_is_close(
            mut divisor in vec(prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)], 1..300),
            top in prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)],
            limbs in 1usize..300,
        ) {
            divisor.push(top | 1 << 63);
            let multiplier = Multiplier::up_to(2 * limbs + 10);
            let result = reciprocal(&divisor, limbs, &multiplier, Workers::new(1));
            prop_assert_eq!(result.len(), limbs + 1);
            let exact = (BigUint::from(1u8) << (128 * limbs)) / to_big(&head(&divisor, limbs));
            let wrong = (BigInt::from(to_big(&result)) - BigInt::from(exact)).magnitude().clone();
            // 2^(64·limbs) times the factor's distance from one.
            prop_assert!(wrong.bits() <= 65, "{} bits of {}", wrong.bits(), 64 * limbs);
        }
    }
}
