//! Whatever a client sends, the session answers with an error at most.

use std::time::Duration;

use loadtest::model::settings::ModelSettings;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::driver::{Story, line};

const TYPES: [&str; 10] = [
    "session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.retrieve",
    "conversation.item.truncate",
    "conversation.item.delete",
    "response.create",
    "response.cancel",
];

const FIELDS: [&str; 10] = [
    "event_id",
    "session",
    "audio",
    "item",
    "item_id",
    "content_index",
    "audio_end_ms",
    "response",
    "response_id",
    "previous_item_id",
];

/// Values of which some are right by chance.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u32..5_000).prop_map(Value::from),
        "(item|resp)_7x[1-9]|realtime|server_vad|audio/pcmu|message|user|\\PC{0,5}"
            .prop_map(Value::from),
        proptest::collection::vec(any::<u8>(), 0..4_000).prop_map(|audio| {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD
                .encode(audio)
                .into()
        }),
    ];
    let key = "type|session|audio|input|format|item|item_id|content|role|text|audio_end_ms|content_index|response|[a-z]{1,3}";
    leaf.prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn event() -> impl Strategy<Value = String> {
    let fields =
        proptest::collection::btree_map(proptest::sample::select(&FIELDS[..]), value(), 0..5);
    (proptest::sample::select(&TYPES[..]), fields).prop_map(|(kind, fields)| {
        let mut event: Value = fields.into_iter().collect();
        event["type"] = json!(kind);
        event.to_string()
    })
}

fn message() -> impl Strategy<Value = String> {
    let truncation = (1_u32..12, 0_u64..9_000).prop_map(|(item, ms)| {
        json!({
            "type": "conversation.item.truncate", "item_id": format!("item_7x{item}"),
            "content_index": 0, "audio_end_ms": ms,
        })
        .to_string()
    });
    prop_oneof![
        "\\PC{0,40}",
        event(),
        truncation,
        proptest::sample::select(&TYPES[..]).prop_map(|kind| json!({"type": kind}).to_string()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Every answer is checked against the schema on the way.
    #[test]
    fn arbitrary_messages_are_answered_or_refused(
        seed in any::<u64>(),
        messages in proptest::collection::vec((message(), 0_u64..400), 0..30),
    ) {
        let script = vec![line("One two.", 1_500), line("Grüße, señor.", 777), line("", 0)];
        let mut story = Story::ready(ModelSettings::default(), script, seed);
        for (message, pause_ms) in messages {
            story.text(&message);
            story.run_for(Duration::from_millis(pause_ms));
        }
        story.run_for(Duration::from_secs(30));
        prop_assert!(!story.session.is_over());
    }
}
