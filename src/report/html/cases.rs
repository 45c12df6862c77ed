//! Findings as the page lists them: what many endpoints have in common is said once.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::civil::Date;

use crate::finding::Severity;
use crate::report::text::address_of;
use crate::report::v1;

use super::catalogue::Catalogue;
use super::words;

/// Fewer endpoints than this do not make their evidence common.
const COMMON: usize = 4;
/// Rows of one rule for evidence that is not common; when there are more, all of them are one row.
const APART: usize = 16;

/// One rule broken in one way, with every endpoint that breaks it so.
#[derive(Debug)]
pub struct Case<'a> {
    /// The first, where the evidence differs.
    pub finding: &'a v1::Finding,
    /// Its place in the catalogue.
    pub remedy: usize,
    pub rule: usize,
    /// Places in the report's list, ascending.
    pub endpoints: Vec<usize>,
    /// Endpoints of the fleet's findings that are not in the list.
    pub elsewhere: Vec<&'a str>,
    /// How many texts of evidence it has. Where there are several, they stand with the endpoints.
    pub evidences: usize,
    /// What all of those begin with and end with; an endpoint has what stands between.
    pub before: &'a str,
    pub after: &'a str,
}

/// All of a report, worst first, then by rule; the suppressed after the others.
#[derive(Debug, Default)]
pub struct Cases<'a> {
    pub all: Vec<Case<'a>>,
    /// How many of them are not suppressed.
    pub counted: usize,
    /// For each endpoint the places of its cases, worst first, with its own findings.
    of_endpoint: Vec<Vec<(usize, &'a v1::Finding)>>,
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

    /// The findings of an endpoint, the suppressed too.
    pub fn of_endpoint(&self, number: usize) -> impl Iterator<Item = Found<'_, 'a>> {
        let found = self.of_endpoint.get(number).map_or(&[] as &[_], Vec::as_slice);
        found.iter().filter_map(|(place, finding)| {
            Some(Found { place: *place, finding, case: self.all.get(*place)? })
        })
    }

    pub fn at(&self, place: usize) -> Option<&Case<'a>> {
        self.all.get(place)
    }

    pub fn rule_at(&self, place: &usize) -> &'a str {
        self.at(*place).map_or("", |case| &case.finding.rule)
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
            .map(|found| found.finding)
            .filter(|finding| !finding.is_suppressed())
            .map(|finding| finding.severity)
            .max()
    }
}

/// A finding of one endpoint, and the case that it is part of.
#[derive(Clone, Copy, Debug)]
pub struct Found<'c, 'a> {
    pub place: usize,
    pub finding: &'a v1::Finding,
    pub case: &'c Case<'a>,
}

impl<'a> Found<'_, 'a> {
    /// What the row of its case cannot say, as it stands for others too.
    pub fn own_evidence(&self) -> Option<&'a str> {
        let evidence = self.finding.evidence.as_str();
        let without = evidence.strip_prefix(self.case.before)?.strip_suffix(self.case.after)?;
        (self.case.evidences > 1).then_some(without)
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

/// What two findings must share to be advised alike.
type Advice<'a> = (&'a str, Severity, &'a str, Accepted<'a>);
type Accepted<'a> = Option<(&'a str, Date, &'a str)>;
/// What they must share besides, to be one case from the start.
type Evidence<'a> = (Option<&'a str>, &'a str);

fn advice(finding: &v1::Finding) -> Advice<'_> {
    let accepted = finding.suppressed.as_ref();
    let accepted = accepted.map(|it| (it.reason.as_str(), it.expires, it.source.as_ref()));
    (finding.rule.as_ref(), finding.severity, finding.remediation.as_ref(), accepted)
}

fn evidence(finding: &v1::Finding) -> Evidence<'_> {
    (finding.subject.as_deref(), finding.evidence.as_str())
}

#[derive(Default)]
struct Gathered<'a> {
    cases: Vec<Gathering<'a>>,
    places: HashMap<(Advice<'a>, Evidence<'a>), usize>,
}

/// A case as it grows: the finding of each of its endpoints.
struct Gathering<'a> {
    first: &'a v1::Finding,
    found: Vec<(usize, &'a v1::Finding)>,
    elsewhere: Vec<&'a str>,
    evidences: usize,
}

impl<'a> Gathered<'a> {
    fn add(&mut self, finding: &'a v1::Finding, endpoint: usize) {
        if let Some(case) = self.case(finding)
            && case.found.last().is_none_or(|(last, _)| *last != endpoint)
        {
            case.found.push((endpoint, finding));
        }
    }

    fn add_unlisted(&mut self, finding: &'a v1::Finding, endpoint: &'a str) {
        if let Some(case) = self.case(finding) {
            case.elsewhere.push(endpoint);
        }
    }

    fn case(&mut self, finding: &'a v1::Finding) -> Option<&mut Gathering<'a>> {
        let next = self.cases.len();
        let place = *self.places.entry((advice(finding), evidence(finding))).or_insert(next);
        if place == next {
            let (found, elsewhere) = (Vec::new(), Vec::new());
            self.cases.push(Gathering { first: finding, found, elsewhere, evidences: 1 });
        }
        self.cases.get_mut(place)
    }

    /// Makes one case of those that differ in their evidence alone, where there are too many.
    fn merged(self) -> Vec<Gathering<'a>> {
        let mut counts: HashMap<Advice<'a>, usize> = HashMap::new();
        for case in self.cases.iter().filter(|case| case.is_rare()) {
            *counts.entry(advice(case.first)).or_default() += 1;
        }
        let mut merged: Vec<Gathering<'a>> = Vec::new();
        let mut places: HashMap<Advice<'a>, usize> = HashMap::new();
        for case in self.cases {
            let advice = advice(case.first);
            if !case.is_rare() || counts.get(&advice).is_none_or(|count| *count <= APART) {
                merged.push(case);
                continue;
            }
            let place = *places.entry(advice).or_insert(merged.len());
            match merged.get_mut(place) {
                Some(whole) => {
                    whole.found.extend(case.found);
                    whole.evidences += 1;
                }
                None => merged.push(case),
            }
        }
        merged
    }

    fn in_order(self, endpoints: usize) -> Cases<'a> {
        let mut gathered = self.merged();
        // Stable, so that within a rule the first endpoint's case comes first.
        gathered.sort_by_key(|case| {
            let finding = case.first;
            (finding.is_suppressed(), Reverse(finding.severity), finding.rule.as_ref())
        });
        let mut catalogue = Catalogue::default();
        let mut of_endpoint = vec![Vec::new(); endpoints];
        let mut all = Vec::with_capacity(gathered.len());
        for (place, case) in gathered.into_iter().enumerate() {
            let (rule, remedy) = catalogue.add(case.first);
            for (endpoint, finding) in &case.found {
                if let Some(found) = of_endpoint.get_mut(*endpoint) {
                    found.push((place, *finding));
                }
            }
            let mut endpoints: Vec<usize> = case.found.iter().map(|(number, _)| *number).collect();
            endpoints.sort_unstable();
            endpoints.dedup();
            let (before, after) = frame(&case);
            let Gathering { first: finding, elsewhere, evidences, .. } = case;
            all.push(Case {
                finding,
                remedy,
                rule,
                endpoints,
                elsewhere,
                evidences,
                before,
                after,
            });
        }
        let counted = all.partition_point(|case| !case.finding.is_suppressed());
        Cases { all, counted, of_endpoint, catalogue }
    }
}

impl Gathering<'_> {
    /// Evidence of endpoints that are not listed has no other place than a row.
    fn is_rare(&self) -> bool {
        self.found.len() < COMMON && self.elsewhere.is_empty()
    }
}

impl<'a> Case<'a> {
    /// Of all severities, for a class name and for sorting: 4 is critical.
    pub fn rank(&self) -> usize {
        words::rank(self.finding.severity)
    }

    /// What it is about, unless the evidence says so itself.
    pub fn subject(&self) -> Option<&'a str> {
        subject(self.finding)
    }

    pub fn count(&self) -> usize {
        self.endpoints.len() + self.elsewhere.len()
    }
}

/// The words that all evidence of a case begins and ends with; none where it has one text alone.
fn frame<'a>(case: &Gathering<'a>) -> (&'a str, &'a str) {
    if case.evidences < 2 {
        return ("", "");
    }
    let first = case.first.evidence.as_str();
    let texts = || case.found.iter().map(|(_, finding)| finding.evidence.as_str());
    let equal = texts().map(|text| equal_bytes(first.bytes(), text.bytes())).min();
    // Cut at a space, which is a character's boundary too.
    let words = first.as_bytes().get(..equal.unwrap_or_default()).unwrap_or_default();
    let before = words.iter().rposition(|byte| *byte == b' ').map_or(0, |space| space + 1);

    let equal = texts().map(|text| equal_bytes(first.bytes().rev(), text.bytes().rev())).min();
    let shortest = texts().map(str::len).min().unwrap_or_default();
    let from = first.len() - equal.unwrap_or_default().min(shortest - before);
    let words = first.as_bytes().get(from..).unwrap_or_default();
    let space = words.iter().position(|byte| *byte == b' ');
    let after = space.map_or(first.len(), |space| from + space);
    (first.get(..before).unwrap_or_default(), first.get(after..).unwrap_or_default())
}

/// How many bytes two texts have in common, from where they are read on.
fn equal_bytes(one: impl Iterator<Item = u8>, other: impl Iterator<Item = u8>) -> usize {
    one.zip(other).take_while(|(one, other)| one == other).count()
}

/// What a finding is about, unless its evidence says so itself.
pub fn subject(finding: &v1::Finding) -> Option<&str> {
    let subject = finding.subject.as_deref()?;
    (!finding.evidence.contains(subject)).then_some(subject)
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
            cases.of_endpoint(number).map(|found| found.finding.rule.as_ref()).collect();
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

    /// Hosts that break one rule, each with a text of its own, `alike` at a time.
    fn hosts(count: usize, alike: usize) -> v1::Report {
        let sample = sample::report();
        let host = sample.endpoints.iter().find(|e| e.id == "tcp/10.0.0.5:2375").unwrap();
        let endpoints = (0..count).map(|number| {
            let mut endpoint = host.clone();
            endpoint.findings.truncate(1);
            endpoint.findings[0].evidence = format!("text {} of a host", number / alike);
            endpoint
        });
        v1::Report::new(sample.tool, sample.scan, Vec::new(), endpoints.collect())
    }

    #[test]
    fn evidence_that_differs_on_each_endpoint_stands_there() {
        let report = hosts(APART, 1);
        assert_eq!(Cases::of(&report).all.len(), APART, "few are rows");

        let report = hosts(100, 3);
        let cases = Cases::of(&report);
        assert_eq!(cases.all.len(), 1);
        assert_eq!((cases.all[0].count(), cases.all[0].evidences), (100, 34));
        assert_eq!((cases.all[0].before, cases.all[0].after), ("text ", " of a host"));
        for (number, endpoint) in report.endpoints.iter().enumerate() {
            let found: Vec<_> = cases.of_endpoint(number).collect();
            assert_eq!(found.len(), 1);
            let Case { before, after, .. } = found[0].case;
            let whole = format!("{before}{}{after}", found[0].own_evidence().unwrap());
            assert_eq!(whole, endpoint.findings[0].evidence);
        }

        let report = hosts(100, COMMON);
        let cases = Cases::of(&report);
        assert_eq!(cases.all.len(), 25, "what is common is a row");
        assert!(cases.of_endpoint(0).all(|found| found.own_evidence().is_none()));
    }

    #[test]
    fn a_frame_is_made_of_whole_words_and_never_overlaps() {
        for (texts, wanted) in [
            (["a b c", "a b c"], ("a b ", "")),
            (["a x b", "a b"], ("a ", "")),
            (["é 1 é", "é 2 é"], ("é ", " é")),
            (["é", "è"], ("", "")),
            (["", "a b"], ("", "")),
            (["in 12 of", "in 1 of"], ("in ", " of")),
        ] {
            let mut report = hosts(2, 1);
            for (endpoint, text) in report.endpoints.iter_mut().zip(texts) {
                endpoint.findings[0].evidence = text.to_owned();
            }
            let found = report.endpoints.iter().enumerate();
            let found: Vec<_> = found.map(|(number, it)| (number, &it.findings[0])).collect();
            let case = Gathering { first: found[0].1, found, elsewhere: Vec::new(), evidences: 2 };
            assert_eq!(frame(&case), wanted, "{texts:?}");
        }
    }

    #[test]
    fn evidence_of_endpoints_that_are_not_listed_is_a_row() {
        let mut report = hosts(100, 1);
        let finding = report.endpoints[0].findings[0].clone();
        report.fleet_findings = (0..50)
            .map(|number| v1::FleetFinding {
                finding: v1::Finding { evidence: format!("far {number}"), ..finding.clone() },
                endpoints: vec!["tcp/10.9.9.9:2376".to_owned()],
            })
            .collect();
        let cases = Cases::of(&report);
        assert_eq!(cases.all.len(), 51);
        assert!((0..50).all(|number| {
            let text = format!("far {number}");
            cases.all.iter().any(|case| case.finding.evidence == text && case.evidences == 1)
        }));
    }
}
