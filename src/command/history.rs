//! `docksweep history`: the runs that are kept, and what is known of an address.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use crate::assess::assess;
use crate::cli::{
    HistoryAction, HistoryArgs, HistoryImportArgs, HistoryPruneArgs, SuppressArgs, TextOrJson,
};
use crate::command::report::{open, shown, unreadable};
use crate::command::{Failure, warn};
use crate::config;
use crate::exit_code::ExitCode;
use crate::finding::Severity;
use crate::history::{Begun, History, HistoryError, Missing, Recording};
use crate::report::json;
use crate::report::stored::{self, StoredError};
use crate::report::v1;
use crate::rules::fleet::EndpointKeys;

mod address;
mod runs;

pub(super) fn run(args: HistoryArgs) -> Result<ExitCode, Failure> {
    match &args.action {
        Some(_) if args.address.is_some() => {
            return Err(Failure::usage("an address is looked at, or a subcommand run: give one"));
        }
        Some(HistoryAction::Import(args)) => return import(args),
        Some(HistoryAction::Prune(args)) => return prune(args),
        None => {}
    }
    let path = database(args.history.as_ref())?.to_owned();
    let history = History::open(&path, Missing::Refuse)?;
    let options = config::text_options(args.color, Severity::Info, &SuppressArgs::default());
    let mut out = Vec::new();
    match args.address {
        None => {
            let runs = history.runs()?;
            match args.format {
                TextOrJson::Json => json::write_pretty(&mut out, &runs::listed(&runs)),
                TextOrJson::Text => out.write_all(runs::render(&runs, options).as_bytes()),
            }
        }
        Some(wanted) => {
            let known = known(&history, wanted, &path)?;
            match args.format {
                TextOrJson::Json => json::write_pretty(&mut out, &known),
                TextOrJson::Text => out.write_all(address::render(&known, options).as_bytes()),
            }
        }
    }
    .and_then(|()| anstream::stdout().lock().write_all(&out))
    .or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::failed(format!("standard output: {error}"))),
    })?;
    Ok(ExitCode::Done)
}

fn database(path: Option<&PathBuf>) -> Result<&Path, Failure> {
    path.map(PathBuf::as_path).ok_or_else(|| Failure::usage("which history: give --history FILE"))
}

fn known(
    history: &History,
    address: IpAddr,
    path: &Path,
) -> Result<address::AddressHistory, Failure> {
    let known = history.address(address)?;
    if known.is_empty() {
        return Err(Failure::failed(format!("{}: nothing is known of {address}", shown(path)))
            .hint("the history knows addresses on which a scan found an open port"));
    }
    address::of(history, address, known)
}

/// Reports go in one by one: what failed later takes nothing back.
fn import(args: &HistoryImportArgs) -> Result<ExitCode, Failure> {
    let mut history = History::open(database(args.history.as_ref())?, Missing::Create)?;
    for path in &args.files {
        let head = stored::head(open(path)?).map_err(|error| unreadable(path, &error))?;
        let missing = |what| unreadable(path, &StoredError::Missing(what));
        let scan = head.scan.ok_or_else(|| missing("scan"))?;
        let tool = head.tool.ok_or_else(|| missing("tool"))?;
        let fleet_findings = head.fleet_findings.ok_or_else(|| missing("fleet_findings"))?;
        match history.begin(&scan, &tool)? {
            Begun::New(mut recording) => {
                endpoints(path, &mut recording)?;
                let run = recording.finish(&scan, &fleet_findings)?;
                // What is in the history does not depend on who reads this.
                let _ = writeln!(anstream::stdout(), "{}: kept as run {run}", shown(path));
            }
            Begun::Before(run) => warn(&kept_before(&shown(path), run)),
        }
    }
    Ok(ExitCode::Done)
}

fn prune(args: &HistoryPruneArgs) -> Result<ExitCode, Failure> {
    let database = database(args.history.as_ref())?;
    let mut history = History::open(database, Missing::Refuse)?;
    let days = SignedDuration::from_hours(24 * i64::from(args.days));
    let runs = history.prune(Timestamp::now() - days)?;
    let path = shown(database);
    let what = if runs == 1 {
        "1 run is forgotten".to_owned()
    } else {
        format!("{runs} runs are forgotten")
    };
    let _ = writeln!(anstream::stdout(), "{path}: {what}");
    if runs > 0 {
        history.compact()?;
    }
    Ok(ExitCode::Done)
}

/// What becomes of a run that is there.
pub(super) fn kept_before(name: &str, run: i64) -> String {
    format!("{name}: run {run} is this scan, and stays as it is")
}

fn endpoints(path: &Path, recording: &mut Recording<'_>) -> Result<(), Failure> {
    let mut outcome: Result<(), HistoryError> = Ok(());
    stored::endpoints(open(path)?, |endpoint: v1::Endpoint| {
        // Which keys were shown follows from what was seen, as it does in a scan.
        let keys = EndpointKeys::of(&endpoint.observation, &assess(&endpoint.observation));
        outcome = recording.add(&endpoint, &keys);
        match outcome {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })
    .map_err(|error| unreadable(path, &error))?;
    Ok(outcome?)
}
