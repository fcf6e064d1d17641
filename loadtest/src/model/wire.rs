//! Writes server events: their names, their ids, their text.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::config::Format;
use crate::g711;

/// The writer of one session's events.
#[derive(Debug)]
pub(super) struct Wire {
    session: u32,
    events: u64,
    ids: u64,
}

/// Where in the conversation a piece of output belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) response_id: &'a str,
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
}

impl Place<'_> {
    /// The fields that say where, beside others.
    pub(super) fn event(self, mut fields: Value) -> Value {
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("response_id".to_owned(), self.response_id.into());
            fields.insert("item_id".to_owned(), self.item_id.into());
            fields.insert("output_index".to_owned(), self.output_index.into());
            fields.insert("content_index".to_owned(), 0.into());
        }
        fields
    }
}

impl Wire {
    pub(super) fn new(session: u32) -> Self {
        Self {
            session,
            events: 0,
            ids: 0,
        }
    }

    /// A new id, not used by any other session either.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        self.ids += 1;
        format!("{prefix}_{}x{}", self.session, self.ids)
    }

    /// An event of this type with these fields.
    pub(super) fn event(&mut self, kind: &str, fields: &Value) -> String {
        let mut text = self.open(kind, 256);
        let fields = fields.to_string();
        let inner = fields
            .strip_prefix('{')
            .expect("the fields of an event are an object");
        if inner != "}" {
            text.push(',');
        }
        text.push_str(inner);
        text
    }

    /// An audio delta, the one event that there are many of.
    pub(super) fn audio_delta(&mut self, place: Place<'_>, mulaw: &[u8], format: Format) -> String {
        let bytes = mulaw.len() as u64 / 8 * format.bytes_per_ms();
        let mut text = self.open(
            "response.output_audio.delta",
            usize::try_from(bytes).unwrap_or(0) / 3 * 4 + 256,
        );
        write!(
            text,
            r#","response_id":"{}","item_id":"{}","output_index":{},"content_index":0,"delta":""#,
            place.response_id, place.item_id, place.output_index
        )
        .expect("a string takes all");
        match format {
            Format::Pcmu => STANDARD.encode_string(mulaw, &mut text),
            Format::Pcm => STANDARD.encode_string(pcm_of(mulaw), &mut text),
        }
        text.push_str("\"}");
        text
    }

    fn open(&mut self, kind: &str, capacity: usize) -> String {
        self.events += 1;
        let mut text = String::with_capacity(capacity);
        write!(
            text,
            r#"{{"type":"{kind}","event_id":"event_{}x{}""#,
            self.session, self.events
        )
        .expect("a string takes all");
        text
    }
}

/// µ-law as 24 kHz PCM: each sample three times, which is enough for a client that asked for the wrong format.
pub(super) fn pcm_of(mulaw: &[u8]) -> Vec<u8> {
    mulaw
        .iter()
        .flat_map(|&byte| [g711::decode(byte).to_le_bytes(); 3])
        .flatten()
        .collect()
}
