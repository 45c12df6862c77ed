//! Which cipher suites are worth the next hellos, by what the recorded ones settle. Asked by
//! `probe` between rounds; pure.
//!
//! A round's hellos may be sent at the same time: none waits for another's answer.

use std::collections::BTreeSet;

use crate::cipher_suite::{CipherClass, CipherSuite};
use crate::observation::suites::{ClassSettled, SuiteEvidence, is_confirmed, is_drop, remaining};
use crate::observation::versions::Settled;
use crate::observation::{Connection, SuiteRun, TlsVersion};
use crate::probe::hello_plan::{self, MAX_CONNECTIONS};

pub(super) mod every;

/// Connections that settle the classes, where the versions leave as many of those of an endpoint.
const MAX_CLASS_CONNECTIONS: usize = 7;

/// Connections left with which two versions can be asked at the same time, though the answer of the
/// one may spare a question to the other.
const ENOUGH_FOR_BOTH: usize = 6;

/// How many connections may settle the classes.
pub(super) fn budget(connections: &[Connection]) -> usize {
    MAX_CONNECTIONS.saturating_sub(hello_plan::spent(connections)).min(MAX_CLASS_CONNECTIONS)
}

/// How many connections the runs after the first `elsewhere` took.
pub(super) fn spent(runs: &[SuiteRun], elsewhere: usize) -> usize {
    runs.get(elsewhere..).unwrap_or_default().iter().map(SuiteRun::connections).sum()
}

/// Suites to ask for at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SuiteOffer {
    pub version: TlsVersion,
    pub suites: Vec<u16>,
    pub until: Until,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// One hello.
    Answered,
    /// Each suite that is chosen is left out of the next hello, until none is.
    Refused,
}

/// Whether anything was said in TLS, so that suites can be asked for.
pub(super) fn is_tls(connections: &[Connection]) -> bool {
    let evidence = SuiteEvidence::new(connections, &[]);
    evidence.accepts_version(TlsVersion::Tls13) || !evidence.telling_versions().is_empty()
}

/// What to ask so that each class of weak suites, and forward secrecy, is settled; empty when all
/// is settled, was asked, or the bound is reached. The first `elsewhere` runs were for more than
/// that and do not count against it.
///
/// One hello with all weak classes together is refused by a server that is set up well, and all of
/// them are settled. Where one was chosen instead, the others go out again without it.
pub(super) fn next_offers(
    connections: &[Connection],
    runs: &[SuiteRun],
    elsewhere: usize,
) -> Vec<SuiteOffer> {
    let evidence = SuiteEvidence::new(connections, runs);
    let left = budget(connections).saturating_sub(spent(runs, elsewhere));
    let mut offers = open_classes(&evidence, &evidence.telling_versions(), runs, left);
    if offers.is_empty() {
        offers = controls(&evidence, runs).into_iter().take(1).collect();
    }
    offers.truncate(left);
    offers
}

/// What can be asked at the same time as versions that are still open: of those that will be telling
/// whatever the others are.
pub(super) fn beside_versions(connections: &[Connection], runs: &[SuiteRun]) -> Vec<SuiteOffer> {
    let evidence = SuiteEvidence::new(connections, runs);
    let mut telling = evidence.telling_versions();
    telling.retain(|version| {
        evidence.accepts_version(*version)
            && !more_telling(*version).iter().any(|other| evidence.version_is_open(*other))
    });
    let left = budget(connections).saturating_sub(spent(runs, 0));
    let mut offers = open_classes(&evidence, &telling, runs, left);
    offers.truncate(left);
    offers
}

/// Versions that would speak for this one, if they were accepted.
fn more_telling(version: TlsVersion) -> &'static [TlsVersion] {
    match version {
        TlsVersion::Ssl3 => &[TlsVersion::Tls10, TlsVersion::Tls11],
        TlsVersion::Tls11 => &[TlsVersion::Tls10],
        _ => &[],
    }
}

fn open_classes(
    evidence: &SuiteEvidence,
    telling: &[TlsVersion],
    runs: &[SuiteRun],
    left: usize,
) -> Vec<SuiteOffer> {
    let open: Vec<CipherClass> = CipherClass::ALL
        .into_iter()
        .filter(|class| matches!(evidence.class(*class), ClassSettled::Open(_)))
        .collect();
    let weak = |suite: CipherSuite| open.iter().any(|class| suite.is(*class));
    // Newest first: what that version shows need not be asked of the older one. Once it has shown
    // what it chooses first, the rest is mostly refused, and both can be asked.
    let both = left >= ENOUGH_FOR_BOTH
        && telling.first().is_some_and(|newest| runs.iter().any(|run| run.version == *newest));
    let mut offers: Vec<SuiteOffer> = telling
        .iter()
        .filter_map(|version| asked_once(*version, evidence.open_suites(*version, weak), runs))
        .take(if both { 2 } else { 1 })
        .collect();
    // Where TLS 1.3 itself is open, no other hello can tell.
    if let Settled::Open(_) = evidence.forward_secrecy()
        && !evidence.version_is_open(TlsVersion::Tls13)
    {
        let accepted = telling.iter().filter(|version| evidence.accepts_version(**version));
        offers.extend(accepted.filter_map(|version| {
            let suites = evidence.open_suites(*version, CipherSuite::has_forward_secrecy);
            asked_once(*version, suites, runs)
        }));
    }
    offers
}

/// An offer of these suites, if it is not a repetition.
fn asked_once(
    version: TlsVersion,
    mut suites: Vec<CipherSuite>,
    runs: &[SuiteRun],
) -> Option<SuiteOffer> {
    // A server that goes by our order then shows most with its choice.
    suites.sort_by_key(|suite| (std::cmp::Reverse(suite.classes().count()), suite.id));
    let suites: Vec<u16> = suites.into_iter().map(|suite| suite.id).collect();
    let offer = SuiteOffer { version, suites, until: Until::Answered };
    let new = !runs.iter().any(|run| repeats(&offer, run));
    (new && !offer.suites.is_empty()).then_some(offer)
}

fn repeats(offer: &SuiteOffer, run: &SuiteRun) -> bool {
    let set = |suites: &[u16]| suites.iter().copied().collect::<BTreeSet<_>>();
    run.version == offer.version && set(&run.offered) == set(&offer.suites)
}

/// What a run of hellos was dropped for, with a suite that the server is known to take: if that is
/// answered, the drop was a refusal. Asked once.
fn control(run: &SuiteRun, evidence: &SuiteEvidence, runs: &[SuiteRun]) -> Option<SuiteOffer> {
    let known = *evidence.accepted(run.version).first()?;
    let suites: Vec<u16> = remaining(run).chain([known]).collect();
    let offer = SuiteOffer { version: run.version, suites, until: Until::Answered };
    (!runs.iter().any(|run| repeats(&offer, run))).then_some(offer)
}

/// Controls for the runs that ended in a drop that nothing explains yet. The last comes first: its
/// answer also shows that the server had not had enough of us before.
fn controls(evidence: &SuiteEvidence, runs: &[SuiteRun]) -> Vec<SuiteOffer> {
    let unexplained = runs
        .iter()
        .enumerate()
        .filter(|(number, run)| is_drop(run) && !is_confirmed(runs, *number));
    unexplained.rev().filter_map(|(_, run)| control(run, evidence, runs)).collect()
}

#[cfg(test)]
mod tests;
