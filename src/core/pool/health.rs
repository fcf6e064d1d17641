//! What became of a session, and what that says about its endpoint and its key.
//!
//! Faults of the key go to the key's breaker, all others to the endpoint's. What is ours, the caller's or expected counts
//! nowhere. What a probe says is in [`super::probe`], what a spare says in [`super::spare`],
//! what a rendering says in [`super::rendering`].

use crate::core::fault::{Count, Fault, Scope};
use crate::core::ids::{KeyId, ProviderId};
use crate::core::pool::admission::{Report, Transition};
use crate::core::pool::backoff::Chance;
use crate::core::pool::breaker::{Breaker, Cause, Sample};
use crate::core::pool::endpoint::Endpoint;
use crate::core::pool::seats::{Occupied, Seat, Stage, Whose};
use crate::core::pool::{News, Pool};
use crate::core::time::Instant;

impl Pool {
    pub(super) fn judge(
        &mut self,
        now: Instant,
        seat: Seat,
        report: Report,
        news: &mut News,
    ) -> bool {
        let Some(&mut occupied) = self.seats.get_mut(seat) else {
            return false;
        };
        if occupied.whose == Whose::Probe {
            self.judge_probe(now, seat, occupied, report, news);
            return true;
        }
        if occupied.whose == Whose::Spare {
            self.judge_spare(now, seat, occupied, report, news);
            return true;
        }
        if occupied.whose == Whose::Errand {
            self.judge_errand(now, seat, occupied, report, news);
            return true;
        }
        let provider = occupied.provider;
        match report {
            Report::Slow => self.on_slow(now, seat, news),
            Report::Ready => self.on_ready(now, seat, occupied, news),
            Report::Answered { after } => {
                self.on_proof(now, provider);
                if let Stage::Ready {
                    was_slow,
                    has_answered,
                } = occupied.stage
                {
                    self.set_stage(
                        seat,
                        Stage::Ready {
                            was_slow,
                            has_answered: true,
                        },
                    );
                    if let Some(endpoint) = self.endpoint_mut(provider) {
                        endpoint.answers.push(after);
                    }
                    if !has_answered {
                        self.sample(now, provider, Sample::DialGood { was_slow }, news);
                    }
                    self.sample(now, provider, Sample::AnswerGood, news);
                }
            }
            Report::AnswerFailed(fault) => {
                self.fault(now, occupied, fault, Sample::AnswerFailed, news);
            }
            Report::Failed(fault) => {
                self.leave(now, seat);
                let sample = match occupied.stage {
                    Stage::Dialling { was_slow } => Sample::DialFailed { was_slow },
                    Stage::Ready { .. } => {
                        let window = self.policy.breaker.loss_window;
                        if let Some(endpoint) = self.endpoint_mut(provider) {
                            endpoint.crowd.on_lost(now, window);
                        }
                        Sample::Lost
                    }
                };
                self.fault(now, occupied, fault, sample, news);
            }
            Report::Ended => self.leave(now, seat),
        }
        true
    }

    fn on_slow(&mut self, now: Instant, seat: Seat, news: &mut News) {
        let Some(occupied) = self.seats.get_mut(seat) else {
            return;
        };
        if occupied.stage == (Stage::Dialling { was_slow: false }) {
            occupied.stage = Stage::Dialling { was_slow: true };
            let provider = occupied.provider;
            self.sample(now, provider, Sample::DialSlow, news);
        }
    }

    fn on_ready(&mut self, now: Instant, seat: Seat, occupied: Occupied, news: &mut News) {
        let Stage::Dialling { was_slow } = occupied.stage else {
            return;
        };
        let took = now.since(occupied.dialled_at);
        if let Some(endpoint) = self.endpoint_mut(occupied.provider)
            && !occupied.is_warm
        {
            endpoint.dials.push(took);
        }
        let is_slow = took >= self.policy.breaker.slow_after;
        if is_slow && !was_slow {
            self.sample(now, occupied.provider, Sample::DialSlow, news);
        }
        let stage = Stage::Ready {
            was_slow: is_slow || was_slow,
            has_answered: false,
        };
        self.set_stage(seat, stage);
        self.live += 1;
        self.reserve.see(now, self.live);
        self.sample(now, occupied.provider, Sample::Ready, news);
    }

    /// Gives up a seat and all that was booked with it.
    pub(super) fn leave(&mut self, now: Instant, seat: Seat) {
        let Some(occupied) = self.seats.leave(seat) else {
            return;
        };
        if let Some(endpoint) = self.endpoint_mut(occupied.provider) {
            endpoint.bulkhead.leave();
            if let Some(key) = endpoint.keys.get_mut(usize::from(occupied.key.0)) {
                key.sessions -= 1;
            }
        }
        let tenant = match occupied.whose {
            Whose::Call(tenant) => tenant,
            Whose::Probe | Whose::Errand => return,
            Whose::Spare => return self.leave_spare(occupied.provider, occupied.key, seat),
        };
        if let Some(tenant) = self.tenants.get_mut(usize::from(tenant.0)) {
            tenant.leave();
        }
        if matches!(occupied.stage, Stage::Ready { .. }) {
            // Before it is gone: what is lost now was live, and the reserve is as large as that.
            self.reserve.see(now, self.live);
            self.live -= 1;
        }
    }

    /// Tells whom it concerns of a fault.
    pub(super) fn fault(
        &mut self,
        now: Instant,
        of: Occupied,
        fault: Fault,
        sample: Sample,
        news: &mut News,
    ) {
        match fault.count() {
            Count::No => {}
            Count::Once => self.sample(now, of.provider, sample, news),
            Count::Opens => {
                let key = (fault.scope() == Scope::Key).then_some(of.key);
                self.change(of.provider, key, news, |breaker, chance| {
                    breaker.trip(now, fault, chance)
                });
            }
            Count::Rests => self.rest(now, of.provider, of.key, fault),
        }
    }

    /// The provider limits this key: nobody uses it until it may be used again.
    fn rest(&mut self, now: Instant, provider: ProviderId, key: KeyId, fault: Fault) {
        let policy = self.policy.breaker;
        let asked = if let Fault::RateLimited { retry_after } = fault {
            retry_after.unwrap_or(policy.rest)
        } else {
            policy.rest
        };
        let until = now + asked.min(policy.rest_max);
        let endpoint = self.endpoint_mut(provider);
        if let Some(key) = endpoint.and_then(|of| of.keys.get_mut(usize::from(key.0))) {
            key.rests_until = key.rests_until.max(until);
        }
    }

    pub(super) fn sample(
        &mut self,
        now: Instant,
        provider: ProviderId,
        sample: Sample,
        news: &mut News,
    ) {
        self.change(provider, None, news, |breaker, chance| {
            breaker.record(now, sample, chance)
        });
    }

    /// Does something to a breaker and tells the news of it; `false`: there is no such breaker.
    pub(super) fn change(
        &mut self,
        provider: ProviderId,
        key: Option<KeyId>,
        news: &mut News,
        what: impl FnOnce(&mut Breaker, &mut Chance) -> Option<Cause>,
    ) -> bool {
        let Some(endpoint) = self.endpoints.get_mut(usize::from(provider.0)) else {
            return false;
        };
        let breaker = match key {
            None => &mut endpoint.breaker,
            Some(key) => match endpoint.keys.get_mut(usize::from(key.0)) {
                Some(key) => &mut key.breaker,
                None => return false,
            },
        };
        let from = breaker.state();
        if let Some(cause) = what(breaker, &mut self.chance) {
            news.transitions.push(Transition {
                provider,
                key,
                from,
                to: breaker.state(),
                cause,
            });
        }
        true
    }

    pub(super) fn set_stage(&mut self, seat: Seat, stage: Stage) {
        if let Some(occupied) = self.seats.get_mut(seat) {
            occupied.stage = stage;
        }
    }

    pub(super) fn endpoint_mut(&mut self, provider: ProviderId) -> Option<&mut Endpoint> {
        self.endpoints.get_mut(usize::from(provider.0))
    }
}
