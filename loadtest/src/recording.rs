//! A recorded call: what each side says, and what the caller does next.
//!
//! Owns the vocabulary, and how it is found: [`Recording::load`] reads a folder, [`Recording::builtin`] has eight calls in the
//! binary. The format of a folder is in `recordings/README.md`; who plays it is [`carrier`](crate::carrier).

mod builtin;
mod file;

pub use file::RecordingError;
pub(crate) use file::{FILE_NAME, write_then};

use std::{fmt, path::Path, time::Duration};

use crate::g711;

/// A call that can be played again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Its name: that of its folder.
    pub name: String,
    /// The caller's language, as BCP 47 has it (`en-US`).
    pub language: String,
    /// What the caller does before the first turn, when the line is open: waits for a greeting, interrupts it or speaks first.
    pub opening: Then,
    /// The caller's side, in order.
    pub caller: Vec<Turn>,
    /// What the model answers, in order; after the last it starts again with the first.
    pub agent: Vec<Line>,
}

impl Recording {
    /// The call of this name from the binary, or else the call in this folder.
    pub fn find(name_or_folder: &str) -> Result<Self, RecordingError> {
        if Self::builtin_names().contains(&name_or_folder) {
            return Self::builtin(name_or_folder);
        }
        let folder = Path::new(name_or_folder);
        if folder.is_dir() {
            return Self::load(folder);
        }
        Err(RecordingError::Unknown {
            name: name_or_folder.to_owned(),
            allowed: Self::builtin_names().join(", "),
        })
    }
}

impl Recording {
    /// A caller who says nothing.
    pub fn silent() -> Self {
        Self {
            name: "silent".into(),
            language: "en-US".into(),
            opening: Then::Wait,
            caller: Vec::new(),
            agent: Vec::new(),
        }
    }
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
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// G.711 µ-law, 8 kHz, mono, without a header.
    pub audio: Vec<u8>,
    /// Its words.
    pub text: String,
}

/// What a caller does after a turn.
#[derive(Clone, PartialEq, Eq)]
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

impl Line {
    /// How long it is.
    pub fn duration(&self) -> Duration {
        g711::duration(self.audio.len())
    }
}

/// Without the words: a recording can be of a real call.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({:?})", self.duration())
    }
}

/// Without the keys: they can be somebody's secret.
impl fmt::Debug for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wait => f.write_str("Wait"),
            Self::BargeIn { after } => write!(f, "BargeIn({after:?})"),
            Self::Keys(keys) => write!(f, "Keys({})", keys.len()),
            Self::Pause(pause) => write!(f, "Pause({pause:?})"),
            Self::HangUp => f.write_str("HangUp"),
        }
    }
}
