//! Where reports go: an output file appears whole or not at all.
//!
//! A file is written under a temporary name in the same directory and renamed when it is complete,
//! so neither a crash nor a full disk leaves half a report under the name that others read.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Something to write a report to. What was not committed when it is dropped may be lost.
pub trait Output: Write + Send + fmt::Debug {
    /// Everything is written: make it last, and visible under its name.
    fn commit(self: Box<Self>) -> io::Result<()>;
}

/// Where the user wants a report.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    Stdout,
    File(PathBuf),
}

impl Destination {
    /// `-` and `/dev/stdout` are the standard output.
    pub fn from_path(path: &Path) -> Self {
        if path == Path::new("-") || path == Path::new("/dev/stdout") {
            Self::Stdout
        } else {
            Self::File(path.to_owned())
        }
    }

    /// Opens it, so that a path that cannot be written is known before the work starts. What
    /// appears is its owner's alone to read.
    pub fn open(&self) -> io::Result<Box<dyn Output>> {
        self.open_for(Readers::Owner)
    }

    /// As [`Self::open`], for others to read.
    pub fn open_for(&self, readers: Readers) -> io::Result<Box<dyn Output>> {
        let path = match self {
            Self::Stdout => return Ok(Box::new(Direct::new(io::stdout()))),
            Self::File(path) => path,
        };
        if names_a_descriptor(path) {
            return open_in_place(path);
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if metadata.is_file() => {
                // Follow a symbolic link, so that what it points to is replaced and not the link.
                Ok(Box::new(Replacement::new(fs::canonicalize(path)?, readers)?))
            }
            Ok(_) => open_in_place(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Box::new(Replacement::new(path.clone(), readers)?))
            }
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Who may read a report's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// A report lists which hosts can be taken over and how, so others get it when its owner says so
    /// and not by default.
    Owner,
    /// What holds counts alone, for a program of another user to collect.
    Everyone,
}

/// Whether the reader has gone away, as `head` does: no reason to complain.
pub fn is_closed_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// Paths that stand for an open descriptor, whatever is behind it: a rename would put a file where
/// nobody looks.
fn names_a_descriptor(path: &Path) -> bool {
    path == Path::new("/dev/stderr")
        || ["/dev/fd", "/proc"].iter().any(|directory| path.starts_with(directory))
}

/// For devices, pipes and sockets: there is nothing that a rename could replace.
fn open_in_place(path: &Path) -> io::Result<Box<dyn Output>> {
    // Appending is all the same to a device, and spares what a descriptor's file already holds.
    Ok(Box::new(Direct::new(OpenOptions::new().append(true).open(path)?)))
}

/// Written as it comes.
#[derive(Debug)]
struct Direct<W: Write>(BufWriter<W>);

impl<W: Write> Direct<W> {
    fn new(inner: W) -> Self {
        Self(BufWriter::new(inner))
    }
}

impl<W: Write> Write for Direct<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write + Send + fmt::Debug> Output for Direct<W> {
    fn commit(mut self: Box<Self>) -> io::Result<()> {
        self.flush()
    }
}

/// A file under a temporary name, removed when it is dropped without a commit.
#[derive(Debug)]
struct Replacement {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl Replacement {
    fn new(path: PathBuf, readers: Readers) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let file = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".partial")
            .tempfile_in(directory_of(&path))?;
        // A temporary file is its owner's alone, whatever the umask.
        if readers == Readers::Everyone {
            file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        }
        Ok(Self { file: BufWriter::new(file), path })
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Output for Replacement {
    fn commit(self: Box<Self>) -> io::Result<()> {
        let Self { file, path } = *self;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|failed| failed.error)?;
        // Makes the rename last too. Not every file system can; the report is there either way.
        let _ = File::open(directory_of(&path)).and_then(|directory| directory.sync_all());
        Ok(())
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
pub(super) mod memory {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::Output;

    /// An output that a test can read, also while it is being written.
    #[derive(Clone, Debug, Default)]
    pub struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Memory {
        pub fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Output for Memory {
        fn commit(self: Box<Self>) -> io::Result<()> {
            Ok(())
        }
    }

    /// An output that fails with the same error on every write.
    #[derive(Debug)]
    pub struct Failing(pub io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Output for Failing {
        fn commit(self: Box<Self>) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt as _, symlink};

    use super::*;

    fn open(path: &Path) -> io::Result<Box<dyn Output>> {
        Destination::from_path(path).open()
    }

    fn names_in(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_with_the_commit_and_only_its_owner_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.json");
        let mut output = open(&path).unwrap();
        output.write_all(b"{}").unwrap();
        output.flush().unwrap();
        assert!(!path.exists());
        output.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names_in(directory.path()), ["report.json"]);
    }

    #[test]
    fn what_is_for_everyone_is_theirs_to_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docksweep.prom");
        let output = Destination::File(path.clone()).open_for(Readers::Everyone).unwrap();
        output.commit().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn without_a_commit_the_old_file_stays_and_nothing_is_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.json");
        fs::write(&path, "old").unwrap();
        let mut output = open(&path).unwrap();
        output.write_all(b"half").unwrap();
        output.flush().unwrap();
        drop(output);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names_in(directory.path()), ["report.json"]);
    }

    #[test]
    fn a_symbolic_link_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real"), directory.path().join("latest"));
        fs::write(&real, "old").unwrap();
        symlink("real", &link).unwrap();
        let mut output = open(&link).unwrap();
        output.write_all(b"new").unwrap();
        output.commit().unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn what_cannot_be_written_is_known_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let kind = |path: &Path| open(path).unwrap_err().kind();
        assert_eq!(kind(directory.path()), io::ErrorKind::IsADirectory);
        assert_eq!(kind(&directory.path().join("no/such")), io::ErrorKind::NotFound);
        fs::write(directory.path().join("file"), "").unwrap();
        assert_eq!(kind(&directory.path().join("file/x")), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn devices_and_descriptors_are_written_in_place() {
        let mut output = open(Path::new("/dev/null")).unwrap();
        output.write_all(b"gone").unwrap();
        output.commit().unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());

        use std::os::fd::AsRawFd as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, "before ").unwrap();
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        let mut output = open(Path::new(&format!("/dev/fd/{}", file.as_raw_fd()))).unwrap();
        output.write_all(b"after").unwrap();
        output.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before after");
    }

    #[test]
    fn a_dash_is_the_standard_output() {
        assert_eq!(Destination::from_path(Path::new("-")), Destination::Stdout);
        assert_eq!(Destination::from_path(Path::new("/dev/stdout")), Destination::Stdout);
        assert_eq!(Destination::from_path(Path::new("./-")), Destination::File("./-".into()));
    }

    #[test]
    fn a_closed_pipe_is_told_from_other_errors() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut output = Direct::new(writer);
        output.write_all(b"x").unwrap();
        assert!(is_closed_pipe(&output.flush().unwrap_err()));
        assert!(!is_closed_pipe(&io::ErrorKind::StorageFull.into()));
    }
}
