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

// The database is asked for in words of our own, since a setting may name it, too.
#[derive(Debug, Args)]
#[command(override_usage = "docksweep history [OPTIONS] --history <FILE> [ADDRESS]
       docksweep history <COMMAND>")]
pub struct HistoryArgs {
    #[command(subcommand)]
    pub action: Option<HistoryAction>,

    /// What is known of this address; without it, the runs
    #[arg(value_name = "ADDRESS")]
    pub address: Option<IpAddr>,

    /// The database that `scan --history` keeps
    // Also before a subcommand, which is where a setting puts it.
    #[arg(long, value_name = "FILE", global = true)]
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
    /// Forget old runs, and what only they saw.
    #[command(after_help = PRUNE_EXAMPLES)]
    Prune(HistoryPruneArgs),
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  docksweep history import sweep.json --history nights.db    one run
  docksweep history import 2026-*.json --history nights.db   many, oldest first";

#[derive(Debug, Args)]
#[command(override_usage = "docksweep history import [OPTIONS] --history <FILE> <FILE.json>...")]
pub struct HistoryImportArgs {
    /// Reports that `scan -o FILE.json` wrote, the earliest first
    #[arg(value_name = "FILE.json", required = true)]
    pub files: Vec<PathBuf>,

    /// The database; it is made if it is not there
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
}

const PRUNE_EXAMPLES: &str = "\
Examples:
  docksweep history prune --days 90 --history nights.db   keep a quarter

Of each target list the last complete run stays, however old: the next one is compared with it.";

#[derive(Debug, Args)]
#[command(override_usage = "docksweep history prune [OPTIONS] --history <FILE> --days <DAYS>")]
pub struct HistoryPruneArgs {
    /// Forget runs that started more than DAYS days ago
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
    pub days: u16,

    /// The database that `scan --history` keeps
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
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
