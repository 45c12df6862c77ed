//! Flags → one validated scan. After this nothing looks at a raw flag again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, IsTerminal as _, Read as _, stdin};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum as _;
use thiserror::Error;

use crate::certificate::key::known::{KnownKeys, ListError};
use crate::cli::{self, CredentialsFrom, ScanArgs, SuppressArgs, When};
use crate::credentials::{Credentials, CredentialsError, Source};
use crate::document::Mistake;
use crate::finding::Severity;
use crate::observation::SuitesAsked;
use crate::probe::http::HttpLimits;
use crate::probe::stream::Dialer;
use crate::probe::throwaway::{Throwaway, ThrowawayError};
use crate::probe::{CONNECTIONS_AT_ONCE, ProbeConfig};
use crate::report::{Colour, Destination, Format, TextOptions};
use crate::suppress::Suppressions;
use crate::sweep::{Engine, EngineChoice, Rate, SweepConfig, limits};
use crate::target::order::Shard;
use crate::target::{Ports, TargetError, TargetList};
use crate::trust::Anchors;

mod accepted;
mod anchors;

pub(crate) use accepted::{read_text, suppressions};
pub use anchors::AnchorsError;
pub(crate) use anchors::anchors;

/// Everything a scan needs but the addresses of its names.
#[derive(Debug)]
pub struct Config {
    pub targets: TargetList,
    pub ports: Ports,
    pub described: Described,
    /// Settled when the targets are known; `sweep.engine` is not, before that.
    pub engine: EngineChoice,
    pub sweep: SweepConfig,
    pub probe: ProbeConfig,
    pub known_keys: Arc<KnownKeys>,
    pub parallel_endpoints: usize,
    pub sni: Option<String>,
    pub anchors: Option<Arc<Anchors>>,
    /// Those of `--suppress`.
    pub suppressions: Suppressions,
    pub show_suppressed: bool,
    pub vantage: Option<String>,
    pub outputs: Vec<(Destination, Format)>,
    pub text: TextOptions,
    pub fail_on: Option<Severity>,
    pub max_duration: Option<Duration>,
    pub dry_run: bool,
    pub progress: bool,
    /// Warnings go to stderr unless it is asked for quiet.
    pub warnings: bool,
    /// Where to keep the scan's place, and how often.
    pub checkpoint: Option<PathBuf>,
    pub checkpoint_every: Duration,
    /// Whether `--seed` gave the seed.
    pub seed_given: bool,
    /// What changes the facts that are recorded, by flag.
    pub recorded: BTreeMap<String, String>,
}

/// The targets in the user's words, for the report.
#[derive(Clone, Debug)]
pub struct Described {
    pub targets: Vec<String>,
    pub excluded: Vec<String>,
}

/// Why the flags make no scan. Nothing was sent.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("no target given")]
    NoTargets,
    #[error("{}: {source}", .path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("stdin can be read once, and - is given {0} times")]
    StdinTwice(usize),
    #[error("-o '{0}' names no format that is known")]
    OutputFormat(String),
    #[error("-o '{0}' names no file")]
    OutputPath(String),
    #[error("two reports would go to {0}")]
    SameOutput(String),
    #[error("{given} needs {missing} too")]
    TlsFlagMissing { given: String, missing: String },
    #[error("credentials come from one place, and {0} name several")]
    CredentialsTwice(String),
    #[error("--context: neither DOCKER_CONFIG nor HOME says where Docker keeps its contexts")]
    NoDockerConfig,
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Throwaway(#[from] ThrowawayError),
    #[error(transparent)]
    Suppressions(#[from] Mistake),
    #[error(transparent)]
    Anchors(#[from] AnchorsError),
    #[error("{}: {source}", .path.display())]
    KeyList { path: PathBuf, source: ListError },
    #[error("{}: it is larger than {} MiB", .0.display(), MAX_KEY_LIST >> 20)]
    KeyListTooLarge(PathBuf),
}

impl ConfigError {
    /// What to type instead, where that can be said.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::NoTargets => Some("docksweep scan 10.0.0.0/24, or -i FILE"),
            Self::OutputFormat(path) if path.to_ascii_lowercase().ends_with(".xml") => Some(
                "two formats are XML: end the path in .junit.xml or .nmap.xml, or write junit=PATH or nmap=PATH",
            ),
            Self::OutputFormat(_) => Some(
                "end the path in .txt, .json, .jsonl, .html, .sarif, .csv, .md, .junit.xml, .nmap.xml, .defectdojo.json or .prom, or write FORMAT=PATH",
            ),
            Self::TlsFlagMissing { .. } => {
                Some("the certificate is only shown to servers that lead to --tlscacert")
            }
            Self::Credentials(error) => error.hint(),
            Self::Suppressions(mistake) => mistake.hint.as_deref(),
            Self::Anchors(error) => error.hint(),
            Self::KeyList { .. } => {
                Some("a list has a SHA-256 in hex a line, or is badkeys' blocklist.dat")
            }
            _ => None,
        }
    }
}

/// Connections open at once in the sweep, where nothing else is asked for.
const CONCURRENCY: usize = 16_384;
/// Endpoints probed at once.
const PARALLEL_ENDPOINTS: usize = 512;
/// Probes a second, where nothing else is asked for.
const RATE: Rate = per_second(10_000);
/// Both of them with `--nice`.
const NICE_RATE: Rate = per_second(1_000);
const NICE_PARALLEL_ENDPOINTS: usize = 64;
/// Descriptors for the program itself: standard streams, reports, the runtime's own.
const OTHER_DESCRIPTORS: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(3);

const fn per_second(probes: u32) -> Rate {
    match NonZeroU32::new(probes) {
        Some(probes) => Rate::PerSecond(probes),
        None => Rate::Max,
    }
}

impl Config {
    /// Validates everything that can be known before a packet is sent. Raises the limit on
    /// descriptors, by which the concurrency is bounded.
    ///
    /// # Errors
    /// The first flag, file or target that makes no sense.
    pub fn new(args: ScanArgs) -> Result<Self, ConfigError> {
        let credentials = credentials_source(&args)?
            .map(|source| Credentials::load(&source, jiff::Timestamp::now()))
            .transpose()?;
        let recorded = recorded(&args, credentials.as_ref());
        let throwaway = args.try_untrusted_cert.then(Throwaway::new).transpose()?.map(Arc::new);
        let anchors = anchors(&args.trust)?.map(Arc::new);
        let known_keys = known_keys(&args.key_blocklists)?;
        let suppressions = suppressions(&args.suppress)?;
        let stdout = if args.quiet { Stdout::Nothing } else { Stdout::Text };
        let outputs = outputs(&args.outputs, args.format, stdout)?;
        let nice = args.unattended.nice;
        let rate = args.rate.unwrap_or(if nice { NICE_RATE } else { RATE });
        let described = Described {
            targets: described(&args.targets, &args.inputs),
            excluded: described(&args.excludes, &args.exclude_files),
        };
        let targets = targets(&args.targets, &args.inputs, &args.excludes, &args.exclude_files)?;
        let descriptors = limits::raise_open_files();
        let most = if nice { NICE_PARALLEL_ENDPOINTS } else { PARALLEL_ENDPOINTS };
        let parallel_endpoints = match descriptors {
            Some(limit) => {
                let share = usize::try_from(limit / 4).unwrap_or(usize::MAX) / CONNECTIONS_AT_ONCE;
                most.min(share).max(1)
            }
            None => most,
        };
        let on_terminal = std::io::stderr().is_terminal();
        Ok(Self {
            targets,
            ports: args.ports,
            described,
            engine: match args.engine {
                cli::Engine::Auto => EngineChoice::Auto,
                cli::Engine::Syn => EngineChoice::Only(Engine::Syn),
                cli::Engine::Connect => EngineChoice::Only(Engine::Connect),
            },
            sweep: SweepConfig {
                engine: Engine::default(),
                rate,
                subnet_rate: args.subnet_rate.unwrap_or(rate.share_of_a_subnet()),
                concurrency: limits::concurrency_that_fits(
                    args.concurrency.unwrap_or(CONCURRENCY),
                    descriptors,
                    (parallel_endpoints * CONNECTIONS_AT_ONCE) as u64 + OTHER_DESCRIPTORS,
                ),
                timeout: args.timeout,
                retries: args.retries,
                seed: args.seed.unwrap_or_else(random_seed),
                shard: args.shard.unwrap_or(Shard::WHOLE),
                source_ip: args.source_ip,
                interface: args.interface.clone(),
                checkpoint_every: args.checkpoint.as_ref().map(|_| args.checkpoint_every),
                resume: None,
            },
            probe: ProbeConfig {
                dialer: Dialer {
                    // A port that answered the sweep may be slower under a probe's load.
                    connect_timeout: args.timeout.max(PATIENCE),
                    patience: PATIENCE.min(args.endpoint_timeout),
                    source_ip: args.source_ip,
                    interface: args.interface,
                },
                deadline: args.endpoint_timeout,
                user_agent: args
                    .user_agent
                    .unwrap_or_else(|| format!("docksweep/{}", env!("CARGO_PKG_VERSION"))),
                depth: args.depth,
                suites: if args.ciphers { SuitesAsked::All } else { SuitesAsked::Classes },
                limits: HttpLimits::default(),
                credentials: credentials.map(Arc::new),
                throwaway,
            },
            known_keys: Arc::new(known_keys),
            parallel_endpoints,
            sni: args.sni,
            anchors,
            suppressions,
            show_suppressed: args.suppress.show_suppressed,
            vantage: args.vantage,
            outputs,
            text: text_options(args.color, args.severity, &args.suppress),
            fail_on: args.fail_on,
            max_duration: args.max_duration,
            dry_run: args.dry_run,
            progress: match args.progress {
                When::Always => true,
                When::Never => false,
                // Log lines and a bar would overwrite each other.
                When::Auto => on_terminal && !args.quiet && args.verbose == 0,
            },
            warnings: !args.quiet,
            checkpoint: args.checkpoint,
            checkpoint_every: args.checkpoint_every,
            seed_given: args.seed.is_some(),
            recorded,
        })
    }
}

/// Rate and concurrency are not among them, as they change nothing in what is found; nor is what
/// only judges, as all is judged again.
fn recorded(args: &ScanArgs, credentials: Option<&Credentials>) -> BTreeMap<String, String> {
    let none = || "not given".to_owned();
    let yes = |given: bool| if given { "given".to_owned() } else { none() };
    let depth = args.depth.to_possible_value();
    [
        ("--timeout", format!("{:?}", args.timeout)),
        ("--retries", args.retries.to_string()),
        ("--source-ip", args.source_ip.map_or_else(none, |address| address.to_string())),
        ("--interface", args.interface.clone().unwrap_or_else(none)),
        ("--sni", args.sni.clone().unwrap_or_else(none)),
        ("--depth", depth.map_or_else(none, |depth| depth.get_name().to_owned())),
        ("--ciphers", yes(args.ciphers)),
        ("--user-agent", args.user_agent.clone().unwrap_or_else(none)),
        ("--endpoint-timeout", format!("{:?}", args.endpoint_timeout)),
        ("--try-untrusted-cert", yes(args.try_untrusted_cert)),
        ("--vantage", args.vantage.clone().unwrap_or_else(none)),
        ("the client certificate", credentials.map_or_else(none, Credentials::fingerprint)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn targets(
    words: &[String],
    files: &[PathBuf],
    excludes: &[String],
    exclude_files: &[PathBuf],
) -> Result<TargetList, ConfigError> {
    if words.is_empty() && files.is_empty() {
        return Err(ConfigError::NoTargets);
    }
    let stdins = files.iter().chain(exclude_files).filter(|path| is_stdin(path)).count();
    if stdins > 1 {
        return Err(ConfigError::StdinTwice(stdins));
    }
    let mut list = TargetList::new();
    for word in words {
        list.add(word)?;
    }
    for word in excludes {
        list.exclude(word)?;
    }
    for path in files {
        if is_stdin(path) {
            list.read("-", stdin().lock())?;
        } else {
            list.read(&path.to_string_lossy(), open(path)?)?;
        }
    }
    for path in exclude_files {
        if is_stdin(path) {
            list.read_excludes("-", stdin().lock())?;
        } else {
            list.read_excludes(&path.to_string_lossy(), open(path)?)?;
        }
    }
    Ok(list)
}

/// A hundred million keys of badkeys' form.
const MAX_KEY_LIST: u64 = 1600 << 20;

/// The program's own list and those of the files.
pub(crate) fn known_keys(files: &[PathBuf]) -> Result<KnownKeys, ConfigError> {
    let mut known = KnownKeys::new();
    for path in files {
        let mut content = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(MAX_KEY_LIST + 1).read_to_end(&mut content));
        read.map_err(|source| ConfigError::Open { path: path.clone(), source })?;
        if content.len() as u64 > MAX_KEY_LIST {
            return Err(ConfigError::KeyListTooLarge(path.clone()));
        }
        known
            .add(path.to_string_lossy(), &content)
            .map_err(|source| ConfigError::KeyList { path: path.clone(), source })?;
    }
    Ok(known)
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn open(path: &Path) -> Result<BufReader<File>, ConfigError> {
    File::open(path)
        .map(BufReader::new)
        .map_err(|source| ConfigError::Open { path: path.to_owned(), source })
}

fn described(words: &[String], files: &[PathBuf]) -> Vec<String> {
    let files = files.iter().map(|path| format!("@{}", path.display()));
    words.iter().cloned().chain(files).collect()
}

/// Nothing of the environment is read but what was asked for.
fn credentials_source(args: &ScanArgs) -> Result<Option<Source>, ConfigError> {
    let files = [
        ("--tlscacert", &args.tlscacert),
        ("--tlscert", &args.tlscert),
        ("--tlskey", &args.tlskey),
    ];
    let named = |wanted: fn(&Option<PathBuf>) -> bool| {
        let names = files.iter().filter(|(_, path)| wanted(path)).map(|(name, _)| *name);
        names.collect::<Vec<_>>()
    };
    let (given, missing) = (named(Option::is_some), named(Option::is_none));
    let from = args.credentials.map(|_| "--credentials");
    let context = args.context.as_ref().map(|_| "--context");
    let sources = [given.first().copied(), from, context];
    let sources: Vec<&str> = sources.into_iter().flatten().collect();
    if sources.len() > 1 {
        return Err(ConfigError::CredentialsTwice(sources.join(" and ")));
    }
    if let Some(CredentialsFrom::Env) = args.credentials {
        return Ok(Some(Source::Environment {
            cert_path: std::env::var_os("DOCKER_CERT_PATH"),
            tls_verify: std::env::var_os("DOCKER_TLS_VERIFY"),
        }));
    }
    if let Some(name) = args.context.clone() {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let config = set("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| set("HOME").map(|home| Path::new(&home).join(".docker")))
            .ok_or(ConfigError::NoDockerConfig)?;
        return Ok(Some(Source::Context { name, config }));
    }
    match (&args.tlscacert, &args.tlscert, &args.tlskey) {
        (Some(ca), Some(certificate), Some(key)) => Ok(Some(Source::Files {
            ca: ca.clone(),
            certificate: certificate.clone(),
            key: key.clone(),
        })),
        (None, None, None) => Ok(None),
        _ => Err(ConfigError::TlsFlagMissing {
            given: given.join(" and "),
            missing: missing.join(" and "),
        }),
    }
}

/// What goes to stdout where no format was asked for, and no path is stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stdout {
    Text,
    /// Text only where there is no other output.
    TextAlone,
    Nothing,
}

/// Where reports go, each place once.
pub(crate) fn outputs(
    paths: &[String],
    format: Option<Format>,
    stdout: Stdout,
) -> Result<Vec<(Destination, Format)>, ConfigError> {
    let mut outputs = Vec::new();
    for text in paths {
        outputs.push(output(text)?);
    }
    let taken = outputs.iter().any(|(destination, _)| *destination == Destination::Stdout);
    match format {
        Some(format) => outputs.insert(0, (Destination::Stdout, format)),
        None if taken || stdout == Stdout::Nothing => {}
        None if stdout == Stdout::TextAlone && !outputs.is_empty() => {}
        None => outputs.insert(0, (Destination::Stdout, Format::Text)),
    }
    let mut seen = std::collections::HashSet::new();
    for (destination, _) in &outputs {
        if !seen.insert(destination.clone()) {
            return Err(ConfigError::SameOutput(destination.to_string()));
        }
    }
    Ok(outputs)
}

/// `FORMAT=PATH`, or a path whose extension is a format's.
fn output(text: &str) -> Result<(Destination, Format), ConfigError> {
    let named = text.split_once('=').and_then(|(format, path)| {
        Format::from_str(format, true).ok().map(|format| (format, path))
    });
    let (format, path) = match named {
        Some((format, path)) => (Some(format), path),
        None => (Format::from_path(Path::new(text)), text),
    };
    if path.is_empty() {
        return Err(ConfigError::OutputPath(text.to_owned()));
    }
    let format = format.ok_or_else(|| ConfigError::OutputFormat(text.to_owned()))?;
    Ok((Destination::from_path(Path::new(path)), format))
}

/// The text on stdout; files get neither colour nor the terminal's width.
pub(crate) fn text_options(color: When, minimum: Severity, suppress: &SuppressArgs) -> TextOptions {
    let suppressed = accepted::shown(suppress);
    TextOptions { colour: colour(color), width: terminal_width(), minimum, suppressed }
}

fn colour(when: When) -> Colour {
    let wanted = match when {
        When::Always => true,
        When::Never => false,
        // Knows NO_COLOR, CLICOLOR and TERM=dumb.
        When::Auto => {
            anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
        }
    };
    if wanted { Colour::Always } else { Colour::Never }
}

/// Columns of the terminal on stdout; a page's width elsewhere.
pub(crate) fn terminal_width() -> u16 {
    const PAGE: u16 = 100;
    if !std::io::stdout().is_terminal() {
        return PAGE;
    }
    rustix::termios::tcgetwinsize(std::io::stdout())
        .map_or(PAGE, |size| if size.ws_col == 0 { PAGE } else { size.ws_col.clamp(40, 200) })
}

/// Below 2^53, so that every JSON reader keeps the number as it is.
fn random_seed() -> u64 {
    let mut bytes = [0; 8];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    let seed = match filled {
        Ok(8) => u64::from_ne_bytes(bytes),
        // Any seed will do: it only has to differ between runs.
        _ => jiff::Timestamp::now().as_nanosecond() as u64,
    };
    seed >> 11
}
