//! Every dial: may it be made, with this key, and is it paid for?

use std::time::Duration;

use ringback::core::fault::{Fault, Retry, Scope};
use ringback::core::ids::{CallId, KeyId, ProviderId};
use ringback::core::pool::{BreakerState, Charge, Rung, Share, Urgency};
use ringback::core::time::Instant;

use super::{Books, Outage, Place};

impl Books {
    /// No caller passes a breaker that is not closed, but for the one redial of a live call.
    pub(super) fn check_breakers(&self, call: Option<(CallId, Urgency)>, rung: &Rung) {
        let passes = |place: Place| {
            matches!(
                self.breakers[&place].state,
                BreakerState::Closed | BreakerState::SlowStart
            )
        };
        let endpoint = (rung.provider, None);
        let key = (rung.provider, Some(rung.key));
        let Some((call, urgency)) = call else {
            let half_open = |place| self.breakers[&place].state == BreakerState::HalfOpen;
            assert!(
                half_open(endpoint) || half_open(key),
                "a probe of what is well"
            );
            return;
        };
        assert!(passes(key), "a key's breaker passes nobody: {rung:?}");
        if passes(endpoint) {
            return;
        }
        let outage = self.calls.get(&call).expect("a live call has an outage");
        assert_eq!(urgency, Urgency::Live, "a new call at an open breaker");
        assert_eq!(outage.home, Some(rung.provider), "where it was not lost");
        assert_eq!(rung.charge, Charge::Reserve);
        assert!(!outage.has_redialed, "twice at an open breaker");
        assert!(
            !self.breakers[&endpoint].is_barred,
            "a permanent fault is retried"
        );
        assert_ne!(self.breakers[&endpoint].state, BreakerState::Isolated);
        let others = self.breakers.iter().filter(|((provider, key), breaker)| {
            let tried = |of: &(ProviderId, KeyId, Fault)| of.0 == *provider;
            key.is_none()
                && breaker.state == BreakerState::Closed
                && !self.is_canary(*provider)
                && !outage.tried.iter().any(tried)
                && !self.is_unfit(*provider, outage)
                && self.has_start(*provider)
        });
        assert_eq!(others.count(), 0, "there was another rung");
    }

    /// Whether what was asked of another would fail here in the same way.
    fn is_unfit(&self, provider: ProviderId, outage: &Outage) -> bool {
        let of = |id: ProviderId| &self.policy.providers[usize::from(id.0)];
        outage.tried.iter().any(|(other, _, fault)| {
            let (entry, other) = (of(provider), of(*other));
            let is_refused = *fault == Fault::PolicyRefused && entry.vendor == other.vendor;
            let is_small = entry.window_tokens <= other.window_tokens;
            is_refused || (*fault == Fault::ContextTooLong && is_small)
        })
    }

    /// Whether a key of the provider is usable and the provider has room for all who wait, tokens apart.
    fn has_start(&self, provider: ProviderId) -> bool {
        let policy = &self.policy.providers[usize::from(provider.0)];
        let taken = self.sessions(provider) + self.waiting.len();
        let has_room = taken < usize::try_from(policy.sessions_max).unwrap();
        has_room
            && self.keys.iter().any(|((of, key), book)| {
                *of == provider
                    && self.breakers[&(*of, Some(*key))].state == BreakerState::Closed
                    && book.rests_until == Instant::ZERO
            })
    }

    pub(super) fn is_canary(&self, provider: ProviderId) -> bool {
        let policy = &self.policy.providers[usize::from(provider.0)];
        matches!(policy.share, Share::Canary(_))
    }

    /// Rate and burst hold, a key that rests is left alone, and one that is barred is not used by callers.
    pub(super) fn check_key(&mut self, now: Instant, rung: &Rung) {
        let policy = &self.policy.providers[usize::from(rung.provider.0)];
        let key = self.keys.get_mut(&(rung.provider, rung.key)).unwrap();
        assert!(now >= key.rests_until, "Retry-After: {now} {rung:?}");
        let passed = now.since(key.at).as_secs_f64();
        key.tokens =
            (key.tokens + passed * f64::from(policy.starts_per_second)).min(policy.burst.into());
        if rung.spare.is_none() {
            key.tokens -= 1.0;
        }
        key.at = now;
        assert!(key.tokens > -1e-3, "over rate and burst: {rung:?}");
        if rung.charge != Charge::Probe {
            for place in [(rung.provider, None), (rung.provider, Some(rung.key))] {
                assert!(
                    !self.breakers[&place].is_barred,
                    "a permanent fault is retried"
                );
            }
        }
    }

    /// Every dial is paid for as it should be.
    pub(super) fn check_charge(&mut self, now: Instant, call: Option<CallId>, rung: &Rung) {
        let Some(call) = call else {
            assert_eq!(rung.charge, Charge::Probe);
            return;
        };
        let outage = self.calls.entry(call).or_default();
        let is_same = outage.home == Some(rung.provider)
            || outage.tried.iter().any(|tried| tried.0 == rung.provider);
        for (provider, key, fault) in &outage.tried {
            let is_here = *provider == rung.provider
                && (fault.scope() == Scope::Endpoint || *key == rung.key);
            assert!(
                !is_here || fault.retry() != Retry::Never,
                "{fault} is retried"
            );
        }
        match rung.charge {
            Charge::First => assert!(!outage.is_live && !outage.has_dialled),
            Charge::Rotation => assert!(outage.is_rotation && !outage.has_dialled),
            Charge::Move => {
                assert!(outage.is_live && !is_same && !outage.has_moved);
                outage.has_moved = true;
            }
            Charge::Reserve => {
                assert!(outage.is_live && !outage.has_redialed);
                assert!(is_same || outage.has_moved, "a move is free");
                outage.has_redialed = true;
                self.draws.push(now);
            }
            Charge::Extra => assert!(outage.is_live || outage.has_dialled),
            Charge::Hedge => {
                let failed = outage.tried.iter().any(|(provider, _, fault)| {
                    *provider == rung.provider && fault.scope() == Scope::Endpoint
                });
                assert!(!failed, "a hedge where it failed");
            }
            Charge::Probe | Charge::Spare | Charge::Rendering | Charge::Transcription => {
                panic!("a caller is {:?}", rung.charge)
            }
        }
        outage.has_dialled = true;
    }

    pub(super) fn check_budgets(&self, now: Instant) {
        let of = |charge| f64::from(self.dials.get(&charge).copied().unwrap_or_default());
        let retry = &self.policy.retry;
        let refilled = now.since_start().as_secs_f64() / retry.extra_refill.as_secs_f64();
        let earned = of(Charge::First) * f64::from(retry.extra_percent) / 100.0;
        let extra_max = earned + f64::from(retry.extra_floor) + refilled + 1e-3;
        let extra = of(Charge::Extra) + of(Charge::Hedge);
        assert!(
            extra <= extra_max,
            "{extra} extra dials, {extra_max} allowed"
        );
        let callers = [
            Charge::First,
            Charge::Rotation,
            Charge::Move,
            Charge::Reserve,
            Charge::Extra,
        ];
        let dials: f64 = callers.map(of).into_iter().sum();
        let hedges_max = dials * f64::from(self.policy.hedge.percent) / 100.0;
        assert!(of(Charge::Hedge) <= hedges_max, "hedges over their share");
        // The reserve: no more redials in ten seconds than there were live sessions in the last thirty.
        let since = |ago: u64| now - Duration::from_secs(ago);
        let drawn = self.draws.iter().filter(|at| **at > since(10)).count();
        let recent = self.live.iter().rev().take_while(|(at, _)| *at > since(30));
        let before = self.live.iter().rev().find(|(at, _)| *at <= since(30));
        let live_max = recent.chain(before).map(|(_, live)| *live).max();
        assert!(
            drawn <= live_max.unwrap_or_default(),
            "{drawn} of {live_max:?}"
        );
    }
}
