//! What is known of a message, and how far it is.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::core::audio::duration_of;
use crate::core::ids::CallSid;
use crate::core::time::Utc;

/// The name of a message: random, so that it tells nothing. Whoever is given a message twice knows it by this.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u128);

impl MessageId {
    /// A message's name from random bits, which the server draws.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits of the name.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// A name as it is written: 32 small hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Self(u128::from_str_radix(text, 16).ok()?);
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is known of a message beside its sound.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageRecord {
    /// Its name.
    pub id: MessageId,
    /// The carrier's name of the call, where it told one.
    pub call: Option<CallSid>,
    /// Whom the caller wanted to speak with, as in the settings.
    pub agent: Option<String>,
    /// The number that was called.
    pub called: Option<String>,
    /// The number that called; withheld ones are none.
    pub caller: Option<String>,
    /// The caller's language, as a tag.
    pub language: Option<String>,
    /// When it began.
    pub at: Utc,
    /// How many bytes of µ-law there are.
    pub audio_bytes: u64,
}

impl MessageRecord {
    /// When it began, as RFC 3339 writes it.
    pub fn date(&self) -> String {
        let millis = i64::try_from(self.at.millis()).ok();
        let at = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        at.unwrap_or(Timestamp::UNIX_EPOCH).to_string()
    }

    /// How long it is.
    pub const fn duration(&self) -> Duration {
        duration_of(self.audio_bytes)
    }
}

/// Without numbers.
impl fmt::Debug for MessageRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, call, .. } = self;
        write!(f, "MessageRecord({id}, {call:?}, {:?})", self.duration())
    }
}

/// How far a message is. Its file's name says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageState {
    /// It waits for somebody to take it.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// Nobody took it, and nobody is asked any more.
    Undelivered,
}

impl MessageState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Undelivered];

    /// Its name, for files and people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}
