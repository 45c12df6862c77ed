//! Wires the pipeline: open ports from the sweep, each probed, assessed and judged as it comes.
//!
//! Called by the `scan` subcommand and by anyone who uses the library as a scanner.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::assess::assess;
use crate::baseline::baseline;
use crate::observation::{Endpoint, Observation};
use crate::probe::{ProbeConfig, observe};
use crate::report::{Judged, v1};
use crate::rules;
use crate::sweep::{OpenPort, SweepConfig, SweepError, SweepOutcome, SweepProgress, sweep};
use crate::target::TargetSet;

/// What to scan and how; validated.
#[derive(Clone, Debug)]
pub struct ScanConfig {
    pub targets: Arc<TargetSet>,
    pub sweep: SweepConfig,
    pub probe: ProbeConfig,
    /// Endpoints probed at once; each has one connection open at a time.
    pub parallel_endpoints: usize,
    /// TLS server name for targets that are addresses.
    pub sni: Option<String>,
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
    pub sweep: SweepOutcome,
    /// What a reader of the report should know beside its findings.
    pub notes: Vec<String>,
}

impl ScanOutcome {
    pub fn counts(&self) -> v1::Counts {
        let counts = self.sweep.counts;
        v1::Counts {
            sent: counts.sent,
            open: counts.open,
            closed: counts.closed,
            unreachable: counts.unreachable,
            silent: counts.silent,
            not_probed: counts.not_probed,
        }
    }
}

/// Open ports that wait for a probe. When it is full, the sweep waits.
const QUEUE: usize = 256;
/// Ports in one network that accept and say nothing, before they become one note.
const MUTE_LISTED: usize = 32;

/// Sweeps and judges until done or until `stop` is cancelled: then what is in flight is finished
/// and the rest is left. `judged` sees each endpoint as soon as it is known.
///
/// # Errors
/// The sweep could not run at all.
pub async fn run(
    config: &ScanConfig,
    progress: &Progress,
    stop: CancellationToken,
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
    let mut probes: JoinSet<Box<v1::Endpoint>> = JoinSet::new();
    let mut collected = Collected::default();
    let mut drained = false;
    loop {
        tokio::select! {
            outcome = &mut sweeping, if swept.is_none() => {
                let outcome = outcome?;
                info!(counts = ?outcome.counts, "the sweep is over");
                swept = Some(outcome);
            }
            Some(probed) = probes.join_next(), if !probes.is_empty() => match probed {
                Ok(endpoint) => {
                    progress.judged.fetch_add(1, Relaxed);
                    info!(
                        endpoint = endpoint.id,
                        access = ?endpoint.api.access,
                        findings = endpoint.findings.len(),
                        connections = endpoint.connections,
                        "judged"
                    );
                    if collected.keep(&endpoint) {
                        judged(&endpoint);
                        collected.endpoints.push(*endpoint);
                    }
                }
                Err(error) => collected.lost.push(error.to_string()),
            },
            open = found.recv(), if !drained && probes.len() < config.parallel_endpoints => {
                match open {
                    // What was found before the stop is named, even if it is not asked any more.
                    Some(port) if stop.is_cancelled() => collected.unasked.push(port),
                    Some(port) => {
                        debug!(address = %port.address, rtt = ?port.rtt, "open");
                        let endpoint = endpoint(&port, config);
                        let probe = config.probe.clone();
                        probes.spawn(async move { Box::new(judge(&observe(endpoint, &probe).await)) });
                    }
                    None => drained = true,
                }
            }
            else => break,
        }
    }
    let sweep = match swept {
        Some(outcome) => outcome,
        None => sweeping.await?,
    };
    Ok(collected.outcome(sweep))
}

/// The pure half of the pipeline, on one observation.
pub fn judge(observation: &Observation) -> v1::Endpoint {
    let now = Timestamp::now();
    let assessment = assess(observation);
    let judgement = rules::judge(observation, &assessment, now);
    let baseline = baseline(observation, &assessment, &judgement.findings);
    let grade = rules::grade(&judgement.findings, assessment.api.access).map(v1::Grade::from);
    v1::Endpoint::new(Judged {
        observation,
        assessment: &assessment,
        judgement: &judgement,
        baseline: &baseline,
        grade,
        judged_at: now,
    })
}

fn endpoint(port: &OpenPort, config: &ScanConfig) -> Endpoint {
    let names = config.targets.names(port.address.ip()).to_vec();
    let sni = config.sni.clone().or_else(|| names.first().cloned());
    Endpoint { address: port.address.ip(), port: port.address.port(), names, sni }
}

#[derive(Default)]
struct Collected {
    endpoints: Vec<v1::Endpoint>,
    /// Mute ports by network, /24 or /64.
    mute: HashMap<(IpAddr, u8), usize>,
    unasked: Vec<OpenPort>,
    lost: Vec<String>,
}

impl Collected {
    /// Whether an endpoint is worth its memory: behind a firewall that answers for everyone, a
    /// mute port is no news after the first few.
    fn keep(&mut self, endpoint: &v1::Endpoint) -> bool {
        if !is_mute(endpoint) {
            return true;
        }
        let count = self.mute.entry(network(endpoint.address)).or_default();
        *count += 1;
        *count <= MUTE_LISTED
    }

    fn outcome(mut self, sweep: SweepOutcome) -> ScanOutcome {
        let mut notes = sweep.notes.clone();
        let mut crowded: Vec<_> =
            self.mute.iter().filter(|(_, count)| **count > MUTE_LISTED).collect();
        crowded.sort();
        for ((address, length), count) in &crowded {
            notes.push(format!(
                "{count} ports in {address}/{length} accept connections and say nothing, as a \
                 firewall that answers for every address does; they are not listed"
            ));
        }
        self.endpoints.retain(|endpoint| {
            !is_mute(endpoint)
                || self.mute.get(&network(endpoint.address)).is_none_or(|n| *n <= MUTE_LISTED)
        });
        if !self.unasked.is_empty() {
            let first: Vec<String> =
                self.unasked.iter().take(10).map(|port| port.address.to_string()).collect();
            notes.push(format!(
                "{} open ports were found and not asked before the stop, such as {}",
                self.unasked.len(),
                first.join(", ")
            ));
        }
        for error in &self.lost {
            notes.push(format!("one endpoint is missing, its probe failed: {error}"));
        }
        ScanOutcome { endpoints: self.endpoints, sweep, notes }
    }
}

fn is_mute(endpoint: &v1::Endpoint) -> bool {
    endpoint.transport == v1::Transport::Undetermined
        && endpoint.api.access == v1::Access::Undetermined
}

fn network(address: IpAddr) -> (IpAddr, u8) {
    let length = if address.is_ipv4() { 24 } else { 64 };
    let network = ipnet::IpNet::new(address, length).map_or(address, |net| net.network());
    (network, length)
}
