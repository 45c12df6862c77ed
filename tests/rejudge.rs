//! `docksweep report`: a stored report is judged again without the network.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::{replay, weak_keys};

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

/// A prime is shared with a key that only an earlier run saw; looking changes nothing.
#[test]
fn keys_of_earlier_runs_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (before, after, database) = (path("1.json"), path("2.json"), path("nights.db"));
    weak_keys::store(before.as_ref(), None, 1, &["weak-shared-prime-1"]);
    weak_keys::store(after.as_ref(), None, 11, &["weak-shared-prime-2"]);
    let output = docksweep(&["report", &after, "--history", &database]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("nights.db: No such file"), "{text}");
    let output = docksweep(&["history", "import", &before, "--history", &database]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let kept = std::fs::read(&database).unwrap();
    let output = docksweep(&["report", &after, "--format", "json", "--history", &database]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [shared] = found["fleet_findings"].as_array().unwrap().as_slice() else {
        panic!("{}", found["fleet_findings"])
    };
    assert_eq!(shared["rule"], "key-shared-prime");
    assert_eq!(shared["endpoints"], json!(["tcp/127.31.0.11:2376"]));
    let evidence = shared["evidence"].as_str().unwrap();
    assert!(evidence.contains("tcp/127.31.0.1:2376"), "{evidence}");
    assert!(std::fs::read(&database).unwrap() == kept, "the history was changed");
    let alone = docksweep(&["report", &after, "--format", "json"]);
    let alone: Value = serde_json::from_slice(&alone.stdout).unwrap();
    assert_eq!(alone["fleet_findings"], json!([]));
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
