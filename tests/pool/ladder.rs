//! Who gets which call, by tier, weight, canary and kind of fault.

use ringback::core::fault::Fault;
use ringback::core::ids::{KeyId, ProviderId, TenantId, Tier};
use ringback::core::pool::{Pool, Report, Request, Share, TenantPolicy, Why};

use crate::desk::{Desk, FIRST, LOST, REFUSED, SECOND, ms, policy};

const THIRD: ProviderId = ProviderId(2);

#[test]
fn a_tier_shares_its_calls_by_weight_and_a_call_always_gets_the_same() {
    let mut entries = policy(3);
    entries.providers[1].tier = Tier(1);
    entries.providers[0].share = Share::Weight(75);
    entries.providers[1].share = Share::Weight(25);
    let mut desk = Desk::new(entries.clone());
    let mut to_first = 0;
    for _ in 0..2_000 {
        let mut request = desk.new_call();
        let rung = desk.dial(&mut request);
        let mut again = Request::new(desk.now, request.call(), TenantId(0));
        assert_eq!(desk.dial(&mut again).provider, rung.provider);
        to_first += u32::from(rung.provider == FIRST);
        assert_ne!(rung.provider, THIRD);
        desk.pool = Pool::new(entries.clone(), 7).unwrap();
    }
    assert!((1_400..1_600).contains(&to_first), "{to_first}");
}

#[test]
fn a_canary_gets_its_share_of_new_calls_and_nobody_elses_fallback() {
    let mut entries = policy(2);
    entries.providers[1].share = Share::Canary(10);
    entries.providers[0].sessions_max = 50_000;
    entries.providers[0].burst = 50_000;
    let mut desk = Desk::new(entries);
    let mut to_canary = 0;
    for _ in 0..10_000 {
        let mut request = desk.new_call();
        let rung = desk.dial(&mut request);
        to_canary += u32::from(rung.provider == SECOND);
    }
    assert!((60..140).contains(&to_canary), "{to_canary}");
    desk.outage_of_new_calls_not_for_the_canary();
}

impl Desk {
    fn outage_of_new_calls_not_for_the_canary(&mut self) {
        let (mut request, rung) = self.live_call();
        self.lose(&mut request, &rung, Fault::QuotaExhausted);
        assert_eq!(self.is_refused(&mut request), Why::Open);
    }
}

#[test]
fn a_canary_that_fails_leaves_the_call_to_the_ladder() {
    let mut entries = policy(2);
    entries.providers[1].share = Share::Canary(1_000);
    let mut desk = Desk::new(entries);
    let mut request = desk.new_call();
    let rung = desk.dial(&mut request);
    assert_eq!(rung.provider, SECOND);
    desk.report(&rung, Report::Failed(REFUSED));
    request.failed(&rung, REFUSED);
    assert_eq!(desk.dial(&mut request).provider, FIRST);
}

#[test]
fn a_limited_key_gives_way_to_another_key_then_another_region_of_the_same_model() {
    let mut entries = policy(3);
    entries.providers[0].keys = 2;
    entries.providers[0].model = "one".to_owned();
    entries.providers[2].model = "one".to_owned();
    let mut desk = Desk::new(entries);
    let limited = Fault::RateLimited { retry_after: None };
    let mut request = desk.new_call();
    let mut places = Vec::new();
    for _ in 0..4 {
        let rung = desk.dial(&mut request);
        places.push((rung.provider, rung.key));
        desk.report(&rung, Report::Failed(limited));
        request.failed(&rung, limited);
    }
    let expected = [(FIRST, 0), (FIRST, 1), (THIRD, 0), (SECOND, 0)];
    assert_eq!(
        places,
        expected.map(|(provider, key)| (provider, KeyId(key)))
    );
}

#[test]
fn what_one_vendor_will_not_talk_about_goes_to_another_vendor() {
    let mut entries = policy(3);
    entries.providers[0].vendor = "one".to_owned();
    entries.providers[1].vendor = "one".to_owned();
    let mut desk = Desk::new(entries);
    let (mut request, rung) = desk.live_call();
    desk.lose(&mut request, &rung, Fault::PolicyRefused);
    assert_eq!(desk.dial(&mut request).provider, THIRD);
}

#[test]
fn a_conversation_that_is_too_long_goes_to_a_larger_window_first() {
    let mut entries = policy(3);
    entries.providers[2].window_tokens = 128_000;
    let mut desk = Desk::new(entries);
    let (mut request, rung) = desk.live_call();
    desk.lose(&mut request, &rung, Fault::ContextTooLong);
    let rung = desk.dial(&mut request);
    assert_eq!(rung.provider, THIRD);
    desk.report(&rung, Report::Failed(Fault::ContextTooLong));
    request.failed(&rung, Fault::ContextTooLong);
    // What a fresh session is told is shorter than what the one before it had heard.
    assert_eq!(desk.dial(&mut request).provider, SECOND);
}

#[test]
fn a_slow_answer_goes_to_the_model_that_is_faster_of_late() {
    let mut desk = Desk::with(3);
    let mut calls = [FIRST, SECOND, THIRD].map(|_| desk.live_call());
    // The second is slower, the third faster than the first.
    for (place, millis) in [(0, 800), (1, 900), (2, 300)] {
        let (request, rung) = &mut calls[place];
        for step in 0..place {
            desk.lose(request, rung, LOST);
            *rung = desk.dial(request);
            desk.is_ready(rung);
            assert_eq!(usize::from(rung.provider.0), step + 1);
        }
        for _ in 0..12 {
            let after = ms(millis);
            desk.report(rung, Report::Answered { after });
        }
        request.answered(rung);
    }
    let (request, rung) = &mut calls[0];
    desk.lose(request, rung, Fault::AnswerTimedOut);
    assert_eq!(desk.dial(request).provider, THIRD);
}

#[test]
fn a_full_entry_gives_way_to_the_next_and_a_new_call_is_refused_when_all_are() {
    let mut entries = policy(2);
    entries.providers[0].sessions_max = 2;
    entries.providers[1].sessions_max = 1;
    let mut desk = Desk::new(entries);
    let calls: Vec<_> = (0..3).map(|_| desk.live_call()).collect();
    let places: Vec<_> = calls.iter().map(|(_, rung)| rung.provider).collect();
    assert_eq!(places, [FIRST, FIRST, SECOND]);
    let mut request = desk.new_call();
    assert_eq!(desk.is_refused(&mut request), Why::Full);
    desk.report(&calls[0].1, Report::Ended);
    assert_eq!(desk.dial(&mut request).provider, FIRST);
}

#[test]
fn a_tenant_that_has_all_it_may_have_gets_no_new_call_but_keeps_its_live_ones() {
    let mut entries = policy(2);
    entries.tenants = vec![TenantPolicy { sessions_max: 2 }, TenantPolicy::default()];
    let mut desk = Desk::new(entries);
    let (mut live, rung) = desk.live_call();
    desk.lose(&mut live, &rung, LOST);
    desk.live_call();
    desk.live_call();
    let mut request = desk.new_call();
    assert_eq!(desk.is_refused(&mut request), Why::TenantFull);
    assert_eq!(desk.dial(&mut live).provider, SECOND);
    let mut other = Request::new(desk.now, request.call(), TenantId(1));
    desk.dial(&mut other);
    let mut nobody = Request::new(desk.now, request.call(), TenantId(2));
    assert_eq!(desk.is_refused(&mut nobody), Why::UnknownTenant);
}

#[test]
fn a_late_report_says_nothing_about_who_sits_there_now() {
    let mut desk = Desk::with(1);
    let (_, gone) = desk.live_call();
    desk.report(&gone, Report::Ended);
    let (_, next) = desk.live_call();
    assert_ne!(gone.seat, next.seat, "a name is never used twice");
    for late in [Report::Failed(LOST), Report::Ended, Report::Ready] {
        assert!(!desk.pool.record(desk.now, gone.seat, late, &mut desk.news));
    }
    assert_eq!(desk.pool.status(desk.now).live, 1);
    desk.report(&next, Report::Ended);
    assert_eq!(desk.pool.status(desk.now).live, 0);
}
