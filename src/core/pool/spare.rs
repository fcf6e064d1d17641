//! Warm spares: sessions that are dialled before anybody needs them.
//!
//! Says when one is to be dialled, hands it over to the call that is admitted where it waits, and takes in what becomes of it.
//! A spare is for what is left over: it is dialled only where all is well and no caller could want what it takes, and a call
//! that finds one waiting needs neither a start nor a place of its own. The server holds the sockets.

use std::collections::VecDeque;
use std::time::Duration;

use crate::core::fault::{Count, Fault, Scope};
use crate::core::ids::{KeyId, ProviderId};
use crate::core::pool::admission::{Charge, Report};
use crate::core::pool::backoff::Backoff;
use crate::core::pool::breaker::{BreakerState, Sample};
use crate::core::pool::endpoint::{Endpoint, Key};
use crate::core::pool::ladder::Entries;
use crate::core::pool::seats::{Occupied, Seat, Stage, Whose};
use crate::core::pool::{News, Pool};
use crate::core::time::Instant;

/// How many spares one entry may have.
pub const SPARES_MAX: u32 = 64;

/// How many spares of one entry are dialled at a time: when it fails, few fail with it, and callers' failures decide.
const DIALS_AT_ONCE: u32 = 2;

/// The time between the beginnings of two of them.
const DIAL_PAUSE: Duration = Duration::from_millis(100);

/// When there is no room for a spare, it is looked again this much later.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// After a failure, no spare before this; twice as long after each further one.
const REST: Duration = Duration::from_secs(1);

/// The longest such rest.
const REST_MAX: Duration = Duration::from_mins(1);

/// The spares of one entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spares {
    wanted: u32,
    /// Failures since one was of use: taken by a call, or well to the end of its time.
    failures: u32,
    not_before: Instant,
}

/// The spares of one key.
#[derive(Clone, Debug, Default)]
pub(super) struct KeySpares {
    /// Those being dialled, and those that wait.
    pub(super) held: u32,
    /// Those that wait, the oldest first: as many as the entry has spares at most.
    waiting: VecDeque<Seat>,
}

impl Spares {
    pub(super) const fn new(wanted: u32) -> Self {
        Self {
            wanted,
            failures: 0,
            not_before: Instant::ZERO,
        }
    }
}

impl KeySpares {
    /// How many wait.
    pub(super) fn waiting(&self) -> u32 {
        u32::try_from(self.waiting.len()).unwrap_or(u32::MAX)
    }

    fn leave(&mut self, seat: Seat) {
        self.held = self.held.saturating_sub(1);
        self.waiting.retain(|waiting| *waiting != seat);
    }
}

impl Pool {
    /// Begins the spares that are due.
    pub(super) fn refill(&mut self, now: Instant, news: &mut News) {
        for (provider, _) in self.all_keys() {
            let is_awaited = self.queue.is_awaited(now, Entries::of(provider));
            let Some(endpoint) = self.endpoint_mut(provider) else {
                continue;
            };
            if endpoint.spare_at().is_none_or(|at| now < at) {
                continue;
            }
            let key = endpoint.key_for_spare(now).filter(|_| !is_awaited);
            let pause = if key.is_some() {
                DIAL_PAUSE
            } else {
                LOOK_AGAIN
            };
            endpoint.spares.not_before = now + pause;
            if let Some(key) = key {
                let rung = self.take_seat(now, Whose::Spare, (provider, key), Charge::Spare);
                news.spares.push(rung);
            }
        }
    }

    /// Gives up the seat of the spare that has waited longest, for a call that takes its session; `None`: none waits.
    pub(super) fn hand_over(
        &mut self,
        now: Instant,
        provider: ProviderId,
        key: KeyId,
    ) -> Option<Seat> {
        let endpoint = self.endpoint_mut(provider)?;
        let key = endpoint.keys.get(usize::from(key.0))?;
        let seat = *key.spares.waiting.front()?;
        endpoint.spares.failures = 0;
        self.leave(now, seat);
        Some(seat)
    }

    /// Takes in what a spare reports.
    ///
    /// A spare that cannot be dialled is a failure as any other; one that is lost while it waits is none, unless it says why:
    /// servers end idle sessions, and that must not open the breaker before those who talk.
    pub(super) fn judge_spare(
        &mut self,
        now: Instant,
        seat: Seat,
        of: Occupied,
        report: Report,
        news: &mut News,
    ) {
        let is_waiting = matches!(of.stage, Stage::Ready { .. });
        match report {
            Report::Slow | Report::Answered { .. } | Report::AnswerFailed(_) => {}
            Report::Ready if is_waiting => {}
            Report::Ready => self.on_spare_ready(now, seat, of, news),
            Report::Failed(fault) => {
                self.leave(now, seat);
                if !is_waiting || fault.count() != Count::Once {
                    self.fault(now, of, fault, Sample::SpareFailed, news);
                }
                self.rest_spares(now, of.provider, fault);
            }
            Report::Ended => {
                self.leave(now, seat);
                if let Some(endpoint) = self.endpoint_mut(of.provider) {
                    if is_waiting {
                        endpoint.spares.failures = 0;
                    } else {
                        // It was not even dialled: there is too much to do.
                        endpoint.spares.not_before = now + LOOK_AGAIN;
                    }
                }
            }
        }
    }

    fn on_spare_ready(&mut self, now: Instant, seat: Seat, of: Occupied, news: &mut News) {
        self.set_stage(
            seat,
            Stage::Ready {
                was_slow: false,
                has_answered: false,
            },
        );
        let endpoint = self.endpoint_mut(of.provider);
        if let Some(key) = endpoint.and_then(|of_it| of_it.keys.get_mut(usize::from(of.key.0))) {
            key.spares.waiting.push_back(seat);
        }
        self.sample(now, of.provider, Sample::SpareReady, news);
    }

    /// A seat was given up that was a spare's.
    pub(super) fn leave_spare(&mut self, provider: ProviderId, key: KeyId, seat: Seat) {
        let endpoint = self.endpoint_mut(provider);
        if let Some(key) = endpoint.and_then(|of| of.keys.get_mut(usize::from(key.0))) {
            key.spares.leave(seat);
        }
    }

    /// After a failure no spare is dialled for a while; what concerns one key, its breaker or its rest holds back besides.
    fn rest_spares(&mut self, now: Instant, provider: ProviderId, fault: Fault) {
        let Some(endpoint) = self.endpoints.get_mut(usize::from(provider.0)) else {
            return;
        };
        let spares = &mut endpoint.spares;
        let jitter = Backoff::new(REST, REST_MAX).delay(spares.failures, &mut self.chance);
        let least = Backoff::new(REST, REST_MAX).step(spares.failures) / 2;
        let has_other_keys = fault.scope() == Scope::Key && endpoint.keys.len() > 1;
        let rest = if has_other_keys {
            REST
        } else {
            least + jitter / 2
        };
        spares.failures = spares.failures.saturating_add(1);
        spares.not_before = spares.not_before.max(now + rest);
    }
}

impl Endpoint {
    /// How many spares there are, those being dialled included.
    pub(super) fn spares_held(&self) -> u32 {
        self.keys.iter().map(|key| key.spares.held).sum()
    }

    /// How many of them wait.
    pub(super) fn spares_waiting(&self) -> u32 {
        self.keys.iter().map(|key| key.spares.waiting()).sum()
    }

    /// How many of them a call could take that must not use the barred keys.
    pub(super) fn spares_for(&self, now: Instant, barred: u16) -> u32 {
        (0..)
            .zip(&self.keys)
            .filter(|(place, key)| barred & (1 << place) == 0 && key.is_usable(now))
            .map(|(_, key)| key.spares.waiting())
            .sum()
    }

    /// When it is to be looked whether a spare can be dialled; `None`: none is wanted, or none is to be now.
    pub(super) fn spare_at(&self) -> Option<Instant> {
        let held = self.spares_held();
        let dialling = held - self.spares_waiting();
        let is_due = held < self.spares.wanted
            && dialling < DIALS_AT_ONCE
            && self.breaker.state() == BreakerState::Closed;
        is_due.then_some(self.spares.not_before)
    }

    /// The key for the next spare: the one with the fewest sessions that has more than half of its burst left.
    pub(super) fn key_for_spare(&self, now: Instant) -> Option<KeyId> {
        // One place is left for a call that comes meanwhile.
        if self.bulkhead.free() < 2 {
            return None;
        }
        let keys = (0..).map(KeyId).zip(&self.keys);
        keys.filter(|(_, key)| key.takes_spare(now))
            .min_by_key(|(_, key)| key.sessions)
            .map(|(id, _)| id)
    }
}

impl Key {
    fn takes_spare(&self, now: Instant) -> bool {
        self.breaker.state() == BreakerState::Closed
            && now >= self.rests_until
            && self.throttle.is_over_half(now)
    }
}
