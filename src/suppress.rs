//! Risks that somebody accepted, for a while and for a reason: which findings no longer count.
//!
//! Pure: the text of a file comes in, and today is an argument.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use jiff::civil::Date;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::document::{Document, Mistake, Place, kind};
use crate::finding::Severity;
use crate::nearest::nearest;
use crate::report::v1;
use crate::rules::{self, Grade};
use crate::target::AddressRange;

/// The name of the table in a file.
pub const TABLE: &str = "suppress";

const RULE: &str = "rule";
const ADDRESS: &str = "address";
const PORT: &str = "port";
const SUBJECT: &str = "subject";
const REASON: &str = "reason";
const EXPIRES: &str = "expires";
const KEYS: [&str; 6] = [RULE, ADDRESS, PORT, SUBJECT, REASON, EXPIRES];

/// Everything that was accepted, from one file or several.
#[derive(Clone, Debug, Default)]
pub struct Suppressions(Vec<Accepted>);

/// Whether a report's note is of [`Suppressions::expired`] or [`Suppressing::idle`]: another
/// judgement makes its own.
pub fn is_note(note: &str) -> bool {
    note.contains(EXPIRED) || note.contains(IDLE)
}

const EXPIRED: &str = "so it counts again:";
const IDLE: &str = "suppresses nothing in this report:";

/// One entry. It is about findings that match all of its conditions; rule or address is one.
#[derive(Clone, Debug)]
struct Accepted {
    rule: Option<String>,
    addresses: Option<AddressRange>,
    ports: RangeInclusive<u16>,
    subject: Option<String>,
    reason: String,
    /// The last day on which it holds.
    expires: Date,
    place: Place,
}

impl Suppressions {
    /// A file of nothing but suppressions.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn parse(name: &str, text: &str) -> Result<Self, Mistake> {
        let document = Document::parse(name, text)?;
        if let Some(key) = document.root().keys().find(|key| key.get_ref() != TABLE) {
            return Err(document.unknown_key(key, &[TABLE]));
        }
        Self::of(&document)
    }

    /// The suppressions of a file that may hold other things.
    ///
    /// # Errors
    /// The first mistake in them.
    pub fn of(document: &Document<'_>) -> Result<Self, Mistake> {
        let Some(value) = document.root().get(TABLE) else { return Ok(Self::default()) };
        let wrong = |span: std::ops::Range<usize>| {
            document
                .mistake(&span, "suppressions are tables")
                .hint(format!("begin with [[{TABLE}]]"))
        };
        let Some(entries) = value.get_ref().as_array() else { return Err(wrong(value.span())) };
        let entries = entries.iter().map(|entry| match entry.get_ref().as_table() {
            Some(table) => Entry { document, table, place: entry.span() }.accepted(),
            None => Err(wrong(entry.span())),
        });
        entries.collect::<Result<_, _>>().map(Self)
    }

    pub fn add(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A line for each that no longer holds.
    pub fn expired(&self, today: Date) -> Vec<String> {
        let expired = self.0.iter().filter(|accepted| accepted.expires < today);
        expired
            .map(|accepted| {
                let Accepted { place, expires, .. } = accepted;
                format!("{}: expired on {expires}, {EXPIRED} {accepted}", place.line())
            })
            .collect()
    }
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some(rule) => f.write_str(rule)?,
            None => f.write_str("every rule")?,
        }
        if let Some(addresses) = &self.addresses {
            write!(f, " on {addresses}")?;
        }
        if self.ports.start() == self.ports.end() {
            write!(f, " port {}", self.ports.start())?;
        }
        if let Some(subject) = &self.subject {
            write!(f, " about {subject}")?;
        }
        Ok(())
    }
}

/// One table of a file, not yet understood.
struct Entry<'d> {
    document: &'d Document<'d>,
    table: &'d DeTable<'d>,
    place: std::ops::Range<usize>,
}

impl Entry<'_> {
    fn accepted(&self) -> Result<Accepted, Mistake> {
        if let Some(key) = self.table.keys().find(|key| !KEYS.contains(&key.get_ref().as_ref())) {
            return Err(self.document.unknown_key(key, &KEYS));
        }
        let (rule, addresses) = (self.rule()?, self.addresses()?);
        if rule.is_none() && addresses.is_none() {
            return Err(self
                .document
                .mistake(&self.place, "it names neither a rule nor an address")
                .hint("suppressing everything everywhere is not accepting a risk"));
        }
        Ok(Accepted {
            rule,
            addresses,
            ports: self.ports()?,
            subject: self.text(SUBJECT)?.map(|text| (*text.get_ref()).to_owned()),
            reason: self.required(REASON, self.text(REASON)?)?.get_ref().trim().to_owned(),
            expires: self.expires()?,
            place: self.document.place(&self.place),
        })
    }

    fn rule(&self) -> Result<Option<String>, Mistake> {
        let Some(name) = self.text(RULE)? else { return Ok(None) };
        if rules::names().any(|rule| rule == *name.get_ref()) {
            return Ok(Some((*name.get_ref()).to_owned()));
        }
        let message = format!("no rule is called '{}'", name.get_ref());
        let mistake = self.document.mistake(&name.span(), message);
        Err(match nearest(name.get_ref(), rules::names()) {
            Some(nearest) => mistake.hint(format!("did you mean '{nearest}'?")),
            None => mistake.hint("docksweep rules lists them"),
        })
    }

    fn addresses(&self) -> Result<Option<AddressRange>, Mistake> {
        let Some(text) = self.text(ADDRESS)? else { return Ok(None) };
        match text.get_ref().parse() {
            Ok(range) => Ok(Some(range)),
            Err(problem) => {
                let message = format!("address '{}': {problem}", text.get_ref());
                Err(self.document.mistake(&text.span(), message).hint(
                    "10.0.0.5, 10.0.0.0/24 or 10.0.0.5-10.0.0.90; a port is a key of its own",
                ))
            }
        }
    }

    fn ports(&self) -> Result<RangeInclusive<u16>, Mistake> {
        let Some(value) = self.table.get(PORT) else { return Ok(0..=u16::MAX) };
        let number = value.get_ref().as_integer().filter(|number| number.radix() == 10);
        match number.and_then(|number| number.as_str().parse::<u16>().ok()) {
            Some(port) if port > 0 => Ok(port..=port),
            _ => Err(self.document.mistake(&value.span(), "port must be a number from 1 to 65535")),
        }
    }

    fn expires(&self) -> Result<Date, Mistake> {
        let value = self.required(EXPIRES, self.table.get(EXPIRES))?;
        let date = match value.get_ref() {
            DeValue::Datetime(toml::value::Datetime { date, time: None, offset: None }) => *date,
            _ => None,
        };
        let date = date.and_then(|date| {
            let (month, day) = (i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?);
            Date::new(i16::try_from(date.year).ok()?, month, day).ok()
        });
        date.ok_or_else(|| {
            let message = format!("{EXPIRES} must be a day, and is {}", kind(value.get_ref()));
            self.document
                .mistake(&value.span(), message)
                .hint(format!("write {EXPIRES} = 2027-03-31, without quotes"))
        })
    }

    /// `None`: there is no such key. An empty text is a mistake.
    fn text(&self, key: &str) -> Result<Option<Spanned<&str>>, Mistake> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let message = match value.get_ref().as_str() {
            Some(text) if !text.trim().is_empty() => {
                return Ok(Some(Spanned::new(value.span(), text)));
            }
            Some(_) => format!("{key} is empty"),
            None => format!("{key} must be a string, and is {}", kind(value.get_ref())),
        };
        Err(self.document.mistake(&value.span(), message))
    }

    fn required<T>(&self, key: &str, value: Option<T>) -> Result<T, Mistake> {
        value.ok_or_else(|| {
            let what =
                if key == REASON { "why the risk is taken" } else { "the last day it holds" };
            self.document
                .mistake(&self.place, format!("it has no {key}"))
                .hint(format!("add {key} = ..., {what}"))
        })
    }
}

/// Suppressions at work on one run: what they hide, and which of them hid anything.
#[derive(Debug, Default)]
pub struct Suppressing<'a> {
    all: &'a [Accepted],
    today: Date,
    has_matched: Vec<bool>,
}

impl<'a> Suppressing<'a> {
    /// `today` is in UTC.
    pub fn new(suppressions: &'a Suppressions, today: Date) -> Self {
        let all = suppressions.0.as_slice();
        Self { all, today, has_matched: vec![false; all.len()] }
    }

    /// Marks the endpoint's findings that are accepted; the grade is then that of the others. The
    /// baseline stays as it is: it says how the host is, not who is content with it.
    pub fn endpoint(&mut self, endpoint: &mut v1::Endpoint) {
        if self.all.is_empty() {
            return;
        }
        let place = SocketAddr::new(endpoint.address, endpoint.port);
        for finding in &mut endpoint.findings {
            self.mark(finding, &[place]);
        }
        let counts = endpoint.findings.iter().filter(|finding| !finding.is_suppressed());
        let worst: Option<Severity> = counts.map(|finding| finding.severity).max();
        // Where access is undetermined there was no grade, and there is none now.
        endpoint.grade = endpoint.grade.map(|_| Grade::of(worst).into());
    }

    /// Marks a finding of the fleet, if one suppression is about all of its endpoints.
    pub fn fleet(&mut self, found: &mut v1::FleetFinding) {
        let places = found.endpoints.iter().map(|id| id.strip_prefix("tcp/")?.parse().ok());
        // An endpoint that is not understood is in no range.
        if let Some(places) = places.collect::<Option<Vec<SocketAddr>>>() {
            self.mark(&mut found.finding, &places);
        }
    }

    /// A line for each that holds and was about nothing.
    pub fn idle(&self) -> Vec<String> {
        let idle = self
            .all
            .iter()
            .zip(&self.has_matched)
            .filter(|(accepted, has_matched)| !**has_matched && accepted.expires >= self.today);
        idle.map(|(accepted, _)| format!("{}: {IDLE} {accepted}", accepted.place.line())).collect()
    }

    /// The first that is about it is the one that is named.
    fn mark(&mut self, finding: &mut v1::Finding, places: &[SocketAddr]) {
        for (accepted, has_matched) in self.all.iter().zip(&mut self.has_matched) {
            if accepted.expires < self.today || !accepted.is_about(finding, places) {
                continue;
            }
            *has_matched = true;
            finding.suppressed.get_or_insert_with(|| v1::Suppression {
                reason: accepted.reason.clone(),
                expires: accepted.expires,
                source: accepted.place.line(),
            });
        }
    }
}

impl Accepted {
    fn is_about(&self, finding: &v1::Finding, places: &[SocketAddr]) -> bool {
        self.rule.as_ref().is_none_or(|rule| *rule == finding.rule)
            && (self.subject.is_none() || self.subject == finding.subject)
            && places.iter().all(|place| {
                self.addresses.is_none_or(|range| range.contains(place.ip()))
                    && self.ports.contains(&place.port())
            })
    }
}

#[cfg(test)]
mod tests;
