//! Synthetic sessions: which are due, and what they say.
//!
//! An endpoint that is half-open is probed with one key at a time; a key that is half-open is probed if its endpoint is not
//! out. One that is closed is probed where somebody wants a [proof](super::proof). The server runs the probe: a short turn of recorded speech, and an answer with audio.

use crate::core::fault::{Count, DialStage, Fault, Scope};
use crate::core::ids::{KeyId, ProviderId};
use crate::core::pool::admission::{Charge, Report};
use crate::core::pool::breaker::{BreakerState, Sample};
use crate::core::pool::endpoint::{Endpoint, Key, Probing};
use crate::core::pool::seats::{Occupied, Seat, Whose};
use crate::core::pool::{News, Pool};
use crate::core::time::Instant;

impl Pool {
    /// Breakers whose cool-down or slow start is over.
    pub(super) fn cool_down(&mut self, now: Instant, news: &mut News) {
        for (provider, keys) in self.all_keys() {
            self.change(provider, None, news, |breaker, _| breaker.tick(now));
            for key in (0..keys).map(KeyId) {
                self.change(provider, Some(key), news, |breaker, _| breaker.tick(now));
            }
        }
    }

    /// Gives up probes that do not answer, and starts those that are due.
    pub(super) fn probe(&mut self, now: Instant, news: &mut News) {
        for (provider, keys) in self.all_keys() {
            for key in (0..keys).map(KeyId) {
                self.give_up_probe(now, provider, key, news);
            }
            for key in (0..keys).map(KeyId) {
                self.start_probe(now, provider, key, news);
            }
        }
    }

    fn give_up_probe(&mut self, now: Instant, provider: ProviderId, key: KeyId, news: &mut News) {
        let Some(Probing::Running { seat, give_up_at }) =
            self.key_mut(provider, key).map(|k| k.probing)
        else {
            return;
        };
        if now >= give_up_at {
            let report = Report::Failed(Fault::DialTimedOut(DialStage::Session));
            self.judge(now, seat, report, news);
        }
    }

    fn start_probe(&mut self, now: Instant, provider: ProviderId, key: KeyId, news: &mut News) {
        let interval = self.policy.breaker.probe_interval;
        let give_up_at = now + self.policy.breaker.probe_timeout;
        let Some(endpoint) = self.endpoint_mut(provider) else {
            return;
        };
        if endpoint.probe_at(key).is_none_or(|at| now < at) {
            return;
        }
        if endpoint.bulkhead.free() == 0 {
            self.rest_probe(provider, key, now + interval);
            return;
        }
        let rung = self.take_seat(now, Whose::Probe, (provider, key), Charge::Probe);
        if let Some(key) = self.key_mut(provider, key) {
            key.probing = Probing::Running {
                seat: rung.seat,
                give_up_at,
            };
        }
        news.probes.push(rung);
    }

    /// Takes in what a probe reports; its seat is free as soon as there is a verdict.
    pub(super) fn judge_probe(
        &mut self,
        now: Instant,
        seat: Seat,
        of: Occupied,
        report: Report,
        news: &mut News,
    ) {
        match report {
            Report::Slow | Report::Ready => return, // Says nothing: see what is a success.
            Report::Answered { .. } => {
                self.on_proof(now, of.provider);
                for key in [None, Some(of.key)] {
                    self.change(of.provider, key, news, |breaker, _| {
                        breaker.on_probe_good(now)
                    });
                }
            }
            Report::AnswerFailed(fault) | Report::Failed(fault) => {
                self.judge_failed_probe(now, of, fault, news);
            }
            Report::Ended => {}
        }
        if let Some(endpoint) = self.endpoint_mut(of.provider) {
            endpoint.proof.on_verdict();
        }
        self.leave(now, seat);
        let next_at = now + self.policy.breaker.probe_interval;
        self.rest_probe(of.provider, of.key, next_at);
    }

    fn judge_failed_probe(&mut self, now: Instant, of: Occupied, fault: Fault, news: &mut News) {
        if let Some(endpoint) = self.endpoint_mut(of.provider) {
            endpoint.proof.on_failure(now, fault);
        }
        let sample = Sample::DialFailed { was_slow: false };
        self.fault(now, of, fault, sample, news);
        if matches!(fault.count(), Count::Once | Count::Opens) {
            let key = (fault.scope() == Scope::Key).then_some(of.key);
            self.change(of.provider, key, news, |breaker, chance| {
                breaker.on_probe_failed(now, chance)
            });
        }
    }

    fn rest_probe(&mut self, provider: ProviderId, key: KeyId, not_before: Instant) {
        if let Some(key) = self.key_mut(provider, key) {
            key.probing = Probing::Idle { not_before };
        }
    }

    fn key_mut(&mut self, provider: ProviderId, key: KeyId) -> Option<&mut Key> {
        let endpoint = self.endpoint_mut(provider)?;
        endpoint.keys.get_mut(usize::from(key.0))
    }

    /// The entries, with the number of their keys.
    pub(super) fn all_keys(&self) -> impl Iterator<Item = (ProviderId, u8)> + use<> {
        let keys = self.policy.providers.iter().map(|provider| provider.keys);
        let keys: Vec<u8> = keys.collect();
        (0..).map(ProviderId).zip(keys)
    }
}

impl Endpoint {
    /// When the pool has something to do here.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let of_keys = (0..).map(KeyId).zip(&self.keys).filter_map(|(id, key)| {
            let probing = match key.probing {
                Probing::Running { give_up_at, .. } => Some(give_up_at),
                Probing::Idle { .. } => self.probe_at(id),
            };
            [key.breaker.deadline(), probing]
                .into_iter()
                .flatten()
                .min()
        });
        let others = [self.breaker.deadline(), self.spare_at()];
        of_keys.chain(others.into_iter().flatten()).min()
    }

    /// When a probe with this key is due; `None`: none is wanted, or one is under way.
    fn probe_at(&self, id: KeyId) -> Option<Instant> {
        let key = self.keys.get(usize::from(id.0))?;
        let wants = match self.breaker.state() {
            BreakerState::Open | BreakerState::Isolated => false,
            BreakerState::Closed | BreakerState::SlowStart => {
                let is_proof = self.proof.is_wanted() && self.probe_key() == Some(id);
                is_proof || key.breaker.state() == BreakerState::HalfOpen
            }
            BreakerState::HalfOpen => self.probe_key() == Some(id),
        };
        key.probe_ready_at().filter(|_| wants)
    }

    /// The key with which a half-open endpoint is probed next; `None`: one is being used, or none can be.
    fn probe_key(&self) -> Option<KeyId> {
        let is_running = |key: &Key| matches!(key.probing, Probing::Running { .. });
        if self.keys.iter().any(is_running) {
            return None;
        }
        let keys = (0..).map(KeyId).zip(&self.keys);
        keys.filter(|(_, key)| {
            key.breaker.passes() || key.breaker.state() == BreakerState::HalfOpen
        })
        .min_by_key(|(_, key)| key.probe_ready_at())
        .map(|(id, _)| id)
    }
}

impl Key {
    /// When the key can be used for a probe; `None`: it is.
    fn probe_ready_at(&self) -> Option<Instant> {
        match self.probing {
            Probing::Running { .. } => None,
            Probing::Idle { not_before } => {
                let start_at = self.throttle.at(1, 1_000);
                Some(not_before.max(self.rests_until).max(start_at))
            }
        }
    }
}
