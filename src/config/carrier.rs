//! `[twilio]`: who we are there, how we prove it, and where Twilio finds us.
//!
//! Nothing of it is needed, and no secret is looked up, where `public.auth` is `"none"`.

use toml::Value;

use super::Layers;
use super::environment::Environment;
use super::keys::{self, Places};
use super::problem::Origin;
use super::rest;
use super::section::{Form, Section, at, shown};
use crate::carrier::twilio::address::PublicUrl;
use crate::carrier::twilio::rest::{ApiHost, Credentials};
use crate::carrier::twilio::secret::Secret;
use crate::carrier::twilio::signature::AUTH_TOKENS_MAX;
use crate::carrier::twilio::token::{Keyring, TOKEN_KEYS_MAX};
use crate::core::ids::AccountSid;

/// Who we are at Twilio, and where it finds us.
#[derive(Clone, Debug)]
pub struct Twilio {
    /// Our account.
    pub account: AccountSid,
    /// Its auth tokens, one or two: webhooks that are signed with any of them are accepted.
    pub auth_tokens: Vec<Secret>,
    /// Where its REST interface is, and our credentials there; `None`: it is not used.
    pub rest: Option<(ApiHost, Credentials)>,
    /// Where Twilio finds this node.
    pub public_url: PublicUrl,
    /// Where it asks what comes after a stream: `public_url`, or an address of several nodes.
    pub action_url: PublicUrl,
    /// How a stream proves that it belongs to a document.
    pub mode: Mode,
    /// The keys of tokens and tickets.
    pub keyring: Keyring,
    /// Whether an upgrade without a signature may prove itself by its token alone.
    pub upgrade_signature: UpgradeSignature,
    /// How long Twilio waits for us and how often it tries again, as the fragment of a URL.
    pub connection_overrides: String,
}

/// How a stream proves that it belongs to a document.
#[derive(Clone, Debug)]
pub enum Mode {
    /// By a token that we wrote into the document.
    Dynamic,
    /// By one of these secrets as well: the document is somebody else's.
    Static(Vec<Secret>),
}

/// Whether the upgrade of a stream must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpgradeSignature {
    /// It must.
    Required,
    /// One that is there must be good.
    IfPresent,
}

impl Layers {
    /// The section; `None` where it is not needed or has problems.
    pub(super) fn read_twilio(
        &mut self,
        is_needed: bool,
        environment: &Environment,
    ) -> Option<Twilio> {
        let mut section = self.section("twilio");
        if !is_needed {
            for key in KEYS {
                section.take(key);
            }
            section.finish();
            return None;
        }
        let twilio = read(&mut section, environment);
        section.finish();
        twilio
    }
}

const KEYS: [&str; 15] = [
    "account_sid",
    "auth_tokens",
    "api_key",
    "api_key_secret",
    "rest",
    "rest_url",
    "edge",
    "region",
    "public_url",
    "action_url",
    "mode",
    "stream_secrets",
    "token_keys",
    "upgrade_signature",
    "connection_overrides",
];

fn read(section: &mut Section<'_>, environment: &Environment) -> Option<Twilio> {
    let auth_tokens = keys::read_list(section, AUTH_TOKENS, environment);
    if auth_tokens.as_ref().is_some_and(Vec::is_empty) {
        section.missing("auth_tokens", AUTH_TOKENS.allowed);
    }
    let account = read_account(section, environment);
    let token = auth_tokens.as_ref().and_then(|tokens| tokens.first());
    let rest = rest::read(section, environment, account, token);
    let public_url = PublicUrl::parse(&section.text("public_url", URL));
    let action_url = section.optional_text("action_url", URL);
    let action_url = match action_url {
        Some(located) => PublicUrl::parse(&located.text),
        None => public_url.clone(),
    };
    let mode = section.choice("mode", &[("dynamic", false), ("static", true)]);
    let secrets = keys::read_list(section, STREAM_SECRETS, environment);
    let upgrade_signature = section.choice(
        "upgrade_signature",
        &[
            ("required", UpgradeSignature::Required),
            ("if_present", UpgradeSignature::IfPresent),
        ],
    );
    let keyring = read_keyring(
        section,
        auth_tokens.as_deref().unwrap_or_default(),
        environment,
    );
    let connection_overrides = section.text("connection_overrides", OVERRIDES);
    let auth_tokens = auth_tokens?;
    let mode = read_mode(section, mode?, &secrets?, upgrade_signature?)?;
    Some(Twilio {
        account: account?,
        auth_tokens: auth_tokens.iter().map(|token| Secret::new(token)).collect(),
        rest: rest.ok()?,
        public_url: public_url?,
        action_url: action_url?,
        mode,
        keyring: keyring?,
        upgrade_signature: upgrade_signature?,
        connection_overrides,
    })
}

/// A SID is no secret: it may stand here, or be named.
fn read_account(section: &mut Section<'_>, environment: &Environment) -> Option<AccountSid> {
    const KEY: &str = "account_sid";
    if section.is_text(KEY) {
        let text = section.text(KEY, ACCOUNT);
        return AccountSid::parse(&text);
    }
    let Some(entry) = section.take(KEY) else {
        section.missing(KEY, ACCOUNT.allowed);
        return None;
    };
    let found = keys::read_one(
        &entry.value,
        &entry.origin,
        environment,
        keys::KEY.at(ACCOUNT.allowed),
    );
    let parsed = found.and_then(|text| {
        AccountSid::parse(&text)
            .ok_or_else(|| format!("names what is none; allowed: {}", ACCOUNT.allowed))
    });
    match parsed {
        Ok(account) => Some(account),
        Err(what) => problem(section, &entry.origin, KEY, &what),
    }
}

fn read_mode(
    section: &mut Section<'_>,
    is_static: bool,
    secrets: &[String],
    upgrade_signature: UpgradeSignature,
) -> Option<Mode> {
    if !is_static {
        return Some(Mode::Dynamic);
    }
    let is_good = |secret: &String| secret.len() >= SECRET_BYTES_MIN;
    if secrets.is_empty() || !secrets.iter().all(is_good) {
        let what = "is needed by twilio.mode = \"static\"";
        section.wrong_now("stream_secrets", "[…]", what, STREAM_SECRETS.allowed);
        return None;
    }
    if upgrade_signature == UpgradeSignature::IfPresent {
        let what = "would let in whoever knows a secret, since twilio.mode = \"static\"";
        section.wrong_now("upgrade_signature", "\"if_present\"", what, "\"required\"");
        return None;
    }
    let secrets = secrets.iter().map(|secret| Secret::new(secret));
    Some(Mode::Static(secrets.collect()))
}

/// `[{ id = "ID", env = "NAME" }, …]`; empty: what follows from the auth tokens.
fn read_keyring(
    section: &mut Section<'_>,
    auth_tokens: &[String],
    environment: &Environment,
) -> Option<Keyring> {
    const KEY: &str = "token_keys";
    let Some(entry) = section.take(KEY) else {
        section.missing(KEY, TOKEN_KEYS);
        return None;
    };
    let wrong = |section: &mut Section<'_>, value: &Value| {
        let value = shown(value);
        section.wrong_now(KEY, &value, "is not accepted", TOKEN_KEYS);
        None
    };
    let Some(list) = entry
        .value
        .as_array()
        .filter(|list| list.len() <= TOKEN_KEYS_MAX)
    else {
        return wrong(section, &entry.value);
    };
    if list.is_empty() {
        return Some(Keyring::derived(auth_tokens.iter().map(String::as_str)));
    }
    let mut found: Vec<(String, String)> = Vec::new();
    for value in list {
        let mut table = value.as_table().cloned().unwrap_or_default();
        let id = table.remove("id");
        let id = id
            .as_ref()
            .and_then(Value::as_str)
            .filter(|id| is_key_id(id));
        let Some(id) = id.filter(|id| found.iter().all(|(known, _)| known != id)) else {
            return wrong(section, value);
        };
        let place = Value::Table(table);
        match keys::read_one(&place, &entry.origin, environment, keys::KEY.at(TOKEN_KEYS)) {
            Ok(secret) => found.push((id.to_owned(), secret)),
            Err(what) => return problem(section, &entry.origin, KEY, &what),
        }
    }
    Some(Keyring::new(
        found.iter().map(|(id, secret)| (&**id, &**secret)),
    ))
}

pub(super) fn problem<T>(
    section: &mut Section<'_>,
    origin: &Origin,
    key: &str,
    what: &str,
) -> Option<T> {
    let key = section.full(key);
    section.problems.without_value(&at(origin, &key), what);
    None
}

fn is_key_id(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=32).contains(&id.len()) && id.bytes().all(fits)
}

/// A secret of a document must not be guessed.
const SECRET_BYTES_MIN: usize = 16;

const TOKEN_KEYS: &str = r#"[], or up to 4 of { id = "ID", env = "NAME" } and { id = "ID", file = "PATH" }, each ID once, of 1 to 32 letters, digits, - and _"#;

const AUTH_TOKENS: Places = Places {
    key: "auth_tokens",
    count_max: AUTH_TOKENS_MAX,
    allowed: r#"1 or 2 of { env = "NAME" } and { file = "PATH" }"#,
};

const STREAM_SECRETS: Places = Places {
    key: "stream_secrets",
    count_max: 4,
    allowed: r#"up to 4 of { env = "NAME" } and { file = "PATH" }, each secret of 16 characters at least"#,
};

const ACCOUNT: Form = Form {
    allowed: r#"an account's SID (AC and 32 hexadecimal digits), { env = "NAME" } or { file = "PATH" }"#,
    accepts: |text| AccountSid::parse(text).is_some(),
};

const URL: Form = Form {
    allowed: "https://HOST[:PORT][/PATH] as Twilio knows it (or http:// on a loopback address), without query and credentials",
    accepts: |text| PublicUrl::parse(text).is_some(),
};

const OVERRIDES: Form = Form {
    allowed: "ct, rt, tt, rc, rp, sni and e with their values, joined by &, or nothing",
    accepts: |text| {
        text.is_empty()
            || text.split('&').all(|pair| {
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b',' || byte == b'-';
                pair.split_once('=').is_some_and(|(key, value)| {
                    ["ct", "rt", "tt", "rc", "rp", "sni", "e"].contains(&key)
                        && !value.is_empty()
                        && value.bytes().all(fits)
                })
            })
    },
};
