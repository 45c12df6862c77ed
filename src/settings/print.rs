//! The configuration as a file: what is by default, and what is in effect.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Command;
use clap::builder::PossibleValue;

use super::{CONFIGURABLE, File, Flag, Kind, Setting, SettingError, flags, in_effect};
use crate::sanitize;
use crate::wrap::wrapped;

const HEADER: &str = "\
## Configuration of docksweep. It is read from the first of these that exists:
##
##   --config FILE, or DOCKSWEEP_CONFIG
##   docksweep/docksweep.toml in $XDG_CONFIG_HOME, or in ~/.config
##   /etc/docksweep/docksweep.toml
##
## and never from the directory that a command is run in. A flag takes the place of what is said
## here, and so does its variable: DOCKSWEEP_RATE for --rate; a list's has commas, and what is true
## here is taken back by DOCKSWEEP_QUIET=false. A list takes the place of the whole list, but what
## exclude and exclude-file name is left out wherever it is said. An empty string is as good as
## nothing; paths are as on the command line. docksweep config shows what is in effect.
";

const SUPPRESS: &str = "
## Accepted risks. Each names a rule (docksweep rules lists them), an address, or both; what it is
## about no longer counts in summaries, grades and exit codes until the day after it expires. Reports
## hold it all the same. A finding of several endpoints is suppressed by an entry about all of them.
##
##   [[suppress]]
##   rule = \"cert-self-signed\"
##   address = \"10.0.0.0/24\"      # or an address, or FIRST-LAST
##   port = 2376                  # optional
##   subject = \"CN=docker\"        # optional: one certificate, say, where there are several
##   reason = \"rebuilt in March, ticket 4711\"
##   expires = 2027-03-31         # the last day on which it holds, in UTC
";

/// Every flag, commented out, with its help and what it is by default.
pub fn default_file(program: &Command) -> String {
    let mut text = HEADER.to_owned();
    for name in CONFIGURABLE {
        let Some(command) = program.find_subcommand(name) else { continue };
        let _ = write!(text, "\n[{name}]\n");
        for flag in flags(command) {
            text.push('\n');
            for line in wrapped(&help(flag), 96) {
                let _ = writeln!(text, "## {line}");
            }
            let _ = writeln!(text, "# {} = {}", flag.name, default(flag));
        }
    }
    text.push_str(SUPPRESS);
    text
}

/// What every flag of every subcommand is, and who says so, where nothing is typed. `shown` takes a
/// flag's name and a value of it, which may be a secret.
///
/// # Errors
/// A variable of the environment that makes no sense.
pub fn effective(
    program: &Command,
    file: Option<&File>,
    variable: impl Fn(&str) -> Option<OsString> + Copy,
    shown: impl Fn(&str, &str) -> String,
) -> Result<String, SettingError> {
    let mut text = String::new();
    for name in CONFIGURABLE {
        let Some(command) = program.find_subcommand(name) else { continue };
        let _ = writeln!(text, "{}[{name}]", if text.is_empty() { "" } else { "\n" });
        let settings = in_effect(command, &BTreeSet::new(), file, variable)?;
        for flag in flags(command) {
            let setting = settings.iter().find(|setting| setting.flag == flag.name);
            let (value, origin) = match setting.filter(|setting| !setting.values.is_empty()) {
                Some(setting) => (said(setting, &shown), origins(setting)),
                None => (default(flag), "default".to_owned()),
            };
            let _ = writeln!(text, "{} = {value}  # {origin}", flag.name);
        }
    }
    Ok(text)
}

fn origins(setting: &Setting) -> String {
    let mut origins: Vec<String> =
        setting.values.iter().map(|(_, origin)| origin.to_string()).collect();
    origins.dedup();
    sanitize::line(&origins.join(", "), 500).into_owned()
}

/// What a setting says, as a value of the file.
fn said(setting: &Setting, shown: impl Fn(&str, &str) -> String) -> String {
    let values = setting.values.iter();
    let values: Vec<String> =
        values.map(|(value, _)| shown(&setting.flag, &value.to_string_lossy())).collect();
    match setting.kind {
        Kind::Switch => "true".to_owned(),
        Kind::Count => values.len().to_string(),
        Kind::List => list(&values),
        Kind::Value => values.first().map_or_else(|| quoted(""), |value| scalar(value)),
    }
}

fn default(flag: Flag<'_>) -> String {
    let defaults: Vec<String> = flag
        .arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    match (flag.kind, defaults.first()) {
        (Kind::Switch, _) => "false".to_owned(),
        (Kind::Count, _) => "0".to_owned(),
        (Kind::List, _) => list(&defaults),
        (Kind::Value, Some(value)) => scalar(value),
        (Kind::Value, None) => quoted(""),
    }
}

fn help(flag: Flag<'_>) -> String {
    let mut help = flag.arg.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<PossibleValue> = match flag.kind {
        Kind::Value | Kind::List => flag.arg.get_possible_values(),
        Kind::Switch | Kind::Count => Vec::new(),
    };
    if !values.is_empty() {
        let names: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
        let _ = write!(help, ": {}", names.join(", "));
    }
    help
}

/// Numbers go without quotes.
fn scalar(value: &str) -> String {
    match value.parse::<u32>() {
        Ok(number) if number.to_string() == value => value.to_owned(),
        _ => quoted(value),
    }
}

fn list(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", values.join(", "))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
