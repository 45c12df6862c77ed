//! Findings as the page lists them: what many endpoints have in common is said once.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::civil::Date;

use crate::finding::Severity;
use crate::report::text::address_of;
use crate::report::v1;

use super::catalogue::Catalogue;
use super::words;

/// One rule broken in one way, with every endpoint that breaks it so.
#[derive(Debug)]
pub struct Case<'a> {
    pub finding: &'a v1::Finding,
    /// Its place in the catalogue.
    pub remedy: usize,
    pub rule: usize,
    /// Places in the report's list.
    pub endpoints: Vec<usize>,
    /// Endpoints of the fleet's findings that are not in the list.
    pub elsewhere: Vec<&'a str>,
}

/// All of a report, worst first, then by rule; the suppressed after the others.
#[derive(Debug, Default)]
pub struct Cases<'a> {
    pub all: Vec<Case<'a>>,
    /// How many of them are not suppressed.
    pub counted: usize,
    /// For each endpoint the places of its cases, worst first.
    of_endpoint: Vec<Vec<usize>>,
    pub catalogue: Catalogue<'a>,
}

impl<'a> Cases<'a> {
    pub fn of(report: &'a v1::Report) -> Self {
        let mut gathered = Gathered::default();
        for (number, endpoint) in report.endpoints.iter().enumerate() {
            for finding in &endpoint.findings {
                gathered.add(finding, number);
            }
        }
        let numbers = places(report);
        for v1::FleetFinding { finding, endpoints } in &report.fleet_findings {
            for id in endpoints {
                match numbers.get(id.as_str()) {
                    Some(number) => gathered.add(finding, *number),
                    None => gathered.add_unlisted(finding, address_of(id)),
                }
            }
        }
        gathered.in_order(report.endpoints.len())
    }

    /// Places of the cases of an endpoint, the suppressed too.
    pub fn of_endpoint(&self, number: usize) -> impl Iterator<Item = (usize, &Case<'a>)> {
        let places = self.of_endpoint.get(number).map_or(&[] as &[usize], Vec::as_slice);
        places.iter().filter_map(|place| Some((*place, self.all.get(*place)?)))
    }

    pub fn unsuppressed(&self) -> &[Case<'a>] {
        self.all.get(..self.counted).unwrap_or_default()
    }

    pub fn suppressed(&self) -> &[Case<'a>] {
        self.all.get(self.counted..).unwrap_or_default()
    }

    /// The worst of an endpoint that counts.
    pub fn worst(&self, number: usize) -> Option<Severity> {
        self.of_endpoint(number)
            .map(|(_, case)| case.finding)
            .filter(|finding| !finding.is_suppressed())
            .map(|finding| finding.severity)
            .max()
    }
}

/// Where an endpoint stands in the report, by its id.
fn places(report: &v1::Report) -> HashMap<&str, usize> {
    if report.fleet_findings.is_empty() {
        return HashMap::new();
    }
    let ids = report.endpoints.iter().map(|endpoint| endpoint.id.as_str());
    ids.enumerate().map(|(number, id)| (id, number)).collect()
}

/// All that two findings must share to be one case.
type Key<'a> = (&'a str, Severity, Option<&'a str>, &'a str, &'a str, Accepted<'a>);
type Accepted<'a> = Option<(&'a str, Date, &'a str)>;

#[derive(Default)]
struct Gathered<'a> {
    cases: Vec<Case<'a>>,
    places: HashMap<Key<'a>, usize>,
}

impl<'a> Gathered<'a> {
    fn add(&mut self, finding: &'a v1::Finding, endpoint: usize) {
        if let Some(case) = self.case(finding)
            && case.endpoints.last() != Some(&endpoint)
        {
            case.endpoints.push(endpoint);
        }
    }

    fn add_unlisted(&mut self, finding: &'a v1::Finding, endpoint: &'a str) {
        if let Some(case) = self.case(finding) {
            case.elsewhere.push(endpoint);
        }
    }

    fn case(&mut self, finding: &'a v1::Finding) -> Option<&mut Case<'a>> {
        let key = (
            finding.rule.as_ref(),
            finding.severity,
            finding.subject.as_deref(),
            finding.evidence.as_str(),
            finding.remediation.as_ref(),
            finding.suppressed.as_ref().map(|it| (it.reason.as_str(), it.expires, &*it.source)),
        );
        let next = self.cases.len();
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.cases.push(Case::new(finding));
        }
        self.cases.get_mut(place)
    }

    fn in_order(self, endpoints: usize) -> Cases<'a> {
        let mut all = self.cases;
        // Stable, so that within a rule the first endpoint's case comes first.
        all.sort_by_key(|case| {
            let finding = case.finding;
            (finding.is_suppressed(), Reverse(finding.severity), finding.rule.as_ref())
        });
        let mut catalogue = Catalogue::default();
        let mut of_endpoint = vec![Vec::new(); endpoints];
        for (place, case) in all.iter_mut().enumerate() {
            (case.rule, case.remedy) = catalogue.add(case.finding);
            for endpoint in &case.endpoints {
                if let Some(places) = of_endpoint.get_mut(*endpoint) {
                    places.push(place);
                }
            }
        }
        let counted = all.partition_point(|case| !case.finding.is_suppressed());
        Cases { all, counted, of_endpoint, catalogue }
    }
}

impl<'a> Case<'a> {
    fn new(finding: &'a v1::Finding) -> Self {
        Self { finding, remedy: 0, rule: 0, endpoints: Vec::new(), elsewhere: Vec::new() }
    }

    /// Of all severities, for a class name and for sorting: 4 is critical.
    pub fn rank(&self) -> usize {
        words::rank(self.finding.severity)
    }

    /// What it is about, unless the evidence says so itself.
    pub fn subject(&self) -> Option<&'a str> {
        let subject = self.finding.subject.as_deref()?;
        (!self.finding.evidence.contains(subject)).then_some(subject)
    }

    pub fn count(&self) -> usize {
        self.endpoints.len() + self.elsewhere.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::tests::suppression;
    use crate::report::sample;

    #[test]
    fn equal_findings_are_one_case_and_worst_comes_first() {
        let report = sample::report();
        let cases = Cases::of(&report);
        let first = &cases.all[0];
        assert_eq!(first.finding.rule, "api-unauthenticated-plaintext");
        assert_eq!(first.endpoints.len(), 2, "over IPv4 and IPv6");
        assert!(cases.all.is_sorted_by_key(|case| Reverse(case.finding.severity)));
        let number = report.endpoints.iter().position(|e| e.id == "tcp/10.0.0.11:2376").unwrap();
        let rules: Vec<_> =
            cases.of_endpoint(number).map(|(_, case)| case.finding.rule.as_ref()).collect();
        assert_eq!(rules, ["fleet-key-reused", "api-exposed"], "the fleet's are its own too");
        assert_eq!(cases.worst(number), Some(Severity::High));
    }

    #[test]
    fn suppressed_findings_stand_apart() {
        let mut report = sample::report();
        let endpoint = report.endpoints.iter_mut().find(|e| e.id == "tcp/10.0.0.5:2375").unwrap();
        endpoint.findings[0].suppressed = Some(suppression());
        let cases = Cases::of(&report);
        assert_eq!(cases.suppressed().len(), 1);
        let twin = &cases.unsuppressed()[0];
        assert_eq!(twin.finding.rule, "api-unauthenticated-plaintext");
        assert_eq!(twin.count(), 1, "its neighbour's still counts");
        let number = report.endpoints.iter().position(|e| e.id == "tcp/10.0.0.5:2375").unwrap();
        assert_eq!(cases.worst(number), Some(Severity::Low));
    }

    #[test]
    fn an_endpoint_that_is_not_listed_is_named() {
        let mut report = sample::report();
        report.fleet_findings[0].endpoints.push("tcp/10.9.9.9:2376".to_owned());
        let cases = Cases::of(&report);
        let fleet = cases.all.iter().find(|c| c.finding.rule == "fleet-key-reused").unwrap();
        assert_eq!((fleet.elsewhere.as_slice(), fleet.count()), (&["10.9.9.9:2376"] as &[_], 3));
    }
}
