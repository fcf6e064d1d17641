//! Where a provider's keys are: in variables or files, never in the settings. What stands where a key belongs is never printed.

use toml::Value;

use super::environment::Environment;
use super::problem::Origin;
use super::raw::{Entry, read_file};
use super::section::{Section, at};
use crate::core::pool::KEYS_MAX;
use crate::provider::endpoint::Secret;

const ALLOWED: &str = r#"[], or up to 16 of { env = "NAME" } and { file = "PATH" }"#;

/// A key of the settings that lists places of secrets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// The key.
    pub(super) key: &'static str,
    /// How many there may be.
    pub(super) count_max: usize,
    /// What is allowed, for messages.
    pub(super) allowed: &'static str,
}

/// The keys that `keys` names, in order; one `None` if it wants none. `None` as a whole: there is a problem.
pub(super) fn read(
    section: &mut Section<'_>,
    environment: &Environment,
) -> Option<Vec<Option<Secret>>> {
    let places = Places {
        key: "keys",
        count_max: KEYS_MAX,
        allowed: ALLOWED,
    };
    let keys = read_list(section, places, environment)?;
    Some(if keys.is_empty() {
        vec![None]
    } else {
        keys.iter().map(|key| Some(Secret::new(key))).collect()
    })
}

/// The secrets that a list names, in order, no two of them equal; `None`: there is a problem.
pub(super) fn read_list(
    section: &mut Section<'_>,
    places: Places,
    environment: &Environment,
) -> Option<Vec<String>> {
    let Places {
        key,
        count_max,
        allowed,
    } = places;
    let Some(Entry { origin, value }) = section.take(key) else {
        section.missing(key, allowed);
        return None;
    };
    let sources = match value {
        Value::Array(sources) => sources,
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Table(_) => Vec::from([value]),
    };
    let (found, problems): (Vec<_>, Vec<_>) = sources
        .iter()
        .map(|source| read_one(source, &origin, environment, allowed))
        .partition(Result::is_ok);
    let mut problems: Vec<String> = problems.into_iter().filter_map(Result::err).collect();
    let keys: Vec<String> = found.into_iter().filter_map(Result::ok).collect();
    if sources.len() > count_max {
        problems = vec![format!("has {} entries; allowed: {allowed}", sources.len())];
    } else if (1..keys.len()).any(|place| {
        keys.iter()
            .take(place)
            .any(|key| keys.get(place) == Some(key))
    }) {
        // Twice the same key has not twice its limits.
        problems.push(format!("names one key twice; allowed: {allowed}"));
    }
    let key = section.full(key);
    for what in &problems {
        section.problems.without_value(&at(&origin, &key), what);
    }
    problems.is_empty().then_some(keys)
}

/// The secret at one place; a problem's words if there is none.
pub(super) fn read_one(
    source: &Value,
    origin: &Origin,
    environment: &Environment,
    allowed: &str,
) -> Result<String, String> {
    let table = source.as_table().filter(|table| table.len() == 1);
    let of = |name| {
        table
            .and_then(|table| table.get(name))
            .and_then(Value::as_str)
    };
    match (of("env"), of("file")) {
        (Some(name), None) => read_variable(name, environment, allowed),
        (None, Some(path)) => read_key_file(origin, path),
        _ => Err(format!(
            "holds what is no place of a key; allowed: {allowed}"
        )),
    }
}

fn read_variable(name: &str, environment: &Environment, allowed: &str) -> Result<String, String> {
    let named = is_variable(name);
    match environment.get(name) {
        // A key that was written where a name belongs must not be printed.
        None if !named => Err(format!(
            "names a variable that cannot be one; allowed: {allowed}, \
             with a NAME of capital letters, digits and _"
        )),
        None => Err(format!(
            "names the environment variable {name}, which is not set"
        )),
        Some(value) => secret(value).ok_or_else(|| {
            format!("names the environment variable {name}, whose value is no key: {VISIBLE}")
        }),
    }
}

fn read_key_file(origin: &Origin, path: &str) -> Result<String, String> {
    let path = origin.resolve(path);
    let about = |what: &str| format!("names the file {}, which {what}", path.display());
    let text = read_file(&path).map_err(|what| about(&what))?;
    secret(&text).ok_or_else(|| about(&format!("holds no key: {VISIBLE}")))
}

const VISIBLE: &str = "one line of visible characters is";

fn secret(text: &str) -> Option<String> {
    let text = text.trim();
    let is_key = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_key.then(|| text.to_owned())
}

fn is_variable(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(fits)
}
