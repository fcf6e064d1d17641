//! Who dialled a provider, when, and what became of it: for plans that ask whether a client storms.

use std::{collections::BTreeMap, time::Duration};

use super::report::Bounded;
use crate::key::KeyMark;

/// One dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dial {
    /// When the provider decided about it, since its windows count.
    pub at: Duration,
    /// The key that was shown, if it came so far.
    pub key: Option<KeyMark>,
    /// What became of it.
    pub end: End,
}

/// What became of a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A session, of this number.
    Opened(u32),
    /// Refused with this status.
    Refused(u16),
    /// It was never answered.
    Hung,
    /// The connection was reset.
    Reset,
}

/// The dials of one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    /// Sessions.
    pub opened: u32,
    /// Refusals.
    pub refused: u32,
    /// Dials that were never answered.
    pub hung: u32,
    /// Connections that were reset.
    pub reset: u32,
}

/// The dials of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dials {
    /// The first of them, in order.
    pub list: Bounded<Dial>,
    /// How many there were in each second that had any, since its windows count; the first [`SECONDS_MAX`] of them.
    pub seconds: BTreeMap<u64, Second>,
}

/// A day: nobody watches that long.
pub const SECONDS_MAX: usize = 86_400;

impl Dials {
    pub(super) fn note(&mut self, at: Duration, key: Option<KeyMark>, end: End) {
        self.list.push(Dial { at, key, end });
        let has_room = self.seconds.len() < SECONDS_MAX || self.seconds.contains_key(&at.as_secs());
        if has_room {
            let second = self.seconds.entry(at.as_secs()).or_default();
            let count = match end {
                End::Opened(_) => &mut second.opened,
                End::Refused(_) => &mut second.refused,
                End::Hung => &mut second.hung,
                End::Reset => &mut second.reset,
            };
            *count += 1;
        }
    }

    /// All of them together.
    pub fn total(&self) -> Second {
        self.seconds
            .values()
            .fold(Second::default(), |sum, second| Second {
                opened: sum.opened + second.opened,
                refused: sum.refused + second.refused,
                hung: sum.hung + second.hung,
                reset: sum.reset + second.reset,
            })
    }
}

impl Second {
    /// How many dials, whatever became of them.
    pub fn dials(&self) -> u32 {
        self.opened + self.refused + self.hung + self.reset
    }
}
