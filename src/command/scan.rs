//! `docksweep scan`: from flags to report and exit code.

use std::io::Write as _;
use std::net::{IpAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::{ResolvedName, Stored};
use crate::cli::ScanArgs;
use crate::clock;
use crate::command::advisories::{self, Known};
use crate::command::announce::Announcing;
use crate::command::invocation::Invocation;
use crate::command::kept::unwritten;
use crate::command::remember::Memory;
use crate::command::resume::{self, Described as KeptAs, Finished, Keeping, Settled};
use crate::command::{Failure, chain, command_line, warn};
use crate::config::{Config, ConfigError, Described};
use crate::diff::Difference;
use crate::exit_code::ExitCode;
use crate::finding::Severity;
use crate::observation::OBSERVATION_VERSION;
use crate::progress::Display;
use crate::report::v1::{self, Report};
use crate::report::{Destination, Format, Reporters, TextOptions};
use crate::resolve::{Resolved, resolve};
use crate::rules;
use crate::scan::{self, Earlier, Progress, ScanConfig, ScanOutcome};
use crate::suppress::Suppressions;
use crate::sweep::{Engine, SweepConfig, SweepError, limits};
use crate::target::order::Shard;
use crate::target::{Ports, TargetList, TargetSet, TargetSetError};
use crate::trust::Anchors;

pub(super) fn run(args: ScanArgs, invocation: &Invocation) -> Result<ExitCode, Failure> {
    start_logging(args.verbose);
    let Settled { args, stored, suppressions } = resume::settle(args, invocation)?;
    let announcing = Announcing::new(&args.unattended)?;
    if args.dry_run {
        return dry_run(prepared(args, suppressions)?.0);
    }
    // Whatever stops it from here on, the heartbeat says so: a list of targets may be gone.
    let result = announcing.begin().and_then(|_lock| {
        let record = args.record.clone();
        let (config, known) = prepared(args, suppressions)?;
        let memory = Memory::open(&record)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("no async runtime: {error}")))?;
        let result =
            runtime.block_on(scan(config, &known, stored, invocation, memory, &announcing));
        // Probes that were left behind by a second Ctrl-C are not waited for.
        runtime.shutdown_background();
        result
    });
    announcing.end(result.as_ref().map_or_else(|failure| failure.code, |code| *code));
    result
}

fn prepared(args: ScanArgs, suppressions: Suppressions) -> Result<(Config, Known), Failure> {
    let advisories = args.advisories.clone();
    let mut config = Config::new(args)?;
    config.suppressions.add(suppressions);
    let known = advisories::load(advisories.as_deref())?;
    if config.warnings
        && let Some(credentials) = &config.probe.credentials
    {
        credentials.warnings().iter().for_each(|warning| warn(warning));
    }
    Ok((config, known))
}

async fn scan(
    mut config: Config,
    known: &Known,
    stored: Option<Stored>,
    invocation: &Invocation,
    mut memory: Memory,
    announcing: &Announcing,
) -> Result<ExitCode, Failure> {
    let started_at = stored.as_ref().map_or_else(clock::now, |it| it.header().started_at);
    if let Some(stored) = &stored
        && !config.seed_given
    {
        config.sweep.seed = stored.header().seed;
    }
    let stop = Stop::listen(config.max_duration)?;
    let mut reporters = open_reporters(&config.outputs, config.text)?;
    let list = std::mem::take(&mut config.targets);
    let (targets, unresolved, names) = match &stored {
        Some(stored) => as_then(list, &config.ports, stored)?,
        None => tokio::select! {
            resolved = resolved(list, &config.ports, &stop.token) => resolved?,
            () = stop.quit.cancelled() => return Ok(ExitCode::Interrupted),
        },
    };
    for name in unresolved.iter().filter(|_| config.warnings) {
        warn(&format!("{} does not resolve: {}", name.name, name.reason));
    }
    // Names that a stop left unresolved are no empty target list.
    if targets.is_empty() && stop.reason().is_none() {
        return Err(nothing_to_scan());
    }
    let expired = config.suppressions.expired(scan::today());
    let engine = config.engine.settle(&targets).map_err(|error| no_engine(&error))?;
    let mut sweep = SweepConfig { engine, ..config.sweep.clone() };
    if config.warnings {
        warn_of(&targets, &sweep);
        known.notes(started_at).iter().for_each(|note| warn(note));
        expired.iter().for_each(|note| warn(note));
    }
    let mut report = head(&config.described, &targets, &sweep, started_at);
    report.vantage = v1::Vantage {
        label: config.vantage.clone(),
        source_addresses: source_addresses(sweep.source_ip, &targets),
    };
    report.ports = config.ports.as_slice().to_vec();
    report.unresolved = unresolved;
    let tool = v1::Tool::current(rules_version(), known.advisories.date());
    let keeping = match &config.checkpoint {
        // A stop before the first packet leaves nothing to go on with.
        Some(path) if stored.is_some() || stop.reason().is_none() => {
            let (program, config) = (rules_version(), &config);
            let (report, sweep_then) = (&report, &sweep.clone());
            let arguments = &invocation.arguments;
            let described = KeptAs { config, arguments, report, sweep: sweep_then, program, names };
            let probes = sweep_then.shard.share(targets.len());
            Some(resume::keep(path, stored, described, probes, &mut sweep)?)
        }
        _ => None,
    };
    let (checkpoint, earlier, resumed_notes) = match keeping {
        Some(Keeping { checkpoint, earlier, notes }) => (Some(checkpoint), earlier, notes),
        None => (None, Earlier::default(), Vec::new()),
    };
    reporters.begin(&tool, &report);

    let had_readers = !reporters.is_empty();
    let progress = Arc::new(Progress::default());
    let share = config.sweep.shard.share(targets.len());
    let display = config.progress.then(|| Display::start(Arc::clone(&progress), share));
    let scan_config = ScanConfig {
        targets: Arc::clone(&targets),
        sweep,
        probe: config.probe,
        known_keys: config.known_keys,
        parallel_endpoints: config.parallel_endpoints,
        sni: config.sni,
        advisories: Arc::clone(&known.advisories),
        anchors: config.anchors,
        suppressions: Arc::new(config.suppressions),
        recalled: memory.recall(&report, &targets)?,
    };
    let trust_note = scan_config.anchors.as_deref().map(trust_note);
    let keeps = checkpoint.as_ref();
    let running =
        scan::run(&scan_config, &progress, stop.token.clone(), earlier, keeps, |endpoint| {
            reporters.endpoint(endpoint);
            if had_readers && reporters.is_empty() {
                stop.because("every reader of the report went away");
            }
        });
    let mut outcome = tokio::select! {
        outcome = running => outcome.map_err(|error| Failure::error(&error))?,
        () = stop.quit.cancelled() => return Ok(ExitCode::Interrupted),
    };
    drop(display);

    let kept = match checkpoint {
        Some(checkpoint) => Some(checkpoint.finish().await.map_err(|e| Failure::error(&e))?),
        None => None,
    };
    let reason = stop.reason();
    let mut notes = known.notes(report.started_at);
    notes.extend(trust_note);
    notes.extend(resumed_notes);
    notes.extend(expired);
    notes.extend(invocation.note());
    notes.extend(invocation.warnings.iter().cloned());
    if config.show_suppressed {
        notes.extend(outcome.idle_suppressions.iter().cloned());
    }
    notes.extend(kept.as_ref().and_then(resume::trouble_note));
    let left_over = outcome.left_over || reason.is_some();
    let keys = std::mem::take(&mut outcome.keys);
    let mut report = finished(tool, report, outcome, &targets, notes, reason);
    let compared = memory.compare(&mut report);
    let written = reporters.finish(&report);
    let kept_run = memory.keep(&report, &keys, &config.outputs);
    let new = compared.as_ref().ok().and_then(Option::as_ref).map(Difference::new_findings);
    announcing.report(&report, new.as_ref());
    if let Err(error) = written {
        if let Err(Failure { message, hint, .. }) = kept_run {
            warn(&format!("{message}; {}", hint.unwrap_or_default()));
        }
        return Err(unwritten(&error, &report, &config.outputs));
    }
    // What keeps a run from being kept may keep it from being compared, too.
    kept_run.and(compared.map(drop))?;
    let finished = if left_over { Finished::No } else { Finished::Yes };
    resume::end(kept, config.checkpoint.as_ref(), finished, config.warnings);
    Ok(exit_code(&report, config.fail_on))
}

pub(super) fn exit_code(report: &Report, fail_on: Option<Severity>) -> ExitCode {
    if !report.scan.complete {
        return ExitCode::CutShort;
    }
    let reached = |threshold: Severity| {
        Severity::WORST_FIRST
            .into_iter()
            .filter(|severity| *severity >= threshold)
            .any(|severity| report.summary.by_severity.of(severity) > 0)
    };
    if fail_on.is_some_and(reached) { ExitCode::FindingsAtThreshold } else { ExitCode::Done }
}

/// Names the set of rules by the program that holds it, and the facts that it reads.
pub(super) fn rules_version() -> String {
    format!(
        "{}+observation.{OBSERVATION_VERSION}.rules.{}",
        env!("CARGO_PKG_VERSION"),
        rules::ALL.len() + rules::fleet::FLEET.len()
    )
}

fn open_reporters(
    outputs: &[(Destination, Format)],
    text: TextOptions,
) -> Result<Reporters, Failure> {
    let mut reporters = Reporters::default();
    for (destination, format) in outputs {
        // Colour is for the terminal that stdout may be, never for a file.
        let text = match destination {
            Destination::Stdout => text,
            Destination::File(_) => text.for_file(),
        };
        reporters.add(destination, *format, text).map_err(|error| Failure::error(&error))?;
    }
    Ok(reporters)
}

/// Names asked of the resolver at once.
const LOOKUPS: usize = 64;

/// The targets, the names that led to none, and those that did.
type Targets = (Arc<TargetSet>, Vec<v1::Unresolved>, Vec<ResolvedName>);

fn as_then(mut list: TargetList, ports: &Ports, stored: &Stored) -> Result<Targets, Failure> {
    let unresolved = resume::resolve_as_then(&mut list, stored)?;
    Ok((Arc::new(list.into_set(ports)?), unresolved, stored.header().names.clone()))
}

async fn resolved(
    mut list: TargetList,
    ports: &Ports,
    stop: &CancellationToken,
) -> Result<Targets, Failure> {
    let names = list.names().to_vec();
    let Resolved { addresses, unresolved } = resolve(&names, LOOKUPS, stop).await;
    let mut resolved = Vec::new();
    for (named, address) in addresses {
        list.add_resolved(&named, address);
        resolved.push(ResolvedName { name: named.name, port: named.port, address });
    }
    let unresolved = unresolved
        .into_iter()
        .map(|unresolved| v1::Unresolved { name: unresolved.name, reason: unresolved.reason })
        .collect();
    Ok((Arc::new(list.into_set(ports)?), unresolved, resolved))
}

/// A wish that cannot be had is a usage error, unlike a machine without sockets.
fn no_engine(error: &SweepError) -> Failure {
    match error {
        SweepError::NotPermitted { .. } => Failure::usage(error.to_string()),
        _ => Failure::error(error),
    }
}

fn warn_of(targets: &TargetSet, sweep: &SweepConfig) {
    let public = targets.public_ranges();
    if let Some(first) = public.first() {
        let more = public.len() - 1;
        let others = if more > 0 { format!(" and {more} more ranges") } else { String::new() };
        warn(&format!("{first}{others} are public addresses: scan only what is yours"));
    }
    // SYNs from packet sockets leave no entries in that table.
    if sweep.engine == Engine::Connect
        && let Some(warning) = limits::conntrack_warning(targets, sweep.rate)
    {
        warn(&warning);
    }
}

/// What is known of the scan before it starts.
fn head(
    described: &Described,
    targets: &TargetSet,
    sweep: &SweepConfig,
    started_at: Timestamp,
) -> v1::Scan {
    let shard = (sweep.shard != Shard::WHOLE).then_some(sweep.shard);
    // The shards of a scan may well start in the same second.
    let part = shard.map(|shard| format!("-{}of{}", shard.number(), shard.count()));
    v1::Scan {
        id: format!(
            "{}-{:013x}{}",
            started_at.strftime("%Y%m%dT%H%M%SZ"),
            sweep.seed,
            part.unwrap_or_default()
        ),
        started_at,
        finished_at: started_at,
        command: command_line(),
        vantage: v1::Vantage::default(),
        targets: described.targets.clone(),
        targets_digest: Some(targets.digest().to_string()),
        excluded: described.excluded.clone(),
        ports: Vec::new(),
        engine: match sweep.engine {
            Engine::Connect => v1::Engine::Connect,
            Engine::Syn => v1::Engine::Syn,
        },
        seed: Some(sweep.seed),
        shard: shard.map(|shard| shard.to_string()),
        addresses: targets.addresses(),
        counts: v1::Counts::default(),
        complete: false,
        incomplete_reason: None,
        unresolved: Vec::new(),
        notes: Vec::new(),
        absent: Vec::new(),
    }
}

fn finished(
    tool: v1::Tool,
    mut scan: v1::Scan,
    outcome: ScanOutcome,
    targets: &TargetSet,
    data_notes: Vec<String>,
    reason: Option<String>,
) -> Report {
    // The clock may have been set back since an earlier run of the same scan.
    scan.finished_at = clock::now().max(scan.started_at);
    scan.counts = outcome.counts();
    scan.incomplete_reason = reason.or(outcome.incomplete_reason);
    scan.complete = scan.incomplete_reason.is_none();
    scan.notes = targets.notes().to_vec();
    scan.notes.extend(data_notes);
    scan.notes.extend(outcome.notes);
    scan.absent = outcome.absent;
    Report::new(tool, scan, outcome.fleet_findings, outcome.endpoints)
}

/// How a note begins that says by what the chains were judged.
pub(super) const TRUST_NOTE: &str = "whether certificates are trusted was judged by";

/// By what the chains were judged.
pub(super) fn trust_note(anchors: &Anchors) -> String {
    format!("{TRUST_NOTE} {}", anchors.sources())
}

fn nothing_to_scan() -> Failure {
    let message = "the targets, less the excludes, leave nothing to scan";
    Failure { code: ExitCode::NothingToScan, message: message.to_owned(), hint: None }
        .hint("--dry-run shows what the targets come to")
}

/// The addresses that the kernel would send from. Connecting a UDP socket only looks up a route.
fn source_addresses(fixed: Option<IpAddr>, targets: &TargetSet) -> Vec<IpAddr> {
    const ASKED: usize = 64;
    if let Some(address) = fixed {
        return vec![address];
    }
    let mut sources = Vec::new();
    for (range, _) in targets.ranges().take(ASKED) {
        let first = range.first();
        let any: IpAddr = if first.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let source = UdpSocket::bind((any, 0)).and_then(|socket| {
            socket.connect((first, 9))?;
            socket.local_addr()
        });
        if let Ok(source) = source
            && !sources.contains(&source.ip())
        {
            sources.push(source.ip());
        }
    }
    sources
}

fn dry_run(config: Config) -> Result<ExitCode, Failure> {
    let names = config.targets.names().to_vec();
    let targets = config.targets.into_set(&config.ports)?;
    if targets.is_empty() && names.is_empty() {
        return Err(nothing_to_scan());
    }
    let mut out = anstream::stdout().lock();
    let mut print = || -> std::io::Result<()> {
        for (range, ports) in targets.ranges() {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            writeln!(out, "{range} ports {}", ports.join(","))?;
        }
        for named in &names {
            let port = named.port.map(|port| format!(" port {port}")).unwrap_or_default();
            writeln!(out, "{}{port} (a name: it is resolved when the scan starts)", named.name)?;
        }
        writeln!(out, "{} addresses, {} probes", targets.addresses(), targets.len())?;
        if config.sweep.shard != Shard::WHOLE {
            let shard = config.sweep.shard;
            writeln!(out, "shard {shard}: {} of these probes", shard.share(targets.len()))?;
        }
        for note in targets.notes() {
            writeln!(out, "note: {note}")?;
        }
        Ok(())
    };
    match print() {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            return Err(Failure::failed(format!("standard output: {error}")));
        }
        _ => {}
    }
    if config.warnings {
        let engine = config.engine.settle(&targets).unwrap_or_default();
        warn_of(&targets, &SweepConfig { engine, ..config.sweep });
    }
    Ok(ExitCode::Done)
}

/// How long leaving at once may take.
const GRACE: Duration = Duration::from_millis(500);

/// Why and how a scan ends early.
struct Stop {
    /// Cancelled: finish what is in flight, then report.
    token: CancellationToken,
    /// Cancelled: leave at once.
    quit: CancellationToken,
    reason: Arc<Mutex<Option<String>>>,
}

impl Stop {
    /// Listens for signals and the clock.
    fn listen(max_duration: Option<Duration>) -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let stop = Self {
            token: CancellationToken::new(),
            quit: CancellationToken::new(),
            reason: Arc::default(),
        };
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::failed(format!("no signal handler: {error}")))
        };
        let (mut interrupt, mut terminate) =
            (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let (token, quit) = (stop.token.clone(), stop.quit.clone());
        let reason = Arc::clone(&stop.reason);
        tokio::spawn(async move {
            let timer = async {
                match max_duration {
                    Some(time) => tokio::time::sleep(time).await,
                    None => std::future::pending().await,
                }
            };
            let why = tokio::select! {
                _ = interrupt.recv() => "interrupted (SIGINT)".to_owned(),
                _ = terminate.recv() => "terminated (SIGTERM)".to_owned(),
                () = timer => format!("--max-duration {:?} was over", max_duration.unwrap_or_default()),
            };
            note(&reason, &why);
            token.cancel();
            warn(&format!("{why}: finishing what is in flight; Ctrl-C again quits at once"));
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            quit.cancel();
            // Whoever reads our stdout may have stopped: a write to it then blocks for ever.
            tokio::time::sleep(GRACE).await;
            std::process::exit(ExitCode::Interrupted as i32);
        });
        Ok(stop)
    }

    fn because(&self, why: &str) {
        note(&self.reason, why);
        self.token.cancel();
    }

    fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The first reason stands.
fn note(reason: &Mutex<Option<String>>, why: &str) {
    reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_owned());
}

fn start_logging(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "docksweep=info",
        2 => "docksweep=debug",
        _ => "docksweep=trace",
    };
    let filter = tracing_subscriber::EnvFilter::new(level);
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .try_init();
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let failure = Self::usage(chain(&error));
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<TargetSetError> for Failure {
    fn from(error: TargetSetError) -> Self {
        Self::usage(chain(&error)).hint("scan it in parts, or exclude what needs no look")
    }
}
