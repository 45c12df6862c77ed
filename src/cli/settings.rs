//! The program's own papers: configuration, completions, manual pages, explanations.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Print a configuration file with every flag, and what it is by default
    #[arg(long)]
    pub print_default: bool,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write all pages to this directory [default: docksweep(1) to stdout]
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A rule, or a finding's id
    #[arg(value_name = "FINDING")]
    pub finding: String,
}
