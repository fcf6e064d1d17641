//! A call wants a promise, or an operator wants something with one.

use crate::core::callback::effect::{Cannot, Effect, Effects, Seen, Told, Write};
use crate::core::callback::entry::{Queued, Waiting, Writing};
use crate::core::callback::errands::Errand;
use crate::core::callback::input::Wanted;
use crate::core::callback::ledger::{At, CallbackLedger, later};
use crate::core::callback::number::Number;
use crate::core::callback::promise::{End, Promise, Source, Stage, Texted, Why};
use crate::core::ids::{CallId, PromiseId};

impl CallbackLedger {
    pub(super) fn on_wanted(&mut self, at: At, wanted: Wanted, effects: &mut Effects) {
        let call = wanted.call;
        if let Some(id) = self
            .by_number
            .get(&wanted.to)
            .copied()
            .filter(|_| self.is_ready)
        {
            self.on_wanted_again(at, id, call, effects);
            return;
        }
        match self.check(at, &wanted) {
            Ok(()) => {
                let asks = wanted.source != Source::CallerId;
                let told = Told::Promised { asks };
                let by = at.now + self.settings.tell_within;
                let id = self.promise(at, self.promise_for(at, wanted), effects);
                let waiting = Waiting::Call { call, by, told };
                self.wait(id, waiting)
                    .expect("a new promise has nobody waiting");
            }
            Err(cannot) => {
                if let Cannot::Capped(cap) = cannot {
                    effects.observe(Seen::Capped(cap));
                }
                tell(call, Told::Cannot(cannot), effects);
            }
        }
    }

    /// The caller is on the list. If this call is the ring of that promise, lost in its turn, they are rung again.
    fn on_wanted_again(&mut self, at: At, id: PromiseId, call: CallId, effects: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        // They are on the line, and hear that they are on the list.
        entry.on_line_until = at.now + self.settings.ring_after;
        let stage = entry.promise.stage;
        let told = Told::Already {
            asks: entry.promise.needs_yes(),
        };
        match stage {
            Stage::Ended(_) => {
                tell(call, Told::Cannot(Cannot::StoreSlow), effects);
                return;
            }
            Stage::Connected { rings, .. } if rings >= self.settings.rings_max => {
                tell(call, Told::Cannot(Cannot::Had), effects);
                return;
            }
            Stage::Connected { text, rings, .. } => {
                let from = later(at.utc, self.settings.ring_again_after);
                self.due(id, text, from, rings, effects);
            }
            Stage::Promised { .. }
            | Stage::Texting { .. }
            | Stage::Asked { .. }
            | Stage::Due { .. }
            | Stage::Ringing { .. } => {}
        }
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let is_shared = self.settings.shared_within.is_some();
        if is_shared || entry.is_new() || stage != entry.promise.stage {
            let by = at.now + self.settings.tell_within;
            if self.wait(id, Waiting::Call { call, by, told }).is_none() {
                tell(call, Told::Cannot(Cannot::StoreSlow), effects);
            } else if is_shared {
                // Another may serve it by now, and may have ended it.
                self.save(id, effects);
            }
        } else {
            tell(call, told, effects);
        }
    }

    fn check(&mut self, at: At, wanted: &Wanted) -> Result<(), Cannot> {
        let needs_yes = wanted.source != Source::CallerId;
        if !self.is_ready {
            return Err(Cannot::NotReady);
        }
        if self.past.had(wanted.call) {
            return Err(Cannot::Had);
        }
        if self.errands.is_stopping(wanted.to) {
            return Err(Cannot::OptedOut);
        }
        if !self.clock.is_sane() {
            return Err(Cannot::ClockUnsure);
        }
        if !self.settings.destinations.allow(wanted.to, wanted.called) {
            return Err(Cannot::Destination);
        }
        if needs_yes && !wanted.takes_texts {
            return Err(Cannot::NoText);
        }
        let expires = later(at.utc, self.settings.expires_after);
        if wanted
            .hours
            .next(at.utc)
            .is_none_or(|first| first >= expires)
        {
            return Err(Cannot::Hours);
        }
        self.check_room(at, wanted.to, wanted.caller, wanted.takes_texts)
    }

    /// Whether there is room for one more.
    pub(super) fn check_room(
        &mut self,
        at: At,
        to: Number,
        caller: Option<Number>,
        takes_texts: bool,
    ) -> Result<(), Cannot> {
        if self.entries.len() >= self.settings.promises_max {
            return Err(Cannot::Full);
        }
        let (waiting, alike) = self.waiting(to);
        let place = u32::try_from(waiting).unwrap_or(u32::MAX).saturating_add(1);
        let wait = self.settings.text_every.saturating_mul(place);
        if takes_texts && wait > self.settings.text_within {
            return Err(Cannot::QueueLong);
        }
        let alike = if takes_texts { alike } else { 0 };
        let cents = self.settings.promise_cents();
        let checked = self.caps.check(at.utc, to, caller, cents, alike);
        checked.map_err(Cannot::Capped)
    }

    fn promise_for(&self, at: At, wanted: Wanted) -> Promise {
        let stage = if wanted.takes_texts {
            Stage::Promised { tries: 0 }
        } else {
            Stage::Due {
                text: Texted::Not,
                from: later(at.utc, self.settings.ring_after),
                rings: 0,
            }
        };
        Promise {
            id: wanted.promise,
            call: wanted.call,
            to: wanted.to,
            caller: wanted.caller,
            called: wanted.called,
            language: wanted.language,
            source: wanted.source,
            consent: wanted.consent,
            is_confirmed: false,
            hours: wanted.hours,
            not_before: None,
            promised: at.utc,
            expires: later(at.utc, self.settings.expires_after),
            stage,
            acts: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// A new promise: it is written, and told to whoever waits once it is kept.
    pub(super) fn promise(&mut self, at: At, promise: Promise, effects: &mut Effects) -> PromiseId {
        let id = promise.id;
        self.caps.promised(at.utc, promise.to, promise.caller);
        let write = self.name_write(id);
        let begin_within = self.settings.tell_within;
        let new = Write::Promise(Box::new(promise.clone()), begin_within);
        effects.push(Effect::Write(write, new));
        self.enter(promise, at.now);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.writing = Writing::Out {
                write,
                is_first: true,
                is_dirty: false,
                noting: None,
            };
        }
        id
    }

    pub(super) fn on_cancel(&mut self, id: PromiseId, effects: &mut Effects) {
        let entry = self.entries.get(&id);
        // Whoever is being served is not cut off: that ends by itself.
        let is_served =
            entry.is_some_and(|entry| matches!(entry.promise.stage, Stage::Connected { .. }));
        if is_served {
            return;
        }
        let why = Why::Cancelled;
        self.end(id, End::GaveUp(why), effects);
    }

    pub(super) fn on_retry(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        match entry.promise.stage {
            Stage::Due { text, rings, .. } => {
                entry.promise.not_before = None;
                self.due(id, text, at.utc, rings, effects);
            }
            // Who has to answer first has to; all others are on their way.
            Stage::Promised { .. }
            | Stage::Texting { .. }
            | Stage::Asked { .. }
            | Stage::Ringing { .. }
            | Stage::Connected { .. }
            | Stage::Ended(_) => {}
        }
    }

    pub(super) fn on_forget(&mut self, at: At, number: Number, effects: &mut Effects) {
        if let Some(id) = self.by_number.get(&number).copied() {
            self.stand(id, Queued::No);
            self.tell_untold(id, effects);
            self.leave(at.utc, id);
        }
        self.past.forget(number);
        self.caps.forget(number);
        if self
            .run_errand(Errand::Forget(number), None, effects)
            .is_none()
        {
            effects.observe(Seen::WriteFailed);
        }
    }
}

pub(super) fn tell(call: CallId, told: Told, effects: &mut Effects) {
    effects.push(Effect::Tell(call, told));
    effects.observe(Seen::Told(told));
}
