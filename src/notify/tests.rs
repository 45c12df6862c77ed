//! What is told and what is not, in every format, also of findings that mean harm.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::*;
use crate::report::sample;
use crate::report::v1::{Changes, Suppression};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/notification-v1.json");

fn generated_schema() -> String {
    let schema = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<generic::Message>();
    format!("{}\n", serde_json::to_string_pretty(&schema).unwrap())
}

#[test]
fn the_published_schema_is_the_types() {
    let generated = generated_schema();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(SCHEMA, &generated).unwrap();
    }
    let published = std::fs::read_to_string(SCHEMA).unwrap();
    assert!(
        published == generated,
        "schema/notification-v1.json differs from the types; `UPDATE_SCHEMA=1 cargo test` \
         rewrites it"
    );
}

fn generic_of(notification: &Notification<'_>) -> Value {
    let value = serde_json::to_value(generic::Message::new(notification)).unwrap();
    let schema = serde_json::from_str(&generated_schema()).unwrap();
    let validator =
        jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    value
}

fn report_with_changes() -> Report {
    let mut report = sample::report();
    report.changes = Some(Changes {
        since: "20260101T020000Z-1".into(),
        since_finished_at: "2026-01-01T02:05:00Z".parse().unwrap(),
        new: 1,
        fixed: 0,
        changed: 0,
        gone: 0,
        not_reached: 0,
    });
    report
}

/// As many findings as a bad night has, each with as much hostile text as there can be.
fn crowded() -> Report {
    let mut report = sample::report();
    let endpoint = report.endpoints.iter().find(|endpoint| !endpoint.findings.is_empty());
    let endpoint = endpoint.unwrap().clone();
    report.endpoints = (0..500_u16)
        .map(|number| {
            let mut endpoint = endpoint.clone();
            endpoint.id = format!("tcp/10.0.{}.{}:2375", number / 256, number % 256);
            endpoint.findings.truncate(1);
            let finding = endpoint.findings.first_mut().unwrap();
            finding.id = format!("{number:016x}");
            finding.severity = if number == 499 { Severity::Critical } else { Severity::High };
            finding.evidence = "\"\\<!channel> {{DATE(2026-01-01)}} **x** 東京 ".repeat(400);
            endpoint
        })
        .collect();
    report
}

#[test]
fn without_an_earlier_run_all_from_the_level_up_are_told_and_it_is_said() {
    let report = sample::report();
    let message = generic_of(&Notification::new(&report, Severity::High, None));
    assert_eq!(message["schema"], "docksweep/notification/v1");
    assert_eq!(message["since"], Value::Null);
    assert_eq!(message["least_severity"], "high");
    let severities: Vec<&str> = message["new"]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["severity"].as_str().unwrap())
        .collect();
    let expected = &report.summary.by_severity;
    assert_eq!(severities.len() as u64, expected.critical + expected.high);
    assert!(severities.is_sorted(), "critical comes before high: {severities:?}");
    let slack = slack::message(&Notification::new(&report, Severity::High, None));
    assert!(slack.to_string().contains("No earlier run is known"), "{slack}");
}

#[test]
fn with_an_earlier_run_only_what_is_new_is_told() {
    let mut report = report_with_changes();
    let of_fleet = "00000000000000ff".to_owned();
    report.fleet_findings[0].finding.id.clone_from(&of_fleet);
    let new = HashSet::from([of_fleet.clone()]);
    let notification = Notification::new(&report, Severity::Medium, Some(&new));
    let message = generic_of(&notification);
    assert_eq!(message["since"]["scan"], "20260101T020000Z-1");
    assert_eq!(message["new"]["total"], 1);
    assert_eq!(message["new"]["findings"][0]["id"], of_fleet.as_str());
    assert_eq!(message["new"]["findings"][0]["endpoints_total"], 2);
    assert_eq!(notification.headline(), "docksweep: 1 new finding (1 high)");

    let none = Notification::new(&report, Severity::Critical, Some(&new));
    assert!(!none.has_news(), "it is below the level");
    assert_eq!(none.headline(), "docksweep: no new finding from critical up");
    assert!(!Notification::new(&report, Severity::Info, Some(&HashSet::new())).has_news());
}

#[test]
fn what_somebody_accepted_is_not_told() {
    let mut report = sample::report();
    for finding in report.endpoints.iter_mut().flat_map(|endpoint| &mut endpoint.findings) {
        finding.suppressed = Some(Suppression {
            reason: "a honeypot".into(),
            expires: "2027-01-01".parse().unwrap(),
            source: "docksweep.toml:3".into(),
        });
    }
    let notification = Notification::new(&report, Severity::Info, None);
    assert_eq!(notification.new.len(), report.fleet_findings.len());
}

#[test]
fn messages_keep_to_the_sizes_that_their_readers_take_and_begin_with_the_worst() {
    let report = crowded();
    let notification = Notification::new(&report, Severity::Medium, None);
    let all = notification.new.len();
    assert!(all > 500);

    let message = generic_of(&notification);
    let listed = message["new"]["findings"].as_array().unwrap().len();
    assert_eq!(message["new"]["not_listed"], all - listed);
    assert!(listed > 20 && message.to_string().len() < 300_000);
    assert_eq!(message["new"]["findings"][0]["severity"], "critical");

    let message = slack::message(&notification);
    let blocks = message["blocks"].as_array().unwrap();
    assert!(blocks.len() > 20 && blocks.len() <= 50, "{}", blocks.len());
    let mut texts = Vec::new();
    for block in blocks {
        texts.extend(block.get("text"));
        texts.extend(block.get("fields").and_then(Value::as_array).into_iter().flatten());
    }
    for text in texts {
        let length = text["text"].as_str().unwrap().chars().count();
        assert!((1..=2000).contains(&length), "{length}");
    }
    assert!(blocks[2]["text"]["text"].as_str().unwrap().starts_with("*CRITICAL*"));
    let more = blocks.last().unwrap()["elements"][0]["text"].as_str().unwrap();
    assert_eq!(more, format!("and {} more: the report has them all", all - (blocks.len() - 3)));

    let message = teams::message(&notification);
    assert!(message.to_string().len() <= 28_000, "{}", message.to_string().len());
    assert!(message.to_string().contains("CRITICAL") && message.to_string().contains(" more: "));
}

#[test]
fn what_a_peer_wrote_is_neither_markup_nor_mention() {
    let mut report = crowded();
    report.endpoints.truncate(1);
    report.scan.vantage.label = Some("<!here> & <b>".into());
    let notification = Notification::new(&report, Severity::Medium, None);
    let message = slack::message(&notification);
    for block in message["blocks"].as_array().unwrap() {
        for text in
            block.get("text").into_iter().chain(block["fields"].as_array().unwrap_or(&vec![]))
        {
            let is_plain = text["type"] == "plain_text";
            assert!(is_plain || !text["text"].as_str().unwrap().contains('<'), "{text}");
        }
    }
    let message = teams::message(&notification);
    assert!(!message.to_string().contains("{{"), "{message}");
    assert!(!message.to_string().contains("\"TextBlock\""), "which reads Markdown: {message}");
}

#[test]
fn control_characters_reach_nobody() {
    let mut report = sample::report();
    for finding in report.endpoints.iter_mut().flat_map(|endpoint| &mut endpoint.findings) {
        finding.evidence = sample::HOSTILE.into();
        finding.subject = Some(sample::HOSTILE.into());
    }
    let notification = Notification::new(&report, Severity::Info, None);
    for message in
        [generic_of(&notification), slack::message(&notification), teams::message(&notification)]
    {
        let mut queue = vec![&message];
        while let Some(value) = queue.pop() {
            match value {
                Value::String(text) => {
                    assert!(!text.chars().any(|c| c != '\n' && sanitize::is_hazard(c)), "{text:?}");
                }
                Value::Array(values) => queue.extend(values),
                Value::Object(fields) => queue.extend(fields.values()),
                _ => {}
            }
        }
    }
}

#[test]
fn the_messages_are_as_they_were() {
    let mut report = report_with_changes();
    report.endpoints.truncate(3);
    let notification = Notification::new(&report, Severity::Low, None);
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    sample::assert_snapshot("notification-generic", &pretty(&generic_of(&notification)));
    sample::assert_snapshot("notification-slack", &pretty(&slack::message(&notification)));
    sample::assert_snapshot("notification-teams", &pretty(&teams::message(&notification)));
}
