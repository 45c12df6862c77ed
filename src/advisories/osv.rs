//! Advisory records in OSV's format (ossf.github.io/osv-schema), as far as they are used, and what
//! they say about an engine.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::cvss;
use super::releases::{FIRST_OF_MODULE, ModuleVersion, Releases};
use super::version::EngineVersion;
use super::{Advisory, Affected, Certainty, Component, End, Line, Rating, Span};
use crate::finding::Severity;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    pub modified: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<RecordSeverity>,
    #[serde(default)]
    pub affected: Vec<RecordAffected>,
    #[serde(default, deserialize_with = "lenient")]
    pub database_specific: RecordSpecific,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSeverity {
    #[serde(rename = "type")]
    pub kind: String,
    pub score: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordAffected {
    /// Absent where only commits are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<RecordRange>,
    #[serde(default, deserialize_with = "lenient")]
    pub ecosystem_specific: AffectedEcosystem,
    #[serde(default, deserialize_with = "lenient")]
    pub database_specific: AffectedSpecific,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    pub ecosystem: String,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRange {
    #[serde(rename = "type")]
    pub kind: String,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Introduced(String),
    Fixed(String),
    LastAffected(String),
    Limit(String),
}

/// Ours and GitHub's: the level in words, and ours the score.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordSpecific {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Of the Go vulnerability database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AffectedEcosystem {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<Import>,
    /// In numbers that are not the module's, where those are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub custom_ranges: Vec<RecordRange>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Import {
    pub path: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AffectedSpecific {
    /// In containerd's plugin for Kubernetes, which dockerd does not use.
    pub cri_only: bool,
    /// In a part that Docker packs with the engine, and a distribution does not.
    pub bundled: bool,
}

/// Every database puts there what it likes: another shape is as good as nothing.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// A record of the right shape that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OsvError {
    #[error("{id}: '{version}' is no version")]
    Version { id: String, version: String },
    #[error("{id}: a range of {package} has no event")]
    NoEvent { id: String, package: String },
}

/// In whose numbers a package's ranges count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbers {
    Own,
    /// Of github.com/moby/moby/v2, whose betas are engines from 29 on.
    ModuleV2,
}

impl Package {
    /// `None`: no part of a Docker host that is judged here.
    pub fn component(&self) -> Option<Component> {
        self.place().map(|(component, ..)| component)
    }

    fn place(&self) -> Option<(Component, Line, Numbers)> {
        use Component::{Buildkit, Containerd, DockerCli, Engine, Runc};
        let whole = |component| (component, Line::Whole, Numbers::Own);
        Some(match (self.ecosystem.as_str(), self.name.as_str()) {
            ("docksweep", "docker-engine") => whole(Engine),
            ("Go", "github.com/docker/docker" | "github.com/moby/moby") => {
                (Engine, Line::Before(FIRST_OF_MODULE), Numbers::Own)
            }
            ("Go", "github.com/moby/moby/v2") => {
                (Engine, Line::From(FIRST_OF_MODULE), Numbers::ModuleV2)
            }
            ("Go", "github.com/containerd/containerd") => {
                (Containerd, Line::Before(2), Numbers::Own)
            }
            ("Go", "github.com/containerd/containerd/v2") => {
                (Containerd, Line::From(2), Numbers::Own)
            }
            ("Go", "github.com/opencontainers/runc") => whole(Runc),
            ("Go", "github.com/moby/buildkit") => whole(Buildkit),
            ("Go", "github.com/docker/cli") => whole(DockerCli),
            _ => return None,
        })
    }

    /// Whether the ranges were written for engines, and know more than a module's can.
    fn is_curated(&self) -> bool {
        self.ecosystem == "docksweep"
    }
}

impl Record {
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.id.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// Leaves only what is about a Docker host, and says whether anything is.
    pub fn retain_relevant(&mut self) -> bool {
        self.affected.retain(|affected| {
            let component = affected.package.as_ref().and_then(Package::component);
            component.is_some_and(|component| component != Component::DockerCli)
        });
        !self.affected.is_empty() && self.withdrawn.is_none()
    }

    /// What it says about the parts of a Docker host.
    ///
    /// # Errors
    /// A range that cannot be read; half an advisory would be worse than none.
    pub fn advisory(&self, releases: &Releases) -> Result<Advisory, OsvError> {
        let mut affected = Vec::new();
        for entry in &self.affected {
            let Some(package) = &entry.package else { continue };
            let Some((component, line, numbers)) = package.place() else { continue };
            let mut spans = Vec::new();
            for range in entry.ranges() {
                spans.extend(self.spans(range, package, numbers, releases)?);
            }
            affected.push(Affected {
                component,
                line,
                spans,
                cri_only: entry.is_cri_only(),
                bundled: entry.database_specific.bundled,
                curated: package.is_curated(),
            });
        }
        // The name that people look up.
        let id = self.names().find(|name| name.starts_with("CVE-")).unwrap_or(&self.id);
        Ok(Advisory {
            id: id.to_owned(),
            names: self.names().map(str::to_owned).collect(),
            modified: self.modified,
            summary: self.summary.clone().unwrap_or_default(),
            rating: self.rating(),
            affected,
        })
    }

    fn rating(&self) -> Option<Rating> {
        let specific = &self.database_specific;
        let given = specific
            .score
            .filter(|score| (0.0..=10.0).contains(score))
            .map(|score| (score * 10.0).round() as u8);
        let computed = || {
            let vectors = self.severity.iter().filter(|severity| severity.kind == "CVSS_V3");
            vectors.filter_map(|severity| cvss::base_score(&severity.score)).max()
        };
        if let Some(tenths) = given.or_else(computed) {
            return Some(Rating::scored(tenths));
        }
        let level = match specific.severity.as_deref()?.to_ascii_uppercase().as_str() {
            "CRITICAL" => Severity::Critical,
            "HIGH" => Severity::High,
            "MEDIUM" | "MODERATE" => Severity::Medium,
            "LOW" => Severity::Low,
            _ => return None,
        };
        Some(Rating { level, tenths: None })
    }

    /// The spans between a range's events, which may stand in any order.
    fn spans(
        &self,
        range: &RecordRange,
        package: &Package,
        numbers: Numbers,
        releases: &Releases,
    ) -> Result<Vec<Span>, OsvError> {
        let version = |text: &str| match text {
            "0" => Ok(None),
            text => EngineVersion::parse(text)
                .map(Some)
                .ok_or_else(|| OsvError::Version { id: self.id.clone(), version: text.to_owned() }),
        };
        let mut events = Vec::new();
        for event in &range.events {
            match event {
                Event::Introduced(text) => events.push((version(text)?, Bound::From)),
                Event::Fixed(text) => events.push((version(text)?, Bound::Fixed)),
                Event::LastAffected(text) => events.push((version(text)?, Bound::LastAffected)),
                // Only bounds a search through commits.
                Event::Limit(_) => {}
            }
        }
        if events.is_empty() {
            let package = package.name.clone();
            return Err(OsvError::NoEvent { id: self.id.clone(), package });
        }
        // What is fixed in a version and comes back in the same: first the end, then the start.
        events.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let mut spans = Vec::new();
        let mut open: Option<Option<EngineVersion>> = None;
        for (at, bound) in events {
            match (bound, at) {
                (Bound::From, from) => {
                    open.get_or_insert(from);
                }
                (Bound::Fixed, Some(at)) => {
                    spans.extend(open.take().map(|from| Span::new(from, End::Fixed(at))));
                }
                (Bound::LastAffected, Some(at)) => {
                    spans.extend(open.take().map(|from| Span::new(from, End::LastAffected(at))));
                }
                (Bound::Fixed | Bound::LastAffected, None) => {}
            }
        }
        spans.extend(open.map(|from| Span::new(from, End::Open)));
        if numbers == Numbers::ModuleV2 {
            spans.iter_mut().for_each(|span| in_engine_numbers(span, releases));
        }
        Ok(spans)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    Fixed,
    LastAffected,
    From,
}

impl RecordAffected {
    fn ranges(&self) -> impl Iterator<Item = &RecordRange> {
        let custom = &self.ecosystem_specific.custom_ranges;
        let ranges = if custom.is_empty() { &self.ranges } else { custom };
        ranges.iter().filter(|range| range.kind != "GIT")
    }

    fn is_cri_only(&self) -> bool {
        let imports = &self.ecosystem_specific.imports;
        let all_cri = !imports.is_empty()
            && imports.iter().all(|import| import.path.split('/').any(|part| part == "cri"));
        self.database_specific.cri_only || all_cri
    }
}

/// Betas of which no engine is known leave a stretch of engines that may or may not be affected.
fn in_engine_numbers(span: &mut Span, releases: &Releases) {
    if let Some(from) = span.from.take() {
        span.from = Some(match releases.of_module(&from) {
            ModuleVersion::Exactly(engine) => engine,
            ModuleVersion::Between(after, _) => {
                span.certainty = Certainty::Possible;
                after
            }
        });
    }
    let (end, at): (fn(EngineVersion) -> End, _) = match &span.end {
        End::Open => return,
        End::Fixed(at) => (End::Fixed, at.clone()),
        End::LastAffected(at) => (End::LastAffected, at.clone()),
    };
    match releases.of_module(&at) {
        ModuleVersion::Exactly(engine) => span.end = end(engine),
        ModuleVersion::Between(after, until) => {
            if span.certainty == Certainty::Certain {
                span.certainty = Certainty::CertainUpTo(after);
            }
            span.fixed_as = Some(format!("moby {at}"));
            span.end = until.map_or(End::Open, End::Fixed);
        }
    }
}

#[cfg(test)]
mod tests;
