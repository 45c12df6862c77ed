//! The report for a ticket or a wiki: a summary, then the findings by rule, worst first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use super::text::{address_of, by_grade, by_severity, endpoints, plural, probes, scanned};
use super::{Output, Reporter, v1};
use crate::finding::Severity;

pub mod escape;

use escape::{block, code, link, prose};

/// How many cases of a rule are listed: a ticket is read by people, and has its limits.
const CASES: usize = 50;
/// How many endpoints a case names.
const NAMED: usize = 20;

#[derive(Debug)]
pub struct Markdown {
    output: Box<dyn Output>,
    minimum: Severity,
}

impl Markdown {
    /// Findings below `minimum` are counted and not shown.
    pub fn new(output: Box<dyn Output>, minimum: Severity) -> Self {
        Self { output, minimum }
    }
}

impl Reporter for Markdown {
    fn finish(mut self: Box<Self>, report: &v1::Report) -> io::Result<()> {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = write(&mut page, report, self.minimum);
        self.output.write_all(page.as_bytes())?;
        self.output.commit()
    }
}

type Written = Result<(), std::fmt::Error>;

fn write(page: &mut String, report: &v1::Report, minimum: Severity) -> Written {
    summary(page, report)?;
    let (mut groups, mut accepted) = (Groups::new(), Vec::new());
    for v1::Case { finding, ids, .. } in report.cases() {
        match &finding.suppressed {
            Some(suppression) => accepted.push((finding, ids, suppression)),
            None if finding.severity >= minimum => {
                groups
                    .entry((Reverse(finding.severity), &*finding.rule))
                    .or_default()
                    .add(finding, ids);
            }
            None => {}
        }
    }
    if !groups.is_empty() {
        writeln!(page, "\n## Findings")?;
    }
    for group in groups.values() {
        group.write(page)?;
    }
    if minimum > Severity::Info {
        writeln!(page, "\nFindings below {minimum} are not shown.")?;
    }
    if !accepted.is_empty() {
        writeln!(page, "\n## Accepted risk\n")?;
    }
    for (finding, ids, suppression) in accepted {
        writeln!(
            page,
            "- {} on {}, until {}: {}",
            code(&finding.rule),
            places(ids),
            suppression.expires,
            code(&suppression.reason)
        )?;
    }
    undetermined(page, report)?;
    remarks(page, &report.scan)
}

fn summary(page: &mut String, report: &v1::Report) -> Written {
    let v1::Report { scan, summary, tool, .. } = report;
    writeln!(page, "# Docker APIs, scan of {}\n", scan.started_at.strftime("%Y-%m-%d %H:%M UTC"))?;
    if !scan.complete {
        let reason = scan.incomplete_reason.as_deref().unwrap_or("not known why");
        writeln!(page, "**Incomplete:** {}. What was not asked is missing here.\n", code(reason))?;
    }
    let open: Vec<String> = report
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.api.access == v1::Access::Open)
        .map(|endpoint| endpoint.id.clone())
        .collect();
    if !open.is_empty() {
        let count = plural(summary.by_access.open, "endpoint is", "endpoints are");
        writeln!(page, "**{count} open to strangers:** {}\n", places(&open))?;
    }
    writeln!(page, "Scanned {}.\n", code(&scanned(scan)))?;
    writeln!(page, "| | |\n|---|---|")?;
    for (what, text) in [
        ("Probes", probes(scan.counts)),
        ("Endpoints", endpoints(summary)),
        ("Findings", by_severity(summary)),
        ("Grades", by_grade(summary.by_grade)),
        ("Judged by", format!("{} {}", tool.name, tool.version)),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    {
        writeln!(page, "| {what} | {} |", prose(&text))?;
    }
    if let Some(v1::Changes { since_finished_at, new, fixed, changed, gone, not_reached, .. }) =
        &report.changes
    {
        writeln!(
            page,
            "| Since {} | {new} new, {fixed} fixed, {changed} changed, {gone} gone, \
             {not_reached} not reached |",
            since_finished_at.strftime("%Y-%m-%d %H:%M UTC")
        )?;
    }
    Ok(())
}

/// Worst first, then by rule: a rule may find cases of different severity.
type Groups<'a> = BTreeMap<(Reverse<Severity>, &'a str), Group<'a>>;

/// One rule at one severity.
#[derive(Default)]
struct Group<'a> {
    /// What is the same on several endpoints is said once.
    cases: Vec<(&'a v1::Finding, Vec<String>)>,
    known: BTreeMap<(&'a str, Option<&'a str>, &'a str), usize>,
}

impl<'a> Group<'a> {
    fn add(&mut self, finding: &'a v1::Finding, ids: &[String]) {
        let key = (&*finding.evidence, finding.subject.as_deref(), &*finding.remediation);
        let at = *self.known.entry(key).or_insert(self.cases.len());
        match self.cases.get_mut(at) {
            Some((_, endpoints)) => endpoints.extend_from_slice(ids),
            None => self.cases.push((finding, ids.to_vec())),
        }
    }

    fn write(&self, page: &mut String) -> Written {
        let Some((first, _)) = self.cases.first() else { return Ok(()) };
        let severity = first.severity.name().to_uppercase();
        let weakness = first.cwe.map(|number| format!(", CWE-{number}")).unwrap_or_default();
        let (title, rule) = (prose(&first.title), code(&first.rule));
        writeln!(page, "\n### {severity}: {title}\n\nRule {rule}{weakness}\n")?;
        for (finding, ids) in self.cases.iter().take(CASES) {
            write!(page, "- {}: {}", places(ids), code(&finding.evidence))?;
            match &finding.subject {
                Some(subject) if !finding.evidence.contains(subject.as_str()) => {
                    writeln!(page, " ({})", code(subject))?;
                }
                _ => writeln!(page)?,
            }
        }
        if self.cases.len() > CASES {
            writeln!(page, "- and {} more; the JSON report has all", self.cases.len() - CASES)?;
        }
        let mut remedies: Vec<&str> = Vec::new();
        for (finding, _) in self.cases.iter().take(CASES) {
            if !remedies.contains(&&*finding.remediation) {
                remedies.push(&finding.remediation);
            }
        }
        for remedy in remedies {
            writeln!(page, "\nFix:\n\n{}", block(remedy).trim_end())?;
        }
        let references: Vec<String> = first.references.iter().map(link).collect();
        if !references.is_empty() {
            writeln!(page, "\n{}", references.join(", "))?;
        }
        Ok(())
    }
}

fn undetermined(page: &mut String, report: &v1::Report) -> Written {
    let open = report.endpoints.iter().filter(|it| it.api.access == v1::Access::Undetermined);
    for (at, endpoint) in open.enumerate() {
        if at == 0 {
            writeln!(page, "\n## Not determined\n")?;
        }
        if at == CASES {
            return writeln!(page, "- and more; the JSON report has all");
        }
        let place = code(address_of(&endpoint.id));
        writeln!(page, "- {place}: {}", code(&endpoint.api.reason))?;
    }
    Ok(())
}

fn remarks(page: &mut String, scan: &v1::Scan) -> Written {
    if !scan.unresolved.is_empty() {
        writeln!(page, "\n## Names that led to no address\n")?;
    }
    for v1::Unresolved { name, reason } in &scan.unresolved {
        writeln!(page, "- {}: {}", code(name), code(reason))?;
    }
    if !scan.notes.is_empty() {
        writeln!(page, "\n## Notes\n")?;
    }
    scan.notes.iter().try_for_each(|note| writeln!(page, "- {}", code(note)))
}

/// The first endpoints of a list, by address and port.
fn places(ids: &[String]) -> String {
    let named: Vec<String> = ids.iter().take(NAMED).map(|id| code(address_of(id))).collect();
    match ids.len().checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{} and {more} more", named.join(", ")),
        _ => named.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{output::memory::Memory, sample};

    fn written(report: &v1::Report, minimum: Severity) -> String {
        let memory = Memory::default();
        Box::new(Markdown::new(Box::new(memory.clone()), minimum)).finish(report).unwrap();
        memory.text()
    }

    #[test]
    fn a_report() {
        sample::assert_snapshot("markdown", &written(&sample::report(), Severity::Info));
    }

    #[test]
    fn below_the_minimum_is_said_and_not_shown() {
        let text = written(&sample::report(), Severity::High);
        assert!(text.contains("### HIGH") && !text.contains("### MEDIUM"), "{text}");
        assert!(text.contains("Findings below high are not shown."));
    }

    #[test]
    fn many_cases_are_counted() {
        let mut report = sample::report();
        let endpoint = report.endpoints.iter().find(|it| !it.findings.is_empty()).unwrap().clone();
        report.fleet_findings.clear();
        report.endpoints = (0..60)
            .map(|n| {
                let mut each = endpoint.clone();
                each.findings.truncate(1);
                each.findings[0].evidence = format!("case {n}");
                each
            })
            .collect();
        let text = written(&report, Severity::Info);
        assert!(text.contains("- and 10 more; the JSON report has all"), "{text}");
    }
}
