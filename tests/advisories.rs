//! `docksweep advisories` and what a scan makes of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use docksweep::advisories::Advisories;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{replay, schema};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixture(name: &str) -> PathBuf {
    root().join("testdata/osv").join(name)
}

/// A user without a past: nothing was imported yet.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self) -> PathBuf {
        self.path().join("docksweep/advisories.json")
    }

    fn run<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        Command::new(env!("CARGO_BIN_EXE_docksweep"))
            .env("XDG_DATA_HOME", self.path())
            .stdin(Stdio::null())
            .args(args)
            .output()
            .unwrap()
    }

    fn import(&self, sources: &[&str]) -> Output {
        let sources = sources.iter().map(|source| fixture(source).into_os_string());
        self.run(["advisories".into(), "import".into()].into_iter().chain(sources))
    }

    fn scan(&self, address: SocketAddr, more: &[&str]) -> (Value, Output) {
        let address = address.to_string();
        let output = self.run(["scan", &address, "--format", "json"].iter().chain(more).copied());
        assert!(output.status.success(), "{}", stderr(&output));
        let report = serde_json::from_slice(&output.stdout).unwrap();
        schema::assert_valid(&report);
        (report, output)
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn finding<'a>(report: &'a Value, rule: &str, subject: &Value) -> Option<&'a Value> {
    let findings = report["endpoints"][0]["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["rule"] == rule && finding["subject"] == *subject)
}

#[test]
fn the_data_is_what_the_script_makes_of_its_sources() {
    let script = root().join("scripts/make-advisories");
    let Ok(output) = Command::new("python3").arg(script).arg("--check").output() else {
        crate::skip::said("data/*.json against its sources: no python3");
        return;
    };
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn what_is_known_is_shown() {
    let home = Home::new();
    let output = home.run(["advisories"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let date = Advisories::embedded().unwrap().date();
    for part in
        [&format!("Advisories of {date}, "), "docker ", "containerd", "runc", "From docksweep"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("imported"), "{text}");
    assert!(home.import(&["records/runc.json"]).status.success());
    let text = stdout(&home.run(["advisories"]));
    assert!(
        text.contains("with 1 imported") && text.contains("docksweep/advisories.json"),
        "{text}"
    );
}

#[test]
fn an_import_names_what_is_broken_and_keeps_the_rest() {
    let home = Home::new();
    let output = home.import(&["records", "database.zip", "bomb.zip"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("5 about Docker hosts, 5 of them not known before"), "{text}");
    assert!(text.contains("Advisories stay of"), "{text}");
    let warnings = stderr(&output);
    for part in [
        "cut-off.json:5: ",
        "no-version.json: GO-2099-0005: 'tomorrow' is no version",
        "database.zip!ID/GO-2099-0104.json:1: ",
        "bomb.zip!ID/bomb.json: larger than 4194304 bytes",
    ] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
    assert_eq!(warnings.matches("warning: ").count(), 4, "{warnings}");
    let file: Value = serde_json::from_slice(&std::fs::read(home.file()).unwrap()).unwrap();
    assert_eq!(file["advisories"].as_array().unwrap().len(), 5);
    let names: Vec<_> = std::fs::read_dir(home.file().parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1, "no temporary file stays: {names:?}");
}

#[test]
fn an_import_that_brings_nothing_fails_and_writes_nothing() {
    for sources in [&["records/elsewhere.json"][..], &["records/cut-off.json"], &["damaged"]] {
        let home = Home::new();
        let output = home.import(sources);
        assert_eq!(output.status.code(), Some(1), "{sources:?}");
        assert!(stderr(&output).contains("error: "), "{}", stderr(&output));
        assert!(!home.file().exists(), "{sources:?}");
    }
    assert_eq!(Home::new().run(["advisories", "import"]).status.code(), Some(2));
}

#[test]
fn what_is_nested_without_end_is_refused_in_one_line() {
    let home = Home::new();
    let deep = home.path().join("deep.json");
    std::fs::write(&deep, "[".repeat(1 << 20)).unwrap();
    let output = home.run(["advisories", "import", deep.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("deep.json:1: recursion limit exceeded"),
        "{}",
        stderr(&output)
    );
    let output = home.run(["advisories", "--advisories", deep.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
}

#[test]
fn a_file_that_is_not_ours_is_not_overwritten() {
    let home = Home::new();
    let other = home.path().join("other.json");
    std::fs::write(&other, "{\"precious\": true}").unwrap();
    let source = fixture("records/runc.json");
    let args = ["advisories", "import", source.to_str().unwrap(), "-o", other.to_str().unwrap()];
    let output = home.run(args);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "{\"precious\": true}");
}

#[test]
fn a_whole_database_dates_the_data() {
    let home = Home::new();
    let records = home.path().join("records");
    std::fs::create_dir(&records).unwrap();
    let data: Value =
        serde_json::from_slice(&std::fs::read(root().join("data/advisories.json")).unwrap())
            .unwrap();
    let today = docksweep::advisories::day(Timestamp::now());
    for record in data["advisories"].as_array().unwrap() {
        let mut record = record.clone();
        record["modified"] = format!("{today}T00:00:00Z").into();
        let name = format!("{}.json", record["id"].as_str().unwrap());
        std::fs::write(records.join(name), record.to_string()).unwrap();
    }
    let output = home.run(["advisories", "import", records.to_str().unwrap()]);
    let text = stdout(&output);
    assert!(text.contains(&format!("Advisories are now of {today}")), "{text} {}", stderr(&output));
    assert!(text.contains(", 0 of them not known before"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_judges_versions_and_dates_its_data() {
    let home = Home::new();
    let (report, output) = home.scan(replay::serve("d1-plain-bridge-none").await, &[]);
    let embedded = Advisories::embedded().unwrap();
    assert_eq!(report["tool"]["data_date"], embedded.date().to_string());
    let expected = embedded.notes(Timestamp::now());
    assert_eq!(report["scan"]["notes"], json!(expected));
    for note in expected {
        assert!(stderr(&output).contains(&format!("warning: {note}")), "{}", stderr(&output));
    }
    let end = finding(&report, "engine-end-of-life", &Value::Null).unwrap();
    assert_eq!(end["severity"], "medium", "a distribution's build");
    assert!(end["evidence"].as_str().unwrap().contains("20.10 ended on 2023-12-10"));
    for (subject, severity, flaw) in [
        ("docker", "high", "CVE-2024-41110"),
        ("containerd", "low", "CVE-2024-40635"),
        ("runc", "medium", "CVE-2024-21626"),
    ] {
        let advisory = finding(&report, "engine-advisory", &subject.into()).unwrap();
        let evidence = advisory["evidence"].as_str().unwrap();
        assert!(evidence.contains(flaw) && evidence.contains("possibly affected"), "{evidence}");
        assert_eq!(advisory["severity"], severity, "{evidence}");
    }
    assert_eq!(report["endpoints"][0]["baseline"]["up_to_date"]["status"], "fail");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_report_is_judged_by_the_file_that_is_named() {
    let home = Home::new();
    let address = replay::serve("d28-plain-28.5.2").await;
    let (report, _) = home.scan(address, &[]);
    let stored = home.path().join("stored.json");
    std::fs::write(&stored, report.to_string()).unwrap();
    let file = home.path().join("team.json");
    let (source, file) = (fixture("records/runc.json"), file.to_str().unwrap());
    let imported = home.run(["advisories", "import", source.to_str().unwrap(), "--output", file]);
    assert!(imported.status.success(), "{}", stderr(&imported));
    // A made-up day, to see that the report names it.
    let mut data: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    data["date"] = "2026-10-21".into();
    std::fs::write(file, data.to_string()).unwrap();
    let stored = stored.to_str().unwrap();
    let judge = |more: &[&str]| -> Value {
        let output = home.run(["report", stored, "--format", "json"].iter().chain(more).copied());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let flaw = "CVE-2099-0001";
    assert!(!judge(&[])["endpoints"].to_string().contains(flaw));
    let after = judge(&["--advisories", file]);
    schema::assert_valid(&after);
    assert_eq!(after["tool"]["data_date"], "2026-10-21");
    assert!(after["endpoints"].to_string().contains(flaw));
    let output = home.run(["report", stored, "--advisories", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_is_never_matched() {
    let home = Home::new();
    for name in ["podman-3.0.1", "podman-4.3.1", "podman-5.4.2"] {
        let (report, _) = home.scan(replay::serve(name).await, &[]);
        let endpoint = &report["endpoints"][0];
        for rule in ["engine-end-of-life", "engine-outdated", "engine-advisory"] {
            let rule = format!("\"{rule}\"");
            for list in ["findings", "rules_passed", "rules_undetermined"] {
                assert!(!endpoint[list].to_string().contains(&rule), "{name}: {}", endpoint[list]);
            }
        }
        assert_eq!(endpoint["baseline"]["up_to_date"]["status"], "not-applicable", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_advisories_judge_by_default_and_by_name() {
    let home = Home::new();
    let address = replay::serve("d28-plain-28.5.2").await;
    let flaw = |report: &Value| {
        finding(report, "engine-advisory", &"runc".into())
            .is_some_and(|found| found["evidence"].as_str().unwrap().contains("CVE-2099-0001 (8.6"))
    };
    assert!(!flaw(&home.scan(address, &[]).0));
    assert!(home.import(&["records/runc.json"]).status.success());
    assert!(flaw(&home.scan(address, &[]).0));
    let stranger = Home::new();
    assert!(!flaw(&stranger.scan(address, &[]).0));
    let file = home.file();
    assert!(flaw(&stranger.scan(address, &["--advisories", file.to_str().unwrap()]).0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_before_the_data_is_said() {
    let home = Home::new();
    let file = home.path().join("future.json");
    std::fs::write(&file, json!({"date": "2999-01-01", "advisories": []}).to_string()).unwrap();
    let address = replay::serve("d28-plain-28.5.2").await;
    let (report, output) = home.scan(address, &["--advisories", file.to_str().unwrap()]);
    assert_eq!(report["tool"]["data_date"], "2999-01-01");
    let note = report["scan"]["notes"][0].as_str().unwrap();
    assert!(note.contains("before the advisory data of 2999-01-01"), "{note}");
    assert!(stderr(&output).contains(note));
    let (_, quiet) = home.scan(address, &["--advisories", file.to_str().unwrap(), "-q"]);
    assert_eq!(stderr(&quiet), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_stops_who_asked_for_it_and_warns_who_did_not() {
    let home = Home::new();
    std::fs::create_dir_all(home.file().parent().unwrap()).unwrap();
    std::fs::write(home.file(), "{\"date\": \"2026-11-01\", \"advisories\": [").unwrap();
    let (report, _) = home.scan(replay::serve("d28-plain-28.5.2").await, &[]);
    let note = report["scan"]["notes"][0].as_str().unwrap();
    assert!(note.contains("are left out") && note.contains("advisories.json"), "{note}");
    let file = home.file();
    for path in [file.to_str().unwrap(), "/nonexistent/advisories.json"] {
        let output = home.run(["scan", "127.80.0.1", "--advisories", path]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(path), "{}", stderr(&output));
    }
}
