//! From when and until when certificates count.

use jiff::Timestamp;

use super::{Outcome, days, each_but_roots, each_leaf, issue_server_certificate, label};
use crate::certificate::CertificateFacts;
use crate::finding::Severity;
use crate::rules::Rule;

const VALIDITY: &str = "RFC 5280, section 4.1.2.5 (validity)";
const EXPIRING_DAYS: i64 = 30;
/// What public CAs were allowed until 2020, and by macOS and iOS for private ones since.
const LONG_LIVED_DAYS: i64 = 825;

macro_rules! renew {
    () => {
        concat!(
            "Issue a new certificate from the same CA, put it in the place of the old one, and \
             note when the next one is due:",
            issue_server_certificate!()
        )
    };
}

pub static CERT_EXPIRED: Rule = Rule {
    name: "cert-expired",
    severity: Severity::High,
    title: "Certificate expired",
    why: "Clients that verify the server refuse it, so those that still work have verification \
          turned off, and anyone on the path can pose as the server to them.",
    detection: "notAfter of the leaf, or of a certificate between it and the root, is past.",
    remediation: renew!(),
    cwe: Some(324),
    references: &[VALIDITY],
    check: |subject| {
        each_but_roots(subject, |facts| {
            if facts.not_after >= subject.now {
                return Outcome::Passed;
            }
            Outcome::found(format!(
                "Expired on {}, {} days before this judgement ({}): {}",
                facts.not_after,
                days(facts.not_after, subject.now),
                subject.now,
                label(facts)
            ))
        })
    },
};

pub static CERT_NOT_YET_VALID: Rule = Rule {
    name: "cert-not-yet-valid",
    severity: Severity::High,
    title: "Certificate not yet valid",
    why: "Clients that verify the server refuse it until the day comes, so those that work have \
          verification turned off. Mostly the clock of the machine that issued it was wrong; that \
          of the machine that scans may be, too.",
    detection: "notBefore of the leaf, or of a certificate between it and the root, is to come.",
    remediation: concat!("Set the clocks (timedatectl status) first. ", renew!()),
    cwe: None,
    references: &[VALIDITY],
    check: |subject| {
        each_but_roots(subject, |facts| {
            if facts.not_before <= subject.now {
                return Outcome::Passed;
            }
            Outcome::found(format!(
                "Valid from {}, {} days after this judgement ({}): {}",
                facts.not_before,
                days(subject.now, facts.not_before),
                subject.now,
                label(facts)
            ))
        })
    },
};

pub static CERT_EXPIRING: Rule = Rule {
    name: "cert-expiring",
    severity: Severity::Low,
    title: "Certificate expires within 30 days",
    why: "On that day every client that verifies the server stops working, and the quick way out \
          is to turn verification off.",
    detection: "notAfter of the leaf, or of a certificate between it and the root, is at most 30 \
                days away.",
    remediation: renew!(),
    cwe: None,
    references: &[VALIDITY],
    check: |subject| each_but_roots(subject, |facts| expiring(facts, subject.now)),
};

fn expiring(facts: &CertificateFacts, now: Timestamp) -> Outcome {
    let seconds = facts.not_after.as_second() - now.as_second();
    if facts.not_after < now {
        return Outcome::NotApplicable;
    }
    if seconds > EXPIRING_DAYS * 86_400 {
        return Outcome::Passed;
    }
    Outcome::found(format!(
        "Expires on {}, in {} days: {}",
        facts.not_after,
        days(now, facts.not_after),
        label(facts)
    ))
}

pub static CERT_LONG_LIVED: Rule = Rule {
    name: "cert-long-lived",
    severity: Severity::Info,
    title: "Certificate valid for more than 825 days",
    why: "A server key that leaks is good until the certificate ends, for hardly any client of \
          Docker asks whether it was revoked. Apple's systems refuse server certificates that \
          live longer, from private CAs too.",
    detection: "More than 825 days lie between notBefore and notAfter of the leaf.",
    remediation: concat!("Issue it for about a year. ", renew!()),
    cwe: None,
    references: &[VALIDITY, "https://support.apple.com/HT210176"],
    check: |subject| each_leaf(subject, long_lived),
};

fn long_lived(facts: &CertificateFacts) -> Outcome {
    let seconds = facts.not_after.as_second() - facts.not_before.as_second();
    if seconds <= LONG_LIVED_DAYS * 86_400 {
        return Outcome::Passed;
    }
    let end = if facts.not_after == Timestamp::MAX {
        "the end of time".to_owned()
    } else {
        facts.not_after.to_string()
    };
    Outcome::found(format!(
        "Valid for {} days, from {} to {end}: {}",
        seconds / 86_400,
        facts.not_before,
        label(facts)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::*;
    use super::*;
    use crate::rules::Verdict;

    fn until(not_after: &str) -> CertificateFacts {
        CertificateFacts { not_after: time(not_after), ..leaf() }
    }

    #[test]
    fn expired() {
        let rule = &CERT_EXPIRED;
        let violation = only(rule, &with_chain([until("2026-05-01T00:00:00Z"), root()]));
        assert!(violation.evidence.contains("2026-05-01T00:00:00Z, 31 days before"));
        assert_eq!(violation.subject.as_deref(), Some("leaf 1e1e1e1e1e1e1e1e"));
        // RFC 5280: the last second counts.
        assert_eq!(verdict(rule, &with_chain([until("2026-06-01T00:00:00Z")])), Verdict::Passed);
        only(rule, &with_chain([until("2026-05-31T23:59:59Z")]));
        let old = CertificateFacts { not_after: time("2020-01-01T00:00:00Z"), ..intermediate() };
        assert_eq!(
            only(rule, &with_chain([leaf(), old])).subject.as_deref(),
            Some("issuer 4242424242424242")
        );
        let old = CertificateFacts { not_after: time("2020-01-01T00:00:00Z"), ..root() };
        assert_eq!(verdict(rule, &with_chain([leaf(), old])), Verdict::Passed);
    }

    #[test]
    fn not_yet_valid() {
        let rule = &CERT_NOT_YET_VALID;
        let future = CertificateFacts { not_before: time("2026-06-03T00:00:00Z"), ..leaf() };
        assert!(only(rule, &with_chain([future])).evidence.contains("2 days after"));
        assert_eq!(verdict(rule, &hardened()), Verdict::Passed);
        let mut assessment = hardened();
        tls(&mut assessment).chains[0].certificates[0] = unparsable();
        undetermined(rule, &assessment);
    }

    #[test]
    fn about_to_expire() {
        let rule = &CERT_EXPIRING;
        let violation = only(rule, &with_chain([until("2026-07-01T00:00:00Z")]));
        assert!(violation.evidence.contains("in 30 days"), "{}", violation.evidence);
        only(rule, &with_chain([until("2026-06-01T00:00:00Z")]));
        assert_eq!(verdict(rule, &with_chain([until("2026-07-01T00:00:01Z")])), Verdict::Passed);
        assert_eq!(
            verdict(rule, &with_chain([until("2026-05-31T00:00:00Z")])),
            Verdict::NotApplicable
        );
    }

    #[test]
    fn long_lived_leaves() {
        let rule = &CERT_LONG_LIVED;
        assert_eq!(verdict(rule, &hardened()), Verdict::Passed, "a root may live long");
        assert_eq!(verdict(rule, &with_chain([until("2028-04-05T00:00:00Z")])), Verdict::Passed);
        let violation = only(rule, &with_chain([until("2028-04-06T00:00:00Z")]));
        assert!(violation.evidence.contains("Valid for 826 days"), "{}", violation.evidence);
        let forever = CertificateFacts { not_after: Timestamp::MAX, ..leaf() };
        assert!(only(rule, &with_chain([forever])).evidence.contains("to the end of time"));
        let reversed = CertificateFacts { not_after: Timestamp::MIN, ..leaf() };
        assert_eq!(verdict(rule, &with_chain([reversed])), Verdict::Passed);
    }
}
