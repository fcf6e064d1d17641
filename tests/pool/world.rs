//! A world in virtual time: callers, providers that fail in every way, and a server that does as the pool says.

mod spares;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use ringback::core::fault::{DialStage, Fault};
use ringback::core::ids::{CallId, KeyId, ProviderId, TenantId};
use ringback::core::pool::{
    Admission, Chance, News, Pool, PoolPolicy, Report, Request, Rung, Seat,
};
use ringback::core::time::Instant;

use crate::checkers::Books;
use crate::desk::{ms, secs};
use crate::weather::{Mode, any_policy};

/// When faults stop: from then on every provider is well.
const FAULTS_END: Instant = Instant::from_start(Duration::from_secs(80));

/// Long enough for the longest cool-down, the probes and the slow start after it.
const RUN_END: Instant = Instant::from_start(Duration::from_secs(80 + 45 + 45 + 30));

pub(crate) struct World {
    now: Instant,
    pool: Pool,
    news: News,
    pub(crate) books: Books,
    chance: Chance,
    policy: PoolPolicy,
    modes: Vec<Mode>,
    calls: Vec<Caller>,
    agenda: BTreeMap<(Instant, u64), Event>,
    events: u64,
    /// Who holds which seat.
    holders: BTreeMap<Seat, usize>,
    /// All that were ever dialled.
    spares: Vec<Rung>,
    pub(crate) trace: String,
}

struct Caller {
    request: Request,
    asked_since: Instant,
    /// When it asks again.
    ask_at: Option<Instant>,
    /// The session that the caller talks to.
    current: Option<Rung>,
    dialling: Vec<Rung>,
    is_over: bool,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Arrive,
    Ask(usize),
    Change(ProviderId),
    Slow(usize, Rung),
    Hedge(usize, Rung),
    Dialled(usize, Rung, Result<(), Fault>),
    Answer(usize, Rung),
    Break(usize, Rung, Fault),
    End(usize),
    Probe(Rung, Report),
    Spare(Rung, Report),
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let policy = any_policy(&mut chance);
        let mut world = Self {
            now: Instant::ZERO,
            pool: Pool::new(policy.clone(), seed).unwrap(),
            news: News::default(),
            spares: Vec::new(),
            books: Books::new(&policy),
            chance,
            modes: vec![Mode::Well; policy.providers.len()],
            policy,
            calls: Vec::new(),
            agenda: BTreeMap::new(),
            events: 0,
            holders: BTreeMap::new(),
            trace: String::new(),
        };
        world.at(ms(1), Event::Arrive);
        for provider in world.providers() {
            world.at(secs(5), Event::Change(provider));
        }
        world
    }

    /// Runs to the end; every answer and report goes by the checkers.
    pub(crate) fn run(&mut self) {
        while let Some(at) = self.next_at().filter(|at| *at < RUN_END) {
            self.now = self.now.max(at);
            let due = self.pool.deadline().is_some_and(|due| due <= self.now);
            if due {
                self.pool.tick(self.now, &mut self.news);
            } else if let Some((_, event)) = self.agenda.pop_first() {
                self.handle(event);
            }
            self.tell_news();
            self.books.check_openings();
        }
        self.check_end();
    }

    fn next_at(&self) -> Option<Instant> {
        let event = self.agenda.keys().next().map(|(at, _)| *at);
        [event, self.pool.deadline()].into_iter().flatten().min()
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrive => self.arrive(),
            Event::Change(provider) => self.change(provider),
            Event::Ask(caller) => {
                // It may have been seated meanwhile.
                if self.calls[caller].ask_at == Some(self.now) {
                    self.ask(caller);
                }
            }
            Event::Slow(caller, rung) => self.slow(caller, rung),
            Event::Hedge(caller, rung) => self.hedge(caller, rung),
            Event::Dialled(caller, rung, outcome) => self.dialled(caller, rung, outcome),
            Event::Answer(caller, rung) => self.answer(caller, rung),
            Event::Break(caller, rung, fault) => self.lose(caller, rung, fault),
            Event::End(caller) => self.end(caller),
            Event::Probe(rung, report) => {
                // The pool may have given the probe up.
                if self
                    .pool
                    .record(self.now, rung.seat, report, &mut self.news)
                {
                    self.books.on_report(self.now, rung.seat, report);
                }
            }
            Event::Spare(rung, report) => self.spare_reports(rung, report),
        }
    }

    fn tell_news(&mut self) {
        for change in std::mem::take(&mut self.news.transitions) {
            self.books.on_transition(change);
            self.note(&format!("{change:?}"));
        }
        for rung in std::mem::take(&mut self.news.probes) {
            self.books.on_dial(self.now, None, &rung);
            let (after, outcome) = self.outcome(rung);
            let answers = !matches!(self.mode(rung), Mode::AnswersFail | Mode::Drops);
            let report = match outcome {
                Ok(()) if self.has_no_quota(rung) => Report::Failed(Fault::QuotaExhausted),
                Ok(()) if answers => Report::Answered { after: ms(500) },
                Ok(()) => Report::Failed(Fault::ServerError),
                Err(fault) => Report::Failed(fault),
            };
            self.at(after, Event::Probe(rung, Report::Ready));
            self.at(after + ms(500), Event::Probe(rung, report));
        }
        for rung in std::mem::take(&mut self.news.spares) {
            self.begin_spare(rung);
        }
    }

    fn arrive(&mut self) {
        let call = CallId::from_bits(u128::from(self.chance.bits()));
        let tenant = TenantId(u16::from(self.one_in(3)));
        let request = if self.one_in(20) {
            Request::ring_back(self.now, call, tenant)
        } else {
            Request::new(self.now, call, tenant)
        };
        let lasts = ms(500) + self.chance.up_to(secs(60));
        self.calls.push(Caller {
            request,
            asked_since: self.now,
            ask_at: None,
            current: None,
            dialling: Vec::new(),
            is_over: false,
        });
        let caller = self.calls.len() - 1;
        self.at(lasts, Event::End(caller));
        self.ask(caller);
        let pause = self.chance.up_to(if self.now < FAULTS_END {
            ms(1_500)
        } else {
            secs(8)
        });
        self.at(pause, Event::Arrive);
    }

    fn ask(&mut self, caller: usize) {
        if self.calls[caller].is_over {
            return;
        }
        self.calls[caller].ask_at = None;
        let request = &mut self.calls[caller].request;
        let (call, urgency) = (request.call(), request.urgency());
        let admission = self.pool.admit(self.now, request);
        self.note(&format!("{call} {urgency:?} {admission:?}"));
        self.books.on_answer(self.now, call, urgency, admission);
        match admission {
            Admission::Dial(rung) => self.dial(caller, rung),
            Admission::Wait { until } => {
                let is_patient = self.now.since(self.calls[caller].asked_since) < secs(8);
                if is_patient {
                    let after = until.since(self.now) + self.chance.up_to(ms(3));
                    self.calls[caller].ask_at = Some(self.now + after);
                    self.at(after, Event::Ask(caller));
                } else {
                    self.give_up(caller);
                }
            }
            Admission::Nothing(_) => self.give_up(caller),
        }
    }

    /// The apology; a session that is well, or a dial that goes on, is kept.
    fn give_up(&mut self, caller: usize) {
        let call = &mut self.calls[caller];
        self.pool.withdraw(&mut call.request);
        if call.current.is_none() && call.dialling.is_empty() {
            call.is_over = true;
        }
    }

    fn dial(&mut self, caller: usize, rung: Rung) {
        self.calls[caller].dialling.push(rung);
        self.holders.insert(rung.seat, caller);
        let (after, outcome) = self.outcome(rung);
        self.at(after, Event::Dialled(caller, rung, outcome));
        if after > ms(1_500) {
            self.at(ms(1_500), Event::Slow(caller, rung));
        }
        if let Some(hedge_after) = rung.hedge_after.filter(|hedge_after| *hedge_after < after) {
            self.at(hedge_after, Event::Hedge(caller, rung));
        }
    }

    fn slow(&mut self, caller: usize, rung: Rung) {
        if self.is_dialling(caller, rung) {
            self.report(rung, Report::Slow);
            self.fail(caller, rung, Fault::DialTimedOut(DialStage::Session));
            self.ask(caller);
        }
    }

    fn hedge(&mut self, caller: usize, rung: Rung) {
        if !self.is_dialling(caller, rung) {
            return;
        }
        let request = &mut self.calls[caller].request;
        let (call, urgency) = (request.call(), request.urgency());
        if let Some(second) = self.pool.hedge(self.now, request, &rung) {
            assert_ne!(second.provider, rung.provider);
            self.books.on_dial(self.now, Some((call, urgency)), &second);
            self.dial(caller, second);
        }
    }

    fn dialled(&mut self, caller: usize, rung: Rung, outcome: Result<(), Fault>) {
        if !self.is_dialling(caller, rung) {
            return;
        }
        self.calls[caller].dialling.retain(|of| *of != rung);
        if let Err(fault) = outcome {
            self.report(rung, Report::Failed(fault));
            self.fail(caller, rung, fault);
            if self.calls[caller].dialling.is_empty() {
                self.ask(caller);
            }
        } else {
            self.seat(caller, rung);
        }
    }

    /// The first that is ready wins: all others are closed.
    fn seat(&mut self, caller: usize, rung: Rung) {
        self.report(rung, Report::Ready);
        let others = std::mem::take(&mut self.calls[caller].dialling);
        for other in others.into_iter().chain(self.calls[caller].current) {
            self.report(other, Report::Ended);
        }
        let call = &mut self.calls[caller];
        call.current = Some(rung);
        call.ask_at = None;
        self.pool.withdraw(&mut call.request);
        let after = ms(300) + self.chance.up_to(secs(3));
        self.at(after, Event::Answer(caller, rung));
        if self.mode(rung) == Mode::Drops {
            let after = self.chance.up_to(ms(500));
            let fault = Fault::Closed { code: 1011 };
            self.at(after, Event::Break(caller, rung, fault));
        }
    }

    fn answer(&mut self, caller: usize, rung: Rung) {
        if self.calls[caller].current != Some(rung) {
            return;
        }
        let mode = self.mode(rung);
        if self.has_no_quota(rung) {
            return self.lose(caller, rung, Fault::QuotaExhausted);
        } else if mode == Mode::BlackHole {
            return self.lose(caller, rung, Fault::AnswerTimedOut);
        } else if mode == Mode::AnswersFail {
            if self.one_in(2) {
                return self.lose(caller, rung, Fault::Mute);
            }
            self.report(rung, Report::AnswerFailed(Fault::ServerError));
        } else {
            let after = ms(300) + self.chance.up_to(ms(900));
            self.report(rung, Report::Answered { after });
            let call = &mut self.calls[caller];
            call.request.answered(&rung);
            self.books.on_well(call.request.call(), rung);
        }
        if self.one_in(30) && self.now < FAULTS_END {
            let faults = [Fault::Expired, Fault::PolicyRefused, Fault::ContextTooLong];
            let fault = faults[self.below(3)];
            return self.lose(caller, rung, fault);
        }
        if self.one_in(20) && self.calls[caller].dialling.is_empty() {
            let call = &mut self.calls[caller];
            call.request.rotate(self.now, &rung);
            call.asked_since = self.now;
            self.books
                .on_lost(call.request.call(), &rung, Fault::Expired);
            self.ask(caller);
        }
        let after = ms(500) + self.chance.up_to(secs(4));
        self.at(after, Event::Answer(caller, rung));
    }

    fn lose(&mut self, caller: usize, rung: Rung, fault: Fault) {
        if self.calls[caller].current != Some(rung) {
            return;
        }
        self.report(rung, Report::Failed(fault));
        let call = &mut self.calls[caller];
        call.current = None;
        call.asked_since = self.now;
        call.request.lost(self.now, &rung, fault);
        self.books.on_lost(call.request.call(), &rung, fault);
        if call.dialling.is_empty() {
            self.ask(caller);
        }
    }

    fn fail(&mut self, caller: usize, rung: Rung, fault: Fault) {
        let call = &mut self.calls[caller];
        call.request.failed(&rung, fault);
        self.books.on_failed(call.request.call(), &rung, fault);
    }

    fn end(&mut self, caller: usize) {
        let call = &mut self.calls[caller];
        call.is_over = true;
        self.pool.withdraw(&mut call.request);
        let open: Vec<_> = call.dialling.drain(..).chain(call.current.take()).collect();
        for rung in open {
            self.report(rung, Report::Ended);
        }
    }

    fn report(&mut self, rung: Rung, report: Report) {
        let is_known = self
            .pool
            .record(self.now, rung.seat, report, &mut self.news);
        assert!(is_known, "{rung:?} {report:?}");
        self.books.on_report(self.now, rung.seat, report);
        self.tell_news();
    }

    fn is_dialling(&self, caller: usize, rung: Rung) -> bool {
        self.calls[caller].dialling.contains(&rung)
    }

    /// A provider's ways change.
    fn change(&mut self, provider: ProviderId) {
        let place = usize::from(provider.0);
        if self.now >= FAULTS_END {
            self.modes[place] = Mode::Well;
            return;
        }
        let mode = Mode::any(&mut self.chance);
        self.modes[place] = mode;
        self.note(&format!("{provider} {mode:?}"));
        self.books.see(format!("{mode:?}"));
        let killed = mode.kills_percent();
        for seat in self.books.live_sessions(provider) {
            if self.below(100) < killed {
                let caller = self.holders[&seat];
                let rung = self.calls[caller].current.filter(|rung| rung.seat == seat);
                let after = self.chance.up_to(ms(200));
                if let Some(rung) = rung {
                    self.at(
                        after,
                        Event::Break(caller, rung, Fault::Closed { code: 1006 }),
                    );
                }
            }
        }
        let lasts = secs(1) + self.chance.up_to(secs(40));
        let at = (self.now + lasts).min(FAULTS_END);
        self.at(at.since(self.now), Event::Change(provider));
    }

    /// How a dial ends, and when.
    fn outcome(&mut self, rung: Rung) -> (Duration, Result<(), Fault>) {
        self.mode(rung).outcome(&mut self.chance)
    }

    fn has_no_quota(&self, rung: Rung) -> bool {
        self.mode(rung) == Mode::NoQuota && rung.key == KeyId(0)
    }

    fn mode(&self, rung: Rung) -> Mode {
        self.modes[usize::from(rung.provider.0)]
    }

    /// When faults have stopped, everything is well again, and nothing is held that nobody holds.
    fn check_end(&mut self) {
        self.now = RUN_END;
        for provider in self.providers() {
            let keys = self.policy.providers[usize::from(provider.0)].keys;
            for key in (0..keys).map(|key| Some(KeyId(key))).chain([None]) {
                assert!(self.books.is_closed((provider, key)), "{provider} {key:?}");
            }
        }
        for caller in 0..self.calls.len() {
            self.end(caller);
        }
        self.end_spares();
        let status = self.pool.status(self.now);
        assert_eq!((status.live, status.waiting), (0, 0));
        for provider in &status.providers {
            assert_eq!((provider.sessions, provider.spares), (0, 0), "{provider:?}");
            assert!(provider.keys.iter().all(|key| key.sessions == 0));
        }
    }

    fn providers(&self) -> impl Iterator<Item = ProviderId> + use<> {
        (0..self.policy.providers.len()).map(|place| ProviderId(u8::try_from(place).unwrap()))
    }

    fn at(&mut self, after: Duration, event: Event) {
        self.events += 1;
        self.agenda.insert((self.now + after, self.events), event);
    }

    fn note(&mut self, line: &str) {
        writeln!(self.trace, "{} {line}", self.now).unwrap();
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.chance.bits() % count as u64).unwrap()
    }
}
