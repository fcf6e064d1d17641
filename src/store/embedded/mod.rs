//! The store in a file beside the process (redb): one writer, group commit, readers that wait for nobody.
//!
//! It owns the file, its form and its key. A write is answered once it is on disk: writes that come while a commit is under way
//! share the next one. It must not be asked for the time. The tables are in `tables`, the threads in `worker`, what is said about
//! a file that cannot be opened in `medium`.

mod calls;
mod collect;
mod contexts;
mod counts;
mod fault;
mod medium;
mod promises;
mod row;
mod tables;
mod tokens;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::ready;
use redb::ReadableDatabase as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use self::counts::Counts;
pub use self::counts::StoreCounts;
pub use self::medium::{Medium, Memory, OpenFault, Opened, StoreFile};
use self::tables::{Reading, Writing};
use self::worker::{ReadJob, Shared, Write, WriteJob, read_job};
use super::records::CallerHash;
use super::tokens::Tokens;
use super::{
    Answer, CallKey, CallRecord, Changed, Collected, EndedCall, Found, KnownCall, PromiseChange,
    PromiseRecord, Promised, SendId, SendRecord, State, Store, StoreError, TokenId,
};
use crate::core::ids::{CallId, PromiseId};
use crate::core::region::owner::Ruling;
use crate::core::time::Utc;

/// How the embedded store is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// How many writes may wait, and how many look-ups; further ones are refused.
    pub queue_max: usize,
    /// How long a write may take. Default: 300 ms, what a call waits for a promise.
    pub write_timeout: Duration,
    /// How long a look-up may take.
    pub read_timeout: Duration,
    /// How many used tokens are remembered; while there are that many, further ones are refused.
    pub tokens_max: usize,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self {
            queue_max: 4_096,
            write_timeout: Duration::from_millis(300),
            read_timeout: Duration::from_millis(100),
            tokens_max: 100_000,
        }
    }
}

/// How long closing may take: a commit, and a disk that is slow.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A store in a file. See the module.
#[derive(Debug)]
pub struct Embedded {
    settings: EmbeddedSettings,
    shared: Arc<Shared>,
    /// `None`: closed.
    queues: Mutex<Option<Queues>>,
    tokens: Mutex<Tokens>,
    /// Says when both threads have ended.
    running: watch::Receiver<()>,
}

struct Queues {
    writes: mpsc::Sender<Box<dyn WriteJob>>,
    reads: mpsc::Sender<ReadJob>,
}

impl std::fmt::Debug for Queues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queues(_)")
    }
}

impl Embedded {
    /// Opens a store, which takes as long as reading all of it; a file that is not there is begun.
    pub fn open(
        medium: impl Medium + 'static,
        settings: EmbeddedSettings,
    ) -> Result<Self, OpenFault> {
        let opened = medium.open()?;
        Self::with(Arc::new(medium), Ok(opened), settings)
    }

    /// A store whose disk is away ([`OpenFault::is_disk`]): it refuses what needs the disk, with the reason, remembers used
    /// tokens, and opens the file at a later write when it can.
    pub fn open_later(
        medium: impl Medium + 'static,
        why: OpenFault,
        settings: EmbeddedSettings,
    ) -> Result<Self, OpenFault> {
        Self::with(Arc::new(medium), Err(why), settings)
    }

    fn with(
        medium: Arc<dyn Medium>,
        opened: Result<Opened, OpenFault>,
        settings: EmbeddedSettings,
    ) -> Result<Self, OpenFault> {
        let used = match &opened {
            Ok(opened) => used_tokens(opened, settings.tokens_max)
                .map_err(|error| OpenFault::Torn(error.to_string()))?,
            Err(_) => Vec::new(),
        };
        let shared = Arc::new(Shared::new(medium, opened));
        let (writes, to_write) = mpsc::channel(settings.queue_max);
        let (reads, to_read) = mpsc::channel(settings.queue_max);
        let (sender, running) = watch::channel(());
        shared.serve(to_write, to_read, sender)?;
        Ok(Self {
            settings,
            shared,
            queues: Mutex::new(Some(Queues { writes, reads })),
            tokens: Mutex::new(Tokens::new(settings.tokens_max, used)),
            running,
        })
    }

    /// What it has done.
    pub fn counts(&self) -> StoreCounts {
        self.shared.counts.read()
    }

    /// Why the file cannot be written or read now, for health; `None`: it can.
    pub fn trouble(&self) -> Option<StoreError> {
        self.shared.trouble()
    }

    /// Writes something that is of no other use, for health: it is on disk when this answers. It is not among the writes that are
    /// counted.
    pub fn prove(&self, now: Utc) -> Answer<()> {
        let run = move |writing: &Writing<'_>| writing.prove(now);
        self.write_as(true, false, run)
    }

    fn write<T: Send + 'static>(
        &self,
        only_if_awaited: bool,
        run: impl FnMut(&Writing<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        self.write_as(only_if_awaited, true, run)
    }

    fn write_as<T: Send + 'static>(
        &self,
        only_if_awaited: bool,
        is_counted: bool,
        run: impl FnMut(&Writing<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        let (sender, answer) = oneshot::channel();
        let job = Write {
            run,
            result: None,
            sender,
            only_if_awaited,
            is_counted,
        };
        let sent = self.send(|queues| of_send(&queues.writes.try_send(Box::new(job))));
        self.wait(sent, answer, self.settings.write_timeout)
    }

    fn read<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Reading<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        let (sender, answer) = oneshot::channel();
        let job = read_job(run, sender);
        let sent = self.send(|queues| of_send(&queues.reads.try_send(job)));
        self.wait(sent, answer, self.settings.read_timeout)
    }

    /// At once, not when the answer is first asked for: whoever drops it has asked all the same.
    fn send(&self, to: impl FnOnce(&Queues) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let queues = lock(&self.queues);
        let outcome = queues.as_ref().ok_or(StoreError::Closed).and_then(to);
        if outcome == Err(StoreError::Overloaded) {
            self.shared.counts.refused();
        }
        outcome
    }

    fn wait<T: Send + 'static>(
        &self,
        sent: Result<(), StoreError>,
        answer: oneshot::Receiver<Result<T, StoreError>>,
        limit: Duration,
    ) -> Answer<T> {
        let shared = Arc::clone(&self.shared);
        async move {
            sent?;
            match timeout(limit, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(StoreError::Bug), // The job panicked.
                Err(_) => {
                    shared.counts.timed_out();
                    Err(StoreError::TimedOut)
                }
            }
        }
        .boxed()
    }
}

fn of_send<T>(sent: &Result<(), mpsc::error::TrySendError<T>>) -> Result<(), StoreError> {
    match sent {
        Ok(()) => Ok(()),
        Err(mpsc::error::TrySendError::Full(_)) => Err(StoreError::Overloaded),
        Err(mpsc::error::TrySendError::Closed(_)) => Err(StoreError::Closed),
    }
}

fn used_tokens(opened: &Opened, max: usize) -> Result<Vec<(TokenId, Utc)>, StoreError> {
    let txn = opened.database.begin_read()?;
    let reading = Reading {
        txn: &txn,
        sealer: &opened.sealer,
    };
    reading.tokens(max)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind it is changed by steps that cannot panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for Embedded {
    fn checkpoint(&self, call: CallRecord) -> Answer<Ruling> {
        self.write(false, move |writing| writing.checkpoint(&call))
    }

    fn end_call(&self, ended: EndedCall) -> Answer<Ruling> {
        self.write(false, move |writing| writing.end_call(&ended))
    }

    fn call(&self, key: CallKey, now: Utc) -> Answer<Option<KnownCall>> {
        self.read(move |reading| reading.call(key, now))
    }

    fn calls(&self, after: Option<CallId>, max: usize, now: Utc) -> Answer<Vec<CallRecord>> {
        self.read(move |reading| reading.calls(after, max, now))
    }

    fn claim_token(&self, token: TokenId, expires: Utc, now: Utc) -> Answer<bool> {
        match lock(&self.tokens).claim(token, expires, now) {
            Ok(true) => self.write(false, move |writing| {
                writing.claim_token(token, expires, now)
            }),
            answer @ (Ok(false) | Err(_)) => ready(answer).boxed(),
        }
    }

    fn caller(&self, number: &str) -> Result<CallerHash, StoreError> {
        Ok(self.shared.sealer()?.caller(number))
    }

    fn promise(&self, promise: PromiseRecord, now: Utc) -> Answer<Promised> {
        self.write(true, move |writing| writing.promise(&promise, now))
    }

    fn change_promise(&self, change: PromiseChange, now: Utc) -> Answer<Changed> {
        self.write(true, move |writing| writing.change_promise(&change, now))
    }

    fn promise_by_id(&self, id: PromiseId, now: Utc) -> Answer<Option<PromiseRecord>> {
        self.read(move |reading| reading.promise_by_id(id, now))
    }

    fn open_promise(&self, caller: CallerHash, now: Utc) -> Answer<Option<PromiseRecord>> {
        self.read(move |reading| reading.open_promise(caller, now))
    }

    fn promises(
        &self,
        after: Option<PromiseId>,
        max: usize,
        now: Utc,
    ) -> Answer<Found<PromiseRecord>> {
        self.read(move |reading| reading.promises(after, max, now))
    }

    fn keep_context(&self, promise: PromiseId, call: CallId, now: Utc) -> Answer<bool> {
        self.write(false, move |writing| {
            writing.keep_context(promise, call, now)
        })
    }

    fn context(&self, promise: PromiseId) -> Answer<Option<State>> {
        self.read(move |reading| reading.context(promise))
    }

    fn due(&self, max: usize, now: Utc) -> Answer<Vec<PromiseRecord>> {
        self.read(move |reading| reading.due(max, now))
    }

    fn sends(&self, after: Option<SendId>, max: usize) -> Answer<Vec<SendRecord>> {
        self.read(move |reading| reading.sends(after, max))
    }

    fn set_opted_out(&self, caller: CallerHash, at: Option<Utc>) -> Answer<()> {
        self.write(false, move |writing| writing.set_opted_out(caller, at))
    }

    fn opted_out(&self, caller: CallerHash) -> Answer<Option<Utc>> {
        self.read(move |reading| reading.opted_out(caller))
    }

    fn forget(&self, caller: CallerHash) -> Answer<usize> {
        self.write(false, move |writing| writing.forget(caller))
    }

    fn collect(&self, now: Utc) -> Answer<Collected> {
        self.write(false, move |writing| writing.collect(now))
    }

    fn close(&self) -> Answer<()> {
        drop(lock(&self.queues).take());
        let mut running = self.running.clone();
        async move {
            // The senders go with the threads.
            let ended = timeout(CLOSE_TIMEOUT, running.changed()).await;
            ended.map(drop).map_err(|_| StoreError::TimedOut)
        }
        .boxed()
    }
}
