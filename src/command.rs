//! One file a subcommand; here they are told apart, and every error becomes text and a code.

use std::fmt;

use crate::cli::{Cli, Command};
use crate::exit_code::ExitCode;
use crate::sanitize;

mod rules;
mod scan;

/// Runs the subcommand; errors are printed here, and only here.
pub fn run(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Command::Scan(args) => scan::run(*args),
        Command::Rules(args) => rules::run(&args),
    };
    result.unwrap_or_else(|failure| {
        failure.print();
        failure.code
    })
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
