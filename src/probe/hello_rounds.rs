//! Sends the hellos in rounds: those for versions, and beside them those for cipher suites that
//! depend on no version still open.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use tokio::time::Instant;
use tracing::trace;

use super::certificate_store::CertificateStore;
use super::client_hello::{self, ClientHello, Offer, Wanted};
use super::handshake;
use super::hello_plan::{self, AT_ONCE, MAX_CONNECTIONS, Situation};
use super::suite_hellos::{self, Asker};
use super::suite_plan;
use crate::observation::versions::adopted_name;
use crate::observation::{Connection, HelloAnswer, HelloConnection, SuiteRun, SuitesAsked};

/// What the connections to one endpoint showed so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub connections: Vec<Connection>,
    pub runs: Vec<SuiteRun>,
    certificates: Mutex<CertificateStore>,
}

impl Seen {
    pub fn certificates(&mut self) -> &mut CertificateStore {
        self.certificates.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn into_parts(self) -> (Vec<Connection>, Vec<SuiteRun>, CertificateStore) {
        let certificates = self.certificates.into_inner().unwrap_or_else(PoisonError::into_inner);
        (self.connections, self.runs, certificates)
    }

    /// Rounds until nothing about versions is worth asking, or the time is over. `beside` counts the
    /// connections to this endpoint that are open meanwhile: what they wait for leaves time for suites.
    pub async fn rounds(&mut self, asker: &Asker, suites: SuitesAsked, beside: usize) {
        let slots = AT_ONCE.saturating_sub(beside);
        while Instant::now() < asker.deadline {
            let round = hello_plan::next_round(Situation {
                connections: &self.connections,
                for_suites: self.runs.iter().map(SuiteRun::connections).sum(),
                slots,
                server_name: asker.server_name.as_deref(),
            });
            let mut asker = asker.clone();
            if let Some(name) = round.made_up_name {
                asker.server_name = Some(name.to_owned());
            }
            let for_suites = match suites {
                SuitesAsked::Classes if beside > 0 || !round.offers.is_empty() => {
                    suite_plan::beside_versions(&self.connections, &self.runs)
                }
                SuitesAsked::Classes | SuitesAsked::All => Vec::new(),
            };
            let spent = hello_plan::spent(&self.connections) + suite_plan::spent(&self.runs, 0);
            let left = slots.min(MAX_CONNECTIONS.saturating_sub(spent));
            let left = left.saturating_sub(round.offers.len());
            let for_suites: Vec<_> = for_suites.into_iter().take(left).collect();
            if round.offers.is_empty() && for_suites.is_empty() {
                break;
            }
            let budget = Arc::new(AtomicUsize::new(for_suites.len()));
            let versions = self.versions(&asker, &round.offers);
            let (answers, runs) = tokio::join!(
                versions,
                suite_hellos::round(&asker, for_suites, &budget, self.runs.clone())
            );
            self.runs = runs;
            for (number, mut hello) in answers.into_iter().enumerate() {
                hello.beside = number;
                hello.made_up_name = round.made_up_name.map(str::to_owned);
                let connection = Connection::Hello(hello);
                trace!(address = %asker.address, ?connection);
                self.connections.push(connection);
            }
        }
    }

    /// In the order of the offers.
    async fn versions(&self, asker: &Asker, offers: &[Offer]) -> Vec<HelloConnection> {
        at_once(offers.iter().map(|offer| self.version(asker, *offer)).collect()).await
    }

    async fn version(&self, asker: &Asker, offer: Offer) -> HelloConnection {
        let name = asker.server_name.as_deref();
        let hello = ClientHello::for_versions(offer, name, handshake::random());
        let Asker { dialer, address, deadline, .. } = asker;
        let answer = match dialer.dial(*address, dialer.patience, *deadline).await {
            Ok(mut stream) => {
                let (patience, store) = (dialer.patience, &self.certificates);
                client_hello::ask(&mut stream, &hello, patience, *deadline, Wanted::Flight, store)
                    .await
            }
            Err(end) => HelloAnswer::NoAnswer { end },
        };
        hello.answered(answer)
    }

    /// With the name to which the server listens, where that is none of the endpoint's.
    pub fn asker(&self, asker: Asker) -> Asker {
        match adopted_name(&self.connections) {
            Some(name) => Asker { server_name: Some(name.to_owned()), ..asker },
            None => asker,
        }
    }
}

/// Awaits all of these, begun in their order: a server that answers few connections answers the
/// first.
async fn at_once<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in waiting.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if outputs.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
