//! Promises that come from elsewhere, and go there: kept before a restart, served in place of another, or sighted while another
//! serves them.

use std::collections::BTreeSet;

use crate::core::callback::effect::{Cannot, Effects, Told};
use crate::core::callback::entry::{Step, Writing};
use crate::core::callback::ledger::{At, CallbackLedger};
use crate::core::callback::others::{Account, MISSED_MAX};
use crate::core::callback::promise::Promise;
use crate::core::ids::PromiseId;
use crate::core::time::Utc;

/// The most promises that are given back after a restart: open ones and those that are over.
const RESTORED_MAX: usize = 100_000;

impl CallbackLedger {
    pub(super) fn restore(
        &mut self,
        at: At,
        promise: Promise,
        revision: u64,
        effects: &mut Effects,
    ) {
        if self.is_ready {
            if self.entries.len() < RESTORED_MAX && !self.entries.contains_key(&promise.id) {
                self.take_on(at, promise, revision, effects);
            }
        } else if !promise.stage.is_open() {
            // What is over has no order, and may be far more.
            self.take_on(at, promise, revision, effects);
        } else if self.restored.len() < RESTORED_MAX {
            self.restored.push((promise, revision));
        }
    }

    pub(super) fn on_ready(&mut self, at: At, effects: &mut Effects) {
        if self.is_ready {
            return;
        }
        self.is_ready = true;
        let mut restored = std::mem::take(&mut self.restored);
        restored.sort_by_key(|(promise, _)| (promise.promised, promise.id));
        for (promise, revision) in restored {
            self.take_on(at, promise, revision, effects);
        }
    }

    /// A promise that was served elsewhere, or in a life before.
    fn take_on(&mut self, at: At, promise: Promise, revision: u64, effects: &mut Effects) {
        self.inbox.remember(&promise.heard);
        let (id, is_open) = (promise.id, promise.stage.is_open());
        // It may have been counted as another's; and what is over may be sighted once more, where others look as well.
        self.caps.taken(id);
        if !is_open && self.settings.shared_within.is_some() {
            let account = Account::of(&promise, revision);
            self.caps.sighted(at.utc, id, account);
        } else {
            if promise.stage.was_told() {
                self.caps
                    .promised(promise.promised, promise.to, promise.caller);
            }
            for act in &promise.acts {
                self.caps.act(act.at, act.kind, promise.to);
            }
        }
        if is_open {
            self.enter(promise, at.now);
            self.take_up(at, id, revision, effects);
        } else {
            self.past.add(at.utc, &promise);
        }
    }

    /// Another serves the promise, or has: what it costs counts here as well.
    pub(super) fn on_sighted(&mut self, at: At, promise: &Promise, revision: u64) {
        if !self.entries.contains_key(&promise.id) {
            let account = Account::of(promise, revision).shared();
            self.caps.sighted(at.utc, promise.id, account);
        }
    }

    /// What stands in the store was looked through. What is served here and not there any more was forgotten at another node: the next write
    /// finds that out.
    pub(super) fn on_looked_through(
        &mut self,
        at: At,
        there: &BTreeSet<PromiseId>,
        effects: &mut Effects,
    ) {
        self.caps.looked_through(at.utc, there);
        let mut gone = Vec::new();
        for (id, entry) in &mut self.entries {
            let is_there = there.contains(id) || entry.writing != Writing::None;
            entry.missed = if is_there { 0 } else { entry.missed + 1 };
            if entry.missed >= MISSED_MAX {
                entry.missed = 0;
                gone.push(*id);
            }
        }
        for id in gone {
            self.save(id, effects);
        }
    }

    /// A promise has ended here, and that is kept. Where others look as well, an earlier word of it may still be told: this is the newer one.
    pub(super) fn has_ended(&mut self, utc: Utc, id: PromiseId) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let promise = &entry.promise;
        if !promise.stage.was_told() {
            self.caps
                .unpromised(promise.promised, promise.to, promise.caller);
        }
        let account = Account::of(promise, entry.revision).shared();
        self.leave(utc, id);
        if self.settings.shared_within.is_some() {
            self.caps.left(id, account);
        }
    }

    /// Another serves the promise: nobody was told anything of it that is not kept, and it is not over. It stays counted as it
    /// is here, until it is sighted.
    pub(super) fn let_go(&mut self, id: PromiseId, effects: &mut Effects) {
        self.refuse_waiting(id, Told::Cannot(Cannot::StoreSlow), effects);
        if self
            .entries
            .get(&id)
            .is_some_and(|entry| entry.step == Step::Noted)
        {
            self.unrequested(id);
        }
        let revision = self.revision_of(id).unwrap_or_default();
        if let Some(promise) = self.strike(id) {
            let account = Account::of(&promise, revision).shared();
            self.caps.left(id, account.open());
        }
    }
}
