//! The way out of a process with its calls: in which order they are given time, a pause, and an end.
//!
//! It owns the order and its limits. The stages, and who is told of them, are [`super::drain`]'s; what a call does when it is told is
//! [`crate::core::call`]'s.

use std::time::Duration;

use super::Shared;
use super::drain::Stage;

/// How long after its limit a call may hear its last words out when it is to be handed over.
const LAST_WORDS_MAX: Duration = Duration::from_secs(3);

/// How often it is looked whether the last call is gone when the process stops.
const LOOKED_EVERY: Duration = Duration::from_millis(50);

/// What became of the calls that were live when the process was told to stop.
pub(super) struct Left {
    /// How many there were.
    pub(super) live: usize,
    /// How many did not end by themselves, and were let go at a pause or at the limit.
    pub(super) handed_over: usize,
    /// How many were still there after it, and were ended.
    pub(super) ended: usize,
}

impl Shared {
    /// Waits until the process is told to stop, then until its calls are gone: by themselves, at a pause, or by force.
    pub(super) async fn leave(&self, grace: Duration) -> Left {
        let tasks = &self.tasks;
        tasks.reached(Stage::Stopping).await;
        let live = self.calls.live();
        tracing::info!(live, grace_ms = grace.as_millis(), "stopping");
        tokio::select! {
            () = self.emptied() => {}
            () = tasks.reached(Stage::HandingOver) => {}
            () = tokio::time::sleep(grace) => {}
        }
        let handed_over = self.calls.live();
        tasks.hand_over();
        tokio::select! {
            () = self.emptied() => {}
            () = tasks.reached(Stage::Draining) => {}
            () = tokio::time::sleep(self.settings.hand_over_max + LAST_WORDS_MAX) => {}
        }
        let ended = self.calls.live();
        tasks.drain();
        Left {
            live,
            handed_over,
            ended,
        }
    }

    /// Waits until there is no call.
    async fn emptied(&self) {
        while self.calls.sockets() > 0 {
            tokio::time::sleep(LOOKED_EVERY).await;
        }
    }
}
