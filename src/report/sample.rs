//! A fleet with something of everything, for the tests of the formats.

use super::v1;
use crate::assess::{
    Access, Answer, ApiAssessment, Assessment, Audit, AuditStatus, Chain, ClientAuth, DockerApi,
    EnforcedBy, PathStatus, Product, TlsAssessment, Transport, Verified,
};
use crate::certificate::Certificate;
use crate::finding::{Finding, Severity};
use crate::observation::{
    CertificateRequest, Connection, Der, Exchange, ExchangeResult, KeyPossession, PlainConnection,
    StreamEnd, TlsConnection, TlsVersion,
};
use crate::rules::Judgement;

mod parts;

use parts::*;

/// Moves the cursor, clears the screen, rings, writes backwards, hides, and starts a line.
pub const HOSTILE: &str =
    "CN=evil\x1b[2J\x1b]0;owned\x07\u{202e}txt\u{200b}\r\ncritical: 0\u{9b}1A,O=\u{e0041}東京";

pub fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/report"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

pub fn report() -> v1::Report {
    let endpoints = vec![
        not_docker(),
        undetermined(),
        open_v6(),
        mutual_tls(),
        http_enforced(),
        open_plain(),
        old_tls(),
        open_tls(),
    ];
    v1::Report::new(tool(), scan(), vec![reused_key()], endpoints)
}

/// Complete, and nobody there.
pub fn empty_report() -> v1::Report {
    let scan = v1::Scan {
        counts: v1::Counts { sent: 1024, silent: 512, ..v1::Counts::default() },
        complete: true,
        incomplete_reason: None,
        unresolved: Vec::new(),
        notes: Vec::new(),
        absent: Vec::new(),
        ..scan()
    };
    v1::Report::new(tool(), scan, Vec::new(), Vec::new())
}

fn tool() -> v1::Tool {
    v1::Tool {
        name: "docksweep".into(),
        version: "1.2.3".into(),
        rules_version: "1".into(),
        data_date: None,
    }
}

fn scan() -> v1::Scan {
    v1::Scan {
        id: "5f2b8e0c".into(),
        started_at: time("2026-01-02T03:04:05Z"),
        finished_at: time("2026-01-02T03:05:17.5Z"),
        command: "docksweep scan 10.0.0.0/24 2001:db8::/120".into(),
        vantage: v1::Vantage {
            label: Some("office".into()),
            source_addresses: vec![address("10.0.0.200")],
        },
        targets: vec!["10.0.0.0/24".into(), "2001:db8::/120".into()],
        targets_digest: Some("1f".repeat(32)),
        absent: vec![v1::Absent {
            id: "tcp/10.0.0.40:2375".into(),
            state: v1::AbsentState::Closed,
            reason: "Connection refused".into(),
        }],
        excluded: vec!["10.0.0.1".into()],
        ports: vec![2375, 2376],
        engine: v1::Engine::Connect,
        seed: Some(9_007_199_254_740_991),
        shard: None,
        addresses: 511,
        counts: v1::Counts {
            sent: 1213,
            answered: Some(610),
            open: 8,
            closed: 600,
            unreachable: 2,
            silent: 400,
            not_probed: 12,
            duplicates: Some(3),
        },
        complete: false,
        incomplete_reason: Some("interrupted by a signal".into()),
        unresolved: vec![v1::Unresolved {
            name: "gone.example".into(),
            reason: "no such name".into(),
        }],
        notes: vec!["10.0.1.0/24: 250 ports accept connections and say nothing".into()],
    }
}

fn reused_key() -> v1::FleetFinding {
    v1::FleetFinding {
        finding: (&finding(
            "fleet-key-reused",
            Severity::High,
            "One private key guards several endpoints",
            "Three endpoints show certificates with the key sha256:5555.",
        ))
            .into(),
        endpoints: vec!["tcp/10.0.0.6:2376".into(), "tcp/10.0.0.11:2376".into()],
    }
}

fn open_plain() -> v1::Endpoint {
    let mut endpoint = endpoint("10.0.0.5", 2375);
    endpoint.names = vec!["build.example".into()];
    let connections = vec![plain(&[("/version", 200), ("/info", 200)])];
    build(endpoint, connections, open_assessment(), open_judgement(), Some(v1::Grade::F))
}

/// The same findings with the same evidence as its neighbour on IPv4.
fn open_v6() -> v1::Endpoint {
    let connections = vec![plain(&[("/version", 200)])];
    let endpoint = endpoint("2001:db8::5", 2375);
    build(endpoint, connections, open_assessment(), open_judgement(), Some(v1::Grade::F))
}

fn open_assessment() -> Assessment {
    Assessment {
        transport: Transport::Plain,
        api: ApiAssessment {
            product: Some(Product::DockerEngine),
            engine_id: Some("5b1f".into()),
            server: Some("Docker/28.5.2 (linux)".into()),
            paths: vec![path("/version", 200), path("/info", 200)],
            version: Some(version_body().into()),
            ..api(Access::Open, DockerApi::Seen, "all four read-only paths answered 200")
        },
        tls: None,
        audit: None,
        connections: 2,
    }
}

fn open_judgement() -> Judgement {
    Judgement {
        findings: vec![
            finding(
                "api-unauthenticated-plaintext",
                Severity::Critical,
                "Docker API open to anyone over plain HTTP",
                "GET /version, /info, /networks and /containers/json?limit=1 each answered 200 \
                 without any credentials. Writing was not tried; nothing in Docker forbids it to \
                 those who may read.",
            ),
            finding(
                "engine-rootful",
                Severity::Low,
                "The engine runs as root",
                "/info lists no rootless in SecurityOptions.",
            ),
        ],
        passed: vec!["engine-end-of-life"],
        undetermined: vec![("engine-icc-on", "/networks was cut off at 65536 bytes".into())],
    }
}

fn mutual_tls() -> v1::Endpoint {
    let request = CertificateRequest { issuers: vec![Der(vec![0xde, 0xad])], issuers_total: 1 };
    let connection = Connection::Tls(TlsConnection {
        offered: vec![TlsVersion::Tls12, TlsVersion::Tls13],
        negotiated: Some(negotiated(TlsVersion::Tls13)),
        chain: Some(vec![0, 1]),
        key_possession: KeyPossession::Proved,
        certificate_request: Some(request),
        handshake_end: Some(StreamEnd::Alert { level: 2, description: 116 }),
        exchanges: vec![Exchange {
            path: "/_ping".into(),
            result: ExchangeResult::Unanswered(StreamEnd::Reset),
        }],
    });
    let assessment = Assessment {
        transport: Transport::Tls,
        api: api(
            Access::ClientCertificateRequired,
            DockerApi::Probable("a client certificate is demanded on 2376".into()),
            "refused after a CertificateRequest (alert 116)",
        ),
        tls: Some(TlsAssessment {
            negotiated: Some(negotiated(TlsVersion::Tls13)),
            key_possession: KeyPossession::Proved,
            client_auth: ClientAuth {
                enforced_by: Some(EnforcedBy::Tls),
                acceptable_issuers: vec![vec![0xde, 0xad]],
                acceptable_issuers_total: 1,
                ..client_auth(Answer::Yes, Answer::Yes)
            },
            chains: vec![Chain {
                seen_in: vec![TlsVersion::Tls12, TlsVersion::Tls13],
                certificates: vec![
                    parsed("CN=build.example", "CN=Example CA"),
                    parsed("CN=Example CA", "CN=Example CA"),
                ],
            }],
            ..tls(&[TlsVersion::Tls12, TlsVersion::Tls13], &[])
        }),
        audit: Some(Audit {
            status: AuditStatus::Served,
            reason: "the four read-only paths all answered 200 to the certificate".into(),
            version: Some(version_body().into()),
            engine_id: Some("7c2e".into()),
            paths: vec![path("/version", 200), path("/info", 200)],
            product: None,
            posture: None,
            containers: None,
        }),
        connections: 3,
    };
    let judgement = Judgement {
        findings: vec![finding(
            "api-exposed",
            Severity::Info,
            "A Docker API is reachable over the network",
            "Port 2376 demands a client certificate, which is what a Docker API does there.",
        )],
        passed: vec!["tls-version-1.0", "tls-version-1.1", "cert-expired"],
        undetermined: Vec::new(),
    };
    build(endpoint("10.0.0.6", 2376), vec![connection], assessment, judgement, Some(v1::Grade::A))
}

fn open_tls() -> v1::Endpoint {
    let assessment = Assessment {
        transport: Transport::Tls,
        api: ApiAssessment {
            product: Some(Product::Podman),
            server: Some("Libpod/5.4.0 (linux)\x1b[31m".into()),
            ..api(Access::Open, DockerApi::Seen, "all four read-only paths answered 200")
        },
        tls: Some(TlsAssessment {
            negotiated: Some(negotiated(TlsVersion::Tls12)),
            key_possession: KeyPossession::Failed,
            client_auth: ClientAuth {
                verified: Verified::No,
                ..client_auth(Answer::Yes, Answer::No)
            },
            chains: vec![Chain {
                seen_in: vec![TlsVersion::Tls12],
                certificates: vec![parsed(HOSTILE, HOSTILE)],
            }],
            ..tls(&[TlsVersion::Tls12], &[TlsVersion::Tls13])
        }),
        audit: None,
        connections: 5,
    };
    let self_signed = Finding {
        subject: Some(HOSTILE.into()),
        ..finding(
            "cert-self-signed",
            Severity::Medium,
            "The server's certificate is its own issuer",
            "Subject and issuer of the leaf are the same.",
        )
    };
    let judgement = Judgement {
        findings: vec![
            finding(
                "api-unauthenticated-tls",
                Severity::Critical,
                "Docker API open to anyone over TLS",
                &format!("The server shows {HOSTILE} and asks nothing of us."),
            ),
            self_signed,
        ],
        passed: Vec::new(),
        undetermined: vec![
            ("tls-no-version-1.3", "the 1.3 hello was reset".into()),
            ("cert-expired", "the 1.3 hello was reset".into()),
        ],
    };
    let mut endpoint = endpoint("10.0.0.7", 2376);
    endpoint.names = vec!["a.example".into(), "b.example".into()];
    endpoint.sni = Some("a.example".into());
    build(endpoint, vec![hello()], assessment, judgement, Some(v1::Grade::F))
}

/// `openssl s_server`, which speaks anything and is no Docker.
fn old_tls() -> v1::Endpoint {
    let assessment = Assessment {
        transport: Transport::Tls,
        api: api(Access::NotDocker, DockerApi::NotSeen, "GET /version answered 200 text/html"),
        tls: Some(TlsAssessment {
            negotiated: Some(negotiated(TlsVersion::Tls12)),
            key_possession: KeyPossession::Unverifiable("RSA-1024".into()),
            chains: vec![Chain {
                seen_in: TlsVersion::ALL.to_vec(),
                certificates: vec![Certificate::Unparsable {
                    sha256: "77".repeat(32),
                    because: "trailing bytes after the certificate".into(),
                }],
            }],
            ..tls(&[TlsVersion::Tls10, TlsVersion::Tls11, TlsVersion::Tls12], &[])
        }),
        audit: None,
        connections: 6,
    };
    let judgement = Judgement {
        findings: vec![
            finding(
                "tls-version-1.0",
                Severity::Medium,
                "TLS 1.0 is accepted",
                "A ServerHello of version 0x0301 answered a hello that offered only that.",
            ),
            Finding {
                remediation: "Set MinProtocol = TLSv1.2 in openssl.cnf.".into(),
                ..finding(
                    "tls-version-1.1",
                    Severity::Medium,
                    "TLS 1.1 is accepted",
                    "A ServerHello of version 0x0302 answered a hello that offered only that.",
                )
            },
        ],
        passed: Vec::new(),
        undetermined: Vec::new(),
    };
    build(endpoint("10.0.0.8", 2376), vec![hello()], assessment, judgement, Some(v1::Grade::C))
}

fn not_docker() -> v1::Endpoint {
    let connection = Connection::Plain(PlainConnection {
        connect_error: None,
        exchanges: vec![Exchange {
            path: "/version".into(),
            result: ExchangeResult::Unanswered(StreamEnd::OtherProtocol {
                first_bytes: Der(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
            }),
        }],
    });
    let assessment = Assessment {
        transport: Transport::Plain,
        api: api(Access::NotDocker, DockerApi::NotSeen, "an SSH server answered"),
        tls: None,
        audit: None,
        connections: 2,
    };
    let judgement =
        Judgement { findings: Vec::new(), passed: Vec::new(), undetermined: Vec::new() };
    build(endpoint("10.0.0.9", 2375), vec![connection], assessment, judgement, Some(v1::Grade::A))
}

fn undetermined() -> v1::Endpoint {
    let connection = Connection::Plain(PlainConnection {
        connect_error: None,
        exchanges: vec![Exchange {
            path: "/_ping".into(),
            result: ExchangeResult::Unanswered(StreamEnd::TimedOut { waited_ms: 5000 }),
        }],
    });
    let assessment = Assessment {
        transport: Transport::Undetermined,
        api: api(Access::Undetermined, DockerApi::NotSeen, "no answer within 5 s"),
        tls: None,
        audit: None,
        connections: 2,
    };
    let judgement =
        Judgement { findings: Vec::new(), passed: Vec::new(), undetermined: Vec::new() };
    build(endpoint("10.0.0.10", 2375), vec![connection], assessment, judgement, None)
}

/// nginx before a Docker engine: TLS completes, and HTTP asks for the certificate.
fn http_enforced() -> v1::Endpoint {
    let assessment = Assessment {
        transport: Transport::Tls,
        api: ApiAssessment {
            server: Some("nginx/1.26.3".into()),
            intermediary: Some("nginx".into()),
            paths: vec![PathStatus {
                path: "/version".into(),
                status: Some(400),
                problem: Some("400 after a CertificateRequest".into()),
            }],
            ..api(
                Access::ClientCertificateRequired,
                DockerApi::Probable("a client certificate is demanded on 2376".into()),
                "HTTP 400 after a CertificateRequest",
            )
        },
        tls: Some(TlsAssessment {
            client_auth: ClientAuth {
                enforced_by: Some(EnforcedBy::Http),
                ..client_auth(Answer::Yes, Answer::Yes)
            },
            chains_missing: Some("the server speaks only 1.3, with a group that we lack".into()),
            ..tls(&[TlsVersion::Tls13], &[])
        }),
        audit: Some(Audit {
            status: AuditStatus::NotPresented,
            reason: format!("the chain does not verify to --tlscacert: not for {HOSTILE}"),
            version: None,
            engine_id: None,
            paths: Vec::new(),
            product: None,
            posture: None,
            containers: None,
        }),
        connections: 4,
    };
    let judgement = Judgement {
        findings: vec![finding(
            "api-exposed",
            Severity::Low,
            "A Docker API is reachable over the network",
            "Port 2376 demands a client certificate, which is what a Docker API does there.",
        )],
        passed: Vec::new(),
        undetermined: vec![("cert-expired", "no certificate was seen".into())],
    };
    let connections = vec![plain(&[("/version", 400)])];
    build(endpoint("10.0.0.11", 2376), connections, assessment, judgement, Some(v1::Grade::B))
}
