//! No session takes the caller's audio: one is being dialled, for the first time or because the one before it failed.

use crate::core::audio::Frame;
use crate::core::call::clock::Attempts;
use crate::core::call::dialling::Dialling;
use crate::core::call::ear::Edge;
use crate::core::call::effect::{Effect, Effects, Occasion, Report};
use crate::core::call::floor::{Debt, Floor, Owed};
use crate::core::call::input::{DialAnswer, Key, ProviderEvent};
use crate::core::call::keypad::Pressed;
use crate::core::call::line::{Line, OutOfPatience};
use crate::core::call::settings::CallSettings;
use crate::core::fault::Refusal;
use crate::core::ids::AttemptId;
use crate::core::observation::Observation;
use crate::core::time::Instant;

/// A started call without a session.
#[derive(Debug)]
pub(super) struct Reaching {
    pub(super) line: Line,
    pub(super) dialling: Dialling,
    /// Why words were said before the session that is sought.
    occasion: Occasion,
    /// When the session before was lost; `None`: there was none.
    pub(super) lost_at: Option<Instant>,
}

/// Nothing more can be done for the caller but to apologise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfReach;

impl From<OutOfPatience> for OutOfReach {
    fn from(_: OutOfPatience) -> Self {
        Self
    }
}

impl Reaching {
    /// A call whose stream has just started.
    pub(super) const fn first(line: Line, dialling: Dialling, occasion: Occasion) -> Self {
        Self {
            line,
            dialling,
            occasion,
            lost_at: None,
        }
    }

    /// A call whose session is lost.
    pub(super) const fn again(now: Instant, line: Line, dialling: Dialling) -> Self {
        Self {
            line,
            dialling,
            occasion: Occasion::Reconnected,
            lost_at: Some(now),
        }
    }

    /// The caller's next audio: our own ear tells who has the floor, since nobody else does.
    pub(super) fn on_media(&mut self, now: Instant, frame: &Frame, effects: &mut Effects) {
        match self.line.hear(now, frame, effects) {
            Some(Edge::Began) => {
                self.line.yield_floor(now, effects);
                self.line.interrupt(now, effects);
            }
            Some(Edge::Ended { at, .. }) if self.line.floor == Floor::Caller => {
                self.line.owe(Owed::new(at, Debt::Answer));
            }
            None if self.line.goes_on_speaking(now) => self.line.yield_floor(now, effects),
            Some(Edge::Ended { .. }) | None => {}
        }
    }

    /// The caller pressed a key.
    pub(super) fn on_key(&mut self, now: Instant, key: Key) -> Result<(), Refusal> {
        match self.line.keypad.press(now, key) {
            Pressed::First | Pressed::Next => {
                self.line.take_keys(now);
                Ok(())
            }
            Pressed::TooFast => Err(Refusal::KeyFlood),
        }
    }

    /// What became of a wish to dial.
    pub(super) fn on_answer(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        answer: DialAnswer,
    ) -> Result<(), OutOfReach> {
        self.dialling.on_answer(now, attempt, answer);
        self.reach()
    }

    /// A session that is being dialled says something.
    pub(super) fn on_provider(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        event: &ProviderEvent,
        attempts: &mut Attempts,
        effects: &mut Effects,
    ) -> Result<(), OutOfReach> {
        match event {
            ProviderEvent::Failed(fault) | ProviderEvent::Stumbled(fault) => {
                self.dialling
                    .on_failed(now, attempt, *fault, attempts, effects);
                self.reach()
            }
            ProviderEvent::Ignored(what) => {
                effects.observe(Observation::ProviderIgnored(*what));
                Ok(())
            }
            // `Ready` is the call's to take: it changes the phase. A session that is not configured has nothing to say.
            ProviderEvent::Ready { .. }
            | ProviderEvent::SpeechStarted
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

    /// Time passed.
    pub(super) fn on_tick(
        &mut self,
        now: Instant,
        settings: &CallSettings,
        attempts: &mut Attempts,
        effects: &mut Effects,
    ) -> Result<(), OutOfReach> {
        self.line.downlink.release(now, effects);
        self.line.take_keys(now);
        self.dialling.on_tick(now, settings, attempts, effects);
        self.reach()?;
        Ok(self.line.comfort(now, false, settings, effects)?)
    }

    /// When a tick is next wanted.
    pub(super) fn deadline(&self, settings: &CallSettings) -> Instant {
        let others = [
            self.dialling.deadline(settings),
            self.line.comfort_at(false, settings),
        ];
        others
            .into_iter()
            .flatten()
            .fold(self.line.deadline(), Instant::min)
    }

    /// A session is ready: it is told what was said, and given what was not answered.
    pub(super) fn on_ready(&mut self, now: Instant, attempt: AttemptId, effects: &mut Effects) {
        let Some(won) = self.dialling.on_ready(attempt, effects) else {
            return;
        };
        let after = now.since(won.dialled_at);
        effects.observe(Observation::SessionReady { attempt, after });
        effects.push(Effect::Report(attempt, Report::Ready));
        if let Some(lost_at) = self.lost_at {
            let after = now.since(lost_at);
            effects.observe(Observation::FailedOver { attempt, after });
        }
        self.line.brief(attempt, self.occasion, effects);
    }

    const fn reach(&self) -> Result<(), OutOfReach> {
        if self.dialling.is_exhausted() {
            Err(OutOfReach)
        } else {
            Ok(())
        }
    }
}
