//! One entry of the ladder as it stands now: its breakers, its keys, its sessions.
//!
//! Answers whether a session may start here, gate by gate; who asks and in which order is [`super::Pool`]'s.

use std::time::Duration;

use crate::core::ids::KeyId;
use crate::core::pool::breaker::Breaker;
use crate::core::pool::bulkhead::Bulkhead;
use crate::core::pool::latency::Latency;
use crate::core::pool::policy::{BreakerPolicy, HedgePolicy, ProviderPolicy};
use crate::core::pool::proof::Proof;
use crate::core::pool::seats::Seat;
use crate::core::pool::spare::{KeySpares, Spares};
use crate::core::pool::throttle::Throttle;
use crate::core::time::Instant;

/// An entry of the ladder.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) breaker: Breaker,
    /// In the order of the configuration.
    pub(super) keys: Vec<Key>,
    pub(super) bulkhead: Bulkhead,
    pub(super) dials: Latency,
    pub(super) answers: Latency,
    pub(super) crowd: Crowd,
    pub(super) spares: Spares,
    pub(super) proof: Proof,
}

/// One of its keys.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) breaker: Breaker,
    pub(super) throttle: Throttle,
    /// Of calls, probes and spares.
    pub(super) sessions: u32,
    pub(super) spares: KeySpares,
    /// Until when the provider wants no more from it.
    pub(super) rests_until: Instant,
    pub(super) probing: Probing,
}

/// The probe of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probing {
    /// None is under way; none before this moment.
    Idle { not_before: Instant },
    /// One is under way.
    Running { seat: Seat, give_up_at: Instant },
}

/// So far apart, on average, sessions that were lost together are dialled again: a few are no storm, and their callers wait.
const REDIAL_GAP: Duration = Duration::from_millis(10);

/// Live sessions that were lost at about the same time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Crowd {
    since: Instant,
    count: u32,
}

impl Crowd {
    /// One more is lost.
    pub(super) fn on_lost(&mut self, now: Instant, window: Duration) {
        if self.count == 0 || now.since(self.since) >= window {
            *self = Self {
                since: now,
                count: 0,
            };
        }
        self.count = self.count.saturating_add(1);
    }

    /// Over which time those that were lost so far are to come back: at once if it was only one, and `most` if they were many.
    pub(super) fn spread(&self, most: Duration) -> Duration {
        let others = self.count.saturating_sub(1);
        most.min(REDIAL_GAP.saturating_mul(others))
    }
}

/// What stands between a request and a session here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Nothing: this is the key with the fewest sessions.
    Pass(KeyId),
    /// Too many starts; there is one for this request at about this moment.
    Throttled(Instant),
    /// The provider limits every key that there is; one rests until then.
    Resting(Instant),
    /// The entry has as many sessions as it may have.
    Full,
    /// A breaker, or no key is left.
    Shut,
}

/// Whether breakers are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// As everybody.
    Usual,
    /// The one redial of a live call, which has nowhere else to go.
    LastResort,
}

impl Endpoint {
    pub(super) fn new(policy: &ProviderPolicy, breaker: BreakerPolicy) -> Self {
        let key = Key {
            breaker: Breaker::new(breaker),
            throttle: Throttle::new(policy.starts_per_second, policy.burst),
            sessions: 0,
            spares: KeySpares::default(),
            rests_until: Instant::ZERO,
            probing: Probing::Idle {
                not_before: Instant::ZERO,
            },
        };
        Self {
            breaker: Breaker::new(breaker),
            keys: vec![key; usize::from(policy.keys)],
            bulkhead: Bulkhead::new(policy.sessions_max),
            dials: Latency::default(),
            answers: Latency::default(),
            crowd: Crowd::default(),
            spares: Spares::new(policy.spares),
            proof: Proof::default(),
        }
    }

    /// What stands before a request with these keys barred and `ahead` others before it.
    pub(super) fn gate(&self, now: Instant, barred: u16, ahead: u32, pass: Pass) -> Gate {
        let passes = match pass {
            Pass::Usual => self.breaker.passes(),
            Pass::LastResort => self.breaker.takes_redial(),
        };
        if !passes {
            return Gate::Shut;
        }
        // Whoever takes a spare takes its place as well.
        let free = self.bulkhead.free();
        if free <= ahead && free + self.spares_for(now, barred) <= ahead {
            return Gate::Full;
        }
        self.gate_of_keys(now, barred, ahead)
    }

    fn gate_of_keys(&self, now: Instant, barred: u16, ahead: u32) -> Gate {
        let (mut tokens, mut usable) = (0_u32, 0_u32);
        // Those with a spare first, and among them the one with the fewest sessions.
        let mut best: Option<((bool, u32), KeyId)> = None;
        let mut rests_until: Option<Instant> = None;
        for (place, key) in (0..).zip(&self.keys) {
            if barred & (1 << place) != 0 || !key.breaker.passes() {
                continue;
            }
            if now < key.rests_until {
                rests_until =
                    Some(rests_until.map_or(key.rests_until, |at| at.min(key.rests_until)));
                continue;
            }
            usable += 1;
            let spares = key.spares.waiting();
            // A spare has started already.
            let ready = spares + key.throttle.tokens(now, self.burst_permille(now, key));
            tokens = tokens.saturating_add(ready);
            let rank = (spares == 0, key.sessions);
            let is_better = best.is_none_or(|(other, _)| rank < other);
            if ready > 0 && is_better {
                best = Some((rank, KeyId(place)));
            }
        }
        match (best, rests_until) {
            (Some((_, key)), _) if tokens > ahead => Gate::Pass(key),
            (None, Some(until)) if usable == 0 => Gate::Resting(until),
            (None, None) if usable == 0 => Gate::Shut,
            _ => {
                let missing = ahead.saturating_add(1).saturating_sub(tokens);
                Gate::Throttled(self.tokens_at(now, barred, missing.div_ceil(usable)))
            }
        }
    }

    /// When one of the usable keys has `more` tokens than now.
    fn tokens_at(&self, now: Instant, barred: u16, more: u32) -> Instant {
        (0..)
            .zip(&self.keys)
            .filter(|(place, key)| barred & (1 << place) == 0 && key.is_usable(now))
            .map(|(_, key)| {
                let permille = self.burst_permille(now, key);
                let wanted = key.throttle.tokens(now, permille).saturating_add(more);
                key.throttle.at(wanted, permille)
            })
            .min()
            .unwrap_or(now)
    }

    /// How many thousandths of the calls it takes: less than all during a slow start.
    pub(super) fn permille(&self, now: Instant) -> u32 {
        let of_keys = self
            .keys
            .iter()
            .filter(|key| key.is_usable(now))
            .map(|key| key.breaker.permille(now))
            .max();
        self.breaker.permille(now).min(of_keys.unwrap_or_default())
    }

    /// How much of its burst a key has: a slow start has only a part, so that those who waited do not come all at once.
    /// One that does not pass is asked only for live calls that have nowhere else to go: they have it whole.
    fn burst_permille(&self, now: Instant, key: &Key) -> u32 {
        if self.breaker.passes() {
            self.breaker.permille(now).min(key.breaker.permille(now))
        } else {
            1_000
        }
    }

    /// When a hedge is worth its price beside a dial here.
    pub(super) fn hedge_after(&self, policy: &HedgePolicy) -> Option<Duration> {
        let quantiles = self.dials.quantiles()?;
        let is_quick = policy.percent > 0 && quantiles.p50 <= policy.median_max;
        is_quick.then_some(quantiles.p95.max(policy.after_min))
    }
}

impl Key {
    /// Whether callers may use it, tokens apart.
    pub(super) fn is_usable(&self, now: Instant) -> bool {
        self.breaker.passes() && now >= self.rests_until
    }
}
