//! Parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    docksweep::command::main(std::env::args_os()).into()
}
