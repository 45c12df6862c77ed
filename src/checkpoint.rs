//! Keeps a scan's place on disk, so that a run after Ctrl-C, `kill -9` or a power cut goes on with
//! what is left.
//!
//! Two files: `FILE` has what the scan is and how far its sweep was, and is replaced whole every
//! few seconds; `FILE.endpoints` has each judged endpoint's observation, a JSON line each, as they
//! come. A line is on disk before the `FILE` that counts on it. Called by the `scan` subcommand
//! ([`Stored`], [`Checkpoint`]) and, while it runs, by the pipeline.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::observation::Observation;
use crate::sweep::SweepState;
use crate::target::NamedTarget;

mod journal;
mod state_file;
mod writer;

use journal::Journal;
pub use writer::{Checkpoint, Kept};

/// What a scan is, as far as another must be the same to go on with it, and what it needs beside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The report's `scan.id`.
    pub id: String,
    /// The program and the set of its rules and facts, as in a report's `tool.rules_version`.
    pub program: String,
    pub targets_digest: String,
    pub seed: u64,
    pub shard: String,
    /// `connect` or `syn`.
    pub engine: String,
    /// Flags that change what is found or recorded, with their values.
    pub options: BTreeMap<String, String>,
    pub started_at: Timestamp,
    /// When it was gone on with, each time.
    pub resumed_at: Vec<Timestamp>,
    /// What followed `scan` on the first command line; none if that was not UTF-8.
    pub arguments: Option<Vec<String>>,
    pub names: Vec<ResolvedName>,
    pub unresolved: Vec<UnresolvedName>,
}

/// A name of the target list, with an address that it stood for when the scan began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedName {
    pub name: String,
    pub port: Option<u16>,
    pub address: IpAddr,
}

/// A name that stood for none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnresolvedName {
    pub name: String,
    pub reason: String,
}

/// In what two scans differ that should be one: what it is, and both values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub what: String,
    pub there: String,
    pub here: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, there, here } = self;
        write!(f, "{what} is {there} there and {here} here")
    }
}

impl Header {
    /// The first thing in which a scan that would go on with this one differs from it.
    pub fn difference(&self, here: &Self) -> Option<Difference> {
        let text = |text: &str| text.to_owned();
        let mut both = vec![
            (text("the program"), self.program.clone(), here.program.clone()),
            (text("the digest of the targets"), short(self), short(here)),
            (text("--seed"), self.seed.to_string(), here.seed.to_string()),
            (text("--shard"), self.shard.clone(), here.shard.clone()),
            (text("--engine"), self.engine.clone(), here.engine.clone()),
        ];
        let names: BTreeSet<&String> = self.options.keys().chain(here.options.keys()).collect();
        let value = |options: &BTreeMap<String, String>, name| {
            options.get(name).cloned().unwrap_or_else(|| "unknown".to_owned())
        };
        both.extend(
            names
                .into_iter()
                .map(|name| (name.clone(), value(&self.options, name), value(&here.options, name))),
        );
        let differing = both.into_iter().find(|(_, there, here)| there != here);
        differing.map(|(what, there, here)| Difference { what, there, here })
    }

    /// Whether these are the names of the target list.
    pub fn has_names(&self, names: &[NamedTarget]) -> bool {
        let asked: BTreeSet<&str> = names.iter().map(|named| &*named.name).collect();
        let resolved = self.names.iter().map(|known| &*known.name);
        asked == resolved.chain(self.unresolved.iter().map(|known| &*known.name)).collect()
    }
}

/// Enough of a digest to tell two apart by eye.
fn short(header: &Header) -> String {
    header.targets_digest.chars().take(16).collect()
}

/// Why there is no checkpoint to go on with, or to begin.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: it is no checkpoint of a scan", .0.display())]
    Foreign(PathBuf),
    #[error("{}: it is a checkpoint in another format, of another docksweep", .0.display())]
    Format(PathBuf),
    #[error("{}: the checkpoint is damaged: {because}", .path.display())]
    Damaged { path: PathBuf, because: String },
    #[error("{}: there is a checkpoint already, of a scan that is not finished", .0.display())]
    Unfinished(PathBuf),
    #[error("{}: it is left of a checkpoint whose other file is gone", .0.display())]
    Orphan(PathBuf),
    #[error("{}: another run of docksweep goes on with this scan", .0.display())]
    Locked(PathBuf),
}

impl CheckpointError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    fn damaged(path: &Path, because: impl fmt::Display) -> Self {
        Self::Damaged { path: path.to_owned(), because: because.to_string() }
    }
}

/// Where the endpoints of a checkpoint are.
fn endpoints_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".endpoints");
    PathBuf::from(name)
}

/// Whether a new checkpoint may be kept at `path`.
///
/// # Errors
/// Something is there already, or can never be.
pub fn check_free(path: &Path) -> Result<(), CheckpointError> {
    if path.is_dir() {
        return Err(CheckpointError::io(path, io::ErrorKind::IsADirectory.into()));
    }
    match state_file::read(path) {
        Ok(_) if journal::is_held(&endpoints_of(path)) => {
            return Err(CheckpointError::Locked(path.to_owned()));
        }
        Ok(_) => return Err(CheckpointError::Unfinished(path.to_owned())),
        Err(CheckpointError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder
        && !folder.is_dir()
    {
        return Err(CheckpointError::io(path, io::ErrorKind::NotFound.into()));
    }
    let endpoints = endpoints_of(path);
    if journal::holds_endpoints(&endpoints) {
        return Err(CheckpointError::Orphan(endpoints));
    }
    Ok(())
}

/// What `FILE` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Snapshot {
    header: Header,
    state: SweepState,
    /// Open ports that were found and not judged.
    pending: Vec<std::net::SocketAddr>,
    /// As many bytes of the journal it counts on.
    journaled: u64,
}

/// A checkpoint as it was read. While it lives, no other run gets it.
#[derive(Debug)]
pub struct Stored {
    path: PathBuf,
    snapshot: Snapshot,
    journal: Journal,
}

impl Stored {
    /// Reads `path` and takes the lock.
    ///
    /// # Errors
    /// It is no checkpoint, a damaged one, or one that another run works on.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        // Before the lock, so that what is no checkpoint is not called one.
        state_file::read(path)?;
        let journal = Journal::open(&endpoints_of(path))?;
        let snapshot = state_file::read(path)?;
        Ok(Self { path: path.to_owned(), snapshot, journal })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn header(&self) -> &Header {
        &self.snapshot.header
    }

    pub fn state(&self) -> &SweepState {
        &self.snapshot.state
    }

    /// Open ports that were found and not judged; some of them may be among the endpoints.
    pub fn pending(&self) -> &[std::net::SocketAddr] {
        &self.snapshot.pending
    }

    /// The endpoints that were judged, each once, as first seen. What follows the last whole line
    /// is dropped: those endpoints are pending, or are found again.
    ///
    /// # Errors
    /// Less is there than the checkpoint counts on.
    pub fn observations(&mut self) -> Result<Vec<Observation>, CheckpointError> {
        self.journal.read(&self.snapshot.header.id, self.snapshot.journaled)
    }
}

#[cfg(test)]
mod tests;
