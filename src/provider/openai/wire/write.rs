//! What we say: events in, text out. Audio is spliced; everything else is rare, and built as a tree.

use std::fmt::Write as _;

use bytes::{BufMut as _, BytesMut};
use serde_json::{Value, json};

use crate::core::audio::Frame;
use crate::provider::openai::outgoing::Outgoing;

/// The name of an event of ours, unique within its session: an error that it causes comes back with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider::openai) struct EventId(pub(in crate::provider::openai) u64);

impl EventId {
    /// Whether `text` is this name.
    pub(in crate::provider::openai) fn is(self, text: &str) -> bool {
        text.strip_prefix(EVENT_PREFIX)
            .and_then(|number| number.parse().ok())
            .is_some_and(|number: u64| number == self.0)
    }
}

const EVENT_PREFIX: &str = "ringback_";

/// More than the envelope of an append needs.
const ENVELOPE_BYTES: usize = 128;

/// The caller's next audio: a splice where the frame came as base64.
pub(in crate::provider::openai) fn append(id: EventId, frame: &Frame, out: &mut Outgoing) {
    let bytes = ENVELOPE_BYTES + frame.len().div_ceil(3) * 4;
    out.message(bytes, |buffer| {
        buffer.extend_from_slice(b"{\"type\":\"input_audio_buffer.append\",\"event_id\":\"");
        write_id(id, buffer);
        buffer.extend_from_slice(b"\",\"audio\":\"");
        frame.write_base64(buffer);
        buffer.extend_from_slice(b"\"}");
    });
}

/// Any other event: `body`'s fields with its type and its name.
pub(in crate::provider::openai) fn event(
    id: EventId,
    kind: &str,
    mut body: Value,
    out: &mut Outgoing,
) {
    if let Value::Object(fields) = &mut body {
        fields.insert("type".to_owned(), json!(kind));
        fields.insert(
            "event_id".to_owned(),
            json!(format!("{EVENT_PREFIX}{}", id.0)),
        );
    }
    out.message(0, |buffer| {
        serde_json::to_writer(buffer.writer(), &body)
            .expect("a JSON tree has text keys, and a buffer takes all");
    });
}

fn write_id(id: EventId, buffer: &mut BytesMut) {
    write!(buffer, "{EVENT_PREFIX}{}", id.0).expect("a buffer takes all that is written");
}
