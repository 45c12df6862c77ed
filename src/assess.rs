//! From what was seen to what it means: access, product, client authentication, versions.
//!
//! Pure: no network, file or clock, so that a stored observation can be judged again. Every
//! conclusion is a value with its reason, or "undetermined" with its reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::assess::posture::Posture;
use crate::certificate::Certificate;
use crate::cipher_suite::{CipherClass, CipherSuite};
use crate::observation::posture::ContainerBody;
pub use crate::observation::suites::ServerOrder;
use crate::observation::{
    Connection, Exchange, ExchangeResult, HelloAnswer, KeyPossession, Negotiated, Observation,
    StreamEnd, SuiteRun, TlsVersion, VersionBody,
};

mod api;
mod audit;
mod ciphers;
mod client_auth;
pub mod posture;
mod tls;
mod untrusted;

/// Judges what was seen.
pub fn assess(observation: &Observation) -> Assessment {
    let transport = transport(observation);
    let tls = (transport == Transport::Tls).then(|| tls::assess(observation));
    let api = api::assess(observation, transport, tls.as_ref());
    let audit = observation.audit.as_ref().map(audit::assess);
    let audited = observation.audit.as_ref().map_or(0, |audit| audit.connections.len());
    let untrusted = observation.untrusted.as_ref().and_then(|seen| seen.connection.as_ref());
    let for_suites = observation.cipher_suites.iter().flat_map(|asked| &asked.runs);
    let for_suites: usize = for_suites.map(SuiteRun::connections).sum();
    let connections =
        observation.connections.len() + audited + usize::from(untrusted.is_some()) + for_suites;
    Assessment { transport, api, tls, audit, connections }
}

/// What the peer speaks, by what it said.
fn transport(observation: &Observation) -> Transport {
    // Bytes that do not even look like TLS end as another protocol, so these were TLS.
    let in_tls = |end: &StreamEnd| {
        matches!(
            end,
            StreamEnd::Alert { .. }
                | StreamEnd::Malformed { .. }
                | StreamEnd::Incompatible { .. }
                | StreamEnd::TooLarge { .. }
        )
    };
    let spoke_tls = observation.connections.iter().any(|connection| match connection {
        Connection::Plain(_) => false,
        Connection::Tls(tls) => {
            tls.negotiated.is_some()
                || tls.chain.is_some()
                || tls.handshake_end.as_ref().is_some_and(in_tls)
        }
        Connection::Hello(hello) => match &hello.answer {
            HelloAnswer::NoAnswer { end } => in_tls(end),
            HelloAnswer::ServerHello(_) | HelloAnswer::Alert { .. } => true,
        },
    });
    if spoke_tls {
        return Transport::Tls;
    }
    let spoke_plain = plain_exchanges(observation).any(|exchange| match &exchange.result {
        ExchangeResult::Answered(answer) => !api::asks_for_tls(answer),
        ExchangeResult::Unanswered(end) => matches!(
            end,
            StreamEnd::OtherProtocol { .. }
                | StreamEnd::Malformed { .. }
                | StreamEnd::TooLarge { .. }
                | StreamEnd::Closed { received: 1.. }
        ),
    });
    let banner_to_hello = observation.connections.iter().any(|connection| match connection {
        Connection::Tls(tls) => {
            matches!(tls.handshake_end, Some(StreamEnd::OtherProtocol { .. }))
        }
        _ => false,
    });
    if spoke_plain || banner_to_hello { Transport::Plain } else { Transport::Undetermined }
}

fn plain_exchanges(observation: &Observation) -> impl Iterator<Item = &Exchange> {
    observation.connections.iter().flat_map(|connection| match connection {
        Connection::Plain(plain) => plain.exchanges.as_slice(),
        _ => &[],
    })
}

fn tls_exchanges(observation: &Observation) -> impl Iterator<Item = &Exchange> {
    observation.connections.iter().flat_map(|connection| match connection {
        Connection::Tls(tls) => tls.exchanges.as_slice(),
        _ => &[],
    })
}

/// What an observation amounts to.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    pub transport: Transport,
    pub api: ApiAssessment,
    /// Set where a TLS server answered.
    pub tls: Option<TlsAssessment>,
    /// What a client certificate brought, where one was given.
    pub audit: Option<Audit>,
    /// TCP connections that it took: also the audit's, the untrusted certificate's, and those for
    /// cipher suites.
    pub connections: usize,
}

impl Assessment {
    /// How the engine is set up, by who saw it: the credentials if they were served, else a
    /// stranger. `None` where neither read its `/info`.
    pub fn posture(&self) -> Option<&Posture> {
        self.audit.as_ref().and_then(|audit| audit.posture.as_ref()).or(self.api.posture.as_ref())
    }

    /// Set where containers were asked for and could be listed, by the credentials or a stranger.
    pub fn containers(&self) -> Option<&Containers> {
        let audited = self.audit.as_ref().and_then(|audit| audit.containers.as_ref());
        audited.or(self.api.containers.as_ref())
    }

    /// The engine's `/version`, by the credentials or a stranger.
    pub fn engine_version(&self) -> Option<&VersionBody> {
        let audited = self.audit.as_ref().and_then(|audit| audit.version.as_deref());
        audited.or(self.api.version.as_deref())
    }
}

/// The containers of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containers {
    pub total: usize,
    /// Those whose settings could be read.
    pub inspected: Vec<ContainerBody>,
}

/// What the API showed to the client certificate that was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    pub status: AuditStatus,
    pub reason: String,
    pub product: Option<Product>,
    pub version: Option<Arc<VersionBody>>,
    pub engine_id: Option<String>,
    pub paths: Vec<PathStatus>,
    pub posture: Option<Posture>,
    pub containers: Option<Containers>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditStatus {
    /// Nobody was shown the certificate.
    NotPresented,
    /// It was shown, and turned away in TLS or by HTTP status.
    Refused,
    /// A real `/version` was answered.
    Served,
    /// It was shown, and what came of it tells neither.
    Undetermined,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Plain,
    Tls,
    Undetermined,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ApiAssessment {
    /// What a stranger may do.
    pub access: Access,
    pub reason: String,
    /// Whether this is a Docker API at all.
    pub docker: DockerApi,
    /// `None` where nothing of the kind was seen.
    pub product: Option<Product>,
    pub engine_id: Option<String>,
    /// What stands between us and the engine, where it shows.
    pub intermediary: Option<String>,
    /// The `Server` header.
    pub server: Option<String>,
    pub paths: Vec<PathStatus>,
    pub version: Option<Arc<VersionBody>>,
    /// How the engine is set up, where its `/info` was read.
    pub posture: Option<Posture>,
    /// Set where containers were asked for and could be listed.
    pub containers: Option<Containers>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// All four read-only paths answered 200 with what Docker sends there.
    Open,
    /// A real `/version`, but not all of the four.
    Filtered,
    /// 401 or 403 for another reason than a missing client certificate.
    Denied,
    ClientCertificateRequired,
    NotDocker,
    Undetermined,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerApi {
    /// It named itself: a `/version` of Docker's shape, or a header that only such an API sends.
    Seen,
    /// A port that demands a client certificate, where Docker's is the usual reason.
    Probable(String),
    NotSeen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    DockerEngine,
    Podman,
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStatus {
    pub path: String,
    /// `None`: no HTTP answer.
    pub status: Option<u16>,
    /// What was missing for this path to count as served, in words.
    pub problem: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TlsAssessment {
    /// All five, always.
    pub versions: BTreeMap<TlsVersion, VersionSupport>,
    pub negotiated: Option<Negotiated>,
    pub key_possession: KeyPossession,
    pub client_auth: ClientAuth,
    pub ciphers: CipherAssessment,
    pub chains: Vec<Chain>,
    /// Why `chains` is empty, where it is.
    pub chains_missing: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionSupport {
    pub status: SupportStatus,
    /// The bytes or rule that show it.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SupportStatus {
    Accepted,
    Refused,
    Undetermined,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CipherAssessment {
    /// All six, always.
    pub classes: BTreeMap<CipherClass, ClassSupport>,
    /// Of any suite, at any version.
    pub forward_secrecy: VersionSupport,
    /// Of each accepted version, where all suites were asked for.
    pub suites: Option<BTreeMap<TlsVersion, SuiteList>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSupport {
    pub status: SupportStatus,
    pub reason: String,
    /// Suites that were chosen, newest version first; there may be more.
    pub accepted: Vec<(TlsVersion, CipherSuite)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteList {
    /// In the server's order, if it has one, else by number.
    pub suites: Vec<CipherSuite>,
    pub order: ServerOrder,
    /// Why there may be more, if there may.
    pub incomplete: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    pub requested: Answer,
    pub required: Answer,
    /// Where it is enforced, if it is.
    pub enforced_by: Option<EnforcedBy>,
    pub verified: Verified,
    /// What the answer on verification rests on, or why there is none.
    pub verified_reason: String,
    /// What the first three values rest on.
    pub reason: String,
    /// DER of the acceptable issuers' names.
    pub acceptable_issuers: Vec<Vec<u8>>,
    pub acceptable_issuers_total: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
    Undetermined,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnforcedBy {
    /// The handshake (in TLS 1.3, the first read after it) is refused.
    Tls,
    /// TLS completes, and every request is answered with an error.
    Http,
}

/// Whether a certificate from nowhere is turned away; needs a probe that presents one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// It was refused.
    Yes,
    /// It was let in, where a stranger without a certificate is not.
    No,
    /// Nobody tried, or there is nothing to try.
    Untested,
    /// It was to be tried, and what came of it tells neither.
    Undetermined,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    pub seen_in: Vec<TlsVersion>,
    /// Leaf first, as sent.
    pub certificates: Vec<Certificate>,
}
