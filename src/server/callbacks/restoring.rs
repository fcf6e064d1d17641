//! The ledger's promises of a life before: read from the store page by page, until all of them are there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Message;
use crate::core::callback::input::Input;
use crate::core::callback::promise::Promise;
use crate::core::ids::PromiseId;
use crate::server::Shared;
use crate::server::clock::Clock;
use crate::server::drain::Stage;
use crate::store::promise_form::{self, RecordFault};
use crate::store::{LOOK_UP_MAX, PromiseRecord, Store as _, StoreError};

/// How long to wait for a store that does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads all promises, however often the store does not answer; nothing is promised before.
pub(super) async fn restore(shared: Arc<Shared>, life: u32, tell: mpsc::Sender<Message>) {
    let stopping = shared.tasks.reached(Stage::Stopping);
    tokio::select! {
        () = stopping => {}
        () = read(&shared, life, &tell) => {}
    }
}

async fn read(shared: &Shared, life: u32, tell: &mpsc::Sender<Message>) {
    let Some(store) = shared.keeper.store() else {
        return;
    };
    let mut after: Option<PromiseId> = None;
    loop {
        let page = store.promises(after, LOOK_UP_MAX, Clock::utc()).await;
        let Some(page) = shared.keeper.note(page) else {
            sleep(PAUSE).await;
            continue;
        };
        let last = page.last().map(|promise| promise.id);
        let promises = page.iter().filter_map(|kept| promise(shared, kept));
        let restored = Message::Restored(life, promises.collect());
        if tell.send(restored).await.is_err() {
            return;
        }
        if last.is_none() {
            break;
        }
        after = last;
    }
    // Whoever would have been told is gone with the process.
    tell.send(Message::Outcome(life, Input::Ready, None))
        .await
        .ok();
}

/// What cannot be read is left alone, and told: its caller has a promise that nobody keeps.
fn promise(shared: &Shared, kept: &PromiseRecord) -> Option<(Promise, u64)> {
    let read = promise_form::decode(&kept.state.0).map_err(|fault| match fault {
        RecordFault::Newer => StoreError::Newer("promise"),
        RecordFault::Damaged => StoreError::Damaged("promise"),
    });
    let promise = shared.keeper.note(read)?;
    Some((promise, kept.revision))
}
