//! Risks that somebody accepted.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Default, Args)]
pub struct SuppressArgs {
    /// Leave out of counts, grades and exit codes what FILE accepts, each with a reason and an
    /// expiry; repeatable
    #[arg(long = "suppress", value_name = "FILE", help_heading = "Report")]
    pub suppressions: Vec<PathBuf>,

    /// Show what is suppressed, why and until when, and which suppressions are about nothing
    #[arg(long, help_heading = "Report")]
    pub show_suppressed: bool,
}
