//! Keys and signatures that can be broken.

use super::{Outcome, Seen, each, issue_server_certificate, key_label, label};
use crate::certificate::{CertificateFacts, HashAlgorithm, KeyAlgorithm};
use crate::finding::Severity;
use crate::rules::Rule;

const MIN_RSA_BITS: u32 = 2048;
const MIN_EC_BITS: u32 = 224;
const NIST: &str = "NIST SP 800-131A revision 2, section 3 (digital signatures)";

pub static CERT_KEY_WEAK: Rule = Rule {
    name: "cert-key-weak",
    severity: Severity::High,
    title: "Certificate with a weak key",
    why: "Whoever works out the private key can pose as the server, and with an issuer's key can \
          make any certificate. RSA of 512 bits is a matter of hours, 1024 bits is within reach of \
          the well funded, and current clients accept neither those nor DSA.",
    detection: "A certificate of the chain has an RSA modulus below 2048 bits, a DSA key, or a \
                curve over a field below 224 bits.",
    remediation: concat!(
        "Make a new key and a new certificate for it; a new certificate for the old key changes \
         nothing. Where the key of the CA is the weak one, make the CA anew first.",
        issue_server_certificate!()
    ),
    cwe: Some(326),
    references: &[NIST, "RFC 9325, section 4.5 (key lengths)"],
    check: |subject| each(subject, |_, facts| weak_key(facts)),
};

fn weak_key(facts: &CertificateFacts) -> Outcome {
    let key = &facts.key;
    let found = |limit: &str| {
        let exponent = match &key.exponent {
            Some(exponent) => format!(", exponent {exponent}"),
            None => String::new(),
        };
        Outcome::found(format!(
            "{} key{exponent}, {limit} (SHA-256 of the key {}): {}",
            key_label(key),
            key.spki_sha256,
            label(facts)
        ))
    };
    let unknown = |what: &str| {
        Outcome::Undetermined(format!("{what} ({}): {}", key_label(key), label(facts)))
    };
    match (&key.algorithm, key.bits) {
        (KeyAlgorithm::Rsa, Some(bits)) if bits < MIN_RSA_BITS => found("less than 2048 bits"),
        (KeyAlgorithm::Ec, Some(bits)) if bits < MIN_EC_BITS => found("a field below 224 bits"),
        (KeyAlgorithm::Dsa, _) => found("which no TLS client should accept any more"),
        (KeyAlgorithm::Rsa, None) => unknown("the RSA key cannot be read"),
        (KeyAlgorithm::Ec, None) => unknown("the size of the curve is not known"),
        (KeyAlgorithm::Other(_), _) => unknown("the strength of this kind of key is not known"),
        _ => Outcome::Passed,
    }
}

pub static CERT_SIGNATURE_WEAK: Rule = Rule {
    name: "cert-signature-weak",
    severity: Severity::High,
    title: "Certificate signed with a broken hash",
    why: "For MD2, MD5 and SHA-1 two contents with one signature can be made. Whoever gets such a \
          CA to sign something harmless can turn the signature into one on a certificate of their \
          own choosing.",
    detection: "The signature algorithm of a certificate of the chain uses MD2, MD4, MD5 or SHA-1. \
                A self-issued certificate is left out, for trust in it does not rest on its \
                signature.",
    remediation: concat!(
        "Have the certificate signed again with SHA-256. If the CA's own configuration asks for \
         an old hash, change default_md there first.",
        issue_server_certificate!()
    ),
    cwe: Some(328),
    references: &[
        NIST,
        "RFC 6151 (MD5)",
        "RFC 9155 (SHA-1 in TLS)",
        "CA/Browser Forum ballot 118 (SHA-1)",
    ],
    check: |subject| each(subject, weak_signature),
};

fn weak_signature(_: &Seen<'_>, facts: &CertificateFacts) -> Outcome {
    use HashAlgorithm::{Md2, Md4, Md5, Sha1};
    let algorithm = &facts.signature_algorithm;
    match algorithm.hash {
        _ if facts.self_issued => Outcome::NotApplicable,
        Some(Md2 | Md4 | Md5 | Sha1) => Outcome::found(format!(
            "Signed with {} by {}: {}",
            algorithm.name,
            facts.issuer,
            label(facts)
        )),
        None if algorithm.name.starts_with(|first: char| first.is_ascii_digit()) => {
            Outcome::Undetermined(format!(
                "the signature algorithm {} is not known: {}",
                algorithm.name,
                label(facts)
            ))
        }
        _ => Outcome::Passed,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::*;
    use super::*;
    use crate::certificate::SignatureAlgorithm;
    use crate::rules::Verdict;

    fn with_key(
        algorithm: KeyAlgorithm,
        bits: Option<u32>,
        curve: Option<&str>,
    ) -> CertificateFacts {
        let mut facts = leaf();
        facts.key.algorithm = algorithm;
        facts.key.bits = bits;
        facts.key.curve = curve.map(str::to_owned);
        facts
    }

    #[test]
    fn weak_keys() {
        use KeyAlgorithm::{Dsa, Ec, Ed448, Ed25519, Other, Rsa};
        let rule = &CERT_KEY_WEAK;
        for (facts, text) in [
            (with_key(Rsa, Some(1024), None), "RSA 1024 key, exponent 65537, less than 2048"),
            (with_key(Rsa, Some(2047), None), "RSA 2047"),
            (with_key(Rsa, Some(0), None), "RSA 0"),
            (with_key(Dsa, Some(3072), None), "DSA 3072"),
            (with_key(Dsa, None, None), "DSA key"),
            (with_key(Ec, Some(192), Some("P-192")), "EC P-192"),
        ] {
            let violation = only(rule, &with_chain([facts]));
            assert!(violation.evidence.starts_with(text), "{}", violation.evidence);
        }
        for facts in [
            leaf(),
            with_key(Ec, Some(224), Some("P-224")),
            with_key(Ed25519, None, None),
            with_key(Ed448, None, None),
        ] {
            assert_eq!(verdict(rule, &with_chain([facts])), Verdict::Passed);
        }
        for facts in [
            with_key(Rsa, None, None),
            with_key(Ec, None, Some("1.2.3")),
            with_key(Other("1.2.3".into()), None, None),
        ] {
            assert!(undetermined(rule, &with_chain([facts])).contains("docker.example"));
        }
    }

    #[test]
    fn the_key_of_an_issuer_counts_too() {
        let mut weak = root();
        weak.key.bits = Some(1024);
        let violation = only(&CERT_KEY_WEAK, &with_chain([leaf(), weak]));
        assert_eq!(violation.subject.as_deref(), Some("issuer 2020202020202020"));
    }

    fn signed(name: &str, hash: Option<HashAlgorithm>) -> CertificateFacts {
        let signature_algorithm = SignatureAlgorithm { name: name.into(), hash };
        CertificateFacts { signature_algorithm, ..leaf() }
    }

    #[test]
    fn weak_signatures() {
        use HashAlgorithm::{Md2, Md4, Md5, Sha1, Sha224};
        let rule = &CERT_SIGNATURE_WEAK;
        for hash in [Md2, Md4, Md5, Sha1] {
            let violation = only(rule, &with_chain([signed("oldWithRSA", Some(hash)), root()]));
            assert!(violation.evidence.contains("oldWithRSA by CN=Example CA"));
        }
        for facts in [leaf(), signed("sha224", Some(Sha224)), signed("Ed25519", None)] {
            assert_eq!(verdict(rule, &with_chain([facts])), Verdict::Passed);
        }
        undetermined(rule, &with_chain([signed("1.2.3", None)]));
    }

    #[test]
    fn a_self_issued_certificate_needs_no_good_signature() {
        let old = |facts| CertificateFacts {
            signature_algorithm: signed("md5", Some(HashAlgorithm::Md5)).signature_algorithm,
            ..facts
        };
        let rule = &CERT_SIGNATURE_WEAK;
        assert_eq!(verdict(rule, &with_chain([leaf(), old(root())])), Verdict::Passed);
        assert_eq!(verdict(rule, &with_chain([old(root())])), Verdict::NotApplicable);
        only(rule, &with_chain([leaf(), old(intermediate()), root()]));
    }
}
