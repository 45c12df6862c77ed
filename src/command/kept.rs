//! What `scan` does when a report cannot be written: a scan may have taken a night, so the report is
//! kept elsewhere, and the hint says where.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::command::Failure;
use crate::command::report::shown;
use crate::report::{Destination, Format, Kept, Report, Unwritten, json, keep};

/// The failure, with where the report is.
///
/// Where an output that was written is JSON, it holds all. Else a file is made, see [`directories`].
/// Where none can be, the JSON goes to the standard output, or to stderr if a report went there.
pub(super) fn unwritten(
    error: &Unwritten,
    report: &Report,
    outputs: &[(Destination, Format)],
) -> Failure {
    let failure = Failure::error(error);
    if let Some(whole) = error.whole() {
        return failure.hint(format!("the whole report is in {whole}"));
    }
    if let Kept::File(path) = keep(report, &directories(|name| env::var_os(name))) {
        let path = shown(&path);
        return failure.hint(format!(
            "the report is kept in {path}; docksweep report {path} -o PATH writes it anew"
        ));
    }
    let free = outputs.iter().all(|(destination, _)| *destination != Destination::Stdout);
    let (name, mut stream): (_, Box<dyn Write>) = match free {
        true => ("the standard output", Box::new(io::stdout())),
        false => ("stderr, above", Box::new(io::stderr())),
    };
    match json::write_line(&mut stream, report).and_then(|()| stream.flush()) {
        Ok(()) => failure.hint(format!("no directory takes it: the report went to {name}")),
        Err(error) => failure.hint(format!("it could be kept nowhere else; {name}: {error}")),
    }
}

/// `TMPDIR` if it is set, then what outlasts a restart, then what does not, then one's own state.
fn directories(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    set("TMPDIR")
        .into_iter()
        .chain([PathBuf::from("/var/tmp"), PathBuf::from("/tmp")])
        .chain(state.map(|state| state.join("docksweep")))
        .filter(|directory| directory.is_absolute())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_own_wish_comes_first() {
        let set = |name: &str| match name {
            "TMPDIR" => Some("/scratch".into()),
            "HOME" => Some("/home/a".into()),
            _ => None,
        };
        let expected =
            ["/scratch", "/var/tmp", "/tmp", "/home/a/.local/state/docksweep"].map(PathBuf::from);
        assert_eq!(directories(set), expected);
        assert_eq!(directories(|_| None), ["/var/tmp", "/tmp"].map(PathBuf::from));
    }
}
