//! The comparison itself: endpoints come in pairs, by address and port.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;

use super::findings::Compared;
use super::side::{FindingSeen, FleetSeen, Seen, Side};
use super::{
    Appeared, Difference, EndpointChange, Fact, FindingChange, Gone, NotReached, Schema, Scope,
    facts, findings,
};
use crate::report::v1::{self, AbsentState, Access};

/// A comparison under way: [`Comparison::endpoint`] for each, and [`Comparison::finish`].
#[derive(Debug)]
pub struct Comparison {
    pub(super) before: Side,
    pub(super) after: Side,
    difference: Difference,
    /// What became of the endpoints that findings of the fleet are about.
    fleet: HashMap<String, Met>,
}

/// What the later run knows of an endpoint of the earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Met {
    Seen {
        /// It proved that it holds its key, or has none to prove.
        key: bool,
        /// It showed its certificates, or has none.
        certificates: bool,
    },
    Gone,
    NotReached(String),
}

/// One run's endpoints are not by address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its endpoints are not by address and port, or one is there twice")]
pub struct NotInOrder;

/// Hands over what the runs say of each endpoint, by address and port.
///
/// # Errors
/// The first of either run's, or that they are not in order.
pub fn join<E: From<NotInOrder>>(
    before: impl IntoIterator<Item = Result<Seen, E>>,
    after: impl IntoIterator<Item = Result<Seen, E>>,
    mut each: impl FnMut(Option<Seen>, Option<Seen>),
) -> Result<(), E> {
    let mut pairs = Pairs::new(before.into_iter())?;
    for after in after {
        pairs.meet(after?, &mut each)?;
    }
    pairs.finish(each)
}

/// As [`join`], where the later run's endpoints come one at a time.
#[derive(Debug)]
pub struct Pairs<I> {
    before: I,
    head: Option<Seen>,
    /// Of the later run's last.
    met: Option<Place>,
}

type Place = (IpAddr, u16);

fn place(seen: &Seen) -> Place {
    (seen.address, seen.port)
}

impl<E: From<NotInOrder>, I: Iterator<Item = Result<Seen, E>>> Pairs<I> {
    /// # Errors
    /// The first of `before`.
    pub fn new(mut before: I) -> Result<Self, E> {
        let head = before.next().transpose()?;
        Ok(Self { before, head, met: None })
    }

    /// Hands over the earlier run's endpoints that stand before `after`, and then `after`.
    ///
    /// # Errors
    /// The first of `before`, or that one of the runs is not in order.
    pub fn meet(
        &mut self,
        after: Seen,
        mut each: impl FnMut(Option<Seen>, Option<Seen>),
    ) -> Result<(), E> {
        let here = place(&after);
        if self.met.is_some_and(|met| here <= met) {
            return Err(NotInOrder.into());
        }
        self.met = Some(here);
        while self.head.as_ref().is_some_and(|head| place(head) < here) {
            each(self.advance()?, None);
        }
        let same = self.head.as_ref().is_some_and(|head| place(head) == here);
        let before = if same { self.advance()? } else { None };
        each(before, Some(after));
        Ok(())
    }

    /// Hands over what is left of the earlier run.
    ///
    /// # Errors
    /// As [`Self::meet`].
    pub fn finish(mut self, mut each: impl FnMut(Option<Seen>, Option<Seen>)) -> Result<(), E> {
        while self.head.is_some() {
            each(self.advance()?, None);
        }
        Ok(())
    }

    /// Takes the head, and the next in its place.
    fn advance(&mut self) -> Result<Option<Seen>, E> {
        let next = self.before.next().transpose()?;
        let head = std::mem::replace(&mut self.head, next);
        match (&head, &self.head) {
            (Some(head), Some(next)) if place(next) <= place(head) => Err(NotInOrder.into()),
            _ => Ok(head),
        }
    }
}

impl Comparison {
    pub fn new(before: Side, after: Side) -> Self {
        let difference = Difference {
            schema: Schema::V1,
            before: before.run.clone(),
            after: after.run.clone(),
            new: Vec::new(),
            fixed: Vec::new(),
            changed: Vec::new(),
            gone: Vec::new(),
            not_reached: Vec::new(),
            appeared: Vec::new(),
            notes: notes(&before, &after),
        };
        let of_interest = before.fleet.iter().flatten().flat_map(|fleet| &fleet.endpoints);
        let unknown = Met::NotReached("no run says what became of it".to_owned());
        let fleet = of_interest.map(|id| (id.clone(), unknown.clone())).collect();
        Self { before, after, difference, fleet }
    }

    /// What the two runs saw of one endpoint.
    pub fn endpoint(&mut self, before: Option<Seen>, after: Option<Seen>) {
        // What the later run knows from others alone, it has not seen.
        let after = after.filter(|after| after.last_seen.is_none());
        match (before, after) {
            (Some(before), Some(after)) => self.both(&before, &after),
            (Some(before), None) => self.missing(&before),
            (None, Some(after)) => self.appeared(&after),
            (None, None) => {}
        }
    }

    fn both(&mut self, before: &Seen, after: &Seen) {
        self.meet(&after.id, || Met::Seen {
            key: after.facts.plain || after.facts.tls.as_ref().is_some_and(|tls| tls.key_proved),
            certificates: after.facts.plain || after.facts.certificate.is_some(),
        });
        let compared = findings::compare(before, after);
        self.difference.new.extend(compared.new);
        self.difference.fixed.extend(compared.fixed);
        let mut facts = facts::compare(&before.facts, &after.facts);
        // A grade is better only by what was judged again.
        if !compared.open.is_empty() && after.facts.grade < before.facts.grade {
            facts.retain(|change| change.fact != Fact::Grade);
        }
        facts.extend(compared.changed);
        if !facts.is_empty() {
            let endpoint = after.id.clone();
            self.difference.changed.push(EndpointChange { endpoint, facts });
        }
        let lost = after.facts.access == Access::Undetermined
            && before.facts.access != Access::Undetermined;
        if lost || !compared.open.is_empty() {
            self.difference.not_reached.push(NotReached {
                endpoint: after.id.clone(),
                scope: Scope::Findings,
                because: match after.facts.access {
                    Access::Undetermined => {
                        format!("its access is undetermined: {}", after.facts.access_reason)
                    }
                    _ => "rules that found something then are undetermined now".to_owned(),
                },
                findings: compared.open,
            });
        }
    }

    fn missing(&mut self, before: &Seen) {
        let active = before.findings.iter().filter(|finding| finding.suppressed.is_none());
        match self.after.absent.get(&before.id) {
            Some((AbsentState::Closed, reason)) => {
                let because = format!("its port is closed: {reason}");
                let fixed: Vec<FindingChange> = active
                    .map(|finding| FindingChange::new(&before.id, finding, because.clone()))
                    .collect();
                self.meet(&before.id, || Met::Gone);
                self.difference.gone.push(Gone {
                    endpoint: before.id.clone(),
                    access: before.facts.access.name().to_owned(),
                    because,
                    findings: fixed.len() as u64,
                });
                self.difference.fixed.extend(fixed);
            }
            state => {
                let mut because = match state {
                    Some((state, reason)) => absence(*state, reason),
                    None if !self.after.run.complete => {
                        "the later run was cut short and does not list it".to_owned()
                    }
                    None => "the later run does not list it, nor say whether its port was asked"
                        .to_owned(),
                };
                if let Some(last) = before.last_seen {
                    because
                        .push_str(&format!("; last seen {}", last.strftime("%Y-%m-%d %H:%M UTC")));
                }
                self.meet(&before.id, || Met::NotReached(because.clone()));
                let findings = active
                    .map(|finding| FindingChange::new(&before.id, finding, because.clone()))
                    .collect();
                self.difference.not_reached.push(NotReached {
                    endpoint: before.id.clone(),
                    scope: Scope::Endpoint,
                    because,
                    findings,
                });
            }
        }
    }

    fn appeared(&mut self, after: &Seen) {
        let because = match self.before.absent.get(&after.id) {
            Some((AbsentState::Closed, _)) => "its port was closed then".to_owned(),
            Some((state, reason)) => format!("not reached then: {}", absence(*state, reason)),
            None if !self.before.run.complete => {
                "the earlier run was cut short and does not list it".to_owned()
            }
            None => "the earlier run does not list it".to_owned(),
        };
        let active = after.findings.iter().filter(|finding| finding.suppressed.is_none());
        self.difference
            .new
            .extend(active.map(|finding| FindingChange::new(&after.id, finding, because.clone())));
        self.difference.appeared.push(Appeared {
            endpoint: after.id.clone(),
            access: after.facts.access.name().to_owned(),
            because,
        });
    }

    fn meet(&mut self, id: &str, met: impl FnOnce() -> Met) {
        if let Some(known) = self.fleet.get_mut(id) {
            *known = met();
        }
    }

    /// What the later run says across endpoints, where that is known only once all are.
    pub fn after_fleet(&mut self, findings: &[v1::FleetFinding]) {
        self.after.fleet = Some(findings.iter().map(FleetSeen::from).collect());
    }

    /// All endpoints were handed over.
    pub fn finish(mut self) -> Difference {
        self.compare_fleet();
        self.finish_endpoints()
    }

    /// As [`Self::finish`], without what shows only across endpoints.
    pub fn finish_endpoints(self) -> Difference {
        let mut difference = self.difference;
        // Stable: within a severity they stay by address and port.
        difference.new.sort_by_key(|finding| Reverse(finding.severity));
        difference.fixed.sort_by_key(|finding| Reverse(finding.severity));
        difference
    }

    fn compare_fleet(&mut self) {
        let (Some(before), Some(after)) = (self.before.fleet.take(), self.after.fleet.take())
        else {
            return;
        };
        let by_id = |fleet: &[FleetSeen]| -> HashMap<String, FindingSeen> {
            fleet.iter().map(|it| (it.finding.id.clone(), it.finding.clone())).collect()
        };
        let (then, now) = (by_id(&before), by_id(&after));
        let mut compared = Compared::default();
        for FleetSeen { finding, .. } in &after {
            match then.get(&finding.id) {
                Some(known) => compared.stayed("fleet", known, finding),
                None if finding.suppressed.is_none() => {
                    let because = "the earlier run did not find it".to_owned();
                    compared.new.push(FindingChange::new("fleet", finding, because));
                }
                None => {}
            }
        }
        self.difference.new.extend(compared.new);
        if !compared.changed.is_empty() {
            let (endpoint, facts) = ("fleet".to_owned(), compared.changed);
            self.difference.changed.push(EndpointChange { endpoint, facts });
        }
        for FleetSeen { finding, endpoints } in &before {
            if finding.suppressed.is_some() || now.contains_key(&finding.id) {
                continue;
            }
            match self.why_open(finding, endpoints) {
                None => {
                    let because = "every endpoint that it names was asked again, or its port is \
                                   closed"
                        .to_owned();
                    self.difference.fixed.push(FindingChange::new("fleet", finding, because));
                }
                Some(because) => self.difference.not_reached.push(NotReached {
                    endpoint: "fleet".to_owned(),
                    scope: Scope::Findings,
                    findings: vec![FindingChange::new("fleet", finding, because.clone())],
                    because,
                }),
            }
        }
    }

    /// Why a finding that the later run does not have may hold all the same.
    fn why_open(&self, finding: &FindingSeen, endpoints: &[String]) -> Option<String> {
        let proof = finding.rule == "key-reused";
        endpoints.iter().find_map(|id| match self.fleet.get(id) {
            Some(Met::Gone) => None,
            Some(Met::Seen { key: true, .. }) if proof => None,
            Some(Met::Seen { certificates: true, .. }) if !proof => None,
            Some(Met::Seen { .. }) => Some(format!("{id} did not show its key this time")),
            Some(Met::NotReached(because)) => Some(format!("{id}: {because}")),
            None => Some(format!("{id}: nothing is known of it")),
        })
    }
}

/// What such a state means for an endpoint of the other run.
fn absence(state: AbsentState, reason: &str) -> String {
    let what = match state {
        AbsentState::Closed => "its port is closed",
        AbsentState::NotListed => "it takes connections and says nothing",
        AbsentState::Unreachable => "no way leads to it",
        AbsentState::Silent => "it does not answer",
        AbsentState::NotProbed => "it was not asked",
        AbsentState::NotInTargets => "it is not among the targets",
    };
    if reason.is_empty() { what.to_owned() } else { format!("{what}: {reason}") }
}

fn notes(before: &Side, after: &Side) -> Vec<String> {
    let mut notes = Vec::new();
    let same_targets = match (&before.targets_digest, &after.targets_digest) {
        (Some(before), Some(after)) => before == after,
        _ => {
            (&before.run.targets, &before.excluded, &before.ports)
                == (&after.run.targets, &after.excluded, &after.ports)
        }
    };
    if !same_targets {
        notes.push(
            "the runs have other targets: what is new may be new to the targets alone".to_owned(),
        );
    }
    if before.run.vantage != after.run.vantage {
        notes.push("the runs look from different places, which may see different networks".into());
    }
    if before.run.started_at > after.run.started_at {
        notes.push("the first run is the later one: new and fixed are the other way round".into());
    }
    for (which, side) in [("earlier", before), ("later", after)] {
        if !side.run.complete {
            notes.push(format!("the {which} run was cut short"));
        }
        if side.fleet.is_none() {
            notes.push(format!("the {which} run does not say what shows across endpoints"));
        }
    }
    for (what, then, now) in [
        ("rules", &before.rules_version, &after.rules_version),
        ("advisories", &before.data_date, &after.data_date),
    ] {
        if then != now {
            let name = |version: &Option<String>| version.clone().unwrap_or("unknown".to_owned());
            notes.push(format!(
                "the runs were judged by different {what} ({} and {}), which alone may make a \
                 difference; docksweep report judges a stored report by today's",
                name(then),
                name(now)
            ));
        }
    }
    notes
}
