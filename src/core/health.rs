//! Whether a node does what it is there for, and whether new calls are to come to it: results in, a verdict out.
//!
//! It is told what was found of each part and how long ago; who looks is the server's module of the same name. The rule above all
//! others is to *fail open*: a node that is out of something is not ready only where another one has it, so that the last one
//! standing answers the phone, if only with the apology. What that means, row by row: [`crate::docs::health`].

use std::time::Duration;

use crate::core::overload::Stage;
use crate::core::region::presence::Load;
use crate::core::time::Instant;

/// The longest that a result counts whatever it was made by: an older one is no ground to send callers elsewhere.
pub const RESULT_AGE_MAX: Duration = Duration::from_secs(10);

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A provider of models.
    Provider,
    /// The carrier's interface for orders.
    Carrier,
    /// What outlives the process.
    Store,
    /// What nodes share.
    Shared,
    /// The room on a disk.
    Disk,
    /// Something that an agent needs, as the settings say.
    Probe {
        /// Without it callers are better served elsewhere.
        is_required: bool,
    },
}

/// How a part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nobody has looked yet, or not for too long.
    Unknown,
    /// It does what it should.
    Ok,
    /// It does, but not as it should.
    Degraded,
    /// It does not.
    Failed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Ok, Self::Degraded, Self::Failed];

    /// Its name in answers, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }

    /// What is left of it now, if it was found at `at` and counts for `holds`.
    #[must_use]
    pub fn at_age(self, now: Instant, at: Instant, holds: Duration) -> Self {
        if now.since(at) <= holds {
            self
        } else {
            Self::Unknown
        }
    }
}

/// What was found of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub part: Part,
    /// How it stands.
    pub state: State,
}

/// What is true of this node at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Here {
    /// It is not on its way out.
    pub is_staying: bool,
    /// What is left out because there is too much to do.
    pub overload: Stage,
    /// There is a place for one more call.
    pub has_room: bool,
}

/// What a call that comes here would miss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Missing {
    /// A place: every one is taken, or there is more to do than can be done. Who comes hears that it is busy.
    Room,
    /// A model: every provider is out. Who comes hears the apology, and what is on offer.
    Provider,
    /// Something that its agent needs.
    Probe,
    /// A promise, or a message that is kept.
    Store,
}

impl Missing {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Room, Self::Provider, Self::Probe, Self::Store];

    /// Its name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Provider => "provider",
            Self::Probe => "probe",
            Self::Store => "store",
        }
    }
}

/// What a call that comes here would miss, the worst first; `None`: nothing that anybody knows of.
///
/// This is also what a node tells others of itself: one that misses something is no better place for anybody. So two nodes that miss
/// the same never wait for each other.
pub fn missing(here: Here, seen: &[Seen]) -> Option<Missing> {
    let states = |part: Part| {
        let of_it = seen.iter().filter(move |seen| seen.part == part);
        of_it.map(|seen| seen.state)
    };
    let is_out = |part| states(part).any(|state| state == State::Failed);
    let mut providers = states(Part::Provider).peekable();
    if !here.overload.allows_calls() || !here.has_room {
        Some(Missing::Room)
    } else if providers.peek().is_some() && providers.all(|state| state == State::Failed) {
        Some(Missing::Provider)
    } else if is_out(Part::Probe { is_required: true }) {
        Some(Missing::Probe)
    } else if is_out(Part::Store) {
        Some(Missing::Store)
    } else {
        None
    }
}

/// Whether new calls are to come here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// Yes, for want of another node that has what is missing.
    ReadyWithout(Missing),
    /// No: it is on its way out.
    Leaving,
    /// No: another node has what is missing here.
    BetterElsewhere(Missing),
}

impl Readiness {
    /// Decides. `is_elsewhere_better`: another node takes calls, has room and misses nothing, by its own word.
    pub const fn of(here: Here, missing: Option<Missing>, is_elsewhere_better: bool) -> Self {
        match missing {
            _ if !here.is_staying => Self::Leaving,
            None => Self::Ready,
            Some(missing) if is_elsewhere_better => Self::BetterElsewhere(missing),
            Some(missing) => Self::ReadyWithout(missing),
        }
    }

    /// Whether new calls are to come here.
    pub const fn is_ready(self) -> bool {
        match self {
            Self::Ready | Self::ReadyWithout(_) => true,
            Self::Leaving | Self::BetterElsewhere(_) => false,
        }
    }

    /// What is missing here.
    pub const fn missing(self) -> Option<Missing> {
        match self {
            Self::ReadyWithout(missing) | Self::BetterElsewhere(missing) => Some(missing),
            Self::Ready | Self::Leaving => None,
        }
    }
}

/// Whether a node that says this of itself is a better place for a caller who would miss something elsewhere.
pub fn is_whole(load: Load) -> bool {
    load.takes_calls && load.has_provider && load.is_whole && load.permille() < 1_000
}

/// How a node stands as a whole, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// All is as it should be, as far as anybody has looked.
    Well,
    /// Calls are served, and something is not as it should be.
    Degraded,
    /// New calls are not served as they should be, or not at all.
    Failing,
}

impl Condition {
    /// Its name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
        }
    }
}

/// How the node stands as a whole. That it is on its way out is no fault of its.
pub fn condition(here: Here, seen: &[Seen]) -> Condition {
    let is_troubled = |seen: &Seen| seen.state >= State::Degraded;
    match missing(here, seen) {
        Some(Missing::Room | Missing::Provider | Missing::Probe) => Condition::Failing,
        Some(Missing::Store) => Condition::Degraded,
        None if !here.overload.allows_extras() || seen.iter().any(is_troubled) => {
            Condition::Degraded
        }
        None => Condition::Well,
    }
}

#[cfg(test)]
mod tests;
