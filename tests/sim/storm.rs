//! Thousands of calls whose providers fail in every way that the doubles know, judged: nobody is lost, and nobody hears silence.

use std::collections::BTreeMap;
use std::time::Duration;

use loadtest::carrier::{Answer, CarrierSettings, Happening};
use ringback::core::call::effect::EndReason;
use ringback::core::observation::Observation;

use crate::checkers::{
    Finding, bounds_hold, downlink_conserved, no_dead_air, one_voice, uplink_conserved,
};
use crate::setup::{Life, Setup};
use crate::swarm::{each, number, setup};
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
    storm(seed, Setup { carrier, ..calm })
}

/// What is wrong with a call in a storm.
fn judge(life: &Life) -> Vec<Finding> {
    let mut findings = Vec::new();
    nobody_lost(life, &mut findings);
    no_dead_air(life, &mut findings);
    one_voice(life, &mut findings);
    uplink_conserved(life, &mut findings);
    downlink_conserved(life, &mut findings);
    bounds_hold(life, &mut findings);
    findings
}

/// "Nobody lost": with one provider that is well the call goes on to its natural end, and no session and no seat is left over.
fn nobody_lost(life: &Life, findings: &mut Vec<Finding>) {
    let natural = match life.reason {
        None | Some(EndReason::CallerHungUp | EndReason::Goodbye) => true,
        Some(EndReason::Apologized) => ran_out_of_patience(life),
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

/// Two fillers, and the silence that is allowed around them.
const PATIENCE: Duration = Duration::from_millis(5_900);

#[derive(Debug, Default)]
struct Tally {
    calls: u64,
    failed_over: u64,
    faults: BTreeMap<&'static str, u64>,
    reasons: BTreeMap<&'static str, u64>,
    gaps: Vec<Duration>,
    dead_air: Vec<Duration>,
    findings: BTreeMap<&'static str, u64>,
    failures: Vec<String>,
}

impl Tally {
    fn count(&mut self, seed: u64, life: &Life) {
        self.calls += 1;
        let mut failed_over = false;
        for (_, seen) in &life.observations {
            match seen {
                Observation::AttemptFailed { fault, .. } => {
                    *self.faults.entry(fault.name()).or_default() += 1;
                }
                Observation::FailedOver { .. } => failed_over = true,
                Observation::Gap { after } => self.gaps.push(*after),
                _ => {}
            }
        }
        self.failed_over += u64::from(failed_over);
        self.dead_air.push(life.phone.dead_air_max);
        *self
            .reasons
            .entry(life.reason.map_or("none", EndReason::name))
            .or_default() += 1;
        for (checker, what) in judge(life) {
            *self.findings.entry(checker).or_default() += 1;
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
        println!("{}", World::new(setup).live().story.join("\n"));
    }
    let tallies = each(seeds.clone(), |seed, tally: &mut Tally| {
        tally.count(seed, &World::new(stormy(seed)).live());
    });
    let mut all = Tally::default();
    for tally in tallies {
        all.calls += tally.calls;
        all.failed_over += tally.failed_over;
        all.gaps.extend(tally.gaps);
        all.dead_air.extend(tally.dead_air);
        all.failures.extend(tally.failures);
        for (name, count) in tally.faults {
            *all.faults.entry(name).or_default() += count;
        }
        for (name, count) in tally.reasons {
            *all.reasons.entry(name).or_default() += count;
        }
        for (name, count) in tally.findings {
            *all.findings.entry(name).or_default() += count;
        }
    }
    all.failures.sort();
    all.gaps.sort_unstable();
    all.dead_air.sort_unstable();
    println!(
        "{} calls, {} of them failed over; faults {:?}; ended {:?}; dead air p99 {:?}, most {:?}",
        all.calls,
        all.failed_over,
        all.faults,
        all.reasons,
        all.dead_air[all.dead_air.len() * 99 / 100],
        all.dead_air.last(),
    );
    let failed = all.failures.len();
    assert!(
        all.failures.is_empty(),
        "{failed} findings, {:?}; the first of them:\n{}",
        all.findings,
        all.failures[..failed.min(25)].join("\n")
    );
}
