//! What `[twilio]` says of the REST interface: where it is, and whether and as whom we ask.

use super::carrier::problem;
use super::environment::Environment;
use super::keys;
use super::section::{Form, Section};
use crate::carrier::twilio::rest::{ApiHost, Credentials};
use crate::core::ids::AccountSid;

/// As whom we ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// With the API key, if there is one.
    ApiKey,
    /// With the auth token.
    AuthToken,
    /// Not at all.
    Off,
}

/// There is a problem, and it was told.
#[derive(Debug)]
pub(super) struct Told;

/// Where and as whom we ask; `None`: we do not.
pub(super) fn read(
    section: &mut Section<'_>,
    environment: &Environment,
    account: Option<AccountSid>,
    auth_token: Option<&String>,
) -> Result<Option<(ApiHost, Credentials)>, Told> {
    let used = section.choice(
        "rest",
        &[
            ("api_key", Use::ApiKey),
            ("auth_token", Use::AuthToken),
            ("off", Use::Off),
        ],
    );
    let key = read_api_key(section, environment);
    let edge = section.optional_text("edge", WORD).map(|edge| edge.text);
    let region = section.optional_text("region", WORD);
    let region = region.map(|region| region.text);
    let other = section.optional_text("rest_url", URL);
    let host = match other {
        Some(other) => ApiHost::other(&other.text),
        None => ApiHost::twilio(edge.as_deref(), region.as_deref()),
    };
    let (host, account) = (host.ok_or(Told)?, account.ok_or(Told)?);
    let credentials = match used.ok_or(Told)? {
        Use::ApiKey => key?.map(|(sid, secret)| Credentials::api_key(account, &sid, &secret)),
        Use::AuthToken => Some(Credentials::token(account, auth_token.ok_or(Told)?)),
        Use::Off => None,
    };
    Ok(credentials.map(|credentials| (host, credentials)))
}

/// The key's SID and secret, if there is one.
fn read_api_key(
    section: &mut Section<'_>,
    environment: &Environment,
) -> Result<Option<(String, String)>, Told> {
    const SECRET: &str = "api_key_secret";
    let sid = section.optional_text("api_key", API_KEY);
    let secret = section.take(SECRET);
    match (sid, secret) {
        (Some(sid), Some(secret)) => {
            let found = keys::read_one(
                &secret.value,
                &secret.origin,
                environment,
                keys::KEY.at(keys::PLACE),
            );
            match found {
                Ok(found) => Ok(Some((sid.text, found))),
                Err(what) => problem(section, &secret.origin, SECRET, &what).ok_or(Told),
            }
        }
        (Some(_), None) => {
            section.missing(SECRET, keys::PLACE);
            Err(Told)
        }
        (None, Some(_)) => {
            section.missing("api_key", API_KEY.allowed);
            Err(Told)
        }
        (None, None) => Ok(None),
    }
}

const API_KEY: Form = Form {
    allowed: "an API key's SID: SK and 32 hexadecimal digits",
    accepts: |text| {
        let digits = text.strip_prefix("SK").filter(|digits| digits.len() == 32);
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    },
};

const WORD: Form = Form {
    allowed: r#"1 to 32 small letters, digits and hyphens, as in "ashburn" or "us1""#,
    accepts: |text| text.len() <= 32 && super::is_name(text),
};

const URL: Form = Form {
    allowed: "https://HOST[:PORT] (or http:// on a loopback address), without path and credentials",
    accepts: |text| ApiHost::other(text).is_some(),
};
