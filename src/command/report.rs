//! `docksweep report FILE`: judges a stored report again, offline, with today's rules and date.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::Path;

use crate::cli::ReportArgs;
use crate::command::Failure;
use crate::command::invocation::Invocation;
use crate::command::judging::Judging;
use crate::command::remember::Beside;
use crate::exit_code::ExitCode;
use crate::history::{History, Missing};
use crate::report::stored::{self, StoredError};
use crate::sanitize;

pub(super) fn run(args: ReportArgs, invocation: &Invocation) -> Result<ExitCode, Failure> {
    let judging = Judging::new(&args.judging, invocation)?;
    let head = stored::head(open(&args.file)?).map_err(|error| unreadable(&args.file, &error))?;
    let Some(mut scan) = head.scan else {
        return Err(unreadable(&args.file, &StoredError::Missing("scan")));
    };
    judging.note(&mut scan, "judged again");
    let beside = match &args.history {
        Some(path) => {
            let history = History::open(path, Missing::Refuse)?;
            Some(Beside::looking(path, &history, &scan, &judging.tool())?)
        }
        None => None,
    };
    let mut judged = judging.begin(&scan, beside)?;
    stored::observations(open(&args.file)?, |observation| {
        judged.add(observation);
        ControlFlow::Continue(())
    })
    .map_err(|error| unreadable(&args.file, &error))?;
    judged.finish(scan)
}

pub(super) fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    File::open(path)
        .map(|file| BufReader::with_capacity(1 << 18, file))
        .map_err(|error| Failure::failed(format!("{}: {error}", shown(path))))
}

pub(super) fn unreadable(path: &Path, error: &StoredError) -> Failure {
    Failure::failed(format!("{}: {error}", shown(path)))
        .hint("docksweep scan ... -o FILE.json writes what this reads")
}

pub(super) fn shown(path: &Path) -> String {
    sanitize::line(&path.to_string_lossy(), 500).into_owned()
}
