//! Writes a checkpoint on a thread of its own: a slow or full disk must not keep the scan waiting
//! for more than a few endpoints, and never ends it.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;

use super::journal::Journal;
use super::{CheckpointError, Header, Snapshot, Stored, endpoints_of, state_file};
use crate::sweep::SweepState;

/// Endpoints that may wait for the disk; they may be large.
const QUEUE: usize = 64;

/// Where the running scan keeps its place.
#[derive(Debug)]
pub struct Checkpoint {
    tasks: mpsc::Sender<Task>,
    thread: JoinHandle<Files>,
    every: Duration,
}

enum Task {
    /// An endpoint and its observation, serialized, with a line break.
    Judged(SocketAddr, Vec<u8>),
    Reached(Arc<SweepState>, Vec<SocketAddr>),
}

impl Checkpoint {
    /// Begins a new one. What the disk refuses does not keep the scan from running: `warn` is
    /// called with the reason, once and on another thread.
    ///
    /// # Errors
    /// Another run has it, or there is no thread.
    pub fn begin(
        path: &Path,
        header: Header,
        probes: u64,
        every: Duration,
        warn: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, CheckpointError> {
        let mut files = Files::new(path, header, None, warn);
        match files.journal() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(CheckpointError::Locked(path.to_owned()));
            }
            _ => {}
        }
        files.reached(&SweepState::unbegun(probes), Vec::new());
        files.start(every)
    }

    /// Goes on with the one that was read; `header` takes the place of its own.
    ///
    /// # Errors
    /// There is no thread.
    pub fn go_on(
        stored: Stored,
        header: Header,
        every: Duration,
        warn: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, CheckpointError> {
        let Stored { path, snapshot, journal } = stored;
        let trimmed = journal.trim();
        let mut files = Files::new(&path, header, Some(journal), warn);
        match trimmed {
            Ok(()) => files.reached(&snapshot.state, snapshot.pending),
            Err(error) => files.failed(&error),
        }
        files.start(every)
    }

    pub const fn every(&self) -> Duration {
        self.every
    }

    /// An endpoint was judged; `line` is its observation in JSON.
    pub async fn judged(&self, address: SocketAddr, mut line: Vec<u8>) {
        line.push(b'\n');
        // The thread ends only after the last task.
        let _ = self.tasks.send(Task::Judged(address, line)).await;
    }

    /// The sweep is that far, and these open ports of it are not judged yet.
    pub async fn reached(&self, state: Arc<SweepState>, pending: Vec<SocketAddr>) {
        let _ = self.tasks.send(Task::Reached(state, pending)).await;
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// The thread panicked.
    pub async fn finish(self) -> io::Result<Kept> {
        let Self { tasks, thread, .. } = self;
        drop(tasks);
        let joined = tokio::task::spawn_blocking(|| thread.join()).await?;
        joined.map(Kept).map_err(|_| io::Error::other("the checkpoint's thread failed"))
    }
}

/// What was written, still locked.
#[derive(Debug)]
pub struct Kept(Files);

impl Kept {
    /// Whether the last that was to be written is on disk.
    pub const fn is_current(&self) -> bool {
        self.0.current
    }

    /// The first reason why something could not be written, if any could not.
    pub fn trouble(&self) -> Option<&str> {
        self.0.trouble.as_deref()
    }

    /// The scan is complete, and nothing is left to go on with.
    pub fn remove(self) {
        // In this order a crash in between leaves nothing that looks like a checkpoint. What was
        // never written cannot be removed either.
        let _ = fs::remove_file(&self.0.path);
        let _ = fs::remove_file(&self.0.endpoints);
    }
}

struct Files {
    path: PathBuf,
    endpoints: PathBuf,
    header: Header,
    journal: Option<Journal>,
    /// Judged, and not in the journal: as good as pending.
    unjournaled: Vec<SocketAddr>,
    current: bool,
    trouble: Option<String>,
    warn: Box<dyn FnMut(&str) + Send>,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Files {
    fn new(
        path: &Path,
        header: Header,
        journal: Option<Journal>,
        warn: impl FnMut(&str) + Send + 'static,
    ) -> Self {
        Self {
            path: path.to_owned(),
            endpoints: endpoints_of(path),
            header,
            journal,
            unjournaled: Vec::new(),
            current: false,
            trouble: None,
            warn: Box::new(warn),
        }
    }

    fn start(mut self, every: Duration) -> Result<Checkpoint, CheckpointError> {
        let (tasks, mut queue) = mpsc::channel(QUEUE);
        let path = self.path.clone();
        let thread = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || {
                while let Some(task) = queue.blocking_recv() {
                    match task {
                        Task::Judged(address, line) => self.judged(address, &line),
                        Task::Reached(state, pending) => self.reached(&state, pending),
                    }
                }
                self
            })
            .map_err(|source| CheckpointError::io(&path, source))?;
        Ok(Checkpoint { tasks, thread, every })
    }

    fn judged(&mut self, address: SocketAddr, line: &[u8]) {
        let added = self.journal().and_then(|journal| journal.append(line));
        if let Err(error) = added {
            self.unjournaled.push(address);
            self.failed(&error);
        }
    }

    fn reached(&mut self, state: &SweepState, mut pending: Vec<SocketAddr>) {
        pending.extend(&self.unjournaled);
        let written = self.journal().and_then(Journal::sync).and_then(|journaled| {
            let (header, state) = (self.header.clone(), state.clone());
            state_file::write(&self.path, &Snapshot { header, state, pending, journaled })
        });
        self.current = written.is_ok();
        if let Err(error) = written {
            self.failed(&error);
        }
    }

    /// Where it could not be begun, each time is another try: disks get room again.
    fn journal(&mut self) -> io::Result<&mut Journal> {
        match &mut self.journal {
            Some(journal) => Ok(journal),
            none => Ok(none.insert(Journal::create(&self.endpoints, &self.header.id)?)),
        }
    }

    fn failed(&mut self, error: &io::Error) {
        if self.trouble.is_none() {
            (self.warn)(&format!(
                "the checkpoint {} cannot be written: {error}",
                self.path.display()
            ));
            self.trouble = Some(error.to_string());
        }
    }
}
