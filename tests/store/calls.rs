//! Calls in progress, calls that ended, and tokens.

use ringback::core::ids::CallId;
use ringback::core::region::Life;
use ringback::core::region::owner::Ruling;
use ringback::store::{
    CallKey, CallRecord, EndedCall, KnownCall, STATE_BYTES_MAX, State, Store as _, StoreError,
    TokenId,
};

use crate::support::{Home, LATER, NOW, at, both, call, close, ended, sid, state, tenure};

both! {
    a_call_is_found_by_both_of_its_names_until_it_expires,
    a_call_that_ended_stays_ended_and_how_it_ended_first_counts,
    an_owner_that_was_superseded_is_told_so_and_changes_nothing,
    the_carriers_word_ends_a_call_whoever_has_it,
    a_checkpoint_that_comes_late_changes_nothing,
    of_documents_that_are_not_ours_the_later_checkpoint_counts,
    calls_are_listed_page_by_page,
    what_is_too_long_is_refused_and_leaves_the_others_alone,
    a_token_is_used_once_even_after_a_restart,
    of_many_who_use_a_token_at_once_one_is_let_in,
    what_has_expired_is_thrown_away_step_by_step,
}

async fn a_call_is_found_by_both_of_its_names_until_it_expires<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let kept = store.checkpoint(call(1)).await;
    assert_eq!(kept, Ok(Ruling::Kept));
    let expected = Some(KnownCall::InProgress(call(1)));
    for key in [CallKey::Id(CallId::from_bits(1)), CallKey::Sid(sid(1))] {
        assert_eq!(store.call(key, at(9_999)).await.unwrap(), expected);
        assert_eq!(store.call(key, LATER).await.unwrap(), None, "expired");
    }
    assert_eq!(store.call(CallKey::Sid(sid(2)), NOW).await.unwrap(), None);
}

async fn a_call_that_ended_stays_ended_and_how_it_ended_first_counts<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    store.checkpoint(call(1)).await.unwrap();
    assert_eq!(store.end_call(ended(1)).await, Ok(Ruling::Kept));
    let crashed = EndedCall {
        state: state("crash"),
        ..ended(1)
    };
    assert_eq!(store.end_call(crashed).await, Ok(Ruling::Ended));
    assert_eq!(store.checkpoint(call(1)).await, Ok(Ruling::Ended));
    for key in [CallKey::Id(CallId::from_bits(1)), CallKey::Sid(sid(1))] {
        let known = store.call(key, NOW).await.unwrap();
        assert_eq!(known, Some(KnownCall::Ended(ended(1))));
        assert_eq!(store.call(key, LATER).await.unwrap(), None, "forgotten");
    }
    assert_eq!(store.calls(None, 10, NOW).await.unwrap(), []);
}

async fn an_owner_that_was_superseded_is_told_so_and_changes_nothing<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let by = |node: &str, epoch: u32, turn: u32| CallRecord {
        by: tenure(1, node, epoch),
        turn,
        ..call(1)
    };
    let told = async |record| store.checkpoint(record).await.unwrap();
    assert_eq!(told(by("east-1", 1, 9)).await, Ruling::Kept);
    assert_eq!(told(by("west-1", 2, 0)).await, Ruling::Kept);
    assert_eq!(told(by("east-1", 1, 10)).await, Ruling::Superseded(2));
    // Two that want to take over at once: one does.
    assert_eq!(told(by("east-2", 2, 1)).await, Ruling::Superseded(2));
    // So does one of two lives of a node.
    let mut other_life = by("west-1", 2, 1);
    other_life.by.owner.life = Life(7);
    assert_eq!(told(other_life).await, Ruling::Superseded(2));
    assert_eq!(told(by("west-1", 2, 1)).await, Ruling::Kept);
    let known = store.call(CallKey::Sid(sid(1)), NOW).await.unwrap();
    assert_eq!(known, Some(KnownCall::InProgress(by("west-1", 2, 1))));
    // Nor does it end the call: only its owner does.
    let end = async |by| {
        let ended = EndedCall { by, ..ended(1) };
        store.end_call(ended).await.unwrap()
    };
    let older = Some(tenure(1, "east-1", 1));
    assert_eq!(end(older).await, Ruling::Superseded(2));
    assert_eq!(end(Some(tenure(1, "west-1", 2))).await, Ruling::Kept);
}

async fn the_carriers_word_ends_a_call_whoever_has_it<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    store.checkpoint(call(1)).await.unwrap();
    let told = EndedCall {
        by: None,
        ..ended(1)
    };
    assert_eq!(store.end_call(told.clone()).await, Ok(Ruling::Kept));
    let known = store.call(CallKey::Sid(sid(1)), NOW).await.unwrap();
    assert_eq!(known, Some(KnownCall::Ended(told)));
}

async fn a_checkpoint_that_comes_late_changes_nothing<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let numbered = |turn, said: &str| CallRecord {
        turn,
        state: state(said),
        ..call(1)
    };
    let told = async |record| store.checkpoint(record).await.unwrap();
    assert_eq!(told(numbered(10, "ten")).await, Ruling::Kept);
    assert_eq!(told(numbered(9, "nine")).await, Ruling::Late);
    assert_eq!(told(numbered(10, "ten again")).await, Ruling::Late);
    let known = store.call(CallKey::Sid(sid(1)), NOW).await.unwrap();
    assert_eq!(known, Some(KnownCall::InProgress(numbered(10, "ten"))));
    assert_eq!(told(numbered(11, "eleven")).await, Ruling::Kept);
}

async fn of_documents_that_are_not_ours_the_later_checkpoint_counts<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let by = |node: &str, turn| CallRecord {
        by: tenure(1, node, 0),
        turn,
        ..call(1)
    };
    let told = async |record| store.checkpoint(record).await.unwrap();
    assert_eq!(told(by("east-1", 100)).await, Ruling::Kept);
    assert_eq!(told(by("west-1", 200)).await, Ruling::Kept);
    assert_eq!(told(by("east-1", 101)).await, Ruling::Late);
    let known = store.call(CallKey::Sid(sid(1)), NOW).await.unwrap();
    assert_eq!(known, Some(KnownCall::InProgress(by("west-1", 200))));
}

async fn calls_are_listed_page_by_page<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    for number in 1..=7 {
        store.checkpoint(call(number)).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.calls(after, 3, NOW).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id());
        seen.extend(page);
    }
    assert_eq!(seen, (1..=7).map(call).collect::<Vec<_>>());
}

async fn what_is_too_long_is_refused_and_leaves_the_others_alone<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let of_length = |number, length| CallRecord {
        state: State(vec![1; length]),
        ..call(number)
    };
    let (long, other) = tokio::join!(
        store.checkpoint(of_length(1, STATE_BYTES_MAX + 1)),
        store.checkpoint(of_length(2, STATE_BYTES_MAX)),
    );
    assert_eq!(long, Err(StoreError::TooLong("checkpoint")));
    assert_eq!(other, Ok(Ruling::Kept));
}

async fn a_token_is_used_once_even_after_a_restart<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let claim =
        async |store: &H::Kept, now| store.claim_token(TokenId(7), LATER, now).await.unwrap();
    assert!(claim(&store, NOW).await);
    assert!(!claim(&store, NOW).await);
    close(store).await;
    let store = home.open().await;
    assert!(!claim(&store, NOW).await, "it was on disk");
    assert!(
        !claim(&store, LATER).await,
        "an expired one is no first use"
    );
    close(store).await;
}

async fn of_many_who_use_a_token_at_once_one_is_let_in<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let claims = (0..100).map(|_| store.claim_token(TokenId(7), LATER, NOW));
    let answers = futures_util::future::join_all(claims).await;
    let first = answers.into_iter().filter(|answer| *answer == Ok(true));
    assert_eq!(first.count(), 1);
}

async fn what_has_expired_is_thrown_away_step_by_step<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let calls = (0..700).map(|number| store.checkpoint(call(number)));
    futures_util::future::join_all(calls).await;
    let tokens = (0..300).map(|id| store.claim_token(TokenId(id), at(5_000), NOW));
    futures_util::future::join_all(tokens).await;
    store.end_call(ended(0)).await.unwrap();
    // One that is kept longer by now.
    let longer = CallRecord {
        turn: 1,
        expires: at(20_000),
        ..call(1)
    };
    store.checkpoint(longer.clone()).await.unwrap();

    let nothing = store.collect(at(4_999)).await.unwrap();
    assert_eq!((nothing.removed, nothing.is_done), (0, true));
    let mut removed = Vec::new();
    loop {
        let step = store.collect(LATER).await.unwrap();
        removed.push(step.removed);
        if step.is_done {
            break;
        }
    }
    let expected: &[usize] = if H::FORGETS_TOKENS_ITSELF {
        &[500, 199]
    } else {
        &[500, 499]
    };
    assert_eq!(removed, expected, "all but the one");
    // As seen from a time when all of them were there.
    assert_eq!(store.calls(None, 10, NOW).await.unwrap(), [longer]);
    let gone = store.call(CallKey::Id(CallId::from_bits(0)), NOW).await;
    assert_eq!(gone.unwrap(), None);
}
