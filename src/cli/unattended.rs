//! Scans that nobody watches.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::finding::Severity;

#[derive(Clone, Debug, Args)]
pub struct UnattendedArgs {
    /// Hold FILE locked during the run, and exit with 12 at once if another run holds it
    #[arg(long, value_name = "FILE", help_heading = "Unattended")]
    pub lock: Option<PathBuf>,

    /// When the report is written, post what is new since the run before to this address, or to the
    /// one in a file: @FILE keeps it out of the process list; repeatable. A post that fails is a
    /// warning, and changes neither report nor exit code
    #[arg(long = "notify", value_name = "URL|@FILE", help_heading = "Unattended")]
    pub notify: Vec<String>,

    /// In what form
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "generic",
        help_heading = "Unattended"
    )]
    pub notify_format: NotifyFormat,

    /// From this severity up
    #[arg(
        long,
        value_enum,
        value_name = "LEVEL",
        default_value = "medium",
        help_heading = "Unattended"
    )]
    pub notify_from: Severity,

    /// Post also when nothing is new
    #[arg(long, help_heading = "Unattended")]
    pub notify_always: bool,

    /// When the run is over, however it ended, post to this address with the exit code in place of
    /// {code} in it, or else at the end of its path
    #[arg(long, value_name = "URL|@FILE", help_heading = "Unattended")]
    pub heartbeat: Option<String>,

    /// Give way to others: CPU priority 10 lower, --rate 1000 unless given, at most 64 endpoints
    /// probed at once
    #[arg(long, help_heading = "Unattended")]
    pub nice: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NotifyFormat {
    /// JSON of our own, see schema/notification-v1.json
    Generic,
    /// For an incoming webhook of Slack
    Slack,
    /// An Adaptive Card for a Workflows webhook of Teams
    Teams,
}

pub(super) const SCHEDULE_EXAMPLES: &str = "\
Examples:
  docksweep schedule --print systemd -- scan 10.0.0.0/16 -q -o sweep.json
  docksweep schedule --print cron --every weekly --at 04:30 -- scan HOST -q
  cd /etc/systemd/system
  sudo docksweep schedule --print systemd --output . -- scan 10.0.0.0/16

The service runs as a user of its own with CAP_NET_RAW alone; relative paths that it writes to are \
below /var/lib/docksweep, and credentials are handed to it by LoadCredential.";

#[derive(Debug, Args)]
pub struct ScheduleArgs {
    /// For what
    #[arg(long, value_enum, value_name = "SCHEDULER")]
    pub print: Scheduler,

    /// How often
    #[arg(long, value_enum, value_name = "PERIOD", default_value = "daily")]
    pub every: Every,

    /// At what time of day, in local time; of an hourly run, the minute counts
    #[arg(long, value_name = "HH:MM", default_value = "02:15")]
    pub at: String,

    /// What the units are called
    #[arg(long, value_name = "NAME", default_value = "docksweep")]
    pub name: String,

    /// Run the service as this user [default: one that exists only while it runs]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,

    /// Where docksweep will be [default: where it is]
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,

    /// Write the units into DIR instead of to stdout
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,

    /// The scan, as it would be typed: after --, as in `-- scan 10.0.0.0/16 -q`
    #[arg(last = true, required = true, value_name = "scan ARGUMENTS")]
    pub scan: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scheduler {
    /// A timer and a sandboxed service
    Systemd,
    /// A line for crontab -e
    Cron,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Every {
    Hourly,
    Daily,
    /// On Mondays
    Weekly,
    /// On the first
    Monthly,
}
