//! The fingerprint of keys from Infineon's RSALib (CVE-2017-15361; Nemec and others, "The Return
//! of Coppersmith's Attack", 2017).
//!
//! The library made its primes as k·M + (65537^a mod M), with M the product of the first primes,
//! so every modulus is a power of 65537 modulo M. Powers of 65537 are one of some 2^154 residues
//! modulo the smallest M, of 39 primes, which divides the M of every longer key: a modulus from
//! anywhere else is none.

use num_bigint::BigUint;

/// RSALib's keys have at least 512 bits; a product can have one bit less.
const MIN_BITS: u64 = 511;
const GENERATOR: u64 = 65537;
/// The first 39 primes but 2, modulo which every odd number is a power of 65537.
const PRIMES: [u64; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether the modulus is a power of 65537 modulo the product of the first 39 primes.
///
/// The discrete logarithm is taken modulo each prime, where it is known up to the order of 65537
/// there. The logarithms belong to one power exactly if they agree modulo what the orders share.
pub fn is_roca(modulus: &BigUint) -> bool {
    if modulus.bits() < MIN_BITS || !modulus.bit(0) {
        return false;
    }
    PRIMES
        .iter()
        .try_fold((0u128, 1u128), |known, prime| {
            let rest = (modulus % *prime).iter_u64_digits().next().unwrap_or_default();
            combined(known, logarithm(rest, *prime)?)
        })
        .is_some()
}

/// The exponent of 65537 that gives `rest`, and the order of 65537, modulo `prime`.
fn logarithm(rest: u64, prime: u64) -> Option<(u128, u128)> {
    let powers = std::iter::successors(Some(1), |power| Some(power * GENERATOR % prime)).skip(1);
    let order = powers.take_while(|power| *power != 1).count() + 1;
    let exponent = std::iter::successors(Some(1), |power| Some(power * GENERATOR % prime))
        .take(order)
        .position(|power| power == rest)?;
    Some((exponent as u128, order as u128))
}

/// The numbers with both rests, as one rest modulo the least common multiple; which stays below
/// 2^62 for these primes.
fn combined((a, m): (u128, u128), (b, n): (u128, u128)) -> Option<(u128, u128)> {
    let common = num_integer::gcd(m, n);
    let step = n / common;
    // At most 167 candidates: one of a, a + m, a + 2m, ... before they repeat modulo n.
    (0..step)
        .map(|times| a + times * m)
        .find(|candidate| candidate % n == b)
        .map(|rest| (rest, m * step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product() -> BigUint {
        PRIMES.iter().fold(BigUint::from(2u8), |product, prime| product * prime)
    }

    /// k·M + 65537^a modulo M, as RSALib chose candidates.
    fn structured(k: &BigUint, a: u64) -> BigUint {
        k * product() + BigUint::from(GENERATOR).modpow(&BigUint::from(a), &product())
    }

    #[test]
    fn the_structure_is_recognised() {
        assert_eq!(product().bits(), 220);
        let k = (BigUint::from(1u8) << 37u32) + 12_345u32;
        for (a, b) in [(1, 2), (123_456_789, 987_654_321), (u64::MAX, 77)] {
            assert!(is_roca(&(structured(&k, a) * structured(&(&k + 99u8), b))));
        }
    }

    #[test]
    fn one_wrong_prime_is_enough() {
        let k = (BigUint::from(1u8) << 300u32) + 1u8;
        let modulus = structured(&k, 1) * structured(&k, 5);
        assert!(is_roca(&modulus));
        // Two more: the rest modulo 3, 5, 7 and so on is another.
        assert!(!is_roca(&(modulus + 2u8)));
    }

    #[test]
    fn powers_that_belong_to_different_exponents_are_no_power() {
        // Modulo every prime a power of 65537, with exponent 0 modulo 11 and 1 elsewhere.
        let all = product();
        let others = &all / 11u8;
        let inverse = others.modinv(&BigUint::from(11u8)).unwrap();
        let generator = BigUint::from(GENERATOR);
        // generator + others·inverse·(1 - generator) is 1 modulo 11.
        let mixed = (&generator + &others * inverse * (&all + 1u8 - &generator)) % &all;
        assert_eq!(&mixed % 11u8, BigUint::from(1u8));
        let modulus = mixed + &all * (BigUint::from(1u8) << 400u32);
        assert!(!is_roca(&(&modulus | BigUint::from(1u8))));
    }

    #[test]
    fn what_is_too_short_or_another_key() {
        assert!(!is_roca(&BigUint::from(1u8)));
        assert!(!is_roca(&BigUint::from(65537u32)));
        let other = ((BigUint::from(1u8) << 521u32) - 1u8) * ((BigUint::from(1u8) << 607u32) - 1u8);
        assert!(!is_roca(&other));
    }
}
