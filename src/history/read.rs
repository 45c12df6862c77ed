//! What is kept: runs, their endpoints in the report's order, and what is known of an address.

use std::net::IpAddr;
use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Statement, params};
use serde::de::DeserializeOwned;
use serde::de::value::{Error as ValueError, StrDeserializer};

use super::record::{UNSAID, scope, time, vantage};
use super::{History, HistoryError};
use crate::diff::side::{Facts, FindingSeen, FleetSeen, Seen, Side, TlsSeen};
use crate::observation::TlsVersion;
use crate::report::v1::{self, AbsentState};

/// A run, for a list of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Its number here.
    pub number: i64,
    pub scan: v1::Scan,
    pub summary: v1::Summary,
    /// The worst severity that is not suppressed.
    pub worst: Option<String>,
}

/// What is known of an endpoint over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub endpoint: String,
    pub vantage: Option<String>,
    pub periods: Vec<Period>,
}

/// Runs one after the other that saw the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// When the first and the last of them started.
    pub first: Timestamp,
    pub last: Timestamp,
    pub runs: u64,
    /// Numbers of the first and the last of them.
    pub numbers: (i64, i64),
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Seen(Box<Seen>),
    Absent(AbsentState),
    /// The run does not list it, and says no word of it.
    Unsaid,
}

/// What an observation's columns are, in the order of `seen_of`.
const OBSERVED: &str = "observation.id, endpoint.name, endpoint.address, endpoint.port,
    observation.plain, observation.access, observation.access_reason, observation.version,
    observation.certificate, observation.tls_accepted, observation.tls_undetermined,
    observation.grade, observation.proved_key IS NOT NULL, rules_passed.rules,
    observation.rules_undetermined";

impl History {
    /// All runs, the earliest first.
    ///
    /// # Errors
    /// The database's.
    pub fn runs(&self) -> Result<Vec<RunRow>, HistoryError> {
        let read = || -> rusqlite::Result<Vec<RunRow>> {
            let mut statement = self
                .connection
                .prepare("SELECT id, scan, summary, worst FROM run ORDER BY started_at, id")?;
            let rows = statement.query_map([], |row| {
                Ok(RunRow {
                    number: row.get(0)?,
                    scan: json(row, 1)?,
                    summary: json(row, 2)?,
                    worst: row.get(3)?,
                })
            })?;
            rows.collect()
        };
        read().map_err(|error| self.error(error))
    }

    /// The run of this number or `scan.id`.
    ///
    /// # Errors
    /// There is none; or the database's.
    pub fn run(&self, name: &str) -> Result<i64, HistoryError> {
        self.connection
            .query_row(
                "SELECT id FROM run WHERE scan_id = ?1 OR CAST(id AS TEXT) = ?1
                 ORDER BY scan_id = ?1 DESC LIMIT 1",
                [name],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| self.error(error))?
            .ok_or_else(|| HistoryError::NoRun { path: self.path.clone(), run: name.to_owned() })
    }

    /// The last complete run before `scan` of the same vantage and targets: the same pairs of address
    /// and port, or else the same words.
    ///
    /// # Errors
    /// The database's.
    pub fn previous(&self, scan: &v1::Scan) -> Result<Option<i64>, HistoryError> {
        previous(&self.connection, scan).map_err(|error| self.error(error))
    }

    /// The last complete run and the one before it of the same targets.
    ///
    /// # Errors
    /// The database's.
    pub fn last_two(&self) -> Result<Option<(i64, i64)>, HistoryError> {
        let last: Option<(i64, v1::Scan)> = self
            .connection
            .query_row(
                "SELECT id, scan FROM run WHERE complete ORDER BY started_at DESC, id DESC LIMIT 1",
                [],
                |row| Ok((row.get(0)?, json(row, 1)?)),
            )
            .optional()
            .map_err(|error| self.error(error))?;
        let Some((last, scan)) = last else { return Ok(None) };
        Ok(self.previous(&scan)?.map(|before| (before, last)))
    }

    /// All of a run but its endpoints.
    ///
    /// # Errors
    /// The database's.
    pub fn side(&self, run: i64) -> Result<Side, HistoryError> {
        let read = || -> rusqlite::Result<Side> {
            let (scan, tool): (v1::Scan, v1::Tool) = self.connection.query_row(
                "SELECT scan, tool FROM run WHERE id = ?1",
                [run],
                |row| Ok((json(row, 0)?, json(row, 1)?)),
            )?;
            let mut side = Side::new(&scan, Some(&tool));
            let mut statement = self.connection.prepare(
                "SELECT f.id, rule.name, f.severity, f.subject, rule.title, f.evidence,
                        f.suppressed, f.endpoints
                 FROM fleet_finding AS f JOIN rule ON rule.id = f.rule WHERE f.run = ?1
                 ORDER BY f.id",
            )?;
            let rows = statement.query_map([run], |row| {
                Ok(FleetSeen { finding: finding(row)?, endpoints: json(row, 7)? })
            })?;
            side.fleet = Some(rows.collect::<rusqlite::Result<_>>()?);
            Ok(side)
        };
        read().map_err(|error| self.error(error))
    }

    /// The endpoints of a run by address and port, and those that it could not reach, as they were
    /// seen last.
    ///
    /// # Errors
    /// The database's.
    pub fn endpoints(
        &self,
        run: i64,
        mut each: impl FnMut(Seen) -> ControlFlow<()>,
    ) -> Result<(), HistoryError> {
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(&format!(
                "SELECT {OBSERVED}, CASE WHEN away THEN ifnull(
                     (SELECT max(run.started_at) FROM seen JOIN run ON run.id = seen.run
                      WHERE seen.observation = met.observation
                          AND run.started_at < (SELECT started_at FROM run WHERE id = ?1)),
                     observation.last_seen) END
                 FROM (SELECT observation, 0 AS away FROM seen WHERE run = ?1
                       UNION ALL
                       SELECT observation, 1 FROM absent
                       WHERE run = ?1 AND observation IS NOT NULL
                           AND state NOT IN ('closed', 'not-in-targets')) AS met
                 JOIN observation ON observation.id = met.observation
                 JOIN endpoint ON endpoint.id = observation.endpoint
                 JOIN rules_passed ON rules_passed.id = observation.rules_passed
                 ORDER BY endpoint.place"
            ))?;
            let mut findings = self.connection.prepare(FINDINGS)?;
            let mut rows = statement.query([run])?;
            while let Some(row) = rows.next()? {
                let last_seen: Option<i64> = row.get(15)?;
                let seen = Seen { last_seen: last_seen.map(time), ..seen_of(row, &mut findings)? };
                if each(seen).is_break() {
                    break;
                }
            }
            Ok(())
        };
        read().map_err(|error| self.error(error))
    }

    /// What is known of an address, an endpoint and vantage each.
    ///
    /// # Errors
    /// The database's.
    pub fn address(&self, address: IpAddr) -> Result<Vec<Known>, HistoryError> {
        let read = || -> rusqlite::Result<Vec<Known>> {
            let mut statement = self.connection.prepare(
                "SELECT id, name, vantage FROM endpoint WHERE address = ?1 ORDER BY place, vantage",
            )?;
            let endpoints = statement.query_map([address.to_string()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
            })?;
            endpoints
                .map(|endpoint| {
                    let (id, name, vantage) = endpoint?;
                    let vantage = Some(vantage).filter(|label| !label.is_empty());
                    Ok(Known { endpoint: name, vantage, periods: self.periods(id)? })
                })
                .collect()
        };
        read().map_err(|error| self.error(error))
    }

    fn periods(&self, endpoint: i64) -> rusqlite::Result<Vec<Period>> {
        let mut statement = self.connection.prepare(
            "SELECT run.id, run.started_at, seen.observation AS observation, NULL AS state
             FROM observation JOIN seen ON seen.observation = observation.id
             JOIN run ON run.id = seen.run WHERE observation.endpoint = ?1
             UNION ALL
             SELECT run.id, run.started_at, NULL, absent.state
             FROM absent JOIN run ON run.id = absent.run WHERE absent.endpoint = ?1
             ORDER BY 2, 1",
        )?;
        let mut one = self.connection.prepare(&format!(
            "SELECT {OBSERVED} FROM observation JOIN endpoint ON endpoint.id = observation.endpoint
             JOIN rules_passed ON rules_passed.id = observation.rules_passed
             WHERE observation.id = ?1"
        ))?;
        let mut findings = self.connection.prepare(FINDINGS)?;
        let mut periods: Vec<Period> = Vec::new();
        // Of the last period: its observation, or the state of the absent.
        let mut same: Option<(Option<i64>, Option<String>)> = None;
        let mut rows = statement.query([endpoint])?;
        while let Some(row) = rows.next()? {
            let (number, started): (i64, i64) = (row.get(0)?, row.get(1)?);
            let what: (Option<i64>, Option<String>) = (row.get(2)?, row.get(3)?);
            if same.as_ref() == Some(&what)
                && let Some(period) = periods.last_mut()
            {
                period.last = time(started);
                period.runs += 1;
                period.numbers.1 = number;
                continue;
            }
            let state = match &what {
                (Some(observation), _) => {
                    let seen = one.query_row([observation], |row| seen_of(row, &mut findings))?;
                    State::Seen(Box::new(seen))
                }
                (None, Some(state)) if state != UNSAID => State::Absent(word(state)?),
                (None, _) => State::Unsaid,
            };
            let (first, last) = (time(started), time(started));
            periods.push(Period { first, last, runs: 1, numbers: (number, number), state });
            same = Some(what);
        }
        Ok(periods)
    }
}

/// As [`History::previous`].
pub(super) fn previous(connection: &Connection, scan: &v1::Scan) -> rusqlite::Result<Option<i64>> {
    connection
        .query_row(
            "SELECT id FROM run
             WHERE vantage = ?1 AND (scope = ?2 OR (targets_digest = ?3 AND shard IS ?4))
                 AND complete AND started_at <= ?5 AND scan_id <> ?6
             ORDER BY targets_digest IS ?3 DESC, started_at DESC, id DESC LIMIT 1",
            params![
                vantage(scan),
                scope(scan),
                scan.targets_digest,
                scan.shard,
                scan.started_at.as_millisecond(),
                scan.id
            ],
            |row| row.get(0),
        )
        .optional()
}

const FINDINGS: &str =
    "SELECT finding.id, rule.name, severity, subject, rule.title, evidence, suppressed
    FROM finding JOIN rule ON rule.id = finding.rule WHERE observation = ?1 ORDER BY number";

fn seen_of(row: &Row<'_>, findings: &mut Statement<'_>) -> rusqlite::Result<Seen> {
    let observation: i64 = row.get(0)?;
    let (accepted, undetermined): (Option<String>, Option<String>) = (row.get(9)?, row.get(10)?);
    let key_proved = row.get(12)?;
    let tls = accepted.map(|accepted| -> rusqlite::Result<TlsSeen> {
        Ok(TlsSeen {
            accepted: versions(&accepted)?,
            undetermined: versions(undetermined.as_deref().unwrap_or_default())?,
            key_proved,
        })
    });
    let address: String = row.get(2)?;
    let grade: Option<String> = row.get(11)?;
    let passed: String = row.get(13)?;
    let findings = findings.query_map([observation], finding)?;
    Ok(Seen {
        id: row.get(1)?,
        address: address.parse().map_err(|error| not_ours(2, error))?,
        port: row.get(3)?,
        last_seen: None,
        facts: Facts {
            plain: row.get(4)?,
            access: word(&row.get::<_, String>(5)?)?,
            access_reason: row.get(6)?,
            version: row.get(7)?,
            certificate: row.get(8)?,
            tls: tls.transpose()?,
            grade: grade.as_deref().map(word).transpose()?,
        },
        findings: findings.collect::<rusqlite::Result<_>>()?,
        passed: passed.split_whitespace().map(str::to_owned).collect(),
        undetermined: json(row, 14)?,
    })
}

/// The columns id, rule, severity, subject, title, evidence, suppressed.
fn finding(row: &Row<'_>) -> rusqlite::Result<FindingSeen> {
    let suppressed: Option<String> = row.get(6)?;
    Ok(FindingSeen {
        id: row.get(0)?,
        rule: row.get(1)?,
        severity: word(&row.get::<_, String>(2)?)?,
        subject: row.get(3)?,
        title: row.get(4)?,
        evidence: row.get(5)?,
        suppressed: suppressed
            .map(|text| serde_json::from_str(&text).map_err(|error| not_ours(6, error)))
            .transpose()?,
    })
}

fn versions(names: &str) -> rusqlite::Result<Vec<TlsVersion>> {
    names.split_whitespace().map(word).collect()
}

/// A word as the report spells it.
fn word<'de, T: serde::Deserialize<'de>>(text: &'de str) -> rusqlite::Result<T> {
    T::deserialize(StrDeserializer::<ValueError>::new(text)).map_err(|error| not_ours(0, error))
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| not_ours(column, error))
}

/// A value that this program did not write.
fn not_ours(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}
