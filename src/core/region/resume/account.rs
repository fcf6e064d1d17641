//! What somebody knows of a call: the store, its home, or the node that is asked.

use crate::core::front::{Card, RESUMES_MAX, RESUMES_WITHIN};
use crate::core::region::{Peer, Version};
use crate::core::time::Utc;

/// What somebody knows of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account<C> {
    /// Its newest document, as far as they know.
    pub card: Card,
    /// Who holds, or held, that document's stream.
    pub owner: Peer,
    /// What is to become of it.
    pub fate: Fate,
    /// When it was put together again.
    pub resumed: Resumed,
    /// The newest checkpoint that they have.
    pub memory: Option<Remembered<C>>,
}

/// What is to become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on; if its stream is lost, that is a crash.
    GoesOn,
    /// It goes on, and its owner has closed its stream on purpose so that another takes it.
    HandedOver,
    /// Its caller is to be connected to a person, or is: what follows is known to the front door of its owner.
    Person,
    /// Everything was said.
    Ended,
}

/// A checkpoint as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered<C> {
    /// Which it is.
    pub version: Version,
    /// Whether the caller was speaking or was owed something when it was made.
    pub is_turn_open: bool,
    /// What it says; `None`: it was written by a newer version of ringback, and cannot be read.
    pub checkpoint: Option<C>,
}

/// When a call was put together again, the newest first; of older times nobody asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resumed(pub [Option<Utc>; RESUMES_MAX]);

impl Resumed {
    /// Whether it was put together as often as may be, just now.
    ///
    /// The times are other nodes': one that lies ahead by less than the window is a clock that goes ahead, not a lie.
    pub fn is_worn_out(self, utc: Utc) -> bool {
        let is_late = |at: Utc| utc.since(at) < RESUMES_WITHIN && at.since(utc) < RESUMES_WITHIN;
        self.0.iter().all(|at| at.is_some_and(is_late))
    }

    /// The same with one more.
    #[must_use]
    pub fn again(mut self, utc: Utc) -> Self {
        self.0.rotate_right(1);
        if let Some(newest) = self.0.first_mut() {
            *newest = Some(utc);
        }
        self
    }

    /// What both know, the newest of it.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut all: Vec<Utc> = self.0.into_iter().chain(other.0).flatten().collect();
        all.sort_unstable();
        all.dedup();
        let mut newest = Self::default();
        for (place, at) in newest.0.iter_mut().zip(all.into_iter().rev()) {
            *place = Some(at);
        }
        newest
    }
}
