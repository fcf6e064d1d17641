//! What stories are told with: a pool, its clock, and callers who ask.

use std::time::Duration;

use ringback::core::fault::Fault;
use ringback::core::ids::{CallId, ProviderId, TenantId, Tier};
use ringback::core::pool::{
    Admission, BreakerState, Chance, Charge, News, Pool, PoolPolicy, ProviderPolicy, Report,
    Request, Rung, Transition, Why,
};
use ringback::core::time::Instant;

pub(crate) const FIRST: ProviderId = ProviderId(0);
pub(crate) const SECOND: ProviderId = ProviderId(1);
pub(crate) const REFUSED: Fault = Fault::ConnectFailed;
pub(crate) const LOST: Fault = Fault::Closed { code: 1006 };

pub(crate) struct Desk {
    pub(crate) now: Instant,
    pub(crate) pool: Pool,
    pub(crate) news: News,
    calls: Chance,
}

impl Desk {
    pub(crate) fn new(policy: PoolPolicy) -> Self {
        Self {
            now: Instant::from_start(Duration::from_secs(1_000)),
            pool: Pool::new(policy, 7).unwrap(),
            news: News::default(),
            calls: Chance::new(11),
        }
    }

    /// As many entries, each a tier below the one before.
    pub(crate) fn with(providers: u8) -> Self {
        Self::new(policy(providers))
    }

    pub(crate) fn new_call(&mut self) -> Request {
        let bits = u128::from(self.calls.bits()) << 64 | u128::from(self.calls.bits());
        Request::new(self.now, CallId::from_bits(bits), TenantId(0))
    }

    pub(crate) fn ring_back(&mut self) -> Request {
        Request::ring_back(self.now, self.new_call().call(), TenantId(0))
    }

    pub(crate) fn ask(&mut self, request: &mut Request) -> Admission {
        self.pool.admit(self.now, request)
    }

    pub(crate) fn dial(&mut self, request: &mut Request) -> Rung {
        match self.ask(request) {
            Admission::Dial(rung) => rung,
            other @ (Admission::Wait { .. } | Admission::Nothing(_)) => panic!("{other:?}"),
        }
    }

    pub(crate) fn waits(&mut self, request: &mut Request) -> Duration {
        match self.ask(request) {
            Admission::Wait { until } => until.since(self.now),
            other @ (Admission::Dial(_) | Admission::Nothing(_)) => panic!("{other:?}"),
        }
    }

    /// Waits as long as it is told to, and dials.
    pub(crate) fn dial_in_time(&mut self, request: &mut Request) -> (Rung, Duration) {
        let asked_at = self.now;
        loop {
            match self.ask(request) {
                Admission::Dial(rung) => return (rung, self.now.since(asked_at)),
                Admission::Wait { until } => self.now = until,
                Admission::Nothing(why) => panic!("nothing: {why:?}"),
            }
        }
    }

    pub(crate) fn is_refused(&mut self, request: &mut Request) -> Why {
        match self.ask(request) {
            Admission::Nothing(why) => why,
            other @ (Admission::Dial(_) | Admission::Wait { .. }) => panic!("{other:?}"),
        }
    }

    pub(crate) fn report(&mut self, rung: &Rung, report: Report) {
        let is_known = self
            .pool
            .record(self.now, rung.seat, report, &mut self.news);
        assert!(is_known, "{rung:?}: {report:?}");
    }

    pub(crate) fn is_ready(&mut self, rung: &Rung) {
        self.report(rung, Report::Ready);
    }

    pub(crate) fn answers(&mut self, rung: &Rung) {
        let after = Duration::from_millis(400);
        self.report(rung, Report::Answered { after });
    }

    /// A live call: dialled, ready, and answered once.
    pub(crate) fn live_call(&mut self) -> (Request, Rung) {
        let mut request = self.new_call();
        let rung = self.dial(&mut request);
        self.is_ready(&rung);
        self.answers(&rung);
        request.answered(&rung);
        (request, rung)
    }

    /// The session of a live call is lost.
    pub(crate) fn lose(&mut self, request: &mut Request, rung: &Rung, fault: Fault) {
        self.report(rung, Report::Failed(fault));
        request.lost(self.now, rung, fault);
    }

    /// New calls whose first dial fails, one after the other.
    pub(crate) fn fail(&mut self, calls: u32, fault: Fault) {
        for _ in 0..calls {
            let mut request = self.new_call();
            let rung = self.dial(&mut request);
            self.report(&rung, Report::Failed(fault));
        }
    }

    /// Opens the first entry's breaker, as an outage does.
    pub(crate) fn outage(&mut self) {
        self.fail(5, REFUSED);
        assert_eq!(self.state(FIRST), BreakerState::Open);
        self.news = News::default();
    }

    pub(crate) fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(at) = self.pool.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.pool.tick(self.now, &mut self.news);
        }
        self.now = until;
    }

    /// Runs the probes that are due in this time, all with this end.
    pub(crate) fn probe(&mut self, duration: Duration, report: Report) {
        let until = self.now + duration;
        while let Some(at) = self.pool.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.pool.tick(self.now, &mut self.news);
            for rung in std::mem::take(&mut self.news.probes) {
                assert_eq!(rung.charge, Charge::Probe);
                self.report(&rung, report);
            }
        }
        self.now = until;
    }

    pub(crate) fn state(&mut self, provider: ProviderId) -> BreakerState {
        let status = self.pool.status(self.now);
        status.providers[usize::from(provider.0)].breaker
    }

    pub(crate) fn transitions(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.news.transitions)
    }

    pub(crate) fn dials(&mut self, charge: Charge) -> u64 {
        let status = self.pool.status(self.now);
        let found = status.dials.iter().find(|(of, _)| *of == charge);
        found.unwrap().1
    }
}

pub(crate) fn policy(providers: u8) -> PoolPolicy {
    let entry = |place| ProviderPolicy::new(&format!("provider-{place}"), Tier(place + 1));
    PoolPolicy::new((0..providers).map(entry).collect())
}

pub(crate) const GOOD: Report = Report::Answered {
    after: Duration::from_millis(400),
};

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
