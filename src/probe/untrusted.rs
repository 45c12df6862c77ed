//! Presents a throwaway client certificate: does the server look who issued it?
//!
//! One connection more, to servers that ask for a certificate and serve nobody without one. The
//! server itself is not verified: there is nothing to lose in a key that was made for this.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::ServerCertVerifier;
use rustls::sign::CertifiedKey;
use tracing::trace;

use super::{Depth, Probe, audit, docker_api, handshake};
use crate::observation::versions::describe;
use crate::observation::{Connection, ExchangeResult, TlsConnection, UntrustedObservation};
use crate::probe::handshake::Record;
use crate::probe::http::HttpConnection;
use crate::probe::throwaway::Throwaway;
use crate::probe::watched_key::WatchedKey;

impl Probe<'_> {
    /// Shows the certificate, and asks for `/version` behind it.
    pub(super) async fn untrusted(&mut self, throwaway: &Throwaway) -> UntrustedObservation {
        let without =
            |reason: String| UntrustedObservation { not_presented: Some(reason), connection: None };
        if let Some(reason) = audit::precluded(&self.seen.connections) {
            return without(reason.to_owned());
        }
        if serves_strangers(&self.seen.connections) {
            return without("GET /version is served without any certificate".to_owned());
        }
        if !self.in_time() {
            return without("the time for this endpoint was over before it".to_owned());
        }
        let stream = match self.dial(self.config.dialer.patience).await {
            Ok(stream) => stream,
            Err(end) => {
                return UntrustedObservation {
                    not_presented: Some(format!("no connection for it: {}", describe(&end))),
                    connection: Some(Box::new(handshake::unconnected(end))),
                };
            }
        };
        let record = Arc::new(Record::default());
        let presenter = Arc::new(Presenter::new(throwaway, Arc::clone(&record)));
        let config = handshake::client_config(
            Arc::clone(&record) as Arc<dyn ServerCertVerifier>,
            Arc::clone(&presenter) as Arc<dyn ResolvesClientCert>,
        );
        let store = self.seen.certificates();
        let (mut seen, tls) =
            handshake::recorded(stream, &self.endpoint, config, &record, store).await;
        if let Some(tls) = tls.filter(|_| presenter.sent()) {
            let limits = &self.config.limits;
            let mut http = HttpConnection::new(tls, &self.client.head, limits, self.deadline);
            let result = http.get(docker_api::VERSION).await;
            seen.exchanges.push(docker_api::keep(docker_api::VERSION, result, Depth::Version));
        }
        trace!(address = %self.endpoint.address, port = self.endpoint.port, untrusted = ?seen);
        UntrustedObservation {
            not_presented: presenter.withheld(&seen),
            connection: Some(Box::new(seen)),
        }
    }
}

/// Then no certificate is needed, and none says anything.
fn serves_strangers(connections: &[Connection]) -> bool {
    connections.iter().any(|connection| match connection {
        Connection::Tls(tls) => tls.exchanges.iter().any(|exchange| match &exchange.result {
            ExchangeResult::Answered(answer) => {
                exchange.path == docker_api::VERSION && (200..300).contains(&answer.status)
            }
            ExchangeResult::Unanswered(_) => false,
        }),
        _ => false,
    })
}

/// Answers a CertificateRequest, whoever it asks for.
#[derive(Debug)]
struct Presenter {
    key: Arc<CertifiedKey>,
    record: Arc<Record>,
    sent: Arc<AtomicBool>,
    /// The schemes of a request that the key cannot answer.
    unanswerable: Mutex<Option<Vec<SignatureScheme>>>,
}

impl Presenter {
    fn new(throwaway: &Throwaway, record: Arc<Record>) -> Self {
        let sent = Arc::new(AtomicBool::new(false));
        let key = Arc::new(WatchedKey::new(throwaway.key(), Arc::clone(&sent)));
        let key = Arc::new(CertifiedKey::new(vec![throwaway.certificate()], key));
        Self { key, record, sent, unanswerable: Mutex::default() }
    }

    fn sent(&self) -> bool {
        self.sent.load(SeqCst)
    }

    fn withheld(&self, seen: &TlsConnection) -> Option<String> {
        if self.sent() {
            return None;
        }
        let unanswerable = self.unanswerable.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match (&*unanswerable, &seen.handshake_end) {
            (Some(schemes), _) => {
                const LISTED: usize = 8;
                let names: Vec<String> =
                    schemes.iter().take(LISTED).map(|scheme| format!("{scheme:?}")).collect();
                format!(
                    "its CertificateRequest allows no signature with an EC P-256 key, only {}",
                    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
                )
            }
            (None, Some(end)) => {
                format!("the handshake ended before it was time for it: {}", describe(end))
            }
            (None, None) => "the server asks for no client certificate".to_owned(),
        })
    }
}

impl ResolvesClientCert for Presenter {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.record.note_request(issuers);
        if self.key.key.choose_scheme(schemes).is_some() {
            return Some(Arc::clone(&self.key));
        }
        let mut unanswerable = self.unanswerable.lock().unwrap_or_else(PoisonError::into_inner);
        *unanswerable = Some(schemes.to_vec());
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}
