//! Decides what a caller gets before, between and after the streams of their call: an agent, a busy tone, an apology, a person,
//! the end.
//!
//! It owns those decisions and what they need to remember: which calls have ended ([`Endings`]), which tokens were used and
//! which answers were given ([`Expiring`]), and who has come with bad papers too often ([`Strangers`]). It must not know how a
//! carrier asks, or how a document is written: [`crate::carrier`] does. Everything is bounded in number and in time.

mod answer;
mod endings;
mod expiring;
mod next;
mod reach;
mod strangers;

pub use self::answer::{House, Welcome, answer};
pub use self::endings::{
    CALLS_REMEMBERED, Endings, Known, People, Person, RESUMES_MAX, RESUMES_WITHIN, Standing,
    WITH_PERSON_MAX,
};
pub use self::expiring::{Expiring, Full};
pub use self::next::{Failed, Next, Over, fallback, next, receive};
pub use self::reach::{Means, Reach, Wish};
pub use self::strangers::{STRANGERS_REMEMBERED, Strangers};

use crate::core::ids::CallId;

/// What a document says of its call: which call it is, and which of its documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Card {
    /// The call.
    pub id: CallId,
    /// Counts the call's documents that connect a stream. A stream of an older one gives way to one of a newer one.
    pub epoch: u32,
}

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A caller called us.
    Inbound,
    /// We called.
    Outbound,
}

impl Direction {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "in",
            Self::Outbound => "out",
        }
    }

    /// What is written so.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Inbound, Self::Outbound]
            .into_iter()
            .find(|direction| direction.name() == text)
    }
}

/// How far a call has come, as the carrier tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nobody has answered: it can still be refused, which costs nobody anything.
    Ringing,
    /// It was answered.
    Answered,
    /// It is over, however it went.
    Over,
}
