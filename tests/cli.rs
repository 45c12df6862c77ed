//! The program as a user or cron meets it: flags, streams, files, signals, exit codes.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clap::CommandFactory as _;
use docksweep::advisories::Advisories;
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Notify;

use crate::{hostile, replay};

/// Addresses on which nothing listens; the sweep of all of it at this rate takes minutes.
const ENDLESS: [&str; 5] = ["scan", "127.81.0.0/16", "--rate", "200", "--progress=never"];

fn docksweep() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docksweep"));
    // What this machine's user imported is no matter of the tests.
    command.env("XDG_DATA_HOME", "/nonexistent");
    command.env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    docksweep().args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(bytes: &[u8]) -> Value {
    let report = serde_json::from_slice(bytes).unwrap();
    crate::schema::assert_valid(&report);
    report
}

fn wait(mut child: Child) -> Output {
    for _ in 0..600 {
        if child.try_wait().unwrap().is_some() {
            return child.wait_with_output().unwrap();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    panic!("docksweep does not end");
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// A port that hears a question and says nothing: a probe of it is in flight for seconds. Who waits
/// for the notice knows that one is.
async fn mute() -> (SocketAddr, Arc<Notify>) {
    let asked = Arc::new(Notify::new());
    let heard = Arc::clone(&asked);
    let address = hostile::serve(move |mut stream| {
        let heard = Arc::clone(&heard);
        Box::pin(async move {
            if stream.read_u8().await.is_ok() {
                heard.notify_one();
            }
            tokio::time::sleep(Duration::from_secs(120)).await;
            drop(stream);
        })
    })
    .await;
    (address, asked)
}

#[test]
fn bad_flags_and_targets_are_one_line_and_exit_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("targets.txt");
    std::fs::write(&file, "127.0.0.1\n\n# fine\n127.0.0.1/33\n").unwrap();
    let file = file.to_str().unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&[], "no target given"),
        (&["127.0.0.1/33"], "127.0.0.1/33"),
        (&["127.0.0.9-127.0.0.1"], "127.0.0.9-127.0.0.1"),
        (&["127.0.0.1:0"], "127.0.0.1:0"),
        (&["127.0.0.1:99999"], "127.0.0.1:99999"),
        (&["\u{1b}[31mevil"], "TARGET"),
        (&["::/0"], "4294967296"),
        (&["-i", file], "targets.txt:4"),
        (&["-i", "/nonexistent/targets"], "/nonexistent/targets"),
        (&["-i", "-", "--exclude-file", "-"], "stdin can be read once"),
        (&["127.0.0.1", "--rate", "0"], "'0' for '--rate <PPS|max>': neither max nor a number"),
        (&["127.0.0.1", "--raet", "5"], "hint: did you mean '--rate'?"),
        (&["127.0.0.1", "--concurrency", "0"], "--concurrency"),
        (&["127.0.0.1", "--timeout=-3s"], "--timeout"),
        (&["127.0.0.1", "--timeout", "soon"], "--timeout"),
        (&["127.0.0.1", "--sni", "not a name"], "--sni"),
        (&["127.0.0.1", "--user-agent", "a\r\nX: b"], "--user-agent"),
        (&["127.0.0.1", "-p", "0"], "--ports"),
        (&["127.0.0.1", "-p", "2375-"], "--ports"),
        (&["127.0.0.1", "-o", "report.pdf"], "report.pdf"),
        (&["127.0.0.1", "-o", "json="], "json="),
        (&["127.0.0.1", "-o", "json=-", "-o", "jsonl=-"], "two reports"),
        (&["127.0.0.1", "--fail-on", "terrible"], "info, low, medium, high, critical"),
        (&["127.0.0.1", "--fail-on", "hihg"], "hint: did you mean 'high'?"),
        (&["127.0.0.1", "--frobnicate"], "--frobnicate"),
    ];
    for (args, expected) in cases {
        let output = docksweep().arg("scan").args(*args).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(text.starts_with("error: "), "{args:?}: {text}");
        assert!(text.contains(expected), "{args:?}: {text}");
        assert!(!text.contains('\u{1b}'), "{args:?}: {text:?}");
        assert_eq!(text.matches("error: ").count(), 1, "{args:?}: {text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("hint: ")), "{args:?}: {text}");
    }
}

#[test]
fn nothing_to_scan_is_exit_3() {
    let output = run(&["scan", "127.0.0.0/24", "--exclude", "127.0.0.0/8"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let output = run(&["scan", "127.0.0.0/24", "--exclude", "127.0.0.0/8", "--dry-run"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}

#[test]
fn a_dry_run_says_what_would_be_scanned() {
    let args = ["scan", "10.0.0.0/8", "10.1.0.0/16", "[fd00::7]:2377", "build.lan:99", "--dry-run"];
    let output = docksweep().args(args).args(["--exclude", "10.0.0.0/9"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    for line in
        ["2375,2376", "fd00::7", "2377", "build.lan port 99", "8388609 addresses, 16777217 probes"]
    {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn public_ranges_draw_a_warning_and_quiet_silences_it() {
    let output = run(&["scan", "8.8.8.0/24", "--dry-run"]);
    assert!(stderr(&output).contains("public"), "{}", stderr(&output));
    let output = run(&["scan", "8.8.8.0/24", "--dry-run", "-q"]);
    assert!(stderr(&output).is_empty(), "{}", stderr(&output));
}

#[test]
fn a_scan_that_finds_nothing_says_so_and_keeps_stderr_silent() {
    let output = run(&["scan", "127.80.0.0/30"]);
    assert_eq!(output.status.code(), Some(0));
    // But for the age of the advisory data, which is a matter of the day on which the tests run.
    let about_data = |line: &str| Advisories::is_note(line.trim_start_matches("warning: "));
    assert!(stderr(&output).lines().all(about_data), "{}", stderr(&output));
    assert!(String::from_utf8(output.stdout).unwrap().contains("8 closed"));
    let output = run(&["scan", "127.80.0.0/30", "-q"]);
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_come_from_stdin_and_from_other_scanners_lists() {
    let open = replay::serve("d28-plain-28.5.2").await;
    let lists = [
        format!("# ours\n{open}\n"),
        format!("open tcp {} {} 1700000000\n", open.port(), open.ip()),
        format!(
            "# Nmap 7.93 scan\nHost: {} ()\tPorts: {}/open/tcp//docker///, 1/closed/tcp/////\n",
            open.ip(),
            open.port()
        ),
        format!(
            "Timestamp: 1700000000\tHost: {} ()\tPorts: {}/open/tcp////\n",
            open.ip(),
            open.port()
        ),
    ];
    for list in lists {
        let mut child = docksweep()
            .args(["scan", "-i", "-", "--format", "json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
        let report = json(&wait(child).stdout);
        assert_eq!(report["endpoints"].as_array().unwrap().len(), 1, "{list}");
        assert_eq!(report["endpoints"][0]["api"]["access"], "open");
        assert_eq!(report["scan"]["counts"]["sent"], 1, "{list}");
        assert_eq!(report["scan"]["targets"][0], "@-");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_writes_every_format_and_fail_on_decides_the_code() {
    let open = replay::serve("d1-plain-bridge-none").await.to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let lines = format!("jsonl={}", path("lines"));
    let output = run(&[
        "scan",
        &open,
        "-o",
        &path("r.json"),
        "-o",
        &path("r.txt"),
        "-o",
        &lines,
        "--fail-on",
        "critical",
        "--vantage",
        "the lab",
    ]);
    assert_eq!(output.status.code(), Some(10), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("OPEN TO STRANGERS"), "{text}");
    assert_eq!(text.matches('\u{1b}').count(), 0, "colour without a terminal");
    let report = json(&std::fs::read(path("r.json")).unwrap());
    assert_eq!(report["scan"]["vantage"]["label"], "the lab");
    assert_eq!(report["summary"]["by_severity"]["critical"], 1);
    let lines = std::fs::read_to_string(path("lines")).unwrap();
    let types: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].clone())
        .collect();
    assert_eq!(types, ["scan", "endpoint", "summary"]);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path("r.json")).unwrap());
    assert_eq!(mode & 0o077, 0, "a report lists ways into hosts: it is its owner's");
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 3, "no temporary file stays: {names:?}");
    assert_eq!(run(&["scan", &open, "-q", "--fail-on", "critical"]).status.code(), Some(10));
    assert_eq!(run(&["scan", &open, "-q"]).status.code(), Some(0));
}

#[test]
fn a_report_that_cannot_be_written_fails_before_the_scan() {
    let output = run(&["scan", "127.80.0.1", "-o", "/nonexistent/folder/r.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("/nonexistent/folder/r.json"), "{}", stderr(&output));
    assert!(output.stdout.is_empty(), "nothing was scanned");
}

#[test]
fn ctrl_c_writes_the_partial_report_and_exits_11() {
    for (network, kind) in [(0, rustix::process::Signal::INT), (1, rustix::process::Signal::TERM)] {
        // One port of sixteen is open and the order is fixed by the seed: when the third is seen,
        // others have been found closed.
        let (sender, seen) = std::sync::mpsc::channel();
        for host in (0..=255).step_by(16) {
            let place = (Ipv4Addr::new(127, 81, network, host), 2375);
            let listener = std::net::TcpListener::bind(place).unwrap();
            let sender = sender.clone();
            std::thread::spawn(move || {
                for _ in listener.incoming() {
                    let _ = sender.send(());
                }
            });
        }
        let child = docksweep()
            .args([
                "scan",
                &format!("127.81.{network}.0/24"),
                "--rate",
                "20",
                "--seed",
                "1",
                "--progress=never",
            ])
            .args(["--ports", "2375", "--format", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        for _ in 0..3 {
            seen.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        signal(&child, kind);
        let output = wait(child);
        assert_eq!(output.status.code(), Some(11), "{}", stderr(&output));
        let report = json(&output.stdout);
        assert_eq!(report["scan"]["complete"], false);
        assert!(report["scan"]["incomplete_reason"].as_str().unwrap().contains("SIG"));
        let counts = &report["scan"]["counts"];
        assert!(counts["closed"].as_u64().unwrap() > 0, "{counts}");
        assert!(counts["not_probed"].as_u64().unwrap() > 0, "{counts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ctrl_c_quits_at_once_and_leaves_no_file() {
    let (mute, asked) = mute().await;
    let mute = mute.to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let child = docksweep()
        .args(["scan", &mute, "-o", path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    asked.notified().await;
    signal(&child, rustix::process::Signal::INT);
    tokio::time::sleep(Duration::from_millis(300)).await;
    signal(&child, rustix::process::Signal::INT);
    let output = wait(child);
    assert_eq!((output.status.code(), output.status.signal()), (Some(130), None));
    assert!(output.stdout.is_empty());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_ctrl_c_finishes_what_is_in_flight() {
    let (mute, asked) = mute().await;
    let mute = mute.to_string();
    let child = docksweep()
        .args(["scan", &mute, "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    asked.notified().await;
    signal(&child, rustix::process::Signal::INT);
    let output = wait(child);
    assert_eq!(output.status.code(), Some(11));
    let report = json(&output.stdout);
    assert_eq!(report["endpoints"].as_array().unwrap().len(), 1);
    assert!(report["endpoints"][0]["api"]["reason"].as_str().unwrap().contains("silent"));
}

#[tokio::test(flavor = "multi_thread")]
async fn max_duration_cuts_short_and_beats_fail_on() {
    let open = replay::serve("d1-plain-bridge-none").await.to_string();
    let child = docksweep()
        .args(ENDLESS)
        .args(["--format", "json", "--max-duration", "1s", "--fail-on", "info"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = wait(child);
    assert_eq!(output.status.code(), Some(11));
    let report = json(&output.stdout);
    assert!(report["scan"]["incomplete_reason"].as_str().unwrap().contains("--max-duration"));
    // With time enough the same flags are about findings again.
    let output = run(&["scan", &open, "-q", "--max-duration", "1h", "--fail-on", "info"]);
    assert_eq!(output.status.code(), Some(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_pipe_ends_the_scan_quietly() {
    let mut child = docksweep()
        .args(["scan", "127.80.0.0/28", "--format", "jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = wait(child);
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    assert_eq!(output.status.signal(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_and_logs_go_to_stderr_only() {
    let open = replay::serve("d1-plain-bridge-none").await.to_string();
    let output = run(&["scan", &open, "--format", "json", "--progress=always", "-vv"]);
    json(&output.stdout);
    assert!(stderr(&output).contains("the sweep is over"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_scanned_by_its_addresses_and_asked_for_by_name() {
    let open = replay::serve("d1-plain-bridge-none").await;
    let output = run(&["scan", &format!("localhost:{}", open.port()), "--format", "json"]);
    let report = json(&output.stdout);
    let endpoint = report["endpoints"].as_array().unwrap();
    let endpoint = endpoint.iter().find(|e| e["address"] == "127.0.0.1").unwrap();
    assert_eq!(endpoint["names"], serde_json::json!(["localhost"]));
    assert_eq!(endpoint["sni"], "localhost");
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    for args in [&["rules"][..], &["advisories"], &["man"], &["config"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = docksweep().args(args).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).starts_with("error: standard output: "), "{}", stderr(&output));
    }
}

#[test]
fn every_rule_is_listed_and_explained() {
    let output = run(&["rules"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let rules = docksweep::rules::ALL.len() + docksweep::rules::fleet::FLEET.len();
    assert_eq!(text.lines().count(), rules);
    for line in text.lines() {
        let name = line.split_whitespace().next().unwrap();
        let output = run(&["rules", name]);
        let explained = String::from_utf8(output.stdout).unwrap();
        for part in ["Why it matters", "How it is detected", "What to do", "References"] {
            assert!(explained.contains(part), "{name}: no {part}");
        }
    }
    assert_eq!(run(&["rules", "no-such-rule"]).status.code(), Some(2));
}

/// Prose is wrapped to the terminal, and examples are not.
#[test]
fn examples_fit_a_narrow_terminal() {
    let program = docksweep::cli::Cli::command();
    let nested = program.get_subcommands().flat_map(|command| command.get_subcommands());
    for command in [&program].into_iter().chain(program.get_subcommands()).chain(nested) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for paragraph in help.split("\n\n") {
            let is_list = paragraph.lines().next().is_some_and(|head| head.ends_with(':'));
            assert!(is_list || paragraph.lines().count() == 1, "{paragraph}");
            let fits = |line: &str| !is_list || line.chars().count() <= 80;
            assert!(paragraph.lines().all(fits), "{paragraph}");
        }
    }
}

#[test]
fn help_says_what_there_is() {
    let program = docksweep::cli::Cli::command();
    let mut all = vec![vec!["--help"]];
    for command in program.get_subcommands() {
        all.push(vec![command.get_name(), "--help"]);
        let nested = command.get_subcommands();
        all.extend(nested.map(|nested| vec![command.get_name(), nested.get_name(), "--help"]));
    }
    for args in all {
        let output = run(&args);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("Examples:"), "{args:?} has no examples");
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/help"));
        settings.set_prepend_module_to_snapshot(false);
        settings.bind(|| insta::assert_snapshot!(args.join("_").replace("--", ""), text));
    }
}
