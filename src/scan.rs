//! Wires the pipeline: open ports from the sweep, each probed, assessed and judged as it comes.
//!
//! Called by the `scan` subcommand and by anyone who uses the library as a scanner.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::advisories::Advisories;
use crate::assess::assess;
use crate::baseline::baseline;
use crate::certificate::key::known::KnownKeys;
use crate::observation::{
    Connection, Endpoint, ExchangeResult, HelloAnswer, Observation, StreamEnd,
};
use crate::probe::{ProbeConfig, observe};
use crate::report::{Judged, v1};
use crate::rules::fleet::{EndpointKeys, Fleet};
use crate::rules::{self, Basis, Subject};
use crate::sweep::{OpenPort, SweepConfig, SweepError, SweepOutcome, SweepProgress, sweep};
use crate::target::TargetSet;
use crate::trust::Anchors;

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

/// Open ports that wait for a probe: enough that probing, which is slower, holds up few sweeps. When
/// it is full, the sweep waits.
const QUEUE: usize = 4096;
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
    let mut probes: JoinSet<Box<(v1::Endpoint, EndpointKeys)>> = JoinSet::new();
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
                Ok(probed) => {
                    let (endpoint, keys) = *probed;
                    progress.judged.fetch_add(1, Relaxed);
                    info!(
                        endpoint = endpoint.id,
                        access = ?endpoint.api.access,
                        findings = endpoint.findings.len(),
                        connections = endpoint.connections,
                        "judged"
                    );
                    collected.fleet.add(keys);
                    collected.take(endpoint, &mut judged);
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
                        let advisories = Arc::clone(&config.advisories);
                        let anchors = config.anchors.clone();
                        let known_keys = Arc::clone(&config.known_keys);
                        probes.spawn(async move {
                            let observation = observe(endpoint, &probe).await;
                            let anchors = anchors.as_deref();
                            let basis = Basis {
                                advisories: &advisories,
                                anchors,
                                known_keys: &known_keys,
                            };
                            Box::new(judge_for_fleet(observation, basis))
                        });
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
    Ok(collected.outcome(sweep, &mut judged))
}

/// The pure half of the pipeline, on one observation.
pub fn judge(observation: Observation, basis: Basis<'_>) -> v1::Endpoint {
    judge_for_fleet(observation, basis).0
}

/// As [`judge`], with what the fleet's rules need of the endpoint.
pub fn judge_for_fleet(observation: Observation, basis: Basis<'_>) -> (v1::Endpoint, EndpointKeys) {
    let now = Timestamp::now();
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

fn endpoint(port: &OpenPort, config: &ScanConfig) -> Endpoint {
    let names = config.targets.names(port.address.ip()).to_vec();
    let sni = config.sni.clone().or_else(|| names.first().cloned());
    Endpoint { address: port.address.ip(), port: port.address.port(), names, sni }
}

#[derive(Default)]
struct Collected {
    endpoints: Vec<v1::Endpoint>,
    fleet: Fleet,
    /// Mute ports by network, /24 or /64, until it is known whether they are worth a line each.
    mute: BTreeMap<(IpAddr, u8), Mute>,
    unasked: Vec<OpenPort>,
    lost: Vec<String>,
}

/// Behind a firewall that answers for everyone, a mute port is no news after the first few.
#[derive(Default)]
struct Mute {
    count: usize,
    first: Vec<v1::Endpoint>,
}

impl Collected {
    fn take(&mut self, endpoint: v1::Endpoint, judged: &mut impl FnMut(&v1::Endpoint)) {
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
        let unasked = sweep.counts.not_probed.saturating_sub(sweep.left_out);
        let missing = unasked + self.lost.len() as u64;
        let incomplete_reason = match sweep.stopped {
            Some(stopped) => Some(stopped.to_string()),
            None if missing > 0 => Some(format!("{missing} probes could not be made")),
            None => None,
        };
        let fleet_findings = self.fleet.judge().iter().map(v1::FleetFinding::from).collect();
        ScanOutcome { endpoints: self.endpoints, fleet_findings, sweep, incomplete_reason, notes }
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
