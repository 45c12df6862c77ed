//! `scan --history`, `history` and `diff`: what nights come to, and what becomes of the file when
//! something is in the way. The sqlite3 shell reads it as any other program would.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::mutual_tls::{self, Authority, Wanted};
use crate::{replay, schema};

fn docksweep() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docksweep"));
    command.env("XDG_DATA_HOME", "/nonexistent").stdin(Stdio::null());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn code(mut command: impl std::borrow::BorrowMut<Command>, expected: i32) -> Output {
    let output = command.borrow_mut().output().unwrap();
    assert_eq!(output.status.code(), Some(expected), "{}{}", stdout(&output), stderr(&output));
    output
}

/// A server that lives as long as this.
struct Server {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start(answers: &str) -> Self {
        Self::at(answers, ([127, 0, 0, 1], 0).into())
    }

    fn at(answers: &str, address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let address = runtime.block_on(replay::serve_at(answers, address));
        Self { address, _runtime: runtime }
    }

    fn id(&self) -> String {
        format!("tcp/{}", self.address)
    }
}

/// A port that nobody answers for: its queue is full, so the system drops every SYN.
struct Silent {
    _socket: rustix::fd::OwnedFd,
    _fillers: Vec<TcpStream>,
}

impl Silent {
    fn at(address: SocketAddr) -> Self {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, sockopt};
        // A scan that another test starts meanwhile must not inherit it.
        let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
        let listener = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None).unwrap();
        sockopt::set_socket_reuseaddr(&listener, true).unwrap();
        bind(&listener, &address).unwrap();
        listen(&listener, 0).unwrap();
        let mut fillers = Vec::new();
        while let Ok(filler) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            fillers.push(filler);
            assert!(fillers.len() < 16, "the queue does not fill");
        }
        Self { _socket: listener, _fillers: fillers }
    }
}

struct Bed {
    folder: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn database(&self) -> PathBuf {
        self.path("nights.db")
    }

    fn scan(&self, output: &str, targets: &[SocketAddr]) -> Command {
        let mut command = docksweep();
        command.args(["scan", "-q", "--engine", "connect", "--timeout", "300ms", "-o"]);
        command.arg(self.path(output)).args(targets.iter().map(ToString::to_string));
        command.arg("--history").arg(self.database());
        command
    }

    fn diff(&self, arguments: &[&str]) -> Command {
        let mut command = docksweep();
        command.arg("diff").args(arguments).arg("--history").arg(self.database());
        command
    }

    fn report(&self, name: &str) -> Value {
        let report = serde_json::from_slice(&std::fs::read(self.path(name)).unwrap()).unwrap();
        schema::assert_valid(&report);
        report
    }

    fn import(&self, files: &[&Path]) -> Command {
        let mut command = docksweep();
        command.args(["history", "import"]).args(files).arg("--history").arg(self.database());
        command
    }

    /// What the sqlite3 shell answers.
    fn sql(&self, query: &str) -> String {
        let output = Command::new("sqlite3").arg(self.database()).arg(query).output().unwrap();
        assert!(output.status.success(), "{query}: {}", stderr(&output));
        stdout(&output).trim_end().to_owned()
    }

    fn assert_sound(&self) {
        assert_eq!(self.sql("PRAGMA integrity_check"), "ok");
        assert_eq!(self.sql("PRAGMA foreign_key_check"), "");
    }
}

fn has_sqlite3() -> bool {
    let there = Command::new("sqlite3").arg("--version").output().is_ok();
    if !there {
        crate::skip::said("what the sqlite3 shell reads: it is not installed");
    }
    there
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|it| it["endpoint"].as_str().unwrap()).collect()
}

const DOCKER: &str = "d28-plain-28.5.2";
const OLD: &str = "d1-plain-bridge-none";
const PODMAN: &str = "podman-4.3.1";

/// Four nights over five ports, on which everything happens that a difference can be.
#[test]
fn nights_are_told_apart_truly() {
    if !has_sqlite3() {
        return;
    }
    let bed = Bed::new();
    // Nobody else is given a port on these addresses while it is closed.
    let targets = [1, 2, 3, 4, 5].map(|last| SocketAddr::from(([127, 77, 1, last], 2375)));
    let _stays = Server::at(PODMAN, targets[0]);
    let (closes, falls_silent) = (Server::at(DOCKER, targets[1]), Server::at(DOCKER, targets[2]));
    let (upgraded, appears) = (Server::at(OLD, targets[3]), targets[4]);
    code(bed.scan("1.json", &targets), 0);
    let first = bed.report("1.json");
    assert_eq!((&first["changes"], &first["scan"]["absent"]), (&Value::Null, &json!([])));

    let (gone, away, other) = (closes.id(), falls_silent.id(), upgraded.id());
    drop(closes);
    let silent_address = falls_silent.address;
    drop(falls_silent);
    let silent = Silent::at(silent_address);
    let address = upgraded.address;
    drop(upgraded);
    let _upgraded = Server::at(DOCKER, address);
    let _new = Server::at(DOCKER, appears);
    code(bed.scan("2.json", &targets), 0);
    let second = bed.report("2.json");
    let absent = second["scan"]["absent"].as_array().unwrap();
    let states: Vec<_> = absent
        .iter()
        .map(|it| (it["id"].as_str().unwrap(), it["state"].as_str().unwrap()))
        .collect();
    assert!(
        states.contains(&(&gone, "closed")) && states.contains(&(&away, "silent")),
        "{states:?}"
    );
    assert_eq!(states.len(), 2);

    let output = code(bed.diff(&["--format", "json", "--fail-on", "critical"]), 10);
    let difference: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(difference["schema"], "docksweep/diff/v1");
    assert_eq!(ids(&difference["gone"]), [&gone]);
    assert_eq!(ids(&difference["not_reached"]), [&away]);
    assert_eq!(ids(&difference["changed"]), [&other]);
    assert_eq!(ids(&difference["appeared"]), [&format!("tcp/{appears}")]);
    let new = ids(&difference["new"]);
    assert!(new.contains(&format!("tcp/{appears}").as_str()), "{new:?}");
    let fixed = ids(&difference["fixed"]);
    assert!(fixed.contains(&gone.as_str()) && !fixed.contains(&away.as_str()), "{fixed:?}");
    let facts = difference["changed"][0]["facts"].as_array().unwrap();
    let version = facts.iter().find(|it| it["fact"] == "version").unwrap();
    assert!(version["after"].as_str().unwrap().contains("28.5.2"), "{facts:?}");
    for (list, count) in [
        ("new", new.len()),
        ("fixed", fixed.len()),
        ("changed", 1),
        ("gone", 1),
        ("not_reached", 1),
    ] {
        assert_eq!(second["changes"][list], count, "{list}");
    }
    // Two reports say the same as two runs, and so do the runs by number and by id.
    let ids_of = [first["scan"]["id"].as_str().unwrap(), second["scan"]["id"].as_str().unwrap()];
    let (one, two) = (bed.path("1.json"), bed.path("2.json"));
    for [before, after] in [[one.to_str().unwrap(), two.to_str().unwrap()], ["1", "2"], ids_of] {
        let same = code(bed.diff(&[before, after, "--format", "json"]), 0);
        let same: Value = serde_json::from_slice(&same.stdout).unwrap();
        assert_eq!(same, difference, "{before}");
    }
    let text = stdout(&code(bed.diff(&["1", "2"]), 0));
    assert!(text.contains("Not reached: neither fixed nor gone"), "{text}");

    // Back, and as it was: nothing is new, and what was gone stays gone without another word.
    drop(silent);
    let back = Server::at(DOCKER, silent_address);
    code(bed.scan("3.json", &targets), 0);
    let third = bed.report("3.json");
    for list in ["new", "fixed", "changed", "gone", "not_reached"] {
        assert_eq!(third["changes"][list], 0, "{list}: {}", third["changes"]);
    }
    assert_eq!(third["scan"]["absent"], json!([]));
    assert!(stdout(&code(bed.diff(&[]), 0)).contains("No difference."));
    code(bed.diff(&["--fail-on", "info"]), 0);

    // Closed after it was silent in between: its findings were never lost.
    drop(back);
    let silent = Silent::at(silent_address);
    code(bed.scan("4.json", &targets), 0);
    drop(silent);
    code(bed.scan("5.json", &targets), 0);
    let output = code(bed.diff(&["--format", "json"]), 0);
    let difference: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(ids(&difference["gone"]), [&away], "{difference:#}");
    assert!(ids(&difference["fixed"]).iter().all(|id| *id == away), "{}", difference["fixed"]);

    bed.assert_sound();
    assert_eq!(bed.sql("SELECT count(*) FROM run"), "5");
    let critical = "SELECT count(DISTINCT endpoint) FROM findings WHERE severity = 'critical'";
    assert_eq!(bed.sql(critical), "5");
    let runs = docksweep().args(["history", "--history"]).arg(bed.database()).output().unwrap();
    let text = stdout(&runs);
    assert_eq!(text.matches("open to strangers").count(), 5, "{text}");
    let mut command = docksweep();
    command.args(["history", "127.77.1.3", "--format", "json", "--history"]).arg(bed.database());
    let known: Value = serde_json::from_slice(&code(command, 0).stdout).unwrap();
    let endpoint = &known["endpoints"][0];
    assert_eq!(endpoint["endpoint"], away.as_str());
    let states: Vec<&str> = endpoint["periods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|period| period["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["seen", "silent", "seen", "silent", "closed"]);
    let mut command = docksweep();
    command.args(["history", "127.77.1.3", "--history"]).arg(bed.database());
    let text = stdout(&code(command, 0));
    assert!(text.contains("+ critical: ") && text.contains(": closed"), "{text}");
    let mut command = docksweep();
    command.args(["history", "127.9.9.9", "--history"]).arg(bed.database());
    assert!(stderr(&code(command, 1)).contains("nothing is known of 127.9.9.9"));
}

/// What was cut short has asked nobody of those it does not list.
#[test]
fn a_run_that_was_cut_short_fixes_nothing() {
    let bed = Bed::new();
    let server = Server::start(DOCKER);
    code(bed.scan("1.json", &[server.address]), 0);
    let mut cut = bed.report("1.json");
    cut["scan"]["id"] = json!("cut");
    cut["scan"]["complete"] = json!(false);
    cut["scan"]["incomplete_reason"] = json!("--max-duration 1s was over");
    cut["endpoints"] = json!([]);
    let path = bed.path("cut.json");
    // The contract's order, which a map would not keep, matters to no reader.
    std::fs::write(&path, cut.to_string()).unwrap();
    let whole = bed.path("1.json");
    let mut command = docksweep();
    command.arg("diff").arg(&whole).arg(&path).args(["--format", "json"]);
    let difference: Value = serde_json::from_slice(&code(command, 0).stdout).unwrap();
    assert_eq!(ids(&difference["not_reached"]), [server.id()]);
    assert_eq!((&difference["fixed"], &difference["gone"]), (&json!([]), &json!([])));
    assert_eq!(difference["notes"], json!(["the later run was cut short"]));
}

#[test]
fn what_cannot_be_compared_is_said_in_one_line() {
    let bed = Bed::new();
    std::fs::write(bed.path("notes.json"), "my notes").unwrap();
    let notes = bed.path("notes.json");
    let notes = notes.to_str().unwrap();
    for (arguments, expected, status) in [
        (vec!["diff"], "--history FILE says where they are", 2),
        (vec!["diff", notes], "give two, or none", 2),
        (vec!["diff", notes, notes], "notes.json: expected", 1),
        (vec!["diff", "1", "2"], "1: no such file", 1),
        (vec!["diff", "--history", "/nonexistent/x.db"], "/nonexistent/x.db: No such file", 1),
        (vec!["history", "--history", notes], "notes.json is no history: it is no SQLite", 1),
        (vec!["history"], "--history", 2),
        (vec!["history", "example.org", "--history", notes], "example.org", 2),
        (vec!["scan", "127.0.0.1", "-q", "--history", notes], "is no SQLite database", 1),
    ] {
        let text = stderr(&code(docksweep().args(&arguments), status));
        let line = text.lines().next().unwrap();
        assert!(line.starts_with("error: ") && line.contains(expected), "{arguments:?}: {text}");
    }
    assert_eq!(std::fs::read(notes).unwrap(), b"my notes");
}

/// What is set for all commands serves those below `history`, too, and what is typed beats it.
#[test]
fn the_history_may_come_from_a_setting() {
    let bed = Bed::new();
    let server = Server::start(DOCKER);
    code(bed.scan("1.json", &[server.address]), 0);
    let report = bed.path("1.json");
    let with = |arguments: &[&str]| {
        let mut command = docksweep();
        command.env("DOCKSWEEP_HISTORY", bed.database()).args(arguments);
        command
    };
    assert!(stdout(&code(with(&["history"]), 0)).contains("1 endpoint"));
    let import = ["history", "import", report.to_str().unwrap()];
    assert!(stderr(&code(with(&import), 0)).contains("run 1 is this scan"));
    let other = bed.path("other.db");
    let text = stdout(&code(with(&import).arg("--history").arg(&other), 0));
    assert!(text.contains("kept as run 1"), "{text}");
    let text = stdout(&code(with(&["history", "prune", "--days", "1"]), 0));
    assert!(text.contains("nights.db: 0 runs are forgotten"), "{text}");
    let text = stderr(&code(with(&["history", "prune", "--days", "0"]), 2));
    assert!(text.contains("--days"), "{text}");
    let text = stderr(&code(with(&["history", "127.0.0.1", "prune", "--days", "1"]), 2));
    assert!(text.contains("give one"), "{text}");
    let text = stderr(&code(docksweep().args(["history", "prune", "--days", "1"]), 2));
    assert!(text.contains("give --history FILE"), "{text}");
}

/// Scans that end at the same time wait for each other, also for who makes the file.
#[test]
fn runs_at_the_same_time_are_all_kept() {
    if !has_sqlite3() {
        return;
    }
    let bed = Bed::new();
    let servers = [Server::start(DOCKER), Server::start(PODMAN)];
    let children: Vec<Child> = (0..6)
        .map(|number| {
            let targets = servers.iter().map(|it| it.address).collect::<Vec<_>>();
            let mut scan = bed.scan(&format!("{number}.json"), &targets);
            scan.args(["--seed", &number.to_string()]).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    bed.assert_sound();
    assert_eq!(bed.sql("SELECT count(*), sum(endpoints) FROM run"), "6|12");
    assert_eq!(bed.sql("SELECT count(*) FROM endpoint"), "2");
}

/// Another program holds the lock all along: the report is written, and the run is brought in later.
#[test]
fn a_locked_history_costs_no_run() {
    if !has_sqlite3() {
        return;
    }
    let bed = Bed::new();
    let server = Server::start(DOCKER);
    code(bed.scan("1.json", &[server.address]), 0);
    let mut shell = Command::new("sqlite3");
    shell.arg(bed.database()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    let mut commands = shell.stdin.take().unwrap();
    commands.write_all(b"BEGIN IMMEDIATE; SELECT 'locked';\n").unwrap();
    let mut answer = [0; 7];
    std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut answer).unwrap();

    let with_json = bed.scan("2.json", &[server.address]).stderr(Stdio::piped()).spawn().unwrap();
    // Without a report in JSON there is nothing to bring in, so one is left beside the history.
    let mut without = docksweep();
    without.args(["scan", "-q", "--format", "text", "--engine", "connect"]);
    without.arg(server.address.to_string()).arg("--history").arg(bed.database());
    let without = without.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut hints = Vec::new();
    for child in [with_json, without] {
        let output = child.wait_with_output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("the run is not in the history: "), "{text}");
        assert!(text.contains("nights.db is locked by another program, for 15 seconds"), "{text}");
        let hint = text.lines().find_map(|line| line.strip_prefix("hint: docksweep ")).unwrap();
        hints.push(hint.split(" keeps it").next().unwrap().to_owned());
    }
    bed.report("2.json");
    assert!(hints[0].contains("2.json") && hints[1].contains("/docksweep-2"), "{hints:?}");
    drop(commands);
    shell.wait().unwrap();
    assert_eq!(bed.sql("SELECT count(*) FROM run"), "1");
    for hint in &hints {
        code(docksweep().args(hint.split(' ')), 0);
    }
    assert_eq!(bed.sql("SELECT count(*), sum(endpoints) FROM run"), "3|3");
    // A second time does nothing.
    assert!(stderr(&code(docksweep().args(hints[0].split(' ')), 0)).contains("stays as it is"));
    assert_eq!(bed.sql("SELECT count(*) FROM run"), "3");
    bed.assert_sound();
}

/// The report of a scan with its first endpoint many times over, on addresses of its own.
fn many(report: &Value, count: u32) -> Value {
    let mut report = report.clone();
    let one = report["endpoints"][0].clone();
    let endpoints = (0..count).map(|number| {
        let address = std::net::Ipv4Addr::from(0xc612_0000 + number).to_string();
        let mut endpoint = one.clone();
        let id = format!("tcp/{address}:{}", one["port"]);
        endpoint["id"] = json!(id);
        endpoint["address"] = json!(address);
        endpoint["observation"]["endpoint"]["address"] = json!(address);
        endpoint["api"]["reason"] = json!(format!("{} ({number})", "long ".repeat(2000)));
        endpoint
    });
    report["endpoints"] = endpoints.collect();
    report["scan"]["id"] = json!("many");
    report
}

/// Killed at any moment, a run is in the history whole or not at all.
#[test]
fn a_kill_leaves_no_half_run() {
    if !has_sqlite3() {
        return;
    }
    let bed = Bed::new();
    let server = Server::start(DOCKER);
    code(bed.scan("1.json", &[server.address]), 0);
    let path = bed.path("many.json");
    std::fs::write(&path, many(&bed.report("1.json"), 300).to_string()).unwrap();
    let before = std::fs::read(bed.database()).unwrap();
    let mut log = bed.database().into_os_string();
    log.push("-wal");
    let mut cut = 0;
    for round in 0..6_u64 {
        std::fs::write(bed.database(), &before).unwrap();
        let _ = std::fs::remove_file(&log);
        let mut child = bed.import(&[&path]).stdout(Stdio::null()).spawn().unwrap();
        // The moments are spread over the writing: the size of the log tells how far it is.
        let until = 1 + round * 600_000;
        while std::fs::metadata(&log).map_or(0, |log| log.len()) < until
            && child.try_wait().unwrap().is_none()
        {
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        bed.assert_sound();
        match bed.sql("SELECT count(*) FROM run").as_str() {
            "1" => {
                cut += 1;
                assert_eq!(bed.sql("SELECT count(*) FROM endpoint"), "1", "round {round}");
            }
            "2" => assert_eq!(bed.sql("SELECT count(*) FROM endpoint"), "301", "round {round}"),
            other => panic!("{other} runs"),
        }
    }
    eprintln!("{cut} of 6 imports were killed before they were done");
    assert!(cut > 0);
    code(bed.import(&[&path]), 0);
    assert_eq!(bed.sql("SELECT max(endpoints) FROM run"), "300");
}

/// A full disk takes nothing that was there.
#[test]
fn a_full_disk_is_said_and_takes_nothing() {
    let bed = Bed::new();
    let server = Server::start(DOCKER);
    code(bed.scan("1.json", &[server.address]), 0);
    let path = bed.path("many.json");
    std::fs::write(&path, many(&bed.report("1.json"), 300).to_string()).unwrap();
    let mut possible = Command::new("unshare");
    possible.args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]);
    if !possible.output().is_ok_and(|output| output.status.success()) {
        crate::skip::said("a full disk: a file system of one's own needs root and unshare");
        return;
    }
    let script = "mount -t tmpfs -o size=1m none /mnt
        cp \"$2\" /mnt/nights.db
        \"$1\" history import \"$3\" --history /mnt/nights.db && exit 9
        \"$1\" history --history /mnt/nights.db --format json";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_docksweep")]);
    let output = code(command.arg(bed.database()).arg(&path), 0);
    let text = stderr(&output);
    assert!(text.contains("error: /mnt/nights.db: database or disk is full"), "{text}");
    let runs: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1);
}

/// Without a place to write beside it, SQLite cannot even read.
#[test]
fn a_read_only_history_is_said_with_a_way_out() {
    let bed = Bed::new();
    let server = Server::start(DOCKER);
    code(bed.scan("1.json", &[server.address]), 0);
    let script = "mount --bind \"$2\" /mnt && mount -o remount,ro,bind /mnt || exit 77
        \"$1\" history --history /mnt/nights.db";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_docksweep")]);
    let output = command.arg(bed.folder.path()).output().unwrap();
    if output.status.code() == Some(77) || stderr(&output).starts_with("unshare: ") {
        crate::skip::said("a read-only file system: one's own needs root and unshare");
        return;
    }
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let line = "error: /mnt/nights.db: unable to open database file\nhint: SQLite writes beside";
    assert!(text.starts_with(line), "{text}");
}

/// A key that two hosts had in one run is still reused when one of them is away for a night.
#[test]
fn a_reused_key_is_looked_for_in_earlier_runs() {
    let bed = Bed::new();
    let engine = Server::start(DOCKER);
    let authority = Authority::new("Docker CA");
    let identity = authority.issue("docker", &["docker.lan"]);
    let serving = runtime();
    // No stranger gets as far as the engine ID, by which the two would be one host.
    let (server, _) = serving.block_on(mutual_tls::serve(
        &identity,
        &identity.key,
        Wanted::Required(&authority),
        &rustls::version::TLS13,
        engine.address,
    ));
    let (first, other) = (runtime(), runtime());
    let here = first.block_on(relay([127, 77, 2, 1], server));
    let there = other.block_on(relay([127, 77, 2, 2], server));
    code(bed.scan("1.json", &[here, there]), 0);
    let fleet = |name: &str| bed.report(name)["fleet_findings"].clone();
    assert_eq!(fleet("1.json")[0]["rule"], "key-reused");
    drop(other);
    let silent = Silent::at(there);
    code(bed.scan("2.json", &[here, there]), 0);
    let found = fleet("2.json");
    assert_eq!(found[0]["endpoints"], json!([format!("tcp/{here}")]), "{found}");
    let evidence = found[0]["evidence"].as_str().unwrap();
    assert!(evidence.contains(&format!("tcp/{there} (last seen ")), "{evidence}");
    assert_eq!(bed.report("2.json")["changes"]["fixed"], 0);
    // Closed is another word: whoever had it is not there any more.
    drop(silent);
    code(bed.scan("3.json", &[here, there]), 0);
    assert_eq!(fleet("3.json"), json!([]));
    let output = code(bed.diff(&["--format", "json"]), 0);
    let difference: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(ids(&difference["fixed"]).contains(&"fleet"), "{difference}");
    // The same key at another address, for the first time: it moved.
    drop(first);
    let next = runtime();
    let moved = next.block_on(relay([127, 77, 2, 3], server));
    code(bed.scan("4.json", &[here, there, moved]), 0);
    assert_eq!(fleet("4.json"), json!([]));
}

/// The same server at another address.
async fn relay(address: [u8; 4], server: SocketAddr) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(SocketAddr::from((address, 2376))).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}
