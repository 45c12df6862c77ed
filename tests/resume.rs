//! `scan --checkpoint` and `--resume`: broken off at any moment, the report is that of one run.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{replay, schema};

/// Addresses beside the servers, on most of which nothing listens: two seconds' work at this rate.
const RATE: &str = "1000";

fn docksweep() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docksweep"));
    command.env("XDG_DATA_HOME", "/nonexistent").stdin(Stdio::null());
    command
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn report(path: &Path) -> Value {
    let report = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    schema::assert_valid(&report);
    report
}

/// What may differ between a run and one that was broken off: when, how often, and that it was.
pub fn lasting(report: &Value) -> Value {
    let mut report = report.clone();
    let scan = report["scan"].as_object_mut().unwrap();
    for volatile in ["id", "started_at", "finished_at", "command"] {
        scan.remove(volatile);
    }
    scan["counts"].as_object_mut().unwrap().remove("sent");
    let notes = scan["notes"].as_array_mut().unwrap();
    notes.retain(|note| !note.as_str().unwrap().contains("gone on with at"));
    for endpoint in report["endpoints"].as_array_mut().unwrap() {
        endpoint.as_object_mut().unwrap().remove("judged_at");
        endpoint["observation"].as_object_mut().unwrap().remove("observed_at");
    }
    report
}

fn resumptions(report: &Value) -> usize {
    let notes = report["scan"]["notes"].as_array().unwrap();
    notes.iter().filter(|note| note.as_str().unwrap().contains("gone on with at")).count()
}

/// Some servers, all with one engine's identity, among 1,000 addresses.
pub struct Fleet {
    folder: tempfile::TempDir,
    targets: Vec<String>,
}

impl Fleet {
    pub async fn start(network: u8) -> Self {
        let mut targets = vec![
            format!("127.63.{network}.0/24"),
            format!("127.63.{}.0-127.63.{}.243", network + 1, network + 3),
        ];
        for name in ["d1-plain-bridge-none", "podman-4.3.1", "d28-plain-28.5.2"] {
            for _ in 0..3 {
                targets.push(replay::serve(name).await.to_string());
            }
        }
        Self { folder: tempfile::tempdir().unwrap(), targets }
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub fn scan(&self, engine: &str, output: &str) -> Command {
        self.scan_at(RATE, engine, output)
    }

    fn checkpoint(&self, engine: &str, output: &str) -> Command {
        self.checkpoint_at(RATE, engine, output)
    }

    fn scan_at(&self, rate: &str, engine: &str, output: &str) -> Command {
        let mut command = docksweep();
        command.args(["scan", "-q", "--rate", rate, "--seed", "11", "--engine", engine, "-o"]);
        command.arg(self.path(output)).args(&self.targets);
        command
    }

    pub fn checkpoint_at(&self, rate: &str, engine: &str, output: &str) -> Command {
        let mut command = self.scan_at(rate, engine, output);
        command.arg("--checkpoint").arg(self.path("place")).args(["--checkpoint-every", "50ms"]);
        command
    }

    fn resume(&self) -> Command {
        let mut command = docksweep();
        command.args(["scan", "--resume"]).arg(self.path("place"));
        command
    }

    /// Leaves a scan that was killed once its checkpoint counted some answers.
    fn broken_off(&self, engine: &str, output: &str) {
        let mut child = self.checkpoint(engine, output).spawn().unwrap();
        while answered(&self.path("place")) < 200 {
            assert!(child.try_wait().unwrap().is_none(), "it ended before its first checkpoint");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(self.path("place").exists());
    }
}

/// How many answers the checkpoint counts; 0 where there is none yet.
pub fn answered(place: &Path) -> u64 {
    let Ok(bytes) = std::fs::read(place) else { return 0 };
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap();
    let line: Value = serde_json::from_slice(line).unwrap();
    let counts = &line["sweep"]["counts"];
    ["open", "closed"].iter().map(|kind| counts[*kind].as_u64().unwrap()).sum()
}

fn signal(child: &Child, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

pub fn can_send_syns() -> bool {
    let output =
        docksweep().args(["scan", "-q", "127.63.0.1", "--engine", "syn"]).output().unwrap();
    output.status.success()
}

/// From the time of day; printed, so that a failure can be had again.
fn random_seed() -> u64 {
    let seed = jiff::Timestamp::now().as_nanosecond() as u64 >> 10;
    eprintln!("moments are chosen by seed {seed}");
    seed
}

async fn killed_at_ten_moments(engine: &str, network: u8) {
    let fleet = Fleet::start(network).await;
    let output = fleet.scan(engine, "whole.json").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let whole = report(&fleet.path("whole.json"));
    assert_eq!(whole["summary"]["endpoints"], 9);
    let mut random = random_seed();
    for round in 0..10 {
        let name = format!("{round}.json");
        let mut child = fleet.checkpoint(engine, &name).spawn().unwrap();
        let mut kills = 0;
        loop {
            // splitmix64's increment and an odd factor will do for moments.
            random = random.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let moment = Duration::from_millis(100 + (random >> 33) % 1500);
            tokio::time::sleep(moment).await;
            // The moment decides where it is broken off, not whether the test holds.
            if child.try_wait().unwrap().is_some() || kills == 2 {
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            child = match fleet.path("place").exists() {
                true => fleet.resume().stderr(Stdio::null()).spawn().unwrap(),
                false => fleet.checkpoint(engine, &name).spawn().unwrap(),
            };
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "round {round}: {}", stderr(&output));
        let resumed = report(&fleet.path(&name));
        assert_eq!(lasting(&resumed), lasting(&whole), "round {round}, {kills} kills");
        eprintln!(
            "{engine}, round {round}: killed {kills} times, resumed {} times",
            resumptions(&resumed)
        );
        assert!(resumptions(&resumed) <= kills, "{:?}", resumed["scan"]["notes"]);
        let left: BTreeSet<_> = std::fs::read_dir(fleet.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("place"))
            .collect();
        assert_eq!(left, BTreeSet::new(), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_and_resumed_the_report_is_that_of_one_run() {
    killed_at_ten_moments("connect", 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_with_syns() {
    if !can_send_syns() {
        crate::skip::lacking("the SYN engine needs CAP_NET_RAW");
        return;
    }
    killed_at_ten_moments("syn", 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_ctrl_c_it_says_how_to_go_on_and_goes_on() {
    let fleet = Fleet::start(30).await;
    assert!(fleet.scan("connect", "whole.json").status().unwrap().success());
    let mut command = fleet.checkpoint("connect", "cut.json");
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    command = docksweep();
    // Only `-q` keeps the hint back.
    command.args(arguments.into_iter().filter(|word| word != "-q"));
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while answered(&fleet.path("place")) < 200 {
        std::thread::yield_now();
    }
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(11), "{}", stderr(&output));
    let place = fleet.path("place");
    let hint = format!("hint: docksweep scan --resume {} goes on", place.display());
    assert_eq!(stderr(&output).lines().last(), Some(hint.as_str()));
    let cut = report(&fleet.path("cut.json"));
    assert_eq!(cut["scan"]["complete"], false);

    // A flag that changes nothing in what is found may be given anew, and another output.
    let again = fleet.path("again.json");
    let output = fleet.resume().args(["--rate", "max", "-o"]).arg(&again).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (whole, resumed) = (report(&fleet.path("whole.json")), report(&again));
    assert_eq!(lasting(&resumed), lasting(&whole));
    assert_eq!(resumptions(&resumed), 1);
    assert_eq!(resumed["scan"]["started_at"], cut["scan"]["started_at"]);
    assert_eq!(resumed["scan"]["id"], cut["scan"]["id"]);
    // The first command line's report is written anew too.
    assert_eq!(lasting(&report(&fleet.path("cut.json"))), lasting(&whole));
    assert!(!place.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checkpoint_of_another_scan_is_refused_and_kept() {
    let fleet = Fleet::start(40).await;
    fleet.broken_off("connect", "x.json");
    let place = fleet.path("place");
    let before = std::fs::read(&place).unwrap();
    let same: Vec<String> =
        ["--rate", RATE, "--seed", "11", "--engine", "connect"].map(str::to_owned).into();
    let same = [same, fleet.targets.clone()].concat();
    let with = |more: &[&str]| {
        let more: Vec<String> = more.iter().map(|word| (*word).to_owned()).collect();
        [same.clone(), more].concat()
    };
    let only = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let cases = [
        (with(&["127.63.45.1"]), "the digest of the targets"),
        (with(&["localhost"]), "other names"),
        (with(&["-p", "2377"]), "the digest of the targets"),
        (with(&["--shard", "1/2"]), "--shard"),
        (with(&["--depth", "version"]), "--depth is posture there and version here"),
        (with(&["--retries", "3"]), "--retries is 1 there and 3 here"),
        (with(&["--ciphers"]), "--ciphers"),
        (only(&["--seed", "12"]), "--seed is 11 there and 12 here"),
        (only(&["--sni", "docker.lan"]), "--sni"),
    ];
    for (arguments, expected) in cases {
        let output = fleet.resume().args(&arguments).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        let error = text.lines().find(|line| line.starts_with("error: ")).unwrap();
        assert!(error.contains("of another scan") && error.contains(expected), "{error}");
        assert!(text.contains("hint: docksweep scan --resume"), "{text}");
        assert_eq!(std::fs::read(&place).unwrap(), before, "{arguments:?}");
    }
    let output = fleet.checkpoint("connect", "y.json").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("a scan that is not finished"), "{}", stderr(&output));
    assert!(stderr(&output).contains("hint: docksweep scan --resume"), "{}", stderr(&output));

    // As if another version had written it.
    rewrite(&place, |line| line["header"]["program"] = json!("0.0.9+observation.0.rules.1"));
    let output = fleet.resume().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("the program is 0.0.9"), "{}", stderr(&output));
    rewrite(&place, |line| line["format"] = json!("docksweep/checkpoint/v9"));
    let output = fleet.resume().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("another format"), "{}", stderr(&output));

    // While one run goes on with it, no other does.
    std::fs::write(&place, &before).unwrap();
    let mut running = fleet.resume().stderr(Stdio::null()).spawn().unwrap();
    while std::fs::read(&place).unwrap() == before {
        std::thread::yield_now();
    }
    let output = fleet.resume().output().unwrap();
    assert_eq!(output.status.code(), Some(12), "{}", stderr(&output));
    assert!(running.wait().unwrap().success());
}

/// Changes the line of a checkpoint, with a checksum that fits.
fn rewrite(place: &Path, change: impl FnOnce(&mut Value)) {
    use sha2::Digest as _;
    let bytes = std::fs::read(place).unwrap();
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    // The format comes first, which a JSON value alone would not keep.
    let mut line: Value = serde_json::from_slice(&bytes[..end]).unwrap();
    change(&mut line);
    let format = line.as_object_mut().unwrap().remove("format").unwrap();
    let rest = line.to_string();
    let mut new = format!("{{\"format\":{format},{}\n", &rest[1..]).into_bytes();
    new.extend(&bytes[end + 1..bytes.len() - 32]);
    let hash = sha2::Sha256::digest(&new);
    new.extend(hash);
    std::fs::write(place, new).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_torn_is_dropped_and_what_is_damaged_is_named() {
    let fleet = Fleet::start(50).await;
    assert!(fleet.scan("connect", "whole.json").status().unwrap().success());
    fleet.broken_off("connect", "x.json");
    let (place, endpoints) = (fleet.path("place"), fleet.path("place.endpoints"));
    let (good, lines) = (std::fs::read(&place).unwrap(), std::fs::read(&endpoints).unwrap());
    let foreign = fleet.path("foreign");
    std::fs::write(&foreign, "my notes\n").unwrap();

    let refused = |path: &Path, flag: &str, expected: &str| {
        let output = docksweep().args(["scan", flag]).arg(path).args(&fleet.targets).output();
        let output = output.unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        let first = text.lines().next().unwrap();
        assert!(first.contains(path.to_str().unwrap()) && first.contains(expected), "{text}");
    };
    refused(&foreign, "--checkpoint", "no checkpoint");
    refused(&foreign, "--resume", "no checkpoint");
    refused(&fleet.path("nowhere"), "--resume", "No such file");
    refused(&fleet.path("no/folder"), "--checkpoint", "not found");
    assert_eq!(std::fs::read(&foreign).unwrap(), b"my notes\n");

    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (bytes, expected) in
        [(&good[..40], "cut off"), (&good[..good.len() - 1], "checksum"), (&flipped, "checksum")]
    {
        std::fs::write(&place, bytes).unwrap();
        refused(&place, "--resume", expected);
    }
    std::fs::write(&place, &good).unwrap();
    std::fs::write(&endpoints, &lines[..20]).unwrap();
    let output = fleet.resume().output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("place.endpoints: the checkpoint is damaged"));

    // Half an observation, as a kill leaves it.
    let torn = [&lines[..], b"{\"version\":1,\"endpoint\":{\"addr"].concat();
    std::fs::write(&endpoints, torn).unwrap();
    let output = fleet.resume().output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (whole, resumed) = (report(&fleet.path("whole.json")), report(&fleet.path("x.json")));
    assert_eq!(lasting(&resumed), lasting(&whole));
}

/// Runs `script` in a mount namespace of its own; `None` where that is not allowed.
fn in_mount_namespace(script: &str, arguments: &[&std::ffi::OsStr]) -> Option<Output> {
    let mut possible = Command::new("unshare");
    possible.args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]);
    if !possible.output().is_ok_and(|output| output.status.success()) {
        crate::skip::lacking("a file system of one's own needs root and unshare");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-ec", script, "sh", env!("CARGO_BIN_EXE_docksweep")]);
    command.env("XDG_DATA_HOME", "/nonexistent");
    Some(command.args(arguments).output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_or_read_only_disk_costs_the_checkpoint_and_nothing_else() {
    let fleet = Fleet::start(60).await;
    assert!(fleet.scan("connect", "whole.json").status().unwrap().success());
    let whole = report(&fleet.path("whole.json"));
    for options in ["size=16k", "ro"] {
        let output = fleet.path("out.json");
        let script =
            "mount -t tmpfs -o \"$2\" none /mnt; program=$1; shift 2; exec \"$program\" \"$@\"";
        let mut arguments: Vec<&std::ffi::OsStr> = vec![options.as_ref(), "scan".as_ref()];
        for word in ["--format", "jsonl", "--seed", "11", "--engine", "connect", "--rate", RATE] {
            arguments.push(word.as_ref());
        }
        arguments.extend(["-o".as_ref(), output.as_os_str()]);
        for word in ["--checkpoint", "/mnt/place", "--checkpoint-every", "50ms"] {
            arguments.push(word.as_ref());
        }
        arguments.extend(fleet.targets.iter().map(std::ffi::OsStr::new));
        let Some(run) = in_mount_namespace(script, &arguments) else { return };
        let text = stderr(&run);
        assert_eq!(run.status.code(), Some(0), "{options}: {text}");
        assert_eq!(text.matches("cannot be written").count(), 1, "{options}: {text}");
        let mut found = report(&output);
        let notes = found["scan"]["notes"].as_array_mut().unwrap();
        let all = notes.len();
        notes
            .retain(|note| !note.as_str().unwrap().contains("the checkpoint could not be written"));
        assert_eq!(notes.len(), all - 1, "{options}: {notes:?}");
        assert_eq!(lasting(&found), lasting(&whole), "{options}");
    }
}
