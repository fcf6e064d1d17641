//! Thousands of seeded lives under the checkers, and what they reached.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::desks::Desks;
use crate::world::{World, digits};

/// How many lives there are; the long tests ask for more.
const LIVES: u64 = 5_000;

#[test]
fn lives_of_promises_keep_every_rule() {
    let only = asked("RINGBACK_LEDGER_SEED");
    let seeds = match only {
        Some(seed) => seed..seed + 1,
        None => 0..asked("RINGBACK_LEDGER_LIVES").unwrap_or(LIVES),
    };
    let is_many = seeds.end - seeds.start >= LIVES;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut findings: BTreeMap<&str, (u64, u64, String)> = BTreeMap::new();
    for seed in seeds {
        let mut world = World::new(seed);
        let ran = catch_unwind(AssertUnwindSafe(|| world.run()));
        if ran.is_err() {
            world
                .books
                .findings
                .push(("no bug", "it panicked".to_owned()));
        }
        if only.is_some() {
            println!("{}", world.trace);
        }
        for (checker, what) in &world.books.findings {
            let found = findings.entry(checker).or_insert((0, seed, what.clone()));
            found.0 += 1;
        }
        for (what, times) in &world.books.counts {
            *counts.entry(what.clone()).or_default() += times;
        }
    }
    for (what, times) in &counts {
        println!("{times:>9}  {what}");
    }
    let told: Vec<_> = findings
        .iter()
        .map(|(checker, (times, seed, what))| {
            format!("\"{checker}\": {times} (from seed {seed}) {what}")
        })
        .collect();
    println!("{} findings, {}", findings.len(), told.join("; "));
    if let Some((_, seed, _)) = findings.values().next() {
        println!(
            "RINGBACK_LEDGER_SEED={seed} cargo test --release --test ledger lives -- --nocapture"
        );
    }
    assert!(findings.is_empty(), "{told:#?}");
    if is_many {
        for what in REACHED {
            let times = counts.get(what).copied().unwrap_or_default();
            assert!(times >= 20, "{what} was reached {times} times only");
        }
    }
}

#[test]
fn lives_of_two_desks_over_one_store_do_nothing_twice() {
    let only = asked("RINGBACK_DESKS_SEED");
    let seeds = match only {
        Some(seed) => seed..seed + 1,
        None => 0..asked("RINGBACK_LEDGER_LIVES").unwrap_or(LIVES).div_ceil(5),
    };
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut findings: BTreeMap<&str, (u64, u64, String)> = BTreeMap::new();
    for seed in seeds {
        let mut desks = Desks::new(seed);
        let ran = catch_unwind(AssertUnwindSafe(|| desks.run()));
        if ran.is_err() {
            desks.findings.push(("no bug", "it panicked".to_owned()));
        }
        if only.is_some() {
            println!("{}", desks.trace);
        }
        for (checker, what) in desks.findings {
            findings.entry(checker).or_insert((0, seed, what)).0 += 1;
        }
        for (what, times) in desks.counts {
            *counts.entry(what).or_default() += times;
        }
    }
    println!("{counts:#?}");
    let told: Vec<_> = findings
        .iter()
        .map(|(checker, (times, seed, what))| {
            format!("\"{checker}\": {times} (from seed {seed}) {what}")
        })
        .collect();
    println!("{} findings, {}", findings.len(), told.join("; "));
    assert!(
        findings.is_empty(),
        "RINGBACK_DESKS_SEED=… cargo test --release --test ledger lives_of_two -- --nocapture: {told:#?}"
    );
    if only.is_none() {
        for what in DESKS_REACHED {
            assert!(
                counts.get(what).is_some_and(|times| *times >= 5),
                "{what}: {counts:?}"
            );
        }
    }
}

/// What the lives of two desks must have reached.
const DESKS_REACHED: [&str; 18] = [
    "a request waited",
    "asked for",
    "capped caller",
    "capped destination",
    "capped money",
    "capped prefix",
    "followed",
    "killed",
    "rings",
    "served elsewhere",
    "sighted",
    "slept",
    "spent the money",
    "store away",
    "texts",
    "told already",
    "told that it cannot be",
    "waits for money",
];

#[test]
fn the_same_seed_gives_the_same_trace_and_no_number_is_in_it() {
    for seed in 0..20 {
        let (mut one, mut other) = (World::new(seed), World::new(seed));
        one.run();
        other.run();
        assert!(one.trace == other.trace, "seed {seed}");
        for number in digits(&one) {
            assert!(
                !one.trace.contains(number.trim_start_matches('+')),
                "seed {seed}"
            );
        }
    }
}

pub(crate) fn asked(name: &str) -> Option<u64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test is asked by its environment"
    )]
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number is asked for"))
}

/// What the lives must have reached for their silence to mean something.
const REACHED: [&str; 50] = [
    "Requested(Text Text",
    "Requested(Ring Ring",
    "Unknown(Text Text",
    "Unknown(Ring Ring",
    "Found(Text Text",
    "Found(Ring Ring",
    "Lost(Text Text",
    "Lost(Ring Ring",
    "LookUpFailed(Text Text",
    "LookUpFailed(Ring Ring",
    "ClockSane",
    "ClockUnsure",
    "Stranger",
    "WriteFailed",
    "answer Again",
    "answer Nothing",
    "answer Reply(At(Utc(",
    "answer Reply(CallUs",
    "answer Reply(Declined",
    "answer Reply(Help",
    "answer Reply(NotThen",
    "answer Reply(Soon",
    "answer Reply(Unclear",
    "answer Reply(Welcome",
    "capped Caller",
    "capped Destination",
    "capped Money",
    "capped Prefix",
    "ended declined",
    "ended done",
    "ended expired",
    "ended no_text",
    "ended opted_out",
    "ended unanswered",
    "ended untold",
    "heard Stop",
    "heard Start",
    "stored OptedOut",
    "stored Stale(",
    "stored Unknown",
    "told Already",
    "told Cannot(ClockUnsure",
    "told Cannot(Had",
    "told Cannot(NoText",
    "told Cannot(OptedOut",
    "told Cannot(StoreSlow",
    "told Promised",
    "weather Crash",
    "weather Forget",
    "weather Step(",
];
