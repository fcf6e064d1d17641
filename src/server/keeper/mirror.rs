//! Writes into the store that nodes share what this node keeps of its calls, beside them: nobody waits for it.
//!
//! It owns what is not written yet: of each call the newest, so that an outage costs no more than that. When the shared store is
//! back all of it is written, in any order: a checkpoint goes over an older one and never over an end. It must not decide.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

use super::super::clock::Clock;
use super::Heeded;
use crate::core::ids::{CallId, CallSid};
use crate::core::region::owner::Ruling;
use crate::store::redis::Redis;
use crate::store::{CallKey, CallRecord, Collected, EndedCall, KnownCall, Store as _, StoreError};
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

/// How long of that the primary is asked alone: a replica may be behind.
const PRIMARY_ALONE: Duration = Duration::from_millis(150);

/// At the end, how long it may take to write what is left.
const LAST_TIMEOUT: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Mirror {
    store: Arc<Redis>,
    heeded: Heeded,
    waiting: Mutex<BTreeMap<CallId, Waiting>>,
    news: Notify,
    /// Whether what was tried last could not be written.
    is_behind: AtomicBool,
    /// Whether the log knows that something is wrong.
    is_told: AtomicBool,
    /// Whether the log knows that something is left alone.
    is_told_of_others: AtomicBool,
    /// Whether promises could not be kept when that was last looked at.
    lacks_promises: AtomicBool,
    failed: AtomicU64,
    left_out: AtomicU64,
}

/// What is to be written, and who is told when it is: at most those who wait for the end of its streams.
#[derive(Debug)]
struct Waiting {
    entry: Entry,
    told: Vec<oneshot::Sender<()>>,
}

/// What is known of a call now.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// It goes on.
    Call(CallRecord),
    /// It has ended.
    Ended(EndedCall),
}

impl Mirror {
    pub(super) fn new(store: Redis, heeded: Heeded) -> Self {
        Self {
            store: Arc::new(store),
            heeded,
            waiting: Mutex::default(),
            news: Notify::new(),
            is_behind: AtomicBool::new(false),
            is_told: AtomicBool::new(false),
            is_told_of_others: AtomicBool::new(false),
            lacks_promises: AtomicBool::new(false),
            failed: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    /// What it writes into.
    pub(super) const fn store(&self) -> &Arc<Redis> {
        &self.store
    }

    /// Has this written, in place of what waits of the same call.
    pub(super) fn keep(&self, entry: Entry) {
        self.wait(entry, None);
    }

    /// The same; tells when it is written, or never can be. `None`: the store is away, so there is nothing to wait for.
    pub(super) fn keep_and_tell(&self, entry: Entry) -> Option<oneshot::Receiver<()>> {
        let (tell, told) = oneshot::channel();
        self.wait(entry, Some(tell));
        let is_there = self.store.trouble().is_none();
        is_there.then_some(told)
    }

    fn wait(&self, entry: Entry, tell: Option<oneshot::Sender<()>>) {
        let mut waiting = self.lock();
        let id = entry.id();
        let is_full = waiting.len() >= WAITING_MAX;
        match waiting.get_mut(&id) {
            Some(before) => {
                // How it ended first counts, and nothing goes on after it.
                if !matches!(before.entry, Entry::Ended(_)) {
                    before.entry = entry;
                }
                before.told.extend(tell);
            }
            None if is_full => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                return;
            }
            None => {
                let told = tell.into_iter().collect();
                waiting.insert(id, Waiting { entry, told });
            }
        }
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

    /// What the other nodes know of a call, or why the shared store does not say so in time.
    pub(super) async fn look_up(&self, sid: CallSid) -> Result<Option<KnownCall>, StoreError> {
        let key = CallKey::Sid(sid);
        let answer = timeout(LOOK_UP_TIMEOUT, self.look_up_anywhere(key)).await;
        let answer = answer.unwrap_or(Err(StoreError::TimedOut));
        if let Err(error) = &answer {
            self.failed.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, "the shared store does not say what is known of a call");
        }
        answer
    }

    /// At the primary, and where that is away or takes its time at a replica as well.
    async fn look_up_anywhere(&self, key: CallKey) -> Result<Option<KnownCall>, StoreError> {
        let mut at_primary = pin!(asked_until_answered(
            || self.store.call(key, Clock::utc()),
            || self.store.trouble().is_some(),
        ));
        let at_replica = || self.store.call_at_replica(key, Clock::utc());
        match timeout(PRIMARY_ALONE, at_primary.as_mut()).await {
            Ok(Ok(known)) => Ok(known),
            // Why there is no primary matters more than why there is no replica.
            Ok(Err(error)) => at_replica().await.map_err(|_| error),
            Err(_) => of_both(at_primary, at_replica()).await,
        }
    }

    /// Throws away what has expired, as far as one step goes: other nodes do so too.
    pub(super) async fn collect(&self) {
        match self.store.collect(Clock::utc()).await {
            Ok(Collected { left_alone, .. }) => {
                let is_told =
                    left_alone == 0 || self.is_told_of_others.swap(true, Ordering::Relaxed);
                if !is_told {
                    tracing::warn!(
                        records = left_alone,
                        "what has expired in the shared store is not thrown away, for it cannot be read"
                    );
                }
            }
            Err(_) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Writes something, for health; the reason where that cannot be.
    pub(super) async fn prove(&self, node: &str) -> Result<(), StoreError> {
        match self.store.trouble() {
            Some(trouble) => Err(trouble),
            None => self.store.prove(node, Clock::utc()).await,
        }
    }

    /// Something beside calls was not done; whoever wanted it says so.
    pub(super) fn failed(&self, error: &StoreError) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(%error, "the shared store did not do what it was asked for");
    }

    /// Whether it keeps promises, as they have to be kept.
    pub(super) fn keeps_promises(&self, does: bool) {
        self.lacks_promises.store(!does, Ordering::Relaxed);
    }

    /// How it stands.
    pub(super) fn moment(&self) -> SharedMoment {
        let lacks_something = [&self.is_behind, &self.lacks_promises]
            .iter()
            .any(|lacks| lacks.load(Ordering::Relaxed));
        SharedMoment {
            is_well: self.store.trouble().is_none() && !lacks_something,
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
                && let Some((_, waits)) = waiting.pop_first()
            {
                entries.push(waits);
            }
        }
        let written = entries.into_iter().map(|waits| self.write(waits));
        let mut is_done = true;
        for waits in join_all(written).await.into_iter().flatten() {
            is_done = false;
            let mut waiting = self.lock();
            match waiting.get_mut(&waits.entry.id()) {
                // What has come meanwhile is newer.
                Some(newer) => newer.told.extend(waits.told),
                None => drop(waiting.insert(waits.entry.id(), waits)),
            }
        }
        self.is_behind.store(!is_done, Ordering::Relaxed);
        is_done
    }

    /// Writes it; what is to be tried again comes back.
    async fn write(&self, waits: Waiting) -> Option<Waiting> {
        let entry = &waits.entry;
        let outcome = match entry.clone() {
            Entry::Call(call) => self.store.checkpoint(call).await,
            Entry::Ended(ended) => self.store.end_call(ended).await,
        };
        match outcome {
            Ok(ruling) => {
                self.hear(entry, ruling);
                if self.is_told.swap(false, Ordering::Relaxed) {
                    tracing::info!("the shared store is well again");
                }
                waits.tell();
                None
            }
            Err(error) => {
                if !self.is_told.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "the shared store does not keep what it should: calls go on, and die with their node");
                }
                self.failed.fetch_add(1, Ordering::Relaxed);
                let is_over = entry.expires() <= Clock::utc();
                if is_over || !may_pass(&error) {
                    waits.tell();
                    None
                } else {
                    Some(waits)
                }
            }
        }
    }

    /// The store has ruled on what was to be kept: whoever is not the call's owner any more is told.
    fn hear(&self, entry: &Entry, ruling: Ruling) {
        match entry {
            Entry::Call(call) => self.heeded.heed(call.sid, call.by, ruling),
            Entry::Ended(EndedCall { sid, by, .. }) => {
                if let Some(by) = by {
                    self.heeded.heed(*sid, *by, ruling);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CallId, Waiting>> {
        // Nothing is done under the lock that could leave the map half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn tell(self) {
        for tell in self.told {
            tell.send(()).ok(); // Nobody waits longer than a moment.
        }
    }
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
            Self::Call(call) => call.id(),
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

/// What is late now may be there a moment later, and there is still time; who is known to be away says the same at once, however often they
/// are asked.
async fn asked_until_answered<T, F>(
    mut ask: impl FnMut() -> F,
    is_away: impl Fn() -> bool,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        let answer = ask().await;
        let is_late = matches!(answer, Err(StoreError::TimedOut));
        if !is_late || is_away() {
            return answer;
        }
    }
}

/// What the primary and a replica say of a call, of whom each may come first: that a replica knows nothing of it is no news as long as
/// the primary may answer, for a replica may be behind.
async fn of_both<T>(
    at_primary: impl Future<Output = Result<Option<T>, StoreError>> + Unpin,
    at_replica: impl Future<Output = Result<Option<T>, StoreError>> + Unpin,
) -> Result<Option<T>, StoreError> {
    match select(at_primary, at_replica).await {
        Either::Left((Ok(known), _)) | Either::Right((Ok(known @ Some(_)), _)) => Ok(known),
        Either::Left((Err(error), at_replica)) => at_replica.await.map_err(|_| error),
        Either::Right((Ok(None), at_primary)) => at_primary.await.or(Ok(None)),
        Either::Right((Err(_), at_primary)) => at_primary.await,
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_replica_that_is_behind_does_not_speak_for_the_primary() {
        let later = |answer: Result<Option<u8>, StoreError>| {
            Box::pin(async move {
                yield_now().await;
                answer
            })
        };
        let away = || Err(StoreError::Closed);
        for (primary, replica, expected) in [
            (Ok(Some(1)), Ok(None), Ok(Some(1))),
            (Ok(Some(1)), Ok(Some(2)), Ok(Some(2))),
            (Ok(Some(1)), away(), Ok(Some(1))),
            (Ok(None), Ok(None), Ok(None)),
            (away(), Ok(None), Ok(None)),
            (away(), away(), away()),
        ] {
            let said = of_both(later(primary.clone()), ready(replica.clone())).await;
            assert_eq!(said, expected, "{primary:?}, then {replica:?}");
        }
        let said = of_both(ready(Ok::<Option<u8>, _>(None)), later(Ok(Some(2)))).await;
        assert_eq!(said, Ok(None), "the primary has the last word");
    }

    #[tokio::test]
    async fn who_is_late_is_asked_again_and_who_is_away_is_not() {
        for (is_away, expected, times) in [(false, Ok(7), 3), (true, Err(StoreError::TimedOut), 1)]
        {
            let mut asked = 0;
            let ask = || {
                asked += 1;
                let is_late = asked < 3;
                ready(if is_late {
                    Err(StoreError::TimedOut)
                } else {
                    Ok(7)
                })
            };
            let answer = asked_until_answered(ask, || is_away).await;
            assert_eq!(answer, expected);
            assert_eq!(asked, times);
        }
    }
}
