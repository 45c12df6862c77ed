//! `scan --shard` and `docksweep merge`: parts of a scan come to the whole.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::{replay, schema};

fn docksweep(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_docksweep"))
        .env("XDG_DATA_HOME", "/nonexistent")
        .args(args)
        .output()
        .unwrap()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

fn report(path: &str) -> Value {
    let report = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    schema::assert_valid(&report);
    report
}

fn ids(report: &Value) -> Vec<String> {
    let endpoints = report["endpoints"].as_array().unwrap();
    endpoints.iter().map(|endpoint| endpoint["id"].as_str().unwrap().to_owned()).collect()
}

/// Two servers among 64 addresses, in four shards.
struct Shards {
    folder: tempfile::TempDir,
    parts: Vec<String>,
    targets: Vec<String>,
}

impl Shards {
    async fn scan() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let servers =
            [replay::serve("d1-plain-bridge-none").await, replay::serve("podman-4.3.1").await];
        let mut targets: Vec<String> = servers.iter().map(ToString::to_string).collect();
        targets.push("127.36.0.0/26".to_owned());
        let parts = (1..=4)
            .map(|number| {
                let part = path(folder.path(), &format!("{number}.json"));
                let shard = format!("{number}/4");
                let mut args = vec!["scan", "-q", "-o", &part, "--seed", "7", "--shard", &shard];
                args.extend(targets.iter().map(String::as_str));
                let output = docksweep(&args);
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                part
            })
            .collect();
        Self { folder, parts, targets }
    }

    fn merge(&self, parts: &[&str]) -> (Value, Output) {
        let all = path(self.folder.path(), "all.json");
        let output = docksweep(&[&["merge", "-o", &all], parts].concat());
        (report(&all), output)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shards_come_to_the_whole() {
    let shards = Shards::scan().await;
    let whole = path(shards.folder.path(), "whole.json");
    let mut args = vec!["scan", "-q", "-o", &whole, "--seed", "7"];
    args.extend(shards.targets.iter().map(String::as_str));
    assert!(docksweep(&args).status.success());
    let whole = report(&whole);

    let first = report(&shards.parts[0]);
    assert_eq!((&first["scan"]["seed"], &first["scan"]["shard"]), (&json!(7), &json!("1/4")));
    let parts: Vec<&str> = shards.parts.iter().rev().map(String::as_str).collect();
    let (merged, output) = shards.merge(&parts);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(ids(&merged), ids(&whole));
    assert_eq!(ids(&whole).len(), 2);
    for same in ["counts", "addresses", "targets", "ports", "seed", "complete", "shard"] {
        assert_eq!(merged["scan"][same], whole["scan"][same], "{same}");
    }
    assert_eq!(merged["summary"], whole["summary"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_and_repeated_shards_are_said() {
    let shards = Shards::scan().await;
    let [one, two, _, four] = [0, 1, 2, 3].map(|at: usize| shards.parts[at].as_str());
    let (merged, output) = shards.merge(&[four, two, one, two]);
    assert_eq!(output.status.code(), Some(11), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(merged["scan"]["complete"], false);
    assert_eq!(merged["scan"]["incomplete_reason"], "shard 3 of 4 is missing");
    let mut found: Vec<String> =
        [one, two, four].iter().flat_map(|part| ids(&report(part))).collect();
    found.sort();
    let mut merged = ids(&merged);
    merged.sort();
    assert_eq!(merged, found);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_later_observation_of_an_endpoint_wins() {
    let shards = Shards::scan().await;
    let part = shards.parts.iter().find(|part| !ids(&report(part)).is_empty()).unwrap();
    let mut later = report(part);
    later["endpoints"][0]["observation"]["observed_at"] = json!("2126-01-01T00:00:00Z");
    let other = path(shards.folder.path(), "later.json");
    std::fs::write(&other, later.to_string()).unwrap();
    for files in [[part, &other], [&other, part]] {
        let (merged, _) = shards.merge(&files.map(String::as_str));
        assert_eq!(ids(&merged), ids(&later));
        let seen = &merged["endpoints"][0]["observation"]["observed_at"];
        assert_eq!(seen, "2126-01-01T00:00:00Z");
        let notes = merged["scan"]["notes"].to_string();
        assert!(notes.contains("gave way to a later one"), "{notes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_belong_together_is_refused_in_one_line() {
    let shards = Shards::scan().await;
    let mut other = report(&shards.parts[1]);
    other["scan"]["seed"] = json!(8);
    let seed = path(shards.folder.path(), "seed.json");
    std::fs::write(&seed, other.to_string()).unwrap();
    other["schema"] = json!("docksweep/report/v9");
    let schema = path(shards.folder.path(), "schema.json");
    std::fs::write(&schema, other.to_string()).unwrap();
    for (file, expected, code) in [(&seed, "differ in their seed", 2), (&schema, "report/v9", 1)] {
        let output = docksweep(&["merge", &shards.parts[0], file]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.lines().next().unwrap().contains(expected), "{text}");
    }
}

#[test]
fn a_shard_needs_a_seed_and_a_place() {
    for (args, expected) in [
        (&["--shard", "1/2"][..], "--seed"),
        (&["--seed", "1", "--shard", "3/2"], "not a shard such as 3/16"),
    ] {
        let output = docksweep(&[&["scan", "127.36.0.1"], args].concat());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(expected), "{text}");
    }
}
