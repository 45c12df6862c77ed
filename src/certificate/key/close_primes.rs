//! Moduli whose two primes lie close to each other (Fermat's factorisation).

use num_bigint::BigUint;
use num_integer::Integer as _;

/// How many candidates for the primes' mean are tried.
pub const ROUNDS: u32 = 100;

/// Two factors, found through their mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosePrimes {
    pub larger: BigUint,
    pub smaller: BigUint,
    /// From one: the first candidate that is at least the square root.
    pub round: u32,
}

/// n is a² - b² for the mean a of its factors, which lies at or just above the square root where
/// they are close: a² - n is then a square soon. Finds primes that differ by less than about
/// 2^5 · n^(1/4).
pub fn close_primes(modulus: &BigUint) -> Option<ClosePrimes> {
    if modulus.is_even() || *modulus < BigUint::from(9u8) {
        return None;
    }
    let root = modulus.sqrt();
    let first = if &root * &root == *modulus { root } else { root + 1u8 };
    let mut sieve = Sieve::new(&first, modulus);
    for round in 0..ROUNDS {
        if sieve.may_be_square() {
            let mean = &first + round;
            let square = &mean * &mean - modulus;
            let half = square.sqrt();
            if &half * &half == square && &mean - &half > BigUint::from(1u8) {
                let (larger, smaller) = (&mean + &half, mean - half);
                return Some(ClosePrimes { larger, smaller, round: round + 1 });
            }
        }
        sieve.next();
    }
    None
}

/// a and a² - n modulo small numbers: most numbers are no square modulo one of them, so that the
/// large square root is hardly ever needed.
struct Sieve([(u64, u64, u64); SIEVE.len()]);

/// Coprime numbers of at most 64, so that the squares modulo each fit in a word.
const SIEVE: [u64; 9] = [64, 63, 61, 59, 55, 53, 47, 43, 41];
const SQUARES: [u64; SIEVE.len()] = squares();

impl Sieve {
    fn new(mean: &BigUint, modulus: &BigUint) -> Self {
        Self(SIEVE.map(|small| {
            let rest =
                |number: &BigUint| (number % small).iter_u64_digits().next().unwrap_or_default();
            let (mean, modulus) = (rest(mean), rest(modulus));
            (small, mean, (mean * mean + small - modulus) % small)
        }))
    }

    fn may_be_square(&self) -> bool {
        self.0.iter().zip(SQUARES).all(|((_, _, rest), squares)| squares >> rest & 1 == 1)
    }

    /// (a + 1)² - n is 2a + 1 more.
    fn next(&mut self) {
        for (small, mean, rest) in &mut self.0 {
            *rest = (*rest + 2 * *mean + 1) % *small;
            *mean = (*mean + 1) % *small;
        }
    }
}

/// Bit r is set where r is a square modulo the number of the sieve.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn squares() -> [u64; SIEVE.len()] {
    let mut squares = [0; SIEVE.len()];
    let mut at = 0;
    while at < SIEVE.len() {
        let mut number = 0;
        while number < SIEVE[at] {
            squares[at] |= 1 << (number * number % SIEVE[at]);
            number += 1;
        }
        at += 1;
    }
    squares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(exponent: u32) -> BigUint {
        BigUint::from(1u8) << exponent
    }

    #[test]
    fn close_factors_are_found() {
        // 2^1023 + 1155 and + 1563: whether they are prime does not matter here.
        let (p, q) = (power(1023) + 1155u32, power(1023) + 1563u32);
        let found = close_primes(&(&p * &q)).unwrap();
        assert_eq!((found.smaller, found.larger, found.round), (p.clone(), q, 1));
        let square = close_primes(&(&p * &p)).unwrap();
        assert_eq!((&square.smaller, &square.larger), (&p, &p));
    }

    #[test]
    fn the_last_round_counts_and_the_next_does_not() {
        // The mean of p and p + 2b is p + b; it is b²/(2p) above the root.
        let p = power(512) + 1u8;
        let rounds = |rounds: u32| {
            let half = (&p * 2u8 * rounds).sqrt();
            close_primes(&(&p * (&p + half * 2u8))).map(|found| found.round)
        };
        assert_eq!(rounds(3), Some(3));
        assert_eq!(rounds(ROUNDS), Some(ROUNDS));
        assert_eq!(rounds(ROUNDS + 1), None);
    }

    #[test]
    fn far_apart_or_no_modulus_at_all() {
        assert_eq!(close_primes(&((power(521) - 1u8) * (power(607) - 1u8))), None);
        for small in [0u8, 1, 2, 4, 7] {
            assert_eq!(close_primes(&BigUint::from(small)), None);
        }
        assert_eq!(close_primes(&BigUint::from(15u8)).unwrap().smaller, BigUint::from(3u8));
        // A prime is one times itself, which is no factorisation.
        assert_eq!(close_primes(&BigUint::from(101u8)), None);
    }
}
