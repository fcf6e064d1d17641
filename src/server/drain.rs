//! The only spawn, and the end of the process: what runs is counted, so that its end can be waited for.

use std::fmt::Display;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::telemetry::Telemetry;

/// How far the process is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Everybody is served.
    Serving,
    /// Nobody new is let in; live calls go on.
    Stopping,
    /// Live calls are to end now.
    Draining,
}

/// The tasks of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    stage: Arc<watch::Sender<Stage>>,
    running: Arc<watch::Sender<usize>>,
    telemetry: Telemetry,
}

impl Tasks {
    pub(super) fn new(telemetry: Telemetry) -> Self {
        Self {
            stage: Arc::new(watch::Sender::new(Stage::Serving)),
            running: Arc::new(watch::Sender::new(0)),
            telemetry,
        }
    }

    /// Runs a future as a task of its own. A panic in it ends that task alone, and is counted and logged under `name`.
    pub(super) fn spawn(
        &self,
        name: impl Display + Send + 'static,
        future: impl Future<Output = ()> + Send + 'static,
    ) {
        let running = Running::new(&self.running);
        let telemetry = self.telemetry.clone();
        let task = async move {
            // Whatever the future shares with others is in order between two polls, and the future itself is dropped.
            if AssertUnwindSafe(future).catch_unwind().await.is_err() {
                telemetry.panicked(&name);
            }
            drop(running);
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one spawn, which drain waits for"
        )]
        drop(tokio::spawn(task));
    }

    /// Waits until no task runs.
    pub(super) async fn idle(&self) {
        let mut running = self.running.subscribe();
        // The sender is ours, so it is there.
        running.wait_for(|running| *running == 0).await.ok();
    }

    /// Waits until the process is this far on its way out.
    pub(super) async fn reached(&self, stage: Stage) {
        let mut stages = self.stage.subscribe();
        // The sender is ours, so it is there.
        stages.wait_for(|now| *now >= stage).await.ok();
    }

    /// Ends live calls now.
    pub(super) fn drain(&self) {
        self.stage.send_replace(Stage::Draining);
    }

    pub(super) fn handle(&self) -> Handle {
        Handle {
            stage: Arc::clone(&self.stage),
        }
    }
}

/// Counts a task for as long as it lives.
struct Running(Arc<watch::Sender<usize>>);

impl Running {
    fn new(running: &Arc<watch::Sender<usize>>) -> Self {
        running.send_modify(|running| *running += 1);
        Self(Arc::clone(running))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

/// Stops a server.
#[derive(Clone, Debug)]
pub struct Handle {
    stage: Arc<watch::Sender<Stage>>,
}

impl Handle {
    /// Lets nobody new in and gives live calls their grace; the second time, ends them.
    pub fn stop(&self) {
        self.stage.send_modify(|stage| {
            *stage = match stage {
                Stage::Serving => Stage::Stopping,
                Stage::Stopping | Stage::Draining => Stage::Draining,
            };
        });
    }
}

/// Stops the server at each SIGTERM or SIGINT; never comes back.
pub(super) fn stop_on_signals(handle: Handle) -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            handle.stop();
        }
    })
}
