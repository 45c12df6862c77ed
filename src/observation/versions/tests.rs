use super::*;
use crate::observation::{KeyPossession, Negotiated, ServerHelloFlight};

use TlsVersion::{Ssl3, Tls10, Tls11, Tls12, Tls13};

fn handshake(negotiated: Option<TlsVersion>, end: Option<StreamEnd>) -> Connection {
    Connection::Tls(TlsConnection {
        offered: vec![Tls13, Tls12],
        negotiated: negotiated.map(|version| Negotiated {
            version,
            cipher_suite: "TLS_AES_128_GCM_SHA256".into(),
            alpn: None,
            group: None,
        }),
        chain: None,
        key_possession: KeyPossession::Untested,
        certificate_request: None,
        handshake_end: end,
        exchanges: Vec::new(),
    })
}

fn hello(offered: &[TlsVersion], answer: HelloAnswer) -> Connection {
    Connection::Hello(HelloConnection::new(offered.to_vec(), 120, answer))
}

fn server_hello(version: u16, downgrade_sentinel: bool) -> HelloAnswer {
    HelloAnswer::ServerHello(ServerHelloFlight {
        version,
        cipher_suite: 0xc02f,
        retry_request: false,
        downgrade_sentinel,
        chain: None,
        certificate_request: None,
        complete: true,
        end: None,
    })
}

fn alert(description: u8) -> HelloAnswer {
    HelloAnswer::Alert { level: 2, description }
}

/// One letter a version, SSLv3 first: accepted, refused or open.
fn summary(connections: &[Connection]) -> String {
    settle(connections)
        .values()
        .map(|settled| match settled {
            Settled::Accepted(_) => 'a',
            Settled::Refused(_) => 'r',
            Settled::Open(_) => '?',
        })
        .collect()
}

#[test]
fn a_handshake_in_1_3_says_nothing_of_the_rest() {
    assert_eq!(summary(&[handshake(Some(Tls13), None)]), "????a");
}

#[test]
fn a_handshake_in_1_2_refuses_1_3() {
    assert_eq!(summary(&[handshake(Some(Tls12), None)]), "???ar");
}

#[test]
fn alert_70_to_all_old_versions_settles_them() {
    let mut connections =
        vec![handshake(Some(Tls13), None), hello(&[Tls11, Tls10, Ssl3], alert(70))];
    assert_eq!(summary(&connections), "rrr?a");
    connections.push(hello(&[Tls12], server_hello(0x0303, true)));
    assert_eq!(summary(&connections), "rrraa");
}

#[test]
fn another_alert_to_all_old_versions_settles_those_that_are_alike() {
    let connections = [handshake(Some(Tls13), None), hello(&[Tls11, Tls10, Ssl3], alert(80))];
    assert_eq!(summary(&connections), "?rr?a");
}

#[test]
fn alert_70_settles_what_was_offered_and_below_1_0_the_rest() {
    let mut connections = vec![handshake(Some(Tls12), None), hello(&[Tls11], alert(70))];
    // A server without 1.1 may have 1.0 all the same.
    assert_eq!(summary(&connections), "??rar");
    connections.push(hello(&[Tls10], alert(70)));
    assert_eq!(summary(&connections), "rrrar");
    let connections = [
        handshake(None, Some(StreamEnd::Alert { level: 2, description: 70 })),
        hello(&[Tls10], alert(70)),
    ];
    assert_eq!(summary(&connections), "?r??r", "no higher version was seen");
}

#[test]
fn an_alert_to_two_versions_for_another_reason_settles_neither() {
    let connections = [hello(&[Tls13, Tls12], alert(40))];
    assert_eq!(summary(&connections), "?????");
    let mut connections = vec![hello(&[Tls13, Tls12], alert(40)), hello(&[Tls12], alert(40))];
    assert_eq!(summary(&connections), "?????", "it may want other suites, or a name");
    connections.push(hello(&[Tls11], server_hello(0x0302, false)));
    assert_eq!(summary(&connections), "??ar?");
}

#[test]
fn a_refusal_of_what_lists_1_3_says_nothing_of_1_2() {
    let end = StreamEnd::Alert { level: 2, description: 70 };
    let mut connections = vec![handshake(None, Some(end))];
    assert_eq!(summary(&connections), "????r");
    connections.push(hello(&[Tls12], server_hello(0x0303, false)));
    assert_eq!(summary(&connections), "???ar");

    let dropped = HelloAnswer::NoAnswer { end: StreamEnd::Closed { received: 0 } };
    let mut connections =
        vec![hello(&[Tls13, Tls12], dropped), hello(&[Tls11], server_hello(0x0302, false))];
    assert_eq!(summary(&connections), "??a?r");
    connections.push(hello(&[Tls12], server_hello(0x0303, false)));
    assert_eq!(summary(&connections), "??aar");
}

#[test]
fn a_choice_above_the_offer_refuses_the_offer() {
    assert_eq!(summary(&[hello(&[Tls10], server_hello(0x0303, false))]), "?r?a?");
    // A list is offered as 1.2 to servers that do not read it.
    let listed = hello(&[Tls11, Tls10, Ssl3], server_hello(0x0303, false));
    assert_eq!(summary(&[listed]), "???a?");
}

#[test]
fn a_lower_choice_refuses_all_between() {
    assert_eq!(summary(&[hello(&[Tls12], server_hello(0x0301, false))]), "?arr?");
}

#[test]
fn the_sentinel_keeps_1_3_open() {
    let connections = [hello(&[Tls13, Tls12], server_hello(0x0303, true))];
    assert_eq!(summary(&connections), "???a?");
    let objection = StreamEnd::Incompatible { reason: "attempted downgrade".into() };
    assert_eq!(summary(&[handshake(Some(Tls12), Some(objection))]), "???a?");
    let refusal = StreamEnd::Alert { level: 2, description: 42 };
    assert_eq!(summary(&[handshake(Some(Tls12), Some(refusal))]), "???ar");
}

#[test]
fn a_dropped_hello_is_a_refusal_only_from_a_server_that_answers_afterwards() {
    let reset = || HelloAnswer::NoAnswer { end: StreamEnd::Reset };
    let closed = || HelloAnswer::NoAnswer { end: StreamEnd::Closed { received: 0 } };
    assert_eq!(summary(&[hello(&[Tls10], reset())]), "?????");
    // One that has had enough of us drops every version.
    for dropped in [reset(), closed(), alert(0)] {
        let mut connections = vec![handshake(Some(Tls12), None), hello(&[Tls10], dropped)];
        assert_eq!(summary(&connections), "???ar");
        connections.push(hello(&[Tls12], server_hello(0x0303, false)));
        assert_eq!(summary(&connections), "?r?ar");
    }
}

#[test]
fn what_drops_every_extension_may_have_more_than_ssl3() {
    let closed = || HelloAnswer::NoAnswer { end: StreamEnd::Closed { received: 0 } };
    let mut connections =
        vec![hello(&[Tls10], closed()), hello(&[Ssl3], server_hello(0x0300, false))];
    assert_eq!(summary(&connections), "a????");
    connections.push(hello(&[Tls11], alert(70)));
    assert_eq!(summary(&connections), "arr??");
}

#[test]
fn silence_unknown_versions_and_a_missing_name_settle_nothing() {
    let silent = HelloAnswer::NoAnswer { end: StreamEnd::TimedOut { waited_ms: 3000 } };
    let connections = [
        handshake(Some(Tls12), None),
        hello(&[Tls11], silent),
        hello(&[Tls10], server_hello(0x7f17, false)),
        hello(&[Ssl3], alert(112)),
    ];
    assert_eq!(summary(&connections), "???ar");
}

#[test]
fn a_handshake_refused_for_its_suites_leaves_its_versions_open() {
    let end = StreamEnd::Alert { level: 2, description: 40 };
    assert_eq!(summary(&[handshake(None, Some(end))]), "?????");
}

fn formed(form: HelloForm, offered: &[TlsVersion], answer: HelloAnswer) -> Connection {
    Connection::Hello(HelloConnection {
        form,
        ..HelloConnection::new(offered.to_vec(), 120, answer)
    })
}

fn beside(count: usize, connection: Connection) -> Connection {
    match connection {
        Connection::Hello(hello) => Connection::Hello(HelloConnection { beside: count, ..hello }),
        other => other,
    }
}

#[test]
fn an_answer_begun_before_the_drop_confirms_nothing() {
    let closed = || HelloAnswer::NoAnswer { end: StreamEnd::Closed { received: 0 } };
    let mut connections = vec![
        handshake(Some(Tls12), None),
        hello(&[Tls11], closed()),
        beside(1, hello(&[Tls10], server_hello(0x0301, false))),
    ];
    assert_eq!(summary(&connections), "?a?ar");
    // Of a later round, which was begun when both had ended.
    connections.push(hello(&[Ssl3], alert(70)));
    assert_eq!(summary(&connections), "rarar");
    // One of the same round that stood before the drop does not reach over it either.
    let connections = [
        handshake(Some(Tls12), None),
        hello(&[Tls11], closed()),
        beside(1, hello(&[Tls10], closed())),
        beside(2, hello(&[Ssl3], alert(70))),
    ];
    assert_eq!(summary(&connections), "r??ar");
}

#[test]
fn where_only_rare_suites_are_accepted_the_common_ones_refuse_nothing() {
    let mut connections = vec![
        hello(&[Tls13, Tls12], alert(40)),
        hello(&[Tls13], alert(40)),
        hello(&[Tls12], alert(40)),
        hello(&[Ssl3], alert(40)),
        formed(HelloForm::RareSuites, &[Tls12], server_hello(0x0303, false)),
    ];
    assert_eq!(summary(&connections), "???ar");
    connections.push(formed(HelloForm::RareSuites, &[Ssl3], alert(40)));
    assert_eq!(summary(&connections), "r??ar");
    // A refusal of rare suites is none of a version that was not refused otherwise.
    let rare = [handshake(Some(Tls12), None), formed(HelloForm::RareSuites, &[Tls10], alert(40))];
    assert_eq!(summary(&rare), "???ar");
}

#[test]
fn without_extensions_there_is_no_tls_1_3() {
    let closed = || HelloAnswer::NoAnswer { end: StreamEnd::Closed { received: 0 } };
    let mut connections = vec![
        hello(&[Tls13, Tls12], closed()),
        beside(1, hello(&[Tls11], closed())),
        beside(2, formed(HelloForm::WithoutExtensions, &[Tls12], server_hello(0x0301, false))),
    ];
    assert_eq!(summary(&connections), "?arr?");
    connections.push(hello(&[Ssl3], server_hello(0x0300, false)));
    assert_eq!(summary(&connections), "aarrr");
}

#[test]
fn what_a_made_up_name_shows_is_told_from_the_refusals_without_it() {
    let named = |offered: &[TlsVersion], answer| match hello(offered, answer) {
        Connection::Hello(hello) => {
            Connection::Hello(HelloConnection { made_up_name: Some("localhost".into()), ..hello })
        }
        other => other,
    };
    let mut connections = vec![
        hello(&[Tls13, Tls12], alert(40)),
        hello(&[Tls11], alert(40)),
        hello(&[Tls10], alert(40)),
    ];
    connections.push(named(&[Tls10], alert(112)));
    assert_eq!(summary(&connections), "?????");
    connections.push(named(&[Tls13, Tls12], server_hello(0x0304, false)));
    assert_eq!(summary(&connections), "????a", "alert 40 was for want of a name");
    let Some(Settled::Accepted(reason)) = settle(&connections).remove(&Tls13) else { panic!() };
    assert!(reason.contains("made-up server name localhost"), "{reason}");
    // A server that answers without a name is judged without it.
    connections.push(hello(&[Tls12], server_hello(0x0303, false)));
    assert_eq!(summary(&connections), "?rra?");
}

#[test]
fn ssl3_with_a_name_is_refused_by_an_alert_that_is_not_about_names() {
    let mut connections = vec![handshake(Some(Tls12), None), hello(&[Ssl3], alert(112))];
    assert_eq!(summary(&connections), "???ar");
    connections.push(formed(HelloForm::Ssl3WithName, &[Ssl3], alert(40)));
    assert_eq!(summary(&connections), "r??ar");
}

#[test]
fn a_stored_hello_without_the_newer_fields_is_read() {
    let text = r#"{"offered":["TLSv1.2"],"hello_bytes":9,"answer":{"kind":"alert","level":2,"description":70}}"#;
    let read: HelloConnection = serde_json::from_str(text).unwrap();
    assert_eq!(read, HelloConnection::new(vec![Tls12], 9, alert(70)));
}
