//! Items that the client puts into the conversation: which content which role may have.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::conversation::Body;
use super::report::Role;
use super::shape::Refusal;

/// What an item of `conversation.item.create`, whose shape is right, becomes.
pub(super) fn body(item: &Value) -> Result<Body, Refusal> {
    let text = |key| {
        let value: Option<&str> = item.get(key).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    match item.get("type").and_then(Value::as_str) {
        Some("function_call") => Ok(Body::FunctionCall {
            call_id: text("call_id"),
            name: text("name"),
            arguments: text("arguments"),
        }),
        Some("function_call_output") => Ok(Body::FunctionOutput {
            call_id: text("call_id"),
            output: text("output"),
        }),
        // The shape let only messages through beside them.
        Some(_) | None => message(item),
    }
}

/// The caller's audio in an item, of all its parts.
pub(super) fn audio(item: &Value) -> Result<Vec<u8>, Refusal> {
    let parts = item.get("content").and_then(Value::as_array);
    let mut audio = Vec::new();
    for (i, part) in parts.into_iter().flatten().enumerate() {
        let base64 = part.get("audio").and_then(Value::as_str);
        if STANDARD
            .decode_vec(base64.unwrap_or_default(), &mut audio)
            .is_err()
        {
            let path = format!("item.content[{i}].audio");
            let message = format!(
                "Invalid '{path}'. Expected base64-encoded audio bytes, but got an invalid value."
            );
            return Err(Refusal::of(&path, "invalid_value", message));
        }
    }
    Ok(audio)
}

fn message(item: &Value) -> Result<Body, Refusal> {
    let (role, allowed): (_, &[&str]) = match item.get("role").and_then(Value::as_str) {
        Some("assistant") => (Role::Assistant, &["output_text"]),
        Some("system") => (Role::System, &["input_text"]),
        Some(_) | None => (Role::User, &["input_text", "input_audio"]),
    };
    let parts = item.get("content").and_then(Value::as_array);
    let mut text = String::new();
    for (i, part) in parts.into_iter().flatten().enumerate() {
        let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
        if !allowed.contains(&kind) {
            let path = format!("item.content[{i}].type");
            let message = format!(
                "Invalid value: '{kind}'. Supported values are: '{}'.",
                allowed.join("', '")
            );
            return Err(Refusal::of(&path, "invalid_value", message));
        }
        let words = part.get("text").or_else(|| part.get("transcript"));
        text.push_str(words.and_then(Value::as_str).unwrap_or_default());
    }
    Ok(Body::Text { role, text })
}
