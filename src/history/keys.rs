//! What a scan is told of earlier runs: endpoints to ask for, and keys to compare with.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;

use jiff::Timestamp;
use num_bigint::BigUint;
use rusqlite::params;

use super::record::{KEPT_IN_MIND, time, vantage};
use super::{History, HistoryError};
use crate::report::v1;
use crate::rules::fleet::{Past, PastHolder, PastModulus};

/// Moduli of earlier runs to compare with, those seen last: as many of 2048 bits go in one batch.
const MODULI: i64 = 65_536;

/// What earlier runs know that matters to a scan.
#[derive(Clone, Debug, Default)]
pub struct Recalled {
    /// Endpoints of the run that this one will be compared with, and holders of keys; maybe twice.
    pub expected: Vec<SocketAddr>,
    pub keys: Past,
}

impl History {
    /// What `scan` should know. `is_target` says whether it will ask a port.
    ///
    /// # Errors
    /// The database's.
    pub fn recall(
        &self,
        scan: &v1::Scan,
        is_target: impl Fn(SocketAddr) -> bool,
    ) -> Result<Recalled, HistoryError> {
        let mut expected = Vec::new();
        let since = scan.started_at.as_millisecond() - KEPT_IN_MIND;
        let is_recent = |last: Timestamp| last.as_millisecond() >= since;
        if let Some(run) = self.previous(scan)? {
            self.endpoints(run, |seen| {
                if seen.last_seen.is_none_or(is_recent) {
                    expected.push(SocketAddr::new(seen.address, seen.port));
                }
                ControlFlow::Continue(())
            })?;
        }
        let keys = self.keys(scan, is_target)?;
        // Whether they still hold their keys matters also where no run is compared with this one.
        let asked = keys.holders.iter().filter(|holder| holder.current && holder.asked);
        let asked = asked.filter(|holder| is_recent(holder.last_seen));
        expected.extend(asked.map(|holder| SocketAddr::new(holder.address, holder.port)));
        Ok(Recalled { expected, keys })
    }

    /// Keys that were known before `scan`. `is_target` says whether it asked a port.
    ///
    /// # Errors
    /// The database's.
    pub fn keys(
        &self,
        scan: &v1::Scan,
        is_target: impl Fn(SocketAddr) -> bool,
    ) -> Result<Past, HistoryError> {
        let read = || -> rusqlite::Result<Past> {
            let holders = self.holders(scan, is_target)?;
            Ok(Past { holders, moduli: self.moduli(&vantage(scan))? })
        };
        read().map_err(|error| self.error(error))
    }

    fn holders(
        &self,
        scan: &v1::Scan,
        is_target: impl Fn(SocketAddr) -> bool,
    ) -> rusqlite::Result<Vec<PastHolder>> {
        let (vantage, at) = (vantage(scan), scan.started_at.as_millisecond());
        let company = self.company(&vantage, at)?;
        let mut statement = self.connection.prepare(
            "SELECT o.proved_key, o.key_subject, e.name, e.address, e.port, max(o.engine_id),
                    min(o.first_seen), min(max(o.last_seen), ?2),
                    (SELECT min(max(last_seen), ?2) FROM observation
                     WHERE endpoint = e.id AND first_seen < ?2),
                    (SELECT max(run.started_at) FROM absent JOIN run ON run.id = absent.run
                     WHERE absent.endpoint = e.id AND absent.state = 'closed'
                         AND run.started_at < ?2)
             FROM observation AS o JOIN endpoint AS e ON e.id = o.endpoint
             WHERE o.proved_key IS NOT NULL AND e.vantage = ?1 AND o.first_seen < ?2
             GROUP BY o.proved_key, e.id",
        )?;
        let mut rows = statement.query(params![vantage, at])?;
        let mut holders = Vec::new();
        while let Some(row) = rows.next()? {
            let (key, endpoint): (String, String) = (row.get(0)?, row.get(2)?);
            let Some(address) = address(row, 3)? else { continue };
            let port = row.get(4)?;
            let last_seen: i64 = row.get(7)?;
            let (newest, closed): (i64, Option<i64>) = (row.get(8)?, row.get(9)?);
            let pair = (key.get(..16).unwrap_or_default().to_owned(), endpoint);
            let in_company = company.contains(&pair);
            holders.push(PastHolder {
                key,
                subject: row.get(1)?,
                endpoint: pair.1,
                address,
                port,
                engine_id: row.get(5)?,
                first_seen: time(row.get(6)?),
                last_seen: time(last_seen),
                current: newest == last_seen && closed.is_none_or(|closed| closed < last_seen),
                in_company,
                asked: is_target(SocketAddr::new(address, port)),
            });
        }
        Ok(holders)
    }

    /// Which endpoints were found with a reused key in one run: the key's first digits, as the
    /// finding's subject has them, and the endpoint.
    fn company(&self, vantage: &str, at: i64) -> rusqlite::Result<HashSet<(String, String)>> {
        let mut statement = self.connection.prepare(
            "SELECT DISTINCT f.subject, f.endpoints FROM fleet_finding AS f
             JOIN run ON run.id = f.run JOIN rule ON rule.id = f.rule
             WHERE rule.name = 'key-reused' AND run.vantage = ?1 AND run.started_at < ?2",
        )?;
        let mut rows = statement.query(params![vantage, at])?;
        let mut company = HashSet::new();
        while let Some(row) = rows.next()? {
            let (subject, endpoints): (Option<String>, String) = (row.get(0)?, row.get(1)?);
            let subject = subject.unwrap_or_default();
            let key = subject.strip_prefix("key ").unwrap_or_default();
            let endpoints: Vec<String> = serde_json::from_str(&endpoints).unwrap_or_default();
            company.extend(endpoints.into_iter().map(|endpoint| (key.to_owned(), endpoint)));
        }
        Ok(company)
    }

    /// Of every vantage: a prime that two keys share opens both, wherever they are.
    fn moduli(&self, vantage: &str) -> rusqlite::Result<Vec<PastModulus>> {
        let mut statement = self.connection.prepare(
            "SELECT m.modulus, m.exponent, e.name, e.address, e.port, e.vantage, max(o.last_seen)
             FROM modulus AS m JOIN shown_modulus AS s ON s.modulus = m.id
             JOIN observation AS o ON o.id = s.observation JOIN endpoint AS e ON e.id = o.endpoint
             GROUP BY m.id ORDER BY 7 DESC LIMIT ?1",
        )?;
        let mut rows = statement.query(params![MODULI])?;
        let mut moduli = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(address) = address(row, 3)? else { continue };
            let (modulus, exponent): (Vec<u8>, Option<Vec<u8>>) = (row.get(0)?, row.get(1)?);
            let (name, other): (String, String) = (row.get(2)?, row.get(5)?);
            moduli.push(PastModulus {
                modulus: BigUint::from_bytes_be(&modulus),
                exponent: exponent.map(|bytes| BigUint::from_bytes_be(&bytes)),
                endpoint: if other == vantage { name } else { format!("{name} from {other}") },
                address,
                port: row.get(4)?,
                last_seen: time(row.get(6)?),
            });
        }
        Ok(moduli)
    }
}

fn address(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<IpAddr>> {
    Ok(row.get::<_, String>(column)?.parse().ok())
}
