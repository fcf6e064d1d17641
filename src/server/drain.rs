//! The only spawn, and the end of the process: what runs is counted, so that its end can be waited for.

use std::fmt::Display;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};

use crate::telemetry::Telemetry;

/// How far the process is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Everybody is served.
    Serving,
    /// No new call is taken; live ones go on.
    Stopping,
    /// Live calls are let go at their next pause, so that another process goes on with them.
    HandingOver,
    /// Live calls are to end now.
    Draining,
}

impl Stage {
    const ALL: [Self; 4] = [
        Self::Serving,
        Self::Stopping,
        Self::HandingOver,
        Self::Draining,
    ];

    /// Its name for operators.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Stopping => "stopping",
            Self::HandingOver => "handing_over",
            Self::Draining => "draining",
        }
    }
}

/// The tasks of a server. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    exit: Arc<Exit>,
    running: Arc<watch::Sender<usize>>,
    telemetry: Telemetry,
}

/// The way out.
#[derive(Debug)]
struct Exit {
    stage: watch::Sender<Stage>,
    /// The place of the stage in [`Stage::ALL`], for those who ask at every frame: the channel has a lock.
    seen: AtomicUsize,
    /// Wakes them when it moves.
    moved: Notify,
    /// It was the process's own decision.
    is_withdrawal: AtomicBool,
}

impl Exit {
    /// Goes on to the next stage, and never back.
    fn advance(&self, next: impl FnOnce(Stage) -> Stage) {
        self.stage.send_modify(|stage| {
            *stage = next(*stage).max(*stage);
            self.seen.store(*stage as usize, Ordering::Release);
        });
        self.moved.notify_waiters();
    }
}

impl Tasks {
    pub(super) fn new(telemetry: Telemetry) -> Self {
        let exit = Exit {
            stage: watch::Sender::new(Stage::Serving),
            seen: AtomicUsize::new(0),
            moved: Notify::new(),
            is_withdrawal: AtomicBool::new(false),
        };
        Self {
            exit: Arc::new(exit),
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
        let mut stages = self.exit.stage.subscribe();
        // The sender is ours, so it is there.
        stages.wait_for(|now| *now >= stage).await.ok();
    }

    /// How far the process is on its way out: cheap enough to be asked at every frame.
    pub(super) fn stage(&self) -> Stage {
        let seen = self.exit.seen.load(Ordering::Acquire);
        Stage::ALL.get(seen).copied().unwrap_or(Stage::Draining)
    }

    /// Wakes whoever has polled it when the stage moves next; there is no need to poll it again.
    pub(super) fn woken_when_moved(&self) -> Notified<'_> {
        self.exit.moved.notified()
    }

    /// Lets live calls go at their next pause.
    pub(super) fn hand_over(&self) {
        self.exit.advance(|_| Stage::HandingOver);
    }

    /// Ends live calls now.
    pub(super) fn drain(&self) {
        self.exit.advance(|_| Stage::Draining);
    }

    /// Whether the process goes by its own decision.
    pub(super) fn is_withdrawal(&self) -> bool {
        self.exit.is_withdrawal.load(Ordering::Acquire)
    }

    pub(super) fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.exit))
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
pub struct Handle(Arc<Exit>);

impl Handle {
    /// Takes no new call and gives live ones their grace, then lets them go at a pause; the second time, ends them.
    pub fn stop(&self) {
        self.0.advance(|stage| match stage {
            Stage::Serving => Stage::Stopping,
            Stage::Stopping | Stage::HandingOver | Stage::Draining => Stage::Draining,
        });
    }

    /// As [`stop`](Self::stop), by its own decision: it is no good here. Nothing more where it is stopping already.
    pub(super) fn withdraw(&self) {
        self.0.advance(|stage| {
            if stage == Stage::Serving {
                self.0.is_withdrawal.store(true, Ordering::Release);
            }
            stage.max(Stage::Stopping)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::telemetry::Count;

    #[tokio::test]
    async fn a_task_that_panics_is_counted_and_takes_nobody_along() {
        let telemetry = Telemetry::default();
        let tasks = Tasks::new(telemetry.clone());
        let handle = tasks.handle();
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn("the unlucky one", async move {
            let _held = held;
            panic!("on purpose");
        });
        let until = tasks.clone();
        tasks.spawn("the other one", async move {
            until.reached(Stage::Draining).await;
        });
        // What the task held is dropped with it: a caller's socket closes.
        assert!(dropped.await.is_err());
        while telemetry.counts().get(Count::Panics) == 0 {
            tokio::task::yield_now().await;
        }
        handle.stop();
        assert_eq!(tasks.stage(), Stage::Stopping);
        handle.stop();
        assert_eq!(tasks.stage(), Stage::Draining);
        tasks.hand_over();
        assert_eq!(tasks.stage(), Stage::Draining, "there is no way back");
        let idle = timeout(Duration::from_secs(20), tasks.idle()).await;
        assert!(idle.is_ok(), "the other one ended when it was told");
    }
}
