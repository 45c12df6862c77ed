//! Findings by rule, so that what 200 hosts have in common is explained once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use super::page::{Page, Tone};
use super::{Suppressed, TextOptions, address_of, label, plural};
use crate::finding::Severity;
use crate::report::v1;

pub fn write(page: &mut Page, report: &v1::Report, options: TextOptions) {
    let groups = group(report, options.minimum);
    let mut advised = HashSet::new();
    for group in groups.values() {
        page.blank();
        group.write(page, &mut advised);
    }
    undetermined(page, report, options.minimum);
    if options.suppressed == Suppressed::Shown {
        suppressed(page, report);
    }
    left_out(page, report, options);
}

/// Worst first, then by rule: a rule may find cases of different severity.
type Groups<'a> = BTreeMap<(Reverse<Severity>, &'a str), Group<'a>>;

fn group(report: &v1::Report, minimum: Severity) -> Groups<'_> {
    let mut groups = Groups::new();
    for endpoint in &report.endpoints {
        let label = label(endpoint);
        for finding in endpoint.findings.iter().filter(|finding| is_shown(finding, minimum)) {
            add(&mut groups, finding, std::slice::from_ref(&label));
        }
    }
    let labels: BTreeMap<&str, String> =
        report.endpoints.iter().map(|endpoint| (endpoint.id.as_str(), label(endpoint))).collect();
    for v1::FleetFinding { finding, endpoints } in &report.fleet_findings {
        if is_shown(finding, minimum) {
            let endpoints: Vec<String> = endpoints
                .iter()
                .map(|id| labels.get(id.as_str()).map_or(address_of(id), String::as_str))
                .map(str::to_owned)
                .collect();
            add(&mut groups, finding, &endpoints);
        }
    }
    groups
}

fn is_shown(finding: &v1::Finding, minimum: Severity) -> bool {
    finding.severity >= minimum && !finding.is_suppressed()
}

fn add<'a>(groups: &mut Groups<'a>, finding: &'a v1::Finding, endpoints: &[String]) {
    groups
        .entry((Reverse(finding.severity), &finding.rule))
        .or_insert_with(|| Group::new(finding))
        .add(finding, endpoints);
}

/// One rule at one severity.
struct Group<'a> {
    severity: Severity,
    rule: &'a str,
    title: &'a str,
    /// Evidence and subject, and where they are the same.
    cases: Shared<(&'a str, Option<&'a str>)>,
    /// A rule may advise differently from case to case.
    remedies: Shared<&'a str>,
    references: Vec<&'a str>,
}

impl<'a> Group<'a> {
    fn new(finding: &'a v1::Finding) -> Self {
        Self {
            severity: finding.severity,
            rule: &finding.rule,
            title: &finding.title,
            cases: Shared::default(),
            remedies: Shared::default(),
            references: Vec::new(),
        }
    }

    fn add(&mut self, finding: &'a v1::Finding, endpoints: &[String]) {
        self.cases.add((&finding.evidence, finding.subject.as_deref()), endpoints);
        self.remedies.add(&finding.remediation, endpoints);
        for reference in finding.references.iter() {
            if !self.references.contains(&reference) {
                self.references.push(reference);
            }
        }
    }

    /// `advised` has what was already said about a rule, at another severity.
    fn write(&self, page: &mut Page, advised: &mut HashSet<(&'a str, &'a str)>) {
        let severity = self.severity.name().to_uppercase();
        page.paragraph(
            Tone::Severity(self.severity),
            "",
            &format!("{severity}  {} [{}]", self.title, self.rule),
        );
        for ((evidence, subject), endpoints) in &self.cases.in_order {
            page.list(Tone::Heading, "  ", endpoints);
            match subject {
                Some(subject) if !evidence.contains(subject) => {
                    page.paragraph(Tone::Plain, "    ", &format!("{subject}: {evidence}"));
                }
                _ => page.paragraph(Tone::Plain, "    ", evidence),
            }
        }
        for (remedy, endpoints) in &self.remedies.in_order {
            if !advised.insert((self.rule, remedy)) {
                page.paragraph(Tone::Heading, "  ", "Fix: as above");
                continue;
            }
            if self.remedies.in_order.len() == 1 {
                page.paragraph(Tone::Heading, "  ", "Fix");
            } else {
                page.list(Tone::Heading, "  Fix for ", endpoints);
            }
            self.write_remedy(page, remedy);
        }
        let new = |reference: &&&'a str| advised.insert((self.rule, reference));
        for reference in self.references.iter().filter(new) {
            page.verbatim(Tone::Faint, "    ", reference);
        }
    }

    /// A remedy has lines of its own; the indented ones are there to be pasted.
    fn write_remedy(&self, page: &mut Page, remedy: &str) {
        for line in remedy.lines() {
            if line.starts_with("  ") {
                page.verbatim(Tone::Plain, "    ", line);
            } else {
                page.paragraph(Tone::Plain, "    ", line);
            }
        }
    }
}

/// What several endpoints have in common, in the order in which it first came.
struct Shared<T> {
    in_order: Vec<(T, Vec<String>)>,
    places: HashMap<T, usize>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { in_order: Vec::new(), places: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Shared<T> {
    fn add(&mut self, what: T, endpoints: &[String]) {
        let place = *self.places.entry(what.clone()).or_insert(self.in_order.len());
        match self.in_order.get_mut(place) {
            Some((_, sharing)) => {
                for endpoint in endpoints {
                    // One endpoint can have the same finding of several subjects.
                    if sharing.last() != Some(endpoint) {
                        sharing.push(endpoint.clone());
                    }
                }
            }
            None => self.in_order.push((what, endpoints.to_vec())),
        }
    }
}

/// What could not be answered is not the same as what is in order.
fn undetermined(page: &mut Page, report: &v1::Report, minimum: Severity) {
    let mut open: Shared<(String, &str)> = Shared::default();
    for endpoint in &report.endpoints {
        let access = (endpoint.api.access == v1::Access::Undetermined)
            .then_some(("access", endpoint.api.reason.as_str()));
        let rules = endpoint
            .rules_undetermined
            .iter()
            .map(|v1::UndeterminedRule { rule, reason }| (rule.as_ref(), reason.as_str()));
        let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (question, reason) in access.into_iter().chain(rules) {
            by_reason.entry(reason).or_default().push(question);
        }
        for (reason, questions) in by_reason {
            open.add((questions.join(", "), reason), &[label(endpoint)]);
        }
    }
    if open.in_order.is_empty() {
        return;
    }
    page.blank();
    if minimum > Severity::Info {
        let count: usize = report.endpoints.iter().map(|e| e.rules_undetermined.len()).sum();
        let count = plural(u64::try_from(count).unwrap_or(u64::MAX), "check", "checks");
        page.paragraph(Tone::Faint, "", &format!("{count} could not be answered."));
        return;
    }
    page.heading("Not determined");
    for ((questions, reason), endpoints) in &open.in_order {
        page.list(Tone::Heading, "  ", endpoints);
        page.paragraph(Tone::Plain, "    ", &format!("{questions}: {reason}"));
    }
}

/// Accepted risks by what accepts them, of whatever severity.
fn suppressed(page: &mut Page, report: &v1::Report) {
    let of_endpoints = report.endpoints.iter().flat_map(|endpoint| {
        let labels = vec![label(endpoint)];
        endpoint.findings.iter().map(move |finding| (finding, labels.clone()))
    });
    let of_fleet = report.fleet_findings.iter().map(|fleet| {
        let endpoints = fleet.endpoints.iter().map(|id| address_of(id).to_owned());
        (&fleet.finding, endpoints.collect())
    });
    /// Where it is written, and what it hides.
    type Hidden<'a> = (&'a str, Reverse<Severity>, &'a str);
    let mut accepted: BTreeMap<Hidden<'_>, (&v1::Suppression, Vec<String>)> = BTreeMap::new();
    for (finding, endpoints) in of_endpoints.chain(of_fleet) {
        let Some(suppression) = &finding.suppressed else { continue };
        let key = (suppression.source.as_str(), Reverse(finding.severity), finding.rule.as_ref());
        let (_, sharing) = accepted.entry(key).or_insert_with(|| (suppression, Vec::new()));
        sharing.extend(endpoints);
        sharing.dedup();
    }
    if accepted.is_empty() {
        return;
    }
    page.blank();
    page.heading("Suppressed");
    for ((source, Reverse(severity), rule), (suppression, endpoints)) in &accepted {
        page.paragraph(Tone::Plain, "  ", &format!("{} [{rule}]", severity.name().to_uppercase()));
        page.list(Tone::Heading, "    ", endpoints);
        let v1::Suppression { reason, expires, .. } = suppression;
        page.paragraph(Tone::Plain, "    ", &format!("until {expires}: {reason} ({source})"));
    }
}

fn left_out(page: &mut Page, report: &v1::Report, options: TextOptions) {
    let minimum = options.minimum;
    let findings = || {
        let fleet = report.fleet_findings.iter().map(|fleet| &fleet.finding);
        report.endpoints.iter().flat_map(|endpoint| &endpoint.findings).chain(fleet)
    };
    let suppressed = match options.suppressed {
        Suppressed::Shown => 0,
        Suppressed::Counted => findings().filter(|finding| finding.is_suppressed()).count(),
    };
    let milder =
        findings().filter(|finding| finding.severity < minimum && !finding.is_suppressed()).count();
    let lines = [(milder, format!("milder than {minimum}")), (suppressed, "suppressed".to_owned())];
    let mut lines = lines.into_iter().filter(|(count, _)| *count > 0).peekable();
    if lines.peek().is_some() {
        page.blank();
    }
    for (count, why) in lines {
        let count = plural(u64::try_from(count).unwrap_or(u64::MAX), "finding", "findings");
        page.paragraph(Tone::Faint, "", &format!("Not shown: {count}, {why}."));
    }
}
