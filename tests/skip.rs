//! What a test says when this machine lacks something that it needs.

use std::io::Write as _;

/// A line past the test harness, which keeps what a passing test prints. Under `make test`, which
/// installs and starts all that tests need, it is a failure.
#[track_caller]
pub fn said(what: &str) {
    assert!(std::env::var_os("DOCKSWEEP_LAB").is_none(), "{what}");
    let _ = writeln!(std::io::stderr(), "SKIPPED {what}; `make test` has what it needs");
}

/// The same of what no package brings: rights, or a part of the kernel.
pub fn lacking(what: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {what}");
}
