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
