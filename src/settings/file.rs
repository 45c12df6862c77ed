//! `docksweep.toml`: a table for each subcommand, whose keys are its flags, and accepted risks.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::Command;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{CONFIGURABLE, Flag, Kind, Origin, Setting, flags};
use crate::document::{Document, Mistake, kind};
use crate::suppress::{self, Suppressions};

/// A configuration file, whose every key is known.
#[derive(Clone, Debug)]
pub struct File {
    pub name: String,
    pub suppressions: Suppressions,
    /// By subcommand, then by flag.
    tables: BTreeMap<String, BTreeMap<String, Setting>>,
}

impl File {
    /// `program` is clap's description of the whole command line; `name` is for errors.
    ///
    /// # Errors
    /// The first mistake in it. Whether a value suits its flag is seen when the flag is parsed.
    pub fn parse(name: &str, text: &str, program: &Command) -> Result<Self, Mistake> {
        let document = Document::parse(name, text)?;
        let mut tables = BTreeMap::new();
        for (key, value) in document.root() {
            let subcommand = key.get_ref().as_ref();
            if subcommand == suppress::TABLE {
                continue;
            }
            let command = program.find_subcommand(subcommand);
            let Some(command) = command.filter(|_| CONFIGURABLE.contains(&subcommand)) else {
                return Err(unknown_table(&document, program, key));
            };
            let Some(table) = value.get_ref().as_table() else {
                let message =
                    format!("{subcommand} must be a table, and is {}", kind(value.get_ref()));
                return Err(document
                    .mistake(&value.span(), message)
                    .hint(format!("begin with [{subcommand}]")));
            };
            tables.insert(subcommand.to_owned(), settings(&document, command, table)?);
        }
        Ok(Self { name: name.to_owned(), suppressions: Suppressions::of(&document)?, tables })
    }

    /// What it says of a subcommand's flag.
    pub fn setting(&self, subcommand: &str, flag: &str) -> Option<&Setting> {
        self.tables.get(subcommand)?.get(flag)
    }
}

fn unknown_table(
    document: &Document<'_>,
    program: &Command,
    key: &Spanned<impl AsRef<str>>,
) -> Mistake {
    let name = key.get_ref().as_ref();
    let owner = CONFIGURABLE.iter().find(|subcommand| {
        let command = program.find_subcommand(subcommand);
        command.is_some_and(|command| flags(command).any(|flag| flag.name == name))
    });
    match owner {
        Some(owner) => document
            .mistake(&key.span(), format!("'{name}' stands in no table"))
            .hint(format!("put it below a line [{owner}]")),
        None => {
            let known: Vec<&str> = CONFIGURABLE.into_iter().chain([suppress::TABLE]).collect();
            document.unknown_key(key, &known)
        }
    }
}

fn settings(
    document: &Document<'_>,
    command: &Command,
    table: &DeTable<'_>,
) -> Result<BTreeMap<String, Setting>, Mistake> {
    let mut settings = BTreeMap::new();
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let Some(flag) = flags(command).find(|flag| flag.name == name) else {
            let known: Vec<&str> = flags(command).map(|flag| flag.name).collect();
            return Err(document.unknown_key(key, &known));
        };
        let values = values(document, flag, value)?;
        let values = values.into_iter().map(|(text, value)| {
            (OsString::from(text), Origin::File(document.place(&value.span())))
        });
        settings.insert(name.to_owned(), Setting::new(flag, values.collect()));
    }
    Ok(settings)
}

type Value<'a> = Spanned<DeValue<'a>>;

/// What would be typed after the flag, once for each time that it would be typed.
fn values<'v, 'a>(
    document: &Document<'_>,
    flag: Flag<'_>,
    value: &'v Value<'a>,
) -> Result<Vec<(String, &'v Value<'a>)>, Mistake> {
    let wrong = |value: &Value<'_>, wanted: &str| {
        let message = format!("{} must be {wanted}, and is {}", flag.name, kind(value.get_ref()));
        document.mistake(&value.span(), message)
    };
    let given = (String::new(), value);
    match (flag.kind, value.get_ref()) {
        (Kind::Switch, DeValue::Boolean(is_on)) => Ok(is_on.then_some(given).into_iter().collect()),
        (Kind::Switch, _) => Err(wrong(value, "true or false")),
        (Kind::Count, DeValue::Integer(number)) => match number.as_str().parse::<u8>() {
            Ok(count) => Ok(vec![given; usize::from(count)]),
            Err(_) => {
                Err(document.mistake(&value.span(), format!("{} must be from 0 to 255", flag.name)))
            }
        },
        (Kind::Count, _) => Err(wrong(value, "a number")),
        (Kind::List, DeValue::Array(items)) => {
            let words = items.iter().map(|item| match word(item.get_ref()) {
                Some(word) if !word.is_empty() => Ok((word, item)),
                Some(_) => Err(document.mistake(&item.span(), "an empty string says nothing")),
                None => Err(wrong(item, "a list of strings or numbers")),
            });
            words.collect()
        }
        (Kind::Value | Kind::List, _) => match word(value.get_ref()) {
            // So that a file can name every flag, also those that are not given by default.
            Some(word) if word.is_empty() => Ok(Vec::new()),
            Some(word) => Ok(vec![(word, value)]),
            None => Err(wrong(value, "a string or a whole number")),
        },
    }
}

fn word(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        _ => None,
    }
}
