//! Keys of earlier runs, to compare with.
//!
//! A key that is seen at another address is not thereby reused: hosts move, and leases run out. So a
//! holder of then counts beside those of now only where both are known to have had the key at a time.

use std::net::IpAddr;

use jiff::Timestamp;
use num_bigint::BigUint;

use super::{Fleet, ModulusSeen, Place};

/// What earlier runs know of keys.
#[derive(Clone, Debug, Default)]
pub struct Past {
    pub holders: Vec<PastHolder>,
    pub moduli: Vec<PastModulus>,
}

/// An endpoint that proved in earlier runs that it holds a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastHolder {
    /// SHA-256 of the SubjectPublicKeyInfo, lower-case hex.
    pub key: String,
    /// Of the certificate.
    pub subject: Option<String>,
    pub endpoint: String,
    pub address: IpAddr,
    pub port: u16,
    pub engine_id: Option<String>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// Nothing newer is known of it: no other key, no closed port.
    pub current: bool,
    /// It was found with this key in the same run as another host.
    pub in_company: bool,
    /// This run asks it again.
    pub asked: bool,
}

/// An RSA modulus that earlier runs saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastModulus {
    pub modulus: BigUint,
    pub exponent: Option<BigUint>,
    /// Where it was seen last.
    pub endpoint: String,
    pub address: IpAddr,
    pub port: u16,
    pub last_seen: Timestamp,
}

impl Fleet {
    /// Adds what earlier runs know. Endpoints that are in this run count as they are now.
    pub fn remember(&mut self, past: Past) {
        for holder in past.holders {
            self.past.entry(holder.key.clone()).or_default().push(holder);
        }
        for PastModulus { modulus, exponent, endpoint, address, port, last_seen } in past.moduli {
            let at = self.places.len();
            self.places.push(Place {
                endpoint,
                address,
                port,
                engine_id: None,
                last_seen: Some(last_seen),
            });
            let seen = self.rsa.entry(modulus).or_default();
            // Where this run shows the modulus, that says more than where it was.
            if seen.places.is_empty() {
                seen.exponent = exponent;
                seen.places.push(at);
            }
        }
    }

    /// Whether an endpoint of this run showed the modulus.
    pub(super) fn is_present(&self, seen: &ModulusSeen) -> bool {
        let mut places = seen.places.iter().filter_map(|at| self.places.get(*at));
        places.any(|place| place.last_seen.is_none())
    }

    /// Holders of a key in earlier runs that count beside those of this run.
    pub(super) fn still_held(&self, spki: &str, present: &[&Place]) -> Vec<Place> {
        let holders = self.past.get(spki).map(Vec::as_slice).unwrap_or_default();
        let is_present =
            |holder: &PastHolder| present.iter().any(|place| place.endpoint == holder.endpoint);
        let known_since =
            holders.iter().filter(|holder| is_present(holder)).map(|it| it.first_seen).min();
        holders
            .iter()
            .filter(|holder| holder.current && !is_present(holder))
            .filter(|holder| {
                let at_a_time = known_since.is_some_and(|since| since <= holder.last_seen);
                holder.in_company || (!holder.asked && at_a_time)
            })
            .map(|holder| Place {
                endpoint: holder.endpoint.clone(),
                address: holder.address,
                port: holder.port,
                engine_id: holder.engine_id.clone(),
                last_seen: Some(holder.last_seen),
            })
            .collect()
    }
}
