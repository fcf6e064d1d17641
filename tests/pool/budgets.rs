//! What may be tried again, and who pays for it.

use ringback::core::fault::{DialStage, Fault};
use ringback::core::pool::{Admission, BreakerState, Charge, DIALS_MAX, Report, Why};

use crate::desk::{Desk, FIRST, GOOD, LOST, REFUSED, SECOND, ms, policy, secs};

#[test]
fn a_new_call_that_fails_goes_elsewhere_from_the_fleets_budget() {
    let mut desk = Desk::with(2);
    let mut request = desk.new_call();
    let rung = desk.dial(&mut request);
    assert_eq!(rung.charge, Charge::First);
    desk.report(&rung, Report::Failed(REFUSED));
    request.failed(&rung, REFUSED);
    let rung = desk.dial(&mut request);
    assert_eq!((rung.provider, rung.charge), (SECOND, Charge::Extra));
}

#[test]
fn extra_dials_end_with_the_budget_and_time_brings_the_floor_back() {
    let mut policy = policy(2);
    policy.breaker.failures_in_a_row = 1_000;
    policy.breaker.outcomes_min = 10_000;
    let mut desk = Desk::new(policy);
    let mut extra = 0;
    for _ in 0..200 {
        let mut request = desk.new_call();
        let rung = desk.dial(&mut request);
        desk.report(&rung, Report::Failed(REFUSED));
        request.failed(&rung, REFUSED);
        match desk.ask(&mut request) {
            Admission::Dial(rung) => {
                extra += 1;
                desk.report(&rung, Report::Ended);
            }
            Admission::Nothing(why) => assert_eq!(why, Why::BudgetSpent),
            Admission::Wait { .. } => panic!("there is nothing to wait for"),
        }
    }
    assert_eq!(extra, 20 + 200 / 10);
    desk.pass(secs(31));
    assert_eq!(desk.pool.status(desk.now).extra_left, 0);
    let mut request = desk.new_call();
    let rung = desk.dial(&mut request);
    desk.report(&rung, Report::Failed(REFUSED));
    request.failed(&rung, REFUSED);
    assert_eq!(desk.dial(&mut request).charge, Charge::Extra);
}

#[test]
fn the_first_dial_of_a_live_call_elsewhere_is_no_retry_but_the_second_is() {
    let mut desk = Desk::with(3);
    let (mut request, rung) = desk.live_call();
    desk.lose(&mut request, &rung, LOST);
    let rung = desk.dial(&mut request);
    assert_eq!((rung.provider, rung.charge), (SECOND, Charge::Move));
    desk.report(&rung, Report::Failed(REFUSED));
    request.failed(&rung, REFUSED);
    assert_eq!(desk.dial(&mut request).charge, Charge::Extra);
}

#[test]
fn where_all_have_failed_a_call_takes_turns_and_does_not_insist_on_a_dead_one() {
    let mut desk = Desk::with(2);
    let (mut request, rung) = desk.live_call();
    desk.lose(&mut request, &rung, LOST);
    let rung = desk.dial(&mut request);
    assert_eq!(rung.provider, SECOND);
    desk.is_ready(&rung);
    desk.lose(&mut request, &rung, Fault::AnswerTimedOut);
    let (rung, _) = desk.dial_in_time(&mut request);
    assert_eq!(rung.provider, FIRST);
    desk.report(&rung, Report::Failed(REFUSED));
    request.failed(&rung, REFUSED);
    let (rung, _) = desk.dial_in_time(&mut request);
    assert_eq!(rung.provider, SECOND);
}

#[test]
fn all_live_calls_of_a_single_provider_come_back_within_the_spread() {
    let mut desk = Desk::with(1);
    let mut calls: Vec<_> = (0..200).map(|_| desk.live_call()).collect();
    desk.pass(secs(60));
    let lost_at = desk.now;
    for (request, rung) in &mut calls {
        desk.lose(request, rung, LOST);
    }
    let mut waits = Vec::new();
    for (request, _) in &mut calls {
        desk.now = lost_at;
        let (rung, waited) = desk.dial_in_time(request);
        assert_eq!(rung.charge, Charge::Reserve);
        waits.push(waited);
    }
    assert!(waits.iter().all(|wait| *wait <= ms(300)), "{waits:?}");
    let early = waits.iter().filter(|wait| **wait < ms(150)).count();
    assert!((60..140).contains(&early), "spread evenly: {early}");
    assert_eq!(desk.dials(Charge::Extra), 0);
}

#[test]
fn a_few_that_are_lost_together_are_no_storm_and_come_back_sooner() {
    let mut desk = Desk::with(1);
    let mut calls: Vec<_> = (0..4).map(|_| desk.live_call()).collect();
    let lost_at = desk.now;
    for (request, rung) in &mut calls {
        desk.lose(request, rung, LOST);
    }
    for (request, _) in &mut calls {
        desk.now = lost_at;
        let (_, waited) = desk.dial_in_time(request);
        assert!(waited <= ms(30), "{waited:?}");
    }
}

#[test]
fn a_call_that_is_lost_alone_comes_back_at_once() {
    let mut desk = Desk::with(1);
    let (mut request, rung) = desk.live_call();
    desk.lose(&mut request, &rung, LOST);
    assert_eq!(desk.dial(&mut request).charge, Charge::Reserve);
}

#[test]
fn a_live_call_whose_only_provider_talks_nonsense_twice_is_paid_for_by_the_fleet() {
    let mut desk = Desk::with(1);
    let (mut request, rung) = desk.live_call();
    desk.lose(&mut request, &rung, Fault::Garbled);
    let rung = desk.dial(&mut request);
    assert_eq!(rung.charge, Charge::Reserve);
    desk.is_ready(&rung);
    desk.lose(&mut request, &rung, Fault::Garbled);
    let (rung, _) = desk.dial_in_time(&mut request);
    assert_eq!((rung.provider, rung.charge), (FIRST, Charge::Extra));
}

#[test]
fn a_live_call_passes_an_open_breaker_once_if_there_is_no_other_rung() {
    let mut desk = Desk::with(1);
    let (mut request, rung) = desk.live_call();
    let (mut other, other_rung) = desk.live_call();
    desk.outage();
    desk.lose(&mut request, &rung, LOST);
    let (redial, _) = desk.dial_in_time(&mut request);
    assert_eq!((redial.provider, redial.charge), (FIRST, Charge::Reserve));
    desk.report(&redial, Report::Failed(REFUSED));
    request.failed(&redial, REFUSED);
    assert_eq!(desk.is_refused(&mut request), Why::Open, "once");

    desk.pass(secs(33));
    assert_eq!(desk.state(FIRST), BreakerState::HalfOpen);
    desk.lose(&mut other, &other_rung, LOST);
    desk.dial_in_time(&mut other);

    let mut new = desk.new_call();
    assert_eq!(desk.is_refused(&mut new), Why::Open, "never a new call");
}

#[test]
fn live_calls_with_nowhere_else_to_go_wait_for_a_start_at_an_open_breaker() {
    let mut policy = policy(1);
    policy.providers[0].starts_per_second = 10;
    policy.providers[0].burst = 10;
    let mut desk = Desk::new(policy);
    let mut calls: Vec<_> = (0..5).map(|_| desk.live_call()).collect();
    desk.outage();
    for (request, rung) in &mut calls {
        desk.lose(request, rung, LOST);
    }
    let began = desk.now;
    for (request, _) in &mut calls {
        assert_eq!(desk.dial_in_time(request).0.charge, Charge::Reserve);
    }
    let took = desk.now.since(began);
    assert!((ms(400)..ms(1_900)).contains(&took), "{took:?}");
}

#[test]
fn a_live_call_is_not_given_up_while_the_reserve_has_something_and_another_rung_is_well() {
    let mut policy = policy(3);
    policy.retry.extra_floor = 0;
    let mut desk = Desk::new(policy);
    let (mut request, mut rung) = desk.live_call();
    desk.lose(&mut request, &rung, LOST);
    for expected in [Charge::Move, Charge::Reserve] {
        rung = desk.dial(&mut request);
        assert_eq!(rung.charge, expected);
        desk.report(&rung, Report::Failed(REFUSED));
        request.failed(&rung, REFUSED);
    }
    assert_eq!(desk.is_refused(&mut request), Why::BudgetSpent);
}

#[test]
fn a_live_call_does_not_pass_an_open_breaker_if_there_is_another_rung() {
    let mut desk = Desk::with(2);
    let (mut request, rung) = desk.live_call();
    desk.outage();
    desk.lose(&mut request, &rung, LOST);
    let rung = desk.dial(&mut request);
    assert_eq!(rung.provider, SECOND);
    desk.report(&rung, Report::Failed(REFUSED));
    request.failed(&rung, REFUSED);
    let (rung, waited) = desk.dial_in_time(&mut request);
    assert_eq!(
        rung.provider, SECOND,
        "closed, so it comes before the last resort"
    );
    assert!(waited <= ms(300));
}

#[test]
fn a_call_waits_no_longer_than_its_budget_for_its_retries() {
    for seed in 0..50 {
        let mut policy = policy(1);
        policy.breaker.failures_in_a_row = 1_000;
        policy.breaker.outcomes_min = 10_000;
        let mut desk = Desk::new(policy);
        for _ in 0..seed {
            desk.live_call();
        }
        let (mut request, rung) = desk.live_call();
        desk.lose(&mut request, &rung, LOST);
        let began = desk.now;
        while !matches!(desk.ask(&mut request), Admission::Nothing(_)) {
            match desk.ask(&mut request) {
                Admission::Dial(rung) => {
                    desk.report(&rung, Report::Failed(REFUSED));
                    request.failed(&rung, REFUSED);
                }
                Admission::Wait { until } => desk.now = until,
                Admission::Nothing(_) => break,
            }
        }
        let waited = desk.now.since(began);
        assert!(waited <= ms(900), "{seed}: {waited:?}");
    }
}

#[test]
fn an_answer_ends_the_outage_and_readiness_does_not() {
    let mut desk = Desk::with(1);
    let (mut request, mut rung) = desk.live_call();
    for outage in 0..5 {
        desk.pass(secs(21));
        desk.lose(&mut request, &rung, LOST);
        let (redial, _) = desk.dial_in_time(&mut request);
        assert_eq!(redial.charge, Charge::Reserve, "{outage}");
        desk.is_ready(&redial);
        desk.answers(&redial);
        request.answered(&redial);
        rung = redial;
    }
    desk.pass(secs(21));
    desk.lose(&mut request, &rung, LOST);
    let (redial, _) = desk.dial_in_time(&mut request);
    desk.is_ready(&redial);
    desk.lose(&mut request, &redial, LOST);
    let (again, _) = desk.dial_in_time(&mut request);
    assert_eq!(again.charge, Charge::Extra);
}

#[test]
fn a_key_rests_as_long_as_the_provider_asks_and_its_breaker_stays_closed() {
    let mut desk = Desk::with(1);
    let limited = |asks| Fault::RateLimited { retry_after: asks };
    let mut request = desk.new_call();
    let rung = desk.dial(&mut request);
    desk.report(&rung, Report::Failed(limited(Some(ms(700)))));
    request.failed(&rung, limited(Some(ms(700))));
    assert_eq!(
        desk.waits(&mut request),
        ms(700),
        "it fits into the call's budget"
    );
    desk.pass(ms(700));
    let rung = desk.dial(&mut request);
    desk.report(&rung, Report::Failed(limited(Some(secs(5)))));
    request.failed(&rung, limited(Some(secs(5))));
    assert_eq!(desk.is_refused(&mut request), Why::Resting, "it does not");
    desk.pass(ms(4_999));
    let mut other = desk.new_call();
    assert_eq!(desk.waits(&mut other), ms(1));
    assert_eq!(desk.state(FIRST), BreakerState::Closed);
}

#[test]
fn rotation_is_free_and_stays_at_the_same_provider() {
    let mut desk = Desk::with(2);
    desk.outage();
    let (mut request, rung) = desk.live_call();
    assert_eq!(rung.provider, SECOND);
    desk.probe(secs(120), GOOD);
    desk.pass(secs(60));
    assert_eq!(desk.state(FIRST), BreakerState::Closed);
    request.rotate(desk.now, &rung);
    let successor = desk.dial(&mut request);
    let seen = (successor.provider, successor.charge);
    assert_eq!(
        seen,
        (SECOND, Charge::Rotation),
        "although the better tier is back"
    );
}

#[test]
fn a_hedge_follows_the_providers_own_recent_times_and_is_one_dial_in_twenty() {
    let mut desk = Desk::with(2);
    let mut hedges = 0;
    for call in 0..400_u64 {
        let mut request = desk.new_call();
        let first = desk.dial(&mut request);
        let late = call >= 20 && call % 2 == 0;
        if let Some(after) = first.hedge_after.filter(|_| late) {
            assert!(after >= ms(150));
            desk.now = desk.now + after - ms(1);
            let early = desk.pool.hedge(desk.now, &mut request, &first);
            assert_eq!(early, None, "not before its time");
            desk.now = desk.now + ms(1);
            if let Some(second) = desk.pool.hedge(desk.now, &mut request, &first) {
                assert_eq!((second.provider, second.charge), (SECOND, Charge::Hedge));
                hedges += 1;
                desk.report(&second, Report::Ended);
            }
        } else {
            desk.now = desk.now + ms(100 + call % 20);
        }
        desk.is_ready(&first);
        desk.answers(&first);
        desk.report(&first, Report::Ended);
    }
    assert!((19..=400 / 20).contains(&hedges), "{hedges}");
}

#[test]
fn no_hedge_beside_a_provider_that_is_slow_and_not_late() {
    let mut desk = Desk::with(2);
    for _ in 0..20 {
        let mut request = desk.new_call();
        let rung = desk.dial(&mut request);
        desk.now = desk.now + ms(601);
        desk.is_ready(&rung);
        desk.report(&rung, Report::Ended);
    }
    let mut request = desk.new_call();
    assert_eq!(desk.dial(&mut request).hedge_after, None);
}

#[test]
fn a_slow_dial_goes_on_while_the_next_rung_is_dialled() {
    let mut desk = Desk::with(2);
    let mut request = desk.new_call();
    let first = desk.dial(&mut request);
    desk.pass(ms(1_500));
    desk.report(&first, Report::Slow);
    request.failed(&first, Fault::DialTimedOut(DialStage::Session));
    assert_eq!(desk.dial(&mut request).provider, SECOND);
    desk.is_ready(&first);
}

#[test]
fn whoever_says_nothing_moves_to_a_fresh_session_as_often_as_it_takes() {
    let mut desk = Desk::with(1);
    let mut request = desk.new_call();
    let mut rung = desk.dial(&mut request);
    desk.is_ready(&rung);
    for _ in 0..3 * DIALS_MAX {
        desk.pass(secs(60));
        request.rotate(desk.now, &rung);
        let next = desk.dial(&mut request);
        desk.is_ready(&next);
        desk.report(&rung, Report::Ended);
        rung = next;
    }
    request.lost(desk.now, &rung, LOST);
    desk.report(&rung, Report::Failed(LOST));
    desk.dial_in_time(&mut request);
}
