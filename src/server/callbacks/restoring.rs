//! The ledger's promises of a life before: read from the store page by page, until all of them are there.
//!
//! Where nodes share promises all of them are read, for the caps are counted from them; open ones are taken over one by one
//! afterwards ([`super::sweeping`]). What is still open in the file beside the process, from before promises were shared, moves to the
//! shared store first.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Message;
use super::archive::{Archive, Common, change_of, record_of, unread};
use super::served::{self, DeskName};
use crate::core::callback::effect::SendNote;
use crate::core::callback::input::Input;
use crate::core::callback::promise::{End, Promise, Stage as PromiseStage, Why};
use crate::core::ids::PromiseId;
use crate::server::Shared;
use crate::server::clock::Clock;
use crate::server::drain::Stage;
use crate::store::embedded::Embedded;
use crate::store::promise_form;
use crate::store::{Found, LOOK_UP_MAX, PromiseRecord, Promised, State, Store, StoreError};

/// How long to wait for a store that does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// How many are read at once from the shared store: one round trip.
const SHARED_PAGE: usize = 64;

/// Reads all promises, however often the store does not answer; nothing is promised before.
pub(super) async fn restore(
    shared: Arc<Shared>,
    archive: Archive,
    life: u32,
    tell: mpsc::Sender<Message>,
) {
    let stopping = shared.tasks.reached(Stage::Stopping);
    let restoring = Restoring {
        shared: &shared,
        life,
        tell,
    };
    tokio::select! {
        () = stopping => {}
        () = restoring.run(&archive) => {}
    }
}

struct Restoring<'a> {
    shared: &'a Shared,
    life: u32,
    tell: mpsc::Sender<Message>,
}

impl Restoring<'_> {
    async fn run(&self, archive: &Archive) {
        match archive {
            Archive::Own(file) => {
                let mut after = None;
                while let Some(page) = self.page(&**file, LOOK_UP_MAX, &mut after).await {
                    let all = page.iter().filter_map(|kept| self.own(kept));
                    self.tell(all.map(restored).collect()).await;
                }
            }
            Archive::Common(common) => self.run_common(common).await,
        }
        // Whoever would have been told is gone with the process.
        let ready = Message::Outcome(self.life, Input::Ready, None);
        self.tell.send(ready).await.ok();
    }

    async fn run_common(&self, common: &Common) {
        let mut seen = BTreeSet::new();
        let mut after = None;
        while let Some(page) = self.page(&*common.store, SHARED_PAGE, &mut after).await {
            seen.extend(page.iter().map(|kept| kept.id));
            self.tell(page.iter().filter_map(|kept| self.common(kept)).collect())
                .await;
        }
        let Some(file) = &common.file else {
            return;
        };
        let mut after = None;
        while let Some(page) = self.page(&**file, LOOK_UP_MAX, &mut after).await {
            for kept in page.iter().filter(|kept| kept.is_open) {
                if let Some((promise, revision)) = self.own(kept) {
                    self.move_over(common, file, &promise, revision).await;
                }
            }
            let over = page
                .iter()
                .filter(|kept| !kept.is_open && !seen.contains(&kept.id));
            let over = over.filter_map(|kept| self.own(kept));
            self.tell(over.map(restored).collect()).await;
        }
    }

    /// The next promises, however often the store has to be asked; `None`: there are no more.
    async fn page(
        &self,
        store: &dyn Store,
        max: usize,
        after: &mut Option<PromiseId>,
    ) -> Option<Vec<PromiseRecord>> {
        loop {
            let page = store.promises(*after, max, Clock::utc()).await;
            if let Some(Found { records, unread }) = self.note(max, page) {
                self.left_alone(max, unread);
                *after = Some(records.last()?.id);
                return Some(records);
            }
            sleep(PAUSE).await;
        }
    }

    /// Promises that cannot be read are nobody's to serve: one line for a page of them.
    fn left_alone(&self, max: usize, unread: Vec<StoreError>) {
        if let Some(why) = unread.first() {
            let promises = unread.len();
            tracing::error!(error = %why, promises, "promises are left alone, for they cannot be read");
        }
        for why in unread {
            self.note::<()>(max, Err(why));
        }
    }

    /// Notes how the store fares that pages of so many are asked of.
    fn note<T>(&self, max: usize, answer: Result<T, StoreError>) -> Option<T> {
        if max == SHARED_PAGE {
            self.shared.keeper.note_shared(answer)
        } else {
            self.shared.keeper.note(answer)
        }
    }

    async fn tell(&self, promises: Vec<Input>) {
        let restored = Message::Restored(self.life, promises);
        self.tell.send(restored).await.ok(); // The desk may be gone, and another life begun.
    }

    /// A promise that is open in the file goes on in the shared store, as it is; it ends in the file when it is there. One that
    /// another node has made to the same caller since stays, in its place.
    async fn move_over(&self, common: &Common, file: &Embedded, promise: &Promise, revision: u64) {
        loop {
            let moved = move_one(common, file, promise, revision).await;
            if self.shared.keeper.note_shared(moved).is_some() {
                tracing::info!(promise = %promise.id, "a promise has moved to the shared store");
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// What cannot be read is left alone, and told: its caller has a promise that nobody keeps.
    fn own(&self, kept: &PromiseRecord) -> Option<(Promise, u64)> {
        let read = promise_form::decode(&kept.state.0).map_err(unread);
        Some((self.shared.keeper.note(read)?, kept.revision))
    }

    /// What is open in the shared store is another's, and counts as such until it is taken over.
    fn common(&self, kept: &PromiseRecord) -> Option<Input> {
        let read = served::decode(&kept.state).map_err(unread);
        if kept.is_open {
            let (_, promise) = read.ok()?; // A node of a newer version serves it, or nobody can.
            return Some(Input::Sighted(Box::new(promise), kept.revision));
        }
        let (_, promise) = self.shared.keeper.note_shared(read)?;
        Some(restored((promise, kept.revision)))
    }
}

fn restored((promise, revision): (Promise, u64)) -> Input {
    Input::Restored(Box::new(promise), revision)
}

async fn move_one(
    common: &Common,
    file: &Embedded,
    promise: &Promise,
    revision: u64,
) -> Result<(), StoreError> {
    let state = served::encode(DeskName::NOBODY, promise);
    let record = record_of(&*common.store, promise, state)?;
    match common.store.promise(record, Clock::utc()).await? {
        // There already: an earlier try, or one that was made since.
        Promised::Kept | Promised::Already(_) | Promised::OptedOut => {}
    }
    let over = Promise {
        stage: PromiseStage::Ended(End::GaveUp(Why::Cancelled)),
        ..promise.clone()
    };
    let send = promise.flight().map_or(SendNote::None, SendNote::End);
    let state = State(promise_form::encode(&over));
    let change = change_of(&over, revision, send, state);
    file.change_promise(change, Clock::utc()).await?;
    Ok(())
}
