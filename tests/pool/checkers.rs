//! What must hold in every run, kept in books of their own: they see questions, answers and reports, never the pool's state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringback::core::fault::{Count, Fault, Retry, Scope};
use ringback::core::ids::{CallId, KeyId, ProviderId};
use ringback::core::pool::{
    Admission, BreakerPolicy, BreakerState, Cause, Charge, PoolPolicy, Report, Rung, Seat, Share,
    Transition, Urgency, Why,
};
use ringback::core::time::Instant;

/// A breaker: of an endpoint, or of one of its keys.
type Place = (ProviderId, Option<KeyId>);

pub(crate) struct Books {
    policy: PoolPolicy,
    breakers: BTreeMap<Place, Breaker>,
    keys: BTreeMap<(ProviderId, KeyId), Key>,
    sessions: BTreeMap<Seat, Session>,
    calls: BTreeMap<CallId, Outage>,
    pub(crate) dials: BTreeMap<Charge, u32>,
    waiting: BTreeSet<CallId>,
    /// When live calls drew on the reserve.
    draws: Vec<Instant>,
    /// How many live sessions there were, and when.
    live: Vec<(Instant, usize)>,
    pub(crate) seen: BTreeMap<String, u32>,
}

struct Breaker {
    state: BreakerState,
    /// Counted since it closed or opened.
    failures: u32,
    row_of_dials: u32,
    lost_at: Option<Instant>,
    probes_good: u32,
    /// A fault that lasts was seen, and it has not closed since.
    is_barred: bool,
}

struct Key {
    rests_until: Instant,
    tokens: f64,
    at: Instant,
}

struct Session {
    rung: Rung,
    is_ready: bool,
    call: Option<CallId>,
}

/// What a call did since it was last well, as the checkers see it.
#[derive(Default)]
struct Outage {
    home: Option<ProviderId>,
    tried: Vec<(ProviderId, KeyId, Fault)>,
    is_live: bool,
    is_rotation: bool,
    replaces: Option<Seat>,
    has_dialled: bool,
    has_moved: bool,
    has_redialed: bool,
}

impl Books {
    pub(crate) fn new(policy: &PoolPolicy) -> Self {
        let mut books = Self {
            policy: policy.clone(),
            breakers: BTreeMap::new(),
            keys: BTreeMap::new(),
            sessions: BTreeMap::new(),
            calls: BTreeMap::new(),
            dials: BTreeMap::new(),
            waiting: BTreeSet::new(),
            draws: Vec::new(),
            live: vec![(Instant::ZERO, 0)],
            seen: BTreeMap::new(),
        };
        for (place, provider) in (0..).map(ProviderId).zip(&policy.providers) {
            books.breakers.insert((place, None), Breaker::new());
            for key in (0..provider.keys).map(KeyId) {
                books.breakers.insert((place, Some(key)), Breaker::new());
                let key_book = Key {
                    rests_until: Instant::ZERO,
                    tokens: provider.burst.into(),
                    at: Instant::ZERO,
                };
                books.keys.insert((place, key), key_book);
            }
        }
        books
    }

    pub(crate) fn live_sessions(&self, provider: ProviderId) -> Vec<Seat> {
        let live = self.sessions.iter().filter(|(_, session)| {
            session.is_ready && session.call.is_some() && session.rung.provider == provider
        });
        live.map(|(seat, _)| *seat).collect()
    }

    pub(crate) fn sessions(&self, provider: ProviderId) -> usize {
        let at = |session: &&Session| session.rung.provider == provider;
        self.sessions.values().filter(at).count()
    }

    pub(crate) fn is_closed(&self, place: Place) -> bool {
        self.breakers[&place].state == BreakerState::Closed
    }

    pub(crate) fn see(&mut self, what: String) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub(crate) fn on_answer(
        &mut self,
        now: Instant,
        call: CallId,
        urgency: Urgency,
        admission: Admission,
    ) {
        self.waiting.remove(&call);
        match admission {
            Admission::Dial(rung) => self.on_dial(now, Some((call, urgency)), &rung),
            Admission::Wait { until } => {
                assert!(until > now, "asking again at once");
                self.waiting.insert(call);
                self.see(format!("{urgency:?} waits"));
            }
            Admission::Nothing(why) => {
                self.see(format!("{urgency:?} {why:?}"));
                let is_untried = self
                    .calls
                    .get(&call)
                    .is_none_or(|outage| outage.tried.is_empty());
                // Nobody is turned away while a rung would take him.
                if is_untried && matches!(why, Why::Open | Why::SlowStart) {
                    let open = self.usable(now);
                    let may_wait = urgency == Urgency::RingBack;
                    assert!(open.is_empty() || may_wait, "refused beside {open:?}");
                }
            }
        }
    }

    pub(crate) fn on_dial(&mut self, now: Instant, call: Option<(CallId, Urgency)>, rung: &Rung) {
        self.see(format!("{:?}", rung.charge));
        *self.dials.entry(rung.charge).or_default() += 1;
        self.check_breakers(call, rung);
        self.check_key(now, rung);
        self.check_charge(now, call.map(|(call, _)| call), rung);
        let policy = &self.policy.providers[usize::from(rung.provider.0)];
        let sessions_max = usize::try_from(policy.sessions_max).unwrap();
        assert!(
            self.sessions(rung.provider) < sessions_max,
            "bulkhead: {rung:?}"
        );
        let session = Session {
            rung: *rung,
            is_ready: false,
            call: call.map(|(call, _)| call),
        };
        let before = self.sessions.insert(rung.seat, session);
        assert!(before.is_none(), "a seat is taken twice");
        self.check_budgets(now);
    }

    /// No caller passes a breaker that is not closed, but for the one redial of a live call.
    fn check_breakers(&self, call: Option<(CallId, Urgency)>, rung: &Rung) {
        let passes = |place: Place| {
            matches!(
                self.breakers[&place].state,
                BreakerState::Closed | BreakerState::SlowStart
            )
        };
        let endpoint = (rung.provider, None);
        let key = (rung.provider, Some(rung.key));
        let Some((call, urgency)) = call else {
            let half_open = |place| self.breakers[&place].state == BreakerState::HalfOpen;
            assert!(
                half_open(endpoint) || half_open(key),
                "a probe of what is well"
            );
            return;
        };
        assert!(passes(key), "a key's breaker passes nobody: {rung:?}");
        if passes(endpoint) {
            return;
        }
        let outage = self.calls.get(&call).expect("a live call has an outage");
        assert_eq!(urgency, Urgency::Live, "a new call at an open breaker");
        assert_eq!(outage.home, Some(rung.provider), "where it was not lost");
        assert_eq!(rung.charge, Charge::Reserve);
        assert!(!outage.has_redialed, "twice at an open breaker");
        assert!(
            !self.breakers[&endpoint].is_barred,
            "a permanent fault is retried"
        );
        assert_ne!(self.breakers[&endpoint].state, BreakerState::Isolated);
        let others = self.breakers.iter().filter(|((provider, key), breaker)| {
            let tried = |of: &(ProviderId, KeyId, Fault)| of.0 == *provider;
            key.is_none()
                && breaker.state == BreakerState::Closed
                && !self.is_canary(*provider)
                && !outage.tried.iter().any(tried)
                && !self.is_unfit(*provider, outage)
                && self.has_start(*provider)
        });
        assert_eq!(others.count(), 0, "there was another rung");
    }

    /// Whether what was asked of another would fail here in the same way.
    fn is_unfit(&self, provider: ProviderId, outage: &Outage) -> bool {
        let of = |id: ProviderId| &self.policy.providers[usize::from(id.0)];
        outage.tried.iter().any(|(other, _, fault)| {
            let (entry, other) = (of(provider), of(*other));
            let is_refused = *fault == Fault::PolicyRefused && entry.vendor == other.vendor;
            let is_small = entry.window_tokens <= other.window_tokens;
            is_refused || (*fault == Fault::ContextTooLong && is_small)
        })
    }

    /// Whether a key of the provider is usable and the provider has room for all who wait, tokens apart.
    fn has_start(&self, provider: ProviderId) -> bool {
        let policy = &self.policy.providers[usize::from(provider.0)];
        let taken = self.sessions(provider) + self.waiting.len();
        let has_room = taken < usize::try_from(policy.sessions_max).unwrap();
        has_room
            && self.keys.iter().any(|((of, key), book)| {
                *of == provider
                    && self.breakers[&(*of, Some(*key))].state == BreakerState::Closed
                    && book.rests_until == Instant::ZERO
            })
    }

    fn is_canary(&self, provider: ProviderId) -> bool {
        let policy = &self.policy.providers[usize::from(provider.0)];
        matches!(policy.share, Share::Canary(_))
    }

    /// Rate and burst hold, a key that rests is left alone, and one that is barred is not used by callers.
    fn check_key(&mut self, now: Instant, rung: &Rung) {
        let policy = &self.policy.providers[usize::from(rung.provider.0)];
        let key = self.keys.get_mut(&(rung.provider, rung.key)).unwrap();
        assert!(now >= key.rests_until, "Retry-After: {now} {rung:?}");
        let passed = now.since(key.at).as_secs_f64();
        key.tokens =
            (key.tokens + passed * f64::from(policy.starts_per_second)).min(policy.burst.into());
        key.tokens -= 1.0;
        key.at = now;
        assert!(key.tokens > -1e-3, "over rate and burst: {rung:?}");
        if rung.charge != Charge::Probe {
            for place in [(rung.provider, None), (rung.provider, Some(rung.key))] {
                assert!(
                    !self.breakers[&place].is_barred,
                    "a permanent fault is retried"
                );
            }
        }
    }

    /// Every dial is paid for as it should be.
    fn check_charge(&mut self, now: Instant, call: Option<CallId>, rung: &Rung) {
        let Some(call) = call else {
            assert_eq!(rung.charge, Charge::Probe);
            return;
        };
        let outage = self.calls.entry(call).or_default();
        let is_same = outage.home == Some(rung.provider)
            || outage.tried.iter().any(|tried| tried.0 == rung.provider);
        for (provider, key, fault) in &outage.tried {
            let is_here = *provider == rung.provider
                && (fault.scope() == Scope::Endpoint || *key == rung.key);
            assert!(
                !is_here || fault.retry() != Retry::Never,
                "{fault} is retried"
            );
        }
        match rung.charge {
            Charge::First => assert!(!outage.is_live && !outage.has_dialled),
            Charge::Rotation => assert!(outage.is_rotation && !outage.has_dialled),
            Charge::Move => {
                assert!(outage.is_live && !is_same && !outage.has_moved);
                outage.has_moved = true;
            }
            Charge::Reserve => {
                assert!(outage.is_live && is_same && !outage.has_redialed);
                outage.has_redialed = true;
                self.draws.push(now);
            }
            Charge::Extra => assert!(outage.is_live || outage.has_dialled),
            Charge::Hedge => {
                let failed = outage.tried.iter().any(|(provider, _, fault)| {
                    *provider == rung.provider && fault.scope() == Scope::Endpoint
                });
                assert!(!failed, "a hedge where it failed");
            }
            Charge::Probe => panic!("a caller is a probe"),
        }
        outage.has_dialled = true;
    }

    fn check_budgets(&self, now: Instant) {
        let of = |charge| f64::from(self.dials.get(&charge).copied().unwrap_or_default());
        let retry = &self.policy.retry;
        let refilled = now.since_start().as_secs_f64() / retry.extra_refill.as_secs_f64();
        let earned = of(Charge::First) * f64::from(retry.extra_percent) / 100.0;
        let extra_max = earned + f64::from(retry.extra_floor) + refilled + 1e-3;
        let extra = of(Charge::Extra) + of(Charge::Hedge);
        assert!(
            extra <= extra_max,
            "{extra} extra dials, {extra_max} allowed"
        );
        let callers = [
            Charge::First,
            Charge::Rotation,
            Charge::Move,
            Charge::Reserve,
            Charge::Extra,
        ];
        let dials: f64 = callers.map(of).into_iter().sum();
        let hedges_max = dials * f64::from(self.policy.hedge.percent) / 100.0;
        assert!(of(Charge::Hedge) <= hedges_max, "hedges over their share");
        // The reserve: no more redials in ten seconds than there were live sessions in the last thirty.
        let since = |ago: u64| now - Duration::from_secs(ago);
        let drawn = self.draws.iter().filter(|at| **at > since(10)).count();
        let recent = self.live.iter().rev().take_while(|(at, _)| *at > since(30));
        let before = self.live.iter().rev().find(|(at, _)| *at <= since(30));
        let live_max = recent.chain(before).map(|(_, live)| *live).max();
        assert!(
            drawn <= live_max.unwrap_or_default(),
            "{drawn} of {live_max:?}"
        );
    }

    pub(crate) fn on_report(&mut self, now: Instant, seat: Seat, report: Report) {
        let session = self.sessions.get_mut(&seat).unwrap();
        let rung = session.rung;
        let (is_probe, was_ready) = (session.call.is_none(), session.is_ready);
        session.is_ready |= report == Report::Ready;
        let is_over = matches!(report, Report::Failed(_) | Report::Ended);
        if is_over || (is_probe && !matches!(report, Report::Slow | Report::Ready)) {
            self.sessions.remove(&seat);
        }
        let live = |of: &&Session| of.is_ready && of.call.is_some();
        let live = self.sessions.values().filter(live).count();
        self.live.push((now, live));
        match report {
            Report::Slow | Report::Ended => {}
            Report::Ready => {
                if !is_probe {
                    self.endpoint(rung).row_of_dials = 0;
                }
            }
            Report::Answered { .. } => {
                for key in [None, Some(rung.key)] {
                    let breaker = self.breakers.get_mut(&(rung.provider, key)).unwrap();
                    breaker.probes_good += u32::from(is_probe);
                }
            }
            Report::AnswerFailed(fault) | Report::Failed(fault) => {
                self.see(fault.name().to_owned());
                let is_lost = was_ready && is_over;
                self.on_fault(now, rung, fault, is_lost, was_ready);
            }
        }
    }

    fn on_fault(&mut self, now: Instant, rung: Rung, fault: Fault, is_lost: bool, was_ready: bool) {
        let loss_window = self.policy.breaker.loss_window;
        match fault.count() {
            Count::No => {}
            Count::Once => {
                let breaker = self.endpoint(rung);
                let is_same = |at: Instant| now.since(at) < loss_window;
                if is_lost && breaker.lost_at.is_some_and(is_same) {
                    return;
                }
                if is_lost {
                    breaker.lost_at = Some(now);
                }
                breaker.failures += 1;
                breaker.row_of_dials += u32::from(!was_ready);
            }
            Count::Opens => {
                let key = (fault.scope() == Scope::Key).then_some(rung.key);
                let breaker = self.breakers.get_mut(&(rung.provider, key)).unwrap();
                breaker.is_barred = true;
            }
            Count::Rests => {
                let policy: &BreakerPolicy = &self.policy.breaker;
                let asked = match fault {
                    Fault::RateLimited { retry_after } => retry_after.unwrap_or(policy.rest),
                    _ => policy.rest,
                };
                let key = self.keys.get_mut(&(rung.provider, rung.key)).unwrap();
                key.rests_until = key.rests_until.max(now + asked);
            }
        }
    }

    /// After each turn: what should have opened has.
    pub(crate) fn check_openings(&self) {
        for (place, breaker) in &self.breakers {
            let is_closed = matches!(
                breaker.state,
                BreakerState::Closed | BreakerState::SlowStart
            );
            let row_max = self.policy.breaker.failures_in_a_row;
            assert!(
                !is_closed || breaker.row_of_dials < row_max,
                "{place:?} stays closed"
            );
            assert!(!is_closed || !breaker.is_barred, "{place:?} stays closed");
        }
    }

    pub(crate) fn on_transition(&mut self, change: Transition) {
        self.see(format!("{:?} to {:?}", change.from, change.to));
        let policy = &self.policy.breaker;
        let place = (change.provider, change.key);
        let breaker = self.breakers.get_mut(&place).unwrap();
        assert_eq!(breaker.state, change.from, "{change:?}");
        match change.cause {
            Cause::InARow => assert!(breaker.failures >= policy.failures_in_a_row, "{change:?}"),
            Cause::Failures => {
                let least = policy.outcomes_min * policy.failure_percent / 100;
                assert!(breaker.failures >= least, "{change:?}");
            }
            Cause::Permanent(_) => assert!(breaker.is_barred, "{change:?}"),
            Cause::ProbesGood => {
                assert!(breaker.probes_good >= policy.probes_good, "{change:?}");
            }
            Cause::Slowness
            | Cause::ProbeFailed
            | Cause::CooledDown
            | Cause::SlowStartOver
            | Cause::Operator => {}
        }
        let was_open = !matches!(change.from, BreakerState::Closed | BreakerState::SlowStart);
        let is_new = matches!(
            change.to,
            BreakerState::Closed | BreakerState::SlowStart | BreakerState::HalfOpen
        );
        breaker.state = change.to;
        if was_open && is_new {
            let is_barred = breaker.is_barred && change.to == BreakerState::HalfOpen;
            *breaker = Breaker {
                state: change.to,
                is_barred,
                ..Breaker::new()
            };
        }
    }

    pub(crate) fn on_lost(&mut self, call: CallId, rung: &Rung, fault: Fault) {
        let outage = self.calls.entry(call).or_default();
        if !outage.is_live {
            let tried = std::mem::take(&mut outage.tried);
            *outage = Outage {
                is_live: true,
                tried,
                ..Outage::default()
            };
        }
        outage.home = Some(rung.provider);
        outage.is_rotation = fault.retry() == Retry::Rotate;
        outage.replaces = Some(rung.seat).filter(|_| outage.is_rotation);
        if !outage.is_rotation {
            outage.tried.push((rung.provider, rung.key, fault));
        }
    }

    pub(crate) fn on_failed(&mut self, call: CallId, rung: &Rung, fault: Fault) {
        let outage = self.calls.entry(call).or_default();
        outage.tried.push((rung.provider, rung.key, fault));
    }

    pub(crate) fn on_well(&mut self, call: CallId, rung: Rung) {
        // The answers of a session that is to be replaced do not end the search for its successor.
        if self
            .calls
            .get(&call)
            .is_none_or(|of| of.replaces != Some(rung.seat))
        {
            self.calls.insert(call, Outage::default());
        }
    }

    /// The entries that would take a new call.
    fn usable(&self, now: Instant) -> Vec<ProviderId> {
        let entries = (0..).map(ProviderId).zip(&self.policy.providers);
        let passes = |place: Place| {
            matches!(
                self.breakers[&place].state,
                BreakerState::Closed | BreakerState::SlowStart
            )
        };
        let is_usable = |provider: ProviderId| {
            passes((provider, None))
                && self.keys.iter().any(|((of, key), book)| {
                    *of == provider && passes((*of, Some(*key))) && now >= book.rests_until
                })
        };
        let usable = entries.filter(|(id, policy)| {
            let is_full = self.sessions(*id) >= usize::try_from(policy.sessions_max).unwrap();
            !self.is_canary(*id) && !is_full && is_usable(*id)
        });
        usable.map(|(id, _)| id).collect()
    }

    fn endpoint(&mut self, rung: Rung) -> &mut Breaker {
        self.breakers.get_mut(&(rung.provider, None)).unwrap()
    }
}

impl Breaker {
    fn new() -> Self {
        Self {
            state: BreakerState::Closed,
            failures: 0,
            row_of_dials: 0,
            lost_at: None,
            probes_good: 0,
            is_barred: false,
        }
    }
}
