//! The items of a conversation, as the server keeps them.

use serde_json::{Value, json};

use super::report::{Role, Said};

/// The most items; beyond it the oldest goes, as with a context that is full.
pub(super) const ITEMS_MAX: usize = 4_096;

/// The items of a conversation, in order.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    items: Vec<Item>,
}

/// One item.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) body: Body,
}

/// What an item is.
pub(super) enum Body {
    /// A turn of the caller; its transcript comes later or never.
    Heard { transcript: Option<String> },
    /// Something that the model said.
    Spoken(Spoken),
    /// A text that the client put in.
    Text { role: Role, text: String },
    /// The model calls a function.
    FunctionCall {
        call_id: String,
        name: String,
        arguments: String,
    },
    /// What a function returned.
    FunctionOutput { call_id: String, output: String },
}

// Without the words.
impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Heard { .. } => "Heard",
            Self::Spoken(_) => "Spoken",
            Self::Text { .. } => "Text",
            Self::FunctionCall { .. } => "FunctionCall",
            Self::FunctionOutput { .. } => "FunctionOutput",
        })
    }
}

/// Something that the model said, so far.
pub(super) struct Spoken {
    /// Its number in the stamps.
    pub(super) number: u16,
    pub(super) transcript: String,
    /// Bytes of µ-law that went out.
    pub(super) bytes: u64,
    /// Where the client cut it.
    pub(super) end_ms: Option<u64>,
    pub(super) status: &'static str,
}

impl Spoken {
    /// How long its audio is.
    pub(super) fn audio_ms(&self) -> u64 {
        self.end_ms.unwrap_or(self.bytes / 8)
    }

    /// Cuts audio and words.
    pub(super) fn truncate(&mut self, end_ms: u64) {
        let generated_ms = (self.bytes / 8).max(1);
        let length = self.transcript.len() as u64;
        let kept = usize::try_from(length * end_ms.min(generated_ms) / generated_ms);
        let kept = self.transcript.floor_char_boundary(kept.unwrap_or(0));
        // Half a word was not understood.
        let words = self.transcript.split_at(kept).0;
        let is_whole = kept == self.transcript.len();
        let kept = if is_whole {
            kept
        } else {
            words.rfind(' ').unwrap_or(0)
        };
        self.transcript.truncate(kept);
        self.end_ms = Some(end_ms);
    }
}

impl Conversation {
    pub(super) fn find(&self, id: &str) -> Option<&Item> {
        // What is asked for is nearly always among the last ones.
        self.items.iter().rev().find(|item| item.id == id)
    }

    pub(super) fn find_mut(&mut self, id: &str) -> Option<&mut Item> {
        self.items.iter_mut().rev().find(|item| item.id == id)
    }

    pub(super) fn has_call(&self, id: &str) -> bool {
        self.items
            .iter()
            .any(|item| matches!(&item.body, Body::FunctionCall { call_id, .. } if call_id == id))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn last_id(&self) -> Option<String> {
        self.items.last().map(|item| item.id.clone())
    }

    /// Puts an item at the end; tells the id of the one before it.
    pub(super) fn push(&mut self, item: Item) -> Option<String> {
        self.insert(self.items.len(), item)
    }

    /// Puts an item behind another one, at the front for `root`; hands it back if there is none of this id.
    pub(super) fn insert_after(&mut self, id: &str, item: Item) -> Result<Option<String>, Item> {
        if id == "root" {
            return Ok(self.insert(0, item));
        }
        match self.items.iter().rposition(|item| item.id == id) {
            Some(place) => Ok(self.insert(place + 1, item)),
            None => Err(item),
        }
    }

    fn insert(&mut self, mut place: usize, item: Item) -> Option<String> {
        if self.items.len() >= ITEMS_MAX {
            self.items.remove(0);
            place = place.saturating_sub(1);
        }
        let before = place
            .checked_sub(1)
            .and_then(|before| self.items.get(before));
        let previous = before.map(|item| item.id.clone());
        self.items.insert(place, item);
        previous
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Item> {
        let place = self.items.iter().rposition(|item| item.id == id)?;
        Some(self.items.remove(place))
    }

    /// The conversation as text.
    pub(super) fn said(&self) -> Vec<Said> {
        self.items.iter().map(Item::said).collect()
    }
}

impl Item {
    pub(super) fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The item as text.
    pub(super) fn said(&self) -> Said {
        let (role, text) = match &self.body {
            Body::Heard { transcript } => (Role::User, transcript.clone().unwrap_or_default()),
            Body::Spoken(spoken) => (Role::Assistant, spoken.transcript.clone()),
            Body::Text { role, text } => (*role, text.clone()),
            Body::FunctionCall { arguments, .. } => (Role::FunctionCall, arguments.clone()),
            Body::FunctionOutput { output, .. } => (Role::FunctionOutput, output.clone()),
        };
        Said { role, text }
    }

    /// The item as events carry it.
    pub(super) fn json(&self) -> Value {
        let message = |status: &str, role: &str, content: Value| {
            json!({
                "id": self.id, "object": "realtime.item", "type": "message",
                "status": status, "role": role, "content": content,
            })
        };
        match &self.body {
            Body::Heard { transcript } => message(
                "completed",
                "user",
                json!([{"type": "input_audio", "transcript": transcript}]),
            ),
            Body::Spoken(spoken) if spoken.status == "in_progress" => {
                message(spoken.status, "assistant", json!([]))
            }
            Body::Spoken(spoken) => message(
                spoken.status,
                "assistant",
                json!([{"type": "output_audio", "transcript": spoken.transcript}]),
            ),
            Body::Text { role, text } => {
                let (role, part) = match role {
                    Role::Assistant => ("assistant", "output_text"),
                    Role::System => ("system", "input_text"),
                    Role::User | Role::FunctionCall | Role::FunctionOutput => {
                        ("user", "input_text")
                    }
                };
                message("completed", role, json!([{"type": part, "text": text}]))
            }
            Body::FunctionCall {
                call_id,
                name,
                arguments,
            } => json!({
                "id": self.id, "object": "realtime.item", "type": "function_call",
                "status": "completed", "call_id": call_id, "name": name, "arguments": arguments,
            }),
            Body::FunctionOutput { call_id, output } => json!({
                "id": self.id, "object": "realtime.item", "type": "function_call_output",
                "status": "completed", "call_id": call_id, "output": output,
            }),
        }
    }
}
