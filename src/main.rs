//! Parse, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use docksweep::cli::Cli;

fn main() -> ExitCode {
    docksweep::command::run(Cli::parse()).into()
}
