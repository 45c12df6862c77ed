//! SARIF's objects, those that are used: names and order are the standard's.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Serialize;

use super::super::v1;
use crate::sanitize;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

#[derive(Debug, Serialize)]
pub struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    pub runs: [Run<'a>; 1],
}

impl<'a> Log<'a> {
    pub fn new(run: Run<'a>) -> Self {
        Self { schema: SCHEMA, version: "2.1.0", runs: [run] }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run<'a> {
    pub tool: Tool<'a>,
    pub invocations: [Invocation<'a>; 1],
    pub automation_details: RunAutomationDetails,
    pub column_kind: &'static str,
    pub results: Vec<Result<'a>>,
    pub properties: RunProperties<'a>,
}

#[derive(Debug, Serialize)]
pub struct RunProperties<'a> {
    pub vantage: Option<&'a str>,
    pub targets: &'a [String],
    pub ports: &'a [u16],
    pub addresses: u64,
    pub counts: v1::Counts,
    pub complete: bool,
    pub summary: &'a v1::Summary,
}

#[derive(Debug, Serialize)]
pub struct Tool<'a> {
    pub driver: Driver<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Driver<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub semantic_version: &'a str,
    pub rules: Vec<ReportingDescriptor<'a>>,
    pub properties: ToolProperties<'a>,
}

#[derive(Debug, Serialize)]
pub struct ToolProperties<'a> {
    pub rules_version: &'a str,
    pub data_date: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportingDescriptor<'a> {
    pub id: &'a str,
    pub short_description: Message,
    pub full_description: Message,
    pub help: Help,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help_uri: Option<&'a str>,
    pub default_configuration: Configuration,
    pub properties: RuleProperties<'a>,
}

#[derive(Debug, Serialize)]
pub struct Help {
    pub text: String,
    pub markdown: String,
}

#[derive(Debug, Serialize)]
pub struct Configuration {
    pub level: Level,
}

#[derive(Debug, Serialize)]
pub struct RuleProperties<'a> {
    pub tags: Vec<Cow<'a, str>>,
    /// GitHub's own, which makes a result a security alert.
    #[serde(rename = "security-severity")]
    pub security_severity: &'static str,
    pub precision: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Note,
    Warning,
    Error,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invocation<'a> {
    pub command_line: &'a str,
    pub start_time_utc: Timestamp,
    pub end_time_utc: Timestamp,
    pub execution_successful: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_execution_notifications: Vec<Notification>,
}

#[derive(Debug, Serialize)]
pub struct Notification {
    pub level: Level,
    pub message: Message,
}

#[derive(Debug, Serialize)]
pub struct RunAutomationDetails {
    pub id: String,
}

#[derive(Debug, Serialize)]
pub struct Message {
    text: String,
}

impl Message {
    /// One line of text, in which nothing is a link: SARIF has them as `[text](address)` even in
    /// plain text, and a backslash takes the brackets' meaning.
    pub fn plain(text: &str) -> Self {
        let mut escaped = String::new();
        let mut backslashes = 0;
        for c in sanitize::line(text, 8000).chars() {
            if matches!(c, '[' | ']') {
                // Those before it would take away the meaning of ours.
                escaped.extend(std::iter::repeat_n('\\', backslashes + 1));
            }
            backslashes = if c == '\\' { backslashes + 1 } else { 0 };
            escaped.push(c);
        }
        Self { text: escaped }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Result<'a> {
    pub rule_id: &'a str,
    pub rule_index: usize,
    pub level: Level,
    pub message: Message,
    pub locations: Vec<Location<'a>>,
    pub partial_fingerprints: Fingerprints<'a>,
    /// Empty means "looked at, and not suppressed".
    pub suppressions: Vec<Suppression>,
    pub properties: ResultProperties<'a>,
}

#[derive(Debug, Serialize)]
pub struct Fingerprints<'a> {
    /// The only one that GitHub looks at.
    #[serde(rename = "primaryLocationLineHash")]
    pub primary_location_line_hash: &'a str,
    #[serde(rename = "docksweepFinding/v1")]
    pub finding: &'a str,
}

#[derive(Debug, Serialize)]
pub struct Suppression {
    pub kind: &'static str,
    pub status: &'static str,
    pub justification: String,
}

#[derive(Debug, Serialize)]
pub struct ResultProperties<'a> {
    pub severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<&'a str>,
    pub remediation: &'a str,
    /// All of them, where there are more than locations.
    pub endpoints: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<v1::Access>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Location<'a> {
    pub physical_location: PhysicalLocation,
    pub logical_locations: [LogicalLocation<'a>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PhysicalLocation {
    pub artifact_location: ArtifactLocation,
    pub region: Region,
}

#[derive(Debug, Serialize)]
pub struct ArtifactLocation {
    pub uri: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Region {
    pub start_line: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogicalLocation<'a> {
    pub name: &'a str,
    pub fully_qualified_name: &'a str,
    pub kind: &'static str,
}
