//! What is worth knowing, as values: [`crate::telemetry`] turns them into logs and counts. No number, name or word of a caller.

use std::time::Duration;

use crate::core::call::effect::EndReason;
use crate::core::call::input::Ignored;
use crate::core::call::menu::{Choice, Left, Told};
use crate::core::call::prompt::Prompt;
use crate::core::fault::{Fault, Refusal};
use crate::core::ids::{AttemptId, CallSid, KeyId, ProviderId, StreamSid, Tier};
use crate::core::pool::{Charge, Why};

/// One thing that happened in a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// The carrier's stream started.
    CallStarted {
        /// The carrier's name of the call.
        call: CallSid,
        /// The carrier's name of the stream.
        stream: StreamSid,
    },
    /// A dial was admitted.
    Dialled {
        /// The attempt.
        attempt: AttemptId,
        /// Where.
        provider: ProviderId,
        /// With which key.
        key: KeyId,
        /// On which rung of the ladder.
        tier: Tier,
        /// How it is paid for.
        charge: Charge,
    },
    /// Nobody is left who could take the call.
    NotAdmitted(Why),
    /// A provider session is ready.
    SessionReady {
        /// The attempt.
        attempt: AttemptId,
        /// Time since it was dialled.
        after: Duration,
    },
    /// A provider session failed, or could not be had.
    AttemptFailed {
        /// The attempt.
        attempt: AttemptId,
        /// What happened.
        fault: Fault,
    },
    /// A live session is lost, and another is sought.
    FailingOver {
        /// The attempt that was lost.
        attempt: AttemptId,
        /// Why.
        fault: Fault,
    },
    /// The call goes on with another session.
    FailedOver {
        /// The new attempt.
        attempt: AttemptId,
        /// Time since the one before was lost.
        after: Duration,
    },
    /// An answer that failed is asked for again from the same session.
    AskedAgain {
        /// Why it failed.
        fault: Fault,
    },
    /// Of two dials the one that was made beside a slow one was ready first.
    HedgeWon {
        /// The attempt that was made beside the slow one.
        attempt: AttemptId,
    },
    /// Of two dials the one that was made beside a slow one was not needed.
    HedgeWasted {
        /// The attempt that was made beside the slow one.
        attempt: AttemptId,
    },
    /// A prompt was played.
    Prompted(Prompt),
    /// What was owed came, or is owed no more.
    Gap {
        /// Time without the model's speech while it was owed.
        after: Duration,
    },
    /// The caller was owed something and heard nothing.
    DeadAir {
        /// For how long at a stretch; shorter ones than a second are not told.
        lasted: Duration,
    },
    /// No model is left for the caller.
    Apologized {
        /// Time since the stream started.
        after: Duration,
    },
    /// A caller without a model chose what there is instead.
    Chose(Choice),
    /// A caller who wants to be called back was told this.
    CallBackTold {
        /// What.
        told: Told,
        /// Time since it was asked for.
        after: Duration,
    },
    /// A message after the tone is over.
    MessageOver(Left),
    /// A model is back while the menu was heard: the call goes on with it.
    Returned {
        /// The new attempt.
        attempt: AttemptId,
        /// Time since the apology began.
        after: Duration,
    },
    /// The first audio for the caller was sent.
    FirstAudio {
        /// Time since the stream started.
        after: Duration,
    },
    /// The first audio of an answer was sent.
    Answered {
        /// Time since the caller stopped speaking.
        after: Duration,
    },
    /// The caller interrupted the agent.
    BargedIn {
        /// How much of the item that was playing had been heard.
        heard: Duration,
    },
    /// The conversation moved to a fresh session because the old one was about to expire.
    Rotated {
        /// The new attempt.
        attempt: AttemptId,
    },
    /// Caller's audio was dropped because the ring was full.
    UplinkOverflowed {
        /// Bytes of µ-law.
        bytes: usize,
    },
    /// More audio than may be held: the response was cancelled.
    HeldOverflowed,
    /// Audio of a cut item arrived and was dropped.
    LateAudio,
    /// An event of an attempt that is not current was dropped.
    LateEvent,
    /// A mark came back that was never sent, or not in this generation.
    UnknownMark,
    /// A carrier's message was refused.
    MessageRefused(Refusal),
    /// A carrier's event that we do not know was ignored.
    UnknownCarrierEvent,
    /// A provider's event changed nothing.
    ProviderIgnored(Ignored),
    /// A response failed or was cut short by the provider.
    ResponseFailed {
        /// Why, if the provider said so.
        fault: Option<Fault>,
    },
    /// The call is over.
    CallEnded {
        /// Why.
        reason: EndReason,
        /// How long the stream lasted.
        lasted: Duration,
    },
}
