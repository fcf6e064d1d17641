//! Which sessions a call had, one after the other, and what its caller was doing when one was lost.

use std::time::Duration;

use loadtest::carrier::Happening;
use loadtest::model::report::SessionReport;
use ringback::core::fault::Fault;
use ringback::core::ids::AttemptId;
use ringback::core::observation::Observation;

use crate::setup::Life;

/// A session that the call was live with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reign<'a> {
    pub(crate) attempt: AttemptId,
    pub(crate) session: &'a SessionReport,
    pub(crate) from: Duration,
    /// When the call lost it or left it, or was over.
    pub(crate) until: Duration,
}

impl Reign<'_> {
    /// Whether something was wrong with it before it could take in what it was told.
    pub(crate) fn was_ill_at_once(&self) -> bool {
        let first = self.session.first_fault;
        first.is_some_and(|first| first < self.from + AT_ONCE)
    }
}

/// A session that takes over is told everything at once.
const AT_ONCE: Duration = Duration::from_millis(50);

/// The sessions that the call was live with, in order.
pub(crate) fn reigns(life: &Life) -> Vec<Reign<'_>> {
    let mut begun: Vec<(Duration, AttemptId)> = Vec::new();
    let mut is_first_of_stream = true;
    for (at, seen) in &life.observations {
        match seen {
            Observation::CallStarted { .. } => is_first_of_stream = true,
            Observation::SessionReady { attempt, .. } if is_first_of_stream => {
                is_first_of_stream = false;
                begun.push((*at, *attempt));
            }
            Observation::FailedOver { attempt, .. } | Observation::Rotated { attempt }
                if begun.last().is_none_or(|(_, last)| last != attempt) =>
            {
                begun.push((*at, *attempt));
            }
            _ => {}
        }
    }
    let reign = |(from, attempt)| {
        let leg = life.legs.get(&attempt)?;
        Some(Reign {
            attempt,
            session: leg.session.as_ref()?,
            from,
            until: leg.released_at.unwrap_or(life.lasted),
        })
    };
    begun.into_iter().filter_map(reign).collect()
}

/// What the caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doing {
    /// Nothing: there has been no session yet for this attempt.
    Connecting,
    Speaking,
    Waiting,
    /// Hears the answer.
    Listening,
    Idle,
}

impl Doing {
    pub(crate) const ALL: [Self; 5] = [
        Self::Connecting,
        Self::Speaking,
        Self::Waiting,
        Self::Listening,
        Self::Idle,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Speaking => "speaking",
            Self::Waiting => "waiting",
            Self::Listening => "answering",
            Self::Idle => "idle",
        }
    }
}

/// What the caller did at this time, as far as the phone knows.
pub(crate) fn doing(life: &Life, at: Duration) -> Doing {
    let mut doing = Doing::Waiting;
    for (when, what) in &life.happenings {
        if *when > at {
            break;
        }
        doing = match (doing, what) {
            (_, Happening::TurnBegan { .. }) => Doing::Speaking,
            (
                _,
                Happening::Started
                | Happening::TurnEnded { .. }
                | Happening::Key { .. }
                | Happening::MenuKey,
            ) => Doing::Waiting,
            // A prompt passes for the greeting.
            (_, Happening::AgentBegan { after: Some(_) }) if spoke(life, *when) => Doing::Listening,
            (Doing::Listening, Happening::AgentEnded | Happening::Cleared { .. }) => Doing::Idle,
            (
                _,
                Happening::AgentBegan { .. }
                | Happening::PromptBegan { .. }
                | Happening::AgentEnded
                | Happening::Cleared { .. }
                | Happening::Violated(_)
                | Happening::Ended(_),
            ) => doing,
        };
    }
    doing
}

/// Whether any model was heard by then.
fn spoke(life: &Life, by: Duration) -> bool {
    let mut items = life.phone.items.iter();
    items.any(|item| item.first_played.is_some_and(|at| at <= by))
}

/// An attempt that failed: which, when, why, and what the caller did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) attempt: AttemptId,
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
    pub(crate) doing: Doing,
}

/// All attempts that failed.
pub(crate) fn failures(life: &Life) -> impl Iterator<Item = Failure> {
    life.observations.iter().filter_map(|(at, seen)| {
        let Observation::AttemptFailed { attempt, fault } = *seen else {
            return None;
        };
        let ready_at = life.legs.get(&attempt).and_then(|leg| leg.ready_at);
        let doing = match ready_at {
            Some(ready_at) if ready_at < *at => doing(life, *at),
            Some(_) | None => Doing::Connecting,
        };
        Some(Failure {
            attempt,
            at: *at,
            fault,
            doing,
        })
    })
}
