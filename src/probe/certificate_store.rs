//! The distinct certificates of one endpoint, each kept once.

use crate::observation::Der;

/// Collects what becomes `Observation::certificates`; chains refer to it by index.
///
/// Both bounds hold for the endpoint as a whole, so that a peer that shows other certificates on
/// every connection cannot make an observation grow without end.
#[derive(Debug, Default)]
pub struct CertificateStore {
    certificates: Vec<Der>,
    bytes: usize,
}

impl CertificateStore {
    /// Bound on the certificates' bytes together.
    pub const MAX_BYTES: usize = 1024 * 1024;
    /// Bound on their number: without it, a megabyte of tiny ones would make every lookup slow.
    pub const MAX_CERTIFICATES: usize = 512;

    pub fn new() -> Self {
        Self::default()
    }

    /// The index of `der`, which is added if it is new; `None` when there is no room for it.
    pub fn intern(&mut self, der: &[u8]) -> Option<usize> {
        if let Some(index) = self.certificates.iter().position(|known| known.0 == der) {
            return Some(index);
        }
        let bytes = self.bytes.saturating_add(der.len());
        if bytes > Self::MAX_BYTES || self.certificates.len() >= Self::MAX_CERTIFICATES {
            return None;
        }
        self.bytes = bytes;
        self.certificates.push(Der(der.to_vec()));
        Some(self.certificates.len() - 1)
    }

    /// In the order first seen.
    pub fn certificates(&self) -> &[Der] {
        &self.certificates
    }

    pub fn into_certificates(self) -> Vec<Der> {
        self.certificates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_seen_twice_is_kept_once() {
        let mut store = CertificateStore::new();
        assert_eq!(store.intern(b"leaf"), Some(0));
        assert_eq!(store.intern(b"root"), Some(1));
        assert_eq!(store.intern(b"leaf"), Some(0));
        assert_eq!(store.into_certificates(), [Der(b"leaf".to_vec()), Der(b"root".to_vec())]);
    }

    #[test]
    fn beyond_the_byte_bound_only_known_certificates_have_an_index() {
        let mut store = CertificateStore::new();
        let half = vec![1; CertificateStore::MAX_BYTES / 2];
        let other_half = vec![2; CertificateStore::MAX_BYTES / 2];
        assert_eq!(store.intern(&half), Some(0));
        assert_eq!(store.intern(&other_half), Some(1));
        assert_eq!(store.intern(b"one more"), None);
        assert_eq!(store.intern(&half), Some(0));
        assert_eq!(store.certificates().len(), 2);
    }

    #[test]
    fn the_number_of_certificates_is_bounded() {
        let mut store = CertificateStore::new();
        for number in 0..CertificateStore::MAX_CERTIFICATES {
            assert_eq!(store.intern(&number.to_be_bytes()), Some(number));
        }
        assert_eq!(store.intern(b"one more"), None);
        assert_eq!(store.intern(&0usize.to_be_bytes()), Some(0));
    }
}
