//! An Adaptive Card for Microsoft Teams, in the envelope that its Workflows webhooks take.
//!
//! All text is in `TextRun`s, in which Teams sees no Markdown.

use serde_json::{Value, json};

use super::{Notification, and_more, fitting, place, shown};
use crate::finding::Severity;
use crate::report::v1::Case;

/// Teams takes messages of 28 kB; the rest is for what stands around the findings.
const BYTES: usize = 22_000;
const MOST: usize = 40;
const EVIDENCE: usize = 400;

pub fn message(notification: &Notification<'_>) -> Value {
    let told = fitting(&notification.new, MOST, BYTES, finding);
    let more = and_more(told.len(), notification.new.len());
    let headline = json!({
        "type": "TextRun", "text": run(&notification.headline()), "weight": "Bolder",
        "size": "Large",
    });
    let mut body = vec![paragraph(&[headline])];
    body.extend(notification.circumstances().iter().map(|said| {
        paragraph(&[json!({ "type": "TextRun", "text": run(said), "isSubtle": true })])
    }));
    body.extend(told);
    body.extend(more.map(|more| paragraph(&[json!({ "type": "TextRun", "text": run(&more) })])));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
                "msteams": { "width": "Full" },
            },
        }],
    })
}

fn finding(case: &Case<'_>) -> Value {
    let finding = case.finding;
    let severity = finding.severity.name().to_ascii_uppercase();
    let head = [
        json!({
            "type": "TextRun", "text": format!("{severity}  "), "weight": "Bolder",
            "color": colour(finding.severity),
        }),
        json!({ "type": "TextRun", "text": run(&finding.title), "weight": "Bolder" }),
    ];
    let place = json!({
        "type": "TextRun", "text": run(&place(case)), "fontType": "Monospace",
    });
    let evidence = json!({
        "type": "TextRun", "text": run(&shown(&finding.evidence, EVIDENCE)), "size": "Small",
    });
    json!({
        "type": "Container",
        "separator": true,
        "items": [paragraph(&head), paragraph(&[place]), paragraph(&[evidence])],
    })
}

fn paragraph(inlines: &[Value]) -> Value {
    json!({ "type": "RichTextBlock", "inlines": inlines })
}

const fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "Attention",
        Severity::Medium => "Warning",
        Severity::Low | Severity::Info => "Default",
    }
}

/// `{{DATE(…)}}` is a function of Adaptive Cards wherever there is text.
fn run(text: &str) -> String {
    text.replace("{{", "{ {")
}
