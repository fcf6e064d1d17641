//! One of many gets a claim, by the clock of Redis; who is of the past is told so; roles change hands one at a time.

use std::time::Duration;

use futures_util::future::join_all;
use ringback::core::region::owner::Ruling;
use ringback::store::shared::{Claim, ClaimId, Claimed, RoleChange, RoleChanged, Shared as _};
use ringback::store::{CallRecord, Store as _, StoreError};

use super::server::{Server, until};
use super::{patient, ready, with_replica};
use crate::support::{NOW, call, promise, state, tenure};

fn claim(owner: &str, epoch: u64) -> Claim {
    Claim {
        id: ClaimId(7),
        owner: owner.into(),
        epoch,
        lease: Duration::from_mins(1),
    }
}

#[tokio::test]
async fn of_four_who_claim_at_once_one_gets_it_and_a_replica_has_it() {
    let primary = Server::start().await;
    let _replica = Server::replica_of(&primary).await;
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(ready(&primary.url(), with_replica()).await);
    }
    for round in 0..20 {
        let claims = stores.iter().enumerate().map(|(node, store)| {
            let mut claim = claim(&format!("node-{node}"), 1);
            claim.id = ClaimId(round);
            store.claim(claim)
        });
        let answers = join_all(claims).await;
        let mut granted = 0;
        for answer in answers {
            match answer.unwrap() {
                Claimed::Granted { replicas } => {
                    assert_eq!(replicas, 1);
                    granted += 1;
                }
                Claimed::Held(holder) => assert_eq!(holder.epoch, 1),
                other @ (Claimed::Fenced { .. } | Claimed::Free) => panic!("{other:?}"),
            }
        }
        assert_eq!(granted, 1, "round {round}");
    }
}

#[tokio::test]
async fn a_claim_without_a_replica_says_so() {
    let primary = Server::start().await;
    let settings = ringback::store::redis::RedisSettings {
        replica_timeout: Duration::from_millis(20),
        ..with_replica()
    };
    let store = ready(&primary.url(), settings).await;
    let alone = store.claim(claim("east-1", 1)).await;
    assert_eq!(alone, Ok(Claimed::Granted { replicas: 0 }));
    // Nor is an opt-out from a primary that nobody follows sure, nor a promise.
    let record = promise(&store, 1);
    let too_few = StoreError::TooFewReplicas(0);
    assert_eq!(
        store.opted_out_surely(record.caller).await,
        Err(too_few.clone())
    );
    assert_eq!(store.promise(record, NOW).await, Err(too_few));
    // What nobody waits for replicas with is kept all the same.
    assert_eq!(store.checkpoint(call(1)).await, Ok(Ruling::Kept));
}

#[tokio::test]
async fn a_claim_is_prolonged_given_back_and_over_by_its_lease() {
    let server = Server::start().await;
    let east = ready(&server.url(), patient()).await;
    let west = ready(&server.url(), patient()).await;
    let granted = Ok(Claimed::Granted { replicas: 0 });
    assert_eq!(east.claim(claim("east-1", 1)).await, granted);
    assert_eq!(east.claim(claim("east-1", 1)).await, granted, "asked twice");
    assert_eq!(east.renew_claim(claim("east-1", 1)).await, granted);
    for answer in [
        west.claim(claim("west-1", 1)).await,
        west.release_claim(claim("west-1", 1)).await,
    ] {
        let Ok(Claimed::Held(holder)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!((holder.owner.as_str(), holder.epoch), ("east-1", 1));
        assert!(holder.left <= Duration::from_mins(1));
    }
    assert_eq!(
        east.release_claim(claim("east-1", 1)).await,
        Ok(Claimed::Free)
    );
    assert_eq!(east.claim_holder(ClaimId(7)).await, Ok(None));
    assert_eq!(
        east.renew_claim(claim("east-1", 1)).await,
        Ok(Claimed::Free),
        "it is gone"
    );
    let short = Claim {
        lease: Duration::from_millis(50),
        ..claim("west-1", 1)
    };
    assert_eq!(west.claim(short).await, granted);
    until("the lease is over", async || {
        east.claim_holder(ClaimId(7)).await == Ok(None)
    })
    .await;
    assert_eq!(
        west.renew_claim(claim("west-1", 1)).await,
        Ok(Claimed::Free)
    );
    assert_eq!(east.claim(claim("east-1", 1)).await, granted);
}

#[tokio::test]
async fn who_is_of_an_older_epoch_is_fenced_off() {
    let server = Server::start().await;
    let store = ready(&server.url(), patient()).await;
    store.claim(claim("west-1", 5)).await.unwrap();
    let fenced = Ok(Claimed::Fenced { epoch: 5 });
    assert_eq!(store.claim(claim("east-1", 4)).await, fenced);
    store.release_claim(claim("west-1", 5)).await.unwrap();
    assert_eq!(
        store.claim(claim("east-1", 4)).await,
        fenced,
        "remembered beyond the lease"
    );
    // The same with checkpoints: the older owner changes nothing any more.
    let by = |node: &str, epoch| CallRecord {
        by: tenure(1, node, epoch),
        ..call(1)
    };
    store.checkpoint(by("east-1", 1)).await.unwrap();
    store.checkpoint(by("west-1", 2)).await.unwrap();
    let older = store.checkpoint(by("east-1", 1)).await;
    assert_eq!(older, Ok(Ruling::Superseded(2)));
}

#[tokio::test]
async fn of_two_who_want_to_lead_one_does() {
    let server = Server::start().await;
    let east = ready(&server.url(), patient()).await;
    let west = ready(&server.url(), patient()).await;
    let lead = |owner: &str, from_epoch| RoleChange {
        from_epoch,
        owner: owner.into(),
        state: state("active"),
    };
    assert_eq!(east.role("number-1").await, Ok(None));
    let (first, second) = tokio::join!(
        east.change_role("number-1", lead("east", 0)),
        west.change_role("number-1", lead("west", 0)),
    );
    let kept = RoleChanged::Kept {
        epoch: 1,
        replicas: 0,
    };
    let mut answers = [first.unwrap(), second.unwrap()];
    answers.sort_by_key(|answer| *answer != kept);
    assert_eq!(answers, [kept, RoleChanged::Stale(1)]);
    let next = west.change_role("number-1", lead("west", 1)).await;
    assert_eq!(
        next,
        Ok(RoleChanged::Kept {
            epoch: 2,
            replicas: 0
        })
    );
    let role = east.role("number-1").await.unwrap().unwrap();
    assert_eq!(
        (role.epoch, role.owner.as_str(), role.state),
        (2, "west", state("active"))
    );
}
