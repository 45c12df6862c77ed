use jiff::Timestamp;

use super::*;
use crate::observation::{
    Body, CertificateRequest, Component, Endpoint, KeyPossession, Negotiated, PlainConnection,
    TlsConnection, TlsVersion,
};

fn answered(path: &str, status: u16, server: Option<&str>, body: Body) -> Exchange {
    let headers = server.map(|server| ("server", server.to_owned())).into_iter().collect();
    let answer = HttpAnswer { status, headers, body };
    Exchange { path: path.to_owned(), result: ExchangeResult::Answered(Box::new(answer)) }
}

fn page(text: &str) -> Body {
    Body { bytes: text.len() as u64, excerpt: Some(text.to_owned()), ..Body::default() }
}

fn object(text: &str) -> Body {
    Body { json: JsonShape::Object, ..page(text) }
}

fn version(version: VersionBody) -> Body {
    Body { json: JsonShape::Object, version: Some(version.into()), ..Body::default() }
}

fn engine() -> VersionBody {
    VersionBody {
        version: Some("28.5.2".into()),
        api_version: Some("1.51".into()),
        git_commit: Some("3ef3c07".into()),
        components: vec![Component { name: "Engine".into(), ..Component::default() }],
        ..VersionBody::default()
    }
}

fn observation(connection: Connection) -> Observation {
    Observation {
        version: 1,
        endpoint: Endpoint {
            address: [127, 0, 0, 1].into(),
            port: 2375,
            names: Vec::new(),
            sni: None,
        },
        observed_at: Timestamp::UNIX_EPOCH,
        connections: vec![connection],
        certificates: Vec::new(),
        cut_short: None,
        audit: None,
        untrusted: None,
        cipher_suites: None,
    }
}

fn plain(exchanges: Vec<Exchange>) -> ApiAssessment {
    let connection = Connection::Plain(PlainConnection { connect_error: None, exchanges });
    crate::assess::assess(&observation(connection)).api
}

fn tls(
    request: bool,
    handshake_end: Option<StreamEnd>,
    exchanges: Vec<Exchange>,
) -> crate::assess::Assessment {
    let connection = Connection::Tls(TlsConnection {
        offered: vec![TlsVersion::Tls13, TlsVersion::Tls12],
        negotiated: Some(Negotiated {
            version: TlsVersion::Tls13,
            cipher_suite: "TLS_AES_128_GCM_SHA256".into(),
            alpn: None,
            group: None,
        }),
        chain: None,
        key_possession: KeyPossession::Untested,
        certificate_request: request.then(|| CertificateRequest::from_names([])),
        handshake_end,
        exchanges,
    });
    crate::assess::assess(&observation(connection))
}

#[test]
fn json_that_says_version_is_no_docker() {
    for body in [
        VersionBody { version: Some("1.2.3".into()), ..VersionBody::default() },
        VersionBody { api_version: Some("v1".into()), ..engine() },
        VersionBody { version: Some(" ".into()), ..engine() },
    ] {
        let api = plain(vec![answered("/version", 200, None, version(body))]);
        assert_eq!((api.access, api.product), (Access::NotDocker, None), "{}", api.reason);
        assert_eq!(api.docker, DockerApi::NotSeen);
    }
}

#[test]
fn an_api_without_an_engines_marks_is_of_unknown_product() {
    let body = VersionBody {
        version: Some("9".into()),
        api_version: Some("1.40".into()),
        min_api_version: Some("1.12".into()),
        ..VersionBody::default()
    };
    let api = plain(vec![answered("/version", 200, None, version(body))]);
    assert_eq!((api.access, api.product), (Access::Filtered, Some(Product::Unknown)));
}

#[test]
fn open_takes_all_four_paths_with_what_docker_sends_there() {
    let array = || Body { json: JsonShape::Array, ..Body::default() };
    let docker = Some("Docker/28.5.2 (linux)");
    let mut exchanges = vec![
        answered("/version", 200, docker, version(engine())),
        answered("/info", 200, docker, object("{}")),
        answered("/networks", 200, docker, array()),
        answered("/containers/json?limit=1", 200, docker, array()),
    ];
    assert_eq!(plain(exchanges.clone()).access, Access::Open);
    exchanges[3] = answered("/containers/json?limit=1", 200, docker, page("<html>log in</html>"));
    let api = plain(exchanges.clone());
    assert_eq!(api.access, Access::Filtered);
    assert!(api.reason.contains("not what Docker sends"), "{}", api.reason);
    exchanges.pop();
    let api = plain(exchanges);
    assert_eq!(api.access, Access::Filtered);
    assert!(api.reason.contains("not asked"), "{}", api.reason);
}

#[test]
fn a_proxy_that_renames_the_server_is_an_intermediary() {
    let api = plain(vec![answered("/version", 200, Some("nginx/1.22.1"), version(engine()))]);
    assert_eq!(api.product, Some(Product::DockerEngine));
    assert_eq!(api.intermediary.as_deref(), Some("proxy that calls itself nginx/1.22.1"));
}

#[test]
fn refusals_are_denied_and_named_only_where_docker_shows() {
    let api = plain(vec![answered("/version", 401, Some("nginx"), page("no"))]);
    assert_eq!((api.access, api.docker), (Access::Denied, DockerApi::NotSeen));
    let refusal = r#"{"message":"authorization denied by plugin opa: no"}"#;
    let api = plain(vec![
        answered("/version", 403, None, object(refusal)),
        answered("/_ping", 200, Some("Docker/20.10.24 (linux)"), page("OK")),
    ]);
    assert_eq!((api.access, api.docker), (Access::Denied, DockerApi::Seen));
    assert_eq!(api.intermediary.as_deref(), Some("authorization plugin opa"));
}

#[test]
fn other_statuses_are_no_docker_and_server_errors_undetermined() {
    for (status, access) in
        [(404, Access::NotDocker), (302, Access::NotDocker), (503, Access::Undetermined)]
    {
        let api = plain(vec![answered("/version", status, None, page("x"))]);
        assert_eq!(api.access, access, "{status}");
    }
}

#[test]
fn a_refusal_after_a_certificate_request_is_enforcement_whatever_its_form() {
    let ends = [
        StreamEnd::Alert { level: 2, description: 116 },
        StreamEnd::Alert { level: 2, description: 42 },
        StreamEnd::Reset,
        StreamEnd::Closed { received: 0 },
    ];
    for end in ends {
        let unanswered = || Exchange {
            path: "/version".to_owned(),
            result: ExchangeResult::Unanswered(end.clone()),
        };
        for assessment in
            [tls(true, Some(end.clone()), vec![]), tls(true, None, vec![unanswered()])]
        {
            assert_eq!(assessment.api.access, Access::ClientCertificateRequired, "{end:?}");
            assert!(matches!(assessment.api.docker, DockerApi::Probable(_)));
            let auth = assessment.tls.unwrap().client_auth;
            assert_eq!(auth.enforced_by, Some(EnforcedBy::Tls));
        }
        // The same without a CertificateRequest says nothing about certificates.
        let api = tls(false, None, vec![unanswered()]).api;
        assert_eq!(api.access, Access::Undetermined, "{end:?}");
    }
}

#[test]
fn enforcement_by_status_is_told_from_the_daemons_own_refusal() {
    let nginx = page("<html>400 No required SSL certificate was sent</html>");
    let assessment = tls(true, None, vec![answered("/version", 400, Some("nginx"), nginx)]);
    assert_eq!(assessment.api.access, Access::ClientCertificateRequired);
    assert_eq!(assessment.tls.unwrap().client_auth.enforced_by, Some(EnforcedBy::Http));

    let refusal = r#"{"message":"authorization denied by plugin opa: no"}"#;
    let assessment = tls(true, None, vec![answered("/version", 403, None, object(refusal))]);
    assert_eq!(assessment.api.access, Access::Denied);
    assert_eq!(assessment.tls.unwrap().client_auth.required, crate::assess::Answer::No);
}

#[test]
fn silence_after_a_certificate_request_is_undetermined() {
    let exchange = Exchange {
        path: "/version".to_owned(),
        result: ExchangeResult::Unanswered(StreamEnd::TimedOut { waited_ms: 3000 }),
    };
    let assessment = tls(true, None, vec![exchange]);
    assert_eq!(assessment.api.access, Access::Undetermined);
    assert_eq!(assessment.tls.unwrap().client_auth.required, crate::assess::Answer::Undetermined);
}
