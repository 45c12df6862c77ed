//! `docksweep rules [NAME]`: what is judged, why, and what to do about it.

use std::fmt::Write as _;

use crate::cli::RulesArgs;
use crate::command::{Failure, print};
use crate::config::terminal_width;
use crate::exit_code::ExitCode;
use crate::nearest::nearest;
use crate::rules::{self, RuleText};
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
    RuleText::of(name).map(|rule| explain(&rule))
}

/// No rule is called so.
pub(super) fn unknown(name: &str) -> Failure {
    let failure = Failure::usage(format!("no rule is called '{name}'"));
    match nearest(name, rules::names()) {
        Some(nearest) => failure.hint(format!("did you mean '{nearest}'?")),
        None => failure.hint("docksweep rules lists them"),
    }
}

fn list() -> String {
    let width = RuleText::all().map(|rule| rule.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for rule in RuleText::all() {
        let _ = writeln!(text, "{:width$}  {:8}  {}", rule.name, rule.severity, rule.title);
    }
    text
}

fn explain(rule: &RuleText) -> String {
    let width = usize::from(terminal_width()) - 2;
    let weakness = rule.cwe.map(|number| format!(", CWE-{number}")).unwrap_or_default();
    let mut text = format!("{} ({}{weakness})\n{}\n", rule.name, rule.severity, rule.title);
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
    text.push_str("\nReferences\n");
    for reference in rule.references {
        let _ = writeln!(text, "  {reference}");
    }
    if let Some(number) = rule.cwe {
        let _ = writeln!(text, "  https://cwe.mitre.org/data/definitions/{number}.html");
    }
    text
}
