//! Rings: while models are back, at the pace that they allow, at allowed hours, who was not rung yet first, and none twice.

use std::time::Duration;

use crate::core::callback::effect::{Effect, Effects, RingRequest, Seen};
use crate::core::callback::entry::{Looks, MISSED_MAX, Queued, Step};
use crate::core::callback::input::{LookedUp, Models, RingOutcome, RingStatus};
use crate::core::callback::ledger::{At, CallbackLedger, earlier, later};
use crate::core::callback::promise::{End, SendId, SendKind, Stage, Texted, Why};
use crate::core::ids::{CallSid, PromiseId};
use crate::core::time::Utc;

/// After a look-up without an answer or a ring that goes on.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// After a request that was not processed.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// The longest rest that is kept without asking again.
pub(super) const HELD_MAX: Duration = Duration::from_mins(1);

/// When as many numbers that begin alike were rung as may be in an hour, or the money of the day is spent.
const CAPPED_FOR: Duration = Duration::from_mins(10);

/// How long a conversation goes on before it is looked up whether it does.
const CONNECTED_FOR: Duration = Duration::from_mins(30);

/// How much longer than the time-out of a request its outcome is waited for.
const SLACK: Duration = Duration::from_secs(5);

/// The least time between two rings of one caller, whatever they ask for: the call before may still go on somewhere.
const RING_GAP: Duration = Duration::from_mins(6);

/// By how much the carrier's clock may be behind ours.
const CLOCKS_APART: Duration = Duration::from_secs(10);

impl CallbackLedger {
    /// A promise is to be rung from then on.
    pub(super) fn due(
        &mut self,
        id: PromiseId,
        text: Texted,
        from: Utc,
        rings: u8,
        effects: &mut Effects,
    ) {
        self.stand(id, Queued::No);
        self.ringing.remove(&id);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.step = Step::Idle;
        let last = entry.promise.last_act(SendKind::Ring);
        let from = last.map_or(from, |last| from.max(later(last, RING_GAP)));
        if rings >= self.settings.rings_max {
            entry.promise.stage = Stage::Due { text, from, rings };
            self.end(id, End::GaveUp(Why::Unanswered), effects);
        } else {
            entry.promise.stage = Stage::Due { text, from, rings };
            self.save(id, effects);
        }
    }

    /// It is this promise's turn.
    pub(super) fn start_ring(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        self.stand(id, Queued::No);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let Stage::Due { text, rings, .. } = entry.promise.stage else {
            return;
        };
        let to = entry.promise.to;
        let first = entry.promise.hours.next(entry.off_line(at.now, at.utc));
        if first != Some(at.utc) {
            // Its hour has passed while models were out, or they have called again.
            self.stand(id, first.map_or(Queued::No, Queued::Ring));
        } else if let Err(cap) = self.caps.admits(at.utc, SendKind::Ring, to) {
            effects.observe(Seen::Waits(cap));
            self.stand(id, Queued::Ring(later(at.utc, CAPPED_FOR)));
        } else {
            if let Models::Back { ring_every, .. } = self.models {
                self.ring_free_at = at.now + ring_every;
            }
            self.caps.act(at.utc, SendKind::Ring, to);
            self.ringing.insert(id);
            entry.promise.acted(SendKind::Ring, at.utc);
            entry.step = Step::Noted;
            entry.promise.stage = Stage::Ringing {
                text,
                rings: rings + 1,
                call: None,
            };
            self.save(id, effects);
        }
    }

    /// It is kept that the ring is about to be requested.
    pub(super) fn request_ring(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        let may_ring = self.clock.is_sane() && matches!(self.models, Models::Back { .. });
        let until = at.now + self.settings.request_timeout + SLACK;
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let Stage::Ringing { text, rings, .. } = entry.promise.stage else {
            return;
        };
        let is_fresh = entry.promise.is_fresh(SendKind::Ring, at.utc);
        let is_on_line = at.now < entry.on_line_until;
        let wished = entry.promise.not_before;
        let is_early = wished.is_some_and(|wished| at.utc < wished);
        let is_timely = is_fresh && !is_early && entry.promise.hours.allow(at.utc);
        if !may_ring || !is_timely || is_on_line {
            self.unrequested(id);
            self.due(id, text, at.utc, rings - 1, effects);
            return;
        }
        entry.step = Step::Out { until };
        let promise = &entry.promise;
        effects.push(Effect::Ring(RingRequest {
            send: SendId::ring(id, rings),
            call: promise.call,
            to: promise.to,
            called: promise.called,
            language: promise.language.clone(),
        }));
        effects.observe(Seen::Requested(SendKind::Ring));
        self.alarm(until, id);
    }

    pub(super) fn on_rung(
        &mut self,
        at: At,
        send: SendId,
        outcome: RingOutcome,
        effects: &mut Effects,
    ) {
        let Some((id, text, rings)) = self.rung(send) else {
            if let RingOutcome::Accepted(call) = outcome {
                self.on_stray_ring(send, call, effects);
            }
            return;
        };
        match outcome {
            RingOutcome::Accepted(call) => {
                self.on_ring_status(at, send, call, RingStatus::Ringing, effects);
            }
            RingOutcome::NotRung => {
                self.unrequested(id);
                self.end(id, End::GaveUp(Why::NotRung), effects);
            }
            RingOutcome::Later | RingOutcome::NotSent => {
                self.unrequested(id);
                let from = later(at.utc, ASK_AGAIN);
                self.due(id, text, from, rings - 1, effects);
            }
            RingOutcome::Held(rest) => {
                self.unrequested(id);
                // It keeps its place, and nobody else is tried in vain meanwhile.
                self.ring_free_at = self.ring_free_at.max(at.now + rest.min(HELD_MAX));
                self.due(id, text, at.utc, rings - 1, effects);
            }
            RingOutcome::Unknown => self.ring_unknown(at, id, effects),
        }
    }

    /// Something is to be done about a ring or a conversation.
    pub(super) fn on_ring_alarm(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        let until = at.now + self.settings.request_timeout + SLACK;
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let (rings, call) = match entry.promise.stage {
            Stage::Ringing { rings, call, .. } => (rings, call),
            Stage::Connected { rings, call, .. } => (rings, Some(call)),
            Stage::Promised { .. }
            | Stage::Texting { .. }
            | Stage::Asked { .. }
            | Stage::Due { .. }
            | Stage::Ended(_) => return,
        };
        let looks = match entry.step {
            Step::Out { .. } => return self.ring_unknown(at, id, effects),
            Step::Unknown { looks, .. } => looks,
            Step::Placed { .. } => Looks::default(),
            Step::Looking { looks, .. } => {
                return self.ring_not_told(at, id, looks, LOOK_AGAIN, effects);
            }
            Step::Idle | Step::Noted => return,
        };
        entry.step = Step::Looking { until, looks };
        let since = entry.promise.last_act(SendKind::Ring);
        effects.push(Effect::LookUpRing {
            send: SendId::ring(id, rings),
            to: entry.promise.to,
            call,
            since: earlier(since.unwrap_or(entry.promise.promised), CLOCKS_APART),
        });
        self.alarm(until, id);
    }

    pub(super) fn on_ring_looked_up(
        &mut self,
        at: At,
        send: SendId,
        found: LookedUp<(CallSid, RingStatus)>,
        effects: &mut Effects,
    ) {
        let Some(id) = self.by_send.get(&send).copied() else {
            return;
        };
        let Some(looks) = self.looking(id) else {
            return;
        };
        match found {
            LookedUp::Found((call, status)) => {
                effects.observe(Seen::Found(SendKind::Ring));
                self.look_again(at, id, Looks::default(), LOOK_AGAIN);
                self.on_ring_status(at, send, call, status, effects);
            }
            // Without an answer nothing is rung again, until there is one or the promise ends.
            LookedUp::Unavailable => self.ring_not_told(at, id, looks, LOOK_AGAIN, effects),
            LookedUp::NotAsked(rest) => self.look_later(at, id, looks, rest),
            LookedUp::NotFound if looks.missed + 1 < MISSED_MAX => {
                let missed = looks.missed + 1;
                let wait = self.settings.list_lag;
                self.look_again(at, id, Looks { missed, ..looks }, wait);
            }
            LookedUp::NotFound => self.on_ring_lost(at, id, effects),
        }
    }

    /// A look-up had no answer. Whoever it was about holds up nobody meanwhile.
    fn ring_not_told(
        &mut self,
        at: At,
        id: PromiseId,
        looks: Looks,
        after: Duration,
        effects: &mut Effects,
    ) {
        effects.observe(Seen::LookUpFailed(SendKind::Ring));
        self.ringing.remove(&id);
        self.look_again(at, id, looks, after);
    }

    pub(super) fn on_ring_status(
        &mut self,
        at: At,
        send: SendId,
        call: CallSid,
        status: RingStatus,
        effects: &mut Effects,
    ) {
        let Some(entry) = self
            .by_send
            .get(&send)
            .and_then(|id| self.entries.get_mut(id))
        else {
            effects.observe(Seen::Stranger);
            // Before all is restored it may be anybody's.
            if status == RingStatus::Ringing && self.is_ready {
                effects.push(Effect::CancelRing(call));
            }
            return;
        };
        let id = entry.promise.id;
        let is_of = |rings: u8| SendId::ring(id, rings) == send;
        match entry.promise.stage {
            Stage::Ringing {
                text,
                rings,
                call: known,
            } if is_of(rings) && entry.step.is_made() => {
                if known.is_some_and(|known| known != call) {
                    effects.observe(Seen::Double(SendKind::Ring));
                    return;
                }
                match status {
                    RingStatus::Ringing => self.ring_goes_on(at, id, call, effects),
                    RingStatus::Person => self.connected(at, id, (text, rings, call), effects),
                    RingStatus::Machine | RingStatus::Nobody | RingStatus::Completed => {
                        hang_up_on(status, call, effects);
                        let from = later(at.utc, self.settings.ring_again_after);
                        self.due(id, text, from, rings, effects);
                    }
                }
            }
            Stage::Connected { text, rings, .. } if is_of(rings) => match status {
                RingStatus::Completed => self.end(id, End::Done, effects),
                RingStatus::Machine => {
                    hang_up_on(status, call, effects);
                    let from = later(at.utc, self.settings.ring_again_after);
                    self.due(id, text, from, rings, effects);
                }
                // Late: a person has answered since.
                RingStatus::Ringing | RingStatus::Person | RingStatus::Nobody => {}
            },
            // That a person has answered came after the end of the call, and once.
            Stage::Due { text, rings, .. } if is_of(rings) && status == RingStatus::Person => {
                if entry.answered != Some(send) {
                    self.connected(at, id, (text, rings, call), effects);
                }
            }
            // Of an earlier ring, or of one that was not requested.
            Stage::Ringing { .. }
            | Stage::Connected { .. }
            | Stage::Due { .. }
            | Stage::Promised { .. }
            | Stage::Texting { .. }
            | Stage::Asked { .. }
            | Stage::Ended(_) => effects.observe(Seen::Stranger),
        }
    }

    fn ring_goes_on(&mut self, at: At, id: PromiseId, call: CallSid, effects: &mut Effects) {
        let look_at = at.now + self.settings.ring_timeout;
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.step = Step::Placed { look_at };
        if let Stage::Ringing { call: known, .. } = &mut entry.promise.stage
            && known.is_none()
        {
            *known = Some(call);
            self.save(id, effects);
        }
        self.alarm(look_at, id);
    }

    fn connected(
        &mut self,
        at: At,
        id: PromiseId,
        (text, rings, call): (Texted, u8, CallSid),
        effects: &mut Effects,
    ) {
        self.stand(id, Queued::No);
        self.ringing.remove(&id);
        let look_at = at.now + CONNECTED_FOR;
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.answered = Some(SendId::ring(id, rings));
            entry.step = Step::Placed { look_at };
            entry.promise.stage = Stage::Connected { text, rings, call };
            self.alarm(look_at, id);
            self.save(id, effects);
        }
    }

    /// A ring is twice not in the list: it was not taken on, cost nothing, and nobody has failed to pick up. Should it ring after all, it is
    /// over before the next one. A conversation that is not in the list is over.
    fn on_ring_lost(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        match entry.promise.stage {
            Stage::Ringing { text, rings, .. } => {
                effects.observe(Seen::Lost(SendKind::Ring));
                self.unrequested(id);
                self.due(id, text, later(at.utc, RING_GAP), rings - 1, effects);
            }
            Stage::Connected { .. } => self.end(id, End::Done, effects),
            Stage::Promised { .. }
            | Stage::Texting { .. }
            | Stage::Asked { .. }
            | Stage::Due { .. }
            | Stage::Ended(_) => {}
        }
    }

    fn ring_unknown(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        let look_at = self.look_at(at);
        // It holds up nobody while it is not known whether it rings.
        self.ringing.remove(&id);
        if let Some(entry) = self.entries.get_mut(&id) {
            let looks = Looks::default();
            entry.step = Step::Unknown { look_at, looks };
            effects.observe(Seen::Unknown(SendKind::Ring));
            self.alarm(look_at, id);
        }
    }

    /// A ring that nobody stands behind: its promise has ended meanwhile, or was given up for lost.
    fn on_stray_ring(&self, send: SendId, call: CallSid, effects: &mut Effects) {
        effects.observe(Seen::Stranger);
        let entry = self.by_send.get(&send).and_then(|id| self.entries.get(id));
        let is_over = entry.is_none_or(|entry| !entry.promise.stage.is_open());
        if is_over {
            effects.push(Effect::CancelRing(call));
        }
    }

    /// The promise whose ring this is, if it was requested and goes on as far as is known.
    fn rung(&self, send: SendId) -> Option<(PromiseId, Texted, u8)> {
        let id = *self.by_send.get(&send)?;
        let entry = self.entries.get(&id)?;
        match entry.promise.stage {
            Stage::Ringing { text, rings, .. }
                if SendId::ring(id, rings) == send && entry.step.is_made() =>
            {
                Some((id, text, rings))
            }
            Stage::Ringing { .. }
            | Stage::Promised { .. }
            | Stage::Texting { .. }
            | Stage::Asked { .. }
            | Stage::Due { .. }
            | Stage::Connected { .. }
            | Stage::Ended(_) => None,
        }
    }
}

/// A machine is left alone: nothing is said to it.
fn hang_up_on(status: RingStatus, call: CallSid, effects: &mut Effects) {
    if status == RingStatus::Machine {
        effects.push(Effect::CancelRing(call));
    }
}
