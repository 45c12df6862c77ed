//! Metrics for node_exporter's textfile collector: counts of one scan, and when it was.
//!
//! No metric names a host: there may be ten thousand, and this file is for everyone to read. Where
//! the scan has a vantage, each sample carries it, so that several files can lie side by side.

use std::io::{self, Write as _};

use jiff::{SignedDuration, Timestamp};

use super::v1::{Access, Certificate, Grade};
use super::{Output, Reporter, v1};
use crate::finding::Severity;
use crate::sanitize;

/// A certificate is said to expire soon in its last 30 days, as the rule `cert-expiring` has it.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

#[derive(Debug)]
pub struct Prometheus {
    output: Box<dyn Output>,
    counted: Counted,
}

impl Prometheus {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self { output, counted: Counted::default() }
    }
}

impl Reporter for Prometheus {
    fn endpoint(&mut self, endpoint: &v1::Endpoint) -> io::Result<()> {
        self.counted.add(endpoint);
        Ok(())
    }

    fn finish(mut self: Box<Self>, report: &v1::Report) -> io::Result<()> {
        let mut counted = self.counted;
        // Those that come again are final; else all have been here.
        if !report.endpoints.is_empty() {
            counted = Counted::default();
            report.endpoints.iter().for_each(|endpoint| counted.add(endpoint));
        }
        for fleet in &report.fleet_findings {
            counted.add_finding(&fleet.finding);
        }
        self.output.write_all(metrics(report, &counted).as_bytes())?;
        self.output.commit()
    }
}

/// What the report's summary does not count.
#[derive(Debug, Default)]
struct Counted {
    /// Worst first, as [`Severity::WORST_FIRST`].
    suppressed: [u64; 5],
    /// Server certificates, an endpoint's own one each.
    certificates: u64,
    expired: u64,
    expiring: u64,
    first_expiry: Option<Timestamp>,
}

impl Counted {
    fn add(&mut self, endpoint: &v1::Endpoint) {
        endpoint.findings.iter().for_each(|finding| self.add_finding(finding));
        let chains = endpoint.tls.iter().flat_map(|tls| &tls.chains);
        // Of several leaves, the one that is the first to expire.
        let expiry = chains
            .filter_map(|chain| match chain.certificates.first()? {
                Certificate::Parsed(leaf) => Some(leaf.not_after),
                Certificate::Unparsable(_) => None,
            })
            .min();
        let Some(expiry) = expiry else { return };
        self.certificates += 1;
        if expiry < endpoint.judged_at {
            self.expired += 1;
        } else if expiry.duration_since(endpoint.judged_at) < SOON {
            self.expiring += 1;
        }
        self.first_expiry = Some(self.first_expiry.map_or(expiry, |first| first.min(expiry)));
    }

    fn add_finding(&mut self, finding: &v1::Finding) {
        let places = Severity::WORST_FIRST.into_iter().zip(&mut self.suppressed);
        for (severity, count) in places {
            *count += u64::from(finding.is_suppressed() && severity == finding.severity);
        }
    }
}

fn metrics(report: &v1::Report, counted: &Counted) -> String {
    let v1::Report { tool, scan, summary, .. } = report;
    let mut page = Page::new(scan.vantage.label.as_deref());
    page.gauge("docksweep_info", "What made the report.");
    let data_date = tool.data_date.as_deref().unwrap_or_default();
    page.labelled("docksweep_info", &[("version", &tool.version), ("data_date", data_date)], 1);
    page.one(
        "docksweep_scan_complete",
        "1 if everything was asked, 0 if the scan was cut short.",
        u64::from(scan.complete),
    );
    for (name, help, time) in [
        ("docksweep_scan_started_timestamp_seconds", "When the scan began.", scan.started_at),
        ("docksweep_scan_finished_timestamp_seconds", "When the scan was over.", scan.finished_at),
    ] {
        page.one(name, help, time.as_second());
    }
    page.one("docksweep_addresses", "Addresses that were to be asked.", scan.addresses);
    page.one("docksweep_probes_sent", "Probes sent, repeats included.", scan.counts.sent);
    let counts = scan.counts;
    page.by(
        "docksweep_probes",
        "Pairs of address and port, by what became of them.",
        "state",
        &[
            ("open", counts.open),
            ("closed", counts.closed),
            ("unreachable", counts.unreachable),
            ("silent", counts.silent),
            ("not_probed", counts.not_probed),
        ],
    );
    page.by(
        "docksweep_endpoints",
        "Open ports, by what a stranger may do there.",
        "access",
        &[
            Access::Open,
            Access::Filtered,
            Access::Denied,
            Access::ClientCertificateRequired,
            Access::NotDocker,
            Access::Undetermined,
        ]
        .map(|access| (access.name(), of_access(&summary.by_access, access))),
    );
    page.by(
        "docksweep_findings",
        "Findings, by severity, without the suppressed.",
        "severity",
        &Severity::WORST_FIRST.map(|severity| (severity.name(), summary.by_severity.of(severity))),
    );
    let suppressed: Vec<(&str, u64)> =
        Severity::WORST_FIRST.iter().map(|it| it.name()).zip(counted.suppressed).collect();
    page.by(
        "docksweep_findings_suppressed",
        "Findings whose risk was accepted, by severity.",
        "severity",
        &suppressed,
    );
    let grades = summary.by_grade;
    page.by(
        "docksweep_endpoints_graded",
        "Open ports, by grade; none while access is undetermined.",
        "grade",
        &[
            (grade_name(Grade::A), grades.a),
            (grade_name(Grade::B), grades.b),
            (grade_name(Grade::C), grades.c),
            (grade_name(Grade::D), grades.d),
            (grade_name(Grade::F), grades.f),
            ("none", grades.ungraded),
        ],
    );
    certificates(&mut page, counted);
    if let Some(changes) = &report.changes {
        page.by(
            "docksweep_changes",
            "What is different from the run before, in findings (new, fixed) and endpoints.",
            "kind",
            &[
                ("new", changes.new),
                ("fixed", changes.fixed),
                ("changed", changes.changed),
                ("gone", changes.gone),
                ("not_reached", changes.not_reached),
            ],
        );
    }
    page.text
}

fn certificates(page: &mut Page, counted: &Counted) {
    let valid = counted.certificates - counted.expired - counted.expiring;
    page.by(
        "docksweep_certificates",
        "Server certificates, by whether they have expired or do so within 30 days.",
        "state",
        &[("expired", counted.expired), ("expiring", counted.expiring), ("valid", valid)],
    );
    // Without a certificate there is no such time, and no number that could stand for it.
    if let Some(first) = counted.first_expiry {
        page.one(
            "docksweep_certificate_first_expiry_timestamp_seconds",
            "When the first server certificate expires, or the first did.",
            first.as_second(),
        );
    }
}

const fn of_access(by: &v1::ByAccess, access: Access) -> u64 {
    match access {
        Access::Open => by.open,
        Access::Filtered => by.filtered,
        Access::Denied => by.denied,
        Access::ClientCertificateRequired => by.client_certificate_required,
        Access::NotDocker => by.not_docker,
        Access::Undetermined => by.undetermined,
    }
}

const fn grade_name(grade: Grade) -> &'static str {
    match grade {
        Grade::A => "A",
        Grade::B => "B",
        Grade::C => "C",
        Grade::D => "D",
        Grade::F => "F",
    }
}

/// The text format, version 0.0.4.
struct Page {
    text: String,
    vantage: Option<String>,
}

impl Page {
    fn new(vantage: Option<&str>) -> Self {
        Self { text: String::new(), vantage: vantage.map(str::to_owned) }
    }

    fn gauge(&mut self, name: &str, help: &str) {
        self.text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
    }

    fn one(&mut self, name: &str, help: &str, value: impl Into<i128>) {
        self.gauge(name, help);
        self.labelled(name, &[], value);
    }

    fn by(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) {
        self.gauge(name, help);
        for (word, count) in values {
            self.labelled(name, &[(label, word)], *count);
        }
    }

    fn labelled(&mut self, name: &str, labels: &[(&str, &str)], value: impl Into<i128>) {
        let vantage = self.vantage.as_deref().map(|label| ("vantage", label));
        let labels: Vec<String> = vantage
            .into_iter()
            .chain(labels.iter().copied())
            .map(|(key, value)| format!("{key}=\"{}\"", escaped(value)))
            .collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.text.push_str(&format!("{name}{labels} {}\n", value.into()));
    }
}

/// A label's value. What was made harmless has no line break.
fn escaped(value: &str) -> String {
    sanitize::line(value, 200).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{output::memory::Memory, sample};

    fn written(report: &v1::Report) -> String {
        let memory = Memory::default();
        let mut reporter = Box::new(Prometheus::new(Box::new(memory.clone())));
        for endpoint in &report.endpoints {
            reporter.endpoint(endpoint).unwrap();
        }
        reporter.finish(report).unwrap();
        memory.text()
    }

    fn changes() -> v1::Changes {
        v1::Changes {
            since: "4a1e".into(),
            since_finished_at: "2026-01-01T03:00:00Z".parse().unwrap(),
            new: 1,
            fixed: 2,
            changed: 3,
            gone: 4,
            not_reached: 5,
        }
    }

    #[test]
    fn a_report() {
        let mut report = sample::report();
        report.changes = Some(changes());
        sample::assert_snapshot("prometheus", &written(&report));
    }

    #[test]
    fn endpoints_need_not_come_again() {
        let report = sample::report();
        let memory = Memory::default();
        let mut reporter = Box::new(Prometheus::new(Box::new(memory.clone())));
        for endpoint in &report.endpoints {
            reporter.endpoint(endpoint).unwrap();
        }
        reporter.finish(&v1::Report { endpoints: Vec::new(), ..report.clone() }).unwrap();
        assert_eq!(memory.text(), written(&report));
    }

    #[test]
    fn no_sample_names_a_host() {
        let text = written(&sample::report());
        assert!(!text.contains("10.0.0.") && !text.contains("example"), "{text}");
    }

    #[test]
    fn a_hostile_vantage_stays_in_its_label() {
        let mut report = sample::empty_report();
        report.scan.vantage.label = Some("a\"} 1\nx{b=\"\\".into());
        let text = written(&report);
        let expected = r#"docksweep_scan_complete{vantage="a\"} 1\\nx{b=\"\\"} 1"#;
        assert!(text.lines().any(|line| line == expected), "{text}");
        report.scan.vantage.label = None;
        assert!(written(&report).contains("docksweep_scan_complete 1\n"));
    }

    #[test]
    fn the_suppressed_and_the_expiring_are_counted_apart() {
        let mut report = sample::report();
        let suppression = v1::Suppression {
            reason: "behind a firewall".into(),
            expires: "2026-03-01".parse().unwrap(),
            source: "docksweep.toml:3".into(),
        };
        report.endpoints[0].findings[0].suppressed = Some(suppression);
        let mut endpoints = report.endpoints.iter_mut();
        let with_certificate = endpoints.find(|it| it.id == "tcp/10.0.0.6:2376").unwrap();
        with_certificate.judged_at = "2026-12-15T00:00:00Z".parse().unwrap();
        let text = written(&report);
        for line in [
            r#"docksweep_findings_suppressed{vantage="office",severity="critical"} 1"#,
            r#"docksweep_certificates{vantage="office",state="expiring"} 1"#,
        ] {
            assert!(text.lines().any(|each| each == line), "{line} is not in {text}");
        }
    }
}
