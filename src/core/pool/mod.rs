//! Which provider may be dialled: one pool per process, deterministic, told the time and seeded with its chance.
//!
//! A call asks with a [`Request`] and is given a [`Rung`] to dial, a moment to ask again, or nothing. The gates stand in this
//! order: for each rung of the `ladder`, the `bulkhead` and the `breaker`, then the `throttle` with its `queue`;
//! what is dialled again is paid for from the `retry_budget` after a `backoff`. Whatever becomes of a session is
//! [recorded](Pool::record); `health` makes of it what the breakers are told. Where spares are wanted (`spare`), a rung
//! may come with a session that waits already.
//!
//! The pool opens no socket and knows no audio, no number and no name of a caller. It runs no probes either, nor spares:
//! it says which are due, and the server runs them. A caller never is a probe.

mod admission;
mod admit;
mod backoff;
mod breaker;
mod bulkhead;
mod endpoint;
mod errand;
mod health;
mod ladder;
mod latency;
mod policy;
mod probe;
mod proof;
mod queue;
mod request;
mod retry_budget;
mod seats;
mod spare;
mod status;
mod throttle;
mod window;

pub use admission::{Admission, Charge, Report, Rung, Transition, Why};
pub use backoff::Chance;
pub use breaker::{BreakerState, Cause, Control, Warning};
pub use latency::Quantiles;
pub use policy::{
    BreakerPolicy, HedgePolicy, KEYS_MAX, PROVIDERS_MAX, PolicyError, PoolPolicy, ProviderPolicy,
    RetryPolicy, SESSIONS_MAX, Share, TENANTS_MAX, TenantPolicy,
};
pub use proof::{PROOF_HOLDS, PROVED_AGAIN_AFTER};
pub use request::{DIALS_MAX, Request, Urgency};
pub use seats::Seat;
pub use spare::SPARES_MAX;
pub use status::{KeyStatus, PoolStatus, ProviderStatus};

use crate::core::ids::{KeyId, ProviderId};
use crate::core::pool::bulkhead::Bulkhead;
use crate::core::pool::endpoint::Endpoint;
use crate::core::pool::ladder::Ladder;
use crate::core::pool::queue::Queue;
use crate::core::pool::retry_budget::{FleetBudget, HedgeBudget, Reserve};
use crate::core::pool::seats::Seats;
use crate::core::pool::status::Tally;
use crate::core::time::Instant;

/// The shared health of the providers. See the module.
#[derive(Clone, Debug)]
pub struct Pool {
    policy: PoolPolicy,
    ladder: Ladder,
    /// As many as the policy has entries, in its order.
    endpoints: Vec<Endpoint>,
    /// As many as the policy has tenants, in its order.
    tenants: Vec<Bulkhead>,
    seats: Seats,
    /// Sessions of calls that are ready.
    live: u32,
    queue: Queue,
    fleet: FleetBudget,
    reserve: Reserve,
    hedges: HedgeBudget,
    chance: Chance,
    tally: Tally,
}

/// What the pool has to say apart from its answers; its lists are used again from turn to turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// What breakers did, in order; two for each key at most in one turn.
    pub transitions: Vec<Transition>,
    /// Synthetic sessions to run now, one for each key at most. Each ends with a report:
    /// [`Answered`](Report::Answered) after an answer with audio, or [`Failed`](Report::Failed).
    pub probes: Vec<Rung>,
    /// Spares to dial now, one for each provider at most. Each reports [`Ready`](Report::Ready) when the provider has opened
    /// its session, and waits; it ends with [`Failed`](Report::Failed) or [`Ended`](Report::Ended), or with the call that
    /// is [given](Rung::spare) it.
    pub spares: Vec<Rung>,
}

impl Pool {
    /// A pool in which everything is well. The same seed, requests and reports give the same answers.
    pub fn new(policy: PoolPolicy, seed: u64) -> Result<Self, PolicyError> {
        policy.check()?;
        let providers = &policy.providers;
        let sessions_max = providers.iter().map(|provider| provider.sessions_max).sum();
        Ok(Self {
            ladder: Ladder::new(providers),
            endpoints: providers
                .iter()
                .map(|provider| Endpoint::new(provider, policy.breaker))
                .collect(),
            tenants: policy
                .tenants
                .iter()
                .map(|tenant| Bulkhead::new(tenant.sessions_max))
                .collect(),
            seats: Seats::new(sessions_max),
            live: 0,
            queue: Queue::default(),
            fleet: FleetBudget::new(policy.retry),
            reserve: Reserve::default(),
            hedges: HedgeBudget::default(),
            chance: Chance::new(seed),
            tally: Tally::default(),
            policy,
        })
    }

    /// What to dial for this request now. Asks nothing of the world and changes nothing but the pool's own books.
    pub fn admit(&mut self, now: Instant, request: &mut Request) -> Admission {
        self.answer(now, request)
    }

    /// A second rung beside `first`, which is still being dialled after its [`hedge_after`](Rung::hedge_after); `None`: it is
    /// ready or over, there is no other rung, or no budget. The first to be ready wins; the other is reported
    /// [`Report::Ended`].
    pub fn hedge(&mut self, now: Instant, request: &mut Request, first: &Rung) -> Option<Rung> {
        self.second(now, request, first)
    }

    /// The request is given up: the caller hung up, or has waited long enough. Its place in the queue is free.
    pub fn withdraw(&mut self, request: &mut Request) {
        self.queue.leave(request);
    }

    /// Takes in what became of a session. `false`: the seat was given up before, and the report changes nothing.
    pub fn record(&mut self, now: Instant, seat: Seat, report: Report, news: &mut News) -> bool {
        self.judge(now, seat, report, news)
    }

    /// Lets time pass: breakers cool down, probes fall due or time out, spares fall due.
    pub fn tick(&mut self, now: Instant, news: &mut News) {
        self.cool_down(now, news);
        self.probe(now, news);
        self.refill(now, news);
    }

    /// When [`tick`](Self::tick) next has something to do; `None`: not before another report.
    pub fn deadline(&self) -> Option<Instant> {
        self.endpoints.iter().filter_map(Endpoint::deadline).min()
    }

    /// An operator's word on an endpoint's breaker, or on that of one of its keys; `false`: there is no such.
    pub fn control(
        &mut self,
        now: Instant,
        provider: ProviderId,
        key: Option<KeyId>,
        control: Control,
        news: &mut News,
    ) -> bool {
        self.change(provider, key, news, |breaker, chance| {
            Some(breaker.control(now, control, chance))
        })
    }

    /// What other nodes say of an endpoint, and until when it counts (`None`: nothing any more): meanwhile fewer failures open its
    /// breaker. Those of its keys are each node's own; a breaker that is open stays so. `false`: there is no such endpoint.
    pub fn warn(&mut self, provider: ProviderId, warned: Option<(Warning, Instant)>) -> bool {
        let endpoint = self.endpoints.get_mut(usize::from(provider.0));
        endpoint
            .map(|endpoint| endpoint.breaker.warn(warned))
            .is_some()
    }

    /// How everything stands, for people.
    pub fn status(&mut self, now: Instant) -> PoolStatus {
        self.report_status(now)
    }

    fn endpoint(&self, provider: ProviderId) -> Option<&Endpoint> {
        self.endpoints.get(usize::from(provider.0))
    }
}
