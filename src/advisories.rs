//! What is known of flaws in Docker Engine, containerd and runc, and of the engine's releases.
//!
//! The data is part of the program and dated; `docksweep advisories import` adds to it. Pure: who
//! reads files is `command::advisories`, and the clock is an argument.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::finding::Severity;

pub mod archive;
mod cvss;
pub mod import;
pub mod osv;
pub mod releases;
pub mod version;

use osv::{OsvError, Record};
use releases::{Releases, ReleasesError, ReleasesFile};
use version::EngineVersion;

/// Data older than this is said to be old wherever it is used.
pub const FRESH_DAYS: i64 = 30;
/// Data older than this is no ground to call an engine up to date.
pub const CLEARING_DAYS: i64 = 180;

/// All that is known, by one date.
#[derive(Clone, Debug)]
pub struct Advisories {
    date: Date,
    list: Vec<Advisory>,
    /// Places in the list by component, worst first.
    by_component: HashMap<Component, Vec<usize>>,
    /// Every name of an advisory, to its place in the list.
    by_name: HashMap<String, usize>,
    releases: Releases,
}

/// `data/advisories.json`, and what an import writes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdvisoriesFile {
    pub date: Date,
    pub advisories: Vec<Record>,
    /// A newer list of releases, if one was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releases: Option<ReleasesFile>,
}

#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("it is no file of advisories")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Osv(#[from] OsvError),
    #[error(transparent)]
    Releases(#[from] ReleasesError),
}

/// A part of a Docker host that advisories are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    Engine,
    Containerd,
    Runc,
    /// Judged by the engine that it is built into: the API does not show its version.
    Buildkit,
    /// A client; never judged.
    DockerCli,
}

impl Component {
    pub const ALL: [Self; 5] =
        [Self::Engine, Self::Containerd, Self::Runc, Self::Buildkit, Self::DockerCli];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Engine => "docker",
            Self::Containerd => "containerd",
            Self::Runc => "runc",
            Self::Buildkit => "buildkit",
            Self::DockerCli => "docker-cli",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One flaw, under all its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisory {
    pub id: String,
    pub names: Vec<String>,
    pub modified: Timestamp,
    pub summary: String,
    /// `None`: nobody rated it.
    pub rating: Option<Rating>,
    affected: Vec<Affected>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rating {
    pub level: Severity,
    /// The CVSS base score in tenths, where a number is known.
    pub tenths: Option<u8>,
}

impl Rating {
    pub fn scored(tenths: u8) -> Self {
        let level = match tenths {
            90.. => Severity::Critical,
            70.. => Severity::High,
            40.. => Severity::Medium,
            1.. => Severity::Low,
            0 => Severity::Info,
        };
        Self { level, tenths: Some(tenths) }
    }
}

/// `8.6`, or the level where no number is known.
impl fmt::Display for Rating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tenths {
            Some(tenths) => write!(f, "{}.{}", tenths / 10, tenths % 10),
            None => write!(f, "{}", self.level),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Affected {
    component: Component,
    line: Line,
    spans: Vec<Span>,
    /// Only through containerd's plugin for Kubernetes, which dockerd does not use.
    cri_only: bool,
    /// Of a part that Docker packs with the engine; a distribution packs its own.
    bundled: bool,
    /// Written for engines: knows backports that a Go module's ranges cannot say.
    curated: bool,
}

/// Which versions a Go module's ranges are about: another module's `0` is not theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Whole,
    /// Major versions below this.
    Before(u64),
    From(u64),
}

impl Line {
    fn holds(self, version: &EngineVersion) -> bool {
        match self {
            Self::Whole => true,
            Self::Before(major) => version.major() < major,
            Self::From(major) => version.major() >= major,
        }
    }
}

/// Affected versions from one to another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    /// `None`: from the beginning.
    from: Option<EngineVersion>,
    end: End,
    certainty: Certainty,
    /// The fix in other numbers than the component's.
    fixed_as: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Open,
    Fixed(EngineVersion),
    LastAffected(EngineVersion),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Certainty {
    Certain,
    /// What is later, and still before the end, may hold the fix.
    CertainUpTo(EngineVersion),
    Possible,
}

impl Span {
    fn new(from: Option<EngineVersion>, end: End) -> Self {
        Self { from, end, certainty: Certainty::Certain, fixed_as: None }
    }

    fn holds(&self, version: &EngineVersion) -> bool {
        let begun = self.from.as_ref().is_none_or(|from| version >= from);
        begun
            && match &self.end {
                End::Open => true,
                End::Fixed(fixed) => version < fixed,
                End::LastAffected(last) => version <= last,
            }
    }

    fn is_certain(&self, version: &EngineVersion) -> bool {
        match &self.certainty {
            Certainty::Certain => true,
            Certainty::CertainUpTo(last) => version <= last,
            Certainty::Possible => false,
        }
    }

    fn fixed_in(&self) -> Option<String> {
        match (&self.fixed_as, &self.end) {
            (Some(other), _) => Some(other.clone()),
            (None, End::Fixed(version)) => Some(version.to_string()),
            (None, _) => None,
        }
    }
}

/// An advisory that is about a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit<'a> {
    pub advisory: &'a Advisory,
    span: &'a Span,
    /// False: the version lies where it is not known whether the fix is in it.
    pub certain: bool,
    /// True: the flaw is in a part that Docker packs with the engine.
    pub bundled: bool,
}

impl Hit<'_> {
    /// The first version of its line without the flaw, where there is one.
    pub fn fixed_in(&self) -> Option<String> {
        self.span.fixed_in()
    }
}

/// What notes on the data begin with.
const ABOUT_DATA: &str = "advisory data is ";
const ABOUT_CLOCK: &str = "this machine's clock says ";
const ABOUT_RELEASES: &str = "the list of Docker Engine's releases is ";

/// How old data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    Fresh,
    Old {
        days: i64,
    },
    /// The clock is wrong: neither fresh nor old.
    AheadOfClock,
}

impl Age {
    pub fn of(date: Date, now: Timestamp) -> Self {
        match (day(now) - date).get_days() {
            ..0 => Self::AheadOfClock,
            days if i64::from(days) > FRESH_DAYS => Self::Old { days: i64::from(days) },
            _ => Self::Fresh,
        }
    }
}

/// The day in UTC, in which all data is dated.
pub fn day(now: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(now).date()
}

impl Advisories {
    /// The data that this program was built with.
    ///
    /// # Errors
    /// It was built with data that is broken; a test sees to it that it is not.
    pub fn embedded() -> Result<&'static Self, &'static DataError> {
        static EMBEDDED: OnceLock<Result<Advisories, DataError>> = OnceLock::new();
        EMBEDDED.get_or_init(Self::read_embedded).as_ref()
    }

    fn read_embedded() -> Result<Self, DataError> {
        let file: AdvisoriesFile = serde_json::from_str(include_str!("../data/advisories.json"))?;
        let releases: ReleasesFile = serde_json::from_str(include_str!("../data/releases.json"))?;
        let mut advisories = Self {
            date: file.date,
            list: Vec::new(),
            by_component: HashMap::new(),
            by_name: HashMap::new(),
            releases: Releases::new(releases)?,
        };
        advisories.merge_all(&file.advisories)?;
        Ok(advisories)
    }

    /// Adds what was imported. Of two that speak of one flaw, the one that changed last is right,
    /// but for ranges that were written for engines: see `merge`.
    ///
    /// # Errors
    /// The first record that makes no sense; nothing was added then.
    pub fn with(mut self, file: AdvisoriesFile) -> Result<Self, DataError> {
        if let Some(newer) = file.releases.filter(|file| file.date > self.releases.date()) {
            self.releases = Releases::new(newer)?;
        }
        self.merge_all(&file.advisories)?;
        self.date = self.date.max(file.date);
        Ok(self)
    }

    /// The day whose knowledge of flaws this is.
    pub fn date(&self) -> Date {
        self.date
    }

    pub fn releases(&self) -> &Releases {
        &self.releases
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a flaw is known, by any of its names.
    pub fn knows(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Advisory> {
        self.list.iter()
    }

    /// Flaws of a version, worst first; those that nobody rated stand among the medium ones.
    pub fn affecting(&self, component: Component, version: &EngineVersion) -> Vec<Hit<'_>> {
        let places = self.by_component.get(&component).into_iter().flatten();
        places
            .filter_map(|place| self.list.get(*place))
            .filter_map(|advisory| advisory.hit(component, version))
            .collect()
    }

    /// What a reader of a report should know about the data.
    pub fn notes(&self, now: Timestamp) -> Vec<String> {
        let mut notes = Vec::new();
        let remedy = "docksweep advisories import";
        match Age::of(self.date, now) {
            Age::Fresh => {}
            Age::Old { days } => {
                notes.push(format!("{ABOUT_DATA}{days} days old ({}): {remedy}", self.date));
            }
            Age::AheadOfClock => notes.push(format!(
                "{ABOUT_CLOCK}{}, before the advisory data of {}: whether that is \
                 old cannot be told",
                day(now),
                self.date
            )),
        }
        // Where both are of one day, one line says it.
        if self.releases.date() != self.date
            && let Age::Old { days } = Age::of(self.releases.date(), now)
        {
            notes.push(format!(
                "{ABOUT_RELEASES}{days} days old ({}): a newer docksweep \
                 has a newer one",
                self.releases.date()
            ));
        }
        notes
    }

    /// Whether a note in a report is about the data that it was judged by.
    pub fn is_note(text: &str) -> bool {
        [ABOUT_DATA, ABOUT_CLOCK, ABOUT_RELEASES].iter().any(|about| text.starts_with(about))
    }

    fn merge_all(&mut self, records: &[Record]) -> Result<(), OsvError> {
        for record in records.iter().filter(|record| record.withdrawn.is_none()) {
            let advisory = record.advisory(&self.releases)?;
            self.merge(advisory);
        }
        self.index();
        Ok(())
    }

    /// Each endpoint is looked up several times, and there may be a hundred thousand.
    fn index(&mut self) {
        let mut order: Vec<(usize, &Advisory)> = self.list.iter().enumerate().collect();
        order.sort_by(|(_, a), (_, b)| b.rank().cmp(&a.rank()).then_with(|| a.id.cmp(&b.id)));
        let about = |component| {
            let places = order.iter().filter(|(_, advisory)| advisory.is_about(component));
            (component, places.map(|(place, _)| *place).collect())
        };
        self.by_component = Component::ALL.into_iter().map(about).collect();
    }

    fn merge(&mut self, new: Advisory) {
        let place = new.names.iter().find_map(|name| self.by_name.get(name)).copied();
        let index = place.unwrap_or(self.list.len());
        for name in &new.names {
            self.by_name.entry(name.clone()).or_insert(index);
        }
        match self.list.get_mut(index) {
            Some(known) => known.merge(new),
            None => self.list.push(new),
        }
    }
}

impl Advisory {
    /// Whether it is about the component and would ever be reported.
    pub fn is_about(&self, component: Component) -> bool {
        self.affected.iter().any(|affected| affected.component == component)
    }

    /// Only through containerd's plugin for Kubernetes.
    pub fn is_cri_only(&self) -> bool {
        let mut containerd =
            self.affected.iter().filter(|affected| affected.component == Component::Containerd);
        containerd.clone().next().is_some() && containerd.all(|affected| affected.cri_only)
    }

    fn hit(&self, component: Component, version: &EngineVersion) -> Option<Hit<'_>> {
        let spans = self
            .affected
            .iter()
            .filter(|affected| affected.component == component && !affected.cri_only)
            .filter(|affected| affected.line.holds(version))
            .flat_map(|affected| affected.spans.iter().map(move |span| (affected, span)))
            .filter(|(_, span)| span.holds(version));
        let (certain, affected, span) = spans
            .map(|(affected, span)| (span.is_certain(version), affected, span))
            .max_by_key(|(certain, ..)| *certain)?;
        Some(Hit { advisory: self, span, certain, bundled: affected.bundled })
    }

    /// Unrated counts as medium.
    pub fn level(&self) -> Severity {
        self.rating.map_or(Severity::Medium, |rating| rating.level)
    }

    fn rank(&self) -> (Severity, u8) {
        (self.level(), self.rating.and_then(|rating| rating.tenths).unwrap_or_default())
    }

    /// `new` is about the same flaw. A record that did not change since adds only its names: what is
    /// known was made from it.
    fn merge(&mut self, new: Self) {
        for name in new.names {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
        self.rating = match (self.rating, new.rating) {
            (Some(_), Some(rating)) if new.modified > self.modified => Some(rating),
            (known, rating) => known.or(rating),
        };
        if new.modified <= self.modified {
            return;
        }
        self.modified = new.modified;
        let is_curated = |component: Component| {
            self.affected.iter().any(|known| known.curated && known.component == component)
        };
        let mut changed: Vec<Affected> = new
            .affected
            .into_iter()
            .filter(|affected| affected.curated || !is_curated(affected.component))
            .collect();
        // The Go database does not say it, and it stays true.
        if self.is_cri_only() {
            for affected in &mut changed {
                affected.cri_only |= affected.component == Component::Containerd;
            }
        }
        self.affected.retain(|known| changed.iter().all(|new| new.component != known.component));
        self.affected.extend(changed);
    }
}

#[cfg(test)]
mod tests;
