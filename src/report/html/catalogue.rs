//! What is said of a rule, once: why it matters, what to change, where to read more.

use std::collections::HashMap;

use crate::finding::Severity;
use crate::report::v1;
use crate::rules;

use super::words;

/// Every rule that is broken, in the order in which it first came.
#[derive(Debug, Default)]
pub struct Catalogue<'a> {
    pub rules: Vec<RuleText<'a>>,
    places: HashMap<&'a str, usize>,
    remedies: HashMap<(&'a str, &'a str), usize>,
}

#[derive(Debug)]
pub struct RuleText<'a> {
    pub name: &'a str,
    pub title: &'a str,
    /// The worst in which it came.
    severity: Severity,
    /// `None` for a rule that this program does not have.
    pub why: Option<&'static str>,
    pub remedies: Vec<Remedy<'a>>,
    pub references: Vec<&'a str>,
}

/// A rule may advise differently from case to case.
#[derive(Debug)]
pub struct Remedy<'a> {
    /// Counted over the whole catalogue.
    pub number: usize,
    pub pieces: Vec<Piece<'a>>,
}

/// Advice has lines of its own; the indented ones are there to be pasted.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Prose(&'a str),
    Code(Vec<&'a str>),
}

impl<'a> Catalogue<'a> {
    /// The places of the finding's rule and of its remedy.
    pub fn add(&mut self, finding: &'a v1::Finding) -> (usize, usize) {
        let name = finding.rule.as_ref();
        let next = self.rules.len();
        let place = *self.places.entry(name).or_insert(next);
        if place == next {
            self.rules.push(RuleText {
                name,
                title: &finding.title,
                severity: finding.severity,
                why: why(name),
                remedies: Vec::new(),
                references: Vec::new(),
            });
        }
        let next = self.remedies.len();
        let number = *self.remedies.entry((name, &finding.remediation)).or_insert(next);
        if let Some(rule) = self.rules.get_mut(place) {
            rule.severity = rule.severity.max(finding.severity);
            if number == next {
                rule.remedies.push(Remedy { number, pieces: pieces(&finding.remediation) });
            }
            for reference in finding.references.iter() {
                if !rule.references.contains(&reference) {
                    rule.references.push(reference);
                }
            }
        }
        (place, number)
    }
}

impl RuleText<'_> {
    pub fn rank(&self) -> usize {
        words::rank(self.severity)
    }

    pub fn severity(&self) -> &'static str {
        self.severity.name()
    }
}

fn why(name: &str) -> Option<&'static str> {
    let of_one = rules::ALL.iter().map(|rule| (rule.name, rule.why));
    let of_fleet = rules::fleet::FLEET.iter().map(|rule| (rule.name, rule.why));
    of_one.chain(of_fleet).find(|(known, _)| *known == name).map(|(_, why)| why)
}

fn pieces(remedy: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for line in remedy.lines().filter(|line| !line.trim().is_empty()) {
        match (line.starts_with("  "), pieces.last_mut()) {
            (true, Some(Piece::Code(lines))) => lines.push(line),
            (true, _) => pieces.push(Piece::Code(vec![line])),
            (false, _) => pieces.push(Piece::Prose(line)),
        }
    }
    for piece in &mut pieces {
        if let Piece::Code(lines) = piece {
            outdent(lines);
        }
    }
    pieces
}

/// Takes away the indentation that all lines have.
fn outdent(lines: &mut [&str]) {
    let indents = lines.iter().map(|line| line.len() - line.trim_start_matches(' ').len());
    let common = indents.min().unwrap_or_default();
    for line in lines {
        *line = line.get(common..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_pasted_is_told_from_prose() {
        let text = "Write it:\n    {\n      \"icc\": false\n    }\n\nThen restart:\n    restart";
        assert_eq!(
            pieces(text),
            [
                Piece::Prose("Write it:"),
                Piece::Code(vec!["{", "  \"icc\": false", "}"]),
                Piece::Prose("Then restart:"),
                Piece::Code(vec!["restart"]),
            ]
        );
        assert_eq!(pieces(""), []);
    }

    #[test]
    fn every_rule_says_why() {
        for rule in rules::ALL {
            assert_eq!(why(rule.name), Some(rule.why));
        }
        assert!(rules::fleet::FLEET.iter().all(|rule| why(rule.name).is_some()));
        assert_eq!(why("rule-of-tomorrow"), None);
    }
}
