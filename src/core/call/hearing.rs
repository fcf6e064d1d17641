//! The live phase, from the caller to the session: who has the floor, as the session hears it and as our own ear does.

use std::time::Duration;

use crate::core::audio::Frame;
use crate::core::call::ear::Edge;
use crate::core::call::effect::{Effects, ProviderCommand};
use crate::core::call::floor::{Debt, Floor, Owed};
use crate::core::call::input::Key;
use crate::core::call::interruption;
use crate::core::call::keypad::Pressed;
use crate::core::call::live::Live;
use crate::core::call::memory::Voice;
use crate::core::call::session::Wish;
use crate::core::fault::Refusal;
use crate::core::ids::ItemId;
use crate::core::time::Instant;

/// How long a caller must have spoken for our ear to doubt a session that did not notice it: a cough is shorter. An echo of the
/// agent that is loud enough for our ear is so for the session's, which is finer.
const UNNOTICED_MIN: Duration = Duration::from_millis(400);

/// How long before it is noticed a turn may have ended at most.
const TURN_END_MAX: Duration = Duration::from_millis(1_500);

/// Words that are written down after the answer to them was kept are kept so soon: those that come together share a checkpoint.
const KEPT_LATE_AFTER: Duration = Duration::from_millis(50);

/// Words whose answer is still to come are kept with it. If none has come by then, or it was cut, they are kept without.
const KEPT_ALONE_AFTER: Duration = Duration::from_secs(2);

impl Live {
    /// The caller's next audio: to the session, and kept until it is answered.
    pub(super) fn on_media(&mut self, now: Instant, frame: Frame, effects: &mut Effects) {
        let edge = self.line.hear(now, &frame, effects);
        effects.to_provider(self.session.attempt, ProviderCommand::Append(frame));
        match edge {
            Some(Edge::Began) => self.on_ear_began(now, effects),
            Some(Edge::Ended { from, at, spoke }) => self.on_ear_ended(now, from, at, spoke),
            None => self.on_ear_goes_on(now, effects),
        }
    }

    /// A pause was taken for the end, and the session does not tell of the next word, since to it the caller has never stopped.
    fn on_ear_goes_on(&mut self, now: Instant, effects: &mut Effects) {
        if self.session.hears_speech() && self.line.goes_on_speaking(now) {
            self.line.yield_floor(now, effects);
            interruption::interrupt(self, now, effects);
        }
    }

    /// The caller pressed a key: whoever keys wants to be listened to.
    pub(super) fn on_key(
        &mut self,
        now: Instant,
        key: Key,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        match self.line.keypad.press(now, key) {
            Pressed::First => interruption::interrupt(self, now, effects),
            Pressed::Next => {}
            Pressed::TooFast => return Err(Refusal::KeyFlood),
        }
        self.give_keys(now, effects);
        Ok(())
    }

    /// Our ear hears the caller begin. The session hears better, but for what it still catches up with; and what it noticed a
    /// moment before our ear did may have been taken for the past.
    fn on_ear_began(&mut self, now: Instant, effects: &mut Effects) {
        self.line.open_turn(now);
        let is_behind = self.session.is_catching_up(now) || self.session.hears_speech();
        if is_behind && self.line.floor != Floor::Caller {
            self.line.yield_floor(now, effects);
            interruption::interrupt(self, now, effects);
        }
    }

    /// Our ear hears the caller end. A session that has not noticed that they spoke, or does not notice that they have
    /// finished, may hear nothing at all.
    fn on_ear_ended(&mut self, now: Instant, from: Instant, at: Instant, spoke: Duration) {
        match self.line.floor {
            Floor::Caller if self.session.is_catching_up(now) => {
                self.line.owe(Owed::new(at, Debt::Answer));
            }
            Floor::Caller => self.line.owe(Owed::doubtful(at)),
            Floor::Agent if !self.session.has_noticed(from) => {
                let agent_until = self.line.downlink.plays_until();
                if spoke >= UNNOTICED_MIN {
                    let response = self
                        .session
                        .newest()
                        .filter(|_| self.session.is_responding());
                    self.line
                        .owe(Owed::unnoticed(at.max(agent_until), response));
                }
            }
            Floor::Agent | Floor::Owed(_) => {}
        }
    }

    pub(super) fn on_speech_started(&mut self, now: Instant, effects: &mut Effects) {
        self.session.on_heard(now, true);
        self.answer.on_turn();
        let is_past = self.session.is_catching_up(now) && !self.line.ear.hears_words(now);
        if is_past && matches!(self.line.floor, Floor::Owed(_)) {
            return; // What was said before it was there: the caller waits.
        }
        self.line.yield_floor(now, effects);
        interruption::interrupt(self, now, effects);
    }

    pub(super) fn on_speech_stopped(&mut self, now: Instant, effects: &mut Effects) {
        self.session.on_heard(now, false);
        if self.session.is_catching_up(now) && self.line.ear.hears_words(now) {
            return; // The caller has said more since.
        }
        if self.line.floor == Floor::Caller {
            // What was said while the caller spoke is no answer to it, and the answer does not wait behind it.
            interruption::interrupt(self, now, effects);
        }
        let since = self.line.ear.loud_at().max(now - TURN_END_MAX).min(now);
        self.line.owe(Owed::new(since, Debt::Answer));
    }

    pub(super) fn give_keys(&mut self, now: Instant, effects: &mut Effects) {
        if let Some(keys) = self.line.take_keys(now) {
            effects.to_provider(self.session.attempt, ProviderCommand::Keys(keys));
            self.answer.on_turn();
            self.session.ask(now, Wish::Answer, effects);
        }
    }

    /// What the caller said was written down, before the answer to it or after: whoever goes on with the call is to know it.
    pub(super) fn on_caller_text(&mut self, now: Instant, item: ItemId, text: &str) {
        let voice = Voice::Item(self.session.attempt, item);
        let is_new = self.line.memory.caller_text(voice, text);
        if !is_new {
            return;
        }
        let is_answer_due =
            matches!(self.line.floor, Floor::Owed(_)) || self.session.is_responding();
        let after = if is_answer_due && self.line.memory.is_last_of_caller(voice) {
            KEPT_ALONE_AFTER
        } else {
            KEPT_LATE_AFTER
        };
        let at = now + after;
        self.unkept = Some(self.unkept.map_or(at, |before| before.min(at)));
    }
}
