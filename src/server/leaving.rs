//! The way out of a process with its calls: in which order they are given time, a pause, and an end.
//!
//! It carries out what [`crate::core::region::drain`] says and counts the calls. Who is told of the stages is [`super::drain`]'s;
//! what a call does when it is told is [`crate::core::call`]'s.

use std::time::Duration;

use tokio::time::{sleep, sleep_until};

use super::drain::{self as way_out, Stage};
use super::{Server, Shared, StartError};
use crate::core::region::drain::{self, Drain, DrainSettings, Report};

/// How long after its limit a call may hear its last words out when it is to be handed over.
const LAST_WORDS_MAX: Duration = Duration::from_secs(3);

/// How long live calls may take to be ended by us: longer than a goodbye to both sides takes.
const LAST: Duration = Duration::from_secs(5);

/// How often it is looked whether the last call is gone when the process stops.
const LOOKED_EVERY: Duration = Duration::from_millis(50);

/// Why a server has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was told to stop.
    Told,
    /// It has withdrawn: its calls fared worse than those of the other nodes.
    Withdrawn,
}

impl Server {
    /// Serves until SIGTERM or SIGINT, or until it withdraws; a second signal cuts the grace short.
    pub async fn run_until_signalled(self) -> Result<Ending, StartError> {
        let signals = way_out::stop_on_signals(self.handle()).map_err(StartError::Signals)?;
        let tasks = self.shared.tasks.clone();
        tokio::select! {
            () = self.run() => {}
            () = signals => {}
        }
        Ok(if tasks.is_withdrawal() {
            Ending::Withdrawn
        } else {
            Ending::Told
        })
    }
}

impl Shared {
    /// Waits until the process is told to stop, then until its calls are gone: by themselves, at a pause, or by force.
    pub(super) async fn leave(&self, grace: Duration) -> Report {
        let (clock, tasks) = (self.clock, &self.tasks);
        tasks.reached(Stage::Stopping).await;
        // Whoever withdraws does its calls no good: they are better off elsewhere at once.
        let grace = if tasks.is_withdrawal() {
            Duration::ZERO
        } else {
            grace
        };
        let mut drain = Drain::new(DrainSettings {
            grace,
            hand_over: self.settings.hand_over_max + LAST_WORDS_MAX,
            last: LAST,
        });
        let live = self.calls.sockets();
        tracing::info!(live, grace_ms = grace.as_millis(), "stopping");
        drain.begin(clock.now(), live);
        while let Some(until) = drain.deadline() {
            match drain.stage() {
                drain::Stage::Serving | drain::Stage::Stopping => {}
                drain::Stage::HandingOver => tasks.hand_over(),
                drain::Stage::Draining | drain::Stage::Done => tasks.drain(),
            }
            tokio::select! {
                () = self.emptied() => {}
                () = sleep_until(clock.timer_at(until)) => {}
                // An operator is in a hurry.
                () = tasks.reached(Stage::Draining), if drain.stage() < drain::Stage::Draining => {
                    drain.hurry(clock.now(), self.calls.sockets());
                }
            }
            drain.tick(clock.now(), self.calls.sockets());
        }
        tasks.drain();
        drain.report()
    }

    /// Waits until there is no call.
    async fn emptied(&self) {
        while self.calls.sockets() > 0 {
            sleep(LOOKED_EVERY).await;
        }
    }
}
