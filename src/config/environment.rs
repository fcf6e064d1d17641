//! The environment, read once: what overrides the files, and where secrets are.

use std::collections::BTreeMap;
use std::fmt;

/// Where an operator's command looks for its token.
pub const OPERATOR_TOKEN: &str = "RINGBACK_ADMIN_TOKEN";

/// The variables of the process at its start; a value of its own in tests.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of this process. Variables that are not Unicode are left out.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The token with which an operator's command asks a server: the value of [`OPERATOR_TOKEN`].
    pub fn operator_token(&self) -> Option<&str> {
        self.get(OPERATOR_TOKEN)
    }

    /// The value of a variable; `None` as well if it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?;
        (!value.is_empty()).then_some(value)
    }

    /// The variables whose name begins so, in order.
    pub(super) fn with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .iter()
            .filter(move |(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// Without the values: secrets are among them.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}
