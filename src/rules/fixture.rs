//! Assessments to start from, for tests: change one thing, and see one rule answer.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Basis, Rule, Subject, Verdict, Violation};
use crate::assess::{
    Access, Answer, ApiAssessment, Assessment, Chain, CipherAssessment, ClassSupport, ClientAuth,
    DockerApi, EnforcedBy, PathStatus, Product, SupportStatus, TlsAssessment, Transport, Verified,
    VersionSupport,
};
use crate::certificate::{
    Certificate, CertificateFacts, HashAlgorithm, KeyAlgorithm, KeyFacts, SelfSignature,
    SignatureAlgorithm, SubjectAltNames,
};
use crate::cipher_suite::CipherClass;
use crate::observation::{
    Endpoint, KeyPossession, OBSERVATION_VERSION, Observation, TlsVersion, VersionBody,
};
use crate::trust::Anchors;

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    time("2026-06-01T00:00:00Z")
}

/// 10.0.0.5:2376, by its address.
pub(crate) fn observation() -> Observation {
    Observation {
        version: OBSERVATION_VERSION,
        endpoint: Endpoint {
            address: "10.0.0.5".parse().unwrap(),
            port: 2376,
            names: vec![],
            sni: None,
        },
        observed_at: now(),
        connections: vec![],
        certificates: vec![],
        cut_short: None,
        audit: None,
        untrusted: None,
        cipher_suites: None,
    }
}

/// A Docker Engine that answers anyone over plain HTTP.
pub(crate) fn open_plain() -> Assessment {
    let paths = ["/_ping", "/version", "/info", "/networks", "/containers/json?limit=1"];
    Assessment {
        transport: Transport::Plain,
        api: ApiAssessment {
            access: Access::Open,
            reason: "the reason for the access.".into(),
            docker: DockerApi::Seen,
            product: Some(Product::DockerEngine),
            engine_id: Some("engine".into()),
            intermediary: None,
            server: Some("Docker/29.9.0 (linux)".into()),
            paths: paths
                .map(|path| PathStatus { path: path.into(), status: Some(200), problem: None })
                .to_vec(),
            version: Some(
                VersionBody {
                    version: Some("29.9.0".into()),
                    api_version: Some("1.51".into()),
                    ..VersionBody::default()
                }
                .into(),
            ),
            posture: None,
            containers: None,
        },
        tls: None,
        audit: None,
        connections: 1,
    }
}

/// The same over TLS, which asks for no certificate.
pub(crate) fn open_tls() -> Assessment {
    let mut assessment = hardened();
    assessment.api = open_plain().api;
    *client_auth(&mut assessment) = ClientAuth {
        requested: Answer::No,
        required: Answer::No,
        enforced_by: None,
        verified: Verified::Untested,
        verified_reason: "no untrusted certificate was tried".into(),
        reason: "no CertificateRequest before ServerHelloDone".into(),
        acceptable_issuers: vec![],
        acceptable_issuers_total: 0,
    };
    assessment
}

/// A daemon with everything right: TLS 1.2 and 1.3, client certificates, a short-lived leaf under
/// a root of its own.
pub(crate) fn hardened() -> Assessment {
    let mut assessment = open_plain();
    assessment.transport = Transport::Tls;
    assessment.api = ApiAssessment {
        access: Access::ClientCertificateRequired,
        reason: "the handshake ended with alert 116 after a CertificateRequest".into(),
        docker: DockerApi::Probable("it demands a client certificate on port 2376".into()),
        product: None,
        engine_id: None,
        intermediary: None,
        server: None,
        paths: vec![],
        version: None,
        posture: None,
        containers: None,
    };
    assessment.tls = Some(TlsAssessment {
        versions: TlsVersion::ALL
            .map(|version| {
                let (status, reason) = if version >= TlsVersion::Tls12 {
                    (SupportStatus::Accepted, "ServerHello names it")
                } else {
                    (SupportStatus::Refused, "alert 70 protocol_version")
                };
                (version, VersionSupport { status, reason: reason.into() })
            })
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        negotiated: None,
        key_possession: KeyPossession::Proved,
        client_auth: ClientAuth {
            requested: Answer::Yes,
            required: Answer::Yes,
            enforced_by: Some(EnforcedBy::Tls),
            verified: Verified::Untested,
            verified_reason: "no untrusted certificate was tried".into(),
            reason: "alert 116 certificate_required".into(),
            acceptable_issuers: vec![b"root".to_vec()],
            acceptable_issuers_total: 1,
        },
        ciphers: CipherAssessment {
            classes: CipherClass::ALL.map(|class| (class, refused_class())).into_iter().collect(),
            forward_secrecy: VersionSupport {
                status: SupportStatus::Accepted,
                reason: "TLSv1.3 has no suite without it".into(),
            },
            suites: None,
        },
        chains: vec![chain([leaf(), root()])],
        chains_missing: None,
    });
    assessment
}

pub(crate) fn refused_class() -> ClassSupport {
    ClassSupport {
        status: SupportStatus::Refused,
        reason: "TLSv1.2: alert 40 handshake_failure".into(),
        accepted: vec![],
    }
}

pub(crate) fn with_chain<const N: usize>(chain_: [CertificateFacts; N]) -> Assessment {
    let mut assessment = hardened();
    tls(&mut assessment).chains = vec![chain(chain_)];
    assessment
}

pub(crate) fn chain<const N: usize>(certificates: [CertificateFacts; N]) -> Chain {
    let certificates =
        certificates.map(|facts| Certificate::Parsed(Box::new(facts))).into_iter().collect();
    Chain { seen_in: vec![TlsVersion::Tls13], certificates }
}

pub(crate) fn leaf() -> CertificateFacts {
    CertificateFacts {
        version: 3,
        subject: "CN=docker.example".into(),
        issuer: "CN=Example CA".into(),
        subject_der: b"leaf".to_vec(),
        issuer_der: b"root".to_vec(),
        serial: "1234".into(),
        not_before: time("2026-01-01T00:00:00Z"),
        not_after: time("2027-01-01T00:00:00Z"),
        self_issued: false,
        self_signature: SelfSignature::NotSelfIssued,
        signature_algorithm: SignatureAlgorithm {
            name: "sha256WithRSAEncryption".into(),
            hash: Some(HashAlgorithm::Sha256),
        },
        key: KeyFacts {
            algorithm: KeyAlgorithm::Rsa,
            bits: Some(2048),
            curve: None,
            exponent: Some("65537".into()),
            public_value: Some(modulus()),
            spki_sha256: "aa".repeat(32),
        },
        san: SubjectAltNames {
            present: true,
            dns: vec!["docker.example".into(), "*.apps.example".into()],
            ip: vec!["10.0.0.5".parse().unwrap()],
            more: 0,
        },
        is_ca: false,
        extended_key_usage: Some(vec!["serverAuth".into()]),
        sha256: "1e".repeat(32),
    }
}

/// 2^2048 less 29, which leaves nothing
/// to find: no small factor, no close ones, no power of 65537.
fn modulus() -> Vec<u8> {
    let mut modulus = vec![0xff; 256];
    modulus[255] = 0xe3;
    modulus
}

pub(crate) fn root() -> CertificateFacts {
    CertificateFacts {
        subject: "CN=Example CA".into(),
        subject_der: b"root".to_vec(),
        self_issued: true,
        self_signature: SelfSignature::Verified,
        is_ca: true,
        extended_key_usage: None,
        san: SubjectAltNames::default(),
        not_after: time("2036-01-01T00:00:00Z"),
        sha256: "20".repeat(32),
        ..leaf()
    }
}

pub(crate) fn intermediate() -> CertificateFacts {
    CertificateFacts {
        subject: "CN=Example CA 2".into(),
        subject_der: b"intermediate".to_vec(),
        self_issued: false,
        self_signature: SelfSignature::NotSelfIssued,
        sha256: "42".repeat(32),
        ..root()
    }
}

pub(crate) fn unparsable() -> Certificate {
    Certificate::Unparsable { sha256: "bad0".repeat(16), because: "it is garbage".into() }
}

pub(crate) fn tls(assessment: &mut Assessment) -> &mut TlsAssessment {
    assessment.tls.as_mut().unwrap()
}

pub(crate) fn client_auth(assessment: &mut Assessment) -> &mut ClientAuth {
    &mut tls(assessment).client_auth
}

/// What this program carries, and no anchors.
pub(crate) fn basis() -> Basis<'static> {
    Basis::embedded().unwrap()
}

pub(crate) fn verdict(rule: &Rule, assessment: &Assessment) -> Verdict {
    (rule.check)(&Subject::new(&observation(), assessment, basis(), now()))
}

pub(crate) fn judged_by(
    rule: &Rule,
    observation: &Observation,
    assessment: &Assessment,
    anchors: Option<&Anchors>,
) -> Verdict {
    let basis = Basis { anchors, ..basis() };
    (rule.check)(&Subject::new(observation, assessment, basis, now()))
}

/// The violations found; panics where there are none.
pub(crate) fn found(rule: &Rule, assessment: &Assessment) -> Vec<Violation> {
    match verdict(rule, assessment) {
        Verdict::Found(violations) => violations,
        other => panic!("{}: {other:?}", rule.name),
    }
}

pub(crate) fn only(rule: &Rule, assessment: &Assessment) -> Violation {
    let mut violations = found(rule, assessment);
    assert_eq!(violations.len(), 1, "{}", rule.name);
    violations.remove(0)
}

pub(crate) fn undetermined(rule: &Rule, assessment: &Assessment) -> String {
    match verdict(rule, assessment) {
        Verdict::Undetermined { because } => because,
        other => panic!("{}: {other:?}", rule.name),
    }
}

/// What a certificate of testdata/certificates says.
pub(crate) fn stored(name: &str) -> CertificateFacts {
    use base64::Engine as _;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/certificates");
    let pem = std::fs::read_to_string(format!("{folder}/{name}.pem")).unwrap();
    let text: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    match Certificate::from_der(&der) {
        Certificate::Parsed(facts) => *facts,
        Certificate::Unparsable { because, .. } => panic!("{name}: {because}"),
    }
}
