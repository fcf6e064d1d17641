//! Finds payloads in messages, and writes messages around payloads: no JSON tree, no base64.

use memchr::{memchr, memmem};

/// The message's string value after `key`, a JSON key with its quotes and colon; `None` if it is not there.
///
/// Values with escaped quotes are cut short: base64, names and SIDs have none.
pub(super) fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let start = memmem::find(text.as_bytes(), key.as_bytes())? + key.len();
    let rest = text.get(start..)?;
    let end = memchr(b'"', rest.as_bytes())?;
    rest.get(..end)
}

/// The model's message that carries one frame of the caller.
pub(super) fn append(payload: &str) -> String {
    around(
        "{\"type\":\"input_audio_buffer.append\",\"audio\":\"",
        payload,
        "\"}",
    )
}

/// The carrier's message that carries `payload` to the caller.
pub(super) fn media(stream_sid: &str, payload: &str) -> String {
    let mut text = String::with_capacity(payload.len() + stream_sid.len() + 64);
    text.push_str("{\"event\":\"media\",\"streamSid\":\"");
    text.push_str(stream_sid);
    text.push_str("\",\"media\":{\"payload\":\"");
    text.push_str(payload);
    text.push_str("\"}}");
    text
}

/// Asks the carrier to say when it has played what it has.
pub(super) fn mark(stream_sid: &str, number: u64) -> String {
    format!(
        "{{\"event\":\"mark\",\"streamSid\":\"{stream_sid}\",\"mark\":{{\"name\":\"{number}\"}}}}"
    )
}

/// Asks the carrier to forget what it has not played.
pub(super) fn clear(stream_sid: &str) -> String {
    around("{\"event\":\"clear\",\"streamSid\":\"", stream_sid, "\"}")
}

fn around(before: &str, value: &str, after: &str) -> String {
    let mut text = String::with_capacity(before.len() + value.len() + after.len());
    text.push_str(before);
    text.push_str(value);
    text.push_str(after);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_found_and_written() {
        let media_in =
            "{\"event\":\"media\",\"media\":{\"payload\":\"AAA=\"},\"streamSid\":\"MZ1\"}";
        assert_eq!(value(media_in, "\"payload\":\""), Some("AAA="));
        assert_eq!(value(media_in, "\"delta\":\""), None);
        assert_eq!(value("\"payload\":\"never ends", "\"payload\":\""), None);
        for text in [
            append("AAA="),
            media("MZ1", "AAA="),
            mark("MZ1", 7),
            clear("MZ1"),
        ] {
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
    }
}
