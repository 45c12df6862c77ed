//! One private key on several hosts.

use std::collections::HashMap;

use super::{Fleet, FleetRule, FleetViolation, Place, ids, named};
use crate::finding::Severity;

pub static KEY_REUSED: FleetRule = FleetRule {
    name: "key-reused",
    severity: Severity::High,
    title: "One private key on several hosts",
    why: "Who takes one of these hosts has the key of all: they can pose as each of them, and \
          nothing short of a new key on every one ends that.",
    detection: "Servers on different addresses proved in their handshakes that they hold the \
                private key of the same public key. The same address or the same engine ID counts \
                as one host. Several addresses of one host are told apart from several hosts only \
                where the engine ID shows. With a history, earlier runs count too: a host that was \
                found with the key beside another one, or that this run did not ask and that had it \
                while another one had it too. A key that moved to another address is not reused.",
    remediation: "Give each host a key of its own, made on that host and never copied, and a \
                  certificate for it:\
                  \n\n    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \\\
                  \n      -subj \"/CN=$(hostname -f)\" -keyout server-key.pem -out server.csr\
                  \n\nLook for the key in images, templates and configuration management, from \
                  where it was copied.",
    cwe: Some(321),
    references: &["NIST SP 800-57 part 1 revision 5, section 5.2 (key usage)"],
    check,
};

fn check(fleet: &Fleet) -> Vec<FleetViolation> {
    fleet
        .proved
        .iter()
        .filter_map(|(spki, key)| {
            let present = fleet.sorted(key.places.iter().copied());
            let past = fleet.still_held(spki, &present);
            let mut places: Vec<&Place> = present.into_iter().chain(&past).collect();
            places.sort_by_key(|place| (place.address, place.port));
            let hosts = hosts(&places);
            if hosts < 2 {
                return None;
            }
            let unknown = places.iter().filter(|place| place.engine_id.is_none()).count();
            let doubt = match unknown {
                0 => String::new(),
                _ => format!(
                    "; {unknown} of them do not show an engine ID, by which two addresses of one \
                     host could be told"
                ),
            };
            Some(FleetViolation {
                severity: None,
                subject: format!("key {}", spki.get(..16).unwrap_or(spki)),
                evidence: format!(
                    "{hosts} hosts proved in the handshake to hold the private key whose public \
                     half has SHA-256 {spki} ({}): {}{doubt}",
                    key.subject,
                    named(&places)
                ),
                endpoints: ids(&places),
            })
        })
        .collect()
}

/// How many hosts these are: places with one address, or one engine ID, are one host.
fn hosts(places: &[&Place]) -> usize {
    let mut parents: Vec<usize> = (0..places.len()).collect();
    let mut addresses = HashMap::new();
    let mut engines = HashMap::new();
    for (at, place) in places.iter().enumerate() {
        let same_address = *addresses.entry(place.address).or_insert(at);
        let same_engine = match &place.engine_id {
            Some(id) => *engines.entry(id).or_insert(at),
            None => at,
        };
        for other in [same_address, same_engine] {
            let (a, b) = (root(&mut parents, at), root(&mut parents, other));
            if let Some(parent) = parents.get_mut(a) {
                *parent = b;
            }
        }
    }
    (0..places.len()).filter(|at| parents.get(*at) == Some(at)).count()
}

/// The first of the set that `at` belongs to; shortens the way there (union-find).
fn root(parents: &mut [usize], mut at: usize) -> usize {
    while let Some(&parent) = parents.get(at)
        && parent != at
    {
        let grandparent = parents.get(parent).copied().unwrap_or(parent);
        if let Some(parent) = parents.get_mut(at) {
            *parent = grandparent;
        }
        at = grandparent;
    }
    at
}
