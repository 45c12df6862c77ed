//! Reads a stored report, endpoint by endpoint: it may be larger than memory.

use std::fmt;
use std::io::Read;
use std::marker::PhantomData;
use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};

use super::v1;
use crate::observation::Observation;

mod findings;

pub use findings::{Found, findings};

/// What stands around the endpoints of a report.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub tool: Option<v1::Tool>,
    pub scan: Option<v1::Scan>,
    pub fleet_findings: Option<Vec<v1::FleetFinding>>,
}

/// Why a file is no report that can be judged again.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    #[error("it is a report of schema '{0}', and this program reads docksweep/report/v1")]
    Schema(String),
    #[error("it is no docksweep report: it has no {0}")]
    Missing(&'static str),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// The head alone; reads on past the endpoints only if it does not come first.
pub fn head(reader: impl Read) -> Result<Head, StoredError> {
    let mut reading = Reading::new(Want::Head, |_: IgnoredAny| ControlFlow::Continue(()));
    let mut json = serde_json::Deserializer::from_reader(reader);
    let outcome = (&mut reading).deserialize(&mut json);
    reading.check()?;
    if reading.head.scan.is_some() {
        // Reading was broken off on purpose where the endpoints begin.
        return Ok(reading.head);
    }
    outcome?;
    Err(StoredError::Missing("scan"))
}

/// Hands over each endpoint's observation, in the file's order, until `each` has enough.
pub fn observations(
    reader: impl Read,
    mut each: impl FnMut(Observation) -> ControlFlow<()>,
) -> Result<(), StoredError> {
    /// Everything else in an endpoint was concluded from this.
    #[derive(Deserialize)]
    struct Stored {
        observation: Observation,
    }
    endpoints(reader, |Stored { observation }| each(observation))
}

/// Hands over each endpoint, or as much of it as `T` reads, in the file's order, until `each` has
/// enough.
pub fn endpoints<T: DeserializeOwned>(
    reader: impl Read,
    each: impl FnMut(T) -> ControlFlow<()>,
) -> Result<(), StoredError> {
    let mut reading = Reading::new(Want::Endpoints, each);
    let mut json = serde_json::Deserializer::from_reader(reader);
    let outcome = (&mut reading).deserialize(&mut json);
    reading.check()?;
    if reading.enough {
        return Ok(());
    }
    outcome?;
    json.end()?;
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Head,
    Endpoints,
}

struct Reading<F, T> {
    head: Head,
    schema: Option<String>,
    want: Want,
    each: F,
    /// Reading was broken off because `each` said so.
    enough: bool,
    of: PhantomData<T>,
}

impl<F: FnMut(T) -> ControlFlow<()>, T> Reading<F, T> {
    fn new(want: Want, each: F) -> Self {
        Self { head: Head::default(), schema: None, want, each, enough: false, of: PhantomData }
    }

    fn check(&self) -> Result<(), StoredError> {
        match self.schema.as_deref() {
            Some("docksweep/report/v1") => Ok(()),
            Some(other) => Err(StoredError::Schema(other.chars().take(80).collect())),
            // Not JSON at all is said by the parser.
            None => Ok(()),
        }
    }
}

impl<'de, F, T> DeserializeSeed<'de> for &mut Reading<F, T>
where
    F: FnMut(T) -> ControlFlow<()>,
    T: Deserialize<'de>,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F, T> Visitor<'de> for &mut Reading<F, T>
where
    F: FnMut(T) -> ControlFlow<()>,
    T: Deserialize<'de>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a docksweep report")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut endpoints = false;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "schema" => {
                    let schema: String = map.next_value()?;
                    let known = schema == "docksweep/report/v1";
                    self.schema = Some(schema);
                    if !known {
                        return Err(A::Error::custom("another schema"));
                    }
                }
                "tool" => self.head.tool = Some(map.next_value()?),
                "scan" => self.head.scan = Some(map.next_value()?),
                "endpoints" if self.want == Want::Endpoints => {
                    endpoints = true;
                    let (each, enough) = (&mut self.each, &mut self.enough);
                    map.next_value_seed(Endpoints { each, enough, of: PhantomData })?;
                }
                "fleet_findings" => self.head.fleet_findings = Some(map.next_value()?),
                "endpoints" if self.head.scan.is_some() && self.head.fleet_findings.is_some() => {
                    return Err(A::Error::custom("the head is known"));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if self.schema.is_none() {
            return Err(A::Error::custom("it is no docksweep report: it has no schema"));
        }
        if self.want == Want::Endpoints && !endpoints {
            return Err(A::Error::custom("it is no docksweep report: it has no endpoints"));
        }
        Ok(())
    }
}

struct Endpoints<'a, F, T> {
    each: &'a mut F,
    enough: &'a mut bool,
    of: PhantomData<T>,
}

impl<'de, F, T> DeserializeSeed<'de> for Endpoints<'_, F, T>
where
    F: FnMut(T) -> ControlFlow<()>,
    T: Deserialize<'de>,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F, T> Visitor<'de> for Endpoints<'_, F, T>
where
    F: FnMut(T) -> ControlFlow<()>,
    T: Deserialize<'de>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of endpoints")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(endpoint) = seq.next_element()? {
            if (self.each)(endpoint).is_break() {
                *self.enough = true;
                return Err(A::Error::custom("enough was read"));
            }
        }
        Ok(())
    }
}
