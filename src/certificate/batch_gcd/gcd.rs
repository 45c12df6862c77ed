//! The greatest common divisor of two naturals (Lehmer): quotients are worked out on the first 64
//! bits and applied to the whole numbers some thirty bits at a time.

use std::cmp::Ordering;

use super::limbs::{from_big, to_big, trim};

/// Of naturals without zeros at the high end; the other, where one is zero.
pub(super) fn gcd(a: &[u64], b: &[u64]) -> Vec<u64> {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    if compare(&a, &b) == Ordering::Less {
        std::mem::swap(&mut a, &mut b);
    }
    while b.len() > 1 {
        let step = if a.len() <= b.len() + 1 { Step::of(&a, &b) } else { None };
        match step {
            Some(step) => (a, b) = step.applied(&a, &b),
            None => {
                // The quotient has more bits than the first limbs tell: a division.
                let remainder = from_big(&(to_big(&a) % to_big(&b)));
                a = std::mem::replace(&mut b, remainder);
            }
        }
    }
    let Some(&small) = b.first() else { return a };
    let mut rest = a.iter().rev().fold(0u64, |rest, limb| {
        ((u128::from(rest) << 64 | u128::from(*limb)) % u128::from(small)) as u64
    });
    let mut divisor = small;
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    vec![divisor]
}

/// Several steps of Euclid's algorithm at once: (a, b) becomes
/// (x0·a - y0·b, y1·b - x1·a), or the same with all signs turned.
#[derive(Clone, Copy, Debug)]
struct Step {
    x: [u64; 2],
    y: [u64; 2],
    /// After an odd number of steps the signs are turned.
    odd: bool,
}

impl Step {
    /// From the first 64 bits of `a` and the bits of `b` at the same places. `None` where they
    /// settle no step.
    fn of(a: &[u64], b: &[u64]) -> Option<Self> {
        let shift = a.last()?.leading_zeros();
        let top = |number: &[u64]| {
            let limb = |back: usize| {
                a.len().checked_sub(back).and_then(|place| number.get(place)).copied().unwrap_or(0)
            };
            let wide = u128::from(limb(1)) << 64 | u128::from(limb(2));
            (wide >> (64 - shift)) as u64
        };
        let (mut high, mut low) = (top(a), top(b));
        let (mut x, mut y) = ([1u64, 0], [0u64, 1]);
        let mut odd = false;
        // Collins' condition (Knuth, volume 2, section 4.5.2; Jebelean 1993): the quotient is that
        // of the whole numbers as long as the remainder is large against the cofactors.
        while low != 0 {
            let (quotient, rest) = (high / low, high % low);
            let next_x = quotient.checked_mul(x[1]).and_then(|part| part.checked_add(x[0]));
            let next_y = quotient.checked_mul(y[1]).and_then(|part| part.checked_add(y[0]));
            let (Some(next_x), Some(next_y)) = (next_x, next_y) else { break };
            let (needed, spare) = if odd {
                (next_x, next_y.checked_add(y[1]))
            } else {
                (next_y, next_x.checked_add(x[1]))
            };
            let enough = rest >= needed && spare.is_some_and(|spare| low - rest >= spare);
            if !enough || next_x.max(next_y) >> 32 != 0 {
                break;
            }
            (x, y) = ([x[1], next_x], [y[1], next_y]);
            (high, low) = (low, rest);
            odd = !odd;
        }
        (y[0] != 0).then_some(Self { x, y, odd })
    }

    fn applied(self, a: &[u64], b: &[u64]) -> (Vec<u64>, Vec<u64>) {
        let ([x0, x1], [y0, y1]) = (self.x, self.y);
        if self.odd {
            (difference(b, y0, a, x0), difference(a, x1, b, y1))
        } else {
            (difference(a, x0, b, y0), difference(b, y1, a, x1))
        }
    }
}

/// `a·x - b·y`, which is not negative.
fn difference(a: &[u64], x: u64, b: &[u64], y: u64) -> Vec<u64> {
    let limbs = a.len().max(b.len());
    let padded = |number: &'_ [u64]| {
        let number = number.to_vec();
        number.into_iter().chain(std::iter::repeat(0)).take(limbs)
    };
    let mut carry = 0i128;
    let mut result: Vec<u64> = padded(a)
        .zip(padded(b))
        .map(|(a, b)| {
            // The factors have at most 32 bits, so each product has 96.
            let sum = carry + (u128::from(a) * u128::from(x)) as i128
                - (u128::from(b) * u128::from(y)) as i128;
            carry = sum >> 64;
            sum as u64
        })
        .collect();
    debug_assert_eq!(carry, 0);
    trim(&mut result);
    result
}

fn compare(a: &[u64], b: &[u64]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;
    use num_integer::Integer as _;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn number(limbs: std::ops::Range<usize>) -> impl Strategy<Value = BigUint> {
        vec(prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), Just(1)], limbs)
            .prop_map(|limbs| to_big(&limbs))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn it_agrees(a in number(0..40), b in number(0..40), common in number(0..20)) {
            let (a, b) = (a * &common, b * &common);
            let expected = a.gcd(&b);
            prop_assert_eq!(to_big(&gcd(&from_big(&a), &from_big(&b))), expected);
        }
    }

    #[test]
    fn neighbours_in_fibonaccis_sequence_have_the_smallest_quotients() {
        let (mut a, mut b) = (BigUint::from(1u8), BigUint::from(1u8));
        for _ in 0..3000 {
            (a, b) = (&a + &b, a);
        }
        assert_eq!(gcd(&from_big(&a), &from_big(&b)), [1]);
        assert_eq!(gcd(&from_big(&a), &from_big(&a)), from_big(&a));
    }
}
