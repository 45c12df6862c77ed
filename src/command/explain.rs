//! `docksweep explain`: a rule or a finding, for a person.

use crate::cli::ExplainArgs;
use crate::command::Failure;
use crate::exit_code::ExitCode;

pub(super) fn run(_args: &ExplainArgs) -> Result<ExitCode, Failure> {
    Err(Failure::failed("there is none yet"))
}
