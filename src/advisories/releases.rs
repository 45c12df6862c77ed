//! Releases of Docker Engine: which there are, and how long upstream keeps each line.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::version::EngineVersion;

/// `data/releases.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReleasesFile {
    pub date: Date,
    pub cycles: Vec<CycleEntry>,
    pub tags: Vec<TagEntry>,
    #[serde(default)]
    pub modules: Vec<ModuleEntry>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CycleEntry {
    /// `29`, `26.1`, `19.03`.
    pub cycle: String,
    pub released: Date,
    /// Null: none is announced.
    pub end_of_support: Option<Date>,
    pub latest: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TagEntry {
    pub version: String,
    pub released: Date,
}

/// Which engine a version of the Go module github.com/moby/moby/v2 is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModuleEntry {
    pub module: String,
    pub engine: String,
}

#[derive(Clone, Debug)]
pub struct Releases {
    date: Date,
    /// Newest line first.
    cycles: Vec<Cycle>,
    tags: BTreeMap<EngineVersion, Date>,
    /// Module to engine.
    modules: BTreeMap<EngineVersion, EngineVersion>,
}

/// A release line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    pub name: String,
    major: u64,
    /// Lines of 27 and later hold every minor number.
    minor: Option<u64>,
    pub end_of_support: Option<Date>,
    /// The newest patch that is known.
    pub latest: EngineVersion,
}

impl Cycle {
    fn holds(&self, version: &EngineVersion) -> bool {
        let [major, minor, _] = version.release();
        major == self.major && self.minor.is_none_or(|own| own == minor)
    }
}

/// Whether upstream still mends a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support<'a> {
    Supported(&'a Cycle),
    Ended {
        cycle: &'a Cycle,
        since: Date,
    },
    /// Before the oldest line that is listed, which ended then.
    Ancient {
        oldest: &'a Cycle,
        ended: Date,
    },
    /// No such line is known.
    Unknown,
}

/// Where a module's version stands among the engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleVersion {
    Exactly(EngineVersion),
    /// After the first and not after the second, as far as either is known.
    Between(EngineVersion, Option<EngineVersion>),
}

/// What is wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no version of a release or release line")]
pub struct ReleasesError(String);

impl Releases {
    pub fn new(file: ReleasesFile) -> Result<Self, ReleasesError> {
        let version =
            |text: &str| EngineVersion::parse(text).ok_or_else(|| ReleasesError(text.to_owned()));
        let mut tags = BTreeMap::new();
        for tag in &file.tags {
            tags.insert(version(&tag.version)?, tag.released);
        }
        let mut cycles = Vec::new();
        for entry in file.cycles {
            let [major, minor, _] = version(&entry.cycle)?.release();
            let mut cycle = Cycle {
                major,
                minor: entry.cycle.contains('.').then_some(minor),
                name: entry.cycle,
                end_of_support: entry.end_of_support,
                latest: version(&entry.latest)?,
            };
            // The list of lines may be older than that of tags.
            if let Some(tag) = tags.keys().rev().find(|tag| cycle.holds(tag)) {
                cycle.latest = cycle.latest.max(tag.clone());
            }
            cycles.push(cycle);
        }
        cycles.sort_by_key(|cycle| std::cmp::Reverse((cycle.major, cycle.minor)));
        let modules = file
            .modules
            .iter()
            .map(|entry| Ok((version(&entry.module)?, version(&entry.engine)?)))
            .collect::<Result<_, ReleasesError>>()?;
        Ok(Self { date: file.date, cycles, tags, modules })
    }

    /// The newest day that the tables know of.
    pub fn date(&self) -> Date {
        self.date
    }

    /// Every release line, the newest first.
    pub fn cycles(&self) -> &[Cycle] {
        &self.cycles
    }

    /// How many releases are known.
    pub fn tagged(&self) -> usize {
        self.tags.len()
    }

    pub fn cycle(&self, version: &EngineVersion) -> Option<&Cycle> {
        self.cycles.iter().find(|cycle| cycle.holds(version))
    }

    /// Whether such a release was ever tagged. The tables leave pre-releases out.
    pub fn is_tagged(&self, version: &EngineVersion) -> bool {
        version.is_pre_release() || self.tags.contains_key(version)
    }

    pub fn released(&self, version: &EngineVersion) -> Option<Date> {
        self.tags.get(version).copied()
    }

    pub fn support(&self, version: &EngineVersion, today: Date) -> Support<'_> {
        if let Some(cycle) = self.cycle(version) {
            return match cycle.end_of_support {
                // Supported on the last day itself.
                Some(since) if since < today => Support::Ended { cycle, since },
                _ => Support::Supported(cycle),
            };
        }
        let oldest = self.cycles.last();
        match oldest.and_then(|oldest| Some((oldest, oldest.end_of_support?))) {
            Some((oldest, ended)) if *version < oldest.latest && ended < today => {
                Support::Ancient { oldest, ended }
            }
            _ => Support::Unknown,
        }
    }

    /// The engine of a version of github.com/moby/moby/v2, whose betas are 29 and later.
    pub fn of_module(&self, module: &EngineVersion) -> ModuleVersion {
        if let Some(engine) = self.modules.get(module) {
            return ModuleVersion::Exactly(engine.clone());
        }
        let below = self.modules.range(..module).next_back().map(|(_, engine)| engine.clone());
        let above = self.modules.range(module..).next().map(|(_, engine)| engine.clone());
        ModuleVersion::Between(below.unwrap_or_else(first_of_module), above)
    }
}

/// The first engine that is built from github.com/moby/moby/v2.
pub fn first_of_module() -> EngineVersion {
    EngineVersion::from_release([FIRST_OF_MODULE, 0, 0])
}

/// From this major version on the engine is github.com/moby/moby/v2; before, github.com/docker/docker.
pub const FIRST_OF_MODULE: u64 = 29;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisories::Advisories;

    fn version(text: &str) -> EngineVersion {
        EngineVersion::parse(text).unwrap()
    }

    fn releases() -> Releases {
        Advisories::embedded().unwrap().releases().clone()
    }

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_version_belongs_to_its_line() {
        let releases = releases();
        for (text, line) in [
            ("29.9.0", "29"),
            ("29.0.0-rc.1", "29"),
            ("27.5.1", "27"),
            ("26.1.5+dfsg1", "26.1"),
            ("26.0.2", "26.0"),
            ("19.3.1", "19.03"),
            ("17.05.0-ce", "17.05"),
        ] {
            assert_eq!(releases.cycle(&version(text)).unwrap().name, line, "{text}");
        }
        for text in ["30.0.0", "1.13.1", "17.08.0", "22.06.0-beta.0"] {
            assert_eq!(releases.cycle(&version(text)), None, "{text}");
        }
    }

    #[test]
    fn tags_that_are_newer_than_the_list_of_lines_count() {
        let releases = releases();
        assert!(releases.cycle(&version("29.0.0")).unwrap().latest >= version("29.9.0"));
        assert_eq!(releases.cycle(&version("20.10.1")).unwrap().latest, version("20.10.27"));
    }

    #[test]
    fn support_ends_after_its_last_day() {
        let releases = releases();
        let support = |text: &str, today: &str| releases.support(&version(text), day(today));
        assert!(matches!(support("28.5.2", "2026-05-13"), Support::Supported(_)));
        assert!(matches!(
            support("28.5.2", "2026-05-14"),
            Support::Ended { since, .. } if since == day("2026-05-13")
        ));
        assert!(matches!(support("29.0.0", "2040-01-01"), Support::Supported(_)));
        assert!(matches!(
            support("1.13.1", "2026-05-14"),
            Support::Ancient { oldest, .. } if oldest.name == "17.03"
        ));
        assert_eq!(support("30.0.0", "2026-05-14"), Support::Unknown);
        assert_eq!(support("22.06.0-beta.0", "2026-05-14"), Support::Unknown);
    }

    #[test]
    fn only_what_was_tagged_is_a_release() {
        let releases = releases();
        for text in ["29.9.0", "19.3.15", "17.05.0-ce", "20.10.24+dfsg1", "29.0.0-rc.1"] {
            assert!(releases.is_tagged(&version(text)), "{text}");
        }
        for text in ["29.9.9", "20.10.28", "24.0.10", "27.0.0"] {
            assert!(!releases.is_tagged(&version(text)), "{text}");
        }
        assert_eq!(releases.released(&version("19.3.15")), Some(day("2021-02-01")));
    }

    #[test]
    fn betas_of_the_module_stand_for_engines() {
        let releases = releases();
        let of = |text: &str| releases.of_module(&version(text));
        assert_eq!(of("2.0.0-beta.8"), ModuleVersion::Exactly(version("29.3.1")));
        assert_eq!(of("v2.0.0-beta.14"), ModuleVersion::Exactly(version("29.5.1")));
        assert_eq!(
            of("2.0.0-beta.10"),
            ModuleVersion::Between(version("29.3.1"), Some(version("29.5.1")))
        );
        assert_eq!(
            of("2.0.0-beta.2"),
            ModuleVersion::Between(version("29.0.0"), Some(version("29.3.1")))
        );
        assert_eq!(of("2.0.0"), ModuleVersion::Between(version("29.5.1"), None));
    }
}
