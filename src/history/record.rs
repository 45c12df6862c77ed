//! Keeps a run: one transaction, so that a run is there whole or not at all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use jiff::Timestamp;
use num_bigint::BigUint;
use rusqlite::{OptionalExtension as _, Transaction, TransactionBehavior, params};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::read::previous;
use super::{History, HistoryError};
use crate::diff::Seen;
use crate::finding::Severity;
use crate::observation::TlsVersion;
use crate::report::v1;
use crate::rules::fleet::EndpointKeys;

/// What becomes of a run that is to be kept.
#[derive(Debug)]
pub enum Begun<'h> {
    /// Its endpoints are to come.
    New(Box<Recording<'h>>),
    /// A run with this id was kept before, by this number, and was complete.
    Before(i64),
}

impl History {
    /// Begins to keep a run. What is not finished is not kept. A run that was cut short gives way to
    /// one of the same id.
    ///
    /// # Errors
    /// The database's.
    pub fn begin(&mut self, scan: &v1::Scan, tool: &v1::Tool) -> Result<Begun<'_>, HistoryError> {
        let Self { path, connection } = self;
        let sqlite = |source| HistoryError::of(path, source);
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
        let run = match begin(&transaction, scan, tool).map_err(sqlite)? {
            Place::New(run) => run,
            Place::Taken(run) => return Ok(Begun::Before(run)),
        };
        Ok(Begun::New(Box::new(Recording {
            path,
            transaction,
            run,
            vantage: vantage(scan),
            at: scan.started_at.as_millisecond(),
            rules: HashMap::new(),
            passed: HashMap::new(),
            summary: v1::Summary::default(),
        })))
    }

    /// What a query's error means.
    pub(super) fn error(&self, source: rusqlite::Error) -> HistoryError {
        HistoryError::of(&self.path, source)
    }
}

/// The label, or nothing.
pub(super) fn vantage(scan: &v1::Scan) -> String {
    scan.vantage.label.clone().unwrap_or_default()
}

/// The words by which a scan was asked for: a name may lead elsewhere tomorrow, and a list in a file
/// grow, which makes another digest of the same scan.
pub(super) fn scope(scan: &v1::Scan) -> String {
    let (mut targets, mut excluded) = (scan.targets.clone(), scan.excluded.clone());
    targets.sort();
    excluded.sort();
    spelled(&(targets, excluded, &scan.ports, &scan.shard))
}

/// A value in JSON. The types here are all strings, numbers and lists of them.
pub(super) fn spelled(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

enum Place {
    New(i64),
    Taken(i64),
}

fn begin(
    transaction: &Transaction<'_>,
    scan: &v1::Scan,
    tool: &v1::Tool,
) -> rusqlite::Result<Place> {
    let known: Option<(i64, bool)> = transaction
        .query_row("SELECT id, complete FROM run WHERE scan_id = ?1", [&scan.id], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    match known {
        Some((run, true)) => return Ok(Place::Taken(run)),
        // Of a run that is gone on with, the endpoints come all again.
        Some((run, false)) => transaction.execute("DELETE FROM run WHERE id = ?1", [run])?,
        None => 0,
    };
    transaction.execute(
        "INSERT INTO run (scan_id, vantage, scope, targets_digest, shard, started_at, finished_at,
                          complete, endpoints, worst, scan, tool, summary)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, NULL, ?9, ?10, '')",
        params![
            scan.id,
            vantage(scan),
            scope(scan),
            scan.targets_digest,
            scan.shard,
            scan.started_at.as_millisecond(),
            scan.finished_at.as_millisecond(),
            scan.complete,
            spelled(scan),
            spelled(tool),
        ],
    )?;
    Ok(Place::New(transaction.last_insert_rowid()))
}

/// A run that is being kept.
#[derive(Debug)]
pub struct Recording<'a> {
    path: &'a Path,
    transaction: Transaction<'a>,
    run: i64,
    vantage: String,
    /// When the run started, in milliseconds.
    at: i64,
    /// By name, each title with its number: one as a rule.
    rules: HashMap<String, Vec<(String, i64)>>,
    passed: HashMap<String, i64>,
    summary: v1::Summary,
}

/// What an observation's digest is made of beside its findings.
#[derive(Serialize)]
struct Row<'a> {
    plain: bool,
    access: &'a str,
    access_reason: &'a str,
    version: Option<&'a str>,
    engine_id: Option<&'a str>,
    certificate: Option<&'a str>,
    tls_accepted: Option<String>,
    tls_undetermined: Option<String>,
    grade: Option<String>,
    proved_key: Option<&'a str>,
    key_subject: Option<&'a str>,
    rules_passed: String,
    rules_undetermined: String,
}

impl Recording<'_> {
    /// # Errors
    /// The database's.
    pub fn add(
        &mut self,
        endpoint: &v1::Endpoint,
        keys: &EndpointKeys,
    ) -> Result<(), HistoryError> {
        self.try_add(endpoint, keys).map_err(|error| HistoryError::of(self.path, error))
    }

    fn try_add(&mut self, endpoint: &v1::Endpoint, keys: &EndpointKeys) -> rusqlite::Result<()> {
        self.summary.add(endpoint);
        let seen = Seen::from(endpoint);
        let place = self.endpoint(&seen.id, seen.address, seen.port)?;
        let proved = keys.proved();
        let row = Row {
            plain: seen.facts.plain,
            access: seen.facts.access.name(),
            access_reason: &seen.facts.access_reason,
            version: seen.facts.version.as_deref(),
            engine_id: keys.engine_id(),
            certificate: seen.facts.certificate.as_deref(),
            tls_accepted: seen.facts.tls.as_ref().map(|tls| names(&tls.accepted)),
            tls_undetermined: seen.facts.tls.as_ref().map(|tls| names(&tls.undetermined)),
            grade: seen.facts.grade.map(|grade| format!("{grade:?}")),
            proved_key: proved.map(|(spki, _)| spki),
            key_subject: proved.map(|(_, subject)| subject),
            rules_passed: seen.passed.join(" "),
            rules_undetermined: spelled(&seen.undetermined),
        };
        let digest = digest(&row, &seen);
        let known: Option<i64> = self
            .transaction
            .prepare_cached(
                "UPDATE observation SET first_seen = min(first_seen, ?3), last_seen = max(last_seen, ?3)
                 WHERE endpoint = ?1 AND digest = ?2 RETURNING id",
            )?
            .query_row(params![place, digest.as_slice(), self.at], |row| row.get(0))
            .optional()?;
        let observation = match known {
            Some(id) => id,
            None => self.observation(place, &digest, &row, &seen, keys)?,
        };
        self.transaction
            .prepare_cached("INSERT INTO seen (run, observation) VALUES (?1, ?2)")?
            .execute([self.run, observation])?;
        Ok(())
    }

    fn endpoint(&self, name: &str, address: IpAddr, port: u16) -> rusqlite::Result<i64> {
        let known = self
            .transaction
            .prepare_cached("SELECT id FROM endpoint WHERE vantage = ?1 AND name = ?2")?
            .query_row([&self.vantage, name], |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok(id);
        }
        self.transaction
            .prepare_cached(
                "INSERT INTO endpoint (vantage, name, address, port, place)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .insert(params![self.vantage, name, address.to_string(), port, place(address, port)])
    }

    fn observation(
        &mut self,
        endpoint: i64,
        digest: &[u8],
        row: &Row<'_>,
        seen: &Seen,
        keys: &EndpointKeys,
    ) -> rusqlite::Result<i64> {
        let passed = self.passed(&row.rules_passed)?;
        let observation = self
            .transaction
            .prepare_cached(
                "INSERT INTO observation (endpoint, digest, first_seen, last_seen, plain, access,
                     access_reason, version, engine_id, certificate, tls_accepted,
                     tls_undetermined, grade, proved_key, key_subject, rules_passed,
                     rules_undetermined)
                 VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
                         ?16)",
            )?
            .insert(params![
                endpoint,
                digest,
                self.at,
                row.plain,
                row.access,
                row.access_reason,
                row.version,
                row.engine_id,
                row.certificate,
                row.tls_accepted,
                row.tls_undetermined,
                row.grade,
                row.proved_key,
                row.key_subject,
                passed,
                row.rules_undetermined,
            ])?;
        for (number, finding) in (0_i64..).zip(&seen.findings) {
            let rule = self.rule(&finding.rule, &finding.title)?;
            self.transaction
                .prepare_cached(
                    "INSERT INTO finding
                         (observation, number, id, rule, severity, subject, evidence, suppressed)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    observation,
                    number,
                    finding.id,
                    rule,
                    finding.severity.name(),
                    finding.subject,
                    finding.evidence,
                    finding.suppressed.as_ref().map(spelled),
                ])?;
        }
        for key in keys.rsa() {
            let modulus = self.modulus(&key.modulus, key.exponent.as_ref())?;
            self.transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO shown_modulus (observation, modulus) VALUES (?1, ?2)",
                )?
                .execute([observation, modulus])?;
        }
        Ok(observation)
    }

    fn passed(&mut self, rules: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.passed.get(rules) {
            return Ok(*id);
        }
        let id = self.transaction.query_row(
            "INSERT INTO rules_passed (rules) VALUES (?1)
             ON CONFLICT DO UPDATE SET rules = rules RETURNING id",
            [rules],
            |row| row.get(0),
        )?;
        self.passed.insert(rules.to_owned(), id);
        Ok(id)
    }

    fn rule(&mut self, name: &str, title: &str) -> rusqlite::Result<i64> {
        let titles = self.rules.get(name).map(Vec::as_slice).unwrap_or_default();
        if let Some((_, id)) = titles.iter().find(|(known, _)| known == title) {
            return Ok(*id);
        }
        let id = self.transaction.query_row(
            "INSERT INTO rule (name, title) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET title = title RETURNING id",
            [name, title],
            |row| row.get(0),
        )?;
        self.rules.entry(name.to_owned()).or_default().push((title.to_owned(), id));
        Ok(id)
    }

    fn modulus(&self, modulus: &BigUint, exponent: Option<&BigUint>) -> rusqlite::Result<i64> {
        let bytes = modulus.to_bytes_be();
        let digest = Sha256::digest(&bytes);
        let known = self
            .transaction
            .prepare_cached("SELECT id FROM modulus WHERE sha256 = ?1")?
            .query_row([digest.as_slice()], |row| row.get(0))
            .optional()?;
        match known {
            Some(id) => Ok(id),
            None => self
                .transaction
                .prepare_cached(
                    "INSERT INTO modulus (sha256, modulus, exponent) VALUES (?1, ?2, ?3)",
                )?
                .insert(params![digest.as_slice(), bytes, exponent.map(BigUint::to_bytes_be)]),
        }
    }

    /// Keeps the run, once all endpoints are there, and returns its number.
    ///
    /// # Errors
    /// The database's; nothing is kept then.
    pub fn finish(
        self,
        scan: &v1::Scan,
        fleet_findings: &[v1::FleetFinding],
    ) -> Result<i64, HistoryError> {
        let path = self.path;
        self.try_finish(scan, fleet_findings).map_err(|error| HistoryError::of(path, error))
    }

    fn try_finish(
        mut self,
        scan: &v1::Scan,
        fleet_findings: &[v1::FleetFinding],
    ) -> rusqlite::Result<i64> {
        self.fleet(fleet_findings)?;
        self.absent(scan)?;
        let worst = Severity::WORST_FIRST
            .into_iter()
            .find(|severity| self.summary.by_severity.of(*severity) > 0);
        self.transaction.execute(
            "UPDATE run SET endpoints = ?2, worst = ?3, summary = ?4, scan = ?5 WHERE id = ?1",
            params![
                self.run,
                i64::try_from(self.summary.endpoints).unwrap_or(i64::MAX),
                worst.map(Severity::name),
                spelled(&self.summary),
                spelled(scan),
            ],
        )?;
        self.transaction.commit()?;
        Ok(self.run)
    }

    fn fleet(&mut self, fleet_findings: &[v1::FleetFinding]) -> rusqlite::Result<()> {
        for fleet in fleet_findings {
            self.summary.add_fleet(fleet);
            let finding = &fleet.finding;
            let rule = self.rule(&finding.rule, &finding.title)?;
            self.transaction.execute(
                "INSERT OR IGNORE INTO fleet_finding
                     (run, id, rule, severity, subject, evidence, suppressed, endpoints)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    self.run,
                    finding.id,
                    rule,
                    finding.severity.name(),
                    finding.subject,
                    finding.evidence,
                    finding.suppressed.as_ref().map(spelled),
                    spelled(&fleet.endpoints),
                ],
            )?;
        }
        Ok(())
    }

    /// Endpoints that are not in this run, with what was last known of them before it, so that they
    /// are not forgotten while they are away. `CROSS JOIN` keeps SQLite from going through the whole
    /// run for each.
    fn absent(&self, scan: &v1::Scan) -> rusqlite::Result<()> {
        for absent in &scan.absent {
            self.transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO absent (run, endpoint, state, observation)
                     SELECT ?1, endpoint.id, ?4,
                            (SELECT seen.observation FROM observation
                             JOIN seen ON seen.observation = observation.id
                             JOIN run ON run.id = seen.run
                             WHERE observation.endpoint = endpoint.id AND run.started_at < ?5
                             ORDER BY run.started_at DESC, run.id DESC LIMIT 1)
                     FROM endpoint WHERE vantage = ?2 AND name = ?3
                         AND NOT EXISTS (SELECT 1 FROM observation AS it
                                         CROSS JOIN seen
                                             ON seen.observation = it.id AND seen.run = ?1
                                         WHERE it.endpoint = endpoint.id)",
                )?
                .execute(params![
                    self.run,
                    self.vantage,
                    absent.id,
                    absent.state.name(),
                    self.at
                ])?;
        }
        // A report that knew of no earlier run, as of shards, says no word of who is not in it.
        if scan.complete
            && let Some(previous) = previous(&self.transaction, scan)?
        {
            self.transaction.execute(
                "INSERT OR IGNORE INTO absent (run, endpoint, state, observation)
                 SELECT ?1, observation.endpoint, ?3, observation.id
                 FROM (SELECT observation FROM seen WHERE run = ?2
                       UNION ALL
                       SELECT observation FROM absent
                       WHERE run = ?2 AND observation IS NOT NULL
                           AND state NOT IN ('closed', 'not-in-targets')) AS met
                 JOIN observation ON observation.id = met.observation
                 WHERE observation.last_seen >= ?4
                     AND NOT EXISTS (SELECT 1 FROM seen
                                     WHERE run = ?1 AND observation = met.observation)
                     AND NOT EXISTS (SELECT 1 FROM observation AS it
                                     CROSS JOIN seen
                                         ON seen.observation = it.id AND seen.run = ?1
                                     WHERE it.endpoint = observation.endpoint)",
                params![self.run, previous, UNSAID, self.at - KEPT_IN_MIND],
            )?;
        }
        Ok(())
    }
}

/// The state of an absent endpoint of which the run says no word.
pub(super) const UNSAID: &str = "unsaid";

/// How long an endpoint that is not reached is asked for again, in milliseconds.
pub(super) const KEPT_IN_MIND: i64 = 30 * 86_400_000;

fn names(versions: &[TlsVersion]) -> String {
    versions.iter().map(|version| version.name()).collect::<Vec<_>>().join(" ")
}

/// Sorts as the report does.
fn place(address: IpAddr, port: u16) -> Vec<u8> {
    let mut place = match address {
        IpAddr::V4(address) => [&[4], address.octets().as_slice()].concat(),
        IpAddr::V6(address) => [&[6], address.octets().as_slice()].concat(),
    };
    place.extend(port.to_be_bytes());
    place
}

fn digest(row: &Row<'_>, seen: &Seen) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add(&spelled(row));
    for finding in &seen.findings {
        add(&finding.id);
        add(&finding.rule);
        add(&finding.title);
        add(finding.severity.name());
        add(&finding.evidence);
        add(&finding.suppressed.as_ref().map(spelled).unwrap_or_default());
    }
    hash.finalize().into()
}

/// Milliseconds as they are kept; what no clock shows becomes the epoch.
pub(super) fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}
