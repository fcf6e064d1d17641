//! How a session is configured in each dialect, and when it is ready.
#![expect(clippy::indexing_slicing, reason = "a JSON value has every index")]

use ringback::core::call::effect::ProviderCommand;
use ringback::core::call::input::ProviderEvent;
use ringback::core::fault::Fault;
use ringback::core::time::Utc;
use ringback::provider::openai::quirks::Dialect;
use serde_json::{Value, json};

use crate::openai::{Line, settings};

fn session_of(dialect: Dialect) -> Value {
    let mut line = Line::new(settings(), dialect);
    line.hear(&json!({"type": "session.created", "session": {"id": "sess_1"}}));
    let update = line.said.remove(0);
    assert_eq!(update["type"], "session.update");
    let mut session = update["session"].clone();
    assert_eq!(session["instructions"], "You book tables.");
    assert_eq!(session["tools"][0]["name"], "end_call");
    if let Some(fields) = session.as_object_mut() {
        fields.remove("tools");
        fields.remove("instructions");
    }
    session
}

#[test]
fn the_current_interface_is_configured_by_nested_fields() {
    let expected = json!({
        "type": "realtime",
        "output_modalities": ["audio"],
        "tool_choice": "auto",
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {"model": "gpt-4o-mini-transcribe", "language": "en"},
                "turn_detection": {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300,
                    "silence_duration_ms": 500, "create_response": true, "interrupt_response": true},
            },
            "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
        },
    });
    for dialect in [
        Dialect::Ga,
        Dialect::Azure,
        Dialect::LiteLlm,
        Dialect::Inworld,
    ] {
        assert_eq!(session_of(dialect), expected, "{dialect:?}");
    }
    let mut local = expected;
    local["audio"]["input"]["transcription"]["model"] = json!("whisper-1");
    assert_eq!(session_of(Dialect::LocalAi), local);
}

#[test]
fn the_first_interface_is_configured_by_flat_fields() {
    let expected = json!({
        "modalities": ["text", "audio"],
        "tool_choice": "auto",
        "voice": "marin",
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1", "language": "en"},
        "turn_detection": {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300,
            "silence_duration_ms": 500, "create_response": true, "interrupt_response": true},
    });
    assert_eq!(session_of(Dialect::Beta), expected);
    assert_eq!(session_of(Dialect::AzurePreview), expected);
}

#[test]
fn xai_has_voice_and_turns_at_the_top_and_no_switches() {
    let expected = json!({
        "voice": "marin",
        "turn_detection": {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300,
            "silence_duration_ms": 500},
        "audio": {
            "input": {"format": {"type": "audio/pcmu"}, "transcription": {"language_hint": "en-US"}},
            "output": {"format": {"type": "audio/pcmu"}},
        },
    });
    assert_eq!(session_of(Dialect::Xai), expected);
    let mut line = Line::ready(Dialect::Xai);
    assert_eq!(
        line.says(&ProviderCommand::Respond),
        [json!({"type": "response.create", "response": {"modalities": ["text", "audio"]}})]
    );
}

#[test]
fn a_session_is_ready_only_when_its_settings_are_confirmed() {
    let mut line = Line::new(settings(), Dialect::Ga);
    assert_eq!(
        line.hear(&json!({"type": "session.created", "session": {"expires_at": 1_700_000_000}})),
        None
    );
    assert_eq!(
        line.hear(&json!({"type": "conversation.created", "conversation": {"id": "c"}})),
        None
    );
    assert_eq!(
        line.said.len(),
        1,
        "one update, however often a session is announced"
    );
    let updated = json!({"type": "session.updated", "session": {"expires_at": 1_700_000_100,
        "audio": {"output": {"format": {"type": "audio/pcmu"}}}}});
    let expires_at = Some(Utc::from_millis(1_700_000_100_000));
    assert_eq!(
        line.hear(&updated),
        Some(ProviderEvent::Ready { expires_at })
    );
    assert_eq!(line.hear(&updated), None, "ready once");
}

#[test]
fn the_end_of_a_session_may_be_told_early_or_not_at_all() {
    for (created, updated, expires_at) in [
        (
            json!({"expires_at": 7}),
            json!({"expires_at": null}),
            Some(Utc::from_millis(7_000)),
        ),
        (json!({"expires_at": 0}), json!({}), None),
        (json!(null), json!({"expires_at": "soon"}), None),
        (json!("?"), json!([]), None),
    ] {
        let mut line = Line::new(settings(), Dialect::LocalAi);
        line.hear(&json!({"type": "session.created", "session": created}));
        let event = line.hear(&json!({"type": "session.updated", "session": updated}));
        assert_eq!(event, Some(ProviderEvent::Ready { expires_at }));
    }
}

#[test]
fn a_session_in_another_format_would_be_noise() {
    for session in [
        json!({"audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}}}}),
        json!({"output_audio_format": "pcm16"}),
    ] {
        let mut line = Line::new(settings(), Dialect::Ga);
        line.hear(&json!({"type": "session.created"}));
        let event = line.hear(&json!({"type": "session.updated", "session": session}));
        assert_eq!(event, Some(ProviderEvent::Failed(Fault::WrongDialect)));
    }
}
