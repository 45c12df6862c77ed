//! The list of runs.

use jiff::Timestamp;
use serde::Serialize;

use crate::history::RunRow;
use crate::report::TextOptions;
use crate::report::text::page::{Page, Tone};
use crate::report::v1;

/// The list in JSON, docksweep/history/v1.
#[derive(Debug, Serialize)]
pub(super) struct Listed<'a> {
    schema: &'static str,
    runs: Vec<Run<'a>>,
}

#[derive(Debug, Serialize)]
struct Run<'a> {
    number: i64,
    id: &'a str,
    started_at: Timestamp,
    finished_at: Timestamp,
    vantage: Option<&'a str>,
    targets: &'a [String],
    excluded: &'a [String],
    ports: &'a [u16],
    complete: bool,
    incomplete_reason: Option<&'a str>,
    worst: Option<&'a str>,
    summary: v1::Summary,
}

/// What a format for programs begins with.
pub(super) const SCHEMA: &str = "docksweep/history/v1";

pub(super) fn listed(runs: &[RunRow]) -> Listed<'_> {
    Listed { schema: SCHEMA, runs: runs.iter().map(Run::from).collect() }
}

impl<'a> From<&'a RunRow> for Run<'a> {
    fn from(row: &'a RunRow) -> Self {
        let RunRow { number, scan, summary, worst } = row;
        Self {
            number: *number,
            id: &scan.id,
            started_at: scan.started_at,
            finished_at: scan.finished_at,
            vantage: scan.vantage.label.as_deref(),
            targets: &scan.targets,
            excluded: &scan.excluded,
            ports: &scan.ports,
            complete: scan.complete,
            incomplete_reason: scan.incomplete_reason.as_deref(),
            worst: worst.as_deref(),
            summary: *summary,
        }
    }
}

pub(super) fn render(runs: &[RunRow], options: TextOptions) -> String {
    let mut page = Page::new(options);
    if runs.is_empty() {
        page.paragraph(Tone::Plain, "", "No run is kept.");
    }
    for RunRow { number, scan, summary, worst } in runs {
        let vantage = scan.vantage.label.as_ref().map(|label| format!(" from {label}"));
        page.heading(&format!(
            "{number:>4}  {}{}  {}",
            scan.started_at.strftime("%Y-%m-%d %H:%M UTC"),
            vantage.unwrap_or_default(),
            scan.id
        ));
        page.paragraph(Tone::Plain, "      ", &scan.targets.join(" "));
        let worst = worst.as_ref().map(|worst| format!(", worst {worst}"));
        page.paragraph(
            Tone::Plain,
            "      ",
            &format!(
                "{} {}, {} open to strangers{}",
                summary.endpoints,
                if summary.endpoints == 1 { "endpoint" } else { "endpoints" },
                summary.by_access.open,
                worst.unwrap_or_default()
            ),
        );
        if !scan.complete {
            let reason = scan.incomplete_reason.as_deref().unwrap_or("no reason was recorded");
            page.paragraph(Tone::Alarm, "      ", &format!("INCOMPLETE: {reason}"));
        }
    }
    page.finish()
}
