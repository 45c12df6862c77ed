//! What endpoints have in common: each set of findings that many of them have is written once.

use std::collections::HashMap;

use super::cases::{Case, Cases};
use super::words::plural;

/// Endpoints that have a set, at the least; fewer have it written out.
const MANY: usize = 8;
/// A finding of a set is one that at least each endpoint in so many has: rarer ones would make the
/// sets many.
const ONE_IN: usize = 20;

#[derive(Debug, Default)]
pub struct Alike {
    pub sets: Vec<Set>,
    /// For each endpoint, the place of its set.
    of_endpoint: Vec<Option<usize>>,
}

/// Findings whose evidence stands in their rows.
#[derive(Debug)]
pub struct Set {
    places: Vec<usize>,
    pub endpoints: usize,
}

impl Alike {
    /// Of so many endpoints.
    pub fn of(cases: &Cases<'_>, endpoints: usize) -> Self {
        let sets = (0..endpoints).map(|number| common(cases, number, endpoints));
        let sets: Vec<Vec<usize>> = sets.collect();
        let mut counts: HashMap<&[usize], usize> = HashMap::new();
        for set in sets.iter().filter(|set| set.len() > 1) {
            *counts.entry(set).or_default() += 1;
        }
        let mut alike = Self::default();
        let mut numbers: HashMap<&[usize], usize> = HashMap::new();
        for set in &sets {
            let count = counts.get(set.as_slice()).copied().filter(|count| *count >= MANY);
            alike.of_endpoint.push(count.map(|endpoints| {
                *numbers.entry(set).or_insert_with(|| {
                    alike.sets.push(Set { places: set.clone(), endpoints });
                    alike.sets.len() - 1
                })
            }));
        }
        alike
    }

    pub fn of_endpoint(&self, number: usize) -> Option<(usize, &Set)> {
        let place = (*self.of_endpoint.get(number)?)?;
        Some((place, self.sets.get(place)?))
    }
}

/// The common cases of an endpoint that say all that is to be said of it, ascending.
fn common(cases: &Cases<'_>, number: usize, endpoints: usize) -> Vec<usize> {
    let found = cases.of_endpoint(number).filter(|found| {
        let is_common = found.case.endpoints.len() >= endpoints / ONE_IN;
        is_common && found.own_evidence().is_none()
    });
    found.map(|found| found.place).collect()
}

impl Set {
    pub fn contains(&self, place: usize) -> bool {
        self.places.binary_search(&place).is_ok()
    }

    pub fn cases<'c, 'a>(
        &self,
        cases: &'c Cases<'a>,
    ) -> impl Iterator<Item = (usize, &'c Case<'a>)> {
        self.places.iter().filter_map(|place| Some((*place, cases.at(*place)?)))
    }

    /// `12 findings, 2 of them suppressed; alike on 5,000 endpoints`.
    pub fn sentence(&self, cases: &Cases<'_>) -> String {
        let mut text = plural(self.places.len(), "finding", "findings");
        let is_suppressed = |(_, case): &(usize, &Case<'_>)| case.finding.is_suppressed();
        if let suppressed @ 1.. = self.cases(cases).filter(is_suppressed).count() {
            text.push_str(&format!(", {suppressed} of them suppressed"));
        }
        text.push_str(&format!("; alike on {}", plural(self.endpoints, "endpoint", "endpoints")));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::tests::{suppression, twins};

    #[test]
    fn findings_of_many_are_one_set() {
        let mut report = twins(20);
        for endpoint in &mut report.endpoints[..MANY] {
            endpoint.findings[1].suppressed = Some(suppression());
        }
        report.endpoints[19].findings.truncate(1);
        let cases = Cases::of(&report);
        let alike = Alike::of(&cases, 20);
        assert_eq!(alike.sets.len(), 2);
        let (place, set) = alike.of_endpoint(0).unwrap();
        assert_eq!(set.endpoints, MANY);
        assert_eq!(set.sentence(&cases), "2 findings, 1 of them suppressed; alike on 8 endpoints",);
        assert_ne!(alike.of_endpoint(MANY).unwrap().0, place);
        assert!(alike.of_endpoint(19).is_none(), "one finding needs no set");
        let few = twins(7);
        assert!(Alike::of(&Cases::of(&few), 7).sets.is_empty());
    }
}
