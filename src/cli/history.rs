//! What is kept of runs, and how they differ.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::When;
use crate::finding::Severity;

/// For commands that look at one run.
#[derive(Clone, Debug, Args)]
pub struct RecordArgs {
    /// Keep this run in FILE, an SQLite database, and compare it with the one before
    #[arg(long, value_name = "FILE", help_heading = "History")]
    pub history: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct HistoryArgs {
    #[command(subcommand)]
    pub action: Option<HistoryAction>,

    /// What is known of this address; without it, the runs
    #[arg(value_name = "ADDRESS")]
    pub address: Option<IpAddr>,

    /// The database that `scan --history` keeps
    #[arg(long, value_name = "FILE", required = true)]
    pub history: Option<PathBuf>,

    /// Format of the answer
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub format: TextOrJson,

    /// Colour the text
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: When,
}

#[derive(Debug, Subcommand)]
pub enum HistoryAction {
    /// Keep the run of a stored JSON report, as if the scan had been given --history.
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(HistoryImportArgs),
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  docksweep history import sweep.json --history nights.db    one run
  docksweep history import 2026-*.json --history nights.db   many, oldest first";

#[derive(Debug, Args)]
pub struct HistoryImportArgs {
    /// Reports that `scan -o FILE.json` wrote, the earliest first
    #[arg(value_name = "FILE.json", required = true)]
    pub files: Vec<PathBuf>,

    /// The database; it is made if it is not there
    #[arg(long, value_name = "FILE")]
    pub history: PathBuf,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Two reports in JSON, or two runs of the history by number or id, the earlier first [default:
    /// the last complete run, and the one before it of the same targets]
    #[arg(value_name = "A B", num_args = 0..=2)]
    pub runs: Vec<String>,

    /// The database that `scan --history` keeps
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,

    /// Exit 10 when something new is at least this severe, or something known has become so
    /// [default: never]
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub fail_on: Option<Severity>,

    /// Show findings from this severity up (JSON always holds all)
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "info")]
    pub severity: Severity,

    /// Format of the answer: JSON is docksweep/diff/v1, see schema/diff-v1.json
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub format: TextOrJson,

    /// Colour the text
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For people
    Text,
    /// For programs
    Json,
}
