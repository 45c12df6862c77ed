//! The findings of a stored report as it has them, one at a time.

use std::fmt;
use std::io::Read;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::StoredError;
use crate::report::v1;

/// A finding, and the ids of the endpoints that it is about.
#[derive(Clone, Debug)]
pub struct Found {
    pub finding: v1::Finding,
    pub endpoints: Vec<String>,
}

/// Hands over every finding, of endpoints and of the fleet, in the file's order.
///
/// # Errors
/// It cannot be read, or is no report that this program knows.
pub fn findings(reader: impl Read, each: impl FnMut(Found)) -> Result<(), StoredError> {
    let mut reading = Reading { schema: None, each };
    let mut json = serde_json::Deserializer::from_reader(reader);
    let outcome = json.deserialize_map(&mut reading);
    match reading.schema.as_deref() {
        Some("docksweep/report/v1") => outcome?,
        Some(other) => return Err(StoredError::Schema(other.chars().take(80).collect())),
        None => {
            outcome?;
            return Err(StoredError::Missing("schema"));
        }
    }
    json.end()?;
    Ok(())
}

struct Reading<F> {
    schema: Option<String>,
    each: F,
}

impl<'de, F: FnMut(Found)> Visitor<'de> for &mut Reading<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a docksweep report")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "schema" => self.schema = Some(map.next_value()?),
                "fleet_findings" => {
                    for v1::FleetFinding { finding, endpoints } in
                        map.next_value::<Vec<v1::FleetFinding>>()?
                    {
                        (self.each)(Found { finding, endpoints });
                    }
                }
                "endpoints" => map.next_value_seed(Endpoints(&mut self.each))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct Endpoints<'f, F>(&'f mut F);

impl<'de, F: FnMut(Found)> DeserializeSeed<'de> for Endpoints<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(Found)> Visitor<'de> for Endpoints<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of endpoints")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(Endpoint { id, findings }) = seq.next_element()? {
            for finding in findings {
                (self.0)(Found { finding, endpoints: vec![id.clone()] });
            }
        }
        Ok(())
    }
}

/// What is looked at of an endpoint.
#[derive(Deserialize)]
struct Endpoint {
    id: String,
    findings: Vec<v1::Finding>,
}
