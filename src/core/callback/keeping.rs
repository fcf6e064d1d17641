//! Writes: what has changed is written, and only what is kept is acted upon and told.

use std::time::Duration;

use crate::core::callback::effect::{
    Answer, Cannot, Effect, Effects, Reply, Seen, SendNote, Told, Write, WriteId,
};
use crate::core::callback::entry::{Entry, Looks, MISSED_MAX, Queued, Step, Waiting, Writing};
use crate::core::callback::input::Stored;
use crate::core::callback::ledger::{At, CallbackLedger, later};
use crate::core::callback::promise::{End, FRESH, SendKind, Stage, Why};
use crate::core::callback::taking::tell;
use crate::core::ids::PromiseId;
use crate::core::time::Instant;

/// How long after a failure a write is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(2);

impl CallbackLedger {
    /// A promise has changed: it is written, now or when the write that is out has come back.
    pub(super) fn save(&mut self, id: PromiseId, effects: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        match &mut entry.writing {
            Writing::None => self.write(id, effects),
            Writing::Out { is_dirty, .. } => *is_dirty = true,
            // It will be written as it is then.
            Writing::Again { .. } => {}
        }
    }

    fn write(&mut self, id: PromiseId, effects: &mut Effects) {
        let write = self.name_write(id);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let flight = entry.promise.flight();
        let known = entry
            .noted
            .or(entry.doubtful.filter(|_| entry.doubtful != flight));
        let (send, noting) = match (known, flight) {
            (None, Some(begun)) => (SendNote::Begin(begun), flight),
            (Some(noted), flight) if flight != Some(noted) => (SendNote::End(noted), None),
            (noted, _) => (SendNote::None, noted),
        };
        entry.writing = Writing::Out {
            write,
            is_first: false,
            is_dirty: false,
            noting,
        };
        let change = Write::Change {
            promise: Box::new(entry.promise.clone()),
            from_revision: entry.revision,
            send,
        };
        effects.push(Effect::Write(write, change));
    }

    pub(super) fn on_stored(
        &mut self,
        at: At,
        write: WriteId,
        stored: Stored,
        effects: &mut Effects,
    ) {
        if self.errand_stored(at, write, stored, effects) {
            return;
        }
        let Some(id) = self.by_write.remove(&write) else {
            return;
        };
        // Who has left, or is being given back, has no use for it.
        let Some(Writing::Out {
            write: out,
            is_first,
            is_dirty,
            noting,
        }) = self.entries.get(&id).map(|entry| entry.writing)
        else {
            return;
        };
        if out != write {
            return;
        }
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.writing = Writing::None;
        match stored {
            Stored::Kept => {
                entry.revision += u64::from(!is_first);
                entry.noted = noting;
                entry.doubtful = None;
                if is_dirty || noting != entry.promise.flight() {
                    self.write(id, effects);
                } else {
                    self.go_on(at, id, effects);
                }
            }
            Stored::Stale(revision) => {
                // An earlier try was kept after all; it may have said something else.
                entry.revision = revision;
                self.write(id, effects);
            }
            Stored::Failed if is_first => {
                effects.observe(Seen::WriteFailed);
                self.give_back(at, id, Cannot::StoreSlow, effects);
            }
            Stored::Failed => {
                if entry.noted.is_none() {
                    entry.doubtful = noting.or(entry.doubtful);
                }
                effects.observe(Seen::WriteFailed);
                self.write_later(at, id);
            }
            Stored::OptedOut if is_first => {
                self.not_kept(at, id, Told::Cannot(Cannot::OptedOut), effects);
            }
            // It was refused before it was requested.
            Stored::OptedOut if entry.promise.stage.is_open() => {
                self.end(id, End::OptedOut, effects);
            }
            Stored::OptedOut => self.write(id, effects),
            Stored::Already(_) => {
                // Whoever keeps it knows whether it was answered; a ring is told only to who is rung without.
                let asks = entry.promise.needs_yes();
                self.not_kept(at, id, Told::Already { asks }, effects);
            }
            Stored::Unknown => {
                // Somebody wanted it to be forgotten.
                let to = entry.promise.to;
                self.not_kept(at, id, Told::Cannot(Cannot::StoreSlow), effects);
                self.past.forget(to);
            }
            Stored::Elsewhere => self.let_go(id, effects),
        }
    }

    /// The store has it as it is here: what was waiting for that happens.
    fn go_on(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        self.tell_kept(at, id, effects);
        self.proceed(at, id, effects);
    }

    /// The next step of a promise that is kept as it is here.
    fn proceed(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let step = entry.step;
        match entry.promise.stage {
            Stage::Promised { .. } => self.stand(id, Queued::Text(entry.text_at)),
            Stage::Texting { .. } if step == Step::Noted => self.request_text(at, id, effects),
            Stage::Ringing { .. } if step == Step::Noted => self.request_ring(at, id, effects),
            // Fewer may be by now than when it was last rung.
            Stage::Due { rings, .. } if rings >= self.settings.rings_max => {
                self.end(id, End::GaveUp(Why::Unanswered), effects);
            }
            Stage::Due { from, .. } => {
                let wished = entry.promise.not_before.unwrap_or(from);
                let off_line = entry.off_line(at.now, at.utc);
                let first = entry.promise.hours.next(from.max(wished).max(off_line));
                // What may not be rung any more waits for its end.
                self.stand(id, first.map_or(Queued::No, Queued::Ring));
            }
            Stage::Texting { .. }
            | Stage::Ringing { .. }
            | Stage::Asked { .. }
            | Stage::Connected { .. } => {}
            Stage::Ended(end) => {
                effects.observe(Seen::Ended(id, end));
                self.has_ended(at.utc, id);
            }
        }
    }

    /// A promise from before the restart goes on. What was under way then may have been requested, or not.
    pub(super) fn take_up(&mut self, at: At, id: PromiseId, revision: u64, effects: &mut Effects) {
        // Whoever served it may be about to make a request that is kept as begun.
        let look_at = self.look_at(at) + self.settings.shared_within.unwrap_or_default();
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.revision = revision;
        entry.noted = entry.promise.flight();
        let is_under_way =
            entry.noted.is_some() || matches!(entry.promise.stage, Stage::Connected { .. });
        if is_under_way {
            let looks = Looks::default();
            entry.step = Step::Unknown { look_at, looks };
            self.alarm(look_at, id);
            self.look_sooner(at, id);
        }
        self.proceed(at, id, effects);
    }

    /// The clock is right again: what was taken up before is looked up as soon as its time says.
    pub(super) fn look_all_sooner(&mut self, at: At) {
        let unknown = |entry: &Entry| matches!(entry.step, Step::Unknown { .. });
        let ids = self.entries.iter().filter(|(_, entry)| unknown(entry));
        let ids: Vec<_> = ids.map(|(id, _)| *id).collect();
        for id in ids {
            self.look_sooner(at, id);
        }
    }

    /// What was counted long ago was requested then, or not at all: whoever was restarted since need not wait as if it were now. One that is
    /// older than two looks take is sought once. Otherwise a process that never lives that long would never find out.
    fn look_sooner(&mut self, at: At, id: PromiseId) {
        let settings = &self.settings;
        let in_lists = FRESH + settings.request_timeout + settings.list_lag;
        let in_lists = in_lists + settings.shared_within.unwrap_or_default();
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let kind = match entry.promise.stage {
            Stage::Texting { .. } => SendKind::Text,
            Stage::Ringing { call: None, .. } => SendKind::Ring,
            Stage::Ringing { call: Some(_), .. }
            | Stage::Promised { .. }
            | Stage::Asked { .. }
            | Stage::Due { .. }
            | Stage::Connected { .. }
            | Stage::Ended(_) => return,
        };
        let (Step::Unknown { look_at, looks }, Some(act)) =
            (entry.step, entry.promise.last_act(kind))
        else {
            return;
        };
        if !self.clock.is_sane() || looks != Looks::default() {
            return;
        }
        let surely = later(act, in_lists);
        let is_old = later(surely, settings.list_lag) <= at.utc;
        let missed = if is_old { MISSED_MAX - 1 } else { 0 };
        let look_at = look_at.min(at.now + surely.since(at.utc) + entry.spread());
        let looks = Looks { missed, ..looks };
        entry.step = Step::Unknown { look_at, looks };
        self.alarm(look_at, id);
    }

    /// When a request of which nothing is known can be relied upon to be in the carrier's lists, if it was taken on: it may be
    /// up to its time-out late, and the lists lag behind that.
    pub(super) fn look_at(&self, at: At) -> Instant {
        at.now + self.settings.request_timeout + self.settings.list_lag
    }

    fn write_later(&mut self, at: At, id: PromiseId) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let again = at.now + WRITE_AGAIN + entry.spread();
        entry.writing = Writing::Again { at: again };
        self.alarm(again, id);
    }

    pub(super) fn write_again(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        if let Writing::Again { at: due } = entry.writing
            && due <= at.now
        {
            self.write(id, effects);
        }
    }

    /// A promise ends, whatever was about to happen.
    pub(super) fn end(&mut self, id: PromiseId, end: End, effects: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if !entry.promise.stage.is_open() {
            return;
        }
        if let Stage::Ringing {
            call: Some(call), ..
        } = entry.promise.stage
        {
            effects.push(Effect::CancelRing(call));
        }
        if entry.step == Step::Noted {
            self.unrequested(id);
        }
        self.waits_are_over(id, end, effects);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.promise.stage = Stage::Ended(end);
            entry.step = Step::Idle;
        }
        self.ringing.remove(&id);
        self.stand(id, Queued::No);
        self.save(id, effects);
    }

    /// Whoever waits for a word that is true no more does not hear it: calls hear nothing of the promise, and texts how it ended.
    fn waits_are_over(&mut self, id: PromiseId, end: End, effects: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let is_opted_out = end == End::OptedOut;
        for waiting in std::mem::take(&mut entry.waits) {
            match waiting {
                Waiting::Call { call, .. } => {
                    let why = if is_opted_out {
                        Cannot::OptedOut
                    } else {
                        Cannot::StoreSlow
                    };
                    tell(call, Told::Cannot(why), effects);
                }
                Waiting::Text { message, .. } if is_opted_out => {
                    self.inbox.settle(message, None, effects);
                }
                Waiting::Text { message, by, .. } => {
                    let reply = match end {
                        End::GaveUp(Why::Declined) => Reply::Declined,
                        End::Done | End::GaveUp(_) | End::Expired | End::OptedOut => Reply::CallUs,
                    };
                    entry.waits.push(Waiting::Text { message, by, reply });
                }
            }
        }
    }

    /// The first write did not come through: nobody was told, and should it be kept after all, it is ended.
    fn give_back(&mut self, at: At, id: PromiseId, why: Cannot, effects: &mut Effects) {
        self.refuse_waiting(id, Told::Cannot(why), effects);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.promise.stage = Stage::Ended(End::GaveUp(Why::Untold));
        self.write_later(at, id);
    }

    /// The store does not have the promise: it is not there, and does not count as one. What was spent on it stays spent.
    fn not_kept(&mut self, at: At, id: PromiseId, told: Told, effects: &mut Effects) {
        self.refuse_waiting(id, told, effects);
        if let Some(entry) = self.entries.get(&id) {
            let promise = &entry.promise;
            self.caps
                .unpromised(promise.promised, promise.to, promise.caller);
        }
        self.leave(at.utc, id);
    }

    fn tell_kept(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let number = entry.promise.to;
        for waiting in std::mem::take(&mut entry.waits) {
            match waiting {
                Waiting::Call { call, told, .. } => tell(call, told, effects),
                Waiting::Text { message, reply, .. } => {
                    self.reply(at, number, message, reply, effects);
                }
            }
        }
    }

    pub(super) fn refuse_waiting(&mut self, id: PromiseId, told: Told, effects: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        for waiting in std::mem::take(&mut entry.waits) {
            match waiting {
                Waiting::Call { call, .. } => tell(call, told, effects),
                Waiting::Text { message, .. } => self.inbox.refuse(message, effects),
            }
        }
    }

    pub(super) fn tell_untold(&mut self, id: PromiseId, effects: &mut Effects) {
        self.refuse_waiting(id, Told::Cannot(Cannot::StoreSlow), effects);
    }

    /// Whoever has waited long enough is told that it was in vain. A new promise that nobody was told of is given back.
    pub(super) fn tell_late(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let is_late = |waiting: &Waiting| waiting.by().is_some_and(|by| by <= at.now);
        if !entry.waits.iter().any(is_late) {
            return;
        }
        let (late, mut waits): (Vec<_>, Vec<_>) = std::mem::take(&mut entry.waits)
            .into_iter()
            .partition(is_late);
        let is_given_back = entry.is_new() && waits.is_empty();
        for waiting in late {
            match waiting {
                Waiting::Call { call, .. } => tell(call, Told::Cannot(Cannot::StoreSlow), effects),
                Waiting::Text { message, reply, .. } => {
                    // The carrier asks again, and is told then what has become of it.
                    effects.push(Effect::Answer(message, Answer::Again));
                    let by = None;
                    waits.push(Waiting::Text { message, by, reply });
                }
            }
        }
        entry.waits = waits;
        if is_given_back {
            self.give_back(at, id, Cannot::StoreSlow, effects);
        }
    }
}
