//! A line for `crontab -e`.

use std::path::Path;

use thiserror::Error;

use super::{Job, When, Word, has_control_characters};

/// Debian's cron takes commands of up to 999 bytes, and other crons no less.
const LONGEST: usize = 998;

/// Why there is no line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CronError {
    #[error("a crontab has no place for the control characters in '{0}'")]
    Control(String),
    #[error("the command has {0} bytes, and cron takes {LONGEST}")]
    TooLong(usize),
}

/// The scan, run in `directory`, so that relative paths mean what they mean there.
///
/// # Errors
/// Cron could not run it.
pub fn line(job: &Job<'_>, directory: &Path) -> Result<String, CronError> {
    let program = job.program.to_string_lossy();
    let directory = directory.to_string_lossy();
    let words = job.words.iter().map(|word| match word {
        Word::Plain(text) => text.as_str(),
        Word::Credential { before, .. } => before.as_str(),
    });
    let words = std::iter::once(&*program).chain(words);
    for text in std::iter::once(&*directory).chain(words.clone()) {
        if has_control_characters(text) {
            return Err(CronError::Control(text.escape_debug().to_string()));
        }
    }
    let words: Vec<String> = words.map(quoted).collect();
    let command = format!("cd {} && {}", quoted(&directory), words.join(" "));
    if command.len() > LONGEST {
        return Err(CronError::TooLong(command.len()));
    }
    Ok(format!("{} {command}", when(job.when)))
}

fn when(when: When) -> String {
    match when {
        When::Hourly { minute } => format!("{minute} * * * *"),
        When::Daily(at) => format!("{} {} * * *", at.minute, at.hour),
        When::Weekly(at) => format!("{} {} * * 1", at.minute, at.hour),
        When::Monthly(at) => format!("{} {} 1 * *", at.minute, at.hour),
    }
}

/// As one word of a shell, in a crontab: there, a percent sign ends the command unless a backslash
/// stands before it, also between quotes. So it stands outside of them, where the character before
/// it is always a quote and never a backslash of the word's own.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=+:,./@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let inside = text.replace('\'', r"'\''").replace('%', r"'\%'");
    format!("'{inside}'")
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;
    use crate::schedule::TimeOfDay;

    const AT: TimeOfDay = TimeOfDay { hour: 2, minute: 15 };

    fn line_of(program: &Path, words: &[String], when: When) -> Result<String, CronError> {
        let words: Vec<Word> = words.iter().cloned().map(Word::Plain).collect();
        line(&Job { program, words: &words, when }, Path::new("/tmp"))
    }

    /// What cron hands to the shell: the field after the five, as do_command.c of Vixie's cron reads
    /// it. A percent sign that is left would have ended it.
    fn as_cron_reads_it(line: &str) -> String {
        let command = line.splitn(6, ' ').nth(5).unwrap();
        let mut read = String::new();
        let mut is_escaped = false;
        for c in command.chars() {
            match (is_escaped, c) {
                (true, '%') => {
                    read.pop();
                    read.push('%');
                }
                (false, '%') => panic!("a bare percent sign in {command}"),
                _ => read.push(c),
            }
            is_escaped = !is_escaped && c == '\\';
        }
        read
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_shell_sees_the_words_as_they_were(
            words in prop::collection::vec(r#"[ a-z\\%'"$`;&|<>(){}*?!#~é=-]{0,12}"#, 0..6),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let program = folder.path().join("it's 100% a program");
            std::fs::write(&program, "#!/bin/sh\nprintf '%s\\0' \"$@\"\n").unwrap();
            std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
            let line = line_of(&program, &words, When::Daily(AT)).unwrap();
            let output = Command::new("/bin/sh").arg("-c").arg(as_cron_reads_it(&line)).output();
            let output = output.unwrap();
            prop_assert!(output.status.success(), "{line}");
            let mut expected: String = words.iter().map(|word| format!("{word}\0")).collect();
            if words.is_empty() {
                expected.push('\0');
            }
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
        }
    }

    #[test]
    fn the_time_has_five_fields() {
        let time = |when| {
            let line = line_of(Path::new("/usr/bin/docksweep"), &["scan".into()], when).unwrap();
            line.strip_suffix(" cd /tmp && /usr/bin/docksweep scan").unwrap().to_owned()
        };
        assert_eq!(time(When::Hourly { minute: 15 }), "15 * * * *");
        assert_eq!(time(When::Daily(AT)), "15 2 * * *");
        assert_eq!(time(When::Weekly(AT)), "15 2 * * 1");
        assert_eq!(time(When::Monthly(AT)), "15 2 1 * *");
    }

    #[test]
    fn what_cron_cannot_run_is_refused() {
        let program = Path::new("/usr/bin/docksweep");
        let refused =
            |words: &[String]| line_of(program, words, When::Daily(AT)).unwrap_err().to_string();
        assert!(refused(&["a\nb".into()]).contains(r"a\nb"));
        assert!(refused(&["a".repeat(999)]).contains("cron takes 998"));
    }
}
