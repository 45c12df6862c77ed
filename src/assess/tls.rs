//! Protocol versions, chains and key possession of a TLS endpoint.

use std::collections::BTreeMap;

use super::{Chain, SupportStatus, TlsAssessment, VersionSupport, ciphers, client_auth};
use crate::certificate::Certificate;
use crate::observation::suites::SuiteEvidence;
use crate::observation::versions::{Settled, describe};
use crate::observation::{
    Connection, HelloAnswer, KeyPossession, Observation, TlsConnection, TlsVersion,
};

pub(super) fn assess(observation: &Observation) -> TlsAssessment {
    let runs = observation.cipher_suites.as_ref().map(|asked| asked.runs.as_slice());
    let suites = SuiteEvidence::new(&observation.connections, runs.unwrap_or_default());
    let versions = suites.versions().clone();
    let handshake = first_handshake(observation);
    let chains = chains(observation);
    let chains_missing = chains.is_empty().then(|| missing(observation, &versions));
    TlsAssessment {
        versions: versions
            .into_iter()
            .map(|(version, settled)| (version, support(settled)))
            .collect(),
        negotiated: handshake.and_then(|tls| tls.negotiated.clone()),
        key_possession: handshake.map_or(KeyPossession::Untested, |tls| tls.key_possession.clone()),
        client_auth: client_auth::assess(observation),
        ciphers: ciphers::assess(observation.cipher_suites.as_ref(), &suites),
        chains,
        chains_missing,
    }
}

/// The first that completed, else the first.
pub(super) fn first_handshake(observation: &Observation) -> Option<&TlsConnection> {
    let mut handshakes = observation.connections.iter().filter_map(|connection| match connection {
        Connection::Tls(tls) => Some(tls),
        _ => None,
    });
    let first = handshakes.clone().next();
    handshakes.find(|tls| tls.handshake_end.is_none()).or(first)
}

pub(super) fn support(settled: Settled) -> VersionSupport {
    let (status, reason) = match settled {
        Settled::Accepted(reason) => (SupportStatus::Accepted, reason),
        Settled::Refused(reason) => (SupportStatus::Refused, reason),
        Settled::Open(reason) => (SupportStatus::Undetermined, reason),
    };
    VersionSupport { status, reason }
}

/// Equal chains are one, with the versions in which they were seen.
fn chains(observation: &Observation) -> Vec<Chain> {
    let mut seen: Vec<(&[usize], Vec<TlsVersion>)> = Vec::new();
    for (version, chain) in observation.connections.iter().filter_map(version_and_chain) {
        match seen.iter_mut().find(|(known, _)| *known == chain) {
            Some((_, versions)) if versions.contains(&version) => {}
            Some((_, versions)) => versions.push(version),
            None => seen.push((chain, vec![version])),
        }
    }
    seen.into_iter()
        .map(|(chain, mut seen_in)| {
            seen_in.sort_unstable();
            let certificates = chain
                .iter()
                .filter_map(|index| observation.certificates.get(*index))
                .map(|der| Certificate::from_der(&der.0))
                .collect();
            Chain { seen_in, certificates }
        })
        .collect()
}

fn version_and_chain(connection: &Connection) -> Option<(TlsVersion, &[usize])> {
    match connection {
        Connection::Plain(_) => None,
        Connection::Tls(tls) => Some((tls.negotiated.as_ref()?.version, tls.chain.as_deref()?)),
        // Under its own name the server may show another.
        Connection::Hello(hello) if hello.made_up_name.is_some() => None,
        Connection::Hello(hello) => match &hello.answer {
            HelloAnswer::ServerHello(flight) => {
                Some((TlsVersion::from_wire(flight.version)?, flight.chain.as_deref()?))
            }
            _ => None,
        },
    }
    // A Certificate message without certificates is no chain to judge.
    .filter(|(_, chain)| !chain.is_empty())
}

fn missing(observation: &Observation, versions: &BTreeMap<TlsVersion, Settled>) -> String {
    let empty_message = observation.connections.iter().any(|connection| match connection {
        Connection::Tls(tls) => tls.chain.as_ref().is_some_and(Vec::is_empty),
        Connection::Hello(hello) => match &hello.answer {
            HelloAnswer::ServerHello(flight) => flight.chain.as_ref().is_some_and(Vec::is_empty),
            _ => false,
        },
        Connection::Plain(_) => false,
    });
    if empty_message {
        return "the Certificate message held no certificate".to_owned();
    }
    let how = first_handshake(observation)
        .and_then(|tls| tls.handshake_end.as_ref())
        .map_or_else(|| "no Certificate message was seen".to_owned(), describe);
    let accepts = |version| matches!(versions.get(&version), Some(Settled::Accepted(_)));
    let only_13 = accepts(TlsVersion::Tls13)
        && !TlsVersion::ALL.into_iter().any(|v| v < TlsVersion::Tls13 && accepts(v));
    if only_13 {
        format!(
            "only TLSv1.3 is accepted, where the chain is encrypted, and the handshake did not complete: {how}"
        )
    } else {
        format!("no handshake reached the Certificate message: {how}")
    }
}
