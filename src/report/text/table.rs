//! One row for each endpoint that is a Docker API or has something to say about it.

use std::borrow::Cow;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::page::{Page, Tone};
use super::{LISTED, TextOptions, address_of, label, plural};
use crate::finding::Severity;
use crate::observation::TlsVersion;
use crate::report::v1;
use crate::sanitize;

/// Longest text of a cell.
const LIMIT: usize = 60;
/// An IPv4 address and port, and for the others their longest word.
const NARROWEST: [u16; 6] = [21, 8, 12, 7, 9, 5];

pub fn write(page: &mut Page, report: &v1::Report, options: TextOptions) {
    let (mut shown, other): (Vec<_>, Vec<_>) =
        report.endpoints.iter().partition(|endpoint| is_worth_a_row(endpoint, options.minimum));
    // Worst first, the ungraded after the graded; the sort keeps the order of addresses.
    shown.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.grade));
    page.blank();
    if !shown.is_empty() {
        let mut table = new_table(options.width);
        for endpoint in &shown {
            table.add_row(row(endpoint));
        }
        for (number, line) in table.lines().enumerate() {
            let tone = if number == 0 { Tone::Heading } else { Tone::Plain };
            page.verbatim(tone, "", line.trim_end());
        }
    }
    if !other.is_empty() {
        page.paragraph(Tone::Faint, "", &not_docker(&other));
    }
}

fn is_worth_a_row(endpoint: &v1::Endpoint, minimum: Severity) -> bool {
    endpoint.api.access != v1::Access::NotDocker
        || endpoint
            .findings
            .iter()
            .any(|finding| finding.severity >= minimum && !finding.is_suppressed())
}

fn not_docker(endpoints: &[&v1::Endpoint]) -> String {
    let count = u64::try_from(endpoints.len()).unwrap_or(u64::MAX);
    let mut text = format!("{} something other than Docker", {
        plural(count, "open port is", "open ports are")
    });
    for (number, endpoint) in endpoints.iter().take(LISTED).enumerate() {
        text.push_str(if number == 0 { ": " } else { ", " });
        text.push_str(address_of(&endpoint.id));
    }
    if let Some(more) = endpoints.len().checked_sub(LISTED).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

fn new_table(width: u16) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .force_no_tty()
        .set_width(width)
        .set_header(["Endpoint", "Product", "Access", "TLS", "Client cert", "Grade"]);
    // What a page is too narrow for can be read in the other formats.
    let hidden: &[usize] = match width {
        0..55 => &[1, 3, 4],
        55..75 => &[1, 3],
        75.. => &[],
    };
    for (number, (column, narrowest)) in table.column_iter_mut().zip(NARROWEST).enumerate() {
        column.set_padding((0, 2));
        column.set_constraint(if hidden.contains(&number) {
            ColumnConstraint::Hidden
        } else {
            ColumnConstraint::LowerBoundary(Width::Fixed(narrowest + 2))
        });
    }
    table
}

fn row(endpoint: &v1::Endpoint) -> [String; 6] {
    [
        label(endpoint),
        product(&endpoint.api),
        access(endpoint.api.access).to_owned(),
        tls(endpoint),
        client_certificate(endpoint).to_owned(),
        endpoint.grade.map_or("-", grade).to_owned(),
    ]
    .map(|cell| sanitize::line(&cell, LIMIT).into_owned())
}

pub(in crate::report) fn product(api: &v1::Api) -> String {
    let version = api.version.as_ref().and_then(|body| body.version.as_deref());
    let name: Cow<'_, str> = match (api.product, api.docker.status) {
        (Some(v1::Product::DockerEngine), _) => "Docker".into(),
        (Some(v1::Product::Podman), _) => "Podman".into(),
        (_, v1::DockerApiStatus::Probable) => "probably Docker".into(),
        (Some(v1::Product::Unknown), _) => "unknown".into(),
        (None, _) => api.server.as_deref().unwrap_or("-").into(),
    };
    version.map_or_else(|| name.clone().into_owned(), |version| format!("{name} {version}"))
}

fn access(access: v1::Access) -> &'static str {
    match access {
        v1::Access::Open => "OPEN",
        v1::Access::Filtered => "partly open",
        v1::Access::Denied => "denied",
        v1::Access::ClientCertificateRequired => "certificate",
        v1::Access::NotDocker => "not Docker",
        v1::Access::Undetermined => "undetermined",
    }
}

/// The versions that are accepted; a question mark where that is not known of all.
pub(in crate::report) fn tls(endpoint: &v1::Endpoint) -> String {
    let Some(tls) = &endpoint.tls else {
        let text = match endpoint.transport {
            v1::Transport::Plain => "none",
            v1::Transport::Tls | v1::Transport::Undetermined => "?",
        };
        return text.to_owned();
    };
    let with = |status| tls.versions.iter().filter(move |(_, support)| support.status == status);
    let mut parts: Vec<&str> =
        with(v1::SupportStatus::Accepted).map(|(version, _)| short(*version)).collect();
    if with(v1::SupportStatus::Undetermined).next().is_some() {
        parts.push("?");
    }
    parts.join(" ")
}

pub(in crate::report) fn short(version: TlsVersion) -> &'static str {
    version.name().strip_prefix("TLSv").unwrap_or(version.name())
}

pub(in crate::report) fn client_certificate(endpoint: &v1::Endpoint) -> &'static str {
    let Some(tls) = &endpoint.tls else { return "-" };
    let auth = &tls.client_auth;
    match (auth.requested, auth.required, auth.verified) {
        (_, _, v1::Verified::No) => "any will do",
        (_, v1::Answer::Yes, v1::Verified::Yes) => match auth.enforced_by {
            Some(v1::EnforcedBy::Http) => "verified, HTTP",
            Some(v1::EnforcedBy::Tls) | None => "verified",
        },
        (_, v1::Answer::Yes, _) => match auth.enforced_by {
            Some(v1::EnforcedBy::Http) => "required, HTTP",
            Some(v1::EnforcedBy::Tls) | None => "required",
        },
        (v1::Answer::Yes, v1::Answer::No, _) => "optional",
        (v1::Answer::No, _, _) => "not asked",
        (_, _, _) => "?",
    }
}

pub(in crate::report) fn grade(grade: v1::Grade) -> &'static str {
    match grade {
        v1::Grade::A => "A",
        v1::Grade::B => "B",
        v1::Grade::C => "C",
        v1::Grade::D => "D",
        v1::Grade::F => "F",
    }
}
