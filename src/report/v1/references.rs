//! Where to read more: a rule's own list, shared by all its findings, or one read from a report.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Debug)]
pub enum References {
    OfRule(&'static [&'static str]),
    Read(Vec<String>),
}

impl References {
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (own, read): (&[&str], &[String]) = match self {
            Self::OfRule(own) => (own, &[]),
            Self::Read(read) => (&[], read),
        };
        own.iter().copied().chain(read.iter().map(String::as_str))
    }
}

impl PartialEq for References {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for References {}

impl Serialize for References {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for References {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::Read)
    }
}

impl JsonSchema for References {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "References".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<String>::json_schema(generator)
    }
}
