//! What `scan` does for `--history`: compares the run with the one before, and keeps it.

use crate::cli::RecordArgs;
use crate::command::Failure;
use crate::report::v1::Report;

/// An open history, or none.
#[derive(Debug)]
pub(super) struct Memory;

impl Memory {
    /// Before the first packet, so that a history that cannot be kept is known then.
    pub(super) fn open(_args: &RecordArgs) -> Result<Self, Failure> {
        Ok(Self)
    }

    /// Adds to the report what shows only against earlier runs.
    pub(super) fn compare(&mut self, _report: &mut Report) -> Result<(), Failure> {
        Ok(())
    }

    /// Keeps the run. Called also where a report could not be written.
    pub(super) fn keep(self, _report: &Report) -> Result<(), Failure> {
        Ok(())
    }
}
