//! Admission: the walk down the ladder, and what a request does when no rung takes it.

use std::time::Duration;

use crate::core::ids::{KeyId, ProviderId, Tier};
use crate::core::pool::Pool;
use crate::core::pool::admission::{Admission, Charge, Rung, Why};
use crate::core::pool::backoff::Backoff;
use crate::core::pool::endpoint::{Gate, Pass};
use crate::core::pool::ladder::{Draw, Entries, Fit, Question, fit, is_picked};
use crate::core::pool::policy::Share;
use crate::core::pool::request::{Request, Urgency};
use crate::core::pool::seats::{Occupied, Stage, Whose};
use crate::core::time::Instant;

/// Who waits asks at least this often: others may have gone, or come.
const ASK_AGAIN_MAX: Duration = Duration::from_millis(250);

/// Nobody is told to ask again sooner.
const ASK_AGAIN_MIN: Duration = Duration::from_millis(1);

/// What the walk found.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    entry: Option<(ProviderId, KeyId)>,
    /// They would take it, if there were a start or a session left.
    throttled: Entries,
    full: Entries,
    /// The earliest start among the throttled.
    start_at: Option<Instant>,
    /// When the first that rests is back.
    rested_at: Option<Instant>,
    /// Only one in its slow start would take it, and it can wait.
    is_slow_start: bool,
}

impl Found {
    fn note(&mut self, provider: ProviderId, gate: Gate) {
        let earlier = |a: Option<Instant>, b: Instant| Some(a.map_or(b, |a| a.min(b)));
        match gate {
            Gate::Pass(_) | Gate::Shut => {}
            Gate::Throttled(at) => {
                self.throttled.add(Entries::of(provider));
                self.start_at = earlier(self.start_at, at);
            }
            Gate::Resting(until) => self.rested_at = earlier(self.rested_at, until),
            Gate::Full => self.full.add(Entries::of(provider)),
        }
    }

    const fn why(&self) -> Why {
        if !self.full.is_empty() {
            Why::Full
        } else if self.rested_at.is_some() {
            Why::Resting
        } else if self.is_slow_start {
            Why::SlowStart
        } else {
            Why::Open
        }
    }
}

impl Pool {
    pub(super) fn answer(&mut self, now: Instant, request: &mut Request) -> Admission {
        if let Some(why) = self.refusal(request) {
            return self.refuse(request, why);
        }
        let mut found = self.survey(now, request, None);
        if let Some(entry) = found.entry {
            let charge = request.charge(entry.0);
            return match self.settle(now, request, charge) {
                Some(charge) => self.dial(now, request, entry, charge),
                None => self.refuse(request, Why::BudgetSpent),
            };
        }
        self.redial(now, request, &mut found)
            .unwrap_or_else(|| self.wait(now, request, &found))
    }

    pub(super) fn second(
        &mut self,
        now: Instant,
        request: &mut Request,
        first: &Rung,
    ) -> Option<Rung> {
        let hedge_after = first.hedge_after?;
        let dialled = self.seats.get_mut(first.seat)?;
        let is_late = now >= dialled.dialled_at + hedge_after;
        let is_dialling = matches!(dialled.stage, Stage::Dialling { .. });
        let is_due = is_late && is_dialling && self.refusal(request).is_none();
        if !is_due || !self.hedges.has_any() || !self.fleet.has_any(now) {
            return None;
        }
        let entry = self.survey(now, request, Some(first.provider)).entry?;
        self.hedges.spend();
        self.fleet.spend();
        request.on_dial(entry.0, Charge::Hedge);
        Some(self.take_seat(now, Whose::Call(request.tenant()), entry, Charge::Hedge))
    }

    /// What stands against the request whatever the rung.
    fn refusal(&self, request: &Request) -> Option<Why> {
        let Some(tenant) = self.tenants.get(usize::from(request.tenant().0)) else {
            return Some(Why::UnknownTenant);
        };
        // A live call moves its session; to refuse it would hang up on a caller whom the tenant was allowed.
        if request.urgency() < Urgency::Live && tenant.free() == 0 {
            return Some(Why::TenantFull);
        }
        request.is_tried_out().then_some(Why::TriedOut)
    }

    fn refuse(&mut self, request: &mut Request, why: Why) -> Admission {
        self.queue.leave(request);
        self.tally.on_refused();
        Admission::Nothing(why)
    }

    /// Walks down the ladder to the first rung that takes the request and has not failed it.
    fn survey(&self, now: Instant, request: &Request, except: Option<ProviderId>) -> Found {
        let mut found = Found::default();
        if request.urgency() == Urgency::New && request.is_first() {
            found.entry = self.canary(now, request);
        }
        let mut second_choice = None;
        for wanted in [Fit::Preferred, Fit::Usual, Fit::Avoided] {
            for (tier, entries) in self.ladder.tiers() {
                if found.entry.is_some() {
                    return found;
                }
                let draw = self.draw(now, request, entries, (wanted, except), &mut found);
                let question = Question::SlowStart(*tier);
                if draw.permille >= 1_000 || is_picked(request.call(), question, draw.permille) {
                    found.entry = draw.chosen;
                } else {
                    second_choice = second_choice.or(draw.chosen);
                }
            }
        }
        // Nobody else takes the rest of a slow start: then it refuses no caller.
        if found.entry.is_none() && request.urgency() == Urgency::RingBack {
            found.is_slow_start = second_choice.is_some();
        } else {
            found.entry = found.entry.or(second_choice);
        }
        found
    }

    /// Draws one of the entries of a tier that take the request now.
    fn draw(
        &self,
        now: Instant,
        request: &Request,
        entries: &[ProviderId],
        (wanted, except): (Fit, Option<ProviderId>),
        found: &mut Found,
    ) -> Draw {
        let mut draw = Draw::default();
        for &provider in entries {
            if except == Some(provider)
                || !request.is_fresh(provider)
                || self.fit(request, provider) != wanted
            {
                continue;
            }
            match self.gate(now, request, provider, Pass::Usual) {
                Gate::Pass(key) => {
                    let permille = self.permille(now, provider);
                    draw.offer(
                        request.call(),
                        (provider, key),
                        self.share(provider),
                        permille,
                    );
                }
                gate @ (Gate::Throttled(_) | Gate::Resting(_) | Gate::Full | Gate::Shut) => {
                    found.note(provider, gate);
                }
            }
        }
        draw
    }

    /// The canary that this call goes to, if it is well.
    fn canary(&self, now: Instant, request: &Request) -> Option<(ProviderId, KeyId)> {
        self.ladder.canaries().iter().find_map(|&provider| {
            let Share::Canary(permille) = self.share(provider) else {
                return None;
            };
            let is_its = is_picked(request.call(), Question::Canary(provider), permille.into());
            let gate = is_its.then(|| self.gate(now, request, provider, Pass::Usual))?;
            match gate {
                Gate::Pass(key) => Some((provider, key)),
                Gate::Throttled(_) | Gate::Resting(_) | Gate::Full | Gate::Shut => None,
            }
        })
    }

    /// Dials again where it failed, if there is nowhere else: at once, or after a wait that is paid for.
    fn redial(
        &mut self,
        now: Instant,
        request: &mut Request,
        found: &mut Found,
    ) -> Option<Admission> {
        let soon = now + self.policy.retry.spread;
        let is_seated_soon = found.start_at.is_some_and(|at| at <= soon);
        // A start elsewhere is worth a wait: a live call's first redial is the only one that goes before it.
        if !found.throttled.is_empty() && (is_seated_soon || !request.has_reserve()) {
            return None;
        }
        let is_alone = found.throttled.is_empty();
        let mut charge = None;
        let mut entry = self.same_again(now, request, found);
        if let Some((provider, _)) = entry {
            charge = self.settle(now, request, request.charge(provider));
        } else if is_alone {
            entry = self.last_resort(now, request, found);
            // Only the reserve opens what is shut.
            charge = self
                .settle(now, request, Charge::Reserve)
                .filter(|charge| *charge == Charge::Reserve);
        }
        let entry = entry?;
        let Some(charge) = charge else {
            return Some(self.refuse(request, Why::BudgetSpent));
        };
        let wait = self.wait_for_redial(now, request, entry.0);
        Some(wait.unwrap_or_else(|| self.dial(now, request, entry, charge)))
    }

    /// Of the entries that failed this call and may be dialled again the one that failed it least, and of those the first in order:
    /// who insists on one that is dead never learns that another is well.
    fn same_again(
        &self,
        now: Instant,
        request: &Request,
        found: &mut Found,
    ) -> Option<(ProviderId, KeyId)> {
        let entries = self.ladder.tiers().iter().flat_map(|(_, entries)| entries);
        let mut best: Option<(usize, (ProviderId, KeyId))> = None;
        for &provider in entries.chain(self.ladder.canaries()) {
            if request.is_fresh(provider) || !request.may_redial(provider) {
                continue;
            }
            match self.gate(now, request, provider, Pass::Usual) {
                Gate::Pass(key) => {
                    let failures = request.failures(provider);
                    if best.is_none_or(|(least, _)| failures < least) {
                        best = Some((failures, (provider, key)));
                    }
                }
                gate @ (Gate::Throttled(_) | Gate::Resting(_) | Gate::Full | Gate::Shut) => {
                    found.note(provider, gate);
                }
            }
        }
        best.map(|(_, entry)| entry)
    }

    /// The one dial that an open breaker lets through: a live call that lost its session there and has no other rung.
    fn last_resort(
        &self,
        now: Instant,
        request: &Request,
        found: &mut Found,
    ) -> Option<(ProviderId, KeyId)> {
        let home = request.last_resort()?;
        match self.gate(now, request, home, Pass::LastResort) {
            Gate::Pass(key) => Some((home, key)),
            gate @ (Gate::Throttled(_) | Gate::Resting(_) | Gate::Full | Gate::Shut) => {
                found.note(home, gate);
                None
            }
        }
    }

    /// The wait before a redial: spread for those who were lost together, else by backoff. `None`: it is over.
    fn wait_for_redial(
        &mut self,
        now: Instant,
        request: &mut Request,
        provider: ProviderId,
    ) -> Option<Admission> {
        let retry = self.policy.retry;
        let until = if let Some(at) = request.redial_at() {
            at
        } else {
            let wait = if request.has_reserve() {
                let endpoint = self.endpoint(provider);
                let spread = endpoint.map(|endpoint| endpoint.crowd.spread(retry.spread));
                self.chance.up_to(spread.unwrap_or(retry.spread))
            } else {
                Backoff::new(retry.backoff, retry.backoff_max)
                    .delay(request.redials(), &mut self.chance)
            };
            if !request.budget.spend(wait, &retry) {
                return Some(self.refuse(request, Why::BudgetSpent));
            }
            request.set_redial_at(now + wait);
            now + wait
        };
        (now < until).then(|| {
            self.queue.leave(request);
            Admission::Wait { until }
        })
    }

    /// Waits for a start, a session or a rest's end; or there is nothing.
    fn wait(&mut self, now: Instant, request: &mut Request, found: &Found) -> Admission {
        if !found.throttled.is_empty() {
            let at = found.start_at.unwrap_or(now);
            return self.stand_in_line(now, request, found.throttled, at);
        }
        if let Some(until) = found.rested_at
            && self.pay_for_rest(now, request, until)
        {
            self.queue.leave(request);
            return Admission::Wait { until };
        }
        if !found.full.is_empty() && request.urgency() == Urgency::Live {
            return self.stand_in_line(now, request, found.full, now + ASK_AGAIN_MAX);
        }
        self.refuse(request, found.why())
    }

    fn stand_in_line(
        &mut self,
        now: Instant,
        request: &mut Request,
        wants: Entries,
        at: Instant,
    ) -> Admission {
        let until = at.max(now + ASK_AGAIN_MIN).min(now + ASK_AGAIN_MAX);
        if self.queue.join(now, request, wants, until) {
            Admission::Wait { until }
        } else {
            self.refuse(request, Why::Crowded)
        }
    }

    /// Pays for the wait until a key has rested; what was paid for before is not paid again.
    fn pay_for_rest(&mut self, now: Instant, request: &mut Request, until: Instant) -> bool {
        let from = request.waits_until().unwrap_or(now).max(now);
        let is_paid = request.budget.spend(until.since(from), &self.policy.retry);
        if is_paid {
            request.set_waits_until(until);
        }
        is_paid
    }

    /// What a dial is paid from, if there is anything left; nothing is taken yet. The fleet's budget and the reserve stand in
    /// for each other: as long as one has something, no live call is given up for the other.
    fn settle(&mut self, now: Instant, request: &Request, charge: Charge) -> Option<Charge> {
        match charge {
            Charge::First
            | Charge::Rotation
            | Charge::Move
            | Charge::Probe
            | Charge::Spare
            | Charge::Rendering
            | Charge::Transcription => Some(charge),
            Charge::Reserve if self.has_reserve(now, request) => Some(Charge::Reserve),
            Charge::Reserve | Charge::Extra | Charge::Hedge if self.fleet.has_any(now) => {
                Some(Charge::Extra)
            }
            Charge::Extra if self.has_reserve(now, request) => Some(Charge::Reserve),
            Charge::Reserve | Charge::Extra | Charge::Hedge => None,
        }
    }

    fn has_reserve(&mut self, now: Instant, request: &Request) -> bool {
        request.has_reserve() && self.reserve.left(now, self.live) > 0
    }

    /// Pays for a dial, from what was [settled](Self::settle), and makes it.
    fn dial(
        &mut self,
        now: Instant,
        request: &mut Request,
        entry: (ProviderId, KeyId),
        charge: Charge,
    ) -> Admission {
        match charge {
            Charge::First => self.fleet.earn(),
            Charge::Reserve => self.reserve.draw(),
            Charge::Extra | Charge::Hedge => self.fleet.spend(),
            Charge::Rotation
            | Charge::Move
            | Charge::Probe
            | Charge::Spare
            | Charge::Rendering
            | Charge::Transcription => {}
        }
        self.queue.leave(request);
        self.hedges.earn(self.policy.hedge.percent);
        request.on_dial(entry.0, charge);
        Admission::Dial(self.take_seat(now, Whose::Call(request.tenant()), entry, charge))
    }

    /// Books a session: in the bulkheads, at the throttle, among the seats.
    pub(super) fn take_seat(
        &mut self,
        now: Instant,
        whose: Whose,
        (provider, key): (ProviderId, KeyId),
        charge: Charge,
    ) -> Rung {
        let spare = match whose {
            Whose::Call(_) => self.hand_over(now, provider, key),
            Whose::Probe | Whose::Spare | Whose::Errand => None,
        };
        let endpoint = self
            .endpoints
            .get_mut(usize::from(provider.0))
            .expect("the ladder names entries of the policy");
        endpoint.bulkhead.enter();
        if let Some(key) = endpoint.keys.get_mut(usize::from(key.0)) {
            key.sessions += 1;
            key.spares.held += u32::from(whose == Whose::Spare);
            if spare.is_none() {
                key.throttle.take(now);
            }
        }
        let hedge_after = match whose {
            Whose::Call(tenant) => {
                if let Some(tenant) = self.tenants.get_mut(usize::from(tenant.0)) {
                    tenant.enter();
                }
                endpoint.hedge_after(&self.policy.hedge)
            }
            Whose::Probe | Whose::Spare | Whose::Errand => None,
        };
        self.tally.on_dial(charge);
        let seat = self.seats.take(Occupied {
            provider,
            key,
            whose,
            is_warm: spare.is_some(),
            dialled_at: now,
            stage: Stage::Dialling { was_slow: false },
        });
        Rung {
            seat,
            provider,
            key,
            tier: self.tier(provider),
            charge,
            spare,
            hedge_after,
        }
    }

    fn gate(&self, now: Instant, request: &Request, provider: ProviderId, pass: Pass) -> Gate {
        let ahead = self.queue.ahead(now, request, Entries::of(provider));
        let barred = request.barred_keys(provider);
        self.endpoint(provider).map_or(Gate::Shut, |endpoint| {
            endpoint.gate(now, barred, ahead, pass)
        })
    }

    fn fit(&self, request: &Request, provider: ProviderId) -> Fit {
        let median = |id: ProviderId| self.endpoint(id)?.answers.quantiles().map(|of| of.p50);
        let is_faster = |one, other| match (median(one), median(other)) {
            (Some(one), Some(other)) => one < other,
            (None, _) | (_, None) => false,
        };
        fit(&self.policy.providers, request, provider, is_faster)
    }

    fn permille(&self, now: Instant, provider: ProviderId) -> u32 {
        self.endpoint(provider)
            .map_or(0, |endpoint| endpoint.permille(now))
    }

    fn share(&self, provider: ProviderId) -> Share {
        let policy = self.policy.providers.get(usize::from(provider.0));
        policy.map_or(Share::Canary(0), |policy| policy.share)
    }

    fn tier(&self, provider: ProviderId) -> Tier {
        let policy = self.policy.providers.get(usize::from(provider.0));
        policy.map_or(Tier(u8::MAX), |policy| policy.tier)
    }
}
