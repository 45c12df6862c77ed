//! `docksweep man`: the manual pages.

use crate::cli::ManArgs;
use crate::command::Failure;
use crate::exit_code::ExitCode;

pub(super) fn run(_args: ManArgs) -> Result<ExitCode, Failure> {
    Err(Failure::failed("there is none yet"))
}
