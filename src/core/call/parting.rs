//! The last words are heard out, then the call ends.

use crate::core::call::effect::{Effects, EndReason};
use crate::core::call::floor::Floor;
use crate::core::call::line::Line;
use crate::core::call::memory::Voice;
use crate::core::call::prompt::Prompt;
use crate::core::call::settings::CallSettings;
use crate::core::observation::Observation;
use crate::core::time::Instant;

/// A call that ends when the caller has heard what is left to hear.
#[derive(Debug)]
pub(super) struct Parting {
    pub(super) line: Line,
    reason: EndReason,
    since: Instant,
}

impl Parting {
    /// No model is left: the caller hears an apology and a goodbye.
    pub(super) fn apologize(
        now: Instant,
        mut line: Line,
        settings: &CallSettings,
        effects: &mut Effects,
    ) -> Self {
        if line.downlink.is_at(Voice::Prompt(Prompt::Greeting)) {
            // Nobody is there to help: an offer of help is not to be heard out.
            line.interrupt(now, effects);
        }
        line.floor = Floor::Agent;
        line.keypad.forget();
        line.prompt(now, Prompt::ApologyOnly, settings, effects);
        effects.observe(Observation::Apologized {
            after: now.since(line.started_at),
        });
        Self {
            line,
            reason: EndReason::Apologized,
            since: now,
        }
    }

    /// The line came back to a caller who is promised a call back, or was sent a text: nothing but these words is said, and nothing
    /// asked for.
    pub(super) fn promised(
        now: Instant,
        mut line: Line,
        words: Prompt,
        settings: &CallSettings,
        effects: &mut Effects,
    ) -> Self {
        line.prompt(now, words, settings, effects);
        Self {
            line,
            reason: EndReason::Promised,
            since: now,
        }
    }

    /// The model has said goodbye and is gone.
    pub(super) fn goodbye(now: Instant, mut line: Line) -> Self {
        line.keypad.forget();
        Self {
            line,
            reason: EndReason::Goodbye,
            since: now,
        }
    }

    /// Why it ends.
    pub(super) const fn reason(&self) -> EndReason {
        self.reason
    }

    /// The end, once everything was heard, or at the latest [`hang_up_by`](Self::hang_up_by).
    pub(super) fn end(&self, now: Instant, settings: &CallSettings) -> Result<(), EndReason> {
        let is_over = self.line.downlink.is_played() || now >= self.hang_up_by(settings);
        if is_over { Err(self.reason) } else { Ok(()) }
    }

    /// When a tick is next wanted.
    pub(super) fn deadline(&self, settings: &CallSettings) -> Instant {
        self.line.deadline().min(self.hang_up_by(settings))
    }

    fn hang_up_by(&self, settings: &CallSettings) -> Instant {
        self.line.downlink.plays_until().max(self.since) + settings.goodbye_grace
    }
}
