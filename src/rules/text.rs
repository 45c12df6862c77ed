//! What a rule says of itself, be it of one endpoint or of the fleet.

use super::ALL;
use super::fleet::FLEET;
use crate::finding::Severity;

/// A rule's own words.
#[derive(Clone, Copy, Debug)]
pub struct RuleText {
    pub name: &'static str,
    /// The default.
    pub severity: Severity,
    pub title: &'static str,
    pub why: &'static str,
    pub detection: &'static str,
    pub remediation: &'static str,
    pub cwe: Option<u16>,
    pub references: &'static [&'static str],
}

impl RuleText {
    /// Of every rule, those of the fleet last.
    pub fn all() -> impl Iterator<Item = Self> {
        macro_rules! text {
            ($rule:expr) => {
                Self {
                    name: $rule.name,
                    severity: $rule.severity,
                    title: $rule.title,
                    why: $rule.why,
                    detection: $rule.detection,
                    remediation: $rule.remediation,
                    cwe: $rule.cwe,
                    references: $rule.references,
                }
            };
        }
        ALL.iter().map(|rule| text!(rule)).chain(FLEET.iter().map(|rule| text!(rule)))
    }

    /// `None` for the rule of another version of this program, which a report may hold.
    pub fn of(name: &str) -> Option<Self> {
        Self::all().find(|rule| rule.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_endpoints_and_of_the_fleet_are_found() {
        assert!(RuleText::of("cert-expired").unwrap().why.len() > 40);
        assert!(RuleText::of("key-reused").is_some());
        assert!(RuleText::of("fleet-key-reused").is_none());
    }

    /// CWE has numbers of weaknesses, of categories and of views; only the first say what is wrong,
    /// and of them the broad ones are not to be mapped to.
    #[test]
    fn weaknesses_are_such_as_may_be_mapped_to() {
        const ALLOWED: [u16; 15] =
            [250, 295, 306, 312, 319, 321, 322, 324, 326, 327, 328, 331, 653, 862, 1104];
        for rule in RuleText::all() {
            let allowed = rule.cwe.is_none_or(|cwe| cwe == 1395 || ALLOWED.contains(&cwe));
            assert!(allowed, "{}: {:?}", rule.name, rule.cwe);
            let cited = rule.references.iter().any(|reference| reference.contains("CWE-"));
            assert!(!cited, "{}: a weakness is named by its number alone", rule.name);
        }
        for (name, cwe) in [("api-unauthenticated-plaintext", 306), ("cert-signature-weak", 328)] {
            assert_eq!(RuleText::of(name).unwrap().cwe, Some(cwe));
        }
    }
}
