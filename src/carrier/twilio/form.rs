//! What a webhook carries: names and values, as a form, as JSON or as a query.

use std::fmt;

use serde_json::{Map, Value};

/// How many parameters a webhook may have: Twilio sends some forty.
pub const FORM_PAIRS_MAX: usize = 512;

/// The parameters of a webhook, in the order in which they came; at most [`FORM_PAIRS_MAX`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Parses `a=b&c=d`, as in a body or a query; `None`: too many.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let pairs = form_urlencoded::parse(text).into_owned();
        let pairs: Vec<_> = pairs.take(FORM_PAIRS_MAX + 1).collect();
        (pairs.len() <= FORM_PAIRS_MAX).then_some(Self(pairs))
    }

    /// Parses a flat JSON object; what is neither text nor number is left out. `None`: it is no object, or has too many.
    pub fn parse_json(text: &[u8]) -> Option<Self> {
        let object: Map<String, Value> = serde_json::from_slice(text).ok()?;
        let pairs = object.into_iter().filter_map(|(name, value)| match value {
            Value::String(value) => Some((name, value)),
            Value::Number(value) => Some((name, value.to_string())),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        });
        let pairs: Vec<_> = pairs.take(FORM_PAIRS_MAX + 1).collect();
        (pairs.len() <= FORM_PAIRS_MAX).then_some(Self(pairs))
    }

    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    /// What Twilio puts behind the URL before it signs: each name with its value, in order, equal pairs once.
    pub(super) fn signed(&self) -> String {
        let mut pairs: Vec<_> = self.0.iter().collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
            .into_iter()
            .flat_map(|(name, value)| [name.as_str(), value])
            .collect()
    }
}

/// Numbers and words of callers are in it: they stay out of logs.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Form({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_it_was_meant() {
        let form = Form::parse("a=1+2&b=%2B49&a=3&c=&%C3%BC=%F0%9F%98%80&d".as_bytes()).unwrap();
        for (name, value) in [
            ("a", "1 2"),
            ("b", "+49"),
            ("c", ""),
            ("ü", "😀"),
            ("d", ""),
        ] {
            assert_eq!(form.get(name), Some(value));
        }
        assert_eq!(form.get("e"), None);
        assert_eq!(form.signed(), "a1 2a3b+49cdü😀");
    }

    #[test]
    fn more_pairs_than_any_webhook_has_are_refused() {
        let pairs = |count| vec!["a=b"; count].join("&");
        assert!(Form::parse(pairs(FORM_PAIRS_MAX).as_bytes()).is_some());
        assert!(Form::parse(pairs(FORM_PAIRS_MAX + 1).as_bytes()).is_none());
        assert!(Form::parse_json(b"[1]").is_none());
        let form = Form::parse_json(br#"{"a":1,"b":"x","c":null}"#).unwrap();
        assert_eq!(
            (form.get("a"), form.get("b"), form.get("c")),
            (Some("1"), Some("x"), None)
        );
    }
}
