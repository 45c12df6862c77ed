//! What is kept of runs, and how they differ.

use std::path::PathBuf;

use clap::Args;

/// For commands that look at one run.
#[derive(Clone, Debug, Args)]
pub struct RecordArgs {
    /// Keep this run in FILE, an SQLite database, and compare it with the one before
    #[arg(long, value_name = "FILE", help_heading = "History")]
    pub history: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// What is known of this address; without it, the runs
    #[arg(value_name = "ADDRESS")]
    pub address: Option<String>,

    /// The database that `scan --history` keeps
    #[arg(long, value_name = "FILE")]
    pub history: PathBuf,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Two reports in JSON, or two runs of the history, the earlier first [default: the last two
    /// complete runs]
    #[arg(value_name = "A B", num_args = 0..=2)]
    pub runs: Vec<String>,

    /// The database that `scan --history` keeps
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
}
