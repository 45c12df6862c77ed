//! One file a subcommand; here they are told apart, and every error becomes text and a code.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write as _};

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::{Cli, Command};
use crate::command::invocation::Invocation;
use crate::exit_code::ExitCode;
use crate::sanitize;

mod advisories;
mod announce;
mod completions;
mod config;
mod diff;
mod explain;
mod history;
mod invocation;
mod judging;
mod kept;
mod man;
mod merge;
mod remember;
mod report;
mod resume;
mod rules;
mod scan;
mod schedule;

/// Runs a whole command line; errors are printed here, and only here.
pub fn main(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let result = Invocation::of(arguments).and_then(|invocation| {
        let result = match Cli::try_parse_from(&invocation.arguments) {
            Ok(cli) => {
                if !matches!(&cli.command, Command::Scan(args) if args.quiet) {
                    invocation.warnings.iter().for_each(|warning| warn(warning));
                }
                run(cli, &invocation)
            }
            Err(error) => usage(&error),
        };
        result.map_err(|failure| invocation.in_its_words(failure))
    });
    result.unwrap_or_else(|failure| {
        failure.print();
        failure.code
    })
}

fn run(cli: Cli, invocation: &Invocation) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Scan(args) => scan::run(*args, invocation),
        Command::Report(args) => report::run(args, invocation),
        Command::Merge(args) => merge::run(args, invocation),
        Command::Advisories(args) => advisories::run(args),
        Command::History(args) => history::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Rules(args) => rules::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Schedule(args) => schedule::run(&args),
        Command::Config(args) => config::run(&args, &cli.configuration),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// As it was typed, for the report, but for what is secret.
fn command_line() -> String {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    announce::without_addresses(words).join(" ")
}

/// Help and version are answers; anything else is one line and a hint, where clap would write a page.
fn usage(error: &clap::Error) -> Result<ExitCode, Failure> {
    if !error.use_stderr() {
        let _ = error.print();
        return Ok(ExitCode::Done);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return Ok(ExitCode::Usage);
    }
    Err(usage_error(error))
}

/// Where there is nothing better to say.
const HELP_HINT: &str = "--help shows what there is";

fn usage_error(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    // What is wrong stands first, over several lines where there is a list.
    let first = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let lines: Vec<&str> = first.lines().map(str::trim).collect();
    let failure = Failure::usage(lines.join(" "));
    let meant =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
            .into_iter()
            .find_map(|kind| match error.get(kind)? {
                ContextValue::String(word) => Some(word.as_str()),
                ContextValue::Strings(words) => words.first().map(String::as_str),
                _ => None,
            });
    match meant {
        Some(word) => failure.hint(format!("did you mean '{word}'?")),
        None => failure.hint(HELP_HINT),
    }
}

/// Why a command stopped, for a person: what is wrong and, where there is one, what to do next.
#[derive(Debug)]
pub struct Failure {
    pub code: ExitCode,
    pub message: String,
    pub hint: Option<String>,
}

impl Failure {
    pub fn usage(message: impl fmt::Display) -> Self {
        Self { code: ExitCode::Usage, message: message.to_string(), hint: None }
    }

    pub fn failed(message: impl fmt::Display) -> Self {
        Self { code: ExitCode::Failed, message: message.to_string(), hint: None }
    }

    /// A run that failed, with what caused the failure.
    pub fn error(error: &dyn std::error::Error) -> Self {
        Self::failed(chain(error))
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn print(&self) {
        anstream::eprintln!("error: {}", sanitize::line(&self.message, 2000));
        if let Some(hint) = &self.hint {
            anstream::eprintln!("hint: {}", sanitize::line(hint, 2000));
        }
    }
}

/// What a command answers. A reader that goes away has read enough.
fn print(text: impl AsRef<[u8]>) -> Result<ExitCode, Failure> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("standard output: {error}")))
        }
        _ => Ok(ExitCode::Done),
    }
}

/// A line that does not stop the run.
fn warn(message: &str) {
    anstream::eprintln!("warning: {}", sanitize::line(message, 2000));
}

/// The error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
