//! Whether the engine and its parts are kept up to date: support, patches, known flaws. What the
//! baseline asks of versions it asks here too.

use jiff::civil::Date;

use super::{Rule, Subject, Verdict, Violation};
use crate::advisories::releases::{Cycle, Support};
use crate::advisories::version::{Build, EngineVersion};
use crate::advisories::{Component, Hit, day};
use crate::assess::{Assessment, DockerApi, Product};
use crate::finding::Severity;
use crate::observation::VersionBody;

const INSTALL: &str = "https://docs.docker.com/engine/install/";
const RELEASES: &str = "https://docs.docker.com/engine/release-notes/";
const CIS_UP_TO_DATE: &str =
    "CIS Docker Benchmark: Ensure that the version of Docker is up to date";

/// Advisories of which a finding says more than the name.
const TOLD: usize = 3;

pub static ENGINE_END_OF_LIFE: Rule = Rule {
    name: "engine-end-of-life",
    severity: Severity::High,
    title: "Docker Engine is no longer supported",
    why: "Flaws that are found in a release line after its end are not mended in it. Those of \
          newer lines mostly exist in it too, and their fixes tell everyone where to look.",
    detection: "The version that /version states belongs to a release line whose end of support \
                lies before today, by the release data that docksweep carries. A distribution's \
                build counts one step lower: its distribution may mend what upstream does not.",
    remediation: "Move to a release line that is supported, and restart the containers:\n\
                  \n    apt-get update && apt-get install docker-ce docker-ce-cli containerd.io\n\
                  \nWith a distribution's own package (docker.io, moby-engine), move to a release \
                  of the distribution that is supported.",
    cwe: Some(1104),
    references: &[RELEASES, "https://endoflife.date/docker-engine", CIS_UP_TO_DATE],
    check: end_of_life,
};

fn end_of_life(subject: &Subject<'_>) -> Verdict {
    let engine = match engine(subject) {
        Ok(engine) => engine,
        Err(verdict) => return verdict,
    };
    let releases = subject.advisories.releases();
    let today = day(subject.now);
    let ended = match releases.support(&engine.version, today) {
        Support::Supported(_) => return Verdict::Passed,
        Support::Unknown => {
            return Verdict::undetermined(format!(
                "{} belongs to no release line that is known in the data of {}",
                engine.text,
                releases.date()
            ));
        }
        Support::Ended { cycle, since } => {
            let days = (today - since).get_days();
            format!("the support of {} ended on {since}, {days} days ago", cycle.name)
        }
        Support::Ancient { oldest, ended } => format!(
            "it is older than {}, the oldest line that is listed, whose support ended on {ended}",
            oldest.name
        ),
    };
    of_engine(
        &engine,
        ENGINE_END_OF_LIFE.severity,
        format!("Docker Engine {}: {ended}", engine.text),
    )
}

pub static ENGINE_OUTDATED: Rule = Rule {
    name: "engine-outdated",
    severity: Severity::Low,
    title: "A newer patch of Docker Engine is out",
    why: "Patches of a release line hold fixes alone and are easy to take. A host that is behind \
          on them has nobody who looks after it.",
    detection: "The version that /version states is lower than the newest of its release line, by \
                the release data that docksweep carries.",
    remediation: "Take the newest patch; \"live-restore\": true in /etc/docker/daemon.json keeps \
                  containers running over the daemon's restart:\n\
                  \n    apt-get update && apt-get install --only-upgrade docker-ce docker-ce-cli containerd.io    # Docker's packages\
                  \n    apt-get update && apt-get install --only-upgrade docker.io    # Debian's and Ubuntu's",
    cwe: None,
    references: &[INSTALL, RELEASES, CIS_UP_TO_DATE],
    check: outdated,
};

fn outdated(subject: &Subject<'_>) -> Verdict {
    let engine = match engine(subject) {
        Ok(engine) => engine,
        Err(verdict) => return verdict,
    };
    let releases = subject.advisories.releases();
    let unknown = unknown_release(subject, &engine);
    let Some(Cycle { name, latest, .. }) = releases.cycle(&engine.version) else {
        return Verdict::undetermined(
            unknown.unwrap_or_else(|| format!("the release line of {} is not known", engine.text)),
        );
    };
    if engine.version < *latest {
        let date = releases.released(latest);
        let date = date.map(|date| format!(" of {date}")).unwrap_or_default();
        let aside = unknown.map(|unknown| format!(" ({unknown})")).unwrap_or_default();
        let text =
            format!("Docker Engine {}{aside}: the newest of {name} is {latest}{date}", engine.text);
        return of_engine(&engine, ENGINE_OUTDATED.severity, text);
    }
    match unknown {
        Some(unknown) => Verdict::undetermined(unknown),
        None => Verdict::Passed,
    }
}

pub static ENGINE_ADVISORY: Rule = Rule {
    name: "engine-advisory",
    severity: Severity::Medium,
    title: "Known flaws in this version",
    why: "What is known about a version is known to everyone, and the engine runs as root. Most of \
          these flaws let whoever controls a container or an image reach the host; some need a \
          setting that cannot be seen from outside.",
    detection: "The versions of the engine, containerd and runc that /version states lie in ranges \
                of published advisories; the worst one gives the severity, and one that nobody \
                rated counts as medium. A distribution's or vendor's build is possibly affected, \
                one step lower: it may hold fixes that its number does not show. Flaws in \
                containerd's plugin for Kubernetes are left out, as dockerd does not use it.",
    remediation: "Update to the versions named as fixed or later:\n\
                  \n    apt-get update && apt-get install --only-upgrade docker-ce docker-ce-cli containerd.io\n\
                  \nWith a distribution's package, look up in its security tracker which of these \
                  its build has fixed.",
    cwe: Some(1395),
    references: &[
        "https://github.com/moby/moby/security/advisories",
        "https://pkg.go.dev/vuln/",
        "https://security-tracker.debian.org/tracker/source-package/docker.io",
    ],
    check: advisory,
};

fn advisory(subject: &Subject<'_>) -> Verdict {
    let engine = match engine(subject) {
        Ok(engine) => engine,
        Err(verdict) => return verdict,
    };
    let unknown = unknown_release(subject, &engine);
    let Flaws { parts, mut unreadable } = flaws(subject, engine);
    if !parts.is_empty() {
        let violations = parts.iter().map(|(part, hits)| {
            let unknown = unknown.as_deref().filter(|_| part.component == Component::Engine);
            violation(part, hits, unknown, subject.advisories.date())
        });
        return Verdict::Found(violations.collect());
    }
    unreadable.extend(unknown);
    if unreadable.is_empty() {
        Verdict::Passed
    } else {
        Verdict::undetermined(unreadable.join("; "))
    }
}

/// Known flaws of an engine and its parts.
#[derive(Debug)]
pub struct Flaws<'a> {
    /// Parts of which any are known, with those, worst first.
    pub parts: Vec<(Part<'a>, Vec<Hit<'a>>)>,
    /// What could not be looked up, and why.
    pub unreadable: Vec<String>,
}

/// Looks up the engine, and containerd and runc where its `/version` lists them.
pub fn flaws<'a>(subject: &Subject<'a>, engine: Part<'a>) -> Flaws<'a> {
    let (parts, unreadable) = parts(engine.body);
    let mut hits = subject.advisories.affecting(engine.component, &engine.version);
    // The engine's release notes also name flaws of the parts that it was packed with. The parts that
    // are there say more, and a distribution packs its own.
    let is_theirs = |hit: &Hit<'_>| {
        parts.iter().any(|part| hit.advisory.is_about(part.component))
            || (hit.bundled && engine.foreign.is_some())
    };
    hits.retain(|hit| !is_theirs(hit));
    let mut found = vec![(engine, hits)];
    found.extend(parts.into_iter().map(|part| {
        let hits = subject.advisories.affecting(part.component, &part.version);
        (part, hits)
    }));
    found.retain(|(_, hits)| !hits.is_empty());
    Flaws { parts: found, unreadable }
}

fn violation(part: &Part<'_>, hits: &[Hit<'_>], unknown: Option<&str>, date: Date) -> Violation {
    let severity = |hit: &Hit<'_>| {
        let level = hit.advisory.level();
        if hit.certain && part.foreign.is_none() { level } else { lowered(level) }
    };
    let mut told = Vec::new();
    for (index, hit) in hits.iter().enumerate() {
        let advisory = hit.advisory;
        let rating =
            advisory.rating.map_or_else(|| "not rated".to_owned(), |rating| rating.to_string());
        let fixed = match (index < TOLD).then(|| hit.fixed_in()) {
            None => String::new(),
            Some(Some(version)) => format!(", fixed in {version}"),
            Some(None) => ", no fix in this line".to_owned(),
        };
        let fact = match advisory.summary.as_str() {
            summary if !summary.is_empty() && index < TOLD => format!(": {summary}"),
            _ => String::new(),
        };
        let perhaps = if hit.certain { "" } else { ", possibly in this version" };
        told.push(format!("{} ({rating}{fixed}{perhaps}){fact}", advisory.id));
    }
    let affected = match &part.foreign {
        Some(foreign) => format!("possibly affected, {foreign}"),
        None if hits.iter().any(|hit| hit.certain) => "affected".to_owned(),
        None => "possibly affected".to_owned(),
    };
    let aside = unknown.map(|unknown| format!(" ({unknown})")).unwrap_or_default();
    let count = match hits.len() {
        1 => "1 advisory".to_owned(),
        many => format!("{many} advisories"),
    };
    Violation::new(format!(
        "{} {}{aside} is {affected}, by {count}: {}. Data of {date}",
        part.label(),
        part.text,
        told.join("; "),
    ))
    .severity(hits.iter().map(severity).max().unwrap_or(ENGINE_ADVISORY.severity))
    .subject(part.component.name())
}

/// A part of the host, with the version that it states.
#[derive(Debug)]
pub struct Part<'a> {
    pub component: Component,
    /// As stated.
    pub text: &'a str,
    pub version: EngineVersion,
    /// How it shows that this is not upstream's own build.
    pub foreign: Option<String>,
    body: &'a VersionBody,
}

impl Part<'_> {
    /// Its name in a sentence.
    pub const fn label(&self) -> &'static str {
        match self.component {
            Component::Engine => "Docker Engine",
            other => other.name(),
        }
    }
}

/// The engine, where it is one of Docker's, or the verdict where none can be judged: Podman's versions
/// are numbers of its own.
pub fn engine<'a>(subject: &Subject<'a>) -> Result<Part<'a>, Verdict> {
    let assessment = subject.assessment;
    let body = assessment.engine_version();
    match product(assessment) {
        Some(Product::DockerEngine) => {}
        Some(Product::Podman) => return Err(Verdict::NotApplicable),
        Some(Product::Unknown) | None => {
            return Err(if body.is_some() && assessment.api.docker == DockerApi::Seen {
                Verdict::undetermined("the API does not say whose engine it is")
            } else {
                Verdict::NotApplicable
            });
        }
    }
    let Some(body) = body else {
        return Err(Verdict::undetermined("the engine's /version was not read"));
    };
    let Some(text) = body.version.as_deref() else {
        return Err(Verdict::undetermined("the engine's /version states no version"));
    };
    let Some(version) = EngineVersion::parse(text) else {
        return Err(Verdict::undetermined(format!("'{text}' is no release's version")));
    };
    let vendor = body
        .platform_name
        .as_deref()
        .filter(|name| name.contains("Mirantis") || name.contains("Enterprise"))
        .map(|name| format!("as a build of a vendor ({name}) may hold fixes of its own"));
    let foreign = vendor.or_else(|| foreign(&version, body.git_commit.as_deref()));
    Ok(Part { component: Component::Engine, text, version, foreign, body })
}

/// Whose engine it is; what credentials saw counts before what a stranger sees.
pub fn product(assessment: &Assessment) -> Option<Product> {
    let audited = assessment.audit.as_ref().and_then(|audit| audit.product);
    audited.or(assessment.api.product)
}

/// containerd and runc, where /version lists them; and those whose version cannot be read.
fn parts(body: &VersionBody) -> (Vec<Part<'_>>, Vec<String>) {
    let (mut parts, mut unreadable) = (Vec::new(), Vec::new());
    for component in [Component::Containerd, Component::Runc] {
        let Some(stated) = body.components.iter().find(|part| part.name == component.name()) else {
            continue;
        };
        let text = stated.version.as_str();
        match EngineVersion::parse(text) {
            Some(version) => {
                let foreign = foreign(&version, stated.git_commit.as_deref());
                parts.push(Part { component, text, version, foreign, body });
            }
            None => unreadable.push(format!("{component} '{text}' is no release's version")),
        }
    }
    (parts, unreadable)
}

/// A distribution or vendor shows in the version or, as Ubuntu's does, only in the commit.
fn foreign(version: &EngineVersion, commit: Option<&str>) -> Option<String> {
    let of_commit = || match EngineVersion::parse(commit?)?.build() {
        Build::Other(mark) => Some(mark.clone()),
        Build::Upstream => None,
    };
    let mark = match version.build() {
        Build::Other(mark) => Some(mark.clone()),
        Build::Upstream => of_commit(),
    };
    mark.map(|mark| {
        format!("as a distribution's or vendor's build ({mark}) may hold fixes of its own")
    })
}

/// Set where no such release was ever made, as far as is known.
pub fn unknown_release(subject: &Subject<'_>, engine: &Part<'_>) -> Option<String> {
    let releases = subject.advisories.releases();
    (!releases.is_tagged(&engine.version)).then(|| {
        format!("{} is no release that is known, by the data of {}", engine.text, releases.date())
    })
}

fn of_engine(engine: &Part<'_>, severity: Severity, text: String) -> Verdict {
    let violation = match &engine.foreign {
        Some(foreign) => Violation::new(format!("{text}; one step less severe, {foreign}"))
            .severity(lowered(severity)),
        None => Violation::new(text),
    };
    Verdict::Found(vec![violation])
}

fn lowered(severity: Severity) -> Severity {
    match severity {
        Severity::Critical => Severity::High,
        Severity::High => Severity::Medium,
        Severity::Medium => Severity::Low,
        Severity::Low | Severity::Info => Severity::Info,
    }
}

#[cfg(test)]
mod tests;
