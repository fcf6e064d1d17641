//! Redis is killed, stands still, is full or read-only: each has its name, nobody waits, and all is well again by itself.

use std::time::Duration;

use ringback::core::ids::CallId;
use ringback::core::region::owner::Ruling;
use ringback::store::redis::{Redis, RedisSettings};
use ringback::store::{CallKey, Promised, Store as _, StoreError};
use tokio::time::Instant;

use super::server::{Server, until};
use super::{open, patient, ready};
use crate::support::{NOW, call, promise};

const KEY_OF_CALL: CallKey = CallKey::Id(CallId::from_bits(1));

/// As in service: nobody waits longer than this.
fn hasty() -> RedisSettings {
    RedisSettings::default()
}

/// Waits until the store takes a checkpoint again.
async fn well_again(store: &Redis) {
    until("it takes checkpoints again", async || {
        store.checkpoint(call(9)).await == Ok(Ruling::Kept)
    })
    .await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill_and_the_store_comes_back_by_itself() {
    let mut server = Server::durable().await;
    let store = ready(&server.url(), patient()).await;
    store.checkpoint(call(1)).await.unwrap();
    let record = promise(&store, 1);
    assert_eq!(store.promise(record.clone(), NOW).await, Ok(Promised::Kept));
    server.kill();
    until("it is known to be away", async || {
        matches!(store.checkpoint(call(2)).await, Err(StoreError::Away(_)))
    })
    .await;
    // Once that is known nobody waits at all.
    until("it says so", async || store.trouble().is_some()).await;
    let began = Instant::now();
    assert!(store.call(KEY_OF_CALL, NOW).await.is_err());
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    server.restart().await;
    well_again(&store).await;
    until("all is well", async || store.trouble().is_none()).await;
    assert!(store.call(KEY_OF_CALL, NOW).await.unwrap().is_some());
    let open = store.open_promise(record.caller, NOW).await.unwrap();
    assert_eq!(open, Some(record));
    assert!(store.counts().lost >= 1);
}

#[tokio::test]
async fn a_redis_that_stands_still_costs_the_time_out_and_no_more() {
    let server = Server::start().await;
    let store = ready(&server.url(), hasty()).await;
    store.checkpoint(call(1)).await.unwrap();
    server.pause();
    let began = Instant::now();
    assert_eq!(store.checkpoint(call(2)).await, Err(StoreError::TimedOut));
    assert_eq!(
        store.call(KEY_OF_CALL, NOW).await,
        Err(StoreError::TimedOut)
    );
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(500), "{waited:?}");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    until("it is given up", async || store.trouble().is_some()).await;
    assert!(store.counts().timed_out >= 2);
    server.resume();
    well_again(&store).await;
    assert!(store.call(KEY_OF_CALL, NOW).await.is_ok());
}

#[tokio::test]
async fn a_slow_redis_is_waited_for_and_not_given_up() {
    let server = Server::start().await;
    let store = ready(&server.url(), patient()).await;
    server.tell(&["CLIENT", "PAUSE", "400", "WRITE"]).await;
    assert_eq!(store.checkpoint(call(1)).await, Ok(Ruling::Kept));
    assert_eq!(store.counts().lost, 0);
}

#[tokio::test]
async fn a_full_redis_refuses_by_name_and_keeps_what_was_there() {
    let server = Server::start().await;
    let store = ready(&server.url(), patient()).await;
    store.checkpoint(call(1)).await.unwrap();
    server
        .tell(&["CONFIG", "SET", "maxmemory-policy", "noeviction"])
        .await;
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(store.checkpoint(call(2)).await, Err(StoreError::Full));
    let record = promise(&store, 1);
    assert_eq!(
        store.promise(record.clone(), NOW).await,
        Err(StoreError::Full)
    );
    assert!(store.call(KEY_OF_CALL, NOW).await.unwrap().is_some());
    server.tell(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(store.checkpoint(call(2)).await, Ok(Ruling::Kept));
    assert_eq!(
        store.promise(record, NOW).await,
        Ok(Promised::Kept),
        "nothing was kept of it"
    );
    assert_eq!(store.counts().lost, 0, "a full one is still the one");
}

#[tokio::test]
async fn a_primary_that_becomes_a_replica_is_left_and_taken_again() {
    let other = Server::start().await;
    let server = Server::start().await;
    let store = ready(&server.url(), patient()).await;
    let port = other.port.to_string();
    server.tell(&["REPLICAOF", "127.0.0.1", &port]).await;
    until("it is refused by name", async || {
        store.checkpoint(call(1)).await == Err(StoreError::ReadOnly)
    })
    .await;
    until("health knows", async || {
        store.trouble() == Some(StoreError::ReadOnly)
    })
    .await;
    server.tell(&["REPLICAOF", "NO", "ONE"]).await;
    well_again(&store).await;
}

#[tokio::test]
async fn a_redis_that_is_away_at_the_start_is_found_when_it_comes() {
    let mut server = Server::start().await;
    server.kill();
    let store = open(&server.url(), patient());
    let away = store.ready(Duration::from_secs(30)).await;
    assert!(matches!(away, Err(StoreError::Away(_))), "{away:?}");
    server.restart().await;
    well_again(&store).await;
}

#[tokio::test]
async fn what_does_not_fit_in_the_queue_is_refused_and_counted() {
    let server = Server::start().await;
    let settings = RedisSettings {
        queue_max: 10,
        ..patient()
    };
    let store = ready(&server.url(), settings).await;
    server.pause();
    let mut asked: Vec<_> = (0..300)
        .map(|number| store.checkpoint(call(number)))
        .collect();
    let last = asked.pop().unwrap().await;
    assert_eq!(last, Err(StoreError::Overloaded));
    assert!(store.counts().refused > 0);
    server.resume();
}

#[tokio::test]
async fn flushed_scripts_are_brought_again() {
    let server = Server::start().await;
    let store = ready(&server.url(), patient()).await;
    store.checkpoint(call(1)).await.unwrap();
    server.tell(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(store.checkpoint(call(2)).await, Ok(Ruling::Kept));
    assert!(store.call(KEY_OF_CALL, NOW).await.unwrap().is_some());
    assert_eq!(store.counts().lost, 0);
}
