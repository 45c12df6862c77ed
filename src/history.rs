//! What runs came to, in an SQLite database: who was seen when, what was found, which keys were shown.
//!
//! Kept is what was concluded, not the exchanges: those are in the JSON reports. What is seen again
//! unchanged takes one row of two numbers: two runs of 100,000 endpoints, 1.8 GB of JSON each, take 281
//! MiB here.

mod keys;
mod open;
mod prune;
mod read;
mod record;
#[cfg(test)]
mod tests;

pub use keys::Recalled;
pub use read::{Known, Period, RunRow, State};
pub use record::{Begun, Recording};

use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// An open history.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    connection: Connection,
}

/// What to do if the file is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Create,
    Refuse,
}

/// Why a history cannot be used. None of these changes the file.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("{}", .path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{} is no history: {what}", .path.display())]
    Foreign { path: PathBuf, what: String },
    #[error(
        "{} is a history of version {found}, and this program knows versions up to {known}",
        .path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{} is damaged: {what}", .path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("{} is locked by another program, for {seconds} seconds now", .path.display())]
    Locked { path: PathBuf, seconds: u64 },
    #[error("{} has no run '{run}'", .path.display())]
    NoRun { path: PathBuf, run: String },
    #[error("{}: {error}", .path.display())]
    Sqlite { path: PathBuf, error: rusqlite::Error },
}

impl HistoryError {
    /// What SQLite's words come to.
    fn of(path: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, what: source.to_string() },
            Some(ErrorCode::NotADatabase) => Self::Foreign { path, what: source.to_string() },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Locked { path, seconds: open::PATIENCE.as_secs() }
            }
            _ => Self::Sqlite { path, error: source },
        }
    }

    /// What may help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Foreign { .. } => {
                Some("give --history a file of its own; it is made if it is not there")
            }
            Self::Newer { .. } => Some("use the docksweep that wrote it, or another file"),
            Self::Damaged { .. } => Some(
                "it is left as it is: sqlite3 FILE .recover may save what is in it, and another \
                 --history FILE begins anew",
            ),
            Self::Locked { .. } => Some("see who has it open with fuser FILE"),
            Self::NoRun { .. } => Some("docksweep history --history FILE lists the runs"),
            Self::Sqlite { error, .. }
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen) =>
            {
                Some(
                    "SQLite writes beside a database even to read it: copy it to where you may write",
                )
            }
            Self::Io { .. } | Self::Sqlite { .. } => None,
        }
    }
}
