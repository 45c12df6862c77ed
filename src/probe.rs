//! One endpoint → `Observation`: which connections to open, in which order, and when to stop.
//!
//! Called by `scan` for each open port. It records and judges nothing; where it must choose the
//! next question it asks what the recorded bytes already settle.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::trace;

use crate::clock;
use crate::credentials::Credentials;
use crate::observation::versions::describe;
use crate::observation::{
    AuditObservation, Connection, Endpoint, Exchange, ExchangeResult, HttpAnswer,
    OBSERVATION_VERSION, Observation, PlainConnection, StreamEnd, SuiteObservation, SuitesAsked,
    TlsConnection,
};
use crate::probe::docker_api::{Cost, Depth};
use crate::probe::hello_rounds::Seen;
use crate::probe::http::{HttpConnection, HttpLimits, RequestHead};
use crate::probe::stream::{Dialer, PatientStream};
use crate::probe::throwaway::Throwaway;

mod audit;
pub mod certificate_store;
pub mod client_hello;
pub mod docker_api;
pub mod handshake;
mod hello_plan;
mod hello_rounds;
pub mod http;
#[cfg(feature = "legacy-tls")]
mod legacy;
pub mod server_flight;
pub mod stream;
mod suite_hellos;
mod suite_plan;
pub mod throwaway;
mod untrusted;
mod watched_key;

pub use hello_plan::AT_ONCE as CONNECTIONS_AT_ONCE;

/// How every endpoint is asked.
#[derive(Clone, Debug)]
pub struct ProbeConfig {
    pub dialer: Dialer,
    /// Total time for one endpoint.
    pub deadline: Duration,
    pub user_agent: String,
    pub depth: Depth,
    pub limits: HttpLimits,
    pub suites: SuitesAsked,
    /// For the audit, after the stranger's probe.
    pub credentials: Option<Arc<Credentials>>,
    /// To be shown, last of all, to servers that ask for a certificate.
    pub throwaway: Option<Arc<Throwaway>>,
}

/// Asks one endpoint everything, within its deadline.
pub async fn observe(endpoint: Endpoint, config: &ProbeConfig) -> Observation {
    let observed_at = clock::now();
    let mut probe = Probe::new(endpoint, config);
    probe.run().await;
    // Before the audit and the suites: their time says nothing about what was asked before.
    let cut_short = probe.cut_short();
    let audit = match &config.credentials {
        Some(credentials) => Some(probe.audit(credentials).await),
        None => None,
    };
    let untrusted = match &config.throwaway {
        Some(throwaway) => Some(probe.untrusted(throwaway).await),
        None => None,
    };
    probe.cipher_suites().await;
    let mut observation = probe.into_observation(observed_at, cut_short);
    observation.audit = audit;
    observation.untrusted = untrusted;
    observation
}

struct Probe<'a> {
    config: &'a ProbeConfig,
    endpoint: Endpoint,
    client: HttpClient<'a>,
    deadline: Instant,
    seen: Seen,
    cipher_suites: Option<SuiteObservation>,
}

/// What requests over any transport have in common.
struct HttpClient<'a> {
    config: &'a ProbeConfig,
    head: RequestHead,
    deadline: Instant,
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
        let head = RequestHead { host, user_agent: config.user_agent.clone() };
        let deadline = Instant::now() + config.deadline;
        let client = HttpClient { config, head, deadline };
        Self { config, client, deadline, endpoint, seen: Seen::default(), cipher_suites: None }
    }

    fn cut_short(&self) -> Option<String> {
        let seconds = self.config.deadline.as_secs_f32();
        (!self.in_time()).then(|| format!("the deadline of {seconds} s was reached"))
    }

    fn into_observation(self, observed_at: Timestamp, cut_short: Option<String>) -> Observation {
        let (connections, _, certificates) = self.seen.into_parts();
        Observation {
            version: OBSERVATION_VERSION,
            endpoint: self.endpoint,
            observed_at,
            connections,
            certificates: certificates.into_certificates(),
            cut_short,
            audit: None,
            untrusted: None,
            cipher_suites: self.cipher_suites,
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
            // A server that drops our full handshake may still answer a small hello.
            (Some(Heard::Yes), _)
            | (Some(Heard::Dropped), Some(Heard::Dropped | Heard::Unclear))
            | (Some(Heard::Silence), Some(Heard::Dropped | Heard::Unclear)) => {
                self.hellos().await;
                #[cfg(feature = "legacy-tls")]
                self.legacy().await;
            }
            _ => {}
        }
    }

    fn in_time(&self) -> bool {
        Instant::now() < self.deadline
    }

    /// Keeps what a connection showed.
    fn record(&mut self, connection: Connection) {
        trace!(address = %self.endpoint.address, port = self.endpoint.port, ?connection);
        self.seen.connections.push(connection);
    }

    async fn dial(&self, patience: Duration) -> Result<PatientStream, StreamEnd> {
        let address = std::net::SocketAddr::new(self.endpoint.address, self.endpoint.port);
        self.config.dialer.dial(address, patience, self.deadline).await
    }

    fn next_path(&self, asked: &[Exchange], cost: Cost) -> Option<Cow<'static, str>> {
        self.client.next_path(asked, cost)
    }

    /// A peer that has answered once may take its time: `/info` is slow on a busy engine.
    fn patience(&self, asked: &[Exchange]) -> Duration {
        let patience = self.config.dialer.patience;
        if asked.is_empty() {
            return patience;
        }
        // Some of the time is kept for what comes after.
        self.deadline
            .saturating_duration_since(Instant::now())
            .saturating_sub(patience)
            .max(patience)
    }

    async fn plain(&mut self) -> Heard {
        let mut asked: Vec<Exchange> = Vec::new();
        while self.in_time() && self.next_path(&asked, Cost::Connection).is_some() {
            let before = asked.len();
            let connect_error = match self.dial(self.patience(&asked)).await {
                Ok(stream) => {
                    self.client.converse(stream, &mut asked).await;
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
        while self.in_time() && self.next_path(&asked, Cost::Connection).is_some() {
            let before = asked.len();
            let stream = match self.dial(self.patience(&asked)).await {
                Ok(stream) => stream,
                Err(end) => {
                    let failed = handshake::unconnected(end);
                    self.record(Connection::Tls(failed));
                    break;
                }
            };
            let store = self.seen.certificates();
            let (seen, tls) = handshake::shake_hands(stream, &self.endpoint, store).await;
            if before == 0 {
                heard = heard_tls(seen.negotiated.is_some(), seen.handshake_end.as_ref());
            }
            let place = self.seen.connections.len();
            self.record(Connection::Tls(seen));
            if let Some(tls) = tls {
                // What the handshake agreed on is known, so the hellos need not wait for answers.
                let (asker, suites) = (self.asker(), self.config.suites);
                let Self { client, seen, .. } = self;
                tokio::join!(client.converse(tls, &mut asked), seen.rounds(&asker, suites, 1));
            }
            let exchanges = asked.get(before..).unwrap_or_default().to_vec();
            let stuck = exchanges.is_empty();
            if let Some(Connection::Tls(seen)) = self.seen.connections.get_mut(place) {
                seen.exchanges = exchanges;
            }
            if stuck {
                break;
            }
        }
        heard
    }

    /// Requests to a server that only OpenSSL can speak to.
    #[cfg(feature = "legacy-tls")]
    async fn legacy(&mut self) {
        while let Some(version) = legacy::next_version(&self.seen.connections) {
            let mut asked: Vec<Exchange> = Vec::new();
            while self.in_time() && self.next_path(&asked, Cost::Connection).is_some() {
                let before = asked.len();
                let Ok(stream) = self.dial(self.patience(&asked)).await else { return };
                let store = self.seen.certificates();
                let (mut seen, tls) =
                    legacy::shake_hands(stream, version, &self.endpoint, store).await;
                if let Some(tls) = tls {
                    self.client.converse(tls, &mut asked).await;
                }
                seen.exchanges = asked.get(before..).unwrap_or_default().to_vec();
                let stuck = seen.exchanges.is_empty();
                self.record(Connection::Tls(seen));
                if stuck {
                    break;
                }
            }
            if !self.in_time() {
                return;
            }
        }
    }

    /// Asks again with the certificate, on connections of its own. Nobody is shown it whose chain
    /// has not been verified in the same handshake.
    async fn audit(&mut self, credentials: &Credentials) -> AuditObservation {
        let mut connections = Vec::new();
        let not_presented = match audit::precluded(&self.seen.connections) {
            Some(reason) => Some(reason.to_owned()),
            None => self.audited(credentials, &mut connections).await,
        };
        AuditObservation { not_presented, connections }
    }

    /// Returns why the certificate was sent on none of the connections.
    async fn audited(
        &mut self,
        credentials: &Credentials,
        connections: &mut Vec<TlsConnection>,
    ) -> Option<String> {
        let mut withheld = Some("the time for this endpoint was over before the audit".to_owned());
        let mut asked: Vec<Exchange> = Vec::new();
        while self.in_time() && self.next_path(&asked, Cost::Connection).is_some() {
            let before = asked.len();
            let stream = match self.dial(self.patience(&asked)).await {
                Ok(stream) => stream,
                Err(end) => {
                    let why = format!("no connection for it: {}", describe(&end));
                    withheld = withheld.map(|_| why);
                    connections.push(handshake::unconnected(end));
                    break;
                }
            };
            let store = self.seen.certificates();
            let shaken = audit::shake_hands(stream, &self.endpoint, credentials, store).await;
            let mut seen = shaken.seen;
            // What is not shown the certificate is no audit, and is not asked.
            if let (Some(tls), None) = (shaken.stream, &shaken.withheld) {
                self.client.converse(tls, &mut asked).await;
            }
            withheld = withheld.and(shaken.withheld);
            seen.exchanges = asked.get(before..).unwrap_or_default().to_vec();
            let stuck = seen.exchanges.is_empty();
            trace!(address = %self.endpoint.address, port = self.endpoint.port, audit = ?seen);
            connections.push(seen);
            if stuck {
                break;
            }
        }
        withheld
    }

    /// A hello for each version that is still open, in as few connections as settle them.
    async fn hellos(&mut self) {
        let (asker, suites) = (self.asker(), self.config.suites);
        self.seen.rounds(&asker, suites, 0).await;
    }

    fn asker(&self) -> suite_hellos::Asker {
        suite_hellos::Asker {
            dialer: self.config.dialer.clone(),
            address: std::net::SocketAddr::new(self.endpoint.address, self.endpoint.port),
            server_name: self.endpoint.sni.clone(),
            deadline: self.deadline,
        }
    }
}

impl HttpClient<'_> {
    fn in_time(&self) -> bool {
        Instant::now() < self.deadline
    }

    fn next_path(&self, asked: &[Exchange], cost: Cost) -> Option<Cow<'static, str>> {
        docker_api::next_path(asked, cost, self.config.depth)
    }

    /// Sends requests until the connection or the questions end.
    async fn converse<S>(&self, stream: S, asked: &mut Vec<Exchange>)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let mut http = HttpConnection::new(stream, &self.head, &self.config.limits, self.deadline);
        let mut first = true;
        while self.in_time() && http.is_reusable() {
            let cost = if first { Cost::Connection } else { Cost::Request };
            let Some(path) = self.next_path(asked, cost) else { break };
            let result = http.get(&path).await;
            // A server may close a kept connection at any moment (RFC 9112, section 9.5): that
            // is no answer to this request, which goes out again on a new one.
            if !first && matches!(result, Err(StreamEnd::Closed { received: 0 } | StreamEnd::Reset))
            {
                break;
            }
            asked.push(docker_api::keep(&path, result, self.config.depth));
            first = false;
        }
    }
}

impl Probe<'_> {
    /// Hellos for cipher suites, where a version is accepted that they can tell something of.
    async fn cipher_suites(&mut self) {
        let asker = self.seen.asker(self.asker());
        let runs = std::mem::take(&mut self.seen.runs);
        let asked =
            suite_hellos::ask(&asker, self.config.suites, &self.seen.connections, runs).await;
        trace!(address = %self.endpoint.address, port = self.endpoint.port, ?asked);
        self.cipher_suites = asked.map(|mut asked| {
            asked.cut_short = asked.cut_short.or_else(|| self.cut_short());
            asked
        });
    }
}

fn heard_plain(first: Option<&Exchange>) -> Heard {
    match first.map(|exchange| &exchange.result) {
        None => Heard::NoConnection,
        // TLS servers explain a plain request with a 400, each in its own words.
        Some(ExchangeResult::Answered(answer)) if points_to_tls(answer) => Heard::Unclear,
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

/// How TLS servers answer a plain request: a refusal, or a redirect to https.
fn points_to_tls(answer: &HttpAnswer) -> bool {
    match answer.status {
        400 | 403 | 426 | 497 => !docker_api::shows_docker(answer),
        300..=399 => answer.headers.get("location").is_some_and(|to| {
            to.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
        }),
        _ => false,
    }
}

fn heard_tls(negotiated: bool, end: Option<&StreamEnd>) -> Heard {
    match end {
        _ if negotiated => Heard::Yes,
        None => Heard::Yes,
        // HTTP servers answer a ClientHello in many forms, some without a status line.
        Some(StreamEnd::OtherProtocol { .. }) => Heard::Unclear,
        Some(StreamEnd::TimedOut { .. }) => Heard::Silence,
        Some(StreamEnd::Closed { .. } | StreamEnd::Reset) => Heard::Dropped,
        Some(_) => Heard::Yes,
    }
}
