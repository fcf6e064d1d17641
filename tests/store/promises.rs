//! Promises: one open one for each caller, none to those who want none, and no request that is not known of.

use ringback::core::ids::CallId;
use ringback::core::time::Utc;
use ringback::store::{
    Changed, PromiseChange, PromiseRecord, Promised, SendId, SendStep, Store, StoreError,
};

use crate::support::{
    Home, LATER, NOW, at, both, call, change, close, ended, promise, send, state,
};

both! {
    a_caller_has_one_open_promise,
    an_open_promise_does_not_expire_by_a_clock,
    one_that_nobody_has_ended_gives_way_after_a_month,
    of_two_who_change_a_promise_one_is_told_that_it_was_late,
    promises_come_due_in_the_order_of_their_time,
    a_request_is_known_from_before_it_is_made_until_its_end_is_known,
    who_wants_nothing_is_promised_nothing_and_sent_nothing,
    a_person_is_forgotten_but_not_what_they_want,
    a_promise_has_so_many_requests_in_flight_at_most,
    neither_numbers_nor_words_are_readable_in_the_file_or_printed,
    the_conversation_of_a_promise_outlives_its_call_and_not_the_promise,
}

async fn a_caller_has_one_open_promise<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let first = promise(&store, 1);
    let second = PromiseRecord {
        caller: first.caller,
        ..promise(&store, 2)
    };
    let promised = async |record: &PromiseRecord, now| store.promise(record.clone(), now).await;
    assert_eq!(promised(&first, NOW).await, Ok(Promised::Kept));
    let already = Ok(Promised::Already(first.id));
    assert_eq!(promised(&second, NOW).await, already);
    assert_eq!(promised(&first, NOW).await, already, "asked twice");
    let open = store.open_promise(first.caller, NOW).await.unwrap();
    assert_eq!(open, Some(first.clone()));

    let done = PromiseChange {
        is_open: false,
        ..change(&first, SendStep::None)
    };
    assert_eq!(store.change_promise(done, NOW).await, Ok(Changed::Kept));
    assert_eq!(store.open_promise(first.caller, NOW).await.unwrap(), None);
    assert_eq!(promised(&second, NOW).await, Ok(Promised::Kept));
    // The first cannot be opened again beside it.
    let again = PromiseChange {
        from_revision: 1,
        ..change(&first, SendStep::None)
    };
    let refused = store.change_promise(again, NOW).await;
    assert_eq!(refused, Ok(Changed::Already(second.id)));
}

/// So many days behind the expiry of what the stories keep.
const fn days_later(days: u64) -> Utc {
    at(LATER.millis() + days * 86_400_000)
}

async fn an_open_promise_does_not_expire_by_a_clock<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let record = promise(&store, 1);
    store.promise(record.clone(), NOW).await.unwrap();
    // A clock that is weeks ahead, and collects; and one that is years ahead.
    for now in [LATER, days_later(29)] {
        assert_eq!(store.collect(now).await.unwrap().removed, 0);
    }
    for now in [LATER, days_later(29), days_later(1_000)] {
        let all = store.promises(None, 10, now).await.unwrap();
        assert_eq!(all.records, std::slice::from_ref(&record));
        let found = store.promise_by_id(record.id, now).await.unwrap();
        assert_eq!(found.as_ref(), Some(&record));
        let open = store.open_promise(record.caller, now).await.unwrap();
        assert_eq!(open.as_ref(), Some(&record));
    }
    close(store).await;

    let store = home.open().await;
    let now = days_later(1_000);
    let same = PromiseChange {
        due: None,
        ..change(&record, SendStep::None)
    };
    assert_eq!(store.change_promise(same, now).await, Ok(Changed::Kept));
    // Once its ledger has ended it, it is as old as it is.
    let done = PromiseChange {
        from_revision: 1,
        is_open: false,
        ..change(&record, SendStep::None)
    };
    assert_eq!(store.change_promise(done, now).await, Ok(Changed::Kept));
    assert_eq!(store.promises(None, 10, now).await.unwrap().records, []);
    assert!(store.collect(now).await.unwrap().is_done);
    assert_eq!(store.promises(None, 10, NOW).await.unwrap().records, []);
}

async fn one_that_nobody_has_ended_gives_way_after_a_month<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let old = promise(&store, 1);
    store.promise(old.clone(), NOW).await.unwrap();
    let next = PromiseRecord {
        caller: old.caller,
        expires: days_later(40),
        ..promise(&store, 2)
    };
    let told = store.promise(next.clone(), days_later(29)).await;
    assert_eq!(told, Ok(Promised::Already(old.id)));
    let told = store.promise(next.clone(), days_later(31)).await;
    assert_eq!(told, Ok(Promised::Kept));
    let all = store.promises(None, 10, NOW).await.unwrap();
    assert_eq!(all.records, [next]);
}

async fn of_two_who_change_a_promise_one_is_told_that_it_was_late<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let record = promise(&store, 1);
    store.promise(record.clone(), NOW).await.unwrap();
    let (first, second) = tokio::join!(
        store.change_promise(change(&record, SendStep::None), NOW),
        store.change_promise(change(&record, SendStep::None), NOW),
    );
    assert_eq!(first, Ok(Changed::Kept));
    assert_eq!(second, Ok(Changed::Stale(1)));
    let unknown = change(&promise(&store, 2), SendStep::None);
    assert_eq!(
        store.change_promise(unknown, NOW).await,
        Ok(Changed::Unknown)
    );
}

async fn promises_come_due_in_the_order_of_their_time<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    for (number, due) in [
        (1, Some(3_000)),
        (2, Some(1_500)),
        (3, None),
        (4, Some(9_000)),
    ] {
        let record = PromiseRecord {
            due: due.map(at),
            ..promise(&store, number)
        };
        store.promise(record, NOW).await.unwrap();
    }
    let numbers = async |max, now| {
        let due = store.due(max, at(now)).await.unwrap();
        due.iter().map(|due| due.id.bits()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(10, 1_499).await, [0; 0]);
    assert_eq!(numbers(10, 3_000).await, [2, 1]);
    assert_eq!(numbers(1, 3_000).await, [2]);
    // One that moves is found at its new time alone.
    let later = PromiseChange {
        due: Some(at(8_000)),
        ..change(&promise(&store, 2), SendStep::None)
    };
    store.change_promise(later, NOW).await.unwrap();
    assert_eq!(numbers(10, 3_000).await, [1]);
    assert_eq!(numbers(10, 9_000).await, [1, 2, 4]);
    assert_eq!(numbers(10, 10_000).await, [1, 2, 4], "still open");
}

async fn a_request_is_known_from_before_it_is_made_until_its_end_is_known<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let record = promise(&store, 1);
    store.promise(record.clone(), NOW).await.unwrap();
    let text = send(&record, 77);
    let begin = change(&record, SendStep::Begin(text.clone()));
    assert_eq!(store.change_promise(begin, NOW).await, Ok(Changed::Kept));
    close(store).await;

    let store = home.open().await;
    assert_eq!(store.sends(None, 10).await.unwrap(), [text]);
    let next = PromiseRecord {
        revision: 1,
        ..record
    };
    let end = change(&next, SendStep::End(SendId(77)));
    assert_eq!(store.change_promise(end, NOW).await, Ok(Changed::Kept));
    assert_eq!(store.sends(None, 10).await.unwrap(), []);
    let last = store.promise_by_id(next.id, NOW).await.unwrap().unwrap();
    assert_eq!(last.revision, 2);
}

async fn who_wants_nothing_is_promised_nothing_and_sent_nothing<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let record = promise(&store, 1);
    store.promise(record.clone(), NOW).await.unwrap();
    store.set_opted_out(record.caller, Some(NOW)).await.unwrap();
    assert_eq!(store.opted_out(record.caller).await, Ok(Some(NOW)));
    // What was promised before is not sent any more.
    let begin = change(&record, SendStep::Begin(send(&record, 77)));
    assert_eq!(
        store.change_promise(begin, NOW).await,
        Ok(Changed::OptedOut)
    );
    assert_eq!(store.sends(None, 10).await.unwrap(), []);
    let another = PromiseRecord {
        caller: record.caller,
        ..promise(&store, 2)
    };
    let told = store.promise(another, NOW).await;
    assert_eq!(told, Ok(Promised::OptedOut));
    // It can be closed, and they may change their mind.
    let closed = PromiseChange {
        is_open: false,
        ..change(&record, SendStep::None)
    };
    assert_eq!(store.change_promise(closed, NOW).await, Ok(Changed::Kept));
    store.set_opted_out(record.caller, None).await.unwrap();
    let after = PromiseRecord {
        caller: record.caller,
        ..promise(&store, 3)
    };
    assert_eq!(store.promise(after, NOW).await, Ok(Promised::Kept));
}

async fn a_person_is_forgotten_but_not_what_they_want<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let record = promise(&store, 1);
    let other = promise(&store, 2);
    store.promise(record.clone(), NOW).await.unwrap();
    store.promise(other.clone(), NOW).await.unwrap();
    let begin = change(&record, SendStep::Begin(send(&record, 77)));
    store.change_promise(begin, NOW).await.unwrap();
    store.set_opted_out(record.caller, Some(NOW)).await.unwrap();
    assert_eq!(store.forget(record.caller).await, Ok(1));
    assert_eq!(
        store.promises(None, 10, NOW).await.unwrap().records,
        [other]
    );
    assert_eq!(store.sends(None, 10).await.unwrap(), []);
    assert_eq!(store.due(10, at(9_000)).await.unwrap().len(), 1);
    assert_eq!(store.opted_out(record.caller).await, Ok(Some(NOW)));
    // Nothing is left that would have to be thrown away later: of the two it is the other one alone.
    let other = promise(&store, 2);
    let done = PromiseChange {
        is_open: false,
        ..change(&other, SendStep::None)
    };
    assert_eq!(store.change_promise(done, NOW).await, Ok(Changed::Kept));
    let step = store.collect(LATER).await.unwrap();
    assert_eq!((step.removed, step.is_done), (1, true));
}

async fn a_promise_has_so_many_requests_in_flight_at_most<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let record = promise(&store, 1);
    store.promise(record.clone(), NOW).await.unwrap();
    let begin = async |number: u64| {
        let from = PromiseRecord {
            revision: number,
            ..record.clone()
        };
        let text = send(&record, u128::from(number));
        store
            .change_promise(change(&from, SendStep::Begin(text)), NOW)
            .await
    };
    for number in 0..16 {
        assert_eq!(begin(number).await, Ok(Changed::Kept));
    }
    let refused = begin(16).await;
    assert!(
        matches!(refused, Err(StoreError::TooLong(_))),
        "{refused:?}"
    );
}

async fn neither_numbers_nor_words_are_readable_in_the_file_or_printed<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let record = promise(&store, 4_711);
    let printed = format!("{record:?} {store:?}");
    store.promise(record.clone(), NOW).await.unwrap();
    let begin = change(&record, SendStep::Begin(send(&record, 77)));
    store.change_promise(begin, NOW).await.unwrap();
    let mut call = call(1);
    call.state = state("my card number is");
    store.checkpoint(call).await.unwrap();
    close(store).await;
    let file = home.everything().await;
    for secret in ["5550004711", "promised to", "card number", "a text"] {
        let found = file
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!found, "{secret} is in the file");
        assert!(!printed.contains(secret), "{printed}");
    }
}

/// Keeps the conversation of call 7 beside a promise.
async fn keep(store: &impl Store, promise: &PromiseRecord) -> Result<bool, StoreError> {
    store
        .keep_context(promise.id, CallId::from_bits(7), NOW)
        .await
}

async fn the_conversation_of_a_promise_outlives_its_call_and_not_the_promise<H: Home>() {
    let home = H::new().await;
    let store = home.open().await;
    let (first, second) = (promise(&store, 1), promise(&store, 2));
    store.promise(first.clone(), NOW).await.unwrap();
    store.promise(second.clone(), NOW).await.unwrap();
    assert_eq!(
        keep(&store, &first).await,
        Ok(false),
        "there is no such call"
    );
    store.checkpoint(call(7)).await.unwrap();
    for one in [&first, &second] {
        assert_eq!(keep(&store, one).await, Ok(true));
    }
    assert_eq!(
        keep(&store, &promise(&store, 3)).await,
        Ok(false),
        "no such promise"
    );
    store.end_call(ended(7)).await.unwrap();
    close(store).await;

    let store = home.open().await;
    let context = async |promise: &PromiseRecord| store.context(promise.id).await.unwrap();
    assert_eq!(context(&first).await, Some(call(7).state));
    assert_eq!(context(&promise(&store, 3)).await, None);
    let done = PromiseChange {
        is_open: false,
        ..change(&first, SendStep::None)
    };
    store.change_promise(done, NOW).await.unwrap();
    assert_eq!(context(&first).await, None);
    assert_eq!(keep(&store, &first).await, Ok(false), "it is over");
    store.forget(second.caller).await.unwrap();
    assert_eq!(context(&second).await, None);
}
