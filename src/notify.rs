//! What a run tells others of its findings, and in whose words. Pure: nothing is sent here.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::finding::Severity;
use crate::report::Report;
use crate::report::v1::{BySeverity, Case};
use crate::sanitize;

pub mod generic;
pub mod slack;
pub mod teams;

/// What is told of one run.
#[derive(Debug)]
pub struct Notification<'a> {
    report: &'a Report,
    least: Severity,
    /// What the run before did not have, worst first.
    new: Vec<Case<'a>>,
}

impl<'a> Notification<'a> {
    /// Of the findings at least this severe and not suppressed, those whose ids are in `new`; all
    /// of them where nothing is known of an earlier run.
    pub fn new(report: &'a Report, least: Severity, new: Option<&HashSet<String>>) -> Self {
        let mut found: Vec<Case<'a>> = report
            .cases()
            .filter(|Case { finding, .. }| !finding.is_suppressed() && finding.severity >= least)
            .filter(|Case { finding, .. }| new.is_none_or(|new| new.contains(&finding.id)))
            .collect();
        found.sort_by_key(|Case { finding, .. }| std::cmp::Reverse(finding.severity));
        Self { report, least, new: found }
    }

    pub fn has_news(&self) -> bool {
        !self.new.is_empty()
    }

    fn by_severity(&self) -> BySeverity {
        let mut counts = BySeverity::default();
        for Case { finding, .. } in &self.new {
            *match finding.severity {
                Severity::Critical => &mut counts.critical,
                Severity::High => &mut counts.high,
                Severity::Medium => &mut counts.medium,
                Severity::Low => &mut counts.low,
                Severity::Info => &mut counts.info,
            } += 1;
        }
        counts
    }

    /// `docksweep: 3 new findings (1 critical, 2 high)`.
    fn headline(&self) -> String {
        let new = if self.report.changes.is_some() { "new " } else { "" };
        match self.new.len() {
            0 => format!("docksweep: no {new}finding from {} up", self.least),
            1 => format!("docksweep: 1 {new}finding ({})", self.counts()),
            count => format!("docksweep: {count} {new}findings ({})", self.counts()),
        }
    }

    fn counts(&self) -> String {
        let counts = self.by_severity();
        let parts = Severity::WORST_FIRST.into_iter().filter_map(|severity| {
            let count = counts.of(severity);
            (count > 0).then(|| format!("{count} {severity}"))
        });
        parts.collect::<Vec<_>>().join(", ")
    }

    /// What was scanned, when, how completely, and what it is compared with; a sentence each.
    fn circumstances(&self) -> Vec<String> {
        let scan = &self.report.scan;
        let from = scan.vantage.label.as_ref().map(|label| format!(" from {}", shown(label, 100)));
        let endpoints = self.report.summary.endpoints;
        let mut said = vec![format!(
            "{} addresses swept{}, {endpoints} open {}, finished at {}",
            scan.addresses,
            from.unwrap_or_default(),
            if endpoints == 1 { "endpoint" } else { "endpoints" },
            minute(scan.finished_at),
        )];
        if let Some(reason) = &scan.incomplete_reason {
            said.push(format!("The scan was cut short: {}", shown(reason, 200)));
        }
        said.push(match &self.report.changes {
            Some(changes) => {
                format!("Compared with the run of {}", minute(changes.since_finished_at))
            }
            None => {
                format!("No earlier run is known, so every finding from {} up is told", self.least)
            }
        });
        said
    }
}

/// `10.0.0.5:2375`, or the first of several and how many more there are.
fn place(case: &Case<'_>) -> String {
    let short = |id: &str| shown(id.strip_prefix("tcp/").unwrap_or(id), 80);
    match case.ids {
        [] => "no endpoint".to_owned(),
        [only] => short(only),
        [first, rest @ ..] => format!("{} and {} more", short(first), rest.len()),
    }
}

/// As many of the findings as fit into a number and into bytes of JSON, worst first. The rest is
/// only counted.
fn fitting<'a, T: Serialize>(
    cases: &[Case<'a>],
    most: usize,
    bytes: usize,
    render: impl Fn(&Case<'a>) -> T,
) -> Vec<T> {
    let mut left = bytes;
    let rendered = cases.iter().take(most).map(render);
    rendered
        .map_while(|item| {
            let size = serde_json::to_vec(&item).map_or(usize::MAX, |json| json.len() + 1);
            left = left.checked_sub(size)?;
            Some(item)
        })
        .collect()
}

/// Says how many findings a message has no room for.
fn and_more(told: usize, all: usize) -> Option<String> {
    match all.saturating_sub(told) {
        0 => None,
        more => Some(format!("and {more} more: the report has them all")),
    }
}

/// Text that a peer may have chosen, as one harmless line.
fn shown(text: &str, limit: usize) -> String {
    sanitize::line(text, limit).into_owned()
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests;
