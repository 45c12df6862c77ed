use num_bigint::BigUint;
use num_integer::Integer as _;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Divisors by all pairs: the product of the others is worked out in full.
fn plainly(moduli: &[BigUint]) -> Vec<BigUint> {
    let product: BigUint = moduli.iter().product();
    moduli.iter().map(|n| n.gcd(&(&product / n % n))).collect()
}

fn distinct(mut numbers: Vec<BigUint>) -> Vec<BigUint> {
    numbers.retain(|number| *number > BigUint::from(1u8));
    let mut seen = std::collections::HashSet::new();
    numbers.retain(|number| seen.insert(number.clone()));
    numbers
}

fn number(limbs: std::ops::Range<usize>) -> impl Strategy<Value = BigUint> {
    vec(prop_oneof![4 => any::<u64>(), 1 => Just(u64::MAX), 1 => Just(0)], limbs)
        .prop_map(|limbs| to_big(&limbs))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_agrees_with_the_plain_way(numbers in vec(number(1..40), 0..60)) {
        let moduli = distinct(numbers);
        prop_assert_eq!(common_divisors(&moduli), plainly(&moduli));
    }

    #[test]
    fn factors_from_a_small_pool_are_found(
        pool in vec(number(4..9), 3..8),
        pairs in vec((0usize..8, 0usize..8), 2..90),
    ) {
        let factor = |at: usize| &pool[at % pool.len()];
        let moduli = distinct(pairs.iter().map(|(a, b)| factor(*a) * factor(*b)).collect());
        prop_assert_eq!(common_divisors(&moduli), plainly(&moduli));
    }
}

#[test]
fn sizes_that_reach_the_transform() {
    // Deterministic numbers of all lengths, two of them with a factor in common.
    let mut state = 1u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state
    };
    let mut numbers: Vec<BigUint> = (0..160)
        .map(|index| {
            to_big(&(0..1 + index % 64).map(|_| next()).collect::<Vec<_>>()) | BigUint::from(1u8)
        })
        .collect();
    let factor = to_big(&[next(), next(), next() | 1]);
    for place in [7, 105] {
        if let Some(number) = numbers.get_mut(place) {
            *number *= &factor;
        }
    }
    let moduli = distinct(numbers);
    assert_eq!(common_divisors(&moduli), plainly(&moduli));
}

#[test]
fn few_or_none() {
    let three = BigUint::from(3u8);
    assert!(common_divisors(&[]).is_empty());
    assert_eq!(common_divisors(std::slice::from_ref(&three)), [BigUint::from(1u8)]);
    assert_eq!(common_divisors(&[three.clone(), BigUint::from(6u8)]), [three.clone(), three]);
}
