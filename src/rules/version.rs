//! Whether an engine and its parts are up to date, by the data on releases and advisories.

use jiff::tz::Offset;

use super::{Rule, Subject, Verdict, Violation};
use crate::advisories::{Advisory, Version};
use crate::assess::{DockerApi, Product};
use crate::finding::Severity;

const UPDATE: &str = "Update the engine from the place it was installed from, a test machine first:\n\
                      \n    apt-get update && apt-get install docker-ce docker-ce-cli containerd.io    # Docker's packages\
                      \n    apt-get update && apt-get install docker.io    # Debian's and Ubuntu's\n\
                      \nWith \"live-restore\": true in /etc/docker/daemon.json, containers run on meanwhile.";

pub static ENGINE_END_OF_LIFE: Rule = Rule {
    name: "engine-end-of-life",
    severity: Severity::High,
    title: "Engine is no longer supported",
    why: "Flaws that are found from now on stay open in it, and many that were found are.",
    detection: "The release cycle of the version in /version has ended, or is older than all that \
                are known.",
    remediation: UPDATE,
    references: &[
        "https://endoflife.date/docker-engine",
        "https://docs.docker.com/engine/release-notes/",
    ],
    check: end_of_life,
};

pub static ENGINE_OUTDATED: Rule = Rule {
    name: "engine-outdated",
    severity: Severity::Low,
    title: "Engine has a newer patch release",
    why: "Patch releases bring fixes and little else, so there is seldom a reason to wait.",
    detection: "The version in /version is below the latest of its release cycle.",
    remediation: UPDATE,
    references: &["https://docs.docker.com/engine/release-notes/"],
    check: outdated,
};

pub static ENGINE_ADVISORY: Rule = Rule {
    name: "engine-advisory",
    severity: Severity::Medium,
    title: "Engine has known flaws",
    why: "They are public, and for some there are programs that use them.",
    detection: "A published advisory covers the version of the engine, of containerd or of runc in \
                /version. The worst gives the severity; what nobody has rated counts as medium. A \
                distribution's build may hold the fix, so there it is possible, and one step milder.",
    remediation: UPDATE,
    references: &[
        "https://docs.docker.com/security/security-announcements/",
        "https://pkg.go.dev/vuln/",
    ],
    check: advisories,
};

fn end_of_life(subject: &Subject<'_>) -> Verdict {
    let version = match engine(subject) {
        Ok(version) => version,
        Err(verdict) => return verdict,
    };
    let data = subject.advisories;
    let Some(cycle) = data.cycle(&version) else {
        return if data.predates_all(&version) {
            Verdict::found(format!("Engine {version} is older than every release cycle known."))
        } else {
            Verdict::undetermined(format!(
                "no release cycle of version {version} is known{}",
                known_release(subject, &version)
            ))
        };
    };
    let today = Offset::UTC.to_datetime(subject.now).date();
    match cycle.end_of_support {
        Some(end) if end < today => Verdict::found(format!(
            "Engine {version} is of cycle {}, whose support ended on {end}.{}",
            cycle.name,
            doubt(&version, " Its distribution may support it for longer.")
        )),
        _ => Verdict::Passed,
    }
}

fn outdated(subject: &Subject<'_>) -> Verdict {
    let version = match engine(subject) {
        Ok(version) => version,
        Err(verdict) => return verdict,
    };
    match subject.advisories.cycle(&version) {
        Some(cycle) if version < cycle.latest => {
            let violation = Violation::new(format!(
                "Engine {version}, and {} is the latest of cycle {}{}.{}",
                cycle.latest,
                cycle.name,
                known_release(subject, &version),
                doubt(&version, " Its distribution may have put the fixes into it.")
            ));
            let severity = milder(Severity::Low, &version);
            Verdict::Found(vec![violation.severity(severity)])
        }
        Some(_) => Verdict::Passed,
        None => Verdict::undetermined(format!("no release cycle of version {version} is known")),
    }
}

fn advisories(subject: &Subject<'_>) -> Verdict {
    let version = match engine(subject) {
        Ok(version) => version,
        Err(verdict) => return verdict,
    };
    let mut found: Vec<Violation> =
        flaws(subject, "docker", "Docker Engine", &version).into_iter().collect();
    let body = subject.assessment.engine_version();
    for part in body.iter().flat_map(|body| &body.components) {
        let name = part.name.to_ascii_lowercase();
        if matches!(name.as_str(), "containerd" | "runc")
            && let Some(version) = Version::parse(&part.version)
        {
            found.extend(flaws(subject, &name, &name, &version));
        }
    }
    if found.is_empty() { Verdict::Passed } else { Verdict::Found(found) }
}

/// One violation for all flaws of a component.
fn flaws(
    subject: &Subject<'_>,
    component: &str,
    label: &str,
    version: &Version,
) -> Option<Violation> {
    const EXPLAINED: usize = 3;
    let flaws = subject.advisories.affecting(component, version);
    let worst = flaws.first()?.rated();
    let affected =
        if version.is_distribution_build() { "is possibly affected" } else { "is affected" };
    let ids: Vec<String> = flaws.iter().map(|flaw| rated(flaw)).collect();
    let explained: Vec<String> =
        flaws.iter().take(EXPLAINED).map(|flaw| format!("{}: {}", flaw.id, flaw.summary)).collect();
    let evidence = format!(
        "{label} {version} {affected} by {}: {}. The worst: {}. Data of {}.{}",
        if flaws.len() == 1 {
            "one advisory".to_owned()
        } else {
            format!("{} advisories", flaws.len())
        },
        ids.join(", "),
        explained.join("; "),
        subject.advisories.date(),
        doubt(version, " Its distribution may have put fixes into this version.")
    );
    Some(Violation::new(evidence).severity(milder(worst, version)).subject(component))
}

fn rated(flaw: &Advisory) -> String {
    match (flaw.score, flaw.severity) {
        (Some(score), _) => format!("{} ({score:.1})", flaw.id),
        (None, Some(severity)) => format!("{} ({severity})", flaw.id),
        (None, None) => flaw.id.clone(),
    }
}

/// The engine's version, where it is one of Docker's own: Podman has other numbers.
fn engine(subject: &Subject<'_>) -> Result<Version, Verdict> {
    let assessment = subject.assessment;
    let product =
        assessment.audit.as_ref().and_then(|audit| audit.product).or(assessment.api.product);
    let text = assessment.engine_version().and_then(|body| body.version.as_deref());
    match (product, text) {
        (Some(Product::Podman), _) => Err(Verdict::NotApplicable),
        (Some(Product::DockerEngine), Some(text)) => Version::parse(text).ok_or_else(|| {
            let shown: String = text.chars().take(64).collect();
            Verdict::undetermined(format!("the version '{shown}' cannot be read"))
        }),
        (Some(Product::DockerEngine), None) => {
            Err(Verdict::undetermined("the engine's version was not seen"))
        }
        (_, Some(_)) if assessment.api.docker == DockerApi::Seen => {
            Err(Verdict::undetermined("the API does not say whose engine it is"))
        }
        _ => Err(Verdict::NotApplicable),
    }
}

fn known_release(subject: &Subject<'_>, version: &Version) -> String {
    if subject.advisories.is_tagged(version) {
        return String::new();
    }
    format!("; {} is no release known on {}", version.release(), subject.advisories.date())
}

fn doubt<'a>(version: &Version, text: &'a str) -> &'a str {
    if version.is_distribution_build() { text } else { "" }
}

/// A distribution puts fixes into old versions without changing their numbers.
fn milder(severity: Severity, version: &Version) -> Severity {
    match severity {
        severity if !version.is_distribution_build() => severity,
        Severity::Critical => Severity::High,
        Severity::High => Severity::Medium,
        Severity::Medium => Severity::Low,
        Severity::Low | Severity::Info => Severity::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::assess::Assessment;
    use crate::observation::{Component, VersionBody};

    fn with(version: &str, parts: &[(&str, &str)]) -> Assessment {
        let components = parts.iter().map(|(name, version)| Component {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            git_commit: None,
        });
        let mut assessment = open_plain();
        let body = VersionBody {
            version: Some(version.to_owned()),
            components: components.collect(),
            ..VersionBody::default()
        };
        assessment.api.version = Some(body.into());
        assessment
    }

    fn sign(rule: &'static Rule, assessment: &Assessment) -> char {
        match verdict(rule, assessment) {
            Verdict::Found(_) => 'f',
            Verdict::Passed => 'p',
            Verdict::Undetermined { .. } => '?',
            Verdict::NotApplicable => '.',
        }
    }

    #[test]
    fn engines_by_their_version() {
        for (version, expected) in [
            ("1.13.1", "f?f"),
            ("19.03.15", "fpf"),
            ("19.3.15", "fpf"),
            ("20.10.24+dfsg1", "fff"),
            ("29.9.9", "ppp"),
            ("31.0.0", "??p"),
            ("garbage", "???"),
        ] {
            let assessment = with(version, &[]);
            let signs: String = [&ENGINE_END_OF_LIFE, &ENGINE_OUTDATED, &ENGINE_ADVISORY]
                .map(|rule| sign(rule, &assessment))
                .iter()
                .collect();
            assert_eq!(signs, expected, "{version}");
        }
    }

    #[test]
    fn each_component_has_one_finding_and_a_distributions_is_milder() {
        let own = with(
            "24.0.7",
            &[("containerd", "1.6.20"), ("runc", "1.1.5"), ("docker-init", "0.19.0")],
        );
        let theirs = with("24.0.7+dfsg1", &[("containerd", "1.6.20~ds1"), ("runc", "1.1.5+ds1")]);
        let found = |assessment: &Assessment| match verdict(&ENGINE_ADVISORY, assessment) {
            Verdict::Found(violations) => violations,
            other => panic!("{other:?}"),
        };
        let (own, theirs) = (found(&own), found(&theirs));
        let subjects: Vec<_> = own.iter().map(|v| v.subject.as_deref().unwrap()).collect();
        assert_eq!(subjects, ["docker", "containerd", "runc"]);
        for (own, theirs) in own.iter().zip(&theirs) {
            assert!(own.severity > theirs.severity, "{} {}", own.evidence, theirs.evidence);
            assert!(theirs.evidence.contains("possibly affected"), "{}", theirs.evidence);
        }
        assert!(own[0].evidence.contains("CVE-2024-41110 (9.9)"), "{}", own[0].evidence);
    }

    #[test]
    fn podman_is_never_matched() {
        let mut assessment = with("4.3.1", &[("containerd", "1.0.0")]);
        assessment.api.product = Some(Product::Podman);
        for rule in [&ENGINE_END_OF_LIFE, &ENGINE_OUTDATED, &ENGINE_ADVISORY] {
            assert_eq!(verdict(rule, &assessment), Verdict::NotApplicable);
        }
    }

    #[test]
    fn a_version_that_was_never_released_says_so() {
        let Verdict::Found(found) = verdict(&ENGINE_OUTDATED, &with("20.10.26", &[])) else {
            panic!()
        };
        let known = crate::advisories::Advisories::embedded()
            .is_tagged(&Version::parse("20.10.26").unwrap());
        assert_eq!(found[0].evidence.contains("no release known"), !known);
        let Verdict::Found(found) = verdict(&ENGINE_OUTDATED, &with("24.0.3.7", &[])) else {
            panic!()
        };
        assert!(
            found[0].evidence.contains("24.0.3.7 is no release known"),
            "{}",
            found[0].evidence
        );
    }
}
