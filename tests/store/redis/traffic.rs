//! What a call and a ring cost Redis: counted, and printed.

use std::time::Duration;

use futures_util::future::join_all;
use ringback::store::shared::{Claim, ClaimId, Shared as _};
use ringback::store::{CallRecord, State, Store as _};
use tokio::time::Instant;

use super::server::Server;
use super::{ready, with_replica};
use crate::support::{call, ended};

/// Commands that Redis has carried out, those within scripts as well.
async fn commands(server: &Server) -> u64 {
    let counted = server.info("stats", "total_commands_processed").await;
    counted.unwrap().parse().unwrap()
}

/// Of the call that is counted.
const TURNS: u32 = 10;

/// Bytes that Redis has got and given, those of replicas and of whoever counts as well.
async fn bytes(server: &Server) -> (u64, u64) {
    let of = async |name| {
        let counted = server.info("stats", name).await;
        counted.unwrap().parse().unwrap()
    };
    (
        of("total_net_input_bytes").await,
        of("total_net_output_bytes").await,
    )
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

    let before = (store.counts(), bytes(&server).await);
    for turn in 0..=TURNS {
        // What is said in a turn, in both directions.
        let said = usize::try_from(turn).unwrap() * 300;
        let record = CallRecord {
            turn,
            state: State(vec![1; said]),
            ..call(1_000)
        };
        store.checkpoint(record).await.unwrap();
    }
    store.end_call(ended(1_000)).await.unwrap();
    let sent = store.counts().commands - before.0.commands;
    assert_eq!(sent, u64::from(TURNS) + 2, "its start, its turns, its end");
    let (to, from) = bytes(&server).await;
    let (to, from) = (to - before.1.0, from - before.1.1);
    println!(
        "a call of {TURNS} turns: {sent} commands, {to} bytes to Redis, {from} from it; of a turn {} and {}",
        to / u64::from(TURNS + 2),
        from / u64::from(TURNS + 2)
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
