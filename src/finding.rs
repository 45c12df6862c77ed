//! What a rule says about an endpoint or the fleet. Rules make findings, reports show them.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad it is, by one scale: critical, a stranger can take the host now; high, a known way in
/// for someone able; medium, a guard is missing; low, hardening; info, a fact worth knowing.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// Worst first, the order in which people want to read.
    pub const WORST_FIRST: [Self; 5] =
        [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Info => "info",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One rule that an endpoint (or the fleet) breaks, with what a sceptic would ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable over runs: the same rule on the same endpoint and subject has the same id.
    pub id: String,
    pub rule: &'static str,
    pub severity: Severity,
    /// What in the endpoint it is about, where there can be several: a certificate, a key.
    pub subject: Option<String>,
    pub title: &'static str,
    pub evidence: String,
    pub remediation: Cow<'static, str>,
    pub references: &'static [&'static str],
    /// The rule's number in the CWE list.
    pub cwe: Option<u16>,
}

/// A rule that several endpoints break together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetFinding {
    pub finding: Finding,
    /// Ids of the endpoints that it is about, by address and port.
    pub endpoints: Vec<String>,
}
