//! Which cipher suites are worth the next hellos, by what the recorded ones settle. Asked by
//! `probe` between rounds; pure.
//!
//! A round's hellos may be sent at the same time: none waits for another's answer.

use std::collections::BTreeSet;

use crate::cipher_suite::{CipherClass, CipherSuite};
use crate::observation::suites::{ClassSettled, SuiteEvidence, is_confirmed, is_drop, remaining};
use crate::observation::versions::Settled;
use crate::observation::{Connection, SuiteRun, TlsVersion};

pub(super) mod every;

/// Connections that settle the classes. With the five for versions that makes twelve.
pub(super) const MAX_CLASS_CONNECTIONS: usize = 7;

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
    let left = MAX_CLASS_CONNECTIONS.saturating_sub(spent);
    let telling = evidence.telling_versions();

    let weak = |suite: CipherSuite| open.iter().any(|class| suite.is(*class));
    let mut offers: Vec<SuiteOffer> = telling
        .iter()
        .filter_map(|version| {
            asked_once(*version, evidence.open_suites(*version, weak), &evidence, runs)
        })
        .collect();
    // What the newer version shows need not be asked of the older one. To ask both at once saves
    // time where both refuse, which is likely as long as nothing weak was seen.
    if !for_classes.is_empty() || open.len() < CipherClass::ALL.len() {
        offers.truncate(1);
    }
    // Where TLS 1.3 itself is open, no other hello can tell.
    if let Settled::Open(_) = evidence.forward_secrecy()
        && !evidence.version_is_open(TlsVersion::Tls13)
    {
        let accepted = telling.iter().filter(|version| evidence.accepts_version(**version));
        offers.extend(accepted.filter_map(|version| {
            let suites = evidence.open_suites(*version, CipherSuite::has_forward_secrecy);
            asked_once(*version, suites, &evidence, runs)
        }));
    }
    offers.truncate(left);
    offers
}

/// An offer of these suites, if it is not a repetition. Where the same was dropped without a word,
/// the hello goes out again with a suite that the server is known to take.
fn asked_once(
    version: TlsVersion,
    mut suites: Vec<CipherSuite>,
    evidence: &SuiteEvidence,
    runs: &[SuiteRun],
) -> Option<SuiteOffer> {
    if suites.is_empty() {
        return None;
    }
    // A server that goes by our order then shows most with its choice.
    suites.sort_by_key(|suite| (std::cmp::Reverse(suite.classes().count()), suite.id));
    let suites = suites.into_iter().map(|suite| suite.id).collect();
    let offer = SuiteOffer { version, suites, until: Until::Answered };
    match runs.iter().rfind(|run| repeats(&offer, run)) {
        None => Some(offer),
        Some(run) if is_drop(run) => control(run, evidence, runs),
        Some(_) => None,
    }
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

/// Controls for the runs that ended in a drop that nothing explains yet.
fn controls(evidence: &SuiteEvidence, runs: &[SuiteRun]) -> Vec<SuiteOffer> {
    let unexplained = runs.iter().enumerate().filter(|(number, run)| {
        is_drop(run) && !is_confirmed(run, runs.get(number + 1..).unwrap_or_default())
    });
    unexplained.filter_map(|(_, run)| control(run, evidence, runs)).collect()
}

#[cfg(test)]
mod tests;
