//! For `--ciphers`: every suite of every accepted version.
//!
//! Some servers fail on long lists of suites, so the registry goes out in pieces, each asked until
//! the server refuses the rest of it. The common suites are one piece, and on most servers no other
//! has any.

use super::{SuiteOffer, Until, controls};
use crate::cipher_suite::CipherSuite;
use crate::observation::suites::{ServerOrder, SuiteEvidence, server_order};
use crate::observation::{Connection, SuiteRun, TlsVersion};

/// Connections for one endpoint. A server that takes every suite there is at every version would
/// need about nine hundred.
pub(in crate::probe) const MAX_CONNECTIONS: usize = 1000;

/// Suites in one hello: with a usual server name it stays below 256 bytes.
const PIECE: usize = 48;

/// What to ask next; empty when everything was.
pub(in crate::probe) fn next_offers(
    connections: &[Connection],
    runs: &[SuiteRun],
) -> Vec<SuiteOffer> {
    let evidence = SuiteEvidence::new(connections, runs);
    let newest_first = || TlsVersion::ALL.into_iter().rev();
    if runs.is_empty() {
        return newest_first().filter(|v| evidence.may_accept(*v)).flat_map(pieces).collect();
    }
    let control: Vec<SuiteOffer> = controls(&evidence, runs).into_iter().take(1).collect();
    if !control.is_empty() {
        return control;
    }
    newest_first().filter_map(|version| ordering(version, &evidence, runs)).collect()
}

fn pieces(version: TlsVersion) -> Vec<SuiteOffer> {
    let existing = |id: &u16| CipherSuite::from_id(*id).is_some_and(|s| s.exists_in(version));
    let common: Vec<u16> = COMMON.iter().copied().filter(existing).collect();
    let rest: Vec<u16> = CipherSuite::all()
        .iter()
        .map(|suite| suite.id)
        .filter(|id| existing(id) && !common.contains(id))
        .collect();
    std::iter::once(common.as_slice())
        .chain(rest.chunks(PIECE))
        .filter(|piece| !piece.is_empty())
        .map(|piece| SuiteOffer { version, suites: piece.to_vec(), until: Until::Refused })
        .collect()
}

/// The accepted suites in reverse and, if need be, as they are, to see whose order counts; then, if
/// it is the server's, all of them until none is left.
fn ordering(
    version: TlsVersion,
    evidence: &SuiteEvidence,
    runs: &[SuiteRun],
) -> Option<SuiteOffer> {
    let forward = evidence.accepted(version).to_vec();
    if forward.len() < 2 {
        return None;
    }
    let reversed: Vec<u16> = forward.iter().rev().copied().collect();
    let of_version = || runs.iter().filter(|run| run.version == version);
    let asked = |suites: &[u16]| of_version().filter(|run| run.offered == suites).count();
    let listed = of_version().any(|run| forward.iter().all(|suite| run.chosen.contains(suite)));
    let offer = |suites, until| Some(SuiteOffer { version, suites, until });
    match server_order(version, evidence, runs) {
        _ if asked(&reversed) == 0 => offer(reversed, Until::Answered),
        ServerOrder::Undetermined if asked(&forward) == 0 => offer(forward, Until::Answered),
        ServerOrder::Server if !listed && asked(&reversed) == 1 => offer(reversed, Until::Refused),
        _ => None,
    }
}

/// What current and older servers of every make are set up with.
const COMMON: [u16; PIECE] = [
    0x1301, 0x1302, 0x1303, 0x1304, 0x1305, 0xc02c, 0xc030, 0x009f, 0xcca9, 0xcca8, 0xccaa, 0xc02b,
    0xc02f, 0x009e, 0xc024, 0xc028, 0x006b, 0xc023, 0xc027, 0x0067, 0xc00a, 0xc014, 0x0039, 0xc009,
    0xc013, 0x0033, 0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f, 0xc0ad, 0xc0ac, 0xc09f, 0xc09e,
    0xc09d, 0xc09c, 0x0088, 0x0045, 0x0084, 0x0041, 0xc008, 0xc012, 0x0016, 0x000a, 0x0005, 0x0004,
];
