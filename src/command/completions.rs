//! `docksweep completions`: for a shell.

use crate::cli::CompletionsArgs;
use crate::command::invocation::program;
use crate::command::{Failure, print};
use crate::exit_code::ExitCode;

pub(super) fn run(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut program = program();
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, name, &mut script);
    print(script)
}
