//! Everything that we send is what the protocol's schema allows, and nothing else.

use std::time::Duration;

use bytes::Bytes;
use ringback::core::audio::Frame;
use ringback::core::call::effect::{Occasion, ProviderCommand};
use ringback::core::call::input::{ResponseId, ToolCallId};
use ringback::core::call::memory::{Memory, Speaker};
use ringback::core::ids::ItemId;
use ringback::provider::openai::quirks::Dialect;
use serde_json::{Value, json};

use crate::openai::{Line, settings};
use crate::schema::faults;

#[test]
fn every_event_that_we_send_is_in_the_strict_schema() {
    for dialect in [
        Dialect::Ga,
        Dialect::Azure,
        Dialect::LiteLlm,
        Dialect::LocalAi,
    ] {
        assert_valid("ga_client", &everything(dialect));
    }
    // `model` stands in the GA schema, too.
    assert_valid("ga_client", &everything(Dialect::Inworld));
}

#[test]
fn the_first_interface_is_spoken_by_its_own_schema() {
    for dialect in [Dialect::Beta, Dialect::AzurePreview] {
        let mut events = everything(dialect);
        // The schema takes this event for the server's answer: there alone is a secret, and it must be.
        events[0]["session"]["client_secret"] = json!({"value": "", "expires_at": 0});
        // It has items in today's words only.
        for event in &mut events {
            if event["item"]["role"] == "assistant" {
                assert_eq!(event["item"]["content"][0]["type"], "text");
                event["item"]["content"][0]["type"] = json!("output_text");
            }
        }
        assert_valid("beta_client", &events);
    }
}

#[test]
fn a_session_that_is_to_answer_nothing_unasked_looks_for_no_turns() {
    for (dialect, side, place) in [
        (
            Dialect::Ga,
            "ga_client",
            "/session/audio/input/turn_detection",
        ),
        (Dialect::Xai, "", "/session/turn_detection"),
    ] {
        let mut settings = settings();
        settings.turn_detection = None;
        let mut line = Line::new(settings, dialect);
        line.hear(&json!({"type": "session.created", "session": {}}));
        let update = line.said.first().unwrap();
        assert_eq!(update.pointer(place), Some(&Value::Null), "{dialect:?}");
        if !side.is_empty() {
            assert_eq!(faults(side, update), [""; 0], "{update:#}");
        }
    }
}

#[test]
fn the_schema_would_notice_a_field_that_it_does_not_have() {
    let mut update = everything(Dialect::Ga).remove(0);
    update["session"]["temperature"] = json!(0.8);
    assert!(!faults("ga_client", &update).is_empty());
    let append = json!({"type": "input_audio_buffer.append", "audio": 7});
    assert!(!faults("ga_client", &append).is_empty());
    let truncate = json!({"type": "conversation.item.truncate", "item_id": "i", "audio_end_ms": 1});
    assert!(!faults("ga_client", &truncate).is_empty());
}

fn assert_valid(side: &str, events: &[Value]) {
    assert!(events.len() > 15, "a few events of each kind");
    for event in events {
        assert_eq!(faults(side, event), [""; 0], "{event:#}");
    }
}

/// All that a session in this dialect ever says.
fn everything(dialect: Dialect) -> Vec<Value> {
    let mut settings = settings();
    settings.model = Some("gpt-realtime-2.1".into());
    let mut line = Line::new(settings, dialect);
    line.hear(&json!({"type": "session.created", "session": {}}));
    line.hear(&json!({"type": "session.updated", "session": {}}));
    line.hear_audio("item_1", 0, &[0xFF; 320]);
    line.hear(&json!({"type": "response.output_item.done", "response_id": "resp_1", "output_index": 0,
        "item": {"type": "function_call", "status": "completed", "call_id": "call_1", "name": "end_call", "arguments": "{}"}}));
    let mut memory = Memory::default();
    for turn in 0..20 {
        memory.push(Speaker::Caller, &format!("question {turn}"));
        memory.push(Speaker::Agent, &format!("answer {turn}"));
    }
    let mut unwritten = Memory::default();
    unwritten.push(Speaker::Agent, "greeting");
    unwritten.push_audio(Bytes::from_static(&[0x7F; 800]));
    let raw = Frame::from_raw(Bytes::from_static(&[0x7F; 161]));
    let base64 = Frame::from_base64(Bytes::from_static(b"//////8=")).expect("it is base64");
    for command in [
        ProviderCommand::Append(raw),
        ProviderCommand::Append(base64),
        ProviderCommand::Greet,
        ProviderCommand::Respond,
        ProviderCommand::Commit,
        ProviderCommand::CancelResponse(ResponseId(0)),
        ProviderCommand::Truncate {
            item: ItemId(0),
            heard: Duration::from_millis(17),
        },
        ProviderCommand::Delete { item: ItemId(0) },
        ProviderCommand::Keys("12#\"\\\u{1}".into()),
        ProviderCommand::GoodbyeDeclined(ToolCallId(0)),
        ProviderCommand::Continue,
        ProviderCommand::Recite("Please hold the line.".into()),
        ProviderCommand::Seed {
            memory,
            occasion: Occasion::Reconnected,
        },
        ProviderCommand::Seed {
            memory: unwritten,
            occasion: Occasion::Greeted,
        },
    ] {
        let before = line.said.len();
        line.say(&command);
        assert!(line.said.len() > before, "{command:?} says something");
    }
    line.say(&ProviderCommand::Ping);
    line.said
}
