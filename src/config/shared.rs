//! `[shared]`: the store that nodes share, and how long is waited for it.

use std::time::Duration;

use super::environment::Environment;
use super::keys::{PASSWORD, PLACE, URL, Wanted, read_one};
use super::section::{Form, Section, at};
use super::{Layers, MINUTE, PATH};
use crate::provider::tls::client_config;
use crate::store::redis::{ADDRESS_FORM, RedisAddress, RedisSettings};
use crate::store::{KEY_FORM, SealingKey};

/// The store that nodes share.
#[derive(Clone, Debug)]
pub struct SharedSettings {
    /// Where it is.
    pub address: RedisAddress,
    /// What is sealed with: all nodes have the same.
    pub key: SealingKey,
    /// How it is bounded.
    pub redis: RedisSettings,
}

const PREFIX: Form = Form {
    allowed: "1 to 64 letters, digits and any of .:_-{}",
    accepts: |text| {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b".:_-{}".contains(&byte);
        (1..=64).contains(&text.len()) && text.bytes().all(is_fine)
    },
};

const KEY: Wanted = Wanted {
    noun: "key",
    allowed: PLACE,
    chars_min: 44,
};

const MILLI: Duration = Duration::from_millis(1);

impl Layers {
    /// The section; `None`: there is no shared store, or it has problems, with which nothing is served.
    pub(super) fn read_shared(&mut self, environment: &Environment) -> Option<SharedSettings> {
        let mut section = self.section("shared");
        let is_there = section.has("url");
        let address = read_address(&mut section, environment);
        let key = read_key(&mut section, is_there, environment);
        let redis = RedisSettings {
            prefix: section.text("prefix", PREFIX),
            queue_max: section.integer("queue_max", 16..=1_000_000),
            connect_timeout: section.duration("connect_timeout", 50 * MILLI..=MINUTE),
            write_timeout: section.duration("write_timeout", 10 * MILLI..=MINUTE),
            read_timeout: section.duration("read_timeout", 10 * MILLI..=MINUTE),
            replicas_min: section.integer("replicas_min", 0..=16),
            replica_timeout: section.duration("replica_timeout", MILLI..=MINUTE),
            ..RedisSettings::default()
        };
        if redis.replica_timeout >= redis.write_timeout && redis.replicas_min > 0 {
            let value = format!("\"{}ms\"", redis.replica_timeout.as_millis());
            let what = "leaves a write no time of its own";
            section.wrong_now(
                "replica_timeout",
                &value,
                what,
                "less than shared.write_timeout",
            );
        }
        section.finish();
        Some(SharedSettings {
            address: address?,
            key: key?,
            redis,
        })
    }
}

fn read_address(section: &mut Section<'_>, environment: &Environment) -> Option<RedisAddress> {
    let entry = section.take("url");
    let password = read_secret(section, "password", environment);
    let sentinel_password = read_secret(section, "sentinel_password", environment);
    let ca_file = section.optional_text("ca_file", PATH);
    let entry = entry?;
    let url = match entry.value.as_str() {
        Some(url) => Ok(url.to_owned()),
        None => read_one(&entry.value, &entry.origin, environment, URL),
    };
    let is_literal = entry.value.is_str();
    let address = url.and_then(|url| {
        let address = RedisAddress::parse(&url);
        // Not printed: there may be a password in it.
        let mut address =
            address.ok_or_else(|| format!("is no address; allowed: {ADDRESS_FORM}"))?;
        if is_literal && address.login.password.is_some() {
            return Err(format!(
                "holds a password; allowed: the address without it, and shared.password = {PLACE}"
            ));
        }
        address.login.password = password.or(address.login.password);
        address.sentinel_login.password = sentinel_password;
        if address.is_tls {
            let path = ca_file.map(|file| file.origin.resolve(&file.text));
            let trust = client_config(path.as_deref());
            address.tls = Some(trust.map_err(|error| {
                format!("wants TLS, and shared.ca_file is not accepted ({error})")
            })?);
        }
        Ok(address)
    });
    report(section, "url", &entry.origin, address)
}

/// The key is asked for where there is a store to seal.
fn read_key(
    section: &mut Section<'_>,
    is_there: bool,
    environment: &Environment,
) -> Option<SealingKey> {
    let Some(entry) = section.take("key") else {
        if is_there {
            section.missing(
                "key",
                &format!("{PLACE}: {KEY_FORM}, the same for all nodes"),
            );
        }
        return None;
    };
    let text = read_one(&entry.value, &entry.origin, environment, KEY);
    let key = text.and_then(|text| {
        let key = SealingKey::parse(&text);
        key.ok_or_else(|| format!("names what is no key; allowed: {KEY_FORM}"))
    });
    report(section, "key", &entry.origin, key)
}

fn read_secret(
    section: &mut Section<'_>,
    name: &'static str,
    environment: &Environment,
) -> Option<String> {
    let entry = section.take(name)?;
    let secret = read_one(&entry.value, &entry.origin, environment, PASSWORD);
    report(section, name, &entry.origin, secret)
}

/// A problem is told without the value, which may be a secret.
fn report<T>(
    section: &mut Section<'_>,
    name: &str,
    origin: &super::Origin,
    read: Result<T, String>,
) -> Option<T> {
    let name = section.full(name);
    let at = at(origin, &name);
    read.map_err(|what| section.problems.without_value(&at, &what))
        .ok()
}
