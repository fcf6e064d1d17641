//! The live phase: a session takes the caller's audio and speaks.

use std::time::Duration;

use crate::core::audio::Frame;
use crate::core::call::Attempts;
use crate::core::call::answer::Answer;
use crate::core::call::downlink::HeldOverflow;
use crate::core::call::ear::Edge;
use crate::core::call::effect::{Effect, Effects, EndReason, Occasion, ProviderCommand, Report};
use crate::core::call::floor::{Debt, Floor, Owed};
use crate::core::call::input::{
    Ignored, Key, ProviderEvent, ResponseId, ResponseOutcome, ToolCallId,
};
use crate::core::call::interruption;
use crate::core::call::keypad::Pressed;
use crate::core::call::line::Line;
use crate::core::call::memory::Voice;
use crate::core::call::rotation::{Rotation, forced_at};
use crate::core::call::session::{Session, Wish};
use crate::core::call::settings::CallSettings;
use crate::core::call::timbre::Sound;
use crate::core::fault::{Fault, Refusal, Retry};
use crate::core::ids::{AttemptId, ItemId};
use crate::core::observation::Observation;
use crate::core::time::Instant;

/// How long a caller must have spoken for our ear to doubt a session that did not notice it: a cough is shorter.
const UNNOTICED_MIN: Duration = Duration::from_millis(500);

/// The same while the agent was to be heard, whose echo is no speech.
const UNNOTICED_OVER_AGENT_MIN: Duration = Duration::from_secs(1);

/// How long before it is noticed a turn may have ended at most.
const TURN_END_MAX: Duration = Duration::from_millis(1_500);

/// A call with a session.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) line: Line,
    pub(super) session: Session,
    pub(super) rotation: Rotation,
    pub(super) answer: Answer,
    pub(super) goodbye: Option<Goodbye>,
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
        }
    }

    /// The caller's next audio: to the session, and kept until it is answered.
    pub(super) fn on_media(&mut self, now: Instant, frame: Frame, effects: &mut Effects) {
        let edge = self.line.hear(now, &frame, effects);
        effects.to_provider(self.session.attempt, ProviderCommand::Append(frame));
        match edge {
            Some(Edge::Began) => self.on_ear_began(now, effects),
            Some(Edge::Ended { from, at, spoke }) => self.on_ear_ended(now, from, at, spoke),
            None => {}
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
            ProviderEvent::SpeechStopped => self.on_speech_stopped(now),
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
                    self.line
                        .memory
                        .agent_text(Voice::Item(attempt, item), &text);
                }
            }
            ProviderEvent::CallerItem { item } => {
                self.line.memory.caller_item(Voice::Item(attempt, item));
            }
            ProviderEvent::CallerText { item, text } => {
                self.line
                    .memory
                    .caller_text(Voice::Item(attempt, item), &text);
            }
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
            .comfort(now, self.session.is_responding(), settings, effects)
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
            self.goodbye
                .map(|goodbye| self.hang_up_by(goodbye, settings)),
            self.worry(settings).map(|(at, _)| at),
            self.line.comfort_at(self.session.is_responding(), settings),
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
        let attempt = self.session.attempt;
        self.rotation = Rotation::plan(now, &self.session, settings);
        self.session.on_briefed(now);
        self.line.brief(attempt, Occasion::Reconnected, effects);
        effects.push(Effect::Abandon(before.attempt));
        effects.observe(Observation::Rotated { attempt });
        true
    }

    /// The session is gone: an answer that was under way has a rest, and the caller is owed it.
    pub(super) fn owe_rest(&mut self, now: Instant, effects: &mut Effects) {
        self.line.downlink.finish(now, effects);
        if self.answer.is_under_way() && self.line.floor == Floor::Agent {
            let dry_at = self.line.downlink.plays_until().max(now);
            self.line.owe(Owed::new(dry_at, Debt::Rest));
        }
        self.answer.cut();
    }

    /// The attempts that are dialled or live.
    pub(super) fn attempts(&self) -> impl Iterator<Item = AttemptId> {
        std::iter::once(self.session.attempt).chain(self.rotation.attempt())
    }

    /// Our ear hears the caller begin. The session hears better, but for what it still catches up with.
    fn on_ear_began(&mut self, now: Instant, effects: &mut Effects) {
        self.line.uplink.open();
        if self.session.is_catching_up(now) && self.line.floor != Floor::Caller {
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
                let least = if agent_until > from {
                    UNNOTICED_OVER_AGENT_MIN
                } else {
                    UNNOTICED_MIN
                };
                if spoke >= least {
                    self.line.owe(Owed::new(at.max(agent_until), Debt::Answer));
                }
            }
            Floor::Agent | Floor::Owed(_) => {}
        }
    }

    fn on_speech_started(&mut self, now: Instant, effects: &mut Effects) {
        self.session.on_heard(now);
        self.answer.on_turn();
        let is_past = self.session.is_catching_up(now) && !self.line.ear.hears_words(now);
        if is_past && matches!(self.line.floor, Floor::Owed(_)) {
            return; // What was said before it was there: the caller waits.
        }
        self.line.yield_floor(now, effects);
        interruption::interrupt(self, now, effects);
    }

    fn on_speech_stopped(&mut self, now: Instant) {
        self.session.on_heard(now);
        if self.session.is_catching_up(now) && self.line.ear.hears_words(now) {
            return; // The caller has said more since.
        }
        let since = self.line.ear.loud_at().max(now - TURN_END_MAX).min(now);
        self.line.owe(Owed::new(since, Debt::Answer));
    }

    fn on_audio(
        &mut self,
        now: Instant,
        response: ResponseId,
        item: ItemId,
        frame: Frame,
        effects: &mut Effects,
    ) -> Outcome {
        if !self.session.is_wanted(response) {
            effects.observe(Observation::LateAudio);
            return Ok(());
        }
        match self.answer.on_audio(now, &frame) {
            Sound::Unclear => {}
            Sound::Speech => self.on_speech(now, effects),
            Sound::Mute => return Err(Exit::Lost(Fault::Mute)),
            Sound::Noise => {
                // Nobody wants to hear the rest of it.
                self.line.interrupt(now, effects);
                return Err(Exit::Lost(Fault::Noise));
            }
        }
        let voice = Voice::Item(self.session.attempt, item);
        if let Err(HeldOverflow) = self.line.play(now, voice, frame, effects) {
            // What is held plays on; no more of this response is taken.
            effects.observe(Observation::HeldOverflowed);
            self.session.cut(effects);
            self.answer.cut();
        }
        Ok(())
    }

    /// The model speaks: what was owed has come.
    fn on_speech(&mut self, now: Instant, effects: &mut Effects) {
        if let Floor::Owed(owed) = self.line.floor {
            self.answer.on_owed(now.since(owed.since));
        }
        self.session.on_speech(now);
        self.line.settle_debt(now, effects);
    }

    fn on_audio_done(&mut self, now: Instant, item: ItemId, effects: &mut Effects) {
        let voice = Voice::Item(self.session.attempt, item);
        if self.line.downlink.is_at(voice) {
            self.line.downlink.finish(now, effects);
            self.answer.on_item_done();
        }
    }

    fn on_response_done(
        &mut self,
        now: Instant,
        response: ResponseId,
        outcome: ResponseOutcome,
        effects: &mut Effects,
    ) -> Outcome {
        self.line.downlink.finish(now, effects);
        self.session.on_response_done(response, effects);
        match outcome {
            ResponseOutcome::Completed => {
                if let Some(after) = self.answer.complete() {
                    let report = Report::Answered { after };
                    effects.push(Effect::Report(self.session.attempt, report));
                }
                Ok(())
            }
            ResponseOutcome::Cancelled => {
                self.answer.cut();
                Ok(())
            }
            ResponseOutcome::Incomplete => {
                self.answer.cut();
                effects.observe(Observation::ResponseFailed { fault: None });
                Ok(())
            }
            ResponseOutcome::Failed(fault) => {
                effects.observe(Observation::ResponseFailed { fault: Some(fault) });
                self.on_answer_failed(now, fault, effects)
            }
        }
    }

    /// An answer failed, the session did not: it is asked once more, where that can help and somebody waits.
    fn on_answer_failed(&mut self, now: Instant, fault: Fault, effects: &mut Effects) -> Outcome {
        if fault.retry() != Retry::Here {
            return Err(Exit::Lost(fault));
        }
        self.owe_rest(now, effects);
        let Floor::Owed(owed) = self.line.floor else {
            let report = Report::AnswerFailed(fault);
            effects.push(Effect::Report(self.session.attempt, report));
            return Ok(());
        };
        if !self.answer.ask_again() {
            return Err(Exit::Lost(fault));
        }
        effects.push(Effect::Report(
            self.session.attempt,
            Report::AnswerFailed(fault),
        ));
        effects.observe(Observation::AskedAgain { fault });
        match owed.debt {
            Debt::Rest => self.session.ask(now, Wish::Rest, effects),
            Debt::Answer | Debt::Keys => self.session.ask(now, Wish::Answer, effects),
            Debt::Greeting => effects.to_provider(self.session.attempt, ProviderCommand::Greet),
        }
        Ok(())
    }

    fn give_keys(&mut self, now: Instant, effects: &mut Effects) {
        if let Some(keys) = self.line.take_keys(now) {
            effects.to_provider(self.session.attempt, ProviderCommand::Keys(keys));
            self.answer.on_turn();
            self.session.ask(now, Wish::Answer, effects);
        }
    }

    /// What will be a fault if nothing comes, and when.
    fn worry(&self, settings: &CallSettings) -> Option<(Instant, Fault)> {
        if let Floor::Owed(owed) = self.line.floor {
            let fault = if owed.debt == Debt::Answer && !self.session.has_heard() {
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

    /// Whether nobody speaks, nobody is owed an answer and nothing waits.
    fn is_between_turns(&self) -> bool {
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
