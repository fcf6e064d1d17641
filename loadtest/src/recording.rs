//! A recorded call: what each side says, and what the caller does next.

use std::time::Duration;

/// A call that can be played again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Its name: that of its folder.
    pub name: String,
    /// The caller's language, as BCP 47 has it (`en-US`).
    pub language: String,
    /// The caller's side, in order.
    pub caller: Vec<Turn>,
    /// What the model answers, in order; after the last it starts again with the first.
    pub agent: Vec<Line>,
}

/// One turn of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What is said.
    pub line: Line,
    /// What the caller does then.
    pub then: Then,
}

/// Something said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// G.711 µ-law, 8 kHz, mono, without a header.
    pub audio: Vec<u8>,
    /// Its words.
    pub text: String,
}

/// What a caller does after a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Waits until the answer has ended, then goes on.
    Wait,
    /// Goes on when this much of the answer was heard: the next turn interrupts it.
    BargeIn {
        /// How much of the answer is heard first.
        after: Duration,
    },
    /// Presses these keys, then waits for the answer.
    Keys(String),
    /// Goes on after a pause, whatever is heard.
    Pause(Duration),
    /// Hangs up.
    HangUp,
}
