//! Which hello is worth the next connection, by what the recorded ones settle. Asked by `probe`
//! between connections; pure.

use crate::observation::versions::{Settled, is_drop, settle};
use crate::observation::{Connection, HelloAnswer, HelloConnection, StreamEnd, TlsVersion};
use crate::probe::client_hello::Offer;

/// Connections that settle TLS: the full handshake and the hellos after it. A hello for 1.3 and 1.2,
/// one for each version and one that shows whether the server still answers.
const MAX_TLS_CONNECTIONS: usize = 8;

/// Which hello to send next; `None` when all is settled, was asked, or the bound is reached.
///
/// Old versions go first: many servers close without a word on a version that they do not have,
/// and that is a refusal only if they still answer afterwards.
pub(super) fn next_offer(connections: &[Connection]) -> Option<Offer> {
    let times = |offer: Offer| {
        let hellos = connections.iter().filter(|connection| match connection {
            Connection::Hello(hello) => hello.offered == offer.versions(),
            _ => false,
        });
        hellos.count()
    };
    let hellos = hellos(connections);
    let left = MAX_TLS_CONNECTIONS.saturating_sub(spent(connections));
    let settled = settle(connections);
    let open = |version: TlsVersion| matches!(settled.get(&version), Some(Settled::Open(_)));
    let accepted = TlsVersion::ALL
        .into_iter()
        .filter(|version| matches!(settled.get(version), Some(Settled::Accepted(_))))
        // At 1.2 and below the answer shows the chain too.
        .min_by_key(|version| (*version == TlsVersion::Tls13, std::cmp::Reverse(*version)));
    if left == 0 || (accepted.is_none() && hellos >= endurance(connections) && mute(connections)) {
        return None;
    }
    let both = open(TlsVersion::Tls13) && open(TlsVersion::Tls12);
    // Only a server that has TLS 1.3 is bound by a list of versions.
    let bound = matches!(settled.get(&TlsVersion::Tls13), Some(Settled::Accepted(_)));
    let old = [TlsVersion::Tls11, TlsVersion::Tls10, TlsVersion::Ssl3].into_iter().all(open);
    // Where 1.2 is spoken and no chain was seen, its hello shows it without a key of ours.
    let chain_missing = matches!(settled.get(&TlsVersion::Tls12), Some(Settled::Accepted(_)))
        && !connections.iter().any(shows_chain);
    // What lists 1.3 was refused: first see whether it is anything but that.
    let without_list = open(TlsVersion::Tls12) && accepted.is_none();
    let next = [
        (both, Offer::Tls13And12),
        (open(TlsVersion::Tls13), Offer::Only(TlsVersion::Tls13)),
        (without_list, Offer::Only(TlsVersion::Tls12)),
        (bound && old, Offer::BelowTls12),
        (open(TlsVersion::Tls11), Offer::Only(TlsVersion::Tls11)),
        (open(TlsVersion::Tls10), Offer::Only(TlsVersion::Tls10)),
        (open(TlsVersion::Ssl3), Offer::Only(TlsVersion::Ssl3)),
        (open(TlsVersion::Tls12) || chain_missing, Offer::Only(TlsVersion::Tls12)),
    ]
    .into_iter()
    .find(|(wanted, offer)| {
        // 1.2 may have been dropped for being listed with 1.3.
        let alone = accepted.is_some() || times(Offer::Only(TlsVersion::Tls11)) > 0;
        let again = *offer == Offer::Only(TlsVersion::Tls12) && alone;
        *wanted && times(*offer) == 0 && (again || !dropped_within(connections, *offer))
    })
    .map(|(_, offer)| offer);
    let control = accepted.map(Offer::Only).filter(|_| unconfirmed_drop(connections));
    next.or(control.filter(|control| times(*control) <= 1))
}

/// How many connections went into the versions. Repeated handshakes for a server that closes after
/// each answer settle nothing new, and count once.
pub(super) fn spent(connections: &[Connection]) -> usize {
    let handshakes = connections.iter().filter(|c| matches!(c, Connection::Tls(_))).count().min(1);
    handshakes + hellos(connections)
}

fn hellos(connections: &[Connection]) -> usize {
    connections.iter().filter(|c| matches!(c, Connection::Hello(_))).count()
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

/// The versions of this offer were already asked together with others, and dropped without a
/// word: what settles them is whether the server still answers, not the same question again. Nor is
/// it worth another wait where a hello with 1.3 met silence, as long as older ones were not asked.
fn dropped_within(connections: &[Connection], offer: Offer) -> bool {
    let versions = offer.versions();
    connections.iter().any(|connection| match connection {
        Connection::Hello(hello) => {
            hello.offered.len() > versions.len()
                && (is_drop(&hello.answer) || is_silence(hello))
                && versions.iter().all(|version| hello.offered.contains(version))
        }
        _ => false,
    })
}

fn is_silence(hello: &HelloConnection) -> bool {
    hello.offered.contains(&TlsVersion::Tls13)
        && matches!(hello.answer, HelloAnswer::NoAnswer { end: StreamEnd::TimedOut { .. } })
}

/// Hellos without an answer after which there will be none; silence costs more time than a close.
fn endurance(connections: &[Connection]) -> usize {
    let silent = connections.iter().any(|connection| match connection {
        Connection::Hello(hello) => is_silence(hello),
        _ => false,
    });
    if silent { 2 } else { 3 }
}

/// A port that answered neither the hellos nor the handshake: it does not speak TLS.
fn mute(connections: &[Connection]) -> bool {
    !connections.iter().any(|connection| match connection {
        Connection::Hello(hello) => !matches!(hello.answer, HelloAnswer::NoAnswer { .. }),
        Connection::Tls(tls) => matches!(tls.handshake_end, Some(StreamEnd::Alert { .. })),
        Connection::Plain(_) => false,
    })
}

/// The last hellos were dropped without a word, and nothing since shows that the server still
/// talks to us.
fn unconfirmed_drop(connections: &[Connection]) -> bool {
    connections.iter().rev().find_map(|connection| match connection {
        Connection::Plain(_) => None,
        Connection::Tls(_) => Some(false),
        Connection::Hello(hello) => Some(is_drop(&hello.answer)),
    }) == Some(true)
}

#[cfg(test)]
mod tests;
