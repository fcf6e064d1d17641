//! The store that all nodes share (Redis, Valkey), with the promises of [`Store`], and what only a shared one has ([`shared`]).
//!
//! It owns the keys under its prefix, their form, and the connections: one that writes, one that reads, one that listens, and one to a
//! replica where Sentinels say where there is one, all on a thread of their own. What comes while a round trip is under way shares the next one. Every step is a script that runs in
//! Redis as a whole (`scripts/`). It must not decide, is told the time, and makes nobody wait longer than its time-outs: while
//! Redis is away each request is refused with the reason. Connecting is in `link` and `dial`, who waits for what in `lane`.
//! What is promised: [`crate::docs::store`].

mod address;
mod advice;
mod calls;
mod counts;
mod dial;
mod fault;
mod health;
mod keeping;
mod lane;
mod link;
mod nodes;
mod pages;
mod promises;
mod reply;
mod script;

use std::fmt;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{join, join3};
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};
use tokio::time::timeout;

pub use self::address::{ADDRESS_FORM, RedisAddress, RedisHost, RedisLogin, RedisPlace};
use self::counts::Counts;
pub use self::counts::RedisCounts;
pub use self::health::ping;
use self::lane::{Job, Lane, Replicas, Reply};
use self::reply::Fields;
use self::script::Request;
use super::key::SealingKey;
use super::sealer::Sealer;
use super::shared::ADVICE_MAX;
use super::tokens::Tokens;
use super::{Answer, StoreError};
#[expect(unused_imports, reason = "for the documentation")]
use super::{Store, shared};

/// How the shared store is bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// What the names of all its keys begin with.
    pub prefix: String,
    /// How many writes may wait, and how many look-ups; further ones are refused.
    pub queue_max: usize,
    /// How long an attempt to connect may take, with all that is looked at then: twelve round trips at most. Sentinels take up to four
    /// (TCP, TLS, login, question), the primary as many, and the scripts that are left there up to four windows of TCP. A Sentinel may
    /// take two fifths of this time.
    pub connect_timeout: Duration,
    /// How long a write may take; longer than [`replica_timeout`](Self::replica_timeout).
    pub write_timeout: Duration,
    /// How long a look-up may take.
    pub read_timeout: Duration,
    /// How many replicas must have a promise, a change of it, an opt-out before they count; 0: there are none.
    pub replicas_min: usize,
    /// How long they are waited for.
    pub replica_timeout: Duration,
    /// How many used tokens are remembered here; while there are that many, further ones are refused.
    pub tokens_max: usize,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            prefix: "ringback:".into(),
            queue_max: 4_096,
            connect_timeout: Duration::from_secs(2),
            write_timeout: Duration::from_millis(300),
            read_timeout: Duration::from_millis(200),
            replicas_min: 0,
            replica_timeout: Duration::from_millis(100),
            tokens_max: 100_000,
        }
    }
}

/// How long closing may take: a round trip, and a Redis that is slow.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A store in Redis. See the module.
#[derive(Debug)]
pub struct Redis {
    asker: Arc<Asker>,
    tokens: Mutex<Tokens>,
    /// Says when the thread has ended.
    running: watch::Receiver<()>,
}

/// What the thread and those who ask both know.
pub(in crate::store::redis) struct Known {
    settings: RedisSettings,
    address: RedisAddress,
    sealer: Sealer,
    counts: Counts,
    standings: watch::Sender<[Standing; 2]>,
    advice: broadcast::Sender<super::State>,
    /// Whether somebody ever listened: nobody is listened to before.
    is_listening: AtomicBool,
    listen: Notify,
}

/// The connections that are asked something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LaneName {
    Writes,
    Reads,
    /// To a replica: for what cannot wait until there is a primary again.
    Replica,
}

/// How a connection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// It is in its first attempt.
    Unknown,
    /// It is there.
    Well,
    /// It is not.
    Trouble(StoreError),
}

/// How something is asked.
#[derive(Clone, Copy, Debug)]
struct Way {
    only_if_awaited: bool,
    replicas: Replicas,
}

impl Way {
    /// A look-up, which nobody needs who does not wait for it.
    const LOOK_UP: Self = Self {
        only_if_awaited: true,
        replicas: Replicas::Ignored,
    };
    /// A write that is done whether or not somebody waits.
    const WRITE: Self = Self {
        only_if_awaited: false,
        replicas: Replicas::Ignored,
    };
    /// One that a fail-over must not lose.
    const SURE: Self = Self {
        only_if_awaited: false,
        replicas: Replicas::Needed,
    };
    /// One that a fail-over must not lose, and that nobody needs who does not wait for it.
    const SURE_IF_AWAITED: Self = Self {
        only_if_awaited: true,
        replicas: Replicas::Needed,
    };
    /// One whose replicas are counted for whoever asked.
    const COUNTED: Self = Self {
        only_if_awaited: true,
        replicas: Replicas::Counted,
    };
}

/// Asks the thread.
struct Asker {
    known: Arc<Known>,
    /// `None`: closed.
    queues: Mutex<Option<Queues>>,
}

struct Queues {
    writes: mpsc::Sender<Job>,
    reads: mpsc::Sender<Job>,
    replica: mpsc::Sender<Job>,
    /// Goes with the queues: who listens is told so.
    _open: watch::Sender<()>,
}

impl Redis {
    /// A store at this address. Connecting goes on in the background from now on; nothing waits for it. Fails where there can be no
    /// thread.
    pub fn open(
        address: RedisAddress,
        key: &SealingKey,
        settings: RedisSettings,
    ) -> io::Result<Self> {
        let (writes, to_write) = mpsc::channel(settings.queue_max);
        let (reads, to_read) = mpsc::channel(settings.queue_max);
        let (replica, to_replica) = mpsc::channel(settings.queue_max);
        let (open, is_open) = watch::channel(());
        let tokens = Tokens::new(settings.tokens_max, Vec::new());
        let known = Arc::new(Known {
            settings,
            address,
            sealer: Sealer::new(key),
            counts: Counts::default(),
            standings: watch::Sender::new([Standing::Unknown, Standing::Unknown]),
            advice: broadcast::Sender::new(ADVICE_MAX),
            is_listening: AtomicBool::new(false),
            listen: Notify::new(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (ended, running) = watch::channel(());
        let writes_lane = Lane::new(LaneName::Writes, Arc::clone(&known), to_write);
        let reads_lane = Lane::new(LaneName::Reads, Arc::clone(&known), to_read);
        let replica_lane = Lane::new(LaneName::Replica, Arc::clone(&known), to_replica);
        let has_replica = matches!(known.address.place, RedisPlace::Sentinels(..));
        let to_listen = Arc::clone(&known);
        thread::Builder::new()
            .name("store-redis".into())
            .spawn(move || {
                let advice = advice::listen(to_listen, is_open);
                let at_replica = async {
                    if has_replica {
                        replica_lane.run().await;
                    }
                };
                let lanes = join3(writes_lane.run(), reads_lane.run(), at_replica);
                runtime.block_on(join(lanes, advice));
                // A name that is being looked up at a server that does not answer must not hold up the end.
                runtime.shutdown_background();
                drop(ended);
            })?;
        let queues = Queues {
            writes,
            reads,
            replica,
            _open: open,
        };
        Ok(Self {
            asker: Arc::new(Asker {
                known,
                queues: Mutex::new(Some(queues)),
            }),
            tokens: Mutex::new(tokens),
            running,
        })
    }

    /// What it has done.
    pub fn counts(&self) -> RedisCounts {
        self.asker.known.counts.read()
    }

    /// Why it cannot be written or read now, for health; `None`: it can, or the first attempt is still under way.
    pub fn trouble(&self) -> Option<StoreError> {
        trouble_of(&self.asker.known.standings.borrow())
    }

    /// Waits until it can be written and read, or is known not to be; so long at most.
    pub async fn ready(&self, limit: Duration) -> Result<(), StoreError> {
        let mut standings = self.asker.known.standings.subscribe();
        let known = standings.wait_for(|standings| {
            trouble_of(standings).is_some()
                || standings.iter().all(|standing| *standing == Standing::Well)
        });
        match timeout(limit, known).await {
            Ok(Ok(standings)) => trouble_of(&standings).map_or(Ok(()), Err),
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => Err(StoreError::TimedOut),
        }
    }
}

fn trouble_of(standings: &[Standing; 2]) -> Option<StoreError> {
    standings.iter().find_map(|standing| match standing {
        Standing::Trouble(error) => Some(error.clone()),
        Standing::Unknown | Standing::Well => None,
    })
}

impl Known {
    /// A connection stands so from now on.
    fn stands(&self, lane: LaneName, standing: Standing) {
        self.standings.send_modify(|[writes, reads]| match lane {
            LaneName::Writes => *writes = standing,
            LaneName::Reads => *reads = standing,
            // Nobody misses it while there is a primary.
            LaneName::Replica => {}
        });
    }
}

impl Asker {
    /// At once, not when the answer is first asked for: whoever drops it has asked all the same.
    fn ask<T: Send + 'static>(
        &self,
        lane: LaneName,
        way: Way,
        kind: &'static str,
        build: impl FnOnce(&Sealer) -> Result<Request, StoreError> + Send + 'static,
        read: impl FnOnce(Fields, &Sealer) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        self.ask_counted(lane, way, kind, build, |fields, sealer, _| {
            read(fields, sealer)
        })
    }

    /// As [`ask`](Self::ask); `read` is told how many replicas have what was written as well.
    fn ask_counted<T: Send + 'static>(
        &self,
        lane: LaneName,
        way: Way,
        kind: &'static str,
        build: impl FnOnce(&Sealer) -> Result<Request, StoreError> + Send + 'static,
        read: impl FnOnce(Fields, &Sealer, usize) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        let (sender, answer) = oneshot::channel();
        let job = Job {
            build: Box::new(build),
            sender,
            only_if_awaited: way.only_if_awaited,
            replicas: way.replicas,
        };
        let sent = self.send(lane, job);
        let known = Arc::clone(&self.known);
        let limit = match lane {
            LaneName::Writes => known.settings.write_timeout,
            LaneName::Reads | LaneName::Replica => known.settings.read_timeout,
        };
        async move {
            sent?;
            let Ok(answer) = timeout(limit, answer).await else {
                known.counts.timed_out.one();
                return Err(StoreError::TimedOut);
            };
            // Without an answer the thread has ended.
            let Reply { value, replicas } = answer.unwrap_or(Err(StoreError::Closed))?;
            read(Fields::of(kind, value)?, &known.sealer, replicas)
        }
        .boxed()
    }

    fn send(&self, lane: LaneName, job: Job) -> Result<(), StoreError> {
        let queues = lock(&self.queues);
        let queues = queues.as_ref().ok_or(StoreError::Closed)?;
        let queue = match lane {
            LaneName::Writes => &queues.writes,
            LaneName::Reads => &queues.reads,
            LaneName::Replica => &queues.replica,
        };
        queue.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.known.counts.refused.one();
                StoreError::Overloaded
            }
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind it is changed by steps that cannot panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Without what waits, and without keys.
impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker")
            .field("address", &self.known.address)
            .field("settings", &self.known.settings)
            .finish_non_exhaustive()
    }
}
