//! How each part is looked at: one question at a time each, bounded in time, and never on the way of a call.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::statvfs;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::board::{Finding, Slot};
use crate::config::Target;
use crate::core::health::State;
use crate::probe::Fault;
use crate::server::Shared;
use crate::server::clock::Clock;
use crate::server::drain::Stage;
use crate::store::StoreError;
use crate::store::redis::ping;

/// What is looked at, and how.
#[derive(Debug)]
pub(super) enum Look {
    /// The carrier's interface: asked something if it has answered nothing for so long.
    Carrier(Duration),
    /// The store: written to, until that is on disk.
    Store,
    /// The store that nodes share: written to.
    Shared,
    /// The room where something is kept.
    Disk(Disk),
    /// What an agent needs.
    Probe(Target),
}

/// A place on a disk.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    /// Less room than this is told of, in bytes.
    free_min: u64,
    /// A disk may stand still for ever, and whoever asks it with it: nobody else is sent after them.
    is_asked: Arc<AtomicBool>,
}

/// Looks at a part, again and again, until the process stops.
pub(super) async fn run(shared: Arc<Shared>, slot: Arc<Slot>) {
    let tasks = shared.tasks.clone();
    let mut draining = std::pin::pin!(tasks.reached(Stage::Draining));
    loop {
        let begun = shared.clock.now();
        let looking = timeout(slot.timeout, look(&shared, &slot.look));
        let finding = tokio::select! {
            () = &mut draining => return,
            finding = looking => finding,
        };
        let late = || Finding::new(State::Failed, &Fault::TimedOut);
        let now = shared.clock.now();
        slot.found(now, finding.unwrap_or_else(|_| late()));
        tokio::select! {
            () = &mut draining => return,
            () = tokio::time::sleep_until(shared.clock.timer_at(begun + slot.interval)) => {}
        }
    }
}

async fn look(shared: &Shared, look: &Look) -> Finding {
    match look {
        Look::Carrier(every) => carrier(shared, *every).await,
        Look::Store => match shared.keeper.store() {
            Some(store) => of_store(store.prove(Clock::utc()).await),
            None => Finding::OK, // It is not looked at then.
        },
        Look::Shared => of_store(shared.keeper.prove_shared().await),
        Look::Disk(disk) => disk.look().await,
        Look::Probe(target) => probe(target).await,
    }
}

/// By its breaker, and by the last answer that anybody had.
async fn carrier(shared: &Shared, every: Duration) -> Finding {
    let Some(orders) = &shared.orders else {
        return Finding::OK; // It is not looked at then.
    };
    let rest = orders.rest();
    if let Some(open_for) = rest.open_for().filter(|open_for| !open_for.is_zero()) {
        let reason = format!("its breaker is open for {} s", open_for.as_secs());
        return Finding::new(State::Failed, &reason);
    }
    if every.is_zero() {
        return Finding::new(State::Ok, "by its breaker alone");
    }
    let now = shared.clock.now();
    let answered = rest.answered_at().map(|at| now.since(at));
    if answered.is_some_and(|age| age < every) {
        return Finding::OK;
    }
    match rest.account().await {
        Ok(()) => Finding::OK,
        Err(error) => Finding::new(State::Failed, &error),
    }
}

/// One that is late or busy does what it should, if not in time.
fn of_store(proved: Result<(), StoreError>) -> Finding {
    let Err(error) = proved else {
        return Finding::OK;
    };
    let state = match &error {
        StoreError::TimedOut | StoreError::Overloaded | StoreError::TooFewReplicas(_) => {
            State::Degraded
        }
        StoreError::Disk(_)
        | StoreError::Newer(_)
        | StoreError::Damaged(_)
        | StoreError::TooLong(_)
        | StoreError::Away(_)
        | StoreError::Full
        | StoreError::ReadOnly
        | StoreError::Loading
        | StoreError::Denied(_)
        | StoreError::Unfit(_)
        | StoreError::Closed
        | StoreError::Bug => State::Failed,
    };
    Finding::new(state, &error)
}

async fn probe(target: &Target) -> Finding {
    let asked = match target {
        Target::Http(http) => http.ask().await,
        Target::Tcp(tcp) => tcp.ask().await,
        Target::Redis(address) => ping(address).await.map_err(|error| of_redis(&error)),
        Target::Postgres(postgres) => postgres.ask().await,
    };
    match asked {
        Ok(()) => Finding::OK,
        Err(fault) => Finding::new(State::Failed, &fault),
    }
}

/// What is said of our own store is not what is to be said of somebody else's Redis.
fn of_redis(error: &StoreError) -> Fault {
    match error {
        StoreError::TimedOut | StoreError::Overloaded => Fault::TimedOut,
        StoreError::Denied(_) => Fault::Refused("login".to_owned()),
        StoreError::Loading => Fault::Refused("loading".to_owned()),
        StoreError::Away(_) | StoreError::Closed => Fault::Unreachable,
        StoreError::Disk(_)
        | StoreError::Newer(_)
        | StoreError::Damaged(_)
        | StoreError::TooLong(_)
        | StoreError::Full
        | StoreError::ReadOnly
        | StoreError::Unfit(_)
        | StoreError::TooFewReplicas(_)
        | StoreError::Bug => Fault::Garbled,
    }
}

const MIB: u64 = 1024 * 1024;

impl Look {
    pub(super) fn disk(path: PathBuf, free_min: u64) -> Self {
        Self::Disk(Disk {
            path,
            free_min,
            is_asked: Arc::default(),
        })
    }
}

impl Disk {
    async fn look(&self) -> Finding {
        if self.is_asked.swap(true, Ordering::AcqRel) {
            return Finding::new(State::Failed, "the disk stands still");
        }
        let (path, is_asked) = (self.path.clone(), Arc::clone(&self.is_asked));
        let free = spawn_blocking(move || {
            let free = free(&path);
            is_asked.store(false, Ordering::Release);
            free
        });
        match free.await {
            Ok(Ok(free)) if free < self.free_min => {
                let (free, min) = (free / MIB, self.free_min / MIB);
                let reason = format!("{free} MiB are left, less than {min}");
                Finding::new(State::Degraded, &reason)
            }
            Ok(Ok(_)) => Finding::OK,
            Ok(Err(error)) => Finding::new(State::Failed, &error),
            Err(_) => Finding::new(State::Failed, "a bug of ours"),
        }
    }
}

/// The room where this is, or is to be.
fn free(path: &Path) -> std::io::Result<u64> {
    let there = path.ancestors().find(|path| path.exists());
    let found = statvfs(there.unwrap_or(Path::new(".")))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_late_does_what_it_should() {
        let state = |error| of_store(Err(error)).state;
        assert_eq!(state(StoreError::TimedOut), State::Degraded);
        assert_eq!(state(StoreError::TooFewReplicas(0)), State::Degraded);
        assert_eq!(state(StoreError::Disk("full".into())), State::Failed);
        assert_eq!(state(StoreError::ReadOnly), State::Failed);
        assert_eq!(of_store(Ok(())), Finding::OK);
    }

    #[tokio::test]
    async fn a_disk_tells_its_room_also_for_what_is_not_there_yet() {
        let disk = |free_min| Disk {
            path: std::env::temp_dir().join("ringback-not-there/messages"),
            free_min,
            is_asked: Arc::default(),
        };
        assert_eq!(disk(0).look().await, Finding::OK);
        let small = disk(u64::MAX).look().await;
        assert_eq!(small.state, State::Degraded);
        assert!(small.reason.contains("MiB are left"), "{small:?}");
    }

    #[tokio::test]
    async fn nobody_is_sent_after_a_disk_that_stands_still() {
        let disk = Disk {
            path: PathBuf::from("."),
            free_min: 0,
            is_asked: Arc::new(AtomicBool::new(true)),
        };
        assert_eq!(disk.look().await.state, State::Failed);
    }
}
