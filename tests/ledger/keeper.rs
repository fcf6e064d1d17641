//! What the store promises, and nothing more: one writer in order, and of what was not acknowledged nobody knows.

use std::collections::{BTreeMap, BTreeSet};

use ringback::core::callback::effect::{SendNote, Write};
use ringback::core::callback::input::Stored;
use ringback::core::callback::number::Number;
use ringback::core::callback::promise::{Promise, SendId, Stage};
use ringback::core::ids::PromiseId;
use ringback::store::promise_form;

#[derive(Debug, Default)]
pub(crate) struct Keeper {
    pub(crate) promises: BTreeMap<PromiseId, (Promise, u64)>,
    pub(crate) opted_out: BTreeSet<Number>,
    pub(crate) begun: BTreeSet<SendId>,
}

impl Keeper {
    pub(crate) fn open_of(&self, number: Number) -> Option<&Promise> {
        let mut all = self.promises.values().map(|(promise, _)| promise);
        all.find(|promise| promise.to == number && promise.stage.is_open())
    }

    pub(crate) fn apply(&mut self, write: &Write) -> Stored {
        match write {
            Write::Promise(promise, _) => {
                if self.opted_out.contains(&promise.to) {
                    return Stored::OptedOut;
                }
                if let Some(open) = self.open_of(promise.to) {
                    return Stored::Already(open.id);
                }
                self.promises.insert(promise.id, (as_kept(promise), 0));
                Stored::Kept
            }
            Write::Change {
                promise,
                from_revision,
                send,
            } => self.change(promise, *from_revision, *send),
            Write::OptOut(number, at) => {
                match at {
                    Some(_) => self.opted_out.insert(*number),
                    None => self.opted_out.remove(number),
                };
                Stored::Kept
            }
            Write::Forget(number) => {
                self.promises
                    .retain(|_, (promise, _)| promise.to != *number);
                Stored::Kept
            }
        }
    }

    fn change(&mut self, promise: &Promise, from_revision: u64, send: SendNote) -> Stored {
        let Some((kept, revision)) = self.promises.get_mut(&promise.id) else {
            return Stored::Unknown;
        };
        if *revision != from_revision {
            return Stored::Stale(*revision);
        }
        match send {
            SendNote::None => {}
            SendNote::Begin(_) if self.opted_out.contains(&promise.to) => return Stored::OptedOut,
            SendNote::Begin(send) => {
                self.begun.insert(send);
            }
            SendNote::End(send) => {
                self.begun.remove(&send);
            }
        }
        assert!(
            kept.stage.is_open() || !promise.stage.is_open(),
            "an ended promise was opened again"
        );
        *kept = as_kept(promise);
        *revision += 1;
        Stored::Kept
    }

    /// Whether it is kept that this request is about to be made.
    pub(crate) fn has_begun(&self, promise: PromiseId, send: SendId) -> bool {
        let kept = self.promises.get(&promise);
        let is_in_stage = kept.is_some_and(|(promise, _)| {
            matches!(promise.stage, Stage::Texting { .. } | Stage::Ringing { .. })
                && promise.flight() == Some(send)
        });
        is_in_stage && self.begun.contains(&send)
    }
}

/// A promise as it comes back from a disk.
fn as_kept(promise: &Promise) -> Promise {
    let kept = promise_form::decode(&promise_form::encode(promise)).unwrap();
    assert!(kept == *promise, "a promise is kept as it is");
    kept
}
