//! The rules that results refer to, each described once.

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::markdown::escape::{block, link, prose};
use super::super::v1;
use super::log::{Configuration, Help, Message, ReportingDescriptor, RuleProperties};
use super::{Case, level, security_severity};
use crate::rules::RuleText;

/// Those that found something.
pub struct Rules<'a> {
    /// The first, and so the worst finding of each.
    worst: Vec<&'a v1::Finding>,
    indices: HashMap<&'a str, usize>,
}

impl<'a> Rules<'a> {
    /// `cases` come worst first.
    pub fn of(cases: &[Case<'a>]) -> Self {
        let mut worst: Vec<&'a v1::Finding> = cases.iter().map(|case| case.finding).collect();
        // Stable: of each rule, the first finding stays.
        worst.sort_by(|one, other| one.rule.cmp(&other.rule));
        worst.dedup_by(|next, first| next.rule == first.rule);
        let indices = worst.iter().enumerate().map(|(at, it)| (&*it.rule, at)).collect();
        Self { worst, indices }
    }

    pub fn index(&self, rule: &str) -> usize {
        self.indices.get(rule).copied().unwrap_or_default()
    }

    pub fn into_descriptors(self) -> Vec<ReportingDescriptor<'a>> {
        self.worst.into_iter().map(descriptor).collect()
    }
}

fn descriptor(finding: &v1::Finding) -> ReportingDescriptor<'_> {
    let rule = RuleText::of(&finding.rule);
    let why = rule.map_or(&*finding.title, |rule| rule.why);
    ReportingDescriptor {
        id: &finding.rule,
        short_description: Message::plain(&finding.title),
        full_description: Message::plain(why),
        help: help(finding, rule),
        help_uri: finding.references.iter().next(),
        default_configuration: Configuration { level: level(finding.severity) },
        properties: RuleProperties {
            tags: tags(finding),
            security_severity: security_severity(finding.severity),
            precision: "very-high",
        },
    }
}

/// What a rule is about, by the first part of its name, and its weakness as GitHub reads it.
fn tags(finding: &v1::Finding) -> Vec<Cow<'_, str>> {
    let area = finding.rule.split('-').next().unwrap_or(&finding.rule);
    let weakness = finding.cwe.map(|number| format!("external/cwe/cwe-{number:03}").into());
    ["security", "docker", area].map(Cow::from).into_iter().chain(weakness).collect()
}

fn help(finding: &v1::Finding, rule: Option<RuleText>) -> Help {
    let remediation = rule.map_or(&*finding.remediation, |rule| rule.remediation);
    let (why, detection) = rule.map_or(("", ""), |rule| (rule.why, rule.detection));
    let references: Vec<&str> = finding.references.iter().collect();
    let links: Vec<String> =
        references.iter().map(|reference| format!("- {}", link(reference))).collect();
    Help {
        text: format!(
            "{why}\n\n{detection}\n\nWhat to do:\n{remediation}\n\n{}",
            references.join("\n")
        )
        .trim()
        .to_owned(),
        markdown: format!(
            "{}\n\n{}\n\n**What to do**\n\n{}\n{}",
            prose(why),
            prose(detection),
            block(remediation),
            links.join("\n")
        )
        .trim()
        .to_owned(),
    }
}
