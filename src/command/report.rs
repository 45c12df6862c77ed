//! `docksweep report FILE`: judges a stored report again, offline, with today's rules and date.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use jiff::Timestamp;

use crate::cli::ReportArgs;
use crate::command::Failure;
use crate::command::advisories;
use crate::command::scan::{TRUST_NOTE, exit_code, rules_version, trust_note};
use crate::config;
use crate::exit_code::ExitCode;
use crate::observation::Observation;
use crate::report::stored::{self, StoredError};
use crate::report::v1::{self, Report, Summary};
use crate::report::{Destination, Format, Reporters, TextOptions};
use crate::rules::Basis;
use crate::rules::fleet::Fleet;
use crate::sanitize;
use crate::scan;

pub(super) fn run(args: ReportArgs) -> Result<ExitCode, Failure> {
    let outputs = config::outputs(&args.outputs, args.format, config::Stdout::TextAlone)?;
    let text = config::text_options(args.color, args.severity);
    let known = advisories::load(args.advisories.as_deref())?;
    let anchors = config::anchors(&args.trust).map_err(config::ConfigError::from)?;
    let known_keys = config::known_keys(&args.key_blocklists)?;
    let basis =
        Basis { advisories: &known.advisories, anchors: anchors.as_ref(), known_keys: &known_keys };
    let head = stored::head(open(&args.file)?).map_err(|error| unreadable(&args.file, &error))?;
    let Some(mut scan) = head.scan else {
        return Err(unreadable(&args.file, &StoredError::Missing("scan")));
    };
    let tool = v1::Tool::current(rules_version(), known.advisories.date());
    scan.notes.retain(|note| !advisories::is_note(note) && !note.starts_with(TRUST_NOTE));
    scan.notes.push(format!(
        "judged again by {} {} on {}, from what was seen then",
        tool.name,
        tool.version,
        Timestamp::now().strftime("%Y-%m-%d")
    ));
    scan.notes.extend(known.notes(Timestamp::now()));
    scan.notes.extend(anchors.as_ref().map(trust_note));
    let mut reporters = Reporters::default();
    for (destination, format) in &outputs {
        let text = match destination {
            Destination::Stdout => text,
            Destination::File(_) => TextOptions { minimum: text.minimum, ..TextOptions::default() },
        };
        reporters.add_ordered(destination, *format, text).map_err(|e| Failure::error(&e))?;
    }
    let mut write_error = reporters.begin(&tool, &scan).err();

    let mut summary = Summary::default();
    // Only the text needs all endpoints at once, and none of what they were judged by.
    let keeps = outputs.iter().any(|(_, format)| *format == Format::Text);
    let mut kept = Vec::new();
    let mut fleet = Fleet::default();
    let read = stored::observations(open(&args.file)?, |observation: Observation| {
        let (mut endpoint, keys) = scan::judge_for_fleet(observation, basis);
        fleet.add(keys);
        summary.add(&endpoint);
        if let Err(error) = reporters.endpoint(&endpoint) {
            write_error.get_or_insert(error);
        }
        if keeps {
            endpoint.observation.connections = Vec::new();
            endpoint.observation.certificates = Vec::new();
            kept.push(endpoint);
        }
    });
    read.map_err(|error| unreadable(&args.file, &error))?;
    let schema = v1::Schema::V1;
    let fleet_findings: Vec<v1::FleetFinding> =
        fleet.judge().iter().map(v1::FleetFinding::from).collect();
    fleet_findings.iter().for_each(|found| summary.add_fleet(found));
    let report = Report { schema, tool, scan, summary, fleet_findings, endpoints: kept };
    let written = reporters.finish(&report).err();
    if let Some(error) = write_error.or(written) {
        return Err(Failure::error(&error));
    }
    Ok(exit_code(&report, args.fail_on))
}

fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    File::open(path)
        .map(|file| BufReader::with_capacity(1 << 18, file))
        .map_err(|error| Failure::failed(format!("{}: {error}", shown(path))))
}

fn unreadable(path: &Path, error: &StoredError) -> Failure {
    Failure::failed(format!("{}: {error}", shown(path)))
        .hint("docksweep scan ... -o FILE.json writes what this reads")
}

fn shown(path: &Path) -> String {
    sanitize::line(&path.to_string_lossy(), 500).into_owned()
}
