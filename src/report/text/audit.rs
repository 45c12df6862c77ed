//! What the given client certificate saw, and why it saw no more.

use std::collections::BTreeMap;

use super::page::{Page, Tone};
use super::{counted, label};
use crate::report::v1::{self, AuditStatus};

/// `None` where no credentials were given.
pub fn summary(report: &v1::Report) -> Option<String> {
    let audits = || report.endpoints.iter().filter_map(|endpoint| endpoint.audit.as_ref());
    audits().next()?;
    let of = |status| {
        let count = audits().filter(|audit| audit.status == status).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    };
    counted([
        (of(AuditStatus::Served), "audited with credentials"),
        (of(AuditStatus::Refused), "refused them"),
        (of(AuditStatus::Undetermined), "undetermined"),
        (of(AuditStatus::NotPresented), "not shown them"),
    ])
}

/// Endpoints that were audited, and those that could have been.
pub fn write(page: &mut Page, report: &v1::Report) {
    let mut groups: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    for endpoint in &report.endpoints {
        let Some(audit) = &endpoint.audit else { continue };
        let (heading, text) = match audit.status {
            AuditStatus::Served => ("Audited with credentials", served(audit)),
            // Where nobody asks for a certificate, that it was not shown is no news.
            AuditStatus::NotPresented
                if endpoint.api.access != v1::Access::ClientCertificateRequired =>
            {
                continue;
            }
            _ => ("Not audited", not_served(audit)),
        };
        groups.entry((heading, text)).or_default().push(label(endpoint));
    }
    let mut last = "";
    for ((heading, text), endpoints) in &groups {
        if *heading != last {
            page.blank();
            page.heading(heading);
            last = *heading;
        }
        page.list(Tone::Heading, "  ", endpoints);
        page.paragraph(Tone::Plain, "    ", text);
    }
}

fn served(audit: &v1::Audit) -> String {
    let version = audit.version.as_ref().and_then(|body| body.version.as_deref());
    match version {
        Some(version) => format!("version {version}: {}", audit.reason),
        None => audit.reason.clone(),
    }
}

fn not_served(audit: &v1::Audit) -> String {
    let what = match audit.status {
        AuditStatus::NotPresented => "the certificate was not shown",
        AuditStatus::Refused => "the certificate was refused",
        AuditStatus::Served | AuditStatus::Undetermined => "undetermined",
    };
    format!("{what}: {}", audit.reason)
}
