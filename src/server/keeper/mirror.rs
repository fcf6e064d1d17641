//! Writes into the store that nodes share what this node keeps of its calls, beside them: nobody waits for it.
//!
//! It owns what is not written yet: of each call the newest, so that an outage costs no more than that. When the shared store is
//! back all of it is written, in any order: a checkpoint goes over an older one and never over an end. It must not decide.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::super::clock::Clock;
use crate::core::ids::{CallId, CallSid};
use crate::store::redis::Redis;
use crate::store::{
    Answer, CallKey, CallRecord, Checkpointed, EndedCall, KnownCall, Store as _, StoreError,
};
use crate::telemetry::SharedMoment;

/// Calls that wait to be written: beyond it further ones are left out, counted; they are in memory and in the file beside the
/// process all the same.
const WAITING_MAX: usize = 10_000;

/// How many are written at once: they share a round trip.
const STEP_MAX: usize = 64;

/// After something could not be written: how long it takes until it is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// How long a caller's carrier may wait for it: once for each call, and only where nothing is known of it here.
const LOOK_UP_TIMEOUT: Duration = Duration::from_millis(300);

/// At the end, how long it may take to write what is left.
const LAST_TIMEOUT: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Mirror {
    store: Arc<Redis>,
    waiting: Mutex<BTreeMap<CallId, Entry>>,
    news: Notify,
    /// Whether what was tried last could not be written.
    is_behind: AtomicBool,
    /// Whether the log knows that something is wrong.
    is_told: AtomicBool,
    failed: AtomicU64,
    left_out: AtomicU64,
}

/// What is known of a call now.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// It goes on.
    Call(CallRecord),
    /// It has ended.
    Ended(EndedCall),
}

/// What became of an attempt to write.
enum Written {
    /// It is done, or never can be.
    Done,
    /// It is to be tried again.
    NotYet(Entry),
}

impl Mirror {
    pub(super) fn new(store: Redis) -> Self {
        Self {
            store: Arc::new(store),
            waiting: Mutex::default(),
            news: Notify::new(),
            is_behind: AtomicBool::new(false),
            is_told: AtomicBool::new(false),
            failed: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// The store itself.
    pub(super) fn store(&self) -> &Redis {
        &self.store
    }

    /// Has this written, in place of what waits of the same call.
    pub(super) fn keep(&self, entry: Entry) {
        let mut waiting = self.lock();
        let id = entry.id();
        let has_ended = matches!(waiting.get(&id), Some(Entry::Ended(_)));
        if has_ended {
            return; // How it ended first counts, and nothing goes on after it.
        }
        if waiting.len() >= WAITING_MAX && !waiting.contains_key(&id) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.insert(id, entry);
        drop(waiting);
        self.news.notify_one();
    }

    /// Writes what comes, for ever.
    pub(super) async fn run(&self) {
        loop {
            if self.lock().is_empty() {
                self.news.notified().await;
            }
            if !self.step().await {
                sleep(PAUSE).await;
            }
        }
    }

    /// What the other nodes know of a call; `None` as well where the shared store does not say so in time.
    pub(super) async fn look_up(&self, sid: CallSid) -> Option<KnownCall> {
        let asked = self.store.call(CallKey::Sid(sid), Clock::utc());
        let answer = timeout(LOOK_UP_TIMEOUT, asked).await;
        answer
            .unwrap_or(Err(StoreError::TimedOut))
            .unwrap_or_else(|error| {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, "the shared store does not say what is known of a call");
                None
            })
    }

    /// Throws away what has expired, as far as one step goes: other nodes do so too.
    pub(super) async fn collect(&self) {
        if self.store.collect(Clock::utc()).await.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How it stands.
    pub(super) fn moment(&self) -> SharedMoment {
        SharedMoment {
            is_well: self.store.trouble().is_none() && !self.is_behind.load(Ordering::Relaxed),
            waiting: self.lock().len(),
            failed: self.failed.load(Ordering::Relaxed),
            left_out: self.left_out.load(Ordering::Relaxed),
            commands: self.store.counts().commands,
        }
    }

    /// Writes what is left, if that is possible now, and closes.
    pub(super) async fn close(&self) {
        let last = async { while !self.lock().is_empty() && self.step().await {} };
        let is_late = timeout(LAST_TIMEOUT, last).await.is_err();
        let left = self.lock().len();
        if left > 0 {
            tracing::warn!(
                left,
                is_late,
                "calls that the shared store does not know of"
            );
        }
        if let Err(error) = self.store.close().await {
            tracing::warn!(%error, "the shared store is left open");
        }
    }

    /// Writes some of what waits; `false`: not all of that could be written.
    async fn step(&self) -> bool {
        let mut entries = Vec::new();
        {
            let mut waiting = self.lock();
            while entries.len() < STEP_MAX
                && let Some((_, entry)) = waiting.pop_first()
            {
                entries.push(entry);
            }
        }
        let written = entries.into_iter().map(|entry| self.write(entry));
        let mut is_done = true;
        for written in join_all(written).await {
            if let Written::NotYet(entry) = written {
                is_done = false;
                // What has come meanwhile is newer.
                self.lock().entry(entry.id()).or_insert(entry);
            }
        }
        self.is_behind.store(!is_done, Ordering::Relaxed);
        is_done
    }

    async fn write(&self, entry: Entry) -> Written {
        let outcome = match entry.clone() {
            Entry::Call(call) => {
                let sid = call.sid;
                kept(sid, self.store.checkpoint(call)).await
            }
            Entry::Ended(ended) => self.store.end_call(ended).await.map(drop),
        };
        match outcome {
            Ok(()) => {
                if self.is_told.swap(false, Ordering::Relaxed) {
                    tracing::info!("the shared store is well again");
                }
                Written::Done
            }
            Err(error) => {
                if !self.is_told.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "the shared store does not keep what it should: calls go on, and die with their node");
                }
                self.failed.fetch_add(1, Ordering::Relaxed);
                let is_over = entry.expires() <= Clock::utc();
                if is_over || !may_pass(&error) {
                    Written::Done
                } else {
                    Written::NotYet(entry)
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CallId, Entry>> {
        // Nothing is done under the lock that could leave the map half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn kept(sid: CallSid, answer: Answer<Checkpointed>) -> Result<(), StoreError> {
    match answer.await? {
        Checkpointed::Kept | Checkpointed::Ended => {}
        Checkpointed::Superseded(epoch) => {
            tracing::debug!(carrier_call = %sid, epoch, "another node keeps this call");
        }
    }
    Ok(())
}

/// Whether the same may be written later: the store comes back, a record that it refuses for itself does not get better.
fn may_pass(error: &StoreError) -> bool {
    match error {
        StoreError::Overloaded
        | StoreError::TimedOut
        | StoreError::Disk(_)
        | StoreError::Away(_)
        | StoreError::Full
        | StoreError::ReadOnly
        | StoreError::Loading
        | StoreError::Denied(_)
        | StoreError::TooFewReplicas(_) => true,
        StoreError::Newer(_)
        | StoreError::Damaged(_)
        | StoreError::TooLong(_)
        | StoreError::Unfit(_)
        | StoreError::Closed
        | StoreError::Bug => false,
    }
}

impl Entry {
    const fn id(&self) -> CallId {
        match self {
            Self::Call(call) => call.id,
            Self::Ended(ended) => ended.id,
        }
    }

    const fn expires(&self) -> crate::core::time::Utc {
        match self {
            Self::Call(call) => call.expires,
            Self::Ended(ended) => ended.expires,
        }
    }
}
