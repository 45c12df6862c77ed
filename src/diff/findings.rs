//! What came and went among the findings of an endpoint that both runs saw.

use super::side::{Facts, FindingSeen, Seen};
use super::{Fact, FactChange, FindingChange};
use crate::report::v1::Access;

#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) new: Vec<FindingChange>,
    pub(super) fixed: Vec<FindingChange>,
    pub(super) changed: Vec<FactChange>,
    /// Of then; whether they hold now is not known.
    pub(super) open: Vec<FindingChange>,
}

pub(super) fn compare(before: &Seen, after: &Seen) -> Compared {
    let mut compared = Compared::default();
    let mut came: Vec<&FindingSeen> = Vec::new();
    for finding in &after.findings {
        match before.findings.iter().find(|known| known.id == finding.id) {
            Some(known) => compared.stayed(&after.id, known, finding),
            None => came.push(finding),
        }
    }
    for finding in &before.findings {
        if after.findings.iter().any(|known| known.id == finding.id) {
            continue;
        }
        if let Some(place) = came.iter().position(|other| replaces(other, finding)) {
            let other = came.swap_remove(place);
            compared.stayed(&after.id, finding, other);
            continue;
        }
        if finding.suppressed.is_some() {
            continue;
        }
        match judged(after, &finding.rule) {
            Ok(because) => {
                compared.fixed.push(FindingChange::new(&before.id, finding, because));
            }
            Err(because) => {
                compared.open.push(FindingChange::new(&before.id, finding, because));
            }
        }
    }
    came.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in came.into_iter().filter(|finding| finding.suppressed.is_none()) {
        let because = why_not_then(before, &finding.rule);
        compared.new.push(FindingChange::new(&after.id, finding, because));
    }
    compared
}

impl Compared {
    /// The same finding in both runs.
    pub(super) fn stayed(&mut self, endpoint: &str, before: &FindingSeen, after: &FindingSeen) {
        let finding = Some(after.id.clone());
        match (&before.suppressed, &after.suppressed) {
            (Some(then), None) => {
                let because = format!("it is no longer suppressed ({})", then.reason);
                self.new.push(FindingChange::new(endpoint, after, because));
            }
            (None, Some(now)) => self.changed.push(FactChange {
                fact: Fact::Suppression,
                finding,
                before: None,
                after: Some(now.reason.clone()),
            }),
            (None, None) if before.severity != after.severity => self.changed.push(FactChange {
                fact: Fact::Severity,
                finding,
                before: Some(before.severity.name().to_owned()),
                after: Some(after.severity.name().to_owned()),
            }),
            _ => {}
        }
    }
}

/// The same flaw of the certificate that took the other's place: a self-signed certificate renewed
/// by a self-signed one is neither fixed nor new, and that it changed is said as such.
fn replaces(after: &FindingSeen, before: &FindingSeen) -> bool {
    let role = |finding: &FindingSeen| {
        let role = finding.subject.as_deref()?.split(' ').next()?.to_owned();
        ["leaf", "issuer", "root"].contains(&role.as_str()).then_some(role)
    };
    after.rule == before.rule
        && after.severity == before.severity
        && role(before).is_some_and(|then| role(after) == Some(then))
}

/// Whether the later run answers this rule, so that what it does not find is not there; and if not,
/// why.
fn judged(after: &Seen, rule: &str) -> Result<String, String> {
    if let Some(undetermined) = after.undetermined.iter().find(|it| it.rule == rule) {
        return Err(format!("undetermined: {}", undetermined.reason));
    }
    if after.passed.iter().any(|passed| passed == rule) {
        return Ok("its rule is kept now".to_owned());
    }
    if after.findings.iter().any(|finding| finding.rule == rule) {
        return match family(rule) {
            // A rule that finds something does not say of how many containers it knows nothing.
            "container" if after.undetermined.iter().any(|it| family(&it.rule) == "container") => {
                Err("not all containers were read".to_owned())
            }
            _ => Ok("its rule finds other things now, and not this".to_owned()),
        };
    }
    if after.facts.access == Access::Undetermined {
        return Err(format!("access is undetermined: {}", after.facts.access_reason));
    }
    match unasked(after, rule) {
        Some(because) => Err(because.to_owned()),
        None => Ok("its rule does not apply any more".to_owned()),
    }
}

/// The first word of a rule's name says what it looks at.
fn family(rule: &str) -> &str {
    rule.split('-').next().unwrap_or(rule)
}

/// Why the later run has nothing that a rule of which it says no word could look at, although access
/// is determined. A rule says no word as well where the endpoint has nothing that it is about.
fn unasked(after: &Seen, rule: &str) -> Option<&'static str> {
    let Facts { plain, access, tls, .. } = &after.facts;
    let judged = |families: [&str; 2]| {
        let found = after.findings.iter().map(|finding| &finding.rule);
        found.chain(&after.passed).any(|rule| families.contains(&family(rule)))
    };
    match family(rule) {
        "api" => None,
        "tls" | "cert" | "key" | "client" if *plain => None,
        "tls" | "cert" | "key" | "client" if tls.is_none() => Some("its TLS was not seen"),
        "client" if rule == "client-cert-unverified" => {
            Some("it was shown no certificate that nobody vouches for")
        }
        "cert" if rule == "cert-untrusted" || rule.starts_with("cert-chain-") => {
            Some("nothing was given that tells where its chain should lead")
        }
        "tls" | "cert" | "key" | "client" => None,
        "engine" | "swarm" | "container" if *access == Access::NotDocker => None,
        "engine" | "swarm" if judged(["engine", "swarm"]) => None,
        "engine" | "swarm" => Some("the engine did not show its settings"),
        "container" => Some("its containers were not asked for"),
        _ => Some("nothing tells whether its rule was asked"),
    }
}

fn why_not_then(before: &Seen, rule: &str) -> String {
    if let Some(undetermined) = before.undetermined.iter().find(|it| it.rule == rule) {
        return format!("undetermined then: {}", undetermined.reason);
    }
    if before.passed.iter().any(|passed| passed == rule) {
        return "its rule was kept then".to_owned();
    }
    if before.findings.iter().any(|finding| finding.rule == rule) {
        return "its rule found other things then, and not this".to_owned();
    }
    if before.facts.access == Access::Undetermined {
        return format!("access was undetermined then: {}", before.facts.access_reason);
    }
    "its rule did not apply then".to_owned()
}
