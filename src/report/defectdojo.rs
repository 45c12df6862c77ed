//! DefectDojo's "Generic Findings Import", as JSON.
//!
//! Its parser refuses a file with a key that it does not know, so only keys are written that it has
//! known for years. It shows descriptions as Markdown.

use std::io;

use serde::Serialize;

use super::markdown::escape::{block, code, prose};
use super::text::address_of;
use super::{Output, Reporter, json, v1};
use crate::finding::Severity;
use crate::rules::RuleText;
use crate::sanitize;

#[derive(Debug)]
pub struct DefectDojo(Box<dyn Output>);

impl DefectDojo {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }
}

impl Reporter for DefectDojo {
    fn finish(mut self: Box<Self>, report: &v1::Report) -> io::Result<()> {
        json::write_pretty(&mut self.0, &Import::new(report))?;
        self.0.commit()
    }
}

#[derive(Debug, Serialize)]
struct Import {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    version: String,
    findings: Vec<Finding>,
}

/// DefectDojo's names.
#[derive(Debug, Serialize)]
struct Finding {
    title: String,
    severity: &'static str,
    description: String,
    date: String,
    mitigation: String,
    impact: String,
    references: String,
    /// A risk that was accepted is not active.
    active: bool,
    /// That is for people to say.
    verified: bool,
    false_p: bool,
    risk_accepted: bool,
    static_finding: bool,
    dynamic_finding: bool,
    unique_id_from_tool: String,
    vuln_id_from_tool: String,
    endpoints: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwe: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vulnerability_ids: Vec<String>,
}

impl Import {
    fn new(report: &v1::Report) -> Self {
        let date = report.scan.finished_at.strftime("%Y-%m-%d").to_string();
        let findings = report.cases().map(|case| Finding::new(case, &date)).collect();
        Self {
            name: "docksweep",
            kind: "docksweep",
            version: report.tool.version.clone(),
            findings,
        }
    }
}

impl Finding {
    fn new(case: v1::Case<'_>, date: &str) -> Self {
        let v1::Case { finding, ids, endpoint } = case;
        let places: Vec<&str> = ids.iter().map(|id| address_of(id)).collect();
        let rule = RuleText::of(&finding.rule);
        Self {
            title: sanitize::line(&finding.title, 500).into_owned(),
            severity: severity(finding.severity),
            description: description(finding, &places, endpoint),
            date: date.to_owned(),
            mitigation: block(&finding.remediation),
            impact: rule.map(|rule| prose(rule.why)).unwrap_or_default(),
            references: finding.references.iter().collect::<Vec<_>>().join("\n"),
            active: !finding.is_suppressed(),
            verified: false,
            false_p: false,
            risk_accepted: finding.is_suppressed(),
            static_finding: false,
            dynamic_finding: true,
            unique_id_from_tool: finding.id.clone(),
            vuln_id_from_tool: finding.rule.to_string(),
            endpoints: places.iter().map(|place| format!("tcp://{place}")).collect(),
            cwe: finding.cwe,
            vulnerability_ids: vulnerabilities(finding),
        }
    }
}

fn description(finding: &v1::Finding, places: &[&str], endpoint: Option<&v1::Endpoint>) -> String {
    let places: Vec<String> = places.iter().map(|place| code(place)).collect();
    let mut parts = vec![format!("On {}: {}", places.join(", "), code(&finding.evidence))];
    parts.extend(finding.subject.as_deref().map(|subject| format!("About {}", code(subject))));
    if let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.names.is_empty()) {
        let names: Vec<String> = endpoint.names.iter().map(|name| code(name)).collect();
        parts.push(format!("Found by the name {}", names.join(", ")));
    }
    if let Some(suppression) = &finding.suppressed {
        let (reason, expires) = (code(&suppression.reason), suppression.expires);
        parts.push(format!("The risk is accepted until {expires}: {reason}"));
    }
    parts.join("\n\n")
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
        Severity::Info => "Info",
    }
}

/// The CVEs that the evidence lists, where it is the program's own advisory data that lists them.
fn vulnerabilities(finding: &v1::Finding) -> Vec<String> {
    if finding.rule != "engine-advisory" {
        return Vec::new();
    }
    let mut found: Vec<String> = finding
        .evidence
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| is_cve(word))
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// `CVE-2024-41110`.
fn is_cve(word: &str) -> bool {
    let digits = |text: &str, least: usize| {
        text.len() >= least && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    word.strip_prefix("CVE-")
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(year, number)| year.len() == 4 && digits(year, 4) && digits(number, 4))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::report::{output::memory::Memory, sample};

    /// The keys that `dojo/tools/generic/json_parser.py` of DefectDojo takes and that its older
    /// versions take too; it raises "Not allowed fields are present" for any other.
    const ALLOWED: [&str; 18] = [
        "title",
        "severity",
        "description",
        "date",
        "mitigation",
        "impact",
        "references",
        "active",
        "verified",
        "false_p",
        "risk_accepted",
        "static_finding",
        "dynamic_finding",
        "unique_id_from_tool",
        "vuln_id_from_tool",
        "cwe",
        // Taken out before the keys are checked.
        "endpoints",
        "vulnerability_ids",
    ];

    fn written(report: &v1::Report) -> serde_json::Value {
        let memory = Memory::default();
        Box::new(DefectDojo::new(Box::new(memory.clone()))).finish(report).unwrap();
        serde_json::from_str(&memory.text()).unwrap()
    }

    fn with_advisory_and_suppression() -> v1::Report {
        let mut report = sample::report();
        let finding = &mut report.endpoints[0].findings[0];
        finding.rule = "engine-advisory".into();
        finding.evidence = "28.5.2 has CVE-2025-54410, CVE-2024-41110 and CVE-2024-41110.".into();
        finding.suppressed = Some(v1::Suppression {
            reason: "isolated".into(),
            expires: "2026-03-01".parse().unwrap(),
            source: "docksweep.toml:3".into(),
        });
        report
    }

    #[test]
    fn a_report() {
        let memory = Memory::default();
        Box::new(DefectDojo::new(Box::new(memory.clone()))).finish(&sample::report()).unwrap();
        sample::assert_snapshot("defectdojo", &memory.text());
    }

    #[test]
    fn its_parser_takes_every_finding() {
        let import = written(&with_advisory_and_suppression());
        let findings = import["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 11);
        let allowed = BTreeSet::from(ALLOWED);
        for finding in findings {
            for (key, value) in finding.as_object().unwrap() {
                assert!(allowed.contains(key.as_str()), "{key}");
                assert!(!value.is_null(), "{key}");
            }
            for required in ["title", "severity", "description"] {
                assert!(!finding[required].as_str().unwrap().is_empty());
            }
            let severity = finding["severity"].as_str().unwrap();
            assert!(["Critical", "High", "Medium", "Low", "Info"].contains(&severity));
            assert!(finding["title"].as_str().unwrap().chars().count() < 511);
            let _: jiff::civil::Date = finding["date"].as_str().unwrap().parse().unwrap();
            for endpoint in finding["endpoints"].as_array().unwrap() {
                assert!(endpoint.as_str().unwrap().starts_with("tcp://"), "{endpoint}");
            }
        }
    }

    #[test]
    fn an_accepted_risk_is_not_active_and_advisories_are_linked() {
        let import = written(&with_advisory_and_suppression());
        let finding = import["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|finding| finding["risk_accepted"] == true)
            .unwrap();
        assert_eq!(finding["active"], false);
        let ids = serde_json::json!(["CVE-2024-41110", "CVE-2025-54410"]);
        assert_eq!(finding["vulnerability_ids"], ids);
        assert!(finding["description"].as_str().unwrap().contains("until 2026-03-01"));
    }
}
