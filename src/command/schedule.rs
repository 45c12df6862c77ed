//! `docksweep schedule`: a timer or a crontab line for a scan.

use crate::cli::ScheduleArgs;
use crate::command::Failure;
use crate::exit_code::ExitCode;

pub(super) fn run(_args: &ScheduleArgs) -> Result<ExitCode, Failure> {
    Err(Failure::failed("there is none yet"))
}
