//! The registry of rules. A rule is a row in `ALL` and a pure function beside its text; the
//! pipeline asks `judge`, the reports only see findings.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::assess::Assessment;
use crate::finding::{Finding, Severity};
use crate::observation::Observation;

/// A rule: its name and text, and the function that checks it.
#[derive(Debug)]
pub struct Rule {
    /// The name in reports and suppressions; never changes.
    pub name: &'static str,
    /// The default; a check may find a case that is worse or milder.
    pub severity: Severity,
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// How it is detected.
    pub detection: &'static str,
    /// What to change, to be pasted where that is possible.
    pub remediation: &'static str,
    pub references: &'static [&'static str],
    pub check: fn(&Subject<'_>) -> Verdict,
}

/// What a rule of one endpoint may look at.
#[derive(Debug)]
pub struct Subject<'a> {
    pub observation: &'a Observation,
    pub assessment: &'a Assessment,
    pub now: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The endpoint has nothing that the rule is about.
    NotApplicable,
    Passed,
    Undetermined {
        because: String,
    },
    Found(Vec<Violation>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// `None`: the rule's default.
    pub severity: Option<Severity>,
    pub subject: Option<String>,
    pub evidence: String,
    /// `None`: the rule's own text.
    pub remediation: Option<String>,
}

impl Violation {
    pub fn new(evidence: impl Into<String>) -> Self {
        Self { severity: None, subject: None, evidence: evidence.into(), remediation: None }
    }

    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }
}

impl Verdict {
    pub fn found(evidence: impl Into<String>) -> Self {
        Self::Found(vec![Violation::new(evidence)])
    }
}

/// Every rule of one endpoint, in the order in which `docksweep rules` lists them.
pub static ALL: &[&Rule] = &[];

/// What all rules together say of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Worst first, then by rule name.
    pub findings: Vec<Finding>,
    /// Rules that applied and were kept.
    pub passed: Vec<&'static str>,
    /// Rules that applied and could not be answered, with the reason.
    pub undetermined: Vec<(&'static str, String)>,
}

/// Applies every rule.
pub fn judge(observation: &Observation, assessment: &Assessment, now: Timestamp) -> Judgement {
    let subject = Subject { observation, assessment, now };
    let mut judgement =
        Judgement { findings: Vec::new(), passed: Vec::new(), undetermined: Vec::new() };
    for rule in ALL {
        match (rule.check)(&subject) {
            Verdict::NotApplicable => {}
            Verdict::Passed => judgement.passed.push(rule.name),
            Verdict::Undetermined { because } => judgement.undetermined.push((rule.name, because)),
            Verdict::Found(violations) => {
                let endpoint = observation.endpoint.id();
                judgement
                    .findings
                    .extend(violations.into_iter().map(|v| finding(rule, &endpoint, v)));
            }
        }
    }
    judgement.findings.sort_by(|a, b| {
        b.severity.cmp(&a.severity).then_with(|| (a.rule, &a.subject).cmp(&(b.rule, &b.subject)))
    });
    judgement
}

fn finding(rule: &Rule, endpoint: &str, violation: Violation) -> Finding {
    Finding {
        id: finding_id(rule.name, endpoint, violation.subject.as_deref()),
        rule: rule.name,
        severity: violation.severity.unwrap_or(rule.severity),
        subject: violation.subject,
        title: rule.title,
        evidence: violation.evidence,
        remediation: violation.remediation.unwrap_or_else(|| rule.remediation.to_owned()),
        references: rule.references,
    }
}

/// 16 hex digits over what identifies the finding, so that two runs can be compared.
fn finding_id(rule: &str, endpoint: &str, subject: Option<&str>) -> String {
    let mut hash = Sha256::new();
    for part in [rule, endpoint, subject.unwrap_or_default()] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
pub fn grade(_f: &[Finding], _a: crate::assess::Access) -> Option<crate::report::v1::Grade> {
    None
}
