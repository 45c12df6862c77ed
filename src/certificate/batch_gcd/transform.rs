//! The number-theoretic transform modulo 2^64 - 2^32 + 1: convolution of digits in n log n.
//!
//! That prime, because 2^32 divides one less than it (transforms of every length that fits in
//! memory) and because 2^64 is 2^32 - 1 modulo it, so that a product is reduced with shifts and
//! additions. The forward transform leaves its values in bit-reversed order and the inverse takes
//! them in it: for a convolution the order does not matter. Each splits its block in two and works
//! on the halves one after the other, so that all but the first levels happen in the cache.

use std::hint::select_unpredictable;

use super::parallel::{Workers, both};

const PRIME: u64 = 0xffff_ffff_0000_0001;
/// 2^64 modulo the prime.
const EPSILON: u64 = 0xffff_ffff;
/// Generates the multiplicative group.
const GENERATOR: u64 = 7;
/// Blocks of up to this length (32 KiB) are worked on level by level.
const CACHED: usize = 1 << 12;

/// The constants by which blocks are split, for transforms up to one length.
#[derive(Debug)]
pub(super) struct Roots {
    forward: Vec<u64>,
    inverse: Vec<u64>,
}

impl Roots {
    /// For transforms up to `length`, a power of two up to 2^32.
    ///
    /// Block `s` of any level is split by the root of unity of order 4·2^k whose exponent is `s`
    /// with its bits reversed, so one table serves every level and every length.
    pub(super) fn up_to(length: usize) -> Self {
        let table = |generator: u64| {
            let mut roots = Vec::with_capacity((length / 2).max(1));
            roots.push(1);
            let mut order = 4u64;
            while roots.len() < length / 2 {
                let root = power(generator, (PRIME - 1) / order);
                for block in 0..roots.len() {
                    let known = roots.get(block).copied().unwrap_or(1);
                    roots.push(multiply(known, root));
                }
                order *= 2;
            }
            roots
        };
        Self { forward: table(GENERATOR), inverse: table(power(GENERATOR, PRIME - 2)) }
    }

    /// The longest transform that these serve.
    pub(super) fn length(&self) -> usize {
        self.forward.len() * 2
    }

    /// In place; `values` has a length that is a power of two and at most [`Self::length`].
    pub(super) fn forward(&self, values: &mut [u64], workers: Workers) {
        forward(values, &self.forward, 0, workers);
    }

    /// Undoes [`Self::forward`]; the values are less than the prime.
    pub(super) fn inverse(&self, values: &mut [u64], workers: Workers) {
        inverse(values, &self.inverse, 0, workers);
        let scale = power(values.len() as u64, PRIME - 2);
        for value in values {
            *value = canonical(multiply(*value, scale));
        }
    }
}

/// Replaces each value of `a` by its product with that of `b`: the convolution, transformed.
pub(super) fn pointwise(a: &mut [u64], b: &[u64]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a = multiply(*a, *b);
    }
}

/// As [`pointwise`] of `a` and `b`, plus that of `c` and `d`.
pub(super) fn pointwise_sum(a: &mut [u64], b: &[u64], c: &[u64], d: &[u64]) {
    for ((a, b), (c, d)) in a.iter_mut().zip(b).zip(c.iter().zip(d)) {
        *a = add(multiply(*a, *b), canonical(multiply(*c, *d)));
    }
}

fn forward(values: &mut [u64], roots: &[u64], block: usize, workers: Workers) {
    if values.len() <= CACHED {
        return forward_cached(values, roots, block);
    }
    let root = roots.get(block).copied().unwrap_or(1);
    let (low, high) = values.split_at_mut(values.len() / 2);
    split_shared(low, high, root, workers);
    both(
        workers,
        |workers| forward(low, roots, 2 * block, workers),
        |workers| forward(high, roots, 2 * block + 1, workers),
    );
}

fn split_shared(low: &mut [u64], high: &mut [u64], root: u64, workers: Workers) {
    if workers.alone() {
        return split(low, high, root);
    }
    let middle = low.len() / 2;
    let ((a, b), (c, d)) = (low.split_at_mut(middle), high.split_at_mut(middle));
    both(
        workers,
        |workers| split_shared(a, c, root, workers),
        |workers| split_shared(b, d, root, workers),
    );
}

fn forward_cached(values: &mut [u64], roots: &[u64], block: usize) {
    let (mut length, mut first) = (values.len(), block);
    while length > 1 {
        let here = roots.get(first..).unwrap_or_default();
        if length == 4 {
            // The last two levels at once: a loop over one or two values costs more than its body.
            let below = roots.get(2 * first..).unwrap_or_default();
            return forward_last(values, here, below);
        }
        for (block, root) in values.chunks_exact_mut(length).zip(here) {
            let (low, high) = block.split_at_mut(length / 2);
            split(low, high, *root);
        }
        length /= 2;
        first *= 2;
    }
}

fn forward_last(values: &mut [u64], roots: &[u64], below: &[u64]) {
    for ((block, root), second) in values.chunks_exact_mut(4).zip(roots).zip(below.chunks_exact(2))
    {
        let ([a, b, c, d], [left, right]) = (block, second) else { return };
        (*a, *c) = butterfly(*a, *c, *root);
        (*b, *d) = butterfly(*b, *d, *root);
        (*a, *b) = butterfly(*a, *b, *left);
        (*c, *d) = butterfly(*c, *d, *right);
    }
}

fn inverse(values: &mut [u64], roots: &[u64], block: usize, workers: Workers) {
    if values.len() <= CACHED {
        return inverse_cached(values, roots, block);
    }
    let root = roots.get(block).copied().unwrap_or(1);
    let (low, high) = values.split_at_mut(values.len() / 2);
    both(
        workers,
        |workers| inverse(low, roots, 2 * block, workers),
        |workers| inverse(high, roots, 2 * block + 1, workers),
    );
    join_shared(low, high, root, workers);
}

fn join_shared(low: &mut [u64], high: &mut [u64], root: u64, workers: Workers) {
    if workers.alone() {
        return join(low, high, root);
    }
    let middle = low.len() / 2;
    let ((a, b), (c, d)) = (low.split_at_mut(middle), high.split_at_mut(middle));
    both(
        workers,
        |workers| join_shared(a, c, root, workers),
        |workers| join_shared(b, d, root, workers),
    );
}

fn inverse_cached(values: &mut [u64], roots: &[u64], block: usize) {
    let mut length = 2;
    while length <= values.len() {
        let first = block * (values.len() / length);
        let roots = roots.get(first..).unwrap_or_default();
        for (block, root) in values.chunks_exact_mut(length).zip(roots) {
            let (low, high) = block.split_at_mut(length / 2);
            join(low, high, *root);
        }
        length *= 2;
    }
}

fn split(low: &mut [u64], high: &mut [u64], root: u64) {
    for (low, high) in low.iter_mut().zip(high) {
        (*low, *high) = butterfly(*low, *high, root);
    }
}

fn join(low: &mut [u64], high: &mut [u64], root: u64) {
    for (low, high) in low.iter_mut().zip(high) {
        let second = canonical(*high);
        (*low, *high) = (add(*low, second), multiply(subtract(*low, second), root));
    }
}

#[inline(always)]
fn butterfly(low: u64, high: u64, root: u64) -> (u64, u64) {
    let turned = canonical(multiply(high, root));
    (add(low, turned), subtract(low, turned))
}

// Values are any 64 bits that are right modulo the prime; `canonical` ones are less than it. Carries
// are as good as random, so a branch on them would be mispredicted half of the time.

#[inline(always)]
fn canonical(value: u64) -> u64 {
    if value >= PRIME { value - PRIME } else { value }
}

/// `b` is canonical, so that what the carry brings cannot overflow again.
#[inline(always)]
fn add(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    sum.wrapping_add(select_unpredictable(carry, EPSILON, 0))
}

/// `b` is canonical.
#[inline(always)]
fn subtract(a: u64, b: u64) -> u64 {
    let (difference, borrow) = a.overflowing_sub(b);
    difference.wrapping_sub(select_unpredictable(borrow, EPSILON, 0))
}

/// 2^64 is 2^32 - 1 and 2^96 is -1 modulo the prime.
#[inline(always)]
fn multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let (low, high) = (product as u64, (product >> 64) as u64);
    let (top, middle) = (high >> 32, high & EPSILON);
    let (difference, borrow) = low.overflowing_sub(top);
    let difference = difference.wrapping_sub(select_unpredictable(borrow, EPSILON, 0));
    // At most (2^32 - 1)^2, which is canonical.
    add(difference, middle * EPSILON)
}

fn power(base: u64, mut exponent: u64) -> u64 {
    let (mut base, mut result) = (base, 1);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply(result, base);
        }
        base = multiply(base, base);
        exponent >>= 1;
    }
    canonical(result)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn arithmetic_is_modulo_the_prime(a: u64, b: u64) {
            let prime = u128::from(PRIME);
            let (wide_a, wide_b) = (u128::from(a), u128::from(b));
            prop_assert_eq!(u128::from(multiply(a, b)) % prime, wide_a * wide_b % prime);
            let b = canonical(b);
            let wide_b = u128::from(b);
            prop_assert_eq!(u128::from(add(a, b)) % prime, (wide_a + wide_b) % prime);
            prop_assert_eq!(
                u128::from(subtract(a, b)) % prime,
                (wide_a + prime - wide_b) % prime
            );
        }
    }

    #[test]
    fn the_extremes_are_reduced() {
        for a in [0, 1, EPSILON, EPSILON + 1, PRIME - 1, PRIME, u64::MAX] {
            for b in [0, 1, EPSILON, PRIME - 1, PRIME, u64::MAX] {
                let expected = u128::from(a) * u128::from(b) % u128::from(PRIME);
                assert_eq!(u128::from(canonical(multiply(a, b))), expected, "{a} {b}");
            }
        }
    }

    #[test]
    fn every_length_comes_back() {
        let roots = Roots::up_to(1 << 14);
        assert_eq!(roots.length(), 1 << 14);
        for log in 0..=14 {
            let values: Vec<u64> = (0..1u64 << log)
                .map(|i| canonical(multiply(i + 3, 0x9e37_79b9_7f4a_7c15)))
                .collect();
            for workers in [1, 3] {
                let mut turned = values.clone();
                roots.forward(&mut turned, Workers::new(workers));
                roots.inverse(&mut turned, Workers::new(workers));
                assert_eq!(turned, values, "length 2^{log}");
            }
        }
    }

    #[test]
    fn a_product_of_transforms_is_the_cyclic_convolution() {
        let roots = Roots::up_to(8);
        let (a, b) = ([1, 2, 3, 4, 5, 6, 7, 8], [8, 0, 0, 1, 0, 0, 0, 2]);
        let mut expected = [0; 8];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                expected[(i + j) % 8] += x * y;
            }
        }
        let (mut left, mut right) = (a, b);
        roots.forward(&mut left, Workers::new(1));
        roots.forward(&mut right, Workers::new(1));
        pointwise(&mut left, &right);
        roots.inverse(&mut left, Workers::new(1));
        assert_eq!(left, expected);
    }
}
