//! `docksweep config`: what the flags are where nothing is typed, and who says so.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;

use clap::error::ErrorKind;

use crate::cli::{ConfigArgs, ConfigurationArgs};
use crate::command::invocation::{self, program, variable};
use crate::command::{Failure, announce, print, usage_error};
use crate::exit_code::ExitCode;
use crate::sanitize;
use crate::scan::today;
use crate::settings::{self, CONFIGURABLE, File};

pub(super) fn run(args: &ConfigArgs, which: &ConfigurationArgs) -> Result<ExitCode, Failure> {
    let text = if args.print_default {
        settings::default_file(&program())
    } else {
        let file = invocation::file(which)?;
        checked(file.as_ref())?;
        effective(file.as_ref())?
    };
    print(text)
}

/// Whether every value suits its flag.
fn checked(file: Option<&File>) -> Result<(), Failure> {
    let program = program();
    for name in CONFIGURABLE {
        let Some(command) = program.find_subcommand(name) else { continue };
        let settings = settings::in_effect(command, &BTreeSet::new(), file, variable)?;
        let words = [OsString::from("docksweep"), OsString::from(name)];
        let line = words.into_iter().chain(settings::arguments(&settings));
        match program.clone().try_get_matches_from(line) {
            // Nobody asks for a run of it here.
            Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {}
            Err(error) if error.use_stderr() => {
                let failure = usage_error(&error);
                let message = settings::in_its_words(&failure.message, &settings);
                return Err(Failure { message: message.unwrap_or(failure.message), ..failure });
            }
            _ => {}
        }
    }
    Ok(())
}

fn effective(file: Option<&File>) -> Result<String, Failure> {
    let mut text = String::new();
    match file {
        Some(file) => {
            let _ = writeln!(text, "# {}", sanitize::line(&file.name, 500));
            let accepted = &file.suppressions;
            if !accepted.is_empty() {
                let _ = writeln!(text, "# accepted risks: {}", accepted.len());
            }
            for line in accepted.expired(today()) {
                let _ = writeln!(text, "# {}", sanitize::line(&line, 500));
            }
        }
        None => {
            let places = invocation::places();
            let places: Vec<_> = places.iter().map(|path| path.to_string_lossy()).collect();
            let places = places.join(" nor ");
            let _ =
                writeln!(text, "# no file is read; looked for {}", sanitize::line(&places, 500));
        }
    }
    for name in invocation::strange_variables() {
        let _ = writeln!(text, "# no flag is set by {}", sanitize::line(&name, 200));
    }
    text.push('\n');
    text.push_str(&settings::effective(&program(), file, variable, announce::setting)?);
    Ok(text)
}
