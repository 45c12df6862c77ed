//! Which of the targets' ports are open: SYNs or TCP connections by the hundred thousand.
//!
//! The sweep runs on a thread of its own, without a task or an allocation per probe, and hands
//! each open port on the moment it is found. Between packet and verdict it keeps one bit a probe.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::target::TargetSet;
use crate::target::order::Shard;

pub mod limits;

mod bitmap;
mod connect;
mod distances;
mod engine;
mod in_flight;
mod ledger;
mod links;
mod outbox;
mod pace;
mod patience;
mod shortage;
mod socket;
mod state;
mod subnet_pace;
mod syn;
mod trouble;

pub use engine::{Engine, EngineChoice};
pub use pace::Rate;
pub use state::{Resume, StateError, SweepState};

/// What a sweep says while it runs, in the order in which it came to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swept {
    Open(OpenPort),
    /// Only where [`SweepConfig::checkpoint_every`] asks for it. All open ports that the state
    /// counts were sent before it.
    Reached(Box<SweepState>),
}

/// A port that took a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenPort {
    pub address: SocketAddr,
    /// From SYN to SYN-ACK, as seen by this process: never less than the network's.
    pub rtt: Duration,
}

/// How to sweep.
#[derive(Clone, Debug)]
pub struct SweepConfig {
    pub engine: Engine,
    pub rate: Rate,
    /// The same for each /24 of IPv4 and /64 of IPv6, but on loopback.
    pub subnet_rate: Rate,
    /// The most attempts under way at once; see [`limits::concurrency_that_fits`]. 0 counts as 1.
    pub concurrency: usize,
    /// The longest wait for an answer. Under a second, the system does not repeat its SYN, so
    /// that `rate` counts packets; repeating is what `retries` is for.
    pub timeout: Duration,
    /// How many more rounds go to the targets that were silent in all rounds before.
    pub retries: u8,
    /// The order of the probes follows from it.
    pub seed: u64,
    /// Which part of that order is this sweep's.
    pub shard: Shard,
    /// Targets of the other address family are not probed then.
    pub source_ip: Option<IpAddr>,
    pub interface: Option<String>,
    /// How often to say how far the sweep is, and once at its end; `None`: never.
    pub checkpoint_every: Option<Duration>,
    /// Where an earlier sweep of the same targets, seed and shard was left.
    pub resume: Option<Arc<Resume>>,
}

impl Default for SweepConfig {
    fn default() -> Self {
        Self {
            engine: Engine::default(),
            rate: Rate::Max,
            subnet_rate: Rate::Max,
            concurrency: 8192,
            timeout: Duration::from_millis(900),
            retries: 1,
            seed: 0,
            shard: Shard::WHOLE,
            source_ip: None,
            interface: None,
            checkpoint_every: None,
            resume: None,
        }
    }
}

/// What became of the probes. An (address, port) pair is one probe, however often it was sent to;
/// at the end of a sweep all but `sent` and
/// `duplicates` add up to `probes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// The pairs of this sweep's shard.
    pub probes: u64,
    /// Connection attempts that left, retries included.
    pub sent: u64,
    pub open: u64,
    pub closed: u64,
    /// A router, neighbour or packet filter said so.
    pub unreachable: u64,
    /// Tried and never answered; 0 while the sweep runs.
    pub silent: u64,
    /// Never tried, because this machine could not or the sweep was stopped. While the sweep runs,
    /// only the former.
    pub not_probed: u64,
    /// Answers beyond the first to a probe; not part of the sum.
    pub duplicates: u64,
}

/// The counts of a running sweep, for a progress display to read at any time.
#[derive(Debug, Default)]
pub struct SweepProgress {
    probes: AtomicU64,
    sent: AtomicU64,
    open: AtomicU64,
    closed: AtomicU64,
    unreachable: AtomicU64,
    silent: AtomicU64,
    not_probed: AtomicU64,
    duplicates: AtomicU64,
    round: AtomicU64,
    round_probes: AtomicU64,
    round_walked: AtomicU64,
}

/// How far a sweep is in its present round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundProgress {
    /// 0 is the first round, those after it are retries.
    pub round: u64,
    /// How many probes this round is for.
    pub probes: u64,
    /// How many of them were begun.
    pub begun: u64,
}

impl SweepProgress {
    /// Begins with what an earlier sweep came to.
    fn restore(&self, counts: &Counts) {
        let Counts { probes, sent, open, closed, unreachable, silent, not_probed, duplicates } =
            *counts;
        let write = |count: &AtomicU64, value| count.store(value, Ordering::Relaxed);
        write(&self.probes, probes);
        write(&self.sent, sent);
        write(&self.open, open);
        write(&self.closed, closed);
        write(&self.unreachable, unreachable);
        write(&self.silent, silent);
        write(&self.not_probed, not_probed);
        write(&self.duplicates, duplicates);
    }

    /// Each count is right, but they are not all of the same moment while the sweep runs.
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            probes: read(&self.probes),
            sent: read(&self.sent),
            open: read(&self.open),
            closed: read(&self.closed),
            unreachable: read(&self.unreachable),
            silent: read(&self.silent),
            not_probed: read(&self.not_probed),
            duplicates: read(&self.duplicates),
        }
    }

    pub fn round(&self) -> RoundProgress {
        RoundProgress {
            round: self.round.load(Ordering::Relaxed),
            probes: self.round_probes.load(Ordering::Relaxed),
            begun: self.round_walked.load(Ordering::Relaxed),
        }
    }
}

/// How a sweep ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepOutcome {
    pub counts: Counts,
    /// Of `counts.not_probed`, the probes of addresses that name no host: nothing is missing for
    /// want of them.
    pub left_out: u64,
    /// The same, what this machine refused to send this time: another run may try again.
    pub refused: u64,
    /// Why probes were not made, by kind.
    pub local_errors: Vec<LocalError>,
    /// What a reader of the report should know, in words.
    pub notes: Vec<String>,
    /// Why the sweep ended before its last round did; `None`: it did not.
    pub stopped: Option<StopReason>,
}

impl SweepOutcome {
    /// The sweep went through all its rounds. Single probes may still not have been made: see
    /// `counts.not_probed`.
    pub const fn complete(&self) -> bool {
        self.stopped.is_none()
    }
}

/// An error of this machine that kept probes from being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalError {
    /// The system's text.
    pub error: String,
    pub probes: u64,
    /// The first target that met it.
    pub example: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    Cancelled,
    /// Nobody takes the open ports any more.
    ReceiverGone,
    /// For seconds on end this machine had no descriptor, buffer or local port for a probe.
    LocalShortage,
    /// Not one probe could leave, for want of a route or a link, or by a packet filter.
    NoWay,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "the sweep was cancelled",
            Self::ReceiverGone => "the receiver of open ports is gone",
            Self::LocalShortage => "this machine ran out of descriptors, buffers or local ports",
            Self::NoWay => "no probe could leave this machine",
        })
    }
}

/// Why a sweep could not begin, or has no outcome.
#[derive(Debug, Error)]
pub enum SweepError {
    #[error("cannot send from {address}")]
    SourceIp { address: IpAddr, source: io::Error },
    #[error("cannot send through interface '{}'", .name.escape_debug())]
    Interface { name: String, source: io::Error },
    #[error("cannot wait for connections")]
    Epoll { source: io::Error },
    #[error(
        "the SYN engine needs CAP_NET_RAW: sudo setcap cap_net_raw+ep \"$(command -v docksweep)\", or \
         AmbientCapabilities=CAP_NET_RAW in a systemd unit"
    )]
    NotPermitted { source: io::Error },
    #[error("cannot prepare the SYN engine")]
    PacketSocket { source: io::Error },
    #[error("cannot go on where the sweep was left: {0}")]
    State(StateError),
    #[error("cannot start the sweep's thread")]
    Thread { source: io::Error },
    #[error("the sweep's thread ended without a result")]
    Died,
}

/// Sweeps `targets`, on a thread of its own, until all rounds are done or `cancel` says so.
///
/// Open ports go to `found`, each once. While it is full no new probes are sent, so it must be
/// read while the sweep runs; nothing found is ever dropped while it is read. Cancelling ends the
/// sending, and what is under way may still answer within the timeout. Dropping the future
/// cancels too.
///
/// # Errors
/// The configured source address or interface cannot be used, or the system has no thread or
/// descriptor to begin with. Anything later is part of the outcome.
pub async fn sweep(
    targets: Arc<TargetSet>,
    config: SweepConfig,
    progress: Arc<SweepProgress>,
    cancel: CancellationToken,
    found: mpsc::Sender<Swept>,
) -> Result<SweepOutcome, SweepError> {
    let stop = cancel.child_token();
    let _stop_when_dropped = stop.clone().drop_guard();
    let (done, outcome) = oneshot::channel();
    std::thread::Builder::new()
        .name("sweep".to_owned())
        .spawn(move || {
            let result = match config.engine {
                Engine::Connect => connect::run(&targets, &config, &progress, &stop, found),
                Engine::Syn => syn::run(&targets, &config, &progress, &stop, found),
            };
            // Nobody waits for it when the future was dropped.
            let _ = done.send(result);
        })
        .map_err(|source| SweepError::Thread { source })?;
    outcome.await.unwrap_or(Err(SweepError::Died))
}

#[cfg(test)]
mod tests;
