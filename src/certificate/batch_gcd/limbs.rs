//! Little-endian 64-bit limbs, to and from num-bigint's numbers.

use num_bigint::BigUint;

pub(super) fn from_big(number: &BigUint) -> Vec<u64> {
    number.to_u64_digits()
}

pub(super) fn to_big(limbs: &[u64]) -> BigUint {
    let halves = limbs.iter().flat_map(|limb| [*limb as u32, (*limb >> 32) as u32]);
    BigUint::new(halves.collect())
}

/// Without zeros at the high end.
pub(super) fn trim(limbs: &mut Vec<u64>) {
    let zeros = limbs.iter().rev().take_while(|limb| **limb == 0).count();
    limbs.truncate(limbs.len() - zeros);
}
