//! One finding a row, for spreadsheets (RFC 4180).
//!
//! An endpoint that breaks no rule has one row too, without a finding, so that every endpoint is in
//! the sheet. A finding that spans endpoints has a row for each of them, after all others, where
//! `scope` is `fleet`. New columns are added at the end.

use std::io;

use super::text::address_of;
use super::{Output, Reporter, v1};
use crate::sanitize;

/// The header.
const COLUMNS: [&str; 23] = [
    "address",
    "port",
    "names",
    "transport",
    "access",
    "product",
    "version",
    "grade",
    "severity",
    "rule",
    "title",
    "subject",
    "evidence",
    "remediation",
    "references",
    "finding_id",
    "suppressed_because",
    "suppressed_until",
    "scope",
    "judged_at",
    "vantage",
    "scan_id",
    "cwe",
];
/// How long a field may be: what the common spreadsheets take, 32,767, less the apostrophe.
const FIELD: usize = 32_000;

/// Writes every endpoint in the end, when all are in order.
#[derive(Debug)]
pub struct Csv {
    output: Box<dyn Output>,
}

impl Csv {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self { output }
    }
}

impl Reporter for Csv {
    fn finish(mut self: Box<Self>, report: &v1::Report) -> io::Result<()> {
        let mut sheet = Sheet::new(&report.scan);
        sheet.header()?;
        for endpoint in &report.endpoints {
            sheet.endpoint(endpoint)?;
            self.output.write_all(&sheet.take()?)?;
        }
        sheet.fleet(&report.fleet_findings)?;
        self.output.write_all(&sheet.take()?)?;
        self.output.commit()
    }
}

/// For endpoints that come in order: each is written as it comes, and none is kept.
#[derive(Debug)]
pub struct Ordered {
    output: Box<dyn Output>,
    sheet: Option<Sheet>,
}

impl Ordered {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self { output, sheet: None }
    }
}

impl Reporter for Ordered {
    fn begin(&mut self, _: &v1::Tool, scan: &v1::Scan) -> io::Result<()> {
        let sheet = self.sheet.insert(Sheet::new(scan));
        sheet.header()?;
        self.output.write_all(&sheet.take()?)
    }

    fn endpoint(&mut self, endpoint: &v1::Endpoint) -> io::Result<()> {
        let Some(sheet) = &mut self.sheet else { return Ok(()) };
        sheet.endpoint(endpoint)?;
        self.output.write_all(&sheet.take()?)
    }

    fn finish(mut self: Box<Self>, report: &v1::Report) -> io::Result<()> {
        if let Some(sheet) = &mut self.sheet {
            sheet.fleet(&report.fleet_findings)?;
            self.output.write_all(&sheet.take()?)?;
        }
        self.output.commit()
    }
}

/// The rows that are not yet written.
#[derive(Debug)]
struct Sheet {
    rows: csv::Writer<Vec<u8>>,
    vantage: String,
    scan_id: String,
}

impl Sheet {
    fn new(scan: &v1::Scan) -> Self {
        Self {
            rows: writer(),
            vantage: scan.vantage.label.clone().unwrap_or_default(),
            scan_id: scan.id.clone(),
        }
    }

    fn header(&mut self) -> io::Result<()> {
        Ok(self.rows.write_record(COLUMNS)?)
    }

    /// The rows so far, which are then forgotten.
    fn take(&mut self) -> io::Result<Vec<u8>> {
        std::mem::replace(&mut self.rows, writer()).into_inner().map_err(|error| error.into_error())
    }

    fn endpoint(&mut self, endpoint: &v1::Endpoint) -> io::Result<()> {
        let place = Place {
            address: endpoint.address.to_string(),
            port: endpoint.port.to_string(),
            names: endpoint.names.join(" "),
            transport: word(&endpoint.transport),
            access: word(&endpoint.api.access),
            product: endpoint.api.product.as_ref().map(word).unwrap_or_default(),
            version: version(endpoint).unwrap_or_default(),
            grade: endpoint.grade.as_ref().map(word).unwrap_or_default(),
            scope: "endpoint",
            judged_at: endpoint.judged_at.to_string(),
        };
        if endpoint.findings.is_empty() {
            return self.row(&place, None);
        }
        endpoint.findings.iter().try_for_each(|finding| self.row(&place, Some(finding)))
    }

    fn fleet(&mut self, findings: &[v1::FleetFinding]) -> io::Result<()> {
        for v1::FleetFinding { finding, endpoints } in findings {
            for id in endpoints {
                let (address, port) = address_of(id).rsplit_once(':').unwrap_or((id, ""));
                let address = address.trim_start_matches('[').trim_end_matches(']').to_owned();
                let place =
                    Place { address, port: port.to_owned(), scope: "fleet", ..Place::default() };
                self.row(&place, Some(finding))?;
            }
        }
        Ok(())
    }

    fn row(&mut self, place: &Place, finding: Option<&v1::Finding>) -> io::Result<()> {
        let of = |what: fn(&v1::Finding) -> String| finding.map(what).unwrap_or_default();
        let suppressed = finding.and_then(|finding| finding.suppressed.as_ref());
        let fields: [String; COLUMNS.len()] = [
            place.address.clone(),
            place.port.clone(),
            place.names.clone(),
            place.transport.clone(),
            place.access.clone(),
            place.product.clone(),
            place.version.clone(),
            place.grade.clone(),
            of(|finding| finding.severity.to_string()),
            of(|finding| finding.rule.to_string()),
            of(|finding| finding.title.to_string()),
            of(|finding| finding.subject.clone().unwrap_or_default()),
            of(|finding| finding.evidence.clone()),
            of(|finding| finding.remediation.to_string()),
            of(|finding| finding.references.iter().collect::<Vec<_>>().join(" ")),
            of(|finding| finding.id.clone()),
            suppressed.map(|it| it.reason.clone()).unwrap_or_default(),
            suppressed.map(|it| it.expires.to_string()).unwrap_or_default(),
            place.scope.to_owned(),
            place.judged_at.clone(),
            self.vantage.clone(),
            self.scan_id.clone(),
            of(|finding| finding.cwe.map(|number| number.to_string()).unwrap_or_default()),
        ];
        for (column, field) in COLUMNS.iter().zip(fields) {
            // Only the program's own words have line breaks of their own.
            let text = match *column {
                "remediation" => sanitize::lines(&field, FIELD),
                _ => sanitize::line(&field, FIELD).into_owned(),
            };
            self.rows.write_field(inert(text))?;
        }
        Ok(self.rows.write_record(None::<&[u8]>)?)
    }
}

fn writer() -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        // A row is written field by field, and the header apart from the rows.
        .flexible(true)
        .from_writer(Vec::new())
}

/// What is known of an endpoint, in words.
#[derive(Default)]
struct Place {
    address: String,
    port: String,
    names: String,
    transport: String,
    access: String,
    product: String,
    version: String,
    grade: String,
    scope: &'static str,
    judged_at: String,
}

/// A value's name in the report.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn version(endpoint: &v1::Endpoint) -> Option<String> {
    let audited = endpoint.audit.as_ref().and_then(|audit| audit.version.as_ref());
    endpoint.api.version.as_ref().or(audited)?.version.clone()
}

/// A spreadsheet takes what begins like this for a formula, which could send the sheet elsewhere;
/// an apostrophe makes it text. Where the decimal separator is a comma, a semicolon begins a cell.
fn inert(text: String) -> String {
    const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    if !text.contains(FORMULA) {
        return text;
    }
    let mut inert = String::new();
    let mut begins = true;
    for c in text.chars() {
        if begins && FORMULA.contains(&c) {
            inert.push('\'');
        }
        begins = c == ';' || (begins && matches!(c, ' ' | '"'));
        inert.push(c);
    }
    inert
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{output::memory::Memory, sample};

    fn written(report: &v1::Report) -> String {
        let memory = Memory::default();
        Box::new(Csv::new(Box::new(memory.clone()))).finish(report).unwrap();
        memory.text()
    }

    fn records(text: &str) -> Vec<csv::StringRecord> {
        csv::Reader::from_reader(text.as_bytes()).records().map(Result::unwrap).collect()
    }

    #[test]
    fn a_report() {
        sample::assert_snapshot("csv", &written(&sample::report()));
    }

    #[test]
    fn every_endpoint_has_a_row_and_every_finding() {
        let report = sample::report();
        let rows = records(&written(&report));
        for endpoint in &report.endpoints {
            let of_it = rows.iter().filter(|row| {
                row[0] == endpoint.address.to_string()
                    && row[1] == endpoint.port.to_string()
                    && &row[18] == "endpoint"
            });
            assert_eq!(of_it.count(), endpoint.findings.len().max(1), "{}", endpoint.id);
        }
        assert_eq!(rows.iter().filter(|row| &row[18] == "fleet").count(), 2);
    }

    #[test]
    fn endpoints_in_order_make_the_same_sheet() {
        let report = sample::report();
        let memory = Memory::default();
        let mut ordered = Box::new(Ordered::new(Box::new(memory.clone())));
        ordered.begin(&report.tool, &report.scan).unwrap();
        for endpoint in &report.endpoints {
            ordered.endpoint(endpoint).unwrap();
        }
        ordered.finish(&v1::Report { endpoints: Vec::new(), ..report.clone() }).unwrap();
        assert_eq!(memory.text(), written(&report));
    }

    #[test]
    fn formulas_become_text() {
        let mut report = sample::report();
        let hostile = [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "＝1",
            "|x",
            "a=1",
            "\"=1",
            "a; \"=1;b",
        ];
        let finding = report.endpoints[0].findings[0].clone();
        report.endpoints.truncate(1);
        report.endpoints[0].findings = hostile
            .iter()
            .map(|text| v1::Finding { subject: Some((*text).into()), ..finding.clone() })
            .collect();
        let rows = records(&written(&report));
        let subjects: Vec<&str> = rows.iter().take(hostile.len()).map(|row| &row[11]).collect();
        assert_eq!(subjects, {
            [
                "'=1+1",
                "'+1",
                "'-1",
                "'@SUM(A1)",
                "\\t=1",
                "\\r=1",
                "'＝1",
                "|x",
                "a=1",
                "\"'=1",
                "a; \"'=1;b",
            ]
        });
    }
}
