//! Servers as tables of what they have, asked until nothing is worth asking.

use super::*;
use crate::observation::{KeyPossession, Negotiated, ServerHelloFlight, TlsConnection};

use TlsVersion::{Ssl3, Tls10, Tls11, Tls12, Tls13};

/// How a server turns a hello down.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    Alert(u8),
    Close,
}

struct Server {
    has: &'static [TlsVersion],
    refusal: Refusal,
    /// What rustls can speak of it.
    handshake: Option<TlsVersion>,
    /// After this many connections it drops everything, as one that limits their rate.
    patience: usize,
    /// A hello that lists TLS 1.3 is refused for that alone.
    intolerant: bool,
}

const fn server(has: &'static [TlsVersion], refusal: Refusal) -> Server {
    let handshake = match has {
        [.., Tls13] => Some(Tls13),
        [.., Tls12] => Some(Tls12),
        _ => None,
    };
    Server { has, refusal, handshake, patience: usize::MAX, intolerant: false }
}

impl Server {
    /// Picks the highest common version: from the list, if it has TLS 1.3 and there is one, else
    /// any up to the highest that was offered.
    fn answer(&self, offer: Offer, connections: usize) -> HelloAnswer {
        if connections >= self.patience {
            return HelloAnswer::NoAnswer { end: StreamEnd::Reset };
        }
        let offered = offer.versions();
        let listed = self.has.contains(&Tls13) && (offered.len() > 1 || offered == [Tls13]);
        let highest = match offer {
            Offer::BelowTls12 => Tls12,
            _ => *offered.iter().max().unwrap(),
        };
        let tolerated = !(self.intolerant && offered.contains(&Tls13));
        let common = self.has.iter().rev().filter(|_| tolerated).find(|version| match listed {
            true => offered.contains(version),
            false => **version <= highest,
        });
        match (common, self.refusal) {
            (Some(version), _) => HelloAnswer::ServerHello(ServerHelloFlight {
                version: version.wire(),
                cipher_suite: 0x002f,
                retry_request: *version == Tls13,
                downgrade_sentinel: false,
                chain: (*version < Tls13).then(|| vec![0]),
                certificate_request: None,
                complete: *version < Tls13,
                end: None,
            }),
            (None, Refusal::Alert(description)) => HelloAnswer::Alert { level: 2, description },
            (None, Refusal::Close) => {
                HelloAnswer::NoAnswer { end: StreamEnd::Closed { received: 0 } }
            }
        }
    }

    fn shake_hands(&self) -> Connection {
        let refused = match self.refusal {
            Refusal::Alert(description) => StreamEnd::Alert { level: 2, description },
            Refusal::Close => StreamEnd::Closed { received: 0 },
        };
        Connection::Tls(TlsConnection {
            offered: vec![Tls13, Tls12],
            negotiated: self.handshake.map(|version| Negotiated {
                version,
                cipher_suite: String::new(),
                alpn: None,
                group: None,
            }),
            chain: self.handshake.map(|_| vec![0]),
            key_possession: KeyPossession::Untested,
            certificate_request: None,
            handshake_end: self.handshake.is_none().then_some(refused),
            exchanges: Vec::new(),
        })
    }

    fn connections(&self) -> Vec<Connection> {
        let mut connections = vec![self.shake_hands()];
        loop {
            let round = next_round(Situation {
                connections: &connections,
                for_suites: 0,
                slots: AT_ONCE,
                server_name: None,
            });
            if round.offers.is_empty() {
                return connections;
            }
            assert!(round.offers.len() <= AT_ONCE);
            for (beside, offer) in round.offers.into_iter().enumerate() {
                let answer = self.answer(offer, connections.len());
                connections.push(Connection::Hello(HelloConnection {
                    form: offer.form(),
                    made_up_name: round.made_up_name.map(str::to_owned),
                    beside,
                    ..HelloConnection::new(offer.versions(), 100, answer)
                }));
            }
            assert!(connections.len() <= MAX_ODD_CONNECTIONS, "the bound is not kept");
        }
    }

    /// All connections, and one letter a version, SSLv3 first: accepted, refused, open.
    fn asked(&self) -> (usize, String) {
        let connections = self.connections();
        let letters = settle(&connections).into_values().map(|settled| match settled {
            Settled::Accepted(_) => 'a',
            Settled::Refused(_) => 'r',
            Settled::Open(_) => '?',
        });
        (connections.len(), letters.collect())
    }
}

#[test]
fn servers_are_settled_within_the_bound() {
    use Refusal::{Alert, Close};
    for (name, server, connections, versions) in [
        ("dockerd", server(&[Tls12, Tls13], Alert(70)), 3, "rrraa"),
        ("OpenSSL by default", server(&[Tls12, Tls13], Alert(80)), 4, "rrraa"),
        ("Java", server(&[Tls12, Tls13], Close), 4, "rrraa"),
        ("TLS 1.3 only", server(&[Tls13], Alert(70)), 3, "rrrra"),
        ("TLS 1.2 only", server(&[Tls12], Alert(70)), 4, "rrrar"),
        ("TLS 1.2 only, alert 40", server(&[Tls12], Alert(40)), 4, "rrrar"),
        ("TLS 1.2 only, closing", server(&[Tls12], Close), 5, "rrrar"),
        ("everything", server(&[Ssl3, Tls10, Tls11, Tls12, Tls13], Alert(70)), 5, "aaaaa"),
        ("1.0 without 1.1", server(&[Tls10, Tls12, Tls13], Alert(70)), 4, "raraa"),
        ("TLS 1.0 only", server(&[Tls10], Alert(70)), 5, "rarrr"),
        ("SSLv3 only", server(&[Ssl3], Alert(70)), 4, "arrrr"),
    ] {
        assert_eq!(server.asked(), (connections, versions.to_owned()), "{name}");
    }
}

#[test]
fn a_library_that_fails_is_no_refusal() {
    let cbc = Server { handshake: None, ..server(&[Tls10, Tls11, Tls12], Refusal::Alert(40)) };
    assert_eq!(cbc.asked().1, "raaar");
}

#[test]
fn a_server_that_cannot_bear_1_3_is_asked_without_it() {
    use Refusal::{Alert, Close};
    for (refusal, connections) in [(Alert(70), 5), (Alert(40), 7), (Close, 7)] {
        for (has, versions) in
            [(&[Tls10, Tls11, Tls12][..], "raaar"), (&[Tls12], "rrrar"), (&[Tls10], "rarrr")]
        {
            let intolerant = Server { handshake: None, intolerant: true, ..server(has, refusal) };
            let (cost, seen) = intolerant.asked();
            assert_eq!(seen, versions, "{refusal:?} {has:?}");
            assert!(cost <= connections, "{refusal:?} {has:?}: {cost} connections");
        }
    }
}

#[test]
fn a_server_without_our_suites_refuses_no_version() {
    let anonymous = server(&[], Refusal::Alert(40));
    assert_eq!(anonymous.asked(), (12, "?????".to_owned()));
}

#[test]
fn a_server_that_has_had_enough_of_us_refuses_nothing() {
    let all = &[Tls10, Tls11, Tls12, Tls13];
    let limited = Server { patience: 1, ..server(all, Refusal::Alert(70)) };
    assert_eq!(limited.asked().1, "????a");
    let limited = Server { patience: 2, ..server(all, Refusal::Alert(70)) };
    assert!(!limited.asked().1.contains('r'), "{}", limited.asked().1);
}

#[test]
fn a_mute_port_is_not_asked_five_times() {
    let mute = Server { patience: 0, ..server(&[], Refusal::Close) };
    assert_eq!(mute.asked(), (4, "?????".to_owned()));
}

fn plan(connections: &[Connection], slots: usize) -> Round {
    next_round(Situation { connections, for_suites: 0, slots, server_name: None })
}

#[test]
fn all_that_is_needed_anyway_goes_out_at_the_same_time() {
    let new = server(&[Tls12, Tls13], Refusal::Alert(70));
    let first = plan(&[new.shake_hands()], AT_ONCE);
    assert_eq!(first.offers, [Offer::BelowTls12, Offer::Only(Tls12)]);
    let old = server(&[Tls12], Refusal::Close);
    let first = plan(&[old.shake_hands()], AT_ONCE);
    assert_eq!(first.offers, [Offer::Only(Tls11), Offer::Only(Tls10), Offer::Only(Ssl3)]);
    // Beside a connection that is still open there is room for suites.
    let first = plan(&[old.shake_hands()], AT_ONCE - 1);
    assert_eq!(first.offers, [Offer::Only(Tls11), Offer::Only(Tls10)]);
}

#[test]
fn a_round_that_met_silence_alone_is_asked_once_more() {
    let new = server(&[Tls12, Tls13], Refusal::Alert(70));
    let mut connections = vec![new.shake_hands()];
    for _ in 0..2 {
        let round = plan(&connections, AT_ONCE);
        assert_eq!(round.offers, [Offer::BelowTls12, Offer::Only(Tls12)]);
        for (beside, offer) in round.offers.into_iter().enumerate() {
            let end = StreamEnd::TimedOut { waited_ms: 3000 };
            let hello = HelloConnection::new(offer.versions(), 100, HelloAnswer::NoAnswer { end });
            connections.push(Connection::Hello(HelloConnection { beside, ..hello }));
        }
    }
    let again = plan(&connections, AT_ONCE).offers;
    assert!(
        !again.contains(&Offer::BelowTls12) && !again.contains(&Offer::Only(Tls12)),
        "{again:?}"
    );
}

#[test]
fn a_name_is_made_up_only_where_everything_else_was_refused_and_none_was_given() {
    let refused = server(&[], Refusal::Alert(40));
    let connections = refused.connections();
    let named: Vec<_> = hellos(&connections).filter(|h| h.made_up_name.is_some()).collect();
    assert_eq!(named.len(), 2);
    assert!(named.iter().all(|hello| hello.made_up_name.as_deref() == Some("localhost")));
    let before = connections.iter().take_while(|connection| match connection {
        Connection::Hello(hello) => hello.made_up_name.is_none(),
        _ => true,
    });
    let before: Vec<Connection> = before.cloned().collect();
    assert_eq!(plan(&before, AT_ONCE).made_up_name, Some(MADE_UP_NAME));
    let given = Situation {
        connections: &before,
        for_suites: 0,
        slots: AT_ONCE,
        server_name: Some("docker.example"),
    };
    assert_eq!(next_round(given).made_up_name, None);
}
