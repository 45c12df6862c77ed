//! One page for a browser, complete in itself: it loads nothing, runs only its own script, and says
//! all that it knows without that too.
//!
//! What many endpoints share is written once: a finding with its evidence (`cases`), what is said of
//! a rule (`catalogue`), a set of rules that is kept. An endpoint refers to them.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::IpAddr;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use super::text::scoreboard;
use super::{Output, Reporter, v1};

mod cases;
mod catalogue;
mod charts;
mod endpoint;
// The templates' code names it from the crate's root.
pub(crate) mod escape;
mod heat;
mod kept;
mod overview;
mod words;

use cases::Cases;
use catalogue::Piece;
use charts::{Chart, Expiries};
use endpoint::View;
use heat::{Heat, Network};
use kept::Kept;
use overview::{Card, Fact};

const STYLE: &str = include_str!("../../templates/report.css");
const SCRIPT: &str = include_str!("../../templates/report.js");

/// Writes nothing until the end, then everything.
#[derive(Debug)]
pub struct Html(Box<dyn Output>);

impl Html {
    pub fn new(output: Box<dyn Output>) -> Self {
        Self(output)
    }
}

impl Reporter for Html {
    fn finish(mut self: Box<Self>, report: &v1::Report) -> io::Result<()> {
        let cases = Cases::of(report);
        Page::new(report, &cases).write_into(&mut self.0)?;
        self.0.flush()?;
        self.0.commit()
    }
}

/// The whole page; endpoints are turned into text one at a time.
#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    policy: String,
    style: &'static str,
    script: &'static str,
    report: &'a v1::Report,
    cards: Vec<Card>,
    facts: Vec<Fact>,
    charts: Vec<Chart>,
    six_rules: Vec<SixRule>,
    heat: Heat,
    cases: &'a Cases<'a>,
    kept: Kept<'a>,
}

/// `10.0.3.… :2375`, and the last numbers of the addresses.
struct Group {
    prefix: String,
    endpoints: Vec<(usize, String)>,
}

/// One of the six rules of a Docker host, over all endpoints.
struct SixRule {
    name: &'static str,
    pass: u64,
    fail: u64,
    unknown: u64,
}

impl<'a> Page<'a> {
    fn new(report: &'a v1::Report, cases: &'a Cases<'a>) -> Self {
        let expiries = Expiries::of(report);
        let mut charts =
            vec![Chart::severities(&report.summary), Chart::grades(report.summary.by_grade)];
        charts.extend(Chart::expiry(&expiries));
        Self {
            policy: policy(),
            style: STYLE,
            script: SCRIPT,
            report,
            cards: overview::cards(report, &expiries),
            facts: overview::facts(report),
            charts,
            six_rules: six_rules(report),
            heat: Heat::of(report, cases),
            cases,
            kept: Kept::of(report),
        }
    }

    fn title(&self) -> String {
        let scan = &self.report.scan;
        let mut targets = scan.targets.iter().take(2).cloned().collect::<Vec<_>>().join(", ");
        if let Some(more @ 1..) = scan.targets.len().checked_sub(2) {
            targets.push_str(&format!(" and {more} more"));
        }
        if targets.is_empty() { "Docker endpoints".to_owned() } else { targets }
    }

    fn day(&self) -> String {
        self.report.scan.started_at.strftime("%Y-%m-%d %H:%M UTC").to_string()
    }

    fn endpoints(&'a self) -> impl Iterator<Item = View<'a>> {
        let endpoints = self.report.endpoints.iter().enumerate();
        endpoints.map(|(number, it)| View::new(number, it, self.cases, &self.kept))
    }

    /// How an endpoint is called where another part of the page points to it.
    fn place(&self, number: &usize) -> &'a str {
        let endpoint = self.report.endpoints.get(*number);
        endpoint.map_or("", |endpoint| super::text::address_of(&endpoint.id))
    }

    /// The endpoints of a case, those of one network and port together.
    fn groups(&self, case: &cases::Case<'_>) -> Vec<Group> {
        let mut groups: BTreeMap<(Network, u16), Vec<(usize, String)>> = BTreeMap::new();
        for number in &case.endpoints {
            let Some(endpoint) = self.report.endpoints.get(*number) else { continue };
            let last = match endpoint.address {
                IpAddr::V4(address) => {
                    let [.., last] = address.octets();
                    last.to_string()
                }
                IpAddr::V6(_) => self.place(number).to_owned(),
            };
            let group = (Network::of(endpoint.address), endpoint.port);
            groups.entry(group).or_default().push((*number, last));
        }
        let groups = groups.into_iter().map(|((network, port), endpoints)| Group {
            prefix: match network {
                Network::V4([a, b, c]) => format!("{a}.{b}.{c}.… :{port}"),
                Network::V6(_) => network.to_string(),
            },
            endpoints,
        });
        groups.collect()
    }

    /// The accesses that endpoints of a case have.
    fn accesses(&self, case: &cases::Case<'_>) -> String {
        let of = |number: &usize| self.report.endpoints.get(*number).map(|it| it.api.access);
        let seen: Vec<v1::Access> = case.endpoints.iter().filter_map(of).collect();
        let names = words::ACCESSES.iter().filter(|(access, _)| seen.contains(access));
        names.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
    }
}

/// What the browser may do for this page: apply this style and run this script.
fn policy() -> String {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        source_hash(STYLE),
        source_hash(SCRIPT)
    )
}

fn source_hash(text: &str) -> String {
    format!("sha256-{}", BASE64.encode(Sha256::digest(text)))
}

/// Nothing where no endpoint is, or may be, a Docker API.
fn six_rules(report: &v1::Report) -> Vec<SixRule> {
    let counted = scoreboard::count(report);
    if counted.iter().all(|(_, counts)| counts.pass + counts.fail == 0) {
        return Vec::new();
    }
    let rules = counted.into_iter().map(|(name, counts)| {
        let scoreboard::Counts { pass, fail, unknown } = counts;
        SixRule { name, pass, fail, unknown }
    });
    rules.collect()
}

#[cfg(test)]
mod tests;
