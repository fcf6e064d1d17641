//! Who goes first when fewer sessions may start than calls want one.

use std::time::Duration;

use ringback::core::ids::KeyId;
use ringback::core::pool::{Admission, Chance, PoolPolicy, Report, Request, Why};
use ringback::core::time::Instant;

use crate::desk::{Desk, FIRST, LOST, SECOND, ms, policy, secs};

/// One entry with this rate and burst.
fn limited(starts_per_second: u32, burst: u32) -> PoolPolicy {
    let mut policy = policy(1);
    policy.providers[0].starts_per_second = starts_per_second;
    policy.providers[0].burst = burst;
    policy
}

#[test]
fn what_exceeds_the_burst_goes_to_the_next_tier_and_only_then_waits() {
    let mut policy = limited(20, 3);
    policy.providers.push(policy.providers[0].clone());
    policy.providers[1].tier.0 += 1;
    let mut desk = Desk::new(policy);
    let mut places = Vec::new();
    for _ in 0..6 {
        let mut request = desk.new_call();
        places.push(desk.dial(&mut request).provider);
    }
    assert_eq!(places, [FIRST, FIRST, FIRST, SECOND, SECOND, SECOND]);
    let mut request = desk.new_call();
    assert_eq!(desk.waits(&mut request), ms(50));
}

#[test]
fn live_calls_go_before_new_ones_that_have_waited_longer() {
    let mut desk = Desk::new(limited(10, 2));
    let (mut live, rung) = desk.live_call();
    desk.live_call();
    let mut new = desk.new_call();
    assert_eq!(desk.waits(&mut new), ms(100));
    desk.now = desk.now + ms(90);
    desk.lose(&mut live, &rung, LOST);
    desk.waits(&mut live);
    desk.now = desk.now + ms(10);
    assert!(
        desk.waits(&mut new) > Duration::ZERO,
        "a live call waits for it as well"
    );
    desk.dial(&mut live);
}

#[test]
fn several_keys_share_by_load_and_add_up() {
    let mut policy = limited(10, 2);
    policy.providers[0].keys = 3;
    let mut desk = Desk::new(policy);
    let mut keys = Vec::new();
    for _ in 0..6 {
        let mut request = desk.new_call();
        keys.push(desk.dial(&mut request).key);
    }
    assert_eq!(keys, [0, 1, 2, 0, 1, 2].map(KeyId));
    let mut request = desk.new_call();
    assert_eq!(desk.waits(&mut request), ms(100));
}

#[test]
fn two_hundred_live_calls_are_seated_at_the_standbys_rate_oldest_first() {
    let mut policy = limited(1_000, 500);
    policy.providers.push(policy.providers[0].clone());
    policy.providers[1].tier.0 += 1;
    policy.providers[1].starts_per_second = 20;
    policy.providers[1].burst = 1;
    let mut desk = Desk::new(policy);
    let mut calls: Vec<_> = (0..200).map(|_| desk.live_call()).collect();
    desk.outage();
    let began = desk.now;
    for (request, rung) in &mut calls {
        desk.now = desk.now + ms(1);
        desk.lose(request, rung, LOST);
    }
    let mut waiting: Vec<(Instant, usize, Request)> = calls
        .into_iter()
        .enumerate()
        .map(|(place, (request, _))| (desk.now, place, request))
        .collect();
    let mut seated = Vec::new();
    while !waiting.is_empty() {
        waiting.sort_by_key(|(at, place, _)| (*at, *place));
        let (at, place, mut request) = waiting.remove(0);
        desk.now = at;
        match desk.ask(&mut request) {
            Admission::Dial(rung) => {
                assert_eq!(rung.provider, SECOND);
                seated.push(place);
            }
            Admission::Wait { until } => waiting.push((until, place, request)),
            Admission::Nothing(why) => panic!("{why:?}"),
        }
    }
    assert!(seated.is_sorted(), "{seated:?}");
    let took = desk.now.since(began);
    assert!(took <= secs(11), "no start is wasted: {took:?}");
}

#[test]
fn who_no_longer_asks_keeps_nobody_waiting() {
    let mut desk = Desk::new(limited(10, 1));
    desk.live_call();
    let mut gone = desk.new_call();
    desk.waits(&mut gone);
    desk.now = desk.now + ms(1);
    let mut withdrawn = desk.new_call();
    desk.waits(&mut withdrawn);
    desk.pool.withdraw(&mut withdrawn);
    let mut patient = desk.new_call();
    desk.waits(&mut patient);
    desk.now = desk.now + ms(340);
    desk.waits(&mut patient);
    desk.now = desk.now + ms(10);
    desk.dial(&mut patient);
}

#[test]
fn the_queue_is_bounded_and_its_last_give_way_to_live_calls() {
    let mut policy = limited(1, 2);
    policy.providers[0].sessions_max = 10_000;
    let mut desk = Desk::new(policy);
    let (mut live, rung) = desk.live_call();
    desk.live_call();
    let mut waiting: Vec<_> = (0..4_096).map(|_| desk.new_call()).collect();
    for request in &mut waiting {
        desk.waits(request);
    }
    desk.now = desk.now + ms(1);
    let mut late = desk.new_call();
    assert_eq!(desk.is_refused(&mut late), Why::Crowded);
    desk.lose(&mut live, &rung, LOST);
    desk.waits(&mut live);
    assert_eq!(desk.pool.status(desk.now).waiting, 4_096);
}

/// Random callers at one entry. An own bucket keeps count beside the pool's, and whoever is served must leave enough for all
/// who stand before him.
#[test]
fn a_swarm_of_waiters_never_exceeds_rate_and_burst_and_is_served_in_order() {
    for seed in 0..200 {
        let mut chance = Chance::new(seed);
        let rate = 1 + u32::try_from(chance.bits() % 40).unwrap();
        let burst = 1 + u32::try_from(chance.bits() % 10).unwrap();
        let mut policy = limited(rate, burst);
        policy.providers[0].sessions_max = 10_000;
        let mut desk = Desk::new(policy);
        let mut bucket = Bucket::new(desk.now, rate, burst);
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut served = 0_u32;
        let end = desk.now + secs(20);
        let mut next_call_at = desk.now;
        while desk.now < end {
            let next_ask_at = waiting.iter().map(|waiter| waiter.ask_at).min();
            desk.now = desk.now.max(next_ask_at.unwrap_or(end).min(next_call_at));
            if desk.now >= next_call_at {
                next_call_at = desk.now + chance.up_to(ms(60));
                if waiting.len() >= WAITING_MAX {
                    continue;
                }
                let request = desk.new_call();
                waiting.push(Waiting {
                    ask_at: desk.now,
                    fresh_until: desk.now,
                    request,
                });
            }
            served += turn(&mut desk, &mut waiting, &mut bucket, &mut chance, seed);
            let hangs_up = chance.bits().is_multiple_of(200) && !waiting.is_empty();
            if hangs_up {
                let mut gone = waiting.remove(0);
                desk.pool.withdraw(&mut gone.request);
            }
        }
        assert!(served > 0, "seed {seed}");
        if waiting.len() > WAITING_MAX / 2 {
            let least = rate * 20 * 7 / 10;
            assert!(
                served >= least,
                "seed {seed}: {served} of {least} starts used"
            );
        }
    }
}

/// More would only make the test longer.
const WAITING_MAX: usize = 60;

struct Waiting {
    ask_at: Instant,
    fresh_until: Instant,
    request: Request,
}

/// All who should have asked by now do so.
fn turn(
    desk: &mut Desk,
    waiting: &mut Vec<Waiting>,
    bucket: &mut Bucket,
    chance: &mut Chance,
    seed: u64,
) -> u32 {
    let now = desk.now;
    let mut served = 0;
    while let Some(place) = waiting.iter().position(|waiter| waiter.ask_at <= now) {
        let mut waiter = waiting.remove(place);
        match desk.ask(&mut waiter.request) {
            Admission::Dial(rung) => {
                bucket.take(now, seed);
                let before = waiting[..place]
                    .iter()
                    .filter(|other| now < other.fresh_until);
                let left = bucket.left(now);
                assert!(
                    before.count() <= left,
                    "seed {seed}: overtaken with {left} starts left"
                );
                desk.report(&rung, Report::Ended);
                served += 1;
            }
            Admission::Wait { until } => {
                assert!(until > now, "seed {seed}");
                waiter.ask_at = until + chance.up_to(ms(2));
                waiter.fresh_until = until;
                waiting.insert(place, waiter);
            }
            Admission::Nothing(why) => panic!("seed {seed}: {why:?}"),
        }
    }
    served
}

/// A token bucket of its own kind: it counts tokens.
struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn new(at: Instant, rate: u32, burst: u32) -> Self {
        Self {
            rate: rate.into(),
            burst: burst.into(),
            tokens: burst.into(),
            at,
        }
    }

    fn take(&mut self, now: Instant, seed: u64) {
        self.fill(now);
        self.tokens -= 1.0;
        assert!(self.tokens > -1e-3, "seed {seed}: over rate and burst");
    }

    fn left(&mut self, now: Instant) -> usize {
        self.fill(now);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few tokens"
        )]
        let left = (self.tokens + 1e-3).max(0.0) as usize;
        left
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.burst);
        self.at = now;
    }
}
