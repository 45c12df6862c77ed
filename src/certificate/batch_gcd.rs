//! What many RSA moduli have in common, in much less time than all pairs would take (Bernstein,
//! "How to find smooth parts of integers" and "Scaled remainder trees").
//!
//! With N the product of all moduli, a modulus n shares a prime exactly if it has one with N/n.
//! Up a tree of products go N and the sum Z of all N/n; modulo n, Z is N/n. Down the tree goes the
//! fraction Z/N: times one child's product, without its integer part, it is the fraction of the
//! other child, of which fewer places count. So the only division is the one at the root.

mod gcd;
mod limbs;
mod multiply;
mod parallel;
mod reciprocal;
mod transform;

use num_bigint::BigUint;

use self::gcd::gcd;
use self::limbs::{from_big, to_big, trim};
use self::multiply::{Multiplier, schoolbook};
use self::parallel::{Workers, both};
use self::reciprocal::reciprocal;

/// Places kept beyond those of the product, in limbs: the rounding of all levels together stays
/// far below the half that would change a remainder.
const GUARD: usize = 3;

/// Of each modulus the greatest common divisor with the product of all others; one where it has
/// nothing in common with any.
///
/// The moduli must be above one and all different: a modulus divides one equal to it. Memory is
/// about 12 kB a modulus of 2048 bits; all cores work.
pub fn common_divisors(moduli: &[BigUint]) -> Vec<BigUint> {
    if moduli.len() < 2 {
        return vec![BigUint::from(1u8); moduli.len()];
    }
    let numbers: Vec<Vec<u64>> = moduli.iter().map(from_big).collect();
    let limbs: usize = numbers.iter().map(Vec::len).sum();
    // The largest product is that of the numerator and the reciprocal.
    let multiplier = Multiplier::up_to(2 * limbs + 2 * GUARD + 2);
    let workers = Workers::of_machine();
    let (tree, numerator) = up(&numbers, &multiplier, workers);
    let fraction = fraction(&numerator, tree.product(), &multiplier, workers);
    drop(numerator);
    down(&tree, &fraction, &multiplier, workers)
}

#[derive(Debug)]
enum Tree<'a> {
    Leaf(&'a [u64]),
    Node { product: Vec<u64>, halves: Box<[Tree<'a>; 2]> },
}

impl Tree<'_> {
    fn product(&self) -> &[u64] {
        match self {
            Self::Leaf(number) => number,
            Self::Node { product, .. } => product,
        }
    }
}

/// The tree, and the sum of the products of all numbers but one.
fn up<'a>(
    numbers: &'a [Vec<u64>],
    multiplier: &Multiplier,
    workers: Workers,
) -> (Tree<'a>, Vec<u64>) {
    if let [number] = numbers {
        return (Tree::Leaf(number), vec![1]);
    }
    let (low, high) = numbers.split_at(numbers.len() / 2);
    let ((low, low_sum), (high, high_sum)) = both(
        workers,
        |workers| up(low, multiplier, workers),
        |workers| up(high, multiplier, workers),
    );
    let (mut product, mut sum) =
        multiplier.fraction_sum([low.product(), high.product()], [&low_sum, &high_sum], workers);
    trim(&mut product);
    trim(&mut sum);
    (Tree::Node { product, halves: Box::new([low, high]) }, sum)
}

/// `numerator / denominator`, which is less than one, to `GUARD` limbs more than the denominator
/// has: the limbs behind the point.
fn fraction(
    numerator: &[u64],
    denominator: &[u64],
    multiplier: &Multiplier,
    workers: Workers,
) -> Vec<u64> {
    let shift = denominator.last().map_or(0, |top| top.leading_zeros());
    let (numerator, denominator) = (shifted(numerator, shift), shifted(denominator, shift));
    let places = denominator.len() + GUARD;
    let inverse = reciprocal(&denominator, places + 1, multiplier, workers);
    let mut product = multiplier.product(&numerator, &inverse, workers);
    product.resize(denominator.len() + 1 + places, 0);
    product.split_off(denominator.len() + 1)
}

/// Times 2^`shift`, which is less than a limb.
fn shifted(number: &[u64], shift: u32) -> Vec<u64> {
    let mut carry = 0;
    let mut shifted: Vec<u64> = number
        .iter()
        .map(|limb| {
            let wide = u128::from(*limb) << shift | u128::from(carry);
            carry = (wide >> 64) as u64;
            wide as u64
        })
        .collect();
    shifted.push(carry);
    trim(&mut shifted);
    shifted
}

/// The divisors of the tree's leaves; `fraction` is that of its root.
fn down(
    tree: &Tree<'_>,
    fraction: &[u64],
    multiplier: &Multiplier,
    workers: Workers,
) -> Vec<BigUint> {
    let halves = match tree {
        Tree::Leaf(number) => return vec![to_big(&gcd(number, &rounded(number, fraction)))],
        Tree::Node { halves, .. } => halves,
    };
    let [low, high] = halves.as_ref();
    let (of_high, of_low) = multiplier.middle_products(
        fraction,
        (low.product(), high.product().len() + GUARD),
        (high.product(), low.product().len() + GUARD),
        workers,
    );
    let (mut divisors, more) = both(
        workers,
        |workers| down(low, &of_low, multiplier, workers),
        |workers| down(high, &of_high, multiplier, workers),
    );
    divisors.extend(more);
    divisors
}

/// The integer next to `number · fraction`, less than `number`.
fn rounded(number: &[u64], fraction: &[u64]) -> Vec<u64> {
    let mut product = schoolbook(number, fraction);
    let mut remainder = product.split_off(fraction.len());
    if product.last().is_some_and(|first_place| first_place >> 63 == 1) {
        multiply::add(&mut remainder, &[1]);
    }
    if remainder == number {
        remainder.clear();
    }
    trim(&mut remainder);
    remainder
}

#[cfg(test)]
mod tests;
