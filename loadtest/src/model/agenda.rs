//! What a session has still to do, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::faults::{STORM_MAX, What};
use crate::peer::Action;

/// From how many things on an agenda on a client's wishes are refused.
pub(super) const AGENDA_MAX: usize = 1_024;

/// Something that a session does later.
#[derive(Debug)]
pub(super) enum Due {
    /// `session.created` goes out.
    Created,
    /// The session takes these settings and says so.
    Update(Value),
    /// The active response goes on, if this is still its plan.
    Step {
        /// See [`Response`](super::response::Response).
        plan: u64,
    },
    /// Something finished goes out.
    Act(Action),
    /// The transcript of a turn is ready.
    Transcript {
        item_id: String,
        text: String,
        spoken: Duration,
    },
    /// Something goes wrong.
    Fault(What),
    /// One more of many messages that mean nothing.
    Storm(Storm),
    /// The session reaches its maximum length.
    Expire,
}

/// Messages that mean nothing, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storm {
    /// They are errors; else events that nobody knows.
    pub(super) errors: bool,
    pub(super) gap: Duration,
    pub(super) left: u64,
}

impl Storm {
    pub(super) fn new(errors: bool, per_second: u32, lasts_ms: u32) -> Self {
        let per_second = per_second.clamp(1, STORM_MAX);
        Self {
            errors,
            gap: Duration::from_secs(1) / per_second,
            left: u64::from(per_second) * u64::from(lasts_ms) / 1_000,
        }
    }
}

/// Things to do, in the order of their times; of the same time, in the order in which they were planned.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    due: BTreeMap<(Duration, u64), Due>,
    planned: u64,
}

impl Agenda {
    /// Plans something.
    pub(super) fn plan(&mut self, at: Duration, due: Due) {
        self.planned += 1;
        self.due.insert((at, self.planned), due);
    }

    /// Whether a client must not make it any longer. What the session plans by itself is always planned: it is little.
    pub(super) fn is_full(&self) -> bool {
        self.due.len() >= AGENDA_MAX
    }

    /// When the next thing is due.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.due.keys().next().map(|&(at, _)| at)
    }

    /// Takes the next thing that is due by `now`.
    pub(super) fn take(&mut self, now: Duration) -> Option<Due> {
        (self.next_at()? <= now)
            .then(|| self.due.pop_first())
            .flatten()
            .map(|(_, due)| due)
    }

    /// Drops all but what cuts the connection, which happens to a frozen session too.
    pub(super) fn keep_ends(&mut self) {
        self.due
            .retain(|_, due| matches!(due, Due::Fault(What::Cut | What::Close { .. })));
    }

    pub(super) fn clear(&mut self) {
        self.due.clear();
    }
}
