//! What `scan` does for `--checkpoint` and `--resume`: which command line, which scan, which notes.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::checkpoint::{
    Checkpoint, CheckpointError, Header, Kept, ResolvedName, Stored, UnresolvedName, check_free,
};
use crate::cli::{Cli, Command, ConfigurationArgs, ScanArgs};
use crate::clock;
use crate::command::invocation::{self, Invocation};
use crate::command::{Failure, chain, warn};
use crate::config::Config;
use crate::exit_code::ExitCode;
use crate::report::v1;
use crate::sanitize;
use crate::scan::Earlier;
use crate::suppress::Suppressions;
use crate::sweep::{Resume, SweepConfig};
use crate::target::{NamedTarget, TargetList};

/// Reads the checkpoint to go on with, if there is one, and settles the flags of the scan.
pub(super) fn settle(args: ScanArgs, invocation: &Invocation) -> Result<Settled, Failure> {
    if let Some(path) = &args.checkpoint {
        check_free(path)?;
    }
    let suppressions = invocation.suppressions.clone();
    let Some(path) = args.resume.clone() else {
        return Ok(Settled { args, stored: None, suppressions });
    };
    let stored = Stored::load(&path)?;
    let (mut args, suppressions) = match args.targets.is_empty() && args.inputs.is_empty() {
        true => {
            let (args, configuration) = repeated(&stored, &invocation.arguments)?;
            // Settings are those of the beginning; what is accepted is a matter of today.
            let file = invocation::file(&configuration)?;
            (args, file.map(|file| file.suppressions).unwrap_or_default())
        }
        false => (args, suppressions),
    };
    args.checkpoint = Some(path);
    Ok(Settled { args, stored: Some(stored), suppressions })
}

/// What a scan is to do, be it new or gone on with.
pub(super) struct Settled {
    pub(super) args: ScanArgs,
    pub(super) stored: Option<Stored>,
    /// What the configuration file accepts.
    pub(super) suppressions: Suppressions,
}

/// The command line that the scan began with, and the flags given now.
fn repeated(
    stored: &Stored,
    arguments: &[OsString],
) -> Result<(ScanArgs, ConfigurationArgs), Failure> {
    let first = stored.header().arguments.clone().ok_or_else(|| {
        Failure::usage("the scan's first command line was not UTF-8, so it is not kept")
            .hint("give it again, with --resume instead of --checkpoint")
    })?;
    // What follows a double dash are targets.
    let flags = first.iter().position(|word| word == "--").unwrap_or(first.len());
    let (flags, targets) = first.split_at(flags);
    let mut line = vec![OsString::from("docksweep"), OsString::from("scan")];
    line.extend(without_checkpoint(flags).map(OsString::from));
    line.extend(after_scan(arguments).iter().cloned());
    line.extend(targets.iter().map(OsString::from));
    let parser = Cli::command().mut_subcommand("scan", |scan| scan.args_override_self(true));
    let parsed =
        parser.try_get_matches_from(line).and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(Cli { command: Command::Scan(args), configuration }) => Ok((*args, configuration)),
        Ok(_) => Err(Failure::failed("the checkpoint's command line is no scan")),
        Err(error) => Err(Failure::usage(format!(
            "with the checkpoint's command line: {}",
            error.render().to_string().lines().next().unwrap_or_default()
        ))),
    }
}

fn without_checkpoint(words: &[String]) -> impl Iterator<Item = &String> {
    let mut is_value = false;
    words.iter().filter(move |word| {
        let kept = !std::mem::take(&mut is_value) && !word.starts_with("--checkpoint=");
        is_value = kept && *word == "--checkpoint";
        kept && !is_value
    })
}

fn after_scan(arguments: &[OsString]) -> &[OsString] {
    let scan = arguments.iter().position(|word| word == "scan");
    scan.and_then(|at| arguments.get(at + 1..)).unwrap_or_default()
}

/// Puts the addresses that the names stood for when the scan began into the list.
pub(super) fn resolve_as_then(
    list: &mut TargetList,
    stored: &Stored,
) -> Result<Vec<v1::Unresolved>, Failure> {
    let header = stored.header();
    if !header.has_names(list.names()) {
        return Err(other_scan(stored.path(), "its targets have other names"));
    }
    for ResolvedName { name, port, address } in &header.names {
        list.add_resolved(&NamedTarget { name: name.clone(), port: *port }, *address);
    }
    let unresolved = header.unresolved.iter().cloned();
    Ok(unresolved.map(|UnresolvedName { name, reason }| v1::Unresolved { name, reason }).collect())
}

/// What this run's checkpoint says of the scan.
pub(super) struct Described<'a> {
    pub(super) config: &'a Config,
    pub(super) arguments: &'a [OsString],
    pub(super) report: &'a v1::Scan,
    pub(super) sweep: &'a SweepConfig,
    pub(super) program: String,
    pub(super) names: Vec<ResolvedName>,
}

impl Described<'_> {
    fn header(self) -> Header {
        let Self { config, arguments, report, sweep, program, names } = self;
        let words = after_scan(arguments).iter().cloned().map(OsString::into_string);
        let unresolved = report.unresolved.iter().cloned();
        Header {
            id: report.id.clone(),
            program,
            targets_digest: report.targets_digest.clone().unwrap_or_default(),
            seed: sweep.seed,
            shard: sweep.shard.to_string(),
            engine: match report.engine {
                v1::Engine::Connect => "connect".to_owned(),
                v1::Engine::Syn => "syn".to_owned(),
            },
            options: config.recorded.clone(),
            started_at: report.started_at,
            resumed_at: Vec::new(),
            arguments: words.collect::<Result<_, _>>().ok(),
            names,
            unresolved: unresolved
                .map(|v1::Unresolved { name, reason }| UnresolvedName { name, reason })
                .collect(),
        }
    }
}

/// What a run with a checkpoint has beside its configuration.
pub(super) struct Keeping {
    pub(super) checkpoint: Checkpoint,
    pub(super) earlier: Earlier,
    pub(super) notes: Vec<String>,
}

/// Begins the checkpoint, or goes on with the one that is stored: then `sweep` gets its place.
pub(super) fn keep(
    path: &Path,
    stored: Option<Stored>,
    described: Described<'_>,
    probes: u64,
    sweep: &mut SweepConfig,
) -> Result<Keeping, Failure> {
    let every = described.config.checkpoint_every;
    let warns = described.config.warnings;
    let warn_of = move |trouble: &str| {
        if warns {
            warn(trouble);
        }
    };
    let here = described.header();
    let Some(mut stored) = stored else {
        let checkpoint = Checkpoint::begin(path, here, probes, every, warn_of)?;
        return Ok(Keeping { checkpoint, earlier: Earlier::default(), notes: Vec::new() });
    };
    if let Some(difference) = stored.header().difference(&here) {
        return Err(other_scan(path, &difference.to_string()));
    }
    let observations = stored.observations()?;
    let pending = stored.pending().to_vec();
    let judged = observations.iter().map(|observation| {
        SocketAddr::new(observation.endpoint.address, observation.endpoint.port)
    });
    let state = stored.state().clone();
    let open = judged.chain(pending.iter().copied()).collect();
    let done = state.counts();
    sweep.resume = Some(Arc::new(Resume { state, open }));
    let mut header = stored.header().clone();
    header.resumed_at.push(clock::now());
    let notes = header.resumed_at.iter().map(|at| {
        format!(
            "the scan was broken off, and gone on with at {}",
            at.strftime("%Y-%m-%d %H:%M:%S UTC")
        )
    });
    let notes = notes.collect();
    tracing::info!(?done, endpoints = observations.len(), "going on with a scan");
    let checkpoint = Checkpoint::go_on(stored, header, every, warn_of)?;
    Ok(Keeping { checkpoint, earlier: Earlier { observations, pending }, notes })
}

/// What becomes of the checkpoint when the report is written.
pub(super) fn end(kept: Option<Kept>, path: Option<&PathBuf>, is_finished: Finished, says: bool) {
    let (Some(kept), Some(path)) = (kept, path) else { return };
    match is_finished {
        Finished::Yes => kept.remove(),
        Finished::No if kept.is_current() && says => {
            let shown = sanitize::line(&path.to_string_lossy(), 500).into_owned();
            anstream::eprintln!("hint: docksweep scan --resume {shown} goes on");
        }
        Finished::No => {}
    }
}

/// Whether a scan has anything left to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finished {
    Yes,
    No,
}

/// For the report, where not everything could be written.
pub(super) fn trouble_note(kept: &Kept) -> Option<String> {
    let trouble = kept.trouble()?;
    Some(if kept.is_current() {
        format!(
            "for a time the checkpoint could not be written, and the scan not resumed: {trouble}"
        )
    } else {
        format!("the checkpoint could not be written, so the scan could not be resumed: {trouble}")
    })
}

fn other_scan(path: &Path, what: &str) -> Failure {
    Failure::usage(format!("{}: it is of another scan: {what}", path.display()))
        .hint(format!("docksweep scan --resume {} alone goes on as it was begun", path.display()))
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        let text = chain(&error);
        match error {
            CheckpointError::Io { .. } => Self::usage(text),
            CheckpointError::Foreign(_) => {
                Self::usage(text).hint("it is left as it is: choose another name")
            }
            CheckpointError::Format(_) => {
                Self::usage(text).hint("the version that wrote it can go on with it")
            }
            CheckpointError::Damaged { .. } => {
                Self::usage(text).hint("remove it and FILE.endpoints, and scan anew")
            }
            CheckpointError::Unfinished(path) => Self::usage(text)
                .hint(format!("docksweep scan --resume {} goes on with it", path.display())),
            CheckpointError::Orphan(_) => Self::usage(text)
                .hint("it cannot be gone on with: remove it, or choose another name"),
            CheckpointError::Locked(_) => {
                Self { code: ExitCode::Locked, message: text, hint: None }
            }
        }
    }
}
