//! What a probe saw on one endpoint: exchanges and bytes, no judgement.
//!
//! `Observation` is a versioned wire type. Reports store it beside the verdicts, so that newer
//! rules can judge an old scan again. Everything in it came from a peer that may be hostile: the
//! probes bound every string and list before it gets here, and nothing here is safe to print.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod posture;
mod suite_runs;
pub mod suites;
pub mod versions;

use posture::{ContainerBody, ContainerList, InfoBody, NetworksBody};
pub use suite_runs::{SuiteEnd, SuiteObservation, SuiteRun, SuitesAsked};

/// The version that new observations carry.
pub const OBSERVATION_VERSION: u32 = 1;

/// All that was exchanged with one endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observation {
    pub version: u32,
    pub endpoint: Endpoint,
    /// When the first connection was opened.
    #[schemars(with = "String")]
    pub observed_at: Timestamp,
    /// One entry per TCP connection, in the order in which they were opened.
    pub connections: Vec<Connection>,
    /// Every distinct certificate seen, in the order first seen; chains refer to it by index.
    pub certificates: Vec<Der>,
    /// Why the probe stopped before it had asked everything, if it did.
    pub cut_short: Option<String>,
    /// What a client certificate brought; `None` where none was given. All else in here was seen
    /// without it.
    #[serde(default)]
    pub audit: Option<AuditObservation>,
    /// What a certificate that nobody vouches for brought; `None` where that was not asked for.
    #[serde(default)]
    pub untrusted: Option<UntrustedObservation>,
    /// Which cipher suites were asked for, and the answers; `None` where none were. Apart from
    /// `connections`, as such a hello may be turned down for its suites alone, and says nothing of
    /// versions, chains or client certificates.
    #[serde(default)]
    pub cipher_suites: Option<SuiteObservation>,
}

/// The address that was asked, and the names by which it was found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Endpoint {
    pub address: IpAddr,
    pub port: u16,
    /// Host names of the target list that resolved to this address.
    pub names: Vec<String>,
    /// The name sent as TLS server name indication.
    pub sni: Option<String>,
}

impl Endpoint {
    /// The report's stable identity, `tcp/127.0.0.5:2376` or `tcp/[::1]:2376`.
    pub fn id(&self) -> String {
        format!("tcp/{}", std::net::SocketAddr::new(self.address, self.port))
    }
}

/// One TCP connection and what it was for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "purpose", rename_all = "kebab-case")]
pub enum Connection {
    /// HTTP without TLS.
    Plain(PlainConnection),
    /// A complete TLS handshake with HTTP inside it.
    Tls(TlsConnection),
    /// A hand-built ClientHello, answered or not; the handshake is not finished.
    Hello(HelloConnection),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlainConnection {
    /// Set when no connection was made.
    pub connect_error: Option<StreamEnd>,
    pub exchanges: Vec<Exchange>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TlsConnection {
    pub offered: Vec<TlsVersion>,
    /// What was agreed, as far as the handshake got.
    pub negotiated: Option<Negotiated>,
    /// Indices into `Observation::certificates`, leaf first. `None`: no Certificate message came.
    pub chain: Option<Vec<usize>>,
    pub key_possession: KeyPossession,
    pub certificate_request: Option<CertificateRequest>,
    /// How the handshake ended short of completion; `None` when it completed.
    pub handshake_end: Option<StreamEnd>,
    /// Requests inside the handshake. In TLS 1.3 a refused client certificate shows only here.
    pub exchanges: Vec<Exchange>,
}

/// The connections on which a client certificate was to be presented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditObservation {
    /// Why the certificate was sent to nobody; `None` where it was sent.
    pub not_presented: Option<String>,
    pub connections: Vec<TlsConnection>,
}

/// The connection on which a throwaway client certificate was to be presented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UntrustedObservation {
    /// Why it was not sent; `None` where it was.
    pub not_presented: Option<String>,
    /// `None` where it was known beforehand that there is nothing to try.
    pub connection: Option<Box<TlsConnection>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Negotiated {
    pub version: TlsVersion,
    /// IANA name.
    pub cipher_suite: String,
    pub alpn: Option<String>,
    /// Named group of the key exchange, IANA name.
    pub group: Option<String>,
}

/// Whether the peer's handshake signature showed that it holds the certificate's private key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", content = "because", rename_all = "kebab-case")]
pub enum KeyPossession {
    Proved,
    /// The signature was checked by a verifier that supports this key and scheme, and is wrong.
    Failed,
    /// No verifier here supports this key, scheme or certificate version.
    Unverifiable(String),
    /// No signed handshake message was reached.
    Untested,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateRequest {
    /// DER of the acceptable issuers' names, at most `MAX_ISSUER_BYTES` in all.
    pub issuers: Vec<Der>,
    /// How many the peer listed, also those not kept.
    pub issuers_total: usize,
}

impl CertificateRequest {
    /// Bound on the kept names together; a system bundle of CAs is about half of it.
    pub const MAX_ISSUER_BYTES: usize = 32 * 1024;

    /// Keeps the names in the peer's order until the bound is reached, and counts them all.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut kept = Vec::new();
        let (mut bytes, mut issuers_total) = (0usize, 0usize);
        for name in names {
            issuers_total += 1;
            bytes = bytes.saturating_add(name.len()).saturating_add(24);
            if bytes <= Self::MAX_ISSUER_BYTES {
                kept.push(Der(name.to_vec()));
            }
        }
        Self { issuers: kept, issuers_total }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HelloConnection {
    pub offered: Vec<TlsVersion>,
    /// Size of the ClientHello record sent.
    pub hello_bytes: usize,
    pub answer: HelloAnswer,
    #[serde(default)]
    pub form: HelloForm,
    /// A server name that nobody gave, sent to a server that refused every hello without one.
    #[serde(default)]
    pub made_up_name: Option<String>,
    /// How many of the connections just before this one in the list were still under way when it
    /// was opened: what became of those came after it.
    #[serde(default)]
    pub beside: usize,
}

impl HelloConnection {
    /// A hello of the usual form, opened after all before it had ended.
    pub fn new(offered: Vec<TlsVersion>, hello_bytes: usize, answer: HelloAnswer) -> Self {
        let form = HelloForm::Usual;
        Self { offered, hello_bytes, answer, form, made_up_name: None, beside: 0 }
    }
}

/// What a hand-built ClientHello for versions has besides them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HelloForm {
    /// Common suites and, above SSL 3.0, extensions.
    #[default]
    Usual,
    /// Common suites, and no extension.
    WithoutExtensions,
    /// Anonymous suites, suites without encryption and those of a shared key, and no others.
    RareSuites,
    /// SSL 3.0 with the server name as its extension, which only later versions have.
    Ssl3WithName,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum HelloAnswer {
    ServerHello(ServerHelloFlight),
    Alert { level: u8, description: u8 },
    NoAnswer { end: StreamEnd },
}

/// The server's first flight, as far as it can be read without a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerHelloFlight {
    /// The version chosen: `supported_versions` where present, else the legacy field.
    pub version: u16,
    pub cipher_suite: u16,
    /// A HelloRetryRequest: the version is chosen, the key share is not.
    pub retry_request: bool,
    /// The random ends in one of RFC 8446's downgrade sentinels (section 4.1.3).
    pub downgrade_sentinel: bool,
    /// Indices into `Observation::certificates`; in clear only up to TLS 1.2.
    pub chain: Option<Vec<usize>>,
    pub certificate_request: Option<CertificateRequest>,
    /// ServerHelloDone was read, so what is absent from the flight was not sent.
    pub complete: bool,
    /// What broke or cut the flight. With `complete`, only a list in it was cut or malformed, and
    /// the entries before that are kept.
    pub end: Option<StreamEnd>,
}

/// How waiting for bytes ended without the bytes waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum StreamEnd {
    /// `connect()` failed; `error` is the system's text.
    ConnectFailed {
        error: String,
    },
    /// This machine had no descriptor, buffer or port to try with: says nothing about the peer.
    LocalShortage {
        error: String,
    },
    /// Orderly end of stream after `received` bytes of what was being read.
    Closed {
        received: u64,
    },
    Reset,
    TimedOut {
        waited_ms: u64,
    },
    /// A TLS alert from the peer.
    Alert {
        level: u8,
        description: u8,
    },
    /// One of our own byte caps.
    TooLarge {
        limit: u64,
    },
    /// The peer spoke another protocol; at most 64 bytes of it.
    OtherProtocol {
        first_bytes: Der,
    },
    /// The right protocol, but not to be made sense of.
    Malformed {
        reason: String,
    },
    /// rustls gave up for a reason of its own: the versions, suites or groups do not meet.
    Incompatible {
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exchange {
    /// The path of a GET request.
    pub path: String,
    pub result: ExchangeResult,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExchangeResult {
    Answered(Box<HttpAnswer>),
    Unanswered(StreamEnd),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpAnswer {
    pub status: u16,
    /// The headers that identify a product, names in lower case, values cut to 256 bytes.
    pub headers: Headers,
    pub body: Body,
}

/// A few headers by name; an object in JSON. A map would cost ten times the memory of its one or
/// two entries, for every answer that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Cow<'static, str>, String)>);

impl Headers {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl<N: Into<Cow<'static, str>>> FromIterator<(N, String)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, String)>>(headers: I) -> Self {
        let mut kept: Vec<_> =
            headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
        kept.sort_unstable();
        kept.shrink_to_fit();
        Self(kept)
    }
}

impl Serialize for Headers {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<String, String>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl JsonSchema for Headers {
    fn schema_name() -> Cow<'static, str> {
        "Headers".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        BTreeMap::<String, String>::json_schema(generator)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Body {
    /// Bytes received.
    pub bytes: u64,
    /// How reading the body ended early; `None` when it was received whole.
    pub end: Option<StreamEnd>,
    pub json: JsonShape,
    /// The first 200 bytes of a body that is not kept otherwise, where it helps to tell who
    /// answered: errors, redirects, pages. Never of `/containers/json`, `/info` or `/networks`.
    pub excerpt: Option<String>,
    /// `/version`, where the body is a JSON object.
    pub version: Option<Arc<VersionBody>>,
    /// `ID` of `/info`.
    pub engine_id: Option<String>,
    /// `/info`, where the body is a JSON object.
    #[serde(default)]
    pub info: Option<Box<InfoBody>>,
    /// `/networks`, where the body is a JSON array.
    #[serde(default)]
    pub networks: Option<Box<NetworksBody>>,
    /// `/containers/json?all=1`, where the body is a JSON array.
    #[serde(default)]
    pub container_list: Option<Box<ContainerList>>,
    /// `/containers/ID/json`, where the body is a JSON object.
    #[serde(default)]
    pub container: Option<Box<ContainerBody>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JsonShape {
    #[default]
    NotJson,
    Object,
    Array,
    Scalar,
}

/// The fields of Docker's `/version` answer, each as it was sent or absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionBody {
    pub platform_name: Option<String>,
    pub version: Option<String>,
    pub api_version: Option<String>,
    pub min_api_version: Option<String>,
    pub git_commit: Option<String>,
    pub go_version: Option<String>,
    pub os: Option<String>,
    pub arch: Option<String>,
    pub kernel_version: Option<String>,
    pub build_time: Option<String>,
    pub experimental: Option<bool>,
    pub components: Vec<Component>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Component {
    pub name: String,
    pub version: String,
    pub git_commit: Option<String>,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum TlsVersion {
    #[serde(rename = "SSLv3")]
    Ssl3,
    #[serde(rename = "TLSv1.0")]
    Tls10,
    #[serde(rename = "TLSv1.1")]
    Tls11,
    #[serde(rename = "TLSv1.2")]
    Tls12,
    #[serde(rename = "TLSv1.3")]
    Tls13,
}

impl TlsVersion {
    pub const ALL: [Self; 5] = [Self::Ssl3, Self::Tls10, Self::Tls11, Self::Tls12, Self::Tls13];

    /// The number on the wire (RFC 6101, 2246, 4346, 5246, 8446).
    pub const fn wire(self) -> u16 {
        match self {
            Self::Ssl3 => 0x0300,
            Self::Tls10 => 0x0301,
            Self::Tls11 => 0x0302,
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }

    pub fn from_wire(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.wire() == number)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Ssl3 => "SSLv3",
            Self::Tls10 => "TLSv1.0",
            Self::Tls11 => "TLSv1.1",
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Bytes exactly as the peer sent them; base64 in JSON.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Der(pub Vec<u8>);

impl fmt::Debug for Der {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Der({} bytes)", self.0.len())
    }
}

impl Serialize for Der {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Der {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Der {
    fn schema_name() -> Cow<'static, str> {
        "Base64".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "contentEncoding": "base64" })
    }
}
