//! Sends the hellos that ask for cipher suites, a few at a time.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::certificate_store::CertificateStore;
use super::client_hello::{self, ClientHello, Wanted};
use super::handshake;
use super::hello_plan::AT_ONCE;
use super::stream::Dialer;
use super::suite_plan::{self, SuiteOffer, Until, every};
use crate::observation::{
    Connection, HelloAnswer, SuiteEnd, SuiteObservation, SuiteRun, SuitesAsked, TlsVersion,
};

/// How one endpoint is reached.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub dialer: Dialer,
    pub address: SocketAddr,
    pub server_name: Option<String>,
    pub deadline: Instant,
}

/// Goes on from `runs` until nothing is worth asking, the bound on connections or the deadline is reached. `None`
/// where no version was accepted, and so nothing can be asked.
pub(super) async fn ask(
    asker: &Asker,
    asked: SuitesAsked,
    connections: &[Connection],
    mut runs: Vec<SuiteRun>,
) -> Option<SuiteObservation> {
    if !suite_plan::is_tls(connections) {
        return None;
    }
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
            runs = round(asker, offers, &left, runs).await;
        }
    }
    let before = if asked == SuitesAsked::All { runs.len() } else { 0 };
    let spent = suite_plan::spent(&runs, before);
    let budget = suite_plan::budget(connections).saturating_sub(spent);
    let left = Arc::new(AtomicUsize::new(budget));
    while Instant::now() < asker.deadline {
        let offers = suite_plan::next_offers(connections, &runs, before);
        if offers.is_empty() {
            break;
        }
        runs = round(asker, offers, &left, runs).await;
    }
    Some(SuiteObservation { asked, runs, cut_short })
}

/// `runs`, and after them all of these offers in the order in which they were answered; those for
/// which no connection or time was left are not there.
pub(super) async fn round(
    asker: &Asker,
    offers: Vec<SuiteOffer>,
    left: &Arc<AtomicUsize>,
    runs: Vec<SuiteRun>,
) -> Vec<SuiteRun> {
    let ended = Ended(Arc::new(Mutex::new(runs)));
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for offer in offers {
        let (asker, left, slots) = (asker.clone(), Arc::clone(left), Arc::clone(&slots));
        let ended = ended.clone();
        tasks.spawn(async move {
            let _slot = slots.acquire().await;
            run(&asker, offer, &left, &ended).await;
        });
    }
    while tasks.join_next().await.is_some() {}
    ended.take()
}

/// The runs that have ended, in that order.
#[derive(Clone)]
struct Ended(Arc<Mutex<Vec<SuiteRun>>>);

impl Ended {
    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// A run whose last hello was begun when `before` others had ended.
    fn push(&self, mut run: SuiteRun, before: usize) {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        run.beside = runs.len().saturating_sub(before);
        runs.push(run);
    }

    fn take(&self) -> Vec<SuiteRun> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn run(asker: &Asker, offer: SuiteOffer, left: &AtomicUsize, ended: &Ended) {
    let SuiteOffer { version, suites, until } = offer;
    let mut run = SuiteRun { version, offered: suites, chosen: Vec::new(), end: None, beside: 0 };
    let mut before = 0;
    let mut next = run.offered.clone();
    while !next.is_empty() && Instant::now() < asker.deadline && take_one(left) {
        before = ended.count();
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
    if run.connections() > 0 {
        ended.push(run, before);
    }
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
            let unused = Mutex::new(CertificateStore::new());
            let (deadline, wanted) = (asker.deadline, Wanted::ServerHello);
            client_hello::ask(&mut stream, &hello, patience, deadline, wanted, &unused).await
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
