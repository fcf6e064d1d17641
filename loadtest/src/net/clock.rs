//! The run's one clock.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Time since the run began. All doubles share one, so that a stamp written by one is read by another.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self {
            zero: Instant::now(),
        }
    }

    /// Time since the start.
    pub fn now(self) -> Duration {
        self.zero.elapsed()
    }

    /// What the clock on the wall shows now, for dates that are shown.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where a run gets its time from"
    )]
    pub fn wall(self) -> SystemTime {
        SystemTime::now()
    }

    /// The moment of the runtime's timer at which this clock shows `at`.
    pub fn moment(self, at: Duration) -> Instant {
        self.zero + at
    }

    /// Waits until the clock shows `at`.
    pub async fn wait_until(self, at: Duration) {
        tokio::time::sleep_until(self.moment(at)).await;
    }
}
