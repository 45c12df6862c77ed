//! Keys whose private half is known to others, because somebody published it.

use std::collections::HashMap;
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::super::{KeyAlgorithm, KeyFacts};

/// Bytes of a hash that badkeys' blocklist keeps of SHA-256, and of a record with its list's number.
const TRUNCATED: usize = 15;
const RECORD: usize = 16;

/// Lists of compromised keys: the program's own and any that were added.
#[derive(Debug)]
pub struct KnownKeys {
    published: &'static Published,
    added: Vec<List>,
}

/// A list that was added, by the name of its file.
#[derive(Debug)]
struct List {
    name: String,
    hashes: Hashes,
}

#[derive(Debug)]
enum Hashes {
    /// SHA-256 of SubjectPublicKeyInfos, sorted.
    Spki(Vec<[u8; 32]>),
    /// badkeys' records, sorted by the truncated SHA-256 of the public value.
    Badkeys(Vec<[u8; RECORD]>),
}

/// Why a file is no list of keys.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ListError {
    #[error("line {0} is no SHA-256 in hex")]
    Line(usize),
    #[error("it holds no key")]
    Empty,
    #[error("it is neither text nor a badkeys blocklist: {0} bytes are no whole number of records")]
    Length(usize),
    #[error("it is no badkeys blocklist: record {0} is smaller than the one before it")]
    Order(usize),
}

impl KnownKeys {
    /// The keys that the program brings.
    pub fn embedded() -> &'static Self {
        static EMBEDDED: OnceLock<KnownKeys> = OnceLock::new();
        EMBEDDED.get_or_init(Self::new)
    }

    /// As [`Self::embedded`], to add lists to.
    pub fn new() -> Self {
        Self { published: Published::embedded(), added: Vec::new() }
    }

    /// How many keys the program brings.
    pub fn published(&self) -> usize {
        self.published.sources.len()
    }

    /// Adds the list in `content`: text with one SHA-256 of a SubjectPublicKeyInfo in hex a line
    /// and comments from `#`, or badkeys' `blocklist.dat`: sorted records of the first 15 bytes of
    /// a SHA-256 over the modulus, x or y, and one byte that numbers the list it comes from.
    ///
    /// # Errors
    /// It is neither.
    pub fn add(&mut self, name: impl Into<String>, content: &[u8]) -> Result<(), ListError> {
        let text = content.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
        let text = std::str::from_utf8(content).ok().filter(|line| text || line.contains('#'));
        let hashes = match text {
            Some(text) => hex_lines(text)?,
            None => records(content)?,
        };
        self.added.push(List { name: name.into(), hashes });
        Ok(())
    }

    /// Where the key is listed, in words; `None` where it is not.
    pub fn find(&self, key: &KeyFacts) -> Option<String> {
        let spki = sha256(&key.spki_sha256)?;
        if let Some(source) = self.published.sources.get(&spki) {
            return Some(format!("its private half is in {source}"));
        }
        self.added.iter().find_map(|list| match &list.hashes {
            Hashes::Spki(hashes) => {
                hashes.binary_search(&spki).ok()?;
                Some(format!("the SHA-256 of the key is in {}", list.name))
            }
            Hashes::Badkeys(records) => {
                let hash = badkeys_hash(key)?;
                let of = |record: &[u8; RECORD]| *record.first_chunk().unwrap_or(&[0; TRUNCATED]);
                let at = records.binary_search_by_key(&hash, of).ok()?;
                let number = records.get(at)?.last()?;
                Some(format!("it is in badkeys' list {number} of {}", list.name))
            }
        })
    }
}

impl Default for KnownKeys {
    fn default() -> Self {
        Self::new()
    }
}

fn hex_lines(text: &str) -> Result<Hashes, ListError> {
    let mut hashes = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            hashes.push(sha256(line).ok_or(ListError::Line(number + 1))?);
        }
    }
    if hashes.is_empty() {
        return Err(ListError::Empty);
    }
    hashes.sort_unstable();
    Ok(Hashes::Spki(hashes))
}

fn records(content: &[u8]) -> Result<Hashes, ListError> {
    let (records, rest) = content.as_chunks::<RECORD>();
    if !rest.is_empty() {
        return Err(ListError::Length(content.len()));
    }
    if let Some(before) = records.windows(2).position(|pair| pair.first() > pair.last()) {
        return Err(ListError::Order(before + 2));
    }
    Ok(Hashes::Badkeys(records.to_vec()))
}

fn badkeys_hash(key: &KeyFacts) -> Option<[u8; TRUNCATED]> {
    if matches!(key.algorithm, KeyAlgorithm::Other(_)) {
        return None;
    }
    let hash: [u8; 32] = Sha256::digest(key.public_value.as_ref()?).into();
    hash.first_chunk().copied()
}

fn sha256(hex: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if pairs.len() != hash.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        let digit = |character: &u8| char::from(*character).to_digit(16);
        *byte = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
    }
    Some(hash)
}

/// The embedded list.
#[derive(Debug)]
struct Published {
    /// By SHA-256 of the SubjectPublicKeyInfo, what published the private key.
    sources: HashMap<[u8; 32], &'static str>,
}

impl Published {
    fn embedded() -> &'static Self {
        static EMBEDDED: OnceLock<Published> = OnceLock::new();
        EMBEDDED.get_or_init(|| Self::read(include_str!("../../../data/known-keys.tsv")))
    }

    /// Lines `source NUMBER NAME LICENCE` and `HASH NUMBER`, separated by tabs. A test holds the
    /// file to that.
    fn read(table: &'static str) -> Self {
        let mut names = HashMap::new();
        let mut sources = HashMap::new();
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields.as_slice() {
                ["source", number, name, _licence] => {
                    names.insert(*number, *name);
                }
                [hash, number] => {
                    if let (Some(hash), Some(name)) = (sha256(hash), names.get(number)) {
                        sources.insert(hash, *name);
                    }
                }
                _ => {}
            }
        }
        Self { sources }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(public_value: &[u8]) -> KeyFacts {
        KeyFacts {
            algorithm: KeyAlgorithm::Rsa,
            bits: Some(2048),
            curve: None,
            exponent: Some("65537".into()),
            public_value: Some(public_value.to_vec()),
            spki_sha256: "c0".repeat(32),
        }
    }

    fn record(public_value: &[u8], list: u8) -> [u8; RECORD] {
        let mut record: [u8; RECORD] = Sha256::digest(public_value)[..RECORD].try_into().unwrap();
        record[TRUNCATED] = list;
        record
    }

    #[test]
    fn the_embedded_list_is_whole() {
        let table = include_str!("../../../data/known-keys.tsv");
        let hashes: Vec<&str> =
            table.lines().filter(|line| !line.starts_with(['#', 's'])).collect();
        assert!(hashes.is_sorted(), "sorted by hash");
        assert_eq!(KnownKeys::embedded().published(), hashes.len(), "a line is broken or twice");
        assert!(hashes.len() > 100);
    }

    #[test]
    fn a_list_of_hashes() {
        let mut known = KnownKeys::new();
        let content = format!("# mine\n\n{}  # a key\n{}\n", "C0".repeat(32), "00".repeat(32));
        known.add("mine.txt", content.as_bytes()).unwrap();
        assert_eq!(known.find(&key(b"n")).unwrap(), "the SHA-256 of the key is in mine.txt");
        assert_eq!(KnownKeys::embedded().find(&key(b"n")), None);
        let broken = format!("{}\r\n# é\nc0ffee\n", "c0".repeat(32));
        assert_eq!(known.add("x", broken.as_bytes()), Err(ListError::Line(3)));
        assert_eq!(known.add("x", b"\n# nothing\n"), Err(ListError::Empty));
        assert_eq!(known.add("x", b""), Err(ListError::Empty));
    }

    #[test]
    fn a_blocklist_of_badkeys() {
        let mut records: Vec<_> =
            [b"a", b"b", b"c", b"d"].map(|value| record(value, value[0])).to_vec();
        records.sort_unstable();
        let mut known = KnownKeys::new();
        known.add("blocklist.dat", records.as_flattened()).unwrap();
        for value in [b"a", b"d"] {
            let place = format!("it is in badkeys' list {} of blocklist.dat", value[0]);
            assert_eq!(known.find(&key(value)), Some(place));
        }
        assert_eq!(known.find(&key(b"e")), None);
        let mut other = key(b"a");
        other.algorithm = KeyAlgorithm::Other("1.2.3".into());
        assert_eq!(known.find(&other), None);

        records.swap(1, 2);
        assert_eq!(known.add("x", records.as_flattened()), Err(ListError::Order(3)));
        let cut = &records.as_flattened()[1..];
        assert_eq!(known.add("x", cut), Err(ListError::Length(63)));
    }

    proptest! {
        #[test]
        fn any_file_is_a_list_or_says_why(content: Vec<u8>) {
            let mut known = KnownKeys::new();
            if known.add("x", &content).is_ok() {
                let _ = known.find(&key(b"n"));
            }
        }
    }
}
