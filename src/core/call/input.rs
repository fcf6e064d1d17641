//! What a call is told.

use std::fmt;
use std::time::Duration;

use crate::core::audio::Frame;
use crate::core::call::checkpoint::{Checkpoint, Origin};
use crate::core::call::menu::{Caller, Menu, Promised, Recorded};
use crate::core::call::prompt::Prompts;
use crate::core::fault::{Fault, Refusal};
use crate::core::ids::{
    AccountSid, AttemptId, CallSid, ItemId, KeyId, ProviderId, StreamSid, Tier,
};
use crate::core::time::{Instant, Utc};

/// Everything that can happen to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The carrier said something.
    Carrier(CarrierEvent),
    /// A provider's session said something.
    Provider(AttemptId, ProviderEvent),
    /// What became of a wish to dial.
    DialAnswer(AttemptId, DialAnswer),
    /// The stream goes on with a call that had another stream; told before it starts.
    Resumed(Origin, Box<Checkpoint>),
    /// What is on offer should no model be left; told before the stream starts, or nothing is.
    Menu(Box<Menu>),
    /// What is known of the caller's number; told before the stream starts.
    Caller(Caller),
    /// What became of the wish to be called back.
    Promised(Promised),
    /// What became of the message after the tone.
    Recorded(Recorded),
    /// Models take calls again. Told to a call that has heard the apology; to any other it means nothing.
    ModelsBack,
    /// What is said to this caller without a model; known before the stream starts, or not at all.
    Prompts(Box<Prompts>),
    /// The [deadline](super::Call::deadline) is reached.
    Tick,
    /// The process is about to go: end the stream at the next pause, within
    /// [`hand_over_max`](super::CallSettings::hand_over_max) in any case, so that another one goes on with the call.
    HandOver,
    /// The process is going away: end the call now.
    Drain,
}

/// What becomes of a wish to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialAnswer {
    /// It is being dialled.
    Made {
        /// Where.
        provider: ProviderId,
        /// With which key.
        key: KeyId,
        /// On which rung of the ladder.
        tier: Tier,
        /// When it is slow by its provider's own measure, from now on; `None`: nothing is to be dialled beside it.
        hedge_after: Option<Duration>,
    },
    /// Not now: ask again at this time.
    Wait {
        /// When.
        until: Instant,
    },
    /// Nobody is left who could take the call.
    Nothing,
}

/// What a carrier's media stream says, in any carrier's dialect.
#[derive(Clone, Debug, PartialEq)]
pub enum CarrierEvent {
    /// The socket speaks the protocol; the stream has not started.
    Connected,
    /// The stream started.
    Started(Started),
    /// The caller's audio.
    Media(Frame),
    /// Audio before this mark was played, or was thrown away by a clear.
    Mark(Mark),
    /// A mark that we never sent.
    UnknownMark,
    /// The caller pressed a key.
    Key(Key),
    /// The stream stopped: the caller hung up, or the carrier runs another document.
    Stopped,
    /// The socket is gone.
    Closed,
    /// The carrier does not read: our write buffer overflowed.
    WriteOverflow,
    /// A message that is not accepted.
    Refused(Refusal),
    /// An event that we do not know; ignored.
    Unknown,
}

/// The start of a media stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// Whose account it is.
    pub account: AccountSid,
    /// The call, the same over all its streams.
    pub call: CallSid,
    /// This stream.
    pub stream: StreamSid,
}

/// The name of a mark: when it comes back, everything that was sent before it has left the carrier's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// How many clears had been sent before the mark: an older generation was flushed, not played.
    pub generation: u32,
    /// Counts the marks of a stream.
    pub number: u32,
}

/// A key of a phone: `0`–`9`, `*`, `#`, `A`–`D`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(u8);

impl Key {
    /// The key of this character; `None` if no phone has it.
    pub const fn parse(character: char) -> Option<Self> {
        match character {
            '0'..='9' | '*' | '#' | 'A'..='D' => Some(Self(character as u8)),
            _ => None,
        }
    }

    /// Its character.
    pub const fn character(self) -> char {
        self.0 as char
    }
}

/// Keys are a caller's words: codes, card numbers. They stay out of logs.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(_)")
    }
}

/// What a provider's session says, in any provider's dialect.
#[derive(Clone, PartialEq)]
pub enum ProviderEvent {
    /// The session exists, is configured for this call and takes µ-law from now on.
    Ready {
        /// When the provider will end it.
        expires_at: Option<Utc>,
    },
    /// The caller began to speak, as the provider hears it.
    SpeechStarted,
    /// The caller stopped speaking, as the provider hears it.
    SpeechStopped,
    /// A response is being made.
    ResponseStarted {
        /// The response.
        response: ResponseId,
    },
    /// The next audio of an item.
    Audio {
        /// The response that the item belongs to.
        response: ResponseId,
        /// The item.
        item: ItemId,
        /// The audio; base64 only where the item's offset and the delta are both multiples of 20 ms.
        frame: Frame,
    },
    /// The item has no more audio.
    AudioDone {
        /// The item.
        item: ItemId,
    },
    /// More of the text that belongs to an item's audio.
    AgentText {
        /// The response that the item belongs to.
        response: ResponseId,
        /// The item.
        item: ItemId,
        /// The next piece of text.
        text: Box<str>,
    },
    /// What the caller said, once it is transcribed: may come after the response to it.
    CallerText {
        /// The item.
        item: ItemId,
        /// The whole transcript.
        text: Box<str>,
    },
    /// The caller's words became an item of the conversation; its text may follow.
    CallerItem {
        /// The item.
        item: ItemId,
    },
    /// The model wants to end the call.
    Goodbye {
        /// The model's call of the tool, to be answered if the call goes on after all.
        tool_call: ToolCallId,
    },
    /// The response is over.
    ResponseDone {
        /// The response.
        response: ResponseId,
        /// How it went.
        outcome: ResponseOutcome,
    },
    /// The provider says that it failed; the session stays open.
    Stumbled(Fault),
    /// The socket's ping was answered.
    Pong,
    /// An error that harms nothing, or an event that we do not know.
    Ignored(Ignored),
    /// The session is lost, or could not be had.
    Failed(Fault),
}

/// Without the words of either side.
impl fmt::Debug for ProviderEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { expires_at } => write!(f, "Ready {{ expires_at: {expires_at:?} }}"),
            Self::SpeechStarted => f.write_str("SpeechStarted"),
            Self::SpeechStopped => f.write_str("SpeechStopped"),
            Self::ResponseStarted { response } => write!(f, "ResponseStarted({response:?})"),
            Self::Audio {
                response,
                item,
                frame,
            } => write!(f, "Audio({response:?}, {item}, {frame:?})"),
            Self::AudioDone { item } => write!(f, "AudioDone({item})"),
            Self::AgentText { item, text, .. } => {
                write!(f, "AgentText({item}, {} bytes)", text.len())
            }
            Self::CallerText { item, text } => {
                write!(f, "CallerText({item}, {} bytes)", text.len())
            }
            Self::CallerItem { item } => write!(f, "CallerItem({item})"),
            Self::Goodbye { tool_call } => write!(f, "Goodbye({tool_call:?})"),
            Self::ResponseDone { response, outcome } => {
                write!(f, "ResponseDone({response:?}, {outcome:?})")
            }
            Self::Stumbled(fault) => write!(f, "Stumbled({fault:?})"),
            Self::Pong => f.write_str("Pong"),
            Self::Ignored(what) => write!(f, "Ignored({what:?})"),
            Self::Failed(fault) => write!(f, "Failed({fault:?})"),
        }
    }
}

/// A provider's response, numbered by the adapter in the order in which they were first seen; unique within an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResponseId(pub u32);

/// A model's call of a tool, numbered by the adapter, which keeps the provider's own name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ToolCallId(pub u32);

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseOutcome {
    /// All of it was made.
    Completed,
    /// It was cancelled, by us or because the caller spoke.
    Cancelled,
    /// It was cut by a limit or a content filter.
    Incomplete,
    /// It failed.
    Failed(Fault),
}

/// What a provider sent that changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// An error that says that what we asked for was already so.
    HarmlessError,
    /// An event type that we do not know, or one that cannot mean anything yet.
    UnknownEvent,
    /// A response was asked for while another was being made: ask again when that is over.
    AlreadyResponding,
    /// An event of ours was refused, and only that event is lost: ours to mend.
    RejectedEvent,
    /// The model called a tool that it was not given.
    UndeclaredTool,
    /// What the caller said could not be written down; the model heard it all the same.
    NotTranscribed,
}
