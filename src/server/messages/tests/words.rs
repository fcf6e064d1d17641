//! What becomes of a message's words, once somebody has written them down.

use std::time::Duration;

use axum::http::StatusCode;

use super::receiver::Receiver;
use super::{
    CALLER, Clock, Count, Delivery, Folder, Life, MessageSettings, Recorded, delivery, place,
    settings, until,
};
use crate::store::messages::{Archive, MessageId, MessageState, TranscriptState};

const WORDS: &str = "Two loaves of rye, please.";

impl Life {
    /// Somebody writes down the message that is next.
    async fn write_down(&self) -> MessageId {
        let (id, tries) = self.messages.next_unwritten().await.unwrap();
        self.messages
            .written_down(id, tries, WORDS.to_owned())
            .await;
        id
    }
}

fn known(folder: &Folder, id: MessageId) -> Option<(TranscriptState, String)> {
    let known = Archive::new(place(&folder.0)).transcript(id).unwrap();
    known.map(|known| (known.state, known.words))
}

fn sent_to(receiver: &Receiver, folder: &Folder) -> MessageSettings {
    MessageSettings {
        delivery: Some(delivery(&receiver.url)),
        ..settings(folder)
    }
}

#[tokio::test]
async fn words_follow_their_message_to_the_receiver_under_its_name_until_they_are_taken() {
    // The message is taken at its second request, and its words at theirs: the third and the fourth of this name.
    let slow = |request, _| match request {
        0 | 2 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    let receiver = Receiver::start(slow).await;
    let folder = Folder::new();
    let life = Life::new(sent_to(&receiver, &folder));
    assert_eq!(life.leave(50).await, Some(Recorded::Kept));
    let id = life.write_down().await;
    assert_eq!(known(&folder, id).unwrap().0, TranscriptState::Waiting);
    let life = life.keep();
    until("both are taken", || receiver.taken() == 2).await;
    let delivered = (TranscriptState::Delivered, WORDS.to_owned());
    until("that is kept", || {
        known(&folder, id) == Some(delivered.clone())
    })
    .await;
    let seen = receiver.seen();
    let kinds: Vec<_> = seen.iter().map(|one| one.json()["type"].clone()).collect();
    assert_eq!(
        kinds,
        [
            "message",
            "message",
            "message.transcribed",
            "message.transcribed"
        ]
    );
    assert!(seen.iter().all(|one| one.id() == id.to_string()));
    for request in &seen {
        super::deliveries::verify(request);
    }
    let json = seen[3].json();
    assert_eq!(json["transcript"], WORDS);
    assert_eq!(
        (&json["caller"], &json["version"]),
        (&CALLER.into(), &1.into())
    );
    assert!(json["audio"].is_null(), "the sound was sent before");
    assert_eq!(life.count(Count::TranscriptsDelivered), 1);
    life.stop().await;
    // The next life has nothing to send, and nobody to ask.
    let life = Life::new(sent_to(&receiver, &folder)).keep();
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    until("the next is sent", || receiver.taken() == 3).await;
    assert_eq!(receiver.seen().len(), 6);
    let (next, _) = life.messages.next_unwritten().await.unwrap();
    assert_ne!(next, id);
    life.stop().await;
}

#[tokio::test]
async fn words_that_a_life_did_not_deliver_the_next_one_does() {
    let folder = Folder::new();
    let nobody = MessageSettings {
        delivery: Some(delivery("http://127.0.0.1:1/")),
        ..settings(&folder)
    };
    let life = Life::new(nobody);
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    let id = life.write_down().await;
    life.stop().await;
    let receiver = Receiver::start(|_, _| StatusCode::OK).await;
    let life = Life::new(sent_to(&receiver, &folder)).keep();
    until("both are taken", || receiver.taken() == 2).await;
    life.stop().await;
    assert_eq!(receiver.seen()[1].json()["transcript"], WORDS);
    assert_eq!(receiver.seen()[1].id(), id.to_string());
}

#[tokio::test]
async fn words_that_nobody_takes_are_given_up_and_stay_for_an_operator() {
    let receiver = Receiver::start(|request, _| match request {
        0 => StatusCode::OK,
        _ => StatusCode::GONE,
    })
    .await;
    let folder = Folder::new();
    let impatient = MessageSettings {
        delivery: Some(Delivery {
            deliver_for: Duration::ZERO,
            ..delivery(&receiver.url)
        }),
        ..settings(&folder)
    };
    let life = Life::new(sent_to(&receiver, &folder));
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    let id = life.write_down().await;
    life.stop().await;
    let life = Life::new(impatient).keep();
    let given_up = (TranscriptState::Undelivered, WORDS.to_owned());
    until("they are given up", || {
        known(&folder, id) == Some(given_up.clone())
    })
    .await;
    assert_eq!(life.count(Count::TranscriptsGivenUp), 1);
    life.stop().await;
}

#[tokio::test]
async fn a_message_that_nobody_writes_down_is_given_up_after_three_who_heard_it_in_whichever_life()
{
    let folder = Folder::new();
    let life = Life::new(settings(&folder));
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    let (id, tries) = life.messages.next_unwritten().await.unwrap();
    assert_eq!(tries, 0);
    life.messages.not_written_down(id, 2).await;
    life.stop().await;
    let life = Life::new(settings(&folder)).keep();
    until("it is known", || life.messages.waiting() == 1).await;
    assert_eq!(life.messages.next_unwritten().await, Some((id, 2)));
    life.messages.not_written_down(id, 3).await;
    assert_eq!(life.messages.next_unwritten().await, None);
    assert_eq!(life.count(Count::TranscriptionsGivenUp), 1);
    life.stop().await;
    let life = Life::new(settings(&folder)).keep();
    until("it is known", || life.messages.waiting() == 1).await;
    assert_eq!(life.messages.next_unwritten().await, None);
    assert_eq!(life.count(Count::TranscriptionsGivenUp), 0, "told once");
    assert_eq!(known(&folder, id).unwrap().0, TranscriptState::GivenUp);
    life.stop().await;
}

#[tokio::test]
async fn a_caller_who_is_forgotten_leaves_no_words_either_not_even_those_that_come_later() {
    let folder = Folder::new();
    let life = Life::new(settings(&folder));
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    life.write_down().await;
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    let (late, _) = life.messages.next_unwritten().await.unwrap();
    assert_eq!(folder.files().len(), 3);
    assert_eq!(life.messages.forget(CALLER).unwrap(), 2);
    assert_eq!(folder.files(), Vec::<String>::new());
    // Somebody was just listening to it.
    life.messages.written_down(late, 0, WORDS.to_owned()).await;
    assert_eq!(folder.files(), Vec::<String>::new());
    assert_eq!(life.messages.next_unwritten().await, None);
}

#[tokio::test]
async fn with_no_retention_a_message_waits_for_its_words_and_then_nothing_is_left() {
    let receiver = Receiver::start(|_, _| StatusCode::OK).await;
    let folder = Folder::new();
    let brief = MessageSettings {
        retention: Duration::ZERO,
        ..sent_to(&receiver, &folder)
    };
    let life = Life::new(brief.clone()).keep();
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    until("it is delivered", || receiver.taken() == 1).await;
    let is_marked = || {
        folder
            .files()
            .iter()
            .any(|name| name.ends_with("delivered"))
    };
    until("that is kept", is_marked).await;
    life.write_down().await;
    until("its words are delivered", || receiver.taken() == 2).await;
    until("nothing is left", || folder.files().is_empty()).await;
    life.stop().await;
    // Where nobody writes it down, it goes at once, as it always did.
    let plain = MessageSettings {
        transcripts: false,
        ..brief
    };
    let life = Life::new(plain).keep();
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    until("it is delivered", || receiver.taken() == 3).await;
    until("nothing is left", || folder.files().is_empty()).await;
    assert_eq!(life.messages.next_unwritten().await, None);
    life.stop().await;
}

#[tokio::test]
async fn old_messages_are_thrown_away_with_their_words() {
    let folder = Folder::new();
    let archive = Archive::new(place(&folder.0));
    let life = Life::new(settings(&folder));
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    let id = life.write_down().await;
    life.stop().await;
    let old = super::record(9, crate::core::time::Utc::from_millis(1));
    archive.keep(&old, &[0xFF; 160]).unwrap();
    let (_, state, _) = archive.read(id).unwrap().unwrap();
    assert_eq!(state, MessageState::Waiting);
    let known = archive.transcript(id).unwrap().unwrap();
    archive.keep_transcript(old.id, &known).unwrap();
    assert_eq!(folder.files().len(), 4);
    let life = Life::new(settings(&folder)).keep();
    until("the old one and its words go", || folder.files().len() == 2).await;
    assert!(Clock::utc().millis() > 1);
    life.stop().await;
    assert!(archive.transcript(id).unwrap().is_some());
}
