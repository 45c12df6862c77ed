//! The program's own papers: configuration, completions, manual pages, explanations.

use std::path::PathBuf;

use clap::{ArgMatches, Args};

/// What is read beside the command line.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigurationArgs {
    /// Take settings and accepted risks from FILE [default: docksweep/docksweep.toml in
    /// $XDG_CONFIG_HOME or ~/.config, else in /etc]
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        overrides_with = "no_config",
        help_heading = "Configuration"
    )]
    pub config: Option<PathBuf>,

    /// Take none from a file
    #[arg(long, global = true, overrides_with = "config", help_heading = "Configuration")]
    pub no_config: bool,
}

impl ConfigurationArgs {
    /// As far as they are among these matches, some of which may be wrong.
    pub fn of(matches: &ArgMatches) -> Self {
        Self {
            config: matches.try_get_one("config").ok().flatten().cloned(),
            no_config: matches.try_get_one("no_config").ok().flatten() == Some(&true),
        }
    }
}

#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Print a configuration file with every flag, and what it is by default
    #[arg(long)]
    pub print_default: bool,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// For this one
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
    /// A rule, or a finding's id in a report
    #[arg(value_name = "FINDING")]
    pub finding: String,

    /// Show what was found, from a report that `scan -o FILE.json` wrote
    #[arg(long, value_name = "FILE.json")]
    pub report: Option<PathBuf>,
}
