//! The configuration file, the environment, and the program's own papers.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::{replay, schema};

/// A folder that is home and working directory.
struct Bed(tempfile::TempDir);

impl Bed {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_docksweep"));
        command.env_clear().current_dir(self.0.path()).env("HOME", self.0.path());
        command.env("PATH", "/usr/bin:/bin").env("XDG_DATA_HOME", "/nonexistent");
        command.stdin(Stdio::null()).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Leaves a scan that was killed once it had a checkpoint in `place`.
    fn broken_off(&self, args: &[&str]) {
        let mut child = self.command(args).spawn().unwrap();
        while !self.path("place").exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before its first checkpoint");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

const OWN: &str = ".config/docksweep/docksweep.toml";

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", stderr(output)));
    schema::assert_valid(&report);
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let bed = Bed::new();
    let target = replay::serve("d1-plain-bridge-none").await.to_string();
    bed.write(OWN, "[scan]\nvantage = \"file\"\nformat = \"json\"\noutput = [\"kept.txt\"]\n");
    let seen = |command: &mut Command| {
        let report = json(&command.output().unwrap());
        report["scan"]["vantage"]["label"].clone()
    };
    assert_eq!(seen(&mut bed.command(&["scan", &target])), "file");
    assert!(bed.path("kept.txt").exists());
    let with = |args: &[&str]| {
        let mut command = bed.command(args);
        command.env("DOCKSWEEP_VANTAGE", "environment");
        command
    };
    assert_eq!(seen(&mut with(&["scan", &target])), "environment");
    assert_eq!(seen(&mut with(&["scan", &target, "--vantage", "flag"])), "flag");
    let without = with(&["scan", &target, "--no-config"]).env_remove("DOCKSWEEP_VANTAGE").output();
    assert!(stdout(&without.unwrap()).contains("OPEN TO STRANGERS"), "text by default");
    let report = json(&bed.run(&["scan", &target]));
    let notes = report["scan"]["notes"].to_string();
    let place = format!("{}:2", bed.path(OWN).display());
    assert!(notes.contains(&format!("vantage ({place})")), "{notes}");
}

#[test]
fn the_file_is_looked_for_in_its_places_and_never_in_the_working_directory() {
    let bed = Bed::new();
    let rate = |command: &mut Command| {
        let output = command.output().unwrap();
        let text = stdout(&output);
        let line = text.lines().skip_while(|line| *line != "[scan]");
        let line = line.into_iter().find(|line| line.starts_with("rate = "));
        line.unwrap_or_else(|| panic!("{}", stderr(&output))).to_owned()
    };
    bed.write("docksweep.toml", "[scan]\nrate = 1\n");
    bed.write("docksweep/docksweep.toml", "[scan]\nrate = 1\n");
    if PathBuf::from("/etc/docksweep/docksweep.toml").exists() {
        crate::skip::lacking("a machine without /etc/docksweep/docksweep.toml: this one has it");
    } else {
        assert_eq!(rate(&mut bed.command(&["config"])), "rate = \"\"  # default");
    }
    let own = bed.write(OWN, "[scan]\nrate = 2\n");
    let said = |rate: u32, path: &PathBuf| format!("rate = {rate}  # {}:2", path.display());
    assert_eq!(rate(&mut bed.command(&["config"])), said(2, &own));
    let xdg = bed.write("xdg/docksweep/docksweep.toml", "[scan]\nrate = 3\n");
    let xdg_home = bed.path("xdg");
    assert_eq!(rate(bed.command(&["config"]).env("XDG_CONFIG_HOME", &xdg_home)), said(3, &xdg));
    let other = bed.write("other.toml", "[scan]\nrate = 4\n");
    let other_text = other.to_str().unwrap();
    assert_eq!(rate(bed.command(&["config"]).env("DOCKSWEEP_CONFIG", &other)), said(4, &other));
    assert_eq!(rate(&mut bed.command(&["config", "--config", other_text])), said(4, &other));
    assert_eq!(rate(&mut bed.command(&["--config", other_text, "config"])), said(4, &other));
    for (args, variable) in [(vec!["config", "--no-config"], "false"), (vec!["config"], "true")] {
        let mut command = bed.command(&args);
        command.env("DOCKSWEEP_NO_CONFIG", variable);
        assert_eq!(rate(&mut command), "rate = \"\"  # default");
    }
    let shown = bed.command(&["config"]).env("DOCKSWEEP_RAET", "5").output().unwrap();
    assert!(stdout(&shown).contains("# no flag is set by DOCKSWEEP_RAET"), "{}", stdout(&shown));
}

#[test]
fn a_variable_that_is_misspelt_is_said() {
    let bed = Bed::new();
    let said = |args: &[&str]| {
        let mut command = bed.command(args);
        command.env("DOCKSWEEP_EXCLUDES", "127.0.0.0/9").env("DOCKSWEEP_LAB", "up");
        stderr(&command.output().unwrap())
    };
    let warning = "no flag is set by DOCKSWEEP_EXCLUDES; did you mean DOCKSWEEP_EXCLUDE?";
    assert_eq!(said(&["scan", "127.0.0.1", "--dry-run"]), format!("warning: {warning}\n"));
    assert_eq!(said(&["scan", "127.0.0.1", "--dry-run", "-q"]), "");
    assert_eq!(said(&["rules"]), "");
    said(&["scan", "127.0.0.1:1", "-q", "-o", "r.json"]);
    let report: Value =
        serde_json::from_slice(&std::fs::read(bed.path("r.json")).unwrap()).unwrap();
    let notes = report["scan"]["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note == warning), "{notes:?}");
}

#[test]
fn a_secret_that_everybody_may_read_is_said() {
    let bed = Bed::new();
    let said = |text: &str, mode: u32| {
        let path = bed.write(OWN, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        stderr(&bed.run(&["scan", "127.0.0.1", "--dry-run"]))
    };
    let secret = "[scan]\nnotify = \"http://127.0.0.1:1/T0/secret\"\n";
    let warning = said(secret, 0o644);
    assert!(warning.contains("docksweep.toml:2: everybody may read where notify posts to"));
    assert!(!warning.contains("T0"), "{warning}");
    assert_eq!(said(secret, 0o640), "");
    bed.write("slack", "http://127.0.0.1:1/T0/secret\n");
    assert_eq!(said("[scan]\nnotify = \"@slack\"\n", 0o644), "");
}

#[test]
fn errors_name_the_file_or_the_variable_and_no_flag() {
    let bed = Bed::new();
    let fails = |command: &mut Command, expected: &str| {
        let output = command.output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{expected}: {text}");
        assert!(text.starts_with(&format!("error: {expected}")), "{expected}\n{text}");
        let message = text.lines().next().unwrap();
        assert!(!message.contains(" --") && !message.contains("'--"), "{message}");
        assert!(output.stdout.is_empty());
    };
    for (text, expected) in [
        ("[scan]\nraet = 5\n", ":2:1: unknown key 'raet'"),
        ("[scan\n", ":1:6: "),
        ("[scan]\nretries = 99\n", ":2:11: invalid value '99' for 'retries'"),
        ("[scan]\nrate = \"fast\"\n", ":2:8: invalid value 'fast' for 'rate': neither max"),
        ("[scan]\nformat = \"pdf\"\n", ":2:10: invalid value 'pdf' for 'format'"),
        ("[scan]\noutput = [\"x.json\", \"x.pdf\"]\n", ":2:21: output 'x.pdf' names no format"),
        ("[scan]\nexclude = [\"host.lan\"]\n", ":2:12: exclude"),
        ("[[suppress]]\nrule = \"nope\"\n", ":2:8: no rule is called 'nope'"),
    ] {
        let path = bed.write(OWN, text);
        let expected = format!("{}{expected}", path.display());
        fails(&mut bed.command(&["scan", "127.0.0.1", "--dry-run"]), &expected);
        if text.starts_with("[scan]\nr") {
            fails(&mut bed.command(&["config"]), &expected);
        }
        let free = bed.run(&["scan", "127.0.0.1", "--dry-run", "--no-config"]);
        assert!(free.status.success(), "{}", stderr(&free));
        assert!(bed.run(&["rules"]).status.success(), "what has no settings reads none");
    }
    std::fs::remove_file(bed.path(OWN)).unwrap();
    for (variable, value, expected) in [
        ("DOCKSWEEP_RATE", "fast", "invalid value 'fast' for 'DOCKSWEEP_RATE': neither"),
        ("DOCKSWEEP_TIMEOUT", "soon", "invalid value 'soon' for 'DOCKSWEEP_TIMEOUT'"),
        ("DOCKSWEEP_QUIET", "perhaps", "DOCKSWEEP_QUIET must be true or false, and is 'perhaps'"),
        ("DOCKSWEEP_CONFIG", "/nonexistent/c.toml", "/nonexistent/c.toml: No such file"),
    ] {
        let mut command = bed.command(&["scan", "127.0.0.1", "--dry-run"]);
        fails(command.env(variable, value), expected);
    }
    let typed =
        bed.command(&["scan", "127.0.0.1", "--rate", "slow"]).env("DOCKSWEEP_SNI", "a.b").output();
    assert!(stderr(&typed.unwrap()).starts_with("error: invalid value 'slow' for '--rate "));
}

#[test]
fn the_default_file_can_be_used_as_it_is_and_uncommented() {
    let bed = Bed::new();
    let text = stdout(&bed.run(&["config", "--print-default"]));
    let effective = |text: &str| {
        bed.write("c.toml", text);
        let output = bed.run(&["config", "--config", "c.toml"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let lines = stdout(&output);
        let values = lines.lines().filter(|line| !line.starts_with('#'));
        values.map(|line| line.split("  #").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let commented = effective(&text);
    let whole: Vec<&str> =
        text.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
    assert_eq!(commented, effective(&whole.join("\n")));
    assert_eq!(commented, effective(""));
    let dry = bed.run(&["scan", "127.0.0.0/24", "--dry-run", "--config", "c.toml"]);
    assert_eq!(
        stdout(&dry),
        stdout(&bed.run(&["scan", "127.0.0.0/24", "--dry-run", "--no-config"]))
    );
}

/// What was set when the scan began holds; what is set today does not matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_scan_is_gone_on_with_by_the_settings_that_it_began_with() {
    let bed = Bed::new();
    let target = replay::serve("d1-plain-bridge-none").await.to_string();
    bed.write(
        OWN,
        "[scan]\nvantage = \"then\"\nretries = 0\ncheckpoint = \"place\"\nquiet = true\n",
    );
    bed.broken_off(&["scan", &target, "127.91.0.0/20", "--rate", "200"]);
    bed.write(OWN, "[scan]\nvantage = \"now\"\nretries = 5\ncheckpoint = \"other\"\n");
    let mut resume = bed.command(&["scan", "--resume", "place", "--rate", "max"]);
    resume.args(["--format", "json"]).env("DOCKSWEEP_DEPTH", "version");
    let output = resume.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = json(&output);
    assert_eq!(report["scan"]["vantage"]["label"], "then");
    assert_eq!(report["scan"]["complete"], true);
    assert!(!bed.path("other").exists());
}

#[test]
fn explain_takes_rules_and_ids() {
    let bed = Bed::new();
    let text = stdout(&bed.run(&["explain", "cert-expired"]));
    for part in [
        "cert-expired (high, CWE-324)",
        "Why it matters",
        "How it is detected",
        "What to do",
        "References",
        "cwe.mitre.org/data/definitions/324.html",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(text, stdout(&bed.run(&["rules", "cert-expired"])));
    for (args, expected) in [
        (vec!["explain", "cert-expird"], "hint: did you mean 'cert-expired'?"),
        (vec!["explain", "zzz"], "hint: docksweep rules lists them"),
        (vec!["explain", "0123456789abcdef"], "--report FILE.json"),
        (vec!["rules", "api-exposd"], "hint: did you mean 'api-exposed'?"),
    ] {
        let output = bed.run(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains(expected), "{args:?}: {}", stderr(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_shows_what_a_report_has() {
    let bed = Bed::new();
    let target = replay::serve("d1-plain-bridge-none").await.to_string();
    let report = json(&bed.run(&["scan", &target, "--format", "json", "-o", "r.json"]));
    let finding = &report["endpoints"][0]["findings"][0];
    let id = finding["id"].as_str().unwrap();
    let text = stdout(&bed.run(&["explain", id, "--report", "r.json"]));
    let rule = finding["rule"].as_str().unwrap();
    assert!(text.starts_with(rule), "{text}");
    assert!(text.contains("Found in r.json"), "{text}");
    assert!(text.contains(finding["evidence"].as_str().unwrap()), "{text}");
    assert!(text.contains(&target) && text.contains(id), "{text}");
    let text = stdout(&bed.run(&["explain", "cert-expired", "--report", "r.json"]));
    assert!(text.contains("Not found in r.json"), "{text}");
    let output = bed.run(&["explain", "0123456789abcdef", "--report", "r.json"]);
    assert!(stderr(&output).contains("r.json: no finding has the id"), "{}", stderr(&output));
    bed.write("x.json", "{\"schema\":\"docksweep/report/v9\"}");
    let output = bed.run(&["explain", id, "--report", "x.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("docksweep/report/v9"), "{}", stderr(&output));
}

#[test]
fn completions_are_scripts_that_complete() {
    let bed = Bed::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = bed.run(&["completions", shell]);
        assert!(output.status.success() && output.stdout.len() > 5_000, "{shell}");
        bed.write(shell, &stdout(&output));
    }
    // A shell that is not here checks nothing, and says so.
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        match Command::new(shell).arg(check).arg(bed.path(shell)).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {}", stderr(&output)),
            Err(error) => crate::skip::said(&format!("completions of {shell}: {error}")),
        }
    }
    let complete = |words: &str, current: usize| {
        let script = format!(
            "source ./bash; COMP_WORDS=({words}); COMP_CWORD={current}\n\
             _docksweep docksweep \"${{COMP_WORDS[$COMP_CWORD]}}\" \"${{COMP_WORDS[$COMP_CWORD-1]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new("bash");
        let output = bash.arg("-c").arg(script).current_dir(bed.0.path()).output().unwrap();
        stdout(&output).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete("docksweep scan --end", 2), ["--endpoint-timeout"]);
    assert_eq!(complete("docksweep sca", 1), ["scan"]);
    assert_eq!(complete("docksweep scan --depth ''", 3).len(), 3, "the depths");
}

#[test]
fn the_manual_pages_are_sound() {
    let bed = Bed::new();
    let output = bed.run(&["man", "--output", "man/man1"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let pages: Vec<PathBuf> = std::fs::read_dir(bed.path("man/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(pages.len() >= 13, "{pages:?}");
    for page in &pages {
        // Its wishes of style are about dates and long lines.
        let output = Command::new("mandoc")
            .args(["-T", "lint", "-W", "warning"])
            .arg(page)
            .output()
            .expect("mandoc is installed");
        assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    }
    let shown = Command::new("man")
        .args(["--warnings", "-E", "UTF-8", "-l"])
        .arg(bed.path("man/man1/docksweep-scan.1"))
        .env("MANWIDTH", "100")
        .output()
        .expect("man is installed");
    let text = stdout(&shown);
    assert_eq!(stderr(&shown), "");
    for part in ["SYNOPSIS", "--rate", "EXAMPLES", "docksweep scan 10.0.0.0/16", "EXIT STATUS"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let first = bed.run(&["man"]);
    assert_eq!(first.stdout, std::fs::read(bed.path("man/man1/docksweep.1")).unwrap());
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bed = Bed::new();
    for args in [&["config", "--print-default"][..], &["man"], &["completions", "zsh"], &["config"]]
    {
        let mut child =
            bed.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        std::io::stderr().write_all(&output.stderr).unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}");
    }
}
