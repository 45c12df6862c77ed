//! The report for people: what was scanned, what was found, what to do, worst first.
//!
//! Everything goes through `Page`, which makes it harmless; colour adds nothing that the words do
//! not say.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use super::{Output, Reporter, v1};
use crate::finding::Severity;

mod audit;
mod ciphers;
mod findings;
pub(crate) mod page;
pub(super) mod scoreboard;
pub(super) mod table;

use page::{Page, Tone};

/// Longer lists go on as "and 12 more".
const LISTED: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    pub colour: Colour,
    /// Columns of the terminal or the page.
    pub width: u16,
    /// Milder findings are counted and not shown.
    pub minimum: Severity,
    pub suppressed: Suppressed,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            colour: Colour::Never,
            width: 100,
            minimum: Severity::Info,
            suppressed: Suppressed::Counted,
        }
    }
}

impl TextOptions {
    /// The same in a file: without colour, and of a page's width.
    #[must_use]
    pub fn for_file(self) -> Self {
        Self { minimum: self.minimum, suppressed: self.suppressed, ..Self::default() }
    }
}

/// What is said of findings that are suppressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suppressed {
    Counted,
    /// Each, with the reason and the expiry.
    Shown,
}

/// Whether to colour is decided by who knows the terminal and the user's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Always,
    Never,
}

/// Writes nothing until the end, then everything.
#[derive(Debug)]
pub struct Text {
    output: Box<dyn Output>,
    options: TextOptions,
}

impl Text {
    pub fn new(output: Box<dyn Output>, options: TextOptions) -> Self {
        Self { output, options }
    }
}

impl Reporter for Text {
    fn finish(mut self: Box<Self>, report: &v1::Report) -> io::Result<()> {
        self.output.write_all(render(report, self.options).as_bytes())?;
        self.output.commit()
    }
}

/// The whole text.
pub fn render(report: &v1::Report, options: TextOptions) -> String {
    let mut page = Page::new(options);
    headline(&mut page, report);
    overview(&mut page, report);
    if !report.endpoints.is_empty() {
        table::write(&mut page, report, options);
        scoreboard::write(&mut page, report);
        audit::write(&mut page, report);
        findings::write(&mut page, report, options);
        ciphers::write(&mut page, report);
    }
    remarks(&mut page, &report.scan);
    page.finish()
}

fn headline(page: &mut Page, report: &v1::Report) {
    let v1::Report { tool, scan, .. } = report;
    page.heading(&format!(
        "{} {}, scan of {} ({})",
        tool.name,
        tool.version,
        scan.started_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        duration(scan)
    ));
    if !scan.complete {
        let reason = scan.incomplete_reason.as_deref().unwrap_or("no reason was recorded");
        page.blank();
        page.paragraph(
            Tone::Alarm,
            "",
            &format!("INCOMPLETE: {reason}. What was not asked is missing below."),
        );
    }
}

fn changed(changes: &v1::Changes) -> String {
    let v1::Changes { new, fixed, changed, gone, not_reached, .. } = changes;
    format!(
        "{new} new, {fixed} fixed, {changed} changed, {gone} gone, {not_reached} not reached since {} \
         (docksweep diff says which)",
        changes.since_finished_at.strftime("%Y-%m-%d %H:%M UTC")
    )
}

pub(super) fn duration(scan: &v1::Scan) -> String {
    let seconds = scan.finished_at.duration_since(scan.started_at).as_secs_f64().max(0.0);
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let minutes = (seconds / 60.0).floor();
    format!("{minutes:.0} min {:.0} s", (seconds - minutes * 60.0).floor())
}

fn overview(page: &mut Page, report: &v1::Report) {
    let scan = &report.scan;
    page.blank();
    page.field("Scanned", &scanned(scan));
    if !scan.excluded.is_empty() {
        page.field("Excluded", &some_of(&scan.excluded));
    }
    page.field("Probes", &probes(scan.counts));
    if let Some(changes) = &report.changes {
        page.field("Changes", &changed(changes));
    }
    if report.endpoints.is_empty() {
        page.blank();
        page.paragraph(Tone::Heading, "", nothing_found(scan));
        return;
    }
    page.field("Endpoints", &endpoints(&report.summary));
    open(page, report);
    if let Some(audited) = audit::summary(report) {
        page.field("Audited", &audited);
    }
    page.field("Findings", &by_severity(&report.summary));
    page.field("Grades", &by_grade(report.summary.by_grade));
}

fn open(page: &mut Page, report: &v1::Report) {
    let open: Vec<&str> = report
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.api.access == v1::Access::Open)
        .map(|endpoint| address_of(&endpoint.id))
        .collect();
    if open.is_empty() {
        let all_known = report.scan.complete && report.summary.by_access.undetermined == 0;
        let caveat = if all_known { "" } else { ", as far as could be determined" };
        page.field("Open", &format!("none to strangers{caveat}"));
        return;
    }
    let count = plural(report.summary.by_access.open, "endpoint is", "endpoints are");
    let text = format!("{count} OPEN TO STRANGERS: {}", some_of(&open));
    page.toned_field(Tone::Alarm, "Open", &text);
}

pub(super) fn scanned(scan: &v1::Scan) -> String {
    let mut text = format!(
        "{} on {} {}",
        plural(scan.addresses, "address", "addresses"),
        if scan.ports.len() == 1 { "port" } else { "ports" },
        some_of(&scan.ports)
    );
    if !scan.targets.is_empty() {
        text.push_str(&format!(": {}", some_of(&scan.targets)));
    }
    match (&scan.vantage.label, scan.vantage.source_addresses.as_slice()) {
        (Some(label), []) => text.push_str(&format!("; seen from {label}")),
        (Some(label), from) => text.push_str(&format!("; seen from {label}, {}", some_of(from))),
        (None, []) => {}
        (None, from) => text.push_str(&format!("; seen from {}", some_of(from))),
    }
    text
}

pub(super) fn probes(counts: v1::Counts) -> String {
    let v1::Counts { sent, open, closed, unreachable, silent, not_probed, duplicates, .. } = counts;
    let parts = [
        (open, "open"),
        (closed, "closed"),
        (unreachable, "unreachable"),
        (silent, "silent"),
        (not_probed, "not asked"),
    ];
    let became = counted(parts).unwrap_or_else(|| "no answer".to_owned());
    let mut text = format!("{sent} sent, {} answered: {became}", counts.answered());
    if let Some(repeated) = duplicates.filter(|count| *count > 0) {
        text.push_str(&format!("; {}", plural(repeated, "repeated answer", "repeated answers")));
    }
    text
}

fn nothing_found(scan: &v1::Scan) -> &'static str {
    if scan.complete {
        "No open port was found."
    } else {
        "No open port was found in the part that was asked."
    }
}

pub(super) fn endpoints(summary: &v1::Summary) -> String {
    let by = summary.by_access;
    let parts = [
        (by.open, "open"),
        (by.filtered, "partly open"),
        (by.denied, "denied"),
        (by.client_certificate_required, "with client certificates enforced"),
        (by.not_docker, "not Docker"),
        (by.undetermined, "undetermined"),
    ];
    match counted(parts) {
        Some(parts) => format!("{}: {parts}", summary.endpoints),
        None => summary.endpoints.to_string(),
    }
}

pub(super) fn by_severity(summary: &v1::Summary) -> String {
    let parts =
        Severity::WORST_FIRST.map(|severity| (summary.by_severity.of(severity), severity.name()));
    counted(parts).unwrap_or_else(|| "none".to_owned())
}

pub(super) fn by_grade(by: v1::ByGrade) -> String {
    let grades = [("F", by.f), ("D", by.d), ("C", by.c), ("B", by.b), ("A", by.a)];
    let mut parts: Vec<String> = grades
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(grade, count)| format!("{grade} × {count}"))
        .collect();
    if by.ungraded > 0 {
        parts.push(format!("{} without a grade", by.ungraded));
    }
    parts.join(", ")
}

fn remarks(page: &mut Page, scan: &v1::Scan) {
    if !scan.unresolved.is_empty() {
        page.blank();
        page.heading("Names that led to no address");
        for v1::Unresolved { name, reason } in &scan.unresolved {
            page.paragraph(Tone::Plain, "  ", &format!("{name}: {reason}"));
        }
    }
    if !scan.notes.is_empty() {
        page.blank();
        page.heading("Notes");
        for note in &scan.notes {
            page.paragraph(Tone::Plain, "  ", note);
        }
    }
}

/// `3 open, 1 denied`, without the zeros; `None` where there are only zeros.
fn counted<const N: usize>(parts: [(u64, &str); N]) -> Option<String> {
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

pub(super) fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The first few of a list that can be as long as the user's input.
fn some_of<T: ToString>(items: &[T]) -> String {
    let mut text = items.iter().take(LISTED).map(T::to_string).collect::<Vec<_>>().join(", ");
    if items.len() > LISTED {
        text.push_str(&format!(" and {} more", items.len() - LISTED));
    }
    text
}

/// `10.0.0.5:2375`, with the names that led there.
fn label(endpoint: &v1::Endpoint) -> String {
    let address = address_of(&endpoint.id);
    let names: BTreeSet<&str> = endpoint.names.iter().map(String::as_str).collect();
    if names.is_empty() {
        address.to_owned()
    } else {
        format!("{address} ({})", some_of(&names.into_iter().collect::<Vec<_>>()))
    }
}

/// An endpoint's id without the protocol, which is always the same.
pub(super) fn address_of(id: &str) -> &str {
    id.strip_prefix("tcp/").unwrap_or(id)
}

#[cfg(test)]
mod tests;
