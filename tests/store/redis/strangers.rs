//! A Redis that is not ours, not for us, or not for this version: refused with a sentence, and left as it is.

use std::time::Duration;

use ringback::core::ids::CallId;
use ringback::core::region::owner::Ruling;
use ringback::store::redis::{Redis, RedisAddress, RedisSettings};
use ringback::store::{CallKey, CallRecord, Promised, SealingKey, Store as _, StoreError};

use super::server::Server;
use super::{KEY, open, patient, ready};
use crate::support::{NOW, at, call, promise};

async fn refusal(store: &Redis) -> String {
    let refused = store.ready(Duration::from_secs(30)).await;
    let error = refused.unwrap_err();
    let asked = store.checkpoint(call(1)).await;
    assert_eq!(asked, Err(error.clone()), "and so is what is asked");
    error.to_string()
}

#[tokio::test]
async fn keys_of_others_are_neither_read_nor_changed_nor_in_the_way() {
    let server = Server::start().await;
    for number in 0..1_000 {
        let key = format!("session:{number}");
        server.tell(&["SET", &key, "theirs"]).await;
    }
    let store = ready(&server.url(), patient()).await;
    assert_eq!(store.checkpoint(call(1)).await, Ok(Ruling::Kept));
    assert_eq!(store.calls(None, 10, NOW).await.unwrap(), [call(1)]);
    let keys: Vec<String> = server.ask(&["KEYS", "*"]).await.unwrap();
    let (ours, theirs): (Vec<_>, Vec<_>) = keys
        .into_iter()
        .partition(|key| key.starts_with("ringback:"));
    assert_eq!(theirs.len(), 1_000);
    assert!(!ours.is_empty());
}

#[tokio::test]
async fn a_key_of_somebody_else_in_the_place_of_ours_is_left_as_it_is() {
    let server = Server::start().await;
    server.tell(&["SET", "ringback:store", "theirs"]).await;
    let said = refusal(&open(&server.url(), patient())).await;
    assert!(said.contains("another prefix"), "{said}");
    let kept: String = server.ask(&["GET", "ringback:store"]).await.unwrap();
    assert_eq!(kept, "theirs");
    // Under another prefix the same Redis will do.
    let settings = RedisSettings {
        prefix: "voice:".into(),
        ..patient()
    };
    let store = ready(&server.url(), settings).await;
    // So is a single record.
    let key = format!("voice:1:call:{:032x}", 1);
    server.tell(&["SET", &key, "theirs"]).await;
    let refused = store.checkpoint(call(1)).await;
    assert!(matches!(refused, Err(StoreError::Unfit(_))), "{refused:?}");
    assert_eq!(store.checkpoint(call(2)).await, Ok(Ruling::Kept));
    let kept: String = server.ask(&["GET", &key]).await.unwrap();
    assert_eq!(kept, "theirs");
}

#[tokio::test]
async fn another_key_and_a_newer_form_are_refused_with_what_to_do() {
    let server = Server::start().await;
    let store = ready(&server.url(), patient()).await;
    store.checkpoint(call(1)).await.unwrap();
    let address = RedisAddress::parse(&server.url()).unwrap();
    let other = SealingKey::from_bytes([8; 32]);
    let said = refusal(&Redis::open(address, &other, patient()).unwrap()).await;
    assert!(said.contains("bring that key back"), "{said}");
    server.tell(&["HSET", "ringback:store", "form", "2"]).await;
    let said = refusal(&open(&server.url(), patient())).await;
    assert!(said.contains("a newer version of ringback"), "{said}");
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_refused_and_the_others_are_not() {
    let server = Server::start().await;
    let store = ready(&server.url(), patient()).await;
    store.checkpoint(call(1)).await.unwrap();
    store.checkpoint(call(2)).await.unwrap();
    let key = format!("ringback:1:call:{:032x}", 1);
    server.tell(&["HSET", &key, "v", "2"]).await;
    let newer = StoreError::Newer("checkpoint");
    let id = CallKey::Id(CallId::from_bits(1));
    assert_eq!(store.call(id, NOW).await, Err(newer.clone()));
    assert_eq!(
        store.checkpoint(call(1)).await,
        Err(newer),
        "nor written over"
    );
    let next = CallRecord { turn: 1, ..call(2) };
    assert_eq!(store.checkpoint(next).await, Ok(Ruling::Kept));
    // Nor is one that was moved to another place taken for what stood there.
    let (from, to) = (
        format!("ringback:1:call:{:032x}", 2),
        format!("ringback:1:call:{:032x}", 3),
    );
    server.tell(&["COPY", &from, &to]).await;
    let moved = store.call(CallKey::Id(CallId::from_bits(3)), NOW).await;
    assert_eq!(moved, Err(StoreError::Damaged("checkpoint")));
}

#[tokio::test]
async fn promises_that_cannot_be_read_stop_no_others_and_are_left_alone() {
    let server = Server::start().await;
    let store = ready(&server.url(), patient()).await;
    for number in 1..=5 {
        let kept = store.promise(promise(&store, number), NOW).await;
        assert_eq!(kept, Ok(Promised::Kept));
    }
    let early = CallRecord {
        expires: at(5_000),
        ..call(1)
    };
    store.checkpoint(early).await.unwrap();
    let key = |number: u128| format!("ringback:1:promise:{number:032x}");
    server.tell(&["HSET", &key(2), "v", "2"]).await;
    server.tell(&["HSET", &key(3), "sealed", "torn"]).await;
    server.tell(&["SET", &key(4), "theirs"]).await;
    for (at, name) in [("1", "x7".to_owned()), ("2", format!("p{:032x}", 2))] {
        server.tell(&["ZADD", "ringback:1:expiry", at, &name]).await;
    }
    let found = store.promises(None, 10, NOW).await.unwrap();
    let read: Vec<_> = found.records.iter().map(|one| one.id.bits()).collect();
    assert_eq!(read, [1, 5]);
    let damaged = StoreError::Damaged("promise");
    let unread = [StoreError::Newer("promise"), damaged.clone(), damaged];
    assert_eq!(found.unread, unread);
    // Nor do they stop what has expired from being thrown away.
    for removed in [1, 0] {
        let step = store.collect(at(5_000)).await.unwrap();
        assert_eq!((step.removed, step.left_alone), (removed, 2));
        assert!(step.is_done);
    }
    let kept: Option<String> = server.ask(&["HGET", &key(2), "v"]).await.unwrap();
    assert_eq!(kept.as_deref(), Some("2"), "it is left alone");
}

#[tokio::test]
async fn a_promise_that_cannot_be_read_does_not_keep_the_others_from_whoever_asks() {
    let server = Server::start().await;
    let store = ready(&server.url(), patient()).await;
    // More than a page, and what cannot be read is at its begin, within, and is all of another one.
    let is_bad = |number: u128| number % 3 == 1 || (65..=140).contains(&number);
    let mut good = Vec::new();
    for number in 1..=150 {
        let record = promise(&store, number);
        store.promise(record.clone(), NOW).await.unwrap();
        let key = format!("ringback:1:promise:{number:032x}");
        match number % 2 {
            _ if !is_bad(number) => good.push(record),
            _ if number % 5 == 0 => {
                server.tell(&["DEL", &key]).await;
                server.tell(&["SET", &key, "theirs"]).await;
            }
            0 => server.tell(&["HSET", &key, "v", "2"]).await,
            _ => server.tell(&["HSET", &key, "sealed", "broken"]).await,
        }
    }
    let bad = 150 - good.len();
    let all = store.promises(None, 1_000, NOW).await.unwrap();
    assert_eq!((all.records, all.unread.len()), (good.clone(), bad));
    let first = store.promises(None, 1, NOW).await.unwrap().records;
    assert_eq!(first, good[..1], "behind one that cannot be read");
    let next = store.promises(Some(good[41].id), 3, NOW).await.unwrap();
    assert_eq!(next.records, good[42..45], "a whole page of those");
    let other = promise(&store, 4);
    let refused = store.promise_by_id(other.id, NOW).await;
    assert!(refused.is_err(), "asked for by name it is refused");
}

#[tokio::test]
async fn a_wrong_password_is_named_and_a_user_of_the_access_list_is_enough() {
    let mut server = Server::start().await;
    server
        .tell(&[
            "ACL",
            "SETUSER",
            "ringback",
            "on",
            ">secret word",
            "~ringback:*",
            "&ringback:*",
            "-@all",
            "+@read",
            "+@write",
            "+@scripting",
            "+@transaction",
            "+@connection",
            "+@pubsub",
            "+role",
            "+wait",
            "+time",
            "-keys",
        ])
        .await;
    server
        .tell(&["ACL", "SETUSER", "default", "resetpass", ">other"])
        .await;
    let port = server.port;
    let said = refusal(&open(&format!("redis://127.0.0.1:{port}"), patient())).await;
    assert!(said.contains("user and password"), "{said}");
    let wrong = open(
        &format!("redis://ringback:wrong@127.0.0.1:{port}"),
        patient(),
    );
    let said = refusal(&wrong).await;
    assert!(said.contains("password"), "{said}");
    assert!(!format!("{wrong:?} {said}").contains("wrong@"));
    let url = format!("redis://ringback:secret%20word@127.0.0.1:{port}");
    let store = ready(&url, patient()).await;
    assert_eq!(store.checkpoint(call(1)).await, Ok(Ruling::Kept));
    let record = promise(&store, 1);
    store.promise(record.clone(), NOW).await.unwrap();
    assert_eq!(store.forget(record.caller).await, Ok(1));
    assert!(store.collect(NOW).await.is_ok());
    assert!(!format!("{store:?}").contains("secret"));
    // Under another prefix than the user's it may do nothing.
    let settings = RedisSettings {
        prefix: "voice:".into(),
        ..patient()
    };
    let said = refusal(&open(&url, settings)).await;
    assert!(said.contains("access list"), "{said}");
    server.login = ":other@".into();
    server.tell(&["PING"]).await;
}

#[tokio::test]
async fn the_key_of_the_store_is_not_in_redis() {
    let server = Server::start().await;
    let store = ready(&server.url(), patient()).await;
    store.checkpoint(call(1)).await.unwrap();
    let kept = server.everything().await;
    assert!(!kept.windows(8).any(|part| part == [7; 8]));
    assert_eq!(KEY, SealingKey::from_bytes([7; 32]));
}
