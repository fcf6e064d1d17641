//! Spares: what they are dialled from, who is given them, and what their loss means.

use std::time::Duration;

use ringback::core::fault::Fault;
use ringback::core::ids::KeyId;
use ringback::core::pool::{BreakerState, Charge, PoolPolicy, Report, Rung};

use crate::desk::{Desk, FIRST, GOOD, LOST, REFUSED, ms, policy, secs};

/// One entry that wants so many spares.
fn wants(spares: u32) -> PoolPolicy {
    let mut policy = policy(1);
    policy.providers[0].spares = spares;
    policy
}

impl Desk {
    /// The spares that become due in this time; each is ready 10 ms after its dial.
    fn refill(&mut self, time: Duration) -> Vec<Rung> {
        let mut all = Vec::new();
        let until = self.now + time;
        while let Some(at) = self.pool.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.pool.tick(self.now, &mut self.news);
            for rung in std::mem::take(&mut self.news.spares) {
                assert_eq!((rung.charge, rung.spare), (Charge::Spare, None));
                self.now = self.now + ms(10);
                self.is_ready(&rung);
                all.push(rung);
            }
        }
        self.now = until;
        all
    }

    fn starts(&mut self) -> u32 {
        self.pool.status(self.now).providers[0].keys[0].starts
    }

    /// The spares that wait, and the sessions of callers.
    fn spares(&mut self) -> (u32, u32) {
        let status = self.pool.status(self.now);
        (status.providers[0].spares, status.providers[0].sessions)
    }
}

#[test]
fn none_is_dialled_unless_it_is_wanted() {
    let mut desk = Desk::with(2);
    assert_eq!(desk.pool.deadline(), None);
    assert_eq!(desk.refill(secs(60)), []);
}

#[test]
fn a_call_is_given_the_spare_that_waited_longest_and_another_takes_its_place() {
    let mut desk = Desk::new(wants(2));
    let spares = desk.refill(secs(1));
    assert_eq!(spares.len(), 2);
    assert_eq!(desk.spares(), (2, 0), "spares are nobody's sessions");
    let mut request = desk.new_call();
    let rung = desk.dial(&mut request);
    assert_eq!(
        (rung.spare, rung.charge),
        (Some(spares[0].seat), Charge::First)
    );
    assert_eq!(desk.spares(), (1, 1));
    let late = desk
        .pool
        .record(desk.now, spares[0].seat, Report::Ended, &mut desk.news);
    assert!(!late, "it is the call's now");
    assert_eq!(desk.refill(secs(1)).len(), 1);
    assert_eq!(desk.spares(), (2, 1));
    assert_eq!(desk.pool.status(desk.now).live, 0, "nor live calls");
}

#[test]
fn who_takes_a_spare_needs_no_start_and_no_place_of_its_own() {
    let mut policy = wants(2);
    policy.providers[0].sessions_max = 4;
    policy.providers[0].burst = 2;
    policy.providers[0].starts_per_second = 1;
    let mut desk = Desk::new(policy);
    assert_eq!(desk.refill(secs(9)).len(), 2);
    assert_eq!(desk.starts(), 2);
    for _ in 0..2 {
        let mut request = desk.new_call();
        assert!(desk.dial(&mut request).spare.is_some());
    }
    for _ in 0..2 {
        let mut request = desk.new_call();
        assert_eq!(desk.dial(&mut request).spare, None);
    }
    assert_eq!(desk.spares(), (0, 4));
    let mut request = desk.new_call();
    desk.is_refused(&mut request);
    // Full of callers: there is no place for a spare.
    assert_eq!(desk.refill(secs(10)), []);
}

#[test]
fn a_house_that_is_full_with_a_spare_takes_one_more_caller() {
    let mut policy = wants(2);
    policy.providers[0].sessions_max = 4;
    let mut desk = Desk::new(policy);
    for _ in 0..2 {
        desk.pool.tick(desk.now, &mut desk.news);
        desk.now = desk.now + ms(100);
    }
    let spares = std::mem::take(&mut desk.news.spares);
    desk.is_ready(&spares[0]);
    for _ in 0..3 {
        let mut request = desk.new_call();
        desk.dial(&mut request);
    }
    let mut request = desk.new_call();
    desk.is_refused(&mut request);
    desk.is_ready(&spares[1]);
    let mut request = desk.new_call();
    assert_eq!(desk.dial(&mut request).spare, Some(spares[1].seat));
}

#[test]
fn a_call_goes_to_the_key_that_has_a_spare() {
    let mut policy = wants(2);
    policy.providers[0].keys = 2;
    let mut desk = Desk::new(policy);
    let keys: Vec<_> = desk.refill(secs(1)).iter().map(|rung| rung.key).collect();
    assert_eq!(keys, [KeyId(0), KeyId(1)], "they share by load");
    for key in keys {
        let mut request = desk.new_call();
        let rung = desk.dial(&mut request);
        assert_eq!((rung.key, rung.spare.is_some()), (key, true));
    }
}

#[test]
fn a_spare_takes_no_start_of_the_lower_half_of_the_burst() {
    let mut policy = wants(4);
    policy.providers[0].burst = 4;
    policy.providers[0].starts_per_second = 1;
    let mut desk = Desk::new(policy);
    assert_eq!(desk.refill(ms(900)).len(), 2, "two of four starts are left");
}

#[test]
fn none_is_dialled_while_a_call_waits() {
    let mut policy = wants(1);
    policy.providers[0].starts_per_second = 1;
    policy.providers[0].burst = 1;
    let mut desk = Desk::new(policy);
    let mut first = desk.new_call();
    desk.dial(&mut first);
    let mut second = desk.new_call();
    while desk.starts() == 0 {
        let wait = desk.waits(&mut second);
        desk.now = desk.now + wait;
    }
    // There is a start now, and the call has not asked for it yet.
    desk.pool.tick(desk.now, &mut desk.news);
    assert_eq!(desk.news.spares, [], "the start is the call's");
    desk.dial(&mut second);
}

#[test]
fn where_the_breaker_is_not_closed_no_spare_is_dialled() {
    let mut desk = Desk::new(wants(2));
    desk.outage();
    assert_eq!(desk.refill(secs(20)), []);
    desk.probe(secs(25), GOOD);
    assert_eq!(desk.state(FIRST), BreakerState::SlowStart);
    desk.news.spares.clear();
    assert_eq!(desk.refill(secs(10)), []);
    assert_eq!(desk.refill(secs(40)).len(), 2);
}

#[test]
fn spares_that_cannot_be_dialled_come_ever_more_seldom_and_open_the_breaker() {
    let mut desk = Desk::new(wants(4));
    let mut failed_at = Vec::new();
    while desk.state(FIRST) == BreakerState::Closed {
        let at = desk.pool.deadline().expect("there is more to try");
        desk.now = desk.now.max(at);
        desk.pool.tick(desk.now, &mut desk.news);
        for rung in std::mem::take(&mut desk.news.spares) {
            failed_at.push(desk.now);
            desk.report(&rung, Report::Failed(REFUSED));
        }
    }
    assert_eq!(failed_at.len(), 5, "as callers' dials would");
    for (place, pair) in failed_at.windows(2).enumerate() {
        let least = secs(1 << place) / 2;
        assert!(pair[1].since(pair[0]) >= least, "{failed_at:?}");
    }
}

#[test]
fn a_spare_that_is_well_takes_back_what_spares_added_to_the_row_and_nothing_else() {
    let mut desk = Desk::new(wants(1));
    for _ in 0..20 {
        for is_well in [false, false, true] {
            while desk.news.spares.is_empty() {
                let at = desk.pool.deadline().expect("a spare is due");
                desk.now = desk.now.max(at);
                desk.pool.tick(desk.now, &mut desk.news);
            }
            let rung = desk.news.spares.remove(0);
            if is_well {
                desk.is_ready(&rung);
                desk.report(&rung, Report::Failed(LOST));
            } else {
                desk.report(&rung, Report::Failed(REFUSED));
            }
        }
    }
    assert_eq!(desk.state(FIRST), BreakerState::Closed);
    // The spares are well where callers are not: four in a row, and a spare between.
    desk.fail(4, REFUSED);
    let _spare = desk.refill(secs(90));
    assert_eq!(desk.state(FIRST), BreakerState::Closed);
    let mut request = desk.new_call();
    let rung = desk.dial(&mut request);
    desk.report(&rung, Report::Failed(REFUSED));
    assert_eq!(desk.state(FIRST), BreakerState::Open);
}

#[test]
fn spares_that_a_server_ends_for_being_idle_say_nothing_against_it() {
    let mut desk = Desk::new(wants(4));
    for _ in 0..50 {
        for spare in desk.refill(secs(70)) {
            desk.report(&spare, Report::Failed(LOST));
        }
    }
    assert_eq!(desk.state(FIRST), BreakerState::Closed);
    assert!(
        desk.dials(Charge::Spare) <= 200,
        "nor are they dialled in a circle"
    );
}

#[test]
fn a_spare_that_is_told_of_a_fault_that_lasts_opens_the_breaker_of_its_key() {
    let mut desk = Desk::new(wants(1));
    let spares = desk.refill(secs(1));
    desk.report(&spares[0], Report::Failed(Fault::QuotaExhausted));
    let status = desk.pool.status(desk.now);
    assert_eq!(status.providers[0].keys[0].breaker, BreakerState::Open);
    assert_eq!(desk.refill(secs(20)), []);
}

#[test]
fn how_long_a_warm_session_took_says_nothing_of_dials() {
    let mut desk = Desk::new(wants(1));
    for _ in 0..40 {
        desk.refill(secs(2));
        let mut request = desk.new_call();
        let rung = desk.dial(&mut request);
        assert!(rung.spare.is_some());
        desk.is_ready(&rung);
        desk.report(&rung, Report::Ended);
    }
    assert_eq!(desk.pool.status(desk.now).providers[0].dials, None);
}
