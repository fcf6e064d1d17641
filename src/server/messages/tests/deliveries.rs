//! What a receiver gets, whatever it answers.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::receiver::{Receiver, Request};
use super::{Count, Folder, Life, MessageSettings, Recorded, SECRET, delivery, settings, until};
use crate::config::Delivery;

fn sent_to(receiver: &Receiver, folder: &Folder) -> MessageSettings {
    MessageSettings {
        delivery: Some(delivery(&receiver.url)),
        ..settings(folder)
    }
}

fn states(folder: &Folder) -> Vec<String> {
    let files = folder.files();
    let ends = files.iter().map(|name| name.split('.').nth(1).unwrap());
    let mut ends: Vec<_> = ends.map(str::to_owned).collect();
    ends.sort();
    ends
}

/// As the document tells receivers to do it.
pub(super) fn verify(request: &Request) {
    let (seconds, signature) = request.signature.split_once(",v1=").unwrap();
    let seconds = seconds.strip_prefix("t=").unwrap();
    let signed = [seconds.as_bytes(), b".", &request.body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    assert_eq!(signature.len(), 64);
    let digits = signature.as_bytes().chunks(2);
    let tag: Vec<_> = digits
        .map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap())
        .collect();
    hmac::verify(&key, &signed, &tag).unwrap();
    let now = super::Clock::utc().millis() / 1_000;
    assert!(now.abs_diff(seconds.parse().unwrap()) < 60);
}

#[tokio::test]
async fn a_receiver_gets_the_sound_and_who_left_it_signed() {
    let receiver = Receiver::start(|_, _| StatusCode::NO_CONTENT).await;
    let folder = Folder::new();
    let life = Life::new(sent_to(&receiver, &folder)).keep();
    assert_eq!(life.leave(50).await, Some(Recorded::Kept));
    until("it is delivered", || states(&folder) == ["delivered"]).await;
    let seen = receiver.seen();
    assert_eq!(seen.len(), 1);
    verify(&seen[0]);
    let json = seen[0].json();
    for (key, expected) in [
        ("type", "message"),
        ("call", "CA00000000000000000000000000000001"),
        ("agent", "bakery"),
        ("called", "+15550100"),
        ("caller", "+15550101"),
        ("language", "es"),
    ] {
        assert_eq!(json[key], expected, "{key}");
    }
    assert_eq!(
        (&json["version"], &json["duration_ms"]),
        (&1.into(), &1_000.into())
    );
    assert!(
        json["at"].as_str().unwrap().ends_with('Z'),
        "{}",
        json["at"]
    );
    let sound = STANDARD.decode(json["audio"]["base64"].as_str().unwrap());
    let (media_type, begins) = if cfg!(feature = "opus") {
        ("audio/ogg; codecs=opus", b"OggS")
    } else {
        ("audio/wav", b"RIFF")
    };
    assert_eq!(json["audio"]["type"], media_type);
    assert!(sound.unwrap().starts_with(begins));
    assert_eq!(life.count(Count::MessagesDelivered), 1);
    assert_eq!(life.messages.waiting(), 0);
    life.stop().await;
}

#[tokio::test]
async fn a_receiver_that_was_away_gets_each_message_under_one_name() {
    let busy = |request, message| match (request, message) {
        (0, 0) => StatusCode::SERVICE_UNAVAILABLE,
        (1, 0) => StatusCode::TOO_MANY_REQUESTS,
        (2, 0) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::OK,
    };
    let receiver = Receiver::start(busy).await;
    let folder = Folder::new();
    let life = Life::new(sent_to(&receiver, &folder));
    for _ in 0..3 {
        assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    }
    let life = life.keep();
    until("all are delivered", || states(&folder) == ["delivered"; 3]).await;
    let seen = receiver.seen();
    assert_eq!((seen.len(), receiver.taken()), (6, 3));
    let names: BTreeSet<_> = seen.iter().map(Request::id).collect();
    assert_eq!(names.len(), 3);
    let of_first: BTreeSet<_> = seen
        .iter()
        .filter(|request| request.id() == seen[0].id())
        .map(|request| request.body.clone())
        .collect();
    assert_eq!(of_first.len(), 1, "each time the same bytes");
    assert_eq!(life.count(Count::MessagesPostponed), 3);
    life.stop().await;
}

#[tokio::test]
async fn a_message_that_is_refused_holds_up_no_other_and_is_given_up_in_the_end() {
    let picky = |_, message| match message {
        0 => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::OK,
    };
    let receiver = Receiver::start(picky).await;
    let folder = Folder::new();
    let life = Life::new(sent_to(&receiver, &folder));
    for _ in 0..3 {
        assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    }
    let life = life.keep();
    let expected = ["delivered", "delivered", "waiting"];
    until("the others are delivered", || states(&folder) == expected).await;
    until("it is tried again", || receiver.seen().len() > 4).await;
    life.stop().await;

    let impatient = Delivery {
        deliver_for: Duration::ZERO,
        ..delivery(&receiver.url)
    };
    let life = Life::new(MessageSettings {
        delivery: Some(impatient),
        ..settings(&folder)
    });
    // The receiver knows which one it does not like.
    let life = life.keep();
    let expected = ["delivered", "delivered", "undelivered"];
    until("it is given up", || states(&folder) == expected).await;
    assert_eq!(life.count(Count::MessagesGivenUp), 1);
    life.stop().await;
}

#[tokio::test]
async fn what_a_life_did_not_deliver_the_next_one_does_and_nothing_twice() {
    let folder = Folder::new();
    let nobody = MessageSettings {
        delivery: Some(delivery("http://127.0.0.1:1/")),
        ..settings(&folder)
    };
    let life = Life::new(nobody).keep();
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    until("it was tried", || life.count(Count::MessagesPostponed) > 1).await;
    life.stop().await;

    let receiver = Receiver::start(|_, _| StatusCode::OK).await;
    for _ in 0..2 {
        let life = Life::new(sent_to(&receiver, &folder)).keep();
        until("it is delivered", || states(&folder) == ["delivered"]).await;
        assert_eq!(life.leave(1).await, Some(Recorded::Kept));
        until("so is the next", || states(&folder) == ["delivered"; 2]).await;
        assert_eq!(life.messages.forget(super::CALLER).unwrap(), 2);
        assert_eq!(life.leave(1).await, Some(Recorded::Kept));
        until("and the next", || states(&folder) == ["delivered"]).await;
        life.stop().await;
    }
    assert_eq!((receiver.seen().len(), receiver.taken()), (5, 5));
}

#[tokio::test]
async fn with_no_retention_nothing_is_left_of_a_message_that_was_delivered() {
    let receiver = Receiver::start(|_, _| StatusCode::OK).await;
    let folder = Folder::new();
    let life = Life::new(MessageSettings {
        retention: Duration::ZERO,
        transcripts: false,
        ..sent_to(&receiver, &folder)
    });
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    assert_eq!(states(&folder), ["waiting"]);
    let life = life.keep();
    until("it is delivered", || receiver.taken() == 1).await;
    until("it is gone", || folder.files().is_empty()).await;
    life.stop().await;
}
