//! What `scan` does for `--history`: compares the run with the one before, and keeps it.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::RecordArgs;
use crate::command::diff::Source;
use crate::command::report::shown;
use crate::command::{Failure, chain};
use crate::diff::{self, Comparison, Difference, Seen, Side};
use crate::history::{Begun, History, HistoryError, Missing, Recalled};
use crate::report::stored::head;
use crate::report::v1::{self, Report};
use crate::report::{Destination, Format, Kept, keep};
use crate::rules::fleet::EndpointKeys;
use crate::target::TargetSet;

mod stored;

pub(super) use stored::Beside;

/// An open history, or none.
#[derive(Debug)]
pub(super) struct Memory(Option<Open>);

#[derive(Debug)]
struct Open {
    path: PathBuf,
    history: History,
}

impl Memory {
    /// Before the first packet, so that a history that cannot be kept is known then.
    pub(super) fn open(args: &RecordArgs) -> Result<Self, Failure> {
        let Some(path) = args.history.clone() else { return Ok(Self(None)) };
        let history = History::open(&path, Missing::Create)?;
        Ok(Self(Some(Open { path, history })))
    }

    /// What earlier runs know that matters to the scan.
    pub(super) fn recall(
        &self,
        scan: &v1::Scan,
        targets: &TargetSet,
    ) -> Result<Option<Arc<Recalled>>, Failure> {
        let Some(Open { history, .. }) = &self.0 else { return Ok(None) };
        let is_target = |pair: SocketAddr| targets.contains(pair);
        Ok(Some(Arc::new(history.recall(scan, is_target)?)))
    }

    /// Says in the report how it differs from the run before, and returns in which.
    pub(super) fn compare(&mut self, report: &mut Report) -> Result<Option<Difference>, Failure> {
        let Some(Open { path, history }) = &self.0 else { return Ok(None) };
        let Some(run) = history.previous(&report.scan)? else { return Ok(None) };
        let after = Side::new(&report.scan, Some(&report.tool)).with_fleet(&report.fleet_findings);
        let mut comparison = Comparison::new(history.side(run)?, after);
        let endpoints = report.endpoints.iter().map(|endpoint| Ok(Seen::from(endpoint)));
        let before = Source::Run { history: path.clone(), run }.endpoints()?;
        diff::join(before, endpoints, |before, after| comparison.endpoint(before, after))?;
        let difference = comparison.finish();
        report.changes = Some(difference.counts());
        Ok(Some(difference))
    }

    /// Keeps the run. Called also where a report could not be written. A run that cannot be kept is
    /// left in a report in JSON at least.
    pub(super) fn keep(
        self,
        report: &Report,
        keys: &[EndpointKeys],
        outputs: &[(Destination, Format)],
    ) -> Result<(), Failure> {
        let Some(Open { path, mut history }) = self.0 else { return Ok(()) };
        let by_endpoint: HashMap<&str, &EndpointKeys> =
            keys.iter().map(|keys| (keys.endpoint(), keys)).collect();
        let Report { scan, tool, fleet_findings, .. } = report;
        let mut kept = || -> Result<(), HistoryError> {
            let Begun::New(mut recording) = history.begin(scan, tool)? else { return Ok(()) };
            for endpoint in &report.endpoints {
                if let Some(keys) = by_endpoint.get(endpoint.id.as_str()) {
                    recording.add(endpoint, keys)?;
                }
            }
            recording.finish(scan, fleet_findings).map(drop)
        };
        kept().map_err(|error| not_kept(&error, &path, report, outputs))
    }
}

/// Says which file holds the run, or writes one.
fn not_kept(
    error: &HistoryError,
    history: &Path,
    report: &Report,
    outputs: &[(Destination, Format)],
) -> Failure {
    let failure = Failure::failed(format!("the run is not in the history: {}", chain(error)));
    let written = outputs.iter().find_map(|(destination, format)| match destination {
        Destination::File(path) if *format == Format::Json && holds(path, report) => {
            Some(path.clone())
        }
        _ => None,
    });
    match written.or_else(|| saved(history, report)) {
        Some(file) => failure.hint(format!(
            "docksweep history import {} --history {} keeps it when that works again",
            shown(&file),
            shown(history)
        )),
        None => failure.hint("scan again with -o FILE.json: no file took the report either"),
    }
}

/// The file may be one of before, if writing it failed.
fn holds(path: &Path, report: &Report) -> bool {
    let scan = File::open(path).ok().and_then(|file| head(BufReader::new(file)).ok()?.scan);
    scan.is_some_and(|scan| scan.id == report.scan.id)
}

/// Beside the history, or where temporary files go: under a name that nobody else can have taken.
fn saved(history: &Path, report: &Report) -> Option<PathBuf> {
    let beside = history.parent().filter(|folder| !folder.as_os_str().is_empty());
    let beside = beside.unwrap_or(Path::new(".")).to_owned();
    match keep(report, &[beside, std::env::temp_dir()]) {
        Kept::File(path) => Some(path),
        Kept::Nowhere => None,
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        let failure = Self::error(&error);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
