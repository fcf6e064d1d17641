//! The message after the tone.

use std::time::Duration;

use crate::core::call::effect::{Effect, Effects, EndReason};
use crate::core::call::menu::apologizing::{Apologizing, At};
use crate::core::call::menu::choice::{Choice, Left};
use crate::core::call::menu::state::{Cue, State};
use crate::core::call::menu::wish::{Record, Recorded};
use crate::core::call::prompt::Prompt;
use crate::core::observation::Observation;
use crate::core::time::Instant;

impl Apologizing {
    /// Asks for a message, behind these words.
    pub(super) fn invite(&mut self, before: &[Prompt], at: &mut At<'_>) {
        self.stay(at.effects);
        at.effects.observe(Observation::Chose(Choice::Message));
        self.say(before.iter().copied().chain([Prompt::LeaveMessage]), at);
        let cue = Cue::plays(at.now);
        self.state = State::Inviting { cue };
    }

    /// The tone.
    pub(super) fn beep(&mut self, at: &mut At<'_>) {
        self.say([Prompt::Tone], at);
        self.state = State::Beeping;
    }

    /// What follows from the time, where a message is left; `false`: nothing does.
    pub(super) fn advance_message(&mut self, at: &mut At<'_>) -> bool {
        let grace = at.settings.goodbye_grace;
        let line = &self.line;
        match &mut self.state {
            State::Inviting { cue } => {
                if !cue.has_lapsed(at.now, line, grace, Duration::ZERO) {
                    return false;
                }
                self.beep(at);
            }
            // By our own clock, which no caller is ahead of: not a word after the tone is lost.
            State::Beeping if at.now >= line.downlink.plays_until() => {
                at.effects.push(Effect::Record(Record::Begin));
                let since = at.now;
                let said = line.ear.hears_speech();
                self.state = State::Taping { since, said };
            }
            State::Taping { since, .. } => {
                let since = *since;
                if at.now < self.message_ends_by(since) {
                    return false;
                }
                self.end_message(at);
            }
            State::Saving { since } if at.now >= *since + self.menu.message_wait => {
                at.effects.observe(Observation::MessageOver(Left::Unknown));
                self.close(Prompt::Goodbye, EndReason::MessageLeft, at);
            }
            State::Beeping
            | State::Saving { .. }
            | State::Offering { .. }
            | State::Keying { .. }
            | State::Confirming { .. }
            | State::Promising { .. }
            | State::Closing { .. } => return false,
        }
        true
    }

    /// When a message that began then is over, if the caller says nothing more.
    pub(super) fn message_ends_by(&self, since: Instant) -> Instant {
        let silent_since = self.line.ear.loud_at().max(since);
        (since + self.menu.message_max).min(silent_since + self.menu.message_silence)
    }

    /// The message is over: of nothing nothing is kept.
    pub(super) fn end_message(&mut self, at: &mut At<'_>) {
        let State::Taping { said: keep, .. } = self.state else {
            return;
        };
        at.effects.push(Effect::Record(Record::End { keep }));
        if keep {
            let since = at.now;
            self.state = State::Saving { since };
        } else {
            at.effects.observe(Observation::MessageOver(Left::Empty));
            self.close(Prompt::Goodbye, EndReason::Apologized, at);
        }
    }

    /// What became of the message.
    pub(in crate::core::call) fn on_recorded(&mut self, answer: Recorded, at: &mut At<'_>) {
        if !matches!(self.state, State::Saving { .. }) {
            return;
        }
        let (left, prompt, reason) = match answer {
            Recorded::Kept => (Left::Kept, Prompt::MessageSaved, EndReason::MessageLeft),
            Recorded::Lost => (Left::Lost, Prompt::Goodbye, EndReason::Apologized),
        };
        at.effects.observe(Observation::MessageOver(left));
        self.close(prompt, reason, at);
    }

    /// The call is over, at any point: what was said is a message, too.
    pub(in crate::core::call) fn leave(&self, effects: &mut Effects) {
        let left = match self.state {
            State::Taping { said: keep, .. } => {
                effects.push(Effect::Record(Record::End { keep }));
                if keep { Left::Unknown } else { Left::Empty }
            }
            State::Saving { .. } => Left::Unknown,
            State::Offering { .. }
            | State::Keying { .. }
            | State::Confirming { .. }
            | State::Promising { .. }
            | State::Inviting { .. }
            | State::Beeping
            | State::Closing { .. } => return,
        };
        effects.observe(Observation::MessageOver(left));
    }
}
