//! JUnit XML: to a build server, endpoints are test suites and rules are tests.
//!
//! - A rule that is kept passes, and so does one whose finding is of severity info: the finding is
//!   in its output.
//! - A finding from low up is a failure. Which of them break the build is `--fail-on`'s to say.
//! - What could not be determined, and what was suppressed, is skipped, with the reason.
//! - A scan that was cut short is an error: what it did not ask has not passed.

use std::io::{self, Write};

use super::text::address_of;
use super::xml::{Xml, line};
use super::{Output, Reporter, v1};
use crate::finding::Severity;

#[derive(Debug)]
pub struct Junit(Box<dyn Output>);

impl Junit {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }
}

impl Reporter for Junit {
    fn finish(mut self: Box<Self>, report: &v1::Report) -> io::Result<()> {
        write(&mut self.0, report)?;
        self.0.commit()
    }
}

fn write(output: &mut dyn Write, report: &v1::Report) -> io::Result<()> {
    let mut xml = Xml::new(output)?;
    xml.start("testsuites", &[("name", "docksweep")])?;
    whole_scan(report).write(&mut xml)?;
    for endpoint in &report.endpoints {
        of_endpoint(endpoint).write(&mut xml)?;
    }
    if !report.fleet_findings.is_empty() {
        of_fleet(report).write(&mut xml)?;
    }
    xml.end("testsuites")?;
    xml.finish()
}

struct Suite {
    name: String,
    /// The address; the fleet has none.
    host: Option<String>,
    timestamp: jiff::Timestamp,
    cases: Vec<Case>,
}

struct Case {
    name: String,
    outcome: Outcome,
}

enum Outcome {
    Passed,
    /// A fact worth knowing.
    Told(String),
    Skipped {
        message: String,
    },
    Failed {
        message: String,
        severity: Severity,
        text: String,
    },
    /// The test itself could not be made.
    Error {
        message: String,
    },
}

fn whole_scan(report: &v1::Report) -> Suite {
    let scan = &report.scan;
    let outcome = if scan.complete {
        Outcome::Passed
    } else {
        let reason = scan.incomplete_reason.as_deref().unwrap_or("not known why");
        Outcome::Error { message: line(reason) }
    };
    Suite {
        name: "scan".to_owned(),
        host: None,
        timestamp: scan.finished_at,
        cases: vec![Case { name: "complete".to_owned(), outcome }],
    }
}

fn of_endpoint(endpoint: &v1::Endpoint) -> Suite {
    let mut cases: Vec<Case> = endpoint.findings.iter().map(|it| of_finding(it, None)).collect();
    if endpoint.api.access == v1::Access::Undetermined {
        let outcome = Outcome::Skipped { message: line(&endpoint.api.reason) };
        cases.push(Case { name: "access".to_owned(), outcome });
    }
    cases.extend(endpoint.rules_undetermined.iter().map(|it| Case {
        name: it.rule.to_string(),
        outcome: Outcome::Skipped { message: line(&it.reason) },
    }));
    cases.extend(
        endpoint
            .rules_passed
            .iter()
            .map(|rule| Case { name: rule.to_string(), outcome: Outcome::Passed }),
    );
    Suite {
        name: address_of(&endpoint.id).to_owned(),
        host: Some(endpoint.address.to_string()),
        timestamp: endpoint.judged_at,
        cases,
    }
}

fn of_fleet(report: &v1::Report) -> Suite {
    let cases = report.fleet_findings.iter().map(|fleet| {
        let places: Vec<&str> = fleet.endpoints.iter().map(|id| address_of(id)).collect();
        of_finding(&fleet.finding, Some(&places.join(", ")))
    });
    Suite {
        name: "fleet".to_owned(),
        host: None,
        timestamp: report.scan.finished_at,
        cases: cases.collect(),
    }
}

fn of_finding(finding: &v1::Finding, places: Option<&str>) -> Case {
    let name = match &finding.subject {
        Some(subject) => format!("{} ({})", finding.rule, line(subject)),
        None => finding.rule.to_string(),
    };
    let mut text = line(&finding.evidence);
    if let Some(places) = places {
        text = format!("{text}\nOn {places}");
    }
    let outcome = match (&finding.suppressed, finding.severity) {
        (Some(suppression), _) => Outcome::Skipped {
            message: format!(
                "accepted until {}: {}",
                suppression.expires,
                line(&suppression.reason)
            ),
        },
        (None, Severity::Info) => Outcome::Told(format!("{}: {text}", finding.title)),
        (None, severity) => {
            let references: Vec<&str> = finding.references.iter().collect();
            let fix = &finding.remediation;
            let text = format!("{text}\n\nFix:\n{fix}\n\n{}", references.join("\n"));
            Outcome::Failed { message: finding.title.to_string(), severity, text }
        }
    };
    Case { name, outcome }
}

impl Suite {
    fn write(&self, xml: &mut Xml<'_>) -> io::Result<()> {
        let count = |wanted: fn(&Outcome) -> bool| {
            self.cases.iter().filter(|case| wanted(&case.outcome)).count().to_string()
        };
        let tests = self.cases.len().to_string();
        let failures = count(|it| matches!(it, Outcome::Failed { .. }));
        let errors = count(|it| matches!(it, Outcome::Error { .. }));
        let skipped = count(|it| matches!(it, Outcome::Skipped { .. }));
        let timestamp = self.timestamp.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let mut attributes = vec![
            ("name", self.name.as_str()),
            ("tests", &tests),
            ("failures", &failures),
            ("errors", &errors),
            ("skipped", &skipped),
            ("timestamp", &timestamp),
        ];
        attributes.extend(self.host.as_deref().map(|host| ("hostname", host)));
        if self.cases.is_empty() {
            return xml.empty("testsuite", &attributes);
        }
        xml.start("testsuite", &attributes)?;
        for case in &self.cases {
            case.write(xml, &self.name)?;
        }
        xml.end("testsuite")
    }
}

impl Case {
    fn write(&self, xml: &mut Xml<'_>, suite: &str) -> io::Result<()> {
        let attributes = [("classname", suite), ("name", &self.name)];
        if matches!(self.outcome, Outcome::Passed) {
            return xml.empty("testcase", &attributes);
        }
        xml.start("testcase", &attributes)?;
        match &self.outcome {
            Outcome::Passed => {}
            Outcome::Told(text) => xml.text("system-out", &[], text)?,
            Outcome::Skipped { message } => xml.empty("skipped", &[("message", message)])?,
            Outcome::Error { message } => xml.empty("error", &[("message", message)])?,
            Outcome::Failed { message, severity, text } => {
                xml.text("failure", &[("type", severity.name()), ("message", message)], text)?;
            }
        }
        xml.end("testcase")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{output::memory::Memory, sample};

    fn written(report: &v1::Report) -> String {
        let memory = Memory::default();
        Box::new(Junit::new(Box::new(memory.clone()))).finish(report).unwrap();
        memory.text()
    }

    #[test]
    fn a_report() {
        sample::assert_snapshot("junit", &written(&sample::report()));
    }

    #[test]
    fn what_was_accepted_is_skipped_with_the_reason() {
        let mut report = sample::report();
        report.fleet_findings[0].finding.suppressed = Some(v1::Suppression {
            reason: "a \"lab\"\nof <ours>".into(),
            expires: "2026-03-01".parse().unwrap(),
            source: "docksweep.toml:3".into(),
        });
        let text = written(&report);
        let expected = "<skipped message=\"accepted until 2026-03-01: \
                        a &quot;lab&quot;\\nof &lt;ours&gt;\"/>";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("<testsuite name=\"fleet\" tests=\"1\" failures=\"0\""), "{text}");
    }

    #[test]
    fn a_scan_that_is_complete_passes() {
        let text = written(&sample::empty_report());
        assert!(text.contains("<testcase classname=\"scan\" name=\"complete\"/>"), "{text}");
    }
}
