//! One run at a time: a file that is locked for as long as the run lasts.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A process id and a line break have room in it.
const LONGEST: usize = 16;
/// How often a file is locked that somebody removes meanwhile.
const TRIES: u32 = 8;

/// A lock that was taken. The kernel frees it when the process ends, however that happens; so a
/// file that is left over locks nobody out. The file itself stays, since a run that removed it
/// could remove the one that the next run has just locked.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// Why there is no lock.
#[derive(Debug, Error)]
pub enum LockError {
    #[error("{}: another run holds the lock{}", .path.display(), holder(*.pid))]
    Held { path: PathBuf, pid: Option<u32> },
    #[error("{}: it is a symbolic link", .0.display())]
    Link(PathBuf),
    #[error("{}: it is no file", .0.display())]
    NoFile(PathBuf),
    #[error("{}: it holds something, so it is no lock", .0.display())]
    Foreign(PathBuf),
    #[error("{}: it is removed again and again", .0.display())]
    Removed(PathBuf),
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

impl LockError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Held { .. } | Self::Removed(_) => None,
            Self::Link(_) | Self::NoFile(_) | Self::Foreign(_) => {
                Some("--lock names a file of its own, which is made if it is not there")
            }
            Self::Io { .. } => Some("--lock names a file in a directory that can be written"),
        }
    }
}

impl RunLock {
    /// Locks the file at `path`, and writes this process's id into it.
    ///
    /// # Errors
    /// Another process holds it, or it cannot be a lock.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { path: path.to_owned(), source };
        for _ in 0..TRIES {
            let mut file = open(path)?;
            let locked = file.metadata().map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let pid = content(&mut file).ok().and_then(|text| pid(&text));
                    return Err(LockError::Held { path: path.to_owned(), pid });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
            // Somebody may have removed the file since it was opened: then that lock is nobody's.
            if !is_at(path, &locked) {
                continue;
            }
            let text = content(&mut file).map_err(failed)?;
            if !text.is_empty() && pid(&text).is_none() {
                return Err(LockError::Foreign(path.to_owned()));
            }
            // The id is for people: where it cannot be written, the lock holds all the same.
            let _ = sign(&mut file);
            return Ok(Self { _file: file });
        }
        Err(LockError::Removed(path.to_owned()))
    }
}

fn open(path: &Path) -> Result<File, LockError> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = opened.map_err(|source| match rustix::io::Errno::from_io_error(&source) {
        Some(rustix::io::Errno::LOOP) if path.is_symlink() => LockError::Link(path.to_owned()),
        Some(rustix::io::Errno::ISDIR | rustix::io::Errno::NXIO) => {
            LockError::NoFile(path.to_owned())
        }
        _ => LockError::Io { path: path.to_owned(), source },
    })?;
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(LockError::NoFile(path.to_owned())),
        Err(source) => Err(LockError::Io { path: path.to_owned(), source }),
    }
}

fn is_at(path: &Path, locked: &Metadata) -> bool {
    path.symlink_metadata()
        .is_ok_and(|there| (there.dev(), there.ino()) == (locked.dev(), locked.ino()))
}

fn content(file: &mut File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.rewind()?;
    file.take(LONGEST as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// `None` for what no run wrote.
fn pid(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok().filter(|text| text.len() <= LONGEST)?.trim_end().parse().ok()
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn the_second_is_refused_while_the_first_lives_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = RunLock::take(&path).unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let error = RunLock::take(&path).unwrap_err();
        let own = std::process::id();
        assert_eq!(error.to_string(), {
            format!("{}: another run holds the lock (process {own})", path.display())
        });
        drop(first);
        RunLock::take(&path).unwrap();
        assert!(path.exists(), "it stays, for the next");
    }

    #[test]
    fn a_file_that_a_killed_run_left_locks_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        std::fs::write(&path, "4194304\n").unwrap();
        let _lock = RunLock::take(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
    }

    #[test]
    fn what_is_no_lock_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("notes"), "keep this\n").unwrap();
        symlink("notes", at("link")).unwrap();
        let refused = |path: &Path| RunLock::take(path).unwrap_err();
        assert!(matches!(refused(folder.path()), LockError::NoFile(_)));
        assert!(matches!(refused(&at("link")), LockError::Link(_)));
        assert!(matches!(refused(&at("notes")), LockError::Foreign(_)));
        assert!(matches!(refused(&at("no/such")), LockError::Io { .. }));
        assert!(matches!(refused(Path::new("/dev/null")), LockError::NoFile(_)));
        assert_eq!(std::fs::read(at("notes")).unwrap(), b"keep this\n");
    }

    #[test]
    fn a_lock_on_a_removed_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = RunLock::take(&path).unwrap();
        let locked = first._file.metadata().unwrap();
        assert!(is_at(&path, &locked));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(!is_at(&path, &locked));
    }
}
