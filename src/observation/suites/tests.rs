use super::*;
use crate::observation::{HelloConnection, ServerHelloFlight};

use TlsVersion::{Ssl3, Tls10, Tls11, Tls12, Tls13};

const RSA_AES: u16 = 0x002f;
const RSA_3DES: u16 = 0x000a;
const RSA_DES: u16 = 0x0009;
const ECDHE: u16 = 0xc02f;
const ADH: u16 = 0x0034;
const ALERT_40: SuiteEnd = SuiteEnd::Alert { level: 2, description: 40 };
const CLOSED: SuiteEnd = SuiteEnd::NoAnswer { end: StreamEnd::Closed { received: 0 } };

fn hello(offered: &[TlsVersion], answer: HelloAnswer) -> Connection {
    Connection::Hello(HelloConnection::new(offered.to_vec(), 100, answer))
}

fn chose(version: TlsVersion, suite: u16) -> Connection {
    hello(
        &[version],
        HelloAnswer::ServerHello(ServerHelloFlight {
            version: version.wire(),
            cipher_suite: suite,
            retry_request: false,
            downgrade_sentinel: false,
            chain: None,
            certificate_request: None,
            complete: true,
            end: None,
        }),
    )
}

fn refused(version: TlsVersion, description: u8) -> Connection {
    hello(&[version], HelloAnswer::Alert { level: 2, description })
}

fn modern(versions: &[TlsVersion]) -> Vec<Connection> {
    TlsVersion::ALL
        .into_iter()
        .map(|version| {
            if versions.contains(&version) {
                chose(version, if version == Tls13 { 0x1301 } else { ECDHE })
            } else {
                refused(version, 70)
            }
        })
        .collect()
}

fn run(version: TlsVersion, offered: &[u16], chosen: &[u16], end: Option<SuiteEnd>) -> SuiteRun {
    SuiteRun { version, offered: offered.to_vec(), chosen: chosen.to_vec(), end, beside: 0 }
}

fn of_class(version: TlsVersion, class: CipherClass) -> Vec<u16> {
    let suites = strangers_suites(version).filter(|suite| suite.is(class));
    suites.map(|suite| suite.id).collect()
}

#[test]
fn a_class_is_refused_only_if_every_one_of_it_was() {
    let connections = modern(&[Tls12, Tls13]);
    let anonymous = of_class(Tls12, CipherClass::Anonymous);
    let all = [run(Tls12, &anonymous, &[], Some(ALERT_40))];
    let settled = SuiteEvidence::new(&connections, &all).class(CipherClass::Anonymous);
    let ClassSettled::Refused(how) = settled else { panic!("{settled:?}") };
    assert!(how.contains("TLSv1.2") && how.contains("alert 40 handshake_failure"), "{how}");

    let but_one = [run(Tls12, &anonymous[1..], &[], Some(ALERT_40))];
    let settled = SuiteEvidence::new(&connections, &but_one).class(CipherClass::Anonymous);
    assert!(matches!(settled, ClassSettled::Open(_)), "{settled:?}");

    let chosen = [run(Tls12, &anonymous, &[ADH], None)];
    let settled = SuiteEvidence::new(&connections, &chosen).class(CipherClass::Anonymous);
    let ClassSettled::Accepted(accepted) = settled else { panic!("{settled:?}") };
    assert_eq!(accepted, [(Tls12, CipherSuite::from_id(ADH).unwrap())]);
}

#[test]
fn what_a_hello_for_versions_showed_needs_no_other() {
    let connections = [chose(Tls12, RSA_3DES)];
    let evidence = SuiteEvidence::new(&connections, &[]);
    for class in [CipherClass::SmallBlock, CipherClass::RsaKeyExchange] {
        assert!(matches!(evidence.class(class), ClassSettled::Accepted(_)));
    }
    // No such hello offers an anonymous suite: this server chose what it was not asked for.
    let evidence = SuiteEvidence::new(&[chose(Tls12, ADH)], &[]);
    assert!(!matches!(evidence.class(CipherClass::Anonymous), ClassSettled::Accepted(_)));
}

#[test]
fn a_server_of_tls_1_3_alone_has_no_older_suite() {
    let evidence = SuiteEvidence::new(&modern(&[Tls13]), &[]);
    assert!(evidence.telling_versions().is_empty());
    for class in CipherClass::ALL {
        assert!(matches!(evidence.class(class), ClassSettled::Refused(_)), "{class:?}");
    }
    assert!(matches!(evidence.forward_secrecy(), Settled::Accepted(_)));
    // Nothing was accepted: then nothing is known either.
    let evidence = SuiteEvidence::new(&modern(&[]), &[]);
    assert!(matches!(evidence.class(CipherClass::Null), ClassSettled::Open(_)));
    assert!(matches!(evidence.forward_secrecy(), Settled::Open(_)));
}

#[test]
fn one_of_the_older_versions_speaks_for_all_three() {
    for (accepted, telling) in [
        (&[Tls12][..], &[Tls12][..]),
        (&[Ssl3, Tls10, Tls11, Tls12], &[Tls12, Tls10]),
        (&[Tls11, Tls12], &[Tls12, Tls11]),
        (&[Ssl3, Tls11], &[Tls11]),
        (&[Ssl3], &[Ssl3]),
    ] {
        assert_eq!(SuiteEvidence::new(&modern(accepted), &[]).telling_versions(), telling);
    }
    let connections = modern(&[Tls10, Tls12]);
    let rc4 = [run(Tls12, &of_class(Tls12, CipherClass::Rc4), &[], Some(ALERT_40))];
    let settled = SuiteEvidence::new(&connections, &rc4).class(CipherClass::Rc4);
    assert!(matches!(&settled, ClassSettled::Open(why) if why.contains("TLSv1.0")), "{settled:?}");
}

#[test]
fn a_drop_is_a_refusal_where_neither_length_nor_number_of_hellos_explains_it() {
    let connections = modern(&[Tls12]);
    let suites = of_class(Tls12, CipherClass::RsaKeyExchange);
    let dropped = || run(Tls12, &suites, &[], Some(CLOSED));
    let with_known: Vec<u16> = suites.iter().copied().chain([ECDHE]).collect();
    let is_refused = |runs: &[SuiteRun]| {
        let class = SuiteEvidence::new(&connections, runs).class(CipherClass::RsaKeyExchange);
        matches!(class, ClassSettled::Refused(_))
    };
    let answered = || run(Tls12, &with_known, &[ECDHE], None);
    let short = || run(Tls12, &[ECDHE], &[ECDHE], None);
    assert!(is_refused(&[dropped(), answered()]));
    assert!(is_refused(&[answered(), dropped(), short()]));
    assert!(!is_refused(&[dropped()]));
    assert!(!is_refused(&[answered(), dropped()]), "it may have had enough of us");
    assert!(!is_refused(&[dropped(), short()]), "it may fail on long hellos");
    assert!(!is_refused(&[dropped(), run(Tls12, &with_known, &[], Some(CLOSED))]));
}

#[test]
fn silence_and_a_wrong_name_refuse_nothing() {
    let connections = modern(&[Tls12]);
    let suites = of_class(Tls12, CipherClass::Null);
    for end in [
        SuiteEnd::NoAnswer { end: StreamEnd::TimedOut { waited_ms: 3000 } },
        SuiteEnd::Alert { level: 2, description: 112 },
        SuiteEnd::Other { version: 0x0303, cipher_suite: ECDHE },
    ] {
        let runs = [run(Tls12, &suites, &[], Some(end.clone()))];
        let settled = SuiteEvidence::new(&connections, &runs).class(CipherClass::Null);
        assert!(matches!(settled, ClassSettled::Open(_)), "{end:?}: {settled:?}");
    }
}

#[test]
fn forward_secrecy_is_missing_only_where_every_such_suite_was_refused() {
    let mut connections = modern(&[]);
    connections[3] = chose(Tls12, RSA_AES);
    let forward: Vec<u16> = strangers_suites(Tls12)
        .filter(|suite| suite.has_forward_secrecy())
        .map(|suite| suite.id)
        .collect();
    let judge = |runs: &[SuiteRun]| SuiteEvidence::new(&connections, runs).forward_secrecy();
    assert!(matches!(judge(&[]), Settled::Open(_)));
    assert!(matches!(judge(&[run(Tls12, &forward, &[], Some(ALERT_40))]), Settled::Refused(_)));
    assert!(matches!(judge(&[run(Tls12, &forward, &[ECDHE], None)]), Settled::Accepted(_)));
    let anonymous = [run(Tls12, &[ADH], &[ADH], None)];
    assert!(matches!(judge(&anonymous), Settled::Open(_)), "nobody is authenticated there");
}

#[test]
fn a_version_shown_by_weak_suites_alone_is_accepted_and_the_older_ones_are_open() {
    let connections: Vec<_> = TlsVersion::ALL
        .into_iter()
        .map(|version| refused(version, if version == Tls11 { 70 } else { 40 }))
        .collect();
    let before = SuiteEvidence::new(&connections, &[]);
    assert_eq!(before.telling_versions(), [Tls12]);
    let after = SuiteEvidence::new(&connections, &[run(Tls12, &[ADH], &[ADH], None)]);
    let letter = |version| match after.versions().get(&version) {
        Some(Settled::Accepted(_)) => 'a',
        Some(Settled::Refused(_)) => 'r',
        _ => '?',
    };
    assert_eq!(TlsVersion::ALL.map(letter), ['?', '?', 'r', 'a', 'r']);
}

#[test]
fn who_refuses_everything_is_not_praised_for_it() {
    let connections: Vec<_> =
        TlsVersion::ALL.into_iter().map(|version| refused(version, 40)).collect();
    let null = [run(Tls12, &of_class(Tls12, CipherClass::Null), &[], Some(ALERT_40))];
    let settled = SuiteEvidence::new(&connections, &null).class(CipherClass::Null);
    assert_eq!(settled, ClassSettled::Open("no version is accepted".to_owned()));
}

#[test]
fn the_order_is_whose_choices_agree_with_it() {
    let connections = modern(&[Tls12]);
    let order = |runs: &[SuiteRun]| {
        let evidence = SuiteEvidence::new(&connections, runs);
        server_order(Tls12, &evidence, runs)
    };
    let (a, b, c) = (ECDHE, RSA_AES, RSA_DES);
    let server = [run(Tls12, &[b, a, c], &[a, b, c], None), run(Tls12, &[c, b, a], &[a], None)];
    assert_eq!(order(&server), ServerOrder::Server);
    let client = [run(Tls12, &[a, b, c], &[a, b, c], None), run(Tls12, &[c, b, a], &[c], None)];
    assert_eq!(order(&client), ServerOrder::Client);
    // As some servers do with ChaCha20: theirs, but for what the client puts first.
    let both = [run(Tls12, &[a, b, c], &[b, a, c], None), run(Tls12, &[c, b, a], &[c], None)];
    assert_eq!(order(&both), ServerOrder::Undetermined);
    assert_eq!(order(&[run(Tls12, &[a, b], &[a, b], None)]), ServerOrder::Undetermined);
}
