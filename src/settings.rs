//! What the configuration file and the environment say, as arguments of the command line.
//!
//! Everything follows from clap's own description of the flags, so a new flag needs nothing here.
//! A flag that is given wins over the environment, that over the file, and that over the default.
//! Pure: texts and variables come in, arguments go out.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::document::{Mistake, Place};

mod environment;
mod file;
mod print;

pub use environment::{EnvironmentError, switch, variable_of};
pub use file::File;
pub use print::{default_file, effective};

/// Subcommands whose flags can be set; the others are about the program itself.
pub const CONFIGURABLE: [&str; 5] = ["scan", "report", "merge", "history", "diff"];

/// What no setting should do by itself: help, the choice of the file, and what one run is for.
const NOT_SETTINGS: [&str; 5] = ["help", "version", "config", "no-config", "resume"];

/// What one setting keeps out of a sweep, another must not let in again: these add up.
const ADD_UP: [&str; 2] = ["exclude", "exclude-file"];

/// The flags of a subcommand that settings can give, in the order of its help.
pub fn flags(command: &Command) -> impl Iterator<Item = Flag<'_>> {
    command.get_arguments().filter_map(|arg| {
        let name = arg.get_long().filter(|name| !NOT_SETTINGS.contains(name))?;
        Some(Flag { name, kind: Kind::of(arg), arg })
    })
}

/// A flag as a setting sees it.
#[derive(Clone, Copy, Debug)]
pub struct Flag<'a> {
    /// Without the dashes; the key of the file.
    pub name: &'a str,
    pub kind: Kind,
    arg: &'a Arg,
}

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is given or not.
    Switch,
    /// It is given so many times.
    Count,
    Value,
    /// A value each time that it is given.
    List,
}

impl Kind {
    fn of(arg: &Arg) -> Self {
        match arg.get_action() {
            ArgAction::Append => Self::List,
            ArgAction::Count => Self::Count,
            ArgAction::Set => Self::Value,
            _ => Self::Switch,
        }
    }
}

/// What a place other than the command line says of a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub flag: String,
    short: Option<char>,
    pub kind: Kind,
    /// Each with where it is written; a switch that is on has one, empty. None: as if not given.
    pub values: Vec<(OsString, Origin)>,
}

/// Where a value is written. What stands further down yields to what stands above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The variable of the environment.
    Environment(String),
    File(Place),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(variable) => f.write_str(variable),
            Self::File(place) => write!(f, "{}", place.line()),
        }
    }
}

/// Who speaks for a flag; the greater wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    File,
    Environment,
    CommandLine,
}

/// A setting that makes no sense whatever the flags are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    #[error(transparent)]
    File(#[from] Mistake),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
}

/// The flags that are typed, by their long names.
pub fn typed<'a>(command: &'a Command, given: &ArgMatches) -> BTreeSet<&'a str> {
    let args = command.get_arguments().filter(|arg| {
        let id = arg.get_id().as_str();
        let is_known = given.try_contains_id(id).is_ok();
        is_known && given.value_source(id) == Some(ValueSource::CommandLine)
    });
    args.filter_map(Arg::get_long).collect()
}

/// The settings that take effect beside the flags that are typed.
///
/// # Errors
/// A variable of the environment that makes no sense.
pub fn in_effect(
    command: &Command,
    typed: &BTreeSet<&str>,
    file: Option<&File>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<Setting>, SettingError> {
    let mut speakers: Vec<(&str, Rank)> =
        typed.iter().map(|flag| (*flag, Rank::CommandLine)).collect();
    let mut candidates = Vec::new();
    for flag in flags(command) {
        let of_environment = environment::setting(flag, &variable)?;
        let of_file = file.and_then(|file| file.setting(command.get_name(), flag.name)).cloned();
        let adds_up = ADD_UP.contains(&flag.name);
        let (rank, setting) = match (of_environment, of_file) {
            _ if typed.contains(flag.name) && !adds_up => continue,
            (Some(mut setting), Some(more)) if adds_up => {
                setting.values.extend(more.values);
                (Rank::Environment, setting)
            }
            (Some(setting), _) => (Rank::Environment, setting),
            (None, Some(setting)) => (Rank::File, setting),
            (None, None) => continue,
        };
        // What says that a flag is not given is in no other's way.
        if !setting.values.is_empty() {
            speakers.push((flag.name, rank));
        }
        candidates.push((rank, setting));
    }
    candidates.retain(|(rank, setting)| {
        let gives_way = |(other, other_rank): &(&str, Rank)| {
            other_rank > rank
                && (excludes(command, &setting.flag, other)
                    || excludes(command, other, &setting.flag))
        };
        !speakers.iter().any(gives_way)
    });
    Ok(candidates.into_iter().map(|(_, setting)| setting).collect())
}

/// Whether clap refuses `other` beside `flag`.
fn excludes(command: &Command, flag: &str, other: &str) -> bool {
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some(flag));
    arg.is_some_and(|arg| {
        let excluded = command.get_arg_conflicts_with(arg);
        excluded.iter().any(|arg| arg.get_long() == Some(other))
    })
}

/// The settings as they would be typed.
pub fn arguments(settings: &[Setting]) -> Vec<OsString> {
    let words = settings.iter().flat_map(|setting| {
        let flag = format!("--{}", setting.flag);
        setting.values.iter().map(move |(value, _)| match setting.kind {
            Kind::Switch | Kind::Count => OsString::from(&flag),
            Kind::Value | Kind::List => {
                let mut word = OsString::from(&flag);
                word.push("=");
                word.push(value);
                word
            }
        })
    });
    words.collect()
}

/// An error that speaks of a flag which a setting gave, in words about the setting; `None` where
/// it is about none of them.
pub fn in_its_words(message: &str, settings: &[Setting]) -> Option<String> {
    let mut text = message.to_owned();
    let mut place = None;
    for setting in settings {
        let Some((value, origin)) = setting.culprit(message) else { continue };
        let name = match origin {
            Origin::Environment(variable) => variable,
            Origin::File(_) => &setting.flag,
        };
        if let Some(renamed) = setting.rename(&text, name) {
            text = renamed;
        } else if !is_path_in(value, message) {
            continue;
        }
        place.get_or_insert(origin);
    }
    match place? {
        Origin::File(place) => Some(format!("{place}: {text}")),
        Origin::Environment(variable) if text.contains(variable.as_str()) => Some(text),
        Origin::Environment(variable) => Some(format!("{variable}: {text}")),
    }
}

/// An error of a file begins with the file's name.
fn is_path_in(value: &OsStr, message: &str) -> bool {
    value.to_str().is_some_and(|path| path.contains('/') && message.starts_with(path))
}

impl Setting {
    fn new(flag: Flag<'_>, values: Vec<(OsString, Origin)>) -> Self {
        let Flag { name, kind, arg } = flag;
        Self { flag: name.to_owned(), short: arg.get_short(), kind, values }
    }

    /// The value that the message is about, if it can be told.
    fn culprit(&self, message: &str) -> Option<&(OsString, Origin)> {
        // No setting gives a switch a value: that was typed, as in --quiet=false.
        if self.kind == Kind::Switch && message.starts_with("unexpected value") {
            return None;
        }
        let named = self.values.iter().find(|(value, _)| {
            value.to_str().is_some_and(|value| !value.is_empty() && message.contains(value))
        });
        named.or(self.values.first())
    }

    /// `message` with `name` in place of the flag; `None`: it does not speak of it.
    fn rename(&self, message: &str, name: &str) -> Option<String> {
        let mut text = String::new();
        let mut rest = message;
        let mut has_named = false;
        while let Some(at) = rest.find('-') {
            let (before, from) = rest.split_at(at);
            text.push_str(before);
            let is_word = text.ends_with(|last: char| last.is_alphanumeric());
            match self.length_in(from).filter(|_| !is_word) {
                Some(length) => {
                    text.push_str(name);
                    has_named = true;
                    rest = from.get(length..).unwrap_or_default();
                }
                None => {
                    let dashes = from.len() - from.trim_start_matches('-').len();
                    let (dashes, after) = from.split_at(dashes);
                    text.push_str(dashes);
                    rest = after;
                }
            }
        }
        text.push_str(rest);
        has_named.then_some(text)
    }

    /// How much of the beginning of `text` is the flag, as in `--rate <PPS>`.
    fn length_in(&self, text: &str) -> Option<usize> {
        let ends =
            |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '-');
        let long = text.strip_prefix("--").and_then(|text| text.strip_prefix(self.flag.as_str()));
        let short = self.short.and_then(|short| text.strip_prefix('-')?.strip_prefix(short));
        let rest = long.or(short).filter(|rest| ends(rest))?;
        let placeholder = rest.strip_prefix(" <").and_then(|inside| inside.split_once('>'));
        let rest = placeholder.map_or(rest, |(_, after)| after);
        Some(text.len() - rest.len())
    }
}

#[cfg(test)]
mod tests;
