//! Thousands of seeded runs under the checkers, and what they reached.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::world::World;

/// How many runs there are; the long tests ask for more.
const SEEDS: u64 = 500;

#[test]
fn a_swarm_of_random_outages_keeps_every_rule() {
    let only = asked("RINGBACK_POOL_SEED");
    let seeds = match only {
        Some(seed) => seed..seed + 1,
        None => 0..asked("RINGBACK_POOL_SEEDS").unwrap_or(SEEDS),
    };
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for seed in seeds {
        for (what, times) in run(seed).books.seen {
            *seen.entry(what).or_default() += times;
        }
    }
    for (what, times) in &seen {
        println!("{times:>9}  {what}");
    }
    if only.is_none() {
        for what in REACHED {
            let times = seen.get(what).copied().unwrap_or_default();
            assert!(times >= 20, "{what} was reached {times} times only");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..5 {
        let (one, other) = (run(seed), run(seed));
        assert!(one.trace == other.trace, "seed {seed}");
        assert!(one.trace.lines().count() > 100, "seed {seed}");
    }
}

fn run(seed: u64) -> World {
    let mut world = World::new(seed);
    // The seed is told before the panic goes on: it replays the run.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        let tail: Vec<_> = world.trace.lines().rev().take(12).collect();
        for line in tail.iter().rev() {
            println!("{line}");
        }
        println!("RINGBACK_POOL_SEED={seed} cargo test --release --test pool swarm");
        resume_unwind(panic);
    }
    world
}

fn asked(name: &str) -> Option<u64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test is asked by its environment"
    )]
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number is asked for"))
}

/// What a swarm must have reached for its silence to mean something.
const REACHED: [&str; 38] = [
    "First",
    "Rotation",
    "Move",
    "Reserve",
    "Extra",
    "Hedge",
    "Probe",
    "Spare",
    "Spare taken",
    "Spare lost",
    "Spare failed",
    "New waits",
    "Live waits",
    "New Open",
    "New Full",
    "New TenantFull",
    "New BudgetSpent",
    "New Resting",
    "Live Open",
    "Live BudgetSpent",
    "RingBack SlowStart",
    "Closed to Open",
    "SlowStart to Open",
    "SlowStart to Closed",
    "Open to HalfOpen",
    "HalfOpen to Open",
    "HalfOpen to SlowStart",
    "connect_failed",
    "refused",
    "upgrade_timed_out",
    "rate_limited",
    "quota_exhausted",
    "wrong_dialect",
    "closed",
    "answer_timed_out",
    "server_error",
    "request_rejected",
    "expired",
];
