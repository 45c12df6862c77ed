//! `docksweep diff`: what is different between two runs.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};

use crate::cli::{DiffArgs, SuppressArgs, TextOrJson};
use crate::command::Failure;
use crate::command::report::{open, shown, unreadable};
use crate::config;
use crate::diff::{Comparison, NotInOrder, Seen, Side, StoredEndpoint, join, text};
use crate::exit_code::ExitCode;
use crate::history::{History, Missing};
use crate::report::json;
use crate::report::stored::{self, StoredError};

pub(super) fn run(args: DiffArgs) -> Result<ExitCode, Failure> {
    let (before, after) = sources(&args)?;
    let mut comparison = Comparison::new(before.side()?, after.side()?);
    let (earlier, later) = (before.endpoints()?, after.endpoints()?);
    join(earlier, later, |before, after| comparison.endpoint(before, after))?;
    let difference = comparison.finish();
    let mut out = anstream::stdout().lock();
    let written = match args.format {
        TextOrJson::Json => json::write_pretty(&mut out, &difference),
        TextOrJson::Text => {
            let options = config::text_options(args.color, args.severity, &SuppressArgs::default());
            out.write_all(text::render(&difference, options).as_bytes())
        }
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            return Err(Failure::failed(format!("standard output: {error}")));
        }
        _ => {}
    }
    match args.fail_on {
        Some(threshold) if difference.reaches(threshold) => Ok(ExitCode::FindingsAtThreshold),
        _ => Ok(ExitCode::Done),
    }
}

/// Of one run, by address and port.
pub(super) type Endpoints = std::sync::mpsc::IntoIter<Result<Seen, Failure>>;

/// Where a run is kept.
#[derive(Clone, Debug)]
pub(super) enum Source {
    File(PathBuf),
    Run { history: PathBuf, run: i64 },
}

fn sources(args: &DiffArgs) -> Result<(Source, Source), Failure> {
    let history = |hint: &str| {
        args.history
            .clone()
            .ok_or_else(|| Failure::usage(format!("{hint}: --history FILE says where they are")))
    };
    match args.runs.as_slice() {
        [] => {
            let path = history("without two reports or runs, the last two runs are compared")?;
            let two = History::open(&path, Missing::Refuse)?.last_two()?;
            let (before, after) = two.ok_or_else(|| {
                Failure::failed(format!(
                    "{}: no two complete runs of the same targets",
                    shown(&path)
                ))
                .hint("docksweep history --history FILE lists the runs")
            })?;
            let of = |run| Source::Run { history: path.clone(), run };
            Ok((of(before), of(after)))
        }
        [before, after] => {
            let of = |name: &String| match Path::new(name) {
                path if path.exists() => Ok(Source::File(path.to_owned())),
                path => match &args.history {
                    Some(history) => {
                        let run = History::open(history, Missing::Refuse)?.run(name)?;
                        Ok(Source::Run { history: history.clone(), run })
                    }
                    None => Err(Failure::failed(format!("{}: no such file", shown(path)))
                        .hint("runs by number or id need --history FILE")),
                },
            };
            Ok((of(before)?, of(after)?))
        }
        _ => Err(Failure::usage("one run is compared with another: give two, or none")),
    }
}

impl Source {
    fn side(&self) -> Result<Side, Failure> {
        match self {
            Self::Run { history, run } => Ok(History::open(history, Missing::Refuse)?.side(*run)?),
            Self::File(path) => {
                let head = stored::head(open(path)?).map_err(|error| unreadable(path, &error))?;
                let scan =
                    head.scan.ok_or_else(|| unreadable(path, &StoredError::Missing("scan")))?;
                let side = Side::new(&scan, head.tool.as_ref());
                Ok(match &head.fleet_findings {
                    Some(findings) => side.with_fleet(findings),
                    None => side,
                })
            }
        }
    }

    /// Read by a thread of its own, which ends when nobody takes what it reads: a report may be
    /// larger than memory.
    pub(super) fn endpoints(&self) -> Result<Endpoints, Failure> {
        /// Endpoints that reading may be ahead.
        const AHEAD: usize = 256;
        let (send, receive) = sync_channel(AHEAD);
        let source = self.clone();
        std::thread::Builder::new()
            .spawn(move || {
                if let Err(error) = source.read(&send) {
                    let _ = send.send(Err(error));
                }
            })
            .map_err(|error| Failure::failed(format!("no thread to read with: {error}")))?;
        Ok(receive.into_iter())
    }

    fn read(&self, send: &SyncSender<Result<Seen, Failure>>) -> Result<(), Failure> {
        let (Self::File(path) | Self::Run { history: path, .. }) = self;
        let mut last = None;
        let mut next = |seen: Seen| {
            let place = Some((seen.address, seen.port));
            let next = match place > last {
                true => Ok(seen),
                false => Err(Failure::failed(format!("{}: {NotInOrder}", shown(path)))),
            };
            last = place;
            sent(send, next)
        };
        match self {
            Self::File(_) => {
                stored::endpoints(open(path)?, |endpoint: StoredEndpoint| next(endpoint.into()))
                    .map_err(|error| unreadable(path, &error))
            }
            Self::Run { run, .. } => {
                Ok(History::open(path, Missing::Refuse)?.endpoints(*run, next)?)
            }
        }
    }
}

/// When the comparison has failed elsewhere, nobody takes what is read.
fn sent(send: &SyncSender<Result<Seen, Failure>>, next: Result<Seen, Failure>) -> ControlFlow<()> {
    match send.send(next) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

impl From<NotInOrder> for Failure {
    fn from(error: NotInOrder) -> Self {
        Self::error(&error)
    }
}
