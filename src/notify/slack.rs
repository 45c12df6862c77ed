//! Slack's blocks, for an incoming webhook.
//!
//! Text that a peer may have chosen is `plain_text`, in which Slack finds neither links nor
//! mentions nor emoji.

use serde_json::{Value, json};

use super::{Notification, and_more, fitting, place, shown};
use crate::report::v1::Case;

/// Slack takes 50 blocks; three of them are not findings.
const MOST: usize = 40;
const BYTES: usize = 60_000;
/// Slack takes 2,000 characters in a field.
const EVIDENCE: usize = 600;

pub fn message(notification: &Notification<'_>) -> Value {
    let headline = notification.headline();
    let about = notification.circumstances().join(". ");
    let told = fitting(&notification.new, MOST, BYTES, finding);
    let more = and_more(told.len(), notification.new.len());
    let mut blocks = vec![
        json!({ "type": "header", "text": plain(&shown(&headline, 150)) }),
        json!({ "type": "section", "text": plain(&format!("{about}.")) }),
    ];
    blocks.extend(told);
    blocks.extend(more.map(|more| json!({ "type": "context", "elements": [plain(&more)] })));
    // What a phone shows of it.
    json!({ "text": escaped(&headline), "blocks": blocks })
}

fn finding(case: &Case<'_>) -> Value {
    let finding = case.finding;
    let severity = finding.severity.name().to_ascii_uppercase();
    let head = format!("*{severity}*  {}\n`{}`", escaped(&finding.title), escaped(&place(case)));
    // Slack refuses a message with an empty text in it.
    let evidence = if finding.evidence.is_empty() { "-" } else { &finding.evidence };
    json!({
        "type": "section",
        "text": { "type": "mrkdwn", "text": head, "verbatim": true },
        "fields": [plain(&shown(evidence, EVIDENCE))],
    })
}

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// The three characters that Slack gives a meaning in every text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
