//! The difference for people: what is new first, and of everything why it counts as that.

use super::{Difference, EndpointChange, Fact, FindingChange, Run, Scope};
use crate::report::TextOptions;
use crate::report::text::page::{Page, Tone};

/// The whole text.
pub fn render(difference: &Difference, options: TextOptions) -> String {
    let mut page = Page::new(options);
    let Difference { before, after, .. } = difference;
    page.heading(&format!("From {} to {}", run(before), run(after)));
    page.blank();
    page.paragraph(Tone::Plain, "", &counts(difference));
    for note in &difference.notes {
        page.paragraph(Tone::Faint, "note: ", note);
    }
    findings(&mut page, "New", &difference.new, options);
    findings(&mut page, "Fixed", &difference.fixed, options);
    changed(&mut page, &difference.changed);
    lines(
        &mut page,
        "New endpoints",
        difference
            .appeared
            .iter()
            .map(|it| (it.endpoint.as_str(), it.access.as_str(), &it.because)),
    );
    lines(
        &mut page,
        "Gone",
        difference.gone.iter().map(|it| (it.endpoint.as_str(), it.access.as_str(), &it.because)),
    );
    not_reached(&mut page, difference);
    page.finish()
}

fn run(run: &Run) -> String {
    let vantage = run.vantage.as_ref().map(|label| format!(", from {label}")).unwrap_or_default();
    let cut = if run.complete { "" } else { ", cut short" };
    format!("{} ({}{vantage}{cut})", run.id, run.started_at.strftime("%Y-%m-%d %H:%M UTC"))
}

fn counts(difference: &Difference) -> String {
    let Difference { new, fixed, changed, gone, not_reached, appeared, .. } = difference;
    let text = format!(
        "{} new, {} fixed, {} changed, {} gone, {} not reached",
        new.len(),
        fixed.len(),
        changed.len(),
        gone.len(),
        not_reached.len()
    );
    match appeared.len() {
        _ if difference.is_empty() => "No difference.".to_owned(),
        0 => format!("{text}."),
        1 => format!("{text}; 1 endpoint is new."),
        many => format!("{text}; {many} endpoints are new."),
    }
}

fn findings(page: &mut Page, heading: &str, list: &[FindingChange], options: TextOptions) {
    let (shown, mild): (Vec<_>, Vec<_>) =
        list.iter().partition(|finding| finding.severity >= options.minimum);
    if list.is_empty() {
        return;
    }
    page.blank();
    page.heading(heading);
    for finding in shown {
        let FindingChange { rule, severity, title, evidence, because, .. } = finding;
        page.paragraph(
            Tone::Severity(*severity),
            "  ",
            &format!(
                "{:<8}  {}  {title} [{rule}]",
                severity.name().to_uppercase(),
                short(&finding.endpoint)
            ),
        );
        match &finding.subject {
            Some(subject) if !evidence.contains(subject) => {
                page.paragraph(Tone::Plain, "            ", &format!("{subject}: {evidence}"));
            }
            _ => page.paragraph(Tone::Plain, "            ", evidence),
        }
        page.paragraph(Tone::Faint, "            ", because);
    }
    if !mild.is_empty() {
        page.paragraph(Tone::Faint, "  ", &format!("and {} milder", mild.len()));
    }
}

fn changed(page: &mut Page, list: &[EndpointChange]) {
    if list.is_empty() {
        return;
    }
    page.blank();
    page.heading("Changed");
    for EndpointChange { endpoint, facts } in list {
        page.paragraph(Tone::Heading, "  ", short(endpoint));
        for change in facts {
            let what = match change.fact {
                Fact::Access => "access",
                Fact::Version => "version",
                Fact::Certificate => "certificate",
                Fact::TlsVersions => "TLS versions",
                Fact::Grade => "grade",
                Fact::Severity => "severity",
                Fact::Suppression => "suppressed",
            };
            let of = change.finding.as_ref().map(|id| format!(" of finding {id}"));
            let value = |value: &Option<String>| value.as_deref().unwrap_or("-").to_owned();
            page.paragraph(
                Tone::Plain,
                "    ",
                &format!(
                    "{what}{}: {} → {}",
                    of.unwrap_or_default(),
                    value(&change.before),
                    value(&change.after)
                ),
            );
        }
    }
}

fn lines<'a>(
    page: &mut Page,
    heading: &str,
    list: impl Iterator<Item = (&'a str, &'a str, &'a String)>,
) {
    for (number, (endpoint, access, because)) in list.enumerate() {
        if number == 0 {
            page.blank();
            page.heading(heading);
        }
        page.paragraph(Tone::Plain, "  ", &format!("{} ({access}): {because}", short(endpoint)));
    }
}

fn not_reached(page: &mut Page, difference: &Difference) {
    if difference.not_reached.is_empty() {
        return;
    }
    page.blank();
    page.heading("Not reached: neither fixed nor gone");
    for it in &difference.not_reached {
        page.paragraph(Tone::Plain, "  ", &format!("{}: {}", short(&it.endpoint), it.because));
        for finding in &it.findings {
            let FindingChange { severity, title, rule, because, .. } = finding;
            let line = format!("{:<8}  {title} [{rule}]", severity.name().to_uppercase());
            page.paragraph(Tone::Severity(*severity), "    ", &line);
            if it.scope == Scope::Findings && *because != it.because {
                page.paragraph(Tone::Faint, "              ", because);
            }
        }
    }
}

/// Without the transport, which is always the same.
fn short(endpoint: &str) -> &str {
    endpoint.strip_prefix("tcp/").unwrap_or(endpoint)
}
