//! Report v1, the JSON that other programs read: same keys, same order, extended but never
//! reshaped. `schema/report-v1.json` is generated from these types.
//!
//! Every key is always written; what is not known is null, and says why beside it. Readers ignore
//! keys that they do not know, so a newer report stays readable.
//!
//! Strings that came from the network are kept as they were sent: see `json` and `sanitize` for
//! what makes them safe to show.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::observation::{Observation, VersionBody};

mod absent;
mod case;
mod certificate;
mod changes;
mod ciphers;
mod convert;
mod finding;
mod posture;
mod references;
mod summary;
mod tls;

pub use absent::{Absent, AbsentState};
pub use case::Case;
pub use certificate::{
    Certificate, Chain, Key, ParsedCertificate, SelfSignature, SubjectAltNames,
    UnparsableCertificate,
};
pub use changes::Changes;
pub use ciphers::{CipherClasses, CipherSuite, CipherSuites, Order};
pub use convert::Judged;
pub use finding::{Finding, FleetFinding, Suppression, UndeterminedRule};
pub use posture::{Containers, Posture, Setting};
pub use references::References;
pub use summary::{ByAccess, ByGrade, BySeverity, Summary};
pub use tls::{
    Answer, ClientAuth, EnforcedBy, KeyPossession, Negotiated, SupportStatus, Tls, Verified,
    VersionSupport,
};

/// Text that is the program's own, or was read from a report. Every finding of a rule shares its
/// words, so that memory grows with what is found and not with what is said about it.
pub type Text = Cow<'static, str>;

/// Everything that one scan found, and how completely it looked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "docksweep report v1")]
pub struct Report {
    pub schema: Schema,
    pub tool: Tool,
    pub scan: Scan,
    pub summary: Summary,
    /// What only shows across endpoints, such as a key used on several of them.
    pub fleet_findings: Vec<FleetFinding>,
    /// What is different from the run before. Null where no history was kept, or there was none.
    #[serde(default)]
    pub changes: Option<Changes>,
    /// By address, then port.
    pub endpoints: Vec<Endpoint>,
}

impl Report {
    /// Puts the endpoints in order and counts.
    pub fn new(
        tool: Tool,
        scan: Scan,
        fleet_findings: Vec<FleetFinding>,
        mut endpoints: Vec<Endpoint>,
    ) -> Self {
        // In place: a stable sort would hold half of them twice, and no two are of one port.
        endpoints.sort_unstable_by_key(|endpoint| (endpoint.address, endpoint.port));
        let summary = Summary::of(&fleet_findings, &endpoints);
        Self { schema: Schema::V1, tool, scan, summary, fleet_findings, changes: None, endpoints }
    }
}

/// The name of the format, so that a reader can tell before it reads on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Schema {
    #[serde(rename = "docksweep/report/v1")]
    V1,
}

/// What wrote the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    pub name: String,
    pub version: String,
    pub rules_version: String,
    /// The day of the advisory data that was judged by, if any was.
    pub data_date: Option<String>,
}

impl Tool {
    /// This program, with the day of the advisory data that it judges by.
    pub fn current(rules_version: impl Into<String>, data_date: Date) -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            rules_version: rules_version.into(),
            data_date: Some(data_date.to_string()),
        }
    }
}

/// What was asked for, and how much of it was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scan {
    pub id: String,
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: Timestamp,
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub finished_at: Timestamp,
    /// The command line.
    pub command: String,
    pub vantage: Vantage,
    pub targets: Vec<String>,
    pub excluded: Vec<String>,
    pub ports: Vec<u16>,
    pub engine: Engine,
    /// Of the order in which addresses were asked. Below 2^53, so that every JSON reader keeps it.
    pub seed: Option<u64>,
    /// Which part of a scan shared between machines, `2/5`.
    pub shard: Option<String>,
    /// Addresses to ask, each counted once and after exclusion.
    pub addresses: u64,
    pub counts: Counts,
    /// False where the scan was cut short: what is not in the report was then not looked at.
    pub complete: bool,
    pub incomplete_reason: Option<String>,
    /// Names of the target list that led to no address.
    pub unresolved: Vec<Unresolved>,
    pub notes: Vec<String>,
    /// SHA-256 in hex over the pairs of address and port that the targets, ports and excludes come
    /// to: scans of the same pairs have the same one. Null in reports of older versions.
    #[serde(default)]
    pub targets_digest: Option<String>,
    /// Endpoints that the history knows and that this run does not list, by address and port.
    /// Empty where no history was kept.
    #[serde(default)]
    pub absent: Vec<Absent>,
}

/// From where the network was looked at. Another place can see another network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vantage {
    pub label: Option<String>,
    pub source_addresses: Vec<IpAddr>,
}

/// How open ports were looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    Connect,
    Syn,
}

/// What became of the pairs of address and port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Probes sent, repeats included.
    pub sent: u64,
    pub open: u64,
    /// Refused by the address itself.
    pub closed: u64,
    /// A router or this machine said that there is no way.
    pub unreachable: u64,
    /// No answer: filtered, or nobody there.
    pub silent: u64,
    /// Not asked, because the scan was cut short.
    pub not_probed: u64,
    /// Pairs that something answered for: those open, closed and unreachable. Null in reports of
    /// older versions.
    #[serde(default)]
    pub answered: Option<u64>,
    /// Answers beyond the first to a probe. Null where they were not counted.
    #[serde(default)]
    pub duplicates: Option<u64>,
}

impl Counts {
    /// Those of both.
    #[must_use]
    pub const fn plus(self, other: &Self) -> Self {
        Self {
            sent: self.sent.saturating_add(other.sent),
            answered: Some(self.answered().saturating_add(other.answered())),
            open: self.open.saturating_add(other.open),
            closed: self.closed.saturating_add(other.closed),
            unreachable: self.unreachable.saturating_add(other.unreachable),
            silent: self.silent.saturating_add(other.silent),
            not_probed: self.not_probed.saturating_add(other.not_probed),
            duplicates: match (self.duplicates, other.duplicates) {
                (Some(mine), Some(theirs)) => Some(mine.saturating_add(theirs)),
                _ => None,
            },
        }
    }

    /// Also where the report does not say it.
    pub const fn answered(&self) -> u64 {
        self.open.saturating_add(self.closed).saturating_add(self.unreachable)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unresolved {
    pub name: String,
    pub reason: String,
}

/// One open port and all that was learnt about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Endpoint {
    /// Stable over runs: `tcp/127.0.0.5:2376`, `tcp/[::1]:2376`.
    pub id: String,
    pub address: IpAddr,
    pub port: u16,
    /// Names of the target list that led here.
    pub names: Vec<String>,
    /// The server name that was sent in TLS.
    pub sni: Option<String>,
    pub transport: Transport,
    /// What a stranger sees.
    pub api: Api,
    /// What supplied credentials saw; null where none were supplied.
    pub audit: Option<Audit>,
    /// Null where no TLS server answered.
    pub tls: Option<Tls>,
    pub baseline: Baseline,
    /// Worst first.
    pub findings: Vec<Finding>,
    pub rules_passed: Vec<Text>,
    /// Null while access is undetermined.
    pub grade: Option<Grade>,
    /// TCP connections that the probes made.
    pub connections: u64,
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub judged_at: Timestamp,
    /// Rules that apply and could not be answered.
    pub rules_undetermined: Vec<UndeterminedRule>,
    /// What the probes saw, so that newer rules can judge it again without the network.
    pub observation: Observation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    Plain,
    Tls,
    Undetermined,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Api {
    pub access: Access,
    pub reason: String,
    /// Null where nothing of the kind was seen.
    pub product: Option<Product>,
    pub engine_id: Option<String>,
    /// What stands between us and the engine, where it shows.
    pub intermediary: Option<String>,
    /// The `Server` header.
    pub server: Option<String>,
    pub paths: Vec<PathStatus>,
    /// The answer to `/version`.
    pub version: Option<Arc<VersionBody>>,
    /// How the engine is set up; null where its `/info` was not read.
    pub posture: Option<Posture>,
    /// Null unless containers were asked for and could be listed.
    pub containers: Option<Containers>,
    /// Whether this is a Docker API at all.
    pub docker: DockerApi,
}

/// What the API showed to the client certificate that was supplied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    pub status: AuditStatus,
    pub reason: String,
    /// The answer to `/version`.
    pub version: Option<Arc<VersionBody>>,
    pub engine_id: Option<String>,
    pub paths: Vec<PathStatus>,
    pub product: Option<Product>,
    /// As in `api`, by what the certificate saw.
    pub posture: Option<Posture>,
    pub containers: Option<Containers>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuditStatus {
    /// The certificate was not sent, for the reason given.
    NotPresented,
    /// It was sent, and turned away.
    Refused,
    /// `/version` was answered.
    Served,
    /// It was sent, and what came of it tells neither.
    Undetermined,
}

/// What a stranger may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// `/version`, `/info`, `/networks` and `/containers/json` all answer.
    Open,
    /// Some of them answer.
    Filtered,
    /// Refused, for another reason than a missing client certificate.
    Denied,
    /// Refused for want of one, in TLS or by HTTP.
    ClientCertificateRequired,
    /// Something else answers here.
    NotDocker,
    /// The answers, or their absence, do not tell.
    Undetermined,
}

impl Access {
    /// As the report spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Filtered => "filtered",
            Self::Denied => "denied",
            Self::ClientCertificateRequired => "client-certificate-required",
            Self::NotDocker => "not-docker",
            Self::Undetermined => "undetermined",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Product {
    DockerEngine,
    Podman,
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PathStatus {
    pub path: String,
    /// Null: no HTTP answer.
    pub status: Option<u16>,
    /// What was missing for this path to count as served.
    pub problem: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DockerApi {
    pub status: DockerApiStatus,
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DockerApiStatus {
    /// It named itself.
    Seen,
    /// It could not be seen, and the reason says what speaks for it.
    Probable,
    /// Nothing speaks for it.
    NotSeen,
}

/// Six questions of hardening, each with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    pub socket_not_exposed: Check,
    pub tls: Check,
    pub rootless: Check,
    pub up_to_date: Check,
    pub icc_disabled: Check,
    pub userns_remap: Check,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    pub status: CheckStatus,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckStatus {
    Pass,
    Fail,
    Unknown,
    NotApplicable,
}

/// By the worst finding: critical F, high D, medium C, low B, info or none A.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Grade {
    A,
    B,
    C,
    D,
    F,
}

#[cfg(test)]
mod tests;
