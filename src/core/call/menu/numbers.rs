//! A number that is keyed in, read back and confirmed.

use crate::core::call::input::Key;
use crate::core::call::menu::apologizing::{Apologizing, At};
use crate::core::call::menu::choice::Told;
use crate::core::call::menu::state::{Cue, Entry, State};
use crate::core::call::menu::wish::{Asked, Given};
use crate::core::call::prompt::Prompt;

impl Apologizing {
    /// Asks for the number that is to be called, if it was not asked for too often.
    pub(super) fn ask_number(&mut self, at: &mut At<'_>) {
        self.ask_number_after(None, at);
    }

    fn ask_number_after(&mut self, before: Option<Prompt>, at: &mut At<'_>) {
        self.stay(at.effects);
        if self.numbers >= self.menu.numbers_max {
            return self.otherwise(at);
        }
        self.numbers += 1;
        self.say(before.into_iter().chain([Prompt::AskNumber]), at);
        self.state = State::Keying {
            cue: Cue::plays(at.now),
            entry: Entry::default(),
        };
    }

    /// A key while a number is keyed.
    pub(super) fn on_key_of_number(&mut self, key: Key, at: &mut At<'_>) {
        let State::Keying { cue, entry } = &mut self.state else {
            return;
        };
        if entry.is_empty() {
            self.line.interrupt(at.now, at.effects);
        }
        match key.character() {
            digit @ '0'..='9' => {
                entry.push(digit);
                let until = at.now + self.menu.number_pause;
                *cue = Cue::Waiting { until };
            }
            '#' => self.complete_number(at),
            _ => {
                (*cue, *entry) = (Cue::plays(at.now), Entry::default());
                // What follows if that was pointed out too often is a state of its own.
                self.points_out_wrong_key(Some(Prompt::AskNumber), at);
            }
        }
    }

    /// The number is complete, by a `#` or a pause; or nothing was keyed.
    pub(super) fn complete_number(&mut self, at: &mut At<'_>) {
        let State::Keying { entry, .. } = &self.state else {
            return;
        };
        match entry.digits() {
            Some(digits) => {
                let cue = Cue::plays(at.now);
                let is_repeat = false;
                self.state = State::Confirming {
                    cue,
                    digits,
                    is_repeat,
                };
                self.read_back(false, at);
            }
            None if entry.is_empty() => self.ask_number(at),
            None => self.ask_number_after(Some(Prompt::InvalidKey), at),
        }
    }

    /// Reads the number back, and asks whether it is right.
    pub(super) fn read_back(&mut self, again: bool, at: &mut At<'_>) {
        let State::Confirming {
            cue,
            digits,
            is_repeat,
        } = &mut self.state
        else {
            return;
        };
        (*cue, *is_repeat) = (Cue::plays(at.now), again);
        let words: Vec<_> = std::iter::once(Prompt::ConfirmNumber)
            .chain(digits.words())
            .chain([Prompt::ConfirmKeys])
            .collect();
        self.say(words, at);
    }

    /// A key where a number is to be confirmed.
    pub(super) fn on_key_of_confirmation(&mut self, key: Key, at: &mut At<'_>) {
        let State::Confirming { cue, digits, .. } = &mut self.state else {
            return;
        };
        match key.character() {
            '1' => {
                let asked = Asked::Keyed(digits.clone());
                self.promise(asked, Given::Chosen, at);
            }
            '2' => self.ask_number(at),
            _ => {
                *cue = Cue::plays(at.now);
                self.points_out_wrong_key(Some(Prompt::ConfirmKeys), at);
            }
        }
    }

    /// Nobody can be called at the number: another one is asked for, unless nobody has asked for a call.
    pub(super) fn want_another_number(&mut self, at: &mut At<'_>) {
        self.tell(Told::AnotherNumber, at);
        let implied = |state: &State| {
            matches!(
                state,
                State::Promising {
                    consent: Given::Implied,
                    ..
                }
            )
        };
        if implied(&self.state) {
            self.otherwise(at);
        } else {
            self.ask_number(at);
        }
    }
}
