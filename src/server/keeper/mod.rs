//! Keeps what must outlive the process: used tokens, how far calls are, how they ended. Behind all that is known in memory.
//!
//! It owns the store, what is written into it and what is said when it does not do its part. Nobody waits for it who has a
//! caller waiting, but for two bounded moments: [`Keeper::look_up`] where nothing is known of a call in memory, and the end of
//! a call, whose socket is held until that is on disk. Where no file is named there is no store, and nothing outlives the
//! process. It must not decide: [`super::front`] and [`crate::core::front`] do. What is promised: [`crate::docs::store`].

mod mirror;
mod state;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use self::mirror::{Entry, Mirror};
pub(super) use self::state::CallState;
use super::clock::Clock;
use super::drain::{Stage, Tasks};
use crate::config::{SharedSettings, StorePlace, StoreSettings};
use crate::core::front::Card;
use crate::core::ids::{CallId, CallSid, PromiseId};
use crate::core::time::Utc;
use crate::store::embedded::{Embedded, OpenFault, StoreFile};
use crate::store::redis::Redis;
use crate::store::{
    CallKey, CallRecord, Checkpointed, EndedCall, KnownCall, State, Store as _, StoreError, TokenId,
};
use crate::telemetry::{Count, SharedMoment, StoreMoment, Telemetry};

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
    call_ttl: Duration,
    ended_ttl: Duration,
    collect_interval: Duration,
    node: Box<str>,
    tasks: Tasks,
    tally: Arc<Tally>,
}

/// What the store knows of a call that nothing is known of in memory.
#[derive(Debug)]
pub(super) enum Recalled {
    /// It has ended.
    Ended(CallId),
    /// It goes on.
    InProgress(Recovered),
}

/// A call in progress of before the start.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) sid: CallSid,
    pub(super) card: Card,
    pub(super) state: CallState,
}

/// How the store fares, and who is told.
#[derive(Debug)]
struct Tally {
    telemetry: Telemetry,
    /// Whether the log knows that something is wrong.
    is_told: AtomicBool,
}

impl Keeper {
    /// Opens the store, if there is to be one, which takes as long as reading its file. A disk that is away, full or read-only
    /// is no reason not to serve: calls need none. A file that a person must look at is.
    pub(super) fn open(
        settings: StoreSettings,
        node: &str,
        tasks: Tasks,
        telemetry: Telemetry,
    ) -> Result<Self, (PathBuf, OpenFault)> {
        let tally = Tally {
            telemetry,
            is_told: AtomicBool::new(false),
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
            call_ttl: settings.call_ttl,
            ended_ttl: settings.ended_ttl,
            collect_interval: settings.collect_interval,
            node: node.into(),
            tasks,
            tally: Arc::new(tally),
        })
    }

    /// With a store that nodes share, if there is to be one. Nothing waits for it: while it is away calls go on without it.
    pub(super) fn sharing(self, shared: Option<SharedSettings>) -> Self {
        let shared = shared.map(|shared| Redis::open(shared.address, &shared.key, shared.redis));
        let shared = shared.transpose().unwrap_or_else(|error| {
            tracing::error!(%error, "there is no thread for the shared store: calls go on without it");
            None
        });
        Self {
            shared: shared.map(Mirror::new),
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
            after = Some(last.id);
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

    /// Keeps how far a call is.
    pub(super) fn keep_call(&self, sid: CallSid, card: Card, state: &CallState) {
        let updated = Clock::utc();
        let record = CallRecord {
            id: card.id,
            sid,
            node: (*self.node).to_owned(),
            epoch: card.epoch.into(),
            updated,
            expires: Clock::utc_after(self.call_ttl),
            state: state.write(),
        };
        if let Some(shared) = &self.shared {
            shared.keep(Entry::Call(record.clone()));
        }
        let Some(store) = &self.store else {
            return;
        };
        self.watch(store.checkpoint(record), move |kept| match kept {
            Checkpointed::Kept | Checkpointed::Ended => {}
            Checkpointed::Superseded(epoch) => {
                tracing::debug!(carrier_call = %sid, epoch, "a newer stream keeps this call");
            }
        });
    }

    /// Keeps that a call has ended; tells when that is on disk, or when it is known not to be.
    pub(super) fn end_call(&self, sid: CallSid, id: CallId) -> oneshot::Receiver<()> {
        let (written, is_written) = oneshot::channel();
        let ended = EndedCall {
            id,
            sid,
            at: Clock::utc(),
            expires: Clock::utc_after(self.ended_ttl),
            state: State(ENDED.to_vec()),
        };
        if let Some(shared) = &self.shared {
            shared.keep(Entry::Ended(ended.clone()));
        }
        if let Some(store) = &self.store {
            let ended = store.end_call(ended);
            let tally = Arc::clone(&self.tally);
            self.tasks.spawn("store", async move {
                tally.note(ended.await);
                written.send(()).ok(); // The call's task need not have waited.
            });
        }
        is_written
    }

    /// What is known of a call; `None` as well where neither store says so in time. The one beside the process is done in a moment;
    /// what nodes share is waited for longer, and counts where it is of a later epoch: the call may have been elsewhere since.
    pub(super) async fn look_up(&self, sid: CallSid) -> Option<Recalled> {
        let (here, elsewhere) = tokio::join!(self.look_up_here(sid), async {
            self.shared.as_ref()?.look_up(sid).await
        });
        let epoch = |known: &KnownCall| match known {
            KnownCall::Ended(_) => u64::MAX,
            KnownCall::InProgress(call) => call.epoch,
        };
        let known = here.into_iter().chain(elsewhere).max_by_key(epoch)?;
        Some(match known {
            KnownCall::Ended(ended) => Recalled::Ended(ended.id),
            KnownCall::InProgress(call) => Recalled::InProgress(self.tally.read(&call)),
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

    /// The store that nodes share, for what only such a one has.
    pub(super) fn shared_store(&self) -> Option<&Redis> {
        self.shared.as_ref().map(Mirror::store)
    }

    /// The store itself, for promises.
    pub(super) const fn store(&self) -> Option<&Arc<Embedded>> {
        self.store.as_ref()
    }

    /// Counts what failed, and tells when it begins.
    pub(super) fn note<T>(&self, answer: Result<T, StoreError>) -> Option<T> {
        self.tally.note(answer)
    }

    /// The conversation that a promise was made in; `None` as well where the store does not say so in time.
    pub(super) async fn context(&self, promise: PromiseId) -> Option<CallState> {
        let store = self.store.as_ref()?;
        let state = self.tally.note(store.context(promise).await)??;
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

impl Tally {
    /// Counts what failed, and tells when it begins: what comes after it gets no line of its own.
    fn note<T>(&self, answer: Result<T, StoreError>) -> Option<T> {
        answer.map_err(|error| self.failed(&error)).ok()
    }

    /// Nothing has failed for a while.
    fn is_well(&self) {
        if self.is_told.swap(false, Ordering::Relaxed) {
            tracing::info!("the store is well again");
        }
    }

    fn failed(&self, error: &StoreError) {
        self.telemetry.count(match error {
            StoreError::Disk(_)
            | StoreError::Away(_)
            | StoreError::Full
            | StoreError::ReadOnly
            | StoreError::Loading
            | StoreError::Denied(_) => Count::StoreRefused,
            StoreError::TimedOut | StoreError::TooFewReplicas(_) => Count::StoreLate,
            StoreError::Overloaded => Count::StoreOverloaded,
            StoreError::Newer(_)
            | StoreError::Damaged(_)
            | StoreError::Unfit(_)
            | StoreError::TooLong(_)
            | StoreError::Closed
            | StoreError::Bug => Count::StoreFaults,
        });
        if !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "the store does not keep what it should: calls go on, and will not survive a restart");
        }
    }

    /// A call without its words is still a call.
    fn read(&self, call: &CallRecord) -> Recovered {
        let state = CallState::read(&call.state).unwrap_or_else(|_| {
            self.failed(&StoreError::Damaged("conversation"));
            CallState::default()
        });
        Recovered {
            sid: call.sid,
            card: Card {
                id: call.id,
                epoch: u32::try_from(call.epoch).unwrap_or(u32::MAX),
            },
            state,
        }
    }
}

#[cfg(test)]
mod tests;
