//! SARIF 2.1.0, for code scanning.
//!
//! A finding is a result. Its place is the endpoint (a logical location) and, since GitHub shows
//! nothing without a file, a path that stands for it: `hosts/10.0.0.5/tcp/2375`. A rule's severity is
//! that of its worst finding here. What exceeds GitHub's limits is left out, the mildest first, and a
//! notification says how much.

use std::cmp::Reverse;
use std::io::{self, Write as _};

use super::{Output, Reporter, json, v1};
use crate::finding::Severity;

mod log;
mod result;
mod rules;

use log::{
    Driver, Invocation, Level, Log, Message, Notification, Result as SarifResult, Run,
    RunAutomationDetails, RunProperties, Tool, ToolProperties,
};
use rules::Rules;
use v1::Case;

/// GitHub refuses a file with more results in a run.
const RESULTS: usize = 25_000;
/// GitHub refuses a file that is larger when it is compressed: 10 MB, less what stands around the
/// results and what the compressor holds back.
const COMPRESSED: u64 = 9_000_000;

#[derive(Debug)]
pub struct Sarif(Box<dyn Output>);

impl Sarif {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }
}

impl Reporter for Sarif {
    fn finish(mut self: Box<Self>, report: &v1::Report) -> io::Result<()> {
        json::write_pretty(&mut self.0, &log(report, RESULTS, COMPRESSED)?)?;
        self.0.commit()
    }
}

fn log(report: &v1::Report, results: usize, compressed: u64) -> io::Result<Log<'_>> {
    let cases = worst_first(report);
    let rules = Rules::of(&cases);
    let mut size = Size::default();
    let mut kept = Vec::new();
    for case in cases.iter().take(results) {
        let result = result::of(case, &rules);
        size.add(&result)?;
        if size.so_far() > compressed {
            break;
        }
        kept.push(result);
    }
    let left_out = cases.len() - kept.len();
    Ok(Log::new(run(report, rules, kept, left_out)))
}

/// The suppressed last: they are what can be missed first.
fn worst_first(report: &v1::Report) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = report.cases().collect();
    cases.sort_by_key(|case| (case.finding.is_suppressed(), Reverse(case.finding.severity)));
    cases
}

fn run<'a>(
    report: &'a v1::Report,
    rules: Rules<'a>,
    results: Vec<SarifResult<'a>>,
    left_out: usize,
) -> Run<'a> {
    let v1::Report { tool, scan, summary, .. } = report;
    let vantage = scan.vantage.label.as_deref();
    // Up to the last slash it is the category by which GitHub tells one kind of run from another.
    let category = vantage.map_or_else(|| "docksweep".to_owned(), |it| format!("docksweep/{it}"));
    Run {
        tool: Tool {
            driver: Driver {
                name: &tool.name,
                version: &tool.version,
                semantic_version: &tool.version,
                rules: rules.into_descriptors(),
                properties: ToolProperties {
                    rules_version: &tool.rules_version,
                    data_date: tool.data_date.as_deref(),
                },
            },
        },
        invocations: [Invocation {
            command_line: &scan.command,
            start_time_utc: scan.started_at,
            end_time_utc: scan.finished_at,
            execution_successful: scan.complete,
            tool_execution_notifications: notifications(scan, left_out),
        }],
        automation_details: RunAutomationDetails { id: format!("{category}/{}", scan.id) },
        column_kind: "utf16CodeUnits",
        results,
        properties: RunProperties {
            vantage,
            targets: &scan.targets,
            ports: &scan.ports,
            addresses: scan.addresses,
            counts: scan.counts,
            complete: scan.complete,
            summary,
        },
    }
}

/// What a reader of the results has to know of their completeness.
fn notifications(scan: &v1::Scan, left_out: usize) -> Vec<Notification> {
    let cut_short = (!scan.complete).then(|| {
        let reason = scan.incomplete_reason.as_deref().unwrap_or("not known why");
        (Level::Error, format!("The scan was cut short: {reason}. What it did not ask is missing."))
    });
    let cut = (left_out > 0).then(|| {
        let text = format!(
            "{left_out} findings, the mildest, are left out: GitHub takes {RESULTS} results and 10 MB \
             compressed. The JSON report has all."
        );
        (Level::Warning, text)
    });
    let unresolved = scan.unresolved.iter().map(|v1::Unresolved { name, reason }| {
        (Level::Warning, format!("{name} was not scanned, it led to no address: {reason}"))
    });
    let notes = scan.notes.iter().map(|note| (Level::Note, note.clone()));
    cut_short
        .into_iter()
        .chain(cut)
        .chain(unresolved)
        .chain(notes)
        .map(|(level, text)| Notification { level, message: Message::plain(&text) })
        .collect()
}

/// How large the results are when they are compressed together.
struct Size(flate2::write::GzEncoder<Counter>);

impl Default for Size {
    fn default() -> Self {
        Self(flate2::write::GzEncoder::new(Counter(0), flate2::Compression::default()))
    }
}

impl Size {
    fn add(&mut self, result: &SarifResult<'_>) -> io::Result<()> {
        let mut text = Vec::new();
        json::write_pretty(&mut text, result)?;
        self.0.write_all(&text)
    }

    fn so_far(&self) -> u64 {
        self.0.get_ref().0
    }
}

/// Counts what is written and forgets it.
#[derive(Debug)]
struct Counter(u64);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As GitHub has it: above 9 is critical, from 7 high, from 4 medium, below that low.
const fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "0.0",
    }
}

const fn level(severity: Severity) -> Level {
    match severity {
        Severity::Critical | Severity::High => Level::Error,
        Severity::Medium => Level::Warning,
        Severity::Low | Severity::Info => Level::Note,
    }
}

#[cfg(test)]
mod tests;
