//! A request's form, and what of it may be printed.

use std::fmt;

use form_urlencoded::Serializer;

/// Fields of a form or a query, encoded. Its values are numbers, words and addresses of callers: never printed.
/// Kept as text: a request moves from thread to thread, and a serializer cannot.
pub(super) struct Form(String);

impl Form {
    pub(super) fn new() -> Self {
        Self(String::new())
    }

    pub(super) fn field(self, name: &str, value: &str) -> Self {
        let mut form = Serializer::new(self.0);
        form.append_pair(name, value);
        Self(form.finish())
    }

    pub(super) fn optional(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    pub(super) fn finish(self) -> String {
        self.0
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
