//! What another stream of the same call has to know: where a call goes on when its carrier's socket was lost, here or elsewhere.

use std::time::Duration;

use crate::core::call::memory::Memory;

/// A call as it stands between two turns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The conversation, as it was heard.
    pub memory: Memory,
    /// Whether the caller was speaking, or was owed something: the last words may be lost.
    pub is_mid_turn: bool,
    /// For how long the caller had waited for what they are owed.
    pub waited: Duration,
    /// How many streams came before the one that it was made on.
    pub streams_before: u16,
}
