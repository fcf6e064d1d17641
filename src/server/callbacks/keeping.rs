//! What the ledger wants kept, as the store takes it: in their order, since the store carries out what it is asked in that order.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use tokio::time::timeout;

use super::desk::Desk;
use crate::core::callback::effect::{SendNote, Write, WriteId};
use crate::core::callback::input::{Input, Stored};
use crate::core::callback::number::Number;
use crate::core::callback::promise::Promise;
use crate::server::clock::Clock;
use crate::store::embedded::Embedded;
use crate::store::promise_form;
use crate::store::{
    Changed, LOOK_UP_MAX, PromiseChange, PromiseRecord, Promised, SendId, SendRecord, SendStep,
    State, Store as _, StoreError,
};

impl Desk {
    /// Asks the store at once; what becomes of it comes back as an input.
    pub(super) fn write(&self, id: WriteId, write: Write) {
        let stored: BoxFuture<'static, Stored> = match write {
            Write::Promise(promise, within) => {
                let kept = self.with_store(|store| {
                    let kept = store.promise(record_of(store, &promise)?, Clock::utc());
                    // Behind it, so that it is there; a promise without its conversation is one all the same.
                    drop(store.keep_context(promise.id, promise.call, Clock::utc()));
                    Ok(kept)
                });
                self.stored(kept.map(|kept| {
                    timeout(within, kept)
                        .map(|kept| kept.unwrap_or(Err(StoreError::TimedOut)))
                        .map(|kept| kept.map(of_promised))
                        .boxed()
                }))
            }
            Write::Change {
                promise,
                from_revision,
                send,
            } => {
                let change = change_of(&promise, from_revision, send);
                let kept = self.with_store(|store| Ok(store.change_promise(change, Clock::utc())));
                self.stored(kept.map(|kept| kept.map(|kept| kept.map(of_changed)).boxed()))
            }
            Write::OptOut(number, at) => {
                let kept = self.with_store(|store| {
                    let caller = store.caller(&number.dialled())?;
                    Ok(store.set_opted_out(caller, at))
                });
                self.stored(kept.map(|kept| kept.map(|kept| kept.map(|()| Stored::Kept)).boxed()))
            }
            Write::Forget(number) => self.stored(Ok(self.forget(number))),
        };
        let failed = Input::Stored(id, Stored::Failed);
        self.ask("promise", None, failed, async move {
            Input::Stored(id, stored.await)
        });
    }

    fn with_store<T>(
        &self,
        ask: impl FnOnce(&Embedded) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let store = self.shared.keeper.store();
        store.map_or(Err(StoreError::Closed), |store| ask(store))
    }

    /// What fails is counted where the store's faults are.
    fn stored(
        &self,
        kept: Result<BoxFuture<'static, Result<Stored, StoreError>>, StoreError>,
    ) -> BoxFuture<'static, Stored> {
        let shared = std::sync::Arc::clone(&self.shared);
        let kept = kept.unwrap_or_else(|error| ready(Err(error)).boxed());
        kept.map(move |kept| shared.keeper.note(kept).unwrap_or(Stored::Failed))
            .boxed()
    }

    /// As often as there is something left: a step takes away a bounded number.
    fn forget(&self, number: Number) -> BoxFuture<'static, Result<Stored, StoreError>> {
        let shared = std::sync::Arc::clone(&self.shared);
        async move {
            let store = shared.keeper.store().ok_or(StoreError::Closed)?;
            let caller = store.caller(&number.dialled())?;
            while store.forget(caller).await? >= LOOK_UP_MAX {}
            Ok(Stored::Kept)
        }
        .boxed()
    }
}

fn record_of(store: &Embedded, promise: &Promise) -> Result<PromiseRecord, StoreError> {
    Ok(PromiseRecord {
        id: promise.id,
        caller: store.caller(&promise.to.dialled())?,
        revision: 0,
        is_open: promise.stage.is_open(),
        due: promise.due(),
        expires: promise.kept_until(),
        state: State(promise_form::encode(promise)),
    })
}

fn change_of(promise: &Promise, from_revision: u64, send: SendNote) -> PromiseChange {
    PromiseChange {
        id: promise.id,
        from_revision,
        is_open: promise.stage.is_open(),
        due: promise.due(),
        expires: promise.kept_until(),
        state: State(promise_form::encode(promise)),
        send: match send {
            SendNote::None => SendStep::None,
            SendNote::Begin(send) => SendStep::Begin(SendRecord {
                id: SendId(send.bits()),
                promise: promise.id,
                at: Clock::utc(),
                state: State::default(),
            }),
            SendNote::End(send) => SendStep::End(SendId(send.bits())),
        },
    }
}

const fn of_promised(promised: Promised) -> Stored {
    match promised {
        Promised::Kept => Stored::Kept,
        Promised::Already(other) => Stored::Already(other),
        Promised::OptedOut => Stored::OptedOut,
    }
}

const fn of_changed(changed: Changed) -> Stored {
    match changed {
        Changed::Kept => Stored::Kept,
        Changed::Unknown => Stored::Unknown,
        Changed::Stale(revision) => Stored::Stale(revision),
        Changed::OptedOut => Stored::OptedOut,
        Changed::Already(other) => Stored::Already(other),
    }
}
