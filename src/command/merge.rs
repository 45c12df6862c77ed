//! `docksweep merge FILES`: joins stored reports and judges them as one, offline.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use crate::cli::MergeArgs;
use crate::command::invocation::Invocation;
use crate::command::judging::Judging;
use crate::command::remember::Beside;
use crate::command::report::{open, shown, unreadable};
use crate::command::{Failure, command_line};
use crate::exit_code::ExitCode;
use crate::history::{History, Missing};
use crate::observation::Observation;
use crate::report::stored::{self, StoredError};
use crate::sweep::limits;

use joined::Part;

mod joined;

pub(super) fn run(args: MergeArgs, invocation: &Invocation) -> Result<ExitCode, Failure> {
    let judging = Judging::new(&args.judging, invocation)?;
    limits::raise_open_files();
    let mut parts = Vec::new();
    for path in &args.files {
        let head = stored::head(open(path)?).map_err(|error| unreadable(path, &error))?;
        let scan = head.scan.ok_or_else(|| unreadable(path, &StoredError::Missing("scan")))?;
        parts.push(Part { name: shown(path), scan });
    }
    let command = command_line();
    let mut scan =
        joined::scan(&parts, command).map_err(|error| Failure::usage(error.to_string()))?;
    judging.note(&mut scan, "joined and judged");
    let mut history = match &args.history {
        Some(path) => Some((path, History::open(path, Missing::Create)?)),
        None => None,
    };
    let beside = match &mut history {
        Some((path, history)) => Some(Beside::keeping(path, history, &scan, &judging.tool())?),
        None => None,
    };
    let mut judged = judging.begin(&scan, beside)?;
    // What one report could not reach another one may list.
    let mut absent: HashSet<String> = scan.absent.iter().map(|it| it.id.clone()).collect();
    let repeated = in_order(&args.files, |observation| {
        absent.remove(&observation.endpoint.id());
        judged.add(observation);
    })?;
    scan.absent.retain(|it| absent.contains(&it.id));
    if repeated > 0 {
        scan.notes
            .push(format!("{repeated} observations gave way to a later one of the same endpoint"));
    }
    judged.finish(scan)
}

/// Endpoints that a reader may be ahead of the merge: they may be large.
const AHEAD: usize = 2;

type Key = (IpAddr, u16);

/// Merges the endpoints of all files by address and port, and hands over each once, as it was
/// seen last. Memory holds a few endpoints a file. Returns how many observations were left out.
fn in_order(
    files: &[impl AsRef<Path> + Sync],
    mut each: impl FnMut(Observation),
) -> Result<u64, Failure> {
    std::thread::scope(|scope| {
        let mut sources = Vec::new();
        for path in files {
            let path = path.as_ref();
            let reader = open(path)?;
            let (send, receive) = sync_channel(AHEAD);
            std::thread::Builder::new()
                .spawn_scoped(scope, move || {
                    // When the merge has failed elsewhere, nobody takes what is read.
                    let read = stored::observations(reader, |observation| {
                        match send.send(Ok(observation)) {
                            Ok(()) => ControlFlow::Continue(()),
                            Err(_) => ControlFlow::Break(()),
                        }
                    });
                    if let Err(error) = read {
                        let _ = send.send(Err(error));
                    }
                })
                .map_err(|error| Failure::failed(format!("no thread to read with: {error}")))?;
            sources.push(Source { path, receive, head: None, last: None });
        }
        let mut heap = BinaryHeap::new();
        for (at, source) in sources.iter_mut().enumerate() {
            heap.extend(source.advance()?.map(|key| Reverse((key, at))));
        }
        let mut repeated = 0;
        let mut latest: Option<Observation> = None;
        while let Some(Reverse((_, at))) = heap.pop() {
            let Some(source) = sources.get_mut(at) else { continue };
            let next = source.head.take();
            heap.extend(source.advance()?.map(|key| Reverse((key, at))));
            let Some(next) = next else { continue };
            match latest.take() {
                Some(known) if key(&known) == key(&next) => {
                    repeated += 1;
                    let newer = next.observed_at >= known.observed_at;
                    latest = Some(if newer { next } else { known });
                }
                known => {
                    known.into_iter().for_each(&mut each);
                    latest = Some(next);
                }
            }
        }
        latest.into_iter().for_each(each);
        Ok(repeated)
    })
}

/// One file, read by a thread of its own.
struct Source<'a> {
    path: &'a Path,
    receive: Receiver<Result<Observation, StoredError>>,
    head: Option<Observation>,
    last: Option<Key>,
}

impl Source<'_> {
    /// Takes the next endpoint to the head; `None` at the end.
    fn advance(&mut self) -> Result<Option<Key>, Failure> {
        let next = match self.receive.recv() {
            Ok(Ok(next)) => next,
            Ok(Err(error)) => return Err(unreadable(self.path, &error)),
            Err(_) => return Ok(None),
        };
        let place = key(&next);
        if self.last.is_some_and(|last| place < last) {
            return Err(Failure::failed(format!(
                "{}: its endpoints are not by address and port",
                shown(self.path)
            )));
        }
        self.last = Some(place);
        self.head = Some(next);
        Ok(Some(place))
    }
}

fn key(observation: &Observation) -> Key {
    (observation.endpoint.address, observation.endpoint.port)
}
