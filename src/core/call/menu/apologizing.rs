//! The phase in which a caller has the menu instead of a model.

use std::time::Duration;

use crate::core::audio::Frame;
use crate::core::call::checkpoint::{CallBack, Origin};
use crate::core::call::clock::Attempts;
use crate::core::call::dialling::Dialling;
use crate::core::call::effect::{Effect, Effects, EndReason, Occasion, Report};
use crate::core::call::floor::{Debt, Floor, Owed};
use crate::core::call::input::{DialAnswer, ProviderEvent};
use crate::core::call::line::Line;
use crate::core::call::memory::Voice;
use crate::core::call::menu::settings::Menu;
use crate::core::call::menu::state::{Cue, State};
use crate::core::call::menu::wish::{Caller, Record};
use crate::core::call::menu::words::Opening;
use crate::core::call::prompt::Prompt;
use crate::core::call::settings::CallSettings;
use crate::core::fault::Fault;
use crate::core::ids::AttemptId;
use crate::core::observation::Observation;
use crate::core::time::Instant;

/// How often a model is dialled that is said to be back: it may be gone again by then.
const RETURNS_MAX: u8 = 3;

/// States that follow from one another at one moment: more than there are in a row.
const STEPS_MAX: usize = 4;

/// A started call for which no model is left.
#[derive(Debug)]
pub(in crate::core::call) struct Apologizing {
    pub(in crate::core::call) line: Line,
    /// What is on offer still.
    pub(super) menu: Menu,
    pub(super) caller: Caller,
    pub(super) state: State,
    /// What the caller was owed before, should a model be back.
    pub(super) debt: Option<Debt>,
    pub(super) since: Instant,
    pub(super) wrong_keys: u8,
    /// Numbers that were asked for.
    pub(super) numbers: u8,
    /// A model that is said to be back is dialled, while the menu goes on.
    pub(super) returning: Option<Dialling>,
    pub(super) returns: u8,
}

/// One moment, and what may be done in it.
pub(in crate::core::call) struct At<'a> {
    pub(super) now: Instant,
    pub(super) settings: &'a CallSettings,
    pub(super) effects: &'a mut Effects,
}

impl<'a> At<'a> {
    pub(in crate::core::call) const fn new(
        now: Instant,
        settings: &'a CallSettings,
        effects: &'a mut Effects,
    ) -> Self {
        Self {
            now,
            settings,
            effects,
        }
    }
}

impl Apologizing {
    /// The apology begins, with what is on offer.
    pub(in crate::core::call) fn begin(
        mut line: Line,
        caller: Caller,
        origin: Option<Origin>,
        at: &mut At<'_>,
    ) -> Self {
        if line.downlink.is_at(Voice::Prompt(Prompt::Greeting)) {
            // Nobody is there to help: an offer of help is not to be heard out.
            line.interrupt(at.now, at.effects);
        }
        line.keypad.forget();
        let debt = match line.floor {
            Floor::Owed(owed) => Some(owed.debt),
            Floor::Caller => Some(Debt::Answer),
            Floor::Agent => None,
        };
        line.floor = Floor::Agent;
        let has_failed = origin == Some(Origin::TransferFailed);
        let mut menu = at.settings.menu;
        menu.person &= !has_failed;
        menu.call_back &= line.call_back == CallBack::Open;
        at.effects.observe(Observation::Apologized {
            after: at.now.since(line.started_at),
        });
        let is_repeat = false;
        let cue = Cue::plays(at.now);
        let mut apologizing = Self {
            line,
            menu,
            caller,
            state: State::Offering { cue, is_repeat },
            debt,
            since: at.now,
            wrong_keys: 0,
            numbers: 0,
            returning: None,
            returns: 0,
        };
        apologizing.checkpoint(at);
        apologizing.open(has_failed, at);
        apologizing
    }

    fn open(&mut self, has_failed: bool, at: &mut At<'_>) {
        match (Opening::of(&self.menu), has_failed) {
            (Opening::Offer(words), false) => self.say([words], at),
            (Opening::Offer(words), true) => self.say([Prompt::TransferFailed, words], at),
            (Opening::Person, _) => self.transfer(at),
            (Opening::Message, _) => self.invite(&[Prompt::TransferFailed], at),
            (Opening::Nothing, true) => {
                self.say([Prompt::TransferFailed], at);
                self.close(Prompt::Goodbye, EndReason::Apologized, at);
            }
            (Opening::Nothing, false) => {
                self.close(Prompt::ApologyOnly, EndReason::Apologized, at);
            }
        }
    }

    /// The caller's audio: a message, or words that nobody is there to hear. They do not interrupt a prompt: it says what to press.
    pub(in crate::core::call) fn on_media(
        &mut self,
        now: Instant,
        frame: Frame,
        effects: &mut Effects,
    ) {
        frame.with_raw(|audio| self.line.ear.hear(now, audio));
        if let State::Taping { said, .. } = &mut self.state {
            *said |= self.line.ear.hears_speech();
            effects.push(Effect::Record(Record::Audio(frame)));
        }
    }

    /// Models take calls again: one is dialled if the caller has chosen nothing yet.
    pub(in crate::core::call) fn on_models_back(
        &mut self,
        now: Instant,
        attempts: &mut Attempts,
        effects: &mut Effects,
    ) {
        let is_free = matches!(self.state, State::Offering { .. }) && self.returning.is_none();
        if self.menu.return_to_model && is_free && self.returns < RETURNS_MAX {
            self.returns += 1;
            self.returning = Some(Dialling::begin(now, attempts, effects));
        }
    }

    /// Whether this attempt is being dialled.
    pub(in crate::core::call) fn knows(&self, attempt: AttemptId) -> bool {
        self.returning
            .as_ref()
            .is_some_and(|dialling| dialling.knows(attempt))
    }

    /// The attempts that are being dialled.
    pub(in crate::core::call) fn attempts(&self) -> Vec<AttemptId> {
        let dialling = self.returning.iter();
        dialling.flat_map(Dialling::attempts).collect()
    }

    /// What became of a wish to dial.
    pub(in crate::core::call) fn on_dial_answer(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        answer: DialAnswer,
    ) {
        if let Some(dialling) = &mut self.returning {
            dialling.on_answer(now, attempt, answer);
        }
        self.look_at_dials();
    }

    /// A session that is being dialled says something, other than that it is ready.
    pub(in crate::core::call) fn on_provider(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        event: &ProviderEvent,
        attempts: &mut Attempts,
        effects: &mut Effects,
    ) {
        let (ProviderEvent::Failed(fault) | ProviderEvent::Stumbled(fault)) = *event else {
            return; // A session that is not configured has nothing to say.
        };
        self.on_failed(now, attempt, fault, attempts, effects);
    }

    fn on_failed(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        fault: Fault,
        attempts: &mut Attempts,
        effects: &mut Effects,
    ) {
        if let Some(dialling) = &mut self.returning {
            dialling.on_failed(now, attempt, fault, attempts, effects);
        }
        self.look_at_dials();
    }

    fn look_at_dials(&mut self) {
        self.returning.take_if(|dialling| dialling.is_exhausted());
    }

    /// A session is ready, and the caller has chosen nothing: what is being said stops, and the session is told what was said
    /// before, as after a failover. The caller's words in between were said to nobody.
    pub(in crate::core::call) fn give_way(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        settings: &CallSettings,
        effects: &mut Effects,
    ) {
        self.line.interrupt(now, effects);
        if self.debt != Some(Debt::Greeting) {
            self.line.prompt(now, Prompt::Resume, settings, effects);
        }
        if let Some(debt) = self.debt {
            self.line.owe(Owed::new(now, debt));
        }
        let won = self.returning.as_mut();
        if let Some(won) = won.and_then(|dialling| dialling.on_ready(attempt, effects)) {
            let after = now.since(won.dialled_at);
            effects.observe(Observation::SessionReady { attempt, after });
            effects.push(Effect::Report(attempt, Report::Ready));
        }
        let after = now.since(self.since);
        effects.observe(Observation::Returned { attempt, after });
        self.line.brief(attempt, Occasion::Reconnected, effects);
    }

    /// Time passed.
    pub(in crate::core::call) fn on_tick(&mut self, attempts: &mut Attempts, at: &mut At<'_>) {
        self.line.downlink.release(at.now, at.effects);
        if let Some(dialling) = &mut self.returning {
            dialling.on_tick(at.now, at.settings, attempts, at.effects);
        }
        self.look_at_dials();
    }

    /// What follows from the state, whatever changed it; the reason once the last words were heard.
    pub(in crate::core::call) fn settle(&mut self, at: &mut At<'_>) -> Result<(), EndReason> {
        for _ in 0..STEPS_MAX {
            if let State::Closing { cue, reason } = &mut self.state {
                let grace = at.settings.goodbye_grace;
                let is_over = cue.has_lapsed(at.now, &self.line, grace, Duration::ZERO);
                return if is_over { Err(*reason) } else { Ok(()) };
            }
            if !self.advance(at) {
                break;
            }
        }
        Ok(())
    }

    /// When a tick is next wanted.
    pub(in crate::core::call) fn deadline(&self, settings: &CallSettings) -> Instant {
        let grace = settings.goodbye_grace;
        let of_cue = |cue: &Cue| cue.deadline(&self.line, grace);
        let of_state = match &self.state {
            State::Offering { cue, .. }
            | State::Keying { cue, .. }
            | State::Confirming { cue, .. } => of_cue(cue).min(self.since + self.menu.total_max),
            State::Inviting { cue } | State::Closing { cue, .. } => of_cue(cue),
            State::Promising { since, .. } => *since + self.menu.promise_wait,
            State::Beeping => self.line.downlink.plays_until(),
            State::Taping { since, .. } => self.message_ends_by(*since),
            State::Saving { since } => *since + self.menu.message_wait,
        };
        let dialling = self.returning.as_ref();
        let dialling = dialling.and_then(|dialling| dialling.deadline(settings));
        let others = [Some(of_state), dialling].into_iter().flatten();
        others.fold(self.line.deadline(), Instant::min)
    }

    /// Why the call ends if its socket is gone now: where everything was said, as it would have.
    pub(in crate::core::call) const fn reason_if_closed(&self) -> EndReason {
        match &self.state {
            State::Closing { reason, .. } => *reason,
            State::Offering { .. }
            | State::Keying { .. }
            | State::Confirming { .. }
            | State::Promising { .. }
            | State::Inviting { .. }
            | State::Beeping
            | State::Taping { .. }
            | State::Saving { .. } => EndReason::CarrierGone,
        }
    }

    /// The prompts, one after the other, behind what is heard.
    pub(super) fn say(&mut self, prompts: impl IntoIterator<Item = Prompt>, at: &mut At<'_>) {
        for prompt in prompts {
            self.line.prompt(at.now, prompt, at.settings, at.effects);
        }
    }

    /// The last words, and the end.
    pub(super) fn close(&mut self, prompt: Prompt, reason: EndReason, at: &mut At<'_>) {
        self.stay(at.effects);
        self.say([prompt], at);
        let cue = Cue::plays(at.now);
        self.state = State::Closing { cue, reason };
    }

    /// The caller has chosen: no model is wanted any more.
    pub(super) fn stay(&mut self, effects: &mut Effects) {
        for attempt in self.attempts() {
            effects.push(Effect::Abandon(attempt));
        }
        self.returning = None;
    }

    /// Should the line or the process be lost now, the next stream is to know this.
    pub(super) fn checkpoint(&self, at: &mut At<'_>) {
        let checkpoint = self.line.checkpoint(at.now);
        at.effects.push(Effect::Checkpoint(Box::new(checkpoint)));
    }
}
