//! `docksweep advisories`: what is known of flaws and releases, and adding to it from files.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::advisories::import::{Import, Imported, MAX_DOCUMENT, MAX_DOCUMENTS, is_record_name};
use crate::advisories::{Advisories, AdvisoriesFile, Component, DataError, day};
use crate::cli::{AdvisoriesAction, AdvisoriesArgs, ImportArgs};
use crate::command::{Failure, chain, print, warn};
use crate::exit_code::ExitCode;
use crate::report::Destination;
use crate::sanitize;

/// Of an archive, which is read as a whole; osv.dev's of all Go is a tenth of it.
const MAX_ARCHIVE: usize = 256 * 1024 * 1024;
/// Of the file that an import writes.
const MAX_IMPORTED: usize = 64 * 1024 * 1024;
/// Folders below the one that is given.
const MAX_DEPTH: usize = 8;
/// What a note on a default file that is broken begins with.
const LEFT_OUT: &str = "imported advisories are left out: ";
/// Problems named one by one.
const MAX_NAMED: usize = 20;

/// Why a file of imported advisories cannot be used.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Data(#[from] DataError),
}

pub(super) fn run(args: AdvisoriesArgs) -> Result<ExitCode, Failure> {
    match args.action {
        Some(AdvisoriesAction::Import(args)) => import(&args),
        None => show(args.advisories.as_deref()),
    }
}

/// What a command judges by.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) advisories: Arc<Advisories>,
    /// The file that was added to what is built in, and how many records it holds.
    imported: Option<(PathBuf, usize)>,
    /// Why the default file was left out.
    problem: Option<String>,
}

impl Known {
    /// What a reader of a report should know of the data, on a day.
    pub(super) fn notes(&self, now: Timestamp) -> Vec<String> {
        self.problem.iter().cloned().chain(self.advisories.notes(now)).collect()
    }
}

/// The built-in data and what was imported: `given`, or the default file if there is one.
///
/// # Errors
/// A file that was asked for cannot be used. The default one only becomes a problem: nobody named
/// it, and a scan goes on without.
pub(super) fn load(given: Option<&Path>) -> Result<Known, Failure> {
    let embedded = embedded()?;
    let without =
        |problem| Ok(Known { advisories: Arc::new(embedded.clone()), imported: None, problem });
    let Some(path) = given.map(Path::to_owned).or_else(default_path) else {
        return without(None);
    };
    let merged = read(&path).and_then(|file| {
        let records = file.advisories.len();
        Ok((embedded.clone().with(file)?, records))
    });
    match merged {
        Ok((advisories, records)) => Ok(Known {
            advisories: Arc::new(advisories),
            imported: Some((path, records)),
            problem: None,
        }),
        Err(error) if given.is_some() => Err(unusable(&path, &error)),
        Err(FileError::Read(error)) if error.kind() == io::ErrorKind::NotFound => without(None),
        Err(error) => without(Some(format!("{LEFT_OUT}{}: {}", path.display(), chain(&error)))),
    }
}

/// Whether a report's note is on the data by which it was judged, and stale once it is judged anew.
pub(super) fn is_note(text: &str) -> bool {
    text.starts_with(LEFT_OUT) || Advisories::is_note(text)
}

fn embedded() -> Result<&'static Advisories, Failure> {
    Advisories::embedded()
        .map_err(|error| Failure::failed(format!("the built-in advisories: {}", chain(&error))))
}

fn unusable(path: &Path, error: &FileError) -> Failure {
    Failure::failed(format!("{}: {}", path.display(), chain(error)))
        .hint("docksweep advisories import FILE -o FILE writes such a file")
}

fn read(path: &Path) -> Result<AdvisoriesFile, FileError> {
    let bytes = read_bounded(path, MAX_IMPORTED)?;
    Ok(serde_json::from_slice(&bytes).map_err(DataError::from)?)
}

fn read_bounded(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(bound).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// By the XDG base directory specification; a relative path in the variable does not count.
fn default_path() -> Option<PathBuf> {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))?;
    Some(data.join("docksweep/advisories.json"))
}

fn show(given: Option<&Path>) -> Result<ExitCode, Failure> {
    let known = load(given)?;
    let advisories = &known.advisories;
    let now = Timestamp::now();
    let mut text = format!("Advisories of {}{}\n", advisories.date(), age(advisories.date(), now));
    for component in Component::ALL {
        let about = advisories.iter().filter(|one| one.is_about(component));
        let aside = match component {
            Component::Engine => String::new(),
            Component::Containerd => {
                let cri = about.clone().filter(|one| one.is_cri_only()).count();
                format!(
                    "  {cri} of them only in its Kubernetes plugin, which dockerd does not use: not reported"
                )
            }
            Component::Runc => String::new(),
            Component::Buildkit => {
                "  judged by the engine that holds it, where that is known".to_owned()
            }
            Component::DockerCli => "  a client: not judged".to_owned(),
        };
        let _ =
            writeln!(text, "{}", format!("  {component:14}{:4}{aside}", about.count()).trim_end());
    }
    let releases = advisories.releases();
    let _ = writeln!(
        text,
        "Releases of Docker Engine as of {}{}: {} lines, {} versions",
        releases.date(),
        age(releases.date(), now),
        releases.cycles().len(),
        releases.tagged()
    );
    let _ = writeln!(text, "From docksweep {}", env!("CARGO_PKG_VERSION"));
    if let Some((path, records)) = &known.imported {
        let _ = writeln!(text, "and {}, with {records} imported", shown(path));
    }
    print(text)?;
    known.notes(now).iter().for_each(|note| warn(note));
    Ok(ExitCode::Done)
}

/// How long ago a day was.
fn age(date: Date, now: Timestamp) -> String {
    match (day(now) - date).get_days() {
        0 => ", today".to_owned(),
        1 => ", yesterday".to_owned(),
        days if days > 1 => format!(", {days} days ago"),
        _ => ", after this machine's clock".to_owned(),
    }
}

fn import(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let path = args.output.clone().or_else(default_path).ok_or_else(|| {
        Failure::usage("neither $XDG_DATA_HOME nor $HOME says where to keep advisories")
            .hint("-o FILE")
    })?;
    let former = match read(&path) {
        Ok(file) => Some(file),
        Err(FileError::Read(error)) if error.kind() == io::ErrorKind::NotFound => None,
        // Overwriting it could be losing it.
        Err(error) => return Err(unusable(&path, &error).hint("move it away, and import again")),
    };
    let mut known = embedded()?.clone();
    if let Some(former) = former.clone() {
        known = known.with(former).map_err(|error| unusable(&path, &error.into()))?;
    }
    let mut import = Import::new(&known, former, day(Timestamp::now()));
    for source in &args.sources {
        take(&mut import, source, Depth::Given)
            .map_err(|error| Failure::failed(format!("{}: {error}", source.display())))?;
    }
    let imported = import.finish();
    for problem in imported.problems.iter().take(MAX_NAMED) {
        warn(&format!("{}: {}", problem.place, problem.message));
    }
    if let Some(more) = imported.problems.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        warn(&format!("{more} more documents could not be read"));
    }
    if !imported.changed() {
        return Err(Failure::failed(format!(
            "nothing about Docker Engine, containerd, runc or BuildKit in {} documents",
            imported.documents
        ))
        .hint("OSV records of Go packages are wanted, such as osv.dev's Go/all.zip"));
    }
    write(&path, &imported.file)
        .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
    let after = embedded()?
        .clone()
        .with(imported.file.clone())
        .map_err(|error| unusable(&path, &error.into()))?;
    print(told(&imported, &after, &path))
}

fn told(imported: &Imported, after: &Advisories, path: &Path) -> String {
    let mut text = format!(
        "{} documents read: {} about Docker hosts, {} of them not known before\n",
        imported.documents, imported.relevant, imported.new
    );
    if imported.withdrawn > 0 {
        let _ = writeln!(text, "{} imported before are withdrawn by now", imported.withdrawn);
    }
    if imported.took_releases {
        let _ =
            writeln!(text, "Releases of Docker Engine are now as of {}", after.releases().date());
    }
    let _ = if imported.is_database {
        writeln!(text, "Advisories are now of {}", after.date())
    } else {
        writeln!(
            text,
            "Advisories stay of {}: a few records tell nothing of what else there is",
            after.date()
        )
    };
    let _ = writeln!(text, "Kept in {}", shown(path));
    text
}

/// A path that is safe on a terminal.
fn shown(path: &Path) -> String {
    sanitize::line(&path.to_string_lossy(), 2000).into_owned()
}

/// Whole or not at all, as every other file that is written.
fn write(path: &Path, file: &AdvisoriesFile) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut output = Destination::from_path(path).open()?;
    serde_json::to_writer_pretty(&mut output, file)?;
    output.write_all(b"\n")?;
    output.commit()
}

/// How far below what was named a path lies.
#[derive(Clone, Copy)]
enum Depth {
    /// Named by the user: not to be able to read it is an error.
    Given,
    Below(usize),
}

fn take(import: &mut Import<'_>, path: &Path, depth: Depth) -> io::Result<()> {
    let name = path.display().to_string();
    if fs::metadata(path)?.is_dir() {
        return folder(import, path, depth);
    }
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip")) {
        import.archive(&name, &read_bounded(path, MAX_ARCHIVE)?);
    } else {
        import.document(&name, &read_bounded(path, MAX_DOCUMENT)?);
    }
    Ok(())
}

fn folder(import: &mut Import<'_>, path: &Path, depth: Depth) -> io::Result<()> {
    let depth = match depth {
        Depth::Given => 1,
        Depth::Below(depth) => depth + 1,
    };
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(path)?.take(MAX_DOCUMENTS + 1) {
        let entry = entry?;
        let kind = entry.file_type()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A link to a folder could lead round in a circle.
        let wanted = if kind.is_dir() {
            depth < MAX_DEPTH && !name.starts_with('.') && name != "index"
        } else {
            kind.is_file() && is_record_name(&name)
        };
        if wanted {
            entries.push(entry.path());
        }
    }
    entries.sort();
    for entry in entries {
        if let Err(error) = take(import, &entry, Depth::Below(depth)) {
            import.problem(&entry.display().to_string(), error.to_string());
        }
    }
    Ok(())
}
