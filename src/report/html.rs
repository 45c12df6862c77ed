//! One page for a browser, complete in itself: it loads nothing, runs only its own script, and says
//! all that it knows without that too.
//!
//! What many endpoints share is written once: a finding with its evidence (`cases`), a set of
//! findings (`alike`), what is said of a rule (`catalogue`), a set of rules that is kept. An endpoint
//! refers to them. What is its own stands with it alone.

use std::io::{self, Write as _};

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use super::text::scoreboard;
use super::{Output, Reporter, v1};

mod alike;
mod cases;
mod catalogue;
mod charts;
mod endpoint;
// The templates' code names it from the crate's root.
pub(crate) mod escape;
mod heat;
mod kept;
mod overview;
mod places;
mod words;

use alike::Alike;
use cases::Cases;
use catalogue::Piece;
use charts::{Chart, Expiries};
use endpoint::View;
use heat::Heat;
use kept::Kept;
use overview::{Card, Fact};
use places::{Lists, Places};

const STYLE: &str = include_str!("../../templates/report.css");
const SCRIPT: &str = include_str!("../../templates/report.js");
/// Endpoints that a browser lays out, or leaves alone, together; the script and the style know it.
const BLOCK: usize = 64;

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
    lists: Lists<'a>,
    alike: Alike,
    kept: Kept<'a>,
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
            lists: Lists::of(report, cases),
            alike: Alike::of(cases, report.endpoints.len()),
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

    fn blocks(&'a self) -> impl Iterator<Item = impl Iterator<Item = View<'a>>> {
        let numbered = self.report.endpoints.chunks(BLOCK).zip((0..).step_by(BLOCK));
        numbered.map(|(block, first)| {
            let endpoints = (first..).zip(block);
            endpoints.map(|(number, it)| View::new(number, it, self))
        })
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
