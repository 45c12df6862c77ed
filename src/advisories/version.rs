//! Versions of engines and their parts, as daemons and advisories write them, in one order.

use std::cmp::Ordering;
use std::fmt;

/// A version: numbers, perhaps a pre-release, perhaps a mark of who built it.
#[derive(Clone, Debug)]
pub struct Version {
    numbers: Vec<u64>,
    /// Empty: a release.
    pre_release: Vec<Identifier>,
    /// A distribution's own build, which may hold fixes that the numbers do not show.
    distribution: bool,
    text: String,
}

/// A part of a pre-release: `rc95` is `("rc", 95)`, a plain number has no word.
type Identifier = (String, u64);

/// Engines are numbered in up to three parts; more than this is no version.
const MAX_PARTS: usize = 4;

impl Version {
    /// Reads `20.10.24+dfsg1`, `v29.0.0-rc.1`, `19.03.15`, `17.05.0-ce`, `1.6.20~ds1` and the like;
    /// `None` where it does not begin with numbers.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let bare = text.strip_prefix('v').unwrap_or(text);
        let end = bare.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(bare.len());
        let (numbers, rest) = bare.split_at_checked(end)?;
        let numbers: Vec<u64> =
            numbers.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        if numbers.len() > MAX_PARTS || text.len() > 128 {
            return None;
        }
        let suffix = rest.strip_prefix('-');
        let pre_release = suffix.filter(|suffix| is_pre_release(suffix)).map(identifiers);
        Some(Self {
            numbers,
            distribution: rest.starts_with(['+', '~', '.'])
                || rest.contains(['+', '~'])
                || suffix.is_some_and(is_package_revision),
            pre_release: pre_release.unwrap_or_default(),
            text: text.to_owned(),
        })
    }

    /// Built by a distribution, or by who knows whom.
    pub fn is_distribution_build(&self) -> bool {
        self.distribution
    }

    /// The version without what distributions add.
    pub fn release(&self) -> String {
        let numbers: Vec<String> = self.numbers.iter().map(u64::to_string).collect();
        numbers.join(".")
    }

    pub fn is_pre_release(&self) -> bool {
        !self.pre_release.is_empty()
    }

    /// Whether it belongs to a cycle such as `29` or `20.10`.
    pub fn is_of(&self, cycle: &Self) -> bool {
        self.numbers.starts_with(&cycle.numbers)
    }

    fn part(&self, index: usize) -> u64 {
        self.numbers.get(index).copied().unwrap_or_default()
    }
}

/// `rc1`, `beta.8` and Go's pseudo-versions; not `ce`, `ee-1`, `cs2` or a commit.
fn is_pre_release(suffix: &str) -> bool {
    let pseudo = suffix.starts_with("0.") && suffix.len() > 16;
    pseudo || ["rc", "beta", "alpha", "tp", "dev"].iter().any(|word| suffix.starts_with(word))
}

/// `0ubuntu1~24.04.1`, `1.el9`, `3.fc40`.
fn is_package_revision(suffix: &str) -> bool {
    suffix.starts_with(|c: char| c.is_ascii_digit())
        && ["ubuntu", "deb", ".el", ".fc", ".amzn", ".azl"].iter().any(|mark| suffix.contains(mark))
}

fn identifiers(suffix: &str) -> Vec<Identifier> {
    suffix
        .split(['.', '+', '~'])
        .map(|part| {
            let end = part.find(|c: char| c.is_ascii_digit()).unwrap_or(part.len());
            let (word, number) = part.split_at_checked(end).unwrap_or((part, ""));
            let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
            (word.to_ascii_lowercase(), digits.parse().unwrap_or_default())
        })
        .collect()
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = (0..MAX_PARTS).map(|index| self.part(index).cmp(&other.part(index)));
        numbers.fold(Ordering::Equal, Ordering::then).then_with(|| {
            // A release comes after what led to it.
            match (self.is_pre_release(), other.is_pre_release()) {
                (true, true) => self.pre_release.cmp(&other.pre_release),
                (mine, theirs) => theirs.cmp(&mine),
            }
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap_or_else(|| panic!("{text} is no version"))
    }

    #[test]
    fn versions_are_in_order() {
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
    fn the_same_version_in_other_words_is_equal() {
        for (one, other) in [
            ("19.03.15", "19.3.15"),
            ("20.10.24+dfsg1", "20.10.24"),
            ("1.6.20~ds1", "1.6.20"),
            ("17.05.0-ce", "v17.05.0"),
            ("18.09.1-ee-2", "18.09.1"),
            ("1.1.12-0-g51d5e94", "1.1.12"),
            ("29", "29.0.0"),
        ] {
            assert_eq!(version(one), version(other), "{one} {other}");
        }
    }

    #[test]
    fn distribution_builds_are_told() {
        for (text, expected) in [
            ("20.10.24+dfsg1", true),
            ("1.6.20~ds1", true),
            ("2.1.9+unknown", true),
            ("24.0.7-0ubuntu2~22.04.1", true),
            ("25.0.3-1.el9", true),
            ("28.5.2", false),
            ("17.05.0-ce", false),
            ("29.0.0-rc.1", false),
            ("1.1.12-0-g51d5e94", false),
        ] {
            assert_eq!(version(text).is_distribution_build(), expected, "{text}");
        }
    }

    #[test]
    fn cycles() {
        assert!(version("29.7.2").is_of(&version("29")));
        assert!(version("20.10.24+dfsg1").is_of(&version("20.10")));
        assert!(!version("20.1.0").is_of(&version("20.10")));
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let _ = Version::parse(&text);
        }

        #[test]
        fn the_order_is_total(a in "[0-9v.rc+~-]{1,12}", b in "[0-9v.rc+~-]{1,12}") {
            if let (Some(a), Some(b)) = (Version::parse(&a), Version::parse(&b)) {
                prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            }
        }
    }
}
