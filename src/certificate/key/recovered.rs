//! The proof that a factor opens an RSA key: the private exponent, and that it undoes the public
//! one. Neither is kept or shown.

use num_bigint::BigUint;
use num_integer::Integer as _;

/// Above this many bits of modulus the proof is not attempted: it takes their cube in time.
pub const MAX_BITS: u64 = 4096;

/// The message that is raised to both exponents; any would do.
const MESSAGE: &[u8] = b"docksweep holds the private key";

/// What kept a factor from being proved to open a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRecovered {
    #[error("the factor does not divide the modulus")]
    NoFactor,
    #[error("the modulus has {0} bits, more than are tried")]
    TooLong(u64),
    #[error("the public exponent has no inverse, so nobody can sign with this key")]
    NoInverse,
    #[error("signing does not undo verifying, so the factors are not both prime")]
    NotPrime,
}

/// Builds the private exponent of the key (n, e) from one prime of n, and checks that a message
/// raised to both exponents is the message again.
///
/// # Errors
/// What is missing for that.
pub fn recover(modulus: &BigUint, exponent: &BigUint, prime: &BigUint) -> Result<(), NotRecovered> {
    let one = BigUint::from(1u8);
    if modulus.bits() > MAX_BITS {
        return Err(NotRecovered::TooLong(modulus.bits()));
    }
    if *prime <= one || prime >= modulus || !modulus.is_multiple_of(prime) {
        return Err(NotRecovered::NoFactor);
    }
    let other = modulus / prime;
    // Carmichael's function of p·q, and of p².
    let period =
        if other == *prime { prime * (prime - &one) } else { (prime - &one).lcm(&(&other - &one)) };
    let private = exponent.modinv(&period).ok_or(NotRecovered::NoInverse)?;
    let message = BigUint::from_bytes_be(MESSAGE) % modulus;
    let signed = message.modpow(&private, modulus);
    if signed.modpow(exponent, modulus) == message { Ok(()) } else { Err(NotRecovered::NotPrime) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mersenne(exponent: u32) -> BigUint {
        (BigUint::from(1u8) << exponent) - 1u8
    }

    #[test]
    fn a_prime_opens_its_modulus() {
        let (p, q) = (mersenne(521), mersenne(607));
        let e = BigUint::from(65537u32);
        assert_eq!(recover(&(&p * &q), &e, &p), Ok(()));
        assert_eq!(recover(&(&p * &q), &e, &q), Ok(()));
        assert_eq!(recover(&(&p * &p), &e, &p), Ok(()));
    }

    #[test]
    fn what_opens_nothing() {
        let (p, q) = (mersenne(521), mersenne(607));
        let n = &p * &q;
        let e = BigUint::from(65537u32);
        for wrong in [BigUint::from(0u8), BigUint::from(1u8), n.clone(), mersenne(89)] {
            assert_eq!(recover(&n, &e, &wrong), Err(NotRecovered::NoFactor));
        }
        assert_eq!(recover(&n, &BigUint::from(2u8), &p), Err(NotRecovered::NoInverse));
        assert_eq!(recover(&n, &BigUint::from(0u8), &p), Err(NotRecovered::NoInverse));
        // 2^523 - 1 is composite.
        assert_eq!(recover(&(&p * mersenne(523)), &e, &p), Err(NotRecovered::NotPrime));
        let long = &p << 4000u32;
        assert_eq!(recover(&long, &e, &p), Err(NotRecovered::TooLong(4521)));
    }
}
