//! When a breaker opens, what passes it, and how it closes.

use ringback::core::fault::{DialStage, Fault};
use ringback::core::ids::{KeyId, ProviderId};
use ringback::core::pool::{Admission, BreakerState, Cause, Charge, Control, Report, Warning, Why};

use crate::desk::{Desk, FIRST, GOOD, LOST, REFUSED, SECOND, ms, policy, secs};

#[test]
fn five_failures_in_a_row_open_it_and_then_nobody_dials() {
    let mut desk = Desk::with(2);
    desk.fail(4, REFUSED);
    assert_eq!(desk.state(FIRST), BreakerState::Closed);
    desk.fail(1, REFUSED);
    let change = desk.transitions()[0];
    let seen = (
        change.provider,
        change.key,
        change.from,
        change.to,
        change.cause,
    );
    let (closed, open) = (BreakerState::Closed, BreakerState::Open);
    assert_eq!(seen, (FIRST, None, closed, open, Cause::InARow));
    for _ in 0..100 {
        let mut request = desk.new_call();
        assert_eq!(desk.dial(&mut request).provider, SECOND);
    }
}

#[test]
fn half_of_ten_within_ten_seconds_open_it() {
    let mut desk = Desk::with(1);
    for turn in 0..5 {
        assert_eq!(desk.state(FIRST), BreakerState::Closed, "turn {turn}");
        desk.live_call();
        desk.fail(1, REFUSED);
        desk.pass(ms(500));
    }
    assert_eq!(desk.state(FIRST), BreakerState::Open);
    assert_eq!(desk.transitions()[0].cause, Cause::Failures);
}

#[test]
fn failures_that_are_spread_over_time_do_not() {
    let mut desk = Desk::with(1);
    for _ in 0..50 {
        desk.live_call();
        desk.fail(1, REFUSED);
        desk.pass(secs(3));
    }
    assert_eq!(desk.state(FIRST), BreakerState::Closed);
}

#[test]
fn slow_dials_open_it_before_they_time_out() {
    let mut desk = Desk::with(2);
    let rungs: Vec<_> = (0..10)
        .map(|_| {
            let mut request = desk.new_call();
            desk.dial(&mut request)
        })
        .collect();
    desk.pass(ms(1_500));
    for rung in &rungs {
        desk.report(rung, Report::Slow);
    }
    assert_eq!(desk.transitions()[0].cause, Cause::Slowness);
    desk.pass(ms(1_500));
    for rung in &rungs {
        desk.report(
            rung,
            Report::Failed(Fault::DialTimedOut(DialStage::Upgrade)),
        );
    }
}

#[test]
fn answers_of_old_sessions_do_not_hide_that_no_new_one_can_be_had() {
    let mut desk = Desk::with(1);
    let calls: Vec<_> = (0..20).map(|_| desk.live_call()).collect();
    for _ in 0..4 {
        desk.fail(1, REFUSED);
        for (_, rung) in &calls {
            desk.answers(rung);
        }
    }
    desk.fail(1, REFUSED);
    assert_eq!(desk.state(FIRST), BreakerState::Open);
}

#[test]
fn who_takes_sessions_and_answers_none_is_out() {
    let mut desk = Desk::with(1);
    for _ in 0..5 {
        assert_eq!(desk.state(FIRST), BreakerState::Closed);
        let mut request = desk.new_call();
        let rung = desk.dial(&mut request);
        desk.is_ready(&rung);
        desk.report(&rung, Report::AnswerFailed(Fault::ServerError));
    }
    assert_eq!(desk.state(FIRST), BreakerState::Open);
}

#[test]
fn fifty_sessions_lost_in_one_second_are_one_failure() {
    let mut desk = Desk::with(2);
    let mut calls: Vec<_> = (0..200).map(|_| desk.live_call()).collect();
    for (request, rung) in calls.iter_mut().take(50) {
        desk.lose(request, rung, LOST);
        desk.now = desk.now + ms(19);
        assert_eq!(
            desk.dial(request).provider,
            SECOND,
            "each goes on elsewhere"
        );
    }
    assert_eq!(desk.state(FIRST), BreakerState::Closed);
    assert_eq!(desk.dials(Charge::Extra), 0);
}

#[test]
fn sessions_lost_second_after_second_open_it() {
    let mut desk = Desk::with(1);
    let mut calls: Vec<_> = (0..10).map(|_| desk.live_call()).collect();
    for (request, rung) in calls.iter_mut().take(5) {
        desk.pass(ms(1_001));
        desk.lose(request, rung, LOST);
    }
    assert_eq!(desk.transitions()[0].cause, Cause::InARow);
}

#[test]
fn what_is_ours_the_callers_or_expected_does_not_count() {
    for fault in [
        Fault::RequestRejected,
        Fault::Expired,
        Fault::PolicyRefused,
        Fault::ContextTooLong,
    ] {
        let mut desk = Desk::with(1);
        desk.fail(100, fault);
        assert_eq!(desk.state(FIRST), BreakerState::Closed, "{fault}");
    }
}

#[test]
fn a_key_without_quota_is_out_at_once_and_the_others_stay() {
    let mut entries = policy(1);
    entries.providers[0].keys = 2;
    let mut desk = Desk::new(entries);
    let mut request = desk.new_call();
    let rung = desk.dial(&mut request);
    assert_eq!(rung.key, KeyId(0));
    desk.is_ready(&rung);
    desk.lose(&mut request, &rung, Fault::QuotaExhausted);
    let change = desk.transitions()[0];
    assert_eq!(change.key, Some(KeyId(0)));
    assert_eq!(change.cause, Cause::Permanent(Fault::QuotaExhausted));
    assert_eq!(desk.dial(&mut request).key, KeyId(1));
    for _ in 0..10 {
        let mut request = desk.new_call();
        assert_eq!(desk.dial(&mut request).key, KeyId(1));
    }
}

#[test]
fn a_permanent_fault_is_never_tried_again_not_even_by_a_live_call_with_nowhere_else_to_go() {
    for fault in [
        Fault::QuotaExhausted,
        Fault::Unauthorized,
        Fault::ModelNotFound,
        Fault::WrongDialect,
    ] {
        let mut desk = Desk::with(1);
        let (mut request, rung) = desk.live_call();
        desk.lose(&mut request, &rung, fault);
        assert_eq!(desk.is_refused(&mut request), Why::Open, "{fault}");
    }
}

#[test]
fn the_cool_down_is_thirty_seconds_and_doubles_to_five_minutes() {
    let mut desk = Desk::with(1);
    desk.outage();
    let bad = Report::Failed(REFUSED);
    for expected in [30, 60, 120, 240, 300, 300] {
        let opened_at = desk.now;
        let until = desk.pool.deadline().unwrap();
        let length = until.since(opened_at);
        assert!(length >= secs(expected) * 9 / 10, "{expected}: {length:?}");
        assert!(length <= secs(expected) * 11 / 10, "{expected}: {length:?}");
        desk.probe(length, bad);
        assert_eq!(desk.state(FIRST), BreakerState::Open);
    }
}

#[test]
fn after_a_long_time_of_health_the_cool_down_is_short_again() {
    let mut desk = Desk::with(1);
    for _ in 0..3 {
        desk.outage();
        let length = desk.pool.deadline().unwrap().since(desk.now);
        assert!(length <= secs(33), "{length:?}");
        desk.probe(secs(40), GOOD);
        desk.pass(secs(301));
    }
}

#[test]
fn a_half_open_breaker_takes_probes_and_no_callers() {
    let mut desk = Desk::with(2);
    desk.outage();
    desk.pass(secs(33));
    assert_eq!(desk.state(FIRST), BreakerState::HalfOpen);
    assert_eq!(desk.news.probes.len(), 1, "one at a time");
    for _ in 0..1_000 {
        let mut request = desk.new_call();
        let rung = desk.dial_in_time(&mut request).0;
        assert_eq!(rung.provider, SECOND);
        desk.report(&rung, Report::Ended);
    }
}

#[test]
fn three_good_probes_close_it_and_a_ready_session_is_not_a_good_probe() {
    let mut desk = Desk::with(1);
    desk.outage();
    desk.pass(secs(33));
    for good in 0..3 {
        assert_eq!(desk.state(FIRST), BreakerState::HalfOpen, "{good}");
        let probe = desk.news.probes.pop().unwrap();
        for _ in 0..5 {
            desk.report(&probe, Report::Ready);
        }
        assert_eq!(desk.state(FIRST), BreakerState::HalfOpen);
        desk.report(&probe, GOOD);
        desk.pass(secs(1));
    }
    assert_eq!(desk.state(FIRST), BreakerState::SlowStart);
    assert_eq!(desk.transitions().last().unwrap().cause, Cause::ProbesGood);
    desk.pass(secs(30));
    assert_eq!(desk.state(FIRST), BreakerState::Closed);
}

#[test]
fn a_probe_that_hangs_has_failed() {
    let mut desk = Desk::with(1);
    desk.outage();
    desk.pass(secs(33));
    let probe = desk.news.probes.pop().unwrap();
    desk.pass(secs(10));
    assert_eq!(desk.state(FIRST), BreakerState::Open);
    let is_known = desk.pool.record(desk.now, probe.seat, GOOD, &mut desk.news);
    assert!(!is_known, "its answer is too late");
    assert_eq!(desk.pool.status(desk.now).providers[0].sessions, 0);
}

#[test]
fn slow_start_takes_a_tenth_and_then_more_while_another_rung_takes_the_rest() {
    let mut entries = policy(2);
    for entry in &mut entries.providers {
        (entry.starts_per_second, entry.burst) = (5_000, 5_000);
    }
    let mut desk = Desk::new(entries);
    desk.outage();
    desk.probe(secs(35), GOOD);
    assert_eq!(desk.state(FIRST), BreakerState::SlowStart);
    let mut shares = Vec::new();
    for _ in 0..3 {
        let mut to_first = 0;
        for _ in 0..1_000 {
            let mut request = desk.new_call();
            let rung = desk.dial(&mut request);
            to_first += u32::from(rung.provider == FIRST);
            desk.report(&rung, Report::Ended);
            desk.now = desk.now + ms(1);
        }
        shares.push(to_first);
        desk.pass(secs(13));
    }
    assert!((50..250).contains(&shares[0]), "{shares:?}");
    assert!((400..700).contains(&shares[1]), "{shares:?}");
    assert!(shares[2] > 900, "{shares:?}");
}

#[test]
fn slow_start_refuses_no_caller_where_no_other_rung_takes_him() {
    let mut desk = Desk::with(1);
    desk.outage();
    desk.probe(secs(33), GOOD);
    assert_eq!(desk.state(FIRST), BreakerState::SlowStart);
    let mut can_wait = 0;
    for _ in 0..100 {
        let mut request = desk.new_call();
        desk.dial_in_time(&mut request);
        let mut ring_back = desk.ring_back();
        match desk.ask(&mut ring_back) {
            Admission::Nothing(why) => {
                assert_eq!(why, Why::SlowStart);
                can_wait += 1;
            }
            Admission::Wait { .. } => desk.pool.withdraw(&mut ring_back),
            Admission::Dial(rung) => desk.report(&rung, Report::Ended),
        }
    }
    assert!(can_wait > 50, "ring-backs wait: {can_wait}");
}

#[test]
fn an_operator_isolates_opens_and_closes() {
    let mut desk = Desk::with(1);
    let news = &mut desk.news;
    assert!(
        desk.pool
            .control(desk.now, FIRST, None, Control::Isolate, news)
    );
    assert!(
        !desk
            .pool
            .control(desk.now, SECOND, None, Control::Isolate, news)
    );
    desk.pass(secs(10_000));
    assert_eq!(desk.state(FIRST), BreakerState::Isolated);
    assert!(desk.news.probes.is_empty(), "not even probes");
    let mut request = desk.new_call();
    assert_eq!(desk.is_refused(&mut request), Why::Open);

    desk.pool
        .control(desk.now, FIRST, None, Control::Close, &mut desk.news);
    desk.dial(&mut request);
    desk.pool
        .control(desk.now, FIRST, None, Control::Open, &mut desk.news);
    desk.probe(secs(40), GOOD);
    assert_eq!(desk.state(FIRST), BreakerState::SlowStart);
    let causes: Vec<_> = desk.transitions().iter().map(|of| of.cause).collect();
    assert_eq!(causes[..3], [Cause::Operator; 3]);
}

#[test]
fn who_hears_of_an_outage_needs_fewer_failures_of_its_own_and_at_least_two() {
    for (warning, failures) in [(Warning::One, 3), (Warning::Many, 2)] {
        let mut desk = Desk::with(2);
        let until = desk.now + secs(30);
        assert!(desk.pool.warn(FIRST, Some((warning, until))));
        desk.pass(secs(1));
        assert_eq!(
            desk.state(FIRST),
            BreakerState::Closed,
            "nobody obeys blindly"
        );
        desk.fail(failures - 1, REFUSED);
        assert_eq!(desk.state(FIRST), BreakerState::Closed);
        desk.fail(1, REFUSED);
        assert_eq!(desk.state(FIRST), BreakerState::Open, "{warning:?}");
        assert_eq!(desk.state(SECOND), BreakerState::Closed);
    }
}

#[test]
fn what_others_say_ages_and_can_be_taken_back() {
    for is_taken_back in [false, true] {
        let mut desk = Desk::with(2);
        let until = desk.now + secs(30);
        desk.pool.warn(FIRST, Some((Warning::Many, until)));
        if is_taken_back {
            desk.pool.warn(FIRST, None);
        } else {
            desk.pass(secs(30));
        }
        desk.fail(4, REFUSED);
        assert_eq!(desk.state(FIRST), BreakerState::Closed);
    }
    let nobody = ProviderId(7);
    assert!(!Desk::with(2).pool.warn(nobody, None));
}

#[test]
fn a_warned_breaker_judges_shares_by_fewer_outcomes() {
    let mut desk = Desk::with(1);
    let until = desk.now + secs(30);
    desk.pool.warn(FIRST, Some((Warning::Many, until)));
    for _ in 0..2 {
        desk.live_call();
        assert_eq!(desk.state(FIRST), BreakerState::Closed);
        desk.fail(1, REFUSED);
    }
    assert_eq!(desk.state(FIRST), BreakerState::Open);
    assert_eq!(desk.transitions()[0].cause, Cause::Failures);
}
