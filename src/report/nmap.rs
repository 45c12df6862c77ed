//! As `nmap -oX` writes it, for what reads that: ndiff, importers, parsers.
//!
//! Findings are the output of a script, `docksweep`, on each port. Only hosts with an open port are
//! listed. nmap's DTD knows no other scanner than nmap, so that is what it says.

use std::collections::BTreeSet;
use std::io::{self, Write};

use jiff::Timestamp;

use super::text::address_of;
use super::xml::{Xml, line};
use super::{Output, Reporter, v1};

/// Of nmap's output format, the one that is written here.
const FORMAT_VERSION: &str = "1.05";

#[derive(Debug)]
pub struct Nmap(Box<dyn Output>);

impl Nmap {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }
}

impl Reporter for Nmap {
    fn finish(mut self: Box<Self>, report: &v1::Report) -> io::Result<()> {
        write(&mut self.0, report)?;
        self.0.commit()
    }
}

fn write(output: &mut dyn Write, report: &v1::Report) -> io::Result<()> {
    let scan = &report.scan;
    let mut xml = Xml::new(output)?;
    xml.document_type("nmaprun")?;
    let (start, version) = (seconds(scan.started_at), &report.tool.version);
    xml.start(
        "nmaprun",
        &[
            ("scanner", "nmap"),
            ("args", &scan.command),
            ("start", &start),
            ("startstr", &long(scan.started_at)),
            ("version", &format!("docksweep {version}")),
            ("xmloutputversion", FORMAT_VERSION),
        ],
    )?;
    let ports: Vec<String> = scan.ports.iter().map(u16::to_string).collect();
    let engine = match scan.engine {
        v1::Engine::Connect => "connect",
        v1::Engine::Syn => "syn",
    };
    xml.empty(
        "scaninfo",
        &[
            ("type", engine),
            ("protocol", "tcp"),
            ("numservices", &ports.len().to_string()),
            ("services", &ports.join(",")),
        ],
    )?;
    xml.empty("verbose", &[("level", "0")])?;
    xml.empty("debugging", &[("level", "0")])?;
    let hosts = report.endpoints.chunk_by(|one, next| one.address == next.address);
    let mut up = 0_u64;
    for endpoints in hosts {
        host(&mut xml, endpoints, scan)?;
        up += 1;
    }
    fleet(&mut xml, &report.fleet_findings)?;
    end(&mut xml, scan, up)?;
    xml.end("nmaprun")?;
    xml.finish()
}

fn host(xml: &mut Xml<'_>, endpoints: &[v1::Endpoint], scan: &v1::Scan) -> io::Result<()> {
    let Some(first) = endpoints.first() else { return Ok(()) };
    let (start, end) = (seconds(scan.started_at), seconds(scan.finished_at));
    xml.start("host", &[("starttime", &start), ("endtime", &end)])?;
    xml.empty("status", &[("state", "up"), ("reason", "syn-ack"), ("reason_ttl", "0")])?;
    let kind = if first.address.is_ipv4() { "ipv4" } else { "ipv6" };
    xml.empty("address", &[("addr", &first.address.to_string()), ("addrtype", kind)])?;
    let names: BTreeSet<&String> = endpoints.iter().flat_map(|it| &it.names).collect();
    if names.is_empty() {
        xml.empty("hostnames", &[])?;
    } else {
        xml.start("hostnames", &[])?;
        for name in names {
            xml.empty("hostname", &[("name", name), ("type", "user")])?;
        }
        xml.end("hostnames")?;
    }
    xml.start("ports", &[])?;
    endpoints.iter().try_for_each(|endpoint| port(xml, endpoint))?;
    xml.end("ports")?;
    xml.end("host")
}

fn port(xml: &mut Xml<'_>, endpoint: &v1::Endpoint) -> io::Result<()> {
    xml.start("port", &[("protocol", "tcp"), ("portid", &endpoint.port.to_string())])?;
    xml.empty("state", &[("state", "open"), ("reason", "syn-ack"), ("reason_ttl", "0")])?;
    service(xml, endpoint)?;
    let attributes = [("id", "docksweep"), ("output", &output(endpoint))];
    if endpoint.findings.is_empty() {
        xml.empty("script", &attributes)?;
    } else {
        xml.start("script", &attributes)?;
        endpoint.findings.iter().try_for_each(|it| table(xml, it))?;
        xml.end("script")?;
    }
    xml.end("port")
}

/// Nothing where it is not known what answers.
fn service(xml: &mut Xml<'_>, endpoint: &v1::Endpoint) -> io::Result<()> {
    let api = &endpoint.api;
    let (product, conf) = match (api.docker.status, api.product) {
        (v1::DockerApiStatus::NotSeen, _) => return Ok(()),
        (v1::DockerApiStatus::Probable, _) => (None, "7"),
        (v1::DockerApiStatus::Seen, Some(v1::Product::DockerEngine)) => (Some("Docker"), "10"),
        (v1::DockerApiStatus::Seen, Some(v1::Product::Podman)) => (Some("Podman"), "10"),
        (v1::DockerApiStatus::Seen, _) => (None, "10"),
    };
    let version = api.version.as_ref().and_then(|version| version.version.as_deref());
    let mut attributes = vec![("name", "docker"), ("conf", conf), ("method", "probed")];
    attributes.extend(product.map(|product| ("product", product)));
    let version = version.map(line);
    attributes.extend(version.as_deref().map(|version| ("version", version)));
    if endpoint.transport == v1::Transport::Tls {
        attributes.push(("tunnel", "ssl"));
    }
    xml.empty("service", &attributes)
}

/// What people and ndiff see of a port, a line a fact.
fn output(endpoint: &v1::Endpoint) -> String {
    let mut lines = vec![format!("access: {}", line(&endpoint.api.reason))];
    lines.extend(endpoint.findings.iter().map(summary));
    lines.extend(
        endpoint
            .rules_undetermined
            .iter()
            .map(|it| format!("not determined: {}: {}", it.rule, line(&it.reason))),
    );
    lines.join("\n")
}

fn summary(finding: &v1::Finding) -> String {
    let accepted = finding.suppressed.as_ref();
    let accepted =
        accepted.map(|it| format!(" (accepted until {})", it.expires)).unwrap_or_default();
    let about = finding.subject.as_deref().map(|it| format!(" ({})", line(it)));
    format!(
        "{}{accepted}: {} [{}]{}",
        finding.severity.name().to_uppercase(),
        finding.title,
        finding.rule,
        about.unwrap_or_default()
    )
}

fn table(xml: &mut Xml<'_>, finding: &v1::Finding) -> io::Result<()> {
    xml.start("table", &[("key", &finding.id)])?;
    let mut fields = vec![
        ("rule", finding.rule.to_string()),
        ("severity", finding.severity.to_string()),
        ("title", finding.title.to_string()),
        ("evidence", line(&finding.evidence)),
        ("remediation", finding.remediation.to_string()),
    ];
    fields.extend(finding.cwe.map(|number| ("cwe", number.to_string())));
    fields.extend(finding.subject.as_deref().map(|subject| ("subject", line(subject))));
    if let Some(suppression) = &finding.suppressed {
        fields.push(("suppressed_because", line(&suppression.reason)));
        fields.push(("suppressed_until", suppression.expires.to_string()));
    }
    for (key, text) in fields {
        xml.text("elem", &[("key", key)], &text)?;
    }
    xml.end("table")
}

/// What spans hosts belongs to none.
fn fleet(xml: &mut Xml<'_>, findings: &[v1::FleetFinding]) -> io::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings
        .iter()
        .map(|fleet| {
            let places: Vec<&str> = fleet.endpoints.iter().map(|id| address_of(id)).collect();
            format!("{} on {}", summary(&fleet.finding), places.join(", "))
        })
        .collect();
    xml.start("postscript", &[])?;
    xml.start("script", &[("id", "docksweep-fleet"), ("output", &lines.join("\n"))])?;
    findings.iter().try_for_each(|it| table(xml, &it.finding))?;
    xml.end("script")?;
    xml.end("postscript")
}

fn end(xml: &mut Xml<'_>, scan: &v1::Scan, up: u64) -> io::Result<()> {
    let elapsed = scan.finished_at.duration_since(scan.started_at).as_secs_f64();
    let (time, timestr) = (seconds(scan.finished_at), long(scan.finished_at));
    let elapsed = format!("{elapsed:.2}");
    let summary = format!(
        "docksweep done at {timestr}; {} addresses ({up} with open ports) in {elapsed} seconds",
        scan.addresses
    );
    let mut finished = vec![
        ("time", time.as_str()),
        ("timestr", &timestr),
        ("summary", &summary),
        ("elapsed", &elapsed),
        ("exit", if scan.complete { "success" } else { "error" }),
    ];
    if !scan.complete {
        let reason = scan.incomplete_reason.as_deref().unwrap_or("the scan was cut short");
        finished.push(("errormsg", reason));
    }
    xml.start("runstats", &[])?;
    xml.empty("finished", &finished)?;
    // Of the others it is not known whether they are up.
    xml.empty("hosts", &[("up", &up.to_string()), ("total", &scan.addresses.to_string())])?;
    xml.end("runstats")
}

fn seconds(time: Timestamp) -> String {
    time.as_second().to_string()
}

/// As C's `ctime` has it, in UTC.
fn long(time: Timestamp) -> String {
    time.strftime("%a %b %e %H:%M:%S %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{output::memory::Memory, sample};

    fn written(report: &v1::Report) -> String {
        let memory = Memory::default();
        Box::new(Nmap::new(Box::new(memory.clone()))).finish(report).unwrap();
        memory.text()
    }

    #[test]
    fn a_report() {
        sample::assert_snapshot("nmap", &written(&sample::report()));
    }

    #[test]
    fn the_ports_of_a_host_stand_together() {
        let mut report = sample::report();
        let mut second = report.endpoints[0].clone();
        second.port += 1;
        second.names = vec!["a\"b".into()];
        report.endpoints.insert(1, second);
        let text = written(&report);
        assert_eq!(text.matches("<host ").count(), 8);
        assert_eq!(text.matches("<port ").count(), 9);
        assert!(text.contains("<hostname name=\"a&quot;b\" type=\"user\"/>"), "{text}");
    }
}
