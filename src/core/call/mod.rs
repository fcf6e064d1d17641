//! The machine of one call: told what happens, it says what to do.
//!
//! | file | owns |
//! |---|---|
//! | [`input`], [`effect`] | what it is told, what it wants done |
//! | `phase` | the phases and the data that each carries |
//! | `live` | the live phase: who speaks, who waits |
//! | [`uplink`], [`downlink`], `playout` | the two ways of audio, and what of it was heard |
//! | `interruption` | barge-in |
//! | `session`, `rotation` | a provider session, and the one that follows it |
//! | [`memory`], `keypad` | what was said, what is being keyed |
//!
//! It must not touch a socket, a clock or a log; the [`crate::server`] carries out its effects.

pub mod downlink;
pub mod effect;
pub mod input;
mod interruption;
mod keypad;
mod live;
pub mod memory;
mod phase;
mod playout;
pub mod prompt;
mod rotation;
mod session;
mod settings;
#[cfg(test)]
mod tests;
pub mod uplink;

use crate::core::call::effect::{Effect, Effects, EndReason, ProviderCommand};
use crate::core::call::input::{CarrierEvent, Input, ProviderEvent, Started};
use crate::core::call::live::{Live, Outcome};
use crate::core::call::phase::{Connecting, Line, Phase};
use crate::core::call::playout::Echo;
use crate::core::call::session::Session;
pub use crate::core::call::settings::CallSettings;
use crate::core::fault::{DialStage, Fault, Refusal};
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
            Input::Tick => self.on_tick(now, effects),
            Input::Drain => Err(EndReason::Drained),
        };
        let outcome = outcome.and_then(|()| match &mut self.phase {
            Phase::Live(live) => live.settle(now, &self.settings, effects),
            Phase::Waiting { .. } | Phase::Connecting(_) | Phase::Ended => Ok(()),
        });
        if let Err(reason) = outcome {
            self.end(now, reason, effects);
        }
    }

    /// When the call next wants a [`Input::Tick`]; `None`: never, it is over.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Waiting { give_up_at } => Some(*give_up_at),
            Phase::Connecting(connecting) => {
                Some(connecting.give_up_at.min(connecting.line.check_at()))
            }
            Phase::Live(live) => Some(live.deadline(&self.settings)),
            Phase::Ended => None,
        }
    }

    /// Whether the call is over: it takes no more inputs.
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    fn on_carrier(&mut self, now: Instant, event: CarrierEvent, effects: &mut Effects) -> Outcome {
        if let Some(line) = self.line() {
            line.on_heard(now);
        }
        match (&mut self.phase, event) {
            (Phase::Live(live), CarrierEvent::Media(frame)) => {
                live.on_media(frame, effects);
                Ok(())
            }
            (Phase::Connecting(connecting), CarrierEvent::Media(frame)) => {
                connecting.line.keep(&frame, effects);
                Ok(())
            }
            (Phase::Live(live), CarrierEvent::Mark(mark)) => {
                match live.line.downlink.on_mark(now, mark) {
                    Echo::Played | Echo::Flushed => Ok(()),
                    Echo::Unknown => self.on_unknown_mark(effects),
                }
            }
            (Phase::Live(live), CarrierEvent::Key(key)) => match live.on_key(now, key, effects) {
                Ok(()) => Ok(()),
                Err(refusal) => self.refuse(refusal, effects),
            },
            // Nobody has asked for keys yet; `Started` says all that `Connected` could; after the end nothing counts.
            (Phase::Connecting(_), CarrierEvent::Key(_))
            | (_, CarrierEvent::Connected)
            | (Phase::Ended, _) => Ok(()),
            (Phase::Waiting { .. }, CarrierEvent::Started(started)) => {
                self.start(now, started, effects);
                Ok(())
            }
            (_, CarrierEvent::Started(_)) => self.refuse(Refusal::SecondStart, effects),
            (
                Phase::Waiting { .. },
                CarrierEvent::Media(_) | CarrierEvent::Key(_) | CarrierEvent::Mark(_),
            ) => self.refuse(Refusal::BeforeStart, effects),
            (Phase::Connecting(_), CarrierEvent::Mark(_)) | (_, CarrierEvent::UnknownMark) => {
                self.on_unknown_mark(effects)
            }
            (_, CarrierEvent::Stopped) => Err(EndReason::CallerHungUp),
            (_, CarrierEvent::Closed) => Err(EndReason::CarrierGone),
            (_, CarrierEvent::WriteOverflow) => Err(EndReason::CarrierStuck),
            (_, CarrierEvent::Refused(refusal)) => self.refuse(refusal, effects),
            (_, CarrierEvent::Unknown) => {
                effects.observe(Observation::UnknownCarrierEvent);
                Ok(())
            }
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
                live.on_provider(now, event, &self.settings, effects)
            }
            Phase::Live(live) if live.rotation.attempt() == Some(attempt) => {
                live.on_successor(now, event, self.clock, &self.settings, effects);
                Ok(())
            }
            Phase::Connecting(connecting) if attempt == connecting.attempt => {
                self.on_dialled(now, &event, effects)
            }
            Phase::Waiting { .. } | Phase::Connecting(_) | Phase::Live(_) => {
                effects.observe(Observation::LateEvent);
                Ok(())
            }
            Phase::Ended => Ok(()),
        }
    }

    fn on_tick(&mut self, now: Instant, effects: &mut Effects) -> Outcome {
        if self.line().is_some_and(|line| line.is_silent(now)) {
            return Err(EndReason::CarrierSilent);
        }
        match &mut self.phase {
            Phase::Waiting { give_up_at } if now >= *give_up_at => Err(EndReason::NeverStarted),
            Phase::Connecting(connecting) if now >= connecting.give_up_at => {
                self.give_up(Fault::DialTimedOut(DialStage::Session), effects)
            }
            Phase::Live(live) => {
                live.on_tick(now, &self.settings, effects)?;
                live.tick_rotation(now, &mut self.attempts, &self.settings, effects);
                Ok(())
            }
            Phase::Waiting { .. } | Phase::Connecting(_) | Phase::Ended => Ok(()),
        }
    }

    fn line(&mut self) -> Option<&mut Line> {
        match &mut self.phase {
            Phase::Connecting(connecting) => Some(&mut connecting.line),
            Phase::Live(live) => Some(&mut live.line),
            Phase::Waiting { .. } | Phase::Ended => None,
        }
    }

    /// The stream started: the first session is dialled.
    fn start(&mut self, now: Instant, started: Started, effects: &mut Effects) {
        effects.observe(Observation::CallStarted {
            call: started.call,
            stream: started.stream,
        });
        let attempt = self.attempts.next();
        effects.push(Effect::Dial(attempt));
        self.phase = Phase::Connecting(Box::new(Connecting {
            line: Line::new(now, &self.settings),
            attempt,
            dialled_at: now,
            give_up_at: now + self.settings.dial_timeout,
        }));
    }

    /// The first session answers.
    fn on_dialled(
        &mut self,
        now: Instant,
        event: &ProviderEvent,
        effects: &mut Effects,
    ) -> Outcome {
        match event {
            ProviderEvent::Ready { expires_at } => {
                self.go_live(now, *expires_at, effects);
                Ok(())
            }
            ProviderEvent::Failed(fault) => self.give_up(*fault, effects),
            ProviderEvent::Ignored(what) => {
                effects.observe(Observation::ProviderIgnored(*what));
                Ok(())
            }
            // A session that is not configured has nothing to say to the caller.
            ProviderEvent::SpeechStarted
            | ProviderEvent::SpeechStopped
            | ProviderEvent::ResponseStarted { .. }
            | ProviderEvent::Audio { .. }
            | ProviderEvent::AudioDone { .. }
            | ProviderEvent::AgentText { .. }
            | ProviderEvent::CallerText { .. }
            | ProviderEvent::CallerItem { .. }
            | ProviderEvent::Goodbye { .. }
            | ProviderEvent::ResponseDone { .. }
            | ProviderEvent::Pong => Ok(()),
        }
    }

    fn give_up(&mut self, fault: Fault, effects: &mut Effects) -> Outcome {
        if let Phase::Connecting(connecting) = &self.phase {
            let attempt = connecting.attempt;
            effects.observe(Observation::AttemptFailed { attempt, fault });
        }
        Err(EndReason::ProviderFailed(fault))
    }

    /// The first session is ready: it greets, and is given what the caller said meanwhile.
    fn go_live(&mut self, now: Instant, expires_at: Option<Utc>, effects: &mut Effects) {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let Phase::Connecting(connecting) = phase else {
            self.phase = phase;
            return;
        };
        let attempt = connecting.attempt;
        let after = now.since(connecting.dialled_at);
        effects.observe(Observation::SessionReady { attempt, after });
        if self.settings.greets {
            effects.to_provider(attempt, ProviderCommand::Greet);
        }
        for frame in connecting.line.uplink.replay() {
            effects.to_provider(attempt, ProviderCommand::Append(frame));
        }
        let expires_at = self.clock.instant(expires_at);
        let session = Session::new(now, attempt, expires_at, &self.settings);
        let live = Live::new(now, connecting.line, session, &self.settings);
        self.phase = Phase::Live(Box::new(live));
    }

    /// Counts a refused message; too many of them, or a fatal one, end the call.
    fn refuse(&mut self, refusal: Refusal, effects: &mut Effects) -> Outcome {
        effects.observe(Observation::MessageRefused(refusal));
        self.refusals = self.refusals.saturating_add(1);
        if refusal.is_fatal() || self.refusals >= self.settings.refusals_max {
            return Err(EndReason::Refused(refusal));
        }
        Ok(())
    }

    fn on_unknown_mark(&mut self, effects: &mut Effects) -> Outcome {
        effects.observe(Observation::UnknownMark);
        self.refuse(Refusal::MarkFlood, effects)
    }

    fn end(&mut self, now: Instant, reason: EndReason, effects: &mut Effects) {
        let started_at = match std::mem::replace(&mut self.phase, Phase::Ended) {
            Phase::Ended => return,
            Phase::Waiting { .. } => None,
            Phase::Connecting(connecting) => {
                effects.push(Effect::Abandon(connecting.attempt));
                Some(connecting.line.started_at)
            }
            Phase::Live(live) => {
                for attempt in live.attempts() {
                    effects.push(Effect::Abandon(attempt));
                }
                Some(live.line.started_at)
            }
        };
        let lasted = started_at.map(|at| now.since(at)).unwrap_or_default();
        effects.observe(Observation::CallEnded { reason, lasted });
        effects.push(Effect::EndCall(reason));
    }
}
