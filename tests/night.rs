//! A story of three nights: the crontab line that `schedule` prints, run by a shell, over real Docker
//! daemons that come, go and hang in between. Diff, post, metrics and exit code tell each night alike.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::truth;
use crate::unattended::{Hooks, body};

const LEAVES: &str = "127.23.0.1";
const HANGS: &str = "127.23.0.2";
const COMES: &str = "127.23.0.3";
const OPEN: &str = "api-unauthenticated-plaintext";

#[test]
fn three_nights_by_cron() {
    if truth::running_lab().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let hooks = Hooks::start();
    std::fs::write(folder.path().join("hook"), hooks.url("ok")).unwrap();
    let night = Night { folder: folder.path().to_owned(), line: crontab_line(folder.path()) };

    // The first night knows of nothing before it: all that is bad is news.
    let leaves = Daemon::start(folder.path(), LEAVES);
    let hangs = Daemon::start(folder.path(), HANGS);
    assert_eq!(night.run(), 10, "two daemons are open");
    let post = only(&hooks);
    assert_eq!(post["since"], Value::Null, "{post:#}");
    assert_eq!(endpoints_of(&post, OPEN), [id(LEAVES), id(HANGS)]);
    let metrics = night.metrics();
    assert_eq!(metric(&metrics, "docksweep_endpoints", "access=\"open\""), Some("2"));
    assert_eq!(metric(&metrics, "docksweep_changes", ""), None, "{metrics}");

    // One is taken down, another one is set up.
    drop(leaves);
    let comes = Daemon::start(folder.path(), COMES);
    assert_eq!(night.run(), 10);
    let difference = night.diff(10);
    assert_eq!(endpoints(&difference, "gone"), [id(LEAVES)]);
    assert_eq!(endpoints(&difference, "appeared"), [id(COMES)]);
    assert_eq!(about(&difference, "fixed", OPEN), [id(LEAVES)]);
    assert_eq!(about(&difference, "new", OPEN), [id(COMES)]);
    assert_eq!(endpoints(&difference, "not_reached"), [] as [String; 0]);
    let post = only(&hooks);
    assert_eq!(endpoints_of(&post, OPEN), [id(COMES)], "the old one is no news: {post:#}");
    let metrics = night.metrics();
    for (kind, list) in [("new", "new"), ("fixed", "fixed"), ("gone", "gone")] {
        let counted = difference[list].as_array().unwrap().len().to_string();
        let kind = format!("kind=\"{kind}\"");
        assert_eq!(metric(&metrics, "docksweep_changes", &kind), Some(&*counted), "{kind}");
    }
    assert_eq!(metric(&metrics, "docksweep_endpoints", "access=\"open\""), Some("2"));

    // One hangs: it takes connections and says nothing. That fixes nothing, and is no news to wake
    // anybody for.
    hangs.signal(Signal::STOP);
    assert_eq!(night.run(), 10, "the new one is still open");
    hangs.signal(Signal::CONT);
    let difference = night.diff(0);
    assert_eq!(about(&difference, "fixed", OPEN), [] as [String; 0], "{difference:#}");
    assert_eq!(about(&difference, "not_reached", OPEN), [id(HANGS)]);
    assert_eq!(endpoints(&difference, "gone"), [] as [String; 0]);
    assert_eq!(hooks.all(), [] as [Value; 0]);
    let metrics = night.metrics();
    assert_eq!(metric(&metrics, "docksweep_endpoints", "access=\"open\""), Some("1"));
    assert_eq!(metric(&metrics, "docksweep_endpoints", "access=\"undetermined\""), Some("1"));
    assert_eq!(metric(&metrics, "docksweep_changes", "kind=\"fixed\""), Some("0"));
    drop(comes);
}

/// The one post of a night.
fn only(hooks: &Hooks) -> Value {
    let post = body(&hooks.next());
    assert_eq!(hooks.all(), [] as [Value; 0]);
    post
}

fn id(address: &str) -> String {
    format!("tcp/{address}:2375")
}

/// Where what is run lies, and the line of the crontab.
struct Night {
    folder: PathBuf,
    line: String,
}

impl Night {
    /// As cron does, whose environment is nearly empty.
    fn run(&self) -> i32 {
        let output = Command::new("/bin/sh")
            .args(["-c", &self.line])
            .env_clear()
            .env("HOME", &self.folder)
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.stdout, b"", "cron would mail it");
        assert_eq!(said, "", "cron would mail it");
        output.status.code().unwrap()
    }

    #[track_caller]
    fn diff(&self, expected: i32) -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_docksweep"))
            .args(["diff", "--fail-on", "high", "--format", "json", "--history"])
            .arg(self.folder.join("nights.db"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn metrics(&self) -> String {
        std::fs::read_to_string(self.folder.join("docksweep.prom")).unwrap()
    }
}

/// What `schedule` prints, as cron hands it to the shell.
fn crontab_line(folder: &Path) -> String {
    let targets = format!("{LEAVES}-{COMES}");
    let in_folder = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let hook = format!("@{}", in_folder("hook"));
    let output = Command::new(env!("CARGO_BIN_EXE_docksweep"))
        .args(["schedule", "--print", "cron", "--at", "02:15", "--program"])
        .arg(env!("CARGO_BIN_EXE_docksweep"))
        .args(["--", "scan", &targets, "-p", "2375", "-q", "--engine", "connect"])
        .args(["--fail-on", "high", "--notify", &hook, "--notify-from", "high"])
        .args(["-o", &in_folder("last.json"), "-o", &in_folder("docksweep.prom")])
        .args(["--history", &in_folder("nights.db"), "--lock", &in_folder("lock")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| !line.starts_with('#') && !line.is_empty()).unwrap();
    let command = line.strip_prefix("15 2 * * * ").expect(line);
    command.replace("\\%", "%")
}

/// Of one kind; all of them where it is empty.
fn metric<'a>(metrics: &'a str, name: &str, label: &str) -> Option<&'a str> {
    let line =
        metrics.lines().find(|it| it.starts_with(&format!("{name}{{")) && it.contains(label))?;
    line.rsplit_once(' ').map(|(_, value)| value)
}

fn endpoints(difference: &Value, list: &str) -> Vec<String> {
    let mut ids: Vec<String> = difference[list]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["endpoint"].as_str().unwrap().to_owned())
        .collect();
    ids.dedup();
    ids
}

/// Endpoints of a list's findings of this rule.
fn about(difference: &Value, list: &str, rule: &str) -> Vec<String> {
    let found = difference[list].as_array().unwrap().iter().filter(|it| match list {
        "not_reached" => {
            it["findings"].as_array().is_some_and(|all| all.iter().any(|f| f["rule"] == rule))
        }
        _ => it["rule"] == rule,
    });
    found.map(|it| it["endpoint"].as_str().unwrap().to_owned()).collect()
}

/// Endpoints of a post's findings of this rule.
fn endpoints_of(post: &Value, rule: &str) -> Vec<String> {
    let findings =
        post["new"]["findings"].as_array().unwrap().iter().filter(|it| it["rule"] == rule);
    let mut ids: Vec<String> = findings
        .flat_map(|it| it["endpoints"].as_array().unwrap())
        .map(|id| id.as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

/// A real one, with its own roots and no part in the machine's networking.
struct Daemon(Child);

impl Daemon {
    fn start(folder: &Path, address: &str) -> Self {
        let home = folder.join(address);
        std::fs::create_dir(&home).unwrap();
        let config = home.join("daemon.json");
        // The key is the engine's identity; by default all daemons of a machine would share one.
        let key = home.join("key.json");
        std::fs::write(&config, format!("{{\"deprecated-key-path\": {key:?}}}")).unwrap();
        let log = std::fs::File::create(home.join("log")).unwrap();
        let child = Command::new("dockerd")
            .arg("--config-file")
            .arg(&config)
            .arg("--data-root")
            .arg(home.join("data"))
            .arg("--exec-root")
            .arg(home.join("exec"))
            .arg("--pidfile")
            .arg(home.join("pid"))
            .args(["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"])
            .args(["--storage-driver=vfs", "-H", &format!("tcp://{address}:2375")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let daemon = Self(child);
        let answers = || {
            use std::io::{Read as _, Write as _};
            let mut stream = TcpStream::connect(format!("{address}:2375")).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
            stream
                .write_all(b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            answer.starts_with("HTTP/1.1 200").then_some(())
        };
        for _ in 0..600 {
            if answers().is_some() {
                return daemon;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{}", std::fs::read_to_string(home.join("log")).unwrap());
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Daemon {
    /// It ends its containerd, too.
    fn drop(&mut self) {
        self.signal(Signal::CONT);
        self.signal(Signal::TERM);
        let _ = self.0.wait();
    }
}
