//! `docksweep rules [NAME]`: what is judged, why, and what to do about it.

use std::fmt::Write as _;

use crate::cli::RulesArgs;
use crate::command::{Failure, print};
use crate::config::terminal_width;
use crate::exit_code::ExitCode;
use crate::finding::Severity;
use crate::nearest::nearest;
use crate::rules::fleet::FLEET;
use crate::rules::{self, ALL};
use crate::wrap::wrapped;

pub(super) fn run(args: &RulesArgs) -> Result<ExitCode, Failure> {
    let text = match &args.name {
        None => list(),
        Some(name) => explained(name).ok_or_else(|| unknown(name))?,
    };
    print(text)
}

/// Everything that is said of a rule; `None`: there is none of this name.
pub(super) fn explained(name: &str) -> Option<String> {
    texts().find(|rule| rule.name == name).map(|rule| explain(&rule))
}

/// No rule is called so.
pub(super) fn unknown(name: &str) -> Failure {
    let failure = Failure::usage(format!("no rule is called '{name}'"));
    match nearest(name, rules::names()) {
        Some(nearest) => failure.hint(format!("did you mean '{nearest}'?")),
        None => failure.hint("docksweep rules lists them"),
    }
}

/// What is said of a rule, be it of one endpoint or of all.
struct Text {
    name: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    detection: &'static str,
    remediation: &'static str,
    references: &'static [&'static str],
}

fn texts() -> impl Iterator<Item = Text> {
    macro_rules! text {
        ($rule:expr) => {{
            let rule = $rule;
            Text {
                name: rule.name,
                severity: rule.severity,
                title: rule.title,
                why: rule.why,
                detection: rule.detection,
                remediation: rule.remediation,
                references: rule.references,
            }
        }};
    }
    ALL.iter().map(|rule| text!(rule)).chain(FLEET.iter().map(|rule| text!(rule)))
}

fn list() -> String {
    let width = texts().map(|rule| rule.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for rule in texts() {
        let _ = writeln!(text, "{:width$}  {:8}  {}", rule.name, rule.severity, rule.title);
    }
    text
}

fn explain(rule: &Text) -> String {
    let width = usize::from(terminal_width()) - 2;
    let mut text = format!("{} ({})\n{}\n", rule.name, rule.severity, rule.title);
    for (heading, body) in [
        ("Why it matters", rule.why),
        ("How it is detected", rule.detection),
        ("What to do", rule.remediation),
    ] {
        let _ = write!(text, "\n{heading}\n");
        for line in body.lines() {
            // What is indented is typed as it stands.
            let lines = match line.starts_with(' ') || line.is_empty() {
                true => vec![line.to_owned()],
                false => wrapped(line, width),
            };
            for line in lines {
                let _ = writeln!(text, "{}", format!("  {line}").trim_end());
            }
        }
    }
    if !rule.references.is_empty() {
        text.push_str("\nReferences\n");
        for reference in rule.references {
            let _ = writeln!(text, "  {reference}");
        }
    }
    text
}
