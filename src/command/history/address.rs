//! One address over time: what held from when to when, and what came and went in between.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::runs::SCHEMA;
use crate::command::Failure;
use crate::diff::{Comparison, Difference, FindingChange, Seen};
use crate::history::{History, Known, Period, State};
use crate::report::TextOptions;
use crate::report::text::page::{Page, Tone};
use crate::report::v1::{AbsentState, Grade};

/// What is known of an address, docksweep/history/v1.
#[derive(Debug, Serialize)]
pub(super) struct AddressHistory {
    schema: &'static str,
    address: IpAddr,
    endpoints: Vec<EndpointHistory>,
}

#[derive(Debug, Serialize)]
struct EndpointHistory {
    endpoint: String,
    vantage: Option<String>,
    /// The earliest first.
    periods: Vec<Held>,
}

/// What held in some runs, one after the other.
#[derive(Debug, Serialize)]
struct Held {
    from: Timestamp,
    to: Timestamp,
    runs: u64,
    /// `seen`, or why it was not.
    state: &'static str,
    access: Option<&'static str>,
    version: Option<String>,
    certificate: Option<String>,
    grade: Option<Grade>,
    /// Against what was seen before.
    new: Vec<FindingChange>,
    fixed: Vec<FindingChange>,
    /// Findings of then that cannot be told from now on.
    undetermined: Vec<FindingChange>,
}

pub(super) fn of(
    history: &History,
    address: IpAddr,
    known: Vec<Known>,
) -> Result<AddressHistory, Failure> {
    let endpoints = known
        .into_iter()
        .map(|Known { endpoint, vantage, periods }| {
            let mut before: Option<(i64, Seen)> = None;
            let mut held = Vec::new();
            for period in periods {
                held.push(Held::of(history, &mut before, period)?);
            }
            Ok(EndpointHistory { endpoint, vantage, periods: held })
        })
        .collect::<Result<_, Failure>>()?;
    Ok(AddressHistory { schema: SCHEMA, address, endpoints })
}

impl Held {
    /// `before` is what was seen last, and in which run.
    fn of(
        history: &History,
        before: &mut Option<(i64, Seen)>,
        period: Period,
    ) -> Result<Self, Failure> {
        let Period { first, last, runs, numbers, state } = period;
        let mut held = Self {
            from: first,
            to: last,
            runs,
            state: "seen",
            access: None,
            version: None,
            certificate: None,
            grade: None,
            new: Vec::new(),
            fixed: Vec::new(),
            undetermined: Vec::new(),
        };
        let now = match state {
            State::Absent(state) => {
                held.state = state.name();
                // Nothing is asked of who is away, but a closed port ends what was there.
                if state != AbsentState::Closed {
                    return Ok(held);
                }
                None
            }
            State::Unsaid => {
                held.state = "unsaid";
                return Ok(held);
            }
            State::Seen(seen) => Some(*seen),
        };
        if let Some(seen) = &now {
            held.access = Some(seen.facts.access.name());
            held.version.clone_from(&seen.facts.version);
            held.certificate.clone_from(&seen.facts.certificate);
            held.grade = seen.facts.grade;
        }
        let then = before.take();
        let is_first = then.is_none();
        let number = then.as_ref().map_or(numbers.0, |(number, _)| *number);
        let mut comparison = Comparison::new(history.side(number)?, history.side(numbers.0)?);
        comparison.endpoint(then.map(|(_, seen)| seen), now.clone());
        *before = now.map(|seen| (numbers.1, seen));
        let Difference { new, fixed, not_reached, .. } = comparison.finish_endpoints();
        held.new = new;
        if is_first {
            // There is nothing that it could be new against.
            held.new.iter_mut().for_each(|finding| "seen first".clone_into(&mut finding.because));
        }
        held.fixed = fixed;
        held.undetermined = not_reached.into_iter().flat_map(|it| it.findings).collect();
        Ok(held)
    }
}

pub(super) fn render(known: &AddressHistory, options: TextOptions) -> String {
    let mut page = Page::new(options);
    for (number, EndpointHistory { endpoint, vantage, periods }) in
        known.endpoints.iter().enumerate()
    {
        if number > 0 {
            page.blank();
        }
        let vantage = vantage.as_ref().map(|label| format!(", seen from {label}"));
        page.heading(&format!("{endpoint}{}", vantage.unwrap_or_default()));
        for held in periods {
            period(&mut page, held);
        }
    }
    page.finish()
}

fn period(page: &mut Page, held: &Held) {
    let day = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M").to_string();
    let when = match held.runs {
        1 => day(held.from),
        runs => format!("{} to {}, {runs} runs", day(held.from), day(held.to)),
    };
    let mut what = match held.state {
        "unsaid" => "not listed, and the report says no word of it".to_owned(),
        state => held.access.unwrap_or(state).to_owned(),
    };
    for more in [&held.version, &held.grade.map(|grade| format!("grade {grade:?}"))] {
        what.extend(more.iter().flat_map(|more| [", ", more.as_str()]));
    }
    page.paragraph(Tone::Plain, "  ", &format!("{when}: {what}"));
    if let Some(certificate) = &held.certificate {
        page.paragraph(Tone::Faint, "    ", &format!("certificate {certificate}"));
    }
    for (sign, list) in [("+ ", &held.new), ("- ", &held.fixed), ("? ", &held.undetermined)] {
        for FindingChange { severity, title, rule, because, .. } in list {
            let severity_name = severity.name();
            page.paragraph(
                Tone::Severity(*severity),
                &format!("    {sign}"),
                &format!("{severity_name}: {title} [{rule}]: {because}"),
            );
        }
    }
}
