//! Which hellos are worth the next round of connections, by what the recorded ones settle. Asked by
//! `probe` between rounds; pure.
//!
//! The hellos of a round go out at the same time: each is needed whatever the others are answered.

use crate::observation::versions::{Settled, adopted_name, is_drop, settle};
use crate::observation::{
    Connection, HelloAnswer, HelloConnection, HelloForm, StreamEnd, TlsVersion,
};
use crate::probe::client_hello::Offer;

/// Connections to one endpoint at the same time.
pub const AT_ONCE: usize = 4;
/// Connections that settle TLS: the full handshake and the hellos after it.
const MAX_TLS_CONNECTIONS: usize = 8;
/// The same where no version was accepted in these, or only in an unusual way.
const MAX_ODD_CONNECTIONS: usize = MAX_CONNECTIONS;
/// For versions and classes of suites together.
pub(super) const MAX_CONNECTIONS: usize = 12;

/// Tried on servers that refuse every hello without a name, where none was given. Reserved by RFC
/// 6761 section 6.3, so that it is nobody's and tells nothing of who asks or why, and the name of
/// nginx's stock server.
pub(super) const MADE_UP_NAME: &str = "localhost";

/// What the next round depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation<'a> {
    pub connections: &'a [Connection],
    /// Connections that asked for cipher suites.
    pub for_suites: usize,
    /// How many connections may be opened at once, at most `AT_ONCE`.
    pub slots: usize,
    /// The name that is sent to this endpoint.
    pub server_name: Option<&'a str>,
}

/// Hellos to be sent at the same time, in the order in which they are begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Round {
    pub offers: Vec<Offer>,
    /// Instead of the endpoint's own name, which is not known.
    pub made_up_name: Option<&'static str>,
}

/// The next round; without offers when all is settled, was asked, or the bound is reached.
pub(super) fn next_round(situation: Situation<'_>) -> Round {
    let adopted = adopted_name(situation.connections).map(|_| MADE_UP_NAME);
    let asked = Asked::new(situation.connections, adopted);
    let spent = spent(situation.connections);
    let (bound, mut round) = match asked.accepted {
        None if asked.is_given_up() => return Round::default(),
        None => {
            let nameless = situation.server_name.is_none();
            let (mut offers, mut made_up_name) = (asked.without_acceptance(), None);
            if offers.is_empty() && nameless && wants_a_name(situation.connections) {
                offers = vec![Offer::Tls13And12, Offer::Only(TlsVersion::Tls10)];
                made_up_name = Some(MADE_UP_NAME);
            } else if offers.is_empty() {
                offers = asked.rare();
            }
            (MAX_ODD_CONNECTIONS, Round { offers, made_up_name })
        }
        Some(accepted) => {
            let named = situation.server_name.or(adopted).is_some();
            let mut offers = asked.beside_acceptance(situation.slots, named);
            if offers.is_empty() {
                offers.extend(asked.control(accepted));
            }
            let odd = adopted.is_some() || accepted.form() != HelloForm::Usual;
            let bound = if odd { MAX_ODD_CONNECTIONS } else { MAX_TLS_CONNECTIONS };
            (bound, Round { offers, made_up_name: adopted })
        }
    };
    let left = bound.min(MAX_CONNECTIONS.saturating_sub(situation.for_suites));
    round.offers.truncate(situation.slots.min(left.saturating_sub(spent)));
    round
}

/// How many connections went into the versions. Repeated handshakes for a server that closes after
/// each answer settle nothing new, and count once.
pub(super) fn spent(connections: &[Connection]) -> usize {
    let handshakes = connections.iter().filter(|c| matches!(c, Connection::Tls(_))).count().min(1);
    handshakes + hellos(connections).count()
}

/// What was asked under one name, and what it came to.
struct Asked<'a> {
    connections: &'a [Connection],
    hellos: Vec<(usize, &'a HelloConnection)>,
    settled: std::collections::BTreeMap<TlsVersion, Settled>,
    /// A hello that is known to be answered by a ServerHello.
    accepted: Option<Offer>,
    /// The first round that met nothing but silence, from a server that accepts some version: one
    /// that serves a connection at a time was busy with the handshake's.
    unheard: Vec<usize>,
}

impl<'a> Asked<'a> {
    fn new(connections: &'a [Connection], name: Option<&str>) -> Self {
        let settled = settle(connections);
        let hellos: Vec<_> = connections
            .iter()
            .enumerate()
            .filter_map(|(number, connection)| match connection {
                Connection::Hello(hello) if hello.made_up_name.as_deref() == name => {
                    Some((number, hello))
                }
                _ => None,
            })
            .collect();
        let version = TlsVersion::ALL
            .into_iter()
            .filter(|version| matches!(settled.get(version), Some(Settled::Accepted(_))))
            // At 1.2 and below the answer shows the chain too.
            .min_by_key(|version| (*version == TlsVersion::Tls13, std::cmp::Reverse(*version)));
        let accepted = version.map(|version| {
            let forms = hellos.iter().filter(|(_, hello)| match &hello.answer {
                HelloAnswer::ServerHello(flight) => flight.version == version.wire(),
                _ => false,
            });
            let unusual = forms.map(|(_, hello)| hello.form).min_by_key(|form| match form {
                HelloForm::Usual => 0,
                HelloForm::WithoutExtensions | HelloForm::Ssl3WithName => 1,
                HelloForm::RareSuites => 2,
            });
            match unusual {
                Some(HelloForm::WithoutExtensions) => Offer::Bare(version),
                Some(HelloForm::RareSuites) => Offer::Rare(version),
                Some(HelloForm::Ssl3WithName) => Offer::Ssl3Named,
                Some(HelloForm::Usual) | None => Offer::Only(version),
            }
        });
        let unheard = if accepted.is_some() { silent_round(&hellos) } else { Vec::new() };
        Self { connections, hellos, settled, accepted, unheard }
    }

    fn is_open(&self, version: TlsVersion) -> bool {
        matches!(self.settled.get(&version), Some(Settled::Open(_)))
    }

    fn accepts(&self, version: TlsVersion) -> bool {
        matches!(self.settled.get(&version), Some(Settled::Accepted(_)))
    }

    fn times(&self, offer: Offer) -> usize {
        let same = |hello: &HelloConnection| {
            hello.offered == offer.versions() && hello.form == offer.form()
        };
        let heard = self.hellos.iter().filter(|(number, _)| !self.unheard.contains(number));
        heard.filter(|(_, hello)| same(hello)).count()
    }

    /// Hellos enough were sent to a port that answered neither them nor the handshake: it does not
    /// speak TLS.
    fn is_given_up(&self) -> bool {
        const ENDURANCE: usize = 3;
        let answered = self.connections.iter().any(|connection| match connection {
            Connection::Hello(hello) => !matches!(hello.answer, HelloAnswer::NoAnswer { .. }),
            Connection::Tls(tls) => speaks(tls.handshake_end.as_ref()),
            Connection::Plain(_) => false,
        });
        !answered && self.hellos.len() >= ENDURANCE
    }

    /// Where no version was accepted yet.
    fn without_acceptance(&self) -> Vec<Offer> {
        use TlsVersion::{Ssl3, Tls10, Tls11, Tls12, Tls13};
        if self.hellos.is_empty() {
            let newest = match (self.is_open(Tls13), self.is_open(Tls12)) {
                (true, true) => Some(Offer::Tls13And12),
                (true, false) => Some(Offer::Only(Tls13)),
                (false, true) => Some(Offer::Only(Tls12)),
                (false, false) => None,
            };
            let spoken = self.connections.iter().any(|connection| match connection {
                Connection::Tls(tls) => speaks(tls.handshake_end.as_ref()),
                _ => false,
            });
            // A server that drops what lists 1.3, all above 1.1, or any extension answers one.
            let third = if spoken { Offer::Only(Tls10) } else { Offer::Bare(Tls12) };
            return newest.into_iter().chain([Offer::Only(Tls11), third]).collect();
        }
        [Tls12, Tls10, Ssl3, Tls13]
            .into_iter()
            .filter(|version| self.is_open(*version))
            .map(Offer::Only)
            .filter(|offer| self.times(*offer) == 0)
            .collect()
    }

    /// Where some version was accepted: all that is still open.
    fn beside_acceptance(&self, slots: usize, named: bool) -> Vec<Offer> {
        use TlsVersion::{Ssl3, Tls10, Tls11, Tls12, Tls13};
        if matches!(self.accepted, Some(Offer::Rare(_))) {
            return self.rare();
        }
        let olds = [Tls11, Tls10, Ssl3];
        let mut offers: Vec<Offer> = Vec::new();
        // Only a server that has TLS 1.3 is bound by a list of versions.
        if self.accepts(Tls13) && olds.into_iter().all(|version| self.is_open(version)) {
            offers.push(Offer::BelowTls12);
        }
        let listed = !offers.is_empty() && self.times(Offer::BelowTls12) == 0;
        let bare = self.drops_extensions();
        if !listed {
            offers.extend(
                [Tls11, Tls10]
                    .into_iter()
                    .filter(|v| self.is_open(*v))
                    .map(|version| if bare { Offer::Bare(version) } else { Offer::Only(version) }),
            );
            // Alert 70 to 1.0 will settle it, and where connections are few it can wait for that.
            let waits = slots < AT_ONCE && offers.len() > 1;
            if self.is_open(Ssl3) && !waits {
                offers.push(self.ssl3(named));
            }
        }
        // Where 1.2 is spoken and no chain was seen, its hello shows it without a key of ours.
        let chain_missing = self.accepts(Tls12) && !self.connections.iter().any(shows_chain);
        if self.is_open(Tls12) || chain_missing {
            offers.push(if bare { Offer::Bare(Tls12) } else { Offer::Only(Tls12) });
        }
        if self.is_open(Tls13) && !bare {
            offers.push(Offer::Only(Tls13));
        }
        offers.retain(|offer| {
            // 1.2 may have been dropped for being listed with 1.3.
            let again = *offer == Offer::Only(Tls12);
            self.times(*offer) == 0 && (again || !self.dropped_within(*offer))
        });
        // Whether it was the extensions that the others were dropped for.
        let unexplained = [Tls10, Tls11, Tls12].into_iter().any(|version| self.is_open(version));
        if let Some(Offer::Bare(version)) = self.accepted
            && offers.is_empty()
            && unexplained
            && self.times(Offer::Only(version)) == 0
        {
            offers.push(Offer::Only(version));
        }
        offers
    }

    fn ssl3(&self, named: bool) -> Offer {
        let usual = Offer::Only(TlsVersion::Ssl3);
        let nameless = self.hellos.iter().any(|(_, hello)| {
            hello.offered == usual.versions()
                && matches!(hello.answer, HelloAnswer::Alert { description: 112, .. })
        });
        let made_up = self.hellos.iter().any(|(_, hello)| hello.made_up_name.is_some());
        if named && (nameless || made_up) { Offer::Ssl3Named } else { usual }
    }

    /// Versions that were refused in a way that may be about the suites.
    fn rare(&self) -> Vec<Offer> {
        let about_suites = |version: TlsVersion| {
            let mut alerts = self.hellos.iter().filter_map(|(_, hello)| match &hello.answer {
                HelloAnswer::Alert { description, .. } if hello.offered.contains(&version) => {
                    Some(*description)
                }
                _ => None,
            });
            alerts.next_back().is_some_and(|alert| ![70, 112].contains(&alert))
        };
        TlsVersion::ALL
            .into_iter()
            .rev()
            .filter(|version| *version < TlsVersion::Tls13 && self.is_open(*version))
            .filter(|version| about_suites(*version))
            .map(Offer::Rare)
            .filter(|offer| self.times(*offer) == 0)
            .collect()
    }

    /// Of the hellos only those without extensions were answered, also at the version that is
    /// accepted without any.
    fn drops_extensions(&self) -> bool {
        if let Some(Offer::Bare(version)) = self.accepted
            && self.times(Offer::Only(version)) == 0
        {
            return false;
        }
        let bare = |hello: &HelloConnection| {
            hello.form == HelloForm::WithoutExtensions || hello.offered == [TlsVersion::Ssl3]
        };
        let (without, with): (Vec<&HelloConnection>, Vec<&HelloConnection>) =
            self.hellos.iter().map(|(_, hello)| *hello).partition(|hello| bare(hello));
        let handshake = self.connections.iter().any(|connection| match connection {
            Connection::Tls(tls) => tls.negotiated.is_some() || speaks(tls.handshake_end.as_ref()),
            _ => false,
        });
        !handshake
            && !with.is_empty()
            && with.iter().all(|hello| is_drop(&hello.answer))
            && without.iter().any(|hello| matches!(hello.answer, HelloAnswer::ServerHello(_)))
    }

    /// The versions of this offer were already asked together with others, and dropped without a
    /// word: what settles them is whether the server still answers, not the same question again.
    /// Nor is it worth another wait where a hello with 1.3 met silence.
    fn dropped_within(&self, offer: Offer) -> bool {
        let versions = offer.versions();
        self.hellos.iter().any(|(_, hello)| {
            hello.offered.len() > versions.len()
                && (is_drop(&hello.answer) || is_silence(hello))
                && versions.iter().all(|version| hello.offered.contains(version))
        })
    }

    /// The accepted hello once more, where one was dropped without a word and none that was begun
    /// since shows that the server still talks to us.
    fn control(&self, accepted: Offer) -> Option<Offer> {
        let dropped = self.hellos.iter().rev().find(|(_, hello)| is_drop(&hello.answer))?.0;
        let confirmed = self.hellos.iter().any(|(number, hello)| {
            !matches!(hello.answer, HelloAnswer::NoAnswer { .. })
                && !is_drop(&hello.answer)
                && number.saturating_sub(hello.beside) > dropped
        });
        // With extensions, this also shows whether they were the reason.
        let control = match accepted {
            Offer::Bare(version) if self.times(Offer::Only(version)) == 0 => Offer::Only(version),
            other => other,
        };
        let last =
            self.hellos.iter().rev().find(|(_, hello)| {
                hello.form == control.form() && hello.offered == control.versions()
            });
        let worth = match (self.times(control), last) {
            (0 | 1, _) => true,
            // Confirmed what came before it, and there was another drop since.
            (2, Some((_, hello))) => matches!(hello.answer, HelloAnswer::ServerHello(_)),
            _ => false,
        };
        (!confirmed && worth).then_some(control)
    }
}

/// Everything so far was refused by alerts that a server sends which wants a name, and a name was
/// not tried yet.
fn wants_a_name(connections: &[Connection]) -> bool {
    let about_name = |description: u8| matches!(description, 40 | 112);
    let mut asked = 0;
    connections.iter().all(|connection| match connection {
        Connection::Plain(_) => true,
        Connection::Tls(tls) => match tls.handshake_end {
            Some(StreamEnd::Alert { description, .. }) => about_name(description),
            _ => false,
        },
        Connection::Hello(hello) => {
            asked += 1;
            hello.made_up_name.is_none()
                && match hello.answer {
                    HelloAnswer::Alert { description, .. } => about_name(description),
                    _ => false,
                }
        }
    }) && asked > 0
}

/// The numbers of the hellos of the first round of which none was answered and none dropped.
fn silent_round(hellos: &[(usize, &HelloConnection)]) -> Vec<usize> {
    let silent = |hello: &HelloConnection| {
        matches!(hello.answer, HelloAnswer::NoAnswer { end: StreamEnd::TimedOut { .. } })
    };
    let rounds = hellos.chunk_by(|_, (_, next)| next.beside > 0);
    let mut silent = rounds.filter(|round| round.iter().all(|(_, hello)| silent(hello)));
    silent.next().into_iter().flatten().map(|(number, _)| *number).collect()
}

fn hellos(connections: &[Connection]) -> impl Iterator<Item = &HelloConnection> {
    connections.iter().filter_map(|connection| match connection {
        Connection::Hello(hello) => Some(hello),
        _ => None,
    })
}

fn speaks(handshake_end: Option<&StreamEnd>) -> bool {
    matches!(handshake_end, Some(StreamEnd::Alert { .. }))
}

fn shows_chain(connection: &Connection) -> bool {
    match connection {
        Connection::Plain(_) => false,
        Connection::Tls(tls) => tls.chain.is_some(),
        Connection::Hello(hello) => match &hello.answer {
            HelloAnswer::ServerHello(flight) => flight.chain.is_some(),
            _ => false,
        },
    }
}

fn is_silence(hello: &HelloConnection) -> bool {
    hello.offered.contains(&TlsVersion::Tls13)
        && matches!(hello.answer, HelloAnswer::NoAnswer { end: StreamEnd::TimedOut { .. } })
}

#[cfg(test)]
mod tests;
