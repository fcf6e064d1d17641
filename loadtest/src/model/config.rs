//! The session's effective settings: what `session.update` changed, and what the server has by default.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::settings::ModelSettings;
use super::shape::Refusal;
use super::vad::Hearing;

/// The audio formats that the double knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// 24 kHz, 16 bits, little endian: what a session has until it is told otherwise.
    Pcm,
    /// G.711 µ-law, 8 kHz.
    Pcmu,
}

impl Format {
    pub(super) const fn bytes_per_ms(self) -> u64 {
        match self {
            Self::Pcm => 48,
            Self::Pcmu => 8,
        }
    }

    fn of(format: Option<&Value>) -> Self {
        match format.and_then(|format| format.get("type")?.as_str()) {
            Some("audio/pcmu") => Self::Pcmu,
            // The shape let nothing else through.
            Some(_) | None => Self::Pcm,
        }
    }
}

/// How turns are detected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Turns {
    pub(super) hearing: Hearing,
    pub(super) create_response: bool,
    pub(super) interrupt_response: bool,
}

/// The effective settings of a session: as they are echoed, and what the double reads of them.
#[derive(Debug)]
pub(super) struct Config {
    /// As `session.created` and `session.updated` carry them.
    pub(super) session: Value,
    pub(super) input: Format,
    pub(super) output: Format,
    /// `None`: the client says itself where a turn ends.
    pub(super) turns: Option<Turns>,
    pub(super) transcribes: bool,
    /// Whether the model may call `end_call`.
    pub(super) has_end_call: bool,
}

impl Config {
    /// What a session has when nobody has said anything.
    pub(super) fn new(settings: &ModelSettings, session_id: &str) -> Self {
        let session = json!({
            "type": "realtime",
            "object": "realtime.session",
            "id": session_id,
            "model": settings.model,
            "output_modalities": ["audio"],
            "instructions": "You are a helpful assistant.",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": null,
            "prompt": null,
            "truncation": "auto",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "transcription": null,
                    "noise_reduction": null,
                    "turn_detection": with_defaults(&json!({"type": "server_vad"}), settings),
                },
                "output": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "voice": "alloy",
                    "speed": 1.0,
                },
            },
            "include": null,
        });
        Self::of(session, settings)
    }

    /// Says when a session that opened at `now` ends, where the wall time is known.
    pub(super) fn expire(&mut self, settings: &ModelSettings, now: Duration) {
        if settings.epoch_s > 0 {
            let length = Duration::from_millis(settings.session_length_ms);
            let expires_at = settings.epoch_s + (now + length).as_secs();
            put(&mut self.session, "expires_at", &json!(expires_at));
        }
    }

    fn of(session: Value, settings: &ModelSettings) -> Self {
        let input = session.pointer("/audio/input");
        let output = session.pointer("/audio/output");
        let turn_detection = input.and_then(|input| input.get("turn_detection"));
        let tools = session.get("tools").and_then(Value::as_array);
        Self {
            input: Format::of(input.and_then(|input| input.get("format"))),
            output: Format::of(output.and_then(|output| output.get("format"))),
            turns: turn_detection.and_then(|detection| Turns::of(detection, settings)),
            transcribes: input.is_some_and(|input| !is_null(input, "transcription")),
            has_end_call: tools.is_some_and(|tools| {
                tools
                    .iter()
                    .any(|tool| tool.get("name").and_then(Value::as_str) == Some("end_call"))
            }),
            session,
        }
    }

    /// The settings with what an update names, `has_spoken` after the model's first audio.
    pub(super) fn check(&self, update: &Value, has_spoken: bool) -> Result<(), Refusal> {
        const VOICE: &str = "/audio/output/voice";
        let voice = update.pointer(VOICE);
        if has_spoken && voice.is_some() && voice != self.session.pointer(VOICE) {
            return Err(Refusal::new(
                "cannot_update_voice",
                "Cannot update a conversation's voice if assistant audio is present.",
            ));
        }
        Ok(())
    }

    /// Takes what an update names; everything else stays.
    pub(super) fn update(&mut self, update: &Value, settings: &ModelSettings) {
        let mut session = self.session.take();
        for (key, value) in update.as_object().into_iter().flatten() {
            match key.as_str() {
                // The model is fixed by the address of the socket.
                "model" | "type" => {}
                "audio" => {
                    for side in ["input", "output"] {
                        let target = session.pointer_mut(&format!("/audio/{side}"));
                        if let (Some(target), Some(Value::Object(changes))) =
                            (target, value.get(side))
                        {
                            merge_side(target, changes, settings);
                        }
                    }
                }
                _ => put(&mut session, key, value),
            }
        }
        *self = Self::of(session, settings);
    }
}

impl Turns {
    fn of(detection: &Value, settings: &ModelSettings) -> Option<Self> {
        let kind = detection.get("type")?.as_str()?;
        let number = |key| detection.get(key).and_then(Value::as_u64);
        let flag = |key| detection.get(key).and_then(Value::as_bool);
        let silence_ms = match kind {
            // What the words mean in time nobody outside knows; longer waits for the less eager.
            "semantic_vad" => match detection.get("eagerness").and_then(Value::as_str) {
                Some("high") => 300,
                Some("low") => 1_200,
                Some(_) | None => 600,
            },
            _ => number("silence_duration_ms").unwrap_or(settings.silence_duration_ms.into()),
        };
        let threshold = detection.get("threshold").and_then(Value::as_f64);
        Some(Self {
            hearing: Hearing {
                // What a threshold means in energy nobody outside knows: twenty dB each way.
                threshold_dbfs: settings.speech_dbfs + (threshold.unwrap_or(0.5) - 0.5) * 40.0,
                prefix: Duration::from_millis(number("prefix_padding_ms").unwrap_or(300)),
                silence: Duration::from_millis(silence_ms),
            },
            create_response: flag("create_response").unwrap_or(true),
            interrupt_response: flag("interrupt_response").unwrap_or(true),
        })
    }
}

fn merge_side(target: &mut Value, changes: &Map<String, Value>, settings: &ModelSettings) {
    for (key, value) in changes {
        if key == "turn_detection" {
            put(target, key, &with_defaults(value, settings));
        } else {
            put(target, key, value);
        }
    }
}

/// Turn detection with the fields that were left out.
fn with_defaults(detection: &Value, settings: &ModelSettings) -> Value {
    let mut full = match detection.get("type").and_then(Value::as_str) {
        Some("server_vad") => json!({
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": settings.silence_duration_ms,
            "idle_timeout_ms": null,
        }),
        Some(_) => json!({"eagerness": "auto"}),
        None => return Value::Null,
    };
    put(&mut full, "create_response", &json!(true));
    put(&mut full, "interrupt_response", &json!(true));
    for (key, value) in detection.as_object().into_iter().flatten() {
        put(&mut full, key, value);
    }
    full
}

fn put(target: &mut Value, key: &str, value: &Value) {
    if let Some(target) = target.as_object_mut() {
        target.insert(key.to_owned(), value.clone());
    }
}

fn is_null(value: &Value, key: &str) -> bool {
    value.get(key).is_none_or(Value::is_null)
}
