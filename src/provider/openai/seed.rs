//! What a new session is told of the conversation before it.
//!
//! The last turns become items of their own, so that the model goes on from them. What lies before is packed into one message
//! of the caller's side: many written answers of its own make a model forget that it speaks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::core::call::effect::Occasion;
use crate::core::call::memory::{Memory, Speaker, Turn};
use crate::provider::openai::quirks::Quirks;

/// Turns that become items of their own.
pub(super) const RECENT_TURNS: usize = 6;

/// Bytes of text that the packed turns make at most; beyond it the oldest go.
const PACKED_BYTES_MAX: usize = 16 * 1024;

const PREAMBLE: &str = "This phone call began before you joined it. What was said so far, for you to know and not to answer:";
const RECONNECTED: &str = "The line was reconnected. Go on with the call where it was, by voice; do not greet the caller again.";
const RESUMED: &str = "The line was lost for a moment, and with it perhaps the caller's last words. Say so in a few words, by voice, ask the \
    caller to say them again, and go on with the call; do not greet the caller again.";
const RUNG_BACK: &str = "That call broke off because no agent was left to take it. You have now called the caller back, as was promised, and \
    have just said so aloud and asked how you can help. Do not greet them again: listen, and answer by voice.";
const GREETED: &str = "You have just greeted the caller aloud with these words. Do not greet them again: listen, and answer by voice.";

/// In place of words that are neither written down nor can be given as audio.
const UNWRITTEN: &str = "(The caller said something that was not written down.)";

/// The items that tell of `memory`, in order; none if nothing was said and nothing happened.
pub(super) fn items(memory: &Memory, occasion: Occasion, quirks: &Quirks) -> Vec<Value> {
    let says_all = matches!(occasion, Occasion::Resumed { .. } | Occasion::RungBack);
    if memory.is_empty() && !says_all {
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
            Speaker::Caller if turn.text.is_empty() && quirks.audio_items => said(&turn.audio),
            Speaker::Caller => message("user", "input_text", words(turn)),
            Speaker::Agent => message("assistant", quirks.agent_text, &turn.text),
        });
    }
    let note = match occasion {
        Occasion::Greeted => GREETED,
        Occasion::Reconnected | Occasion::Resumed { is_mid_turn: false } => RECONNECTED,
        Occasion::Resumed { is_mid_turn: true } => RESUMED,
        Occasion::RungBack => RUNG_BACK,
    };
    items.push(message("system", "input_text", note));
    items
}

/// A message of a conversation.
pub(super) fn message(role: &str, content: &str, text: &str) -> Value {
    json!({ "type": "message", "role": role, "content": [{ "type": content, "text": text }] })
}

/// The caller's words as they were said: µ-law, which is the session's format.
fn said(audio: &[u8]) -> Value {
    let content = json!([{ "type": "input_audio", "audio": STANDARD.encode(audio) }]);
    json!({ "type": "message", "role": "user", "content": content })
}

fn words(turn: &Turn) -> &str {
    match turn.text.as_str() {
        "" => UNWRITTEN,
        text => text,
    }
}

fn packed(turns: &[&Turn]) -> Value {
    let mut room = PACKED_BYTES_MAX;
    let mut lines: Vec<String> = turns
        .iter()
        .rev()
        .map(|turn| match turn.speaker {
            Speaker::Caller => format!("Caller: {}", words(turn)),
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
