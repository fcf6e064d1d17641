//! The machine of one call: told what happens, it says what to do.
//!
//! | file | owns |
//! |---|---|
//! | [`input`], [`effect`] | what it is told, what it wants done |
//! | `phase` | the phases and the data that each carries |
//! | `reaching`, `dialling` | no session: one is sought, while somebody may be waiting |
//! | `live`, `hearing`, `speaking` | a session takes the caller's audio and speaks |
//! | `parting` | the last words are heard out |
//! | `line` | the carrier's side and what was said: it outlives every session |
//! | [`uplink`], [`downlink`], `playout` | the two ways of audio, and what of it was heard |
//! | `floor`, `ear` | who speaks, who waits, and for how long they may |
//! | `answer`, `timbre` | whether what a session says comes on, and is speech |
//! | `interruption` | barge-in |
//! | `session`, `rotation` | a provider session, and the one that follows it |
//! | [`memory`], [`prompt`], `keypad` | what was said, what is said without a model, what is being keyed |
//! | [`checkpoint`] | what another stream of the call has to know |
//!
//! It must not touch a socket, a clock or a log; the [`crate::server`] carries out its effects.

mod answer;
pub mod checkpoint;
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
mod parting;
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
pub mod uplink;

use std::time::Duration;

use crate::core::audio::Frame;
use crate::core::call::checkpoint::Checkpoint;
use crate::core::call::dialling::Dialling;
use crate::core::call::effect::{Effect, Effects, EndReason, Occasion, Report};
use crate::core::call::input::{
    CarrierEvent, DialAnswer, Input, Key, Mark, ProviderEvent, Started,
};
use crate::core::call::line::Line;
use crate::core::call::live::{Exit, Live, Outcome};
use crate::core::call::parting::Parting;
use crate::core::call::phase::Phase;
use crate::core::call::playout::Echo;
use crate::core::call::reaching::{OutOfReach, Reaching};
use crate::core::call::rotation::Rotation;
use crate::core::call::session::Session;
pub use crate::core::call::settings::CallSettings;
use crate::core::fault::{Fault, Refusal};
use crate::core::ids::{AttemptId, CallId};
use crate::core::observation::Observation;
use crate::core::time::{Instant, Utc};

/// One moment on both clocks: when the carrier connected.
#[derive(Clone, Copy, Debug)]
struct Clock {
    now: Instant,
    utc: Utc,
}

impl Clock {
    fn instant(self, utc: Option<Utc>) -> Option<Instant> {
        utc.map(|utc| self.now + utc.since(self.utc))
    }
}

/// Names attempts: none is used twice.
#[derive(Debug, Default)]
struct Attempts(u32);

impl Attempts {
    /// Those of a stream: attempts are never named twice in a call, however many streams it has.
    fn of_stream(streams_before: u16) -> Self {
        Self(u32::from(streams_before) << 16)
    }

    fn next(&mut self) -> AttemptId {
        let attempt = AttemptId(self.0);
        self.0 += 1;
        attempt
    }
}

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
    resumed: Option<Checkpoint>,
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
            Input::Resumed(checkpoint) => {
                self.resumed = Some(*checkpoint);
                Ok(())
            }
            Input::Tick => self.on_tick(now, effects),
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
        match &self.phase {
            Phase::Waiting { give_up_at } => Some(*give_up_at),
            Phase::Reaching(reaching) => Some(reaching.deadline(&self.settings)),
            Phase::Live(live) => Some(live.deadline(&self.settings)),
            Phase::Parting(parting) => Some(parting.deadline(&self.settings)),
            Phase::Ended => None,
        }
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
        let mut line = Line::new(now, &self.settings);
        let resumed = self.resumed.take().map(|checkpoint| {
            let is_mid_turn = checkpoint.is_mid_turn;
            self.attempts = Attempts::of_stream(line.resume(now, checkpoint));
            Occasion::Resumed { is_mid_turn }
        });
        let dialling = Dialling::begin(now, &mut self.attempts, effects);
        let occasion = if let Some(occasion) = resumed {
            occasion
        } else {
            line.greet(now, &self.settings, effects);
            Occasion::Greeted
        };
        let reaching = Reaching::first(line, dialling, occasion);
        self.phase = Phase::Reaching(Box::new(reaching));
        Ok(())
    }

    fn on_media(&mut self, now: Instant, frame: Frame, effects: &mut Effects) -> Outcome {
        match &mut self.phase {
            Phase::Live(live) => live.on_media(now, frame, effects),
            Phase::Reaching(reaching) => {
                reaching.on_media(now, &frame, effects);
            }
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
            Phase::Waiting { .. }
            | Phase::Reaching(_)
            | Phase::Live(_)
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
            Phase::Waiting { .. } | Phase::Parting(_) | Phase::Ended => Ok(()),
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
            Phase::Parting(parting) => parting.end(now, &self.settings).map_err(Exit::End),
            Phase::Waiting { .. } | Phase::Reaching(_) | Phase::Ended => Ok(()),
        }
    }

    /// A session is ready: the call is live with it.
    fn go_live(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        expires_at: Option<Utc>,
        effects: &mut Effects,
    ) {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let Phase::Reaching(mut reaching) = phase else {
            self.phase = phase;
            return;
        };
        reaching.on_ready(now, attempt, effects);
        let expires_at = self.clock.instant(expires_at);
        let session = Session::new(now, attempt, expires_at, &self.settings);
        let live = Live::new(now, reaching.line, session, &self.settings);
        self.phase = Phase::Live(Box::new(live));
    }

    /// The session is lost: its successor takes over, or another one is dialled.
    fn fail_over(&mut self, now: Instant, fault: Fault, effects: &mut Effects) {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let Phase::Live(mut live) = phase else {
            self.phase = phase;
            return;
        };
        let attempt = live.session.attempt;
        effects.observe(Observation::AttemptFailed { attempt, fault });
        effects.push(Effect::Report(attempt, Report::Failed(fault)));
        live.owe_rest(now, effects);
        if live.goodbye.is_some() {
            for attempt in live.attempts() {
                effects.push(Effect::Abandon(attempt));
            }
            self.phase = Phase::Parting(Box::new(Parting::goodbye(now, live.line)));
            return;
        }
        if live.take_over(now, &self.settings, effects) {
            self.phase = Phase::Live(live);
            return;
        }
        effects.push(Effect::Abandon(attempt));
        effects.observe(Observation::FailingOver { attempt, fault });
        let dialling = match live.rotation {
            Rotation::Dialling {
                attempt,
                dialled_at,
                ..
            } => Dialling::adopt(attempt, dialled_at),
            Rotation::Unneeded | Rotation::Planned { .. } | Rotation::Standing(_) => {
                Dialling::begin(now, &mut self.attempts, effects)
            }
        };
        let reaching = Reaching::again(now, live.line, dialling);
        self.phase = Phase::Reaching(Box::new(reaching));
    }

    /// No model is left: the caller hears an apology.
    fn apologize(&mut self, now: Instant, effects: &mut Effects) {
        for attempt in self.phase.attempts() {
            effects.push(Effect::Abandon(attempt));
        }
        let line = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Reaching(reaching) => reaching.line,
            Phase::Live(live) => live.line,
            other @ (Phase::Waiting { .. } | Phase::Parting(_) | Phase::Ended) => {
                self.phase = other;
                return;
            }
        };
        let parting = Parting::apologize(now, line, &self.settings, effects);
        self.phase = Phase::Parting(Box::new(parting));
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
