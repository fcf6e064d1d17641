//! What a call and a ring cost Redis: counted, and printed.

use std::time::Duration;

use futures_util::future::join_all;
use ringback::store::shared::{Claim, ClaimId, Shared as _};
use ringback::store::{State, Store as _};
use tokio::time::Instant;

use super::server::Server;
use super::{ready, with_replica};
use crate::support::{call, ended};

/// Commands that Redis has carried out, those within scripts as well.
async fn commands(server: &Server) -> u64 {
    let counted = server.info("stats", "total_commands_processed").await;
    counted.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_checkpoint_and_a_claim_cost_few_commands_and_little_of_the_callers_time() {
    let server = Server::start().await;
    let _replica = Server::replica_of(&server).await;
    let store = ready(&server.url(), with_replica()).await;
    let before = (store.counts(), commands(&server).await);
    let mut longest = Duration::ZERO;
    let mut whole = Duration::ZERO;
    let mut asked = Vec::new();
    for number in 0..100 {
        let mut record = call(number);
        record.state = State(vec![1; 16 * 1024]);
        let began = Instant::now();
        asked.push(store.checkpoint(record));
        let took = began.elapsed();
        longest = longest.max(took);
        whole += took;
    }
    assert!(join_all(asked).await.iter().all(Result::is_ok));
    let after = store.counts();
    let sent = after.commands - before.0.commands;
    assert_eq!(sent, 100, "one for each");
    let trips = after.round_trips - before.0.round_trips;
    assert!(trips <= 100, "{trips}");
    let inside = commands(&server).await - before.1;
    println!(
        "a checkpoint of 16 KiB: 1 command sent, about {} carried out; 100 of them in {trips} round trips; \
         of the caller's time {:?} on average, {longest:?} at most",
        inside / 100,
        whole / 100
    );

    let before = store.counts();
    let claim = Claim {
        id: ClaimId(1),
        owner: "east-1".into(),
        epoch: 1,
        lease: Duration::from_mins(1),
    };
    store.claim(claim.clone()).await.unwrap();
    store.renew_claim(claim.clone()).await.unwrap();
    store.release_claim(claim).await.unwrap();
    store.end_call(ended(1)).await.unwrap();
    let after = store.counts();
    assert_eq!(after.commands - before.commands, 3 * 2 + 1);
    println!(
        "a claim, a renewal, a release: 2 commands each (the script and WAIT); the end of a call: 1"
    );
}
