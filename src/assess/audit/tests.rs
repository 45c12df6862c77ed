use super::*;
use crate::assess::{Access, Assessment, assess as assess_all};
use crate::observation::posture::InfoBody;
use crate::observation::{
    Body, Connection, Exchange, HttpAnswer, JsonShape, KeyPossession, Negotiated, Observation,
    PlainConnection, VersionBody,
};

fn tls(version: TlsVersion, end: Option<StreamEnd>, exchanges: Vec<Exchange>) -> TlsConnection {
    TlsConnection {
        offered: vec![TlsVersion::Tls13, TlsVersion::Tls12],
        negotiated: Some(Negotiated {
            version,
            cipher_suite: "TLS13_AES_128_GCM_SHA256".into(),
            alpn: None,
            group: None,
        }),
        chain: None,
        key_possession: KeyPossession::Proved,
        certificate_request: None,
        handshake_end: end,
        exchanges,
    }
}

fn answered(path: &str, status: u16, body: Body) -> Exchange {
    let headers = [("server", "Docker/28.5.2 (linux)".to_owned())].into_iter().collect();
    let answer = HttpAnswer { status, headers, body };
    Exchange { path: path.into(), result: ExchangeResult::Answered(Box::new(answer)) }
}

fn version() -> Exchange {
    let version = VersionBody {
        version: Some("28.5.2".into()),
        api_version: Some("1.51".into()),
        git_commit: Some("abc".into()),
        ..VersionBody::default()
    };
    let body = Body { json: JsonShape::Object, version: Some(version.into()), ..Body::default() };
    answered("/version", 200, body)
}

fn info(name: &str) -> Exchange {
    let info = InfoBody { operating_system: Some(name.into()), ..InfoBody::default() };
    let body = Body {
        json: JsonShape::Object,
        engine_id: Some(format!("ID of {name}")),
        info: Some(Box::new(info)),
        ..Body::default()
    };
    answered("/info", 200, body)
}

fn unanswered(end: StreamEnd) -> Exchange {
    Exchange { path: "/version".into(), result: ExchangeResult::Unanswered(end) }
}

fn shown(connection: TlsConnection) -> AuditObservation {
    AuditObservation { not_presented: None, connections: vec![connection] }
}

fn status(connection: TlsConnection) -> AuditStatus {
    assess(&shown(connection)).status
}

#[test]
fn what_withheld_the_certificate_is_the_reason() {
    let seen = AuditObservation { not_presented: Some("plain HTTP".into()), connections: vec![] };
    let audit = assess(&seen);
    assert_eq!((audit.status, audit.reason.as_str()), (AuditStatus::NotPresented, "plain HTTP"));
    assert!(audit.version.is_none() && audit.paths.is_empty());
}

#[test]
fn refusals_are_told_from_accidents() {
    use AuditStatus::{Refused, Undetermined};
    use TlsVersion::{Tls12, Tls13};
    let alert = || StreamEnd::Alert { level: 2, description: 42 };
    let silence = || StreamEnd::TimedOut { waited_ms: 3000 };
    let empty = Body::default;
    for (expected, connection) in [
        (Refused, tls(Tls12, Some(alert()), vec![])),
        (Undetermined, tls(Tls12, Some(silence()), vec![])),
        (Refused, tls(Tls13, None, vec![unanswered(alert())])),
        (Refused, tls(Tls13, None, vec![unanswered(StreamEnd::Reset)])),
        (Undetermined, tls(Tls12, None, vec![unanswered(StreamEnd::Reset)])),
        (Refused, tls(Tls12, None, vec![unanswered(alert())])),
        (Undetermined, tls(Tls13, None, vec![unanswered(silence())])),
        (Refused, tls(Tls13, None, vec![answered("/version", 403, empty())])),
        (Undetermined, tls(Tls13, None, vec![answered("/version", 502, empty())])),
        (Undetermined, tls(Tls13, None, vec![answered("/version", 200, empty())])),
        (Undetermined, tls(Tls13, None, vec![])),
    ] {
        assert_eq!(status(connection.clone()), expected, "{connection:?}");
    }
}

#[test]
fn served_names_what_was_missing() {
    let audit = assess(&shown(tls(TlsVersion::Tls13, None, vec![version(), info("inner")])));
    assert_eq!(audit.status, AuditStatus::Served);
    assert!(audit.reason.contains("GET /networks: not asked"), "{}", audit.reason);
    assert_eq!(audit.engine_id.as_deref(), Some("ID of inner"));
    assert_eq!(audit.posture.unwrap().operating_system.as_deref(), Some("inner"));
}

/// A stranger's observation with an audit beside it.
fn both(open: Vec<Exchange>, audit: Option<AuditObservation>) -> Observation {
    Observation {
        version: crate::observation::OBSERVATION_VERSION,
        endpoint: crate::observation::Endpoint {
            address: [127, 0, 0, 1].into(),
            port: 2376,
            names: vec![],
            sni: None,
        },
        observed_at: jiff::Timestamp::UNIX_EPOCH,
        connections: vec![Connection::Plain(PlainConnection {
            connect_error: None,
            exchanges: open,
        })],
        certificates: vec![],
        cut_short: None,
        cipher_suites: None,
        audit,
        untrusted: None,
    }
}

#[test]
fn the_engine_is_judged_by_who_saw_most_and_access_by_the_stranger() {
    let served = || shown(tls(TlsVersion::Tls13, None, vec![version(), info("inner")]));
    let refused =
        || shown(tls(TlsVersion::Tls13, None, vec![answered("/version", 403, Body::default())]));

    let assessment = assess_all(&both(vec![version(), info("open")], Some(served())));
    assert_eq!(system(&assessment), Some("inner"));
    assert_eq!(assessment.api.engine_id.as_deref(), Some("ID of open"));
    assert_eq!(assessment.connections, 2);

    let assessment = assess_all(&both(vec![version(), info("open")], Some(refused())));
    assert_eq!(system(&assessment), Some("open"));

    let closed = vec![answered("/version", 403, Body::default())];
    let assessment = assess_all(&both(closed.clone(), Some(served())));
    assert_eq!(assessment.api.access, Access::Denied, "whatever the certificate opens");
    assert_eq!(system(&assessment), Some("inner"));
    assert!(assessment.engine_version().is_some());
    assert_eq!(system(&assess_all(&both(closed, None))), None);
}

fn system(assessment: &Assessment) -> Option<&str> {
    assessment.posture()?.operating_system.as_deref()
}
