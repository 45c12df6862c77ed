//! Reads ZIP archives in memory, as vulnerability databases are handed out in. What an archive says
//! of its own sizes is not believed.

use std::borrow::Cow;
use std::io::{Cursor, ErrorKind, Read as _};

use zip::ZipArchive;
use zip::result::ZipError;

/// An archive whose table of contents was read; each entry is read by itself.
#[derive(Debug)]
pub struct Archive<'a>(ZipArchive<Cursor<&'a [u8]>>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    #[error("it is no ZIP archive, or a damaged one")]
    NoArchive,
    #[error("more than {0} entries")]
    TooMany(usize),
    #[error("it is encrypted")]
    Encrypted,
    #[error("its compression is not read; only deflate is")]
    Method,
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    #[error("it is damaged")]
    Damaged,
}

/// What a record of the table of contents begins with (APPNOTE 4.3.12).
const CENTRAL: &[u8] = b"PK\x01\x02";

impl<'a> Archive<'a> {
    /// Reads the table of contents.
    ///
    /// # Errors
    /// It cannot be read, or may have more than `most` entries.
    pub fn open(bytes: &'a [u8], most: usize) -> Result<Self, ArchiveError> {
        // The reader keeps the whole table, so its length is bounded before.
        let records = bytes.windows(CENTRAL.len()).filter(|window| *window == CENTRAL);
        if records.take(most.saturating_add(1)).count() > most {
            return Err(ArchiveError::TooMany(most));
        }
        ZipArchive::new(Cursor::new(bytes)).map(Self).map_err(|_| ArchiveError::NoArchive)
    }

    /// Entries, folders among them.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of an entry.
    pub fn name(&self, index: usize) -> Option<String> {
        self.0.name_for_index(index)?.ok().map(Cow::into_owned)
    }

    /// An entry, if it is not larger than `limit` bytes.
    ///
    /// # Errors
    /// It is, or cannot be read.
    pub fn read(&mut self, index: usize, limit: usize) -> Result<Vec<u8>, ArchiveError> {
        let entry = self.0.by_index(index).map_err(|error| refused(&error))?;
        let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let mut bytes = Vec::new();
        // The checksum is compared at the end of the entry.
        entry.take(bound).read_to_end(&mut bytes).map_err(|error| match error.kind() {
            ErrorKind::Unsupported => ArchiveError::Method,
            _ => ArchiveError::Damaged,
        })?;
        if bytes.len() > limit { Err(ArchiveError::TooLarge(limit)) } else { Ok(bytes) }
    }
}

fn refused(error: &ZipError) -> ArchiveError {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            ArchiveError::Encrypted
        }
        ZipError::CompressionMethodNotSupported(_) | ZipError::UnsupportedArchive(_) => {
            ArchiveError::Method
        }
        _ => ArchiveError::Damaged,
    }
}

#[cfg(test)]
mod tests;
