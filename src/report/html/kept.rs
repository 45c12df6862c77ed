//! What endpoints keep. Many keep the same, so each set of rules is written once.

use std::collections::HashMap;

use crate::report::text::scoreboard::ROWS;
use crate::report::v1::{self, CheckStatus};

use super::words::plural;

#[derive(Debug, Default)]
pub struct Kept<'a> {
    pub sets: Vec<KeptSet<'a>>,
    /// For each endpoint, the place of its set.
    of_endpoint: Vec<Option<usize>>,
}

#[derive(Debug)]
pub struct KeptSet<'a> {
    pub rules: &'a [v1::Text],
    statuses: [CheckStatus; 6],
    /// Which of the six are kept, broken and unknown; `None` where they ask nothing of it.
    pub six_rules: Option<String>,
}

impl<'a> Kept<'a> {
    pub fn of(report: &'a v1::Report) -> Self {
        let mut kept = Self::default();
        let mut places: HashMap<(&[v1::Text], [&str; 6]), usize> = HashMap::new();
        for endpoint in &report.endpoints {
            let set = KeptSet::of(endpoint);
            if set.rules.is_empty() && set.six_rules.is_none() {
                kept.of_endpoint.push(None);
                continue;
            }
            let next = kept.sets.len();
            let place = *places.entry((set.rules, set.statuses.map(name))).or_insert(next);
            if place == next {
                kept.sets.push(set);
            }
            kept.of_endpoint.push(Some(place));
        }
        kept
    }

    pub fn of_endpoint(&self, number: usize) -> Option<(usize, &KeptSet<'a>)> {
        let place = (*self.of_endpoint.get(number)?)?;
        Some((place, self.sets.get(place)?))
    }
}

impl<'a> KeptSet<'a> {
    fn of(endpoint: &'a v1::Endpoint) -> Self {
        let statuses = ROWS.map(|(_, check)| check(&endpoint.baseline).status);
        Self { rules: &endpoint.rules_passed, statuses, six_rules: six_rules(statuses) }
    }

    /// `28 rules, 2 of the six`.
    pub fn sentence(&self) -> String {
        let mut text = plural(self.rules.len(), "rule", "rules");
        if self.six_rules.is_some() {
            let kept = self.statuses.iter().filter(|it| **it == CheckStatus::Pass).count();
            text.push_str(&format!(", {kept} of the six"));
        }
        text
    }
}

fn six_rules(statuses: [CheckStatus; 6]) -> Option<String> {
    let parts = [CheckStatus::Pass, CheckStatus::Fail, CheckStatus::Unknown].map(|wanted| {
        let rows = ROWS.iter().zip(statuses).filter(|(_, status)| *status == wanted);
        let names: Vec<&str> = rows.map(|((name, _), _)| *name).collect();
        (!names.is_empty()).then(|| format!("{}: {}", name(wanted), names.join(", ")))
    });
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn name(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Pass => "kept",
        CheckStatus::Fail => "broken",
        CheckStatus::Unknown => "unknown",
        CheckStatus::NotApplicable => "not applicable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_is_kept_alike_is_one_set() {
        let report = sample::report();
        let kept = Kept::of(&report);
        let place = |id: &str| {
            let number = report.endpoints.iter().position(|endpoint| endpoint.id == id).unwrap();
            kept.of_endpoint(number).unwrap().0
        };
        assert_eq!(place("tcp/10.0.0.5:2375"), place("tcp/[2001:db8::5]:2375"));
        assert_ne!(place("tcp/10.0.0.5:2375"), place("tcp/10.0.0.6:2376"));
        let set = &kept.sets[place("tcp/10.0.0.5:2375")];
        assert_eq!(
            set.six_rules.as_deref(),
            Some(
                "kept: TLS sound, certificates enforced; broken: API not open to strangers; \
                 unknown: rootless, up to date, user namespaces remapped"
            )
        );
        assert_eq!(set.sentence(), "1 rule, 1 of the six");
    }
}
