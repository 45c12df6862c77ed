//! What became of endpoints that earlier runs knew: a report lists open ports alone, and a port
//! that is not listed may be closed, or may not have been asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An endpoint that the history knows and that this run does not list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Absent {
    /// As [`super::Endpoint::id`].
    pub id: String,
    pub state: AbsentState,
    pub reason: String,
}

/// What its port said, asked once more at the end of the scan.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum AbsentState {
    /// The address itself refused the connection: nothing listens there now.
    Closed,
    /// It takes connections and says nothing, as all of its network does, so it is not listed.
    NotListed,
    /// A router or this machine said that there is no way.
    Unreachable,
    /// No answer.
    Silent,
    /// Among the targets, and not asked.
    NotProbed,
    /// Not among the targets of this run.
    NotInTargets,
}

impl AbsentState {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::NotListed => "not-listed",
            Self::Unreachable => "unreachable",
            Self::Silent => "silent",
            Self::NotProbed => "not-probed",
            Self::NotInTargets => "not-in-targets",
        }
    }
}
