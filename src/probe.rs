//! One endpoint → `Observation`: which connections to open, in which order, and when to stop.
//!
//! Called by `scan` for each open port. It records and judges nothing; where it must choose the
//! next question it asks what the recorded bytes already settle.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::trace;

use crate::observation::versions::{Settled, settle};
use crate::observation::{
    Connection, Endpoint, Exchange, ExchangeResult, HelloAnswer, OBSERVATION_VERSION, Observation,
    PlainConnection, StreamEnd, TlsVersion,
};
use crate::probe::certificate_store::CertificateStore;
use crate::probe::client_hello::{ClientHello, Offer};
use crate::probe::docker_api::{Cost, next_path};
use crate::probe::http::{HttpConnection, HttpLimits, RequestHead};
use crate::probe::stream::{Dialer, PatientStream};

pub mod certificate_store;
pub mod client_hello;
pub mod docker_api;
pub mod handshake;
pub mod http;
pub mod server_flight;
pub mod stream;

/// How every endpoint is asked.
#[derive(Clone, Debug)]
pub struct ProbeConfig {
    pub dialer: Dialer,
    /// Total time for one endpoint.
    pub deadline: Duration,
    pub user_agent: String,
    pub limits: HttpLimits,
}

/// Connections that settle TLS: the full handshake and the hellos after it.
const MAX_TLS_CONNECTIONS: usize = 5;

/// Asks one endpoint everything, within its deadline.
pub async fn observe(endpoint: Endpoint, config: &ProbeConfig) -> Observation {
    let observed_at = Timestamp::now();
    let mut probe = Probe::new(endpoint, config);
    probe.run().await;
    probe.into_observation(observed_at)
}

struct Probe<'a> {
    config: &'a ProbeConfig,
    endpoint: Endpoint,
    head: RequestHead,
    deadline: Instant,
    connections: Vec<Connection>,
    certificates: CertificateStore,
}

/// What one attempt at a transport showed of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// The peer speaks it.
    Yes,
    /// The peer speaks, and neither HTTP nor TLS.
    Another,
    /// The peer answered with what hints at the other transport.
    Unclear,
    /// The peer closed or reset without a word.
    Dropped,
    /// Nothing at all, within the time allowed.
    Silence,
    /// No connection: the other transport would fare no better.
    NoConnection,
}

impl<'a> Probe<'a> {
    fn new(endpoint: Endpoint, config: &'a ProbeConfig) -> Self {
        let host = match endpoint.sni.as_ref().or(endpoint.names.first()) {
            Some(name) => format!("{name}:{}", endpoint.port),
            None => std::net::SocketAddr::new(endpoint.address, endpoint.port).to_string(),
        };
        Self {
            config,
            head: RequestHead { host, user_agent: config.user_agent.clone() },
            deadline: Instant::now() + config.deadline,
            endpoint,
            connections: Vec::new(),
            certificates: CertificateStore::new(),
        }
    }

    fn into_observation(self, observed_at: Timestamp) -> Observation {
        let late = Instant::now() >= self.deadline;
        Observation {
            version: OBSERVATION_VERSION,
            endpoint: self.endpoint,
            observed_at,
            connections: self.connections,
            certificates: self.certificates.into_certificates(),
            cut_short: late.then(|| {
                format!("the deadline of {} s was reached", self.config.deadline.as_secs_f32())
            }),
        }
    }

    /// The port number only says which transport to try first.
    async fn run(&mut self) {
        let tls_first = matches!(self.endpoint.port, 2376 | 443);
        let first = if tls_first { self.tls().await } else { self.plain().await };
        let second = match first {
            Heard::Yes | Heard::Another | Heard::NoConnection => None,
            Heard::Unclear | Heard::Dropped | Heard::Silence if tls_first => {
                Some(self.plain().await)
            }
            Heard::Unclear | Heard::Dropped | Heard::Silence => Some(self.tls().await),
        };
        let (tls, plain) = if tls_first { (Some(first), second) } else { (second, Some(first)) };
        match (tls, plain) {
            (Some(Heard::Yes), _) => self.hellos().await,
            // A server that drops our full handshake may still answer a small hello.
            (Some(Heard::Dropped), Some(Heard::Dropped | Heard::Unclear)) => self.hellos().await,
            _ => {}
        }
    }

    fn in_time(&self) -> bool {
        Instant::now() < self.deadline
    }

    /// Keeps what a connection showed.
    fn record(&mut self, connection: Connection) {
        trace!(address = %self.endpoint.address, port = self.endpoint.port, ?connection);
        self.connections.push(connection);
    }

    async fn dial(&self) -> Result<PatientStream, StreamEnd> {
        let address = std::net::SocketAddr::new(self.endpoint.address, self.endpoint.port);
        self.config.dialer.dial(address, self.deadline).await
    }

    async fn plain(&mut self) -> Heard {
        let mut asked: Vec<Exchange> = Vec::new();
        while self.in_time() && next_path(&asked, Cost::Connection).is_some() {
            let before = asked.len();
            let connect_error = match self.dial().await {
                Ok(stream) => {
                    self.converse(stream, &mut asked).await;
                    None
                }
                Err(end) => Some(end),
            };
            let exchanges = asked.get(before..).unwrap_or_default().to_vec();
            let stuck = exchanges.is_empty();
            self.record(Connection::Plain(PlainConnection { connect_error, exchanges }));
            if stuck {
                break;
            }
        }
        heard_plain(asked.first())
    }

    async fn tls(&mut self) -> Heard {
        let mut asked: Vec<Exchange> = Vec::new();
        let mut heard = Heard::NoConnection;
        while self.in_time() && next_path(&asked, Cost::Connection).is_some() {
            let before = asked.len();
            let stream = match self.dial().await {
                Ok(stream) => stream,
                Err(end) => {
                    let failed = handshake::unconnected(end);
                    self.record(Connection::Tls(failed));
                    break;
                }
            };
            let (mut seen, tls) = handshake::shake_hands(
                stream,
                &self.endpoint,
                self.config.dialer.patience,
                &mut self.certificates,
            )
            .await;
            if before == 0 {
                heard = heard_tls(seen.negotiated.is_some(), seen.handshake_end.as_ref());
            }
            if let Some(tls) = tls {
                self.converse(tls, &mut asked).await;
            }
            seen.exchanges = asked.get(before..).unwrap_or_default().to_vec();
            let stuck = seen.exchanges.is_empty();
            self.record(Connection::Tls(seen));
            if stuck {
                break;
            }
        }
        heard
    }

    /// Sends requests until the connection or the questions end.
    async fn converse<S>(&self, stream: S, asked: &mut Vec<Exchange>)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let patience = self.config.dialer.patience;
        let mut http = HttpConnection::new(stream, &self.head, &self.config.limits, patience);
        let mut first = true;
        while self.in_time() && http.is_reusable() {
            let cost = if first { Cost::Connection } else { Cost::Request };
            let Some(path) = next_path(asked, cost) else { break };
            let result = http.get(path).await;
            // A server may close a kept connection at any moment (RFC 9112, section 9.5): that
            // is no answer to this request, which goes out again on a new one.
            if !first && matches!(result, Err(StreamEnd::Closed { received: 0 } | StreamEnd::Reset))
            {
                break;
            }
            asked.push(docker_api::keep(path, result));
            first = false;
        }
    }

    /// A hello for each version that is still open, in as few connections as settle them.
    async fn hellos(&mut self) {
        while self.in_time() {
            let Some(offer) = next_offer(&self.connections) else { break };
            let name = self.endpoint.sni.as_deref();
            let hello = ClientHello::for_versions(offer, name, handshake::random());
            let answer = match self.dial().await {
                Ok(mut stream) => {
                    let patience = self.config.dialer.patience;
                    let store = &mut self.certificates;
                    client_hello::ask(&mut stream, &hello, patience, self.deadline, store).await
                }
                Err(end) => HelloAnswer::NoAnswer { end },
            };
            self.record(Connection::Hello(hello.answered(answer)));
        }
    }
}

/// Which hello to send next; `None` when all is settled, was asked, or the bound is reached.
fn next_offer(connections: &[Connection]) -> Option<Offer> {
    let sent = |offer: Offer| {
        connections.iter().any(|connection| match connection {
            Connection::Hello(hello) => hello.offered == offer.versions(),
            _ => false,
        })
    };
    // Repeated handshakes for a server that closes after each answer settle nothing new.
    let handshakes = connections.iter().filter(|c| matches!(c, Connection::Tls(_))).count().min(1);
    let hellos = connections.iter().filter(|c| matches!(c, Connection::Hello(_))).count();
    if handshakes + hellos >= MAX_TLS_CONNECTIONS {
        return None;
    }
    let settled = settle(connections);
    let open = |version| matches!(settled.get(&version), Some(Settled::Open(_)));
    let accepted = settled.values().any(|verdict| matches!(verdict, Settled::Accepted(_)));
    // Two hellos into a port that answered neither handshake nor HTTP: it does not speak TLS.
    let mute = !accepted
        && hellos >= 2
        && !connections.iter().any(|connection| match connection {
            Connection::Hello(hello) => !matches!(hello.answer, HelloAnswer::NoAnswer { .. }),
            Connection::Tls(tls) => matches!(tls.handshake_end, Some(StreamEnd::Alert { .. })),
            Connection::Plain(_) => false,
        });
    if mute {
        return None;
    }
    let both = open(TlsVersion::Tls13) && open(TlsVersion::Tls12);
    [
        (both, Offer::Tls13And12),
        (open(TlsVersion::Tls13), Offer::Only(TlsVersion::Tls13)),
        (open(TlsVersion::Tls12), Offer::Only(TlsVersion::Tls12)),
        (open(TlsVersion::Tls11), Offer::Only(TlsVersion::Tls11)),
        (open(TlsVersion::Tls10), Offer::Only(TlsVersion::Tls10)),
        (open(TlsVersion::Ssl3), Offer::Only(TlsVersion::Ssl3)),
    ]
    .into_iter()
    .find(|(wanted, offer)| *wanted && !sent(*offer))
    .map(|(_, offer)| offer)
}

fn heard_plain(first: Option<&Exchange>) -> Heard {
    match first.map(|exchange| &exchange.result) {
        None => Heard::NoConnection,
        // TLS servers explain a plain request with a 400, each in its own words.
        Some(ExchangeResult::Answered(answer)) if answer.status == 400 => Heard::Unclear,
        Some(ExchangeResult::Answered(_)) => Heard::Yes,
        Some(ExchangeResult::Unanswered(end)) => match end {
            StreamEnd::OtherProtocol { first_bytes }
                if server_flight::looks_like_tls(&first_bytes.0) =>
            {
                Heard::Unclear
            }
            StreamEnd::OtherProtocol { .. } => Heard::Another,
            StreamEnd::Malformed { .. } | StreamEnd::TooLarge { .. } => Heard::Yes,
            StreamEnd::TimedOut { .. } => Heard::Silence,
            StreamEnd::Closed { received: 1.. } => Heard::Yes,
            StreamEnd::Closed { .. } | StreamEnd::Reset => Heard::Dropped,
            _ => Heard::Unclear,
        },
    }
}

fn heard_tls(negotiated: bool, end: Option<&StreamEnd>) -> Heard {
    match end {
        _ if negotiated => Heard::Yes,
        None => Heard::Yes,
        Some(StreamEnd::OtherProtocol { first_bytes }) if first_bytes.0.starts_with(b"HTTP") => {
            Heard::Unclear
        }
        Some(StreamEnd::OtherProtocol { .. }) => Heard::Another,
        Some(StreamEnd::TimedOut { .. }) => Heard::Silence,
        Some(StreamEnd::Closed { .. } | StreamEnd::Reset) => Heard::Dropped,
        Some(_) => Heard::Yes,
    }
}
