//! The certificates that TLS servers send. Judged on every TLS endpoint, Docker or not.

pub(super) mod issuer;
pub(super) mod key;
pub(super) mod name;
pub(super) mod order;
pub(super) mod role;
pub(super) mod strength;
pub(super) mod trust;
pub(super) mod validity;

use std::collections::HashSet;

use jiff::Timestamp;

use super::{Subject, Verdict, Violation};
use crate::assess::Chain;
use crate::certificate::{Certificate, CertificateFacts, KeyAlgorithm, KeyFacts};

/// How to make a server certificate that breaks no rule here.
macro_rules! issue_server_certificate {
    () => {
        "\n\n    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \\\
         \n      -subj '/CN=docker.example' -keyout server-key.pem -out server.csr\
         \n    printf '%s\\n' 'subjectAltName=DNS:docker.example,IP:10.0.0.5' \\\
         \n      'basicConstraints=critical,CA:FALSE' 'extendedKeyUsage=serverAuth' > server.ext\
         \n    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial \\\
         \n      -sha256 -days 398 -extfile server.ext -out server-cert.pem\
         \n    systemctl restart docker"
    };
}
use issue_server_certificate;

/// A certificate of an endpoint, and whether some chain begins with it.
#[derive(Clone, Copy)]
struct Seen<'a> {
    certificate: &'a Certificate,
    leaf: bool,
}

impl Seen<'_> {
    fn role(&self) -> &'static str {
        if self.leaf { "leaf" } else { "issuer" }
    }

    /// What keeps finding ids apart and the same from run to run.
    fn subject(&self) -> String {
        let short: String = self.certificate.sha256().chars().take(16).collect();
        format!("{} {short}", self.role())
    }
}

/// What a rule says of one certificate.
enum Outcome {
    NotApplicable,
    Passed,
    Undetermined(String),
    Found(Violation),
}

impl Outcome {
    fn found(evidence: impl Into<String>) -> Self {
        Self::Found(Violation::new(evidence))
    }
}

fn each_leaf(subject: &Subject<'_>, check: impl Fn(&CertificateFacts) -> Outcome) -> Verdict {
    each(subject, |seen, facts| if seen.leaf { check(facts) } else { Outcome::NotApplicable })
}

/// Every certificate whose own properties a client relies on. A self-issued one behind the leaf
/// is a root: clients use their own copy, whatever the server sends (RFC 5246, section 7.4.2).
fn each_but_roots(subject: &Subject<'_>, check: impl Fn(&CertificateFacts) -> Outcome) -> Verdict {
    each(subject, |seen, facts| {
        if facts.self_issued && !seen.leaf { Outcome::NotApplicable } else { check(facts) }
    })
}

/// Applies a check to every distinct certificate, leaves first. Something found beats something
/// undetermined, and that beats passing.
fn each(subject: &Subject<'_>, check: impl Fn(&Seen<'_>, &CertificateFacts) -> Outcome) -> Verdict {
    let chains = match chains(subject) {
        Ok(chains) => chains,
        Err(verdict) => return verdict,
    };
    let (mut found, mut unknown, mut passed) = (Vec::new(), Vec::new(), false);
    for seen in distinct(chains) {
        let outcome = match seen.certificate {
            Certificate::Parsed(facts) => check(&seen, facts),
            Certificate::Unparsable { sha256, because } => Outcome::Undetermined(format!(
                "the {} certificate with SHA-256 {sha256} cannot be read: {because}",
                seen.role()
            )),
        };
        match outcome {
            Outcome::NotApplicable => {}
            Outcome::Passed => passed = true,
            Outcome::Undetermined(because) => unknown.push(because),
            Outcome::Found(violation) => found.push(violation.subject(seen.subject())),
        }
    }
    if !found.is_empty() {
        return Verdict::Found(found);
    }
    if !unknown.is_empty() {
        return Verdict::undetermined(unknown.join("; "));
    }
    if passed { Verdict::Passed } else { Verdict::NotApplicable }
}

fn chains<'a>(subject: &Subject<'a>) -> Result<&'a [Chain], Verdict> {
    let Some(tls) = &subject.assessment.tls else {
        return Err(Verdict::NotApplicable);
    };
    if tls.chains.iter().all(|chain| chain.certificates.is_empty()) {
        let because = tls.chains_missing.as_deref().unwrap_or("no certificate was seen");
        return Err(Verdict::undetermined(because));
    }
    Ok(&tls.chains)
}

fn distinct(chains: &[Chain]) -> Vec<Seen<'_>> {
    let leaves = chains.iter().filter_map(|chain| chain.certificates.first());
    let others = chains.iter().flat_map(|chain| chain.certificates.iter().skip(1));
    let mut known = HashSet::new();
    leaves
        .map(|certificate| Seen { certificate, leaf: true })
        .chain(others.map(|certificate| Seen { certificate, leaf: false }))
        .filter(|seen| known.insert(seen.certificate.sha256()))
        .collect()
}

/// `CN=server (SHA-256 …)`, by which the certificate can be found again.
fn label(facts: &CertificateFacts) -> String {
    let name = if facts.subject.is_empty() { "no subject name" } else { &facts.subject };
    format!("{name} (SHA-256 {})", facts.sha256)
}

/// `RSA 2048`, `EC P-256`, `Ed25519`.
fn key_label(key: &KeyFacts) -> String {
    let algorithm = match &key.algorithm {
        KeyAlgorithm::Rsa => "RSA",
        KeyAlgorithm::Dsa => "DSA",
        KeyAlgorithm::Ec => "EC",
        KeyAlgorithm::Ed25519 => "Ed25519",
        KeyAlgorithm::Ed448 => "Ed448",
        KeyAlgorithm::Other(oid) => return format!("algorithm {oid}"),
    };
    match (&key.curve, key.bits) {
        (Some(curve), _) => format!("{algorithm} {curve}"),
        (None, Some(bits)) => format!("{algorithm} {bits}"),
        (None, None) => algorithm.to_owned(),
    }
}

/// Whole days from one time to another, negative where the other is earlier.
fn days(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()).div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    fn judged(assessment: &crate::assess::Assessment) -> Vec<String> {
        let observation = observation();
        let subject = Subject::new(&observation, assessment, basis(), now());
        match each(&subject, |seen, _| Outcome::found(seen.role())) {
            Verdict::Found(found) => found.into_iter().filter_map(|v| v.subject).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_certificate_is_judged_once_and_leaves_first() {
        let mut assessment = hardened();
        tls(&mut assessment).chains =
            vec![chain([root(), intermediate()]), chain([leaf(), root()])];
        assert_eq!(
            judged(&assessment),
            ["leaf 2020202020202020", "leaf 1e1e1e1e1e1e1e1e", "issuer 4242424242424242"]
        );
    }

    #[test]
    fn what_cannot_be_read_is_undetermined_unless_something_is_found() {
        let mut assessment = hardened();
        let check = |assessment: &_, outcome: fn() -> Outcome| {
            let observation = observation();
            let subject = Subject::new(&observation, assessment, basis(), now());
            each_leaf(&subject, |_| outcome())
        };
        assert_eq!(check(&assessment, || Outcome::Passed), Verdict::Passed);
        tls(&mut assessment).chains[0].certificates.insert(1, unparsable());
        let Verdict::Undetermined { because } = check(&assessment, || Outcome::Passed) else {
            panic!()
        };
        assert!(because.contains("issuer certificate with SHA-256 bad0"), "{because}");
        assert!(because.ends_with("it is garbage"));
        assert!(matches!(check(&assessment, || Outcome::found("x")), Verdict::Found(_)));

        tls(&mut assessment).chains.clear();
        tls(&mut assessment).chains_missing = Some("hidden behind TLS 1.3".into());
        assert_eq!(
            check(&assessment, || Outcome::Passed),
            Verdict::undetermined("hidden behind TLS 1.3")
        );
        assert_eq!(check(&open_plain(), || Outcome::Passed), Verdict::NotApplicable);
    }

    #[test]
    fn days_are_counted_down() {
        assert_eq!(days(now(), time("2026-06-01T23:59:59Z")), 0);
        assert_eq!(days(now(), time("2026-05-31T23:59:59Z")), -1);
        assert_eq!(days(Timestamp::MIN, Timestamp::MAX) / 365, 20_012);
    }
}
