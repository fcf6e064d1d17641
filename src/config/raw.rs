//! The settings as they were written, layer over layer: each value knows where it stands.
//!
//! Values are not looked at here; [`super::section`] does that. A derived parser would stop at the first mistake and knows
//! neither the file nor the key that it stands in, and all mistakes are to be told at once.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::environment::Environment;
use super::problem::{Origin, Problems};

/// Variables of this prefix are settings: `RINGBACK__SECTION__KEY`.
const PREFIX: &str = "RINGBACK__";

/// A longer file is none of ours.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// The text of a file of settings, a key or certificates; a problem's words if there is none.
pub(super) fn read_file(path: &Path) -> Result<String, String> {
    let about = |error: std::io::Error| format!("cannot be read: {error}");
    let bytes = std::fs::metadata(path).map_err(about)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("has {bytes} bytes; allowed: {FILE_BYTES_MAX}"));
    }
    std::fs::read_to_string(path).map_err(about)
}

/// One value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// The values of one section, by key.
pub(super) type Entries = BTreeMap<String, Entry>;

/// All settings, by section; those of no section are in the one without a name.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) sections: BTreeMap<String, Entries>,
}

impl Raw {
    /// Lays a file over what is there. A list (`[[provider]]`) is replaced as a whole.
    pub(super) fn add_file(&mut self, origin: &Origin, text: &str, problems: &mut Problems) {
        let Some(table) = parse(origin, text, problems) else {
            return;
        };
        for (name, value) in table {
            if let Value::Table(section) = value {
                self.section(&name).extend(entries(origin, section));
            } else {
                self.put(origin.clone(), "", &name, value);
            }
        }
    }

    /// Lays the variables of the environment over what is there.
    pub(super) fn add_variables(&mut self, environment: &Environment) {
        for (name, value) in environment.with_prefix(PREFIX) {
            let path = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase();
            let (section, key) = path.split_once("__").unwrap_or(("", &path));
            let origin = Origin::Variable(name.to_owned());
            self.put(origin, section, key, Value::String(value.to_owned()));
        }
    }

    fn put(&mut self, origin: Origin, section: &str, key: &str, value: Value) {
        let entry = Entry { origin, value };
        self.section(section).insert(key.to_owned(), entry);
    }

    fn section(&mut self, name: &str) -> &mut Entries {
        self.sections.entry(name.to_owned()).or_default()
    }
}

/// The table of a file; its mistake becomes a problem.
pub(super) fn parse(origin: &Origin, text: &str, problems: &mut Problems) -> Option<Table> {
    match text.parse() {
        Ok(table) => Some(table),
        Err(error) => {
            let error: toml::de::Error = error;
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            let message = error.message().replace('\n', ", ");
            problems.push(origin, format!("line {line} is not TOML: {message}"));
            None
        }
    }
}

/// The values of a table, all of one origin.
pub(super) fn entries(origin: &Origin, table: Table) -> Entries {
    table
        .into_iter()
        .map(|(key, value)| {
            let origin = origin.clone();
            (key, Entry { origin, value })
        })
        .collect()
}
