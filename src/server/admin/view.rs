//! What the listener of operators says and takes, as JSON: the same types on both sides of the wire.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use super::promises::{
    CallbackOrder, CallbackVerb, CallbacksView, ForgetOrder, NumberView, PromiseView,
};

pub use super::region::{LoadView, NodeView, RegionOrder, RegionView};

use crate::core::pool::{Control, KeyStatus, ProviderStatus, Quantiles};
use crate::core::time::Instant;

/// How the process stands: the answer to `GET /health`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HealthView {
    /// `well`; `degraded` if a breaker or the overload holds something back, or the store does not keep what it should; `failing`
    /// if no new call is served by a model.
    pub status: String,
    /// Which version runs.
    pub version: String,
    /// Whether it is on its way out: see [`DrainView`].
    #[serde(default)]
    pub stage: String,
    /// Time since the start, in seconds.
    pub uptime_s: u64,
    /// Calls whose stream has started and not ended.
    pub calls_live: usize,
    /// What is left out because there is too much to do: `normal`, `lean` or `full`.
    pub overload: String,
    /// What outlives the process: `well`, `troubled` (its disk refuses or is slow), or `none`: nothing does.
    #[serde(default)]
    pub store: String,
    /// What nodes share of calls: `well`, `troubled` (it is away; what is not written yet waits), or `none`: nothing.
    #[serde(default)]
    pub shared: String,
    /// Orders to the carrier by REST: `well`, `resting` (the breaker before them is open), or `none`: there are none.
    #[serde(default)]
    pub rest: String,
    /// The providers.
    pub pool: PoolView,
}

/// How far a process is on its way out: the answer to `GET /admin/v1/drain`, and to `POST`, which sends it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainView {
    /// `serving`; `stopping`: no new call is taken, live ones may end; `handing_over`: they are let go at their next pause;
    /// `draining`: they are ended.
    pub stage: String,
    /// Calls whose stream has started and not ended.
    pub calls_live: usize,
}

impl fmt::Display for DrainView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, calls_live } = self;
        let stage = stage.replace('_', " ");
        write!(f, "{stage}: {calls_live} call(s) live")
    }
}

/// How the providers stand: the answer to `GET /admin/v1/breakers`, and to an [`Order`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoolView {
    /// Sessions of calls that are ready.
    pub sessions_ready: u32,
    /// Calls that wait for a session.
    pub calls_waiting: usize,
    /// Extra dials that the fleet may still make.
    pub extra_dials_left: u32,
    /// Redials of live calls that the reserve still holds.
    pub reserve_redials_left: u32,
    /// Each entry, in the order of the configuration.
    pub providers: Vec<ProviderView>,
}

/// How one provider stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProviderView {
    /// Its name in the configuration.
    pub name: String,
    /// Where it stands on the ladder.
    pub tier: u8,
    /// The breaker of the endpoint: `closed`, `slow_start`, `open`, `half_open` or `isolated`.
    pub breaker: String,
    /// How many of 1,000 calls it takes now, if they come.
    pub admits_permille: u32,
    /// Its sessions, those being dialled included, spares not.
    pub sessions: u32,
    /// Its spares that wait for a call.
    #[serde(default)]
    pub spares: u32,
    /// How long its dials took of late.
    pub dials: Option<TimesView>,
    /// How long its answers took of late.
    pub answers: Option<TimesView>,
    /// Its keys, in the order of the configuration.
    pub keys: Vec<KeyView>,
}

/// How long something took of late.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct TimesView {
    /// The median, in milliseconds.
    pub p50_ms: u64,
    /// The 95th percentile, in milliseconds.
    pub p95_ms: u64,
}

/// How one key stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyView {
    /// Its place in the configuration, from 0.
    pub key: u8,
    /// Its breaker.
    pub breaker: String,
    /// Its sessions, those being dialled included.
    pub sessions: u32,
    /// How many could start at once.
    pub starts_left: u32,
    /// For how long the provider wants no more from it, in milliseconds.
    pub rests_ms: u64,
}

/// What an operator wants: the body of `POST /admin/v1/breakers/{provider}` and `…/{provider}/{key}`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What to do.
    #[serde(rename = "do")]
    pub verb: Verb,
}

/// What can be done with a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Open now; probes close it again.
    Open,
    /// Close now, without a slow start.
    Close,
    /// Let nothing pass, not even probes, until it is closed by hand.
    Isolate,
}

impl Verb {
    /// What it is to the pool.
    pub const fn control(self) -> Control {
        match self {
            Self::Open => Control::Open,
            Self::Close => Control::Close,
            Self::Isolate => Control::Isolate,
        }
    }

    /// Its name in requests and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Close => "close",
            Self::Isolate => "isolate",
        }
    }
}

impl ProviderView {
    pub(super) fn new(name: &str, tier: u8, now: Instant, status: &ProviderStatus) -> Self {
        Self {
            name: name.to_owned(),
            tier,
            breaker: status.breaker.name().to_owned(),
            admits_permille: status.permille,
            sessions: status.sessions,
            spares: status.spares,
            dials: status.dials.map(TimesView::from),
            answers: status.answers.map(TimesView::from),
            keys: status
                .keys
                .iter()
                .map(|key| KeyView::new(now, key))
                .collect(),
        }
    }
}

impl KeyView {
    fn new(now: Instant, status: &KeyStatus) -> Self {
        let rests = status.rests_until.map(|until| until.since(now));
        Self {
            key: status.key.0,
            breaker: status.breaker.name().to_owned(),
            sessions: status.sessions,
            starts_left: status.starts,
            rests_ms: rests.map(millis).unwrap_or_default(),
        }
    }
}

impl From<Quantiles> for TimesView {
    fn from(Quantiles { p50, p95 }: Quantiles) -> Self {
        Self {
            p50_ms: millis(p50),
            p95_ms: millis(p95),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
