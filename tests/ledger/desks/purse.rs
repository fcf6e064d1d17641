//! What two desks have spent between them, and whether either may spend more.
//!
//! Each hears of what the other does every two seconds, and may take half a minute from the decision to make a request until it makes
//! it. So it must not do what was done too often already before that; what both do in that time alone they cannot know of.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use ringback::core::callback::caps::Cap;
use ringback::core::callback::number::Number;
use ringback::core::callback::promise::{Promise, SendKind};
use ringback::core::callback::settings::{CapSettings, Settings};
use ringback::core::ids::PromiseId;

use super::WITHIN;

/// By then each knows what the other has done.
pub(super) const KNOWN_AFTER: Duration = Duration::from_secs(35);

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// What is counted by when it was decided is seen when it is done.
const DONE_LATE: Duration = Duration::from_mins(2);

/// Which cap a life is about; most of them are about none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scarce {
    Nothing,
    Only(Cap),
}

impl Scarce {
    pub(super) fn of(seed: u64) -> Self {
        match seed % 16 {
            3 => Self::Only(Cap::Money),
            7 => Self::Only(Cap::Prefix),
            11 => Self::Only(Cap::Destination),
            15 => Self::Only(Cap::Caller),
            _ => Self::Nothing,
        }
    }

    pub(super) fn settings(self, rng: &mut Rng) -> Settings {
        let plenty = CapSettings {
            per_destination: 10_000,
            per_caller: 10_000,
            per_prefix: 10_000,
            cents: 10_000_000,
            text_cents: 10,
            ring_cents: 10,
            ..CapSettings::default()
        };
        let caps = match self {
            Self::Nothing => CapSettings::default(),
            Self::Only(Cap::Money) => CapSettings {
                cents: rng.u32(150..=250),
                ..plenty
            },
            Self::Only(Cap::Prefix) => CapSettings {
                per_prefix: rng.u32(5..=10),
                ..plenty
            },
            Self::Only(Cap::Destination) => CapSettings {
                per_destination: rng.u32(2..=4),
                ..plenty
            },
            Self::Only(Cap::Caller) => CapSettings {
                per_caller: rng.u32(4..=8),
                ..plenty
            },
        };
        let settings = Settings {
            shared_within: Some(WITHIN),
            caps,
            ..Settings::default()
        };
        match self {
            // What is reserved is little more than what will be spent.
            Self::Only(Cap::Money) => Settings {
                text_tries_max: 1,
                ..settings
            },
            Self::Nothing | Self::Only(Cap::Destination | Cap::Caller | Cap::Prefix) => settings,
        }
    }

    /// How many call at once.
    pub(super) const fn volley(self) -> usize {
        match self {
            Self::Only(Cap::Money) => 12,
            Self::Nothing | Self::Only(Cap::Destination | Cap::Caller | Cap::Prefix) => 0,
        }
    }

    /// How many callers there are.
    pub(super) const fn callers(self) -> usize {
        match self {
            Self::Nothing => 2,
            Self::Only(Cap::Destination) => 4,
            Self::Only(Cap::Money | Cap::Prefix | Cap::Caller) => 20,
        }
    }
}

/// All that was done, by whichever desk.
#[derive(Debug, Default)]
pub(super) struct Purse {
    requests: Vec<(Duration, SendKind)>,
    promises: BTreeMap<PromiseId, (Duration, Number, Option<Number>)>,
}

impl Purse {
    /// A request is made; the caps that it breaks. All numbers begin alike.
    pub(super) fn requested(
        &mut self,
        now: Duration,
        kind: SendKind,
        caps: &CapSettings,
    ) -> Vec<&'static str> {
        let known = |window: Duration, kind: SendKind| {
            let all = self.requests.iter();
            let times = all.filter(|(at, other)| *other == kind && is_known(*at, window, now));
            u32::try_from(times.count()).unwrap()
        };
        let cost = |kind| match kind {
            SendKind::Text => caps.text_cents,
            SendKind::Ring => caps.ring_cents,
        };
        let all = [SendKind::Text, SendKind::Ring].map(|kind| known(DAY, kind) * cost(kind));
        let broken = [
            (all.iter().sum::<u32>() + cost(kind) > caps.cents).then_some("money"),
            (known(HOUR, kind) >= caps.per_prefix).then_some("requests to a prefix"),
        ];
        self.requests.push((now, kind));
        broken.into_iter().flatten().collect()
    }

    /// A promise is kept; the caps that it breaks.
    pub(super) fn promised(
        &mut self,
        now: Duration,
        promise: &Promise,
        caps: &CapSettings,
    ) -> Vec<&'static str> {
        let known = |fits: &dyn Fn(Number, Option<Number>) -> bool| {
            let all = self.promises.values();
            let times = all.filter(|(at, to, by)| fits(*to, *by) && is_known(*at, DAY, now));
            u32::try_from(times.count()).unwrap()
        };
        let to_number = known(&|to, _| to == promise.to);
        let by_caller = known(&|_, by| by == promise.caller);
        let broken = [
            (to_number >= caps.per_destination).then_some("promises to a number"),
            (by_caller >= caps.per_caller).then_some("promises by a caller"),
        ];
        let known = (now, promise.to, promise.caller);
        self.promises.insert(promise.id, known);
        broken.into_iter().flatten().collect()
    }

    /// A promise was kept too late, so that its caller was told that there is none: it was none.
    pub(super) fn untold(&mut self, promise: PromiseId) {
        self.promises.remove(&promise);
    }

    /// How many requests were made.
    pub(super) fn requests(&self) -> usize {
        self.requests.len()
    }
}

fn is_known(at: Duration, window: Duration, now: Duration) -> bool {
    at + KNOWN_AFTER <= now && now + DONE_LATE < at + window
}
