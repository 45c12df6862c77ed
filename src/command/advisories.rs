//! `docksweep advisories`: what versions are judged by, and how old it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use crate::advisories::Advisories;
use crate::command::scan::age_note;
use crate::exit_code::ExitCode;

pub(super) fn run() -> ExitCode {
    let data = Advisories::embedded();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for advisory in data.all() {
        *counts.entry(&advisory.component).or_default() += 1;
    }
    let mut text = format!("data of {}, part of this program\n\n", data.date());
    for (component, count) in counts {
        let _ = writeln!(text, "{component:12}  {count:>4} advisories");
    }
    let _ = writeln!(text, "{:12}  {:>4} release cycles", "engine", data.cycles().len());
    if let Some(note) = age_note(Timestamp::now()) {
        let _ = writeln!(text, "\nnote: {note}");
    }
    anstream::print!("{text}");
    ExitCode::Done
}
