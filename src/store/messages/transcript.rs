//! What was said in a message, in words: a file beside the message's own, sealed as that is, and written anew with each change.
//!
//! Its form: a mark with a version, and one seal. It is bound to the message's name, so that words are never read as another's.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{MessageFault, MessageId};
use crate::store::sealer::{Place, Sealer};

/// What every version's file begins with.
const MARK: &[u8; 7] = b"RINGTXT";

/// The version that is written.
const VERSION: u8 = 1;

/// Bytes of a transcript at most: what is beyond is cut. Two minutes of fast speech have 3 kB.
pub const TRANSCRIPT_BYTES_MAX: usize = 16 * 1024;

/// What is known of a message's words.
#[derive(Clone, PartialEq, Eq)]
pub struct Transcript {
    /// How many sessions have heard the message and written nothing down.
    pub tries: u32,
    /// How far it is.
    pub state: TranscriptState,
    /// The words; empty where there are none, or none yet.
    pub words: String,
}

/// Without the words.
impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tries,
            state,
            words,
        } = self;
        write!(
            f,
            "Transcript({state:?}, {tries} tries, {} bytes)",
            words.len()
        )
    }
}

/// How far a transcript is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TranscriptState {
    /// Nobody has written the message down.
    Wanted,
    /// It is written, and waits for somebody to take it.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// It is written; nobody took it, and nobody is asked any more.
    Undelivered,
    /// Nobody wrote it down, and nobody is asked any more.
    GivenUp,
}

impl TranscriptState {
    /// Whether there are words.
    pub const fn is_written(self) -> bool {
        match self {
            Self::Waiting | Self::Delivered | Self::Undelivered => true,
            Self::Wanted | Self::GivenUp => false,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Row {
    tries: u32,
    state: TranscriptState,
    words: String,
}

pub(super) fn write(sealer: &Sealer, id: MessageId, transcript: &Transcript) -> Vec<u8> {
    let words = transcript.words.as_str();
    let end = words.floor_char_boundary(TRANSCRIPT_BYTES_MAX);
    let row = Row {
        tries: transcript.tries,
        state: transcript.state,
        words: words.get(..end).unwrap_or_default().to_owned(),
    };
    let row = postcard::to_allocvec(&row).expect("texts and numbers have a form");
    let seal = sealer.seal(place(id), &row);
    [MARK, &[VERSION][..], &seal].concat()
}

pub(super) fn read(
    sealer: &Sealer,
    id: MessageId,
    file: &[u8],
) -> Result<Transcript, MessageFault> {
    let damaged = || MessageFault::Damaged(id);
    let rest = file.strip_prefix(MARK).ok_or_else(damaged)?;
    let (version, seal) = rest.split_first().ok_or_else(damaged)?;
    if *version != VERSION {
        return Err(MessageFault::Newer(id));
    }
    let row = sealer.open(place(id), seal).map_err(|_| damaged())?;
    let row: Row = postcard::from_bytes(&row).map_err(|_| damaged())?;
    Ok(Transcript {
        tries: row.tries,
        state: row.state,
        words: row.words,
    })
}

const fn place(id: MessageId) -> Place {
    Place {
        table: "message transcript",
        id: id.bits(),
    }
}
