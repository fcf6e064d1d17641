//! What the ledger wants kept: asked of the [`Archive`], and what becomes of it told as an input.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::ready;

use super::archive::Keeping;
use super::desk::Desk;
use crate::core::callback::effect::{SendNote, Write, WriteId};
use crate::core::callback::input::{Input, Stored};
use crate::store::StoreError;

#[expect(unused_imports, reason = "for the documentation")]
use super::archive::Archive;

impl Desk {
    /// Asks the store at once; what becomes of it comes back as an input.
    pub(super) fn write(&mut self, id: WriteId, write: Write) {
        if let Write::Change {
            send: SendNote::Begin(send),
            ..
        } = &write
        {
            self.begins(*send);
        }
        let kept = self.kept(write);
        let shared = Arc::clone(&self.shared);
        let is_common = self.standing.is_some();
        let failed = Input::Stored(id, Stored::Failed);
        self.ask("promise", None, failed, async move {
            // What fails is counted where the store's faults are.
            let stored = if is_common {
                shared.keeper.note_shared(kept.await)
            } else {
                shared.keeper.note(kept.await)
            };
            Input::Stored(id, stored.unwrap_or(Stored::Failed))
        });
    }

    fn kept(&self, write: Write) -> Keeping {
        let Some(archive) = &self.archive else {
            return ready(Err(StoreError::Closed)).boxed();
        };
        match write {
            Write::Promise(promise, within) => archive.promise(&promise, within),
            Write::Change {
                promise,
                from_revision,
                send,
            } => archive.change(&promise, from_revision, send),
            Write::OptOut(number, at) => archive.opt_out(number, at),
            Write::Forget(number) => archive.forget(number),
        }
    }
}
