//! A TOML file whose keys and values know where they stand, for errors that say so.

use std::fmt;
use std::ops::Range;

use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::nearest::nearest;

/// A file that is well-formed; what it says is for others to judge.
#[derive(Debug)]
pub struct Document<'a> {
    name: &'a str,
    text: &'a str,
    root: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    /// `name` is for errors.
    ///
    /// # Errors
    /// It is no TOML.
    pub fn parse(name: &'a str, text: &'a str) -> Result<Self, Mistake> {
        match DeTable::parse(text) {
            Ok(root) => Ok(Self { name, text, root }),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let message = error.message().lines().collect::<Vec<_>>().join(", ");
                Err(Mistake { place: Place::of(name, text, at), message, hint: None })
            }
        }
    }

    pub fn root(&self) -> &DeTable<'a> {
        self.root.get_ref()
    }

    pub fn place(&self, span: &Range<usize>) -> Place {
        Place::of(self.name, self.text, span.start)
    }

    /// Something at `span` that makes no sense.
    pub fn mistake(&self, span: &Range<usize>, message: impl Into<String>) -> Mistake {
        Mistake { place: self.place(span), message: message.into(), hint: None }
    }

    /// A key that is none of `known`.
    pub fn unknown_key(&self, key: &Spanned<impl AsRef<str>>, known: &[&str]) -> Mistake {
        let name = key.get_ref().as_ref();
        let mistake = self.mistake(&key.span(), format!("unknown key '{name}'"));
        match nearest(name, known.iter().copied()) {
            Some(nearest) => mistake.hint(format!("did you mean '{nearest}'?")),
            None => mistake.hint(format!("known here: {}", known.join(", "))),
        }
    }
}

/// A point in a file, as editors understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    file: String,
    line: usize,
    column: usize,
}

impl Place {
    fn of(file: &str, text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }

    /// `docksweep.toml:12`.
    pub fn line(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What is wrong in a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place}: {message}")]
pub struct Mistake {
    pub place: Place,
    pub message: String,
    /// What to write instead, where that can be said.
    pub hint: Option<String>,
}

impl Mistake {
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What a value is, for an error that wanted another.
pub fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_toml_is_placed() {
        for (text, place) in [
            ("a = ", "f:1:5"),
            ("ok = 1\nä = x\n", "f:2:1"),
            ("ok = 1\n[scan\n", "f:2:6"),
            ("a = 1\r\na = 2\r\n", "f:2:1"),
            ("a = \"\u{e4}\"\nb = \"open\n", "f:2:10"),
        ] {
            let mistake = Document::parse("f", text).unwrap_err();
            assert_eq!(mistake.place.to_string(), place, "{text:?}: {mistake}");
            assert!(!mistake.message.contains('\n'), "{mistake}");
        }
    }

    #[test]
    fn unknown_keys_are_placed_and_the_nearest_is_named() {
        let document = Document::parse("f", "\n  raet = 1\nzzz = 2\n").unwrap();
        let mut keys = document.root().keys();
        let mistake = document.unknown_key(keys.next().unwrap(), &["rate", "retries"]);
        assert_eq!(mistake.to_string(), "f:2:3: unknown key 'raet'");
        assert_eq!(mistake.hint.unwrap(), "did you mean 'rate'?");
        let mistake = document.unknown_key(keys.next().unwrap(), &["rate", "retries"]);
        assert_eq!(mistake.place.line(), "f:3");
        assert_eq!(mistake.hint.unwrap(), "known here: rate, retries");
    }
}
