//! The phases of a call. A phase carries its own data.

use crate::core::call::line::Line;
use crate::core::call::live::Live;
use crate::core::call::menu::Apologizing;
use crate::core::call::parting::Parting;
use crate::core::call::reaching::Reaching;
use crate::core::ids::AttemptId;
use crate::core::time::Instant;

/// Where a call stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// The socket is open; its stream has not started.
    Waiting { give_up_at: Instant },
    /// The stream runs; a session is sought: the first one, or another for one that is lost.
    Reaching(Box<Reaching>),
    /// A session takes the caller's audio.
    Live(Box<Live>),
    /// No session is left: the caller hears an apology, and has the menu.
    Apologizing(Box<Apologizing>),
    /// No session is left or needed: the last words are heard out.
    Parting(Box<Parting>),
    /// It is over; nothing is heard and nothing is done any more.
    Ended,
}

impl Phase {
    /// The carrier's side, once the stream has started.
    pub(super) fn line(&mut self) -> Option<&mut Line> {
        match self {
            Self::Reaching(reaching) => Some(&mut reaching.line),
            Self::Live(live) => Some(&mut live.line),
            Self::Apologizing(apologizing) => Some(&mut apologizing.line),
            Self::Parting(parting) => Some(&mut parting.line),
            Self::Waiting { .. } | Self::Ended => None,
        }
    }

    /// The attempts that are dialled or live.
    pub(super) fn attempts(&self) -> Vec<AttemptId> {
        match self {
            Self::Reaching(reaching) => reaching.dialling.attempts().collect(),
            Self::Live(live) => live.attempts().collect(),
            Self::Apologizing(apologizing) => apologizing.attempts(),
            Self::Waiting { .. } | Self::Parting(_) | Self::Ended => Vec::new(),
        }
    }
}
