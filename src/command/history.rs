//! `docksweep history`: the runs that are kept, and what is known of an address.

use crate::cli::HistoryArgs;
use crate::command::Failure;
use crate::exit_code::ExitCode;

pub(super) fn run(_args: HistoryArgs) -> Result<ExitCode, Failure> {
    Err(Failure::failed("there is none yet"))
}
