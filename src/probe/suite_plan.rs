//! Which cipher suites are worth the next hellos, by what the recorded ones settle. Asked by
//! `probe` between rounds; pure.
//!
//! A round's hellos may be sent at the same time: none waits for another's answer.

use std::collections::BTreeSet;

use crate::cipher_suite::{CipherClass, CipherSuite};
use crate::observation::suites::{ClassSettled, SuiteEvidence, is_confirmed, is_drop, remaining};
use crate::observation::versions::Settled;
use crate::observation::{Connection, SuiteRun, TlsVersion};
use crate::probe::hello_plan;

pub(super) mod every;

/// Connections that settle the classes, where the versions leave as many of those of an endpoint.
const MAX_CLASS_CONNECTIONS: usize = 7;
/// For versions and classes together.
const MAX_CONNECTIONS: usize = 12;

/// How many connections may settle the classes.
pub(super) fn budget(connections: &[Connection]) -> usize {
    MAX_CONNECTIONS.saturating_sub(hello_plan::spent(connections)).min(MAX_CLASS_CONNECTIONS)
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
    let open: Vec<CipherClass> = CipherClass::ALL
        .into_iter()
        .filter(|class| matches!(evidence.class(*class), ClassSettled::Open(_)))
        .collect();
    let for_classes = runs.get(elsewhere..).unwrap_or_default();
    let spent: usize = for_classes.iter().map(SuiteRun::connections).sum();
    let left = budget(connections).saturating_sub(spent);
    let telling = evidence.telling_versions();

    let weak = |suite: CipherSuite| open.iter().any(|class| suite.is(*class));
    // Newest first: what that version shows need not be asked of the older one.
    let next = telling
        .iter()
        .find_map(|version| asked_once(*version, evidence.open_suites(*version, weak), runs));
    let mut offers: Vec<SuiteOffer> = next.into_iter().collect();
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
    if offers.is_empty() {
        offers = controls(&evidence, runs).into_iter().take(1).collect();
    }
    offers.truncate(left);
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
