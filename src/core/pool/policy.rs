//! The numbers that the pool goes by, and which of them contradict each other.
//!
//! Owns the settings and their check; decides nothing. The gates that use them: [`super::breaker`], [`super::throttle`],
//! [`super::retry_budget`].

use std::fmt;
use std::time::Duration;

use crate::core::ids::{ProviderId, Tier};
use crate::core::pool::spare::SPARES_MAX;

/// How many entries the ladder may have: a set of them is one machine word.
pub const PROVIDERS_MAX: usize = 32;

/// How many keys one entry may have.
pub const KEYS_MAX: usize = 16;

/// How many tenants there may be.
pub const TENANTS_MAX: usize = 4_096;

/// How many sessions one entry may hold.
pub const SESSIONS_MAX: u32 = 100_000;

/// All that the pool goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolPolicy {
    /// The entries of the ladder; a [`ProviderId`] is a place in this list.
    pub providers: Vec<ProviderPolicy>,
    /// The tenants; a [`TenantId`](crate::core::ids::TenantId) is a place in this list.
    pub tenants: Vec<TenantPolicy>,
    /// When a breaker opens and how it closes.
    pub breaker: BreakerPolicy,
    /// What may be tried again.
    pub retry: RetryPolicy,
    /// When a second provider is dialled beside a slow one.
    pub hedge: HedgePolicy,
}

impl PoolPolicy {
    /// A policy of these entries, one tenant without a limit of its own, and the defaults for the rest.
    pub fn new(providers: Vec<ProviderPolicy>) -> Self {
        Self {
            providers,
            tenants: vec![TenantPolicy::default()],
            breaker: BreakerPolicy::default(),
            retry: RetryPolicy::default(),
            hedge: HedgePolicy::default(),
        }
    }

    /// Finds the first contradiction.
    pub fn check(&self) -> Result<(), PolicyError> {
        let within = |count: usize, max: usize| (1..=max).contains(&count);
        if self.has_only_canaries() {
            return Err(PolicyError::NoProvider);
        }
        if !within(self.providers.len(), PROVIDERS_MAX) {
            return Err(PolicyError::TooMany("providers"));
        }
        if !within(self.tenants.len(), TENANTS_MAX) {
            return Err(PolicyError::TooMany("tenants"));
        }
        if self.tenants.iter().any(|tenant| tenant.sessions_max == 0) {
            return Err(PolicyError::Zero("tenant.sessions_max"));
        }
        for (place, provider) in (0..).zip(&self.providers) {
            provider.check(ProviderId(place))?;
        }
        self.breaker.check()?;
        self.retry.check()?;
        self.hedge.check(&self.retry)
    }

    fn has_only_canaries(&self) -> bool {
        self.providers
            .iter()
            .all(|provider| matches!(provider.share, Share::Canary(_)))
    }
}

/// One entry of the ladder: a model at an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderPolicy {
    /// Its name, for people.
    pub name: String,
    /// What it runs: entries of one model stand in for each other when a key or a region is at its limit.
    pub model: String,
    /// Whose it is: one that refuses a subject refuses it at all its entries.
    pub vendor: String,
    /// Where it stands; entries of one tier share the calls by [`share`](Self::share).
    pub tier: Tier,
    /// How much of the calls it gets. Default: a weight of 100.
    pub share: Share,
    /// How many keys it has. Default: 1.
    pub keys: u8,
    /// How many sessions it may hold, over all keys. Default: 500.
    pub sessions_max: u32,
    /// How many sessions each key may start in a second. Default: 20.
    pub starts_per_second: u32,
    /// How many sessions each key may start at once. Default: [`sessions_max`](Self::sessions_max).
    pub burst: u32,
    /// How many tokens of conversation its model takes. Default: 28,000.
    pub window_tokens: u32,
    /// How many sessions are kept ready that nobody needs yet. Default: 0.
    pub spares: u32,
}

impl ProviderPolicy {
    /// An entry with the defaults for everything else.
    pub fn new(name: &str, tier: Tier) -> Self {
        Self {
            name: name.to_owned(),
            model: name.to_owned(),
            vendor: name.to_owned(),
            tier,
            share: Share::Weight(100),
            keys: 1,
            sessions_max: 500,
            starts_per_second: 20,
            burst: 500,
            window_tokens: 28_000,
            spares: 0,
        }
    }

    fn check(&self, provider: ProviderId) -> Result<(), PolicyError> {
        let zero = |key| Err(PolicyError::ProviderZero { provider, key });
        if usize::from(self.keys) > KEYS_MAX {
            return Err(PolicyError::TooMany("keys of a provider"));
        }
        if self.sessions_max > SESSIONS_MAX {
            return Err(PolicyError::TooMany("sessions_max"));
        }
        if self.spares > SPARES_MAX || self.spares > self.sessions_max / 2 {
            return Err(PolicyError::SparesOverHalf(provider));
        }
        match self.share {
            Share::Weight(0) => return zero("weight"),
            Share::Canary(permille) if permille > 1_000 => {
                return Err(PolicyError::CanaryOverAll(provider));
            }
            Share::Weight(_) | Share::Canary(_) => {}
        }
        match (
            self.keys,
            self.sessions_max,
            self.starts_per_second,
            self.burst,
        ) {
            (0, ..) => zero("keys"),
            (_, 0, ..) => zero("sessions_max"),
            (_, _, 0, _) => zero("session_starts_per_second"),
            (.., 0) => zero("burst"),
            _ => Ok(()),
        }
    }
}

/// How much of the calls an entry gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// In proportion to the weights of its tier.
    Weight(u16),
    /// This many of 1,000 new calls, before all tiers, chosen by the call's hash; never a fallback.
    Canary(u16),
}

/// One tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantPolicy {
    /// With this many sessions, new calls of the tenant are refused; live ones never are. Default: no limit.
    pub sessions_max: u32,
}

impl Default for TenantPolicy {
    fn default() -> Self {
        Self {
            sessions_max: u32::MAX,
        }
    }
}

/// When a breaker opens and how it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// How many failures in a row open it. Default: 5.
    pub failures_in_a_row: u32,
    /// Which share of failures within the window opens it, in percent. Default: 50.
    pub failure_percent: u32,
    /// Which share of slow dials within the window opens it, in percent. Default: 50.
    pub slow_percent: u32,
    /// How many outcomes the window must hold before shares count. Default: 10.
    pub outcomes_min: u32,
    /// How far back shares look. Default: 10 s.
    pub window: Duration,
    /// From when on a dial is slow. Default: 1.5 s.
    pub slow_after: Duration,
    /// Live sessions that are lost within this time are one failure. Default: 1 s.
    pub loss_window: Duration,
    /// How long it stays open at first. Default: 30 s.
    pub cool_down: Duration,
    /// How long it stays open at most, after doubling. Default: 5 min.
    pub cool_down_max: Duration,
    /// By how much a cool-down varies, in percent either way. Default: 10.
    pub jitter_percent: u32,
    /// How many good probes close it. Default: 3.
    pub probes_good: u32,
    /// The time between two probes. Default: 1 s.
    pub probe_interval: Duration,
    /// After which time a probe that has not answered has failed. Default: 10 s.
    pub probe_timeout: Duration,
    /// How long the slow start after closing takes. Default: 30 s.
    pub slow_start: Duration,
    /// With which share of calls it begins, in percent. Default: 10.
    pub slow_start_percent: u32,
    /// How long a key rests when the provider limits it and does not say how long. Default: 1 s.
    pub rest: Duration,
    /// How long a key rests at most, whatever the provider says. Default: 1 h.
    pub rest_max: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures_in_a_row: 5,
            failure_percent: 50,
            slow_percent: 50,
            outcomes_min: 10,
            window: Duration::from_secs(10),
            slow_after: Duration::from_millis(1_500),
            loss_window: Duration::from_secs(1),
            cool_down: Duration::from_secs(30),
            cool_down_max: Duration::from_mins(5),
            jitter_percent: 10,
            probes_good: 3,
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_secs(10),
            slow_start: Duration::from_secs(30),
            slow_start_percent: 10,
            rest: Duration::from_secs(1),
            rest_max: Duration::from_hours(1),
        }
    }
}

impl BreakerPolicy {
    fn check(&self) -> Result<(), PolicyError> {
        let counts = [
            ("breaker.failures_in_a_row", self.failures_in_a_row),
            ("breaker.failure_percent", self.failure_percent),
            ("breaker.slow_percent", self.slow_percent),
            ("breaker.outcomes_min", self.outcomes_min),
            ("breaker.probes_good", self.probes_good),
            ("breaker.slow_start_percent", self.slow_start_percent),
        ];
        let times = [
            ("breaker.window", self.window),
            ("breaker.slow_after", self.slow_after),
            ("breaker.loss_window", self.loss_window),
            ("breaker.cool_down", self.cool_down),
            ("breaker.probe_interval", self.probe_interval),
            ("breaker.probe_timeout", self.probe_timeout),
            ("breaker.rest", self.rest),
        ];
        none_is_zero(&counts, &times)?;
        let percents = [
            ("breaker.failure_percent", self.failure_percent),
            ("breaker.slow_percent", self.slow_percent),
            ("breaker.jitter_percent", self.jitter_percent),
            ("breaker.slow_start_percent", self.slow_start_percent),
        ];
        none_is_over_all(&percents)?;
        let ordered = [
            (
                "breaker.cool_down",
                "breaker.cool_down_max",
                self.cool_down <= self.cool_down_max,
            ),
            (
                "breaker.rest",
                "breaker.rest_max",
                self.rest <= self.rest_max,
            ),
            (
                "breaker.slow_after",
                "breaker.probe_timeout",
                self.slow_after < self.probe_timeout,
            ),
        ];
        each_is_within(&ordered)
    }
}

/// What may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// All that a call may wait for retries in one outage. Default: 900 ms.
    pub wait_max: Duration,
    /// The first step of the backoff; each further one is twice as long. Default: 100 ms.
    pub backoff: Duration,
    /// The longest step of the backoff. Default: 400 ms.
    pub backoff_max: Duration,
    /// Over which time the redials of calls that were lost together are spread. Default: 300 ms.
    pub spread: Duration,
    /// How many extra dials the fleet may make, in percent of its first dials. Default: 10.
    pub extra_percent: u32,
    /// How many extra dials can be saved up. Default: 100.
    pub extra_max: u32,
    /// How many extra dials there are without any first dials: what one dead provider takes until its breaker is open.
    /// Default: 20.
    pub extra_floor: u32,
    /// How long one extra dial takes to come back where fewer than the floor are left. Default: 30 s.
    pub extra_refill: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            wait_max: Duration::from_millis(900),
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_millis(400),
            spread: Duration::from_millis(300),
            extra_percent: 10,
            extra_max: 100,
            extra_floor: 20,
            extra_refill: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    fn check(&self) -> Result<(), PolicyError> {
        none_is_zero(
            &[("retry.extra_max", self.extra_max)],
            &[
                ("retry.backoff", self.backoff),
                ("retry.extra_refill", self.extra_refill),
            ],
        )?;
        none_is_over_all(&[("retry.extra_percent", self.extra_percent)])?;
        each_is_within(&[
            (
                "retry.backoff",
                "retry.backoff_max",
                self.backoff <= self.backoff_max,
            ),
            (
                "retry.backoff_max",
                "retry.wait_max",
                self.backoff_max <= self.wait_max,
            ),
            (
                "retry.spread",
                "retry.wait_max",
                self.spread <= self.wait_max,
            ),
            (
                "retry.extra_floor",
                "retry.extra_max",
                self.extra_floor <= self.extra_max,
            ),
        ])
    }
}

/// When a second provider is dialled beside a slow one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgePolicy {
    /// How many dials may be hedges, in percent; 0: none. Default: 5.
    pub percent: u32,
    /// A hedge never comes before this. Default: 150 ms.
    pub after_min: Duration,
    /// No hedges beside a provider whose median dial takes longer: it is slow, not late. Default: 600 ms.
    pub median_max: Duration,
}

impl Default for HedgePolicy {
    fn default() -> Self {
        Self {
            percent: 5,
            after_min: Duration::from_millis(150),
            median_max: Duration::from_millis(600),
        }
    }
}

impl HedgePolicy {
    fn check(&self, retry: &RetryPolicy) -> Result<(), PolicyError> {
        each_is_within(&[
            (
                "hedge.percent",
                "retry.extra_percent",
                self.percent <= retry.extra_percent,
            ),
            (
                "hedge.after_min",
                "hedge.median_max",
                self.after_min <= self.median_max,
            ),
        ])
    }
}

fn none_is_zero(
    counts: &[(&'static str, u32)],
    times: &[(&'static str, Duration)],
) -> Result<(), PolicyError> {
    let count = counts.iter().find(|(_, count)| *count == 0);
    let time = times.iter().find(|(_, time)| time.is_zero());
    let key = count.map(|(key, _)| key).or(time.map(|(key, _)| key));
    key.map_or(Ok(()), |key| Err(PolicyError::Zero(key)))
}

fn none_is_over_all(percents: &[(&'static str, u32)]) -> Result<(), PolicyError> {
    let over = percents.iter().find(|(_, percent)| *percent > 100);
    over.map_or(Ok(()), |(key, _)| Err(PolicyError::OverAll(key)))
}

fn each_is_within(pairs: &[(&'static str, &'static str, bool)]) -> Result<(), PolicyError> {
    let wrong = pairs.iter().find(|(.., is_within)| !is_within);
    wrong.map_or(Ok(()), |&(key, limit, _)| {
        Err(PolicyError::Exceeds { key, limit })
    })
}

/// A policy that contradicts itself. The configuration puts values and what is allowed beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// No entry takes calls that a canary does not.
    NoProvider,
    /// More of these than there may be, or none.
    TooMany(&'static str),
    /// This must not be zero.
    Zero(&'static str),
    /// This must not be zero at this entry.
    ProviderZero {
        /// The entry.
        provider: ProviderId,
        /// What.
        key: &'static str,
    },
    /// This is a percentage, and over 100.
    OverAll(&'static str),
    /// This entry is a canary of more than all calls.
    CanaryOverAll(ProviderId),
    /// This entry wants more spares than half its sessions, or than an entry may have.
    SparesOverHalf(ProviderId),
    /// One value must not be greater than the other.
    Exceeds {
        /// The value that is too great.
        key: &'static str,
        /// What it must stay within.
        limit: &'static str,
    },
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProvider => {
                f.write_str("the ladder has no provider: at least one must have a weight")
            }
            Self::TooMany(key) => write!(f, "{key}: none, or more than are allowed"),
            Self::Zero(key) => write!(f, "{key} must not be 0"),
            Self::ProviderZero { provider, key } => {
                write!(f, "{provider}: {key} must not be 0")
            }
            Self::OverAll(key) => write!(f, "{key} must not be over 100 percent"),
            Self::CanaryOverAll(provider) => {
                write!(f, "{provider}: a canary gets 1000 of 1000 calls at most")
            }
            Self::SparesOverHalf(provider) => {
                write!(
                    f,
                    "{provider}: spares must be half of its sessions_max at most, and {SPARES_MAX}"
                )
            }
            Self::Exceeds { key, limit } => write!(f, "{key} must not be greater than {limit}"),
        }
    }
}

impl std::error::Error for PolicyError {}
