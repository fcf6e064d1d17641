//! What a call wants done.

use std::fmt;
use std::time::Duration;

use crate::core::audio::Frame;
use crate::core::call::checkpoint::Checkpoint;
use crate::core::call::input::{Mark, ResponseId, ToolCallId};
use crate::core::call::memory::Memory;
use crate::core::call::menu::{Record, Wish};
use crate::core::fault::{Fault, Refusal};
use crate::core::ids::{AttemptId, ItemId};
use crate::core::observation::Observation;

/// One thing to do, in the order in which it was decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Open a provider session under this name, if and where the pool admits it. Answered by a
    /// [`DialAnswer`](super::input::DialAnswer), and if a dial was made by its events.
    Dial(AttemptId, DialKind),
    /// Tell the pool how an attempt fares.
    Report(AttemptId, Report),
    /// Close this attempt's session, or stop dialling it. Nothing more is heard of it.
    Abandon(AttemptId),
    /// Send to the carrier.
    ToCarrier(CarrierCommand),
    /// Send to a provider's session.
    ToProvider(AttemptId, ProviderCommand),
    /// Keep this for a stream that goes on with the call, should this one be lost. Nothing waits for it.
    Checkpoint(Box<Checkpoint>),
    /// Promise the caller a call back, durably. Answered by an
    /// [`Input::Promised`](super::input::Input::Promised); what is answered late is not told to anybody.
    Promise(Wish),
    /// Keep the caller's audio as a message. Its end, if it is to be kept, is answered by an
    /// [`Input::Recorded`](super::input::Input::Recorded).
    Record(Record),
    /// The call is over: close the carrier's socket. Always the last effect of a call.
    EndCall(EndReason),
    /// Something worth knowing.
    Observe(Observation),
}

/// What a dial is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialKind {
    /// The call has no session.
    Needed,
    /// The call has none, and this attempt is slow by its provider's own measure: whoever is ready first wins.
    Beside(AttemptId),
    /// This session will expire, or has: another is to follow it.
    Successor(AttemptId),
}

/// How an attempt fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// It is not ready although it should be; the dial goes on.
    Slow,
    /// It is configured and takes audio.
    Ready,
    /// A response was completed, with audio.
    Answered {
        /// From the end of the caller's turn to the first audio.
        after: Duration,
    },
    /// A response failed; the session goes on.
    AnswerFailed(Fault),
    /// The dial failed, or the session is lost.
    Failed(Fault),
}

/// What a carrier can be told.
#[derive(Clone, Debug, PartialEq)]
pub enum CarrierCommand {
    /// Play this after what is buffered; always a multiple of 20 ms.
    Media(Frame),
    /// Say when everything before this has been played.
    Mark(Mark),
    /// Throw away what is buffered.
    Clear,
}

/// What a provider's session can be told.
#[derive(Clone, PartialEq)]
pub enum ProviderCommand {
    /// The caller's next audio.
    Append(Frame),
    /// Speak the agent's greeting.
    Greet,
    /// Answer what the conversation holds.
    Respond,
    /// Go on with the answer that was cut, from where it was cut.
    Continue,
    /// Speak exactly these words, beside the conversation. A call never asks for it: recordings are made so.
    Recite(Box<str>),
    /// What was appended is a turn of the caller's as a whole, whoever has the word. A call never asks for it, since its provider
    /// finds the ends of turns: recordings are transcribed so.
    Commit,
    /// Stop making this response. Another one, which may have begun meanwhile, goes on.
    CancelResponse(ResponseId),
    /// The caller heard only this much of an item.
    Truncate {
        /// The item.
        item: ItemId,
        /// How much of it was heard.
        heard: Duration,
    },
    /// The caller heard nothing of an item.
    Delete {
        /// The item.
        item: ItemId,
    },
    /// What the caller keyed in.
    Keys(Box<str>),
    /// The call that the model wanted to end goes on: the caller spoke.
    GoodbyeDeclined(ToolCallId),
    /// What was said before this session.
    Seed {
        /// The conversation, as it was heard.
        memory: Memory,
        /// Why there is one.
        occasion: Occasion,
    },
    /// Ask the socket for a sign of life.
    Ping,
}

/// Without the words of either side.
impl fmt::Debug for ProviderCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append(frame) => write!(f, "Append({frame:?})"),
            Self::Greet => f.write_str("Greet"),
            Self::Respond => f.write_str("Respond"),
            Self::Commit => f.write_str("Commit"),
            Self::CancelResponse(response) => write!(f, "CancelResponse({response:?})"),
            Self::Truncate { item, heard } => write!(f, "Truncate({item}, {heard:?})"),
            Self::Delete { item } => write!(f, "Delete({item})"),
            Self::Keys(keys) => write!(f, "Keys({} keys)", keys.len()),
            Self::GoodbyeDeclined(tool_call) => write!(f, "GoodbyeDeclined({tool_call:?})"),
            Self::Continue => f.write_str("Continue"),
            Self::Recite(text) => write!(f, "Recite({} bytes)", text.len()),
            Self::Seed { memory, occasion } => write!(f, "Seed({memory:?}, {occasion:?})"),
            Self::Ping => f.write_str("Ping"),
        }
    }
}

/// Why words were said before a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The caller was greeted from the cache: nothing else was said.
    Greeted,
    /// The session before it is gone.
    Reconnected,
    /// The line itself was lost for a moment.
    Resumed {
        /// The caller's last words may be lost, too.
        is_mid_turn: bool,
    },
    /// We have called back a caller whom no model was left for, and said so.
    RungBack,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The caller hung up.
    CallerHungUp,
    /// The model said goodbye, and the caller heard it.
    Goodbye,
    /// The carrier's socket went away without a `stop`.
    CarrierGone,
    /// The carrier's socket is open, but nothing comes any more.
    CarrierSilent,
    /// The carrier does not read.
    CarrierStuck,
    /// The socket never started a stream.
    NeverStarted,
    /// What the carrier sent was refused.
    Refused(Refusal),
    /// No model was left: the caller heard an apology, and nothing came of what was offered.
    Apologized,
    /// No model was left: the caller is promised a call back.
    Promised,
    /// No model was left: the caller has left a message.
    MessageLeft,
    /// No model was left: the caller is to be connected to a person.
    Transferred,
    /// The process is going away.
    Drained,
}

impl EndReason {
    /// Whether the phone call may go on, with another stream: the caller has not left, and has not been sent away. One
    /// who is transferred comes back if nobody answers.
    pub const fn may_go_on(self) -> bool {
        match self {
            Self::CarrierGone
            | Self::CarrierSilent
            | Self::CarrierStuck
            | Self::Transferred
            | Self::Drained => true,
            Self::CallerHungUp
            | Self::Goodbye
            | Self::NeverStarted
            | Self::Refused(_)
            | Self::Apologized
            | Self::Promised
            | Self::MessageLeft => false,
        }
    }

    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallerHungUp => "caller_hung_up",
            Self::Goodbye => "goodbye",
            Self::CarrierGone => "carrier_gone",
            Self::CarrierSilent => "carrier_silent",
            Self::CarrierStuck => "carrier_stuck",
            Self::NeverStarted => "never_started",
            Self::Refused(_) => "refused",
            Self::Apologized => "apologized",
            Self::Promised => "promised",
            Self::MessageLeft => "message_left",
            Self::Transferred => "transferred",
            Self::Drained => "drained",
        }
    }
}

/// The effects of one input, in order; reused from input to input so that the path of a frame allocates nothing.
#[derive(Debug, Default)]
pub struct Effects(Vec<Effect>);

impl Effects {
    /// An empty list.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends an effect.
    pub fn push(&mut self, effect: Effect) {
        self.0.push(effect);
    }

    /// Appends something for the carrier.
    pub fn to_carrier(&mut self, command: CarrierCommand) {
        self.push(Effect::ToCarrier(command));
    }

    /// Appends something for a provider's session.
    pub fn to_provider(&mut self, attempt: AttemptId, command: ProviderCommand) {
        self.push(Effect::ToProvider(attempt, command));
    }

    /// Appends an observation.
    pub fn observe(&mut self, observation: Observation) {
        self.push(Effect::Observe(observation));
    }

    /// Takes the effects out, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = Effect> + '_ {
        self.0.drain(..)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
