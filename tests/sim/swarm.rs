//! Thousands of calls, each from its seed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loadtest::carrier::CarrierSettings;
use loadtest::model::settings::{Between, ModelSettings};
use loadtest::recording::{Recording, Then};
use ringback::core::call::CallSettings;
use ringback::core::call::effect::EndReason;
use ringback::core::call::prompt::Greeting;
use ringback::core::observation::Observation;
use ringback::provider::socket::SocketLimits;

use crate::checkers::{judge, moved_in_mid_turn, truncations};
use crate::menu::desk::DeskSetup;
use crate::setup::{EPOCH_S, Life, Setup, ladder, prompts};
use crate::story::story;
use crate::world::World;

/// Calls of the ordinary test run.
const CALLS: u64 = 5_000;

/// A call whose circumstances follow from its seed.
pub(crate) fn setup(seed: u64) -> Setup {
    let mut rng = fastrand::Rng::with_seed(seed);
    let names = Recording::builtin_names();
    let mut recording = Recording::builtin(names[rng.usize(..names.len())]).unwrap();
    // Half of the callers are patient; the others interrupt now and then.
    let interrupts = rng.bool();
    for turn in &mut recording.caller {
        if interrupts && turn.then == Then::Wait && rng.u8(..100) < 40 {
            turn.then = Then::BargeIn {
                after: Duration::from_millis(rng.u64(60..4_000)),
            };
        }
    }
    let carrier = CarrierSettings {
        record: false,
        numbers_as_strings: rng.bool(),
        comfort_noise: rng.bool(),
        ..CarrierSettings::default()
    };
    let least = rng.u64(50..2_000);
    let most = least + rng.u64(50..6_000);
    let model = ModelSettings {
        goodbye: rng.bool(),
        several_items_share: rng.f64() * 0.5,
        unaligned_share: rng.f64(),
        speed_min: 1.5,
        speed_max: 1.5 + rng.f64() * 20.0,
        response_delay_ms: Between::new(10, 60),
        answer_delay_ms: Between::new(200, 700),
        ..ModelSettings::default()
    };
    // Some models end a session early, so that the call has to move on to the next one.
    let model = if rng.u8(..100) < 30 {
        ModelSettings {
            session_length_ms: rng.u64(15_000..40_000),
            epoch_s: EPOCH_S,
            ..model
        }
    } else {
        model
    };
    Setup {
        seed,
        recording: Arc::new(recording),
        carrier,
        models: vec![model],
        policy: ladder(1),
        call: CallSettings {
            prompts: prompts(Greeting::Spoken),
            ..CallSettings::default()
        },
        broken_ways: Vec::new(),
        upgrade_timeout: Duration::from_millis(2_400),
        unread_max: SocketLimits::default().write_buffer_bytes_max,
        lingers: Duration::ZERO,
        carriage: None,
        desk: DeskSetup::default(),
        interludes: Vec::new(),
        latency: (Duration::from_micros(least), Duration::from_micros(most)),
        tells: false,
    }
}

/// How many findings each checker has, and the first seed that has one.
#[derive(Debug, Default)]
pub(crate) struct Findings(BTreeMap<&'static str, (u64, u64)>);

impl Findings {
    pub(crate) fn count(&mut self, checker: &'static str, seed: u64) {
        self.note(checker, 1, seed);
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (checker, (count, first)) in other.0 {
            self.note(checker, count, first);
        }
    }

    fn note(&mut self, checker: &'static str, more: u64, seed: u64) {
        let (count, first) = self.0.entry(checker).or_insert((0, seed));
        *count += more;
        *first = seed.min(*first);
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.iter();
        let all = all
            .map(|(checker, (count, first))| format!("\"{checker}\": {count} (from seed {first})"));
        f.write_str(&all.collect::<Vec<_>>().join(", "))
    }
}

/// What the swarm has seen.
#[derive(Debug, Default)]
struct Tally {
    calls: u64,
    frames: u64,
    lasted: Vec<Duration>,
    turns: Vec<u32>,
    with_barge_in: u64,
    rotations: u64,
    /// Calls that were forced to move to a fresh session in the middle of a turn.
    moved_in_mid_turn: u64,
    reasons: BTreeMap<&'static str, u64>,
    /// By how much less was told than was played, beyond the call's own echo delay; milliseconds.
    understated: Vec<i64>,
    failures: Vec<String>,
    findings: Findings,
}

impl Tally {
    fn count(&mut self, setup: &Setup, life: &Life) {
        let seed = setup.seed;
        self.calls += 1;
        self.frames += life.frames;
        self.lasted.push(life.lasted);
        self.turns.push(life.phone.turns_said);
        self.with_barge_in += u64::from(life.phone.barge_ins > 0);
        let rotated =
            |(_, seen): &&(Duration, Observation)| matches!(seen, Observation::Rotated { .. });
        let rotations = life.observations.iter().filter(rotated).count();
        self.rotations += u64::try_from(rotations).unwrap();
        self.moved_in_mid_turn += u64::from(moved_in_mid_turn(life) > 0);
        *self
            .reasons
            .entry(life.reason.map_or("none", EndReason::name))
            .or_default() += 1;
        let echo_delay = i64::try_from(life.phone.echo_delay.as_millis()).unwrap();
        let understated = truncations(life)
            .into_iter()
            .map(|(told, played)| played - told - echo_delay);
        self.understated.extend(understated);
        for (checker, what) in judge(setup, life) {
            self.findings.count(checker, seed);
            self.failures
                .push(format!("seed {seed}: \"{checker}\": {what}"));
        }
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.frames += other.frames;
        self.lasted.extend(other.lasted);
        self.turns.extend(other.turns);
        self.with_barge_in += other.with_barge_in;
        self.rotations += other.rotations;
        self.moved_in_mid_turn += other.moved_in_mid_turn;
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        self.understated.extend(other.understated);
        self.failures.extend(other.failures);
        self.findings.add(other.findings);
    }
}

#[test]
fn every_call_of_the_swarm_passes_the_checkers() {
    let calls = number("RINGBACK_SIM_CALLS").unwrap_or(CALLS);
    let seeds = match number("RINGBACK_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..calls,
    };
    let began = Instant::now();
    let mut tally = live(seeds.clone());
    let took = began.elapsed();
    if seeds.end - seeds.start == 1 {
        let setup = Setup {
            tells: true,
            ..setup(seeds.start)
        };
        let life = World::new(setup.clone()).live();
        println!("{}\n\n{}", life.story.join("\n"), story(&setup, &life));
    }
    tally.understated.sort_unstable();
    tally.lasted.sort_unstable();
    tally.turns.sort_unstable();
    let understated_p95 = percentile(&tally.understated, 95).unwrap_or(0);
    println!(
        "{} calls, {} frames, {} frames/s; median {:?} and {} turns, {} % with barge-in, {} moves to a fresh session ({} calls in mid-turn); {} cuts, told less than \
         played beyond the echo's delay: p50 {} ms, p95 {understated_p95} ms; {:?}",
        tally.calls,
        tally.frames,
        u128::from(tally.frames) * 1_000 / took.as_millis().max(1),
        percentile(&tally.lasted, 50).unwrap_or_default(),
        percentile(&tally.turns, 50).unwrap_or_default(),
        tally.with_barge_in * 100 / tally.calls,
        tally.rotations,
        tally.moved_in_mid_turn,
        tally.understated.len(),
        percentile(&tally.understated, 50).unwrap_or(0),
        tally.reasons,
    );
    let failed = tally.failures.len();
    assert!(
        tally.failures.is_empty(),
        "{failed} findings, {}; some of them:\n{}\nlive one again: RINGBACK_SIM_SEED=… cargo test --release --test sim swarm \
         -- --nocapture",
        tally.findings,
        some(&tally.failures)
    );
    assert!(
        understated_p95 <= 40,
        "told {understated_p95} ms less than was played, beyond the echo's delay"
    );
    if calls >= CALLS && seeds.end > 1 {
        assert!(percentile(&tally.lasted, 50).unwrap() >= Duration::from_secs(20));
        assert!(percentile(&tally.turns, 50).unwrap() >= 3);
        assert!(tally.with_barge_in * 100 >= 30 * tally.calls);
        assert!(tally.rotations * 10 >= tally.calls);
        assert!(
            tally.moved_in_mid_turn * 100 >= tally.calls,
            "the hardest rotations are to be met"
        );
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..20 {
        let life = || {
            World::new(Setup {
                tells: true,
                ..setup(seed)
            })
            .live()
        };
        let (first, second) = (life(), life());
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.story, second.story, "seed {seed}");
    }
}

/// Lives the calls of these seeds on all cores.
fn live(seeds: std::ops::Range<u64>) -> Tally {
    let mut all = Tally::default();
    let tallies = each(seeds, |seed, tally: &mut Tally| {
        let setup = setup(seed);
        tally.count(&setup, &World::new(setup.clone()).live());
    });
    for tally in tallies {
        all.add(tally);
    }
    all.failures.sort();
    all
}

/// The seeds to live: those of an ordinary run, or the one that `variable` names, whose story is then told first.
#[expect(clippy::print_stdout, reason = "whoever names a seed wants its story")]
pub(crate) fn seeds(variable: &str, ordinary: u64, of: fn(u64) -> Setup) -> std::ops::Range<u64> {
    let Some(seed) = number(variable) else {
        return 0..number("RINGBACK_SIM_CALLS").unwrap_or(ordinary);
    };
    let setup = Setup {
        tells: true,
        ..of(seed)
    };
    let life = World::new(setup.clone()).live();
    println!("{}\n\n{}", life.story.join("\n"), story(&setup, &life));
    println!("{:?}\n{:?}", life.streams, life.answers);
    seed..seed + 1
}

/// Does something with each seed, on all cores; what each core has gathered.
pub(crate) fn each<T: Default + Send>(
    seeds: std::ops::Range<u64>,
    work: impl Fn(u64, &mut T) + Sync,
) -> Vec<T> {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut gathered = T::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return gathered;
            }
            work(seed, &mut gathered);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    })
}

/// The first few findings of each checker, for people; each begins with its seed and its checker.
pub(crate) fn some(findings: &[String]) -> String {
    let mut by_checker: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for finding in findings {
        let checker = finding.split('"').nth(1).unwrap_or_default();
        by_checker.entry(checker).or_default().push(finding);
    }
    let first = by_checker.values().flat_map(|all| all.iter().take(4));
    first.copied().collect::<Vec<_>>().join("\n")
}

pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number"))
    })
}

fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    sorted
        .get((sorted.len() * percent / 100).min(sorted.len().checked_sub(1)?))
        .copied()
}
