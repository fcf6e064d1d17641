//! What is worth knowing, as values: [`crate::telemetry`] turns them into logs and counts. No number, name or word of a caller.

use std::time::Duration;

use crate::core::call::effect::EndReason;
use crate::core::call::input::Ignored;
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
        /// Whom it dials.
        provider: ProviderId,
        /// With which key.
        key: KeyId,
        /// Where the provider stands on the ladder.
        tier: Tier,
        /// How the dial is paid for.
        charge: Charge,
    },
    /// There is nothing to dial.
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
    /// Owed time without model speech ended.
    Gap {
        /// How long it was.
        after: Duration,
    },
    /// Owed time of more than a second without any sound ended.
    DeadAir {
        /// How long it was.
        lasted: Duration,
    },
    /// A prompt was played from the cache.
    Prompted(Prompt),
    /// A failed answer is asked for again on the same session.
    AskedAgain {
        /// Why it failed.
        fault: Fault,
    },
    /// The second of two dials was ready first.
    HedgeWon {
        /// The second dial's attempt.
        attempt: AttemptId,
    },
    /// The second of two dials was for nothing.
    HedgeWasted {
        /// The second dial's attempt.
        attempt: AttemptId,
    },
    /// The caller was told that nobody can be had.
    Apologized {
        /// Time since the call was last well: since its start, or since its session was lost.
        after: Duration,
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
