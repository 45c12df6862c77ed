//! `docksweep diff`: what is different between two runs.

use crate::cli::DiffArgs;
use crate::command::Failure;
use crate::exit_code::ExitCode;

pub(super) fn run(_args: DiffArgs) -> Result<ExitCode, Failure> {
    Err(Failure::failed("there is none yet"))
}
