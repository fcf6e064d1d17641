//! One connection and those who wait for it: what comes while a round trip is under way shares the next one.
//!
//! A lane connects in the background and for ever, with a growing pause. While it is not connected and knows why, it refuses
//! what is asked at once; in its first attempt, and in the one after a loss, it lets it wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use redis::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::address::RedisPlace;
use super::link::Link;
use super::script::Request;
use super::{Known, LaneName, Standing, dial, fault};
use crate::store::error::StoreError;
use crate::store::sealer::Sealer;

/// How many requests share a round trip at most.
const BATCH_MAX: usize = 256;

/// How long they may be together, but for the last one.
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// How long a primary may say nothing before its connection is given up. Whoever asked has long been told that it was late.
const STALL_MAX: Duration = Duration::from_secs(1);

/// How often a primary that nobody asks is asked what it is.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Between two attempts to connect: the first pause, doubling up to the last.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A connection that lasted so long was a good one: its loss is followed by an attempt at once.
const GOOD_AFTER: Duration = Duration::from_secs(1);

/// What a request is, made by the lane's own thread: sealing takes time.
pub(super) type Build = Box<dyn FnOnce(&Sealer) -> Result<Request, StoreError> + Send>;

/// A request that waits for its turn.
pub(super) struct Job {
    pub(super) build: Build,
    pub(super) sender: oneshot::Sender<Result<Reply, StoreError>>,
    /// It is not begun when nobody waits for it any more.
    pub(super) only_if_awaited: bool,
    pub(super) replicas: Replicas,
}

/// What a request wants of the replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replicas {
    /// Nothing.
    Ignored,
    /// To know how many have it.
    Counted,
    /// That as many as the settings say have it.
    Needed,
}

/// What came back.
pub(super) struct Reply {
    pub(super) value: Value,
    pub(super) replicas: usize,
}

/// A lane. See the module.
pub(super) struct Lane {
    name: LaneName,
    known: Arc<Known>,
    jobs: mpsc::Receiver<Job>,
    /// Why there is no connection, if that is known.
    trouble: Option<StoreError>,
    pause: Duration,
    /// When the Sentinels were last asked whether the primary is still the one.
    asked: Option<Instant>,
}

/// All that was asked for is done, and nobody will ask again.
struct Closed;

impl Lane {
    pub(super) fn new(name: LaneName, known: Arc<Known>, jobs: mpsc::Receiver<Job>) -> Self {
        Self {
            name,
            known,
            jobs,
            trouble: None,
            pause: PAUSE_MIN,
            asked: None,
        }
    }

    /// Serves until nobody can ask any more, and all that was asked for is done or refused.
    pub(super) async fn run(mut self) {
        while let Ok(mut link) = self.connect().await {
            let since = Instant::now();
            let error = match self.serve(&mut link).await {
                Ok(Closed) => return,
                Err(error) => error,
            };
            self.known.counts.lost.one();
            if since.elapsed() >= GOOD_AFTER {
                self.pause = PAUSE_MIN;
                self.known.stands(self.name, Standing::Trouble(error));
            } else if self.wait(error).await.is_err() {
                return;
            }
        }
    }

    async fn connect(&mut self) -> Result<Link, Closed> {
        loop {
            let known = Arc::clone(&self.known);
            let name = self.name;
            let open = async {
                match name {
                    LaneName::Writes | LaneName::Reads => Link::open(&known).await,
                    LaneName::Replica => Link::open_replica(&known).await,
                }
            };
            let attempt = timeout(known.settings.connect_timeout, open);
            let attempt = self.meanwhile(attempt).await?;
            match attempt.unwrap_or(Err(StoreError::TimedOut)) {
                Ok(link) => {
                    self.trouble = None;
                    self.known.counts.connected.one();
                    self.known.stands(self.name, Standing::Well);
                    return Ok(link);
                }
                Err(error) => {
                    self.known.counts.not_connected.one();
                    self.wait(error).await?;
                }
            }
        }
    }

    /// The pause before the next attempt.
    async fn wait(&mut self, why: StoreError) -> Result<(), Closed> {
        self.trouble = Some(why.clone());
        self.known.stands(self.name, Standing::Trouble(why));
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        self.meanwhile(sleep(pause)).await
    }

    /// Waits for something; whoever asks meanwhile is refused, if it is known why.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Closed> {
        let mut work = pin!(work);
        loop {
            let Some(trouble) = &self.trouble else {
                return Ok(work.await);
            };
            match select(work.as_mut(), pin!(self.jobs.recv())).await {
                Either::Left((done, _)) => return Ok(done),
                Either::Right((Some(job), _)) => {
                    self.known.counts.failed.one();
                    job.answer(Err(trouble.clone()));
                }
                Either::Right((None, _)) => return Err(Closed),
            }
        }
    }

    /// Serves until the connection is of no use any more.
    async fn serve(&mut self, link: &mut Link) -> Result<Closed, StoreError> {
        loop {
            let next = timeout(LOOK_INTERVAL, self.jobs.recv());
            let Ok(next) = link.until(next).await? else {
                let looked = timeout(STALL_MAX, link.check_role()).await;
                looked.unwrap_or(Err(StoreError::TimedOut))?;
                continue;
            };
            let Some(first) = next else {
                return Ok(Closed);
            };
            let batch = self.batch(first);
            if !batch.is_empty() {
                self.exchange(link, batch).await?;
            }
        }
    }

    /// The requests of the next round trip.
    fn batch(&mut self, first: Job) -> Vec<(Job, Request)> {
        let mut batch = Vec::new();
        let mut length = 0;
        let mut next = Some(first);
        while let Some(mut job) = next {
            if let Some(request) = job.request(&self.known.sealer) {
                match request {
                    Ok(request) => {
                        length += request.length();
                        batch.push((job, request));
                    }
                    Err(error) => job.answer(Err(error)),
                }
            }
            let has_room = batch.len() < BATCH_MAX && length < BATCH_BYTES_MAX;
            next = has_room.then(|| self.jobs.try_recv().ok()).flatten();
        }
        batch
    }

    async fn exchange(
        &mut self,
        link: &mut Link,
        batch: Vec<(Job, Request)>,
    ) -> Result<(), StoreError> {
        let settings = &self.known.settings;
        let is_counted = batch
            .iter()
            .any(|(job, _)| job.replicas != Replicas::Ignored);
        let wait = (is_counted && settings.replicas_min > 0).then(|| {
            let millis = u64::try_from(settings.replica_timeout.as_millis()).unwrap_or(u64::MAX);
            (settings.replicas_min, millis)
        });
        let requests: Vec<_> = batch.iter().map(|(_, request)| request).collect();
        let limit = STALL_MAX + settings.replica_timeout;
        let exchanged = timeout(limit, link.exchange(&requests, wait)).await;
        let counts = &self.known.counts;
        counts.round_trips.one();
        counts
            .commands
            .add(batch.len() + usize::from(wait.is_some()));
        let exchanged = match exchanged.unwrap_or(Err(StoreError::TimedOut)) {
            Ok(exchanged) => exchanged,
            Err(error) => {
                counts.failed.add(batch.len());
                for (job, _) in batch {
                    job.answer(Err(error.clone()));
                }
                return Err(error);
            }
        };
        let replicas = exchanged.replicas;
        let is_short = is_counted && replicas < settings.replicas_min;
        let mut end = Ok(());
        for ((job, _), value) in batch.into_iter().zip(exchanged.values) {
            if let Value::ServerError(error) = &value {
                counts.failed.one();
                let error = fault::of_server(error);
                if fault::is_end_of_link(&error) {
                    end = Err(error);
                }
            }
            let is_kept = !(is_short && job.replicas == Replicas::Needed);
            let is_refused = matches!(value, Value::ServerError(_));
            let kept = is_kept || is_refused;
            let too_few = StoreError::TooFewReplicas(replicas);
            job.answer(kept.then_some(Reply { value, replicas }).ok_or(too_few));
        }
        end?;
        if is_short {
            self.ask_sentinels(link).await?;
        }
        Ok(())
    }

    /// A primary that its replicas do not follow may have been deposed without knowing it.
    async fn ask_sentinels(&mut self, link: &mut Link) -> Result<(), StoreError> {
        let is_watched = matches!(self.known.address.place, RedisPlace::Sentinels(..));
        let is_early = self.asked.is_some_and(|at| at.elapsed() < LOOK_INTERVAL);
        if !is_watched || is_early {
            return Ok(());
        }
        let asked = dial::primary(&self.known.address, self.known.settings.connect_timeout);
        let primary = asked.await;
        // Not one time after the other: they may take long, and the connection serves others.
        self.asked = Some(Instant::now());
        match primary {
            Ok(primary) if primary != link.host => Err(StoreError::ReadOnly),
            Ok(_) | Err(_) => Ok(()), // It is the one, as far as anybody knows.
        }
    }
}

impl Job {
    /// What is to be sent; `None`: nobody waits for it any more.
    fn request(&mut self, sealer: &Sealer) -> Option<Result<Request, StoreError>> {
        if self.only_if_awaited && self.sender.is_closed() {
            return None;
        }
        let build: Build = std::mem::replace(&mut self.build, Box::new(|_| Err(StoreError::Bug)));
        let made = catch_unwind(AssertUnwindSafe(|| build(sealer)));
        Some(made.unwrap_or(Err(StoreError::Bug)))
    }

    fn answer(self, answer: Result<Reply, StoreError>) {
        self.sender.send(answer).ok(); // Whoever stopped waiting needs no answer.
    }
}
