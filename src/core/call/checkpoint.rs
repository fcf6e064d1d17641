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
    /// What is known of a call back.
    pub call_back: CallBack,
}

/// How far a call back is: no call asks for two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallBack {
    /// Nobody has asked for one.
    #[default]
    Open,
    /// It was asked for, and it is not known what became of that: it is not offered again.
    Asked,
    /// It is promised, by this call or an earlier one: the caller hears no more than that.
    Promised,
    /// A text was sent, and nobody rings before it is answered with YES: the caller hears no more than that.
    Texted,
}

/// Why a stream goes on with a call that had another before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The line was lost for a moment.
    LineLost,
    /// The person that the caller wanted could not be reached.
    TransferFailed,
    /// We have called the caller back.
    RingBack,
}
