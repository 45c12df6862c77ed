//! What rules found, as the report has it.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{References, Text};
use crate::finding::Severity;

/// A rule that is broken, with the evidence and the change that mends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Stable over runs.
    pub id: String,
    pub rule: Text,
    pub severity: Severity,
    /// What in the endpoint it is about, where there can be several.
    pub subject: Option<String>,
    pub title: Text,
    pub evidence: String,
    pub remediation: Text,
    pub references: References,
    /// Null: not suppressed.
    pub suppressed: Option<Suppression>,
    /// The weakness by its number in the CWE list, where one fits. Earlier versions wrote none.
    #[serde(default)]
    pub cwe: Option<u16>,
}

impl Finding {
    pub fn is_suppressed(&self) -> bool {
        self.suppressed.is_some()
    }
}

/// Somebody took the risk upon them, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suppression {
    pub reason: String,
    /// The last day on which it holds, in UTC.
    #[schemars(with = "String", extend("format" = "date"))]
    pub expires: Date,
    /// Where it is written, `docksweep.toml:12`.
    pub source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FleetFinding {
    #[serde(flatten)]
    pub finding: Finding,
    /// Ids of the endpoints that it is about.
    pub endpoints: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UndeterminedRule {
    pub rule: Text,
    pub reason: String,
}
