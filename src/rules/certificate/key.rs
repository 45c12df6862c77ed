//! Keys whose private half others have, or can work out.

use num_bigint::BigUint;

use super::{Outcome, each, issue_server_certificate, key_label, label};
use crate::certificate::CertificateFacts;
use crate::certificate::key::RsaKey;
use crate::certificate::key::close_primes::close_primes;
use crate::certificate::key::known::KnownKeys;
use crate::certificate::key::roca::is_roca;
use crate::certificate::key::small_factor::small_factor;
use crate::finding::Severity;
use crate::rules::{Rule, Violation};

const NEW_KEY: &str = concat!(
    "Make a new key, on another machine or with another program than the one that made this, and a \
     new certificate for it; a new certificate for the old key changes nothing. Have the old \
     certificate revoked. Where it is the key of a CA, make the CA anew and every certificate it \
     issued.",
    issue_server_certificate!()
);

pub static KEY_KNOWN_COMPROMISED: Rule = Rule {
    name: "key-known-compromised",
    severity: Severity::Critical,
    title: "Private key that is published",
    why: "The private key of this certificate can be downloaded by anyone. Whoever has it poses as \
          the server and, where it is a CA's, makes certificates that open the daemon.",
    detection: "The public key of a certificate of the chain is in the list of keys whose private \
                halves lie in published packages (test and example keys), or in a list given with \
                --key-blocklist. The list that comes with docksweep is short: not being on it \
                says nothing.",
    remediation: NEW_KEY,
    cwe: Some(321),
    references: &[
        "CA/Browser Forum Baseline Requirements, section 6.1.1.3 (known compromised keys)",
        "https://badkeys.info/",
    ],
    check: |subject| each(subject, |_, facts| known_compromised(facts, subject.known_keys)),
};

fn known_compromised(facts: &CertificateFacts, known: &KnownKeys) -> Outcome {
    match known.find(&facts.key) {
        Some(place) => Outcome::found(format!("{}: {place}", described(facts))),
        None => Outcome::Passed,
    }
}

pub static KEY_ROCA: Rule = Rule {
    name: "key-roca",
    severity: Severity::Critical,
    title: "Key made by Infineon's RSALib (ROCA)",
    why: "Smart cards and TPMs with this library choose primes of a form that lets others work out \
          the private key: two CPU hours for 512 bits, a hundred CPU days for 1024 and 140 CPU \
          years, which can be rented, for 2048.",
    detection: "The modulus is a power of 65537 modulo the product of the first 39 primes, as \
                every product of this library's primes is. Of other moduli one in about 2^154 is.",
    remediation: NEW_KEY,
    cwe: Some(331),
    references: &[
        "CVE-2017-15361",
        "M. Nemec and others, The Return of Coppersmith's Attack, ACM CCS 2017",
    ],
    check: |subject| {
        each(subject, |_, facts| {
            examined(facts, |key| match is_roca(&key.modulus) {
                true => Outcome::found(format!(
                    "{}: the modulus is a power of 65537 modulo the product of the first 39 primes",
                    described(facts)
                )),
                false => Outcome::Passed,
            })
        })
    },
};

pub static KEY_CLOSE_PRIMES: Rule = Rule {
    name: "key-close-primes",
    severity: Severity::Critical,
    title: "RSA key with two primes close together",
    why: "The primes are found in a moment by trying numbers from the square root of the modulus \
          on, and with them the private key.",
    detection: "100 rounds of Fermat's factorisation find two factors of the modulus.",
    remediation: NEW_KEY,
    cwe: Some(331),
    references: &[
        "CVE-2022-26320",
        "H. Böck, Fermat Factorization in the Wild, IACR ePrint 2023/026",
        "FIPS 186-5, appendix A.1.3 (primes must differ by more than 2^(bits/2 - 100))",
    ],
    check: |subject| each(subject, |_, facts| examined(facts, |key| near(facts, &key.modulus))),
};

fn near(facts: &CertificateFacts, modulus: &BigUint) -> Outcome {
    // The factors stay here: a report is read by many.
    match close_primes(modulus) {
        Some(found) => Outcome::found(format!(
            "{}: round {} of Fermat's factorisation finds the factors, which differ by a number of \
             {} bits",
            described(facts),
            found.round,
            (found.larger - found.smaller).bits()
        )),
        None => Outcome::Passed,
    }
}

pub static KEY_SMALL_FACTOR: Rule = Rule {
    name: "key-small-factor",
    severity: Severity::Critical,
    title: "RSA modulus with a small factor",
    why: "No key of two large primes has one: the modulus is damaged or was never made of primes, \
          and often falls apart into factors that anyone can find.",
    detection: "A prime below 65,536 divides the modulus.",
    remediation: NEW_KEY,
    cwe: Some(326),
    references: &["CA/Browser Forum Baseline Requirements, section 6.1.6 (no factors below 752)"],
    check: |subject| {
        each(subject, |_, facts| {
            examined(facts, |key| match small_factor(&key.modulus) {
                Some(prime) => Outcome::found(format!(
                    "{}: the modulus is divisible by {prime}",
                    described(facts)
                )),
                None => Outcome::Passed,
            })
        })
    },
};

pub static KEY_SMALL_EXPONENT: Rule = Rule {
    name: "key-small-exponent",
    severity: Severity::Low,
    title: "RSA key with a small public exponent",
    why: "With exponent 1 a signature is the signed value itself, so that anyone can make one: \
          that is critical. Exponent 3 is sound by itself, and turns small mistakes in padding \
          checks into forged signatures (CVE-2006-4339 and its many heirs).",
    detection: "The public exponent of a certificate's RSA key is 1 (critical) or 3 (low).",
    remediation: NEW_KEY,
    cwe: None,
    references: &[
        "FIPS 186-5, appendix A.1.1 (exponents above 2^16)",
        "CVE-2006-4339",
        "RFC 8017, section 3.1",
    ],
    check: |subject| each(subject, |_, facts| examined(facts, |key| small_exponent(facts, key))),
};

fn small_exponent(facts: &CertificateFacts, key: &RsaKey) -> Outcome {
    let Some(exponent) = &key.exponent else {
        let text = "the public exponent is missing, negative or above 512 bits";
        return Outcome::Undetermined(format!("{text}: {}", label(facts)));
    };
    let found = |what: &str| Violation::new(format!("{}: {what}", described(facts)));
    match exponent.iter_u32_digits().next() {
        Some(1) if exponent.bits() == 1 => Outcome::Found(
            found("the public exponent is 1, so every value is its own signature")
                .severity(Severity::Critical),
        ),
        Some(3) if exponent.bits() == 2 => Outcome::Found(found("the public exponent is 3")),
        Some(odd) if odd & 1 == 1 => Outcome::Passed,
        _ => Outcome::Undetermined(format!(
            "{exponent} is the exponent of no RSA key, which is odd: {}",
            label(facts)
        )),
    }
}

fn examined(facts: &CertificateFacts, check: impl Fn(&RsaKey) -> Outcome) -> Outcome {
    match facts.key.rsa() {
        None => Outcome::NotApplicable,
        Some(Ok(key)) => check(&key),
        Some(Err(because)) => Outcome::Undetermined(format!(
            "the RSA key cannot be examined, {because}: {}",
            label(facts)
        )),
    }
}

fn described(facts: &CertificateFacts) -> String {
    format!(
        "{} key of {}, SHA-256 of the key {}",
        key_label(&facts.key),
        label(facts),
        facts.key.spki_sha256
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::*;
    use super::*;
    use crate::certificate::KeyAlgorithm;
    use crate::rules::Basis;
    use crate::rules::{Subject, Verdict};

    /// The certificates of make-weak.py, and the rule that each breaks.
    const WEAK: [(&str, &Rule, &str); 6] = [
        ("weak-roca", &KEY_ROCA, "is a power of 65537 modulo the product of the first 39 primes"),
        ("weak-close-primes", &KEY_CLOSE_PRIMES, "round 1 of Fermat's factorisation"),
        ("weak-small-factor", &KEY_SMALL_FACTOR, "the modulus is divisible by 65521"),
        ("weak-modulus-even", &KEY_SMALL_FACTOR, "the modulus is divisible by 2"),
        ("weak-exponent-1", &KEY_SMALL_EXPONENT, "the public exponent is 1"),
        ("weak-exponent-3", &KEY_SMALL_EXPONENT, "the public exponent is 3"),
    ];
    const RULES: [&Rule; 4] =
        [&KEY_ROCA, &KEY_CLOSE_PRIMES, &KEY_SMALL_FACTOR, &KEY_SMALL_EXPONENT];

    #[test]
    fn each_weak_key_breaks_its_rule_and_no_other() {
        for (name, broken, evidence) in WEAK {
            let assessment = with_chain([stored(name), leaf()]);
            for rule in RULES {
                if rule.name == broken.name {
                    let violation = only(rule, &assessment);
                    assert!(violation.evidence.contains(evidence), "{}", violation.evidence);
                    assert!(violation.evidence.contains("SHA-256"));
                } else {
                    assert_eq!(verdict(rule, &assessment), Verdict::Passed, "{name} {}", rule.name);
                }
            }
        }
    }

    #[test]
    fn good_keys_pass_and_other_kinds_are_none_of_these() {
        for rule in RULES {
            for name in ["rsa-2048-sha256", "rsa-1024-sha256", "weak-shared-prime-1"] {
                assert_eq!(verdict(rule, &with_chain([stored(name)])), Verdict::Passed, "{name}");
            }
            let curve = with_chain([stored("ec-prime256v1-sha256"), stored("ed25519")]);
            assert_eq!(verdict(rule, &curve), Verdict::NotApplicable);
        }
    }

    #[test]
    fn exponent_1_is_critical_and_3_is_low() {
        let severity = |name| only(&KEY_SMALL_EXPONENT, &with_chain([stored(name)])).severity;
        assert_eq!(severity("weak-exponent-1"), Some(Severity::Critical));
        assert_eq!(severity("weak-exponent-3"), None);
        assert_eq!(KEY_SMALL_EXPONENT.severity, Severity::Low);
    }

    #[test]
    fn what_is_no_key_is_undetermined() {
        let because = undetermined(&KEY_SMALL_EXPONENT, &with_chain([stored("weak-exponent-0")]));
        assert!(because.starts_with("0 is the exponent of no RSA key"), "{because}");
        for rule in RULES {
            let because = undetermined(rule, &with_chain([stored("weak-modulus-0")]));
            assert!(because.contains("its modulus is zero"), "{because}");
            let mut long = leaf();
            long.key.bits = Some(16_385);
            assert!(undetermined(rule, &with_chain([long])).contains("16385 bits"));
            let mut negative = leaf();
            (negative.key.bits, negative.key.public_value) = (None, None);
            assert!(undetermined(rule, &with_chain([negative])).contains("missing or negative"));
        }
        let mut long_exponent = leaf();
        long_exponent.key.exponent = None;
        undetermined(&KEY_SMALL_EXPONENT, &with_chain([long_exponent]));
    }

    #[test]
    fn a_published_key_is_found_in_any_place_of_the_chain() {
        let mut known = KnownKeys::new();
        let facts = stored("ec-prime256v1-sha256");
        known.add("mine.txt", facts.key.spki_sha256.as_bytes()).unwrap();
        let assessment = with_chain([leaf(), facts]);
        let basis = Basis { known_keys: &known, ..basis() };
        let observation = observation();
        let subject = Subject::new(&observation, &assessment, basis, now());
        let verdict = (KEY_KNOWN_COMPROMISED.check)(&subject);
        let Verdict::Found(found) = verdict else { panic!("{verdict:?}") };
        assert!(found[0].evidence.ends_with("the SHA-256 of the key is in mine.txt"));
        assert!(found[0].subject.as_deref().unwrap().starts_with("issuer"));
        assert_eq!(
            super::super::super::fixture::verdict(&KEY_KNOWN_COMPROMISED, &assessment),
            Verdict::Passed
        );
    }

    #[test]
    fn badkeys_lists_know_every_kind_of_key() {
        use sha2::{Digest as _, Sha256};
        // What badkeys hashes: the modulus, y of DSA, x of a curve's point, or the key's bytes.
        for name in ["rsa-2048-sha256", "dsa-1024", "ec-secp521r1-sha512", "ed25519", "ed448"] {
            let facts = stored(name);
            let value = facts.key.public_value.clone().unwrap();
            assert_ne!(value[0], 0);
            let mut record = Sha256::digest(&value).to_vec();
            record.truncate(15);
            record.push(7);
            let mut known = KnownKeys::new();
            known.add("blocklist.dat", &record).unwrap();
            let found = known.find(&facts.key).unwrap();
            assert_eq!(found, "it is in badkeys' list 7 of blocklist.dat");
        }
        assert!(matches!(stored("ec-explicit").key.algorithm, KeyAlgorithm::Other(_)));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        #[test]
        fn damaged_keys_are_judged(
            at in 0usize..300,
            byte: u8,
            cut in 0usize..300,
            exponent in proptest::option::of("[0-9]{0,200}"),
        ) {
            let mut facts = stored("weak-roca");
            let value = facts.key.public_value.as_mut().unwrap();
            if let Some(place) = value.get_mut(at) {
                *place = byte;
            }
            value.truncate(cut);
            facts.key.bits = Some(u32::try_from(value.len()).unwrap() * 8);
            facts.key.exponent = exponent;
            let assessment = with_chain([facts]);
            for rule in RULES {
                verdict(rule, &assessment);
            }
        }
    }

    #[test]
    fn a_long_chain_of_long_keys() {
        let long = stored("weak-modulus-16384");
        assert_eq!(long.key.bits, Some(16_384));
        let chain = std::array::from_fn::<_, 100, _>(|at| CertificateFacts {
            sha256: format!("{at:064x}"),
            ..long.clone()
        });
        let assessment = with_chain(chain);
        for rule in RULES {
            verdict(rule, &assessment);
        }
    }
}
