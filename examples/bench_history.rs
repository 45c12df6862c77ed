//! Times keeping a run: `bench_history REPORT.json FILE.db`. Prints how many endpoints it has, and the
//! seconds from the first row to the commit without those of reading the report.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::{Duration, Instant};

use docksweep::assess::assess;
use docksweep::history::{Around, History, HistoryError, Missing};
use docksweep::report::{stored, v1};
use docksweep::rules::fleet::EndpointKeys;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(report), Some(database)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bench_history REPORT.json FILE.db".into());
    };
    let open = || File::open(&report).map(|file| BufReader::with_capacity(1 << 18, file));
    let head = stored::head(open()?)?;
    let (scan, tool) = (head.scan.ok_or("no scan")?, head.tool.ok_or("no tool")?);
    let fleet_findings = head.fleet_findings.unwrap_or_default();
    let around = Around { scan: &scan, tool: &tool, fleet_findings: &fleet_findings };
    let reader = open()?;
    let mut history = History::open(Path::new(&database), Missing::Create)?;
    let (mut endpoints, mut reading) = (0_u64, Duration::ZERO);
    let begin = Instant::now();
    history.record(around, |recording| {
        let (begin, mut adding, mut outcome) = (Instant::now(), Duration::ZERO, Ok(()));
        let read = stored::endpoints(reader, |endpoint: v1::Endpoint| {
            let keys = EndpointKeys::of(&endpoint.observation, &assess(&endpoint.observation));
            let begin = Instant::now();
            if outcome.is_ok() {
                outcome = recording.add(&endpoint, &keys);
            }
            adding += begin.elapsed();
            endpoints += 1;
        });
        reading = begin.elapsed() - adding;
        read.map_err(|error| HistoryError::Io {
            path: report.clone().into(),
            source: std::io::Error::other(error.to_string()),
        })?;
        outcome
    })?;
    println!("{endpoints} {:.4}", (begin.elapsed() - reading).as_secs_f64());
    Ok(())
}
