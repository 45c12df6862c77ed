//! What a comparison looks at: of each run its head, and of each endpoint a few facts.

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Deserialize;

use super::Run;
use crate::finding::Severity;
use crate::observation::{TlsVersion, VersionBody};
use crate::report::v1::{self, AbsentState};

/// One of two runs, without its endpoints.
#[derive(Clone, Debug)]
pub struct Side {
    pub run: Run,
    pub excluded: Vec<String>,
    pub ports: Vec<u16>,
    pub targets_digest: Option<String>,
    pub rules_version: Option<String>,
    /// The day of the advisories.
    pub data_date: Option<String>,
    /// By endpoint: what it says of those that it does not list.
    pub absent: HashMap<String, (AbsentState, String)>,
    /// `None`: the report does not say.
    pub fleet: Option<Vec<FleetSeen>>,
}

impl Side {
    pub fn new(scan: &v1::Scan, tool: Option<&v1::Tool>) -> Self {
        let absent = scan
            .absent
            .iter()
            .map(|v1::Absent { id, state, reason }| (id.clone(), (*state, reason.clone())));
        Self {
            run: Run {
                id: scan.id.clone(),
                started_at: scan.started_at,
                finished_at: scan.finished_at,
                vantage: scan.vantage.label.clone(),
                targets: scan.targets.clone(),
                complete: scan.complete,
            },
            excluded: scan.excluded.clone(),
            ports: scan.ports.clone(),
            targets_digest: scan.targets_digest.clone(),
            rules_version: tool.map(|tool| tool.rules_version.clone()),
            data_date: tool.and_then(|tool| tool.data_date.clone()),
            absent: absent.collect(),
            fleet: None,
        }
    }

    pub fn with_fleet(mut self, findings: &[v1::FleetFinding]) -> Self {
        self.fleet = Some(findings.iter().map(FleetSeen::from).collect());
        self
    }
}

/// An endpoint as one run saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    pub address: IpAddr,
    pub port: u16,
    /// Where the run itself did not reach it: when it was last seen.
    pub last_seen: Option<Timestamp>,
    pub facts: Facts,
    pub findings: Vec<FindingSeen>,
    pub passed: Vec<String>,
    pub undetermined: Vec<v1::UndeterminedRule>,
}

/// What is compared beside findings. `None` is not known, or not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub plain: bool,
    pub access: v1::Access,
    pub access_reason: String,
    /// Product and version.
    pub version: Option<String>,
    /// SHA-256 of the leaf, of several separated by blanks.
    pub certificate: Option<String>,
    pub tls: Option<TlsSeen>,
    pub grade: Option<v1::Grade>,
}

/// What is known of TLS, by the versions' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSeen {
    pub accepted: Vec<TlsVersion>,
    pub undetermined: Vec<TlsVersion>,
    /// The handshake proved that the server holds its key.
    pub key_proved: bool,
}

/// A finding, without what its rule alone says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FindingSeen {
    pub id: String,
    pub rule: String,
    pub severity: Severity,
    pub subject: Option<String>,
    pub title: String,
    pub evidence: String,
    pub suppressed: Option<v1::Suppression>,
}

/// A finding across endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetSeen {
    pub finding: FindingSeen,
    pub endpoints: Vec<String>,
}

impl From<&v1::Finding> for FindingSeen {
    fn from(finding: &v1::Finding) -> Self {
        Self {
            id: finding.id.clone(),
            rule: finding.rule.to_string(),
            severity: finding.severity,
            subject: finding.subject.clone(),
            title: finding.title.to_string(),
            evidence: finding.evidence.clone(),
            suppressed: finding.suppressed.clone(),
        }
    }
}

impl From<&v1::FleetFinding> for FleetSeen {
    fn from(fleet: &v1::FleetFinding) -> Self {
        Self { finding: (&fleet.finding).into(), endpoints: fleet.endpoints.clone() }
    }
}

impl From<&v1::Endpoint> for Seen {
    fn from(endpoint: &v1::Endpoint) -> Self {
        let leaf = |chain: &v1::Chain| {
            chain.certificates.first().map(|leaf| match leaf {
                v1::Certificate::Parsed(parsed) => parsed.sha256.clone(),
                v1::Certificate::Unparsable(not) => not.sha256.clone(),
            })
        };
        let tls = endpoint.tls.as_ref();
        let leaves = tls.into_iter().flat_map(|tls| tls.chains.iter().filter_map(leaf));
        let possession = tls.and_then(|tls| tls.negotiated.as_ref()).map(|it| it.key_possession);
        let versions = |tls: &v1::Tls| {
            TlsSeen::new(tls.versions.iter().map(|(version, it)| (*version, it.status)), possession)
        };
        Self {
            id: endpoint.id.clone(),
            address: endpoint.address,
            port: endpoint.port,
            last_seen: None,
            facts: Facts {
                plain: endpoint.transport == v1::Transport::Plain,
                access: endpoint.api.access,
                access_reason: endpoint.api.reason.clone(),
                version: version_text(endpoint.api.product, endpoint.api.version.as_deref()),
                certificate: joined(leaves.collect()),
                tls: tls.map(versions),
                grade: endpoint.grade,
            },
            findings: endpoint.findings.iter().map(FindingSeen::from).collect(),
            passed: endpoint.rules_passed.iter().map(ToString::to_string).collect(),
            undetermined: endpoint.rules_undetermined.clone(),
        }
    }
}

impl TlsSeen {
    fn new(
        versions: impl Iterator<Item = (TlsVersion, v1::SupportStatus)>,
        possession: Option<v1::KeyPossession>,
    ) -> Self {
        let mut seen =
            Self { key_proved: possession == Some(v1::KeyPossession::Proved), ..Self::default() };
        for (version, status) in versions {
            match status {
                v1::SupportStatus::Accepted => seen.accepted.push(version),
                v1::SupportStatus::Undetermined => seen.undetermined.push(version),
                v1::SupportStatus::Refused => {}
            }
        }
        seen
    }
}

fn version_text(product: Option<v1::Product>, version: Option<&VersionBody>) -> Option<String> {
    let product = match product? {
        v1::Product::DockerEngine => "docker-engine",
        v1::Product::Podman => "podman",
        v1::Product::Unknown => "unknown",
    };
    Some(format!("{product} {}", version?.version.as_ref()?))
}

/// The same for the same leaves, in whatever order they were shown.
fn joined(mut leaves: Vec<String>) -> Option<String> {
    leaves.sort();
    leaves.dedup();
    (!leaves.is_empty()).then(|| leaves.join(" "))
}

/// An endpoint of a stored report, as far as it is compared: the observation, nine tenths of it, is
/// passed over.
#[derive(Debug, Deserialize)]
pub struct StoredEndpoint {
    id: String,
    address: IpAddr,
    port: u16,
    transport: v1::Transport,
    api: StoredApi,
    tls: Option<StoredTls>,
    findings: Vec<FindingSeen>,
    rules_passed: Vec<String>,
    #[serde(default)]
    rules_undetermined: Vec<v1::UndeterminedRule>,
    grade: Option<v1::Grade>,
}

#[derive(Debug, Deserialize)]
struct StoredApi {
    access: v1::Access,
    reason: String,
    product: Option<v1::Product>,
    version: Option<VersionBody>,
}

#[derive(Debug, Deserialize)]
struct StoredTls {
    versions: HashMap<TlsVersion, StoredSupport>,
    negotiated: Option<StoredHandshake>,
    chains: Vec<StoredChain>,
}

#[derive(Debug, Deserialize)]
struct StoredSupport {
    status: v1::SupportStatus,
}

#[derive(Debug, Deserialize)]
struct StoredHandshake {
    key_possession: v1::KeyPossession,
}

#[derive(Debug, Deserialize)]
struct StoredChain {
    certificates: Vec<StoredCertificate>,
}

#[derive(Debug, Deserialize)]
struct StoredCertificate {
    sha256: String,
}

impl From<StoredEndpoint> for Seen {
    fn from(stored: StoredEndpoint) -> Self {
        let StoredEndpoint { id, address, port, transport, api, tls, findings, .. } = stored;
        let leaves = tls.as_ref().map_or_else(Vec::new, |tls| {
            let leaves = tls.chains.iter().filter_map(|chain| chain.certificates.first());
            leaves.map(|leaf| leaf.sha256.clone()).collect()
        });
        let tls = tls.map(|tls| {
            let mut versions: Vec<_> =
                tls.versions.iter().map(|(version, it)| (*version, it.status)).collect();
            versions.sort_unstable_by_key(|(version, _)| *version);
            TlsSeen::new(versions.into_iter(), tls.negotiated.map(|it| it.key_possession))
        });
        Self {
            id,
            address,
            port,
            last_seen: None,
            facts: Facts {
                plain: transport == v1::Transport::Plain,
                access: api.access,
                version: version_text(api.product, api.version.as_ref()),
                access_reason: api.reason,
                certificate: joined(leaves),
                tls,
                grade: stored.grade,
            },
            findings,
            passed: stored.rules_passed,
            undetermined: stored.rules_undetermined,
        }
    }
}
