//! How a run differs from the one before, in figures.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Against the last complete run of the same targets from the same vantage: the same pairs of address
/// and port, or else the same words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// The other run's `scan.id`.
    pub since: String,
    /// When it finished.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since_finished_at: Timestamp,
    /// Findings that were not there.
    pub new: u64,
    /// Findings that are gone from endpoints that were asked again.
    pub fixed: u64,
    /// Endpoints whose access, version, certificate or grade is another.
    pub changed: u64,
    /// Endpoints whose port is closed now.
    pub gone: u64,
    /// Endpoints of then that this run could not ask, or findings of whom it could not judge: neither
    /// fixed nor gone.
    pub not_reached: u64,
}
