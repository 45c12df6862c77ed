//! Times keeping a run: `bench_history REPORT.json FILE.db`. Prints how many endpoints it has, and the
//! seconds from the first row to the commit without those of reading the report.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use docksweep::assess::assess;
use docksweep::history::{Begun, History, Missing};
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
    let reader = open()?;
    let mut history = History::open(Path::new(&database), Missing::Create)?;
    let (mut endpoints, mut adding, mut outcome) = (0_u64, Duration::ZERO, Ok(()));
    let begin = Instant::now();
    let Begun::New(mut recording) = history.begin(&scan, &tool)? else {
        return Err("the run is there".into());
    };
    let reading = Instant::now();
    stored::endpoints(reader, |endpoint: v1::Endpoint| {
        let keys = EndpointKeys::of(&endpoint.observation, &assess(&endpoint.observation));
        let begin = Instant::now();
        outcome = recording.add(&endpoint, &keys);
        adding += begin.elapsed();
        endpoints += 1;
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    outcome?;
    let reading = reading.elapsed() - adding;
    recording.finish(&scan, &fleet_findings)?;
    println!("{endpoints} {:.4}", (begin.elapsed() - reading).as_secs_f64());
    Ok(())
}
