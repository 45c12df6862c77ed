//! What `scan` does for `--notify` and its like: tells others that a run is over, and how it ended.

use crate::cli::UnattendedArgs;
use crate::command::Failure;
use crate::exit_code::ExitCode;
use crate::report::v1::Report;

/// Who is to be told, and the lock for as long as the run lasts.
#[derive(Debug)]
pub(super) struct Announcing;

impl Announcing {
    /// Before the first packet: takes the lock, checks addresses.
    pub(super) fn new(_args: &UnattendedArgs) -> Result<Self, Failure> {
        Ok(Self)
    }

    /// After the report is written.
    pub(super) fn report(&self, _report: &Report) {}

    /// Last of all, however the run ended.
    pub(super) fn end(self, _code: ExitCode) {}
}
