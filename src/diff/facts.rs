//! What else is said of an endpoint. Nothing is a change that one of the runs does not know.

use super::side::{Facts, TlsSeen};
use super::{Fact, FactChange};
use crate::observation::TlsVersion;
use crate::report::v1::{Access, Grade};

pub(super) fn compare(before: &Facts, after: &Facts) -> Vec<FactChange> {
    let mut changes = Vec::new();
    let mut differ = |fact, before: Option<String>, after: Option<String>| {
        changes.push(FactChange { fact, finding: None, before, after });
    };
    // What cannot be told any more is no change of the endpoint: it is among the not reached.
    if before.access != after.access && after.access != Access::Undetermined {
        let name = |access: Access| Some(access.name().to_owned());
        differ(Fact::Access, name(before.access), name(after.access));
    }
    if both_differ(&before.version, &after.version) {
        differ(Fact::Version, before.version.clone(), after.version.clone());
    }
    if both_differ(&before.certificate, &after.certificate) {
        differ(Fact::Certificate, before.certificate.clone(), after.certificate.clone());
    }
    if let (Some(old), Some(new)) = (&before.tls, &after.tls)
        && TlsVersion::ALL.into_iter().any(|version| tls_differs(old, new, version))
    {
        differ(Fact::TlsVersions, Some(accepted(old)), Some(accepted(new)));
    }
    if both_differ(&before.grade, &after.grade) {
        let name = |grade: Option<Grade>| grade.map(|grade| format!("{grade:?}"));
        differ(Fact::Grade, name(before.grade), name(after.grade));
    }
    changes
}

fn both_differ<T: PartialEq>(before: &Option<T>, after: &Option<T>) -> bool {
    before.is_some() && after.is_some() && before != after
}

fn tls_differs(before: &TlsSeen, after: &TlsSeen, version: TlsVersion) -> bool {
    let known = |seen: &TlsSeen| !seen.undetermined.contains(&version);
    known(before)
        && known(after)
        && before.accepted.contains(&version) != after.accepted.contains(&version)
}

fn accepted(seen: &TlsSeen) -> String {
    let names: Vec<&str> = seen.accepted.iter().map(|version| version.name()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
