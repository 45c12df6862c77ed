//! Multiplication of naturals of millions of bits: digits, transformed, multiplied, transformed
//! back. Naturals are little-endian 64-bit limbs.

use super::parallel::{Workers, both};
use super::transform::{Roots, pointwise, pointwise_sum};

/// Below this many limbs of the shorter factor the schoolbook is faster.
const SCHOOLBOOK: usize = 96;

/// A way to cut numbers into digits: a transform's length, and bits a digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    length: usize,
    digit_bits: u32,
}

impl Layout {
    /// The shortest that holds `limbs` limbs. Sums of `length` products of two digits stay below
    /// the transform's prime: twice the bits of a digit and the length's logarithm are at most 64.
    pub(super) fn holding(limbs: usize) -> Self {
        let mut log = 1;
        loop {
            let digit_bits = (64 - log) / 2;
            if (digit_bits as usize) << log >= limbs * 64 {
                return Self { length: 1 << log, digit_bits };
            }
            log += 1;
        }
    }
}

/// A number, cut into digits and transformed.
#[derive(Clone, Debug)]
pub(super) struct Spectrum {
    values: Vec<u64>,
    layout: Layout,
}

/// Multiplies, with constants for numbers up to one size.
#[derive(Debug)]
pub(super) struct Multiplier(Roots);

impl Multiplier {
    /// For products of up to `limbs` limbs.
    pub(super) fn up_to(limbs: usize) -> Self {
        Self(Roots::up_to(Layout::holding(limbs).length))
    }

    /// Has as many limbs as both together.
    pub(super) fn product(&self, a: &[u64], b: &[u64], workers: Workers) -> Vec<u64> {
        let limbs = a.len() + b.len();
        if a.len().min(b.len()) < SCHOOLBOOK {
            return schoolbook(a, b);
        }
        let layout = Layout::holding(limbs);
        let (mut a, b) = both(
            workers,
            |workers| self.spectrum(a, layout, workers),
            |workers| self.spectrum(b, layout, workers),
        );
        pointwise(&mut a.values, &b.values);
        self.number(a, limbs, workers)
    }

    /// `a·b` and `a·d + b·c`, which is the sum of the fractions c/a and d/b over one denominator.
    pub(super) fn fraction_sum(
        &self,
        [a, b]: [&[u64]; 2],
        [c, d]: [&[u64]; 2],
        workers: Workers,
    ) -> (Vec<u64>, Vec<u64>) {
        let limbs = a.len() + b.len();
        if a.len().min(b.len()) < SCHOOLBOOK {
            let mut sum = schoolbook(a, d);
            sum.resize(limbs, 0);
            // Less than the denominator: the fractions add up to less than one.
            add(&mut sum, &schoolbook(b, c));
            return (schoolbook(a, b), sum);
        }
        let layout = Layout::holding(limbs);
        let pair = |x, y, workers| {
            both(
                workers,
                |workers| self.spectrum(x, layout, workers),
                |workers| self.spectrum(y, layout, workers),
            )
        };
        let ((a, b), (mut c, d)) =
            both(workers, |workers| pair(a, b, workers), |workers| pair(c, d, workers));
        pointwise_sum(&mut c.values, &b.values, &a.values, &d.values);
        let mut product = a;
        pointwise(&mut product.values, &b.values);
        both(
            workers,
            |workers| self.number(product, limbs, workers),
            |workers| self.number(c, limbs, workers),
        )
    }

    /// The limbs of `a·b` and `a·c` from `a.len() - kept` (of each its own) up to `a.len()`; the
    /// limbs above are not computed, and add an error below the limb of the place `b.len() + 1`.
    pub(super) fn middle_products(
        &self,
        a: &[u64],
        (b, kept_b): (&[u64], usize),
        (c, kept_c): (&[u64], usize),
        workers: Workers,
    ) -> (Vec<u64>, Vec<u64>) {
        let cut = |mut product: Vec<u64>, kept: usize| {
            product.truncate(a.len());
            product.split_off(a.len().saturating_sub(kept))
        };
        if b.len().min(c.len()) < SCHOOLBOOK {
            return (cut(schoolbook(a, b), kept_b), cut(schoolbook(a, c), kept_c));
        }
        // What a cyclic product has beyond its length comes back at its low end, which is cut off.
        let layout = Layout::holding(a.len());
        let ((mut b, mut c), a_spectrum) = both(
            workers,
            |workers| {
                both(
                    workers,
                    |workers| self.spectrum(b, layout, workers),
                    |workers| self.spectrum(c, layout, workers),
                )
            },
            |workers| self.spectrum(a, layout, workers),
        );
        pointwise(&mut b.values, &a_spectrum.values);
        pointwise(&mut c.values, &a_spectrum.values);
        drop(a_spectrum);
        both(
            workers,
            |workers| cut(self.number(b, a.len(), workers), kept_b),
            |workers| cut(self.number(c, a.len(), workers), kept_c),
        )
    }

    fn spectrum(&self, number: &[u64], layout: Layout, workers: Workers) -> Spectrum {
        debug_assert!(layout.length <= self.0.length());
        let mut values = digits(number, layout);
        self.0.forward(&mut values, workers);
        Spectrum { values, layout }
    }

    fn number(&self, spectrum: Spectrum, limbs: usize, workers: Workers) -> Vec<u64> {
        let Spectrum { mut values, layout } = spectrum;
        self.0.inverse(&mut values, workers);
        carried(&values, layout, limbs)
    }
}

/// A number's digits, with zeros up to the layout's length.
fn digits(number: &[u64], layout: Layout) -> Vec<u64> {
    let mask = (1u128 << layout.digit_bits) - 1;
    let mut values = Vec::with_capacity(layout.length);
    let (mut held, mut bits) = (0u128, 0);
    for limb in number {
        held |= u128::from(*limb) << bits;
        bits += 64;
        while bits >= layout.digit_bits {
            values.push((held & mask) as u64);
            held >>= layout.digit_bits;
            bits -= layout.digit_bits;
        }
    }
    if held > 0 {
        values.push(held as u64);
    }
    debug_assert!(values.len() <= layout.length);
    values.resize(layout.length, 0);
    values
}

/// The lowest limbs of the number whose digits, each of up to 64 bits, are `values`.
fn carried(values: &[u64], layout: Layout, limbs: usize) -> Vec<u64> {
    let mask = (1u128 << layout.digit_bits) - 1;
    let mut number = Vec::with_capacity(limbs + 1);
    let (mut carry, mut held, mut bits) = (0u128, 0u128, 0);
    for value in values {
        carry += u128::from(*value);
        held |= (carry & mask) << bits;
        carry >>= layout.digit_bits;
        bits += layout.digit_bits;
        if bits >= 64 {
            number.push(held as u64);
            held >>= 64;
            bits -= 64;
        }
    }
    number.push(held as u64);
    number.resize(limbs, 0);
    number
}

/// Has as many limbs as both together.
pub(super) fn schoolbook(a: &[u64], b: &[u64]) -> Vec<u64> {
    let mut product = vec![0; a.len() + b.len()];
    for (place, x) in a.iter().enumerate() {
        let mut carry = 0;
        let mut places = product.iter_mut().skip(place);
        for (y, into) in b.iter().zip(&mut places) {
            let sum = u128::from(*x) * u128::from(*y) + u128::from(*into) + u128::from(carry);
            (*into, carry) = (sum as u64, (sum >> 64) as u64);
        }
        if let Some(into) = product.get_mut(place + b.len()) {
            *into = carry;
        }
    }
    product
}

/// Adds `b` to `a`, whose room must do: what is carried out of it is lost.
pub(super) fn add(a: &mut [u64], b: &[u64]) {
    let mut carry = false;
    let others = b.iter().copied().chain(std::iter::repeat(0));
    for (place, (into, other)) in a.iter_mut().zip(others).enumerate() {
        if place >= b.len() && !carry {
            return;
        }
        (*into, carry) = into.carrying_add(other, carry);
    }
}

/// Two's complement: subtracts `b` from `a` modulo the room of `a`.
pub(super) fn subtract(a: &mut [u64], b: &[u64]) {
    let mut borrow = false;
    let others = b.iter().copied().chain(std::iter::repeat(0));
    for (into, other) in a.iter_mut().zip(others) {
        (*into, borrow) = into.borrowing_sub(other, borrow);
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn big(limbs: &[u64]) -> BigUint {
        BigUint::from_slice(
            &limbs.iter().flat_map(|limb| [*limb as u32, (*limb >> 32) as u32]).collect::<Vec<_>>(),
        )
    }

    /// Random limbs, and those that carry furthest.
    fn number(limbs: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u64>> {
        vec(prop_oneof![any::<u64>(), Just(u64::MAX), Just(0)], limbs)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn products_are_exact(a in number(0..700), b in number(0..700), threads in 1usize..4) {
            let multiplier = Multiplier::up_to(1400);
            let product = multiplier.product(&a, &b, Workers::new(threads));
            prop_assert_eq!(product.len(), a.len() + b.len());
            prop_assert_eq!(big(&product), big(&a) * big(&b));
        }

        #[test]
        fn fractions_add_up(a in number(1..300), b in number(1..300)) {
            // Numerators below half of their denominators.
            let denominator = |mut limbs: Vec<u64>| { limbs.push(u64::MAX); limbs };
            let (a, b) = (denominator(a), denominator(b));
            let (c, d) = (&a[1..a.len()], &b[1..b.len()]);
            let (c, d) = (&c[..c.len() - 1], &d[..d.len() - 1]);
            let multiplier = Multiplier::up_to(604);
            let (product, sum) = multiplier.fraction_sum([&a, &b], [c, d], Workers::new(2));
            prop_assert_eq!(big(&product), big(&a) * big(&b));
            prop_assert_eq!(big(&sum), big(&a) * big(d) + big(&b) * big(c));
        }

        #[test]
        fn sums_and_differences(a in number(1..20), b in number(1..20)) {
            let mut sum = a.clone();
            sum.resize(21, 0);
            add(&mut sum, &b);
            prop_assert_eq!(big(&sum), big(&a) + big(&b));
            subtract(&mut sum, &a);
            prop_assert_eq!(big(&sum), big(&b));
        }
    }

    #[test]
    fn the_longest_carries() {
        for limbs in [SCHOOLBOOK, 1000, 5000] {
            let a = vec![u64::MAX; limbs];
            let product = Multiplier::up_to(2 * limbs).product(&a, &a, Workers::new(1));
            assert_eq!(big(&product), big(&a) * big(&a));
        }
    }
}
