//! Proofs: a breaker that is closed says that nothing has failed, and an answer says that there will be another one.

use std::time::Duration;

use ringback::core::ids::ProviderId;
use ringback::core::pool::{BreakerState, Charge, PROOF_HOLDS, PROVED_AGAIN_AFTER, Report};
use ringback::core::time::Instant;

use crate::desk::{Desk, REFUSED, secs};

const FIRST: ProviderId = ProviderId(0);

const GOOD: Report = Report::Answered {
    after: Duration::from_millis(400),
};

impl Desk {
    fn is_proven(&mut self) -> bool {
        self.pool.status(self.now).providers[0].is_proven
    }

    /// Asks for a proof, and lets a probe that is due begin.
    fn prove(&mut self) {
        self.pool.prove(self.now);
        self.pool.tick(self.now, &mut self.news);
    }
}

#[test]
fn at_a_start_nobody_knows_and_nobody_looks_unasked() {
    let mut desk = Desk::with(1);
    assert_eq!(desk.state(FIRST), BreakerState::Closed);
    assert!(!desk.is_proven());
    desk.pass(secs(300));
    assert_eq!(desk.dials(Charge::Probe), 0);
}

#[test]
fn who_has_to_know_is_told_by_a_probe() {
    let mut desk = Desk::with(1);
    desk.prove();
    desk.prove();
    let probe = desk.news.probes.pop().unwrap();
    assert!(desk.news.probes.is_empty(), "one at a time");
    desk.report(&probe, Report::Ready);
    assert!(!desk.is_proven(), "a session is no answer");
    desk.report(&probe, GOOD);
    assert!(desk.is_proven());
    assert_eq!(desk.state(FIRST), BreakerState::Closed);
    desk.prove();
    assert_eq!(desk.dials(Charge::Probe), 1, "it is known");
    desk.pass(PROOF_HOLDS);
    assert!(!desk.is_proven(), "it was known");
    desk.prove();
    assert_eq!(desk.dials(Charge::Probe), 2);
}

#[test]
fn one_question_is_one_probe() {
    let mut desk = Desk::with(1);
    desk.prove();
    let probe = desk.news.probes.pop().unwrap();
    desk.report(&probe, Report::Failed(REFUSED));
    desk.pass(secs(300));
    assert_eq!(desk.dials(Charge::Probe), 1, "nobody has asked again");
}

#[test]
fn an_answer_of_a_call_is_as_good() {
    let mut desk = Desk::with(1);
    let (_call, rung) = desk.live_call();
    desk.pass(PROOF_HOLDS);
    assert!(!desk.is_proven());
    desk.answers(&rung);
    assert!(desk.is_proven());
    desk.prove();
    assert_eq!(desk.dials(Charge::Probe), 0);
}

#[test]
fn proofs_that_fail_open_the_breaker_and_then_none_is_asked_for() {
    let mut desk = Desk::with(1);
    for nth in 1..=5 {
        assert_eq!(desk.state(FIRST), BreakerState::Closed);
        desk.prove();
        let probe = desk.news.probes.pop().expect("it is asked for again");
        desk.report(&probe, Report::Failed(REFUSED));
        assert!(!desk.is_proven());
        assert_eq!(desk.dials(Charge::Probe), nth);
        desk.pass(secs(5));
    }
    assert_eq!(desk.state(FIRST), BreakerState::Open);
    desk.prove();
    assert!(desk.news.probes.is_empty(), "its cool-down decides now");
}

#[test]
fn a_breaker_that_opens_takes_the_proof_back() {
    let mut desk = Desk::with(1);
    let (_call, rung) = desk.live_call();
    desk.answers(&rung);
    assert!(desk.is_proven());
    desk.outage();
    assert!(!desk.is_proven());
}

/// Looks now and then, and lets a probe that is due begin.
fn look(desk: &mut Desk, every: Duration) {
    desk.pool.prove_now_and_then(desk.now, every);
    desk.pool.tick(desk.now, &mut desk.news);
}

#[test]
fn whoever_looks_now_and_then_asks_only_whom_nobody_asks() {
    let every = secs(300);
    let mut desk = Desk::with(1);
    let begun = Instant::from_start(secs(299));
    assert!(
        !desk.pool.prove_now_and_then(begun, every),
        "it has just begun"
    );
    desk.pass(every);
    look(&mut desk, every);
    let probe = desk.news.probes.pop().unwrap();
    desk.report(&probe, GOOD);
    desk.pass(secs(299));
    look(&mut desk, every);
    assert_eq!(
        desk.dials(Charge::Probe),
        1,
        "it has answered within that time"
    );
    desk.pass(secs(1));
    look(&mut desk, every);
    assert_eq!(desk.dials(Charge::Probe), 2);
    let status = &desk.pool.status(desk.now).providers[0];
    assert_eq!(status.answered_at, Some(desk.now - every));
    assert_eq!(status.probe_failed, None);
}

#[test]
fn a_failed_look_is_soon_repeated_and_an_answer_makes_up_for_it() {
    let every = secs(300);
    let mut desk = Desk::with(1);
    desk.pass(every);
    look(&mut desk, every);
    let probe = desk.news.probes.pop().unwrap();
    desk.report(&probe, Report::Failed(REFUSED));
    let failed = desk.pool.status(desk.now).providers[0].probe_failed;
    assert_eq!(failed, Some((desk.now, REFUSED)));
    desk.pass(PROVED_AGAIN_AFTER.checked_sub(secs(1)).unwrap());
    look(&mut desk, every);
    assert_eq!(desk.dials(Charge::Probe), 1);
    desk.pass(secs(1));
    look(&mut desk, every);
    let probe = desk.news.probes.pop().unwrap();
    desk.report(&probe, GOOD);
    assert_eq!(desk.pool.status(desk.now).providers[0].probe_failed, None);
    assert_eq!(desk.state(FIRST), BreakerState::Closed);
}
