//! Keeps what must outlive the process: used tokens, how far calls are, how they ended. Behind all that is known in memory.
//!
//! It owns the store, what is written into it and what is said when it does not do its part. Nobody waits for it who has a
//! caller waiting, but for two bounded moments: a look-up where nothing is known of a call in memory, and the end of
//! a stream, whose socket is held until what follows is written. Where no file is named there is no store, and nothing outlives the
//! process. It must not decide: [`super::front`] and [`crate::core::front`] do. What is promised: [`crate::docs::store`].

mod accounts;
mod heeded;
mod mirror;
mod state;
mod tally;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

pub(super) use self::accounts::{known_state, remembered};
pub(super) use self::heeded::Heeded;
use self::mirror::{Entry, Mirror};
pub(super) use self::state::CallState;
use self::state::Unreadable;
use self::tally::Tally;
use super::clock::Clock;
use super::drain::{Stage, Tasks};
use crate::config::{PromiseDurability, SharedSettings, StorePlace, StoreSettings};
use crate::core::front::Card;
use crate::core::ids::{CallId, CallSid, PromiseId};
use crate::core::region::Peer;
use crate::core::region::owner::Tenure;
use crate::core::time::Utc;
use crate::store::embedded::{Embedded, OpenFault, StoreFile};
use crate::store::redis::Redis;
use crate::store::{
    CallKey, CallRecord, EndedCall, KnownCall, State, Store as _, StoreError, TokenId,
};
use crate::telemetry::{SharedMoment, StoreMoment, Telemetry};

/// How long somebody who waits for a document may wait for the store: they are to be answered within 50 ms.
const LOOK_UP_TIMEOUT: Duration = Duration::from_millis(40);

/// How many calls in progress are taken over from before the start: as many as are remembered in memory.
const RECOVERED_MAX: usize = super::checkpoints::CALLS_MAX;

/// How old they may be: longer than any carrier takes to come back.
const RECOVERED_AGE_MAX: Duration = super::checkpoints::KEPT_FOR;

/// What is written of a call that has ended: how it did. A later version may say more.
const ENDED: &[u8] = &[1];

/// See the module.
#[derive(Debug)]
pub(super) struct Keeper {
    store: Option<Arc<Embedded>>,
    shared: Option<Mirror>,
    /// How many replicas of what nodes share must have what counts.
    replicas_min: usize,
    call_ttl: Duration,
    ended_ttl: Duration,
    collect_interval: Duration,
    /// Whose calls these are.
    me: Peer,
    heeded: Heeded,
    tasks: Tasks,
    tally: Arc<Tally>,
}

/// What the store knows of a call that nothing is known of in memory.
#[derive(Debug)]
pub(super) enum Recalled {
    /// It has ended.
    Ended(CallId),
    /// It goes on.
    InProgress(Box<Recovered>),
}

/// A call in progress of before the start.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) sid: CallSid,
    /// Whose it was, and by which document.
    pub(super) by: Tenure,
    /// Which checkpoint it is.
    pub(super) turn: u32,
    pub(super) state: CallState,
}

/// Ready when what a stream leaves behind is written, as far as it can be.
#[derive(Debug)]
pub(super) struct IsWritten {
    /// In the file beside the process.
    beside: Option<oneshot::Receiver<()>>,
    /// In what nodes share.
    shared: Option<oneshot::Receiver<()>>,
}

/// How long a stream is held for what nodes share.
const SHARED_TIMEOUT: Duration = Duration::from_millis(300);

impl IsWritten {
    /// Waits until it is written; for what nodes share 300 ms at most.
    pub(super) async fn wait(self) {
        let Self { beside, shared } = self;
        let beside = async {
            if let Some(beside) = beside {
                beside.await.ok();
            }
        };
        let shared = async {
            if let Some(shared) = shared {
                drop(timeout(SHARED_TIMEOUT, shared).await);
            }
        };
        tokio::join!(beside, shared);
    }
}

impl Keeper {
    /// Opens the store, if there is to be one, which takes as long as reading its file. A disk that is away, full or read-only
    /// is no reason not to serve: calls need none. A file that a person must look at is.
    pub(super) fn open(
        settings: StoreSettings,
        me: Peer,
        heeded: Heeded,
        tasks: Tasks,
        telemetry: Telemetry,
    ) -> Result<Self, (PathBuf, OpenFault)> {
        let tally = Tally {
            telemetry,
            is_told: AtomicBool::new(false),
            is_told_of_others: AtomicBool::new(false),
        };
        let store = match settings.place {
            StorePlace::Memory => None,
            StorePlace::File(path, key) => {
                let file = StoreFile::new(path.clone(), key);
                let opened = match Embedded::open(file.clone(), settings.embedded) {
                    Err(fault) if fault.is_disk() => {
                        tally.failed(&StoreError::Disk(fault.to_string()));
                        Embedded::open_later(file, fault, settings.embedded)
                    }
                    opened => opened,
                };
                Some(Arc::new(opened.map_err(|fault| (path, fault))?))
            }
        };
        Ok(Self {
            store,
            shared: None,
            replicas_min: 0,
            call_ttl: settings.call_ttl,
            ended_ttl: settings.ended_ttl,
            collect_interval: settings.collect_interval,
            me,
            heeded,
            tasks,
            tally: Arc::new(tally),
        })
    }

    /// The store that nodes share, for promises and for what only such a one has.
    pub(super) fn shared_store(&self) -> Option<&Arc<Redis>> {
        self.shared.as_ref().map(Mirror::store)
    }

    /// The name of this node there, and how many replicas must have what counts.
    pub(super) fn sharer(&self) -> (&str, usize) {
        (self.me.node.as_str(), self.replicas_min)
    }

    /// With a store that nodes share, if there is to be one. Nothing waits for it: while it is away calls go on without it.
    pub(super) fn sharing(self, shared: Option<SharedSettings>) -> Self {
        let replicas_min = shared
            .as_ref()
            .map_or(0, |shared| shared.redis.replicas_min);
        let shared = shared.map(|shared| Redis::open(shared.address, &shared.key, shared.redis));
        let shared = shared.transpose().unwrap_or_else(|error| {
            tracing::error!(%error, "there is no thread for the shared store: calls go on without it");
            None
        });
        Self {
            shared: shared.map(|store| Mirror::new(store, self.heeded.clone())),
            replicas_min,
            ..self
        }
    }

    /// The calls that were in progress a moment before the start, the newest life of each.
    pub(super) async fn recover(&self) -> Vec<Recovered> {
        let mut recovered = Vec::new();
        let Some(store) = &self.store else {
            return recovered;
        };
        let now = Clock::utc();
        let mut after = None;
        loop {
            let left = RECOVERED_MAX - recovered.len();
            let calls = match store.calls(after, left, now).await {
                Ok(calls) => calls,
                Err(error) => {
                    self.tally.failed(&error);
                    return recovered;
                }
            };
            let Some(last) = calls.last() else {
                return recovered;
            };
            after = Some(last.id());
            let recent = calls
                .into_iter()
                .filter(|call| now.since(call.updated) < RECOVERED_AGE_MAX);
            recovered.extend(recent.map(|call| self.tally.read(&call)));
            if recovered.len() >= RECOVERED_MAX {
                return recovered;
            }
        }
    }

    /// Whether this is the first use of a token, here or in a life before. Waits for nothing: the disk only makes it outlive
    /// the process.
    pub(super) fn claim_token(&self, nonce: u64, expires: Utc) -> bool {
        let Some(store) = &self.store else {
            return true;
        };
        let mut claim = store.claim_token(TokenId(nonce.into()), expires, Clock::utc());
        match (&mut claim).now_or_never() {
            Some(Ok(is_first)) => return is_first,
            Some(Err(error)) => self.tally.failed(&error),
            None => self.watch(claim, |_| {}),
        }
        true
    }

    /// Keeps how far a call is, as its checkpoint of this number; nobody waits for it.
    pub(super) fn keep_call(&self, sid: CallSid, (card, turn): (Card, u32), state: &CallState) {
        let record = self.record(sid, (card, turn), state);
        if let Some(shared) = &self.shared {
            shared.keep(Entry::Call(record.clone()));
        }
        let Some(store) = &self.store else {
            return;
        };
        let (heeded, by) = (self.heeded.clone(), record.by);
        self.watch(store.checkpoint(record), move |ruling| {
            heeded.heed(sid, by, ruling);
        });
    }

    /// The same for a call whose stream is about to be closed; tells when all that can be written is.
    pub(super) fn keep_last(
        &self,
        sid: CallSid,
        (card, turn): (Card, u32),
        state: &CallState,
    ) -> IsWritten {
        let record = self.record(sid, (card, turn), state);
        let shared = self.shared.as_ref();
        let shared = shared.and_then(|shared| shared.keep_and_tell(Entry::Call(record.clone())));
        let beside = self.store.as_ref().map(|store| {
            let kept = store.checkpoint(record);
            self.told(kept)
        });
        IsWritten { beside, shared }
    }

    /// Keeps that a call has ended; tells when that is written, or when it is known not to be. `by` is the card of the stream on
    /// which everything was said; `None`: the carrier says that it is over.
    pub(super) fn end_call(&self, sid: CallSid, id: CallId, by: Option<Card>) -> IsWritten {
        let ended = EndedCall {
            id,
            sid,
            by: by.map(|card| self.tenure(card)),
            at: Clock::utc(),
            expires: Clock::utc_after(self.ended_ttl),
            state: State(ENDED.to_vec()),
        };
        let shared = self.shared.as_ref();
        let shared = shared.and_then(|shared| shared.keep_and_tell(Entry::Ended(ended.clone())));
        let beside = self.store.as_ref().map(|store| {
            let ended = store.end_call(ended);
            self.told(ended)
        });
        IsWritten { beside, shared }
    }

    fn record(&self, sid: CallSid, (card, turn): (Card, u32), state: &CallState) -> CallRecord {
        CallRecord {
            sid,
            by: self.tenure(card),
            turn,
            updated: Clock::utc(),
            expires: Clock::utc_after(self.call_ttl),
            state: state.write(),
        }
    }

    const fn tenure(&self, card: Card) -> Tenure {
        let owner = self.me;
        Tenure { card, owner }
    }

    /// Tells when the file beside the process has answered, however.
    fn told<T: Send + 'static>(&self, answer: crate::store::Answer<T>) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        let tally = Arc::clone(&self.tally);
        self.tasks.spawn("store", async move {
            tally.note(answer.await);
            tell.send(()).ok(); // The call's task need not have waited.
        });
        told
    }

    /// What the file beside the process knows of a call; `None` as well where it does not say so in time.
    pub(super) async fn look_up(&self, sid: CallSid) -> Option<Recalled> {
        let known = self.look_up_here(sid).await?;
        Some(match known {
            KnownCall::Ended(ended) => Recalled::Ended(ended.id),
            KnownCall::InProgress(call) => Recalled::InProgress(Box::new(self.tally.read(&call))),
        })
    }

    async fn look_up_here(&self, sid: CallSid) -> Option<KnownCall> {
        let store = self.store.as_ref()?;
        let call = store.call(CallKey::Sid(sid), Clock::utc());
        let call = timeout(LOOK_UP_TIMEOUT, call).await;
        self.tally.note(call.unwrap_or(Err(StoreError::TimedOut)))?
    }

    /// Writes into what nodes share, for ever; nothing comes of it where they share nothing.
    pub(super) async fn mirror(&self) {
        match &self.shared {
            Some(shared) => shared.run().await,
            None => std::future::pending().await,
        }
    }

    /// How what nodes share stands; `None`: nothing is shared.
    pub(super) fn shared_moment(&self) -> Option<SharedMoment> {
        self.shared.as_ref().map(Mirror::moment)
    }

    /// Writes something into what nodes share, for health.
    pub(super) async fn prove_shared(&self) -> Result<(), StoreError> {
        match &self.shared {
            Some(shared) => shared.prove(self.me.node.as_str()).await,
            None => Ok(()),
        }
    }

    /// The store itself, for promises.
    pub(super) const fn store(&self) -> Option<&Arc<Embedded>> {
        self.store.as_ref()
    }

    /// Counts what failed, and tells when it begins.
    pub(super) fn note<T>(&self, answer: Result<T, StoreError>) -> Option<T> {
        self.tally.note(answer)
    }

    /// Counts what failed with what nodes share.
    pub(super) fn note_shared<T>(&self, answer: Result<T, StoreError>) -> Option<T> {
        let shared = self.shared.as_ref()?;
        answer.map_err(|error| shared.failed(&error)).ok()
    }

    /// Whether what nodes share keeps promises, for health.
    pub(super) fn keeps_promises(&self, does: bool) {
        if let Some(shared) = &self.shared {
            shared.keeps_promises(does);
        }
    }

    /// The conversation that a promise was made in; `None` as well where the store does not say so in time. Promises that nodes share
    /// have theirs there, but for those of before they were shared.
    pub(super) async fn context(
        &self,
        promise: PromiseId,
        durability: PromiseDurability,
    ) -> Option<CallState> {
        let mut state = None;
        if let (Some(shared), PromiseDurability::Shared) = (&self.shared, durability) {
            state = self
                .note_shared(shared.store().context(promise).await)
                .flatten();
        }
        if let (Some(store), None) = (&self.store, &state) {
            state = self.tally.note(store.context(promise).await).flatten();
        }
        let state = state?;
        let read = CallState::read(&state);
        self.tally
            .note(read.map_err(|_| StoreError::Damaged("conversation")))
    }

    /// Whether anything is kept.
    pub(super) const fn is_there(&self) -> bool {
        self.store.is_some() || self.shared.is_some()
    }
    /// How it stands; `None`: there is no store.
    pub(super) fn moment(&self) -> Option<StoreMoment> {
        let store = self.store.as_ref()?;
        let counts = store.counts();
        Some(StoreMoment {
            is_well: store.trouble().is_none() && !self.tally.is_told.load(Ordering::Relaxed),
            commits: counts.commits,
            writes: counts.writes,
            mended: counts.mended,
        })
    }

    /// Throws away what has expired, now and then, until the server stops.
    pub(super) async fn collect(&self) {
        let mut stopping = std::pin::pin!(self.tasks.reached(Stage::Stopping));
        loop {
            tokio::select! {
                () = &mut stopping => return,
                () = sleep(self.collect_interval) => {}
            }
            if let Some(shared) = &self.shared {
                shared.collect().await;
            }
            let Some(store) = &self.store else {
                continue;
            };
            // Each step is short, and others have their turn between them.
            while let Some(collected) = self.tally.note(store.collect(Clock::utc()).await) {
                // The store has written something: a disk that refused does so no more.
                self.tally.is_well();
                self.tally.leaves_alone(collected.left_alone);
                if collected.is_done {
                    break;
                }
            }
        }
    }

    /// Writes what was asked for, and closes the file.
    pub(super) async fn close(&self) {
        if let Some(shared) = &self.shared {
            shared.close().await;
        }
        if let Some(store) = &self.store {
            self.tally.note(store.close().await);
        }
    }

    fn watch<T: Send + 'static>(
        &self,
        answer: crate::store::Answer<T>,
        then: impl FnOnce(T) + Send + 'static,
    ) {
        let tally = Arc::clone(&self.tally);
        self.tasks.spawn("store", async move {
            if let Some(answer) = tally.note(answer.await) {
                then(answer);
            }
        });
    }
}

#[cfg(test)]
mod tests;
