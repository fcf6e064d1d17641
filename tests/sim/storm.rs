//! Thousands of calls whose providers fail in every way that the doubles know, judged: nobody is lost, and nobody hears silence.

use std::collections::BTreeMap;
use std::time::Duration;

use loadtest::carrier::{Answer, CarrierSettings, Happening};
use ringback::core::call::CallSettings;
use ringback::core::call::effect::EndReason;
use ringback::core::call::menu::Menu;
use ringback::core::observation::Observation;

use crate::checkers::{Finding, judge_any};
use crate::coverage::Coverage;
use crate::menu::checkers::judge as judge_menu;
use crate::menu::desk::Seen;
use crate::setup::{Life, Setup};
use crate::story::story;
use crate::swarm::{Findings, each, number, setup, some};
use crate::weather::storm;
use crate::world::World;

/// Calls of the ordinary test run.
const CALLS: u64 = 5_000;

fn stormy(seed: u64) -> Setup {
    let calm = setup(seed);
    let carrier = CarrierSettings {
        answer: Answer::Stamped,
        ..calm.carrier.clone()
    };
    // Every eighth caller thinks for long before the next turn.
    let carrier = CarrierSettings {
        answer_end_ms: carrier.answer_end_ms * if seed.is_multiple_of(8) { 8 } else { 1 },
        ..carrier
    };
    // Every fifth has a menu, should it come to that.
    let is_offered = seed.is_multiple_of(5);
    let menu = Menu {
        call_back: is_offered,
        message: is_offered,
        ..Menu::default()
    };
    let settings = CallSettings {
        menu,
        ..calm.call.clone()
    };
    storm(
        seed,
        Setup {
            carrier,
            call: settings,
            ..calm
        },
    )
}

/// What is wrong with a call in a storm.
fn judge(setup: &Setup, life: &Life) -> Vec<Finding> {
    let mut findings = judge_any(setup, life);
    nobody_lost(life, &mut findings);
    if !life.menu.is_empty() {
        // Who has heard an offer is waited for, and not the other way round; the menu has a judge of its own for that.
        if life.menu.iter().any(|(_, seen)| *seen == Seen::Apologized) {
            findings.retain(|(checker, _)| *checker != "no dead air");
        }
        findings.extend(judge_menu(setup, life));
    }
    findings
}

/// "Nobody lost": with one provider that is well the call goes on to its natural end, and no session and no seat is left over.
fn nobody_lost(life: &Life, findings: &mut Vec<Finding>) {
    let natural = match life.reason {
        None | Some(EndReason::CallerHungUp | EndReason::Goodbye) => true,
        Some(EndReason::Apologized | EndReason::Promised | EndReason::MessageLeft) => {
            ran_out_of_patience(life)
        }
        Some(_) => false,
    };
    let is_over = life.reason.is_some() && life.phone.ended.is_some();
    if !natural || !is_over {
        let what = format!("{:?}, {:?}", life.reason, life.phone.ended);
        findings.push(("nobody lost", what));
    }
    if !life.leaked.is_empty() || life.seated > 0 {
        let what = format!("{:?}, {} seats", life.leaked, life.seated);
        findings.push(("nothing left over", what));
    }
}

/// Whether one session after the other failed the same turn, for as long as anybody may be left waiting.
fn ran_out_of_patience(life: &Life) -> bool {
    let apologized = |seen: &Observation| matches!(seen, Observation::Apologized { .. });
    let Some((at, _)) = life.observations.iter().find(|(_, seen)| apologized(seen)) else {
        return false;
    };
    let ended = |what: &Happening| {
        matches!(
            what,
            Happening::TurnEnded { .. } | Happening::Key { .. } | Happening::Started
        )
    };
    let asked = life
        .happenings
        .iter()
        .rfind(|(when, what)| when < at && ended(what));
    asked.is_some_and(|(asked, _)| *at >= *asked + PATIENCE)
}

/// Two fillers, and the silence around them.
const PATIENCE: Duration = Duration::from_millis(5_800);

#[derive(Debug, Default)]
struct Tally {
    calls: u64,
    failed_over: u64,
    reasons: BTreeMap<&'static str, u64>,
    coverage: Coverage,
    dead_air: Vec<Duration>,
    findings: Findings,
    failures: Vec<String>,
}

impl Tally {
    fn count(&mut self, setup: &Setup, life: &Life) {
        let seed = setup.seed;
        self.calls += 1;
        self.coverage.count(life);
        let mut observed = life.observations.iter().map(|(_, what)| what);
        let failed_over = observed.any(|what| matches!(what, Observation::FailedOver { .. }));
        self.failed_over += u64::from(failed_over);
        self.dead_air.push(life.phone.dead_air_max);
        *self
            .reasons
            .entry(life.reason.map_or("none", EndReason::name))
            .or_default() += 1;
        for (checker, what) in judge(setup, life) {
            self.findings.count(checker, seed);
            self.failures
                .push(format!("seed {seed}: \"{checker}\": {what}"));
        }
    }
}

#[test]
fn every_call_of_the_storm_passes_the_checkers() {
    let calls = number("RINGBACK_SIM_CALLS").unwrap_or(CALLS);
    let seeds = match number("RINGBACK_SIM_STORM") {
        Some(seed) => seed..seed + 1,
        None => 0..calls,
    };
    if seeds.end - seeds.start == 1 {
        let setup = Setup {
            tells: true,
            ..stormy(seeds.start)
        };
        for model in &setup.models {
            println!("{:#?} {:?}", model.house_faults, model.faults);
        }
        let life = World::new(setup.clone()).live();
        println!("{}\n\n{}", life.story.join("\n"), story(&setup, &life));
    }
    let tallies = each(seeds.clone(), |seed, tally: &mut Tally| {
        let setup = stormy(seed);
        tally.count(&setup, &World::new(setup.clone()).live());
    });
    let mut all = Tally::default();
    for tally in tallies {
        all.calls += tally.calls;
        all.failed_over += tally.failed_over;
        all.coverage.add(tally.coverage);
        all.dead_air.extend(tally.dead_air);
        all.failures.extend(tally.failures);
        for (name, count) in tally.reasons {
            *all.reasons.entry(name).or_default() += count;
        }
        all.findings.add(tally.findings);
    }
    all.failures.sort();
    all.dead_air.sort_unstable();
    println!(
        "{}\n{} calls, {} of them failed over; ended {:?}; dead air p99 {:?}, most {:?}",
        all.coverage.table(),
        all.calls,
        all.failed_over,
        all.reasons,
        all.dead_air[all.dead_air.len() * 99 / 100],
        all.dead_air.last(),
    );
    let failed = all.failures.len();
    assert!(
        all.failures.is_empty(),
        "{failed} findings, {}; some of them:\n{}",
        all.findings,
        some(&all.failures)
    );
    if all.calls >= CALLS {
        let missing = all.coverage.missing();
        assert!(missing.is_empty(), "hardly reached: {missing:#?}");
    }
}
