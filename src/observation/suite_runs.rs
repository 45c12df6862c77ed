//! Hellos that asked for cipher suites, and their answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{StreamEnd, TlsVersion};

/// The hellos that asked for cipher suites.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuiteObservation {
    pub asked: SuitesAsked,
    /// In the order in which they ended.
    pub runs: Vec<SuiteRun>,
    /// Why not everything was asked, if so.
    pub cut_short: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SuitesAsked {
    /// Whether any of a class is accepted.
    Classes,
    /// Which of all are.
    All,
}

/// Hand-built ClientHellos for one version, a connection each: the first offered all of `offered`,
/// and each after it what the server had not yet chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SuiteRun {
    /// The highest version that the hellos offered; in TLS 1.3 the only one.
    pub version: TlsVersion,
    /// In the order in which they were sent.
    #[serde(with = "hex")]
    #[schemars(with = "String")]
    pub offered: Vec<u16>,
    /// What ServerHellos of this version chose, one a hello.
    #[serde(with = "hex")]
    #[schemars(with = "String")]
    pub chosen: Vec<u16>,
    /// How the last hello was answered, if not by one of the suites.
    pub end: Option<SuiteEnd>,
    /// How many of the runs just before this one in the list were still under way when its last
    /// hello was begun: what became of those came after it.
    #[serde(default)]
    pub beside: usize,
}

impl SuiteRun {
    pub fn connections(&self) -> usize {
        self.chosen.len() + usize::from(self.end.is_some())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SuiteEnd {
    Alert {
        level: u8,
        description: u8,
    },
    NoAnswer {
        end: StreamEnd,
    },
    /// A ServerHello, of another version or with a suite that was not offered.
    Other {
        version: u16,
        cipher_suite: u16,
    },
}

/// Lists of suites by IANA's numbers: one line of JSON, `c02f c030`, where a report would have
/// hundreds.
mod hex {
    use std::fmt::Write as _;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(suites: &[u16], serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(suites.len() * 5);
        for suite in suites {
            let separator = if text.is_empty() { "" } else { " " };
            // A String takes whatever is written.
            let _ = write!(text, "{separator}{suite:04x}");
        }
        serializer.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let numbers = text.split_ascii_whitespace().map(|word| u16::from_str_radix(word, 16));
        numbers.collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_stored_and_read_again() {
        let run = SuiteRun {
            version: TlsVersion::Tls12,
            offered: vec![0x000a, 0xc02f],
            chosen: vec![0xc02f],
            end: Some(SuiteEnd::Alert { level: 2, description: 40 }),
            beside: 0,
        };
        let json = serde_json::to_string(&run).unwrap();
        assert!(json.contains(r#""offered":"000a c02f","chosen":"c02f""#), "{json}");
        assert_eq!(serde_json::from_str::<SuiteRun>(&json).unwrap(), run);
        assert!(serde_json::from_str::<SuiteRun>(&json.replace("000a", "10000")).is_err());
        assert_eq!(run.connections(), 2);
    }
}
