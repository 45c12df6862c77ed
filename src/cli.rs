//! The command line as clap sees it. Flags become a validated config in `config`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::finding::Severity;
use crate::probe::docker_api::Depth;
use crate::report::Format;
use crate::sweep::Rate;
use crate::target::Ports;
use crate::target::order::Shard;

mod examples;
mod history;
mod settings;
mod suppress;
mod unattended;
mod values;

pub use history::{
    DiffArgs, HistoryAction, HistoryArgs, HistoryImportArgs, HistoryPruneArgs, RecordArgs,
    TextOrJson,
};
pub use settings::{CompletionsArgs, ConfigArgs, ConfigurationArgs, ExplainArgs, ManArgs};
pub use suppress::SuppressArgs;
pub use unattended::{Every, NotifyFormat, ScheduleArgs, Scheduler, UnattendedArgs};
use values::{duration, from_one, rate, server_name, user_agent};

/// Find every Docker daemon on a network that a stranger could take over.
#[derive(Debug, Parser)]
#[command(name = "docksweep", version, about, max_term_width = 100, propagate_version = true)]
#[command(after_help = examples::PROGRAM)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    #[command(flatten)]
    pub configuration: ConfigurationArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sweep targets for Docker APIs and judge each one found.
    #[command(after_help = SCAN_EXAMPLES)]
    Scan(Box<ScanArgs>),
    /// Judge a stored JSON report again, offline, with today's rules and date.
    #[command(after_help = examples::REPORT)]
    Report(ReportArgs),
    /// Join stored JSON reports, of shards or of different ranges, and judge what spans them.
    #[command(after_help = MERGE_EXAMPLES)]
    Merge(MergeArgs),
    /// Show what engine versions are judged by, and of which day it is, or add to it.
    #[command(after_help = examples::ADVISORIES)]
    Advisories(AdvisoriesArgs),
    /// Show the runs that are kept, or what is known of one address.
    #[command(after_help = HISTORY_EXAMPLES)]
    History(HistoryArgs),
    /// Say what is new, fixed, changed, gone or not reached between two runs.
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(DiffArgs),
    /// List the rules, or explain one.
    #[command(after_help = examples::RULES)]
    Rules(RulesArgs),
    /// Explain a rule or a finding: why it matters, how it was found, what to do.
    #[command(after_help = examples::EXPLAIN)]
    Explain(ExplainArgs),
    /// Print a systemd timer or a crontab line for a scan.
    #[command(after_help = unattended::SCHEDULE_EXAMPLES)]
    Schedule(ScheduleArgs),
    /// Show what every flag is set to, and where.
    #[command(after_help = examples::CONFIG)]
    Config(ConfigArgs),
    /// Print completions for a shell.
    #[command(after_help = examples::COMPLETIONS)]
    Completions(CompletionsArgs),
    /// Write the manual pages.
    #[command(after_help = examples::MAN)]
    Man(ManArgs),
}

const SCAN_EXAMPLES: &str = "\
Examples:
  docksweep scan 10.0.0.0/16                      a network, report on screen
  docksweep scan 10.0.0.0/16 -o sweep.json        and keep the whole report
  docksweep scan -i hosts.txt --fail-on high -q   exit 10 when it matters
  docksweep scan 10.0.0.5:2376 --sni docker.lan   one endpoint, by name
  docksweep scan 10.0.0.0/8 --dry-run             say what would be scanned
  docksweep scan 10.0.0.5 --credentials env       and audit with a certificate
  docksweep scan 10.0.0.0/8 --checkpoint here     a long one; after a crash:
  docksweep scan --resume here                    go on where it was

Exit codes:
  0 done   1 failed   2 usage   3 nothing to scan
  10 a finding at or above --fail-on   11 cut short, the report is partial
  12 another run holds the lock        130 second Ctrl-C";

#[derive(Debug, Args)]
pub struct ScanArgs {
    /// CIDR, address, FIRST-LAST range or host name, each also with :port
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,

    /// Read targets from FILE (- for stdin): one a line, # comments, or masscan's and nmap's
    /// greppable lists; repeatable
    #[arg(short = 'i', long = "input", value_name = "FILE", help_heading = "Targets")]
    pub inputs: Vec<PathBuf>,

    /// Leave out this address, CIDR or FIRST-LAST range; repeatable
    #[arg(long = "exclude", value_name = "RANGE", help_heading = "Targets")]
    pub excludes: Vec<String>,

    /// Leave out the addresses that FILE lists; repeatable
    #[arg(long = "exclude-file", value_name = "FILE", help_heading = "Targets")]
    pub exclude_files: Vec<PathBuf>,

    /// Ports of targets that name none: numbers and ranges
    #[arg(
        short = 'p',
        long = "ports",
        value_name = "PORTS",
        default_value = "2375,2376",
        help_heading = "Targets"
    )]
    pub ports: Ports,

    /// Say what would be scanned, and send nothing
    #[arg(long, help_heading = "Targets")]
    pub dry_run: bool,

    /// Look for open ports by SYNs alone (needs CAP_NET_RAW) or by connections [auto: by SYNs
    /// where that is allowed, but on loopback]
    #[arg(long, value_enum, value_name = "ENGINE", default_value = "auto", help_heading = "Sweep")]
    pub engine: Engine,

    /// Probes a second, or max [default: 10000, or 1000 with --nice]
    #[arg(long, value_name = "PPS|max", value_parser = rate, help_heading = "Sweep")]
    pub rate: Option<Rate>,

    /// Probes a second to any one /24 (IPv6: /64), or max; loopback has no limit [default: a
    /// twentieth of --rate, and 256 at least]
    #[arg(long, value_name = "PPS|max", value_parser = rate, help_heading = "Sweep")]
    pub subnet_rate: Option<Rate>,

    /// Connections open at once in the sweep [default: 16384, or what the descriptor limit allows]
    #[arg(long, value_name = "N", value_parser = from_one, help_heading = "Sweep")]
    pub concurrency: Option<usize>,

    /// How long a connect may take
    #[arg(
        long,
        value_name = "TIME",
        default_value = "900ms",
        value_parser = duration,
        help_heading = "Sweep"
    )]
    pub timeout: Duration,

    /// How often silence is asked again
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(0..=10),
        help_heading = "Sweep"
    )]
    pub retries: u8,

    /// Order of the sweep [default: random; the report names it]
    #[arg(long, value_name = "N", help_heading = "Sweep")]
    pub seed: Option<u64>,

    /// Scan one of M disjoint parts, N of 1 to M; all take the same targets, ports and seed, and
    /// docksweep merge joins their reports
    #[arg(long, value_name = "N/M", requires = "seed", help_heading = "Sweep")]
    pub shard: Option<Shard>,

    /// Send from this address
    #[arg(long, value_name = "IP", help_heading = "Sweep")]
    pub source_ip: Option<IpAddr>,

    /// Send through this interface
    #[arg(long, value_name = "NAME", help_heading = "Sweep")]
    pub interface: Option<String>,

    /// TLS server name to ask for, also where the target is an address
    #[arg(long, value_name = "NAME", value_parser = server_name, help_heading = "Probe")]
    pub sni: Option<String>,

    /// How much of an API that is open to us is read
    #[arg(
        long,
        value_enum,
        value_name = "DEPTH",
        default_value = "posture",
        help_heading = "Probe"
    )]
    pub depth: Depth,

    /// List every cipher suite that a TLS endpoint accepts, by version: dozens of connections each
    #[arg(long, help_heading = "Probe")]
    pub ciphers: bool,

    /// User-Agent of every request [default: docksweep/VERSION]
    #[arg(long, value_name = "TEXT", value_parser = user_agent, help_heading = "Probe")]
    pub user_agent: Option<String>,

    /// Total time for one endpoint
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        value_parser = duration,
        help_heading = "Probe"
    )]
    pub endpoint_timeout: Duration,

    /// Judge versions by what was imported to FILE, too [default: where `docksweep advisories
    /// import` keeps it]
    #[arg(long, value_name = "FILE", help_heading = "Probe")]
    pub advisories: Option<PathBuf>,

    /// Audit with a client certificate: roots that a server must lead to before it is shown
    #[arg(long, value_name = "FILE", help_heading = "Credentials")]
    pub tlscacert: Option<PathBuf>,

    /// Client certificate, PEM
    #[arg(long, value_name = "FILE", help_heading = "Credentials")]
    pub tlscert: Option<PathBuf>,

    /// Its private key, PEM, not encrypted
    #[arg(long, value_name = "FILE", help_heading = "Credentials")]
    pub tlskey: Option<PathBuf>,

    /// Take all three from DOCKER_CERT_PATH, as Docker's client does
    #[arg(
        long,
        value_enum,
        value_name = "FROM",
        conflicts_with_all = ["tlscacert", "tlscert", "tlskey", "context"],
        help_heading = "Credentials"
    )]
    pub credentials: Option<CredentialsFrom>,

    /// Take all three from this context of Docker's command line
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with_all = ["tlscacert", "tlscert", "tlskey"],
        help_heading = "Credentials"
    )]
    pub context: Option<String>,

    /// Show servers that demand a client certificate a throwaway one that nobody vouches for, on
    /// one connection more, and see whether they let it in
    #[arg(long, help_heading = "Credentials")]
    pub try_untrusted_cert: bool,

    #[command(flatten)]
    pub trust: TrustArgs,

    #[command(flatten)]
    pub suppress: SuppressArgs,

    #[command(flatten)]
    pub record: RecordArgs,

    #[command(flatten)]
    pub unattended: UnattendedArgs,

    /// Also report keys that FILE lists: SHA-256 of the public key in hex a line, or badkeys'
    /// blocklist.dat; repeatable
    #[arg(long = "key-blocklist", value_name = "FILE", help_heading = "Report")]
    pub key_blocklists: Vec<PathBuf>,

    /// Where this scan looks from, for the report
    #[arg(long, value_name = "LABEL", help_heading = "Report")]
    pub vantage: Option<String>,

    /// Write a report to PATH, its format by extension or as FORMAT=PATH; repeatable
    #[arg(short = 'o', long = "output", value_name = "PATH|FORMAT=PATH", help_heading = "Report")]
    pub outputs: Vec<String>,

    /// Format of the report on stdout [default: text, or none with -q]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Report")]
    pub format: Option<Format>,

    /// Show findings from this severity up (JSON always holds all)
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "info", help_heading = "Report")]
    pub severity: Severity,

    /// Exit 10 when a finding is at least this severe [default: never]
    #[arg(long, value_enum, value_name = "LEVEL", help_heading = "Report")]
    pub fail_on: Option<Severity>,

    /// Colour the text report
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", help_heading = "Report")]
    pub color: When,

    /// Stop after this long; the report is then partial and the exit code 11
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Run")]
    pub max_duration: Option<Duration>,

    /// Keep the scan's place in FILE and FILE.endpoints, so that --resume FILE can go on after
    /// Ctrl-C, a crash or a power cut; both are removed when the scan is complete
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    pub checkpoint: Option<PathBuf>,

    /// How often to do so
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5s",
        value_parser = duration,
        help_heading = "Run"
    )]
    pub checkpoint_every: Duration,

    /// Go on with the scan that FILE keeps the place of, and keep it there. Without targets, the
    /// command line is the one that the scan began with, and flags given here are added or take the
    /// place of its own; with targets, it is as given, and must come to the same scan. Names stand
    /// for the addresses of then; a list from stdin is read again
    #[arg(long, value_name = "FILE", conflicts_with = "checkpoint", help_heading = "Run")]
    pub resume: Option<PathBuf>,

    /// Progress bar on stderr
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", help_heading = "Run")]
    pub progress: When,

    /// No progress, no report on stdout unless --format asks for one, and no warnings but of a scan
    /// cut short and of posts that failed
    #[arg(short, long, help_heading = "Run")]
    pub quiet: bool,

    /// Log to stderr: -v info, -vv debug, -vvv trace
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Run")]
    pub verbose: u8,
}

/// What the chains of certificates should lead to.
#[derive(Debug, Args)]
pub struct TrustArgs {
    /// Judge whether chains lead to the certificates of FILE, PEM; repeatable
    #[arg(long = "ca", value_name = "FILE", help_heading = "Trust")]
    pub ca: Vec<PathBuf>,

    /// Judge whether chains lead to this machine's own roots
    #[arg(long, help_heading = "Trust")]
    pub system_roots: bool,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A report that `scan -o FILE.json` wrote
    #[arg(value_name = "FILE.json")]
    pub file: PathBuf,

    /// Compare with the run before it in FILE, which `scan --history` keeps, and with keys that were
    /// seen earlier; FILE stays as it is
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,

    #[command(flatten)]
    pub judging: JudgingArgs,
}

const HISTORY_EXAMPLES: &str = "\
Examples:
  docksweep scan 10.0.0.0/16 --history nights.db          keep the run
  docksweep history --history nights.db                   the runs
  docksweep history 10.0.0.5 --history nights.db          one address over time
  docksweep history import old.json --history nights.db   a stored report
  docksweep history prune --days 90 --history nights.db   forget older runs";

const DIFF_EXAMPLES: &str = "\
Examples:
  docksweep diff --history nights.db                the last two complete runs
  docksweep diff 3 7 --history nights.db            two runs by number
  docksweep diff old.json new.json --fail-on high   exit 10 for something new

A finding is fixed where its rule was asked again and is kept, or where its port is closed. What was \
not reached, or cannot be told any more, is neither fixed nor gone.

Exit codes:
  0 nothing new at or above --fail-on   1 failed   2 usage   10 something new";

const MERGE_EXAMPLES: &str = "\
Examples:
  docksweep merge part-*.json -o all.json      the shards of one scan
  docksweep merge part-*.json -o all.json --history nights.db
                                               and keep them as one run
  docksweep merge paris.json oslo.json         or scans of different ranges

Where an endpoint is in several reports, what was seen last is kept. Shards that are missing are \
named; the report is then partial, and the exit code 11.";

#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Reports that `scan -o FILE.json` wrote
    #[arg(value_name = "FILE.json", required = true)]
    pub files: Vec<PathBuf>,

    /// Keep the joined run in FILE as `scan --history` does, and compare it with the one before
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,

    #[command(flatten)]
    pub judging: JudgingArgs,
}

/// How stored facts are judged, and where the report goes.
#[derive(Debug, Args)]
pub struct JudgingArgs {
    /// Judge versions by what was imported to FILE, too [default: where `docksweep advisories
    /// import` keeps it]
    #[arg(long, value_name = "FILE")]
    pub advisories: Option<PathBuf>,

    #[command(flatten)]
    pub trust: TrustArgs,

    #[command(flatten)]
    pub suppress: SuppressArgs,

    /// Write a report to PATH, its format by extension or as FORMAT=PATH; repeatable
    #[arg(short = 'o', long = "output", value_name = "PATH|FORMAT=PATH")]
    pub outputs: Vec<String>,

    /// Format of the report on stdout [default: text, or none with -o]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Also report keys that FILE lists: SHA-256 of the public key in hex a line, or badkeys'
    /// blocklist.dat; repeatable
    #[arg(long = "key-blocklist", value_name = "FILE")]
    pub key_blocklists: Vec<PathBuf>,

    /// Show findings from this severity up (JSON always holds all)
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "info")]
    pub severity: Severity,

    /// Exit 10 when a finding is at least this severe [default: never]
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub fail_on: Option<Severity>,

    /// Colour the text report
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: When,
}

#[derive(Debug, Args)]
pub struct RulesArgs {
    /// Explain this rule
    pub name: Option<String>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AdvisoriesArgs {
    #[command(subcommand)]
    pub action: Option<AdvisoriesAction>,

    /// Show this file's instead of the default one's
    #[arg(long, value_name = "FILE")]
    pub advisories: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum AdvisoriesAction {
    /// Add advisories in OSV's JSON to what is known; reads files alone, never the network.
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  docksweep advisories import all.zip       osv.dev's archive for Go
  docksweep advisories import vulndb.zip    the Go vulnerability database's own
  docksweep advisories import vulndb/       the same, unpacked
  docksweep advisories import GO-2024-2491.json -o team.json

Advisories on Docker Engine, containerd, runc and BuildKit are kept, and added to those imported \
before. `scan` and `report` use the default file by themselves, and another with --advisories. \
What cannot be read is named on stderr and left out; exit code 1 if nothing is left.";

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// OSV records (.json), directories of them, ZIP archives of them, or the releases.json of a
    /// newer docksweep
    #[arg(value_name = "FILE|DIR", required = true)]
    pub sources: Vec<PathBuf>,

    /// Where to keep them [default: docksweep/advisories.json in $XDG_DATA_HOME or ~/.local/share]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    Auto,
    Syn,
    Connect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal.
    Auto,
    Always,
    Never,
}

/// Where credentials lie that no flag names one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CredentialsFrom {
    /// DOCKER_CERT_PATH and DOCKER_TLS_VERIFY
    Env,
}
