//! Where promises are kept: in the file of this process alone, or in the store that nodes share. The desk asks either the same.
//!
//! It owns what differs between the two. In the shared store a promise has who serves it beside it, and a change that another
//! desk was before with is told as that; an opt-out that the shared store does not have yet stands in the file meanwhile. It
//! must not decide.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use tokio::time::{sleep, timeout};

use super::served::{self, DeskName};
use crate::core::callback::effect::SendNote;
use crate::core::callback::input::Stored;
use crate::core::callback::number::Number;
use crate::core::callback::promise::Promise;
use crate::core::ids::{CallId, PromiseId};
use crate::core::time::Utc;
use crate::server::clock::Clock;
use crate::server::drain::Tasks;
use crate::store::embedded::Embedded;
use crate::store::promise_form::{self, RecordFault};
use crate::store::redis::Redis;
use crate::store::{
    Changed, LOOK_UP_MAX, PromiseChange, PromiseRecord, Promised, SendId, SendRecord, SendStep,
    State, Store, StoreError,
};

/// What became of something that is to be kept.
pub(super) type Keeping = BoxFuture<'static, Result<Stored, StoreError>>;

/// How often a conversation is sought in the shared store, which has it a moment after the call was told to keep it.
const CONTEXT_TRIES: u8 = 20;
const CONTEXT_AGAIN: Duration = Duration::from_millis(100);

/// After so long nothing of what was asked of the shared store before is still on its way.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Clone, Debug)]
pub(super) enum Archive {
    /// The file beside this process, which nobody else has.
    Own(Arc<Embedded>),
    /// What all nodes have.
    Common(Arc<Common>),
}

/// The store that nodes share, as one desk uses it.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) store: Arc<Redis>,
    /// The file beside this process, if there is one.
    pub(super) file: Option<Arc<Embedded>>,
    pub(super) me: DeskName,
    pub(super) tasks: Tasks,
}

impl Archive {
    /// Keeps a new promise, and the conversation that it was made in; begun within so long, or not at all.
    pub(super) fn promise(&self, promise: &Promise, within: Duration) -> Keeping {
        let (id, call) = (promise.id, promise.call);
        let kept: BoxFuture<'static, _> = match self {
            Self::Own(file) => {
                let state = State(promise_form::encode(promise));
                let record = record_of(&**file, promise, state);
                let kept = record.map(|record| file.promise(record, Clock::utc()));
                // Behind it, so that it is there; a promise without its conversation is one all the same.
                self.keep_context(id, call);
                kept.unwrap_or_else(|error| ready(Err(error)).boxed())
            }
            Self::Common(common) => {
                let (common, promise) = (Arc::clone(common), promise.clone());
                let archive = self.clone();
                async move {
                    if common.is_out_by_file(promise.to).await {
                        return Ok(Promised::OptedOut);
                    }
                    let state = served::encode(common.me, &promise);
                    let record = record_of(&*common.store, &promise, state)?;
                    let kept = common.store.promise(record, Clock::utc()).await?;
                    if kept == Promised::Kept {
                        archive.keep_context(id, call);
                    }
                    Ok(kept)
                }
                .boxed()
            }
        };
        timeout(within, kept)
            .map(|kept| kept.unwrap_or(Err(StoreError::TimedOut)))
            .map(|kept| kept.map(of_promised))
            .boxed()
    }

    /// Keeps the next revision of a promise.
    pub(super) fn change(&self, promise: &Promise, from_revision: u64, send: SendNote) -> Keeping {
        match self {
            Self::Own(file) => {
                let state = State(promise_form::encode(promise));
                let change = change_of(promise, from_revision, send, state);
                let kept = file.change_promise(change, Clock::utc());
                kept.map(|kept| kept.map(of_changed)).boxed()
            }
            Self::Common(common) => {
                let (common, promise) = (Arc::clone(common), promise.clone());
                async move { common.change(&promise, from_revision, send).await }.boxed()
            }
        }
    }

    /// Keeps that a number wants nothing of us, or no longer so.
    pub(super) fn opt_out(&self, number: Number, at: Option<Utc>) -> Keeping {
        match self {
            Self::Own(file) => {
                let caller = file.caller(&number.dialled());
                let kept = caller.map(|caller| file.set_opted_out(caller, at));
                let kept = kept.unwrap_or_else(|error| ready(Err(error)).boxed());
                kept.map(|kept| kept.map(|()| Stored::Kept)).boxed()
            }
            Self::Common(common) => {
                let common = Arc::clone(common);
                async move { common.opt_out(number, at).await }.boxed()
            }
        }
    }

    /// Throws away all that is kept of a number, but that it wants nothing of us.
    pub(super) fn forget(&self, number: Number) -> Keeping {
        let archive = self.clone();
        async move {
            match archive {
                Self::Own(file) => forget(&*file, number).await?,
                Self::Common(common) => {
                    forget(&*common.store, number).await?;
                    // What was on its way to the store may have come behind it.
                    sleep(SETTLED_AFTER).await;
                    forget(&*common.store, number).await?;
                    if let Some(file) = &common.file {
                        forget(&**file, number).await?;
                    }
                }
            }
            Ok(Stored::Kept)
        }
        .boxed()
    }

    /// Keeps what is kept of a call beside a promise as well; nobody waits for it.
    pub(super) fn keep_context(&self, promise: PromiseId, call: CallId) {
        match self {
            // Asked for at once: it is behind what was asked for before.
            Self::Own(file) => drop(file.keep_context(promise, call, Clock::utc())),
            Self::Common(common) => common.context_later(promise, call),
        }
    }
}

impl Common {
    /// A change in the name of this desk. Where another was first it is told who that was: a try of this desk's that was kept
    /// though nobody said so, or another desk, which serves the promise by that.
    async fn change(
        &self,
        promise: &Promise,
        from_revision: u64,
        send: SendNote,
    ) -> Result<Stored, StoreError> {
        if matches!(send, SendNote::Begin(_)) && self.is_out_by_file(promise.to).await {
            return Ok(Stored::OptedOut);
        }
        let state = served::encode(self.me, promise);
        let change = change_of(promise, from_revision, send, state);
        match self.store.change_promise(change, Clock::utc()).await? {
            Changed::Stale(_) => {}
            kept @ (Changed::Kept | Changed::Unknown | Changed::OptedOut | Changed::Already(_)) => {
                return Ok(of_changed(kept));
            }
        }
        let kept = self.store.promise_by_id(promise.id, Clock::utc()).await?;
        let Some(kept) = kept else {
            return Ok(Stored::Unknown);
        };
        let is_mine = served::desk_of(&kept.state).map_err(unread)? == self.me;
        Ok(if is_mine {
            Stored::Stale(kept.revision)
        } else {
            Stored::Elsewhere
        })
    }

    /// In the shared store, where it counts for all nodes; and in the file until it is there.
    async fn opt_out(&self, number: Number, at: Option<Utc>) -> Result<Stored, StoreError> {
        let caller = self.store.caller(&number.dialled())?;
        let kept = self.store.set_opted_out(caller, at);
        if at.is_some()
            && let Err(error) = self.note_in_file(number, at).await
        {
            tracing::warn!(%error, "an opt-out is not in the file of this node");
        }
        kept.await?;
        match self.note_in_file(number, None).await {
            Err(error) if at.is_none() => Err(error),
            // It is sought there once more in vain.
            Ok(()) | Err(_) => Ok(Stored::Kept),
        }
    }

    async fn note_in_file(&self, number: Number, at: Option<Utc>) -> Result<(), StoreError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let caller = file.caller(&number.dialled())?;
        if at.is_none() && file.opted_out(caller).await?.is_none() {
            return Ok(()); // A look-up is cheaper than a write, and this is the rule.
        }
        file.set_opted_out(caller, at).await
    }

    /// Whether the file says that somebody wants nothing of us, which the shared store was not told: it is told now. A file that
    /// does not answer says nothing.
    async fn is_out_by_file(&self, number: Number) -> bool {
        let Some(file) = &self.file else {
            return false;
        };
        let said = match file.caller(&number.dialled()) {
            Ok(caller) => file.opted_out(caller).await,
            Err(error) => Err(error),
        };
        let Ok(Some(at)) = said else {
            return false;
        };
        if let Err(error) = self.opt_out(number, Some(at)).await {
            tracing::warn!(%error, "an opt-out of this node is not known to the others yet");
        }
        true
    }

    /// What the call was told to keep is written beside it: it may not be there yet.
    fn context_later(&self, promise: PromiseId, call: CallId) {
        let store = Arc::clone(&self.store);
        self.tasks.spawn("conversation", async move {
            for _ in 0..CONTEXT_TRIES {
                match store.keep_context(promise, call, Clock::utc()).await {
                    Ok(true) => return,
                    Ok(false) | Err(_) => sleep(CONTEXT_AGAIN).await,
                }
            }
            tracing::debug!(%promise, "the conversation of a promise is not in the shared store");
        });
    }
}

/// As often as there is something left: a step takes away a bounded number.
async fn forget(store: &dyn Store, number: Number) -> Result<(), StoreError> {
    let caller = store.caller(&number.dialled())?;
    while store.forget(caller).await? >= LOOK_UP_MAX {}
    Ok(())
}

/// Why a promise in a store cannot be read.
pub(super) const fn unread(fault: RecordFault) -> StoreError {
    match fault {
        RecordFault::Newer => StoreError::Newer("promise"),
        RecordFault::Damaged => StoreError::Damaged("promise"),
    }
}

/// The first record of a promise.
pub(super) fn record_of(
    store: &dyn Store,
    promise: &Promise,
    state: State,
) -> Result<PromiseRecord, StoreError> {
    Ok(PromiseRecord {
        id: promise.id,
        caller: store.caller(&promise.to.dialled())?,
        revision: 0,
        is_open: promise.stage.is_open(),
        due: promise.due(),
        expires: promise.kept_until(),
        state,
    })
}

/// The record that follows `from_revision`.
pub(super) fn change_of(
    promise: &Promise,
    from_revision: u64,
    send: SendNote,
    state: State,
) -> PromiseChange {
    PromiseChange {
        id: promise.id,
        from_revision,
        is_open: promise.stage.is_open(),
        due: promise.due(),
        expires: promise.kept_until(),
        state,
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
