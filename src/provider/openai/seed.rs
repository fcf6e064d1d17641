//! What a new session is told of the conversation before it.
//!
//! The last turns become items of their own, so that the model goes on from them. What lies before is packed into one message
//! of the caller's side: many written answers of its own make a model forget that it speaks.

use serde_json::{Value, json};

use crate::core::call::memory::{Memory, Speaker, Turn};
use crate::provider::openai::quirks::Quirks;

/// Turns that become items of their own.
pub(super) const RECENT_TURNS: usize = 6;

/// Bytes of text that the packed turns make at most; beyond it the oldest go.
const PACKED_BYTES_MAX: usize = 16 * 1024;

const PREAMBLE: &str = "This phone call began before you joined it. What was said so far, for you to know and not to answer:";
const NOTE: &str = "The line was reconnected. Go on with the call where it was, by voice; do not greet the caller again.";

/// The items that tell of `memory`, in order; none if nothing was said.
pub(super) fn items(memory: &Memory, quirks: &Quirks) -> Vec<Value> {
    if memory.is_empty() {
        return Vec::new();
    }
    let turns: Vec<&Turn> = memory.turns().collect();
    let (older, recent) = turns.split_at(turns.len().saturating_sub(RECENT_TURNS));
    let mut items = Vec::with_capacity(RECENT_TURNS + 2);
    if !older.is_empty() {
        items.push(packed(older));
    }
    for turn in recent {
        items.push(match turn.speaker {
            Speaker::Caller => message("user", "input_text", &turn.text),
            Speaker::Agent => message("assistant", quirks.agent_text, &turn.text),
        });
    }
    items.push(message("system", "input_text", NOTE));
    items
}

/// A message of a conversation.
pub(super) fn message(role: &str, content: &str, text: &str) -> Value {
    json!({ "type": "message", "role": role, "content": [{ "type": content, "text": text }] })
}

fn packed(turns: &[&Turn]) -> Value {
    let mut room = PACKED_BYTES_MAX;
    let mut lines: Vec<String> = turns
        .iter()
        .rev()
        .map(|turn| match turn.speaker {
            Speaker::Caller => format!("Caller: {}", turn.text),
            Speaker::Agent => format!("You: {}", turn.text),
        })
        .take_while(|line| {
            let fits = line.len() <= room;
            room = room.saturating_sub(line.len());
            fits
        })
        .collect();
    lines.push(PREAMBLE.to_owned());
    lines.reverse();
    message("user", "input_text", &lines.join("\n"))
}
