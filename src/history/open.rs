//! Opens the file: whose it is, of which version, and whether it is whole, all before it is written to.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{History, HistoryError, Missing};

/// How long another program may hold the lock.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// What tells our files from other programs' databases: "dswp".
const APPLICATION_ID: i64 = 0x6473_7770;

/// From an empty file to the present version, a step each.
const MIGRATIONS: [&str; 2] = [include_str!("schema-1.sql"), include_str!("schema-2.sql")];

/// Of a file up to this size, every page is looked at before it is used.
const CHECKED_WHOLE: u64 = 64 << 20;

/// How every SQLite file begins, and where its header has the application's number.
const MAGIC: &[u8] = b"SQLite format 3\0";
const HEADER: usize = 100;
const APPLICATION_ID_AT: usize = 68;

impl History {
    /// Opens `path`, and brings it to the present version.
    ///
    /// # Errors
    /// It is not there, another program's, of a newer version, damaged or locked; it is not touched
    /// then.
    pub fn open(path: &Path, missing: Missing) -> Result<Self, HistoryError> {
        let io = |source| HistoryError::Io { path: path.to_owned(), source };
        let sqlite = |source| HistoryError::of(path, source);
        match fs::metadata(path) {
            Ok(metadata) => check(path, &metadata)?,
            Err(error) if error.kind() == ErrorKind::NotFound && missing == Missing::Create => {
                // Who may read it is settled before there is anything to read.
                let mut options = OpenOptions::new();
                match options.write(true).create_new(true).mode(0o600).open(path) {
                    Ok(_) => {}
                    // Another run was faster, or a symbolic link leads nowhere.
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                        check(path, &fs::metadata(path).map_err(io)?)?;
                    }
                    Err(error) => return Err(io(error)),
                }
            }
            Err(error) => return Err(io(error)),
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
        prepare(&mut connection).map_err(sqlite)?;
        let version = migrate(&mut connection).map_err(sqlite)?;
        if version > known() {
            return Err(HistoryError::Newer {
                path: path.to_owned(),
                found: version,
                known: known(),
            });
        }
        Ok(Self { path: path.to_owned(), connection })
    }
}

const fn known() -> i64 {
    MIGRATIONS.len() as i64
}

/// Before it is opened as a database.
fn check(path: &Path, metadata: &Metadata) -> Result<(), HistoryError> {
    // A pipe would be waited for, for ever.
    if !metadata.is_file() {
        let what = "it is no file".to_owned();
        return Err(HistoryError::Foreign { path: path.to_owned(), what });
    }
    if metadata.len() == 0 {
        return Ok(());
    }
    begins_as_ours(path)?;
    checked(path, metadata.len())
}

/// By its first bytes alone: what is not ours is not even opened as a database.
fn begins_as_ours(path: &Path) -> Result<(), HistoryError> {
    let io = |source| HistoryError::Io { path: path.to_owned(), source };
    let foreign =
        |what: &str| Err(HistoryError::Foreign { path: path.to_owned(), what: what.to_owned() });
    let file = File::open(path).map_err(io)?;
    let mut header = Vec::new();
    file.take(HEADER as u64).read_to_end(&mut header).map_err(io)?;
    if !header.starts_with(MAGIC) {
        return foreign("it is no SQLite database");
    }
    let id = header.get(APPLICATION_ID_AT..APPLICATION_ID_AT + 4).and_then(|id| id.try_into().ok());
    match id.map(u32::from_be_bytes).map(i64::from) {
        None => {
            Err(HistoryError::Damaged { path: path.to_owned(), what: "it is cut off".to_owned() })
        }
        // What was written last may still be in the log beside the file.
        Some(APPLICATION_ID | 0) => Ok(()),
        Some(_) => foreign("it is another program's database"),
    }
}

/// Looks at the database without a way to write to it.
fn checked(path: &Path, length: u64) -> Result<(), HistoryError> {
    let sqlite = |source| HistoryError::of(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    connection.busy_timeout(PATIENCE).map_err(sqlite)?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sqlite)?;
    let id = pragma("application_id").map_err(sqlite)?;
    if id != APPLICATION_ID && (id != 0 || tables > 0) {
        return Err(HistoryError::Foreign {
            path: path.to_owned(),
            what: "it is another program's database".to_owned(),
        });
    }
    let version = pragma("user_version").map_err(sqlite)?;
    if version > known() {
        return Err(HistoryError::Newer { path: path.to_owned(), found: version, known: known() });
    }
    if length <= CHECKED_WHOLE {
        let word: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sqlite)?;
        if word != "ok" {
            let what = word.lines().last().unwrap_or_default().to_owned();
            return Err(HistoryError::Damaged { path: path.to_owned(), what });
        }
    }
    Ok(())
}

fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    // Readers do not wait for a scan that writes, nor it for them.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A run is one transaction, so that this costs one wait for the disk.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Returns the version that the database has after it.
fn migrate(connection: &mut Connection) -> rusqlite::Result<i64> {
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
    };
    if version(connection)? >= known() {
        return version(connection);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another run may have been at it while this one waited.
    let found = version(&transaction)?;
    if found >= known() {
        return Ok(found);
    }
    let done = usize::try_from(found).unwrap_or_default();
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known())?;
    transaction.commit()?;
    Ok(known())
}
