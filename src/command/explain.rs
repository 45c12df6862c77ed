//! `docksweep explain`: a rule or a finding, for a person.

use crate::cli::ExplainArgs;
use crate::command::report::{open, shown, unreadable};
use crate::command::{Failure, print, rules};
use crate::exit_code::ExitCode;
use crate::report::stored::{self, Found};
use crate::sanitize;

/// Places that are shown of a rule that is broken in many.
const SHOWN: usize = 20;

pub(super) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let wanted = args.finding.as_str();
    let (found, count) = match &args.report {
        Some(path) => {
            let mut found = Vec::new();
            let mut count = 0_u64;
            let mut take = |one: Found| {
                if one.finding.id == wanted || one.finding.rule == wanted {
                    count += 1;
                    if found.len() < SHOWN {
                        found.push(one);
                    }
                }
            };
            stored::findings(open(path)?, &mut take).map_err(|error| unreadable(path, &error))?;
            (found, count)
        }
        None => (Vec::new(), 0),
    };
    let rule = found.first().map_or(wanted, |found| found.finding.rule.as_ref());
    let mut text = match rules::explained(rule) {
        Some(text) => text,
        // A report of another version can have other rules, and has their words.
        None => found.first().map(own_words).ok_or_else(|| unknown(args))?,
    };
    if let Some(path) = &args.report {
        text.push_str(&seen(&found, count, &shown(path)));
    }
    print(text)
}

fn seen(found: &[Found], count: u64, report: &str) -> String {
    if found.is_empty() {
        return format!("\nNot found in {report}\n");
    }
    let mut text = format!("\nFound in {report}\n");
    for Found { finding, endpoints } in found {
        let endpoints = endpoints.iter().map(|id| id.strip_prefix("tcp/").unwrap_or(id));
        let endpoints = endpoints.collect::<Vec<_>>().join(", ");
        let subject = finding.subject.as_deref().map(|subject| format!(", {subject}"));
        let subject = subject.unwrap_or_default();
        let head = format!("{endpoints} ({}{subject}), id {}", finding.severity, finding.id);
        text.push_str(&format!("  {}\n", sanitize::line(&head, 2000)));
        text.push_str(&format!("    {}\n", sanitize::line(&finding.evidence, 2000)));
        if let Some(suppressed) = &finding.suppressed {
            let until = format!(
                "suppressed until {}: {} ({})",
                suppressed.expires, suppressed.reason, suppressed.source
            );
            text.push_str(&format!("    {}\n", sanitize::line(&until, 2000)));
        }
    }
    let more = count.saturating_sub(SHOWN as u64);
    if more > 0 {
        text.push_str(&format!("  and {more} more\n"));
    }
    text
}

/// Of a rule that this version does not have.
fn own_words(found: &Found) -> String {
    let finding = &found.finding;
    let mut text =
        format!("{} ({})\n{}\n\nWhat to do\n", finding.rule, finding.severity, finding.title);
    for line in finding.remediation.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text.lines().map(|line| format!("{}\n", sanitize::line(line, 2000))).collect()
}

fn unknown(args: &ExplainArgs) -> Failure {
    let wanted = &args.finding;
    let is_id = wanted.len() == 16 && wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
    match &args.report {
        None if is_id => {
            Failure::usage(format!("'{wanted}' is a finding's id, which says nothing by itself"))
                .hint(format!(
                    "docksweep explain {wanted} --report FILE.json reads the report that has it"
                ))
        }
        Some(path) if is_id => {
            Failure::usage(format!("{}: no finding has the id '{wanted}'", shown(path)))
                .hint("a finding that is gone has no entry; docksweep rules lists the rules")
        }
        _ => rules::unknown(wanted),
    }
}
