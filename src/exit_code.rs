//! Every exit code, in one place. Scripts depend on them.

use std::process::ExitCode as ProcessExitCode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done; nothing at or above `--fail-on`.
    Done = 0,
    /// The run failed: a report could not be written, or the system refused something vital. Not
    /// where only a post of `--notify` or `--heartbeat` failed.
    Failed = 1,
    /// Bad flags or targets; no packet was sent.
    Usage = 2,
    /// The targets and excludes leave nothing to scan.
    NothingToScan = 3,
    /// A finding at or above `--fail-on`.
    FindingsAtThreshold = 10,
    /// Cut short by a signal or `--max-duration`, or shards are missing from a merge; the report is
    /// partial. Beats 10.
    CutShort = 11,
    /// Another run holds the lock, of `--lock` or of a checkpoint; no packet was sent.
    Locked = 12,
    /// A second Ctrl-C; no report.
    Interrupted = 130,
}

impl ExitCode {
    /// Every one, in order.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::NothingToScan,
        Self::FindingsAtThreshold,
        Self::CutShort,
        Self::Locked,
        Self::Interrupted,
    ];

    /// In a sentence, for the manual.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Done => "Done, and nothing at or above --fail-on.",
            Self::Failed => {
                "Failed: a report could not be written, or the system refused something vital."
            }
            Self::Usage => "Bad flags, settings or targets; nothing was sent.",
            Self::NothingToScan => "The targets, less the excludes, leave nothing to scan.",
            Self::FindingsAtThreshold => "A finding is at or above --fail-on.",
            Self::CutShort => {
                "Cut short by a signal or --max-duration, or shards are missing from a merge; the \
                 report is partial. Goes before 10."
            }
            Self::Locked => "Another run holds the lock.",
            Self::Interrupted => "A second Ctrl-C; there is no report.",
        }
    }

    /// In a few words, for others than scripts.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "refused its command line",
            Self::NothingToScan => "had nothing to scan",
            Self::FindingsAtThreshold => "done, with a finding at or above --fail-on",
            Self::CutShort => "cut short",
            Self::Locked => "not started, as another run holds the lock",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<ExitCode> for ProcessExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
