//! Runs that nobody watches: what they post, where, and what becomes of a run whose posts fail. The
//! server is Python's, in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::mutual_tls::Authority;
use crate::{replay, schema, skip};

/// Stands for what must be seen nowhere.
const SECRET: &str = "T0SECRETB0";
/// Addresses on which nothing listens; the sweep of all of it at this rate takes minutes.
const ENDLESS: [&str; 5] = ["scan", "127.81.0.0/16", "--rate", "200", "--progress=never"];
/// For what comes in moments, on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

fn docksweep() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docksweep"));
    command.env("XDG_DATA_HOME", "/nonexistent").stdin(Stdio::null());
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        command.env_remove(name).env_remove(name.to_ascii_lowercase());
    }
    command
}

fn run(args: &[&str]) -> Output {
    docksweep().args(args).output().unwrap()
}

/// Without what is a matter of the day on which the tests run.
fn stderr(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let about_data = |line: &str| {
        docksweep::advisories::Advisories::is_note(line.trim_start_matches("warning: "))
    };
    text.lines().filter(|line| !about_data(line)).map(|line| format!("{line}\n")).collect()
}

fn start(args: &[&str]) -> Child {
    let mut command = docksweep();
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn terminate(child: &Child) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1200 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it never came to this: {what}");
}

/// A signal before that would simply kill it.
fn until_it_listens_for_signals(child: &Child) {
    let path = format!("/proc/{}/status", child.id());
    let caught = |status: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask & 1 << (rustix::process::Signal::TERM.as_raw() - 1) != 0)
    };
    until("it listens for SIGTERM", || std::fs::read_to_string(&path).is_ok_and(|it| caught(&it)));
}

pub struct Hooks {
    server: Child,
    scheme: &'static str,
    port: u16,
    requests: Receiver<Value>,
}

impl Hooks {
    pub fn start() -> Self {
        Self::with("-", "http", Path::new("-"))
    }

    /// Each request says whether the file was there.
    fn watching(file: &Path) -> Self {
        Self::with("-", "http", file)
    }

    fn with(pem: &str, scheme: &'static str, watched: &Path) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/unattended/hooks.py");
        let mut server = Command::new("python3")
            .args([script, pem])
            .arg(watched)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { server, scheme, port, requests }
    }

    pub fn url(&self, behaviour: &str) -> String {
        format!("{}://127.0.0.1:{}/{behaviour}/{SECRET}?sig={SECRET}", self.scheme, self.port)
    }

    pub fn next(&self) -> Value {
        self.requests.recv_timeout(LONG).unwrap()
    }

    /// All that came; for when the program that posts has ended.
    pub fn all(&self) -> Vec<Value> {
        // The server prints before it answers, but another process reads it.
        std::thread::sleep(Duration::from_millis(300));
        self.requests.try_iter().collect()
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

pub fn body(request: &Value) -> Value {
    serde_json::from_str(request["body"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_posted_when_the_report_is_there_and_the_address_stays_secret() {
    let open = replay::serve("d1-plain-bridge-none").await.to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let hooks = Hooks::watching(&path);
    let file = folder.path().join("address");
    std::fs::write(&file, format!("{}\n", hooks.url("ok"))).unwrap();
    let (one, two) = (hooks.url("ok"), format!("--notify=@{}", file.display()));
    let beat = hooks.url("beat");
    let output = run(&[
        "scan",
        &open,
        "-q",
        "-o",
        path.to_str().unwrap(),
        "--notify",
        &one,
        &two,
        "--heartbeat",
        &beat,
        "-vvv",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let requests = hooks.all();
    assert_eq!(requests.len(), 3, "{requests:?}");
    for request in &requests[..2] {
        assert_eq!(request["report"], true, "the report comes first");
        assert_eq!(request["type"], "application/json");
        assert!(request["agent"].as_str().unwrap().starts_with("docksweep/"));
        let message = body(request);
        schema::assert_valid_notification(&message);
        assert_eq!(message["since"], Value::Null);
        assert_eq!(message["scan"]["complete"], true);
        assert_eq!(message["new"]["findings"][0]["rule"], "api-unauthenticated-plaintext");
        assert_eq!(message["new"]["findings"][0]["endpoints"][0], format!("tcp/{open}"));
        let total = message["new"]["total"].as_u64().unwrap();
        let counts = &message["new"]["by_severity"];
        let count = |name: &str| counts[name].as_u64().unwrap();
        assert_eq!(total, count("critical") + count("high") + count("medium"));
        assert_eq!(count("low") + count("info"), 0, "from medium up");
    }
    let report = std::fs::read_to_string(&path).unwrap();
    let command = serde_json::from_str::<Value>(&report).unwrap()["scan"]["command"].clone();
    let command = command.as_str().unwrap();
    assert!(command.contains(&format!("--notify http://127.0.0.1:{}/…", hooks.port)), "{command}");
    for text in [report.as_str(), &stderr(&output), requests[0]["body"].as_str().unwrap()] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_and_teams_get_what_they_read() {
    let open = replay::serve("d1-plain-bridge-none").await.to_string();
    let hooks = Hooks::start();
    let url = hooks.url("ok");
    let post = |format: &str| {
        let output = run(&["scan", &open, "-q", "--notify", &url, "--notify-format", format]);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
        body(&hooks.next())
    };
    let slack = post("slack");
    assert!(slack["text"].as_str().unwrap().starts_with("docksweep: "));
    assert_eq!(slack["blocks"][0]["type"], "header");
    assert!(slack["blocks"][2]["text"]["text"].as_str().unwrap().contains(&open));
    let teams = post("teams");
    let attachment = &teams["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(attachment["content"]["type"], "AdaptiveCard");
    assert!(attachment["content"]["body"].to_string().contains(&open));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_posted_when_nothing_is_new_unless_that_is_asked_for() {
    let hooks = Hooks::start();
    let url = hooks.url("ok");
    let quiet = ["scan", "127.80.0.0/30", "-q", "--notify", &url];
    assert_eq!(run(&quiet).status.code(), Some(0));
    assert_eq!(hooks.all(), Vec::<Value>::new());
    let open = replay::serve("d1-plain-bridge-none").await.to_string();
    let output = run(&[&quiet[..], &[&open, "--notify-always"]].concat());
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    assert!(body(&hooks.next())["new"]["total"].as_u64().unwrap() > 0);
    assert_eq!(run(&[&quiet[..], &["--notify-always"]].concat()).status.code(), Some(0));
    let message = body(&hooks.next());
    schema::assert_valid_notification(&message);
    assert_eq!(message["new"]["total"], 0);
}

/// All at once, as each has its own time.
#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_fails_is_a_warning_and_takes_nothing_from_the_run() {
    let open = replay::serve("d1-plain-bridge-none").await.to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    let hooks = Hooks::start();
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = format!("http://{unused}/{SECRET}");
    let behaviours =
        ["flaky", "busy", "giant", "later", "gone", "redirect", "silent", "garbage", "heads"];
    let mut urls: Vec<String> = behaviours.iter().map(|behaviour| hooks.url(behaviour)).collect();
    urls.push(closed);
    let mut command = docksweep();
    command.args(["scan", &open, "-q", "--fail-on", "critical", "-o"]).arg(&path);
    for url in &urls {
        command.args(["--notify", url]);
    }
    let output = command.output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(10), "the findings' own code: {text}");
    let report: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(report["summary"]["by_severity"]["critical"], 1);

    let requests = hooks.all();
    let asked = |behaviour: &str| {
        let is_it = |request: &&Value| {
            request["path"].as_str().unwrap().starts_with(&format!("/{behaviour}/"))
        };
        requests.iter().filter(is_it).count()
    };
    let at = format!("warning: --notify http://127.0.0.1:{}/…: ", hooks.port);
    let mut expected = vec![
        format!("{at}it answered 429 Too Many Requests"),
        format!("{at}it answered 404 Not Found"),
        format!("{at}it answered 307 Temporary Redirect, and redirects are not followed"),
        format!("{at}no answer within 10 s, so it may have arrived"),
        format!("{at}its answer cannot be read as HTTP"),
        format!("{at}its answer cannot be read as HTTP"),
        format!("warning: --notify http://{unused}/…: Connection refused (os error 111) (4 tries)"),
    ];
    let mut lines: Vec<&str> = text.lines().collect();
    expected.sort();
    lines.sort_unstable();
    assert_eq!(lines, expected);
    let tries = [3, 2, 1, 1, 1, 1, 1, 1, 1];
    assert_eq!(behaviours.map(asked), tries, "{requests:?}");
    assert_eq!(asked("stolen"), 0);
    assert!(!text.contains(SECRET), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_systems_roots_vouch_for_who_is_posted_to() {
    let open = replay::serve("d1-plain-bridge-none").await.to_string();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("an inside authority");
    let identity = authority.issue("hooks", &["127.0.0.1"]);
    let pem = folder.path().join("server.pem");
    let both = format!("{}{}", identity.certificate.pem(), identity.key.serialize_pem());
    std::fs::write(&pem, both).unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, authority.pem()).unwrap();
    let other = folder.path().join("other.pem");
    std::fs::write(&other, Authority::new("another").pem()).unwrap();
    let hooks = Hooks::with(pem.to_str().unwrap(), "https", Path::new("-"));
    let post = |roots: &Path| {
        let args = ["scan", &open, "-q", "--notify", &hooks.url("ok")];
        docksweep().args(args).env("SSL_CERT_FILE", roots).output().unwrap()
    };
    let output = post(&roots);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    schema::assert_valid_notification(&body(&hooks.next()));
    let output = post(&other);
    assert_eq!(output.status.code(), Some(0));
    let text = stderr(&output);
    assert!(text.starts_with("warning: --notify https://127.0.0.1:"), "{text}");
    assert!(text.contains("certificate") && !text.contains(SECRET), "{text}");
    assert_eq!(hooks.all(), Vec::<Value>::new());
}

/// A proxy as companies have them: with a password, and with tunnels to one port alone.
struct Proxy {
    process: Child,
    port: u16,
    log: PathBuf,
}

impl Proxy {
    fn start(folder: &Path, tunnels_to: u16) -> Self {
        let unused = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = unused.local_addr().unwrap().port();
        drop(unused);
        let (settings, log) = (folder.join("tinyproxy.conf"), folder.join("tinyproxy.log"));
        let text = format!(
            "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 30\nBasicAuth me {SECRET}\n\
             ConnectPort {tunnels_to}\nLogFile \"{}\"\n",
            log.display()
        );
        std::fs::write(&settings, text).unwrap();
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(&settings).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        until("the proxy listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { process, port, log }
    }

    fn url(&self) -> String {
        format!("http://me:{SECRET}@127.0.0.1:{}", self.port)
    }

    /// That it was asked for.
    fn tunnels(&self) -> usize {
        std::fs::read_to_string(&self.log).unwrap().matches("CONNECT 127.0.0.1").count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scheme_is_posted_by_way_of_its_own_proxy() {
    if Command::new("tinyproxy").arg("-v").output().is_err() {
        skip::said("what goes through a proxy: tinyproxy is not installed");
        return;
    }
    let open = replay::serve("d1-plain-bridge-none").await.to_string();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("an inside authority");
    let identity = authority.issue("hooks", &["127.0.0.1"]);
    let (pem, roots) = (folder.path().join("server.pem"), folder.path().join("roots.pem"));
    let both = format!("{}{}", identity.certificate.pem(), identity.key.serialize_pem());
    std::fs::write(&pem, both).unwrap();
    std::fs::write(&roots, authority.pem()).unwrap();
    let plain = Hooks::start();
    let secure = Hooks::with(pem.to_str().unwrap(), "https", Path::new("-"));
    let proxy = Proxy::start(folder.path(), secure.port);
    let post = |hooks: &Hooks, variables: &[(&str, &str)]| {
        let mut command = docksweep();
        command.args(["scan", &open, "-q", "--notify", &hooks.url("ok"), "-vvv"]);
        command.env("SSL_CERT_FILE", &roots).envs(variables.iter().copied());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let text = stderr(&output);
        assert!(!text.contains(SECRET), "{text}");
        text.lines().filter(|line| line.starts_with("warning: ")).collect::<Vec<_>>().join("\n")
    };
    let good = proxy.url();

    assert_eq!(post(&secure, &[("HTTPS_PROXY", &good), ("HTTP_PROXY", "http://127.0.0.1:1")]), "");
    schema::assert_valid_notification(&body(&secure.next()));
    assert_eq!(proxy.tunnels(), 1);

    // One that is for the other scheme, or not for this host, is not asked.
    assert_eq!(post(&plain, &[("HTTPS_PROXY", &good)]), "");
    assert_eq!(post(&secure, &[("ALL_PROXY", &good), ("no_proxy", "x.example, 127.0.0.0/8")]), "");
    assert_eq!((plain.all().len(), secure.all().len(), proxy.tunnels()), (1, 1, 1));

    // Where it cannot be gone through, it is not gone round.
    let at = format!("warning: --notify http://127.0.0.1:{}/…: ", plain.port);
    let warning = post(&plain, &[("http_proxy", &good)]);
    assert_eq!(warning, format!("{at}CONNECT was refused, by way of http_proxy (4 tries)"));
    let warning = post(&plain, &[("HTTP_PROXY", "socks5://me:T0SECRETB0@127.0.0.1:1080")]);
    assert_eq!(warning, format!("{at}HTTP_PROXY names no proxy of http:// or https://"));
    assert_eq!(plain.all(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_says_how_the_run_ended_however_that_was() {
    let open = replay::serve("d1-plain-bridge-none").await.to_string();
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("lock");
    let hooks = Hooks::start();
    let url = format!("http://127.0.0.1:{}/beat", hooks.port);
    let beat = ["--heartbeat", &url];
    let of = |args: &[&str]| {
        let output = run(&[args, &beat, &["-q"]].concat());
        let request = hooks.next();
        let code = output.status.code().unwrap();
        assert_eq!(request["path"], format!("/beat/{code}"), "{}", stderr(&output));
        (code, request["body"].as_str().unwrap().to_owned())
    };
    let (code, line) = of(&["scan", "127.80.0.0/30"]);
    assert_eq!((code, line.as_str()), (0, "docksweep: done; 0 endpoints on 4 addresses\n"));
    let (code, line) = of(&["scan", &open, "--fail-on", "critical"]);
    assert_eq!(code, 10);
    assert!(line.contains("1 endpoints on 1 addresses, 1 critical"), "{line}");
    let (code, line) = of(&["scan", "127.80.0.1", "-o", "/nonexistent/r.json"]);
    assert_eq!((code, line.as_str()), (1, "docksweep: failed; there is no report\n"));

    let held = lock.to_str().unwrap();
    let args = [&ENDLESS[..], &beat, &["--lock", held, "--format", "json"]].concat();
    let child = start(&args);
    until("the lock is held", || std::fs::read(&lock).is_ok_and(|pid| !pid.is_empty()));
    let (code, line) = of(&["scan", "127.80.0.1", "--lock", held]);
    assert_eq!(code, 12);
    assert!(line.contains("another run holds the lock"), "{line}");
    until_it_listens_for_signals(&child);
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(11), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["scan"]["complete"], false);
    assert_eq!(hooks.next()["path"], "/beat/11");

    let placed = format!("http://127.0.0.1:{}/beat?code={{code}}&job=sweep", hooks.port);
    assert_eq!(run(&["scan", "127.80.0.1", "-q", "--heartbeat", &placed]).status.code(), Some(0));
    assert_eq!(hooks.next()["path"], "/beat?code=0&job=sweep");
    // A list of targets that is gone is what a monitor is there for; flags that are none are not.
    assert_eq!(of(&["scan", "-i", "/nonexistent/targets"]).0, 2);
    assert_eq!(of(&["scan", "127.80.0.1", "--advisories", "/nonexistent/data"]).0, 1);
    let (dry, none) = (["scan", "127.80.0.1", "--dry-run"], ["scan", "--no-such-flag"]);
    assert_eq!(run(&[&dry[..], &beat].concat()).status.code(), Some(0));
    assert_eq!(run(&[&none[..], &beat].concat()).status.code(), Some(2));
    assert_eq!(hooks.all(), Vec::<Value>::new(), "what is no scan beats for nobody");
}

#[test]
fn a_second_run_with_the_same_lock_says_who_holds_it_and_exits_12() {
    let folder = tempfile::tempdir().unwrap();
    let lock = folder.path().join("lock");
    let path = lock.to_str().unwrap();
    let mut first = start(&[&ENDLESS[..], &["--lock", path]].concat());
    until("the lock is held", || std::fs::read(&lock).is_ok_and(|pid| !pid.is_empty()));
    let second = run(&["scan", "127.80.0.1", "--lock", path]);
    assert_eq!(second.status.code(), Some(12));
    assert_eq!(
        stderr(&second),
        format!("error: {path}: another run holds the lock (process {})\n", first.id())
    );
    assert!(second.stdout.is_empty());
    // Not even a run that had no time to tidy up locks the next one out.
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(run(&["scan", "127.80.0.1", "--lock", path, "-q"]).status.code(), Some(0));
    let wrong = run(&["scan", "127.80.0.1", "--lock", folder.path().to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(2), "{}", stderr(&wrong));
}

#[test]
fn a_second_run_with_the_same_checkpoint_exits_12_too() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("here");
    let path = checkpoint.to_str().unwrap();
    let mut first = start(&[&ENDLESS[..], &["--checkpoint", path]].concat());
    until("there is a checkpoint", || checkpoint.exists());
    for flag in ["--checkpoint", "--resume"] {
        let second = run(&["scan", "127.81.0.0/16", flag, path]);
        assert_eq!(second.status.code(), Some(12), "{flag}: {}", stderr(&second));
        assert!(stderr(&second).contains("another run"), "{flag}: {}", stderr(&second));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let second = run(&["scan", "127.81.0.0/16", "--checkpoint", path]);
    assert_eq!(second.status.code(), Some(2), "it is not finished, and nobody works on it");
}

#[test]
fn an_address_that_is_none_is_refused_before_the_scan_and_not_repeated() {
    let cases: [&[&str]; 5] = [
        &["--notify", "ftp://T0SECRETB0.example/"],
        &["--notify", "T0SECRETB0"],
        &["--heartbeat", "https://T0SECRETB0 .example/"],
        &["--notify", "@/nonexistent/address"],
        &["--heartbeat", "@/dev/null"],
    ];
    for flags in cases {
        for dry in [&[][..], &["--dry-run"]] {
            let output = run(&[&["scan", "127.80.0.1"], flags, dry].concat());
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{flags:?}: {text}");
            assert!(text.starts_with(&format!("error: {}", flags[0])), "{flags:?}: {text}");
            assert!(!text.contains(SECRET), "{flags:?}: {text}");
            assert!(output.stdout.is_empty(), "{flags:?}");
        }
    }
}

#[test]
fn the_configuration_is_shown_without_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    let text = format!("[scan]\nnotify = [\"https://a.example/{SECRET}\", \"@/etc/slack\"]\n");
    std::fs::write(&path, text).unwrap();
    let mut command = docksweep();
    command.args(["config", "--config"]).arg(&path);
    command.env("DOCKSWEEP_HEARTBEAT", format!("https://b.example/{SECRET}/{{code}}"));
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(SECRET), "{text}");
    assert!(text.contains("notify = [\"https://a.example/…\", \"@/etc/slack\"]  # "), "{text}");
    assert!(text.contains("heartbeat = \"https://b.example/…\"  # DOCKSWEEP_HEARTBEAT"), "{text}");
}

#[test]
fn a_nice_run_has_a_low_priority_in_all_its_threads() {
    let own = rustix::process::getpriority_process(None).unwrap();
    let args = ["scan", "127.81.0.0/16", "--nice", "--progress=never", "--format", "json"];
    let child = start(&args);
    let tasks = format!("/proc/{}/task", child.id());
    let priorities = || -> Vec<i32> {
        let Ok(tasks) = std::fs::read_dir(&tasks) else { return Vec::new() };
        let stats =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
        stats
            .map(|stat| {
                stat.rsplit(')')
                    .next()
                    .unwrap()
                    .split_whitespace()
                    .nth(16)
                    .unwrap()
                    .parse()
                    .unwrap()
            })
            .collect()
    };
    let expected = (own + 10).min(19);
    until("all threads are nice", || {
        let priorities = priorities();
        priorities.len() > 2 && priorities.iter().all(|priority| *priority == expected)
    });
    until_it_listens_for_signals(&child);
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(11), "{}", stderr(&output));
}
