//! What `docksweep schedule` prints, read by those that it is for: systemd and a shell.

use std::path::Path;
use std::process::{Command, Output};

fn schedule(args: &[&str], scan: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docksweep"));
    command.env("XDG_DATA_HOME", "/nonexistent");
    command.args(["schedule", "--print"]).args(args).arg("--").args(scan).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Writes the units into a folder that every user can read.
fn units(args: &[&str], scan: &[&str]) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let readable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), readable).unwrap();
    let into = ["systemd", "--output", folder.path().to_str().unwrap()];
    let output = schedule(&[&into, args].concat(), scan);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    folder
}

/// Says on stderr when a test has to be skipped.
fn has(program: &str) -> bool {
    let there = Path::new(program).exists();
    if !there {
        crate::skip::said(&format!("what systemd makes of it: there is no {program}"));
    }
    there
}

const ANALYZE: &str = "/usr/bin/systemd-analyze";
const SYSTEMD: &str = "/lib/systemd/systemd";

const SCAN: [&str; 8] = [
    "scan",
    "10.0.0.0/16",
    "-q",
    "-o",
    "sweep.json",
    "-o",
    "prometheus=/var/lib/x/y.prom",
    "--nice",
];

#[test]
fn systemd_finds_nothing_to_say_against_the_units() {
    if !has(ANALYZE) {
        return;
    }
    for every in ["hourly", "daily", "weekly", "monthly"] {
        for user in [&[][..], &["--user", "daemon"]] {
            let name = format!("{every}-sweep");
            let folder = units(&[&["--every", every, "--name", &name], user].concat(), &SCAN);
            let verify = Command::new(ANALYZE)
                .arg("verify")
                .args(["service", "timer"].map(|kind| folder.path().join(format!("{name}.{kind}"))))
                .output()
                .unwrap();
            let said = format!("{}{}", stderr(&verify), String::from_utf8_lossy(&verify.stdout));
            assert_eq!((verify.status.code(), said.as_str()), (Some(0), ""), "{every} {user:?}");
        }
    }
}

#[test]
fn the_service_is_barely_exposed() {
    if !has(ANALYZE) {
        return;
    }
    let folder = units(&[], &SCAN);
    let security = Command::new(ANALYZE)
        .args(["security", "--no-pager", "--offline=true", "--threshold=20"])
        .arg(folder.path().join("docksweep.service"))
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let text = String::from_utf8(security.stdout.clone()).unwrap();
    assert!(security.status.success(), "{text}{}", stderr(&security));
    let last = text.lines().last().unwrap();
    let level = last.split("docksweep.service: ").nth(1).unwrap();
    let level: f32 = level.split_whitespace().next().unwrap().parse().unwrap();
    assert!(level <= 1.7, "{last}");
}

/// The words that systemd itself reads in the unit, from its own listing of what it loaded.
fn as_systemd_reads_it(folder: &Path, name: &str) -> Vec<String> {
    let mut command = match rustix::process::geteuid().is_root() {
        // It does not do this as root.
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", SYSTEMD]);
            command
        }
        false => Command::new(SYSTEMD),
    };
    let output = command
        .args(["--test", "--system", &format!("--unit={name}.service")])
        .env("SYSTEMD_UNIT_PATH", format!("{}:/lib/systemd/system", folder.display()))
        .env("HOME", "/tmp")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let unit = text.split(&format!("-> Unit {name}.service:")).nth(1).unwrap_or_else(|| {
        panic!("systemd does not list the unit: {}{text}", stderr(&output));
    });
    let line = unit.split("Command Line: ").nth(1).unwrap().lines().next().unwrap();
    unlisted(line)
}

/// Takes off what the listing puts around words: quotes, and backslashes before some characters.
fn unlisted(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => is_quoted = !is_quoted,
            '\\' => word.push(rest.next().unwrap()),
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    // A dollar sign is doubled until the command is run.
    words.into_iter().map(|word| word.replace("$$", "$")).collect()
}

#[test]
fn systemd_reads_the_words_as_they_were_typed() {
    if !has(SYSTEMD) {
        return;
    }
    let labels = [
        "100 % $HOME ${HOME} $$ %n %%",
        r#"back\slash \\ \" "quoted" 'single' \n \x41"#,
        "; & | < > ( ) { } * ? ! # ~ `ls`",
        ";",
        "",
        " ",
        "%",
        "$",
        "\\",
        "\"",
        "'",
        "é 東京",
        "-",
        "$X",
    ];
    for label in labels {
        let scan = ["scan", "10.0.0.0/16", "--vantage", label, "--user-agent", "a;b c"];
        let folder = units(&["--program", "/usr/bin/true"], &scan);
        let mut expected = vec!["/usr/bin/true".to_owned()];
        expected.extend(scan.iter().map(|word| (*word).to_owned()));
        assert_eq!(as_systemd_reads_it(folder.path(), "docksweep"), expected);
    }
}

#[test]
fn secrets_reach_the_service_as_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let (slack, beat) = (folder.path().join("slack"), folder.path().join("100% beat"));
    std::fs::write(&slack, "https://hooks.example/T0\n").unwrap();
    std::fs::write(&beat, "https://hc.example/uuid\n").unwrap();
    let scan = [
        "scan",
        "10.0.0.0/16",
        "--notify",
        &format!("@{}", slack.display()),
        &format!("--heartbeat=@{}", beat.display()),
    ];
    let units = units(&["--name", "night", "--program", "/usr/bin/true"], &scan);
    let text = std::fs::read_to_string(units.path().join("night.service")).unwrap();
    assert!(text.contains(&format!("LoadCredential=notify-1:{}\n", slack.display())), "{text}");
    let escaped = beat.display().to_string().replace('%', "%%");
    assert!(text.contains(&format!("LoadCredential=heartbeat-2:{escaped}\n")), "{text}");
    if !has(SYSTEMD) {
        return;
    }
    let words = as_systemd_reads_it(units.path(), "night");
    assert_eq!(
        words[3..],
        [
            "--notify",
            "@/run/credentials/night.service/notify-1",
            "--heartbeat=@/run/credentials/night.service/heartbeat-2",
        ]
    );
}

#[test]
fn a_crontab_line_runs_the_scan_from_here() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docksweep"));
        command.env("XDG_DATA_HOME", "/nonexistent").current_dir(folder.path());
        command.args(args).output().unwrap()
    };
    let label = r#"100 % "of" it's \% $HOME"#;
    let output = run(&[
        "schedule",
        "--print",
        "cron",
        "--every",
        "weekly",
        "--at",
        "4:30",
        "--",
        "scan",
        "127.80.0.1",
        "-q",
        "-o",
        "100%.json",
        "--vantage",
        label,
        "--lock",
        "lock",
    ]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    let line = String::from_utf8(output.stdout).unwrap();
    let command = line.strip_prefix("30 4 * * 1 ").unwrap();
    // As cron does: see the unit tests of the line for the whole rule.
    let command = command.replace(r"'\%'", "'%'");
    let output = Command::new("/bin/sh")
        .args(["-c", &command])
        .current_dir("/")
        .env("XDG_DATA_HOME", "/nonexistent")
        .output()
        .unwrap();
    assert!(output.stderr.is_empty() && output.stdout.is_empty(), "{}", stderr(&output));
    let report = std::fs::read(folder.path().join("100%.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["scan"]["vantage"]["label"], label);
}

#[test]
fn what_would_fail_every_night_is_refused_now() {
    let cases: &[(&[&str], &[&str], &str)] = &[
        (&["systemd"], &["report", "r.json"], "only a scan"),
        (&["systemd"], &["scan", "--help"], "only a scan"),
        (&["systemd"], &["scan"], "no target given"),
        (&["systemd"], &["scan", "10.0.0.0/33"], "10.0.0.0/33"),
        (&["systemd"], &["scan", "10.0.0.1", "--rate", "fast"], "--rate"),
        (&["systemd"], &["scan", "10.0.0.1", "--frobnicate"], "--frobnicate"),
        (&["systemd"], &["scan", "10.0.0.1", "-o", "r.pdf"], "r.pdf"),
        (&["systemd"], &["scan", "-i", "-"], "stdin"),
        (&["systemd"], &["scan", "-i", "Cargo.toml"], "must be whole"),
        (&["systemd"], &["scan", "10.0.0.1", "--dry-run"], "dry run"),
        (&["systemd"], &["scan", "--resume", "here"], "--resume"),
        (&["cron"], &["scan", "10.0.0.1", "--credentials", "env"], "DOCKER_CERT_PATH"),
        (&["systemd"], &["scan", "10.0.0.1", "--context", "lab"], "context"),
        (&["systemd"], &["scan", "10.0.0.1", "--notify", "ftp://x/"], "--notify"),
        (&["systemd"], &["scan", "10.0.0.1", "--vantage", "a\nb"], "no place"),
        (&["cron"], &["scan", "10.0.0.1", "--vantage", "a\nb"], "no place"),
        (&["systemd", "--name", "../x"], &["scan", "10.0.0.1"], "--name"),
        (&["systemd", "--user", "a b"], &["scan", "10.0.0.1"], "--user"),
        (&["systemd", "--at", "25:00"], &["scan", "10.0.0.1"], "--at"),
        (&["cron", "--output", "/tmp"], &["scan", "10.0.0.1"], "--output"),
    ];
    for (args, scan, expected) in cases {
        let output = schedule(args, scan);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?} {scan:?}: {text}");
        assert!(output.stdout.is_empty(), "{args:?} {scan:?}");
        assert!(
            text.starts_with("error: ") && text.contains(expected),
            "{args:?} {scan:?}: {text}"
        );
    }
}

#[test]
fn what_this_shell_alone_says_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("address");
    std::fs::write(&address, "https://h.example/x").unwrap();
    for (scheduler, expected) in [
        ("systemd", "warning: the service has not this shell's DOCKSWEEP_RATE, HTTPS_PROXY: "),
        ("cron", "warning: cron has not this shell's DOCKSWEEP_RATE, HTTPS_PROXY: "),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docksweep"));
        command.args(["schedule", "--print", scheduler, "--", "scan", "127.80.0.1", "-q"]);
        command
            .arg(format!("--heartbeat=@{}", address.display()))
            .env("XDG_DATA_HOME", "/nonexistent");
        for name in ["ALL_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy"] {
            command.env_remove(name).env_remove(name.to_ascii_lowercase());
        }
        command.env("DOCKSWEEP_RATE", "10").env("HTTPS_PROXY", "http://secret@p:1");
        let output = command.output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn units_are_not_written_over_those_that_are_there() {
    let folder = units(&[], &SCAN);
    let service = folder.path().join("docksweep.service");
    std::fs::write(&service, "edited").unwrap();
    let into = ["systemd", "--output", folder.path().to_str().unwrap()];
    let output = schedule(&into, &SCAN);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("docksweep.service"), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(&service).unwrap(), "edited");
}

#[test]
fn what_the_sandbox_keeps_from_the_service_is_said() {
    let scan = [
        &["scan", "10.0.0.1", "-o", "/srv/reports/r.json", "--notify", "http://h.example/T0"][..],
        &["-o", "r.prom", "-o", "/srv/node/r.prom", "--nice"],
    ]
    .concat();
    let output = schedule(&["systemd", "--program", "/root/.cargo/bin/docksweep"], &scan);
    assert_eq!(output.status.code(), Some(0));
    let text = stderr(&output);
    for part in [
        "sees nothing of /root",
        "/srv/reports: the service's user",
        "take @FILE",
        "-o r.prom: node_exporter may not look",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(text.matches("node_exporter").count(), 1, "{text}");
    let units = String::from_utf8(output.stdout).unwrap();
    assert!(units.contains("ReadWritePaths=-/srv/reports\n"), "{units}");
    assert!(units.contains("\nCPUSchedulingPolicy=batch\n"), "{units}");
    assert!(!units.contains("\nNice="), "the scan lowers its priority itself: {units}");
    assert!(units.starts_with("# /etc/systemd/system/docksweep.service\n[Unit]\n"), "{units}");
    assert!(units.contains("\n# /etc/systemd/system/docksweep.timer\n[Unit]\n"), "{units}");
}
