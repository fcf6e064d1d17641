//! What a session understands and says once it is ready.
#![expect(clippy::indexing_slicing, reason = "a JSON value has every index")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ringback::core::audio::Frame;
use ringback::core::call::effect::{Occasion, ProviderCommand};
use ringback::core::call::input::{Ignored, ProviderEvent, ResponseId, ToolCallId};
use ringback::core::call::memory::Memory;
use ringback::core::fault::Fault;
use ringback::core::ids::ItemId;
use ringback::provider::openai::outgoing::Outgoing;
use ringback::provider::openai::quirks::Dialect;
use ringback::provider::openai::session::{NAME_BYTES_MAX, Session};
use ringback::provider::openai::settings::{SessionSettings, TurnDetection};
use serde_json::{Value, json};

use crate::schema::faults;

/// A session with both its ends in the test.
pub(crate) struct Line {
    session: Session,
    outgoing: Outgoing,
    /// What it said, in order.
    pub(crate) said: Vec<Value>,
}

impl Line {
    pub(crate) fn new(settings: SessionSettings, dialect: Dialect) -> Self {
        Self {
            session: Session::new(settings, dialect.quirks()),
            outgoing: Outgoing::new(),
            said: Vec::new(),
        }
    }

    /// A line whose session is ready.
    pub(crate) fn ready(dialect: Dialect) -> Self {
        let mut line = Self::new(settings(), dialect);
        line.hear(&json!({"type": "session.created", "session": {}}));
        line.hear(&json!({"type": "session.updated", "session": {}}));
        line.said.clear();
        line
    }

    pub(crate) fn hear(&mut self, message: &Value) -> Option<ProviderEvent> {
        self.hear_bytes(&Bytes::from(message.to_string()))
    }

    pub(crate) fn hear_bytes(&mut self, message: &Bytes) -> Option<ProviderEvent> {
        let event = self.session.receive(message, &mut self.outgoing);
        self.take_said();
        event
    }

    pub(crate) fn hear_audio(
        &mut self,
        item: &str,
        part: u32,
        audio: &[u8],
    ) -> Option<ProviderEvent> {
        self.hear(
            &json!({"type": "response.output_audio.delta", "event_id": "event_1",
            "response_id": "resp_1", "item_id": item, "output_index": 0, "content_index": part,
            "delta": STANDARD.encode(audio)}),
        )
    }

    pub(crate) fn closed(&self, code: u16, reason: &str) -> Fault {
        self.session.closed(code, reason)
    }

    pub(crate) fn say(&mut self, command: &ProviderCommand) {
        self.session.command(command, &mut self.outgoing);
        self.take_said();
    }

    /// What this command makes it say, without the names of its events.
    pub(crate) fn says(&mut self, command: &ProviderCommand) -> Vec<Value> {
        let before = self.said.len();
        self.say(command);
        self.said
            .split_off(before)
            .into_iter()
            .map(unnamed)
            .collect()
    }

    fn take_said(&mut self) {
        while let Some(text) = self.outgoing.pop() {
            self.said
                .push(serde_json::from_slice(&text).expect("a session says JSON"));
        }
    }
}

pub(crate) fn settings() -> SessionSettings {
    SessionSettings {
        model: None,
        instructions: "You book tables.".into(),
        voice: Some("marin".into()),
        language: Some("en-US".into()),
        greeting: Some("Hello, \"Luigi's\" here.".into()),
        transcription_model: None,
        turn_detection: Some(TurnDetection::default()),
    }
}

fn unnamed(mut event: Value) -> Value {
    if let Some(fields) = event.as_object_mut() {
        assert!(
            fields.remove("event_id").is_some(),
            "every event has a name"
        );
    }
    event
}

/// One turn as a server tells it, with `audio` for the words that changed between the interfaces.
fn turn(audio: &str) -> Vec<Value> {
    let in_response = |kind: &str, more: Value| {
        let mut event = json!({"type": format!("response.{audio}{kind}"), "event_id": "event_1",
            "response_id": "resp_1", "item_id": "item_2", "output_index": 0, "content_index": 0});
        for (key, value) in more.as_object().into_iter().flatten() {
            event[key] = value.clone();
        }
        event
    };
    let named = |kind: &str, more: Value| {
        let mut event = more;
        event["type"] = json!(kind);
        event["event_id"] = json!("event_1");
        event
    };
    let speech = |kind: &str, at: &str| {
        named(
            &format!("input_audio_buffer.{kind}"),
            json!({"item_id": "item_1", at: 100}),
        )
    };
    let response = json!({"id": "resp_1", "object": "realtime.response", "status": "in_progress", "output": []});
    let done =
        json!({"id": "resp_1", "object": "realtime.response", "status": "completed", "output": []});
    vec![
        speech("speech_started", "audio_start_ms"),
        speech("speech_stopped", "audio_end_ms"),
        named("input_audio_buffer.committed", json!({"item_id": "item_1"})),
        named("response.created", json!({"response": response})),
        named("rate_limits.updated", json!({"rate_limits": []})),
        in_response("_transcript.delta", json!({"delta": "Of course."})),
        in_response(".delta", json!({"delta": STANDARD.encode([0x55; 320])})),
        in_response(".done", json!({})),
        in_response("_transcript.done", json!({"transcript": "Of course."})),
        named(
            "conversation.item.input_audio_transcription.completed",
            json!({"item_id": "item_1", "content_index": 0, "transcript": "A table, please.",
                "usage": {"type": "duration", "seconds": 1}}),
        ),
        named("response.done", json!({"response": done})),
    ]
}

#[test]
fn a_turn_reads_the_same_in_old_words_and_in_new_ones() {
    let story = [
        "SpeechStarted",
        "SpeechStopped",
        "CallerItem(item-0)",
        "ResponseStarted(ResponseId(0))",
        "AgentText(item-1, 10 bytes)",
        "Audio(ResponseId(0), item-1, Frame(320 bytes, base64))",
        "AudioDone(item-1)",
        "CallerText(item-0, 16 bytes)",
        "ResponseDone(ResponseId(0), Completed)",
    ];
    for (dialect, audio, side) in [
        (Dialect::Ga, "output_audio", "ga_server"),
        (Dialect::Xai, "output_audio", "ga_server"),
        (Dialect::Beta, "audio", "beta_server"),
        (Dialect::AzurePreview, "audio", "beta_server"),
    ] {
        let mut line = Line::ready(dialect);
        let messages = turn(audio);
        for message in &messages {
            assert_eq!(faults(side, message), [""; 0], "what we test with is valid");
        }
        let told: Vec<_> = messages
            .iter()
            .filter_map(|message| line.hear(message))
            .map(|event| format!("{event:?}"))
            .collect();
        assert_eq!(told, story, "{dialect:?}");
    }
}

#[test]
fn commands_become_the_protocols_events() {
    let mut line = Line::ready(Dialect::Ga);
    line.hear_audio("item_a", 0, &[0; 160]);
    line.hear_audio("item_b", 1, &[0; 801]);
    let item = ItemId(1);
    let heard = Duration::from_micros(99_900);
    let frame = Frame::from_raw(Bytes::from_static(b"\x00\x01\x02"));
    let greeting = "The caller has just been connected. Say exactly this, in the same words and language, \
        and nothing else: Hello, \"Luigi's\" here.";
    for (command, event) in [
        (
            ProviderCommand::Append(frame),
            json!({"type": "input_audio_buffer.append", "audio": "AAEC"}),
        ),
        (
            ProviderCommand::Greet,
            json!({"type": "response.create", "response": {"instructions": greeting}}),
        ),
        (ProviderCommand::Respond, json!({"type": "response.create"})),
        (
            ProviderCommand::CancelResponse(ResponseId(0)),
            json!({"type": "response.cancel", "response_id": "resp_1"}),
        ),
        (
            ProviderCommand::Truncate { item, heard },
            json!({"type": "conversation.item.truncate", "item_id": "item_b", "content_index": 1, "audio_end_ms": 99}),
        ),
        (
            ProviderCommand::Truncate {
                item,
                heard: Duration::from_secs(9),
            },
            json!({"type": "conversation.item.truncate", "item_id": "item_b", "content_index": 1, "audio_end_ms": 100}),
        ),
        (
            ProviderCommand::Truncate {
                item,
                heard: Duration::ZERO,
            },
            json!({"type": "conversation.item.delete", "item_id": "item_b"}),
        ),
        (
            ProviderCommand::Delete { item: ItemId(0) },
            json!({"type": "conversation.item.delete", "item_id": "item_a"}),
        ),
        (
            ProviderCommand::Keys("12#".into()),
            json!({"type": "conversation.item.create", "item": {"type": "message", "role": "user",
                "content": [{"type": "input_text", "text": "(The caller keyed in: 12#)"}]}}),
        ),
    ] {
        assert_eq!(line.says(&command), [event], "{command:?}");
    }
    for nothing in [
        ProviderCommand::Ping,
        ProviderCommand::Append(Frame::from_raw(Bytes::new())),
        ProviderCommand::CancelResponse(ResponseId(99)),
        ProviderCommand::Delete { item: ItemId(99) },
        ProviderCommand::Truncate {
            item: ItemId(99),
            heard,
        },
        ProviderCommand::GoodbyeDeclined(ToolCallId(0)),
        ProviderCommand::Seed {
            memory: Memory::default(),
            occasion: Occasion::Reconnected,
        },
    ] {
        assert_eq!(line.says(&nothing), [json!(null); 0], "{nothing:?}");
    }
}

#[test]
fn every_event_has_a_name_of_its_own() {
    let mut line = Line::ready(Dialect::Ga);
    for _ in 0..300 {
        line.say(&ProviderCommand::Append(Frame::from_raw(
            Bytes::from_static(&[0; 160]),
        )));
        line.say(&ProviderCommand::Respond);
    }
    let mut names: Vec<_> = line
        .said
        .iter()
        .map(|event| event["event_id"].to_string())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 600);
}

#[test]
fn a_goodbye_is_a_complete_call_of_end_call_and_can_be_declined() {
    let called = |name: &str, status: &str| {
        json!({"type": "response.output_item.done", "response_id": "r", "output_index": 0, "item": {
            "type": "function_call", "status": status, "name": name, "call_id": "call_7", "arguments": "{}"}})
    };
    let mut line = Line::ready(Dialect::Ga);
    assert_eq!(
        line.hear(&called("end_call", "incomplete")),
        None,
        "interrupted: it never happened"
    );
    assert_eq!(
        line.hear(&called("transfer", "completed")),
        Some(ProviderEvent::Ignored(Ignored::UndeclaredTool))
    );
    let tool_call = ToolCallId(0);
    assert_eq!(
        line.hear(&called("end_call", "completed")),
        Some(ProviderEvent::Goodbye { tool_call })
    );
    let said = line.says(&ProviderCommand::GoodbyeDeclined(tool_call));
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0]["item"]["type"], "function_call_output");
    assert_eq!(said[0]["item"]["call_id"], "call_7");
    let message = json!({"type": "response.output_item.done", "item": {"type": "message", "status": "completed"}});
    assert_eq!(line.hear(&message), None);
}

#[test]
fn audio_stays_base64_only_where_it_can_be_cut_into_20_ms() {
    let mut line = Line::ready(Dialect::Ga);
    let mut form =
        |item: &str, bytes: usize| format!("{:?}", line.hear_audio(item, 0, &vec![0; bytes]));
    assert!(form("a", 320).contains("320 bytes, base64"));
    assert!(form("a", 150).contains("150 bytes, raw"), "not a multiple");
    assert!(
        form("a", 160).contains("160 bytes, raw"),
        "it begins at 470"
    );
    assert!(
        form("b", 160).contains("160 bytes, base64"),
        "each item for itself"
    );
    assert!(form("a", 10).contains("10 bytes, raw"));
    assert!(
        form("a", 160).contains("160 bytes, base64"),
        "it begins at 640"
    );
    assert!(
        form("a", 0).contains("None"),
        "a delta without audio says nothing"
    );
}

#[test]
fn a_name_longer_than_any_real_one_is_not_the_protocol() {
    let longest = "i".repeat(NAME_BYTES_MAX);
    let mut line = Line::ready(Dialect::Ga);
    assert!(matches!(
        line.hear_audio(&longest, 0, &[0; 160]),
        Some(ProviderEvent::Audio { .. })
    ));
    let event = line.hear_audio(&format!("{longest}i"), 0, &[0; 160]);
    assert_eq!(event, Some(ProviderEvent::Failed(Fault::Garbled)));
    assert_eq!(
        line.hear_audio("item", 0, &[0; 160]),
        None,
        "nothing after a failure"
    );
}
