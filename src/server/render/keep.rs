//! The task that renders beside the calls: one session at a time, at most one in an interval, and only while all is well.
//!
//! What it makes is played in calls that begin later; nothing waits for it. A text that is refused is spoken once more and then given
//! up until the next start: words that no model gets right must not be paid for for ever. While a provider fails, the interval grows.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::press::{Unpressed, look, press};
use super::recite::{Recited, Studio, recite};
use crate::audio::prompts::store::{Key, Store, Stored};
use crate::audio::prompts::verify::Refused;
use crate::audio::prompts::{Tongues, Wanted};
use crate::config::Rendering;
use crate::core::fault::Fault;
use crate::core::pool::{Report, Rung};
use crate::server::Shared;
use crate::server::drain::Stage;
use crate::telemetry::{RenderingEnd, Rendition};

/// How many texts are remembered at once; what is beyond it is looked for when these are done.
const WANTED_MAX: usize = 4_096;

/// Sessions for one text whose words or sound are refused.
const REFUSALS_MAX: u32 = 2;

/// Sessions for one text at which the provider fails: it may be the text's doing.
const FAULTS_MAX: u32 = 5;

/// The longest interval while a provider fails; one that is configured longer stays as it is.
const INTERVAL_MAX: Duration = Duration::from_hours(1);

/// Renders what is missing until nothing is, or the process stops.
pub(in crate::server) async fn keep(shared: Arc<Shared>, dir: PathBuf, rendering: Rendering) {
    let tasks = shared.tasks.clone();
    let Some(interval) = rendering.interval else {
        return;
    };
    let renderer = Renderer {
        shared,
        dir,
        interval,
        queue: VecDeque::new(),
        done: BTreeSet::new(),
        failures: 0,
    };
    tokio::select! {
        () = renderer.run() => {}
        // We go: what is under way is nobody's loss.
        () = tasks.reached(Stage::Stopping) => {}
    }
}

struct Renderer {
    shared: Arc<Shared>,
    dir: PathBuf,
    interval: Duration,
    /// At most [`WANTED_MAX`].
    queue: VecDeque<Job>,
    /// The files of texts that are not to be looked for again; as many as agents have prompts.
    done: BTreeSet<String>,
    /// How often in a row a provider failed.
    failures: u32,
}

/// A text that is to be spoken.
struct Job {
    wanted: Wanted,
    refusals: u32,
    faults: u32,
}

/// What is to be done with a text after its turn.
enum Then {
    /// There was no room: it keeps its place.
    Waits(Job),
    /// It is spoken once more, after the others.
    Again(Job),
    /// It is recorded, or given up.
    Done(Job),
    /// The folder takes nothing: there is no use in going on.
    Stop,
}

impl Renderer {
    async fn run(mut self) {
        loop {
            if self.queue.is_empty() {
                self.queue = self.look_for_more().await;
            }
            let Some(job) = self.queue.pop_front() else {
                return; // Agents do not change while the process lives.
            };
            let Some(job) = self.adopt_from_folder(job).await else {
                continue;
            };
            tokio::time::sleep(self.pause()).await;
            match self.turn(job).await {
                Then::Waits(job) => self.queue.push_front(job),
                Then::Again(job) => self.queue.push_back(job),
                Then::Done(job) => self.forget(&job),
                Then::Stop => return,
            }
        }
    }

    /// The time before the next session.
    fn pause(&self) -> Duration {
        let doubled = self.interval.saturating_mul(1 << self.failures.min(16));
        doubled.min(INTERVAL_MAX.max(self.interval))
    }

    /// What nobody has recorded, and nobody has given up.
    async fn look_for_more(&self) -> VecDeque<Job> {
        let shared = Arc::clone(&self.shared);
        let wanted = blocking(move || {
            let scripts: Vec<_> = shared.agents.iter().map(|agent| agent.script()).collect();
            let prompts = shared.prompts.now();
            prompts.wanted(&scripts, &Tongues::Named, usize::MAX)
        });
        let wanted = wanted.await.unwrap_or_default().into_iter();
        let fresh = wanted.filter(|wanted| !self.done.contains(&wanted.key.file_name()));
        let jobs = fresh.take(WANTED_MAX).map(|wanted| Job {
            wanted,
            refusals: 0,
            faults: 0,
        });
        jobs.collect()
    }

    /// Takes what somebody has put into the folder since the start; the job, if it is still to be done.
    async fn adopt_from_folder(&mut self, job: Job) -> Option<Job> {
        let (dir, key) = (self.dir.clone(), job.wanted.key.clone());
        match blocking(move || look(&dir, &key)).await {
            Some(Ok(None)) => Some(job),
            Some(Ok(Some(stored))) => {
                self.adopt(&job.wanted.key, stored).await;
                self.forget(&job);
                None
            }
            // What is torn or not ours is an operator's to move away.
            Some(Err(error)) => {
                tracing::warn!(%error, "a prompt is not rendered: something is in its place");
                self.forget(&job);
                None
            }
            None => {
                self.forget(&job);
                None
            }
        }
    }

    /// One session, if there is room for it now.
    async fn turn(&mut self, job: Job) -> Then {
        let shared = Arc::clone(&self.shared);
        if !shared.overload.stage().allows_extras() {
            return Then::Waits(job);
        }
        let now = shared.clock.now();
        let rung = shared.providers.with(|pool, _| pool.admit_rendering(now));
        let Some(rung) = rung else {
            tracing::debug!("no room for a rendering");
            return Then::Waits(job);
        };
        let seat = Seat {
            shared: &shared,
            rung: &rung,
        };
        match seat.record(&job.wanted.key).await {
            Ok(recited) => {
                seat.report(Report::Ended);
                self.failures = 0;
                self.keep_recording(&rung, job, recited).await
            }
            Err(fault) => {
                seat.report(Report::Failed(fault));
                self.on_fault(&rung, job, fault)
            }
        }
    }

    async fn keep_recording(&mut self, rung: &Rung, mut job: Job, recited: Recited) -> Then {
        let (dir, key) = (self.dir.clone(), job.wanted.key.clone());
        let pressed = blocking(move || press_into(&dir, &key, &recited)).await;
        match pressed {
            Some(Ok(stored)) => {
                self.adopt(&job.wanted.key, stored).await;
                self.tell(rung, &job, RenderingEnd::Rendered);
                Then::Done(job)
            }
            Some(Err(Unpressed::Refused(refused))) => {
                let end = match refused {
                    Refused::OtherWords => RenderingEnd::OtherWords,
                    Refused::Pace { .. } | Refused::Unfit(_) => RenderingEnd::Unfit,
                };
                self.tell(rung, &job, end);
                job.refusals += 1;
                if job.refusals < REFUSALS_MAX {
                    Then::Again(job)
                } else {
                    Then::Done(job)
                }
            }
            Some(Err(Unpressed::Store(error))) => {
                self.tell(rung, &job, RenderingEnd::NotStored);
                tracing::warn!(%error, "no prompt is rendered any more until the next start");
                Then::Stop
            }
            None => Then::Done(job),
        }
    }

    fn on_fault(&mut self, rung: &Rung, mut job: Job, fault: Fault) -> Then {
        self.failures = self.failures.saturating_add(1);
        self.tell(rung, &job, RenderingEnd::Failed(fault));
        job.faults += 1;
        if job.faults < FAULTS_MAX {
            Then::Again(job)
        } else {
            Then::Done(job)
        }
    }

    /// Lets calls that begin from now on find this recording.
    async fn adopt(&self, key: &Key, stored: Stored) {
        let (shared, key) = (Arc::clone(&self.shared), key.clone());
        let adopting = blocking(move || {
            let scripts: Vec<_> = shared.agents.iter().map(|agent| agent.script()).collect();
            if let Some(next) = shared.prompts.now().with(&scripts, &key, &stored) {
                shared.prompts.replace(next);
            }
        });
        adopting.await.unwrap_or_default();
    }

    fn forget(&mut self, job: &Job) {
        self.done.insert(job.wanted.key.file_name());
    }

    fn tell(&self, rung: &Rung, job: &Job, end: RenderingEnd) {
        let Wanted { agent, name, key } = &job.wanted;
        let rendition = Rendition {
            agent,
            prompt: name.as_str(),
            language: key.language.tag(),
        };
        self.shared
            .telemetry
            .rendering_ended(rung.provider, rendition, end);
    }
}

/// A seat at the pool, given up whatever becomes of the session: the task may end before it does.
struct Seat<'a> {
    shared: &'a Shared,
    rung: &'a Rung,
}

impl Seat<'_> {
    async fn record(&self, key: &Key) -> Result<Recited, Fault> {
        let Self { shared, rung } = self;
        shared.telemetry.rendering_dialled(rung.provider);
        let place = shared.providers.place(rung.provider, rung.key);
        let place = place.ok_or(Fault::RequestRejected)?;
        let studio = Studio {
            endpoint: place.endpoint,
            model: place.model,
            limits: &shared.provider_limits,
            dial_timeout: shared.settings.dial_timeout,
        };
        recite(&studio, key, || self.report(Report::Ready)).await
    }

    fn report(&self, report: Report) {
        let now = self.shared.clock.now();
        self.shared.providers.record(now, self.rung, report);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        // Of a seat that was given up before, this changes nothing.
        self.report(Report::Ended);
    }
}

fn press_into(dir: &Path, key: &Key, recited: &Recited) -> Result<Stored, Unpressed> {
    press(&mut Store::open(dir)?, key, recited)
}

/// Runs what waits for a disk where it holds up nobody; `None`: it panicked, which is a bug that ends this piece of work.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}
