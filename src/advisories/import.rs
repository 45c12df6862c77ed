//! Takes advisories out of what users have: OSV records, our own files, archives of either. Each
//! document stands alone: one that is broken is named, and the rest still loads.

use std::collections::{BTreeMap, HashSet};

use jiff::civil::Date;
use serde::Deserialize as _;
use serde_json::Value;

use super::archive::{Archive, ArchiveError};
use super::osv::Record;
use super::releases::{Releases, ReleasesFile};
use super::{Advisories, AdvisoriesFile, Advisory, day};

/// Of one document; the largest record of the Go database is a fiftieth of it.
pub const MAX_DOCUMENT: usize = 4 * 1024 * 1024;
/// Documents of one import, and entries of an archive. The Go database holds a few thousand.
pub const MAX_DOCUMENTS: usize = 200_000;
/// Of all documents together; osv.dev's records of all Go are a tenth of it.
const MAX_UNPACKED: usize = 512 * 1024 * 1024;

/// What was not understood, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `FILE`, `FILE:LINE`, or with `ARCHIVE!ENTRY` as the file.
    pub place: String,
    pub message: String,
}

/// Collects what is relevant.
#[derive(Debug)]
pub struct Import<'a> {
    known: &'a Advisories,
    /// A record dated later is no newer knowledge.
    today: Date,
    records: BTreeMap<String, Record>,
    /// Of `records`, those of this import.
    taken: HashSet<String>,
    /// Records that an earlier import brought and this one withdrew.
    withdrawn: usize,
    releases: Option<ReleasesFile>,
    took_releases: bool,
    /// Every name met of a flaw that is known, to tell a database from a few records.
    met: HashSet<String>,
    newest: Option<Date>,
    documents: usize,
    unpacked: usize,
    full: bool,
    problems: Vec<Problem>,
}

/// What an import came to.
#[derive(Debug)]
pub struct Imported {
    pub file: AdvisoriesFile,
    /// Documents that were read, relevant or not.
    pub documents: usize,
    pub relevant: usize,
    /// Relevant ones of flaws that were not known by any name.
    pub new: usize,
    /// Records of earlier imports that are withdrawn by now.
    pub withdrawn: usize,
    /// A newer list of releases was among them.
    pub took_releases: bool,
    /// It holds most of what was known, so it is a copy of a database and dates the data.
    pub is_database: bool,
    pub problems: Vec<Problem>,
}

impl Imported {
    /// Whether it brought anything to keep.
    pub fn changed(&self) -> bool {
        self.relevant > 0 || self.withdrawn > 0 || self.took_releases
    }
}

/// The files that are understood, by their keys.
enum Document {
    Record(Box<Record>),
    Advisories(AdvisoriesFile),
    Releases(ReleasesFile),
}

impl<'a> Import<'a> {
    /// `known` is the data before. `former` is what of it was imported earlier, and stays.
    pub fn new(known: &'a Advisories, former: Option<AdvisoriesFile>, today: Date) -> Self {
        let (records, releases) =
            former.map_or_else(Default::default, |former| (former.advisories, former.releases));
        Self {
            known,
            today,
            records: records.into_iter().map(|record| (record.id.clone(), record)).collect(),
            taken: HashSet::new(),
            withdrawn: 0,
            releases,
            took_releases: false,
            met: HashSet::new(),
            newest: None,
            documents: 0,
            unpacked: 0,
            full: false,
            problems: Vec::new(),
        }
    }

    /// One JSON document.
    pub fn document(&mut self, name: &str, bytes: &[u8]) {
        if bytes.len() > MAX_DOCUMENT {
            self.problem(name, ArchiveError::TooLarge(MAX_DOCUMENT).to_string());
            return;
        }
        if !self.has_room(name, bytes.len()) {
            return;
        }
        match document(bytes) {
            Ok(Document::Record(record)) => self.record(name, *record),
            Ok(Document::Advisories(file)) => {
                for record in file.advisories {
                    self.record(name, record);
                }
                self.take_releases(name, file.releases);
            }
            Ok(Document::Releases(file)) => self.take_releases(name, Some(file)),
            Err(error) => {
                let place = match error.line() {
                    0 => name.to_owned(),
                    line => format!("{name}:{line}"),
                };
                self.problem(&place, without_place(&error));
            }
        }
    }

    /// A ZIP archive of such documents.
    pub fn archive(&mut self, name: &str, bytes: &[u8]) {
        let mut archive = match Archive::open(bytes, MAX_DOCUMENTS) {
            Ok(archive) => archive,
            Err(error) => return self.problem(name, error.to_string()),
        };
        for index in 0..archive.len() {
            if self.full {
                return;
            }
            let Some(entry) = archive.name(index).filter(|entry| is_record_name(entry)) else {
                continue;
            };
            let place = format!("{name}!{entry}");
            match archive.read(index, MAX_DOCUMENT) {
                Ok(bytes) => self.document(&place, &bytes),
                Err(error) => {
                    self.problem(&place, error.to_string());
                    // As much may have been unpacked of it.
                    self.has_room(&place, MAX_DOCUMENT);
                }
            }
        }
    }

    pub fn problem(&mut self, place: &str, message: String) {
        self.problems.push(Problem { place: place.to_owned(), message });
    }

    fn has_room(&mut self, name: &str, bytes: usize) -> bool {
        if self.full {
            return false;
        }
        self.documents += 1;
        self.unpacked = self.unpacked.saturating_add(bytes);
        if self.documents > MAX_DOCUMENTS || self.unpacked > MAX_UNPACKED {
            self.full = true;
            self.problem(
                name,
                format!(
                    "more than {MAX_DOCUMENTS} documents or {MAX_UNPACKED} bytes in all; what \
                     follows is not read"
                ),
            );
        }
        !self.full
    }

    fn record(&mut self, name: &str, mut record: Record) {
        let changed = day(record.modified);
        if changed <= self.today {
            self.newest = self.newest.max(Some(changed));
        }
        self.met.extend(record.names().filter(|name| self.known.knows(name)).map(str::to_owned));
        if record.withdrawn.is_some() {
            // Only the record goes: the flaw may be known by another, of which it was a duplicate.
            self.withdrawn += usize::from(self.records.remove(&record.id).is_some());
            self.taken.remove(&record.id);
            return;
        }
        if !record.retain_relevant() {
            return;
        }
        if let Err(error) = record.advisory(self.known.releases()) {
            return self.problem(name, error.to_string());
        }
        let known = self.records.get(&record.id);
        self.taken.insert(record.id.clone());
        if known.is_none_or(|known| known.modified <= record.modified) {
            self.records.insert(record.id.clone(), record);
        }
    }

    fn take_releases(&mut self, name: &str, file: Option<ReleasesFile>) {
        let Some(file) = file else { return };
        if let Err(error) = Releases::new(file.clone()) {
            return self.problem(name, error.to_string());
        }
        let known = self.releases.as_ref().map_or(self.known.releases().date(), |known| known.date);
        if file.date > known && file.date <= self.today {
            self.releases = Some(file);
            self.took_releases = true;
        }
    }

    /// The file to keep.
    pub fn finish(self) -> Imported {
        let is_met =
            |advisory: &&Advisory| advisory.names.iter().any(|name| self.met.contains(name));
        let is_database = self.known.iter().filter(is_met).count() * 2 >= self.known.len();
        // A handful of records says nothing about what else has become known since.
        let newest = self.newest.filter(|_| is_database);
        let is_new = |record: &&Record| {
            self.taken.contains(&record.id) && !record.names().any(|name| self.known.knows(name))
        };
        Imported {
            documents: self.documents,
            relevant: self.taken.len(),
            new: self.records.values().filter(is_new).count(),
            withdrawn: self.withdrawn,
            took_releases: self.took_releases,
            is_database,
            file: AdvisoriesFile {
                date: newest.max(Some(self.known.date())).unwrap_or(self.today),
                advisories: self.records.into_values().collect(),
                releases: self.releases,
            },
            problems: self.problems,
        }
    }
}

/// Databases keep an index beside their records.
pub fn is_record_name(name: &str) -> bool {
    let mut parts = name.rsplit('/');
    parts.next().is_some_and(|file| file.ends_with(".json") && !file.starts_with('.'))
        && parts.all(|folder| folder != "index")
}

fn document(bytes: &[u8]) -> Result<Document, serde_json::Error> {
    // Looked at first by its keys, and then read again for an error that names the line.
    let value: Value = serde_json::from_slice(bytes)?;
    if value.get("advisories").is_some() {
        return serde_json::from_slice(bytes).map(Document::Advisories);
    }
    if value.get("cycles").is_some() {
        return serde_json::from_slice(bytes).map(Document::Releases);
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Record::deserialize(&mut reader).map(|record| Document::Record(Box::new(record)))
}

/// The line is said with the file.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
