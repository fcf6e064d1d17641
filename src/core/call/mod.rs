//! The machine of one call: told what happens, it says what to do.
//!
//! | file | owns |
//! |---|---|
//! | [`input`], [`effect`] | what it is told, what it wants done |
//! | `phase` | the phases and the data that each carries |
//! | `reaching`, `dialling` | no session: one is sought, while somebody may be waiting |
//! | `live`, `hearing`, `speaking` | a session takes the caller's audio and speaks |
//! | [`menu`] | no model is left: what there is instead |
//! | `parting` | the last words are heard out |
//! | `passage`, `clock` | from one phase to another; what attempts and moments are named by |
//! | `line` | the carrier's side and what was said: it outlives every session |
//! | [`uplink`], [`downlink`], `playout` | the two ways of audio, and what of it was heard |
//! | `floor`, `ear` | who speaks, who waits, and for how long they may |
//! | `answer`, `timbre` | whether what a session says comes on, and is speech |
//! | `interruption` | barge-in |
//! | `session`, `rotation` | a provider session, and the one that follows it |
//! | [`memory`], [`prompt`], `tone`, `keypad` | what was said, what is said without a model, what is being keyed |
//! | [`checkpoint`] | what another stream of the call has to know |
//!
//! It must not touch a socket, a clock or a log; the [`crate::server`] carries out its effects.

mod answer;
pub mod checkpoint;
mod clock;
mod dialling;
pub mod downlink;
mod ear;
pub mod effect;
mod floor;
mod hearing;
pub mod input;
mod interruption;
mod keypad;
mod line;
mod live;
pub mod memory;
pub mod menu;
mod parting;
mod passage;
mod phase;
mod playout;
pub mod prompt;
mod reaching;
mod rotation;
mod session;
mod settings;
mod speaking;
#[cfg(test)]
mod tests;
mod timbre;
mod tone;
pub mod uplink;

use std::time::Duration;

use crate::core::audio::Frame;
use crate::core::call::checkpoint::{Checkpoint, Origin};
use crate::core::call::clock::{Attempts, Clock};
use crate::core::call::effect::{Effect, Effects, EndReason};
use crate::core::call::input::{
    CarrierEvent, DialAnswer, Input, Key, Mark, ProviderEvent, Started,
};
use crate::core::call::live::{Exit, Outcome};
use crate::core::call::menu::{At, Caller};
use crate::core::call::phase::Phase;
use crate::core::call::playout::Echo;
use crate::core::call::reaching::OutOfReach;
pub use crate::core::call::settings::CallSettings;
use crate::core::fault::Refusal;
use crate::core::ids::{AttemptId, CallId};
use crate::core::observation::Observation;
use crate::core::time::{Instant, Utc};

/// The machine of one call.
#[derive(Debug)]
pub struct Call {
    id: CallId,
    settings: CallSettings,
    clock: Clock,
    phase: Phase,
    attempts: Attempts,
    refusals: u32,
    /// What a stream before this one left.
    resumed: Option<(Origin, Checkpoint)>,
    /// What is known of the caller's number.
    caller: Caller,
    /// By when the stream is to be let go, if its process is about to go.
    leaves_by: Option<Instant>,
}

impl Call {
    /// A call whose carrier has just connected; `utc` is the wall-clock time of `now`.
    pub fn new(id: CallId, now: Instant, utc: Utc, settings: CallSettings) -> Self {
        let phase = Phase::Waiting {
            give_up_at: now + settings.start_timeout,
        };
        let clock = Clock { now, utc };
        Self {
            id,
            settings,
            clock,
            phase,
            attempts: Attempts::default(),
            refusals: 0,
            resumed: None,
            caller: Caller::default(),
            leaves_by: None,
        }
    }

    /// The call's name.
    pub const fn id(&self) -> CallId {
        self.id
    }

    /// Takes an input and appends what is to be done about it, in order. After the end nothing is done any more.
    pub fn handle(&mut self, now: Instant, input: Input, effects: &mut Effects) {
        if self.is_over() {
            return;
        }
        let outcome = match input {
            Input::Carrier(event) => self.on_carrier(now, event, effects),
            Input::Provider(attempt, event) => self.on_provider(now, attempt, event, effects),
            Input::DialAnswer(attempt, answer) => self.on_dial_answer(now, attempt, answer),
            Input::Prompts(prompts) => {
                self.settings.prompts = *prompts;
                Ok(())
            }
            Input::Resumed(origin, checkpoint) => {
                self.resumed = Some((origin, *checkpoint));
                Ok(())
            }
            Input::Menu(menu) => {
                self.settings.menu = *menu;
                Ok(())
            }
            Input::Caller(caller) => {
                self.caller = caller;
                Ok(())
            }
            Input::Promised(_) | Input::Recorded(_) | Input::ModelsBack => {
                self.on_answer(now, &input, effects);
                Ok(())
            }
            Input::Tick => self.on_tick(now, effects),
            Input::HandOver => {
                let by = now + self.settings.hand_over_max;
                self.leaves_by.get_or_insert(by);
                Ok(())
            }
            Input::Drain => Err(Exit::End(EndReason::Drained)),
        };
        match outcome.and_then(|()| self.settle(now, effects)) {
            Ok(()) => {}
            Err(Exit::End(reason)) => self.end(now, reason, effects),
            Err(Exit::Lost(fault)) => self.fail_over(now, fault, effects),
            Err(Exit::Apologize) => self.apologize(now, effects),
        }
    }

    /// When the call next wants a [`Input::Tick`]; `None`: never, it is over.
    pub fn deadline(&self) -> Option<Instant> {
        let deadline = match &self.phase {
            Phase::Waiting { give_up_at } => Some(*give_up_at),
            Phase::Reaching(reaching) => Some(reaching.deadline(&self.settings)),
            Phase::Live(live) => Some(live.deadline(&self.settings)),
            Phase::Apologizing(apologizing) => Some(apologizing.deadline(&self.settings)),
            Phase::Parting(parting) => return Some(parting.deadline(&self.settings)),
            Phase::Ended => return None,
        };
        deadline.into_iter().chain(self.leaves_by).min()
    }

    /// Whether its caller has the menu: [`Input::ModelsBack`] means something to it.
    pub const fn is_apologizing(&self) -> bool {
        matches!(self.phase, Phase::Apologizing(_))
    }

    /// Whether the call is over: it takes no more inputs.
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    fn on_carrier(&mut self, now: Instant, event: CarrierEvent, effects: &mut Effects) -> Outcome {
        if let Some(line) = self.phase.line() {
            line.on_heard(now);
        }
        match event {
            CarrierEvent::Connected => Ok(()), // `Started` says all that it could.
            CarrierEvent::Started(started) => self.on_started(now, started, effects),
            CarrierEvent::Media(frame) => self.on_media(now, frame, effects),
            CarrierEvent::Mark(mark) => self.on_mark(now, mark, effects),
            CarrierEvent::UnknownMark => self.on_unknown_mark(effects),
            CarrierEvent::Key(key) => self.on_key(now, key, effects),
            CarrierEvent::Stopped => Err(Exit::End(EndReason::CallerHungUp)),
            CarrierEvent::Closed => Err(Exit::End(match &self.phase {
                // Everything was said already.
                Phase::Parting(parting) => parting.reason(),
                Phase::Apologizing(apologizing) => apologizing.reason_if_closed(),
                Phase::Waiting { .. } | Phase::Reaching(_) | Phase::Live(_) | Phase::Ended => {
                    EndReason::CarrierGone
                }
            })),
            CarrierEvent::WriteOverflow => Err(Exit::End(EndReason::CarrierStuck)),
            CarrierEvent::Refused(refusal) => self.refuse(refusal, effects),
            CarrierEvent::Unknown => {
                effects.observe(Observation::UnknownCarrierEvent);
                Ok(())
            }
        }
    }

    fn on_started(&mut self, now: Instant, started: Started, effects: &mut Effects) -> Outcome {
        if !matches!(self.phase, Phase::Waiting { .. }) {
            return self.refuse(Refusal::SecondStart, effects);
        }
        effects.observe(Observation::CallStarted {
            call: started.call,
            stream: started.stream,
        });
        self.begin(now, effects);
        Ok(())
    }

    fn on_media(&mut self, now: Instant, frame: Frame, effects: &mut Effects) -> Outcome {
        match &mut self.phase {
            Phase::Live(live) => live.on_media(now, frame, effects),
            Phase::Reaching(reaching) => {
                reaching.on_media(now, &frame, effects);
            }
            Phase::Apologizing(apologizing) => apologizing.on_media(now, frame, effects),
            Phase::Waiting { .. } => return self.refuse(Refusal::BeforeStart, effects),
            Phase::Parting(_) | Phase::Ended => {} // Nobody is there to hear it.
        }
        Ok(())
    }

    fn on_mark(&mut self, now: Instant, mark: Mark, effects: &mut Effects) -> Outcome {
        match self
            .phase
            .line()
            .map(|line| line.downlink.on_mark(now, mark))
        {
            Some(Echo::Played | Echo::Flushed) => Ok(()),
            Some(Echo::Unknown) => self.on_unknown_mark(effects),
            None => self.refuse(Refusal::BeforeStart, effects),
        }
    }

    fn on_key(&mut self, now: Instant, key: Key, effects: &mut Effects) -> Outcome {
        let pressed = match &mut self.phase {
            Phase::Live(live) => live.on_key(now, key, effects),
            Phase::Reaching(reaching) => reaching.on_key(now, key),
            Phase::Apologizing(apologizing) => {
                let mut at = At::new(now, &self.settings, effects);
                apologizing.on_key(key, &mut at)
            }
            Phase::Waiting { .. } => Err(Refusal::BeforeStart),
            Phase::Parting(_) | Phase::Ended => Ok(()),
        };
        match pressed {
            Ok(()) => Ok(()),
            Err(refusal) => self.refuse(refusal, effects),
        }
    }

    fn on_provider(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        event: ProviderEvent,
        effects: &mut Effects,
    ) -> Outcome {
        match &mut self.phase {
            Phase::Live(live) if attempt == live.session.attempt => {
                live.on_provider(now, event, effects)
            }
            Phase::Live(live) if live.rotation.attempt() == Some(attempt) => {
                live.on_successor(now, event, self.clock, &self.settings, effects);
                Ok(())
            }
            Phase::Reaching(reaching) if reaching.dialling.knows(attempt) => {
                if let ProviderEvent::Ready { expires_at } = event {
                    self.go_live(now, attempt, expires_at, effects);
                    return Ok(());
                }
                Ok(reaching.on_provider(now, attempt, &event, &mut self.attempts, effects)?)
            }
            Phase::Apologizing(apologizing) if apologizing.knows(attempt) => {
                if let ProviderEvent::Ready { expires_at } = event {
                    self.return_to_model(now, attempt, expires_at, effects);
                } else {
                    let attempts = &mut self.attempts;
                    apologizing.on_provider(now, attempt, &event, attempts, effects);
                }
                Ok(())
            }
            Phase::Waiting { .. }
            | Phase::Reaching(_)
            | Phase::Live(_)
            | Phase::Apologizing(_)
            | Phase::Parting(_)
            | Phase::Ended => {
                effects.observe(Observation::LateEvent);
                Ok(())
            }
        }
    }

    fn on_dial_answer(&mut self, now: Instant, attempt: AttemptId, answer: DialAnswer) -> Outcome {
        match &mut self.phase {
            Phase::Reaching(reaching) => Ok(reaching.on_answer(now, attempt, answer)?),
            Phase::Live(live) => {
                if live.rotation.attempt() == Some(attempt) {
                    live.on_dial_answer(now, answer);
                }
                Ok(())
            }
            Phase::Apologizing(apologizing) => {
                apologizing.on_dial_answer(now, attempt, answer);
                Ok(())
            }
            Phase::Waiting { .. } | Phase::Parting(_) | Phase::Ended => Ok(()),
        }
    }

    /// An answer, or a word, for a caller who has the menu. It means nothing to any other.
    fn on_answer(&mut self, now: Instant, input: &Input, effects: &mut Effects) {
        let Phase::Apologizing(apologizing) = &mut self.phase else {
            return;
        };
        let mut at = At::new(now, &self.settings, effects);
        if let Input::Promised(answer) = input {
            apologizing.on_promised(*answer, &mut at);
        } else if let Input::Recorded(answer) = input {
            apologizing.on_recorded(*answer, &mut at);
        } else {
            apologizing.on_models_back(now, &mut self.attempts, effects);
        }
    }

    fn on_tick(&mut self, now: Instant, effects: &mut Effects) -> Outcome {
        if self.phase.line().is_some_and(|line| line.is_silent(now)) {
            return Err(Exit::End(EndReason::CarrierSilent));
        }
        let (settings, attempts) = (&self.settings, &mut self.attempts);
        match &mut self.phase {
            Phase::Waiting { give_up_at } if now >= *give_up_at => {
                Err(Exit::End(EndReason::NeverStarted))
            }
            Phase::Waiting { .. } | Phase::Ended => Ok(()),
            Phase::Reaching(reaching) => Ok(reaching.on_tick(now, settings, attempts, effects)?),
            Phase::Live(live) => live.on_tick(now, settings, attempts, effects),
            Phase::Apologizing(apologizing) => {
                let mut at = At::new(now, settings, effects);
                apologizing.on_tick(attempts, &mut at);
                Ok(())
            }
            Phase::Parting(parting) => {
                parting.line.downlink.release(now, effects);
                Ok(())
            }
        }
    }

    /// What follows from the state, whatever changed it.
    fn settle(&mut self, now: Instant, effects: &mut Effects) -> Outcome {
        match &mut self.phase {
            Phase::Live(live) => live.settle(now, &self.settings, effects),
            Phase::Apologizing(apologizing) => {
                let mut at = At::new(now, &self.settings, effects);
                apologizing.settle(&mut at).map_err(Exit::End)
            }
            Phase::Parting(parting) => parting.end(now, &self.settings).map_err(Exit::End),
            Phase::Waiting { .. } | Phase::Reaching(_) | Phase::Ended => Ok(()),
        }?;
        if self.is_to_leave(now) {
            return Err(Exit::End(EndReason::Drained));
        }
        Ok(())
    }

    /// Whether the stream is to be let go now: at a pause, and where there is none, at the limit.
    fn is_to_leave(&self, now: Instant) -> bool {
        let Some(by) = self.leaves_by else {
            return false;
        };
        match &self.phase {
            Phase::Live(live) => live.is_between_turns() || now >= by,
            Phase::Waiting { .. } | Phase::Reaching(_) | Phase::Apologizing(_) => now >= by,
            // The last words have a limit of their own.
            Phase::Parting(_) | Phase::Ended => false,
        }
    }

    /// Counts a refused message; too many of them, or a fatal one, end the call.
    fn refuse(&mut self, refusal: Refusal, effects: &mut Effects) -> Outcome {
        effects.observe(Observation::MessageRefused(refusal));
        self.refusals = self.refusals.saturating_add(1);
        if refusal.is_fatal() || self.refusals >= self.settings.refusals_max {
            return Err(Exit::End(EndReason::Refused(refusal)));
        }
        Ok(())
    }

    fn on_unknown_mark(&mut self, effects: &mut Effects) -> Outcome {
        effects.observe(Observation::UnknownMark);
        self.refuse(Refusal::MarkFlood, effects)
    }

    fn end(&mut self, now: Instant, reason: EndReason, effects: &mut Effects) {
        for attempt in self.phase.attempts() {
            effects.push(Effect::Abandon(attempt));
        }
        if let Phase::Live(live) = &mut self.phase {
            live.forget_unsaid();
        }
        if let Phase::Apologizing(apologizing) = &self.phase {
            apologizing.leave(effects);
        }
        let mut lasted = Duration::ZERO;
        if let Some(line) = self.phase.line() {
            lasted = now.since(line.started_at);
            if reason.may_go_on() {
                line.forget_unheard(now);
                effects.push(Effect::Checkpoint(Box::new(line.checkpoint(now))));
            }
        }
        self.phase = Phase::Ended;
        effects.observe(Observation::CallEnded { reason, lasted });
        effects.push(Effect::EndCall(reason));
    }
}

impl From<OutOfReach> for Exit {
    fn from(_: OutOfReach) -> Self {
        Self::Apologize
    }
}
