//! Forgets old runs, and what only they saw.

use jiff::Timestamp;
use rusqlite::TransactionBehavior;

use super::{History, HistoryError};

/// What no run refers to any more, children first.
const ORPHANS: &str = "
    CREATE TEMP TABLE orphan (id INTEGER PRIMARY KEY);
    INSERT INTO orphan
        SELECT id FROM observation
        WHERE NOT EXISTS (SELECT 1 FROM seen WHERE seen.observation = observation.id)
            AND NOT EXISTS (SELECT 1 FROM absent WHERE absent.observation = observation.id);
    DELETE FROM finding WHERE observation IN (SELECT id FROM orphan);
    DELETE FROM shown_modulus WHERE observation IN (SELECT id FROM orphan);
    DELETE FROM observation WHERE id IN (SELECT id FROM orphan);
    DROP TABLE orphan;
    DELETE FROM modulus
        WHERE NOT EXISTS (SELECT 1 FROM shown_modulus WHERE shown_modulus.modulus = modulus.id);
    DELETE FROM endpoint
        WHERE NOT EXISTS (SELECT 1 FROM observation WHERE observation.endpoint = endpoint.id)
            AND NOT EXISTS (SELECT 1 FROM absent WHERE absent.endpoint = endpoint.id);";

impl History {
    /// Forgets runs that started before `day`, but the last complete one of each vantage and scope,
    /// with which the next is compared. Returns how many.
    ///
    /// # Errors
    /// The database's; nothing is forgotten then.
    pub fn prune(&mut self, day: Timestamp) -> Result<usize, HistoryError> {
        let Self { path, connection } = self;
        let mut prune = || -> rusqlite::Result<usize> {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let runs = transaction.execute(
                "DELETE FROM run WHERE started_at < ?1 AND NOT (complete AND NOT EXISTS
                     (SELECT 1 FROM run AS later
                      WHERE later.vantage = run.vantage AND later.scope = run.scope
                          AND later.complete
                          AND (later.started_at, later.id) > (run.started_at, run.id)))",
                [day.as_millisecond()],
            )?;
            transaction.execute_batch(ORPHANS)?;
            transaction.commit()?;
            Ok(runs)
        };
        prune().map_err(|error| HistoryError::of(path, error))
    }

    /// Gives the room that is free in the file back to the disk. Needs as much again for a moment.
    ///
    /// # Errors
    /// The database's; the file is as it was then.
    pub fn compact(&self) -> Result<(), HistoryError> {
        self.connection
            .execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")
            .map_err(|error| self.error(error))
    }
}
