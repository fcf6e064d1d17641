//! What the pool answers, and what it is told: values only.

use std::time::Duration;

use crate::core::fault::Fault;
use crate::core::ids::{KeyId, ProviderId, Tier};
use crate::core::pool::breaker::{BreakerState, Cause};
use crate::core::pool::seats::Seat;
use crate::core::time::Instant;

/// The answer to a request for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Dial this now, and report on it.
    Dial(Rung),
    /// Nothing now; ask again at this moment. Who does not ask within a quarter of a second of it has given up
    /// its place.
    Wait {
        /// When to ask again; later than now.
        until: Instant,
    },
    /// There is nothing to dial, and nothing worth waiting for.
    Nothing(Why),
}

/// A place for one session, taken until it is reported [`Report::Failed`] or [`Report::Ended`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// The name under which to report.
    pub seat: Seat,
    /// What to dial.
    pub provider: ProviderId,
    /// With which key.
    pub key: KeyId,
    /// Where it stands on the ladder.
    pub tier: Tier,
    /// How the dial is paid for.
    pub charge: Charge,
    /// The session that already waits there for this one, under the name of its spare; should it turn out dead, dial.
    /// `None`: there is none, so dial.
    pub spare: Option<Seat>,
    /// When to ask for a [hedge](super::Pool::hedge), from the dial on; `None`: not beside this one.
    pub hedge_after: Option<Duration>,
}

/// How a dial is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Charge {
    /// The first dial of a call; the budgets grow by it.
    First,
    /// A session takes the place of one that has expired or soon will; free.
    Rotation,
    /// The first dial of a live call at another provider; free.
    Move,
    /// The first redial of a live call at the same provider, from the reserve; or, where the fleet's budget is spent, one
    /// more dial of a live call that did not redial.
    Reserve,
    /// Any other dial of a call, from the fleet's budget; a redial too, where the reserve is spent.
    Extra,
    /// A second dial beside a slow one, from the hedges' and the fleet's budget.
    Hedge,
    /// A synthetic session that looks whether a provider is well again; free.
    Probe,
    /// A session that is dialled before anybody needs it; free.
    Spare,
    /// A session that speaks a prompt, to be recorded; free.
    Rendering,
    /// A session that writes down a message after the tone; free.
    Transcription,
}

impl Charge {
    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Rotation => "rotation",
            Self::Move => "move",
            Self::Reserve => "reserve",
            Self::Extra => "extra",
            Self::Hedge => "hedge",
            Self::Probe => "probe",
            Self::Spare => "spare",
            Self::Rendering => "rendering",
            Self::Transcription => "transcription",
        }
    }
}

/// Why there is nothing to dial; the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// The tenant is not one of the policy's.
    UnknownTenant,
    /// The tenant has as many sessions as it may have.
    TenantFull,
    /// The call has dialled as often as it may.
    TriedOut,
    /// A budget is spent.
    BudgetSpent,
    /// All who might take the call hold as many sessions as they may.
    Full,
    /// More wait than may wait.
    Crowded,
    /// All who might take the call rest, for longer than the call can wait.
    Resting,
    /// All who might take it have just come back, and a ring-back can wait.
    SlowStart,
    /// Nobody who might take the call is well.
    Open,
}

impl Why {
    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownTenant => "unknown_tenant",
            Self::TenantFull => "tenant_full",
            Self::TriedOut => "tried_out",
            Self::BudgetSpent => "budget_spent",
            Self::Full => "full",
            Self::Crowded => "crowded",
            Self::Resting => "resting",
            Self::SlowStart => "slow_start",
            Self::Open => "open",
        }
    }
}

/// What became of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// It is not ready after [`slow_after`](super::BreakerPolicy::slow_after); the dial goes on.
    Slow,
    /// It is configured and takes audio.
    Ready,
    /// A response was completed, with audio: the one thing that is a success.
    Answered {
        /// From the end of the caller's turn to the first audio.
        after: Duration,
    },
    /// A response failed; the session goes on.
    AnswerFailed(Fault),
    /// The dial failed, or the session is lost. Gives up the seat.
    Failed(Fault),
    /// We closed it, or gave up the dial, and nothing was wrong. Gives up the seat.
    Ended,
}

/// A change of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Whose.
    pub provider: ProviderId,
    /// The breaker of this key; `None`: that of the endpoint.
    pub key: Option<KeyId>,
    /// How it stood.
    pub from: BreakerState,
    /// How it stands.
    pub to: BreakerState,
    /// Why.
    pub cause: Cause,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That none is named as another, or not at all.
    fn are_told_apart(names: &[&str]) {
        for (index, name) in names.iter().enumerate() {
            assert!(!name.is_empty());
            assert!(!names[..index].contains(name), "{name}");
        }
    }

    #[test]
    fn charges_and_refusals_are_told_apart_in_metrics() {
        are_told_apart(&[
            Charge::First.name(),
            Charge::Rotation.name(),
            Charge::Move.name(),
            Charge::Reserve.name(),
            Charge::Extra.name(),
            Charge::Hedge.name(),
            Charge::Probe.name(),
            Charge::Spare.name(),
            Charge::Rendering.name(),
            Charge::Transcription.name(),
        ]);
        are_told_apart(&[
            Why::UnknownTenant.name(),
            Why::TenantFull.name(),
            Why::TriedOut.name(),
            Why::BudgetSpent.name(),
            Why::Full.name(),
            Why::Crowded.name(),
            Why::Resting.name(),
            Why::SlowStart.name(),
            Why::Open.name(),
        ]);
    }
}
