//! Words and numbers as the page writes them.

use crate::finding::Severity;
use crate::report::v1::Access;

/// 4 is critical: class names and sort keys are made of it.
pub fn rank(severity: Severity) -> usize {
    match severity {
        Severity::Critical => 4,
        Severity::High => 3,
        Severity::Medium => 2,
        Severity::Low => 1,
        Severity::Info => 0,
    }
}

/// In the order in which they are offered as a filter; the place is what the page's attributes say.
pub const ACCESSES: [(Access, &str); 6] = [
    (Access::Open, "open"),
    (Access::Filtered, "partly open"),
    (Access::Denied, "denied"),
    (Access::ClientCertificateRequired, "client certificate"),
    (Access::NotDocker, "not Docker"),
    (Access::Undetermined, "undetermined"),
];

pub fn access_number(access: Access) -> usize {
    ACCESSES.iter().position(|(known, _)| *known == access).unwrap_or_default()
}

pub fn access(access: Access) -> &'static str {
    ACCESSES.iter().find(|(known, _)| *known == access).map_or("", |(_, name)| name)
}

/// `65,536`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count that is in memory fits.
pub fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// `1 endpoint`, `1,204 endpoints`.
pub fn plural(number: usize, one: &str, many: &str) -> String {
    let word = if number == 1 { one } else { many };
    format!("{} {word}", thousands(count(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (65_536, "65,536"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(plural(1, "endpoint", "endpoints"), "1 endpoint");
        assert_eq!(plural(1204, "endpoint", "endpoints"), "1,204 endpoints");
    }

    #[test]
    fn every_access_has_a_place_and_a_name() {
        for (number, (access, name)) in ACCESSES.into_iter().enumerate() {
            assert_eq!((access_number(access), super::access(access)), (number, name));
        }
    }
}
