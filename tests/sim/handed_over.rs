//! Calls whose process is about to go: they are let go at a pause, or when there is none in time, and go on with another stream.

use std::collections::BTreeMap;
use std::time::Duration;

use loadtest::carrier::{Ended, Happening, PlayedItem};
use ringback::core::call::CallSettings;
use ringback::core::call::effect::EndReason;
use ringback::core::front::Next;

use crate::checkers::{Finding, remembered};
use crate::setup::{Interlude, Life, Setup};
use crate::severed::greeted_once;
use crate::streams::{Carriage, StreamLife};
use crate::swarm::{Findings, each, seeds, setup, some};
use crate::world::World;

/// Calls of the ordinary test run.
const CALLS: u64 = 2_000;

/// So much of a turn may have been said before anybody can know that there is one: the way of a frame, and speech enough to tell.
const UNNOTICED: Duration = Duration::from_millis(400);

/// What a caller may have waited for before their stream is let go, and wait for behind it.
const ANSWER_MAX: Duration = Duration::from_millis(2_300);

/// A stamped block.
const BLOCK_BYTES: u64 = 160;

fn handed_over(seed: u64) -> Setup {
    let calm = setup(seed);
    let mut rng = fastrand::Rng::with_seed(seed ^ 0xde91);
    let at = Duration::from_millis(rng.u64(..45_000));
    let carriage = Carriage {
        notices_after: Duration::ZERO,
        asks_for: Duration::from_millis(rng.u64(20..300)),
    };
    Setup {
        call: CallSettings {
            hand_over_max: Duration::from_millis(rng.u64(1_000..15_000)),
            ..calm.call.clone()
        },
        carriage: Some(carriage),
        interludes: vec![(at, Interlude::HandOver)],
        ..calm
    }
}

/// The word that the process is about to go, and when the stream of then was over by it.
struct HandOver {
    told_at: Duration,
    stream: StreamLife,
    ended_at: Duration,
}

impl HandOver {
    fn of(setup: &Setup, life: &Life) -> Option<Self> {
        let (told_at, _) = setup.interludes[0];
        let until = life.answers.iter().skip(1).map(|(at, _)| *at);
        let asked = setup.carriage.unwrap().asks_for;
        let (stream, ended_at) = (life.streams.iter())
            .zip(until.map(|at| at.saturating_sub(asked)))
            .find(|(stream, until)| stream.opened_at <= told_at && told_at <= *until)?;
        (stream.reason == Some(EndReason::Drained)).then_some(Self {
            told_at,
            stream: *stream,
            ended_at,
        })
    }

    /// Whether it found its pause.
    fn is_at_rest(&self, setup: &Setup) -> bool {
        // The end of a stream takes a moment to come to the phone.
        self.ended_at < self.told_at + setup.call.hand_over_max
    }
}

fn judge(setup: &Setup, life: &Life) -> Vec<Finding> {
    let mut findings = Vec::new();
    greeted_once(life, &mut findings);
    remembered(life, &mut findings);
    ends(setup, life, &mut findings);
    if !life.leaked.is_empty() || life.seated > 0 {
        let what = format!("{:?}, {} seats", life.leaked, life.seated);
        findings.push(("nothing left over", what));
    }
    if let Some(hand_over) = HandOver::of(setup, life) {
        in_time(setup, &hand_over, &mut findings);
        if hand_over.is_at_rest(setup) {
            at_a_pause(life, &hand_over, &mut findings);
        }
    }
    let longest = ANSWER_MAX + setup.carriage.unwrap().asks_for;
    if life.phone.dead_air_max > longest {
        let what = format!("{:?} of {longest:?}", life.phone.dead_air_max);
        findings.push(("no dead air", what));
    }
    findings
}

/// "Goes on": whoever is let go has another stream, and the call ends as its caller ends it.
fn ends(setup: &Setup, life: &Life, findings: &mut Vec<Finding>) {
    let drained = (life.streams.iter()).filter(|it| it.reason == Some(EndReason::Drained));
    let again = life.answers.iter().skip(1);
    let again = again.filter(|(_, next)| matches!(next, Next::Stream(_)));
    let (drained, again) = (drained.count(), again.count());
    // Whoever hangs up between two streams needs no other.
    let has_left = life.reason == Some(EndReason::Drained)
        && matches!(
            life.phone.ended,
            Some(Ended::HungUp | Ended::GaveUp | Ended::TooLong)
        );
    let is_over = life.phone.ended.is_some() && life.reason.is_some_and(|it| !it.may_go_on());
    if drained != again + usize::from(has_left) || !(is_over || has_left) {
        let what = format!("{:?}, {:?} of {}", life.streams, life.reason, setup.seed);
        findings.push(("goes on", what));
    }
}

/// "Bounded": nobody holds the process up.
fn in_time(setup: &Setup, hand_over: &HandOver, findings: &mut Vec<Finding>) {
    // Words of a goodbye are heard out, and the end of a stream takes a moment to come to the phone.
    let longest = setup.call.hand_over_max + Duration::from_millis(20);
    let took = hand_over.ended_at.saturating_sub(hand_over.told_at);
    if took > longest {
        let what = format!("{took:?} of {longest:?}, {:?}", hand_over.stream);
        findings.push(("bounded", what));
    }
}

/// "At a pause": neither a word of the caller's nor one of the agent's is cut.
fn at_a_pause(life: &Life, hand_over: &HandOver, findings: &mut Vec<Finding>) {
    let at = hand_over.ended_at;
    let mut said_since = None;
    for (when, what) in life.happenings.iter().filter(|(when, _)| *when <= at) {
        match what {
            Happening::TurnBegan { .. } => said_since = Some(*when),
            Happening::TurnEnded { .. } => said_since = None,
            Happening::Started
            | Happening::Key { .. }
            | Happening::MenuKey
            | Happening::PromptBegan { .. }
            | Happening::AgentBegan { .. }
            | Happening::AgentEnded
            | Happening::Cleared { .. }
            | Happening::Violated(_)
            | Happening::Ended(_) => {}
        }
    }
    if let Some(since) = said_since.filter(|since| *since + UNNOTICED < at) {
        let what = format!("the caller spoke from {since:?}, let go at {at:?}");
        findings.push(("at a pause", what));
    }
    let is_cut = |item: &&PlayedItem| {
        let played = item.bytes_played.div_ceil(BLOCK_BYTES);
        item.received.1 <= at && !item.cut && played < u64::from(item.blocks_received)
    };
    if let Some(item) = life.phone.items.iter().find(is_cut) {
        findings.push(("at a pause", format!("{item:?} is cut at {at:?}")));
    }
}

#[derive(Debug, Default)]
struct Tally {
    calls: u64,
    kinds: BTreeMap<&'static str, u64>,
    waited: Vec<Duration>,
    findings: Findings,
    failures: Vec<String>,
}

impl Tally {
    fn count(&mut self, setup: &Setup, life: &Life) {
        self.calls += 1;
        let kind = match HandOver::of(setup, life) {
            Some(hand_over) => {
                let waited = hand_over.ended_at.saturating_sub(hand_over.told_at);
                self.waited.push(waited);
                if hand_over.is_at_rest(setup) {
                    "at a pause"
                } else {
                    "at the limit"
                }
            }
            None => "over before",
        };
        *self.kinds.entry(kind).or_default() += 1;
        for (checker, what) in judge(setup, life) {
            self.findings.count(checker, setup.seed);
            self.failures
                .push(format!("seed {}: \"{checker}\": {what}", setup.seed));
        }
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        for (name, count) in other.kinds {
            *self.kinds.entry(name).or_default() += count;
        }
        self.waited.extend(other.waited);
        self.findings.add(other.findings);
        self.failures.extend(other.failures);
    }
}

#[test]
fn every_call_whose_process_goes_is_let_go_at_a_pause_and_goes_on() {
    let seeds = seeds("RINGBACK_SIM_HANDED_OVER", CALLS, handed_over);
    let mut all = Tally::default();
    for tally in each(seeds, |seed, tally: &mut Tally| {
        let setup = handed_over(seed);
        tally.count(&setup, &World::new(setup.clone()).live());
    }) {
        all.add(tally);
    }
    all.failures.sort();
    all.waited.sort_unstable();
    println!(
        "{} calls, {:?}; waited for a pause p50 {:?}, most {:?}",
        all.calls,
        all.kinds,
        all.waited.get(all.waited.len() / 2),
        all.waited.last(),
    );
    let failed = all.failures.len();
    assert!(
        all.failures.is_empty(),
        "{failed} findings, {}; some of them:\n{}\nlive one again: RINGBACK_SIM_HANDED_OVER=… cargo test --release --test sim \
         handed_over -- --nocapture",
        all.findings,
        some(&all.failures)
    );
    if all.calls >= CALLS {
        for kind in ["at a pause", "at the limit", "over before"] {
            let times = all.kinds.get(kind).copied().unwrap_or(0);
            assert!(times >= CALLS / 20, "{kind}: {times}");
        }
    }
}
