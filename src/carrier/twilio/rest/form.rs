//! A request's form, and what of it may be printed.

use std::fmt;

use form_urlencoded::Serializer;

/// Fields of a form or a query, encoded. Its values are numbers, words and addresses of callers: never printed.
pub(super) struct Form(Serializer<'static, String>);

impl Form {
    pub(super) fn new() -> Self {
        Self(Serializer::new(String::new()))
    }

    pub(super) fn field(mut self, name: &str, value: &str) -> Self {
        self.0.append_pair(name, value);
        self
    }

    pub(super) fn optional(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.0.finish()
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Form(_)")
    }
}

/// Something of a caller that is passed through: never printed.
#[derive(Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Private(pub String);

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Private(_)")
    }
}
