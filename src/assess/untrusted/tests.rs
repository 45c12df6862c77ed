use super::*;
use crate::assess::assess;
use crate::observation::{
    Body, CertificateRequest, Connection, Endpoint, Exchange, JsonShape, KeyPossession, Negotiated,
    OBSERVATION_VERSION, VersionBody,
};

const ALERT: StreamEnd = StreamEnd::Alert { level: 2, description: 48 };

fn tls(
    version: TlsVersion,
    handshake_end: Option<StreamEnd>,
    result: Option<ExchangeResult>,
) -> TlsConnection {
    let negotiated = Negotiated {
        version,
        cipher_suite: "TLS_AES_128_GCM_SHA256".into(),
        alpn: None,
        group: None,
    };
    let exchange = |result| Exchange { path: "/version".into(), result };
    TlsConnection {
        offered: vec![TlsVersion::Tls13, TlsVersion::Tls12],
        negotiated: Some(negotiated),
        chain: None,
        key_possession: KeyPossession::Untested,
        certificate_request: Some(CertificateRequest::from_names([])),
        handshake_end,
        exchanges: result.map(exchange).into_iter().collect(),
    }
}

fn answer(status: u16, text: &str) -> ExchangeResult {
    let body = Body { excerpt: Some(text.into()), ..Body::default() };
    answered(status, body)
}

fn answered(status: u16, body: Body) -> ExchangeResult {
    let headers = std::iter::empty::<(&str, String)>().collect();
    ExchangeResult::Answered(Box::new(HttpAnswer { status, headers, body }))
}

fn engine() -> ExchangeResult {
    let version = VersionBody {
        version: Some("28.5.2".into()),
        api_version: Some("1.51".into()),
        go_version: Some("go1.24".into()),
        ..VersionBody::default()
    };
    let json = JsonShape::Object;
    answered(200, Body { json, version: Some(version.into()), ..Body::default() })
}

/// What a stranger met, and what the certificate did.
fn verdict(stranger: TlsConnection, untrusted: UntrustedObservation) -> (Verified, String) {
    let observation = Observation {
        version: OBSERVATION_VERSION,
        endpoint: Endpoint { address: [127, 0, 0, 1].into(), port: 2376, names: vec![], sni: None },
        observed_at: jiff::Timestamp::UNIX_EPOCH,
        connections: vec![Connection::Tls(stranger)],
        certificates: vec![],
        cut_short: None,
        audit: None,
        untrusted: Some(untrusted),
        cipher_suites: None,
    };
    let assessment = assess(&observation);
    let auth = assessment.tls.unwrap().client_auth;
    (auth.verified, auth.verified_reason)
}

fn shown(connection: TlsConnection) -> UntrustedObservation {
    UntrustedObservation { not_presented: None, connection: Some(Box::new(connection)) }
}

fn refused_in_tls() -> TlsConnection {
    tls(TlsVersion::Tls13, None, Some(ExchangeResult::Unanswered(ALERT)))
}

fn refused_by_http() -> TlsConnection {
    tls(TlsVersion::Tls13, None, Some(answer(403, "Forbidden")))
}

#[track_caller]
fn expect(stranger: TlsConnection, trial: TlsConnection, wanted: Verified, text: &str) {
    let (verified, reason) = verdict(stranger, shown(trial));
    assert_eq!(verified, wanted, "{reason}");
    assert!(reason.contains(text), "{reason}");
}

#[test]
fn a_refusal_verifies() {
    let after = |version, end| tls(version, None, Some(ExchangeResult::Unanswered(end)));
    let handshake = tls(TlsVersion::Tls12, Some(ALERT), None);
    expect(refused_in_tls(), handshake, Verified::Yes, "in the handshake: alert 48");
    let reset = tls(TlsVersion::Tls13, Some(StreamEnd::Reset), None);
    expect(refused_in_tls(), reset, Verified::Yes, "in the handshake");
    for end in [43, 80].map(|description| StreamEnd::Alert { level: 2, description }) {
        let text = "may be for its kind and not for its issuer";
        let handshake = tls(TlsVersion::Tls12, Some(end.clone()), None);
        expect(refused_in_tls(), handshake, Verified::Undetermined, text);
        expect(refused_in_tls(), after(TlsVersion::Tls13, end), Verified::Undetermined, text);
    }
    let first_read = after(TlsVersion::Tls13, ALERT);
    expect(refused_in_tls(), first_read, Verified::Yes, "first read after it: alert 48");
    let closed = after(TlsVersion::Tls13, StreamEnd::Closed { received: 0 });
    expect(refused_in_tls(), closed, Verified::Yes, "first read");
    let closed = after(TlsVersion::Tls12, StreamEnd::Closed { received: 0 });
    expect(refused_in_tls(), closed, Verified::Undetermined, "TLS completed");
    let silent = after(TlsVersion::Tls13, StreamEnd::TimedOut { waited_ms: 3000 });
    expect(refused_in_tls(), silent, Verified::Undetermined, "and then");
    let silent = tls(TlsVersion::Tls13, Some(StreamEnd::TimedOut { waited_ms: 3000 }), None);
    expect(refused_in_tls(), silent, Verified::Undetermined, "did not end");
}

#[test]
fn an_http_refusal_verifies_where_it_is_about_the_certificate() {
    let trial = |status, text| tls(TlsVersion::Tls13, None, Some(answer(status, text)));
    let nginx = "<title>400 The SSL certificate error</title>";
    expect(refused_in_tls(), trial(400, nginx), Verified::Yes, "answered 400");
    expect(refused_in_tls(), trial(495, ""), Verified::Yes, "answered 495");
    expect(refused_by_http(), trial(403, "Forbidden"), Verified::Yes, "answered 403");
    let text = "does not tell whether the certificate";
    expect(refused_in_tls(), trial(403, "Forbidden"), Verified::Undetermined, text);
    expect(refused_by_http(), trial(401, "Who?"), Verified::Undetermined, text);
    expect(refused_in_tls(), trial(502, "Bad Gateway"), Verified::Undetermined, "neither");
    expect(refused_in_tls(), trial(404, "Not Found"), Verified::Undetermined, "neither");
}

#[test]
fn only_what_strangers_do_not_get_shows_that_it_was_let_in() {
    let trial = |result| tls(TlsVersion::Tls13, None, Some(result));
    let text = "by an engine of version 28.5.2, and without any certificate";
    expect(refused_in_tls(), trial(engine()), Verified::No, text);
    expect(refused_by_http(), trial(engine()), Verified::No, text);
    expect(refused_in_tls(), trial(answer(200, "<html>")), Verified::No, "answered 200, and");
    let denied = answered(
        403,
        Body {
            json: JsonShape::Object,
            excerpt: Some(r#"{"message":"authorization denied by plugin x: no"}"#.into()),
            ..Body::default()
        },
    );
    expect(refused_in_tls(), trial(denied), Verified::No, "answered 403 in Docker's words");
    // A stranger who met a 404 may have been served for all one knows.
    let stranger = trial(answer(404, "Not Found"));
    expect(stranger, trial(engine()), Verified::Undetermined, "was not learnt");
}

#[test]
fn where_there_is_nothing_to_try_it_is_untested() {
    let open = tls(TlsVersion::Tls13, None, Some(engine()));
    let trial = tls(TlsVersion::Tls13, None, Some(engine()));
    expect(open.clone(), trial, Verified::Untested, "strangers are served without");
    let unasked = TlsConnection { certificate_request: None, ..open };
    let withheld =
        |why: &str| UntrustedObservation { not_presented: Some(why.into()), connection: None };
    let (verified, reason) = verdict(unasked, withheld("the server asks for none"));
    assert_eq!(verified, Verified::Untested, "{reason}");
    let (verified, reason) = verdict(refused_in_tls(), withheld("RSA_PKCS1_SHA256 only"));
    assert_eq!(verified, Verified::Undetermined);
    assert!(reason.ends_with("could be tried: RSA_PKCS1_SHA256 only"), "{reason}");
}
