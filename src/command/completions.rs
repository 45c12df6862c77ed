//! `docksweep completions`: for a shell.

use crate::cli::CompletionsArgs;
use crate::command::Failure;
use crate::exit_code::ExitCode;

pub(super) fn run(_args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    Err(Failure::failed("there is none yet"))
}
