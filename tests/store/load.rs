//! Too much to do, and disks that are slow or full.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use ringback::core::ids::CallId;
use ringback::core::region::owner::Ruling;
use ringback::store::embedded::{Embedded, EmbeddedSettings};
use ringback::store::{CallKey, Promised, Store as _, StoreError};
use tokio::time::{Instant, timeout};

use crate::disk::Disk;
use crate::support::{Folder, NOW, call, close, patient, promise};

/// Waits until something is so, not forever.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    let came = timeout(Duration::from_secs(30), wait).await;
    assert!(came.is_ok(), "it never was so: {what}");
}

#[tokio::test]
async fn a_thousand_writers_at_once_share_commits() {
    let folder = Folder::new();
    let disk = Disk::new(folder.file());
    let store = Embedded::open(disk.clone(), patient()).unwrap();
    let syncs = disk.weather.syncs.load(Ordering::SeqCst);
    let before = store.counts();
    let writes = (0..1_000).map(|number| store.checkpoint(call(number)));
    let answers = join_all(writes).await;
    assert!(answers.iter().all(|answer| *answer == Ok(Ruling::Kept)));
    let counts = store.counts();
    let commits = counts.commits - before.commits;
    let syncs = disk.weather.syncs.load(Ordering::SeqCst) - syncs;
    assert_eq!(counts.writes - before.writes, 1_000);
    assert!((1..=20).contains(&commits), "{commits} commits");
    assert!((commits..=2 * commits).contains(&syncs), "{syncs} syncs");
    close(store).await;
}

#[tokio::test]
async fn nobody_is_answered_before_it_is_on_disk() {
    let folder = Folder::new();
    let disk = Disk::new(folder.file());
    let store = Embedded::open(disk.clone(), patient()).unwrap();
    disk.weather.set_slow(true);
    let mut write = store.checkpoint(call(1));
    until("a sync waits", || disk.weather.waits.load(Ordering::SeqCst)).await;
    let early = futures_util::FutureExt::now_or_never(&mut write);
    assert_eq!(early, None, "answered too early");
    // Nor does anybody see it before, and a look-up does not wait for it.
    let key = CallKey::Id(CallId::from_bits(1));
    assert_eq!(store.call(key, NOW).await, Ok(None));
    disk.weather.set_slow(false);
    assert_eq!(write.await, Ok(Ruling::Kept));
    assert!(store.call(key, NOW).await.unwrap().is_some());
    close(store).await;
}

#[tokio::test]
async fn a_slow_disk_costs_a_call_no_more_than_the_time_out() {
    let folder = Folder::new();
    let disk = Disk::new(folder.file());
    let settings = EmbeddedSettings {
        write_timeout: Duration::from_millis(50),
        ..patient()
    };
    let store = Embedded::open(disk.clone(), settings).unwrap();
    disk.weather.set_slow(true);
    let began = Instant::now();
    assert_eq!(store.checkpoint(call(1)).await, Err(StoreError::TimedOut));
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(50), "{waited:?}");
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    // What waits behind it: the checkpoint is kept although nobody waits for it, the promise is not.
    assert_eq!(store.checkpoint(call(2)).await, Err(StoreError::TimedOut));
    let record = promise(&store, 1);
    let promised = store.promise(record.clone(), NOW).await;
    assert_eq!(promised, Err(StoreError::TimedOut));
    assert_eq!(store.counts().timed_out, 3);
    disk.weather.set_slow(false);
    until("both are kept", || store.counts().writes >= 2).await;
    let calls = store.calls(None, 10, NOW).await.unwrap();
    assert_eq!(calls, [call(1), call(2)]);
    assert_eq!(store.open_promise(record.caller, NOW).await, Ok(None));
    close(store).await;
}

#[tokio::test]
async fn what_does_not_fit_in_the_queue_is_refused_and_counted() {
    let folder = Folder::new();
    let disk = Disk::new(folder.file());
    let settings = EmbeddedSettings {
        queue_max: 10,
        ..patient()
    };
    let store = Embedded::open(disk.clone(), settings).unwrap();
    disk.weather.set_slow(true);
    let first = store.checkpoint(call(1));
    until("a sync waits", || disk.weather.waits.load(Ordering::SeqCst)).await;
    let waiting: Vec<_> = (2..=11)
        .map(|number| store.checkpoint(call(number)))
        .collect();
    for number in 12..=14 {
        let refused = store.checkpoint(call(number)).await;
        assert_eq!(refused, Err(StoreError::Overloaded));
    }
    assert_eq!(store.counts().refused, 3);
    disk.weather.set_slow(false);
    assert_eq!(first.await, Ok(Ruling::Kept));
    let answers = join_all(waiting).await;
    assert!(answers.iter().all(|answer| *answer == Ok(Ruling::Kept)));
    assert_eq!(store.calls(None, 100, NOW).await.unwrap().len(), 11);
    close(store).await;
}

#[tokio::test]
async fn a_full_disk_refuses_what_comes_and_keeps_what_was_there() {
    let folder = Folder::new();
    let disk = Disk::new(folder.file());
    let store = Embedded::open(disk.clone(), patient()).unwrap();
    store.checkpoint(call(1)).await.unwrap();
    disk.weather.full.store(true, Ordering::SeqCst);
    for number in 2..=4 {
        let record = promise(&store, 1);
        let refused = store.checkpoint(call(number)).await;
        assert!(matches!(refused, Err(StoreError::Disk(_))), "{refused:?}");
        let told = store.promise(record, NOW).await;
        assert!(matches!(told, Err(StoreError::Disk(_))), "{told:?}");
    }
    assert!(store.counts().failed > 0);
    disk.weather.full.store(false, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(30);
    while store.checkpoint(call(5)).await.is_err() {
        assert!(Instant::now() < deadline, "it never came back");
        tokio::task::yield_now().await;
    }
    let calls = store.calls(None, 10, NOW).await.unwrap();
    assert_eq!(calls, [call(1), call(5)]);
    let told = store.promise(promise(&store, 1), NOW).await;
    assert_eq!(told, Ok(Promised::Kept), "the refused one was not kept");
    close(store).await;
}
