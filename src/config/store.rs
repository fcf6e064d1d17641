//! `[store]`: where what outlives a call is kept, for how long, and how long is waited for it.

use std::path::PathBuf;
use std::time::Duration;

use super::environment::Environment;
use super::keys::{Wanted, read_one};
use super::raw::Entry;
use super::section::{Form, Section, at};
use super::{HOUR, Layers, MINUTE};
use crate::store::embedded::EmbeddedSettings;
use crate::store::{KEY_FORM, KeySource, SealingKey};

/// What outlives a call.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Where it is.
    pub place: StorePlace,
    /// How the store is bounded.
    pub embedded: EmbeddedSettings,
    /// How long the checkpoint of a call is kept after it was last written.
    pub call_ttl: Duration,
    /// How long it is known how a call ended.
    pub ended_ttl: Duration,
    /// How often what has expired is thrown away.
    pub collect_interval: Duration,
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// In memory: it goes with the process, and nothing can be promised.
    Memory,
    /// In this file.
    File(PathBuf, KeySource),
}

const PATH: Form = Form {
    allowed: "the path of a file, in a folder that is there",
    accepts: |text| !text.is_empty() && !text.ends_with('/'),
};

const KEY: Wanted = Wanted {
    noun: "key",
    allowed: r#"{ env = "NAME" } or { file = "PATH" }"#,
    chars_min: 44,
};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

impl Layers {
    /// The section; `None`: it has problems.
    pub(super) fn read_store(&mut self, environment: &Environment) -> Option<StoreSettings> {
        let mut section = self.section("store");
        let place = read_place(&mut section, environment);
        let embedded = EmbeddedSettings {
            queue_max: section.integer("queue_max", 16..=1_000_000),
            write_timeout: section.duration("write_timeout", 10 * MILLI..=MINUTE),
            read_timeout: section.duration("read_timeout", 10 * MILLI..=MINUTE),
            tokens_max: section.integer("tokens_max", 100..=10_000_000),
        };
        let call_ttl = section.duration("call_ttl", MINUTE..=24 * HOUR);
        let ended_ttl = section.duration("ended_ttl", MINUTE..=24 * HOUR);
        let collect_interval = section.duration("collect_interval", SECOND..=HOUR);
        section.finish();
        Some(StoreSettings {
            place: place?,
            embedded,
            call_ttl,
            ended_ttl,
            collect_interval,
        })
    }
}

fn read_place(section: &mut Section<'_>, environment: &Environment) -> Option<StorePlace> {
    let path = section.optional_text("path", PATH);
    let key = match section.take("key") {
        Some(entry) => KeySource::Given(read_key(section, &entry, environment)?),
        None => KeySource::Beside,
    };
    Some(match path {
        Some(path) => StorePlace::File(path.origin.resolve(&path.text), key),
        None => StorePlace::Memory,
    })
}

fn read_key(
    section: &mut Section<'_>,
    entry: &Entry,
    environment: &Environment,
) -> Option<SealingKey> {
    let text = read_one(&entry.value, &entry.origin, environment, KEY);
    let key = text.and_then(|text| {
        let key = SealingKey::parse(&text);
        key.ok_or_else(|| format!("names what is no key; allowed: {KEY_FORM}"))
    });
    let name = section.full("key");
    let at = at(&entry.origin, &name);
    key.map_err(|what| section.problems.without_value(&at, &what))
        .ok()
}
