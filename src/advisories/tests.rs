use serde_json::json;

use super::*;

fn version(text: &str) -> EngineVersion {
    EngineVersion::parse(text).unwrap()
}

fn ids(advisories: &Advisories, component: Component, text: &str) -> Vec<String> {
    let hits = advisories.affecting(component, &version(text));
    hits.iter().map(|hit| hit.advisory.id.clone()).collect()
}

fn is_hit(advisories: &Advisories, component: Component, text: &str, id: &str) -> bool {
    ids(advisories, component, text).iter().any(|hit| hit == id)
}

fn embedded() -> Advisories {
    Advisories::embedded().unwrap().clone()
}

fn imported(records: serde_json::Value) -> AdvisoriesFile {
    serde_json::from_value(json!({ "date": "2026-11-01", "advisories": records })).unwrap()
}

#[test]
fn every_range_of_the_embedded_data_begins_and_ends_where_its_line_says() {
    let advisories = embedded();
    let table = include_str!("../../data/advisories.tsv");
    let mut checked = 0;
    for line in table.lines().filter(|line| !line.starts_with('#')).skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [id, component, introduced, fixed, _, fact, _] = cells[..] else { panic!("{line}") };
        let component = match component {
            "docker" => Component::Engine,
            "containerd" => Component::Containerd,
            "runc" => Component::Runc,
            "buildkit" => Component::Buildkit,
            _ => continue,
        };
        let reported = !fact.contains("[CRI path");
        // Where `0` is that of a second module, its line begins with the major number.
        let first = match (introduced, fixed.split('.').next()) {
            ("0", Some("2")) => "2.0.0",
            ("0", _) => "0.0.1",
            (introduced, _) => introduced,
        };
        assert_eq!(is_hit(&advisories, component, first, id), reported, "{line}");
        if !fixed.is_empty() {
            assert!(!is_hit(&advisories, component, fixed, id), "{line}");
            let before = format!("{fixed}-alpha");
            if !fixed.contains('-') {
                assert_eq!(is_hit(&advisories, component, &before, id), reported, "{line}");
            }
        }
        checked += 1;
    }
    assert_eq!(checked, 176);
}

#[test]
fn several_ranges_of_one_id_leave_their_gaps() {
    let advisories = embedded();
    let id = "CVE-2024-41110";
    for (text, affected) in [
        ("18.09.9", false),
        ("19.3.15", true),
        ("20.10.24+dfsg1", true),
        ("23.0.14", true),
        ("23.0.15", false),
        ("23.0.18", false),
        ("24.0.9", true),
        ("25.0.5", true),
        ("25.0.6", false),
        ("26.1.4", true),
        ("26.1.5", false),
        ("27.1.0", true),
        ("27.1.1", false),
        ("29.9.0", false),
    ] {
        assert_eq!(is_hit(&advisories, Component::Engine, text, id), affected, "{text}");
    }
}

#[test]
fn one_modules_zero_is_not_the_others() {
    let advisories = embedded();
    // 0 to 1.6.38, 1.7.0-beta.0 to 1.7.27 in one module, 0 to 2.0.4 in the next.
    let id = "CVE-2024-40635";
    for (text, affected) in [
        ("1.6.20~ds1", true),
        ("1.6.38", false),
        ("1.7.0-beta.0", true),
        ("1.7.26", true),
        ("1.7.27", false),
        ("1.7.31", false),
        ("2.0.3", true),
        ("2.0.4", false),
    ] {
        assert_eq!(is_hit(&advisories, Component::Containerd, text, id), affected, "{text}");
    }
}

#[test]
fn nineteen_oh_three_is_nineteen_three() {
    let advisories = embedded();
    for text in ["19.03.14", "19.3.14"] {
        assert!(is_hit(&advisories, Component::Engine, text, "CVE-2021-21285"), "{text}");
    }
    for text in ["19.03.15", "19.3.15"] {
        assert!(!is_hit(&advisories, Component::Engine, text, "CVE-2021-21285"), "{text}");
    }
}

#[test]
fn pre_releases_come_before_what_they_lead_to() {
    let advisories = embedded();
    let hit = |text| is_hit(&advisories, Component::Runc, text, "CVE-2025-31133");
    assert!(hit("1.4.0-rc.2") && !hit("1.4.0-rc.3") && !hit("1.4.0"));
    assert!(hit("1.3.3-rc.1") && !hit("1.3.3"));
    assert!(is_hit(&advisories, Component::Engine, "29.3.1-rc.1", "CVE-2026-34040"));
    assert!(is_hit(&advisories, Component::Runc, "1.0.0~rc93+ds1", "CVE-2021-30465"));
    assert!(!is_hit(&advisories, Component::Runc, "1.0.0-rc95", "CVE-2021-30465"));
}

#[test]
fn what_needs_kubernetes_is_never_reported() {
    let advisories = embedded();
    let cri: Vec<&Advisory> = advisories.iter().filter(|one| one.is_cri_only()).collect();
    assert!(cri.len() >= 10, "{}", cri.len());
    for text in ["1.4.0", "1.5.8", "1.6.0", "1.7.1", "2.1.0"] {
        let hits = ids(&advisories, Component::Containerd, text);
        assert!(!hits.is_empty(), "{text}");
        assert!(cri.iter().all(|one| !hits.contains(&one.id)), "{text}: {hits:?}");
    }
}

#[test]
fn hits_are_worst_first_and_the_unrated_are_medium() {
    let advisories = embedded();
    let hits = advisories.affecting(Component::Engine, &version("20.10.5"));
    let levels: Vec<Severity> = hits.iter().map(|hit| hit.advisory.level()).collect();
    assert!(levels.is_sorted_by(|a, b| a >= b), "{levels:?}");
    assert_eq!(hits[0].advisory.id, "CVE-2024-23652");
    assert_eq!(hits[0].fixed_in().as_deref(), Some("25.0.2"));
    let unrated = hits.iter().find(|hit| hit.advisory.id == "CVE-2021-41089").unwrap();
    assert_eq!((unrated.advisory.rating, unrated.advisory.level()), (None, Severity::Medium));
}

#[test]
fn betas_of_the_second_module_are_engines_from_29_on() {
    let advisories = embedded()
        .with(imported(json!([
            {"id": "GO-1", "modified": "2026-10-20T00:00:00Z", "affected": [
                {"package": {"ecosystem": "Go", "name": "github.com/docker/docker"},
                 "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}]},
                {"package": {"ecosystem": "Go", "name": "github.com/moby/moby/v2"},
                 "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0-beta.8"}]}]}]},
            {"id": "GO-2", "modified": "2026-10-20T00:00:00Z", "affected": [
                {"package": {"ecosystem": "Go", "name": "github.com/moby/moby/v2"},
                 "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0-beta.10"}]}]}]},
            {"id": "GO-3", "modified": "2026-10-20T00:00:00Z", "affected": [
                {"package": {"ecosystem": "Go", "name": "github.com/moby/moby/v2"},
                 "ranges": [{"type": "SEMVER", "events": [{"introduced": "2.0.0-beta.14"}, {"fixed": "2.0.0-beta.99"}]}]}]}
        ])))
        .unwrap();
    let hit = |text: &str, id: &str| {
        let version = version(text);
        let hits = advisories.affecting(Component::Engine, &version);
        hits.iter().find(|hit| hit.advisory.id == id).map(|hit| hit.certain)
    };
    for (text, expected) in
        [("28.5.2", Some(true)), ("29.0.0", Some(true)), ("29.3.0", Some(true)), ("29.3.1", None)]
    {
        assert_eq!(hit(text, "GO-1"), expected, "{text}");
    }
    // beta.10 is some engine after 29.3.1 (beta.8) and before 29.5.1 (beta.14).
    for (text, expected) in
        [("28.5.2", None), ("29.3.1", Some(true)), ("29.4.1", Some(false)), ("29.5.1", None)]
    {
        assert_eq!(hit(text, "GO-2"), expected, "{text}");
    }
    for (text, expected) in [("29.5.0", None), ("29.5.1", Some(true)), ("29.9.0", Some(false))] {
        assert_eq!(hit(text, "GO-3"), expected, "{text}");
    }
    let version = version("29.4.1");
    let hits = advisories.affecting(Component::Engine, &version);
    let hit = hits.iter().find(|hit| hit.advisory.id == "GO-2").unwrap();
    assert_eq!(hit.fixed_in().as_deref(), Some("moby 2.0.0-beta.10"));
}

/// What golang/vulndb says of one: every docker/docker, and no word of the backport to 25.0.
fn go_record(modified: &str) -> serde_json::Value {
    json!({"id": "GO-2026-9999", "aliases": ["CVE-2026-34040"], "modified": modified,
        "affected": [
            {"package": {"ecosystem": "Go", "name": "github.com/docker/docker"},
             "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}]}]})
}

#[test]
fn an_import_does_not_unlearn_backports() {
    let advisories = embedded().with(imported(json!([go_record("2026-10-30T00:00:00Z")]))).unwrap();
    assert_eq!(advisories.len(), embedded().len());
    assert!(is_hit(&advisories, Component::Engine, "25.0.15", "CVE-2026-34040"));
    assert!(!is_hit(&advisories, Component::Engine, "25.0.16", "CVE-2026-34040"));
    assert!(advisories.knows("GO-2026-9999"));
    assert_eq!(advisories.date().to_string(), "2026-11-01");
}

#[test]
fn an_import_that_changed_later_moves_a_modules_ranges_and_an_older_one_does_not() {
    let record = |modified: &str| {
        json!([{"id": "GO-2024-2491", "aliases": ["CVE-2024-21626"], "modified": modified,
            "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
            "affected": [{"package": {"ecosystem": "Go", "name": "github.com/opencontainers/runc"},
                "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.1.13"}]}]}]}])
    };
    let id = "CVE-2024-21626";
    let older = embedded().with(imported(record("2026-10-01T00:00:00Z"))).unwrap();
    assert!(!is_hit(&older, Component::Runc, "1.1.12", id));
    let newer = embedded().with(imported(record("2026-10-30T00:00:00Z"))).unwrap();
    assert!(is_hit(&newer, Component::Runc, "1.1.12", id));
    assert!(is_hit(&newer, Component::Engine, "25.0.1", id), "the engine's own range stays");
    let rating = |advisories: &Advisories| {
        advisories.iter().find(|one| one.id == id).unwrap().rating.unwrap().to_string()
    };
    assert_eq!((rating(&older), rating(&newer)), ("8.6".into(), "9.8".into()));
}

#[test]
fn an_import_does_not_forget_what_needs_kubernetes() {
    let record = json!([{"id": "GO-2022-0344", "modified": "2026-10-30T00:00:00Z",
        "affected": [{"package": {"ecosystem": "Go", "name": "github.com/containerd/containerd"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.6.2"}]}]}]}]);
    let advisories = embedded().with(imported(record)).unwrap();
    assert!(!is_hit(&advisories, Component::Containerd, "1.6.0", "CVE-2022-23648"));
}

#[test]
fn age_is_told_by_the_day_and_never_by_a_clock_that_is_behind() {
    let date = "2026-10-08".parse().unwrap();
    let age = |now: &str| Age::of(date, now.parse().unwrap());
    assert_eq!(age("2026-10-08T00:00:00Z"), Age::Fresh);
    assert_eq!(age("2026-11-07T23:59:59Z"), Age::Fresh);
    assert_eq!(age("2026-11-08T00:00:00Z"), Age::Old { days: 31 });
    assert_eq!(age("2026-11-22T12:00:00Z"), Age::Old { days: 45 });
    assert_eq!(age("2026-10-07T23:59:59Z"), Age::AheadOfClock);
    assert_eq!(age("1970-01-01T00:00:00Z"), Age::AheadOfClock);
    // Months and years count in days too.
    assert_eq!(age("2027-10-08T00:00:00Z"), Age::Old { days: 365 });
}

#[test]
fn notes_name_the_age_of_each_table() {
    let notes = |advisories: &Advisories, now: &str| advisories.notes(now.parse().unwrap());
    let advisories = embedded();
    assert_eq!(notes(&advisories, "2026-10-20T00:00:00Z"), [""; 0]);
    assert_eq!(
        notes(&advisories, "2026-11-22T00:00:00Z"),
        ["advisory data is 45 days old (2026-10-08): docksweep advisories import"]
    );
    let behind = notes(&advisories, "2026-01-01T00:00:00Z");
    assert!(behind.len() == 1 && behind[0].contains("clock says 2026-01-01"), "{behind:?}");
    let newer = advisories.with(imported(json!([]))).unwrap();
    let notes = notes(&newer, "2026-11-22T00:00:00Z");
    assert!(notes.len() == 1 && notes[0].contains("releases is 45 days old"), "{notes:?}");
}
