//! `DOCKSWEEP_RATE=500`: a variable for each flag.

use std::ffi::OsString;

use thiserror::Error;

use super::{Flag, Kind, Origin, Setting};

/// A variable that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{variable} must be {wanted}, and is '{value}'")]
pub struct EnvironmentError {
    variable: String,
    wanted: &'static str,
    value: String,
}

/// The variable of a flag.
pub fn variable_of(flag: &str) -> String {
    format!("DOCKSWEEP_{}", flag.to_ascii_uppercase().replace('-', "_"))
}

/// Whether a switch is on. An empty variable is as good as none.
pub fn switch(variable: &str, value: &str) -> Result<bool, EnvironmentError> {
    match value {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(EnvironmentError {
            variable: variable.to_owned(),
            wanted: "true or false",
            value: value.to_owned(),
        }),
    }
}

/// What the environment says of a flag; `None`: nothing.
pub(super) fn setting(
    flag: Flag<'_>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Setting>, EnvironmentError> {
    let name = variable_of(flag.name);
    let Some(value) = variable(&name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let values = match flag.kind {
        Kind::Value => vec![value],
        Kind::List => match value.to_str() {
            Some(text) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                parts.map(OsString::from).collect()
            }
            None => vec![value],
        },
        Kind::Switch => match switch(&name, &value.to_string_lossy())? {
            true => vec![OsString::new()],
            false => Vec::new(),
        },
        Kind::Count => {
            let text = value.to_string_lossy();
            let count: u8 = text.parse().map_err(|_| EnvironmentError {
                variable: name.clone(),
                wanted: "a number from 0 to 255",
                value: text.into_owned(),
            })?;
            vec![OsString::new(); usize::from(count)]
        }
    };
    let origin = Origin::Environment(name);
    let values = values.into_iter().map(|value| (value, origin.clone())).collect();
    Ok(Some(Setting::new(flag, values)))
}
