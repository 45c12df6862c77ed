//! Sends the hellos that ask for cipher suites, a few at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::certificate_store::CertificateStore;
use super::client_hello::{self, ClientHello};
use super::handshake;
use super::stream::Dialer;
use super::suite_plan::{self, SuiteOffer, Until, every};
use crate::observation::{
    Connection, HelloAnswer, SuiteEnd, SuiteObservation, SuiteRun, SuitesAsked, TlsVersion,
};

/// Connections to one endpoint at the same time.
pub const AT_ONCE: usize = 4;

/// How one endpoint is reached.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub dialer: Dialer,
    pub address: SocketAddr,
    pub server_name: Option<String>,
    pub deadline: Instant,
}

/// Asks until nothing is worth asking, the bound on connections or the deadline is reached. `None`
/// where no version was accepted, and so nothing can be asked.
pub(super) async fn ask(
    asker: &Asker,
    asked: SuitesAsked,
    connections: &[Connection],
) -> Option<SuiteObservation> {
    if !suite_plan::is_tls(connections) {
        return None;
    }
    let mut runs = Vec::new();
    let mut cut_short = None;
    if asked == SuitesAsked::All {
        let left = Arc::new(AtomicUsize::new(every::MAX_CONNECTIONS));
        while Instant::now() < asker.deadline {
            let offers = every::next_offers(connections, &runs);
            if offers.is_empty() {
                break;
            }
            if left.load(Relaxed) == 0 {
                cut_short = Some(format!("{} connections were made", every::MAX_CONNECTIONS));
                break;
            }
            runs.extend(round(asker, offers, &left).await);
        }
    }
    let left = Arc::new(AtomicUsize::new(suite_plan::budget(connections)));
    let before = runs.len();
    while Instant::now() < asker.deadline {
        let offers = suite_plan::next_offers(connections, &runs, before);
        if offers.is_empty() {
            break;
        }
        runs.extend(round(asker, offers, &left).await);
    }
    Some(SuiteObservation { asked, runs, cut_short })
}

/// All of these offers, in the order in which they were answered; those for which no connection or
/// time was left are not there.
async fn round(asker: &Asker, offers: Vec<SuiteOffer>, left: &Arc<AtomicUsize>) -> Vec<SuiteRun> {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for offer in offers {
        let (asker, left, slots) = (asker.clone(), Arc::clone(left), Arc::clone(&slots));
        tasks.spawn(async move {
            let _slot = slots.acquire().await;
            run(&asker, offer, &left).await
        });
    }
    let mut runs = Vec::new();
    while let Some(run) = tasks.join_next().await {
        runs.extend(run.ok().filter(|run| run.connections() > 0));
    }
    runs
}

async fn run(asker: &Asker, offer: SuiteOffer, left: &AtomicUsize) -> SuiteRun {
    let SuiteOffer { version, suites, until } = offer;
    let mut run = SuiteRun { version, offered: suites, chosen: Vec::new(), end: None };
    let mut next = run.offered.clone();
    while !next.is_empty() && Instant::now() < asker.deadline && take_one(left) {
        let answer = hello(asker, version, &next).await;
        match suite_of(version, &next, answer) {
            Ok(suite) => {
                next.retain(|offered| *offered != suite);
                run.chosen.push(suite);
            }
            Err(end) => {
                run.end = Some(end);
                break;
            }
        }
        if until == Until::Answered {
            break;
        }
    }
    run
}

fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// What such a hello shows of the server beyond its choice, the hellos for versions have shown.
async fn hello(asker: &Asker, version: TlsVersion, suites: &[u16]) -> HelloAnswer {
    let name = asker.server_name.as_deref();
    let hello = ClientHello::for_suites(version, suites, name, handshake::random());
    let patience = asker.dialer.patience;
    match asker.dialer.dial(asker.address, patience, asker.deadline).await {
        Ok(mut stream) => {
            let mut unused = CertificateStore::new();
            client_hello::ask(&mut stream, &hello, patience, asker.deadline, &mut unused).await
        }
        Err(end) => HelloAnswer::NoAnswer { end },
    }
}

fn suite_of(version: TlsVersion, offered: &[u16], answer: HelloAnswer) -> Result<u16, SuiteEnd> {
    match answer {
        HelloAnswer::ServerHello(flight)
            if flight.version == version.wire() && offered.contains(&flight.cipher_suite) =>
        {
            Ok(flight.cipher_suite)
        }
        HelloAnswer::ServerHello(flight) => {
            Err(SuiteEnd::Other { version: flight.version, cipher_suite: flight.cipher_suite })
        }
        HelloAnswer::Alert { level, description } => Err(SuiteEnd::Alert { level, description }),
        HelloAnswer::NoAnswer { end } => Err(SuiteEnd::NoAnswer { end }),
    }
}
