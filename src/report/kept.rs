//! The last resort of a report that could not be written where it was wanted.

use std::fs::DirBuilder;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::{Report, json};

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Kept {
    /// A file of this name, which only its owner reads.
    File(PathBuf),
    /// No directory takes it.
    Nowhere,
}

/// Writes the whole report as JSON to a new file in the first directory that has room for it.
pub fn keep(report: &Report, directories: &[PathBuf]) -> Kept {
    directories
        .iter()
        .find_map(|directory| write(report, directory).ok())
        .map_or(Kept::Nowhere, Kept::File)
}

/// Leaves nothing behind where it fails.
fn write(report: &Report, directory: &Path) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let started = report.scan.started_at.strftime("%Y%m%dT%H%M%SZ");
    let file = tempfile::Builder::new()
        .prefix(&format!("docksweep-{started}-"))
        .suffix(".json")
        .tempfile_in(directory)?;
    let mut writer = BufWriter::new(file);
    json::write_pretty(&mut writer, report)?;
    writer.flush()?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    let (_, path) = file.keep().map_err(|failed| failed.error)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::report::sample;

    #[test]
    fn the_first_directory_that_takes_it_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let last = folder.path().join("state/docksweep");
        let report = sample::report();
        let directories = [file.clone(), PathBuf::from("/proc"), last.clone()];
        let Kept::File(path) = keep(&report, &directories) else { panic!("not kept") };
        assert_eq!(path.parent().unwrap(), last);
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("docksweep-20260102T030405Z-") && name.ends_with(".json"));
        let kept: Report = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(kept, report);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        assert_eq!(keep(&report, &[file, PathBuf::from("/proc")]), Kept::Nowhere);
    }
}
