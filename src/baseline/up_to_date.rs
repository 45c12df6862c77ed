//! Whether an engine is kept up to date: of a supported release line, its newest patch, and without
//! known flaws. By dated data, so every answer names its day.

use super::{Check, CheckStatus, without_docker};
use crate::advisories::releases::Support;
use crate::advisories::{Age, CLEARING_DAYS, day};
use crate::assess::Product;
use crate::rules::engine_version::{Flaws, Part, engine, flaws, product, unknown_release};
use crate::rules::{Subject, Verdict};

/// Fails on what is wrong for certain, however old the data; else is unknown for what cannot be told;
/// else passes as of the data's day.
pub(super) fn check(subject: &Subject<'_>) -> Check {
    if let Some(check) = without_docker(subject.assessment) {
        return check;
    }
    let engine = match engine(subject) {
        Ok(engine) => engine,
        Err(verdict) => return without_engine(subject, verdict),
    };
    let advisories = subject.advisories;
    // Both tables have their say, so the older one dates the answer.
    let date = advisories.date().min(advisories.releases().date());
    let passed = format!("{} is the newest of its release line", engine.text);
    let mut answer = Answer::default();
    answer.support(subject, &engine);
    answer.patch(subject, &engine);
    answer.unknown.extend(unknown_release(subject, &engine));
    answer.flaws(flaws(subject, engine));
    if !answer.wrong.is_empty() {
        return Check::new(
            CheckStatus::Fail,
            format!("{} (data of {date})", answer.wrong.join("; ")),
        );
    }
    let mut aside = String::new();
    match Age::of(date, subject.now) {
        Age::Fresh => {}
        Age::Old { days } if days <= CLEARING_DAYS => {
            aside = format!("; that data is {days} days old");
        }
        Age::Old { days } => answer.unknown.push(format!(
            "the data is {days} days old, and clears no engine after {CLEARING_DAYS}"
        )),
        Age::AheadOfClock => {
            answer
                .unknown
                .push("the clock is before the data, whose age cannot be told".to_owned());
        }
    }
    if !answer.unknown.is_empty() {
        return Check::new(
            CheckStatus::Unknown,
            format!("{} (data of {date})", answer.unknown.join("; ")),
        );
    }
    Check::new(
        CheckStatus::Pass,
        format!(
            "{passed}, which is supported, and no advisory on it is known, as of {date}{aside}"
        ),
    )
}

fn without_engine(subject: &Subject<'_>, verdict: Verdict) -> Check {
    match verdict {
        Verdict::Undetermined { because } => Check::new(CheckStatus::Unknown, because),
        _ if product(subject.assessment) == Some(Product::Podman) => {
            Check::new(CheckStatus::NotApplicable, "Podman: the data is on Docker's engines")
        }
        _ => Check::new(CheckStatus::Unknown, "the engine's version was not seen"),
    }
}

/// What speaks against a pass.
#[derive(Default)]
struct Answer {
    wrong: Vec<String>,
    unknown: Vec<String>,
}

impl Answer {
    fn support(&mut self, subject: &Subject<'_>, engine: &Part<'_>) {
        match subject.advisories.releases().support(&engine.version, day(subject.now)) {
            Support::Supported(_) => {}
            Support::Ended { cycle, since } => self
                .wrong
                .push(format!("{}: the support of {} ended on {since}", engine.text, cycle.name)),
            Support::Ancient { oldest, .. } => self.wrong.push(format!(
                "{} is older than {}, the oldest release line that is listed",
                engine.text, oldest.name
            )),
            Support::Unknown => {
                self.unknown.push(format!("the release line of {} is not known", engine.text));
            }
        }
    }

    fn patch(&mut self, subject: &Subject<'_>, engine: &Part<'_>) {
        let Some(cycle) = subject.advisories.releases().cycle(&engine.version) else { return };
        if engine.version >= cycle.latest {
            return;
        }
        let text = format!("{}: the newest of {} is {}", engine.text, cycle.name, cycle.latest);
        match &engine.foreign {
            None => self.wrong.push(text),
            Some(foreign) => self.unknown.push(format!("{text}; {foreign}")),
        }
    }

    fn flaws(&mut self, flaws: Flaws<'_>) {
        for (part, hits) in &flaws.parts {
            let certain: Vec<_> = match part.foreign {
                None => hits.iter().filter(|hit| hit.certain).collect(),
                Some(_) => Vec::new(),
            };
            let (count, worst) = match (certain.first(), hits.first()) {
                (Some(worst), _) => (certain.len(), *worst),
                (None, Some(worst)) => (hits.len(), worst),
                (None, None) => continue,
            };
            let rating = worst.advisory.rating.map(|rating| format!(" ({rating})"));
            let told = format!(
                "{} {}: {count} known, such as {}{}",
                part.label(),
                part.text,
                worst.advisory.id,
                rating.unwrap_or_default()
            );
            if certain.is_empty() {
                self.unknown.push(format!("{told}, which may be fixed in this build"));
            } else {
                self.wrong.push(told);
            }
        }
        self.unknown.extend(flaws.unreadable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisories::{Advisories, AdvisoriesFile};
    use crate::assess::Assessment;
    use crate::observation::{Component, VersionBody};
    use crate::rules::Basis;
    use crate::rules::fixture::*;

    const FRESH: &str = "2026-10-20T00:00:00Z";

    fn at(assessment: &Assessment, advisories: &Advisories, now: &str) -> (CheckStatus, String) {
        let observation = observation();
        let subject =
            Subject::new(&observation, assessment, Basis { advisories, ..basis() }, time(now));
        let check = check(&subject);
        (check.status, check.reason)
    }

    fn running(version: &str, parts: &[(&str, &str)]) -> Assessment {
        let mut assessment = open_plain();
        let components = parts.iter().map(|(name, version)| Component {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            git_commit: None,
        });
        let body = VersionBody {
            version: Some(version.to_owned()),
            components: components.collect(),
            ..VersionBody::default()
        };
        assessment.api.version = Some(body.into());
        assessment
    }

    fn embedded(version: &str, now: &str) -> (CheckStatus, String) {
        at(&running(version, &[]), Advisories::embedded().unwrap(), now)
    }

    #[test]
    fn the_newest_patch_of_a_supported_line_passes_as_of_a_day() {
        let (status, reason) = embedded("29.9.0", FRESH);
        assert_eq!(status, CheckStatus::Pass, "{reason}");
        assert!(reason.ends_with("as of 2026-10-08"), "{reason}");
        let (status, reason) = embedded("29.9.0", "2026-11-24T00:00:00Z");
        assert_eq!(status, CheckStatus::Pass, "{reason}");
        assert!(reason.ends_with("as of 2026-10-08; that data is 47 days old"), "{reason}");
    }

    #[test]
    fn data_of_half_a_year_clears_no_engine_and_still_fails_one() {
        let (status, reason) = embedded("29.9.0", "2027-04-06T00:00:00Z");
        assert_eq!(status, CheckStatus::Pass, "180 days: {reason}");
        for now in ["2027-04-07T00:00:00Z", "2026-01-01T00:00:00Z"] {
            let (status, reason) = embedded("29.9.0", now);
            assert_eq!(status, CheckStatus::Unknown, "{now}");
            assert!(reason.contains("data of 2026-10-08"), "{reason}");
            assert_eq!(embedded("29.8.0", now).0, CheckStatus::Fail, "{now}");
        }
        assert!(embedded("29.9.0", "2027-04-07T00:00:00Z").1.contains("181 days old"));
        assert!(embedded("29.9.0", "2026-01-01T00:00:00Z").1.contains("the clock is before"));
    }

    #[test]
    fn what_is_wrong_for_certain_fails_and_is_said() {
        for (version, part) in [
            ("29.8.0", "the newest of 29 is 29.9.0"),
            ("20.10.24+dfsg1", "the support of 20.10 ended on 2023-12-10"),
            ("1.13.1", "older than 17.03"),
            ("27.1.0", "CVE-2024-41110 (9.9)"),
        ] {
            let (status, reason) = embedded(version, FRESH);
            assert_eq!(status, CheckStatus::Fail, "{version}: {reason}");
            assert!(reason.contains(part) && reason.contains("2026-10-08"), "{version}: {reason}");
        }
        let runc = running("29.9.0", &[("runc", "1.1.11")]);
        let (status, reason) = at(&runc, Advisories::embedded().unwrap(), FRESH);
        assert_eq!(status, CheckStatus::Fail);
        assert!(reason.contains("runc 1.1.11: ") && reason.contains("CVE-"), "{reason}");
    }

    #[test]
    fn what_a_distribution_may_have_fixed_is_unknown() {
        let advisories = Advisories::embedded().unwrap();
        for assessment in [
            running("29.9.0", &[("runc", "1.1.5+ds1")]),
            running("29.8.0+dfsg1", &[]),
            running("29.9.0", &[("containerd", "N/A")]),
            running("29.9.9", &[]),
            running("garbage", &[]),
        ] {
            let (status, reason) = at(&assessment, advisories, FRESH);
            assert_eq!(status, CheckStatus::Unknown, "{reason}");
        }
        let (_, reason) = embedded("29.9.9", FRESH);
        assert_eq!(reason.matches("29.9.9").count(), 1, "{reason}");
    }

    #[test]
    fn a_newer_list_of_flaws_does_not_freshen_an_older_list_of_releases() {
        let file = r#"{"date": "2027-05-01", "advisories": []}"#;
        let file: AdvisoriesFile = serde_json::from_str(file).unwrap();
        let advisories = Advisories::embedded().unwrap().clone().with(file).unwrap();
        let (status, reason) = at(&running("29.9.0", &[]), &advisories, "2027-05-02T00:00:00Z");
        assert_eq!(status, CheckStatus::Unknown);
        assert!(reason.contains("206 days old"), "{reason}");
    }

    #[test]
    fn podman_is_not_measured_by_dockers_releases() {
        let mut assessment = running("4.3.1", &[("containerd", "1.0.0")]);
        assessment.api.product = Some(Product::Podman);
        let (status, _) = at(&assessment, Advisories::embedded().unwrap(), FRESH);
        assert_eq!(status, CheckStatus::NotApplicable);
    }
}
