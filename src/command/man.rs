//! `docksweep man`: the manual pages.

use std::fs;
use std::io::Write as _;

use crate::cli::ManArgs;
use crate::command::Failure;
use crate::command::invocation::program;
use crate::command::report::shown;
use crate::exit_code::ExitCode;
use crate::manual::{self, Page};

pub(super) fn run(args: &ManArgs) -> Result<ExitCode, Failure> {
    let pages = manual::pages(program()).map_err(|error| Failure::error(&error))?;
    let Some(folder) = &args.output else {
        let page = pages.first().map(|page| page.text.as_slice()).unwrap_or_default();
        return match anstream::stdout().lock().write_all(page) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::failed(format!("standard output: {error}")))
            }
            _ => Ok(ExitCode::Done),
        };
    };
    fs::create_dir_all(folder)
        .map_err(|error| Failure::failed(format!("{}: {error}", shown(folder))))?;
    for Page { file, text } in pages {
        let path = folder.join(file);
        fs::write(&path, text)
            .map_err(|error| Failure::failed(format!("{}: {error}", shown(&path))))?;
    }
    Ok(ExitCode::Done)
}
