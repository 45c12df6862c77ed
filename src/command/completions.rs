//! `docksweep completions`: for a shell.

use std::io::Write as _;

use crate::cli::CompletionsArgs;
use crate::command::Failure;
use crate::command::invocation::program;
use crate::exit_code::ExitCode;

pub(super) fn run(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut program = program();
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, name, &mut script);
    match anstream::stdout().lock().write_all(&script) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("standard output: {error}")))
        }
        _ => Ok(ExitCode::Done),
    }
}
