//! The parameters of a request, in the order in which they are written.
//!
//! Owns their encoding. What they mean is told by who makes them.

use std::fmt;

/// More parameters than this are not read.
const PAIRS_MAX: usize = 512;

/// Names and values, any of them more than once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// One without parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `application/x-www-form-urlencoded`; at most 512 parameters, those behind them are not read.
    pub fn parse(body: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(body).take(PAIRS_MAX);
        Self(pairs.map(|(k, v)| (k.into(), v.into())).collect())
    }

    /// With one more parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.push(name, value);
        self
    }

    /// Adds a parameter.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs().find(|(key, _)| *key == name).map(|(_, v)| v)
    }

    /// All parameters, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// As a body or a query.
    pub fn encode(&self) -> String {
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        encoded.extend_pairs(self.pairs()).finish()
    }
}

/// The names alone: values are numbers and keys of callers.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(k, _)| k))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_not_shown() {
        let form = Form::new()
            .with("From", "+14155550199")
            .with("Body", "ä & b = c");
        assert_eq!(Form::parse(form.encode().as_bytes()), form);
        assert_eq!(form.get("From"), Some("+14155550199"));
        assert!(!format!("{form:?}").contains("415"));
    }
}
