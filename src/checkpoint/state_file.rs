//! `FILE`: one line of JSON, the sweep's bitmaps, and SHA-256 over both.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{CheckpointError, Header, Snapshot};
use crate::sweep::SweepState;

const FORMAT: &str = "docksweep/checkpoint/v2";
/// How every version's file begins.
const BEGIN: &[u8] = br#"{"format":"docksweep/checkpoint/"#;
/// Names and pending ports are all that grows in it.
const LONGEST_LINE: u64 = 256 << 20;
const HASH: usize = 32;

/// The line: a large state is not copied to be written.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    format: Cow<'a, str>,
    header: Cow<'a, Header>,
    sweep: Cow<'a, SweepState>,
    pending: Cow<'a, [SocketAddr]>,
    journaled: u64,
    /// How long the bitmaps after this line are.
    bitmaps_bytes: u64,
}

/// # Errors
/// It is not there, no checkpoint, or damaged.
pub(super) fn read(path: &Path) -> Result<Snapshot, CheckpointError> {
    let io_error = |source| CheckpointError::io(path, source);
    let damaged = |because: &str| CheckpointError::damaged(path, because);
    let file = File::open(path).map_err(io_error)?;
    if !file.metadata().map_err(io_error)?.is_file() {
        return Err(CheckpointError::Foreign(path.to_owned()));
    }
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    reader.by_ref().take(BEGIN.len() as u64).read_to_end(&mut line).map_err(io_error)?;
    if line != BEGIN {
        return Err(CheckpointError::Foreign(path.to_owned()));
    }
    reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(io_error)?;
    if line.last() != Some(&b'\n') {
        return Err(damaged("it is cut off"));
    }
    #[derive(Deserialize)]
    struct Format {
        format: String,
    }
    match serde_json::from_slice(&line) {
        Ok(Format { format }) if format == FORMAT => {}
        Ok(_) => return Err(CheckpointError::Format(path.to_owned())),
        Err(_) => return Err(damaged("its first line is no JSON")),
    }
    let Line { header, sweep, pending, journaled, bitmaps_bytes, .. } =
        serde_json::from_slice(&line).map_err(|error| CheckpointError::damaged(path, error))?;
    let mut bitmaps = Vec::new();
    reader.by_ref().take(bitmaps_bytes).read_to_end(&mut bitmaps).map_err(io_error)?;
    let mut hash = Vec::new();
    reader.take(HASH as u64 + 1).read_to_end(&mut hash).map_err(io_error)?;
    if Sha256::new().chain_update(&line).chain_update(&bitmaps).finalize().as_slice() != hash {
        return Err(damaged("its checksum does not fit"));
    }
    let state =
        sweep.into_owned().with_bitmaps(bitmaps).map_err(|e| CheckpointError::damaged(path, e))?;
    let (header, pending) = (header.into_owned(), pending.into_owned());
    Ok(Snapshot { header, state, pending, journaled })
}

/// What is to be kept; see [`Snapshot`].
#[derive(Clone, Copy)]
pub(super) struct Kept<'a> {
    pub(super) header: &'a Header,
    pub(super) state: &'a SweepState,
    pub(super) pending: &'a [SocketAddr],
    pub(super) journaled: u64,
}

/// Replaces the file whole: whoever reads it, also after a crash, gets this one or the one before.
pub(super) fn write(path: &Path, kept: Kept<'_>) -> io::Result<()> {
    let partial = partial_of(path);
    // Only left where a run was killed while it wrote; the lock is ours.
    let _ = fs::remove_file(&partial);
    let written = write_new(&partial, kept).and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
        return written;
    }
    // Makes the rename last too. Not every file system can; the file is there either way.
    let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
    Ok(())
}

fn write_new(partial: &Path, kept: Kept<'_>) -> io::Result<()> {
    let Kept { header, state, pending, journaled } = kept;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(partial)?;
    let mut line = serde_json::to_vec(&Line {
        format: Cow::Borrowed(FORMAT),
        header: Cow::Borrowed(header),
        sweep: Cow::Borrowed(state),
        pending: Cow::Borrowed(pending),
        journaled,
        bitmaps_bytes: state.bitmaps().len() as u64,
    })?;
    line.push(b'\n');
    let bitmaps = state.bitmaps();
    let hash = Sha256::new().chain_update(&line).chain_update(bitmaps).finalize();
    let mut writer = BufWriter::new(&file);
    writer.write_all(&line)?;
    writer.write_all(bitmaps)?;
    writer.write_all(&hash)?;
    writer.flush()?;
    file.sync_all()
}

fn partial_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
