//! The cipher suites of each endpoint, where they were asked for.

use std::collections::BTreeMap;

use super::label;
use super::page::{Page, Tone};
use crate::report::v1::{self, Order};

/// Endpoints with the same suites are listed once.
pub fn write(page: &mut Page, report: &v1::Report) {
    let mut groups: BTreeMap<Vec<(String, Vec<String>)>, Vec<String>> = BTreeMap::new();
    for endpoint in &report.endpoints {
        let Some(versions) = endpoint.tls.as_ref().and_then(|tls| tls.cipher_suites.as_ref())
        else {
            continue;
        };
        let lines = versions
            .iter()
            .rev()
            .map(|(version, list)| (heading(version.name(), list), names(list)));
        groups.entry(lines.collect()).or_default().push(label(endpoint));
    }
    if groups.is_empty() {
        return;
    }
    page.blank();
    page.heading("Cipher suites");
    for (lines, endpoints) in &groups {
        page.list(Tone::Heading, "  ", endpoints);
        for (heading, names) in lines {
            page.paragraph(Tone::Plain, "    ", heading);
            for name in names {
                page.verbatim(Tone::Plain, "      ", name);
            }
        }
    }
}

fn heading(version: &str, list: &v1::CipherSuites) -> String {
    let order = match list.order {
        Order::Server => ", in the server's order",
        Order::Client => ", by the client's order",
        Order::Undetermined => "",
    };
    let more = match &list.incomplete_reason {
        Some(why) => format!("; {why}"),
        None => String::new(),
    };
    format!("{version}{order}{more}")
}

fn names(list: &v1::CipherSuites) -> Vec<String> {
    let marked = list.suites.iter().map(|suite| {
        if suite.classes.is_empty() {
            suite.name.clone()
        } else {
            format!("{}  ({})", suite.name, suite.classes.join(", "))
        }
    });
    marked.collect()
}

#[cfg(test)]
mod tests;
