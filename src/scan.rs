//! Wires the pipeline: open ports from the sweep, each probed, assessed and judged as it comes.
//!
//! Called by the `scan` subcommand and by anyone who uses the library as a scanner.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::advisories::Advisories;
use crate::assess::assess;
use crate::baseline::baseline;
use crate::certificate::key::known::KnownKeys;
use crate::checkpoint::Checkpoint;
use crate::clock;
use crate::history::Recalled;
use crate::observation::{
    Connection, Endpoint, ExchangeResult, HelloAnswer, Observation, StreamEnd,
};
use crate::probe::{ProbeConfig, observe};
use crate::report::{Judged, v1};
use crate::rules::fleet::{EndpointKeys, Fleet, Past};
use crate::rules::{self, Basis, Subject};
use crate::suppress::{Suppressing, Suppressions};
use crate::sweep::{
    SweepConfig, SweepError, SweepOutcome, SweepProgress, SweepState, Swept, sweep,
};
use crate::target::TargetSet;
use crate::trust::Anchors;

mod absent;

use absent::Expected;

/// What to scan and how; validated.
#[derive(Clone, Debug)]
pub struct ScanConfig {
    pub targets: Arc<TargetSet>,
    pub sweep: SweepConfig,
    pub probe: ProbeConfig,
    /// Keys that are known to be compromised.
    pub known_keys: Arc<KnownKeys>,
    /// Endpoints probed at once; each has one connection open at a time.
    pub parallel_endpoints: usize,
    /// TLS server name for targets that are addresses.
    pub sni: Option<String>,
    /// By what engines' versions are judged.
    pub advisories: Arc<Advisories>,
    /// What the chains of certificates should lead to.
    pub anchors: Option<Arc<Anchors>>,
    /// Findings that are accepted.
    pub suppressions: Arc<Suppressions>,
    /// What earlier runs know; `None` where no history is kept.
    pub recalled: Option<Arc<Recalled>>,
}

impl ScanConfig {
    fn basis(&self) -> Basis<'_> {
        Basis {
            advisories: &self.advisories,
            anchors: self.anchors.as_deref(),
            known_keys: &self.known_keys,
        }
    }
}

/// What an earlier run of the same scan left, beside how far its sweep was.
#[derive(Debug, Default)]
pub struct Earlier {
    /// Endpoints that are done; they are judged again with the others.
    pub observations: Vec<Observation>,
    /// Open ports that are not, some of which may be among the above.
    pub pending: Vec<SocketAddr>,
}

/// Live figures, for a progress display.
#[derive(Debug, Default)]
pub struct Progress {
    pub sweep: Arc<SweepProgress>,
    pub judged: AtomicU64,
}

/// What the scan came to.
#[derive(Debug)]
pub struct ScanOutcome {
    pub endpoints: Vec<v1::Endpoint>,
    /// What shows only across them.
    pub fleet_findings: Vec<v1::FleetFinding>,
    pub sweep: SweepOutcome,
    /// Why not everything was asked, if so.
    pub incomplete_reason: Option<String>,
    /// What a reader of the report should know beside its findings.
    pub notes: Vec<String>,
    /// Suppressions that were about nothing.
    pub idle_suppressions: Vec<String>,
    /// Whether another run could find out more of what was asked for.
    pub left_over: bool,
    /// What became of the endpoints that earlier runs knew and that are not listed.
    pub absent: Vec<v1::Absent>,
    /// What each endpoint showed of keys, where a history is kept.
    pub keys: Vec<EndpointKeys>,
}

impl ScanOutcome {
    pub fn counts(&self) -> v1::Counts {
        let counts = self.sweep.counts;
        v1::Counts {
            sent: counts.sent,
            answered: Some(counts.open + counts.closed + counts.unreachable),
            open: counts.open,
            closed: counts.closed,
            unreachable: counts.unreachable,
            silent: counts.silent,
            not_probed: counts.not_probed,
            duplicates: Some(counts.duplicates),
        }
    }
}

/// Open ports that wait for a probe: enough that probing, which is slower, holds up few sweeps. When
/// it is full, the sweep waits.
const QUEUE: usize = 4096;
/// A wait that never ends, but that a clock can hold.
const LONGEST_TICK: Duration = Duration::from_secs(86_400);
/// Ports in one network that accept and say nothing, before they become one note.
const MUTE_LISTED: usize = 32;

/// Sweeps and judges until done or until `stop` is cancelled: then what is in flight is finished
/// and the rest is left. `judged` sees each endpoint as soon as it is known. Where there is a
/// `checkpoint`, it is told of all that another run would need to go on.
///
/// # Errors
/// The sweep could not run at all.
pub async fn run(
    config: &ScanConfig,
    progress: &Progress,
    stop: CancellationToken,
    earlier: Earlier,
    checkpoint: Option<&Checkpoint>,
    mut judged: impl FnMut(&v1::Endpoint),
) -> Result<ScanOutcome, SweepError> {
    let (open_ports, mut found) = mpsc::channel(QUEUE);
    let sweeping = sweep(
        Arc::clone(&config.targets),
        config.sweep.clone(),
        Arc::clone(&progress.sweep),
        stop.clone(),
        open_ports,
    );
    let mut sweeping = Box::pin(sweeping);
    let mut swept = None;
    let mut probes: JoinSet<Box<Probed>> = JoinSet::new();
    let suppressing = Suppressing::new(&config.suppressions, today());
    let mut collected = Collected::new(suppressing, config.recalled.as_deref());
    let mut drained = false;
    let mut left = Left::of(&earlier);
    let mut waiting: VecDeque<SocketAddr> = left.pending.iter().copied().collect();
    for observation in earlier.observations {
        let (endpoint, keys) = judge_for_fleet(observation, config.basis());
        progress.judged.fetch_add(1, Relaxed);
        collected.keys(keys);
        collected.take(endpoint, &mut judged);
    }
    let every = checkpoint.map_or(Duration::MAX, Checkpoint::every);
    let mut told = Instant::now();
    loop {
        let due = told + every.min(LONGEST_TICK);
        tokio::select! {
            outcome = &mut sweeping, if swept.is_none() => {
                let outcome = outcome?;
                info!(counts = ?outcome.counts, "the sweep is over");
                swept = Some(outcome);
            }
            Some(probed) = probes.join_next(), if !probes.is_empty() => match probed {
                Ok(probed) => {
                    let Probed { endpoint, keys, line } = *probed;
                    progress.judged.fetch_add(1, Relaxed);
                    info!(
                        endpoint = endpoint.id,
                        access = ?endpoint.api.access,
                        findings = endpoint.findings.len(),
                        connections = endpoint.connections,
                        "judged"
                    );
                    let address = SocketAddr::new(endpoint.address, endpoint.port);
                    if let (Some(checkpoint), Some(line)) = (checkpoint, line) {
                        checkpoint.judged(address, line).await;
                    }
                    left.pending.remove(&address);
                    collected.keys(keys);
                    collected.take(endpoint, &mut judged);
                }
                Err(error) => collected.lost.push(error.to_string()),
            },
            next = next(&mut waiting, &mut found),
                if !drained && probes.len() < config.parallel_endpoints =>
            {
                match next {
                    Some(Next::Open(address)) => {
                        left.pending.insert(address);
                        // What was found before the stop is named, even if it is not asked any more.
                        if stop.is_cancelled() {
                            collected.unasked.push(address);
                        } else {
                            let probing = probe(address, config, checkpoint);
                            probes.spawn(probing);
                        }
                    }
                    Some(Next::Reached(state)) => {
                        left.state = Some(state.into());
                        left.tell(checkpoint).await;
                        told = Instant::now();
                    }
                    None => drained = true,
                }
            }
            // After the sweep nothing else says how many are judged.
            () = tokio::time::sleep_until(due.into()), if swept.is_some() && !probes.is_empty() => {
                left.tell(checkpoint).await;
                told = Instant::now();
            }
            else => break,
        }
    }
    left.tell(checkpoint).await;
    let sweep = match swept {
        Some(outcome) => outcome,
        None => sweeping.await?,
    };
    collected.ask_for_absent(config, progress, &stop, &mut judged).await;
    let past = config.recalled.as_ref().map(|recalled| recalled.keys.clone());
    Ok(collected.outcome(sweep, past, &mut judged))
}

/// What a later run would need beside the endpoints.
#[derive(Default)]
struct Left {
    /// Open ports that are not judged.
    pending: BTreeSet<SocketAddr>,
    state: Option<Arc<SweepState>>,
}

impl Left {
    fn of(earlier: &Earlier) -> Self {
        let mut pending: BTreeSet<SocketAddr> = earlier.pending.iter().copied().collect();
        for Observation { endpoint, .. } in &earlier.observations {
            pending.remove(&SocketAddr::new(endpoint.address, endpoint.port));
        }
        Self { pending, state: None }
    }

    async fn tell(&self, checkpoint: Option<&Checkpoint>) {
        if let (Some(checkpoint), Some(state)) = (checkpoint, &self.state) {
            let pending = self.pending.iter().copied().collect();
            checkpoint.reached(Arc::clone(state), pending).await;
        }
    }
}

enum Next {
    Open(SocketAddr),
    Reached(Box<SweepState>),
}

/// What an earlier run left comes first; `None` when the sweep is over, too.
async fn next(
    waiting: &mut VecDeque<SocketAddr>,
    found: &mut mpsc::Receiver<Swept>,
) -> Option<Next> {
    if let Some(address) = waiting.pop_front() {
        return Some(Next::Open(address));
    }
    Some(match found.recv().await? {
        Swept::Open(port) => {
            debug!(address = %port.address, rtt = ?port.rtt, "open");
            Next::Open(port.address)
        }
        Swept::Reached(state) => Next::Reached(state),
    })
}

struct Probed {
    endpoint: v1::Endpoint,
    keys: EndpointKeys,
    /// The observation in JSON, for the checkpoint.
    line: Option<Vec<u8>>,
}

fn probe(
    address: SocketAddr,
    config: &ScanConfig,
    checkpoint: Option<&Checkpoint>,
) -> impl Future<Output = Box<Probed>> + Send + 'static {
    let endpoint = endpoint(address, config);
    let keeps = checkpoint.is_some();
    let config = config.clone();
    async move {
        let observation = observe(endpoint, &config.probe).await;
        let line = keeps.then(|| serde_json::to_vec(&observation).ok()).flatten();
        let (endpoint, keys) = judge_for_fleet(observation, config.basis());
        Box::new(Probed { endpoint, keys, line })
    }
}

/// The pure half of the pipeline, on one observation.
pub fn judge(observation: Observation, basis: Basis<'_>) -> v1::Endpoint {
    judge_for_fleet(observation, basis).0
}

/// As [`judge`], with what the fleet's rules need of the endpoint.
pub fn judge_for_fleet(observation: Observation, basis: Basis<'_>) -> (v1::Endpoint, EndpointKeys) {
    let now = clock::now();
    let assessment = assess(&observation);
    let subject = Subject::new(&observation, &assessment, basis, now);
    let judgement = rules::judge(&observation, &assessment, basis, now);
    let baseline = baseline(&subject, &judgement.findings);
    let grade = rules::grade(&judgement.findings, assessment.api.access).map(v1::Grade::from);
    let keys = EndpointKeys::of(&observation, &assessment);
    let endpoint = v1::Endpoint::new(Judged {
        observation,
        assessment: &assessment,
        judgement: &judgement,
        baseline: &baseline,
        grade,
        judged_at: now,
    });
    (endpoint, keys)
}

fn endpoint(address: SocketAddr, config: &ScanConfig) -> Endpoint {
    let names = config.targets.names(address.ip()).to_vec();
    let sni = config.sni.clone().or_else(|| names.first().cloned());
    Endpoint { address: address.ip(), port: address.port(), names, sni }
}

/// The day in UTC.
pub fn today() -> Date {
    TimeZone::UTC.to_datetime(clock::now()).date()
}

#[derive(Default)]
struct Collected<'a> {
    suppressing: Suppressing<'a>,
    endpoints: Vec<v1::Endpoint>,
    fleet: Fleet,
    /// Mute ports by network, /24 or /64, until it is known whether they are worth a line each.
    mute: BTreeMap<(IpAddr, u8), Mute>,
    unasked: Vec<SocketAddr>,
    lost: Vec<String>,
    expected: Expected,
    /// How many of those expected the sweep missed.
    missed: usize,
    kept_keys: Option<Vec<EndpointKeys>>,
}

/// Behind a firewall that answers for everyone, a mute port is no news after the first few.
#[derive(Default)]
struct Mute {
    count: usize,
    first: Vec<v1::Endpoint>,
}

impl<'a> Collected<'a> {
    fn new(suppressing: Suppressing<'a>, recalled: Option<&Recalled>) -> Self {
        Self {
            suppressing,
            expected: Expected::new(recalled.map_or(&[], |recalled| &recalled.expected)),
            kept_keys: recalled.map(|_| Vec::new()),
            ..Self::default()
        }
    }

    fn keys(&mut self, keys: EndpointKeys) {
        if let Some(kept) = &mut self.kept_keys {
            kept.push(keys.clone());
        }
        self.fleet.add(keys);
    }

    /// A sweep that loses packets misses ports: those that answer now are judged after all.
    async fn ask_for_absent(
        &mut self,
        config: &ScanConfig,
        progress: &Progress,
        stop: &CancellationToken,
        judged: &mut impl FnMut(&v1::Endpoint),
    ) {
        let mut open = self.expected.ask(config, &self.unasked, stop).await;
        self.missed = open.len();
        let mut probes: JoinSet<Box<Probed>> = JoinSet::new();
        loop {
            while probes.len() < config.parallel_endpoints.max(1)
                && let Some(address) = open.pop()
            {
                probes.spawn(probe(address, config, None));
            }
            match probes.join_next().await {
                Some(Ok(probed)) => {
                    progress.judged.fetch_add(1, Relaxed);
                    self.keys(probed.keys);
                    self.take(probed.endpoint, judged);
                }
                Some(Err(error)) => self.lost.push(error.to_string()),
                None => return,
            }
        }
    }

    fn take(&mut self, mut endpoint: v1::Endpoint, judged: &mut impl FnMut(&v1::Endpoint)) {
        self.expected.judged(SocketAddr::new(endpoint.address, endpoint.port));
        self.suppressing.endpoint(&mut endpoint);
        if !is_mute(&endpoint) {
            judged(&endpoint);
            self.endpoints.push(endpoint);
            return;
        }
        let mute = self.mute.entry(network(endpoint.address)).or_default();
        mute.count += 1;
        if mute.count <= MUTE_LISTED {
            mute.first.push(endpoint);
        } else {
            mute.first.clear();
        }
    }

    fn outcome(
        mut self,
        sweep: SweepOutcome,
        past: Option<Past>,
        judged: &mut impl FnMut(&v1::Endpoint),
    ) -> ScanOutcome {
        let mut notes = sweep.notes.clone();
        for ((address, length), mute) in self.mute {
            if mute.count > MUTE_LISTED {
                notes.push(format!(
                    "{} ports in {address}/{length} accept connections and say nothing, as a \
                     firewall that answers for every address does; they are not listed",
                    mute.count
                ));
            }
            mute.first.iter().for_each(&mut *judged);
            self.endpoints.extend(mute.first);
        }
        if !self.unasked.is_empty() {
            let first: Vec<String> =
                self.unasked.iter().take(10).map(ToString::to_string).collect();
            notes.push(format!(
                "{} open ports were found and not asked before the stop, such as {}",
                self.unasked.len(),
                first.join(", ")
            ));
        }
        for error in &self.lost {
            notes.push(format!("one endpoint is missing, its probe failed: {error}"));
        }
        let unasked = sweep.counts.not_probed.saturating_sub(sweep.left_out);
        let missing = unasked + self.lost.len() as u64;
        let incomplete_reason = match sweep.stopped {
            Some(stopped) => Some(stopped.to_string()),
            None if missing > 0 => Some(format!("{missing} probes could not be made")),
            None => None,
        };
        if self.missed > 0 {
            notes.push(format!(
                "the sweep missed {} open ports that an earlier run knew; they were asked again, and \
                 are listed",
                self.missed
            ));
        }
        let listed: HashSet<SocketAddr> =
            self.endpoints.iter().map(|it| SocketAddr::new(it.address, it.port)).collect();
        let absent = self.expected.absent(|address| listed.contains(address));
        if let Some(mut past) = past {
            let closed = self.expected.closed();
            past.holders.retain(|holder| !closed.contains(&holder.endpoint));
            self.fleet.remember(past);
        }
        let mut fleet_findings: Vec<v1::FleetFinding> =
            self.fleet.judge().iter().map(v1::FleetFinding::from).collect();
        fleet_findings.iter_mut().for_each(|found| self.suppressing.fleet(found));
        let idle_suppressions = self.suppressing.idle();
        for idle in &idle_suppressions {
            info!("{idle}");
        }
        ScanOutcome {
            idle_suppressions,
            absent,
            keys: self.kept_keys.unwrap_or_default(),
            endpoints: self.endpoints,
            fleet_findings,
            left_over: sweep.stopped.is_some()
                || sweep.refused > 0
                || !self.unasked.is_empty()
                || !self.lost.is_empty(),
            sweep,
            incomplete_reason,
            notes,
        }
    }
}

/// It took our connections, and said nothing on any of them.
fn is_mute(endpoint: &v1::Endpoint) -> bool {
    let silent = |end: Option<&StreamEnd>| {
        matches!(
            end,
            Some(StreamEnd::TimedOut { .. } | StreamEnd::Closed { received: 0 } | StreamEnd::Reset)
        )
    };
    let connections = &endpoint.observation.connections;
    !connections.is_empty()
        && connections.iter().all(|connection| match connection {
            Connection::Plain(plain) => {
                plain.connect_error.is_none()
                    && plain.exchanges.iter().all(|exchange| match &exchange.result {
                        ExchangeResult::Answered(_) => false,
                        ExchangeResult::Unanswered(end) => silent(Some(end)),
                    })
            }
            Connection::Tls(tls) => tls.negotiated.is_none() && silent(tls.handshake_end.as_ref()),
            Connection::Hello(hello) => match &hello.answer {
                HelloAnswer::NoAnswer { end } => silent(Some(end)),
                HelloAnswer::ServerHello(_) | HelloAnswer::Alert { .. } => false,
            },
        })
}

fn network(address: IpAddr) -> (IpAddr, u8) {
    let length = if address.is_ipv4() { 24 } else { 64 };
    let network = ipnet::IpNet::new(address, length).map_or(address, |net| net.network());
    (network, length)
}

#[cfg(test)]
mod tests;
