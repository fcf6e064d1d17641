//! Where a provider's keys are: in variables or files, never in the settings. What stands where a key belongs is never printed.

use toml::Value;

use super::environment::Environment;
use super::problem::Origin;
use super::raw::{Entry, read_file};
use super::section::{Section, at};
use crate::core::pool::KEYS_MAX;
use crate::provider::endpoint::Secret;

const ALLOWED: &str = r#"[], or up to 16 of { env = "NAME" } and { file = "PATH" }"#;

/// A provider's key.
pub(super) const KEY: Wanted = Wanted {
    noun: "key",
    allowed: ALLOWED,
    chars_min: 1,
};

/// How the place of one secret is written.
pub(super) const PLACE: &str = r#"{ env = "NAME" } or { file = "PATH" }"#;

/// An address that may hold a password.
pub(super) const URL: Wanted = Wanted {
    noun: "address",
    allowed: PLACE,
    chars_min: 9,
};

/// A password of its own.
pub(super) const PASSWORD: Wanted = Wanted {
    noun: "password",
    allowed: PLACE,
    chars_min: 1,
};

/// What kind of secret is read, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// What it is.
    pub(super) noun: &'static str,
    /// How its place may be written.
    pub(super) allowed: &'static str,
    /// A shorter one is none.
    pub(super) chars_min: usize,
}

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
        .map(|source| read_one(source, &origin, environment, KEY.at(allowed)))
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

/// The secret that one place holds; what is wrong with it, without its value.
pub(super) fn read_one(
    source: &Value,
    origin: &Origin,
    environment: &Environment,
    wanted: Wanted,
) -> Result<String, String> {
    let table = source.as_table().filter(|table| table.len() == 1);
    let of = |name| {
        table
            .and_then(|table| table.get(name))
            .and_then(Value::as_str)
    };
    match (of("env"), of("file")) {
        (Some(name), None) => read_variable(name, environment, wanted),
        (None, Some(path)) => read_secret_file(origin, path, wanted),
        _ => {
            let Wanted { noun, allowed, .. } = wanted;
            Err(format!(
                "holds what is no place of a {noun}; allowed: {allowed}"
            ))
        }
    }
}

fn read_variable(name: &str, environment: &Environment, wanted: Wanted) -> Result<String, String> {
    let Wanted { noun, allowed, .. } = wanted;
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
        Some(value) => wanted.secret(value).ok_or_else(|| {
            let form = wanted.form();
            format!("names the environment variable {name}, whose value is no {noun}: {form}")
        }),
    }
}

fn read_secret_file(origin: &Origin, path: &str, wanted: Wanted) -> Result<String, String> {
    let path = origin.resolve(path);
    let about = |what: &str| format!("names the file {}, which {what}", path.display());
    let text = read_file(&path).map_err(|what| about(&what))?;
    let secret = wanted.secret(&text);
    secret.ok_or_else(|| about(&format!("holds no {}: {}", wanted.noun, wanted.form())))
}

impl Wanted {
    /// The same, with other places.
    pub(super) const fn at(self, allowed: &'static str) -> Self {
        Self { allowed, ..self }
    }

    fn secret(self, text: &str) -> Option<String> {
        let text = text.trim();
        let is_one =
            text.len() >= self.chars_min && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_one.then(|| text.to_owned())
    }

    /// What a secret of this kind is.
    fn form(self) -> String {
        match self.chars_min {
            1 => "one line of visible characters is".to_owned(),
            min => format!("one line of at least {min} visible characters is"),
        }
    }
}

fn is_variable(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(fits)
}
