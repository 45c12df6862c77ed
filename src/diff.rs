//! What is different between two runs, truth first: what was not reached is neither fixed nor gone.
//!
//! A finding is fixed only where its rule was asked again and is kept, or where the port was asked
//! and is closed. Pure: runs come as [`Side`]s and their endpoints in order, from wherever they are
//! kept.

mod compare;
mod facts;
mod findings;
pub mod side;
#[cfg(test)]
mod tests;
pub mod text;

pub use compare::{Comparison, NotInOrder, Pairs, join};
pub use side::{Seen, Side, StoredEndpoint};

use std::collections::HashSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::Severity;
use crate::report::v1;

/// The difference between two runs, docksweep/diff/v1: what other programs read. Extended, never
/// reshaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "docksweep diff v1")]
pub struct Difference {
    pub schema: Schema,
    /// The earlier run.
    pub before: Run,
    /// The later run.
    pub after: Run,
    /// Findings that were not there, worst first.
    pub new: Vec<FindingChange>,
    /// Findings that are not there any more, by the word of whoever was asked again.
    pub fixed: Vec<FindingChange>,
    /// Endpoints of both runs of which something else is said.
    pub changed: Vec<EndpointChange>,
    /// Endpoints whose port was asked and is closed now.
    pub gone: Vec<Gone>,
    /// Endpoints, or findings of them, of which the later run cannot tell.
    pub not_reached: Vec<NotReached>,
    /// Endpoints that the earlier run did not list.
    pub appeared: Vec<Appeared>,
    /// What a reader should know beside: other targets, another vantage, other rules.
    pub notes: Vec<String>,
}

/// The name of the format, so that a reader can tell before it reads on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Schema {
    #[serde(rename = "docksweep/diff/v1")]
    V1,
}

/// One of the two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// The report's `scan.id`.
    pub id: String,
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started_at: Timestamp,
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub finished_at: Timestamp,
    pub vantage: Option<String>,
    pub targets: Vec<String>,
    pub complete: bool,
}

/// A finding that came or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FindingChange {
    /// The finding's own, stable over runs.
    pub id: String,
    /// `tcp/10.0.0.5:2375`; `fleet` for what shows only across endpoints.
    pub endpoint: String,
    pub rule: String,
    pub severity: Severity,
    pub subject: Option<String>,
    pub title: String,
    /// Of the run in which it is.
    pub evidence: String,
    /// Why it counts as what the list says.
    pub because: String,
}

/// What else is said of an endpoint, or of one of its findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointChange {
    pub endpoint: String,
    pub facts: Vec<FactChange>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FactChange {
    pub fact: Fact,
    /// For facts of a finding: which.
    pub finding: Option<String>,
    /// Null: it was not seen.
    pub before: Option<String>,
    pub after: Option<String>,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    Access,
    /// Product and version of the engine.
    Version,
    /// SHA-256 of the leaf certificate.
    Certificate,
    /// The TLS versions that are accepted.
    TlsVersions,
    Grade,
    /// Of a finding.
    Severity,
    /// Of a finding: the reason for which it is suppressed.
    Suppression,
}

/// An endpoint that is not there any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gone {
    pub endpoint: String,
    /// The access that it gave.
    pub access: String,
    /// What the port said.
    pub because: String,
    /// How many findings went with it; they are among the fixed.
    pub findings: u64,
}

/// What the later run cannot tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotReached {
    pub endpoint: String,
    pub scope: Scope,
    pub because: String,
    /// Findings of the earlier run that may or may not be there.
    pub findings: Vec<FindingChange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Nothing is known of it now.
    Endpoint,
    /// It answered, and these findings could not be judged.
    Findings,
}

/// An endpoint that is new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Appeared {
    pub endpoint: String,
    pub access: String,
    /// What the earlier run says of this port.
    pub because: String,
}

impl Difference {
    /// Ids of the findings that are new.
    pub fn new_findings(&self) -> HashSet<String> {
        self.new.iter().map(|change| change.id.clone()).collect()
    }

    /// Nothing is different, and everything was asked again.
    pub const fn is_empty(&self) -> bool {
        let Self { new, fixed, changed, gone, not_reached, appeared, .. } = self;
        new.is_empty()
            && fixed.is_empty()
            && changed.is_empty()
            && gone.is_empty()
            && not_reached.is_empty()
            && appeared.is_empty()
    }

    /// Whether something new is at least this severe, or something known has become so.
    pub fn reaches(&self, threshold: Severity) -> bool {
        let is_severe = |name: &Option<String>| {
            let severity = Severity::WORST_FIRST
                .into_iter()
                .find(|severity| name.as_deref() == Some(severity.name()));
            severity.is_some_and(|severity| severity >= threshold)
        };
        self.new.iter().any(|finding| finding.severity >= threshold)
            || self.changed.iter().flat_map(|change| &change.facts).any(|change| {
                change.fact == Fact::Severity
                    && is_severe(&change.after)
                    && !is_severe(&change.before)
            })
    }

    /// In figures, as a report carries it.
    pub fn counts(&self) -> v1::Changes {
        v1::Changes {
            since: self.before.id.clone(),
            since_finished_at: self.before.finished_at,
            new: self.new.len() as u64,
            fixed: self.fixed.len() as u64,
            changed: self.changed.len() as u64,
            gone: self.gone.len() as u64,
            not_reached: self.not_reached.len() as u64,
        }
    }
}

impl FindingChange {
    fn new(endpoint: &str, finding: &side::FindingSeen, because: String) -> Self {
        Self {
            id: finding.id.clone(),
            endpoint: endpoint.to_owned(),
            rule: finding.rule.clone(),
            severity: finding.severity,
            subject: finding.subject.clone(),
            title: finding.title.clone(),
            evidence: finding.evidence.clone(),
            because,
        }
    }
}
