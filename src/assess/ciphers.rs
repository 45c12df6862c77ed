//! Cipher suites: which classes of weak ones are accepted, and, where all were asked for, which are.

use std::collections::BTreeMap;

use super::{CipherAssessment, ClassSupport, SuiteList, SupportStatus};
use crate::cipher_suite::{CipherClass, CipherSuite};
use crate::observation::suites::{ClassSettled, ServerOrder, SuiteEvidence, server_order};
use crate::observation::{SuiteObservation, SuitesAsked, TlsVersion};

pub(super) fn assess(
    asked: Option<&SuiteObservation>,
    evidence: &SuiteEvidence,
) -> CipherAssessment {
    let classes = CipherClass::ALL.into_iter().map(|class| (class, support(evidence, class)));
    CipherAssessment {
        classes: classes.collect(),
        forward_secrecy: super::tls::support(evidence.forward_secrecy()),
        suites: asked
            .filter(|asked| asked.asked == SuitesAsked::All)
            .map(|asked| lists(asked, evidence)),
    }
}

fn support(evidence: &SuiteEvidence, class: CipherClass) -> ClassSupport {
    let (status, reason, accepted) = match evidence.class(class) {
        ClassSettled::Accepted(accepted) => (SupportStatus::Accepted, named(&accepted), accepted),
        ClassSettled::Refused(reason) => (SupportStatus::Refused, reason, Vec::new()),
        ClassSettled::Open(reason) => (SupportStatus::Undetermined, reason, Vec::new()),
    };
    ClassSupport { status, reason, accepted }
}

/// `TLSv1.2: A, B; TLSv1.0: A`.
fn named(accepted: &[(TlsVersion, CipherSuite)]) -> String {
    /// Where all were asked for there can be dozens, and the list has them.
    const NAMED: usize = 8;
    let mut by_version: Vec<(TlsVersion, Vec<&str>)> = Vec::new();
    for (version, suite) in accepted.iter().take(NAMED) {
        match by_version.last_mut().filter(|(last, _)| last == version) {
            Some((_, names)) => names.push(suite.name),
            None => by_version.push((*version, vec![suite.name])),
        }
    }
    let parts: Vec<String> = by_version
        .into_iter()
        .map(|(version, names)| format!("{version}: {}", names.join(", ")))
        .collect();
    let more = accepted.len().saturating_sub(NAMED);
    let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("a ServerHello chose {}{and_more}", parts.join("; "))
}

fn lists(asked: &SuiteObservation, evidence: &SuiteEvidence) -> BTreeMap<TlsVersion, SuiteList> {
    let accepted = TlsVersion::ALL.into_iter().filter(|v| evidence.accepts_version(*v));
    accepted.map(|version| (version, list(version, asked, evidence))).collect()
}

fn list(version: TlsVersion, asked: &SuiteObservation, evidence: &SuiteEvidence) -> SuiteList {
    let runs = || asked.runs.iter().filter(|run| run.version == version);
    let accepted = evidence.accepted(version);
    let order = server_order(version, evidence, &asked.runs);
    let whole = runs().find(|run| accepted.iter().all(|suite| run.chosen.contains(suite)));
    let in_order = whole.filter(|_| order == ServerOrder::Server).map(|run| run.chosen.clone());
    let by_number = || {
        let mut numbers = accepted.to_vec();
        numbers.sort_unstable();
        numbers
    };
    let ids = in_order.unwrap_or_else(by_number);
    let suites = ids.into_iter().filter_map(CipherSuite::from_id).collect();
    let open = CipherSuite::all()
        .iter()
        .filter(|suite| suite.exists_in(version) && !evidence.is_settled(version, suite.id))
        .count();
    let incomplete = (open > 0).then(|| {
        let why = evidence.unsettled(version).or(asked.cut_short.as_deref());
        format!("{open} suites are open: {}", why.unwrap_or("they were not asked for"))
    });
    SuiteList { suites, order, incomplete }
}

#[cfg(test)]
mod tests;
