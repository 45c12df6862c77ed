//! `docksweep config`: the configuration file.

use crate::cli::ConfigArgs;
use crate::command::Failure;
use crate::exit_code::ExitCode;

pub(super) fn run(_args: &ConfigArgs) -> Result<ExitCode, Failure> {
    Err(Failure::failed("there is none yet"))
}
