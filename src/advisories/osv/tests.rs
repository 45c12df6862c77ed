use serde_json::json;

use super::*;
use crate::advisories::Advisories;

fn releases() -> Releases {
    Advisories::embedded().unwrap().releases().clone()
}

fn record(value: Value) -> Record {
    serde_json::from_value(value).unwrap()
}

fn runc(events: Value) -> Record {
    record(json!({"id": "X", "modified": "2026-01-01T00:00:00Z", "affected": [{
        "package": {"ecosystem": "Go", "name": "github.com/opencontainers/runc"},
        "ranges": [{"type": "SEMVER", "events": events}]}]}))
}

fn affects(record: &Record, component: Component, text: &str) -> bool {
    let advisory = record.advisory(&releases()).unwrap();
    advisory.hit(component, &EngineVersion::parse(text).unwrap()).is_some()
}

#[test]
fn events_stand_in_any_order() {
    let record = runc(json!([
        {"fixed": "1.3.3"}, {"introduced": "1.3.0-rc.1"}, {"fixed": "1.2.8"}, {"introduced": "0"}
    ]));
    for (text, affected) in
        [("1.2.7", true), ("1.2.8", false), ("1.2.9", false), ("1.3.2", true), ("1.3.3", false)]
    {
        assert_eq!(affects(&record, Component::Runc, text), affected, "{text}");
    }
}

#[test]
fn the_last_affected_version_is_affected() {
    let record = runc(json!([{"introduced": "1.0.0"}, {"last_affected": "1.2.0"}]));
    for (text, affected) in [("0.9.0", false), ("1.2.0", true), ("1.2.1", false)] {
        assert_eq!(affects(&record, Component::Runc, text), affected, "{text}");
    }
}

#[test]
fn ranges_without_sense_are_errors_and_not_half_read() {
    let bad = runc(json!([{"introduced": "0"}, {"fixed": "soon"}]));
    let error = bad.advisory(&releases()).unwrap_err();
    assert_eq!(error.to_string(), "X: 'soon' is no version");
    let error = runc(json!([])).advisory(&releases()).unwrap_err();
    assert_eq!(error.to_string(), "X: a range of github.com/opencontainers/runc has no event");
}

#[test]
fn commits_are_no_versions_and_custom_ranges_go_first() {
    let record = record(json!({"id": "X", "modified": "2026-01-01T00:00:00Z", "affected": [{
        "package": {"ecosystem": "Go", "name": "github.com/docker/docker"},
        "ranges": [
            {"type": "GIT", "repo": "https://example.org", "events": [{"introduced": "abcdef"}]},
            {"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "20.10.0-beta1"}]}],
        "ecosystem_specific": {"custom_ranges": [
            {"type": "ECOSYSTEM", "events": [{"introduced": "19.03.0"}, {"fixed": "19.03.1"}]}]}}]}));
    assert!(affects(&record, Component::Engine, "19.03.0"));
    assert!(!affects(&record, Component::Engine, "18.09.9"));
}

#[test]
fn other_databases_shapes_are_no_errors() {
    let record = record(json!({"schema_version": "1.3.1", "id": "GHSA-1", "aliases": ["CVE-1"],
        "modified": "2026-01-01T00:00:00.123456Z", "published": "2025-01-01T00:00:00Z",
        "details": "long", "references": [{"type": "WEB", "url": "https://example.org"}],
        "database_specific": {"severity": "MODERATE", "cwe_ids": ["CWE-1"], "score": "text"},
        "affected": [
            {"package": {"ecosystem": "Go", "name": "github.com/opencontainers/runc", "purl": "x"},
             "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
             "database_specific": {"source": "https://example.org", "last_known": 1},
             "ecosystem_specific": ["a", "list"]},
            {"package": {"ecosystem": "npm", "name": "runc"}},
            {"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}]}));
    let advisory = record.advisory(&releases()).unwrap();
    assert_eq!(advisory.id, "CVE-1");
    assert_eq!(advisory.rating, None, "a score that is no number leaves the whole object unread");
    assert!(affects(&record, Component::Runc, "1.0.0"));
}

#[test]
fn the_level_in_words_serves_where_no_score_is() {
    let rating = |value: Value| record(value).advisory(&releases()).unwrap().rating;
    let base = |severity: Value, specific: Value| {
        json!({"id": "X", "modified": "2026-01-01T00:00:00Z", "severity": severity,
            "database_specific": specific})
    };
    let v4 = json!([{"type": "CVSS_V4", "score": "CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H"}]);
    let found = rating(base(v4, json!({"severity": "HIGH", "cwe_ids": []}))).unwrap();
    assert_eq!((found.level, found.tenths), (Severity::High, None));
    let v3 = json!([{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:C/C:H/I:H/A:H"}]);
    assert_eq!(rating(base(v3, json!({}))), Some(Rating::scored(86)));
    assert_eq!(rating(base(json!([]), json!({"score": 11.0}))), None);
    assert_eq!(rating(base(json!([]), json!({"severity": "dreadful"}))), None);
}

#[test]
fn packages_in_cri_alone_need_kubernetes() {
    let with = |paths: &[&str]| {
        let imports: Vec<Value> = paths.iter().map(|path| json!({"path": path})).collect();
        record(json!({"id": "X", "modified": "2026-01-01T00:00:00Z", "affected": [{
            "package": {"ecosystem": "Go", "name": "github.com/containerd/containerd"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
            "ecosystem_specific": {"imports": imports}}]}))
    };
    let cri = "github.com/containerd/containerd/pkg/cri/server";
    let other = "github.com/containerd/containerd/archive";
    assert!(!affects(&with(&[cri]), Component::Containerd, "1.6.0"));
    assert!(affects(&with(&[cri, other]), Component::Containerd, "1.6.0"));
    assert!(affects(&with(&[]), Component::Containerd, "1.6.0"));
}

#[test]
fn embedded_scores_are_those_of_their_vectors() {
    let file: crate::advisories::AdvisoriesFile =
        serde_json::from_str(include_str!("../../../data/advisories.json")).unwrap();
    let mut compared = 0;
    for record in &file.advisories {
        for severity in &record.severity {
            let tenths = cvss::base_score(&severity.score).unwrap();
            let written = (record.database_specific.score.unwrap() * 10.0).round() as u8;
            assert_eq!(tenths, written, "{}", record.id);
            compared += 1;
        }
    }
    assert!(compared >= 5, "{compared}");
}
