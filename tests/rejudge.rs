//! `docksweep report`: a stored report is judged again without the network.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::replay;

fn docksweep(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_docksweep"))
        .env("XDG_DATA_HOME", "/nonexistent")
        .args(args)
        .output()
        .unwrap()
}

async fn stored(folder: &std::path::Path) -> String {
    let targets =
        [replay::serve("d1-plain-bridge-none").await, replay::serve("podman-4.3.1").await];
    let path = folder.join("stored.json").to_str().unwrap().to_owned();
    let targets = targets.map(|address| address.to_string());
    let output = docksweep(&["scan", &targets[0], &targets[1], "-q", "-o", &path]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    path
}

/// Without what two judgements of the same facts may differ in.
fn verdicts(report: &Value) -> Value {
    let mut report = report.clone();
    for endpoint in report["endpoints"].as_array_mut().unwrap() {
        endpoint["judged_at"] = Value::Null;
    }
    json!([report["summary"], report["endpoints"]])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_facts_come_to_the_same_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    let path = stored(folder.path()).await;
    let before: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let again = folder.path().join("again.json").to_str().unwrap().to_owned();
    let output = docksweep(&["report", &path, "-o", &again, "--fail-on", "critical"]);
    assert_eq!(output.status.code(), Some(10), "{}", String::from_utf8_lossy(&output.stderr));
    let after: Value = serde_json::from_slice(&std::fs::read(&again).unwrap()).unwrap();
    crate::schema::assert_valid(&after);
    assert_eq!(verdicts(&before), verdicts(&after));
    assert!(after["scan"]["notes"][0].as_str().unwrap().starts_with("judged again by docksweep"));

    let text = docksweep(&["report", &path]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("2 endpoints are OPEN TO STRANGERS"), "{text}");
    let lines = docksweep(&["report", &path, "--format", "jsonl"]);
    assert_eq!(String::from_utf8(lines.stdout).unwrap().lines().count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_concluded_then_is_concluded_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = stored(folder.path()).await;
    let mut report: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for endpoint in report["endpoints"].as_array_mut().unwrap() {
        endpoint["findings"] = json!([]);
        endpoint["api"]["access"] = json!("denied");
    }
    // Keys in any order, as other tools write them.
    let report = json!({"endpoints": report["endpoints"], "scan": report["scan"], "schema": report["schema"]});
    std::fs::write(&path, report.to_string()).unwrap();
    let output = docksweep(&["report", &path, "--format", "json"]);
    let after: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        after["summary"]["by_access"]["open"],
        2,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn what_is_no_report_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json").to_str().unwrap().to_owned();
    for (content, expected) in [
        ("", "EOF"),
        ("[]", "a docksweep report"),
        ("{}", "no schema"),
        (r#"{"schema":"docksweep/report/v2"}"#, "'docksweep/report/v2'"),
        (r#"{"schema":"docksweep/report/v1","endpoints":[]}"#, "scan"),
        ("{\"schema\":\"docksweep/report/v1\",\"scan\":3}", "line 1"),
    ] {
        std::fs::write(&path, content).unwrap();
        let output = docksweep(&["report", &path]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{content}: {text}");
        assert!(text.starts_with("error: ") && text.contains(expected), "{content}: {text}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(docksweep(&["report", "/nonexistent.json"]).status.code(), Some(1));
}
