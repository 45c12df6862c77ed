//! `scan --shard` and `docksweep merge`: parts of a scan come to the whole.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};

use crate::{replay, schema, weak_keys};

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

/// A report as another night would have written it, without the endpoint of this id.
fn night(part: &str, number: u8, without: Option<&str>) -> String {
    let mut report = report(part);
    let id = format!("{}-{number}", report["scan"]["id"].as_str().unwrap());
    report["scan"]["id"] = json!(id);
    for at in ["started_at", "finished_at"] {
        report["scan"][at] = json!(format!("2126-01-0{number}T00:00:00Z"));
    }
    let kept = |endpoint: &&Value| without.is_none_or(|id| endpoint["id"] != id);
    report["endpoints"] =
        report["endpoints"].as_array().unwrap().iter().filter(kept).cloned().collect();
    let path = part.replace(".json", &format!("-{number}.json"));
    std::fs::write(&path, report.to_string()).unwrap();
    path
}

/// Shards are scanned by many without a history, and merged by one who keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn the_joined_runs_are_kept_and_compared() {
    let shards = Shards::scan().await;
    let database = path(shards.folder.path(), "nights.db");
    let listed = || -> Vec<(i64, bool)> {
        let output = docksweep(&["history", "--format", "json", "--history", &database]);
        let runs: Value = serde_json::from_slice(&output.stdout).unwrap();
        let runs = runs["runs"].as_array().unwrap().iter();
        runs.map(|it| (it["number"].as_i64().unwrap(), it["complete"] == true)).collect()
    };
    let keep = |parts: &[String], code: i32| -> (Value, String) {
        let all = path(shards.folder.path(), "all.json");
        let mut args = vec!["merge", "-o", &all, "--history", &database];
        args.extend(parts.iter().map(String::as_str));
        let output = docksweep(&args);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        (report(&all), text)
    };
    let of = |number, without: Option<&str>| -> Vec<String> {
        shards.parts.iter().map(|part| night(part, number, without)).collect()
    };
    let empty = shards.parts.iter().position(|part| ids(&report(part)).is_empty()).unwrap();

    // A shard is missing, and comes: one run, and no more of it from the same files.
    let first = of(1, None);
    let mut missing = first.clone();
    missing.remove(empty.max(1));
    keep(&missing, 11);
    assert_eq!(listed(), [(1, false)]);
    let (whole, _) = keep(&first, 0);
    assert_eq!((listed(), &whole["changes"]), (vec![(1, true)], &Value::Null));
    let (_, text) = keep(&first.iter().rev().cloned().collect::<Vec<_>>(), 0);
    assert!(text.contains("run 1 is this scan, and stays as it is"), "{text}");
    assert_eq!(listed(), [(1, true)]);

    // An endpoint is not there the next night, and nobody says why: it is neither fixed nor gone, nor
    // forgotten.
    let away = ids(&whole).remove(0);
    let (second, _) = keep(&of(3, Some(&away)), 0);
    let changes = |report: &Value| {
        ["new", "fixed", "changed", "gone", "not_reached"].map(|it| report["changes"][it].clone())
    };
    assert_eq!(changes(&second), [0, 0, 0, 0, 1].map(|it| json!(it)), "{}", second["changes"]);
    let (third, _) = keep(&of(4, None), 0);
    assert_eq!(changes(&third), [0, 0, 0, 0, 0].map(|it| json!(it)), "{}", third["changes"]);

    // What comes late takes its place in time: the newest run stays the newest.
    let (late, _) = keep(&of(2, None), 0);
    assert_eq!(late["changes"]["since"], whole["scan"]["id"]);
    let output = docksweep(&["diff", "--format", "json", "--history", &database]);
    let difference: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(difference["before"]["id"], second["scan"]["id"]);
    assert_eq!(difference["after"]["id"], third["scan"]["id"]);
    assert_eq!(listed(), [1, 4, 2, 3].map(|number| (number, true)));
}

/// The report is written also where the history is not, and the exit code says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_joined_run_that_cannot_be_kept_is_still_reported() {
    let shards = Shards::scan().await;
    let (all, notes) =
        (path(shards.folder.path(), "all.json"), path(shards.folder.path(), "notes"));
    std::fs::write(&notes, "my notes").unwrap();
    let part = shards.parts[0].as_str();
    let output = docksweep(&["merge", part, "-o", &all, "--history", &notes]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("notes is no history"), "{text}");
    assert!(!Path::new(&all).exists(), "it is known before anything is done");
    assert_eq!(std::fs::read(&notes).unwrap(), b"my notes");

    // Endpoints out of order in the history's own run, as only another program could leave them.
    let database = path(shards.folder.path(), "nights.db");
    let whole: Vec<String> = shards.parts.iter().map(|part| night(part, 1, None)).collect();
    let keep = |parts: &[String]| {
        let mut args = vec!["merge", "-o", &all, "--history", &database];
        args.extend(parts.iter().map(String::as_str));
        docksweep(&args)
    };
    assert!(keep(&whole).status.success());
    let spoil = "UPDATE endpoint SET place = CASE id WHEN 1 THEN x'05' ELSE x'04' END";
    let shell = Command::new("sqlite3").args([&database, spoil]).output();
    if !shell.is_ok_and(|output| output.status.success()) {
        crate::skip::said("a history that cannot be read to its end: sqlite3 is not installed");
        return;
    }
    std::fs::remove_file(&all).unwrap();
    let later: Vec<String> = shards.parts.iter().map(|part| night(part, 2, None)).collect();
    let output = keep(&later);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let line = "error: the run is not in the history: ";
    assert!(text.starts_with(line) && text.contains("nights.db: its endpoints are not"), "{text}");
    let written = report(&all);
    assert_eq!((ids(&written).len(), &written["changes"]), (2, &Value::Null));
    let runs = docksweep(&["history", "--format", "json", "--history", &database]);
    let runs: Value = serde_json::from_slice(&runs.stdout).unwrap();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1);
}

/// Of two lists that are as long and have one name, only what is in them tells.
#[test]
fn shards_of_other_addresses_in_the_same_words_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (list, hosts) = (folder.path().join("hosts.txt"), path(folder.path(), "hosts.txt"));
    let scan = |addresses: &str, part: &str| {
        std::fs::write(&list, addresses).unwrap();
        let (part, number) = (path(folder.path(), part), &part[..1]);
        let shard = format!("{number}/2");
        let args = ["scan", "-q", "-i", &hosts, "--seed", "7", "--shard", &shard, "-o", &part];
        let output = docksweep(&args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        part
    };
    let one = scan("127.63.70.0/28\n", "1.json");
    let other = scan("127.63.71.0/28\n", "2-other.json");
    let two = scan("127.63.70.0-127.63.70.7 127.63.70.8/29 # the same\n", "2.json");
    let output = docksweep(&["merge", &one, &other]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("differ in their targets"), "{text}");

    let all = path(folder.path(), "all.json");
    let output = docksweep(&["merge", &one, &two, "-o", &all]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let (merged, one) = (report(&all), report(&one));
    assert_eq!(merged["scan"]["addresses"], 16);
    assert_eq!(merged["scan"]["counts"]["answered"], 32);
    assert_eq!(merged["scan"]["targets_digest"], one["scan"]["targets_digest"]);

    // Reports of a version that had no digest are told by their words, as before.
    let mut older = report(&other);
    older["scan"].as_object_mut().unwrap().remove("targets_digest");
    for count in ["answered", "duplicates"] {
        older["scan"]["counts"].as_object_mut().unwrap().remove(count);
    }
    std::fs::write(&other, older.to_string()).unwrap();
    let output = docksweep(&["merge", &path(folder.path(), "1.json"), &other, "-o", &all]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let merged = report(&all);
    assert_eq!(merged["scan"]["counts"]["answered"], 32);
    assert_eq!(merged["scan"]["counts"]["duplicates"], Value::Null);
}

#[test]
fn a_prime_that_two_shards_share_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let parts = [
        (["weak-shared-prime-1", "rsa-2048-sha256"], "1/2", 1),
        (["ed25519", "weak-shared-prime-2"], "2/2", 11),
    ];
    let parts = parts.map(|(certificates, shard, first)| {
        let part = folder.path().join(format!("{first}.json"));
        weak_keys::store(&part, Some(shard), first, &certificates);
        let alone = docksweep(&["report", part.to_str().unwrap(), "--format", "json"]);
        let alone: Value = serde_json::from_slice(&alone.stdout).unwrap();
        assert_eq!(alone["fleet_findings"], json!([]));
        part.to_str().unwrap().to_owned()
    });
    let all = path(folder.path(), "all.json");
    let output = docksweep(&["merge", &parts[1], &parts[0], "-o", &all]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        spanning(&report(&all)),
        [("key-shared-prime".to_owned(), json!(["tcp/127.31.0.1:2376", "tcp/127.31.0.12:2376"]))]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_two_shards_saw_is_found() {
    let made = rcgen::generate_simple_self_signed(["docker.lan".to_owned()]).unwrap();
    let mut servers = Vec::new();
    for address in ["127.63.72.1:0", "127.63.72.2:0"] {
        servers.push(serve_tls(address, &made).await.to_string());
    }
    let folder = tempfile::tempdir().unwrap();
    // Of two probes each shard has one.
    let parts = ["1/2", "2/2"].map(|shard| {
        let part = path(folder.path(), &format!("{}.json", &shard[..1]));
        let args =
            ["scan", &servers[0], &servers[1], "-q", "--seed", "7", "--shard", shard, "-o", &part];
        let output = docksweep(&args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let alone = report(&part);
        assert_eq!(ids(&alone).len(), 1);
        assert_eq!(alone["fleet_findings"], json!([]));
        part
    });
    let all = path(folder.path(), "all.json");
    let output = docksweep(&["merge", &parts[0], &parts[1], "-o", &all]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let both: Vec<String> = servers.iter().map(|address| format!("tcp/{address}")).collect();
    assert_eq!(spanning(&report(&all)), [("key-reused".to_owned(), json!(both))]);
}

/// The rules of the findings that span endpoints, each with its endpoints.
fn spanning(report: &Value) -> Vec<(String, Value)> {
    let found = report["fleet_findings"].as_array().unwrap().iter();
    found.map(|one| (one["rule"].as_str().unwrap().to_owned(), one["endpoints"].clone())).collect()
}

/// Shakes hands and says nothing.
async fn serve_tls(address: &str, made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> SocketAddr {
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { acceptor.accept(stream).await.map(drop) });
        }
    });
    address
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
