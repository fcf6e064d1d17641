//! What a call counts by: both clocks, and the names of its attempts.

use crate::core::ids::AttemptId;
use crate::core::time::{Instant, Utc};

/// One moment on both clocks: when the carrier connected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) now: Instant,
    pub(super) utc: Utc,
}

impl Clock {
    pub(super) fn instant(self, utc: Option<Utc>) -> Option<Instant> {
        utc.map(|utc| self.now + utc.since(self.utc))
    }
}

/// Names attempts: none is used twice.
#[derive(Debug, Default)]
pub(super) struct Attempts(u32);

impl Attempts {
    /// Those of a stream: attempts are never named twice in a call, however many streams it has.
    pub(super) fn of_stream(streams_before: u16) -> Self {
        Self(u32::from(streams_before) << 16)
    }

    pub(super) fn next(&mut self) -> AttemptId {
        let attempt = AttemptId(self.0);
        self.0 += 1;
        attempt
    }
}
