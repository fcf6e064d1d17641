//! What the next session must know: the conversation as it was *heard*, bounded.

use std::collections::VecDeque;
use std::fmt;

/// The conversation so far, oldest first.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Memory {
    turns: VecDeque<Turn>,
    bytes: usize,
}

/// One side's words.
#[derive(Clone, PartialEq, Eq)]
pub struct Turn {
    /// Who spoke.
    pub speaker: Speaker,
    /// What was heard of it.
    pub text: Box<str>,
}

/// A side of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The person on the phone.
    Caller,
    /// The model.
    Agent,
}

/// Without the words.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Memory({} turns, {} bytes)",
            self.turns.len(),
            self.bytes
        )
    }
}

/// Without the words.
impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.speaker, self.text.len())
    }
}

impl Memory {
    /// The turns, oldest first.
    pub fn turns(&self) -> impl ExactSizeIterator<Item = &Turn> {
        self.turns.iter()
    }

    /// Whether nothing was said yet.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}
