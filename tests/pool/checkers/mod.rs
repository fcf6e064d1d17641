//! What must hold in every run, kept in books of their own: they see questions, answers and reports, never the pool's state.

mod dials;
mod spares;

use std::collections::{BTreeMap, BTreeSet};

use ringback::core::fault::{Count, Fault, Retry, Scope};
use ringback::core::ids::{CallId, KeyId, ProviderId};
use ringback::core::pool::{
    Admission, BreakerState, Cause, Charge, PoolPolicy, Report, Rung, Seat, Transition, Urgency,
    Why,
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
    /// How much of that row is spares.
    spares_failed: u32,
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
    /// Neither a call's nor a spare is a probe.
    is_spare: bool,
    call: Option<CallId>,
}

/// What a call did since it was last well, as the checkers see it.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "a list of what was done")]
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
        self.check_handed_over(rung);
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
            is_spare: false,
            call: call.map(|(call, _)| call),
        };
        let before = self.sessions.insert(rung.seat, session);
        assert!(before.is_none(), "a seat is taken twice");
        self.check_budgets(now);
    }

    pub(crate) fn on_report(&mut self, now: Instant, seat: Seat, report: Report) {
        let session = self.sessions.get_mut(&seat).unwrap();
        if session.is_spare {
            return self.on_spare_report(now, seat, report);
        }
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
                    let breaker = self.endpoint(rung);
                    (breaker.row_of_dials, breaker.spares_failed) = (0, 0);
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
                let policy = &self.policy.breaker;
                let Fault::RateLimited { retry_after } = fault else {
                    panic!("only a limit lets a key rest: {fault}");
                };
                let asked = retry_after.unwrap_or(policy.rest);
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
            let callers = self.sessions(*id) - self.spares_waiting(*id);
            let is_full = callers >= usize::try_from(policy.sessions_max).unwrap();
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
            spares_failed: 0,
            lost_at: None,
            probes_good: 0,
            is_barred: false,
        }
    }
}
