//! What a rule says of itself, for formats that describe rules apart from what they found.

use crate::rules::ALL;
use crate::rules::fleet::FLEET;

/// A rule's own words.
#[derive(Clone, Copy, Debug)]
pub struct RuleText {
    pub why: &'static str,
    pub detection: &'static str,
    pub remediation: &'static str,
}

impl RuleText {
    /// `None` for the rule of another version of this program, which a report may hold.
    pub fn of(name: &str) -> Option<Self> {
        macro_rules! text {
            ($rules:expr) => {
                $rules.iter().find(|rule| rule.name == name).map(|rule| Self {
                    why: rule.why,
                    detection: rule.detection,
                    remediation: rule.remediation,
                })
            };
        }
        text!(ALL).or_else(|| text!(FLEET))
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
}
