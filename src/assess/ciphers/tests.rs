use super::*;
use crate::observation::{
    Connection, HelloAnswer, HelloConnection, ServerHelloFlight, SuiteEnd, SuiteRun,
};

use TlsVersion::Tls12;

const ECDHE: u16 = 0xc02f;
const RSA: u16 = 0x002f;
const RC4: u16 = 0x0005;

fn chose(suite: u16) -> Connection {
    Connection::Hello(HelloConnection::new(
        vec![Tls12],
        100,
        HelloAnswer::ServerHello(ServerHelloFlight {
            version: Tls12.wire(),
            cipher_suite: suite,
            retry_request: false,
            downgrade_sentinel: false,
            chain: None,
            certificate_request: None,
            complete: true,
            end: None,
        }),
    ))
}

fn every_suite(chosen: &[u16]) -> SuiteObservation {
    let all = CipherSuite::all().iter().filter(|suite| suite.exists_in(Tls12));
    let run = |offered: Vec<u16>, chosen: &[u16], end| SuiteRun {
        version: Tls12,
        offered,
        chosen: chosen.to_vec(),
        end,
        beside: 0,
    };
    SuiteObservation {
        asked: SuitesAsked::All,
        runs: vec![
            run(
                all.map(|suite| suite.id).collect(),
                chosen,
                Some(SuiteEnd::Alert { level: 2, description: 40 }),
            ),
            run(chosen.iter().rev().copied().collect(), &chosen[..1], None),
        ],
        cut_short: None,
    }
}

fn judged(asked: &SuiteObservation) -> CipherAssessment {
    let older = [TlsVersion::Tls11, TlsVersion::Tls10, TlsVersion::Ssl3];
    let refused = Connection::Hello(HelloConnection::new(
        older.to_vec(),
        100,
        HelloAnswer::Alert { level: 2, description: 70 },
    ));
    let evidence = SuiteEvidence::new(&[chose(RSA), refused], &asked.runs);
    assess(Some(asked), &evidence)
}

#[test]
fn the_list_is_whole_and_in_the_servers_order() {
    let assessed = judged(&every_suite(&[RC4, ECDHE, RSA]));
    let lists = assessed.suites.unwrap();
    let list = &lists[&Tls12];
    let ids: Vec<u16> = list.suites.iter().map(|suite| suite.id).collect();
    assert_eq!((lists.len(), ids, list.order), (1, vec![RC4, ECDHE, RSA], ServerOrder::Server));
    assert_eq!(list.incomplete, None);
    let rc4 = &assessed.classes[&CipherClass::Rc4];
    assert_eq!(rc4.reason, "a ServerHello chose TLSv1.2: TLS_RSA_WITH_RC4_128_SHA");
    assert_eq!(assessed.classes[&CipherClass::Null].status, SupportStatus::Refused);
    assert_eq!(assessed.forward_secrecy.status, SupportStatus::Accepted);
}

#[test]
fn what_was_cut_short_is_not_whole() {
    let mut asked = every_suite(&[ECDHE, RSA]);
    asked.runs.truncate(1);
    asked.runs[0].end = None;
    asked.cut_short = Some("the deadline of 10 s was reached".into());
    let lists = judged(&asked).suites.unwrap();
    let reason = lists[&Tls12].incomplete.as_deref().unwrap();
    assert!(reason.contains("the deadline of 10 s was reached"), "{reason}");
    assert_eq!(lists[&Tls12].suites.len(), 2);
}

#[test]
fn without_being_asked_for_there_is_no_list() {
    let mut asked = every_suite(&[ECDHE, RSA]);
    asked.asked = SuitesAsked::Classes;
    assert_eq!(judged(&asked).suites, None);
    // An observation from before there were such hellos.
    let assessed = assess(None, &SuiteEvidence::new(&[chose(RSA)], &[]));
    assert_eq!(assessed.classes[&CipherClass::RsaKeyExchange].status, SupportStatus::Accepted);
    let rc4 = &assessed.classes[&CipherClass::Rc4];
    assert_eq!(rc4.status, SupportStatus::Undetermined);
}
