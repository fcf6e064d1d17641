//! The primary dies and a replica takes over: nothing that was acknowledged is lost, and the nodes find the way by themselves.

use ringback::store::shared::{Claim, ClaimId, Claimed, Shared as _};
use ringback::store::{CallKey, KnownCall, PromiseRecord, Promised, Store as _};
use std::time::Duration;

use super::server::{Server, until};
use super::{open, with_replica};
use crate::support::{NOW, call, promise};

/// A primary with two replicas, and three Sentinels that know all of it.
async fn watched() -> (Server, [Server; 2], Vec<Server>) {
    let primary = Server::start().await;
    let replicas = [
        Server::replica_of(&primary).await,
        Server::replica_of(&primary).await,
    ];
    let mut sentinels = Vec::new();
    for _ in 0..3 {
        sentinels.push(Server::sentinel(&primary, 2).await);
    }
    for sentinel in &sentinels {
        until("the sentinels know all of it", async || {
            let line = sentinel
                .info("sentinel", "master0")
                .await
                .unwrap_or_default();
            line.contains("slaves=2") && line.contains("sentinels=3") && line.contains("status=ok")
        })
        .await;
    }
    (primary, replicas, sentinels)
}

/// A claim that outlasts the story.
fn claim(owner: &str) -> Claim {
    Claim {
        id: ClaimId(1),
        owner: owner.into(),
        epoch: 1,
        lease: Duration::from_mins(1),
    }
}

#[tokio::test]
async fn no_promise_that_was_acknowledged_is_lost_when_a_replica_takes_over() {
    let (mut primary, _replicas, sentinels) = watched().await;
    let hosts: Vec<_> = sentinels
        .iter()
        .map(|one| format!("127.0.0.1:{}", one.port))
        .collect();
    let url = format!("redis+sentinel://{}/main", hosts.join(","));
    let mut settings = with_replica();
    settings.connect_timeout = Duration::from_secs(1);
    settings.write_timeout = Duration::from_secs(2);
    let store = open(&url, settings.clone());
    store.ready(Duration::from_secs(30)).await.unwrap();

    let mut acknowledged: Vec<PromiseRecord> = Vec::new();
    let mut failed = 0;
    let mut number = 0;
    let granted = store.claim(claim("east-1")).await;
    assert!(
        matches!(granted, Ok(Claimed::Granted { replicas: 1.. })),
        "{granted:?}"
    );
    let mut until_after = None;
    // Half of it before the primary is killed, in the middle of writing, and some of it when all is well again.
    while until_after != Some(0) {
        number += 1;
        let mut record = promise(&store, number);
        // So long that it outlasts the story.
        record.expires = crate::support::at(10_000_000);
        match store.promise(record.clone(), NOW).await {
            Ok(Promised::Kept) => {
                acknowledged.push(record);
                if failed > 0 {
                    until_after = Some(until_after.map_or(50, |left: u32| left - 1));
                }
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => {
                failed += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        if number == 200 {
            primary.kill();
        }
        assert!(failed < 10_000, "it never came back: {:?}", store.trouble());
    }
    for record in &acknowledged {
        let mut kept = None;
        until("it can be read", async || store.trouble().is_none()).await;
        while kept.is_none() {
            kept = store.promise_by_id(record.id, NOW).await.ok();
        }
        assert_eq!(kept.flatten().as_ref(), Some(record), "lost");
    }
    // Nor is a claim, which nobody else gets.
    let held = store.claim(claim("west-1")).await;
    assert!(matches!(held, Ok(Claimed::Held(_))), "{held:?}");
    println!(
        "{} promises acknowledged around a fail-over, {failed} refused, 0 lost",
        acknowledged.len()
    );
}

#[tokio::test]
async fn before_a_replica_has_taken_over_it_says_what_it_knows_of_a_call() {
    let (mut primary, _replicas, sentinels) = watched().await;
    let url = format!("redis+sentinel://127.0.0.1:{}/main", sentinels[0].port);
    let store = open(&url, with_replica());
    store.ready(Duration::from_secs(30)).await.unwrap();
    let record = call(1);
    store.checkpoint(record.clone()).await.unwrap();
    let key = CallKey::Sid(record.sid);
    let kept = Ok(Some(KnownCall::InProgress(record)));
    until("the replica has it", async || {
        store.call_at_replica(key, NOW).await == kept
    })
    .await;
    primary.kill();
    // It is half a second until anybody is elected.
    assert_eq!(store.call_at_replica(key, NOW).await, kept);
    until("there is no primary", async || {
        store.call(key, NOW).await.is_err()
    })
    .await;
    assert_eq!(store.call_at_replica(key, NOW).await, kept);
}
