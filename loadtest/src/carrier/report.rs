//! What is known of a call when it is over, and what is told while it runs.
//!
//! Owns the vocabulary of the report. Who fills it in: [`Phone`](super::Phone) and its parts.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::g711;

pub use super::items::PlayedItem;
use super::known::PromptHeard;
use super::waiting::{Gap, Turn};

/// All that one call showed. Points in time are since the beginning of the run, as everywhere; lengths of time say from when.
#[derive(Clone, Debug, Default)]
pub struct CallReport {
    /// The call's number: the stream of its stamps.
    pub number: u32,
    /// Which recording was played.
    pub recording: String,
    /// The call's `callSid`.
    pub call_sid: String,
    /// When it started.
    pub began: Duration,
    /// How long it lasted, up to now if it is not over.
    pub lasted: Duration,
    /// How it ended; `None` if it has not.
    pub ended: Option<Ended>,

    /// What the caller said, from the start on.
    pub said: Timeline,
    /// What the caller heard, from the start on.
    pub heard: Timeline,

    /// Media frames sent. With stamps: their blocks are 0 to this, without a gap.
    pub frames_sent: u64,
    /// The latest that a frame left after its time: what the machine of the test owes.
    pub frame_late_max: Duration,
    /// Turns said, again or for the first time.
    pub turns_said: u32,
    /// Turns that were said again because nothing was heard.
    pub turns_repeated: u32,
    /// Turns that began while the agent was heard.
    pub barge_ins: u32,
    /// Keys pressed.
    pub keys_pressed: u32,

    /// Media messages received.
    pub media_received: u64,
    /// Bytes of audio in them.
    pub media_bytes: u64,
    /// Marks received.
    pub marks_received: u64,
    /// Marks sent back.
    pub marks_returned: u64,
    /// Streams that were cut, as the settings say.
    pub streams_cut: u32,
    /// How often a later stream began with the same recording as the first: the caller was greeted again.
    pub greeted_again: u32,
    /// When `clear` came; at most 4,096 are kept.
    pub clears: Vec<Duration>,
    /// Everything that came, in order; only with [`record`](super::CarrierSettings::record), at most 65,536.
    pub arrivals: Vec<(Duration, Arrival)>,
    /// What the server should not have sent, counted.
    pub violations: BTreeMap<Violation, u64>,

    /// From the start to the first media message.
    pub first_media: Option<Duration>,
    /// From the start to the first media message with a stamp: the model's own.
    pub first_model_media: Option<Duration>,
    /// From the start to the first sound that was heard.
    pub first_sound: Option<Duration>,
    /// When the last sound began that was not the model's: a filler, or the apology.
    pub prompted: Option<Duration>,
    /// Prompts that the caller knew, in the order in which they came; at most 256.
    pub prompts: Vec<PromptHeard>,
    /// From the end of a turn to the first sound of its answer, for each turn that was answered; at most 4,096.
    pub answer_latencies: Vec<Duration>,
    /// Turns whose answer was owed when the caller spoke again or the call ended.
    pub turns_unanswered: u32,
    /// The longest time without any sound while an answer was owed, or the rest of one that went on later.
    pub dead_air_max: Duration,
    /// When that ended.
    pub dead_air_ended: Duration,
    /// Owed time in which the model was not heard; at most 4,096.
    pub gaps: Vec<Gap>,
    /// When the caller spoke; at most 4,096.
    pub turns: Vec<Turn>,
    /// This call's delay of mark echoes, which the server does not know.
    pub echo_delay: Duration,

    /// What was played of each stamped item, in the order in which they came; at most 4,096.
    pub items: Vec<PlayedItem>,
    /// From a stamped block's sending to its arrival, for the first two seconds of each item, so that holding back what is not
    /// due yet is not counted; at most 8,192.
    pub downlink_latencies: Vec<Duration>,
}

impl CallReport {
    /// When the caller had heard enough of a prompt of this name to know what it says: a second of it.
    pub fn heard_prompt(&self, name: &str) -> Option<Duration> {
        const ENOUGH: Duration = Duration::from_secs(1);
        let heard = |prompt: &&PromptHeard| prompt.name == name && prompt.played >= ENOUGH;
        self.prompts
            .iter()
            .find(heard)
            .map(|prompt| prompt.began + ENOUGH)
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The caller was through.
    HungUp,
    /// The caller heard nothing, said it again, and had enough.
    GaveUp,
    /// It reached its longest time.
    TooLong,
    /// The server closed, with this code.
    ServerClosed {
        /// The close code, if one was sent.
        code: Option<u16>,
    },
}

/// Something that came from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Audio, of so many bytes.
    Media(usize),
    /// A mark.
    Mark,
    /// A clear.
    Clear,
}

/// What the carrier would warn about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// A binary message.
    Binary,
    /// A text message that is not JSON.
    NotJson,
    /// An event that the carrier does not know.
    UnknownEvent,
    /// A field too many.
    ExtraField,
    /// A field too few.
    MissingField,
    /// A field of the wrong type.
    WrongType,
    /// Another call's `streamSid`.
    WrongStream,
    /// A payload that is not base64, or empty.
    BadPayload,
    /// Audio that begins with a file's header.
    FileHeader,
    /// Audio that is not a multiple of 160 bytes: it stutters.
    PartialFrame,
    /// More audio than the buffer holds (ten minutes): what came last was dropped.
    BufferOverflow,
    /// More marks than can wait (4,096): what came last was dropped.
    MarkOverflow,
    /// Audio of an item that had been cut by a `clear`.
    LateAudio,
}

impl Violation {
    /// The number of the carrier's own warning; `None` where it would keep silent.
    pub fn warning(self) -> Option<u16> {
        match self {
            Self::Binary => Some(31_950),
            Self::NotJson
            | Self::UnknownEvent
            | Self::ExtraField
            | Self::MissingField
            | Self::WrongType
            | Self::WrongStream
            | Self::BadPayload => Some(31_951),
            Self::FileHeader
            | Self::PartialFrame
            | Self::BufferOverflow
            | Self::MarkOverflow
            | Self::LateAudio => None,
        }
    }
}

/// What a story of the call tells. Turns are named by their place in the recording; words and keys are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The stream started.
    Started,
    /// The caller begins a turn.
    TurnBegan {
        /// Which one.
        turn: usize,
        /// It was said before, and nothing was heard.
        again: bool,
        /// The agent is being heard.
        barges_in: bool,
    },
    /// The caller's last word of a turn.
    TurnEnded {
        /// Which one.
        turn: usize,
    },
    /// A key was pressed.
    Key {
        /// The turn that it belongs to.
        turn: usize,
        /// Its place among the keys.
        nth: usize,
    },
    /// A key was pressed at a prompt. Which one is not told: it can be of a number.
    MenuKey,
    /// The caller begins to hear a prompt that they know.
    PromptBegan {
        /// Which one: see [`KnownPrompts::name`](super::KnownPrompts::name).
        known: usize,
    },
    /// The caller begins to hear the agent.
    AgentBegan {
        /// From the end of the caller's turn, if this is the answer to it.
        after: Option<Duration>,
    },
    /// The agent has been silent for a while: this was its last sound.
    AgentEnded,
    /// The server emptied the buffer.
    Cleared {
        /// What will not be heard.
        unplayed: Duration,
    },
    /// The server sent what it should not.
    Violated(Violation),
    /// The call is over.
    Ended(Ended),
}

/// One side of a call as µ-law, from its start on, silence where nothing was.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    audio: Vec<u8>,
    bytes_max: usize,
}

impl Timeline {
    /// An empty one that keeps so much; nothing of what comes later.
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            audio: Vec::new(),
            bytes_max: g711::bytes_in(longest),
        }
    }

    /// The audio; empty if the call was not recorded.
    pub fn audio(&self) -> &[u8] {
        &self.audio
    }

    /// How much there is.
    pub fn duration(&self) -> Duration {
        g711::duration(self.audio.len())
    }

    /// Lays `audio` down `at` this time from the start, after all that is there already.
    pub(super) fn lay(&mut self, at: Duration, audio: &[u8]) {
        self.fill(at);
        let room = self.bytes_max.saturating_sub(self.audio.len());
        self.audio.extend(audio.iter().take(room));
    }

    /// Silence up to here, if there is less.
    pub(super) fn fill(&mut self, to: Duration) {
        let to = g711::bytes_in(to).min(self.bytes_max);
        if self.audio.len() < to {
            self.audio.resize(to, g711::SILENCE);
        }
    }

    /// Takes away what comes after.
    pub(super) fn cut(&mut self, at: Duration) {
        self.audio.truncate(g711::bytes_in(at));
    }
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timeline({:?})", self.duration())
    }
}
