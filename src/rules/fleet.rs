//! What only shows across endpoints. `Fleet` keeps of each no more than its keys; the rules are
//! asked once all are known.

mod past;
mod reused;
mod shared_prime;
#[cfg(test)]
mod tests;

pub use past::{Past, PastHolder, PastModulus};

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use num_bigint::BigUint;
use sha2::{Digest as _, Sha256};

use super::finding_id;
use crate::assess::{Assessment, Product, TlsAssessment};
use crate::certificate::CertificateFacts;
use crate::certificate::key::RsaKey;
use crate::finding::{Finding, FleetFinding, Severity};
use crate::observation::{Connection, KeyPossession, Observation};

/// A rule over all endpoints of a scan; its texts are as those of [`super::Rule`].
#[derive(Debug)]
pub struct FleetRule {
    pub name: &'static str,
    pub severity: Severity,
    pub title: &'static str,
    pub why: &'static str,
    pub detection: &'static str,
    pub remediation: &'static str,
    pub cwe: Option<u16>,
    pub references: &'static [&'static str],
    pub check: fn(&Fleet) -> Vec<FleetViolation>,
}

/// What a fleet rule found, and on which endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetViolation {
    /// `None`: the rule's default.
    pub severity: Option<Severity>,
    /// What it is about, the same in every scan that sees it.
    pub subject: String,
    pub evidence: String,
    /// Ids, in the order of the scan's endpoints.
    pub endpoints: Vec<String>,
}

/// Every rule of the fleet, in the order in which `docksweep rules` lists them.
pub static FLEET: &[&FleetRule] = &[&reused::KEY_REUSED, &shared_prime::KEY_SHARED_PRIME];

/// Bits of RSA moduli of one endpoint that are compared, leaves first: a chain has a handful of keys,
/// and what an endpoint can cost must not be up to it.
const BITS_AN_ENDPOINT: u64 = 1 << 15;
/// How many endpoints an evidence names.
const NAMED: usize = 20;

/// The keys of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointKeys {
    place: Place,
    /// SHA-256 of the SubjectPublicKeyInfo whose private key the handshake proved, and its
    /// certificate's subject.
    proved: Option<(String, String)>,
    rsa: Vec<RsaKey>,
}

/// Where keys were seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    endpoint: String,
    address: IpAddr,
    port: u16,
    engine_id: Option<String>,
    /// `None`: in this run. Else an earlier one saw it last.
    last_seen: Option<Timestamp>,
}

impl EndpointKeys {
    pub fn of(observation: &Observation, assessment: &Assessment) -> Self {
        let endpoint = &observation.endpoint;
        let place = Place {
            endpoint: endpoint.id(),
            address: endpoint.address,
            port: endpoint.port,
            engine_id: engine_id(assessment),
            last_seen: None,
        };
        let Some(tls) = &assessment.tls else {
            return Self { place, proved: None, rsa: Vec::new() };
        };
        let proved = proved_leaf(observation, tls)
            .map(|facts| (facts.key.spki_sha256.clone(), facts.subject.clone()));
        Self { place, proved, rsa: rsa_keys(tls) }
    }

    /// The endpoint's id.
    pub fn endpoint(&self) -> &str {
        &self.place.endpoint
    }

    pub fn engine_id(&self) -> Option<&str> {
        self.place.engine_id.as_deref()
    }

    /// SHA-256 of the public key whose private half was proved, and its certificate's subject.
    pub fn proved(&self) -> Option<(&str, &str)> {
        self.proved.as_ref().map(|(spki, subject)| (spki.as_str(), subject.as_str()))
    }

    /// RSA keys of the chains, leaves first.
    pub fn rsa(&self) -> &[RsaKey] {
        &self.rsa
    }
}

/// Podman answers with another one each time.
fn engine_id(assessment: &Assessment) -> Option<String> {
    let audit = assessment.audit.as_ref();
    let seen = [
        (assessment.api.product, &assessment.api.engine_id),
        (audit.and_then(|audit| audit.product), audit.map_or(&None, |audit| &audit.engine_id)),
    ];
    seen.into_iter()
        .filter(|(product, _)| *product != Some(Product::Podman))
        .find_map(|(_, id)| id.clone())
}

/// The certificate of the handshake whose signature was checked.
fn proved_leaf<'a>(
    observation: &Observation,
    tls: &'a TlsAssessment,
) -> Option<&'a CertificateFacts> {
    if tls.key_possession != KeyPossession::Proved {
        return None;
    }
    let handshake = observation.connections.iter().find_map(|connection| match connection {
        Connection::Tls(tls) => Some(tls),
        _ => None,
    })?;
    let leaf = handshake.chain.as_ref()?.first()?;
    let sha256: [u8; 32] = Sha256::digest(&observation.certificates.get(*leaf)?.0).into();
    let sha256: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    tls.chains
        .iter()
        .filter_map(|chain| chain.certificates.first()?.facts())
        .find(|facts| facts.sha256 == sha256)
}

fn rsa_keys(tls: &TlsAssessment) -> Vec<RsaKey> {
    let leaves = tls.chains.iter().filter_map(|chain| chain.certificates.first());
    let others = tls.chains.iter().flat_map(|chain| chain.certificates.iter().skip(1));
    let mut keys: Vec<RsaKey> = Vec::new();
    let mut bits = 0;
    for facts in leaves.chain(others).filter_map(|certificate| certificate.facts()) {
        if let Some(Ok(key)) = facts.key.rsa()
            && !keys.contains(&key)
        {
            bits += key.modulus.bits();
            if bits > BITS_AN_ENDPOINT {
                break;
            }
            keys.push(key);
        }
    }
    keys
}

/// The keys of all endpoints, each once.
#[derive(Debug, Default)]
pub struct Fleet {
    places: Vec<Place>,
    /// By SHA-256 of the SubjectPublicKeyInfo.
    proved: BTreeMap<String, ProvedKey>,
    /// By modulus.
    rsa: BTreeMap<BigUint, ModulusSeen>,
    /// Who held which key in earlier runs, by SHA-256 of the SubjectPublicKeyInfo.
    past: BTreeMap<String, Vec<PastHolder>>,
}

#[derive(Debug, Default)]
struct ProvedKey {
    subject: String,
    /// Indices into the fleet's places.
    places: Vec<usize>,
}

#[derive(Debug, Default)]
struct ModulusSeen {
    /// The smallest, should keys have one modulus and several exponents.
    exponent: Option<BigUint>,
    places: Vec<usize>,
}

impl Fleet {
    pub fn add(&mut self, keys: EndpointKeys) {
        let EndpointKeys { place, proved, rsa } = keys;
        if proved.is_none() && rsa.is_empty() {
            return;
        }
        let at = self.places.len();
        self.places.push(place);
        if let Some((spki, subject)) = proved {
            let key = self.proved.entry(spki).or_default();
            // The least of several, whatever the order in which they come.
            if key.places.is_empty() || subject < key.subject {
                key.subject = subject;
            }
            key.places.push(at);
        }
        for RsaKey { modulus, exponent } in rsa {
            let seen = self.rsa.entry(modulus).or_default();
            seen.exponent = seen.exponent.take().into_iter().chain(exponent).min();
            if seen.places.last() != Some(&at) {
                seen.places.push(at);
            }
        }
    }

    /// Applies every rule; worst first. Endpoints may have been added in any order.
    pub fn judge(&self) -> Vec<FleetFinding> {
        let mut findings: Vec<FleetFinding> = FLEET
            .iter()
            .flat_map(|rule| (rule.check)(self).into_iter().map(|found| finding(rule, found)))
            .collect();
        findings.sort_by(|a, b| {
            let (a, b) = (&a.finding, &b.finding);
            b.severity
                .cmp(&a.severity)
                .then_with(|| (a.rule, &a.subject).cmp(&(b.rule, &b.subject)))
        });
        findings
    }

    /// The places at these indices, by address and port.
    fn sorted(&self, at: impl IntoIterator<Item = usize>) -> Vec<&Place> {
        let mut places: Vec<&Place> = at.into_iter().filter_map(|at| self.places.get(at)).collect();
        places.sort_by_key(|place| (place.address, place.port));
        places.dedup();
        places
    }
}

fn finding(rule: &FleetRule, found: FleetViolation) -> FleetFinding {
    FleetFinding {
        finding: Finding {
            id: finding_id(rule.name, "fleet", Some(&found.subject)),
            rule: rule.name,
            severity: found.severity.unwrap_or(rule.severity),
            subject: Some(found.subject),
            title: rule.title,
            evidence: found.evidence,
            remediation: Cow::Borrowed(rule.remediation),
            references: rule.references,
            cwe: rule.cwe,
        },
        endpoints: found.endpoints,
    }
}

/// `tcp/10.0.0.5:2376, tcp/10.0.0.6:2376 and 7 more`.
fn named(places: &[&Place]) -> String {
    let name = |place: &&Place| match place.last_seen {
        None => place.endpoint.clone(),
        Some(last) => format!("{} (last seen {})", place.endpoint, last.strftime("%Y-%m-%d")),
    };
    let mut text: Vec<String> = places.iter().take(NAMED).map(name).collect();
    let more = places.len().saturating_sub(NAMED);
    if more > 0 {
        text.push(format!("and {more} more"));
    }
    text.join(", ").replace(", and ", " and ")
}

/// Of this run's endpoints: those of earlier runs are named in the evidence alone.
fn ids(places: &[&Place]) -> Vec<String> {
    let present = places.iter().filter(|place| place.last_seen.is_none());
    present.map(|place| place.endpoint.clone()).collect()
}
