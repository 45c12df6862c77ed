//! `docksweep rules [NAME]`: what is judged, why, and what to do about it.

use std::fmt::Write as _;

use crate::cli::RulesArgs;
use crate::command::Failure;
use crate::exit_code::ExitCode;
use crate::rules::{ALL, Rule};

pub(super) fn run(args: &RulesArgs) -> Result<ExitCode, Failure> {
    let text = match &args.name {
        None => list(),
        Some(name) => {
            let rule = ALL.iter().find(|rule| rule.name == name).ok_or_else(|| {
                Failure::usage(format!("no rule is called '{name}'"))
                    .hint("docksweep rules lists them")
            })?;
            explain(rule)
        }
    };
    anstream::print!("{text}");
    Ok(ExitCode::Done)
}

fn list() -> String {
    let width = ALL.iter().map(|rule| rule.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for rule in ALL {
        let _ = writeln!(text, "{:width$}  {:8}  {}", rule.name, rule.severity, rule.title);
    }
    text
}

fn explain(rule: &Rule) -> String {
    let mut text = format!("{} ({})\n{}\n", rule.name, rule.severity, rule.title);
    for (heading, body) in [
        ("Why it matters", rule.why),
        ("How it is detected", rule.detection),
        ("What to do", rule.remediation),
    ] {
        let _ = write!(text, "\n{heading}\n");
        for line in body.lines() {
            let _ = writeln!(text, "  {line}");
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
