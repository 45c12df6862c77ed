//! Every report that a test sees is valid by the published schema.

use std::path::Path;

use serde_json::Value;

pub fn assert_valid(report: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/report-v1.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "the report breaks its schema:\n{}", errors.join("\n"));
}

pub fn assert_valid_notification(message: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/notification-v1.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(message)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "the notification breaks its schema:\n{}", errors.join("\n"));
}
