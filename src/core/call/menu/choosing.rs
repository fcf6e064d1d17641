//! What a caller chooses, by a key or by silence, and what is told of a call back.

use crate::core::call::checkpoint::CallBack;
use crate::core::call::effect::{Effect, EndReason};
use crate::core::call::input::Key;
use crate::core::call::menu::apologizing::{Apologizing, At};
use crate::core::call::menu::choice::{Choice, Told};
use crate::core::call::menu::settings::Consent;
use crate::core::call::menu::state::{Cue, State};
use crate::core::call::menu::wish::{Asked, Caller, Given, Promised, Wish};
use crate::core::call::menu::words::Opening;
use crate::core::call::prompt::Prompt;
use crate::core::fault::Refusal;
use crate::core::observation::Observation;

impl Apologizing {
    /// The caller pressed a key. It interrupts what is being said, where anything can be chosen.
    pub(in crate::core::call) fn on_key(
        &mut self,
        key: Key,
        at: &mut At<'_>,
    ) -> Result<(), Refusal> {
        if !self.line.keypad.admits(at.now) {
            return Err(Refusal::KeyFlood);
        }
        match &self.state {
            State::Offering { .. } => {
                self.line.interrupt(at.now, at.effects);
                self.choose(key, at);
            }
            State::Keying { .. } => self.on_key_of_number(key, at),
            State::Confirming { .. } => {
                self.line.interrupt(at.now, at.effects);
                self.on_key_of_confirmation(key, at);
            }
            State::Inviting { .. } => {
                self.line.interrupt(at.now, at.effects);
                self.beep(at);
            }
            State::Taping { .. } => self.end_message(at),
            // Nobody asks anything.
            State::Promising { .. }
            | State::Beeping
            | State::Saving { .. }
            | State::Closing { .. } => {}
        }
        Ok(())
    }

    fn choose(&mut self, key: Key, at: &mut At<'_>) {
        match key.character() {
            '1' if self.menu.call_back => {
                at.effects.observe(Observation::Chose(Choice::CallBack));
                match self.caller {
                    Caller::Textable => self.promise(Asked::Own, Given::Chosen, at),
                    Caller::Withheld | Caller::NotTextable => self.ask_number(at),
                }
            }
            '2' if self.menu.person => self.transfer(at),
            '3' if self.menu.message => self.invite(&[], at),
            _ => {
                let words = self.words_of_offer();
                if self.points_out_wrong_key(words, at)
                    && let State::Offering { cue, .. } = &mut self.state
                {
                    *cue = Cue::plays(at.now);
                }
            }
        }
    }

    /// A key that means nothing here: says so, and `words` again; `false` if that was said too often, and something else follows.
    pub(super) fn points_out_wrong_key(&mut self, words: Option<Prompt>, at: &mut At<'_>) -> bool {
        self.line.interrupt(at.now, at.effects);
        if self.wrong_keys >= self.menu.wrong_keys_max {
            self.otherwise(at);
            return false;
        }
        self.wrong_keys += 1;
        self.say(std::iter::once(Prompt::InvalidKey).chain(words), at);
        true
    }

    fn words_of_offer(&self) -> Option<Prompt> {
        match Opening::of(&self.menu) {
            Opening::Offer(words) => Some(words),
            Opening::Person | Opening::Message | Opening::Nothing => None,
        }
    }

    /// What follows from the state and the time; `false`: nothing does.
    pub(super) fn advance(&mut self, at: &mut At<'_>) -> bool {
        let grace = at.settings.goodbye_grace;
        let is_late = at.now >= self.since + self.menu.total_max;
        let line = &self.line;
        match &mut self.state {
            State::Offering { .. } | State::Keying { .. } | State::Confirming { .. } if is_late => {
                self.line.interrupt(at.now, at.effects);
                at.effects.observe(Observation::Chose(Choice::Nothing));
                self.close(Prompt::Goodbye, EndReason::Apologized, at);
            }
            State::Offering { cue, is_repeat } => {
                if !cue.has_lapsed(at.now, line, grace, self.menu.key_wait) {
                    return false;
                }
                if *is_repeat {
                    self.take_silence(at);
                } else {
                    (*cue, *is_repeat) = (Cue::plays(at.now), true);
                    let words = self.words_of_offer();
                    self.say(words, at);
                }
            }
            State::Keying { cue, .. } => {
                if !cue.has_lapsed(at.now, line, grace, self.menu.number_wait) {
                    return false;
                }
                self.complete_number(at);
            }
            State::Confirming { cue, is_repeat, .. } => {
                if !cue.has_lapsed(at.now, line, grace, self.menu.key_wait) {
                    return false;
                }
                if *is_repeat {
                    self.otherwise(at);
                } else {
                    self.read_back(true, at);
                }
            }
            State::Promising { since, .. } if at.now >= *since + self.menu.promise_wait => {
                // It may be kept all the same: it is not asked for again.
                self.refuse(Told::Unanswered, at);
            }
            State::Inviting { .. }
            | State::Beeping
            | State::Taping { .. }
            | State::Saving { .. } => return self.advance_message(at),
            State::Promising { .. } | State::Closing { .. } => return false,
        }
        true
    }

    /// Nothing was pressed, twice.
    fn take_silence(&mut self, at: &mut At<'_>) {
        let is_yes = self.menu.call_back && self.menu.consent == Consent::Implied;
        if is_yes && self.caller == Caller::Textable {
            at.effects.observe(Observation::Chose(Choice::Implied));
            self.promise(Asked::Own, Given::Implied, at);
        } else {
            self.otherwise(at);
        }
    }

    /// What is gone on to by itself where nothing is chosen: what staying on the line is said to lead to, else a person.
    pub(super) fn otherwise(&mut self, at: &mut At<'_>) {
        if self.menu.message {
            self.invite(&[], at);
        } else if self.menu.person {
            self.transfer(at);
        } else {
            at.effects.observe(Observation::Chose(Choice::Nothing));
            self.close(Prompt::Goodbye, EndReason::Apologized, at);
        }
    }

    /// The caller is to be connected to a person, when the words are heard that say so.
    pub(super) fn transfer(&mut self, at: &mut At<'_>) {
        at.effects.observe(Observation::Chose(Choice::Person));
        self.close(Prompt::Transferring, EndReason::Transferred, at);
    }

    /// Asks for a promise. Nothing is said before it is kept.
    pub(super) fn promise(&mut self, number: Asked, consent: Given, at: &mut At<'_>) {
        self.stay(at.effects);
        self.line.call_back = CallBack::Asked;
        self.checkpoint(at);
        at.effects.push(Effect::Promise(Wish { number, consent }));
        let since = at.now;
        self.state = State::Promising { since, consent };
    }

    /// What became of it. An answer that nobody waits for any more is told to nobody.
    pub(in crate::core::call) fn on_promised(&mut self, answer: Promised, at: &mut At<'_>) {
        let State::Promising { since, .. } = &self.state else {
            return;
        };
        let after = at.now.since(*since);
        let (told, prompt, call_back) = match answer {
            Promised::Kept { asks: false } => {
                (Told::Promised, Prompt::Promised, CallBack::Promised)
            }
            Promised::Kept { asks: true } => (Told::Asks, Prompt::TextSent, CallBack::Texted),
            Promised::Already { asks: false } => {
                (Told::Already, Prompt::AlreadyPromised, CallBack::Promised)
            }
            // Nobody rings them as it stands.
            Promised::Already { asks: true } => (Told::Already, Prompt::TextSent, CallBack::Texted),
            Promised::CannotThisNumber => {
                self.line.call_back = CallBack::Open;
                return self.want_another_number(at);
            }
            Promised::Cannot => {
                self.line.call_back = CallBack::Open;
                return self.refuse(Told::Refused, at);
            }
        };
        at.effects
            .observe(Observation::CallBackTold { told, after });
        self.line.call_back = call_back;
        self.checkpoint(at);
        self.close(prompt, EndReason::Promised, at);
    }

    /// No call back: a person, or a message, or nothing more.
    pub(super) fn refuse(&mut self, told: Told, at: &mut At<'_>) {
        self.tell(told, at);
        self.menu.call_back = false;
        match Opening::of(&self.menu) {
            Opening::Person | Opening::Offer(_) => self.transfer(at),
            Opening::Message => self.invite(&[Prompt::TransferFailed], at),
            Opening::Nothing => self.close(Prompt::ApologyOnly, EndReason::Apologized, at),
        }
    }

    /// Observes what comes of a promise that was asked for.
    pub(super) fn tell(&self, told: Told, at: &mut At<'_>) {
        if let State::Promising { since, .. } = &self.state {
            let after = at.now.since(*since);
            at.effects
                .observe(Observation::CallBackTold { told, after });
        }
    }
}
