//! Accepted risks: what `scan`, `report` and `--fail-on` make of them.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::{replay, schema};

/// A folder with a file of accepted risks, and an endpoint that is open to anyone.
struct Bed {
    folder: tempfile::TempDir,
    target: String,
}

impl Bed {
    async fn new() -> Self {
        let target = replay::serve("d1-plain-bridge-none").await.to_string();
        Self { folder: tempfile::tempdir().unwrap(), target }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs docksweep in the folder, without the settings of whoever runs the test.
    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docksweep"));
        command.current_dir(self.folder.path()).env("XDG_DATA_HOME", "/nonexistent");
        command.env("XDG_CONFIG_HOME", self.path("config")).env_remove("NO_COLOR");
        command.stdin(Stdio::null()).args(args);
        command
    }

    /// Leaves a scan that was killed once it had a checkpoint in `place`.
    fn broken_off(&self, args: &[&str]) {
        let mut child = self.command(args).spawn().unwrap();
        while !self.path("place").exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before its first checkpoint");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    let report = serde_json::from_slice(&output.stdout).unwrap();
    schema::assert_valid(&report);
    report
}

fn entry(rule: &str, expires: &str) -> String {
    format!(
        "[[suppress]]\nrule = \"{rule}\"\naddress = \"127.0.0.0/8\"\n\
         reason = \"the lab's own, ticket 12\"\nexpires = {expires}\n\n"
    )
}

/// Everything that the endpoint breaks at medium or worse.
fn all_that_matters(report: &Value, expires: &str) -> String {
    let findings = report["endpoints"][0]["findings"].as_array().unwrap();
    let serious = findings.iter().filter(|finding| {
        ["critical", "high", "medium"].contains(&finding["severity"].as_str().unwrap())
    });
    serious.map(|finding| entry(finding["rule"].as_str().unwrap(), expires)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_risk_no_longer_counts_and_is_still_reported() {
    let bed = Bed::new().await;
    let target = bed.target.as_str();
    let plain = json(&bed.run(&["scan", target, "--format", "json"]));
    let accepted = bed.write("accepted.toml", &all_that_matters(&plain, "2999-12-31"));
    let args = ["scan", target, "--suppress", &accepted, "--fail-on", "medium"];
    let with = bed.run(&[&args[..], &["--format", "json", "-o", "kept.json"]].concat());
    assert_eq!(with.status.code(), Some(0), "{}", stderr(&with));
    let with = json(&with);
    assert_eq!(with["summary"]["by_severity"]["critical"], 0);
    assert_ne!(plain["summary"]["by_severity"]["critical"], 0);
    assert_eq!(plain["endpoints"][0]["grade"], "F");
    assert_eq!(with["endpoints"][0]["grade"], "B", "of what is left");
    assert_eq!(with["endpoints"][0]["baseline"], plain["endpoints"][0]["baseline"]);
    let (before, after) = (&plain["endpoints"][0]["findings"], &with["endpoints"][0]["findings"]);
    assert_eq!(before.as_array().unwrap().len(), after.as_array().unwrap().len());
    let suppressed = &after[0]["suppressed"];
    assert_eq!(suppressed["reason"], "the lab's own, ticket 12");
    assert_eq!(suppressed["expires"], "2999-12-31");
    assert_eq!(suppressed["source"], format!("{accepted}:1"));

    // A stored report is judged by the suppressions of now, not by those of then.
    let again = json(&bed.run(&["report", "kept.json", "--format", "json"]));
    assert_eq!(again["summary"], plain["summary"]);
    let output = bed.run(&["report", "kept.json", "--suppress", &accepted, "--fail-on", "medium"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = bed.run(&["merge", "kept.json", "--suppress", &accepted, "--fail-on", "medium"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(bed.run(&["report", "kept.json", "--fail-on", "medium"]).status.code(), Some(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_counts_them_or_shows_them_with_reason_and_expiry() {
    let bed = Bed::new().await;
    let text = [
        entry("api-unauthenticated-plaintext", "2999-12-31"),
        entry("tls-version-1.0", "2999-12-31"),
    ];
    let accepted = bed.write("accepted.toml", &text.concat());
    let args = ["scan", bed.target.as_str(), "--suppress", &accepted];
    let counted = stdout(&bed.run(&args));
    assert!(counted.contains("Not shown: 1 finding, suppressed."), "{counted}");
    assert!(counted.contains("OPEN TO STRANGERS"), "an open door stays one: {counted}");
    assert!(!counted.contains("ticket 12") && !counted.contains("suppresses nothing"), "{counted}");
    let shown = stdout(&bed.run(&[&args[..], &["--show-suppressed"]].concat()));
    for part in [
        "Suppressed",
        "CRITICAL [api-unauthenticated-plaintext]",
        "until 2999-12-31: the lab's own, ticket 12",
        "accepted.toml:1)",
        "suppresses nothing in this report: tls-version-1.0",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert!(!shown.contains("Not shown"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expired_counts_again_and_is_said() {
    let bed = Bed::new().await;
    let accepted =
        bed.write("accepted.toml", &entry("api-unauthenticated-plaintext", "2024-02-29"));
    let args = ["scan", bed.target.as_str(), "--suppress", &accepted, "--fail-on", "critical"];
    let output = bed.run(&[&args[..], &["--format", "json", "-o", "kept.json"]].concat());
    assert_eq!(output.status.code(), Some(10), "{}", stderr(&output));
    let said = format!(
        "{accepted}:1: expired on 2024-02-29, so it counts again: api-unauthenticated-plaintext on"
    );
    assert!(stderr(&output).contains(&format!("warning: {said}")), "{}", stderr(&output));
    let notes = |report: &Value| {
        let notes = report["scan"]["notes"].as_array().unwrap().clone();
        notes.iter().filter(|note| note.as_str().unwrap().contains("expired on 2024")).count()
    };
    assert_eq!(notes(&json(&output)), 1);
    // Another judgement says it for itself, or not at all.
    let again = bed.run(&["report", "kept.json", "--suppress", &accepted, "--format", "json"]);
    assert_eq!(notes(&json(&again)), 1);
    assert_eq!(notes(&json(&bed.run(&["report", "kept.json", "--format", "json"]))), 0);
    let quiet = bed.run(&["scan", bed.target.as_str(), "--suppress", &accepted, "-q"]);
    assert!(!stderr(&quiet).contains("expired"), "{}", stderr(&quiet));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_accepts_too_also_when_a_scan_is_gone_on_with() {
    let bed = Bed::new().await;
    let text = entry("api-unauthenticated-plaintext", "2999-12-31");
    let config = bed.write("ours.toml", &format!("[scan]\nretries = 0\n{text}"));
    let (target, config) = (bed.target.as_str(), config.as_str());
    let output = bed.run(&["scan", target, "--config", config, "-q", "--fail-on", "critical"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = bed.run(&[
        "scan",
        target,
        "--config",
        config,
        "-q",
        "--no-config",
        "--fail-on",
        "critical",
    ]);
    assert_eq!(output.status.code(), Some(10), "{}", stderr(&output));

    let begin = ["--config", config, "scan", target, "127.90.0.0/20", "--checkpoint", "place"];
    bed.broken_off(&[&begin[..], &["--rate", "200", "-q"]].concat());
    let resumed = ["scan", "--resume", "place", "--fail-on", "critical"];
    let output = bed.run(&[&resumed[..], &["--rate", "max", "--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let finding = &json(&output)["endpoints"][0]["findings"][0];
    assert_eq!(finding["rule"], "api-unauthenticated-plaintext");
    assert_eq!(finding["suppressed"]["reason"], "the lab's own, ticket 12");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_one_line_with_their_place_before_anything_is_sent() {
    let bed = Bed::new().await;
    for (text, expected) in [
        ("[[suppress]]\nruel = 1\n", ":2:1: unknown key 'ruel'\nhint: did you mean 'rule'?"),
        ("[scan]\n", ":1:2: unknown key 'scan'"),
        (
            "[[suppress]]\nrule = \"cert-expird\"\n",
            "'cert-expird'\nhint: did you mean 'cert-expired'?",
        ),
    ] {
        let path = bed.write("wrong.toml", text);
        for args in [vec!["scan", &bed.target], vec!["report", "missing.json"]] {
            let output = bed.run(&[&args[..], &["--suppress", &path]].concat());
            assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
            assert!(stderr(&output).starts_with(&format!("error: {path}:")), "{}", stderr(&output));
            assert!(stderr(&output).contains(expected), "{}", stderr(&output));
            assert!(output.stdout.is_empty());
        }
    }
    let output = bed.run(&["scan", &bed.target, "--suppress", "/nonexistent/accepted.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("/nonexistent/accepted.toml"), "{}", stderr(&output));
}
