//! `[[provider]]`: which realtime model, where, and where its key is.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::Uri;
use tokio_rustls::rustls::ClientConfig;
use toml::{Table, Value};

use super::environment::Environment;
use super::problem::{Origin, Problems};
use super::raw::{Entry, entries, read_file};
use super::section::{Form, Section, at};
use crate::provider::endpoint::{Endpoint, Secret};
use crate::provider::openai::quirks::Dialect;
use crate::provider::tls::client_config;

const NAME: Form = Form {
    allowed: "a name of 1 to 64 small letters, digits and hyphens",
    accepts: super::is_name,
};

const PATH: Form = Form {
    allowed: "the path of a file",
    accepts: |text| !text.is_empty(),
};

const URL: Form = Form {
    allowed: "wss://HOST/PATH?QUERY (or ws:// on a loopback address), without credentials in it",
    accepts: |text| parse_url(text).is_some(),
};

const KEYS_ALLOWED: &str = r#"[], [{ env = "NAME" }] or [{ file = "PATH" }]"#;

/// Reads the list. As long as calls go to one provider only, there must be exactly one.
pub(super) fn read(
    entry: Option<Entry>,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<Endpoint> {
    let Entry { origin, value } = entry?;
    let at_list = at(&origin, "provider");
    let Value::Array(list) = value else {
        problems.without_value(&at_list, "is not a list; allowed: [[provider]]");
        return None;
    };
    let count = list.len();
    let tables: Vec<Table> = list
        .into_iter()
        .filter_map(|value| match value {
            Value::Table(table) => Some(table),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => None,
        })
        .collect();
    let Ok([table]) = <[Table; 1]>::try_from(tables) else {
        let what = format!("has {count} entries; allowed: exactly one [[provider]]");
        problems.without_value(&at_list, &what);
        return None;
    };
    read_one(origin, table, environment, problems)
}

fn read_one(
    origin: Origin,
    table: Table,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<Endpoint> {
    let values = entries(&origin, table);
    let mut section = Section::new("provider.", origin, values, problems);
    let name = section.text("name", NAME);
    require(&mut section, "protocol", &[("openai", ())]);
    let dialects = Dialect::ALL.map(|dialect| (dialect.name(), dialect));
    let dialect = require(&mut section, "dialect", &dialects);
    let url = section.text("url", URL);
    let allow_plaintext = section.boolean("allow_plaintext").unwrap_or(false);
    if let Some(url) = parse_url(&url) {
        check_plaintext(&mut section, &url, allow_plaintext);
    }
    let keys = section.take("keys");
    let key = read_keys(&mut section, keys, environment);
    let tls = section.take("tls");
    let tls = match tls {
        Some(tls) => read_tls(tls, &mut section),
        None => client_config(None).ok(),
    };
    let endpoint = dialect
        .zip(tls)
        .map(|(dialect, tls)| Endpoint::new(&name, &url, key, dialect, tls));
    if let (Some(Err(error)), true) = (&endpoint, parse_url(&url).is_some()) {
        section.wrong_now(
            "url",
            &format!("\"{url}\""),
            &error.to_string(),
            URL.allowed,
        );
    }
    section.finish();
    endpoint?.ok()
}

fn require<T: Copy>(
    section: &mut Section<'_>,
    key: &'static str,
    choices: &[(&str, T)],
) -> Option<T> {
    if !section.has(key) {
        let names: Vec<_> = choices
            .iter()
            .map(|(name, _)| format!("{name:?}"))
            .collect();
        section.missing(key, &names.join(", "));
    }
    section.choice(key, choices)
}

fn parse_url(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    let has_credentials = url.authority()?.as_str().contains('@');
    let fits = matches!(url.scheme_str(), Some("ws" | "wss"))
        && url.host().is_some_and(|host| !host.is_empty())
        && !has_credentials;
    fits.then_some(url)
}

/// A key and a caller's voice do not cross a network in plain text unless somebody has written that they may.
fn check_plaintext(section: &mut Section<'_>, url: &Uri, allowed: bool) {
    let is_plain = url.scheme_str() == Some("ws");
    if is_plain && !allowed && !is_loopback(url.host().unwrap_or_default()) {
        section.wrong_now(
            "url",
            &format!("\"{url}\""),
            "would cross the network in plain text",
            "wss://, or allow_plaintext = true if the network is your own",
        );
    }
}

/// Whether this host can only be this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// The key that `keys` names. What stands there is never printed: it may be the key itself.
fn read_keys(
    section: &mut Section<'_>,
    entry: Option<Entry>,
    environment: &Environment,
) -> Option<Secret> {
    let Some(Entry { origin, value }) = entry else {
        section.missing("keys", KEYS_ALLOWED);
        return None;
    };
    let key = section.full("keys");
    let at_keys = at(&origin, &key);
    let sources = match value {
        Value::Array(sources) => sources,
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Table(_) => Vec::from([value]),
    };
    let source = match <[Value; 1]>::try_from(sources) {
        Ok([source]) => source,
        Err(none) if none.is_empty() => return None,
        Err(many) => {
            let what = format!("has {} entries; allowed: {KEYS_ALLOWED}", many.len());
            section.problems.without_value(&at_keys, &what);
            return None;
        }
    };
    let table = source.as_table().filter(|table| table.len() == 1);
    let of = |name| {
        table
            .and_then(|table| table.get(name))
            .and_then(Value::as_str)
    };
    let found = match (of("env"), of("file")) {
        (Some(name), None) => read_variable(name, environment),
        (None, Some(path)) => read_key_file(&origin, path),
        _ => Err(format!("is no place of a key; allowed: {KEYS_ALLOWED}")),
    };
    match found {
        Ok(secret) => Some(secret),
        Err(what) => {
            section.problems.without_value(&at_keys, &what);
            None
        }
    }
}

fn read_variable(name: &str, environment: &Environment) -> Result<Secret, String> {
    let named = is_variable(name);
    match environment.get(name) {
        // A key that was written where a name belongs must not be printed.
        None if !named => Err(format!(
            "names a variable that cannot be one; allowed: {KEYS_ALLOWED}, \
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

fn read_key_file(origin: &Origin, path: &str) -> Result<Secret, String> {
    let path = origin.resolve(path);
    let about = |what: &str| format!("names the file {}, which {what}", path.display());
    let text = read_file(&path).map_err(|what| about(&what))?;
    secret(&text).ok_or_else(|| about(&format!("holds no key: {VISIBLE}")))
}

const VISIBLE: &str = "one line of visible characters is";

fn secret(text: &str) -> Option<Secret> {
    let text = text.trim();
    let is_key = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_key.then(|| Secret::new(text))
}

fn is_variable(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(fits)
}

fn read_tls(entry: Entry, section: &mut Section<'_>) -> Option<Arc<ClientConfig>> {
    let key = section.full("tls");
    let Value::Table(table) = entry.value else {
        let what = r#"is no table; allowed: { ca_file = "PATH" }"#;
        let at_tls = at(&entry.origin, &key);
        section.problems.without_value(&at_tls, what);
        return None;
    };
    let values = entries(&entry.origin, table);
    let prefix = format!("{key}.");
    let mut tls = Section::new(prefix, entry.origin, values, section.problems);
    let file = tls.optional_text("ca_file", PATH);
    let path = file
        .as_ref()
        .map(|located| located.origin.resolve(&located.text));
    let config = client_config(path.as_deref());
    if let (Err(error), Some(located)) = (&config, file) {
        let value = format!("\"{}\"", located.text);
        let what = format!("is not accepted ({error})");
        tls.wrong_now(
            "ca_file",
            &value,
            &what,
            "a PEM file with certificates in it",
        );
    }
    tls.finish();
    config.ok()
}
