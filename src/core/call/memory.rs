//! What the next session must know: the conversation as it was *heard*, bounded.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::core::ids::{AttemptId, ItemId};

/// All words that are kept: beyond it the oldest turns go. Some 4,000 tokens, half an hour of talk.
const BYTES_MAX: usize = 16 * 1024;

/// Words of one turn: beyond it the rest of the turn is not kept.
const TURN_BYTES_MAX: usize = 4 * 1024;

/// Turns that are kept: beyond it the oldest go.
const TURNS_MAX: usize = 256;

/// The conversation so far, oldest first.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Memory {
    turns: VecDeque<Turn>,
}

/// One side's words.
#[derive(Clone, PartialEq, Eq)]
pub struct Turn {
    /// Who spoke.
    pub speaker: Speaker,
    /// What was heard of it; empty while a transcript is awaited.
    pub text: String,
    /// The caller's words as raw µ-law, where no transcript came before the session was lost.
    pub audio: Bytes,
    /// The item that holds it in the session where it was said; `None` for what was keyed in.
    item: Option<(AttemptId, ItemId)>,
}

/// A side of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The person on the phone.
    Caller,
    /// The model.
    Agent,
}

impl Memory {
    /// The turns that have words, oldest first.
    pub fn turns(&self) -> impl Iterator<Item = &Turn> {
        self.turns.iter().filter(|turn| !turn.text.is_empty())
    }

    /// Whether nothing was said yet.
    pub fn is_empty(&self) -> bool {
        self.turns().next().is_none()
    }

    /// A turn, its words complete: for stores and tests.
    pub fn push(&mut self, speaker: Speaker, text: &str) {
        self.begin(speaker, None);
        self.extend_last(text);
    }

    /// The caller's words became an item; its transcript may follow later.
    pub(super) fn caller_item(&mut self, attempt: AttemptId, item: ItemId) {
        if self.find(attempt, item).is_none() {
            self.begin(Speaker::Caller, Some((attempt, item)));
        }
    }

    /// The transcript of a caller's item: takes its place, whenever it comes.
    pub(super) fn caller_text(&mut self, attempt: AttemptId, item: ItemId, text: &str) {
        self.caller_item(attempt, item);
        if let Some(turn) = self.find(attempt, item) {
            bounded(text, TURN_BYTES_MAX).clone_into(&mut turn.text);
        }
        self.trim();
    }

    /// More of the agent's words.
    pub(super) fn agent_text(&mut self, attempt: AttemptId, item: ItemId, text: &str) {
        if self.find(attempt, item).is_none() {
            self.begin(Speaker::Agent, Some((attempt, item)));
        }
        if let Some(turn) = self.find(attempt, item) {
            let more = bounded(text, TURN_BYTES_MAX - turn.text.len());
            turn.text.push_str(more);
        }
        self.trim();
    }

    /// Only a part of an item was heard: as many of its words are kept, to the last whole one.
    pub(super) fn cut(
        &mut self,
        attempt: AttemptId,
        item: ItemId,
        heard: Duration,
        received: Duration,
    ) {
        let Some(turn) = self.find(attempt, item) else {
            return;
        };
        let before = turn.text.len();
        let share = if received.is_zero() {
            0.0
        } else {
            heard.as_secs_f64() / received.as_secs_f64()
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of at most 4 KiB"
        )]
        let kept = (before as f64 * share.clamp(0.0, 1.0)) as usize;
        if kept < before {
            let part = bounded(&turn.text, kept);
            let words = part
                .rfind(char::is_whitespace)
                .map_or("", |end| bounded(part, end));
            turn.text = words.to_owned();
        }
        self.turns
            .retain(|turn| !turn.text.is_empty() || turn.speaker == Speaker::Caller);
    }

    fn find(&mut self, attempt: AttemptId, item: ItemId) -> Option<&mut Turn> {
        self.turns
            .iter_mut()
            .rev()
            .find(|turn| turn.item == Some((attempt, item)))
    }

    fn begin(&mut self, speaker: Speaker, item: Option<(AttemptId, ItemId)>) {
        self.turns.push_back(Turn {
            speaker,
            text: String::new(),
            audio: Bytes::new(),
            item,
        });
        self.trim();
    }

    fn extend_last(&mut self, text: &str) {
        if let Some(turn) = self.turns.back_mut() {
            let more = bounded(text, TURN_BYTES_MAX - turn.text.len());
            turn.text.push_str(more);
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.bytes() > BYTES_MAX || self.turns.len() > TURNS_MAX {
            self.turns.pop_front();
        }
    }

    fn bytes(&self) -> usize {
        self.turns.iter().map(|turn| turn.text.len()).sum()
    }
}

/// The longest beginning of `text` that has at most `bytes` bytes.
fn bounded(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or("")
}

/// Without the words.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Memory({} turns, {} bytes)",
            self.turns.len(),
            self.bytes()
        )
    }
}

/// Without the words.
impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.speaker, self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTEMPT: AttemptId = AttemptId(0);

    fn words(memory: &Memory) -> Vec<&str> {
        memory.turns().map(|turn| turn.text.as_str()).collect()
    }

    #[test]
    fn a_late_transcript_takes_the_place_of_its_turn() {
        let mut memory = Memory::default();
        memory.caller_item(ATTEMPT, ItemId(0));
        memory.agent_text(ATTEMPT, ItemId(1), "Of course.");
        memory.caller_text(ATTEMPT, ItemId(0), "Can I come on Thursday?");
        assert_eq!(words(&memory), ["Can I come on Thursday?", "Of course."]);
    }

    #[test]
    fn of_a_cut_item_only_the_heard_words_are_remembered() {
        let mut memory = Memory::default();
        memory.agent_text(ATTEMPT, ItemId(1), "one two three four five six");
        memory.cut(
            ATTEMPT,
            ItemId(1),
            Duration::from_secs(1),
            Duration::from_secs(2),
        );
        assert_eq!(words(&memory), ["one two"]);
        memory.cut(ATTEMPT, ItemId(1), Duration::ZERO, Duration::from_secs(2));
        assert!(memory.is_empty());
    }

    #[test]
    fn the_oldest_turns_go_first() {
        let mut memory = Memory::default();
        for n in 0..10_000 {
            memory.push(Speaker::Caller, &format!("turn {n}"));
        }
        assert_eq!(words(&memory).len(), TURNS_MAX);
        assert_eq!(words(&memory).last(), Some(&"turn 9999"));
        memory.push(Speaker::Agent, &"ä".repeat(BYTES_MAX));
        assert!(memory.bytes() <= BYTES_MAX);
        assert!(words(&memory).last().unwrap().len() <= TURN_BYTES_MAX);
    }
}
