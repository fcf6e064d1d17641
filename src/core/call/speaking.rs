//! The live phase, from the session to the caller: what it says, how its answers end, and what is owed when one fails.

use std::time::Duration;

use crate::core::audio::Frame;
use crate::core::call::answer::Completed;
use crate::core::call::downlink::HeldOverflow;
use crate::core::call::effect::{Effect, Effects, ProviderCommand, Report};
use crate::core::call::floor::{Debt, Floor, Owed};
use crate::core::call::input::{ResponseId, ResponseOutcome};
use crate::core::call::live::{Exit, Live, Outcome};
use crate::core::call::memory::Voice;
use crate::core::call::session::Wish;
use crate::core::call::timbre::Sound;
use crate::core::fault::{Fault, Retry};
use crate::core::ids::ItemId;
use crate::core::observation::Observation;
use crate::core::time::Instant;

/// A stall is noticed up to a second after the caller has heard the last of it. So much of that counts as waiting already: enough
/// to break the silence before it is two seconds long, and not so much that a filler delays the rest if it comes as it should.
const NOTICED_LATE_MAX: Duration = Duration::from_millis(750);

impl Live {
    pub(super) fn on_audio(
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
            Sound::Unclear => {
                self.answer.hold(item, &frame);
                Ok(())
            }
            Sound::Speech => {
                self.on_speech(now, Some(response), effects);
                self.say_held(now, effects);
                // What was held back may have been too much.
                if self.session.is_wanted(response) {
                    self.say(now, item, frame, effects);
                }
                Ok(())
            }
            // What was held back is never heard; what was said before it plays on.
            Sound::Mute => Err(Exit::Lost(Fault::Mute)),
            Sound::Noise => Err(Exit::Lost(Fault::Noise)),
        }
    }

    /// The model speaks: what was owed has come, if this is it.
    fn on_speech(&mut self, now: Instant, response: Option<ResponseId>, effects: &mut Effects) {
        if let Floor::Owed(owed) = self.line.floor {
            if !owed.may_be(response) {
                return;
            }
            self.answer.on_owed(now.since(owed.since));
        }
        self.session.on_speech(now);
        self.line.settle_debt(now, effects);
    }

    /// An item is complete: what was held back is the end of its speech, or too short to tell.
    fn say_last(&mut self, now: Instant, effects: &mut Effects) {
        if self.answer.ends_in_speech() {
            self.on_speech(now, self.session.newest(), effects);
            self.say_held(now, effects);
        }
    }

    /// What was held back turned out to be speech, or a pause in it.
    fn say_held(&mut self, now: Instant, effects: &mut Effects) {
        while let Some((item, frame)) = self.answer.release() {
            self.say(now, item, frame, effects);
        }
    }

    fn say(&mut self, now: Instant, item: ItemId, frame: Frame, effects: &mut Effects) {
        self.answer.on_said(item);
        let voice = Voice::Item(self.session.attempt, item);
        let more = frame.duration();
        if let Err(HeldOverflow) = self.line.play(now, voice, frame, effects) {
            // What is held plays on; no more of this response is taken, nor of the words that ran ahead of it.
            let taken = self.line.downlink.received(voice).unwrap_or_default();
            self.line.memory.cut(voice, taken, taken + more);
            effects.observe(Observation::HeldOverflowed);
            self.session.cut(effects);
            self.answer.cut();
        }
    }

    pub(super) fn on_audio_done(&mut self, now: Instant, item: ItemId, effects: &mut Effects) {
        let voice = Voice::Item(self.session.attempt, item);
        self.say_last(now, effects);
        if self.line.downlink.is_at(voice) {
            self.line.downlink.finish(now, effects);
            self.answer.on_item_done();
        }
    }

    pub(super) fn on_response_done(
        &mut self,
        now: Instant,
        response: ResponseId,
        outcome: ResponseOutcome,
        effects: &mut Effects,
    ) -> Outcome {
        self.say_last(now, effects);
        self.forget_unsaid_items();
        self.line.downlink.finish(now, effects);
        self.session.on_response_done(response, effects);
        match outcome {
            ResponseOutcome::Completed => match self.answer.complete() {
                Completed::Nothing => Ok(()),
                Completed::Silence => self.on_answer_failed(now, Fault::Mute, effects),
                Completed::Speech { after } => {
                    let report = Report::Answered { after };
                    effects.push(Effect::Report(self.session.attempt, report));
                    self.keep(now, effects);
                    Ok(())
                }
            },
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

    /// The call stands here: another stream could go on from there.
    pub(super) fn keep(&mut self, now: Instant, effects: &mut Effects) {
        self.unkept = None;
        effects.push(Effect::Checkpoint(Box::new(self.line.checkpoint(now))));
    }

    /// An answer failed, the session did not: it is asked once more, where that can help and somebody waits.
    pub(super) fn on_answer_failed(
        &mut self,
        now: Instant,
        fault: Fault,
        effects: &mut Effects,
    ) -> Outcome {
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

    /// The session has made more than anybody would say: what of it waits here is not said, and the caller is owed something else.
    /// The carrier keeps what it has, so that there is time to dial.
    pub(super) fn forget_flood(&mut self, effects: &mut Effects) {
        let cuts = self.line.downlink.drop_held(effects);
        for cut in &cuts {
            self.line
                .memory
                .cut_flood(cut.voice, cut.heard, cut.received);
        }
        if !cuts.is_empty() && self.line.floor == Floor::Agent {
            let dry_at = self.line.downlink.plays_until();
            self.line.owe(Owed::new(dry_at, Debt::Rest));
        }
    }

    /// The session is gone: an answer that was under way has a rest, and the caller is owed it.
    pub(super) fn owe_rest(&mut self, now: Instant, effects: &mut Effects) {
        self.line.downlink.finish(now, effects);
        if self.answer.is_under_way() && self.line.floor == Floor::Agent {
            let dry_at = self.line.downlink.plays_until();
            let dry_at = dry_at.max(now - NOTICED_LATE_MAX);
            self.line.owe(Owed::new(dry_at, Debt::Rest));
        }
        self.forget_unsaid();
        self.answer.cut();
    }

    /// Nobody has heard what the session wrote and we did not say: its audio was held back, or has not come. The items of which
    /// nothing was said.
    pub(super) fn forget_unsaid(&mut self) -> Vec<ItemId> {
        if let Some((item, held)) = self.answer.half_said() {
            let voice = Voice::Item(self.session.attempt, item);
            if let Some(said) = self.line.downlink.received(voice) {
                self.line.memory.cut(voice, said, said + held);
            }
        }
        self.forget_unsaid_items()
    }

    fn forget_unsaid_items(&mut self) -> Vec<ItemId> {
        let mut items: Vec<ItemId> = self.answer.unsaid().collect();
        items.dedup();
        for &item in &items {
            let voice = Voice::Item(self.session.attempt, item);
            self.line.memory.cut(voice, Duration::ZERO, Duration::ZERO);
        }
        items
    }
}
