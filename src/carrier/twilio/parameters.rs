//! What the document that answered the call wrote beside its stream: which agent, which token.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// How many parameters are kept: the first ones. A document of ours has a handful.
pub const PARAMETERS_MAX: usize = 32;

/// How many bytes the name and the value of one parameter may have together: Twilio allows less than 500 characters, of at
/// most four bytes each. A longer one is dropped.
pub const PARAMETER_BYTES_MAX: usize = 2_000;

/// The parameters of a stream, in the order in which they came; at most [`PARAMETERS_MAX`] of [`PARAMETER_BYTES_MAX`] each.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(Box<str>, Box<str>)>);

impl Parameters {
    /// No parameters.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// The value of the first parameter of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| &**known == name)?;
        Some(value)
    }

    /// How many were kept.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn keep(&mut self, name: &str, value: &str) {
        let fits = name.len() + value.len() <= PARAMETER_BYTES_MAX;
        if fits && self.0.len() < PARAMETERS_MAX {
            self.0.push((name.into(), value.into()));
        }
    }
}

/// Values are tokens and callers' numbers: they stay out of logs.
impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameters({})", self.len())
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ParametersVisitor)
    }
}

struct ParametersVisitor;

impl<'de> Visitor<'de> for ParametersVisitor {
    type Value = Parameters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
        let mut parameters = Parameters::none();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            match value {
                Value::String(value) => parameters.keep(&name, &value),
                Value::Number(value) => parameters.keep(&name, &value.to_string()),
                // A document can write neither: no parameter.
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
            }
        }
        Ok(parameters)
    }
}
