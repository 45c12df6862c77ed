//! The registry of rules. A rule is a row in `ALL` and a pure function beside its text; the
//! pipeline asks `judge`, the reports only see findings.

mod address;
mod certificate;
mod ciphers;
mod client_auth;
mod container;
mod engine;
pub mod engine_version;
mod exposure;
#[cfg(test)]
pub(crate) mod fixture;
pub mod fleet;
mod setting;
mod swarm;
mod text;
mod tls;

pub use text::RuleText;

use std::borrow::Cow;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::advisories::{Advisories, DataError};
use crate::assess::{Access, Assessment};
use crate::certificate::key::known::KnownKeys;
use crate::finding::{Finding, Severity};
use crate::observation::Observation;
use crate::trust::Anchors;

/// A rule: its name and text, and the function that checks it.
#[derive(Debug)]
pub struct Rule {
    /// The name in reports and suppressions; never changes.
    pub name: &'static str,
    /// The default; a check may find a case that is worse or milder.
    pub severity: Severity,
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// How it is detected.
    pub detection: &'static str,
    /// What to change, to be pasted where that is possible.
    pub remediation: &'static str,
    /// The weakness by its number in the CWE list; `None` where none fits what is found here.
    pub cwe: Option<u16>,
    pub references: &'static [&'static str],
    pub check: fn(&Subject<'_>) -> Verdict,
}

/// What endpoints are judged by, besides the rules.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    pub advisories: &'a Advisories,
    /// What chains should lead to; `None` where nothing was given.
    pub anchors: Option<&'a Anchors>,
    pub known_keys: &'a KnownKeys,
}

impl Basis<'static> {
    /// What this program carries.
    ///
    /// # Errors
    /// It was built with broken data; a test sees to it that it is not.
    pub fn embedded() -> Result<Self, &'static DataError> {
        Ok(Self {
            advisories: Advisories::embedded()?,
            anchors: None,
            known_keys: KnownKeys::embedded(),
        })
    }
}

/// What a rule of one endpoint may look at.
#[derive(Debug)]
pub struct Subject<'a> {
    pub observation: &'a Observation,
    pub assessment: &'a Assessment,
    pub advisories: &'a Advisories,
    /// What chains should lead to; `None` where nothing was given.
    pub anchors: Option<&'a Anchors>,
    pub known_keys: &'a KnownKeys,
    pub now: Timestamp,
}

impl<'a> Subject<'a> {
    pub fn new(
        observation: &'a Observation,
        assessment: &'a Assessment,
        basis: Basis<'a>,
        now: Timestamp,
    ) -> Self {
        let Basis { advisories, anchors, known_keys } = basis;
        Self { observation, assessment, advisories, anchors, known_keys, now }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The endpoint has nothing that the rule is about.
    NotApplicable,
    Passed,
    Undetermined {
        because: String,
    },
    Found(Vec<Violation>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// `None`: the rule's default.
    pub severity: Option<Severity>,
    pub subject: Option<String>,
    pub evidence: String,
    /// `None`: the rule's own text.
    pub remediation: Option<String>,
}

impl Violation {
    pub fn new(evidence: impl Into<String>) -> Self {
        Self { severity: None, subject: None, evidence: evidence.into(), remediation: None }
    }

    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    pub fn remediation(mut self, remediation: impl Into<String>) -> Self {
        self.remediation = Some(remediation.into());
        self
    }

    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }
}

impl Verdict {
    pub fn found(evidence: impl Into<String>) -> Self {
        Self::Found(vec![Violation::new(evidence)])
    }

    pub fn undetermined(because: impl Into<String>) -> Self {
        Self::Undetermined { because: because.into() }
    }
}

/// Every rule of one endpoint, in the order in which `docksweep rules` lists them.
pub static ALL: &[&Rule] = &[
    &exposure::API_UNAUTHENTICATED_PLAINTEXT,
    &exposure::API_UNAUTHENTICATED_TLS,
    &exposure::API_FILTERED,
    &exposure::API_PLAINTEXT_DENIED,
    &exposure::API_DENIED_NO_CLIENT_CERT,
    &exposure::API_EXPOSED,
    &tls::TLS_VERSION_SSL3,
    &tls::TLS_VERSION_1_0,
    &tls::TLS_VERSION_1_1,
    &tls::TLS_NO_VERSION_1_3,
    &ciphers::TLS_CIPHER_NULL,
    &ciphers::TLS_CIPHER_ANONYMOUS,
    &ciphers::TLS_CIPHER_EXPORT,
    &ciphers::TLS_CIPHER_RC4,
    &ciphers::TLS_CIPHER_3DES,
    &ciphers::TLS_NO_FORWARD_SECRECY,
    &ciphers::TLS_RSA_KEY_EXCHANGE,
    &client_auth::CLIENT_CERT_NOT_REQUESTED,
    &client_auth::CLIENT_CERT_OPTIONAL,
    &client_auth::CLIENT_CERT_UNVERIFIED,
    &client_auth::CLIENT_CA_PUBLIC,
    &certificate::issuer::CERT_SELF_SIGNED,
    &certificate::issuer::CERT_PRIVATE_ROOT,
    &certificate::trust::CERT_UNTRUSTED,
    &certificate::order::CERT_CHAIN_INCOMPLETE,
    &certificate::order::CERT_CHAIN_MISORDERED,
    &certificate::order::CERT_CHAIN_SUPERFLUOUS,
    &certificate::validity::CERT_EXPIRED,
    &certificate::validity::CERT_NOT_YET_VALID,
    &certificate::validity::CERT_EXPIRING,
    &certificate::key::KEY_KNOWN_COMPROMISED,
    &certificate::key::KEY_ROCA,
    &certificate::key::KEY_CLOSE_PRIMES,
    &certificate::key::KEY_SMALL_FACTOR,
    &certificate::key::KEY_SMALL_EXPONENT,
    &certificate::strength::CERT_KEY_WEAK,
    &certificate::strength::CERT_SIGNATURE_WEAK,
    &certificate::name::CERT_NO_SAN,
    &certificate::name::CERT_NAME_MISMATCH,
    &certificate::role::CERT_IS_CA,
    &certificate::validity::CERT_LONG_LIVED,
    &certificate::role::CERT_ALSO_CLIENT_AUTH,
    &engine_version::ENGINE_END_OF_LIFE,
    &engine_version::ENGINE_ADVISORY,
    &engine_version::ENGINE_OUTDATED,
    &engine::ENGINE_ROOTFUL,
    &engine::ENGINE_USERNS_OFF,
    &engine::ENGINE_ICC_ON,
    &engine::ENGINE_SECCOMP_OFF,
    &engine::ENGINE_NO_MAC,
    &engine::ENGINE_NO_NEW_PRIVILEGES_OFF,
    &engine::ENGINE_LIVE_RESTORE_OFF,
    &engine::ENGINE_INSECURE_REGISTRY,
    &engine::ENGINE_NO_AUTHORIZATION_PLUGIN,
    &engine::ENGINE_EXPERIMENTAL,
    &swarm::SWARM_MANAGER_EXPOSED,
    &swarm::SWARM_MANAGERS_EVEN,
    &swarm::SWARM_AUTOLOCK_OFF,
    &swarm::SWARM_NODE_CERTIFICATES_LONG,
    &swarm::SWARM_OVERLAY_UNENCRYPTED,
    &container::CONTAINER_PRIVILEGED,
    &container::CONTAINER_SOCKET_MOUNT,
    &container::CONTAINER_HOST_NAMESPACE,
    &container::CONTAINER_HOST_MOUNT,
    &container::CONTAINER_CAPABILITIES,
];

/// The names of all rules, those of the fleet last.
pub fn names() -> impl Iterator<Item = &'static str> {
    RuleText::all().map(|rule| rule.name)
}

/// What all rules together say of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Worst first, then by rule name.
    pub findings: Vec<Finding>,
    /// Rules that applied and were kept.
    pub passed: Vec<&'static str>,
    /// Rules that applied and could not be answered, with the reason.
    pub undetermined: Vec<(&'static str, String)>,
}

/// Applies every rule.
pub fn judge(
    observation: &Observation,
    assessment: &Assessment,
    basis: Basis<'_>,
    now: Timestamp,
) -> Judgement {
    let subject = Subject::new(observation, assessment, basis, now);
    let mut judgement =
        Judgement { findings: Vec::new(), passed: Vec::new(), undetermined: Vec::new() };
    for rule in ALL {
        match (rule.check)(&subject) {
            Verdict::NotApplicable => {}
            Verdict::Passed => judgement.passed.push(rule.name),
            Verdict::Undetermined { because } => judgement.undetermined.push((rule.name, because)),
            Verdict::Found(violations) => {
                let endpoint = observation.endpoint.id();
                judgement
                    .findings
                    .extend(violations.into_iter().map(|v| finding(rule, &endpoint, v)));
            }
        }
    }
    judgement.findings.sort_by(|a, b| {
        b.severity.cmp(&a.severity).then_with(|| (a.rule, &a.subject).cmp(&(b.rule, &b.subject)))
    });
    judgement
}

fn finding(rule: &Rule, endpoint: &str, violation: Violation) -> Finding {
    Finding {
        id: finding_id(rule.name, endpoint, violation.subject.as_deref()),
        rule: rule.name,
        severity: violation.severity.unwrap_or(rule.severity),
        subject: violation.subject,
        title: rule.title,
        evidence: violation.evidence,
        remediation: violation.remediation.map_or(Cow::Borrowed(rule.remediation), Cow::Owned),
        references: rule.references,
        cwe: rule.cwe,
    }
}

/// 16 hex digits over what identifies the finding, so that two runs can be compared.
fn finding_id(rule: &str, endpoint: &str, subject: Option<&str>) -> String {
    let mut hash = Sha256::new();
    for part in [rule, endpoint, subject.unwrap_or_default()] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// An endpoint in one letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    A,
    B,
    C,
    D,
    F,
}

impl Grade {
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::F => "F",
        }
    }

    /// By the worst finding that counts; `None`: there is none.
    pub const fn of(worst: Option<Severity>) -> Self {
        match worst {
            Some(Severity::Critical) => Self::F,
            Some(Severity::High) => Self::D,
            Some(Severity::Medium) => Self::C,
            Some(Severity::Low) => Self::B,
            Some(Severity::Info) | None => Self::A,
        }
    }
}

/// The grade of the worst finding; `None` while access is undetermined, for then the worst may be
/// what was not seen.
pub fn grade(findings: &[Finding], access: Access) -> Option<Grade> {
    if access == Access::Undetermined {
        return None;
    }
    Some(Grade::of(findings.iter().map(|finding| finding.severity).max()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::fixture;
    use super::*;

    #[test]
    fn names_are_unique_and_texts_are_whole() {
        let names: BTreeSet<_> = ALL.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), ALL.len());
        for rule in ALL {
            let name = rule.name;
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)), "{name}");
            assert!(!rule.title.ends_with('.'), "{name}: a title is no sentence");
            for text in [rule.why, rule.detection] {
                assert!(text.len() > 40 && text.ends_with('.'), "{name}: {text}");
                assert!(!text.contains("  "), "{name}: {text}");
            }
            assert!(rule.remediation.len() > 40, "{name}");
            assert!(!rule.references.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_hardened_daemon_breaks_nothing_worse_than_info() {
        let judgement =
            judge(&fixture::observation(), &fixture::hardened(), fixture::basis(), fixture::now());
        assert_eq!(judgement.undetermined, []);
        let findings: Vec<_> =
            judgement.findings.iter().map(|found| (found.rule, found.severity)).collect();
        assert_eq!(
            findings,
            [("api-exposed", Severity::Info), ("cert-private-root", Severity::Info)]
        );
        assert!(judgement.passed.contains(&"cert-expired"));
        assert!(judgement.passed.contains(&"tls-version-1.1"));
    }

    #[test]
    fn findings_are_worst_first_and_their_ids_stay() {
        let judge = || {
            judge(&fixture::observation(), &fixture::open_plain(), fixture::basis(), fixture::now())
        };
        let judgement = judge();
        let order: Vec<_> = judgement.findings.iter().map(|found| found.rule).collect();
        assert_eq!(order, ["api-unauthenticated-plaintext", "api-exposed"]);
        assert_eq!(judgement, judge());
        assert_eq!(judgement.findings[0].id.len(), 16);
        assert_ne!(judgement.findings[0].id, judgement.findings[1].id);
    }

    #[test]
    fn the_worst_finding_grades() {
        let judgement = judge(
            &fixture::observation(),
            &fixture::open_plain(),
            fixture::basis(),
            fixture::now(),
        );
        assert_eq!(grade(&judgement.findings, Access::Open), Some(Grade::F));
        assert_eq!(grade(&judgement.findings[1..], Access::Filtered), Some(Grade::B));
        assert_eq!(grade(&[], Access::NotDocker), Some(Grade::A));
        assert_eq!(grade(&judgement.findings, Access::Undetermined), None);
        let mut finding = judgement.findings[0].clone();
        for (severity, expected) in
            [(Severity::High, Grade::D), (Severity::Medium, Grade::C), (Severity::Info, Grade::A)]
        {
            finding.severity = severity;
            assert_eq!(grade(std::slice::from_ref(&finding), Access::Open), Some(expected));
        }
    }
}
