//! What rules about an engine's settings have in common: where they apply, and what a setting
//! that is unknown amounts to.

use super::{Subject, Verdict};
use crate::assess::DockerApi;
use crate::assess::posture::{Fact, Posture};

/// Judges one setting of an engine whose `/info` was read.
pub(super) fn setting<T>(
    subject: &Subject<'_>,
    fact: impl Fn(&Posture) -> &Fact<T>,
    judge: impl Fn(&T, &str) -> Verdict,
) -> Verdict {
    let assessment = subject.assessment;
    match assessment.posture() {
        Some(posture) => match fact(posture) {
            Fact::Known { value, shown_by } => judge(value, shown_by),
            Fact::Unknown { because } => Verdict::undetermined(because),
            Fact::NotApplicable { .. } => Verdict::NotApplicable,
        },
        None if assessment.api.docker == DockerApi::Seen => {
            Verdict::undetermined("the engine's /info was not read")
        }
        None => Verdict::NotApplicable,
    }
}

/// For a setting that ought to be on: its absence is the violation.
pub(super) fn wanted(
    subject: &Subject<'_>,
    fact: impl Fn(&Posture) -> &Fact<bool>,
    otherwise: &str,
) -> Verdict {
    setting(subject, fact, |value, shown_by| {
        if *value { Verdict::Passed } else { Verdict::found(format!("{otherwise}: {shown_by}.")) }
    })
}

/// For a setting that ought to be off.
pub(super) fn unwanted(
    subject: &Subject<'_>,
    fact: impl Fn(&Posture) -> &Fact<bool>,
    otherwise: &str,
) -> Verdict {
    setting(subject, fact, |value, shown_by| {
        if *value { Verdict::found(format!("{otherwise}: {shown_by}.")) } else { Verdict::Passed }
    })
}
