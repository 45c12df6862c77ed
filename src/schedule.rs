//! A scan as a scheduler's own configuration. Pure: what is said of files is the caller's matter.

use std::path::{Path, PathBuf};

pub mod cron;
pub mod systemd;

/// When a scan runs, in local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Hourly {
        minute: u8,
    },
    Daily(TimeOfDay),
    /// On Mondays.
    Weekly(TimeOfDay),
    /// On the first.
    Monthly(TimeOfDay),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay {
    pub hour: u8,
    pub minute: u8,
}

impl TimeOfDay {
    /// `02:15`.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let number = |text: &str, below: u8| {
            let is_number = matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| text.parse().ok()).flatten().filter(|number| *number < below)
        };
        Some(Self { hour: number(hour, 24)?, minute: number(minute, 60)? })
    }
}

/// A word of the scan's command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Plain(String),
    /// What systemd's credential of that name holds: its path, behind these characters.
    Credential {
        before: String,
        name: String,
    },
}

/// A file that only root can read and that the service gets to read all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub name: String,
    pub path: PathBuf,
}

/// What is run, whatever runs it.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    pub program: &'a Path,
    /// From `scan` on.
    pub words: &'a [Word],
    pub when: When,
}

/// Text that has no place in a line of configuration.
pub fn has_control_characters(text: &str) -> bool {
    text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_hours_and_minutes() {
        assert_eq!(TimeOfDay::parse("02:15"), Some(TimeOfDay { hour: 2, minute: 15 }));
        assert_eq!(TimeOfDay::parse("23:59"), Some(TimeOfDay { hour: 23, minute: 59 }));
        for text in ["24:00", "02:60", "0215", "02:15:00", "-1:00", "+2:00", ":", "02:", "é:00"] {
            assert_eq!(TimeOfDay::parse(text), None, "{text}");
        }
    }
}
