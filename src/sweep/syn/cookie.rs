//! Sequence numbers that prove an answer belongs to a probe, without remembering the probe.

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;

/// A keyed hash of the target. Who did not see the probe cannot guess its number, so that a
/// spoofed answer has one chance in 2^32. The same target always gets the same number, as a
/// repeated SYN must have: a server that still waits for the first one's ACK repeats its SYN-ACK
/// only then.
#[derive(Clone, Debug)]
pub(super) struct Cookie {
    /// SipHash with a random key.
    key: RandomState,
    source_port: u16,
}

impl Cookie {
    pub(super) fn new(source_port: u16) -> Self {
        Self { key: RandomState::new(), source_port }
    }

    pub(super) fn sequence(&self, target: SocketAddr) -> u32 {
        let ports = u32::from(target.port()) << 16 | u32::from(self.source_port);
        let hash = match target {
            SocketAddr::V4(target) => {
                self.key.hash_one(u64::from(target.ip().to_bits()) << 32 | u64::from(ports))
            }
            SocketAddr::V6(target) => self.key.hash_one((target.ip().to_bits(), ports)),
        };
        let [a, b, c, d, ..] = hash.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use proptest::prelude::*;

    fn v4(bits: u32, port: u16) -> SocketAddr {
        (Ipv4Addr::from(bits), port).into()
    }

    fn v6(bits: u128, port: u16) -> SocketAddr {
        (Ipv6Addr::from(bits), port).into()
    }

    proptest! {
        #[test]
        fn a_target_has_one_number_and_others_have_others(a: u32, b: u32, port: u16) {
            let cookie = Cookie::new(50_000);
            let of = |bits: u32, port| cookie.sequence(v4(bits, port));
            prop_assert_eq!(of(a, port), of(a, port));
            // One collision in four thousand million is no failure, so two at once are asked for.
            let differ = of(a, port) != of(b, port) || of(a, !port) != of(b, !port);
            prop_assert!(a == b || differ);
            prop_assert!(of(a, 1) != of(a, 2) || of(a, 3) != of(a, 4));
        }

        #[test]
        fn all_of_an_ipv6_address_counts(bits: u128, bit in 0u32..128, port: u16) {
            let cookie = Cookie::new(50_000);
            let of = |bits: u128, port| cookie.sequence(v6(bits, port));
            prop_assert_eq!(of(bits, port), of(bits, port));
            let other = bits ^ 1 << bit;
            prop_assert!(of(bits, port) != of(other, port) || of(bits, !port) != of(other, !port));
            prop_assert!(of(bits, 1) != of(bits, 2) || of(bits, 3) != of(bits, 4));
        }

        #[test]
        fn another_run_has_another_key(bits: u32) {
            let (one, other) = (Cookie::new(1), Cookie::new(1));
            let of = |cookie: &Cookie, port| cookie.sequence(v4(bits, port));
            prop_assert!((1..3).any(|port| of(&one, port) != of(&other, port)));
        }
    }
}
