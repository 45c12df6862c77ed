use serde_json::Value;

use super::*;
use crate::report::{output::memory::Memory, sample};

fn written(report: &v1::Report) -> Value {
    let memory = Memory::default();
    Box::new(Sarif::new(Box::new(memory.clone()))).finish(report).unwrap();
    let value = serde_json::from_str(&memory.text()).unwrap();
    assert_valid(&value);
    value
}

/// By the standard's own schema.
fn assert_valid(value: &Value) {
    let schema = include_str!("../../../testdata/sarif/sarif-schema-2.1.0.json");
    let mut schema: Value = serde_json::from_str(schema).unwrap();
    // They have a stray bracket, which strict readers refuse, and nothing here has a language.
    for definition in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][definition]["properties"]["language"];
        assert!(language.as_object_mut().unwrap().remove("pattern").is_some());
    }
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(value).map(|it| format!("{}: {it}", it.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
}

fn suppressed(report: &mut v1::Report) {
    let finding = report.endpoints.iter_mut().find_map(|it| it.findings.first_mut()).unwrap();
    finding.suppressed = Some(v1::Suppression {
        reason: "behind a firewall".into(),
        expires: "2026-03-01".parse().unwrap(),
        source: "docksweep.toml:3".into(),
    });
}

#[test]
fn a_report() {
    let memory = Memory::default();
    Box::new(Sarif::new(Box::new(memory.clone()))).finish(&sample::report()).unwrap();
    sample::assert_snapshot("sarif", &memory.text());
}

#[test]
fn it_is_valid_with_all_and_with_nothing() {
    let mut report = sample::report();
    suppressed(&mut report);
    let run = &written(&report)["runs"][0];
    assert_eq!(run["results"].as_array().unwrap().len(), 11);
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    assert_eq!(run["automationDetails"]["id"], "docksweep/office/5f2b8e0c");
    let run = &written(&sample::empty_report())["runs"][0];
    assert_eq!(run["results"], serde_json::json!([]));
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
}

#[test]
fn results_come_worst_first_and_the_suppressed_last() {
    let mut report = sample::report();
    suppressed(&mut report);
    let log = written(&report);
    let results = log["runs"][0]["results"].as_array().unwrap();
    let rank = |level: &Value| ["error", "warning", "note"].iter().position(|it| it == level);
    let (last, rest) = results.split_last().unwrap();
    assert!(rest.is_sorted_by_key(|result| rank(&result["level"])));
    assert_eq!(last["suppressions"][0]["kind"], "external");
    let justification = last["suppressions"][0]["justification"].as_str().unwrap();
    assert!(justification.starts_with("behind a firewall, until 2026-03-01"), "{justification}");
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(rules[index]["properties"]["tags"].as_array().unwrap().len() <= 10);
    }
}

#[test]
fn what_github_would_refuse_is_left_out_and_said() {
    let report = sample::report();
    let all = worst_first(&report).len();
    for (results, compressed, kept) in [(5, u64::MAX, 5), (usize::MAX, u64::MAX, all)] {
        let log = log(&report, results, compressed).unwrap();
        let [run] = &log.runs;
        assert_eq!(run.results.len(), kept);
        let [invocation] = &run.invocations;
        let notes = serde_json::to_string(&invocation.tool_execution_notifications).unwrap();
        let said = format!("{} findings, the mildest, are left out", all - kept);
        assert_eq!(notes.contains(&said), kept < all, "{notes}");
        assert!(run.results[0].properties.severity == "critical");
    }
}

/// Evidence that cannot be compressed: what counts is the size, not the number.
#[test]
fn the_size_is_that_of_the_compressed_file() {
    let mut report = sample::report();
    let mut endpoint = report.endpoints.iter().find(|it| !it.findings.is_empty()).unwrap().clone();
    let finding = endpoint.findings.swap_remove(0);
    let mut number = 1_u64;
    endpoint.findings = (0..400)
        .map(|_| {
            let evidence = std::iter::repeat_with(|| {
                number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                format!("{number:016x}")
            });
            v1::Finding { evidence: evidence.take(100).collect(), ..finding.clone() }
        })
        .collect();
    report.endpoints = vec![endpoint];
    let limit = 150_000;
    let log = log(&report, RESULTS, limit).unwrap();
    let mut text = Vec::new();
    json::write_pretty(&mut text, &log).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&text).unwrap();
    let size = gzip.finish().unwrap().len() as u64;
    let [run] = &log.runs;
    assert!((20..401).contains(&run.results.len()), "{}", run.results.len());
    // The margin is what the compressor holds back, which is why the limit is 9 MB and not 10.
    assert!((limit / 2..limit + 200_000).contains(&size), "{size}");
}

#[test]
fn hostile_text_makes_no_link() {
    let mut report = sample::report();
    let finding = report.endpoints.iter_mut().find_map(|it| it.findings.first_mut()).unwrap();
    finding.evidence = "see [here](https://evil.example) \\[x]\x1b[2J".into();
    let log = written(&report);
    let results = log["runs"][0]["results"].as_array().unwrap();
    let text = results.iter().map(|it| it["message"]["text"].as_str().unwrap());
    let text = text.filter(|it| it.contains("evil")).collect::<String>();
    assert!(text.contains(r"see \[here\](https://evil.example) \\\[x\]\x1b\[2J"), "{text}");
}
