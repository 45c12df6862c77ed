//! Every format, read by the programs that it is for; and what becomes of a report that cannot be
//! written.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::{hostile, replay, skip, weak_keys};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Names that would act in a spreadsheet, a wiki, XML, or on the ground that they are read on.
const HOSTILE: [&str; 5] = [
    "=cmd|'/c calc'!A1",
    "@everyone `x` | **b** <img src=x onerror=alert(1)> [y](https://evil.example)",
    "]]></elem><host/>&amp;\"'",
    "\u{1b}[2J\u{0}\n```\n# own\n",
    "{0} \\\"} 1\n# TYPE x gauge",
];

fn docksweep() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docksweep"));
    command.env("XDG_DATA_HOME", "/nonexistent").stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    docksweep().args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether a program is there to read with. `make test` installs them all.
fn has(program: &str) -> bool {
    let there = Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .output()
        .is_ok_and(|output| output.status.success());
    if !there {
        skip::said(&format!("what {program} reads: it is not installed"));
    }
    there
}

/// What a program says of `input`, which it must accept.
fn read_by(program: &str, args: &[&OsStr], input: &[u8]) -> String {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {said}{}", stderr(&output));
    said
}

/// A stored report whose certificates and names mean harm, in every format.
struct Written {
    folder: tempfile::TempDir,
    stored: Value,
}

const FILES: [&str; 8] = [
    "r.json",
    "r.sarif",
    "r.csv",
    "r.md",
    "r.junit.xml",
    "r.nmap.xml",
    "r.defectdojo.json",
    "r.prom",
];

impl Written {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stored = folder.path().join("stored.json");
        let certificates =
            ["escape-name", "bidi-name", "rsa-2048-sha1", "ed25519", "weak-shared-prime-1"];
        weak_keys::store(&stored, None, 1, &certificates);
        let mut report: Value = serde_json::from_slice(&std::fs::read(&stored).unwrap()).unwrap();
        for (endpoint, name) in report["endpoints"].as_array_mut().unwrap().iter_mut().zip(HOSTILE)
        {
            endpoint["observation"]["endpoint"]["names"] = json!([name]);
        }
        report["scan"]["vantage"]["label"] = json!(HOSTILE[4]);
        report["scan"]["targets"] = json!(HOSTILE);
        std::fs::write(&stored, report.to_string()).unwrap();
        let written = Self { folder, stored: report };
        let output = written.convert(&stored);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
        written
    }

    fn convert(&self, stored: &Path) -> Output {
        let mut command = docksweep();
        command.arg("report").arg(stored);
        for name in FILES {
            command.arg("-o").arg(self.path(name));
        }
        command.output().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).unwrap()
    }
}

#[test]
fn one_run_writes_every_format_harmlessly() {
    let written = Written::new();
    let report = written.json("r.json");
    crate::schema::assert_valid(&report);
    assert_eq!(report["endpoints"][1]["names"], json!([HOSTILE[1]]));
    for name in FILES {
        let text = written.text(name);
        let acts = |c: char| c.is_control() && !matches!(c, '\n' | '\r');
        assert!(!text.contains(|c: char| acts(c) || c == '\u{202e}'), "{name}");
        let mode = std::fs::metadata(written.path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if name == "r.prom" { 0o644 } else { 0o600 }, "{name}");
    }
    assert_eq!(written.stored["endpoints"].as_array().unwrap().len(), 5);
}

#[test]
fn python_reads_the_csv() {
    if !has("python3") {
        return;
    }
    let written = Written::new();
    let script = "import csv, json, sys\n\
                  rows = list(csv.DictReader(open(sys.argv[1], newline='', encoding='utf-8'), strict=True))\n\
                  print(json.dumps(rows))";
    let path = written.path("r.csv");
    let said = read_by("python3", &["-c".as_ref(), script.as_ref(), path.as_os_str()], b"");
    let rows: Vec<BTreeMap<String, String>> = serde_json::from_str(&said).unwrap();
    let report = written.json("r.json");
    let findings: usize = report["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|endpoint| endpoint["findings"].as_array().unwrap().len().max(1))
        .sum();
    assert_eq!(rows.len(), findings);
    for row in &rows {
        assert_eq!(row.len(), 23);
        for value in row.values() {
            assert!(!value.starts_with(['=', '+', '-', '@']), "{value}");
        }
    }
    assert!(rows.iter().any(|row| row["names"].starts_with("'=cmd")));
}

#[test]
fn markdown_holds_nothing_but_what_we_say() {
    if !has("cmark-gfm") {
        return;
    }
    let written = Written::new();
    let path = written.path("r.md");
    let mut args: Vec<&OsStr> =
        ["--unsafe", "-e", "table", "-e", "autolink", "-e", "tagfilter"].map(OsStr::new).into();
    args.push(path.as_os_str());
    let html = read_by("cmark-gfm", &args, b"");
    for link in html.split("<a href=\"").skip(1) {
        assert!(!link.starts_with("https://evil"), "{link}");
    }
    for tag in ["<img", "<em>", "<del>", "<h1>own", "onerror=alert(1)>"] {
        assert!(!html.contains(tag), "{tag} is in {html}");
    }
    assert_eq!(html.matches("<h1>").count(), 1);
    // Outside of code, the only strong text is the program's own.
    let mut prose = String::new();
    for part in html.split("<code>") {
        prose.push_str(part.split_once("</code>").map_or(part, |(_, prose)| prose));
    }
    assert!(!prose.contains('@') && !prose.contains("evil"), "{prose}");
}

#[test]
fn the_schema_of_a_build_server_takes_junit() {
    if !has("xmllint") {
        return;
    }
    let written = Written::new();
    let schema = Path::new(ROOT).join("testdata/junit/junit-10.xsd");
    let path = written.path("r.junit.xml");
    let args: [&OsStr; 4] =
        ["--noout".as_ref(), "--schema".as_ref(), schema.as_os_str(), path.as_os_str()];
    read_by("xmllint", &args, b"");
    let xpath = |query: &str| {
        read_by("xmllint", &["--xpath".as_ref(), query.as_ref(), path.as_os_str()], b"")
            .trim()
            .to_owned()
    };
    let report = written.json("r.json");
    let failing = ["critical", "high", "medium", "low"];
    let severities = &report["summary"]["by_severity"];
    let failures: u64 = failing.iter().map(|it| severities[*it].as_u64().unwrap()).sum();
    assert!(failures > 0);
    assert_eq!(xpath("count(//failure)"), failures.to_string());
    assert_eq!(xpath("sum(//testsuite/@failures)"), failures.to_string());
    assert_eq!(xpath("count(//testsuite)"), "6");
}

#[test]
fn nmaps_dtd_and_ndiff_take_the_xml() {
    if !has("xmllint") || !has("ndiff") || !has("nmap") {
        return;
    }
    let written = Written::new();
    let path = written.path("r.nmap.xml");
    let dtd = "/usr/share/nmap/nmap.dtd";
    let args: [&OsStr; 4] =
        ["--noout".as_ref(), "--dtdvalid".as_ref(), dtd.as_ref(), path.as_os_str()];
    read_by("xmllint", &args, b"");

    let ndiff =
        |one: &Path, other: &Path| Command::new("ndiff").args([one, other]).output().unwrap();
    let same = ndiff(&path, &path);
    assert_eq!(same.status.code(), Some(0), "{}", stderr(&same));

    // One certificate is another, and one host is gone.
    let later = written.path("later.json");
    weak_keys::store(&later, None, 1, &["escape-name", "bidi-name", "rsa-512-sha256", "ed25519"]);
    let other = written.path("later.nmap.xml");
    let output = run(&["report", later.to_str().unwrap(), "-o", other.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let differ = ndiff(&path, &other);
    let text = String::from_utf8_lossy(&differ.stdout).into_owned();
    assert_eq!(differ.status.code(), Some(1), "{text}{}", stderr(&differ));
    for expected in ["127.31.0.3", "127.31.0.5", "-2376/tcp open"] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert!(text.lines().any(|line| line.starts_with('+') && line.contains("[cert-key-weak]")));
}

#[test]
fn promtool_finds_no_fault_with_the_metrics() {
    if !has("promtool") {
        return;
    }
    let written = Written::new();
    let said = read_by(
        "promtool",
        &["check".as_ref(), "metrics".as_ref()],
        written.text("r.prom").as_bytes(),
    );
    assert_eq!(said, "");
}

#[test]
fn defectdojo_and_sarif_have_every_finding() {
    let written = Written::new();
    let report = written.json("r.json");
    let mut ids: Vec<&Value> = report["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|endpoint| endpoint["findings"].as_array().unwrap())
        .map(|finding| &finding["id"])
        .collect();
    ids.sort_by_key(ToString::to_string);
    let sorted = |list: &Value, id: fn(&Value) -> &Value| {
        let mut found: Vec<Value> = list.as_array().unwrap().iter().map(id).cloned().collect();
        found.sort_by_key(ToString::to_string);
        json!(found)
    };
    let sarif = written.json("r.sarif");
    let results = &sarif["runs"][0]["results"];
    assert_eq!(sorted(results, |it| &it["partialFingerprints"]["docksweepFinding/v1"]), json!(ids));
    let import = written.json("r.defectdojo.json");
    assert_eq!(sorted(&import["findings"], |it| &it["unique_id_from_tool"]), json!(ids));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_writes_what_its_stored_report_comes_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let servers = [
        replay::serve("d1-plain-bridge-none").await.to_string(),
        replay::serve("podman-4.3.1").await.to_string(),
    ];
    let names = ["json", "csv", "nmap.xml", "junit.xml", "defectdojo.json", "prom"];
    let mut args = vec!["scan".to_owned(), "-q".to_owned()];
    args.extend(servers);
    for name in names {
        args.extend(["-o".to_owned(), path(&format!("scan.{name}"))]);
    }
    let output = docksweep().args(&args).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let mut args = vec!["report".to_owned(), path("scan.json")];
    for name in &names[1..] {
        args.extend(["-o".to_owned(), path(&format!("report.{name}"))]);
    }
    let output = docksweep().args(&args).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    for name in &names[1..] {
        let text = |of: &str| std::fs::read_to_string(path(&format!("{of}.{name}"))).unwrap();
        // When each was judged differs.
        let is_time = |field: &&str| field.parse::<jiff::Timestamp>().is_ok();
        let lasting = |text: &str| {
            text.lines()
                .filter(|line| !line.contains("timestamp=\""))
                .map(|line| line.split(',').filter(|it| !is_time(it)).collect::<Vec<_>>().join(","))
                .collect::<Vec<_>>()
        };
        assert_eq!(lasting(&text("scan")), lasting(&text("report")), "{name}");
    }
}

#[test]
fn an_extension_that_tells_nothing_is_refused_with_a_hint() {
    for (name, expected) in [
        ("x.xml", "two formats are XML"),
        ("x.pdf", "FORMAT=PATH"),
        ("report", ".junit.xml, .nmap.xml"),
    ] {
        let output = run(&["report", "/nonexistent.json", "-o", name]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("hint: ") && text.contains(expected), "{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let stored = folder.path().join("stored.json");
    weak_keys::store(&stored, None, 1, &["ed25519"]);
    let xml = folder.path().join("x.xml");
    let named = format!("nmap={}", xml.display());
    let output = run(&["report", stored.to_str().unwrap(), "-o", &named]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(std::fs::read_to_string(xml).unwrap().contains("<nmaprun"));
}

#[test]
fn a_broken_report_leaves_old_files_as_they_are() {
    let written = Written::new();
    let before: Vec<String> = FILES.iter().map(|name| written.text(name)).collect();
    let good = std::fs::read(written.path("stored.json")).unwrap();
    let other = String::from_utf8_lossy(&good).replacen("report/v1", "report/v7", 1);
    let bad = written.path("bad.json");
    for (content, expected) in [
        (&good[..good.len() / 2], "EOF while parsing"),
        (&good[..good.len() - 1], "EOF while parsing"),
        (other.as_bytes(), "schema 'docksweep/report/v7'"),
        (&b"\x7fELF\x02\x01\x01"[..], "expected value"),
    ] {
        std::fs::write(&bad, content).unwrap();
        let output = written.convert(&bad);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.starts_with("error: ") && text.contains(expected), "{text}");
        assert_eq!(text.lines().count(), 2, "an error and a hint: {text}");
        let after: Vec<String> = FILES.iter().map(|name| written.text(name)).collect();
        assert!(before == after);
    }
}

/// Where the hint says that the report is.
fn kept(output: &Output) -> PathBuf {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let hint = text.lines().find_map(|line| line.strip_prefix("hint: the report is kept in "));
    let path = hint.unwrap_or_else(|| panic!("{text}")).split(';').next().unwrap();
    PathBuf::from(path)
}

fn whole(path: &Path) -> Value {
    let report = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    crate::schema::assert_valid(&report);
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_vanishes_costs_no_report() {
    let open = replay::serve("d1-plain-bridge-none").await.to_string();
    // Accepts and says nothing: while it is waited for, the directory goes.
    let mute = hostile::serve(|stream| {
        Box::pin(async move {
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
            drop(stream);
        })
    })
    .await
    .to_string();
    let folder = tempfile::tempdir().unwrap();
    let (gone, spare) = (folder.path().join("gone"), folder.path().join("spare"));
    for directory in [&gone, &spare] {
        std::fs::create_dir(directory).unwrap();
    }
    let child = docksweep()
        .args(["scan", "-q", &open, &mute, "--endpoint-timeout", "2s"])
        .arg("-o")
        .arg(gone.join("r.json"))
        .arg("-o")
        .arg(gone.join("r.csv"))
        .env("TMPDIR", &spare)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while std::fs::read_dir(&gone).unwrap().count() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    std::fs::remove_dir_all(&gone).unwrap();
    let output = child.wait_with_output().unwrap();
    let path = kept(&output);
    assert_eq!(path.parent().unwrap(), spare);
    assert_eq!(whole(&path)["endpoints"].as_array().unwrap().len(), 2);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = stderr(&output);
    assert!(text.contains("gone/r.json") && text.contains("gone/r.csv"), "{text}");

    // What was kept is a report like any other.
    let again = spare.join("again.csv");
    let output = run(&["report", path.to_str().unwrap(), "-o", again.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// Runs a shell script in a mount namespace of its own; `None` where that is not allowed. `$1` is
/// the program, `/mnt` an empty file system with room for 16 KiB.
fn with_a_full_disk(script: &str, arguments: &[&str]) -> Option<Output> {
    let small = "mount -t tmpfs -o size=16k none /mnt; ";
    let mut possible = Command::new("unshare");
    possible.args(["-m", "sh", "-ec", small]);
    if !possible.output().is_ok_and(|output| output.status.success()) {
        skip::said("full disks: unshare -m is not allowed here");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-ec", &format!("{small}{script}"), "sh"]);
    command.arg(env!("CARGO_BIN_EXE_docksweep")).args(arguments).stdin(Stdio::null());
    command.env("XDG_DATA_HOME", "/nonexistent").env_remove("TMPDIR");
    Some(command.output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_in_the_end_costs_no_report() {
    let open = replay::serve("d1-plain-bridge-none").await.to_string();
    let folder = tempfile::tempdir().unwrap();
    let spare = folder.path().to_str().unwrap();
    let plain = "program=$1; export TMPDIR=$2; shift 2; exec \"$program\" \"$@\"";
    let scan = ["scan", "-q", "--depth", "containers"];
    let full = |more: &[&str]| {
        let arguments = [&[spare][..], &scan[..], &[open.as_str()][..], more].concat();
        with_a_full_disk(plain, &arguments)
    };
    let Some(output) = full(&["-o", "/mnt/r.json"]) else { return };
    let path = kept(&output);
    assert_eq!(path.parent().unwrap().to_str(), Some(spare));
    assert_eq!(whole(&path)["endpoints"].as_array().unwrap().len(), 1);
    assert!(stderr(&output).contains("error: cannot write the report to /mnt/r.json: No space"));

    // Another JSON report is as good.
    let other = folder.path().join("other.json");
    let other = other.to_str().unwrap();
    let output = full(&["-o", "/mnt/r.json", "-o", other]).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let hint = format!("hint: the whole report is in {other}");
    assert!(stderr(&output).lines().any(|line| line == hint), "{}", stderr(&output));
    whole(Path::new(other));
    let kept = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(kept, 2, "the one kept before, and the one asked for");

    // No directory takes it: the standard output is free, or it is not.
    let nowhere = "exec 9<\"$1\"; shift; for each in /tmp /var/tmp; do \
                   mount -t tmpfs -o ro none \"$each\"; done; \
                   export XDG_STATE_HOME=/proc/none; /proc/self/fd/9 \"$@\"";
    let args = [&scan[..], &[open.as_str(), "-o", "/mnt/r.json"][..]].concat();
    let output = with_a_full_disk(nowhere, &args).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    crate::schema::assert_valid(&report);
    assert!(stderr(&output).contains("the report went to the standard output"));
    let output =
        with_a_full_disk(nowhere, &[&args[..], &["--format", "text"][..]].concat()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stderr(&output);
    let line = text.lines().find(|line| line.starts_with('{')).unwrap();
    crate::schema::assert_valid(&serde_json::from_str(line).unwrap());
}

#[test]
fn a_read_only_directory_is_known_before_the_scan() {
    let script = "mount -o remount,ro /mnt; program=$1; shift; exec \"$program\" \"$@\"";
    let args = ["scan", "127.80.3.1", "-o", "/mnt/r.csv"];
    let Some(output) = with_a_full_disk(script, &args) else { return };
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("/mnt/r.csv") && text.contains("Read-only"), "{text}");
    assert!(output.stdout.is_empty(), "nothing was scanned");
}
