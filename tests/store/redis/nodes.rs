//! Who is there, and what one node tells the others.

use std::time::Duration;

use futures_util::StreamExt as _;
use ringback::store::shared::{ADVICE_BYTES_MAX, Presence, Shared as _};
use ringback::store::{State, Store as _, StoreError};
use tokio::time::timeout;

use super::server::{Server, until};
use super::{patient, ready};
use crate::support::state;

fn presence(node: &str, life: Duration) -> Presence {
    Presence {
        node: node.into(),
        state: state(&format!("load of {node}")),
        life,
    }
}

#[tokio::test]
async fn a_node_is_there_as_long_as_it_says_so() {
    let server = Server::start().await;
    let store = ready(&server.url(), patient()).await;
    let minute = Duration::from_mins(1);
    store
        .keep_presence(presence("west-1", minute))
        .await
        .unwrap();
    store
        .keep_presence(presence("east-1", minute))
        .await
        .unwrap();
    store
        .keep_presence(presence("east-2", Duration::from_millis(30)))
        .await
        .unwrap();
    until("one has gone", async || {
        store.presences().await.unwrap().len() == 2
    })
    .await;
    let there = store.presences().await.unwrap();
    let names: Vec<_> = there
        .iter()
        .map(|there| (there.node.as_str(), there.state.clone()))
        .collect();
    assert_eq!(
        names,
        [
            ("east-1", state("load of east-1")),
            ("west-1", state("load of west-1"))
        ]
    );
    assert!(there.iter().all(|there| there.life <= minute));
    let kept = server.everything().await;
    assert!(!kept.windows(7).any(|part| part == b"load of"), "sealed");
    // So many at most, but those that are gone make room.
    for number in 0..253 {
        store
            .keep_presence(presence(&format!("n-{number}"), Duration::from_millis(1)))
            .await
            .unwrap();
    }
    until("they have gone", async || {
        store.presences().await.unwrap().len() == 2
    })
    .await;
    for number in 0..254 {
        store
            .keep_presence(presence(&format!("m-{number}"), minute))
            .await
            .unwrap();
    }
    let refused = store.keep_presence(presence("one-more", minute)).await;
    assert!(
        matches!(refused, Err(StoreError::TooLong(_))),
        "{refused:?}"
    );
    assert!(
        store
            .keep_presence(presence("east-1", minute))
            .await
            .is_ok(),
        "known already"
    );
}

#[tokio::test]
async fn advice_reaches_all_who_listen_and_listening_survives_a_restart() {
    let mut server = Server::start().await;
    let east = ready(&server.url(), patient()).await;
    let west = ready(&server.url(), patient()).await;
    let mut heard = west.advice();
    until("somebody listens", async || {
        east.advise(state("hello")).await == Ok(1)
    })
    .await;
    assert_eq!(heard.next().await, Some(state("hello")));
    // What is not ours is dropped, and what is too long is not told.
    let _: i64 = server
        .ask(&["PUBLISH", "ringback:1:advice", "nonsense"])
        .await
        .unwrap();
    let long = State(vec![1; ADVICE_BYTES_MAX + 1]);
    assert_eq!(east.advise(long).await, Err(StoreError::TooLong("advice")));
    let longest = State(vec![1; ADVICE_BYTES_MAX]);
    east.advise(longest.clone()).await.unwrap();
    assert_eq!(heard.next().await, Some(longest));
    assert_eq!(west.counts().advice_dropped, 1);

    server.kill();
    server.restart().await;
    until("it is heard again", async || {
        east.advise(state("again")).await == Ok(1)
    })
    .await;
    assert_eq!(heard.next().await, Some(state("again")));
    west.close().await.unwrap();
    let ended = timeout(Duration::from_secs(30), async {
        while heard.next().await.is_some() {}
    });
    ended.await.expect("the stream ends with the store");
}

#[tokio::test]
async fn who_does_not_listen_fast_enough_misses_the_oldest() {
    let server = Server::start().await;
    let store = ready(&server.url(), patient()).await;
    let mut heard = store.advice();
    until("somebody listens", async || {
        store.advise(state("0")).await == Ok(1)
    })
    .await;
    for number in 1..=1_000 {
        store.advise(state(&number.to_string())).await.unwrap();
    }
    until("all has come", async || store.counts().advice == 1_001).await;
    let first = heard.next().await.unwrap();
    let first: usize = String::from_utf8(first.0).unwrap().parse().unwrap();
    assert_eq!(first, 1_000 - 255, "the last 256 of those are kept");
}
