//! Thousands of seeded lives under the checkers, and what they reached.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crate::world::World;

/// How many lives there are; the long tests ask for more.
const LIVES: u64 = 5_000;

/// What lives have found and reached: the times, the first seed, and how.
#[derive(Default)]
struct Sum {
    counts: BTreeMap<String, u64>,
    findings: BTreeMap<&'static str, (u64, u64, String)>,
}

#[test]
fn lives_of_two_regions_keep_every_rule() {
    let only = asked("RINGBACK_REGION_SEED");
    let seeds = match only {
        Some(seed) => seed..seed + 1,
        None => 0..asked("RINGBACK_REGION_LIVES").unwrap_or(LIVES),
    };
    let is_many = seeds.end - seeds.start >= LIVES;
    let is_told = only.is_some();
    let sums = thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            let seeds = seeds.clone().filter(move |seed| seed % 2 == half);
            scope.spawn(move || live(seeds, is_told))
        });
        halves.map(|half| half.join().unwrap())
    });
    let mut sum = Sum::default();
    for half in sums {
        for (what, times) in half.counts {
            *sum.counts.entry(what).or_default() += times;
        }
        for (checker, (times, seed, what)) in half.findings {
            let found = sum.findings.entry(checker).or_insert((0, seed, what));
            found.0 += times;
            found.1 = found.1.min(seed);
        }
    }
    for (what, times) in &sum.counts {
        println!("{times:>9}  {what}");
    }
    let told = sum.findings.iter().map(|(checker, (times, seed, what))| {
        format!("\"{checker}\": {times} (from seed {seed}) {what}")
    });
    let told: Vec<_> = told.collect();
    println!("{} findings, {}", sum.findings.len(), told.join("; "));
    if let Some((_, seed, _)) = sum.findings.values().next() {
        println!(
            "RINGBACK_REGION_SEED={seed} cargo test --release --test region lives -- --nocapture"
        );
    }
    assert!(sum.findings.is_empty(), "{told:#?}");
    if is_many {
        for what in REACHED {
            let times = sum.counts.get(what).copied().unwrap_or_default();
            assert!(times >= 20, "{what} was reached {times} times only");
        }
    }
}

fn live(seeds: impl Iterator<Item = u64>, is_told: bool) -> Sum {
    let mut sum = Sum::default();
    for seed in seeds {
        let mut world = World::new(seed, is_told);
        let ran = catch_unwind(AssertUnwindSafe(|| world.run()));
        if ran.is_err() {
            world.books.find("no bug", "it panicked".to_owned());
        }
        if is_told {
            println!("{}", world.trace);
        }
        for (checker, what) in &world.books.findings {
            let found = sum
                .findings
                .entry(checker)
                .or_insert((0, seed, what.clone()));
            found.0 += 1;
        }
        for (what, times) in &world.books.counts {
            *sum.counts.entry(what.clone()).or_default() += times;
        }
    }
    sum
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..20 {
        let (mut one, mut other) = (World::new(seed, true), World::new(seed, true));
        one.run();
        other.run();
        assert!(one.trace == other.trace, "seed {seed}");
        assert!(one.trace.len() > 1_000);
    }
}

fn asked(name: &str) -> Option<u64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test is asked by its environment"
    )]
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number is asked for"))
}

/// What the lives must have reached for their silence to mean something.
const REACHED: [&str; 55] = [
    "a call found nobody",
    "a claim was held",
    "a claim was outdated",
    "a decree was heard",
    "a document came too late",
    "a name was noticed twice",
    "a promotion was refused",
    "a ring was taken back",
    "a word had done its work",
    "answered by the other region",
    "apologies",
    "asked by the fallback",
    "claimed first",
    "claimed for longer",
    "claimed of another",
    "demoted by word of another node",
    "drained",
    "fail-over of the store",
    "handed over",
    "harm CarrierCut",
    "harm Demoted",
    "harm Deploy",
    "harm Drained",
    "harm FollowerLags",
    "harm Isolated",
    "harm NameTwice",
    "harm NoProvider",
    "harm NodeKilled",
    "harm NodeSleeps",
    "harm Partition",
    "harm Promoted",
    "harm RegionLost",
    "harm StoreAway",
    "harm StoreFailsOver",
    "harm StoreLags",
    "harm StoreReadOnly",
    "harm StoreSlow",
    "harm StreamsReset",
    "harm WitnessLost",
    "memories, all well",
    "memories, the store unwell",
    "promises told",
    "promoted by an operator",
    "rings",
    "stops kept",
    "told by a node to let go",
    "waited for a claim",
    "waited for the role",
    "waited for the text lease",
    "waited for the word of the primary",
    "went back home",
    "went on and asks for the last words",
    "went on past a newer form",
    "went on with all of it",
    "went on without memory",
];
