//! The live phase: a session takes the caller's audio and speaks.

use crate::core::audio::Frame;
use crate::core::call::downlink::{HeldOverflow, Voice};
use crate::core::call::effect::{Effect, Effects, EndReason, Occasion, ProviderCommand};
use crate::core::call::input::{
    Ignored, Key, ProviderEvent, ResponseId, ResponseOutcome, ToolCallId,
};
use crate::core::call::interruption;
use crate::core::call::keypad::Pressed;
use crate::core::call::memory::Speaker;
use crate::core::call::phase::Line;
use crate::core::call::rotation::{Rotation, forced_at};
use crate::core::call::session::Session;
use crate::core::call::settings::CallSettings;
use crate::core::fault::{Fault, Refusal};
use crate::core::ids::{AttemptId, ItemId};
use crate::core::observation::Observation;
use crate::core::time::Instant;

/// A call with a session.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) line: Line,
    pub(super) session: Session,
    pub(super) rotation: Rotation,
    pub(super) floor: Floor,
    pub(super) goodbye: Option<Goodbye>,
    /// Whether the caller has heard anything yet.
    has_spoken: bool,
}

/// Who has the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Floor {
    /// The caller speaks.
    Caller,
    /// The caller has finished, and is owed an answer since then.
    Owed { since: Instant },
    /// Nobody is owed anything.
    Agent,
}

/// The model wants to end the call; what it says until then is heard out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Goodbye {
    pub(super) tool_call: ToolCallId,
    asked_at: Instant,
}

/// Whether the call goes on.
pub(super) type Outcome = Result<(), EndReason>;

impl Live {
    pub(super) fn new(now: Instant, line: Line, session: Session, settings: &CallSettings) -> Self {
        let rotation = Rotation::plan(now, &session, settings);
        Self {
            line,
            session,
            rotation,
            floor: Floor::Agent,
            goodbye: None,
            has_spoken: false,
        }
    }

    /// The caller's next audio: to the session, and kept until it is answered.
    pub(super) fn on_media(&mut self, frame: Frame, effects: &mut Effects) {
        self.line.keep(&frame, effects);
        effects.to_provider(self.session.attempt, ProviderCommand::Append(frame));
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

    /// The current session said something.
    pub(super) fn on_provider(
        &mut self,
        now: Instant,
        event: ProviderEvent,
        settings: &CallSettings,
        effects: &mut Effects,
    ) -> Outcome {
        let attempt = self.session.attempt;
        match event {
            ProviderEvent::Ready { .. } => {} // A later update of the session was confirmed.
            ProviderEvent::SpeechStarted => {
                self.line.uplink.open();
                self.floor = Floor::Caller;
                interruption::interrupt(self, now, effects);
            }
            ProviderEvent::SpeechStopped => self.floor = Floor::Owed { since: now },
            ProviderEvent::ResponseStarted { response } => self.session.on_response(response),
            ProviderEvent::Audio {
                response,
                item,
                frame,
            } => {
                self.on_audio(now, response, item, frame, effects);
            }
            ProviderEvent::AudioDone { item } => {
                if self.line.downlink.is_at(Voice { attempt, item }) {
                    self.line.downlink.finish(now, effects);
                }
            }
            ProviderEvent::AgentText {
                response,
                item,
                text,
            } => {
                if self.session.is_wanted(response) {
                    self.line.memory.agent_text(attempt, item, &text);
                }
            }
            ProviderEvent::CallerItem { item } => self.line.memory.caller_item(attempt, item),
            ProviderEvent::CallerText { item, text } => {
                self.line.memory.caller_text(attempt, item, &text);
            }
            ProviderEvent::Goodbye { tool_call } => {
                self.goodbye = Some(Goodbye {
                    tool_call,
                    asked_at: now,
                });
            }
            ProviderEvent::ResponseDone { response, outcome } => {
                return self.on_response_done(now, response, outcome, settings, effects);
            }
            ProviderEvent::Pong => self.session.on_pong(),
            ProviderEvent::Ignored(what) => {
                effects.observe(Observation::ProviderIgnored(what));
                if what == Ignored::AlreadyResponding {
                    self.session.on_already_responding();
                }
            }
            ProviderEvent::Stumbled(fault) | ProviderEvent::Failed(fault) => {
                return self.on_failed(now, fault, settings, effects);
            }
        }
        Ok(())
    }

    /// Time passed, or anything else happened that may have changed who waits for what.
    pub(super) fn on_tick(
        &mut self,
        now: Instant,
        settings: &CallSettings,
        effects: &mut Effects,
    ) -> Outcome {
        self.line.downlink.release(now, effects);
        self.give_keys(now, effects);
        if self.floor == Floor::Agent {
            // What was said before the session was ready is noticed by now, or it was no speech.
            self.line.uplink.rest();
        }
        if !self.session.beats(now, effects) {
            return self.on_failed(now, Fault::NoPong, settings, effects);
        }
        Ok(())
    }

    /// What follows from the state, whatever changed it: a goodbye that was heard out, a successor whose time has come.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        settings: &CallSettings,
        effects: &mut Effects,
    ) -> Outcome {
        if self
            .goodbye
            .is_some_and(|goodbye| self.is_heard_out(now, goodbye, settings))
        {
            return Err(EndReason::Goodbye);
        }
        let is_forced = || forced_at(&self.session).is_some_and(|at| now >= at);
        if matches!(self.rotation, Rotation::Standing(_))
            && (self.is_between_turns() || is_forced())
        {
            self.take_over(now, settings, effects);
        }
        Ok(())
    }

    /// When the call next wants a tick.
    pub(super) fn deadline(&self, settings: &CallSettings) -> Instant {
        let mut deadline = self.line.check_at().min(self.session.deadline());
        let others = [
            self.line.downlink.deadline(),
            self.line.keypad.deadline(),
            self.rotation.deadline(&self.session),
            self.goodbye
                .map(|goodbye| self.hang_up_by(goodbye, settings)),
        ];
        for other in others.into_iter().flatten() {
            deadline = deadline.min(other);
        }
        deadline
    }

    fn on_audio(
        &mut self,
        now: Instant,
        response: ResponseId,
        item: ItemId,
        frame: Frame,
        effects: &mut Effects,
    ) {
        if !self.session.is_wanted(response) {
            effects.observe(Observation::LateAudio);
            return;
        }
        if !self.has_spoken {
            self.has_spoken = true;
            effects.observe(Observation::FirstAudio {
                after: now.since(self.line.started_at),
            });
        }
        if let Floor::Owed { since } = self.floor {
            effects.observe(Observation::Answered {
                after: now.since(since),
            });
        }
        if self.floor != Floor::Caller {
            self.floor = Floor::Agent;
            self.line.uplink.close();
        }
        let voice = Voice {
            attempt: self.session.attempt,
            item,
        };
        if let Err(HeldOverflow) = self.line.downlink.play(now, voice, frame, effects) {
            // What is held plays on; no more of this response is taken.
            effects.observe(Observation::HeldOverflowed);
            self.session.cut(effects);
        }
    }

    fn on_response_done(
        &mut self,
        now: Instant,
        response: ResponseId,
        outcome: ResponseOutcome,
        settings: &CallSettings,
        effects: &mut Effects,
    ) -> Outcome {
        self.line.downlink.finish(now, effects);
        self.session.on_response_done(response, effects);
        match outcome {
            ResponseOutcome::Completed | ResponseOutcome::Cancelled => Ok(()),
            ResponseOutcome::Incomplete => {
                effects.observe(Observation::ResponseFailed { fault: None });
                Ok(())
            }
            ResponseOutcome::Failed(fault) => {
                effects.observe(Observation::ResponseFailed { fault: Some(fault) });
                self.on_failed(now, fault, settings, effects)
            }
        }
    }

    /// The current session is lost: its successor takes over if it stands ready, else the call ends.
    fn on_failed(
        &mut self,
        now: Instant,
        fault: Fault,
        settings: &CallSettings,
        effects: &mut Effects,
    ) -> Outcome {
        let attempt = self.session.attempt;
        effects.observe(Observation::AttemptFailed { attempt, fault });
        if !matches!(self.rotation, Rotation::Standing(_)) {
            return Err(EndReason::Apologized);
        }
        self.line.downlink.finish(now, effects);
        self.take_over(now, settings, effects);
        Ok(())
    }

    /// The successor becomes the session: it is told what was heard, and given what was not answered. What the carrier has
    /// keeps playing.
    fn take_over(&mut self, now: Instant, settings: &CallSettings, effects: &mut Effects) {
        let Rotation::Standing(successor) =
            std::mem::replace(&mut self.rotation, Rotation::Unneeded)
        else {
            return;
        };
        let before = std::mem::replace(&mut self.session, successor);
        self.rotation = Rotation::plan(now, &self.session, settings);
        let attempt = self.session.attempt;
        if !self.line.memory.is_empty() {
            effects.to_provider(
                attempt,
                ProviderCommand::Seed {
                    memory: self.line.memory.clone(),
                    occasion: Occasion::Reconnected,
                },
            );
        }
        let is_speech = self.line.uplink.is_open();
        match self.floor {
            Floor::Caller | Floor::Owed { .. } if is_speech => self.replay(effects),
            // What was keyed in is a part of the conversation.
            Floor::Owed { .. } => self.session.respond(effects),
            // It was cut in the middle of a word.
            Floor::Agent if before.is_responding() => self.session.respond(effects),
            Floor::Caller | Floor::Agent => {}
        }
        effects.push(Effect::Abandon(before.attempt));
        effects.observe(Observation::Rotated { attempt });
    }

    /// What the caller said is said again to a session that has not heard it.
    fn replay(&self, effects: &mut Effects) {
        for frame in self.line.uplink.replay() {
            effects.to_provider(self.session.attempt, ProviderCommand::Append(frame));
        }
    }

    fn give_keys(&mut self, now: Instant, effects: &mut Effects) {
        if let Some(keys) = self.line.keypad.take_complete(now) {
            self.line
                .memory
                .push(Speaker::Caller, &format!("(keyed in: {keys})"));
            effects.to_provider(self.session.attempt, ProviderCommand::Keys(keys));
            self.session.respond(effects);
            self.floor = Floor::Owed { since: now };
        }
    }

    /// Whether nobody speaks, nobody is owed an answer and nothing waits.
    fn is_between_turns(&self) -> bool {
        self.floor == Floor::Agent
            && !self.session.is_responding()
            && self.line.downlink.is_played()
            && self.line.keypad.deadline().is_none()
            && self.goodbye.is_none()
    }

    fn is_heard_out(&self, now: Instant, goodbye: Goodbye, settings: &CallSettings) -> bool {
        let is_said = !self.session.is_responding() && self.line.downlink.is_played();
        is_said || now >= self.hang_up_by(goodbye, settings)
    }

    fn hang_up_by(&self, goodbye: Goodbye, settings: &CallSettings) -> Instant {
        self.line.downlink.plays_until().max(goodbye.asked_at) + settings.goodbye_grace
    }

    /// The attempts that are to be abandoned when the call ends.
    pub(super) fn attempts(&self) -> impl Iterator<Item = AttemptId> {
        std::iter::once(self.session.attempt).chain(self.rotation.attempt())
    }
}
