//! The six rules of a Docker host, over the whole fleet: how many endpoints keep each.

use super::page::{Page, Tone};
use crate::report::v1::{self, Check, CheckStatus};

pub(in crate::report) type Row = (&'static str, fn(&v1::Baseline) -> &Check);

pub(in crate::report) const ROWS: [Row; 6] = [
    ("API not open to strangers", |baseline| &baseline.socket_not_exposed),
    ("TLS sound, certificates enforced", |baseline| &baseline.tls),
    ("rootless", |baseline| &baseline.rootless),
    ("up to date", |baseline| &baseline.up_to_date),
    ("inter-container traffic off", |baseline| &baseline.icc_disabled),
    ("user namespaces remapped", |baseline| &baseline.userns_remap),
];

/// Nothing where no endpoint is, or may be, a Docker API.
pub fn write(page: &mut Page, report: &v1::Report) {
    let counted = count(report);
    if counted.iter().all(|(_, counts)| counts.pass + counts.fail == 0) {
        return;
    }
    page.blank();
    page.verbatim(Tone::Heading, "", "Six rules                         pass  fail  unknown");
    for (name, Counts { pass, fail, unknown }) in counted {
        let tone = if fail > 0 { Tone::Plain } else { Tone::Faint };
        page.verbatim(tone, "", &format!("{name:<32}  {pass:>4}  {fail:>4}  {unknown:>7}"));
    }
}

/// Each rule, with how many endpoints keep it.
pub(in crate::report) fn count(report: &v1::Report) -> [(&'static str, Counts); 6] {
    ROWS.map(|(name, check)| {
        let mut counts = Counts::default();
        for endpoint in &report.endpoints {
            counts.add(check(&endpoint.baseline).status);
        }
        (name, counts)
    })
}

/// Endpoints by what one rule says of them; those that it says nothing of are in none.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::report) struct Counts {
    pub pass: u64,
    pub fail: u64,
    pub unknown: u64,
}

impl Counts {
    fn add(&mut self, status: CheckStatus) {
        match status {
            CheckStatus::Pass => self.pass += 1,
            CheckStatus::Fail => self.fail += 1,
            CheckStatus::Unknown => self.unknown += 1,
            CheckStatus::NotApplicable => {}
        }
    }
}
