//! `[[provider]]`: the entries of the ladder. Which realtime model, where, how much of it, and where its keys are.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use tokio_rustls::rustls::ClientConfig;
use toml::{Table, Value};

use super::environment::Environment;
use super::keys;
use super::problem::{Origin, Problems};
use super::raw::{Entry, entries};
use super::section::{Form, Section, at};
use super::{HOUR, TENTH};
use crate::core::ids::Tier;
use crate::core::pool::{PROVIDERS_MAX, ProviderPolicy, SESSIONS_MAX, SPARES_MAX, Share};
use crate::provider::endpoint::{Endpoint, Secret};
use crate::provider::openai::quirks::Dialect;
use crate::provider::tls::client_config;

/// One entry of the ladder, ready to be dialled.
#[derive(Clone, Debug)]
pub struct Provider {
    /// What the pool goes by; it has as many keys as there are `endpoints`.
    pub policy: ProviderPolicy,
    /// Where to dial, once for each key, in the order of the configuration; at least one.
    pub endpoints: Vec<Endpoint>,
    /// The model that a session asks for where the URL does not name it.
    pub model: Option<Arc<str>>,
    /// How long a spare waits at most before another takes its place.
    pub spare_age_max: Duration,
}

/// Far less than any known session lasts, and more than enough to cost nothing.
const SPARE_AGE_MAX: Duration = Duration::from_mins(10);

impl Provider {
    /// An entry on the first tier with one key, or none, and the defaults for everything else.
    pub fn alone(endpoint: Endpoint) -> Self {
        Self {
            policy: ProviderPolicy::new(endpoint.name(), Tier(1)),
            endpoints: vec![endpoint],
            model: None,
            spare_age_max: SPARE_AGE_MAX,
        }
    }
}

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

const WORD: Form = Form {
    allowed: "1 to 128 letters, digits and . _ - / : @",
    accepts: |text| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
        (1..=128).contains(&text.len()) && text.bytes().all(fits)
    },
};

const CANARY: Form = Form {
    allowed: r#"a share of new calls from "0.1%" to "100%""#,
    accepts: |text| parse_share(text).is_some(),
};

/// Reads the list; empty if there are problems.
pub(super) fn read(
    entry: Option<Entry>,
    environment: &Environment,
    problems: &mut Problems,
) -> Vec<Provider> {
    let Some(Entry { origin, value }) = entry else {
        return Vec::new();
    };
    let at_list = at(&origin, "provider");
    let tables: Option<Vec<Table>> = match value {
        Value::Array(list) => list
            .into_iter()
            .map(|value| value.try_into().ok())
            .collect(),
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Table(_) => None,
    };
    let Some(tables) = tables else {
        problems.without_value(&at_list, "is not a list; allowed: [[provider]]");
        return Vec::new();
    };
    if !(1..=PROVIDERS_MAX).contains(&tables.len()) {
        let what = format!(
            "has {} entries; allowed: 1 to {PROVIDERS_MAX} of [[provider]]",
            tables.len()
        );
        problems.without_value(&at_list, &what);
        return Vec::new();
    }
    let mut providers: Vec<Provider> = Vec::with_capacity(tables.len());
    for (place, table) in tables.into_iter().enumerate() {
        let Some(provider) = read_one(&origin, place, table, environment, problems) else {
            continue;
        };
        let name = &provider.policy.name;
        if providers.iter().any(|other| other.policy.name == *name) {
            let value = format!("\"{name}\"");
            let allowed = "a name that no other provider has";
            problems.wrong(&at(&origin, "provider.name"), &value, "is taken", allowed);
        }
        providers.push(provider);
    }
    providers
}

fn read_one(
    origin: &Origin,
    place: usize,
    table: Table,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<Provider> {
    let named = table.get("name").and_then(Value::as_str);
    let prefix = match named.filter(|name| super::is_name(name)) {
        Some(name) => format!("provider.{name}."),
        None => format!("provider.{}.", place + 1),
    };
    let values = entries(origin, table);
    let mut section = Section::new(prefix, origin.clone(), values, problems);
    let name = section.text("name", NAME);
    let place = read_place(&mut section);
    let model = section.optional_text("model", WORD).map(|model| model.text);
    let vendor = section
        .optional_text("vendor", WORD)
        .map(|vendor| vendor.text);
    let mut policy = read_amounts(&mut section, ProviderPolicy::new(&name, Tier(1)));
    policy.spares = read_spares(&mut section, &policy);
    let spare_age_max = section.optional_duration("spare_age_max", TENTH..=HOUR);
    let keys = keys::read(&mut section, environment);
    let endpoints = place
        .as_ref()
        .zip(keys)
        .and_then(|(place, keys)| endpoints(&name, place, keys, &mut section));
    section.finish();
    let (place, endpoints) = (place?, endpoints?);
    policy.keys = u8::try_from(endpoints.len()).unwrap_or(u8::MAX);
    policy.model = model
        .clone()
        .or_else(|| named_model(&place.url, place.dialect))
        .unwrap_or(name);
    policy.vendor = vendor.unwrap_or_else(|| place.url.host().unwrap_or_default().to_owned());
    Some(Provider {
        policy,
        endpoints,
        model: model.map(Into::into),
        spare_age_max: spare_age_max.unwrap_or(SPARE_AGE_MAX),
    })
}

/// Where a provider is and how it speaks.
struct Place {
    url: Uri,
    dialect: Dialect,
    tls: Arc<ClientConfig>,
}

fn read_place(section: &mut Section<'_>) -> Option<Place> {
    require(section, "protocol", &[("openai", ())]);
    let dialects = Dialect::ALL.map(|dialect| (dialect.name(), dialect));
    let dialect = require(section, "dialect", &dialects);
    let url = section.text("url", URL);
    let allow_plaintext = section.boolean("allow_plaintext").unwrap_or(false);
    let url = parse_url(&url);
    if let Some(url) = &url {
        check_plaintext(section, url, allow_plaintext);
    }
    let tls = section.take("tls");
    let tls = match tls {
        Some(tls) => read_tls(tls, section),
        None => client_config(None).ok(),
    };
    Some(Place {
        url: url?,
        dialect: dialect?,
        tls: tls?,
    })
}

/// How much of it there is: everything has a default.
fn read_amounts(section: &mut Section<'_>, mut policy: ProviderPolicy) -> ProviderPolicy {
    if let Some(tier) = section.optional_integer("tier", 1..=100) {
        policy.tier = Tier(tier);
    }
    let has_both = section.has("weight") && section.has("canary");
    if let Some(weight) = section.optional_integer("weight", 1..=10_000) {
        policy.share = Share::Weight(weight);
    }
    let canary = section.optional_text("canary", CANARY);
    if let Some(permille) = canary.as_ref().and_then(|canary| parse_share(&canary.text)) {
        policy.share = Share::Canary(permille);
    }
    if let (true, Some(canary)) = (has_both, canary) {
        let value = format!("\"{}\"", canary.text);
        let what = "stands beside a weight: a canary is on no tier";
        section.wrong_now("canary", &value, what, "one of weight and canary");
    }
    if let Some(sessions_max) = section.optional_integer("sessions_max", 1..=SESSIONS_MAX) {
        policy.sessions_max = sessions_max;
    }
    let starts = section.optional_integer("session_starts_per_second", 1..=SESSIONS_MAX);
    policy.starts_per_second = starts.unwrap_or(policy.starts_per_second);
    let burst = section.optional_integer("burst", 1..=SESSIONS_MAX);
    policy.burst = burst.unwrap_or(policy.sessions_max);
    if policy.burst > policy.sessions_max {
        let what = format!("is more than its sessions_max = {}", policy.sessions_max);
        let allowed = format!("1 to {}", policy.sessions_max);
        section.wrong_now("burst", &policy.burst.to_string(), &what, &allowed);
    }
    if let Some(window_tokens) = section.optional_integer("window_tokens", 1_000..=10_000_000) {
        policy.window_tokens = window_tokens;
    }
    policy
}

/// How many sessions are kept ready. They must leave most of the places to callers.
fn read_spares(section: &mut Section<'_>, policy: &ProviderPolicy) -> u32 {
    let spares = section.optional_integer("spares", 0..=SPARES_MAX);
    let spares = spares.unwrap_or(policy.spares);
    let most = policy.sessions_max / 2;
    if spares > most {
        let what = format!(
            "is more than half of its sessions_max = {}",
            policy.sessions_max
        );
        let allowed = format!("0 to {}", most.min(SPARES_MAX));
        section.wrong_now("spares", &spares.to_string(), &what, &allowed);
    }
    spares
}

fn endpoints(
    name: &str,
    place: &Place,
    keys: Vec<Option<Secret>>,
    section: &mut Section<'_>,
) -> Option<Vec<Endpoint>> {
    let url = place.url.to_string();
    let endpoints: Result<Vec<_>, _> = keys
        .into_iter()
        .map(|key| Endpoint::new(name, &url, key, place.dialect, Arc::clone(&place.tls)))
        .collect();
    match endpoints {
        Ok(endpoints) => Some(endpoints),
        Err(error) => {
            let value = format!("\"{url}\"");
            section.wrong_now("url", &value, &error.to_string(), URL.allowed);
            None
        }
    }
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

/// The model that the URL names.
fn named_model(url: &Uri, dialect: Dialect) -> Option<String> {
    let parameter = dialect.quirks().model_parameter;
    let pairs = url.query()?.split('&');
    let mut values = pairs.filter_map(|pair| pair.strip_prefix(parameter)?.strip_prefix('='));
    values.next().map(str::to_owned)
}

/// A share in percent, as thousandths: `1%`, `0.5%`.
fn parse_share(text: &str) -> Option<u16> {
    let number = text.strip_suffix('%')?;
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(tenths) || tenths.len() > 1 {
        return None;
    }
    let tenths: u16 = tenths.parse().ok()?;
    let permille = whole
        .parse::<u16>()
        .ok()?
        .checked_mul(10)?
        .checked_add(tenths)?;
    (1..=1_000).contains(&permille).then_some(permille)
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
