//! A name for a target set that follows from what is in it.

use std::fmt;
use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use super::TargetSet;

/// SHA-256 over the (address, port) pairs of a set: two lists that come to the same pairs have the
/// same one, in whatever words they were given. Host names are not part of it, the addresses that
/// they stood for are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetDigest([u8; 32]);

/// Changes with the encoding, so that digests of two encodings never compare equal.
const ENCODING: &[u8] = b"docksweep/targets/v1\n";

impl TargetDigest {
    /// Each range as family (4 or 6), first and last address, number of ports, ports; integers in
    /// network order. Ranges of a set are disjoint, ascending and as long as can be, so that there
    /// is one encoding only.
    pub(super) fn of(set: &TargetSet) -> Self {
        let mut hash = Sha256::new_with_prefix(ENCODING);
        for (range, ports) in set.ranges() {
            for address in [range.first(), range.last()] {
                match address {
                    IpAddr::V4(address) => {
                        hash.update([4]);
                        hash.update(address.octets());
                    }
                    IpAddr::V6(address) => {
                        hash.update([6]);
                        hash.update(address.octets());
                    }
                }
            }
            hash.update((ports.len() as u64).to_be_bytes());
            ports.iter().for_each(|port| hash.update(port.to_be_bytes()));
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for TargetDigest {
    /// 64 digits in hex.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use crate::target::{Ports, TargetList};

    fn digest(words: &[&str], excludes: &[&str], ports: &str) -> String {
        let mut list = TargetList::new();
        words.iter().for_each(|word| list.add(word).unwrap());
        excludes.iter().for_each(|word| list.exclude(word).unwrap());
        let ports: Ports = ports.parse().unwrap();
        list.into_set(&ports).unwrap().digest().to_string()
    }

    #[test]
    fn the_same_pairs_in_other_words_are_the_same() {
        let one = digest(&["10.0.0.0/24", "fd00::1"], &[], "2375,2376");
        assert_eq!(one.len(), 64);
        let halves = ["fd00::1", "10.0.0.128/25", "10.0.0.0-10.0.0.127", "10.0.0.7:2375"];
        assert_eq!(digest(&halves, &[], "2376,2375"), one);
        assert_eq!(digest(&["10.0.0.0/23", "fd00::1"], &["10.0.1.0/24"], "2375-2376"), one);
    }

    #[test]
    fn other_pairs_are_others() {
        let all = [
            digest(&[], &[], "1"),
            digest(&["10.0.0.0/24"], &[], "2375"),
            digest(&["10.0.1.0/24"], &[], "2375"),
            digest(&["10.0.0.0/25"], &[], "2375,2376"),
            digest(&["10.0.0.0/24"], &[], "2376"),
            digest(&["10.0.0.0/24"], &["10.0.0.9"], "2375"),
            digest(&["10.0.0.0/24", "10.0.0.9:1"], &[], "2375"),
        ];
        let distinct: std::collections::HashSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    /// Reports keep it: an encoding that changes needs another version.
    #[test]
    fn the_encoding_stays() {
        let known = "df28da180e0defa7d3fcc9e02b6a7f2d9dc7ff1a87f841ae2a6cf8b0e04437bb";
        assert_eq!(digest(&["10.0.0.0/24"], &[], "2375"), known);
    }
}
