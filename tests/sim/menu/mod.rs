//! Thousands of callers for whom no model is left, each with a menu from its seed: what they choose, and what they are told.
//!
//! `RINGBACK_SIM_MENU` lives one of them again and tells its story.

mod callers;
pub(crate) mod checkers;
pub(crate) mod desk;
mod places;
mod stories;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loadtest::carrier::CarrierSettings;
use loadtest::model::outages::{Trouble, Window, With};
use loadtest::model::settings::Between;
use ringback::core::call::CallSettings;
use ringback::core::call::effect::EndReason;
use ringback::core::call::menu::{Caller, Consent, Menu};

use self::callers::caller;
use self::checkers::judge;
use self::desk::DeskSetup;
use self::places::{Coverage, journey};
use crate::setup::{Interlude, Life, Setup};
use crate::story::story;
use crate::swarm::{self, Findings, each, number, some};
use crate::world::World;

/// Calls of the ordinary test run.
const CALLS: u64 = 3_000;

/// Longer than any menu: the caller waits for the end. Who speaks with a model again hangs up by then.
const PATIENCE_MS: u64 = 300_000;

fn offered(rng: &mut fastrand::Rng) -> Menu {
    let parts = match rng.u8(..100) {
        0..50 => 7,
        _ => rng.u8(1..8),
    };
    Menu {
        call_back: parts & 1 > 0,
        person: parts & 2 > 0,
        message: parts & 4 > 0,
        consent: if rng.u8(..100) < 25 {
            Consent::Implied
        } else {
            Consent::Ask
        },
        return_to_model: rng.u8(..100) < 85,
        message_max: Duration::from_secs(rng.u64(3..120)),
        ..Menu::default()
    }
}

/// A call whose models are gone from the beginning, or after a while, and perhaps come back.
fn setup(seed: u64) -> Setup {
    let calm = swarm::setup(seed);
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x3e57);
    let menu = offered(&mut rng);
    let recording = caller(&mut rng);
    let hangs_up = rng.u8(..100) < 20;
    let call_max_ms = if hangs_up {
        rng.u64(500..60_000)
    } else {
        PATIENCE_MS
    };
    let carrier = CarrierSettings {
        patience_ms: PATIENCE_MS,
        key_gap_ms: rng.u64(120..900),
        frames_in_silence: rng.u8(..100) < 90,
        comfort_noise: rng.u8(..100) < 30,
        call_max_ms,
        ..calm.carrier.clone()
    };
    let mut models = calm.models.clone();
    let mut interludes = Vec::new();
    let gone = if rng.u8(..100) < 70 {
        interludes.push((Duration::ZERO, Interlude::AllIsolated));
        0
    } else {
        rng.u64(2_000..9_000)
    };
    let back = (rng.u8(..100) < 30).then(|| gone + rng.u64(200..25_000));
    if gone > 0 {
        for model in &mut models {
            let down = Window::new(gone, Trouble::Down);
            let down = back.map_or(down.clone(), |back| down.until(back));
            let with = With::Cut;
            let dead = Window::new(gone, Trouble::Kill { with, spread_ms: 0 });
            model.house_faults.0.extend([down, dead]);
        }
    }
    if gone == 0 && seed.is_multiple_of(3) {
        // A dial that takes its time: the caller may choose meanwhile.
        for model in &mut models {
            model.updated_delay_ms = Between::new(300, 1_200);
        }
    }
    let back = back.map(|back| (Duration::from_millis(back), Interlude::ModelsBack));
    interludes.extend(back);
    Setup {
        recording: Arc::new(recording),
        models,
        interludes,
        call: CallSettings {
            menu,
            // A line on which nothing comes is another story.
            carrier_silence_max: Duration::from_hours(1),
            ..calm.call.clone()
        },
        carrier,
        desk: DeskSetup::draw(&mut rng),
        ..calm
    }
}

#[derive(Debug, Default)]
struct Tally {
    calls: u64,
    reasons: BTreeMap<&'static str, u64>,
    coverage: Coverage,
    findings: Findings,
    failures: Vec<String>,
}

impl Tally {
    fn count(&mut self, setup: &Setup, life: &Life) {
        self.calls += 1;
        let reason = life.reason.map_or("none", EndReason::name);
        *self.reasons.entry(reason).or_default() += 1;
        self.coverage.count(&journey(&life.menu));
        for (checker, what) in judge(setup, life) {
            self.findings.count(checker, setup.seed);
            self.failures
                .push(format!("seed {}: \"{checker}\": {what}", setup.seed));
        }
    }
}

#[test]
fn every_call_with_a_menu_passes_the_checkers() {
    let calls = number("RINGBACK_SIM_CALLS").unwrap_or(CALLS);
    let seeds = match number("RINGBACK_SIM_MENU") {
        Some(seed) => seed..seed + 1,
        None => 0..calls,
    };
    if seeds.end - seeds.start == 1 {
        let setup = Setup {
            tells: true,
            ..setup(seeds.start)
        };
        println!(
            "{:?} {:?} {:?}",
            setup.call.menu, setup.desk, setup.recording.caller
        );
        let life = World::new(setup.clone()).live();
        println!("{}\n\n{}", life.story.join("\n"), story(&setup, &life));
    }
    let mut all = Tally::default();
    for tally in each(seeds, |seed, tally: &mut Tally| {
        let setup = setup(seed);
        tally.count(&setup, &World::new(setup.clone()).live());
    }) {
        all.calls += tally.calls;
        for (reason, count) in tally.reasons {
            *all.reasons.entry(reason).or_default() += count;
        }
        all.coverage.add(tally.coverage);
        all.findings.add(tally.findings);
        all.failures.extend(tally.failures);
    }
    all.failures.sort();
    println!(
        "{}\n{} calls with a menu; ended {:?}",
        all.coverage.table(),
        all.calls,
        all.reasons
    );
    let failed = all.failures.len();
    assert!(
        all.failures.is_empty(),
        "{failed} findings, {}; some of them:\n{}\nlive one again: RINGBACK_SIM_MENU=… cargo test --release --test sim menu \
         -- --nocapture",
        all.findings,
        some(&all.failures)
    );
    if all.calls >= CALLS {
        let missing = all.coverage.missing();
        assert!(missing.is_empty(), "hardly reached: {missing:#?}");
    }
}

/// What is known of the number that a caller calls from.
fn number_of_caller(rng: &mut fastrand::Rng) -> Caller {
    match rng.u8(..100) {
        0..60 => Caller::Textable,
        60..80 => Caller::NotTextable,
        _ => Caller::Withheld,
    }
}
