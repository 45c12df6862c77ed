//! One JSON object a line, each written as soon as it is known.
//!
//! Every line starts with its `type`: one `scan` when the scan starts, an `endpoint` as each is
//! judged (so in no particular order), then `fleet-finding`s and one `summary`. A stream without a
//! summary was broken off.

use std::io::{self, Write as _};

use jiff::Timestamp;
use serde::Serialize;

use super::json::write_line;
use super::{Output, Reporter, v1};

#[derive(Debug)]
pub struct Jsonl(Box<dyn Output>);

impl Jsonl {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }

    /// Flushed, since somebody may be waiting for it.
    fn line<T: Serialize>(&mut self, kind: &'static str, body: &T) -> io::Result<()> {
        write_line(&mut self.0, &Line { kind, body })?;
        self.0.flush()
    }
}

impl Reporter for Jsonl {
    fn begin(&mut self, tool: &v1::Tool, scan: &v1::Scan) -> io::Result<()> {
        self.line("scan", &Started::new(tool, scan))
    }

    fn endpoint(&mut self, endpoint: &v1::Endpoint) -> io::Result<()> {
        self.line("endpoint", endpoint)
    }

    fn finish(mut self: Box<Self>, report: &v1::Report) -> io::Result<()> {
        for finding in &report.fleet_findings {
            self.line("fleet-finding", finding)?;
        }
        self.line("summary", &Finished::new(report))?;
        self.0.commit()
    }
}

#[derive(Serialize)]
struct Line<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

/// What is known of a scan when it starts.
#[derive(Serialize)]
struct Started<'a> {
    schema: v1::Schema,
    tool: &'a v1::Tool,
    id: &'a str,
    started_at: Timestamp,
    command: &'a str,
    vantage: &'a v1::Vantage,
    targets: &'a [String],
    excluded: &'a [String],
    ports: &'a [u16],
    engine: v1::Engine,
    seed: Option<u64>,
    shard: Option<&'a str>,
    addresses: u64,
    targets_digest: Option<&'a str>,
}

impl<'a> Started<'a> {
    fn new(tool: &'a v1::Tool, scan: &'a v1::Scan) -> Self {
        Self {
            schema: v1::Schema::V1,
            tool,
            id: &scan.id,
            started_at: scan.started_at,
            command: &scan.command,
            vantage: &scan.vantage,
            targets: &scan.targets,
            excluded: &scan.excluded,
            ports: &scan.ports,
            engine: scan.engine,
            seed: scan.seed,
            shard: scan.shard.as_deref(),
            addresses: scan.addresses,
            targets_digest: scan.targets_digest.as_deref(),
        }
    }
}

/// What is known of a scan only when it is over.
#[derive(Serialize)]
struct Finished<'a> {
    #[serde(flatten)]
    summary: v1::Summary,
    id: &'a str,
    finished_at: Timestamp,
    counts: v1::Counts,
    complete: bool,
    incomplete_reason: Option<&'a str>,
    unresolved: &'a [v1::Unresolved],
    notes: &'a [String],
}

impl<'a> Finished<'a> {
    fn new(report: &'a v1::Report) -> Self {
        let scan = &report.scan;
        Self {
            summary: report.summary,
            id: &scan.id,
            finished_at: scan.finished_at,
            counts: scan.counts,
            complete: scan.complete,
            incomplete_reason: scan.incomplete_reason.as_deref(),
            unresolved: &scan.unresolved,
            notes: &scan.notes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{output::memory::Memory, sample};

    #[test]
    fn a_report() {
        let report = sample::report();
        let memory = Memory::default();
        let mut reporter = Box::new(Jsonl::new(Box::new(memory.clone())));
        reporter.begin(&report.tool, &report.scan).unwrap();
        for endpoint in &report.endpoints {
            reporter.endpoint(endpoint).unwrap();
        }
        reporter.finish(&report).unwrap();
        sample::assert_snapshot("jsonl", &memory.text());

        for line in memory.text().lines() {
            assert!(line.starts_with("{\"type\":\""), "{line}");
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            if value["type"] == "endpoint" {
                let endpoint: v1::Endpoint = serde_json::from_value(value).unwrap();
                assert!(report.endpoints.contains(&endpoint));
            }
        }
    }

    #[test]
    fn a_line_is_there_as_soon_as_it_is_known() {
        let report = sample::report();
        let memory = Memory::default();
        let mut reporter = Jsonl::new(Box::new(memory.clone()));
        for (already, endpoint) in report.endpoints.iter().enumerate() {
            assert_eq!(memory.text().lines().count(), already);
            reporter.endpoint(endpoint).unwrap();
        }
    }
}
