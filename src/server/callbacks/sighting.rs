//! What the promises of other desks cost, as the look through the shared store ([`super::sweeping`]) comes upon them: their caps
//! are this desk's as well.
//!
//! It owns what is read of them, which is only what the ledger does not know yet, and the list of what was there from one end of
//! the store to the other. It must not count: that is the ledger's.

use std::collections::BTreeSet;
use std::mem;

use super::desk::Desk;
use super::served;
use crate::core::callback::input::Input;
use crate::core::ids::PromiseId;
use crate::core::time::{Instant, Utc};
use crate::store::PromiseRecord;

/// The most promises of which it is noted that they are there, as many as the ledger counts; with more nobody is told which are
/// gone, and what was counted of them goes by its time.
const THERE_MAX: usize = 200_000;

/// What was there since the store was last looked through.
#[derive(Debug, Default)]
pub(super) struct There {
    ids: BTreeSet<PromiseId>,
    is_cut: bool,
}

impl There {
    pub(super) fn note(&mut self, id: PromiseId) {
        if self.ids.len() < THERE_MAX {
            self.ids.insert(id);
        } else {
            self.is_cut = true;
        }
    }
}

impl Desk {
    /// A promise that another desk serves stands so.
    pub(super) fn sights(&mut self, now: Instant, utc: Utc, record: &PromiseRecord) {
        if self.ledger.knows(record.id, record.revision) {
            return;
        }
        match served::decode(&record.state) {
            Ok((_, promise)) => {
                let sighted = Input::Sighted(Box::new(promise), record.revision);
                self.handle(now, utc, sighted);
            }
            Err(fault) => {
                let promise = record.id;
                tracing::debug!(%promise, ?fault, "what a promise of another desk costs cannot be read");
            }
        }
    }

    /// The end of the store is reached: the next look begins at the other one.
    pub(super) fn has_looked_through(&mut self, now: Instant, utc: Utc) {
        let there = mem::take(&mut self.sweep.there);
        if !there.is_cut {
            self.handle(now, utc, Input::LookedThrough(there.ids));
        }
    }
}
