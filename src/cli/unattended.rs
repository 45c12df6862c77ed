//! Scans that nobody watches.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Clone, Debug, Args)]
pub struct UnattendedArgs {
    /// Exit with 12 at once if another run holds FILE
    #[arg(long, value_name = "FILE", help_heading = "Unattended")]
    pub lock: Option<PathBuf>,

    /// Post what is new to this address when the report is written; repeatable
    #[arg(long = "notify", value_name = "URL", help_heading = "Unattended")]
    pub notify: Vec<String>,

    /// What is posted
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "generic",
        help_heading = "Unattended"
    )]
    pub notify_format: NotifyFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NotifyFormat {
    /// JSON of our own
    Generic,
    Slack,
    Teams,
}

#[derive(Debug, Args)]
pub struct ScheduleArgs {
    /// For what
    #[arg(long, value_enum, value_name = "SCHEDULER")]
    pub print: Scheduler,

    /// The scan, as it would be typed
    #[arg(last = true, value_name = "scan ARGUMENTS")]
    pub scan: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scheduler {
    Systemd,
    Cron,
}
