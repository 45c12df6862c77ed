//! What a run is asked to do: what was typed, and what the configuration adds to it.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command, CommandFactory as _};

use crate::cli::{Cli, ConfigurationArgs};
use crate::command::{Failure, HELP_HINT, announce};
use crate::config::read_text;
use crate::document::Mistake;
use crate::exit_code::ExitCode;
use crate::nearest::nearest;
use crate::settings::{self, CONFIGURABLE, File, Origin, Setting, SettingError, variable_of};
use crate::suppress::Suppressions;

/// A command line in full.
#[derive(Debug, Default)]
pub(super) struct Invocation {
    /// The program, and for a subcommand that has settings: its name, the settings as flags, and
    /// what was typed.
    pub(super) arguments: Vec<OsString>,
    /// Risks that the configuration file accepts.
    pub(super) suppressions: Suppressions,
    /// What is amiss with the configuration, and stops nothing.
    pub(super) warnings: Vec<String>,
    settings: Vec<Setting>,
}

impl Invocation {
    /// Reads the configuration file, where the subcommand has settings.
    pub(super) fn of(typed: Vec<OsString>) -> Result<Self, Failure> {
        let program = Cli::command();
        // What is wrong with the flags is said when all are there.
        let Ok(given) = program.clone().ignore_errors(true).try_get_matches_from(&typed) else {
            return Ok(Self::plain(typed));
        };
        let Some((name, given)) = given.subcommand() else { return Ok(Self::plain(typed)) };
        let command = program.find_subcommand(name).filter(|_| CONFIGURABLE.contains(&name));
        let (Some(command), Some((first, rest))) = (command, around(&typed, name)) else {
            return Ok(Self::plain(typed));
        };
        let flags = settings::typed(command, given);
        if flags.contains("resume") && !names_targets(given) {
            // The command line is then that of the scan's beginning, which had its settings.
            let arguments = in_order(name, &[], first, rest);
            return Ok(Self { arguments, ..Self::default() });
        }
        let file = file(&ConfigurationArgs::of(given))?;
        let settings = settings::in_effect(command, &flags, file.as_ref(), variable)?;
        let arguments = in_order(name, &settings::arguments(&settings), first, rest);
        let mut warnings = misspelt_variables();
        warnings.extend(file.as_ref().and_then(|file| exposed_secret(file, &settings)));
        let suppressions = file.map(|file| file.suppressions).unwrap_or_default();
        Ok(Self { arguments, suppressions, settings, warnings })
    }

    fn plain(arguments: Vec<OsString>) -> Self {
        Self { arguments, ..Self::default() }
    }

    /// For the report: what was not typed. Values are left out, as some are secrets.
    pub(super) fn note(&self) -> Option<String> {
        let settings = self.settings.iter().filter_map(|setting| {
            let (_, origin) = setting.values.first()?;
            Some(format!("{} ({origin})", setting.flag))
        });
        let settings: Vec<String> = settings.collect();
        (!settings.is_empty()).then(|| format!("set by configuration: {}", settings.join(", ")))
    }

    /// Those of the environment that set something.
    pub(super) fn variables(&self) -> BTreeSet<&str> {
        let values = self.settings.iter().flat_map(|setting| &setting.values);
        let variables = values.filter_map(|(_, origin)| match origin {
            Origin::Environment(variable) => Some(variable.as_str()),
            Origin::File(_) => None,
        });
        variables.collect()
    }

    /// A failure that is about a setting names its file or variable, and no flag.
    pub(super) fn in_its_words(&self, failure: Failure) -> Failure {
        if failure.code != ExitCode::Usage {
            return failure;
        }
        match settings::in_its_words(&failure.message, &self.settings) {
            Some(message) => {
                let hint = failure.hint.filter(|hint| hint != HELP_HINT);
                let hint =
                    hint.or(Some("docksweep config shows what is set, and where".to_owned()));
                Failure { message, hint, ..failure }
            }
            None => failure,
        }
    }
}

/// What the variables of all flags begin with.
const PREFIX: &str = "DOCKSWEEP_";

/// Variables that look like ours and are none.
pub(super) fn strange_variables() -> Vec<String> {
    let known = known_variables();
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut strange: Vec<String> =
        names.filter(|name| name.starts_with(PREFIX) && !known.contains(name)).collect();
    strange.sort_unstable();
    strange
}

/// Of all subcommands: a variable for one of them is no mistake in a run of another.
fn known_variables() -> BTreeSet<String> {
    let program = program();
    let commands = CONFIGURABLE.iter().filter_map(|name| program.find_subcommand(name));
    let flags = commands.flat_map(settings::flags).map(|flag| variable_of(flag.name));
    flags.chain(["CONFIG", "NO_CONFIG"].map(variable_of)).collect()
}

/// By a slip in a name, what should be left out would be scanned.
fn misspelt_variables() -> Vec<String> {
    let known = known_variables();
    let slips = strange_variables().into_iter().filter_map(|name| {
        let stems = known.iter().filter_map(|known| known.strip_prefix(PREFIX));
        let meant = nearest(name.strip_prefix(PREFIX)?, stems)?;
        Some(format!("no flag is set by {name}; did you mean {PREFIX}{meant}?"))
    });
    slips.collect()
}

/// An address to post to is a secret, and the file may be everybody's to read.
fn exposed_secret(file: &File, settings: &[Setting]) -> Option<String> {
    let (flag, place) = settings.iter().find_map(|Setting { flag, values, .. }| {
        let is_secret =
            announce::FLAGS.iter().any(|secret| secret.strip_prefix("--") == Some(flag));
        let (_, place) = values.iter().find(|(value, origin)| {
            matches!(origin, Origin::File(_)) && !value.as_encoded_bytes().starts_with(b"@")
        })?;
        is_secret.then_some((flag, place))
    })?;
    let mode = std::fs::metadata(&file.name).ok()?.permissions().mode();
    (mode & 0o004 != 0).then(|| {
        format!(
            "{place}: everybody may read where {flag} posts to; chmod o-r, or {flag} = \"@FILE\""
        )
    })
}

/// The program and the words before the subcommand, and those after it.
fn around<'a>(typed: &'a [OsString], name: &str) -> Option<(&'a [OsString], &'a [OsString])> {
    let mut at = 1;
    loop {
        let word = typed.get(at)?;
        if word == name {
            return Some((typed.get(..at)?, typed.get(at + 1..)?));
        }
        // The only flag before a subcommand that takes a value.
        at += if word == "--config" { 2 } else { 1 };
    }
}

/// The flags before a subcommand may as well stand behind it.
fn in_order(
    name: &str,
    settings: &[OsString],
    first: &[OsString],
    rest: &[OsString],
) -> Vec<OsString> {
    let (program, flags) = first.split_at(first.len().min(1));
    let name = [OsString::from(name)];
    [program, &name, settings, flags, rest].concat()
}

fn names_targets(given: &ArgMatches) -> bool {
    let has = |id| given.try_contains_id(id).unwrap_or(false);
    has("targets") || has("inputs")
}

/// The configuration file in effect, if there is one.
pub(super) fn file(args: &ConfigurationArgs) -> Result<Option<File>, Failure> {
    let Some(path) = path(args)? else { return Ok(None) };
    let name = path.to_string_lossy();
    let text = read_text(&path).map_err(|error| {
        Failure::usage(format!("{name}: {error}")).hint("--no-config goes without the file")
    })?;
    Ok(Some(File::parse(&name, &text, &Cli::command())?))
}

/// Where the configuration is: what is asked for, else the first place that has it. The directory
/// of the run is none of them: whoever may write there could have reports posted elsewhere.
pub(super) fn path(args: &ConfigurationArgs) -> Result<Option<PathBuf>, Failure> {
    if args.no_config {
        return Ok(None);
    }
    if let Some(path) = &args.config {
        return Ok(Some(path.clone()));
    }
    const NONE: &str = "DOCKSWEEP_NO_CONFIG";
    if let Some(value) = variable(NONE)
        && settings::switch(NONE, &value.to_string_lossy()).map_err(SettingError::from)?
    {
        return Ok(None);
    }
    if let Some(path) = variable("DOCKSWEEP_CONFIG") {
        return Ok(Some(path.into()));
    }
    // A home that may not be entered, as in a sandbox, is not this user's.
    Ok(places().into_iter().find(|path| path.exists()))
}

/// The user's own, then that of the machine.
pub(super) fn places() -> Vec<PathBuf> {
    const NAME: &str = "docksweep/docksweep.toml";
    let home = || variable("HOME").map(|home| Path::new(&home).join(".config"));
    let own = variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home);
    let own = own.filter(|path| path.is_absolute()).map(|path| path.join(NAME));
    own.into_iter().chain([Path::new("/etc").join(NAME)]).collect()
}

/// An empty variable is as good as none.
pub(super) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Clap's description of the whole command line.
pub(super) fn program() -> Command {
    Cli::command()
}

impl From<SettingError> for Failure {
    fn from(error: SettingError) -> Self {
        match error {
            SettingError::File(mistake) => mistake.into(),
            SettingError::Environment(error) => Self::usage(error),
        }
    }
}

impl From<Mistake> for Failure {
    fn from(mistake: Mistake) -> Self {
        let failure = Self::usage(&mistake);
        match mistake.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
