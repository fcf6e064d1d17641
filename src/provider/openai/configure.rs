//! `session.update`: how one session is configured, in each dialect's layout.

use serde_json::{Map, Value, json};

use crate::provider::openai::quirks::{Layout, Quirks, Transcription};
use crate::provider::openai::settings::SessionSettings;

/// The tool by which the model ends the call; the only one that is declared.
pub(super) const END_CALL: &str = "end_call";

/// The names of µ-law, 8 kHz, mono: nested layouts have the first, the flat one the second.
const NESTED_FORMAT: &str = "audio/pcmu";
const FLAT_FORMAT: &str = "g711_ulaw";

/// Whether a session that speaks this format speaks ours.
pub(super) fn is_ours(format: &str) -> bool {
    format == NESTED_FORMAT || format == FLAT_FORMAT
}

/// The body of `session.update`.
pub(super) fn session_update(settings: &SessionSettings, quirks: &Quirks) -> Value {
    let mut session = match quirks.layout {
        Layout::Nested => nested(settings, quirks),
        Layout::Flat => flat(settings, quirks),
        Layout::Mixed => mixed(settings, quirks),
    };
    set(&mut session, "instructions", json!(*settings.instructions));
    set(&mut session, "tools", json!([end_call()]));
    if let Some(model) = settings
        .model
        .as_deref()
        .filter(|_| quirks.model_in_session)
    {
        set(&mut session, "model", json!(model));
    }
    json!({ "session": session })
}

fn nested(settings: &SessionSettings, quirks: &Quirks) -> Map<String, Value> {
    let mut output = object([("format", json!({ "type": NESTED_FORMAT }))]);
    set_voice(&mut output, settings);
    let input = json!({
        "format": { "type": NESTED_FORMAT },
        "transcription": transcription(settings, quirks),
        "turn_detection": turn_detection(settings, quirks),
    });
    object([
        ("type", json!("realtime")),
        ("output_modalities", json!(["audio"])),
        ("tool_choice", json!("auto")),
        ("audio", json!({ "input": input, "output": output })),
    ])
}

fn flat(settings: &SessionSettings, quirks: &Quirks) -> Map<String, Value> {
    let mut session = object([
        ("modalities", json!(["text", "audio"])),
        ("tool_choice", json!("auto")),
        ("input_audio_format", json!(FLAT_FORMAT)),
        ("output_audio_format", json!(FLAT_FORMAT)),
        ("input_audio_transcription", transcription(settings, quirks)),
        ("turn_detection", turn_detection(settings, quirks)),
    ]);
    set_voice(&mut session, settings);
    session
}

fn mixed(settings: &SessionSettings, quirks: &Quirks) -> Map<String, Value> {
    let format = json!({ "type": NESTED_FORMAT });
    let input = json!({ "format": format, "transcription": transcription(settings, quirks) });
    let mut session = object([
        ("turn_detection", turn_detection(settings, quirks)),
        (
            "audio",
            json!({ "input": input, "output": { "format": format } }),
        ),
    ]);
    set_voice(&mut session, settings);
    session
}

/// Always on: without the caller's words the next session would know nothing of them.
fn transcription(settings: &SessionSettings, quirks: &Quirks) -> Value {
    let mut wanted = Map::new();
    match quirks.transcription {
        Transcription::Model(default) => {
            let model = settings.transcription_model.as_deref().unwrap_or(default);
            set(&mut wanted, "model", json!(model));
            if let Some(language) = &settings.language {
                let primary = language.split('-').next().unwrap_or(language);
                set(&mut wanted, "language", json!(primary));
            }
        }
        Transcription::LanguageHint => {
            if let Some(language) = &settings.language {
                set(&mut wanted, "language_hint", json!(**language));
            }
        }
    }
    Value::Object(wanted)
}

fn turn_detection(settings: &SessionSettings, quirks: &Quirks) -> Value {
    let Some(wanted) = settings.turn_detection else {
        return Value::Null;
    };
    let mut turns = object([
        ("type", json!("server_vad")),
        ("threshold", json!(wanted.threshold)),
        ("prefix_padding_ms", json!(millis(wanted.prefix_padding))),
        ("silence_duration_ms", json!(millis(wanted.silence))),
    ]);
    if quirks.turn_switches {
        set(&mut turns, "create_response", json!(true));
        set(&mut turns, "interrupt_response", json!(true));
    }
    Value::Object(turns)
}

fn end_call() -> Value {
    json!({
        "type": "function",
        "name": END_CALL,
        "description": "Hangs up the phone. Use it when the conversation is over: say goodbye in the same answer, then call this.",
        "parameters": { "type": "object", "properties": {} },
    })
}

fn set_voice(fields: &mut Map<String, Value>, settings: &SessionSettings) {
    if let Some(voice) = settings.voice.as_deref() {
        set(fields, "voice", json!(voice));
    }
}

fn set(fields: &mut Map<String, Value>, key: &str, value: Value) {
    fields.insert(key.to_owned(), value);
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// Milliseconds, which a setting is given in.
pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
