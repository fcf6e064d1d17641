//! The providers of this process: where each can be dialled, and the one pool that says which may be.
//!
//! It owns the pool's lock, which is held for a decision and never across an `await`, and the task that lets the pool's time
//! pass. It must not decide who is dialled: [`crate::core::pool`] does. The synthetic sessions that the pool asks for are run
//! by [`super::probes`], the spares by [`super::spares`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, broadcast};

use super::Shared;
use super::drain::Stage;
use super::probes::probe;
use super::spares;
use crate::config;
use crate::core::ids::{KeyId, ProviderId};
use crate::core::pool::{
    Control, News, PolicyError, Pool, PoolPolicy, PoolStatus, Report, Rung, Transition,
};
use crate::core::time::Instant;
use crate::provider::endpoint::Endpoint;
use crate::telemetry::Telemetry;

/// Where a rung is: what a dial needs to know of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The endpoint, with the rung's key.
    pub(super) endpoint: &'a Endpoint,
    /// The model to ask for where the URL does not name it.
    pub(super) model: Option<&'a Arc<str>>,
    /// How long a spare waits here at most.
    pub(super) spare_age_max: Duration,
}

/// The providers. Shared by all calls.
#[derive(Debug)]
pub(super) struct Providers {
    entries: Vec<config::Provider>,
    policy: PoolPolicy,
    pool: Mutex<Pool>,
    /// Something happened that may have moved the pool's deadline.
    moved: Notify,
    /// What breakers did, for whoever listens.
    transitions: broadcast::Sender<Transition>,
    telemetry: Telemetry,
}

/// How many of them wait for a listener; beyond it the oldest goes.
const TRANSITIONS_MAX: usize = 256;

impl Providers {
    /// All of them well. The seed is the pool's chance.
    pub(super) fn new(
        providers: config::Providers,
        seed: u64,
        telemetry: Telemetry,
    ) -> Result<Self, PolicyError> {
        let config::Providers { entries, policy } = providers;
        telemetry.set_providers(&policy.providers);
        Ok(Self {
            pool: Mutex::new(Pool::new(policy.clone(), seed)?),
            entries,
            policy,
            moved: Notify::new(),
            transitions: broadcast::Sender::new(TRANSITIONS_MAX),
            telemetry,
        })
    }

    /// Asks the pool something, or tells it; what it has to say besides is told to telemetry.
    ///
    /// `ask` runs under the lock of all calls: it decides, and does nothing else.
    pub(super) fn with<T>(&self, ask: impl FnOnce(&mut Pool, &mut News) -> T) -> T {
        let mut news = News::default();
        let answer = ask(&mut self.lock(), &mut news);
        self.tell(&news);
        answer
    }

    /// Where to dial; `None`: there is no such rung.
    pub(super) fn place(&self, provider: ProviderId, key: KeyId) -> Option<Place<'_>> {
        let entry = self.entries.get(usize::from(provider.0))?;
        Some(Place {
            endpoint: entry.endpoints.get(usize::from(key.0))?,
            model: entry.model.as_ref(),
            spare_age_max: entry.spare_age_max,
        })
    }

    /// What the pool goes by.
    pub(super) const fn policy(&self) -> &PoolPolicy {
        &self.policy
    }

    /// The names of all entries, in the order of their numbers.
    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|entry| &*entry.policy.name)
    }

    /// The entry of this name.
    pub(super) fn find(&self, name: &str) -> Option<ProviderId> {
        let mut numbered = (0..).map(ProviderId).zip(self.names());
        numbered.find_map(|(provider, known)| (known == name).then_some(provider))
    }

    /// How everything stands.
    pub(super) fn status(&self, now: Instant) -> PoolStatus {
        self.lock().status(now)
    }

    /// An operator's word on the breaker of an entry, or of one of its keys; `false`: there is no such.
    pub(super) fn control(
        &self,
        now: Instant,
        provider: ProviderId,
        key: Option<KeyId>,
        control: Control,
    ) -> bool {
        self.with(|pool, news| pool.control(now, provider, key, control, news))
    }

    /// A session that is no call's says what became of it; `false`: its seat was given up before.
    pub(super) fn record(&self, now: Instant, rung: &Rung, report: Report) -> bool {
        let is_known = self.with(|pool, news| pool.record(now, rung.seat, report, news));
        self.nudge();
        is_known
    }

    /// Somebody has to know whether models answer: see [`Pool::prove`].
    pub(super) fn prove(&self, now: Instant) {
        self.lock().prove(now);
        self.nudge();
    }

    /// What breakers do from now on.
    pub(super) fn transitions(&self) -> broadcast::Receiver<Transition> {
        self.transitions.subscribe()
    }

    /// Something may be due sooner than the pool's task thinks: a probe, or a spare.
    pub(super) fn nudge(&self) {
        self.moved.notify_one();
    }

    /// Lets the pool's time pass; what is to be dialled for nobody, and when there is more to do.
    fn tick(&self, now: Instant) -> (News, Option<Instant>) {
        let mut news = News::default();
        let deadline = {
            let mut pool = self.lock();
            pool.tick(now, &mut news);
            pool.deadline()
        };
        self.tell(&news);
        (news, deadline)
    }

    fn tell(&self, news: &News) {
        for transition in &news.transitions {
            self.telemetry.transitioned(transition);
            self.transitions.send(*transition).ok(); // Who is alone listens to nothing.
        }
        if !news.transitions.is_empty() {
            self.moved.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        // A bug in the pool ended one call; its books may be off by that call, and the others still need them.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Never asks the pool more often than this, whatever its deadline says.
const TICK_PAUSE: Duration = Duration::from_millis(5);

/// Lets the pool's time pass and runs the probes and spares that it wants, until the process stops.
pub(super) async fn keep(shared: Arc<Shared>) {
    let tasks = shared.tasks.clone();
    let mut draining = std::pin::pin!(tasks.reached(Stage::Draining));
    let providers = &shared.providers;
    loop {
        let now = shared.clock.now();
        let (news, deadline) = providers.tick(now);
        let News { probes, spares, .. } = news;
        if shared.overload.stage().allows_extras() {
            for rung in probes {
                let probing = probe(Arc::clone(&shared), rung);
                shared.tasks.spawn("probe", probing);
            }
            for rung in spares {
                shared.telemetry.spare_dialled(rung.provider);
                let keeping = spares::keep(Arc::clone(&shared), rung);
                shared.tasks.spawn("spare", keeping);
            }
        } else {
            for rung in probes.iter().chain(&spares) {
                providers.record(now, rung, Report::Ended);
            }
        }
        let until = async {
            match deadline {
                Some(at) => {
                    let at = at.max(shared.clock.now() + TICK_PAUSE);
                    tokio::time::sleep_until(shared.clock.timer_at(at)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = &mut draining => return,
            () = providers.moved.notified() => {}
            () = until => {}
        }
    }
}
