//! Version numbers of engines and their parts, in every spelling that is met: `20.10.24+dfsg1`,
//! `1.6.20~ds1`, `17.05.0-ce`, `v29.0.0-rc.1`, `1.0.0-rc93`, `19.3.15` for 19.03.15.
//!
//! What is compared is upstream's number. What a distribution or vendor appended does not order
//! (it says nothing about upstream), but is kept: such a build may hold fixes that its number
//! does not show.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Longer than any version that is one.
const MAX_LENGTH: usize = 128;

#[derive(Clone, Debug)]
pub struct EngineVersion {
    release: [u64; 3],
    /// Empty for a release.
    pre_release: Vec<Part>,
    build: Build,
}

/// Whose build it is, by what stands behind the number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Build {
    Upstream,
    /// A distribution's or vendor's, known by this text.
    Other(String),
}

/// A piece of a pre-release; numbers come before words, as in SemVer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Part {
    Number(u128),
    Word(String),
}

impl EngineVersion {
    /// `None`: not a version, or one that names no release (`0.0.0-dev`, a commit, a branch).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > MAX_LENGTH || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let text = text.strip_prefix("docker-").unwrap_or(text);
        let text = text.strip_prefix('v').unwrap_or(text);
        let (release, rest) = release(text)?;
        if release == [0; 3] {
            return None;
        }
        let mut version = Self::from_release(release);
        version.suffix(rest)?;
        Some(version)
    }

    pub const fn from_release(release: [u64; 3]) -> Self {
        Self { release, pre_release: Vec::new(), build: Build::Upstream }
    }

    pub fn release(&self) -> [u64; 3] {
        self.release
    }

    pub fn major(&self) -> u64 {
        let [major, ..] = self.release;
        major
    }

    pub fn is_pre_release(&self) -> bool {
        !self.pre_release.is_empty()
    }

    pub fn build(&self) -> &Build {
        &self.build
    }

    /// Reads what follows the numbers, piece by piece.
    fn suffix(&mut self, rest: &str) -> Option<()> {
        let mut rest = rest;
        while let Some(mark) = rest.chars().next() {
            let body = rest.get(mark.len_utf8()..)?;
            if body.is_empty() || !matches!(mark, '-' | '+' | '~' | '.') {
                return None;
            }
            let end = body.find(['-', '+', '~']).unwrap_or(body.len());
            let (piece, next) = body.split_at_checked(end)?;
            if mark == '.' && !piece.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return None;
            }
            if let Some(after) = git_describe(rest) {
                rest = after;
                continue;
            }
            let from_the_start = self.pre_release.is_empty();
            if mark != '+' && from_the_start && is_pre_release(piece) {
                self.pre_release = parts(piece)?;
            } else if mark == '-' && self.is_pseudo() && is_commit(piece) {
                // The commit at the end of a Go pseudo-version.
            } else if piece == "incompatible" || (mark == '-' && piece == "ce") {
                // Go's word for a module without go.mod; Docker's for the free edition.
            } else {
                // All that is left belongs to whoever built it.
                self.build = Build::Other(rest.to_owned());
                return Some(());
            }
            rest = next;
        }
        Some(())
    }

    /// `-0.20211012131345-9c444070ec7b`: Go's number for a commit between two releases.
    fn is_pseudo(&self) -> bool {
        matches!(self.pre_release.last(), Some(Part::Number(time)) if *time >= 10_u128.pow(13))
    }
}

/// The three numbers, and what follows them. A missing one is 0; a fourth is no version.
fn release(text: &str) -> Option<([u64; 3], &str)> {
    let mut numbers = [0; 3];
    let mut rest = text;
    for (index, number) in numbers.iter_mut().enumerate() {
        let digits_of = if index == 0 { Some(rest) } else { rest.strip_prefix('.') };
        let Some(digits_of) = digits_of else { break };
        let end = digits_of.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits_of.len());
        let (digits, next) = digits_of.split_at_checked(end)?;
        if digits.is_empty() && index > 0 {
            // `.el8` right behind a number.
            break;
        }
        *number = digits.parse().ok()?;
        rest = next;
    }
    let fourth =
        rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    (!fourth).then_some((numbers, rest))
}

/// Told from a packager's suffix by its word: `rc1`, `beta.0`, `dev`; or by a Go pseudo-version's
/// time.
fn is_pre_release(piece: &str) -> bool {
    const WORDS: [&str; 6] = ["rc", "beta", "alpha", "dev", "pre", "tp"];
    let lower = piece.to_ascii_lowercase();
    let end = lower.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(lower.len());
    let word = lower.get(..end).unwrap_or_default();
    WORDS.contains(&word)
        || piece.split('.').any(|part| part.len() == 14 && part.bytes().all(|b| b.is_ascii_digit()))
}

/// What follows `-12-g51d5e94`, with which git counts the commits since a tag.
fn git_describe(rest: &str) -> Option<&str> {
    let (count, after) = rest.strip_prefix('-')?.split_once("-g")?;
    let end = after.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(after.len());
    let is_number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && end >= 7).then(|| after.get(end..)).flatten()
}

fn is_commit(piece: &str) -> bool {
    piece.len() == 12 && piece.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `rc93` and `rc.93` alike: words and numbers in turn, so that rc10 follows rc9.
fn parts(piece: &str) -> Option<Vec<Part>> {
    let lower = piece.to_ascii_lowercase();
    let mut parts = Vec::new();
    for piece in lower.split('.') {
        let mut rest = piece;
        while let Some(first) = rest.chars().next() {
            let digits = first.is_ascii_digit();
            let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
            let (run, next) = rest.split_at_checked(end)?;
            parts.push(if digits {
                Part::Number(run.parse().ok()?)
            } else {
                Part::Word(run.to_owned())
            });
            rest = next;
        }
    }
    Some(parts)
}

impl Ord for EngineVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.release.cmp(&other.release).then_with(|| {
            // A release comes after all that led to it.
            match (self.is_pre_release(), other.is_pre_release()) {
                (false, true) => Ordering::Greater,
                (true, false) => Ordering::Less,
                _ => self.pre_release.cmp(&other.pre_release),
            }
        })
    }
}

impl PartialOrd for EngineVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for EngineVersion {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for EngineVersion {}

impl Hash for EngineVersion {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.release.hash(state);
        self.pre_release.hash(state);
    }
}

/// Upstream's number as Docker writes it: the month of 17.03 to 20.10 has two digits.
impl fmt::Display for EngineVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.release;
        if (17..=20).contains(&major) {
            write!(f, "{major}.{minor:02}.{patch}")?;
        } else {
            write!(f, "{major}.{minor}.{patch}")?;
        }
        let mut mark = '-';
        for part in &self.pre_release {
            match part {
                Part::Number(number) if mark == '-' => write!(f, "-{number}")?,
                Part::Number(number) => write!(f, ".{number}")?,
                Part::Word(word) => write!(f, "{mark}{word}")?,
            }
            mark = '.';
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> EngineVersion {
        EngineVersion::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn spellings_of_one_release_are_equal() {
        for (one, other) in [
            ("19.03.15", "19.3.15"),
            ("17.05.0-ce", "17.05.0"),
            ("v29.0.0-rc.1", "docker-v29.0.0-rc1"),
            ("20.10.24+dfsg1", "20.10.24"),
            ("1.6.20~ds1", "1.6.20"),
            ("1.0.0~rc93+ds1", "1.0.0-rc93"),
            ("1.13.1-cs2", "1.13.1"),
            ("20.10.24+incompatible", "20.10.24"),
            ("2.1", "2.1.0"),
        ] {
            assert_eq!(version(one), version(other), "{one} {other}");
        }
    }

    #[test]
    fn the_order_is_total_and_upstreams() {
        let ascending = [
            "1.0.0-rc3",
            "1.0.0-rc8",
            "1.0.0-rc8.0.20190930145003-cad42f6e0932",
            "1.0.0-rc9",
            "1.0.0-rc9.0.20200122160610-2fc03cc11c77",
            "1.0.0-rc10",
            "1.0.0~rc93+ds1",
            "1.0.0-rc95",
            "1.0.0",
            "1.0.1-0.20211012131345-9c444070ec7b",
            "1.0.1",
            "1.13.1-cs2",
            "17.05.0-ce",
            "18.09.1-ee",
            "19.03.2",
            "19.03.15",
            "20.10.0-beta1",
            "20.10.0-rc1",
            "20.10.0",
            "20.10.24+dfsg1",
            "28.5.2",
            "29.0.0-rc.1",
            "29.0.0",
        ];
        for (index, lower) in ascending.iter().enumerate() {
            for higher in &ascending[index + 1..] {
                assert!(version(lower) < version(higher), "{lower} < {higher}");
                assert!(version(higher) > version(lower), "{higher} > {lower}");
            }
        }
    }

    #[test]
    fn distribution_and_vendor_builds_are_known_by_their_suffix() {
        for (text, mark) in [
            ("20.10.24+dfsg1", "+dfsg1"),
            ("1.1.5+ds1", "+ds1"),
            ("1.6.20~ds1", "~ds1"),
            ("1.0.0~rc93+ds1", "+ds1"),
            ("20.10.12-0ubuntu4", "-0ubuntu4"),
            ("1.6.8-3.1.el9", "-3.1.el9"),
            ("1.13.1.el8", ".el8"),
            ("20.10.25+azure-2", "+azure-2"),
            ("2.1.9+unknown", "+unknown"),
            ("18.09.1-ee", "-ee"),
            ("17.06.2-ee-16", "-ee-16"),
            ("1.13.1-cs2", "-cs2"),
            ("19.03.11-ol", "-ol"),
        ] {
            assert_eq!(version(text).build(), &Build::Other(mark.into()), "{text}");
        }
        for text in ["28.5.2", "17.05.0-ce", "17.03.0-ce-rc1", "v29.0.0-rc.1", "2.0.0-beta.8"] {
            assert_eq!(version(text).build(), &Build::Upstream, "{text}");
        }
        assert!(version("17.03.0-ce-rc1").is_pre_release());
    }

    #[test]
    fn what_names_no_release_is_no_version() {
        for text in [
            "",
            "v",
            "dev",
            "library-import",
            "0.0.0-dev",
            "0.0.0-20240101000000-0123456789ab",
            "master-dockerproject-2022-03-26",
            "3f4a1c2",
            "1.2.3.4",
            "20.10.24 (community)",
            "20..1",
            "20.10.24-",
            "99999999999999999999999",
            "1.2.3-rc99999999999999999999999999999999999999999",
            "20.10.24\u{1b}[31m",
            "runc version 1.1.15+ds1",
        ] {
            assert_eq!(EngineVersion::parse(text), None, "{text:?}");
        }
        assert_eq!(EngineVersion::parse(&"1".repeat(MAX_LENGTH + 1)), None);
    }

    #[test]
    fn upstreams_number_is_shown_as_docker_writes_it() {
        for (text, shown) in [
            ("19.3.15", "19.03.15"),
            ("20.10.24+dfsg1", "20.10.24"),
            ("1.6.20~ds1", "1.6.20"),
            ("v29.0.0-rc.1", "29.0.0-rc.1"),
            ("23.0.15", "23.0.15"),
        ] {
            assert_eq!(version(text).to_string(), shown);
        }
    }

    #[test]
    fn versions_as_daemons_write_them_are_in_order() {
        let order = [
            "1.0.0-rc9",
            "1.0.0-rc9.0.20200122160610-2fc03cc11c77",
            "1.0.0-rc10",
            "1.0.0-rc95",
            "1.0.0",
            "1.0.1-0.20211012131345-9c444070ec7b",
            "1.0.1",
            "17.03.2-ce",
            "19.03.15",
            "20.10.0-beta1",
            "20.10.0-rc1",
            "20.10.0",
            "20.10.24",
            "29.0.0-beta.1",
            "29.0.0-rc.1",
            "29.0.0-rc.2",
            "v29.0.0",
        ];
        for pair in order.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn whose_build_it_is() {
        for (text, is_upstreams) in [
            ("20.10.24+dfsg1", false),
            ("1.6.20~ds1", false),
            ("2.1.9+unknown", false),
            ("24.0.7-0ubuntu2~22.04.1", false),
            ("25.0.3-1.el9", false),
            ("1.1.12-0-g51d5e94-dirty", false),
            ("28.5.2", true),
            ("17.05.0-ce", true),
            ("29.0.0-rc.1", true),
            ("1.1.12-0-g51d5e94", true),
            ("1.0.0-rc9-12-g51d5e946", true),
        ] {
            assert_eq!(*version(text).build() == Build::Upstream, is_upstreams, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_or_does_not(text in "\\PC{0,40}") {
            let _ = EngineVersion::parse(&text);
        }

        #[test]
        fn what_is_shown_parses_to_the_same(text in "[1-9][0-9]?\\.[0-9]{1,2}\\.[0-9]{1,2}(-(rc|beta)\\.?[0-9]{1,2})?([+~]ds1)?") {
            let version = version(&text);
            prop_assert_eq!(EngineVersion::parse(&version.to_string()), Some(version));
        }
    }
}
