use std::sync::Arc;

use super::super::fixture::*;
use super::*;
use crate::assess::{Assessment, Audit, AuditStatus};
use crate::observation::Component as Stated;

fn body(assessment: &mut Assessment) -> &mut VersionBody {
    Arc::make_mut(assessment.api.version.as_mut().unwrap())
}

fn running(version: &str) -> Assessment {
    let mut assessment = open_plain();
    body(&mut assessment).version = Some(version.into());
    assessment
}

fn with_part(mut assessment: Assessment, name: &str, version: &str, commit: &str) -> Assessment {
    body(&mut assessment).components.push(Stated {
        name: name.into(),
        version: version.into(),
        git_commit: Some(commit.into()),
    });
    assessment
}

const ALL: [&Rule; 3] = [&ENGINE_END_OF_LIFE, &ENGINE_OUTDATED, &ENGINE_ADVISORY];

#[test]
fn only_docker_engine_is_judged_and_only_by_a_version() {
    for rule in ALL {
        let mut assessment = running("4.3.1");
        assessment.api.product = Some(Product::Podman);
        assert_eq!(verdict(rule, &assessment), Verdict::NotApplicable, "{}", rule.name);
        assessment.api.product = None;
        assert!(undetermined(rule, &assessment).contains("whose engine"), "{}", rule.name);
        assessment.api.docker = DockerApi::NotSeen;
        assert_eq!(verdict(rule, &assessment), Verdict::NotApplicable, "{}", rule.name);
        let mut assessment = running("29.9.0");
        assessment.api.version = None;
        assert!(undetermined(rule, &assessment).contains("was not read"));
        assessment.api.version = Some(VersionBody::default().into());
        assert!(undetermined(rule, &assessment).contains("states no version"));
        assert!(undetermined(rule, &running("dev")).contains("'dev' is no release's version"));
        assert!(undetermined(rule, &running("0.0.0-dev")).contains("no release's version"));
    }
}

#[test]
fn lines_whose_support_ended() {
    let rule = &ENGINE_END_OF_LIFE;
    let violation = only(rule, &running("27.5.1"));
    assert_eq!(violation.severity, None, "the rule's own: high");
    assert!(violation.evidence.contains("27 ended on 2025-05-03"), "{}", violation.evidence);
    let violation = only(rule, &running("1.13.1"));
    assert!(violation.evidence.contains("older than 17.03"), "{}", violation.evidence);
    for version in ["29.9.0", "25.0.17", "29.0.0-rc.1"] {
        assert_eq!(verdict(rule, &running(version)), Verdict::Passed, "{version}");
    }
    for version in ["30.0.0", "22.06.0-beta.0"] {
        assert!(undetermined(rule, &running(version)).contains("no release line"), "{version}");
    }
}

#[test]
fn a_distribution_may_support_what_upstream_does_not() {
    for version in ["20.10.24+dfsg1", "19.03.11-ol", "18.09.1-ee", "1.13.1-cs2"] {
        let violation = only(&ENGINE_END_OF_LIFE, &running(version));
        assert_eq!(violation.severity, Some(Severity::Medium), "{version}");
        assert!(violation.evidence.contains("may hold fixes of its own"), "{version}");
    }
    // Ubuntu's number is upstream's, and its commit is not.
    let mut assessment = running("20.10.12");
    body(&mut assessment).git_commit = Some("20.10.12-0ubuntu4".into());
    assert_eq!(only(&ENGINE_END_OF_LIFE, &assessment).severity, Some(Severity::Medium));
    body(&mut assessment).git_commit = Some("459d0dfbbb51fb2423a43655e6c62368ec0f36c9".into());
    assert_eq!(only(&ENGINE_END_OF_LIFE, &assessment).severity, None);
    body(&mut assessment).platform_name = Some("Mirantis Container Runtime".into());
    assert_eq!(only(&ENGINE_END_OF_LIFE, &assessment).severity, Some(Severity::Medium));
}

#[test]
fn a_newer_patch_of_the_same_line() {
    let rule = &ENGINE_OUTDATED;
    let violation = only(rule, &running("25.0.3"));
    assert_eq!(violation.severity, None, "the rule's own: low");
    assert_eq!(
        violation.evidence,
        "Docker Engine 25.0.3: the newest of 25.0 is 25.0.17 of 2026-07-14"
    );
    assert_eq!(only(rule, &running("26.1.4+dfsg1")).severity, Some(Severity::Info));
    let violation = only(rule, &running("27.0.0"));
    assert!(violation.evidence.contains("27.0.0 is no release that is known"));
    for version in ["29.9.0", "25.0.17", "26.1.5", "19.3.15", "28.5.2+dfsg4"] {
        assert_eq!(verdict(rule, &running(version)), Verdict::Passed, "{version}");
    }
    for version in ["29.9.9", "20.10.99", "30.0.0"] {
        let because = undetermined(rule, &running(version));
        assert!(because.contains(&format!("{version} is no release that is known")), "{because}");
    }
    assert!(undetermined(rule, &running("1.13.1")).contains("1.13.1"));
}

#[test]
fn known_flaws_by_component_worst_first() {
    let rule = &ENGINE_ADVISORY;
    assert_eq!(verdict(rule, &running("29.9.0")), Verdict::Passed);
    let old = with_part(
        running("27.1.0"),
        "containerd",
        "v1.7.18",
        "ae71819c4f5e67bb4d5ae76a6b735f29cc25774e",
    );
    let old = with_part(old, "runc", "1.1.11", "v1.1.11-0-g4bccb38c");
    let found = found(rule, &old);
    let subjects: Vec<_> = found.iter().map(|v| v.subject.clone().unwrap()).collect();
    assert_eq!(subjects, ["docker", "containerd", "runc"]);
    assert_eq!(found[0].severity, Some(Severity::Critical));
    assert!(
        found[0].evidence.starts_with("Docker Engine 27.1.0 is affected, by "),
        "{}",
        found[0].evidence
    );
    assert!(found[0].evidence.contains("CVE-2024-41110 (9.9, fixed in 27.1.1): authz plugin"));
    assert!(found[2].evidence.contains("CVE-2024-21626 (8.6, fixed in 1.1.12)"));
    assert_eq!(found[2].severity, Some(Severity::High));
}

#[test]
fn an_unrated_flaw_counts_as_medium() {
    let assessment = with_part(running("29.9.0"), "containerd", "2.1.0", "");
    let violation = only(&ENGINE_ADVISORY, &assessment);
    assert_eq!(violation.severity, Some(Severity::Medium));
    assert!(violation.evidence.contains("CVE-2025-47290 (not rated, fixed in 2.1.1)"));
}

#[test]
fn a_distributions_build_is_possibly_affected_one_step_lower() {
    let assessment = with_part(running("29.9.0"), "runc", "1.1.5+ds1", "1.1.5+ds1-1+deb12u1");
    let violation = only(&ENGINE_ADVISORY, &assessment);
    assert_eq!(violation.severity, Some(Severity::Medium), "8.6 is high");
    assert!(violation.evidence.contains("runc 1.1.5+ds1 is possibly affected"));
    // The suffix is in the commit alone.
    let assessment = with_part(running("29.9.0"), "runc", "1.1.5", "1.1.5-0ubuntu1");
    assert_eq!(only(&ENGINE_ADVISORY, &assessment).severity, Some(Severity::Medium));
}

#[test]
fn a_part_that_is_seen_speaks_for_itself() {
    // The engine's release notes name runc's flaw; this runc has it mended.
    let flaw = "CVE-2024-21626";
    let alone = found(&ENGINE_ADVISORY, &running("25.0.1"));
    assert!(alone[0].evidence.contains(flaw));
    let mended = with_part(running("25.0.1"), "runc", "1.1.12", "v1.1.12-0-g51d5e946");
    assert!(found(&ENGINE_ADVISORY, &mended).iter().all(|v| !v.evidence.contains(flaw)));
}

#[test]
fn versions_that_cannot_be_placed_are_said_and_not_passed() {
    let rule = &ENGINE_ADVISORY;
    let because = undetermined(rule, &running("29.9.9"));
    assert!(because.contains("29.9.9 is no release that is known"), "{because}");
    let because = undetermined(rule, &with_part(running("29.9.0"), "containerd", "N/A", ""));
    assert!(because.contains("containerd 'N/A'"), "{because}");
    let found = found(rule, &running("27.0.0"));
    assert!(found[0].evidence.contains("27.0.0 is no release that is known"));
}

#[test]
fn other_parts_are_not_matched() {
    let assessment = with_part(running("29.9.0"), "docker-init", "0.19.0", "de40ad0");
    let assessment = with_part(assessment, "Docker CLI", "20.10.0", "");
    let assessment = with_part(assessment, "rootlesskit", "0.1.0", "");
    assert_eq!(verdict(&ENGINE_ADVISORY, &assessment), Verdict::Passed);
}

#[test]
fn what_docker_packs_is_not_what_a_distribution_packs() {
    let flaw = "CVE-2024-21626";
    let docker = found(&ENGINE_ADVISORY, &running("24.0.7"));
    assert!(docker[0].evidence.contains(flaw), "{}", docker[0].evidence);
    let debian = found(&ENGINE_ADVISORY, &running("24.0.7+dfsg1"));
    assert!(!debian[0].evidence.contains(flaw), "{}", debian[0].evidence);
}

#[test]
fn each_component_has_one_finding_and_a_distributions_is_milder() {
    let upstream = with_part(running("24.0.7"), "containerd", "1.6.20", "");
    let upstream = with_part(upstream, "runc", "1.1.5", "");
    let theirs = with_part(running("24.0.7+dfsg1"), "containerd", "1.6.20~ds1", "");
    let theirs = with_part(theirs, "runc", "1.1.5+ds1", "");
    let (upstream, theirs) = (found(&ENGINE_ADVISORY, &upstream), found(&ENGINE_ADVISORY, &theirs));
    assert_eq!((upstream.len(), theirs.len()), (3, 3));
    for (upstream, theirs) in upstream.iter().zip(&theirs) {
        assert!(upstream.severity > theirs.severity, "{} {}", upstream.evidence, theirs.evidence);
        assert!(theirs.evidence.contains("possibly affected"), "{}", theirs.evidence);
    }
}

#[test]
fn versions_one_by_one() {
    let sign = |rule, assessment: &_| match verdict(rule, assessment) {
        Verdict::Found(_) => 'f',
        Verdict::Passed => 'p',
        Verdict::Undetermined { .. } => '?',
        Verdict::NotApplicable => '.',
    };
    for (version, expected) in [
        ("1.13.1", "f?f"),
        ("19.03.15", "fpf"),
        ("19.3.15", "fpf"),
        ("20.10.24+dfsg1", "fff"),
        ("29.9.0", "ppp"),
        // Never tagged: nothing is known of it, and that is no pass.
        ("29.9.9", "p??"),
        ("31.0.0", "???"),
        ("garbage", "???"),
    ] {
        let signs: String = ALL.map(|rule| sign(rule, &running(version))).iter().collect();
        assert_eq!(signs, expected, "{version}");
    }
}

#[test]
fn an_audit_tells_what_a_stranger_is_not_told() {
    let mut assessment = hardened();
    assert_eq!(verdict(&ENGINE_OUTDATED, &assessment), Verdict::NotApplicable);
    assessment.audit = Some(Audit {
        status: AuditStatus::Served,
        reason: String::new(),
        product: Some(Product::DockerEngine),
        version: running("25.0.3").api.version,
        engine_id: None,
        paths: Vec::new(),
        posture: None,
        containers: None,
    });
    assert!(only(&ENGINE_OUTDATED, &assessment).evidence.contains("25.0.17"));
}
