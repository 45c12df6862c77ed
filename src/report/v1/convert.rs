//! From what the pipeline knows to what the report says.

use jiff::Timestamp;

use super::{
    Access, Answer, Api, Audit, AuditStatus, Baseline, Certificate, Chain, Check, CheckStatus,
    ClientAuth, Containers, DockerApi, DockerApiStatus, Endpoint, EnforcedBy, Finding,
    FleetFinding, Grade, Key, KeyPossession, Negotiated, ParsedCertificate, PathStatus, Posture,
    Product, References, SelfSignature, SubjectAltNames, SupportStatus, Text, Tls, Transport,
    UndeterminedRule, UnparsableCertificate, Verified, VersionSupport, ciphers,
};
use crate::assess::{self, Assessment};
use crate::baseline;
use crate::certificate::{self, CertificateFacts, KeyAlgorithm};
use crate::finding;
use crate::observation::{self, Observation};
use crate::rules::{self, Judgement};

/// All that is known of one endpoint when it is reported.
#[derive(Clone, Debug)]
pub struct Judged<'a> {
    pub observation: Observation,
    pub assessment: &'a Assessment,
    pub judgement: &'a Judgement,
    pub baseline: &'a baseline::Baseline,
    pub grade: Option<Grade>,
    pub judged_at: Timestamp,
}

impl Endpoint {
    pub fn new(judged: Judged<'_>) -> Self {
        let Judged { observation, assessment, judgement, baseline, grade, judged_at } = judged;
        let endpoint = &observation.endpoint;
        Self {
            id: endpoint.id(),
            address: endpoint.address,
            port: endpoint.port,
            names: endpoint.names.clone(),
            sni: endpoint.sni.clone(),
            transport: assessment.transport.into(),
            api: (&assessment.api).into(),
            audit: assessment.audit.as_ref().map(Audit::from),
            tls: assessment.tls.as_ref().map(Tls::from),
            baseline: baseline.into(),
            findings: judgement.findings.iter().map(Finding::from).collect(),
            rules_passed: judgement.passed.iter().copied().map(Text::Borrowed).collect(),
            grade,
            connections: count(assessment.connections),
            judged_at,
            rules_undetermined: judgement
                .undetermined
                .iter()
                .map(|(rule, reason)| UndeterminedRule {
                    rule: (*rule).into(),
                    reason: reason.clone(),
                })
                .collect(),
            observation,
        }
    }
}

impl From<&assess::ApiAssessment> for Api {
    fn from(api: &assess::ApiAssessment) -> Self {
        Self {
            access: api.access.into(),
            reason: api.reason.clone(),
            product: api.product.map(Product::from),
            engine_id: api.engine_id.clone(),
            intermediary: api.intermediary.clone(),
            server: api.server.clone(),
            paths: api.paths.iter().map(PathStatus::from).collect(),
            version: api.version.clone(),
            posture: api.posture.as_ref().map(Posture::from),
            containers: api.containers.as_ref().map(Containers::from),
            docker: (&api.docker).into(),
        }
    }
}

impl From<&assess::Audit> for Audit {
    fn from(audit: &assess::Audit) -> Self {
        Self {
            status: audit.status.into(),
            reason: audit.reason.clone(),
            version: audit.version.clone(),
            engine_id: audit.engine_id.clone(),
            paths: audit.paths.iter().map(PathStatus::from).collect(),
            product: audit.product.map(Product::from),
            posture: audit.posture.as_ref().map(Posture::from),
            containers: audit.containers.as_ref().map(Containers::from),
        }
    }
}

impl From<&assess::PathStatus> for PathStatus {
    fn from(path: &assess::PathStatus) -> Self {
        Self { path: path.path.clone(), status: path.status, problem: path.problem.clone() }
    }
}

impl From<&assess::DockerApi> for DockerApi {
    fn from(docker: &assess::DockerApi) -> Self {
        match docker {
            assess::DockerApi::Seen => Self { status: DockerApiStatus::Seen, reason: None },
            assess::DockerApi::Probable(reason) => {
                Self { status: DockerApiStatus::Probable, reason: Some(reason.clone()) }
            }
            assess::DockerApi::NotSeen => Self { status: DockerApiStatus::NotSeen, reason: None },
        }
    }
}

impl From<&assess::TlsAssessment> for Tls {
    fn from(tls: &assess::TlsAssessment) -> Self {
        Self {
            versions: tls
                .versions
                .iter()
                .map(|(version, support)| (*version, support.into()))
                .collect(),
            negotiated: tls
                .negotiated
                .as_ref()
                .map(|negotiated| Negotiated::new(negotiated, &tls.key_possession)),
            client_auth: (&tls.client_auth).into(),
            cipher_suites: tls.ciphers.suites.as_ref().map(ciphers::by_version),
            chains: tls.chains.iter().map(Chain::from).collect(),
            chains_missing: tls.chains_missing.clone(),
            cipher_classes: (&tls.ciphers).into(),
        }
    }
}

impl From<&assess::VersionSupport> for VersionSupport {
    fn from(support: &assess::VersionSupport) -> Self {
        Self { status: support.status.into(), reason: support.reason.clone() }
    }
}

impl Negotiated {
    fn new(negotiated: &observation::Negotiated, possession: &observation::KeyPossession) -> Self {
        let (key_possession, key_possession_reason) = match possession {
            observation::KeyPossession::Proved => (KeyPossession::Proved, None),
            observation::KeyPossession::Failed => (KeyPossession::Failed, None),
            observation::KeyPossession::Unverifiable(because) => {
                (KeyPossession::Unverifiable, Some(because.clone()))
            }
            observation::KeyPossession::Untested => (KeyPossession::Untested, None),
        };
        Self {
            version: negotiated.version,
            cipher_suite: negotiated.cipher_suite.clone(),
            alpn: negotiated.alpn.clone(),
            key_possession,
            key_possession_reason,
            group: negotiated.group.clone(),
        }
    }
}

impl From<&assess::ClientAuth> for ClientAuth {
    fn from(auth: &assess::ClientAuth) -> Self {
        Self {
            requested: auth.requested.into(),
            required: auth.required.into(),
            enforced_by: auth.enforced_by.map(EnforcedBy::from),
            verified: auth.verified.into(),
            acceptable_issuers: auth.acceptable_issuers.iter().map(|der| issuer(der)).collect(),
            acceptable_issuers_total: count(auth.acceptable_issuers_total),
            reason: auth.reason.clone(),
            verified_reason: auth.verified_reason.clone(),
        }
    }
}

/// What cannot be read as a name is shown as RFC 4514 shows values without a string form.
fn issuer(der: &[u8]) -> String {
    certificate::name_text(der).unwrap_or_else(|| {
        let hex = der.iter().map(|byte| format!("{byte:02x}"));
        std::iter::once("#".to_owned()).chain(hex).collect()
    })
}

impl From<&assess::Chain> for Chain {
    fn from(chain: &assess::Chain) -> Self {
        Self {
            seen_in: chain.seen_in.clone(),
            certificates: chain.certificates.iter().map(Certificate::from).collect(),
        }
    }
}

impl From<&certificate::Certificate> for Certificate {
    fn from(certificate: &certificate::Certificate) -> Self {
        match certificate {
            certificate::Certificate::Parsed(facts) => {
                Self::Parsed(Box::new(facts.as_ref().into()))
            }
            certificate::Certificate::Unparsable { sha256, because } => {
                Self::Unparsable(UnparsableCertificate {
                    sha256: sha256.clone(),
                    unparsable: because.clone(),
                })
            }
        }
    }
}

impl From<&CertificateFacts> for ParsedCertificate {
    fn from(facts: &CertificateFacts) -> Self {
        let (self_signature, self_signature_reason) = match &facts.self_signature {
            certificate::SelfSignature::Verified => (SelfSignature::Verified, None),
            certificate::SelfSignature::Failed => (SelfSignature::Failed, None),
            certificate::SelfSignature::Unverifiable(because) => {
                (SelfSignature::Unverifiable, Some(because.clone()))
            }
            certificate::SelfSignature::NotSelfIssued => (SelfSignature::NotSelfIssued, None),
        };
        Self {
            subject: facts.subject.clone(),
            issuer: facts.issuer.clone(),
            serial: facts.serial.clone(),
            not_before: facts.not_before,
            not_after: facts.not_after,
            self_issued: facts.self_issued,
            self_signature,
            signature_algorithm: facts.signature_algorithm.name.clone(),
            key: (&facts.key).into(),
            san: SubjectAltNames {
                dns: facts.san.dns.clone(),
                ip: facts.san.ip.clone(),
                present: facts.san.present,
            },
            is_ca: facts.is_ca,
            extended_key_usage: facts.extended_key_usage.clone(),
            sha256: facts.sha256.clone(),
            self_signature_reason,
            x509_version: facts.version,
        }
    }
}

impl From<&certificate::KeyFacts> for Key {
    fn from(key: &certificate::KeyFacts) -> Self {
        let algorithm = match &key.algorithm {
            KeyAlgorithm::Rsa => "RSA",
            KeyAlgorithm::Dsa => "DSA",
            KeyAlgorithm::Ec => "EC",
            KeyAlgorithm::Ed25519 => "Ed25519",
            KeyAlgorithm::Ed448 => "Ed448",
            KeyAlgorithm::Other(oid) => oid,
        };
        Self {
            algorithm: algorithm.to_owned(),
            bits: key.bits,
            curve: key.curve.clone(),
            exponent: key.exponent.clone(),
            spki_sha256: key.spki_sha256.clone(),
        }
    }
}

impl From<&baseline::Baseline> for Baseline {
    fn from(baseline: &baseline::Baseline) -> Self {
        Self {
            socket_not_exposed: (&baseline.socket_not_exposed).into(),
            tls: (&baseline.tls).into(),
            rootless: (&baseline.rootless).into(),
            up_to_date: (&baseline.up_to_date).into(),
            icc_disabled: (&baseline.icc_disabled).into(),
            userns_remap: (&baseline.userns_remap).into(),
        }
    }
}

impl From<rules::Grade> for Grade {
    fn from(grade: rules::Grade) -> Self {
        match grade {
            rules::Grade::A => Self::A,
            rules::Grade::B => Self::B,
            rules::Grade::C => Self::C,
            rules::Grade::D => Self::D,
            rules::Grade::F => Self::F,
        }
    }
}

impl From<&baseline::Check> for Check {
    fn from(check: &baseline::Check) -> Self {
        let status = match check.status {
            baseline::CheckStatus::Pass => CheckStatus::Pass,
            baseline::CheckStatus::Fail => CheckStatus::Fail,
            baseline::CheckStatus::Unknown => CheckStatus::Unknown,
            baseline::CheckStatus::NotApplicable => CheckStatus::NotApplicable,
        };
        Self { status, reason: check.reason.clone() }
    }
}

impl From<&finding::FleetFinding> for FleetFinding {
    fn from(fleet: &finding::FleetFinding) -> Self {
        Self { finding: (&fleet.finding).into(), endpoints: fleet.endpoints.clone() }
    }
}

impl From<&finding::Finding> for Finding {
    fn from(finding: &finding::Finding) -> Self {
        Self {
            id: finding.id.clone(),
            rule: finding.rule.into(),
            severity: finding.severity,
            subject: finding.subject.clone(),
            title: finding.title.into(),
            evidence: finding.evidence.clone(),
            remediation: finding.remediation.clone(),
            references: References::OfRule(finding.references),
            suppressed: None,
            cwe: finding.cwe,
        }
    }
}

/// The report's enums have the same variants as the pipeline's, and the contract's spelling.
macro_rules! same_variants {
    ($($from:ty => $to:ident { $($variant:ident),+ })+) => { $(
        impl From<$from> for $to {
            fn from(value: $from) -> Self {
                match value { $(<$from>::$variant => Self::$variant),+ }
            }
        }
    )+ };
}

same_variants! {
    assess::Transport => Transport { Plain, Tls, Undetermined }
    assess::Access => Access {
        Open, Filtered, Denied, ClientCertificateRequired, NotDocker, Undetermined
    }
    assess::AuditStatus => AuditStatus { NotPresented, Refused, Served, Undetermined }
    assess::Product => Product { DockerEngine, Podman, Unknown }
    assess::SupportStatus => SupportStatus { Accepted, Refused, Undetermined }
    assess::Answer => Answer { Yes, No, Undetermined }
    assess::EnforcedBy => EnforcedBy { Tls, Http }
    assess::Verified => Verified { Yes, No, Untested, Undetermined }
}

/// Saturates where a count does not fit, which no list in memory reaches.
fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
