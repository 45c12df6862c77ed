//! Endpoints that earlier runs knew and that the sweep did not find: each is asked once more, since a
//! sweep keeps no more of a probe than that it was answered, and a closed port is another thing than
//! a silent one.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::io::Errno;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::ScanConfig;
use crate::observation::Endpoint;
use crate::probe::stream::Dialer;
use crate::report::v1::{Absent, AbsentState};
use crate::sweep::Rate;
use crate::target::order::Permutation;

/// Connections under way at once.
const AT_ONCE: usize = 256;
/// How often a silent one is asked.
const TRIES: u32 = 2;

/// What became of the endpoints that should be there.
#[derive(Debug, Default)]
pub(super) struct Expected {
    all: HashSet<SocketAddr>,
    /// Those that were judged, which need not be listed.
    judged: HashSet<SocketAddr>,
    /// The rest, once they were asked.
    states: BTreeMap<SocketAddr, (AbsentState, String)>,
}

impl Expected {
    pub(super) fn new(expected: &[SocketAddr]) -> Self {
        Self { all: expected.iter().copied().collect(), ..Self::default() }
    }

    pub(super) fn judged(&mut self, address: SocketAddr) {
        if self.all.contains(&address) {
            self.judged.insert(address);
        }
    }

    /// Asks those that are left, and returns those that take connections.
    pub(super) async fn ask(
        &mut self,
        config: &ScanConfig,
        found: &[SocketAddr],
        stop: &CancellationToken,
    ) -> Vec<SocketAddr> {
        let order = Permutation::new(config.targets.len(), config.sweep.seed);
        let mut waiting: Vec<SocketAddr> = self.all.difference(&self.judged).copied().collect();
        waiting.sort_unstable();
        let mut to_ask = Vec::new();
        for address in waiting {
            let index = config.targets.index(address);
            let here = index.and_then(|index| order.position(index));
            let here = here.is_some_and(|position| config.sweep.shard.nth(position).is_some());
            let state = if index.is_none() {
                (AbsentState::NotInTargets, String::new())
            } else if !here {
                (AbsentState::NotProbed, "another shard asks it".to_owned())
            } else if found.contains(&address) || stop.is_cancelled() {
                (AbsentState::NotProbed, "the scan was stopped before".to_owned())
            } else {
                to_ask.push(address);
                continue;
            };
            self.states.insert(address, state);
        }
        let mut open = Vec::new();
        for (address, answer) in asked(to_ask, config, stop).await {
            match answer {
                None => open.push(address),
                Some(state) => drop(self.states.insert(address, state)),
            }
        }
        open
    }

    /// By address and port, without those that are listed.
    pub(super) fn absent(&self, listed: impl Fn(&SocketAddr) -> bool) -> Vec<Absent> {
        let silent = |address: &SocketAddr| {
            (*address, (AbsentState::NotListed, "as its whole network does".to_owned()))
        };
        let mut all = self.states.clone();
        all.extend(self.judged.iter().filter(|address| !listed(address)).map(silent));
        all.into_iter()
            .map(|(address, (state, reason))| Absent { id: id(address), state, reason })
            .collect()
    }

    /// Ids of those whose port is closed.
    pub(super) fn closed(&self) -> HashSet<String> {
        let closed = self.states.iter().filter(|(_, (state, _))| *state == AbsentState::Closed);
        closed.map(|(address, _)| id(*address)).collect()
    }
}

fn id(address: SocketAddr) -> String {
    Endpoint { address: address.ip(), port: address.port(), names: Vec::new(), sni: None }.id()
}

type Answers = Vec<(SocketAddr, Option<(AbsentState, String)>)>;

/// At the scan's own pace; `None` is an open port.
async fn asked(
    addresses: Vec<SocketAddr>,
    config: &ScanConfig,
    stop: &CancellationToken,
) -> Answers {
    let gap = gap(config);
    let mut asking: JoinSet<(SocketAddr, Option<(AbsentState, String)>)> = JoinSet::new();
    let mut answers = Vec::new();
    let mut next = Instant::now();
    for address in addresses {
        while asking.len() >= AT_ONCE {
            answers.extend(asking.join_next().await.and_then(Result::ok));
        }
        tokio::select! {
            () = sleep_until(next) => {}
            () = stop.cancelled() => {}
        }
        if stop.is_cancelled() {
            let reason = "the scan was stopped before".to_owned();
            answers.push((address, Some((AbsentState::NotProbed, reason))));
            continue;
        }
        next = Instant::now() + gap;
        let (dialer, patience) = (config.probe.dialer.clone(), config.sweep.timeout);
        asking.spawn(async move { (address, ask(&dialer, address, patience).await) });
    }
    while let Some(answer) = asking.join_next().await {
        answers.extend(answer.ok());
    }
    answers
}

/// They may all be in one network, so its limit counts for all. A silent one is asked twice.
fn gap(config: &ScanConfig) -> Duration {
    let gap = |rate| match rate {
        Rate::Max => Duration::ZERO,
        Rate::PerSecond(rate) => Duration::from_secs(1) / rate.get(),
    };
    gap(config.sweep.rate).max(gap(config.sweep.subnet_rate)) * TRIES
}

async fn ask(
    dialer: &Dialer,
    address: SocketAddr,
    patience: Duration,
) -> Option<(AbsentState, String)> {
    for _ in 0..TRIES {
        match timeout(patience, dialer.connect(address)).await {
            Ok(Ok(stream)) => {
                // A closed port of this machine can be met by the connection's own end.
                let met_itself = stream.local_addr().is_ok_and(|local| local == address);
                return met_itself
                    .then(|| (AbsentState::Closed, "nothing listens there".to_owned()));
            }
            Ok(Err(error)) => return Some((state(&error), error.to_string())),
            Err(_) => {}
        }
    }
    Some((AbsentState::Silent, format!("no answer in {patience:?}, asked {TRIES} times")))
}

fn state(error: &io::Error) -> AbsentState {
    match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED) => AbsentState::Closed,
        Some(Errno::TIMEDOUT | Errno::CONNABORTED) => AbsentState::Silent,
        Some(
            Errno::HOSTUNREACH
            | Errno::NETUNREACH
            | Errno::HOSTDOWN
            | Errno::NETDOWN
            | Errno::NONET
            | Errno::NOPROTOOPT
            | Errno::ACCESS
            | Errno::PERM,
        ) => AbsentState::Unreachable,
        // Whatever else keeps this machine from asking says nothing of the other.
        _ => AbsentState::NotProbed,
    }
}
