//! `docksweep man`: the manual pages.

use std::fs;

use crate::cli::ManArgs;
use crate::command::invocation::program;
use crate::command::report::shown;
use crate::command::{Failure, print};
use crate::exit_code::ExitCode;
use crate::manual::{self, Page};

pub(super) fn run(args: &ManArgs) -> Result<ExitCode, Failure> {
    let pages = manual::pages(program()).map_err(|error| Failure::error(&error))?;
    let Some(folder) = &args.output else {
        let page = pages.first().map(|page| page.text.as_slice()).unwrap_or_default();
        return print(page);
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
