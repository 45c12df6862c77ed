//! The contract: the published schema, its keys' order, and that what is written can be read.

use std::path::Path;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::*;
use crate::report::{json, sample};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/report-v1.json");

/// Of what is written rather than of what can be read: every key is required.
fn generated_schema() -> String {
    let schema = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<Report>();
    format!("{}\n", serde_json::to_string_pretty(&schema).unwrap())
}

fn as_value(report: &Report) -> Value {
    let mut bytes = Vec::new();
    json::write_pretty(&mut bytes, report).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[track_caller]
fn assert_valid(validator: &jsonschema::Validator, value: &Value) {
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn the_published_schema_is_the_types() {
    let generated = generated_schema();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::create_dir_all(Path::new(SCHEMA).parent().unwrap()).unwrap();
        std::fs::write(SCHEMA, &generated).unwrap();
    }
    let published = std::fs::read_to_string(SCHEMA).unwrap_or_default();
    assert!(
        published == generated,
        "schema/report-v1.json differs from the types; `UPDATE_SCHEMA=1 cargo test` rewrites it"
    );
}

/// Against the generated schema, which the test above holds equal to the published one.
#[test]
fn reports_keep_to_the_schema() {
    let validator = jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&serde_json::from_str(&generated_schema()).unwrap())
        .unwrap();
    for report in [sample::report(), sample::empty_report()] {
        assert_valid(&validator, &as_value(&report));
    }
    let mut wrong = as_value(&sample::report());
    wrong["endpoints"][0]["api"]["access"] = "ajar".into();
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn what_is_written_can_be_read() {
    for report in [sample::report(), sample::empty_report()] {
        let mut bytes = Vec::new();
        json::write_pretty(&mut bytes, &report).unwrap();
        assert_eq!(serde_json::from_slice::<Report>(&bytes).unwrap(), report);
    }
}

#[test]
fn readers_ignore_keys_they_do_not_know_and_refuse_other_formats() {
    let mut value = as_value(&sample::report());
    value["later"] = 1.into();
    value["endpoints"][0]["api"]["later"] = 1.into();
    assert_eq!(serde_json::from_value::<Report>(value.clone()).unwrap(), sample::report());
    value["schema"] = "docksweep/report/v2".into();
    assert!(serde_json::from_value::<Report>(value).is_err());
}

/// Names and order of the keys, outermost first; additions come after what was there.
#[test]
fn keys_are_those_of_the_contract_in_its_order() {
    let report = sample::report();
    assert_keys(&report, "schema tool scan summary fleet_findings changes endpoints");
    assert_keys(&report.tool, "name version rules_version data_date");
    assert_keys(
        &report.scan,
        "id started_at finished_at command vantage targets excluded ports engine seed shard \
         addresses counts complete incomplete_reason unresolved notes targets_digest absent",
    );
    assert_keys(
        &report.scan.counts,
        "sent open closed unreachable silent not_probed answered duplicates",
    );
    assert_keys(&report.summary, "endpoints by_access by_severity by_grade");
    let endpoint = report.endpoints.iter().find(|e| e.id == "tcp/10.0.0.6:2376").unwrap();
    assert_keys(
        endpoint,
        "id address port names sni transport api audit tls baseline findings rules_passed grade \
         connections judged_at rules_undetermined observation",
    );
    assert_keys(
        &endpoint.api,
        "access reason product engine_id intermediary server paths version posture containers \
         docker",
    );
    assert_keys(
        &endpoint.baseline,
        "socket_not_exposed tls rootless up_to_date icc_disabled userns_remap",
    );
    assert_keys(
        endpoint.findings.first().unwrap(),
        "id rule severity subject title evidence remediation references suppressed cwe",
    );
    let tls = endpoint.tls.as_ref().unwrap();
    assert_keys(
        tls,
        "versions negotiated client_auth cipher_suites chains chains_missing cipher_classes",
    );
    assert_keys(&tls.versions, "SSLv3 TLSv1.0 TLSv1.1 TLSv1.2 TLSv1.3");
    assert_keys(
        tls.negotiated.as_ref().unwrap(),
        "version cipher_suite alpn key_possession key_possession_reason group",
    );
    assert_keys(
        &tls.client_auth,
        "requested required enforced_by verified acceptable_issuers acceptable_issuers_total \
         reason verified_reason",
    );
    let chain = tls.chains.first().unwrap();
    assert_keys(chain, "seen_in certificates");
    assert_keys(
        chain.certificates.first().unwrap(),
        "subject issuer serial not_before not_after self_issued self_signature \
         signature_algorithm key san is_ca extended_key_usage sha256 self_signature_reason \
         x509_version",
    );
}

/// `serde_json::Value` sorts its keys, so the order is read from the text.
#[track_caller]
fn assert_keys<T: Serialize>(value: &T, keys: &str) {
    let text = serde_json::to_string_pretty(value).unwrap();
    let found: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("  \"")?.split_once("\":"))
        .map(|(key, _)| key)
        .collect();
    assert_eq!(found, keys.split(' ').collect::<Vec<_>>());
}

#[test]
fn endpoints_are_ordered_and_counted() {
    let report = sample::report();
    let ids: Vec<&str> = report.endpoints.iter().map(|endpoint| endpoint.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "tcp/10.0.0.5:2375",
            "tcp/10.0.0.6:2376",
            "tcp/10.0.0.7:2376",
            "tcp/10.0.0.8:2376",
            "tcp/10.0.0.9:2375",
            "tcp/10.0.0.10:2375",
            "tcp/10.0.0.11:2376",
            "tcp/[2001:db8::5]:2375",
        ]
    );
    let summary = report.summary;
    assert_eq!(summary.endpoints, 8);
    assert_eq!(
        summary.by_access,
        ByAccess {
            open: 3,
            filtered: 0,
            denied: 0,
            client_certificate_required: 2,
            not_docker: 2,
            undetermined: 1,
        }
    );
    assert_eq!(summary.by_severity, {
        BySeverity { critical: 3, high: 1, medium: 3, low: 3, info: 1 }
    });
    assert_eq!(summary.by_grade, ByGrade { a: 2, b: 1, c: 1, d: 0, f: 3, ungraded: 1 });
}
