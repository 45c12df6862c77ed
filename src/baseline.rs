//! Six questions that are asked of every Docker host, each answered or not, with the reason.
//!
//! Pure, and coarser than the rules: a rule says what is wrong, a check says whether a standard
//! is met. What was not seen is `unknown`, never a pass.

use crate::assess::posture::{Fact, Posture};
use crate::assess::{
    Access, Answer, Assessment, DockerApi, SupportStatus, TlsAssessment, Transport, Verified,
};
use crate::certificate::Certificate;
use crate::finding::{Finding, Severity};
use crate::observation::{Observation, TlsVersion};
use crate::rules::Subject;

mod up_to_date;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// No stranger can speak to the API.
    pub socket_not_exposed: Check,
    /// TLS 1.2 or later only, client certificates enforced, sound certificates.
    pub tls: Check,
    pub rootless: Check,
    pub up_to_date: Check,
    pub icc_disabled: Check,
    pub userns_remap: Check,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub status: CheckStatus,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckStatus {
    Pass,
    Fail,
    Unknown,
    NotApplicable,
}

impl Check {
    fn new(status: CheckStatus, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }
}

/// Judges one endpoint; `findings` are those of the rules on the same subject.
pub fn baseline(subject: &Subject<'_>, findings: &[Finding]) -> Baseline {
    let Subject { observation, assessment, .. } = *subject;
    Baseline {
        socket_not_exposed: cut_short(socket_not_exposed(assessment), observation),
        tls: cut_short(tls_check(assessment, findings), observation),
        rootless: setting(assessment, |posture| &posture.rootless, Wanted::On),
        up_to_date: cut_short(up_to_date::check(subject), observation),
        icc_disabled: setting(assessment, |posture| &posture.icc, Wanted::Off),
        userns_remap: userns_remap(assessment),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    On,
    Off,
}

fn setting(
    assessment: &Assessment,
    fact: impl Fn(&Posture) -> &Fact<bool>,
    wanted: Wanted,
) -> Check {
    if let Some(check) = without_docker(assessment) {
        return check;
    }
    match assessment.posture().map(fact) {
        None => Check::new(CheckStatus::Unknown, "the engine's /info was not read"),
        Some(Fact::Known { value, shown_by }) if *value == (wanted == Wanted::On) => {
            Check::new(CheckStatus::Pass, &**shown_by)
        }
        Some(Fact::Known { shown_by, .. }) => Check::new(CheckStatus::Fail, &**shown_by),
        Some(Fact::Unknown { because }) => Check::new(CheckStatus::Unknown, because),
        Some(Fact::NotApplicable { because }) => Check::new(CheckStatus::NotApplicable, because),
    }
}

/// A rootless engine maps its containers' users by itself.
fn userns_remap(assessment: &Assessment) -> Check {
    let rootless = assessment.posture().map(|posture| &posture.rootless);
    if let Some(Fact::Known { value: true, shown_by }) = rootless {
        let reason = format!("a rootless engine runs in a user namespace of its own: {shown_by}");
        return Check::new(CheckStatus::Pass, reason);
    }
    setting(assessment, |posture| &posture.userns_remap, Wanted::On)
}

fn socket_not_exposed(assessment: &Assessment) -> Check {
    if let Some(check) = without_docker(assessment) {
        return check;
    }
    let reason = &assessment.api.reason;
    let client_auth = assessment.tls.as_ref().map(|tls| &tls.client_auth);
    let verified = client_auth.map(|auth| auth.verified);
    let verified_reason = client_auth.map_or("", |auth| auth.verified_reason.as_str());
    match (assessment.api.access, verified) {
        (Access::Undetermined, _) => Check::new(CheckStatus::Unknown, reason),
        (Access::ClientCertificateRequired, Some(Verified::No)) => Check::new(
            CheckStatus::Fail,
            format!("a certificate that nobody vouches for is let in: {verified_reason}"),
        ),
        (Access::ClientCertificateRequired, Some(Verified::Yes)) => Check::new(
            CheckStatus::Pass,
            format!(
                "only with a client certificate, and not with any: {reason}; {verified_reason}"
            ),
        ),
        (Access::ClientCertificateRequired, Some(Verified::Undetermined)) => Check::new(
            CheckStatus::Pass,
            format!(
                "only with a client certificate; whether one that nobody vouches for would be \
                 refused could not be told: {reason}; {verified_reason}"
            ),
        ),
        (Access::ClientCertificateRequired, _) => Check::new(
            CheckStatus::Pass,
            format!(
                "only with a client certificate; whether one that nobody vouches for would be \
                 refused was not tested (--try-untrusted-cert tests it): {reason}"
            ),
        ),
        (Access::Open, _) => Check::new(CheckStatus::Fail, format!("open to anyone: {reason}")),
        (Access::Filtered, _) => Check::new(CheckStatus::Fail, format!("partly open: {reason}")),
        (Access::Denied, _) => Check::new(
            CheckStatus::Fail,
            format!("reachable without a client certificate, though it refuses: {reason}"),
        ),
        (Access::NotDocker, _) => not_docker(),
    }
}

/// Fails on what is wrong, all of it; else is unknown for what was not seen; else passes.
fn tls_check(assessment: &Assessment, findings: &[Finding]) -> Check {
    if let Some(check) = without_docker(assessment) {
        return check;
    }
    let Some(tls) = &assessment.tls else {
        return match assessment.transport {
            Transport::Plain => Check::new(CheckStatus::Fail, "plain HTTP"),
            _ => Check::new(CheckStatus::Unknown, &assessment.api.reason),
        };
    };
    let mut wrong = wrong_versions(tls);
    let mut unknown = unknown_versions(tls);
    let reason = &tls.client_auth.reason;
    match tls.client_auth.required {
        Answer::Yes if tls.client_auth.verified == Verified::No => {
            wrong.push(format!(
                "any client certificate is let in: {}",
                tls.client_auth.verified_reason
            ));
        }
        Answer::Yes => {}
        Answer::No => wrong.push(format!("client certificates are not enforced: {reason}")),
        Answer::Undetermined => {
            unknown.push(format!("whether client certificates are enforced: {reason}"));
        }
    }
    wrong.extend(findings_of_tls(findings));
    unknown.extend(unknown_certificates(tls));
    if !wrong.is_empty() {
        return Check::new(CheckStatus::Fail, wrong.join("; "));
    }
    if !unknown.is_empty() {
        return Check::new(CheckStatus::Unknown, unknown.join("; "));
    }
    Check::new(
        CheckStatus::Pass,
        "TLS 1.2 or later only, client certificates enforced, no finding of medium or worse on \
         certificate, key or cipher suites",
    )
}

fn wrong_versions(tls: &TlsAssessment) -> Vec<String> {
    TlsVersion::ALL
        .into_iter()
        .filter(|version| *version < TlsVersion::Tls12)
        .filter_map(|version| {
            let support = tls.versions.get(&version)?;
            (support.status == SupportStatus::Accepted)
                .then(|| format!("{version} accepted: {}", support.reason))
        })
        .collect()
}

fn unknown_versions(tls: &TlsAssessment) -> Vec<String> {
    let status = |version: TlsVersion| tls.versions.get(&version).map(|support| support.status);
    let mut unknown: Vec<String> = TlsVersion::ALL
        .into_iter()
        .filter(|version| *version < TlsVersion::Tls12)
        .filter(|version| matches!(status(*version), None | Some(SupportStatus::Undetermined)))
        .map(|version| {
            let reason = tls.versions.get(&version).map_or("not asked", |s| s.reason.as_str());
            format!("whether {version} is accepted: {reason}")
        })
        .collect();
    let modern = [TlsVersion::Tls12, TlsVersion::Tls13];
    if !modern.into_iter().any(|version| status(version) == Some(SupportStatus::Accepted)) {
        unknown.push("neither TLS 1.2 nor 1.3 was seen to be accepted".to_owned());
    }
    unknown
}

/// Rules on certificates and keys, by name, in the order of the findings.
/// What is wrong with certificates, keys and cipher suites.
fn findings_of_tls(findings: &[Finding]) -> Vec<String> {
    let prefixes = ["cert-", "key-", "tls-cipher-", "tls-no-forward-secrecy"];
    let mut named: Vec<String> = Vec::new();
    for finding in findings {
        let about = prefixes.iter().any(|prefix| finding.rule.starts_with(prefix));
        let text = format!("{} ({})", finding.rule, finding.severity);
        if about && finding.severity >= Severity::Medium && !named.contains(&text) {
            named.push(text);
        }
    }
    named
}

fn unknown_certificates(tls: &TlsAssessment) -> Vec<String> {
    if tls.chains.iter().all(|chain| chain.certificates.is_empty()) {
        let because = tls.chains_missing.as_deref().unwrap_or("none was seen");
        return vec![format!("the server's certificate: {because}")];
    }
    tls.chains
        .iter()
        .flat_map(|chain| &chain.certificates)
        .filter_map(|certificate| match certificate {
            Certificate::Parsed(_) => None,
            Certificate::Unparsable { because, .. } => {
                Some(format!("a certificate that cannot be read: {because}"))
            }
        })
        .take(1)
        .collect()
}

/// The answer to every question where no Docker API was seen.
fn without_docker(assessment: &Assessment) -> Option<Check> {
    match (&assessment.api.docker, assessment.api.access) {
        (DockerApi::NotSeen, Access::Undetermined) => {
            Some(Check::new(CheckStatus::Unknown, &assessment.api.reason))
        }
        (DockerApi::NotSeen, _) | (_, Access::NotDocker) => Some(not_docker()),
        _ => None,
    }
}

fn not_docker() -> Check {
    Check::new(CheckStatus::NotApplicable, "not a Docker API")
}

/// An unknown that comes from a probe that had to stop says so.
fn cut_short(mut check: Check, observation: &Observation) -> Check {
    if check.status == CheckStatus::Unknown
        && let Some(why) = &observation.cut_short
    {
        check.reason = format!("{}; the probe stopped early: {why}", check.reason);
    }
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisories::Advisories;
    use crate::rules::Basis;
    use crate::rules::fixture::*;
    use crate::rules::judge;

    fn of(assessment: &Assessment) -> Baseline {
        let observation = observation();
        let findings = judge(&observation, assessment, basis(), now()).findings;
        baseline(&Subject::new(&observation, assessment, basis(), now()), &findings)
    }

    #[test]
    fn a_hardened_daemon_passes_what_can_be_seen() {
        let mut assessment = hardened();
        let found = of(&assessment);
        assert_eq!(found.socket_not_exposed.status, CheckStatus::Pass);
        assert!(found.socket_not_exposed.reason.contains("not tested"));
        assert_eq!(found.tls.status, CheckStatus::Pass);
        for check in [found.rootless, found.icc_disabled, found.userns_remap] {
            assert_eq!(check.status, CheckStatus::Unknown);
            assert_eq!(check.reason, "the engine's /info was not read");
        }
        assert_eq!(found.up_to_date.reason, "the engine's version was not seen");
        client_auth(&mut assessment).verified = Verified::Yes;
        assert!(!of(&assessment).socket_not_exposed.reason.contains("not tested"));
        client_auth(&mut assessment).verified = Verified::Undetermined;
        let check = of(&assessment).socket_not_exposed;
        assert_eq!(check.status, CheckStatus::Pass);
        assert!(check.reason.contains("could not be told"), "{}", check.reason);
        client_auth(&mut assessment).verified = Verified::No;
        assert_eq!(of(&assessment).socket_not_exposed.status, CheckStatus::Fail);
        assert_eq!(of(&assessment).tls.status, CheckStatus::Fail);
    }

    #[test]
    fn what_answers_strangers_fails() {
        for access in [Access::Open, Access::Filtered, Access::Denied] {
            let mut assessment = open_plain();
            assessment.api.access = access;
            let found = of(&assessment);
            assert_eq!(found.socket_not_exposed.status, CheckStatus::Fail);
            assert_eq!(found.tls, Check::new(CheckStatus::Fail, "plain HTTP"));
        }
        let found = of(&open_tls());
        assert_eq!(found.tls.status, CheckStatus::Fail);
        assert!(found.tls.reason.contains("not enforced: no CertificateRequest"));
    }

    #[test]
    fn old_versions_and_bad_certificates_fail() {
        let mut assessment = with_chain([root()]);
        let versions = &mut tls(&mut assessment).versions;
        versions.get_mut(&TlsVersion::Tls10).unwrap().status = SupportStatus::Accepted;
        versions.get_mut(&TlsVersion::Tls11).unwrap().status = SupportStatus::Undetermined;
        let check = of(&assessment).tls;
        assert_eq!(check.status, CheckStatus::Fail);
        for part in ["TLSv1.0 accepted", "cert-self-signed (medium)", "cert-is-ca (medium)"] {
            assert!(check.reason.contains(part), "{}", check.reason);
        }
        assert!(!check.reason.contains("cert-no-san"), "that one is low");
        assert!(!check.reason.contains("TLSv1.1"), "what fails fails");
    }

    #[test]
    fn what_was_not_seen_is_unknown() {
        let unknown = |change: fn(&mut Assessment), text: &str| {
            let mut assessment = hardened();
            change(&mut assessment);
            let check = of(&assessment).tls;
            assert_eq!(check.status, CheckStatus::Unknown, "{}", check.reason);
            assert!(check.reason.contains(text), "{}", check.reason);
        };
        unknown(
            |a| client_auth(a).required = Answer::Undetermined,
            "whether client certificates are enforced",
        );
        unknown(
            |a| {
                tls(a).chains.clear();
                tls(a).chains_missing = Some("hidden".into());
            },
            "certificate: hidden",
        );
        unknown(|a| tls(a).chains[0].certificates.push(unparsable()), "it is garbage");
        unknown(
            |a| {
                tls(a).versions.remove(&TlsVersion::Ssl3);
            },
            "whether SSLv3 is accepted: not asked",
        );
        unknown(
            |a| {
                for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
                    tls(a).versions.get_mut(&version).unwrap().status = SupportStatus::Undetermined;
                }
            },
            "neither TLS 1.2 nor 1.3",
        );

        let mut assessment = open_plain();
        assessment.api.docker = DockerApi::NotSeen;
        assessment.api.access = Access::Undetermined;
        assessment.transport = Transport::Undetermined;
        let mut observation = observation();
        observation.cut_short = Some("out of time".into());
        let advisories = Advisories::embedded().unwrap();
        let subject =
            Subject::new(&observation, &assessment, Basis { advisories, ..basis() }, now());
        let found = baseline(&subject, &[]);
        assert_eq!(found.rootless.status, CheckStatus::Unknown);
        assert_eq!(found.socket_not_exposed.status, CheckStatus::Unknown);
        assert!(found.socket_not_exposed.reason.ends_with("stopped early: out of time"));
    }

    #[test]
    fn nothing_applies_to_what_is_not_docker() {
        let mut assessment = open_tls();
        assessment.api.docker = DockerApi::NotSeen;
        assessment.api.access = Access::NotDocker;
        let found = of(&assessment);
        for check in [found.socket_not_exposed, found.tls, found.rootless, found.userns_remap] {
            assert_eq!(check.status, CheckStatus::NotApplicable);
        }
    }
}
