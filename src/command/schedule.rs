//! `docksweep schedule`: a timer and a service, or a crontab line, for a scan.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Parser as _;

use crate::cli::{Cli, Command, Every, ScanArgs, ScheduleArgs, Scheduler, UnattendedArgs};
use crate::command::announce::Announcing;
use crate::command::invocation::Invocation;
use crate::command::{Failure, usage, warn};
use crate::config::{self, Config, ConfigError};
use crate::exit_code::ExitCode;
use crate::report::Destination;
use crate::schedule::systemd::{self, Priority, Service, User};
use crate::schedule::{Credential, Job, TimeOfDay, When, Word, cron};
use crate::webhook::proxy_variables;

pub(super) fn run(args: &ScheduleArgs) -> Result<ExitCode, Failure> {
    let when = when(args)?;
    let scan = parsed(&args.scan)?;
    let paths = Paths::of(&scan);
    if args.print == Scheduler::Systemd {
        paths.are_readable_from_elsewhere()?;
        if scan.context.is_some() {
            return Err(Failure::usage("the service sees no context of Docker's command line")
                .hint("--tlscacert, --tlscert and --tlskey name the files"));
        }
    }
    let program = program(args.program.as_deref())?;
    // What the scan would refuse every night is refused now.
    Announcing::new(&scan.unattended)?;
    let is_nice = scan.unattended.nice;
    let mut advice = advice(&scan, args.print);
    advice.extend(left_behind(args, &scan.unattended));
    advice.extend(check(scan)?);
    match args.print {
        Scheduler::Cron => crontab(args, &program, when)?,
        Scheduler::Systemd => {
            let priority = if is_nice { Priority::Low } else { Priority::Usual };
            units(args, &program, when, priority, &paths)?;
        }
    }
    advice.iter().for_each(|line| warn(line));
    Ok(ExitCode::Done)
}

/// Files of targets may be written later than the schedule; then they are not looked into, and
/// that is said.
fn check(scan: ScanArgs) -> Result<Option<String>, Failure> {
    let lists: Vec<PathBuf> = scan.inputs.iter().chain(&scan.exclude_files).cloned().collect();
    match Config::new(scan) {
        Ok(_) => Ok(None),
        Err(ConfigError::Open { path, source })
            if source.kind() == io::ErrorKind::NotFound && lists.contains(&path) =>
        {
            Ok(Some(format!("{} is not there yet", path.display())))
        }
        Err(error) => Err(error.into()),
    }
}

fn when(args: &ScheduleArgs) -> Result<When, Failure> {
    let at = TimeOfDay::parse(&args.at)
        .ok_or_else(|| Failure::usage("--at takes a time of day such as 02:15"))?;
    Ok(match args.every {
        Every::Hourly => When::Hourly { minute: at.minute },
        Every::Daily => When::Daily(at),
        Every::Weekly => When::Weekly(at),
        Every::Monthly => When::Monthly(at),
    })
}

/// The words as the command line of a scan.
fn parsed(words: &[String]) -> Result<ScanArgs, Failure> {
    let line = std::iter::once("docksweep").chain(words.iter().map(String::as_str));
    let no_scan = || {
        Failure::usage("only a scan can be scheduled")
            .hint("docksweep schedule --print systemd -- scan 10.0.0.0/16 -q")
    };
    let args = match Cli::try_parse_from(line) {
        Ok(Cli { command: Command::Scan(args), .. }) => *args,
        Ok(_) => return Err(no_scan()),
        Err(error) if !error.use_stderr() => return Err(no_scan()),
        Err(error) => return Err(usage(&error).err().unwrap_or_else(no_scan)),
    };
    if args.inputs.iter().chain(&args.exclude_files).any(|path| path == Path::new("-")) {
        return Err(Failure::usage("a scheduled scan has no stdin to read targets from")
            .hint("-i takes a file"));
    }
    if args.dry_run {
        return Err(Failure::usage("a dry run is nothing to schedule"));
    }
    if args.credentials.is_some() {
        return Err(Failure::usage("a scheduled scan has not this shell's DOCKER_CERT_PATH")
            .hint("--tlscacert, --tlscert and --tlskey name the files"));
    }
    if args.resume.is_some() {
        return Err(Failure::usage("--resume goes on with one scan, and a schedule begins many"));
    }
    Ok(args)
}

/// Where the scan reads and writes, by flag.
struct Paths {
    read: Vec<(&'static str, PathBuf)>,
    written: Vec<(&'static str, PathBuf)>,
}

impl Paths {
    fn of(args: &ScanArgs) -> Self {
        let many = |flag, paths: &[PathBuf]| -> Vec<(&'static str, PathBuf)> {
            paths.iter().map(|path| (flag, path.clone())).collect()
        };
        let one = |flag, path: &Option<PathBuf>| many(flag, path.as_slice());
        let outputs = config::outputs(&args.outputs, args.format, config::Stdout::Nothing);
        let outputs: Vec<PathBuf> = outputs
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(destination, _)| match destination {
                Destination::File(path) => Some(path),
                Destination::Stdout => None,
            })
            .collect();
        Self {
            read: [
                many("-i", &args.inputs),
                many("--exclude-file", &args.exclude_files),
                one("--advisories", &args.advisories),
                many("--ca", &args.trust.ca),
                many("--suppress", &args.suppress.suppressions),
                many("--key-blocklist", &args.key_blocklists),
            ]
            .concat(),
            written: [
                many("-o", &outputs),
                one("--history", &args.record.history),
                one("--lock", &args.unattended.lock),
                one("--checkpoint", &args.checkpoint),
            ]
            .concat(),
        }
    }

    /// The service runs in a directory of its own.
    fn are_readable_from_elsewhere(&self) -> Result<(), Failure> {
        if let Some((flag, path)) = self.read.iter().find(|(_, path)| path.is_relative()) {
            return Err(Failure::usage(format!(
                "{flag} {}: the service runs elsewhere, so the path must be whole",
                path.display()
            ))
            .hint(format!("it begins with /, as in {flag} {}", whole(path).display())));
        }
        Ok(())
    }
}

/// Where the program will be, as a whole path.
fn program(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = match given {
        Some(path) => std::path::absolute(path),
        None => std::env::current_exe(),
    };
    path.map_err(|error| Failure::failed(format!("where docksweep is cannot be told: {error}")))
}

/// What is likely to be missed by whoever schedules this.
fn advice(args: &ScanArgs, scheduler: Scheduler) -> Vec<String> {
    let mut advice = Vec::new();
    let is_cron = scheduler == Scheduler::Cron;
    if is_cron && args.unattended.lock.is_none() {
        advice.push("cron begins a run also while the one before goes on: --lock FILE".to_owned());
    }
    if is_cron && !args.quiet {
        advice.push("cron mails what a run prints: -q keeps it to what matters".to_owned());
    }
    if args.checkpoint.is_some() {
        advice.push(
            "a scan that is cut short leaves its checkpoint, and no run begins until it is gone on \
             with or removed"
                .to_owned(),
        );
    }
    let addresses = args.unattended.notify.iter().chain(&args.unattended.heartbeat);
    if addresses.clone().any(|address| !address.starts_with('@')) {
        advice.push(
            "others may read where this is kept, and it has an address to post to: --notify and \
             --heartbeat also take @FILE"
                .to_owned(),
        );
    }
    advice
}

/// What this shell says and nobody will say there.
fn left_behind(args: &ScheduleArgs, unattended: &UnattendedArgs) -> Option<String> {
    let words = std::iter::once("docksweep").chain(args.scan.iter().map(String::as_str));
    // A configuration file that is broken is the scan's to complain of.
    let invocation = Invocation::of(words.map(OsString::from).collect()).unwrap_or_default();
    let posts = !unattended.notify.is_empty() || unattended.heartbeat.is_some();
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let proxies: Vec<&str> = proxy_variables().filter(|name| posts && is_set(name)).collect();
    let variables: Vec<&str> = invocation.variables().into_iter().chain(proxies).collect();
    let (who, how) = match args.print {
        Scheduler::Cron => ("cron", "a crontab takes lines NAME=value".to_owned()),
        Scheduler::Systemd => {
            ("the service", format!("Environment= in systemctl edit {} sets them", args.name))
        }
    };
    (!variables.is_empty())
        .then(|| format!("{who} has not this shell's {}: {how}", variables.join(", ")))
}

fn crontab(args: &ScheduleArgs, program: &Path, when: When) -> Result<(), Failure> {
    if args.output.is_some() || args.user.is_some() {
        return Err(Failure::usage("--output and --user are for --print systemd")
            .hint("crontab -e takes the line that is printed"));
    }
    let directory = std::env::current_dir()
        .map_err(|error| Failure::failed(format!("the current directory: {error}")))?;
    let words: Vec<Word> = args.scan.iter().cloned().map(Word::Plain).collect();
    let line = cron::line(&Job { program, words: &words, when }, &directory).map_err(|error| {
        Failure::usage(error.to_string()).hint("-i FILE takes targets, a line each")
    })?;
    print(&format!("{line}\n"))
}

fn units(
    args: &ScheduleArgs,
    program: &Path,
    when: When,
    priority: Priority,
    paths: &Paths,
) -> Result<(), Failure> {
    if !systemd::is_unit_name(&args.name) {
        return Err(Failure::usage("--name takes letters, digits, dots, dashes and underscores"));
    }
    let user = match args.user.as_deref() {
        None => User::Dynamic,
        Some(name) if systemd::is_user_name(name) => User::Named(name),
        Some(_) => return Err(Failure::usage("--user takes the name of a user")),
    };
    if let Some(word) = args.scan.iter().find(|word| !systemd::can_hold(word)) {
        let word = word.escape_debug();
        return Err(Failure::usage(format!("a unit has no place for the characters in '{word}'")));
    }
    let Handed { words, credentials } = handed(&args.scan)?;
    let writable = writable(paths);
    let service = Service {
        name: &args.name,
        job: Job { program, words: &words, when },
        user,
        priority,
        credentials: &credentials,
        writable: &writable,
    };
    let units = [
        (format!("{}.service", args.name), systemd::service(&service)),
        (format!("{}.timer", args.name), systemd::timer(&args.name, when)),
    ];
    match &args.output {
        Some(directory) => write(directory, &units)?,
        None => {
            let texts =
                units.iter().map(|(name, text)| format!("# /etc/systemd/system/{name}\n{text}"));
            print(&texts.collect::<Vec<_>>().join("\n"))?;
        }
    }
    warn_of(program, paths, &writable, user);
    Ok(())
}

/// The scan's words, where secrets are handed to the service as credentials.
struct Handed {
    words: Vec<Word>,
    credentials: Vec<Credential>,
}

/// Flags whose file only root should be able to read.
const SECRET_FILES: [&str; 3] = ["--tlscacert", "--tlscert", "--tlskey"];
/// Flags whose value may be `@FILE` of that kind.
const SECRET_ADDRESSES: [&str; 2] = ["--notify", "--heartbeat"];

fn handed(scan: &[String]) -> Result<Handed, Failure> {
    let mut handed = Handed { words: Vec::new(), credentials: Vec::new() };
    let mut rest = scan.iter();
    while let Some(word) = rest.next() {
        let (flag, joined) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (word.as_str(), None),
        };
        if !SECRET_FILES.contains(&flag) && !SECRET_ADDRESSES.contains(&flag) {
            handed.words.push(Word::Plain(word.clone()));
            if word == "--" {
                break;
            }
            continue;
        }
        match (joined, joined.is_none().then(|| rest.next()).flatten()) {
            (Some(value), _) => handed.add(flag, &format!("{flag}="), value)?,
            (None, Some(value)) => {
                handed.words.push(Word::Plain(word.clone()));
                handed.add(flag, "", value)?;
            }
            (None, None) => handed.words.push(Word::Plain(word.clone())),
        }
    }
    handed.words.extend(rest.cloned().map(Word::Plain));
    Ok(handed)
}

impl Handed {
    /// Adds the flag's value, behind what stands before it in its word.
    fn add(&mut self, flag: &str, before: &str, value: &str) -> Result<(), Failure> {
        let (mark, path) = match value.strip_prefix('@') {
            Some(path) if SECRET_ADDRESSES.contains(&flag) => ("@", path),
            _ if SECRET_FILES.contains(&flag) => ("", value),
            _ => {
                self.words.push(Word::Plain(format!("{before}{value}")));
                return Ok(());
            }
        };
        if path.is_empty() {
            return Err(Failure::usage(format!("{flag} names no file")));
        }
        let number = self.credentials.len() + 1;
        let name = format!("{}-{number}", flag.trim_start_matches('-'));
        self.credentials.push(Credential { name: name.clone(), path: whole(Path::new(path)) });
        self.words.push(Word::Credential { before: format!("{before}{mark}"), name });
        Ok(())
    }
}

fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Directories that must be made writable: all but the service's own is not.
fn writable(paths: &Paths) -> Vec<PathBuf> {
    let own = systemd::state_directory();
    let mut directories: Vec<PathBuf> = paths
        .written
        .iter()
        .filter(|(_, path)| path.is_absolute() && !path.starts_with(&own))
        .filter_map(|(_, path)| path.parent().map(Path::to_owned))
        .collect();
    directories.sort();
    directories.dedup();
    directories
}

/// What the sandbox keeps from the service.
fn warn_of(program: &Path, paths: &Paths, writable: &[PathBuf], user: User<'_>) {
    let hidden = |path: &Path| {
        ["/home", "/root", "/run/user", "/tmp", "/var/tmp"].iter().find(|it| path.starts_with(it))
    };
    let program = [("docksweep itself", program)];
    let read = paths.read.iter().map(|(flag, path)| (*flag, path.as_path()));
    for (what, path) in program.into_iter().chain(read) {
        if let Some(hides) = hidden(path) {
            let path = path.display();
            warn(&format!("{what} is {path}, and the service sees nothing of {hides}"));
        }
    }
    let own = systemd::state_directory();
    let metrics =
        paths.written.iter().filter(|(_, path)| path.extension() == Some("prom".as_ref()));
    for (flag, path) in metrics.filter(|(_, path)| path.is_relative() || path.starts_with(&own)) {
        warn(&format!(
            "{flag} {}: node_exporter may not look into {}: it takes a directory of its own, and a \
             --user who may write there",
            path.display(),
            own.display()
        ));
    }
    for directory in writable {
        let directory = directory.display();
        match user {
            User::Dynamic => warn(&format!(
                "{directory}: the service's user exists only while it runs, and may hardly write \
                 there: --user takes one who may"
            )),
            User::Named(name) => {
                warn(&format!("{directory}: {name} must be allowed to write there"))
            }
        }
    }
}

fn write(directory: &Path, units: &[(String, String)]) -> Result<(), Failure> {
    for (name, text) in units {
        let path = directory.join(name);
        create(&path, text).map_err(|error| {
            let failure = Failure::failed(format!("{}: {error}", path.display()));
            match error.kind() {
                io::ErrorKind::AlreadyExists => failure.hint("remove it, or choose another --name"),
                _ => failure,
            }
        })?;
    }
    let names: Vec<&str> = units.iter().map(|(name, _)| name.as_str()).collect();
    anstream::eprintln!("wrote {} to {}", names.join(" and "), directory.display());
    if let Some(timer) = names.last() {
        anstream::eprintln!("hint: systemctl daemon-reload && systemctl enable --now {timer}");
    }
    Ok(())
}

/// Whole or not at all, and never over a unit that somebody may have edited.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file: File =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
