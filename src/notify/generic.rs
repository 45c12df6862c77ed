//! JSON of our own: `docksweep/notification/v1`, extended but never reshaped.
//! `schema/notification-v1.json` is generated from these types.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Notification, fitting, shown};
use crate::finding::Severity;
use crate::report::v1::{BySeverity, Case};

/// Findings in one message, and bytes of them.
const MOST: usize = 200;
const BYTES: usize = 256 * 1024;
/// Targets, and endpoints of one finding.
const LISTED: usize = 20;

/// What is new since the run before.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "docksweep notification v1")]
pub struct Message {
    schema: Schema,
    tool: Tool,
    scan: Scan,
    /// The run that this one is compared with. Null where none is known: every finding from
    /// `least_severity` up is then in `new`.
    since: Option<Since>,
    /// Findings below it are not told.
    least_severity: Severity,
    new: New,
}

#[derive(Debug, Serialize, JsonSchema)]
enum Schema {
    #[serde(rename = "docksweep/notification/v1")]
    V1,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Tool {
    name: String,
    version: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Scan {
    /// That of the report.
    id: String,
    #[schemars(with = "String", extend("format" = "date-time"))]
    started_at: Timestamp,
    #[schemars(with = "String", extend("format" = "date-time"))]
    finished_at: Timestamp,
    vantage: Option<String>,
    /// In the user's words, the first 20.
    targets: Vec<String>,
    targets_total: u64,
    addresses: u64,
    /// Open ports.
    endpoints: u64,
    complete: bool,
    incomplete_reason: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Since {
    scan: String,
    #[schemars(with = "String", extend("format" = "date-time"))]
    finished_at: Timestamp,
}

#[derive(Debug, Serialize, JsonSchema)]
struct New {
    total: u64,
    by_severity: BySeverity,
    /// Worst first; as many as there is room for.
    findings: Vec<Item>,
    /// Those that there was no room for.
    not_listed: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Item {
    /// That of the report.
    id: String,
    rule: String,
    severity: Severity,
    title: String,
    /// Ids of endpoints, as in the report, the first 20.
    endpoints: Vec<String>,
    endpoints_total: u64,
    subject: Option<String>,
    evidence: String,
    remediation: String,
}

impl Message {
    pub fn new(notification: &Notification<'_>) -> Self {
        let Notification { report, least, new } = notification;
        let scan = &report.scan;
        let findings = fitting(new, MOST, BYTES, item);
        Self {
            schema: Schema::V1,
            tool: Tool { name: report.tool.name.clone(), version: report.tool.version.clone() },
            scan: Scan {
                id: scan.id.clone(),
                started_at: scan.started_at,
                finished_at: scan.finished_at,
                vantage: scan.vantage.label.as_deref().map(|label| shown(label, 200)),
                targets: scan.targets.iter().take(LISTED).map(|text| shown(text, 200)).collect(),
                targets_total: count(scan.targets.len()),
                addresses: scan.addresses,
                endpoints: report.summary.endpoints,
                complete: scan.complete,
                incomplete_reason: scan.incomplete_reason.as_deref().map(|why| shown(why, 500)),
            },
            since: report.changes.as_ref().map(|changes| Since {
                scan: changes.since.clone(),
                finished_at: changes.since_finished_at,
            }),
            least_severity: *least,
            new: New {
                total: count(new.len()),
                by_severity: notification.by_severity(),
                not_listed: count(new.len() - findings.len()),
                findings,
            },
        }
    }
}

fn item(case: &Case<'_>) -> Item {
    let Case { finding, ids, .. } = case;
    Item {
        id: finding.id.clone(),
        rule: finding.rule.to_string(),
        severity: finding.severity,
        title: finding.title.to_string(),
        endpoints: ids.iter().take(LISTED).map(|id| shown(id, 100)).collect(),
        endpoints_total: count(ids.len()),
        subject: finding.subject.as_deref().map(|subject| shown(subject, 500)),
        evidence: shown(&finding.evidence, 1000),
        remediation: shown(&finding.remediation, 1000),
    }
}

fn count(length: usize) -> u64 {
    length as u64
}
