//! `[messages]`: where messages after the tone are kept, for how long, and who is sent them.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::environment::Environment;
use super::keys::{Wanted, read_one};
use super::raw::Entry;
use super::section::{Form, Section, at};
use super::store::StorePlace;
use super::{HOUR, Layers, MINUTE};
use crate::carrier::twilio::rest::ApiHost;
use crate::store::messages::ArchivePlace;

/// Messages after the tone.
#[derive(Clone, Debug)]
pub struct MessageSettings {
    /// Where they are kept; `None`: there is no store, and nobody can leave one.
    pub place: Option<ArchivePlace>,
    /// Whether callers are offered to leave one.
    pub is_offered: bool,
    /// How many are kept at once; while there are that many, further ones are lost.
    pub kept_max: usize,
    /// How many are recorded or written at once; further ones are lost. Each takes its own length in memory.
    pub recordings_max: usize,
    /// How long one is kept after it was left, once it needs no more delivery.
    pub retention: Duration,
    /// Who is sent them; `None`: nobody, and they wait for an operator.
    pub delivery: Option<Delivery>,
    /// Whether a provider writes them down.
    pub transcripts: bool,
}

/// Who is sent messages, and how patiently.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Where they are posted to.
    pub url: String,
    /// What they are signed with.
    pub secret: HookSecret,
    /// How long one request may take.
    pub timeout: Duration,
    /// The longest pause after the first failure; it doubles with each.
    pub retry_first: Duration,
    /// The longest pause of all.
    pub retry_max: Duration,
    /// A message that fails when it is older than this is given up.
    pub deliver_for: Duration,
}

/// What webhooks are signed with. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct HookSecret(Box<str>);

impl HookSecret {
    /// Keeps it to itself.
    pub fn new(secret: &str) -> Self {
        Self(secret.into())
    }

    /// The secret itself, to sign with.
    pub const fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookSecret(_)")
    }
}

/// Whether callers are offered to leave a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Where somebody is sent them.
    Auto,
    /// Wherever they can be kept.
    On,
    /// No.
    Off,
}

const FOLDER: Form = Form {
    allowed: "the path of a folder, in a folder that is there",
    accepts: |text| !text.is_empty(),
};

const URL: Form = Form {
    allowed: "https://HOST[:PORT]/PATH (or http:// on a loopback address), without credentials",
    accepts: is_url,
};

const SECRET: Wanted = Wanted {
    noun: "secret",
    allowed: r#"{ env = "NAME" } or { file = "PATH" }"#,
    chars_min: 16,
};

const DAY: Duration = Duration::from_hours(24);
const SECOND: Duration = Duration::from_secs(1);

impl Layers {
    /// The section; `None`: it has problems.
    pub(super) fn read_messages(
        &mut self,
        store: Option<&StorePlace>,
        environment: &Environment,
    ) -> Option<MessageSettings> {
        let mut section = self.section("messages");
        let used = section.choice(
            "enabled",
            &[("auto", Use::Auto), ("on", Use::On), ("off", Use::Off)],
        );
        let place = read_place(&mut section, store);
        let kept_max = section.integer("kept_max", 1..=10_000);
        let recordings_max = section.integer("recordings_max", 1..=10_000);
        let days: u32 = section.integer("retention_days", 0..=3_650);
        let transcripts = section.boolean("transcripts");
        let delivery = read_delivery(&mut section, environment);
        if days == 0 && matches!(delivery, Ok(None)) {
            let allowed = "1 to 3650, or 0 with messages.url";
            let what = "would throw each message away at once, since nobody is sent them";
            section.wrong_now("retention_days", "0", what, allowed);
        }
        if used == Some(Use::On) && matches!(place, Ok(None)) {
            let what = "and store.path names no file: nobody can leave one";
            section.wrong_now("enabled", "\"on\"", what, "\"auto\", \"off\"");
        }
        section.finish();
        let (place, delivery) = (place.ok()?, delivery.ok()?);
        let is_offered = match used? {
            Use::Auto => delivery.is_some(),
            Use::On => true,
            Use::Off => false,
        };
        Some(MessageSettings {
            is_offered: is_offered && place.is_some(),
            place,
            kept_max,
            recordings_max,
            retention: DAY * days,
            delivery,
            transcripts: transcripts?,
        })
    }
}

/// There is a problem, and it was told.
struct Told;

fn read_place(
    section: &mut Section<'_>,
    store: Option<&StorePlace>,
) -> Result<Option<ArchivePlace>, Told> {
    let folder = section.optional_text("folder", FOLDER);
    let folder = folder.map(|folder| folder.origin.resolve(&folder.text));
    match (folder, store.ok_or(Told)?) {
        (folder, StorePlace::File(path, key)) => Ok(Some(ArchivePlace {
            folder: folder.unwrap_or_else(|| beside(path.clone())),
            store: path.clone(),
            key: key.clone(),
        })),
        (None, StorePlace::Memory) => Ok(None),
        (Some(folder), StorePlace::Memory) => {
            let what = "wants a store, whose key seals messages";
            let value = format!("\"{}\"", folder.display());
            section.wrong_now("folder", &value, what, "a folder, with store.path");
            Err(Told)
        }
    }
}

fn beside(store: PathBuf) -> PathBuf {
    let mut name = store.into_os_string();
    name.push(".messages");
    name.into()
}

fn read_delivery(
    section: &mut Section<'_>,
    environment: &Environment,
) -> Result<Option<Delivery>, Told> {
    let url = section.optional_text("url", URL);
    let secret = section.take("secret");
    let timeout = section.duration("timeout", SECOND..=5 * MINUTE);
    let retry_first = section.duration("retry_first", SECOND / 10..=HOUR);
    let retry_max = section.duration("retry_max", SECOND / 10..=24 * HOUR);
    let deliver_for = section.duration("deliver_for", MINUTE..=168 * HOUR);
    match (url, secret) {
        (Some(url), Some(secret)) => Ok(Some(Delivery {
            url: url.text,
            secret: read_secret(section, &secret, environment).ok_or(Told)?,
            timeout,
            retry_first,
            retry_max,
            deliver_for,
        })),
        (None, None) => Ok(None),
        (Some(_), None) => {
            section.missing("secret", SECRET.allowed);
            Err(Told)
        }
        (None, Some(_)) => {
            section.missing("url", URL.allowed);
            Err(Told)
        }
    }
}

fn read_secret(
    section: &mut Section<'_>,
    entry: &Entry,
    environment: &Environment,
) -> Option<HookSecret> {
    let secret = read_one(&entry.value, &entry.origin, environment, SECRET);
    let name = section.full("secret");
    let at = at(&entry.origin, &name);
    secret
        .map_err(|what| section.problems.without_value(&at, &what))
        .ok()
        .map(|secret| HookSecret::new(&secret))
}

/// The same hosts as for the carrier's interface: what callers say does not travel in the clear.
fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let is_whole = !text.contains('#') && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_whole && ApiHost::other(&format!("{scheme}://{host}")).is_some()
}
