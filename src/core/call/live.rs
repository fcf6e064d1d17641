//! The live phase: a session takes the caller's audio and speaks.

use crate::core::call::answer::Answer;
use crate::core::call::clock::Attempts;
use crate::core::call::effect::{Effect, Effects, EndReason, Occasion};
use crate::core::call::floor::{Debt, Floor, Owed};
use crate::core::call::input::{Ignored, ProviderEvent, ToolCallId};
use crate::core::call::line::Line;
use crate::core::call::memory::Voice;
use crate::core::call::rotation::{Rotation, forced_at};
use crate::core::call::session::Session;
use crate::core::call::settings::CallSettings;
use crate::core::fault::Fault;
use crate::core::ids::AttemptId;
use crate::core::observation::Observation;
use crate::core::time::Instant;

/// A call with a session.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) line: Line,
    pub(super) session: Session,
    pub(super) rotation: Rotation,
    pub(super) answer: Answer,
    pub(super) goodbye: Option<Goodbye>,
    /// Words were written down that no checkpoint has: when one is to be made for them.
    pub(super) unkept: Option<Instant>,
}

/// The model wants to end the call; what it says until then is heard out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Goodbye {
    pub(super) tool_call: ToolCallId,
    asked_at: Instant,
}

/// How the live phase ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// The call is over.
    End(EndReason),
    /// The session is lost.
    Lost(Fault),
    /// The caller has waited for too long.
    Apologize,
}

/// Whether the phase goes on.
pub(super) type Outcome = Result<(), Exit>;

impl Live {
    pub(super) fn new(now: Instant, line: Line, session: Session, settings: &CallSettings) -> Self {
        let rotation = Rotation::plan(now, &session, settings);
        Self {
            line,
            session,
            rotation,
            answer: Answer::default(),
            goodbye: None,
            unkept: None,
        }
    }

    /// The current session said something.
    pub(super) fn on_provider(
        &mut self,
        now: Instant,
        event: ProviderEvent,
        effects: &mut Effects,
    ) -> Outcome {
        let attempt = self.session.attempt;
        match event {
            ProviderEvent::Ready { .. } => {} // A later update of the session was confirmed.
            ProviderEvent::SpeechStarted => self.on_speech_started(now, effects),
            ProviderEvent::SpeechStopped => self.on_speech_stopped(now, effects),
            ProviderEvent::ResponseStarted { response } => {
                self.session.on_response(response);
                self.answer.begin();
            }
            ProviderEvent::Audio {
                response,
                item,
                frame,
            } => return self.on_audio(now, response, item, frame, effects),
            ProviderEvent::AudioDone { item } => self.on_audio_done(now, item, effects),
            ProviderEvent::AgentText {
                response,
                item,
                text,
            } => {
                if self.session.is_wanted(response) {
                    self.answer.on_text(item);
                    self.line
                        .memory
                        .agent_text(Voice::Item(attempt, item), &text);
                }
            }
            ProviderEvent::CallerItem { item } => {
                self.line.memory.caller_item(Voice::Item(attempt, item));
            }
            ProviderEvent::CallerText { item, text } => self.on_caller_text(now, item, &text),
            ProviderEvent::Goodbye { tool_call } => {
                self.goodbye = Some(Goodbye {
                    tool_call,
                    asked_at: now,
                });
            }
            ProviderEvent::ResponseDone { response, outcome } => {
                return self.on_response_done(now, response, outcome, effects);
            }
            ProviderEvent::Pong => self.session.on_pong(),
            ProviderEvent::Ignored(what) => {
                effects.observe(Observation::ProviderIgnored(what));
                if what == Ignored::AlreadyResponding {
                    self.session.on_already_responding();
                }
            }
            ProviderEvent::Stumbled(fault) => return self.on_answer_failed(now, fault, effects),
            ProviderEvent::Failed(fault) => return Err(Exit::Lost(fault)),
        }
        Ok(())
    }

    /// Time passed.
    pub(super) fn on_tick(
        &mut self,
        now: Instant,
        settings: &CallSettings,
        attempts: &mut Attempts,
        effects: &mut Effects,
    ) -> Outcome {
        self.line.downlink.release(now, effects);
        if self.unkept.is_some_and(|at| now >= at) {
            self.keep(now, effects);
        }
        self.give_keys(now, effects);
        if self.line.floor == Floor::Agent && !self.line.ear.hears_speech() {
            // What was said before the session was ready is noticed by now, or it was no speech.
            self.line.uplink.rest();
        }
        self.tick_rotation(now, attempts, settings, effects);
        if !self.session.beats(now, effects) {
            return Err(Exit::Lost(Fault::NoPong));
        }
        if let Some((_, fault)) = self.worry(settings).filter(|&(at, _)| now >= at) {
            return Err(Exit::Lost(fault));
        }
        self.line
            .comfort(now, self.is_answering(), settings, effects)
            .map_err(|_| Exit::Apologize)
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
            return Err(Exit::End(EndReason::Goodbye));
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
        let others = [
            self.rotation.deadline(&self.session),
            self.unkept,
            self.goodbye
                .map(|goodbye| self.hang_up_by(goodbye, settings)),
            self.worry(settings).map(|(at, _)| at),
            self.line.comfort_at(self.is_answering(), settings),
        ];
        let deadline = self.line.deadline().min(self.session.deadline());
        others.into_iter().flatten().fold(deadline, Instant::min)
    }

    /// The successor becomes the session, and is told what was heard; `false` if none stands ready. What the carrier has keeps
    /// playing.
    pub(super) fn take_over(
        &mut self,
        now: Instant,
        settings: &CallSettings,
        effects: &mut Effects,
    ) -> bool {
        let rotation = std::mem::replace(&mut self.rotation, Rotation::Unneeded);
        let Rotation::Standing(successor) = rotation else {
            self.rotation = rotation;
            return false;
        };
        let before = std::mem::replace(&mut self.session, successor);
        self.answer.leave_session();
        let attempt = self.session.attempt;
        self.rotation = Rotation::plan(now, &self.session, settings);
        self.session.on_briefed(now);
        self.line.brief(attempt, Occasion::Reconnected, effects);
        effects.push(Effect::Abandon(before.attempt));
        effects.observe(Observation::Rotated { attempt });
        true
    }

    /// The attempts that are dialled or live.
    pub(super) fn attempts(&self) -> impl Iterator<Item = AttemptId> {
        std::iter::once(self.session.attempt).chain(self.rotation.attempt())
    }

    /// What will be a fault if nothing comes, and when.
    fn worry(&self, settings: &CallSettings) -> Option<(Instant, Fault)> {
        if let Floor::Owed(owed) = self.line.floor {
            if self.line.keypad.is_busy() {
                return None;
            }
            let fault = if self.is_unheard(owed) {
                Fault::Deaf
            } else {
                Fault::AnswerTimedOut
            };
            let by = owed.answer_by(self.session.asked_at(), settings);
            return Some((by, fault));
        }
        let plays_until = self.line.downlink.plays_until();
        let stalled_at = self.answer.stalled_at(plays_until, settings);
        stalled_at.map(|at| (at, Fault::Stalled))
    }

    /// Whether what is being made may be what is owed: a response to a turn of which the session noticed nothing is to one before.
    fn is_answering(&self) -> bool {
        let is_unheard = matches!(self.line.floor, Floor::Owed(owed) if self.is_unheard(owed));
        self.session.is_responding() && !is_unheard
    }

    /// Whether an answer is owed to a turn of which the session noticed nothing.
    fn is_unheard(&self, owed: Owed) -> bool {
        owed.debt == Debt::Answer && !self.session.has_heard()
    }

    /// Whether nobody speaks, nobody is owed an answer and nothing waits.
    pub(super) fn is_between_turns(&self) -> bool {
        self.line.floor == Floor::Agent
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
}
