//! What is known of engine releases and their flaws: data with a date, embedded in the program.
//! Asked by the rules on versions.

use std::sync::OnceLock;

use jiff::civil::Date;
use serde::Deserialize;

use crate::finding::Severity;

pub use version::Version;

mod version;

/// Advisories and releases, as of a day.
#[derive(Debug)]
pub struct Advisories {
    date: Date,
    advisories: Vec<Advisory>,
    cycles: Vec<Cycle>,
    tags: Vec<Version>,
}

/// A flaw in one component.
#[derive(Clone, Debug)]
pub struct Advisory {
    pub id: String,
    pub component: String,
    pub summary: String,
    /// `None`: nobody has rated it.
    pub severity: Option<Severity>,
    /// CVSS base score.
    pub score: Option<f64>,
    /// Only in engines with the parts that Docker itself ships.
    pub docker_bundle_only: bool,
    ranges: Vec<Range>,
}

#[derive(Clone, Debug)]
struct Range {
    introduced: Version,
    fixed: Option<Version>,
}

/// A line of releases that is supported together.
#[derive(Clone, Debug)]
pub struct Cycle {
    pub name: String,
    /// `None`: not announced.
    pub end_of_support: Option<Date>,
    pub latest: Version,
    version: Version,
}

impl Advisories {
    /// The data that this build carries.
    pub fn embedded() -> &'static Self {
        static EMBEDDED: OnceLock<Advisories> = OnceLock::new();
        EMBEDDED.get_or_init(|| {
            let advisories = include_str!("../data/advisories.json");
            let releases = include_str!("../data/releases.json");
            // Should the data not be readable, nothing is known: a test sees to it that it is.
            Self::parse(advisories, releases).unwrap_or_else(|_| Self {
                date: Date::MIN,
                advisories: Vec::new(),
                cycles: Vec::new(),
                tags: Vec::new(),
            })
        })
    }

    fn parse(advisories: &str, releases: &str) -> Result<Self, serde_json::Error> {
        let advisories: AdvisoryFile = serde_json::from_str(advisories)?;
        let releases: ReleaseFile = serde_json::from_str(releases)?;
        Ok(Self {
            date: advisories.date.min(releases.date),
            advisories: advisories.advisories.into_iter().filter_map(advisory).collect(),
            cycles: releases.cycles.into_iter().filter_map(cycle).collect(),
            tags: releases.tags.iter().filter_map(|tag| Version::parse(tag)).collect(),
        })
    }

    /// The day on which the data was read from its sources.
    pub fn date(&self) -> Date {
        self.date
    }

    /// What to know of the data's age on a day, if anything.
    pub fn age_note(&self, today: Date) -> Option<String> {
        const FRESH_DAYS: i64 = 30;
        let days = (today
            .to_datetime(jiff::civil::Time::midnight())
            .duration_since(self.date.to_datetime(jiff::civil::Time::midnight())))
        .as_hours()
            / 24;
        if days < 0 {
            return Some(format!(
                "the clock is before the advisory data of {}: its age cannot be told",
                self.date
            ));
        }
        (days > FRESH_DAYS).then(|| {
            format!(
                "the advisory data of {} is {days} days old: newer flaws are missing",
                self.date
            )
        })
    }

    pub fn all(&self) -> &[Advisory] {
        &self.advisories
    }

    pub fn cycles(&self) -> &[Cycle] {
        &self.cycles
    }

    /// The flaws of this version of a component, worst first; what nobody rated stands as medium.
    pub fn affecting(&self, component: &str, version: &Version) -> Vec<&Advisory> {
        let mut found: Vec<&Advisory> = self
            .advisories
            .iter()
            .filter(|advisory| advisory.component == component && advisory.affects(version))
            .filter(|advisory| !(advisory.docker_bundle_only && version.is_distribution_build()))
            .collect();
        found.sort_by(|a, b| {
            (b.rated(), b.score.unwrap_or_default())
                .partial_cmp(&(a.rated(), a.score.unwrap_or_default()))
                .unwrap_or(std::cmp::Ordering::Equal)
                .then_with(|| a.id.cmp(&b.id))
        });
        found
    }

    /// The cycle of an engine version; the longest name that fits.
    pub fn cycle(&self, version: &Version) -> Option<&Cycle> {
        self.cycles
            .iter()
            .filter(|cycle| version.is_of(&cycle.version))
            .max_by_key(|cycle| cycle.name.len())
    }

    /// Older than every cycle that is known.
    pub fn predates_all(&self, version: &Version) -> bool {
        self.cycles.iter().all(|cycle| *version < cycle.version)
    }

    /// Whether there is a release of this version. Later ones may be missing from the data.
    pub fn is_tagged(&self, version: &Version) -> bool {
        self.tags.contains(version)
    }
}

impl Advisory {
    /// Its severity, or what stands for one.
    pub fn rated(&self) -> Severity {
        self.severity.unwrap_or(Severity::Medium)
    }

    fn affects(&self, version: &Version) -> bool {
        self.ranges.iter().any(|range| {
            *version >= range.introduced && range.fixed.as_ref().is_none_or(|fixed| version < fixed)
        })
    }
}

#[derive(Deserialize)]
struct AdvisoryFile {
    date: Date,
    advisories: Vec<Osv>,
}

/// The part of an OSV record that is used.
#[derive(Deserialize)]
struct Osv {
    id: String,
    #[serde(default)]
    summary: String,
    affected: Vec<Affected>,
    database_specific: Specific,
}

#[derive(Deserialize)]
struct Affected {
    ranges: Vec<OsvRange>,
}

#[derive(Deserialize)]
struct OsvRange {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    introduced: Option<String>,
    fixed: Option<String>,
}

#[derive(Deserialize)]
struct Specific {
    component: String,
    severity: Option<Severity>,
    score: Option<f64>,
    only: Option<String>,
}

#[derive(Deserialize)]
struct ReleaseFile {
    date: Date,
    cycles: Vec<RawCycle>,
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct RawCycle {
    cycle: String,
    end_of_support: Option<Date>,
    latest: String,
}

fn advisory(osv: Osv) -> Option<Advisory> {
    let only = osv.database_specific.only.as_deref();
    // Engines run containerd without Kubernetes' interface to it.
    if only == Some("cri") {
        return None;
    }
    let events = osv.affected.into_iter().flat_map(|affected| affected.ranges);
    Some(Advisory {
        id: osv.id,
        component: osv.database_specific.component,
        summary: osv.summary,
        severity: osv.database_specific.severity,
        score: osv.database_specific.score,
        docker_bundle_only: only == Some("docker-bundle"),
        ranges: events.flat_map(|range| ranges(&range.events)).collect(),
    })
}

/// Events in order: each `introduced` begins a range, the `fixed` after it ends it.
fn ranges(events: &[Event]) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for event in events {
        if let Some(introduced) = event.introduced.as_deref().and_then(Version::parse) {
            ranges.push(Range { introduced, fixed: None });
        }
        if let Some(fixed) = event.fixed.as_deref().and_then(Version::parse)
            && let Some(last) = ranges.last_mut()
        {
            last.fixed = Some(fixed);
        }
    }
    ranges
}

fn cycle(raw: RawCycle) -> Option<Cycle> {
    Some(Cycle {
        version: Version::parse(&raw.cycle)?,
        latest: Version::parse(&raw.latest)?,
        name: raw.cycle,
        end_of_support: raw.end_of_support,
    })
}

#[cfg(test)]
mod tests;
