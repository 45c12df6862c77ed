//! What the endpoints of the sample are put together from.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::assess::{
    Access, Answer, ApiAssessment, Assessment, CipherAssessment, ClassSupport, ClientAuth,
    DockerApi, PathStatus, SupportStatus, TlsAssessment, Verified, VersionSupport,
};
use crate::baseline::{Baseline, Check, CheckStatus};
use crate::certificate::{
    Certificate, CertificateFacts, HashAlgorithm, KeyAlgorithm, KeyFacts, SelfSignature,
    SignatureAlgorithm, SubjectAltNames,
};
use crate::cipher_suite::CipherClass;
use crate::finding::{Finding, Severity};
use crate::observation::{
    Body, Component, Connection, Der, Endpoint, Exchange, ExchangeResult, HelloAnswer,
    HelloConnection, HttpAnswer, JsonShape, KeyPossession, Negotiated, OBSERVATION_VERSION,
    Observation, PlainConnection, ServerHelloFlight, TlsVersion, VersionBody,
};
use crate::report::v1;
use crate::rules::Judgement;
use crate::rules::RuleText;

pub fn build(
    endpoint: Endpoint,
    connections: Vec<Connection>,
    assessment: Assessment,
    judgement: Judgement,
    grade: Option<v1::Grade>,
) -> v1::Endpoint {
    let observation = Observation {
        version: OBSERVATION_VERSION,
        endpoint,
        observed_at: time("2026-01-02T03:04:06Z"),
        connections,
        certificates: vec![Der(vec![0x30, 0x03, 0x02, 0x01, 0x01])],
        cut_short: None,
        audit: None,
        untrusted: None,
        cipher_suites: None,
    };
    v1::Endpoint::new(v1::Judged {
        observation,
        assessment: &assessment,
        judgement: &judgement,
        baseline: &baseline(),
        grade,
        judged_at: time("2026-01-02T03:04:07.123456Z"),
    })
}

pub fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint { address: address(host), port, names: Vec::new(), sni: None }
}

pub fn api(access: Access, docker: DockerApi, reason: &str) -> ApiAssessment {
    ApiAssessment {
        access,
        reason: reason.into(),
        docker,
        product: None,
        engine_id: None,
        intermediary: None,
        server: None,
        paths: Vec::new(),
        version: None,
        posture: None,
        containers: None,
    }
}

pub fn path(path: &str, status: u16) -> PathStatus {
    PathStatus { path: path.into(), status: Some(status), problem: None }
}

pub fn version_body() -> VersionBody {
    VersionBody {
        platform_name: Some("Docker Engine - Community".into()),
        version: Some("28.5.2".into()),
        api_version: Some("1.51".into()),
        os: Some("linux".into()),
        experimental: Some(false),
        components: vec![Component {
            name: "containerd".into(),
            version: "v1.7.29".into(),
            git_commit: None,
        }],
        ..VersionBody::default()
    }
}

pub fn plain(answers: &[(&str, u16)]) -> Connection {
    let exchanges = answers.iter().map(|(path, status)| Exchange {
        path: (*path).into(),
        result: ExchangeResult::Answered(Box::new(HttpAnswer {
            status: *status,
            headers: [("server", "Docker/28.5.2 (linux)".to_owned())].into_iter().collect(),
            body: Body {
                bytes: 900,
                json: JsonShape::Object,
                version: (*path == "/version").then(|| version_body().into()),
                ..Body::default()
            },
        })),
    });
    Connection::Plain(PlainConnection { connect_error: None, exchanges: exchanges.collect() })
}

pub fn hello() -> Connection {
    Connection::Hello(HelloConnection::new(
        vec![TlsVersion::Tls12],
        140,
        HelloAnswer::ServerHello(ServerHelloFlight {
            version: 0x0303,
            cipher_suite: 0xc02f,
            retry_request: false,
            downgrade_sentinel: false,
            chain: Some(vec![0]),
            certificate_request: None,
            complete: true,
            end: None,
        }),
    ))
}

pub fn negotiated(version: TlsVersion) -> Negotiated {
    Negotiated {
        version,
        cipher_suite: "TLS_AES_128_GCM_SHA256".into(),
        alpn: Some("http/1.1".into()),
        group: Some("X25519".into()),
    }
}

pub fn tls(accepted: &[TlsVersion], undetermined: &[TlsVersion]) -> TlsAssessment {
    let support = |version: TlsVersion| {
        if accepted.contains(&version) {
            (SupportStatus::Accepted, format!("ServerHello {:#06x}", version.wire()))
        } else if undetermined.contains(&version) {
            (SupportStatus::Undetermined, "connection reset after the hello".to_owned())
        } else {
            (SupportStatus::Refused, "alert 70 protocol_version".to_owned())
        }
    };
    TlsAssessment {
        versions: TlsVersion::ALL
            .into_iter()
            .map(|version| {
                let (status, reason) = support(version);
                (version, VersionSupport { status, reason })
            })
            .collect(),
        negotiated: None,
        key_possession: KeyPossession::Untested,
        client_auth: client_auth(Answer::No, Answer::No),
        ciphers: ciphers(),
        chains: Vec::new(),
        chains_missing: None,
    }
}

pub fn ciphers() -> CipherAssessment {
    let refused = ClassSupport {
        status: SupportStatus::Refused,
        reason: "TLSv1.2: 21 suites offered, alert 40 handshake_failure".into(),
        accepted: Vec::new(),
    };
    CipherAssessment {
        classes: CipherClass::ALL.map(|class| (class, refused.clone())).into_iter().collect(),
        forward_secrecy: VersionSupport {
            status: SupportStatus::Accepted,
            reason: "TLSv1.2 accepts TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".into(),
        },
        suites: None,
    }
}

pub fn client_auth(requested: Answer, required: Answer) -> ClientAuth {
    ClientAuth {
        requested,
        required,
        enforced_by: None,
        verified: Verified::Untested,
        verified_reason: "no untrusted certificate was tried".into(),
        reason: "one handshake and five requests".into(),
        acceptable_issuers: Vec::new(),
        acceptable_issuers_total: 0,
    }
}

pub fn parsed(subject: &str, issuer: &str) -> Certificate {
    let self_issued = subject == issuer;
    Certificate::Parsed(Box::new(CertificateFacts {
        version: 3,
        subject: subject.into(),
        issuer: issuer.into(),
        subject_der: Vec::new(),
        issuer_der: Vec::new(),
        serial: "0a1b".into(),
        not_before: time("2025-01-01T00:00:00Z"),
        not_after: time("2027-01-01T00:00:00Z"),
        self_issued,
        self_signature: if self_issued {
            SelfSignature::Unverifiable("no verifier for MD5".into())
        } else {
            SelfSignature::NotSelfIssued
        },
        signature_algorithm: SignatureAlgorithm {
            name: "sha256WithRSAEncryption".into(),
            hash: Some(HashAlgorithm::Sha256),
        },
        key: KeyFacts {
            algorithm: KeyAlgorithm::Rsa,
            bits: Some(2048),
            curve: None,
            exponent: Some("65537".into()),
            public_value: None,
            spki_sha256: "55".repeat(32),
        },
        san: SubjectAltNames {
            present: true,
            dns: vec!["build.example".into()],
            ip: vec![address("10.0.0.6")],
            more: 0,
        },
        is_ca: self_issued,
        extended_key_usage: (!self_issued).then(|| vec!["serverAuth".into()]),
        sha256: "66".repeat(32),
    }))
}

pub fn finding(
    rule: &'static str,
    severity: Severity,
    title: &'static str,
    evidence: &str,
) -> Finding {
    Finding {
        id: "0123456789abcdef".into(),
        rule,
        severity,
        subject: None,
        title,
        evidence: evidence.into(),
        remediation: "Listen on the local socket only and let people in over SSH:\n    \
                      dockerd -H unix:///var/run/docker.sock"
            .into(),
        references: &["https://docs.docker.com/engine/security/protect-access/"],
        cwe: RuleText::of(rule).and_then(|rule| rule.cwe),
    }
}

pub fn baseline() -> Baseline {
    let check = |status, reason: &str| Check { status, reason: reason.into() };
    Baseline {
        socket_not_exposed: check(CheckStatus::Fail, "the API answers strangers"),
        tls: check(CheckStatus::Pass, "TLS 1.2 and 1.3 only"),
        rootless: check(CheckStatus::Unknown, "/info was not served"),
        up_to_date: check(CheckStatus::Unknown, "no version is known"),
        icc_disabled: check(CheckStatus::NotApplicable, "Podman has no such setting"),
        userns_remap: check(CheckStatus::Unknown, "/info was not served"),
    }
}

pub fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}
