//! What a session that takes over is told, and how it is made to go on.

use bytes::Bytes;
use ringback::core::call::effect::{Occasion, ProviderCommand};
use ringback::core::call::memory::{Memory, Speaker};
use ringback::provider::openai::quirks::Dialect;
use ringback::provider::openai::settings::SEED_MESSAGES_MAX;
use serde_json::{Value, json};

use crate::openai::{Line, settings};

fn seed(memory: &Memory, occasion: Occasion) -> ProviderCommand {
    ProviderCommand::Seed {
        memory: memory.clone(),
        occasion,
    }
}

#[test]
fn a_long_conversation_is_packed_and_its_last_turns_stay_turns() {
    let mut memory = Memory::default();
    for turn in 0..10 {
        memory.push(Speaker::Caller, &format!("question {turn}"));
        memory.push(Speaker::Agent, &format!("answer {turn}"));
    }
    for (dialect, own_words) in [(Dialect::Ga, "output_text"), (Dialect::Beta, "text")] {
        let said = Line::ready(dialect).says(&seed(&memory, Occasion::Reconnected));
        assert_eq!(said.len(), SEED_MESSAGES_MAX);
        let items: Vec<_> = said.iter().map(|event| &event["item"]).collect();
        let text = |item: &Value| item["content"][0]["text"].as_str().map(str::to_owned);
        let packed = text(items[0]).expect("what lies before is one message");
        assert!(
            packed.contains("Caller: question 0\nYou: answer 0\n"),
            "{packed}"
        );
        assert!(packed.ends_with("You: answer 6"), "{packed}");
        assert_eq!(items[1]["role"], "user");
        assert_eq!(text(items[1]).as_deref(), Some("question 7"));
        assert_eq!(items[6]["role"], "assistant");
        assert_eq!(
            items[6]["content"],
            json!([{"type": own_words, "text": "answer 9"}])
        );
        assert_eq!(items[7]["role"], "system");
    }
}

#[test]
fn words_that_nobody_wrote_down_are_given_as_they_were_said() {
    let mut memory = Memory::default();
    memory.push(Speaker::Agent, "What can I do for you?");
    memory.push_audio(Bytes::from_static(&[0xFF; 3]));
    let last_words = |dialect| {
        let said = Line::ready(dialect).says(&seed(&memory, Occasion::Reconnected));
        assert_eq!(said.len(), 3, "{said:?}");
        assert_eq!(said[1]["item"]["role"], "user");
        said[1]["item"]["content"][0].clone()
    };
    let aloud = json!({"type": "input_audio", "audio": "////"});
    for dialect in [
        Dialect::Ga,
        Dialect::Beta,
        Dialect::Azure,
        Dialect::AzurePreview,
    ] {
        assert_eq!(last_words(dialect), aloud, "{dialect:?}");
    }
    // Servers of which nobody knows whether they take it are told that there was something.
    for dialect in [
        Dialect::Xai,
        Dialect::Inworld,
        Dialect::LiteLlm,
        Dialect::LocalAi,
    ] {
        let content = last_words(dialect);
        assert_eq!(content["type"], "input_text", "{dialect:?}");
        let text = content["text"].as_str().unwrap_or_default();
        assert!(text.contains("not written down"), "{dialect:?}: {text}");
    }
}

#[test]
fn a_session_knows_whether_it_was_greeted_for_or_reconnected() {
    let mut memory = Memory::default();
    memory.push(Speaker::Agent, "Good day!");
    let note = |occasion| {
        let said = Line::ready(Dialect::Ga).says(&seed(&memory, occasion));
        assert_eq!(said[0]["item"]["content"][0]["text"], "Good day!");
        assert_eq!(said[1]["item"]["role"], "system");
        said[1]["item"]["content"][0]["text"].to_string()
    };
    assert!(note(Occasion::Greeted).contains("You have just greeted the caller"));
    assert!(note(Occasion::Reconnected).contains("The line was reconnected"));
}

#[test]
fn an_answer_that_was_cut_is_continued_by_the_same_agent() {
    let said = Line::ready(Dialect::Ga).says(&ProviderCommand::Continue);
    let told = said[0]["response"]["instructions"]
        .as_str()
        .unwrap_or_default();
    // What a response is told takes the place of what the session was told.
    assert!(told.starts_with(&*settings().instructions), "{told}");
    assert!(told.contains("Go on from exactly there"), "{told}");
    assert_eq!(said[0]["type"], "response.create");
    let aloud = Line::ready(Dialect::Xai).says(&ProviderCommand::Continue);
    assert_eq!(aloud[0]["response"]["modalities"], json!(["text", "audio"]));
}

#[test]
fn words_for_a_recording_are_all_that_the_model_is_given() {
    let words = "Please hold the line.";
    let recite = ProviderCommand::Recite(words.into());
    let said = Line::ready(Dialect::Ga).says(&recite);
    assert_eq!(said.len(), 1, "{said:?}");
    let response = &said[0]["response"];
    assert_eq!(response["conversation"], "none");
    assert_eq!(
        response["input"],
        json!([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}])
    );
    let told = response["instructions"].as_str().unwrap_or_default();
    assert!(told.contains("word for word"), "{told}");
    assert!(!told.contains(words), "the words stand apart: {told}");
    // A server that may not know such responses is told all of it at once.
    let said = Line::ready(Dialect::Xai).says(&recite);
    let response = &said[0]["response"];
    assert_eq!(response.get("conversation"), None, "{response}");
    assert!(
        response["instructions"]
            .as_str()
            .unwrap_or_default()
            .ends_with(words)
    );
    assert_eq!(response["modalities"], json!(["text", "audio"]));
}
