//! Texts: at the pace of the throttle, in the order of the promises, and none twice.
//!
//! The carrier knows no repeated request from a new one. So a text of which it is not known whether it was taken on is looked
//! for in the carrier's list, late enough to be there; only if it is twice not there it is requested again, and if the list
//! cannot be had, never.

use std::time::Duration;

use crate::core::callback::effect::{Effect, Effects, Seen, TextRequest};
use crate::core::callback::entry::{Entry, Looks, MISSED_MAX, Queued, Step};
use crate::core::callback::input::{LookedUp, Models, TextOutcome, TextRefusal, TextStatus};
use crate::core::callback::ledger::{At, CallbackLedger, later};
use crate::core::callback::promise::{End, SendId, SendKind, Stage, Texted, Why};
use crate::core::callback::ringing::HELD_MAX;
use crate::core::ids::{MessageSid, PromiseId};

/// After a look-up without an answer, and after a request that was not processed.
const AGAIN: Duration = Duration::from_secs(30);

/// How long it takes at least until the carrier is asked what it could not be asked.
const NOT_ASKED_MIN: Duration = Duration::from_millis(200);

/// When as many texts went to numbers that begin alike as may in an hour, or the money of the day is spent.
const CAPPED_FOR: Duration = Duration::from_mins(1);

/// How much longer than the time-out of a request its outcome is waited for.
const SLACK: Duration = Duration::from_secs(5);

impl CallbackLedger {
    /// It is this promise's turn.
    pub(super) fn start_text(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        self.stand(id, Queued::No);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let Stage::Promised { tries } = entry.promise.stage else {
            return;
        };
        let to = entry.promise.to;
        if !self.is_text_in_time(at, id) {
            self.settle_text(at, id, Texted::Not, effects);
        } else if self.is_rung_rather(at, id) {
            let text = if tries == 0 {
                Texted::Not
            } else {
                Texted::Unknown
            };
            self.settle_text(at, id, text, effects);
        } else if tries >= self.settings.text_tries_max {
            self.settle_text(at, id, Texted::Unknown, effects);
        } else if let Err(cap) = self.caps.admits(at.utc, SendKind::Text, to) {
            effects.observe(Seen::Waits(cap));
            self.text_later(at, id, CAPPED_FOR);
            self.stand(id, Queued::Text(at.now + CAPPED_FOR));
        } else {
            self.text_free_at = at.now + self.settings.text_every;
            self.caps.act(at.utc, SendKind::Text, to);
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.promise.acted(SendKind::Text, at.utc);
                entry.promise.stage = Stage::Texting { tries: tries + 1 };
                entry.step = Step::Noted;
            }
            self.save(id, effects);
        }
    }

    /// It is kept that the text is about to be requested.
    pub(super) fn request_text(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        let is_in_time = self.clock.is_sane() && self.is_text_in_time(at, id);
        let until = at.now + self.settings.request_timeout + SLACK;
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let Stage::Texting { tries } = entry.promise.stage else {
            return;
        };
        if !is_in_time || !entry.promise.is_fresh(SendKind::Text, at.utc) {
            self.unrequested(id);
            self.back_to_line(id, tries - 1, effects);
            return;
        }
        entry.step = Step::Out { until };
        let promise = &entry.promise;
        effects.push(Effect::Text(TextRequest {
            send: SendId::text(id),
            to: promise.to,
            called: promise.called,
            language: promise.language.clone(),
            asks: promise.needs_yes(),
        }));
        effects.observe(Seen::Requested(SendKind::Text));
        self.alarm(until, id);
    }

    pub(super) fn on_texted(
        &mut self,
        at: At,
        send: SendId,
        outcome: TextOutcome,
        effects: &mut Effects,
    ) {
        let Some(id) = self.texting(send) else {
            if let TextOutcome::Accepted(message) = outcome {
                self.on_text_status(at, send, message, TextStatus::Sent, effects);
            }
            return;
        };
        match outcome {
            TextOutcome::Accepted(message) => {
                self.settle_text(at, id, Texted::Sent(message), effects);
            }
            TextOutcome::Unknown => self.text_unknown(at, id, effects),
            TextOutcome::Held(rest) => {
                self.unrequested(id);
                // It keeps its place, and no other is tried in vain meanwhile.
                self.text_free_at = self.text_free_at.max(at.now + rest.min(HELD_MAX));
                let tries = self.tries(id).saturating_sub(1);
                self.back_to_line(id, tries, effects);
            }
            TextOutcome::NotSent | TextOutcome::Refused(TextRefusal::Later) => {
                self.unrequested(id);
                self.text_later(at, id, AGAIN);
                let tries = self.tries(id).saturating_sub(1);
                self.back_to_line(id, tries, effects);
            }
            TextOutcome::Refused(TextRefusal::NotTextable) => {
                self.unrequested(id);
                self.settle_text(at, id, Texted::Not, effects);
            }
            TextOutcome::Refused(TextRefusal::Ours) => {
                effects.observe(Seen::Refused(SendKind::Text));
                self.unrequested(id);
                self.settle_text(at, id, Texted::Not, effects);
            }
            TextOutcome::Refused(TextRefusal::OptedOut) => {
                self.unrequested(id);
                self.carrier_says_stop(at, id, effects);
            }
        }
    }

    /// Something is to be done about a text that is under way.
    pub(super) fn on_text_alarm(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        let until = at.now + self.settings.request_timeout + SLACK;
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        match entry.step {
            Step::Out { .. } => self.text_unknown(at, id, effects),
            Step::Unknown { looks, .. } => {
                entry.step = Step::Looking { until, looks };
                effects.push(Effect::LookUpText {
                    send: SendId::text(id),
                    to: entry.promise.to,
                });
                self.alarm(until, id);
            }
            Step::Looking { looks, .. } => self.text_not_told(at, id, looks, effects),
            Step::Idle | Step::Noted | Step::Placed { .. } => {}
        }
    }

    pub(super) fn on_text_looked_up(
        &mut self,
        at: At,
        send: SendId,
        found: LookedUp<(MessageSid, TextStatus)>,
        effects: &mut Effects,
    ) {
        if let LookedUp::Found((message, status)) = found {
            effects.observe(Seen::Found(SendKind::Text));
            self.on_text_status(at, send, message, status, effects);
            return;
        }
        let Some((id, looks)) = self
            .texting(send)
            .and_then(|id| Some((id, self.looking(id)?)))
        else {
            return;
        };
        match found {
            LookedUp::Unavailable => return self.text_not_told(at, id, looks, effects),
            LookedUp::NotAsked(rest) => return self.look_later(at, id, looks, rest),
            LookedUp::Found(_) | LookedUp::NotFound => {}
        }
        let missed = looks.missed + 1;
        if missed >= MISSED_MAX {
            effects.observe(Seen::Lost(SendKind::Text));
            let tries = self.tries(id);
            self.text_later(at, id, Duration::ZERO);
            self.back_to_line(id, tries, effects);
        } else {
            let wait = self.settings.list_lag;
            self.look_again(at, id, Looks { missed, ..looks }, wait);
        }
    }

    pub(super) fn on_text_status(
        &mut self,
        at: At,
        send: SendId,
        message: MessageSid,
        status: TextStatus,
        effects: &mut Effects,
    ) {
        let Some(id) = self
            .by_send
            .get(&send)
            .copied()
            .filter(|id| SendId::text(*id) == send)
        else {
            effects.observe(Seen::Stranger);
            return;
        };
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        match entry.promise.stage {
            // It was given up for lost, and is there.
            Stage::Promised { tries } if tries > 0 => {
                self.settle_text(at, id, Texted::Sent(message), effects);
            }
            Stage::Texting { .. } if entry.step.is_made() => {
                self.settle_text(at, id, Texted::Sent(message), effects);
            }
            // The same, and it was about to be requested again.
            Stage::Texting { tries } if tries > 1 => {
                self.unrequested(id);
                self.settle_text(at, id, Texted::Sent(message), effects);
            }
            Stage::Promised { .. } | Stage::Texting { .. } | Stage::Ended(_) => {
                effects.observe(Seen::Stranger);
                return;
            }
            Stage::Asked { text }
            | Stage::Due { text, .. }
            | Stage::Ringing { text, .. }
            | Stage::Connected { text, .. } => {
                if text.message().is_some_and(|known| known != message) {
                    effects.observe(Seen::Double(SendKind::Text));
                    return;
                }
            }
        }
        self.text_goes_on(at, id, message, status, effects);
    }

    fn text_goes_on(
        &mut self,
        at: At,
        id: PromiseId,
        message: MessageSid,
        status: TextStatus,
        effects: &mut Effects,
    ) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let Some(text) = entry.promise.stage.text_mut() else {
            return;
        };
        let was = *text;
        // Receipts come in any order: what was delivered stays so.
        *text = match (was, status) {
            (_, TextStatus::Delivered) | (Texted::Delivered(_), _) => Texted::Delivered(message),
            (_, TextStatus::Failed) | (Texted::Failed(_), _) => Texted::Failed(message),
            (_, TextStatus::Sent | TextStatus::OptedOut) => Texted::Sent(message),
        };
        let has_changed = *text != was;
        let is_failed = matches!(*text, Texted::Failed(_));
        if status == TextStatus::OptedOut {
            self.carrier_says_stop(at, id, effects);
        } else if is_failed && matches!(entry.promise.stage, Stage::Asked { .. }) {
            self.end(id, End::GaveUp(Why::NoText), effects);
        } else if has_changed {
            self.save(id, effects);
        }
    }

    /// What became of the text is known, or will not be: the caller is rung, or has to answer first.
    fn settle_text(&mut self, at: At, id: PromiseId, text: Texted, effects: &mut Effects) {
        self.stand(id, Queued::No);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.step = Step::Idle;
        if !entry.promise.needs_yes() {
            let off_the_line = later(entry.promise.promised, self.settings.ring_after);
            self.due(id, text, at.utc.max(off_the_line), 0, effects);
        } else if text == Texted::Not {
            self.end(id, End::GaveUp(Why::NoText), effects);
        } else {
            entry.promise.stage = Stage::Asked { text };
            self.save(id, effects);
        }
    }

    fn text_unknown(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        let look_at = self.look_at(at);
        if let Some(entry) = self.entries.get_mut(&id) {
            let looks = Looks::default();
            entry.step = Step::Unknown { look_at, looks };
            effects.observe(Seen::Unknown(SendKind::Text));
            self.alarm(look_at, id);
        }
    }

    /// A look-up had no answer: it is made again, in the end no more. Then nothing is texted, ever; the caller is rung.
    fn text_not_told(&mut self, at: At, id: PromiseId, looks: Looks, effects: &mut Effects) {
        effects.observe(Seen::LookUpFailed(SendKind::Text));
        let failed = looks.failed + 1;
        if failed >= self.settings.look_ups_max {
            self.settle_text(at, id, Texted::Unknown, effects);
        } else {
            self.look_again(at, id, Looks { failed, ..looks }, AGAIN);
        }
    }

    pub(super) fn look_again(&mut self, at: At, id: PromiseId, looks: Looks, after: Duration) {
        let look_at = at.now + after;
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.step = Step::Unknown { look_at, looks };
            self.alarm(look_at, id);
        }
    }

    /// It could not be asked, which says nothing: a little later, and not all at once.
    pub(super) fn look_later(&mut self, at: At, id: PromiseId, looks: Looks, rest: Duration) {
        let spread = self.entries.get(&id).map(Entry::spread).unwrap_or_default();
        let after = rest.clamp(NOT_ASKED_MIN, HELD_MAX) + spread;
        self.look_again(at, id, looks, after);
    }

    /// The text waits for its turn again.
    fn back_to_line(&mut self, id: PromiseId, tries: u8, effects: &mut Effects) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.promise.stage = Stage::Promised { tries };
            entry.step = Step::Idle;
            self.save(id, effects);
        }
    }

    fn text_later(&mut self, at: At, id: PromiseId, by: Duration) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.text_at = at.now + by;
        }
    }

    /// What was counted was not requested, or not processed: it cost nothing.
    pub(super) fn unrequested(&mut self, id: PromiseId) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let kind = match entry.promise.stage {
            Stage::Texting { .. } => SendKind::Text,
            Stage::Ringing { .. } => SendKind::Ring,
            Stage::Promised { .. }
            | Stage::Asked { .. }
            | Stage::Due { .. }
            | Stage::Connected { .. }
            | Stage::Ended(_) => return,
        };
        let to = entry.promise.to;
        if let Some(counted) = entry.promise.unacted(kind) {
            self.caps.undo(counted, kind, to);
        }
    }

    /// Soon after the call a text may come at any hour; later only when ringing is allowed.
    fn is_text_in_time(&self, at: At, id: PromiseId) -> bool {
        self.entries.get(&id).is_some_and(|entry| {
            let promise = &entry.promise;
            at.utc.since(promise.promised) <= self.settings.text_within
                || promise.hours.allow(at.utc)
        })
    }

    /// A text that was put off for so long is not waited for: there is somebody to speak with.
    fn is_rung_rather(&self, at: At, id: PromiseId) -> bool {
        matches!(self.models, Models::Back { .. })
            && self.entries.get(&id).is_some_and(|entry| {
                let promise = &entry.promise;
                at.utc.since(promise.promised) > self.settings.text_within && !promise.needs_yes()
            })
    }

    /// The promise whose text this is, if it was requested and it is not known what became of it.
    fn texting(&self, send: SendId) -> Option<PromiseId> {
        let id = *self.by_send.get(&send)?;
        let entry = self.entries.get(&id)?;
        let is_texting = matches!(entry.promise.stage, Stage::Texting { .. });
        (is_texting && entry.step.is_made()).then_some(id)
    }

    pub(super) fn looking(&self, id: PromiseId) -> Option<Looks> {
        match self.entries.get(&id)?.step {
            Step::Looking { looks, .. } => Some(looks),
            Step::Idle
            | Step::Noted
            | Step::Out { .. }
            | Step::Unknown { .. }
            | Step::Placed { .. } => None,
        }
    }

    fn tries(&self, id: PromiseId) -> u8 {
        match self.entries.get(&id).map(|entry| entry.promise.stage) {
            Some(Stage::Texting { tries } | Stage::Promised { tries }) => tries,
            Some(
                Stage::Asked { .. }
                | Stage::Due { .. }
                | Stage::Ringing { .. }
                | Stage::Connected { .. }
                | Stage::Ended(_),
            )
            | None => 0,
        }
    }
}
