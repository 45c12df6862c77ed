//! A finding as a SARIF result.

use super::super::text::{address_of, plural};
use super::log::{
    ArtifactLocation, Fingerprints, Location, LogicalLocation, Message, PhysicalLocation, Region,
    Result, ResultProperties, Suppression,
};
use super::rules::Rules;
use super::{Case, level};
use crate::rules::RuleText;

/// GitHub shows this many of a result, and refuses ten times as many.
const LOCATIONS: usize = 100;

pub fn of<'a>(case: &Case<'a>, rules: &Rules<'a>) -> Result<'a> {
    let Case { finding, ids, endpoint } = *case;
    let suppression = finding.suppressed.as_ref().map(|it| Suppression {
        kind: "external",
        status: "accepted",
        justification: format!("{}, until {} ({})", it.reason, it.expires, it.source),
    });
    Result {
        rule_id: &finding.rule,
        rule_index: rules.index(&finding.rule),
        level: level(finding.severity),
        message: Message::plain(&message(case)),
        locations: ids.iter().take(LOCATIONS).map(|id| location(id)).collect(),
        partial_fingerprints: Fingerprints {
            primary_location_line_hash: &finding.id,
            finding: &finding.id,
        },
        suppressions: suppression.into_iter().collect(),
        properties: ResultProperties {
            severity: finding.severity.name(),
            subject: finding.subject.as_deref(),
            remediation: &finding.remediation,
            endpoints: ids,
            access: endpoint.map(|endpoint| endpoint.api.access),
        },
    }
}

/// Where, what and how that is known. What to do is the rule's help, unless this case differs.
fn message(case: &Case<'_>) -> String {
    let Case { finding, ids, endpoint } = *case;
    let place = match (ids, endpoint) {
        ([id], Some(endpoint)) => match endpoint.names.first() {
            Some(name) => format!("{} ({name})", place(id)),
            None => place(id),
        },
        (ids, _) => plural(ids.len() as u64, "endpoint", "endpoints"),
    };
    let mut text = format!("{place}: {}. {}", finding.title, finding.evidence);
    if let Some(subject) = &finding.subject
        && !finding.evidence.contains(subject.as_str())
    {
        text.push_str(&format!(" About {subject}."));
    }
    let usual = RuleText::of(&finding.rule).map(|rule| rule.remediation);
    if usual.is_some_and(|usual| usual != finding.remediation) {
        let fix: Vec<&str> = finding.remediation.lines().map(str::trim).collect();
        text.push_str(&format!(" Fix: {}", fix.join(" ")));
    }
    text
}

/// `10.0.0.5 port 2375`: brackets would have to be escaped.
fn place(id: &str) -> String {
    let (address, port) = parts(id);
    format!("{address} port {port}")
}

fn parts(id: &str) -> (&str, &str) {
    let (address, port) = address_of(id).rsplit_once(':').unwrap_or((id, ""));
    (address.trim_start_matches('[').trim_end_matches(']'), port)
}

fn location(id: &str) -> Location<'_> {
    let (address, port) = parts(id);
    Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation { uri: format!("hosts/{address}/tcp/{port}") },
            // Alerts stand in a line of a file, and there is none.
            region: Region { start_line: 1 },
        },
        logical_locations: [LogicalLocation {
            name: address_of(id),
            fully_qualified_name: id,
            kind: "resource",
        }],
    }
}
