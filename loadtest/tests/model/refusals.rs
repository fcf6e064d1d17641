//! What a real server refuses, and how.

use loadtest::model::report::Role;
use serde_json::{Value, json};

use crate::driver::{Story, line, plain};

#[test]
fn an_update_with_an_unknown_field_changes_nothing() {
    let mut story = Story::ready(plain(), vec![], 1);
    let refused = story.client(json!({"type": "session.update", "session": {
        "type": "realtime", "instructions": "changed", "temperature": 0.8,
    }}));
    let error = story.error_for(&refused);
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(error["code"], "unknown_parameter");
    assert_eq!(error["param"], "session.temperature");
    story.client(json!({"type": "session.update", "session": {"type": "realtime"}}));
    let updated = story.wait_for("session.updated");
    assert_ne!(updated["session"]["instructions"], "changed");
}

#[test]
fn the_old_dialect_is_refused() {
    let mut story = Story::ready(plain(), vec![], 2);
    for (session, code) in [
        (json!({"voice": "alloy"}), "missing_required_parameter"),
        (
            json!({"type": "realtime", "input_audio_format": "g711_ulaw"}),
            "unknown_parameter",
        ),
        (
            json!({"type": "realtime", "output_modalities": ["audio", "text"]}),
            "invalid_value",
        ),
        (
            json!({"type": "realtime", "audio": {"input": {"format": {"type": "g711_ulaw"}}}}),
            "invalid_value",
        ),
    ] {
        let event = json!({"type": "session.update", "session": session});
        let refused = story.client(event);
        assert_eq!(story.error_for(&refused)["code"], code, "{session}");
    }
    assert_eq!(story.session.report().errors["invalid_value"], 2);
}

#[test]
fn what_is_no_event_is_refused_and_counted() {
    let mut story = Story::ready(plain(), vec![], 3);
    story.text("{\"type\":");
    story.text("{}");
    story.text(r#"{"type":"session.abolish","event_id":"a"}"#);
    story.text(r#"{"type":"input_audio_buffer.append","event_id":"a","audio":"?"}"#);
    story.text(r#"{"type":"input_audio_buffer.append","audio":"\/\/8="}"#);
    assert_eq!(story.all("error").len(), 4, "the last one is right");
    assert_eq!(story.error_for("a")["param"], "type");
    let report = story.session.report();
    assert_eq!(report.violations.not_json, 1);
    assert_eq!(report.violations.unnamed_events, 1);
    assert_eq!(report.violations.unnamed_appends, 1);
    assert_eq!(report.violations.repeated_event_ids, 1);
    assert_eq!(report.violations.undecodable_appends, 1);
    assert_eq!(report.uplink.bytes, 2);
}

#[test]
fn a_second_response_is_refused_while_one_is_active() {
    let mut story = Story::ready(plain(), vec![line("One moment.", 900)], 4);
    story.client(json!({"type": "response.create"}));
    let refused = story.client(json!({"type": "response.create"}));
    let code = "conversation_already_has_active_response";
    assert_eq!(story.error_for(&refused)["code"], code);
    story.wait_for("response.done");
    story.client(json!({"type": "response.create"}));
    story.wait_for("response.done");
}

#[test]
fn the_voice_stays_once_it_was_heard() {
    let mut story = Story::ready(plain(), vec![line("Hello.", 900)], 5);
    story.client(json!({"type": "response.create"}));
    story.wait_for("response.done");
    let refused = story.client(json!({"type": "session.update", "session": {
        "type": "realtime", "audio": {"output": {"voice": "cedar"}},
    }}));
    assert_eq!(story.error_for(&refused)["code"], "cannot_update_voice");
}

/// A text of a role, as a client puts it into the conversation.
fn message(role: &str, part: &str, text: &str) -> Value {
    let content = json!([{"type": part, "text": text}]);
    json!({"type": "conversation.item.create", "item": {
        "type": "message", "role": role, "content": content,
    }})
}

#[test]
fn a_conversation_is_seeded_in_order() {
    let mut story = Story::ready(plain(), vec![], 6);
    story.client(message("user", "input_text", "Hi, it's me."));
    story.client(message("assistant", "output_text", "Hello."));
    story.client(json!({"type": "conversation.item.create", "item": {
        "type": "function_call", "call_id": "call_1", "name": "lookup", "arguments": "{}",
    }}));
    story.client(json!({"type": "conversation.item.create", "item": {
        "type": "function_call_output", "call_id": "call_1", "output": "found",
    }}));
    let mut first = message("system", "input_text", "The line was lost.");
    first["previous_item_id"] = json!("root");
    story.client(first);
    assert_eq!(story.all("error").len(), 0);
    assert_eq!(story.all("conversation.item.added").len(), 5);
    assert_eq!(story.all("conversation.item.done").len(), 5);
    let report = story.session.report();
    let roles: Vec<_> = report.conversation.iter().map(|said| said.role).collect();
    let expected = [
        Role::System,
        Role::User,
        Role::Assistant,
        Role::FunctionCall,
        Role::FunctionOutput,
    ];
    assert_eq!(roles, expected);
    assert_eq!(report.seeds.list.len(), 5);
    assert_eq!(report.seeds.list[4].text, "The line was lost.");
}

#[test]
fn seeds_that_cannot_be_are_refused() {
    let mut story = Story::ready(plain(), vec![], 7);
    let item = |item: Value| json!({"type": "conversation.item.create", "item": item});
    let call_id = "c".repeat(33);
    let mut after_nobody = message("user", "input_text", "x");
    after_nobody["previous_item_id"] = json!("item_nobody");
    for (event, code) in [
        (message("assistant", "input_text", "x"), "invalid_value"),
        (message("assistant", "text", "x"), "invalid_value"),
        (message("user", "output_text", "x"), "invalid_value"),
        (message("system", "output_text", "x"), "invalid_value"),
        (
            item(json!({"type": "function_call_output", "call_id": "call_9", "output": "x"})),
            "invalid_tool_call_id",
        ),
        (
            item(json!({"type": "function_call_output", "call_id": call_id, "output": "x"})),
            "string_above_max_length",
        ),
        (after_nobody, "item_create_invalid_previous_item_id"),
    ] {
        let refused = story.client(event.clone());
        assert_eq!(story.error_for(&refused)["code"], code, "{event}");
    }
    assert!(story.session.report().conversation.is_empty());
}

#[test]
fn an_item_is_retrieved_until_it_is_deleted() {
    let mut story = Story::ready(plain(), vec![], 8);
    let mut seed = message("user", "input_text", "Hi.");
    seed["item"]["id"] = json!("mine");
    story.client(seed.clone());
    story.client(json!({"type": "conversation.item.retrieve", "item_id": "mine"}));
    let retrieved = &story.all("conversation.item.retrieved")[0].body;
    assert_eq!(retrieved["item"]["content"][0]["text"], "Hi.");
    let twice = story.client(seed);
    assert_eq!(story.error_for(&twice)["param"], "item.id");
    story.client(json!({"type": "conversation.item.delete", "item_id": "mine"}));
    let gone = story.client(json!({"type": "conversation.item.retrieve", "item_id": "mine"}));
    let code = "item_retrieve_invalid_item_id";
    assert_eq!(story.error_for(&gone)["code"], code);
}
