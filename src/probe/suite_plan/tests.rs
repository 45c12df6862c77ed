//! Servers as tables of what they have, asked until nothing is worth asking.

use super::*;
use crate::observation::suites::{ServerOrder, server_order};
use crate::observation::{
    HelloAnswer, HelloConnection, ServerHelloFlight, StreamEnd, SuiteEnd, TlsVersion,
};
use crate::probe::client_hello::ClientHello;

use TlsVersion::{Tls10, Tls11, Tls12, Tls13};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Server,
    Client,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Alert,
    Close,
    Silence,
}

struct Server {
    versions: &'static [TlsVersion],
    /// In its order.
    suites: Vec<u16>,
    order: Order,
    refusal: Refusal,
}

/// What the server has, by class or name, in its order.
fn server(versions: &'static [TlsVersion], suites: &[&str]) -> Server {
    let ids = suites.iter().map(|name| CipherSuite::from_name(name).expect(name).id);
    Server { versions, suites: ids.collect(), order: Order::Server, refusal: Refusal::Alert }
}

impl Server {
    fn choose(&self, version: TlsVersion, offered: &[u16]) -> Option<u16> {
        let has = |suite: &u16| {
            self.suites.contains(suite)
                && CipherSuite::from_id(*suite).is_some_and(|suite| suite.exists_in(version))
        };
        match self.order {
            Order::Server => {
                self.suites.iter().copied().find(|suite| has(suite) && offered.contains(suite))
            }
            Order::Client => offered.iter().copied().find(has),
        }
    }

    /// As if the hellos for versions had been sent.
    fn connections(&self) -> Vec<Connection> {
        let hello = |version: TlsVersion| {
            let common: Vec<u16> = CipherSuite::all().iter().map(|suite| suite.id).collect();
            let strong = |id: &u16| {
                let suite = CipherSuite::from_id(*id).unwrap();
                ![CipherClass::Null, CipherClass::Anonymous, CipherClass::Export]
                    .iter()
                    .any(|class| suite.is(*class))
            };
            let offered: Vec<u16> = common.into_iter().filter(strong).collect();
            let suite = self.choose(version, &offered).filter(|_| self.versions.contains(&version));
            let answer = match suite {
                Some(cipher_suite) => HelloAnswer::ServerHello(ServerHelloFlight {
                    version: version.wire(),
                    cipher_suite,
                    retry_request: false,
                    downgrade_sentinel: false,
                    chain: None,
                    certificate_request: None,
                    complete: true,
                    end: None,
                }),
                None => HelloAnswer::Alert { level: 2, description: 70 },
            };
            Connection::Hello(HelloConnection::new(vec![version], 100, answer))
        };
        TlsVersion::ALL.into_iter().map(hello).collect()
    }

    fn run(&self, offer: SuiteOffer) -> SuiteRun {
        let SuiteOffer { version, suites, until } = offer;
        let mut run =
            SuiteRun { version, offered: suites, chosen: Vec::new(), end: None, beside: 0 };
        loop {
            let left: Vec<u16> = remaining(&run).collect();
            if left.is_empty() {
                return run;
            }
            match self.choose(version, &left) {
                Some(suite) => run.chosen.push(suite),
                None => {
                    run.end = Some(match self.refusal {
                        Refusal::Alert => SuiteEnd::Alert { level: 2, description: 40 },
                        Refusal::Close => {
                            SuiteEnd::NoAnswer { end: StreamEnd::Closed { received: 0 } }
                        }
                        Refusal::Silence => {
                            SuiteEnd::NoAnswer { end: StreamEnd::TimedOut { waited_ms: 3000 } }
                        }
                    });
                    return run;
                }
            }
            if until == Until::Answered {
                return run;
            }
        }
    }

    /// Connections, rounds, and a letter a class: accepted, refused, open; forward secrecy last.
    fn classes(&self) -> (usize, usize, String) {
        let connections = self.connections();
        let (mut runs, mut rounds) = (Vec::new(), 0);
        loop {
            let offers = next_offers(&connections, &runs, 0);
            if offers.is_empty() {
                break;
            }
            assert!(offers.len() <= 4, "more than four at once");
            runs.extend(offers.into_iter().map(|offer| self.run(offer)));
            rounds += 1;
        }
        let spent: usize = runs.iter().map(SuiteRun::connections).sum();
        assert!(spent <= budget(&connections), "the bound is not kept: {spent}");
        let evidence = SuiteEvidence::new(&connections, &runs);
        let class = |class| match evidence.class(class) {
            ClassSettled::Accepted(_) => 'a',
            ClassSettled::Refused(_) => 'r',
            ClassSettled::Open(_) => '?',
        };
        let forward = match evidence.forward_secrecy() {
            Settled::Accepted(_) => 'a',
            Settled::Refused(_) => 'r',
            Settled::Open(_) => '?',
        };
        (spent, rounds, CipherClass::ALL.into_iter().map(class).chain([forward]).collect())
    }

    fn every(&self) -> (Vec<SuiteRun>, SuiteEvidence) {
        let connections = self.connections();
        let mut runs = Vec::new();
        loop {
            let offers = every::next_offers(&connections, &runs);
            if offers.is_empty() {
                break;
            }
            runs.extend(offers.into_iter().map(|offer| self.run(offer)));
        }
        let evidence = SuiteEvidence::new(&connections, &runs);
        (runs, evidence)
    }
}

const GCM: &str = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
const CBC: &str = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA";
const RSA: &str = "TLS_RSA_WITH_AES_128_CBC_SHA";
const RSA_3DES: &str = "TLS_RSA_WITH_3DES_EDE_CBC_SHA";
const RSA_RC4: &str = "TLS_RSA_WITH_RC4_128_SHA";
const NULL: &str = "TLS_ECDHE_RSA_WITH_NULL_SHA";
const ANONYMOUS: &str = "TLS_DH_anon_WITH_AES_128_CBC_SHA";
const EXPORT: &str = "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA";

#[test]
fn servers_are_settled_in_few_connections() {
    const NEW: &[TlsVersion] = &[Tls12, Tls13];
    const OLD: &[TlsVersion] = &[Tls10, Tls11, Tls12];
    // Null, anonymous, export, RC4, 64-bit blocks, RSA key exchange; forward secrecy.
    for (name, server, expected) in [
        ("TLS 1.3 only", server(&[Tls13], &["TLS_AES_128_GCM_SHA256"]), (0, 0, "rrrrrra")),
        ("dockerd", server(NEW, &[GCM, "TLS_AES_128_GCM_SHA256"]), (1, 1, "rrrrrra")),
        ("TLS 1.0 too", server(OLD, &[GCM, CBC]), (2, 2, "rrrrrra")),
        ("RSA too", server(NEW, &[GCM, RSA, "TLS_AES_128_GCM_SHA256"]), (2, 2, "rrrrraa")),
        ("3DES and RSA", server(OLD, &[GCM, CBC, RSA, RSA_3DES]), (5, 4, "rrrraaa")),
        ("RSA only", server(&[Tls12], &[RSA]), (2, 1, "rrrrrar")),
        ("RSA only, old", server(OLD, &[RSA, RSA_3DES, RSA_RC4]), (6, 4, "rrraaar")),
        (
            "all, in its order",
            server(&[Tls12], &[GCM, RSA, RSA_3DES, RSA_RC4, NULL, ANONYMOUS, EXPORT]),
            (6, 6, "aaaaaaa"),
        ),
    ] {
        let (connections, rounds, letters) = server.classes();
        assert_eq!((connections, rounds, letters.as_str()), expected, "{name}");
    }
}

#[test]
fn a_client_order_shows_several_classes_at_once() {
    let suites = [GCM, "TLS_DH_anon_EXPORT_WITH_RC4_40_MD5", "TLS_RSA_WITH_NULL_MD5", RSA_3DES];
    let server = Server { order: Order::Client, ..server(&[Tls12], &suites) };
    assert_eq!(server.classes(), (3, 2, "aaaaaaa".to_owned()));
}

#[test]
fn a_server_that_closes_is_asked_once_more_with_what_it_has() {
    let closing = Server { refusal: Refusal::Close, ..server(&[Tls12, Tls13], &[GCM]) };
    assert_eq!(closing.classes(), (2, 2, "rrrrrra".to_owned()));
    let silent = Server { refusal: Refusal::Silence, ..server(&[Tls12, Tls13], &[GCM]) };
    assert_eq!(silent.classes(), (1, 1, "??????a".to_owned()));
}

#[test]
fn a_server_of_weak_suites_alone_is_found_out() {
    let mut connections = server(&[], &[]).connections();
    let asked = |connections: &[Connection]| next_offers(connections, &[], 0);
    // Alert 70 is about the version: nothing was refused for its suites.
    assert_eq!(asked(&connections), []);
    if let Connection::Hello(hello) = &mut connections[3] {
        hello.answer = HelloAnswer::Alert { level: 2, description: 40 };
    }
    let offers = asked(&connections);
    assert_eq!(offers.iter().map(|offer| offer.version).collect::<Vec<_>>(), [Tls12]);
}

#[test]
fn every_suite_of_a_server_is_listed_in_its_order() {
    let names = [RSA_3DES, ANONYMOUS, GCM, "TLS_PSK_WITH_AES_128_CCM_8", NULL, RSA, CBC];
    let asked = server(&[Tls10, Tls12, Tls13], &names);
    let (runs, evidence) = asked.every();
    let order = |version| server_order(version, &evidence, &runs);
    assert_eq!((order(Tls12), order(Tls10)), (ServerOrder::Server, ServerOrder::Server));
    let whole = runs.iter().rfind(|run| run.version == Tls12).unwrap();
    assert_eq!(whole.chosen, asked.suites);
    let mut old: Vec<u16> = evidence.accepted(Tls10).to_vec();
    old.sort_unstable();
    assert_eq!(old, [0x000a, 0x002f, 0x0034, 0xc010, 0xc013]);
    let open = CipherSuite::all()
        .iter()
        .filter(|suite| suite.exists_in(Tls12) && !evidence.is_settled(Tls12, suite.id));
    assert_eq!(open.count(), 0);
}

#[test]
fn a_server_without_an_order_is_told_from_one_with() {
    for names in [vec![GCM, RSA], vec![ANONYMOUS, GCM], vec![RSA, GCM, NULL, CBC, RSA_3DES]] {
        let asked = Server { order: Order::Client, ..server(&[Tls12], &names) };
        let (runs, evidence) = asked.every();
        assert_eq!(server_order(Tls12, &evidence, &runs), ServerOrder::Client, "{names:?}");
        assert_eq!(evidence.accepted(Tls12).len(), names.len());
    }
}

#[test]
fn hellos_for_suites_keep_clear_of_the_sizes_that_servers_hang_on() {
    let connections = server(&[Tls10, Tls11, Tls12, Tls13], &[GCM, CBC]).connections();
    let classes = next_offers(&connections, &[], 0);
    let pieces = every::next_offers(&connections, &[]);
    for offer in classes.iter().chain(&pieces) {
        for name in [None, Some("docker-17.example.net")] {
            let hello = ClientHello::for_suites(offer.version, &offer.suites, name, [7; 32]);
            let message = hello.bytes().len() - 5;
            let what = format!("{} suites of {}: {message}", offer.suites.len(), offer.version);
            assert!(!(256..=511).contains(&message) && message < 600, "{what}");
            assert!(offer.until == Until::Answered || message < 256, "{what}");
        }
    }
}
