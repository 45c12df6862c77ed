//! What a run tells others of its findings, and in whose words. Pure: nothing is sent here.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::finding::Severity;
use crate::report::Report;
use crate::report::v1::{BySeverity, Finding};
use crate::sanitize;

pub mod generic;
pub mod slack;
pub mod teams;

/// What is told of one run.
#[derive(Debug)]
pub struct Notification<'a> {
    report: &'a Report,
    least: Severity,
    /// Worst first.
    new: Vec<News<'a>>,
}

/// A finding that the run before did not have.
#[derive(Clone, Copy, Debug)]
struct News<'a> {
    finding: &'a Finding,
    endpoints: Endpoints<'a>,
}

/// Where it was found.
#[derive(Clone, Copy, Debug)]
enum Endpoints<'a> {
    One(&'a str),
    Several(&'a [String]),
}

impl<'a> Notification<'a> {
    /// Of the findings at least this severe and not suppressed, those whose ids are in `new`; all
    /// of them where nothing is known of an earlier run.
    pub fn new(report: &'a Report, least: Severity, new: Option<&HashSet<String>>) -> Self {
        let of_endpoints = report.endpoints.iter().flat_map(|endpoint| {
            let endpoints = Endpoints::One(&endpoint.id);
            endpoint.findings.iter().map(move |finding| News { finding, endpoints })
        });
        let of_fleet = report.fleet_findings.iter().map(|fleet| News {
            finding: &fleet.finding,
            endpoints: Endpoints::Several(&fleet.endpoints),
        });
        let mut found: Vec<News<'a>> = of_endpoints
            .chain(of_fleet)
            .filter(|News { finding, .. }| !finding.is_suppressed() && finding.severity >= least)
            .filter(|News { finding, .. }| new.is_none_or(|new| new.contains(&finding.id)))
            .collect();
        found.sort_by_key(|News { finding, .. }| std::cmp::Reverse(finding.severity));
        Self { report, least, new: found }
    }

    pub fn has_news(&self) -> bool {
        !self.new.is_empty()
    }

    fn by_severity(&self) -> BySeverity {
        let mut counts = BySeverity::default();
        for News { finding, .. } in &self.new {
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

impl News<'_> {
    /// `10.0.0.5:2375`, or the first of several and how many more there are.
    fn place(&self) -> String {
        let short = |id: &str| shown(id.strip_prefix("tcp/").unwrap_or(id), 80);
        match self.endpoints {
            Endpoints::One(id) => short(id),
            Endpoints::Several([]) => "no endpoint".to_owned(),
            Endpoints::Several([only]) => short(only),
            Endpoints::Several([first, rest @ ..]) => {
                format!("{} and {} more", short(first), rest.len())
            }
        }
    }
}

/// As many of the findings as fit into a number and into bytes of JSON, worst first. The rest is
/// only counted.
fn fitting<'a, T: Serialize>(
    news: &[News<'a>],
    most: usize,
    bytes: usize,
    render: impl Fn(&News<'a>) -> T,
) -> Vec<T> {
    let mut left = bytes;
    let rendered = news.iter().take(most).map(render);
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
