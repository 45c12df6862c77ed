//! Moduli that a small prime divides: damaged keys, or keys that never were any.

use std::sync::OnceLock;

use num_bigint::BigUint;

/// Primes below this are tried.
pub const LIMIT: u32 = 1 << 16;

/// The smallest prime below [`LIMIT`] that divides `modulus`, which it is not itself.
///
/// Linear in the modulus: a quarter of a millisecond for 2048 bits.
pub fn small_factor(modulus: &BigUint) -> Option<u32> {
    let limbs = modulus.to_u64_digits();
    let first = *limbs.first()?;
    let is = |prime: u32| limbs.len() == 1 && first == u64::from(prime);
    if first & 1 == 0 {
        return (!is(2)).then_some(2);
    }
    groups().iter().find_map(|group| {
        let rest = group.rest(&limbs);
        group
            .primes
            .iter()
            .copied()
            .find(|prime| rest.is_multiple_of(u64::from(*prime)) && !is(*prime))
    })
}

/// Odd primes, and their product.
#[derive(Debug)]
struct Group {
    primes: Vec<u32>,
    product: u64,
    /// Of the product, modulo 2^64.
    inverse: u64,
}

impl Group {
    fn of(primes: Vec<u32>) -> Self {
        let product: u64 = primes.iter().map(|prime| u64::from(*prime)).product();
        // Newton: each round doubles the right bits, of which an odd number's own square has three.
        let inverse = (0..5).fold(product, |inverse, _| {
            inverse.wrapping_mul(2u64.wrapping_sub(product.wrapping_mul(inverse)))
        });
        Self { primes, product, inverse }
    }

    /// What a prime of the group divides exactly if it divides the number: the rest of a division
    /// from the low end (Hensel), a multiple of the number modulo the product.
    fn rest(&self, limbs: &[u64]) -> u64 {
        limbs.iter().fold(0, |carry, limb| {
            let (low, borrow) = limb.overflowing_sub(carry);
            let quotient = low.wrapping_mul(self.inverse);
            let product = u128::from(quotient) * u128::from(self.product);
            (product >> 64) as u64 + u64::from(borrow)
        })
    }
}

fn groups() -> &'static [Group] {
    static GROUPS: OnceLock<Vec<Group>> = OnceLock::new();
    GROUPS.get_or_init(|| {
        let mut groups = Vec::new();
        let (mut primes, mut product) = (Vec::new(), 1u64);
        for prime in odd_primes() {
            match product.checked_mul(u64::from(prime)) {
                Some(more) => product = more,
                None => {
                    groups.push(Group::of(std::mem::take(&mut primes)));
                    product = u64::from(prime);
                }
            }
            primes.push(prime);
        }
        groups.push(Group::of(primes));
        groups
    })
}

/// Below the limit, in order (Eratosthenes).
fn odd_primes() -> Vec<u32> {
    let mut composite = vec![false; LIMIT as usize];
    let mut primes = Vec::new();
    for number in 2..LIMIT {
        if composite.get(number as usize) == Some(&false) {
            let multiples = composite.iter_mut().skip((number.min(256) * number) as usize);
            multiples.step_by(number as usize).for_each(|multiple| *multiple = true);
            primes.push(number);
        }
    }
    primes.remove(0);
    primes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn there_are_so_many_primes() {
        assert_eq!(odd_primes().len(), 6541);
        assert_eq!(odd_primes().last(), Some(&65521));
    }

    #[test]
    fn each_prime_is_found() {
        // 2^2203 - 1 is prime.
        let large = (BigUint::from(1u8) << 2203u32) - 1u8;
        assert_eq!(small_factor(&large), None);
        for prime in odd_primes().into_iter().step_by(50).chain([2, 65521]) {
            assert_eq!(small_factor(&(&large * prime)), Some(prime));
            assert_eq!(small_factor(&BigUint::from(prime)), None);
        }
        assert_eq!(small_factor(&(&large * 65537u32)), None);
        assert_eq!(small_factor(&BigUint::from(0u8)), None);
        assert_eq!(small_factor(&BigUint::from(1u8)), None);
        assert_eq!(small_factor(&BigUint::from(9u8)), Some(3));
    }

    proptest! {
        #[test]
        fn it_agrees_with_trial_division(bytes in proptest::collection::vec(any::<u8>(), 3..40)) {
            let modulus = BigUint::from_bytes_le(&bytes);
            prop_assume!(modulus > BigUint::from(LIMIT));
            let expected = std::iter::once(2).chain(odd_primes())
                .find(|prime| &modulus % prime == BigUint::from(0u8));
            prop_assert_eq!(small_factor(&modulus), expected);
        }
    }
}
