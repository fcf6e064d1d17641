//! `[callbacks]`: whether callers whose call is lost are texted and rung back, how, when, and for how much at most.
//!
//! The numbers' own meaning is the ledger's ([`crate::core::callback::settings`]); here they get their keys and bounds.

use std::time::Duration;

use super::carrier::{Mode, Twilio};
use super::section::{Form, Section};
use super::store::{StorePlace, StoreSettings};
use super::units::format_duration;
use super::{HOUR, Layers, MINUTE};
use crate::core::callback::destinations::{Destinations, PREFIXES_MAX};
use crate::core::callback::number::{Number, Prefix};
use crate::core::callback::settings::{CapSettings, RINGS_MAX, Settings};
use crate::core::region::claim::ClaimSettings;
use crate::zones::{Daily, Zones};

/// How lost callers are texted and rung back.
#[derive(Clone, Debug)]
pub struct Callbacks {
    /// What the ledger goes by.
    pub ledger: Settings,
    /// Who texts are from, and rings.
    pub sender: Sender,
    /// Whether texts are sent at all; without them callers are rung.
    pub sends_texts: bool,
    /// What silence means.
    pub consent: ConsentPolicy,
    /// The hours at which callers may be rung, by their own clocks.
    pub hours: Daily,
    /// The zone of the business: that of numbers of which nothing is known.
    pub zone: String,
    /// Texts in a second at most.
    pub texts_per_second: u32,
    /// Rings in a second at most.
    pub rings_per_second: u32,
    /// Rings at once at most.
    pub ringing_max: usize,
    /// Whether the carrier is to find out if a machine answers.
    pub detects_machines: bool,
    /// How long a phone rings, in seconds.
    pub ring_seconds: u16,
    /// How long a ring back may go on once it was answered.
    pub talk_max: Duration,
    /// Where promises are kept before they are told.
    pub durability: PromiseDurability,
    /// Where nodes share promises: what a request for one of them stands on.
    pub claims: ClaimSettings,
}

/// Where promises are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromiseDurability {
    /// In the file beside the process: one node alone promises anything.
    Disk,
    /// In the store that nodes share: any of them promises, and each promise is served by one.
    Shared,
}

/// Who texts are from, and rings.
#[derive(Clone, PartialEq, Eq)]
pub enum Sender {
    /// The number that was called.
    Called,
    /// This number.
    Number(Number),
    /// Texts from a messaging service (`MG…`); rings from the number that was called.
    Service(String),
}

/// Without the number.
impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Called => "Called",
            Self::Number(_) => "Number(_)",
            Self::Service(_) => "Service(_)",
        })
    }
}

/// What it takes for a caller to be promised something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentPolicy {
    /// They choose it with a key.
    Ask,
    /// They are told, and do not refuse.
    Implied,
}

/// Whether callers are texted and rung back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Where there is what it takes.
    Auto,
    /// It is, or the settings are wrong.
    On,
    /// It is not.
    Off,
}

const SECOND: Duration = Duration::from_secs(1);

impl Layers {
    /// The section, and the zone of the business, which others need as well. `None`: callers are not rung back, or there are
    /// problems.
    pub(super) fn read_callbacks(
        &mut self,
        twilio: Option<&Twilio>,
        store: Option<&StoreSettings>,
        shares: bool,
    ) -> (Option<Callbacks>, Option<String>) {
        let is_whole = self.problems.is_empty();
        let mut section = self.section("callbacks");
        let used = section.choice(
            "enabled",
            &[("auto", Use::Auto), ("on", Use::On), ("off", Use::Off)],
        );
        let callbacks = read(&mut section, shares);
        let durability = callbacks.as_ref().map(|callbacks| callbacks.durability);
        let lacks = lacking(twilio, store, durability);
        if let (Some(Use::On), Some(lacks), true) = (used, lacks, is_whole) {
            let what = format!("and {lacks}: nobody can be rung back");
            section.wrong_now("enabled", "\"on\"", &what, "\"auto\", \"off\"");
        }
        section.finish();
        let zone = callbacks.as_ref().map(|callbacks| callbacks.zone.clone());
        let callbacks = match (used, lacks) {
            (Some(Use::Auto | Use::On), None) => callbacks,
            (Some(Use::Auto | Use::On), Some(_)) | (Some(Use::Off) | None, _) => None,
        };
        (callbacks, zone)
    }
}

/// What is not there without which nothing can be promised.
fn lacking(
    twilio: Option<&Twilio>,
    store: Option<&StoreSettings>,
    durability: Option<PromiseDurability>,
) -> Option<&'static str> {
    let Some(twilio) = twilio else {
        return Some("public.auth is not \"twilio\"");
    };
    if twilio.rest.is_none() {
        return Some("twilio.rest has no credentials");
    }
    if let Mode::Static(_) = twilio.mode {
        return Some("twilio.mode is \"static\"");
    }
    match store.map(|store| &store.place) {
        _ if durability == Some(PromiseDurability::Shared) => None,
        Some(StorePlace::File(..)) => None,
        Some(StorePlace::Memory) | None => Some("store.path names no file"),
    }
}

fn read(section: &mut Section<'_>, shares: bool) -> Option<Callbacks> {
    let sender = read_sender(section);
    let sends_texts = section.boolean("texts");
    let consent = section.choice(
        "consent",
        &[
            ("ask", ConsentPolicy::Ask),
            ("implied", ConsentPolicy::Implied),
        ],
    );
    let hours = Daily {
        from: section.integer("hours_from", 0..=23),
        until: section.integer("hours_until", 1..=24),
    };
    if hours.from >= hours.until {
        let value = hours.from.to_string();
        section.wrong_now(
            "hours_from",
            &value,
            "is not before callbacks.hours_until",
            "less than that",
        );
    }
    let zone = section.text("zone", ZONE);
    let texts_per_second = section.integer("texts_per_second", 1..=1_000);
    let ring_seconds = section.integer("ring_seconds", 5..=120);
    let durability = read_durability(section, shares);
    let ledger = Settings {
        text_every: SECOND / texts_per_second,
        ring_timeout: SECOND * u32::from(ring_seconds) + TELLING,
        ..read_ledger(section)
    };
    let claims = read_claims(section, ledger.request_timeout, durability);
    let ledger = Settings {
        shared_within: match durability {
            PromiseDurability::Disk => None,
            PromiseDurability::Shared => Some(claims.opt_out_within),
        },
        ..ledger
    };
    let rings_per_second = section.integer("rings_per_second", 1..=100);
    let ringing_max = section.integer("ringing_max", 1..=1_000);
    let detects_machines = section.boolean("machine_detection");
    let talk_max = section.duration("talk_max", MINUTE..=4 * HOUR);
    Some(Callbacks {
        ledger,
        sender,
        sends_texts: sends_texts?,
        consent: consent?,
        hours,
        zone,
        texts_per_second,
        rings_per_second,
        ringing_max,
        detects_machines: detects_machines?,
        ring_seconds,
        talk_max,
        durability,
        claims,
    })
}

/// Where promises are kept: in the store that nodes share, if there is one, and it is not said otherwise.
fn read_durability(section: &mut Section<'_>, shares: bool) -> PromiseDurability {
    let said = section.optional_text("promise_durability", DURABILITY);
    match said.map(|said| said.text).as_deref() {
        Some("disk") => PromiseDurability::Disk,
        Some("shared") if !shares => {
            section.wrong_now(
                "promise_durability",
                "\"shared\"",
                "and there is no store that nodes share: shared.url names none",
                "\"disk\", or [shared] with its url and key",
            );
            PromiseDurability::Disk
        }
        None if !shares => PromiseDurability::Disk,
        Some(_) | None => PromiseDurability::Shared,
    }
}

const DURABILITY: Form = Form {
    allowed: r#""disk" or "shared""#,
    accepts: |text| matches!(text, "disk" | "shared"),
};

/// How much longer than a request and the clocks' difference a claim lasts at least: it is asked for anew within that time.
const CLAIM_SPARE: Duration = Duration::from_secs(2);

fn read_claims(
    section: &mut Section<'_>,
    request_timeout: Duration,
    durability: PromiseDurability,
) -> ClaimSettings {
    let claims = ClaimSettings {
        lease: section.duration("lease", 5 * SECOND..=HOUR),
        request_timeout,
        ..ClaimSettings::default()
    };
    let least = claims.request_lasts() + CLAIM_SPARE;
    if durability == PromiseDurability::Shared && claims.lease < least {
        let value = format!("\"{}\"", format_duration(claims.lease));
        let allowed = format!("at least \"{}\"", format_duration(least));
        let what = "is no longer than a request may last (callbacks.request_timeout, and 5 s)";
        section.wrong_now("lease", &value, what, &allowed);
    }
    claims
}

/// What it takes the carrier to say what became of a ring, at most.
const TELLING: Duration = Duration::from_secs(65);

fn read_ledger(section: &mut Section<'_>) -> Settings {
    let prefixes = |texts: Vec<String>| {
        texts
            .iter()
            .filter_map(|text| Prefix::parse(text))
            .collect()
    };
    let ledger = Settings {
        text_within: section.duration("text_within", MINUTE..=HOUR),
        expires_after: section.duration("expires_after", HOUR..=96 * HOUR),
        promises_max: section.integer("promises_max", 1..=100_000),
        request_timeout: section.duration("request_timeout", SECOND..=MINUTE),
        list_lag: section.duration("list_lag", SECOND..=10 * MINUTE),
        ring_after: section.duration("ring_after", Duration::ZERO..=HOUR),
        rings_max: section.integer("rings_max", 1..=RINGS_MAX),
        ring_again_after: section.duration("ring_again_after", 6 * MINUTE..=24 * HOUR),
        destinations: Destinations {
            allowed: prefixes(section.texts("allowed", PREFIXES_MAX, PREFIX)),
            refused: prefixes(section.texts("refused", PREFIXES_MAX, PREFIX)),
        },
        caps: CapSettings {
            per_destination: section.integer("promises_per_number_max", 1..=1_000),
            per_caller: section.integer("promises_per_caller_max", 1..=1_000),
            withheld: section.integer("promises_withheld_max", 0..=100_000),
            per_prefix: section.integer("per_prefix_max", 1..=100_000),
            cents: 100 * section.integer("money_per_day", 1..=1_000_000_u32),
            text_cents: section.integer("text_cents", 0..=1_000),
            ring_cents: section.integer("ring_cents", 0..=10_000),
            ..CapSettings::default()
        },
        ..Settings::default()
    };
    let (one, all) = (ledger.promise_cents(), ledger.caps.cents);
    if one > all {
        let what = format!("is less than the {} that one promise may cost", money(one));
        let allowed = format!("at least {}", one.div_ceil(100));
        section.wrong_now("money_per_day", &(all / 100).to_string(), &what, &allowed);
    }
    ledger
}

fn money(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn read_sender(section: &mut Section<'_>) -> Sender {
    let Some(from) = section.optional_text("from", SENDER) else {
        return Sender::Called;
    };
    match Number::parse(&from.text) {
        Some(number) => Sender::Number(number),
        None => Sender::Service(from.text),
    }
}

const SENDER: Form = Form {
    allowed: r#"a number with its country, as in "+14155550100", or a messaging service's SID: MG and 32 hexadecimal digits"#,
    accepts: |text| {
        let digits = text.strip_prefix("MG").filter(|digits| digits.len() == 32);
        let is_service =
            digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        is_service || Number::parse(text).is_some()
    },
};

const ZONE: Form = Form {
    allowed: r#"a zone of the IANA database, as in "Europe/Paris" or "America/New_York""#,
    accepts: |text| Zones::new(text).is_some(),
};

const PREFIX: Form = Form {
    allowed: r#"a calling code, and more digits where it is narrower, as in "+44" or "+4420""#,
    accepts: |text| Prefix::parse(text).is_some(),
};
