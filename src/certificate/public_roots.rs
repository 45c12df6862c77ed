//! The roots that browsers trust, by name and key: an edition of Mozilla's list, compiled in.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::{CanonicalName, Certificate, CertificateFacts};

/// Whether this certificate stands for a public root: the same name with the same key, in
/// whichever edition of the certificate.
pub fn is_public_root(facts: &CertificateFacts) -> bool {
    static ROOTS: OnceLock<HashSet<(Vec<u8>, String)>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .filter_map(|der| match Certificate::from_der(der) {
                Certificate::Parsed(root) => Some((root.subject_der, root.key.spki_sha256)),
                Certificate::Unparsable { .. } => None,
            })
            .collect()
    });
    roots.contains(&(facts.subject_der.clone(), facts.key.spki_sha256.clone()))
}

/// Whether a public root bears this name, in whatever spelling.
pub fn is_public_root_name(name: &[u8]) -> bool {
    static NAMES: OnceLock<HashSet<CanonicalName>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .filter_map(|der| Certificate::from_der(der).facts().map(|f| f.subject_der.clone()))
            .filter_map(|subject| CanonicalName::from_der(&subject))
            .collect()
    });
    CanonicalName::from_der(name).is_some_and(|name| names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_public_root_can_be_read_and_is_one() {
        let mut roots = 0;
        for der in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
            let Certificate::Parsed(facts) = Certificate::from_der(der) else {
                panic!("a public root cannot be read")
            };
            assert!(facts.self_issued, "{}", facts.subject);
            assert!(is_public_root(&facts), "{}", facts.subject);
            assert!(is_public_root_name(&facts.subject_der), "{}", facts.subject);
            let other_key = CertificateFacts {
                key: crate::certificate::KeyFacts {
                    spki_sha256: "00".repeat(32),
                    ..facts.key.clone()
                },
                ..*facts
            };
            assert!(!is_public_root(&other_key), "a name alone is no proof");
            roots += 1;
        }
        assert!(roots > 100);
        assert!(!is_public_root_name(&[0x30, 0]) && !is_public_root_name(b"garbage"));
    }
}
