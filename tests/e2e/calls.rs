//! Calls as they should be.

use serde_json::json;

use crate::model::{Manner, Model};
use crate::phone::Phone;
use crate::server::{Folder, Server};

#[tokio::test]
async fn a_call_carries_audio_both_ways_and_has_a_line_for_its_start_and_its_end() {
    let mut model = Model::start(Manner::Greets).await;
    let mut server = Server::start(&model.url(), "").await;
    let mut phone = Phone::dial(&server, 1).await;
    phone.say(50).await;
    phone.hear_audio(7_840).await; // A second, less what is no whole frame of 20 ms.
    model.until(|seen| seen.frames == 50).await;
    phone.hang_up().await;
    model.until(|seen| seen.closed == 1).await;

    let started = server.line("call started", |_| true).await;
    let ended = server.ended("caller_hung_up").await;
    assert_eq!(started["call"], ended["call"]);
    assert_eq!(ended["carrier_call"], format!("CA{:032x}", 1));
    assert_eq!(ended["frames_in"], 50);
    assert_eq!(ended["sessions"], 1);
    assert!(ended["first_audio_ms"].is_u64(), "{ended}");
}

#[tokio::test]
async fn audio_from_before_the_session_is_ready_arrives_in_full() {
    let mut model = Model::start(Manner::Greets).await;
    let server = Server::start(&model.url(), "").await;
    let mut phone = Phone::dial(&server, 1).await;
    phone.say(15).await; // In one breath with `start`: the provider is still being dialled.
    model.until(|seen| seen.frames == 15).await;
}

#[tokio::test]
async fn a_call_whose_stream_was_lost_goes_on_with_the_next_and_one_that_ended_does_not() {
    let mut model = Model::start(Manner::Transcribes("meet me at pier nineteen")).await;
    let mut server = Server::start(&model.url(), "").await;
    let mut phone = Phone::dial(&server, 1).await;
    phone.say(1).await;
    model.until(|seen| seen.frames >= 1).await;
    drop(phone); // Without a word: the carrier's socket is gone.
    server.ended("carrier_gone").await;

    let phone = Phone::dial(&server, 1).await;
    let goes_on = |text: &&String| text.contains("The line was ");
    model
        .until(|seen| seen.told.iter().any(|text| goes_on(&text)))
        .await;
    phone.hang_up().await;
    server.ended("caller_hung_up").await;

    let before = model.until(|_| true).await;
    let mut phone = Phone::dial(&server, 1).await;
    phone.say(1).await;
    let sessions = before.instructions.len();
    let seen = model.until(|seen| seen.instructions.len() > sessions).await;
    let news = "it is over, and nobody goes on with it";
    let count = |told: &[String]| told.iter().filter(goes_on).count();
    assert_eq!(count(&seen.told), count(&before.told), "{news}");
    phone.hang_up().await;
}

#[tokio::test]
async fn a_stream_picks_its_agent() {
    let folder = Folder::new();
    let agent = |name: &str, number: &str| {
        format!("name = \"{name}\"\nnumbers = [{number}]\ninstructions = \"I am {name}.\"\n")
    };
    let file = folder.write("default.toml", &agent("default", ""));
    folder.write("bakery.toml", &agent("bakery", "\"+14155550100\""));
    let dir = file.parent().unwrap().to_str().unwrap();

    let mut model = Model::start(Manner::Greets).await;
    let variables = [("RINGBACK__AGENTS_DIR", dir)];
    let mut server = Server::with(&model.url(), "", &variables).await;
    for (call, parameters, instructions) in [
        (1, json!({}), "I am default."),
        (2, json!({"agent": "bakery"}), "I am bakery."),
        (3, json!({"to": "+14155550100"}), "I am bakery."),
        (4, json!({"agent": "nobody"}), "I am default."),
    ] {
        let mut phone = Phone::connect(&server).await;
        phone.start(call, &parameters).await;
        let count = usize::try_from(call).unwrap();
        let seen = model.until(|seen| seen.instructions.len() == count).await;
        let last = seen.instructions.last().unwrap();
        assert!(last.starts_with(instructions), "{parameters}: {last}");
    }
    server
        .line(
            "the stream names no agent that there is; the default answers",
            |_| true,
        )
        .await;
}

#[tokio::test]
async fn no_log_holds_a_word_or_a_number_of_a_caller() {
    let mut model = Model::start(Manner::Transcribes("meet me at pier nineteen")).await;
    let mut server = Server::start(&model.url(), "").await;
    let mut phone = Phone::connect(&server).await;
    let parameters = json!({"from": "+4915550001111", "to": "+14155550199", "token": "t0psecret"});
    phone.start(1, &parameters).await;
    phone.say(10).await;
    for digit in ["4", "7", "1"] {
        let stream = format!("MZ{:032x}", 1);
        phone
            .send(&json!({"event": "dtmf", "streamSid": stream, "dtmf": {"digit": digit}}))
            .await;
    }
    phone.send_text("{\"event\": \"media\", \"secret\": ").await;
    model.until(|seen| seen.frames == 10).await;
    phone.hang_up().await;
    server.ended("caller_hung_up").await;
    server.terminate();
    server.exit().await;
    let log = server.log();
    for secret in [
        "nineteen",
        "4915550001111",
        "14155550199",
        "t0psecret",
        "\"secret\"",
        "////",
    ] {
        assert!(!log.contains(secret), "{secret} in:\n{log}");
    }
}
