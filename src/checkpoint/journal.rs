//! `FILE.endpoints`: a line that names the scan, then a judged endpoint's observation a line.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::CheckpointError;
use crate::observation::Observation;

const FORMAT: &str = "docksweep/checkpoint-endpoints/v1";
/// An observation is bounded by the probe; nothing it writes is near this.
const LONGEST_LINE: u64 = 512 << 20;

#[derive(Serialize, Deserialize)]
struct First {
    format: String,
    scan: String,
}

/// The open file, locked against other runs.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// The end of its last whole line.
    end: u64,
}

impl Journal {
    /// Begins one for the scan of that id.
    ///
    /// # Errors
    /// The file system refuses it, or another run has it.
    pub(super) fn create(path: &Path, id: &str) -> io::Result<Self> {
        let file = options().create(true).open(path)?;
        lock(&file)?;
        // What is there holds no endpoint: see `holds_endpoints`.
        file.set_len(0)?;
        let mut journal = Self { path: path.to_owned(), file, end: 0 };
        let first = First { format: FORMAT.to_owned(), scan: id.to_owned() };
        let mut line = serde_json::to_vec(&first)?;
        line.push(b'\n');
        journal.append(&line)?;
        Ok(journal)
    }

    /// # Errors
    /// It is not there, or another run has it.
    pub(super) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let io_error = |source| CheckpointError::io(path, source);
        let file = options().open(path).map_err(io_error)?;
        lock(&file).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => CheckpointError::Locked(path.to_owned()),
            _ => io_error(source),
        })?;
        let end = file.metadata().map_err(io_error)?.len();
        Ok(Self { path: path.to_owned(), file, end })
    }

    /// Adds whole lines, or nothing.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(line) {
            self.file.set_len(self.end)?;
            return Err(error);
        }
        self.end += line.len() as u64;
        Ok(())
    }

    /// Makes what was added last, and says where it ends.
    pub(super) fn sync(&mut self) -> io::Result<u64> {
        self.file.sync_data()?;
        Ok(self.end)
    }

    /// The endpoints, each once. Only the first `counted_on` bytes must be whole lines of this
    /// scan; behind them, what is no whole line and all after it are cut off.
    pub(super) fn read(
        &mut self,
        id: &str,
        counted_on: u64,
    ) -> Result<Vec<Observation>, CheckpointError> {
        let io_error = |source| CheckpointError::io(&self.path, source);
        let damaged = |because: &str| CheckpointError::damaged(&self.path, because);
        if self.end < counted_on {
            return Err(damaged("endpoints are missing at its end"));
        }
        (&self.file).seek(SeekFrom::Start(0)).map_err(io_error)?;
        let mut reader = BufReader::with_capacity(1 << 18, &self.file);
        let mut line = Vec::new();
        let mut next = |line: &mut Vec<u8>| {
            line.clear();
            reader.by_ref().take(LONGEST_LINE).read_until(b'\n', line)
        };
        next(&mut line).map_err(io_error)?;
        let first: First =
            serde_json::from_slice(&line).map_err(|_| damaged("it does not name its scan"))?;
        if first.format != FORMAT || first.scan != id {
            return Err(damaged("it is of another scan"));
        }
        let mut end = line.len() as u64;
        let mut known = HashSet::new();
        let mut observations = Vec::new();
        while next(&mut line).map_err(io_error)? > 0 {
            let whole = line.last() == Some(&b'\n');
            let read = whole.then(|| serde_json::from_slice::<Observation>(&line).ok()).flatten();
            let Some(observation) = read else {
                if end < counted_on {
                    return Err(damaged(&format!("no endpoint can be read at byte {end}")));
                }
                break;
            };
            end += line.len() as u64;
            if known.insert((observation.endpoint.address, observation.endpoint.port)) {
                observations.push(observation);
            }
        }
        if end < counted_on {
            return Err(damaged("endpoints are missing at its end"));
        }
        self.end = end;
        Ok(observations)
    }

    /// Cuts off what is no whole line.
    pub(super) fn trim(&self) -> io::Result<()> {
        self.file.set_len(self.end)
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    // It lists which hosts can be taken over and how.
    options.read(true).append(true).mode(0o600);
    options
}

fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        // Not every file system has locks.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether another run has it, at this moment.
pub(super) fn is_held(path: &Path) -> bool {
    let held = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    File::open(path).is_ok_and(held)
}

/// Whether there is a file with more than the line that names the scan, which a run leaves that
/// was killed before its first checkpoint was whole.
pub(super) fn holds_endpoints(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return path.exists() };
    let mut reader = BufReader::new(file);
    let mut first = Vec::new();
    let read = reader.by_ref().take(4096).read_until(b'\n', &mut first);
    let named = |line: &[u8]| {
        serde_json::from_slice::<First>(line).is_ok_and(|first| first.format == FORMAT)
    };
    match read {
        Ok(0) => false,
        Ok(_) if named(&first) => !matches!(reader.read(&mut [0]), Ok(0)),
        _ => true,
    }
}
