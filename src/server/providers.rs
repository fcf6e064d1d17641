//! The providers of this process: where each can be dialled, and the one pool that says which may be.
//!
//! It owns the pool's lock, which is held for a decision and never across an `await`, and the task that lets the pool's time
//! pass. It must not decide who is dialled: [`crate::core::pool`] does. The synthetic sessions that the pool asks for are run
//! by [`super::probes`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Shared;
use super::drain::Stage;
use super::probes::probe;
use crate::config;
use crate::core::fault::Fault;
use crate::core::ids::{KeyId, ProviderId};
use crate::core::pool::{
    BreakerState, Cause, Control, News, PolicyError, Pool, PoolPolicy, PoolStatus, Report, Rung,
    Transition,
};
use crate::core::time::Instant;
use crate::provider::endpoint::Endpoint;

/// Where a rung is: what a dial needs to know of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The endpoint, with the rung's key.
    pub(super) endpoint: &'a Endpoint,
    /// The model to ask for where the URL does not name it.
    pub(super) model: Option<&'a Arc<str>>,
}

/// The providers. Shared by all calls.
#[derive(Debug)]
pub(super) struct Providers {
    entries: Vec<config::Provider>,
    policy: PoolPolicy,
    pool: Mutex<Pool>,
    /// Something happened that may have moved the pool's deadline.
    moved: Notify,
}

impl Providers {
    /// All of them well. The seed is the pool's chance.
    pub(super) fn new(providers: config::Providers, seed: u64) -> Result<Self, PolicyError> {
        let config::Providers { entries, policy } = providers;
        Ok(Self {
            pool: Mutex::new(Pool::new(policy.clone(), seed)?),
            entries,
            policy,
            moved: Notify::new(),
        })
    }

    /// Asks the pool something, or tells it; what it has to say besides is logged.
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
        })
    }

    /// What the pool goes by.
    pub(super) const fn policy(&self) -> &PoolPolicy {
        &self.policy
    }

    /// The operator's name of an entry; `-` if there is no such.
    pub(super) fn name(&self, provider: ProviderId) -> &str {
        let entry = self.entries.get(usize::from(provider.0));
        entry.map_or("-", |entry| &entry.policy.name)
    }

    /// The names of all entries, in the order of their numbers.
    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|entry| &*entry.policy.name)
    }

    /// The entry of this name.
    #[expect(
        dead_code,
        reason = "for the listener of operators, which is to ask and say this"
    )]
    pub(super) fn find(&self, name: &str) -> Option<ProviderId> {
        let mut numbered = (0..).map(ProviderId).zip(self.names());
        numbered.find_map(|(provider, known)| (known == name).then_some(provider))
    }

    /// How everything stands.
    pub(super) fn status(&self, now: Instant) -> PoolStatus {
        self.lock().status(now)
    }

    /// An operator's word on the breaker of an entry, or of one of its keys; `false`: there is no such.
    #[expect(
        dead_code,
        reason = "for the listener of operators, which is to ask and say this"
    )]
    pub(super) fn control(
        &self,
        now: Instant,
        provider: ProviderId,
        key: Option<KeyId>,
        control: Control,
    ) -> bool {
        self.with(|pool, news| pool.control(now, provider, key, control, news))
    }

    /// A synthetic session says what became of it.
    pub(super) fn probed(&self, now: Instant, rung: &Rung, report: Report) {
        self.with(|pool, news| pool.record(now, rung.seat, report, news));
        // The next one may be due sooner than the pool's task thinks.
        self.moved.notify_one();
    }

    /// Lets the pool's time pass; what is to be probed, and when there is more to do.
    fn tick(&self, now: Instant) -> (Vec<Rung>, Option<Instant>) {
        let mut news = News::default();
        let deadline = {
            let mut pool = self.lock();
            pool.tick(now, &mut news);
            pool.deadline()
        };
        self.tell(&news);
        (news.probes, deadline)
    }

    fn tell(&self, news: &News) {
        for transition in &news.transitions {
            self.log(transition);
        }
        if !news.transitions.is_empty() {
            self.moved.notify_one();
        }
    }

    /// One line for each change of a breaker.
    fn log(&self, transition: &Transition) {
        let &Transition {
            provider,
            key,
            from,
            to,
            cause,
        } = transition;
        let provider = self.name(provider);
        let key = key.map(tracing::field::display);
        let (from, to) = (state_name(from), state_name(to));
        let fault = fault_of(cause).map(Fault::name);
        let cause = cause_name(cause);
        match transition.to {
            BreakerState::Open | BreakerState::Isolated => {
                tracing::warn!(provider, key, from, to, cause, fault, "breaker");
            }
            BreakerState::Closed | BreakerState::SlowStart | BreakerState::HalfOpen => {
                tracing::info!(provider, key, from, to, cause, fault, "breaker");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        // A bug in the pool ended one call; its books may be off by that call, and the others still need them.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Never asks the pool more often than this, whatever its deadline says.
const TICK_PAUSE: Duration = Duration::from_millis(5);

/// Lets the pool's time pass and runs what it wants probed, until the process stops.
pub(super) async fn keep(shared: Arc<Shared>) {
    let tasks = shared.tasks.clone();
    let mut stopping = std::pin::pin!(tasks.reached(Stage::Stopping));
    let providers = &shared.providers;
    loop {
        let now = shared.clock.now();
        let (probes, deadline) = providers.tick(now);
        for rung in probes {
            if shared.overload.stage().allows_extras() {
                let probing = probe(Arc::clone(&shared), rung);
                shared.tasks.spawn("probe", probing);
            } else {
                providers.probed(now, &rung, Report::Ended);
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
            () = &mut stopping => return,
            () = providers.moved.notified() => {}
            () = until => {}
        }
    }
}

const fn state_name(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::SlowStart => "slow_start",
        BreakerState::Open => "open",
        BreakerState::HalfOpen => "half_open",
        BreakerState::Isolated => "isolated",
    }
}

const fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::InARow => "failures_in_a_row",
        Cause::Failures => "failures",
        Cause::Slowness => "slowness",
        Cause::Permanent(_) => "permanent",
        Cause::ProbeFailed => "probe_failed",
        Cause::CooledDown => "cooled_down",
        Cause::ProbesGood => "probes_good",
        Cause::SlowStartOver => "slow_start_over",
        Cause::Operator => "operator",
    }
}

const fn fault_of(cause: Cause) -> Option<Fault> {
    match cause {
        Cause::Permanent(fault) => Some(fault),
        Cause::InARow
        | Cause::Failures
        | Cause::Slowness
        | Cause::ProbeFailed
        | Cause::CooledDown
        | Cause::ProbesGood
        | Cause::SlowStartOver
        | Cause::Operator => None,
    }
}
