//! Calls whose streams are cut, in every phase and more than once: the carrier asks what comes next, and the call goes on, or ends
//! if it had ended.

use std::collections::BTreeMap;
use std::time::Duration;

use loadtest::carrier::{CarrierSettings, During, StreamCut};
use loadtest::model::report::AskedBy;
use ringback::core::call::effect::EndReason;
use ringback::core::front::{Next, RESUMES_MAX, RESUMES_WITHIN};

use crate::checkers::{Finding, remembered};
use crate::setup::{Life, Setup};
use crate::streams::Carriage;
use crate::swarm::{Findings, each, seeds, setup, some};
use crate::world::World;

/// Calls of the ordinary test run.
const CALLS: u64 = 2_000;

/// How often the ordinary run cuts in each part of a conversation at least.
const CUTS_MIN: u64 = 100;

/// What a caller may have waited for before a cut, and wait for behind it: an answer may be cut in its first syllable.
const ANSWER_MAX: Duration = Duration::from_millis(2_300);

/// Streams that are over within this time of each other may belong to one wait.
const ONE_WAIT: Duration = Duration::from_secs(5);

const PARTS: [During; 4] = [
    During::Greeting,
    During::Speaking,
    During::Waiting,
    During::Answer,
];

fn severed(seed: u64) -> Setup {
    let calm = setup(seed);
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x5e7e);
    let cuts = (0..rng.usize(1..=4)).map(|_| StreamCut {
        during: PARTS[rng.usize(..PARTS.len())],
        after_ms: rng.u64(..1_500),
        turn: None,
    });
    let cuts = cuts.collect();
    let carriage = Carriage {
        notices_after: Duration::from_millis(rng.u64(100..1_000)),
        asks_for: Duration::from_millis(rng.u64(20..300)),
    };
    Setup {
        carrier: CarrierSettings {
            cuts,
            ..calm.carrier.clone()
        },
        carriage: Some(carriage),
        ..calm
    }
}

fn judge(setup: &Setup, life: &Life) -> Vec<Finding> {
    let mut findings = Vec::new();
    goes_on_or_ends(life, &mut findings);
    never_a_loop(life, &mut findings);
    greeted_once(life, &mut findings);
    remembered(life, &mut findings);
    if !life.leaked.is_empty() || life.seated > 0 {
        let what = format!("{:?}, {} seats", life.leaked, life.seated);
        findings.push(("nothing left over", what));
    }
    let carriage = setup.carriage.unwrap();
    let longest = ANSWER_MAX + carriage.notices_after + carriage.asks_for;
    // Who is cut off again while they wait waits again.
    let longest = longest * cuts_of_one_wait(life);
    if life.phone.dead_air_max > longest {
        let what = format!("{:?} of {longest:?}", life.phone.dead_air_max);
        findings.push(("no dead air", what));
    }
    findings
}

/// How many streams were over within a few seconds, at most.
fn cuts_of_one_wait(life: &Life) -> u32 {
    // With the one that was not followed by another, where there is one.
    let again = life.answers.iter().skip(1).map(|(at, _)| *at);
    let again: Vec<_> = again.collect();
    let at_once = again.iter().map(|one| {
        let close = |other: &&Duration| other.abs_diff(*one) <= ONE_WAIT;
        again.iter().filter(close).count()
    });
    u32::try_from(at_once.max().unwrap_or(1)).unwrap()
}

/// "Goes on, or ends": a caller whose stream was cut has another one, unless everything was said, or it was cut too often.
fn goes_on_or_ends(life: &Life, findings: &mut Vec<Finding>) {
    let asked = life.answers.iter().skip(1);
    for (stream, (at, answer)) in life.streams.iter().zip(asked) {
        let has_ended = stream.reason.is_some_and(|reason| !reason.may_go_on());
        let is_right = match answer {
            Next::Stream(_) => !has_ended,
            Next::Hangup => has_ended,
            Next::Apologize => lately(life, *at) >= RESUMES_MAX,
            Next::Busy | Next::Dial(..) => false,
        };
        if !is_right {
            let what = format!("{:?} and then {answer:?} at {at:?}", stream.reason);
            findings.push(("goes on, or ends", what));
        }
    }
    let is_over = life.phone.ended.is_some() && life.reason.is_some();
    if !is_over || life.reason == Some(EndReason::Apologized) {
        let what = format!("{:?}, {:?}", life.phone.ended, life.reason);
        findings.push(("every call ends", what));
    }
}

/// How often the call was put together in the minute before.
fn lately(life: &Life, at: Duration) -> usize {
    let again = life.streams.iter().skip(1);
    let lately =
        again.filter(|stream| stream.opened_at < at && at < stream.opened_at + RESUMES_WITHIN);
    lately.count()
}

/// "Never a resume loop": no more streams than cuts ask for, and only so many within a minute.
fn never_a_loop(life: &Life, findings: &mut Vec<Finding>) {
    let cuts = usize::try_from(life.phone.streams_cut).unwrap();
    let too_often = life
        .streams
        .iter()
        .any(|stream| lately(life, stream.opened_at) > RESUMES_MAX);
    if life.streams.len() > 1 + cuts || too_often {
        let what = format!("{cuts} cuts, {:?}", life.streams);
        findings.push(("never a resume loop", what));
    }
}

/// "Nobody is greeted twice": only the first session is asked for a greeting, the others for the rest.
pub(crate) fn greeted_once(life: &Life, findings: &mut Vec<Finding>) {
    let greets = life.sessions().filter(|(_, session)| {
        let first = session.responses.list.first();
        first.is_some_and(|first| first.asked_by == AskedBy::Client && !first.instructed)
    });
    let greeters: Vec<_> = greets.map(|(attempt, _)| attempt).collect();
    if greeters.len() > 1 || life.phone.greeted_again > 0 {
        findings.push(("nobody is greeted twice", format!("{greeters:?}")));
    }
}

#[derive(Debug, Default)]
struct Tally {
    calls: u64,
    cuts: u64,
    answers: BTreeMap<&'static str, u64>,
    parts: BTreeMap<&'static str, u64>,
    dead_air: Vec<Duration>,
    findings: Findings,
    failures: Vec<String>,
}

impl Tally {
    fn count(&mut self, setup: &Setup, life: &Life) {
        self.calls += 1;
        self.cuts += u64::from(life.phone.streams_cut);
        let made = usize::try_from(life.phone.streams_cut).unwrap();
        for cut in setup.carrier.cuts.iter().take(made) {
            *self.parts.entry(name(cut.during)).or_default() += 1;
        }
        for (_, answer) in life.answers.iter().skip(1) {
            let name = match answer {
                Next::Stream(_) => "goes on",
                Next::Hangup => "ends",
                Next::Apologize => "apologizes",
                Next::Busy | Next::Dial(..) => "else",
            };
            *self.answers.entry(name).or_default() += 1;
        }
        self.dead_air.push(life.phone.dead_air_max);
        for (checker, what) in judge(setup, life) {
            self.findings.count(checker, setup.seed);
            self.failures
                .push(format!("seed {}: \"{checker}\": {what}", setup.seed));
        }
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.cuts += other.cuts;
        for (name, count) in other.answers {
            *self.answers.entry(name).or_default() += count;
        }
        for (name, count) in other.parts {
            *self.parts.entry(name).or_default() += count;
        }
        self.dead_air.extend(other.dead_air);
        self.findings.add(other.findings);
        self.failures.extend(other.failures);
    }
}

const fn name(part: During) -> &'static str {
    match part {
        During::Greeting => "greeting",
        During::Speaking => "speaking",
        During::Waiting => "waiting",
        During::Answer => "answer",
    }
}

#[test]
fn every_call_whose_streams_are_cut_passes_the_checkers() {
    let seeds = seeds("RINGBACK_SIM_SEVERED", CALLS, severed);
    let mut all = Tally::default();
    for tally in each(seeds, |seed, tally: &mut Tally| {
        let setup = severed(seed);
        tally.count(&setup, &World::new(setup.clone()).live());
    }) {
        all.add(tally);
    }
    all.failures.sort();
    all.dead_air.sort_unstable();
    println!(
        "{} calls, {} cuts {:?}; the carrier asked: {:?}; dead air p50 {:?}, most {:?}",
        all.calls,
        all.cuts,
        all.parts,
        all.answers,
        all.dead_air[all.dead_air.len() / 2],
        all.dead_air.last(),
    );
    let failed = all.failures.len();
    assert!(
        all.failures.is_empty(),
        "{failed} findings, {}; some of them:\n{}\nlive one again: RINGBACK_SIM_SEVERED=… cargo test --release --test sim severed \
         -- --nocapture",
        all.findings,
        some(&all.failures)
    );
    if all.calls >= CALLS {
        for part in PARTS {
            let cuts = all.parts.get(name(part)).copied().unwrap_or(0);
            assert!(cuts >= CUTS_MIN, "{cuts} cuts while {}", name(part));
        }
        for answer in ["goes on", "ends", "apologizes"] {
            assert!(all.answers.contains_key(answer), "never: {answer}");
        }
    }
}
