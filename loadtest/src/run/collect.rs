//! Turns what phones and models report into figures.
//!
//! A phone knows what it sent and what it played, a model what it got and what it sent; the stamps in the audio say which belongs
//! to which. Who is right where they differ is never asked of the server under test.

mod downlink;
mod endings;
mod gaps;
mod greeted;
mod handover;
mod providers;
mod resumed;
mod silences;
mod struck;
mod uplink;
mod voice;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hdrhistogram::Histogram;

use super::{
    beside::Beheld,
    callers::{Outcome, Told},
    house::Seen,
};
use crate::{
    model::report::SessionReport,
    plan::Breaker,
    process::Usage,
    recording::Recording,
    report::{Figure, Figures},
};

/// What the server used, and when it was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) begin: Duration,
    pub(crate) end: Duration,
    /// Before the first call.
    pub(crate) idle: Option<Usage>,
    pub(crate) before: Option<Usage>,
    pub(crate) after: Option<Usage>,
    /// Calls that were live at the end of it.
    pub(crate) live: u32,
    /// Calls that did not come to an end.
    pub(crate) unfinished: u32,
    /// The agent hangs up: a call that the server closes in order is complete too.
    pub(crate) agent_hangs_up: bool,
    pub(crate) breaker: Breaker,
    /// What was given to those beside the callers, if there were any.
    pub(crate) beheld: Option<Beheld>,
    /// When the windows of the models began to count.
    pub(crate) zero: Duration,
    /// Of a drill.
    pub(crate) drill: Option<OfDrill>,
}

/// What a drill knows beside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfDrill {
    /// From the first harm to the last, if there was any.
    pub(crate) harm: Option<(Duration, Duration)>,
    /// From when to when regions were parted, if they were.
    pub(crate) parted: Option<(Duration, Duration)>,
    /// When the last call had been over for seconds.
    pub(crate) quiet: Duration,
}

/// What all calls and sessions of a round say together.
pub(crate) fn figures(
    outcomes: &[Outcome],
    seen: &[Seen],
    recordings: &[Arc<Recording>],
    window: &Window,
) -> Figures {
    let told: Vec<&Told> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Over(told) => Some(&**told),
            Outcome::Refused(_) => None,
        })
        .collect();
    let mut figures = Figures::default();
    endings::tally(outcomes, &told, window, &mut figures);
    endings::first_audio(&told, seen, window, &mut figures);
    hearing(&told, &mut figures);
    let sessions = Sessions::sort(seen);
    let up = uplink::tally(&told, &sessions, &mut figures);
    let down = downlink::tally(&told, &sessions, &mut figures);
    figures.set(Figure::FramesLost, count(up.lost + down.lost));
    figures.set(Figure::FramesTwice, count(up.twice + down.twice));
    gaps::tally(&told, &sessions, &mut figures);
    let lines = recordings.iter().flat_map(|recording| &recording.agent);
    let lines: Vec<_> = lines.collect();
    handover::tally(&told, &sessions, &lines, &mut figures);
    providers::tally(
        outcomes.len(),
        seen,
        &sessions,
        window.breaker,
        &mut figures,
    );
    voice::tally(&told, &sessions, &mut figures);
    resumed::tally(&told, &sessions, window, &mut figures);
    struck::tally(outcomes, &told, &sessions, window, &mut figures);
    voice::beside(window.beheld.as_ref(), &mut figures);
    costs(&told, window, &mut figures);
    figures
}

/// Why calls failed, and how many for each reason; the first [`REASONS_MAX`] reasons.
pub(crate) fn failures(outcomes: &[Outcome], window: &Window) -> BTreeMap<String, u32> {
    let reasons = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Over(told) if told.is_complete(window.agent_hangs_up) => None,
        Outcome::Over(told) => Some(told.ending()),
        Outcome::Refused(reason) => Some(reason.clone()),
    });
    let mut failures = BTreeMap::new();
    for reason in reasons {
        if failures.len() < REASONS_MAX || failures.contains_key(&reason) {
            *failures.entry(reason).or_default() += 1;
        }
    }
    failures
}

/// Which calls went on without what had been said, which were greeted twice, and which waited long for the agent or for a stream; the first few.
pub(crate) fn complaints(outcomes: &[Outcome], seen: &[Seen]) -> Vec<String> {
    let told: Vec<&Told> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Over(told) => Some(&**told),
            Outcome::Refused(_) => None,
        })
        .collect();
    let sessions = Sessions::sort(seen);
    let mut complaints = resumed::complaints(&told, &sessions);
    complaints.extend(greeted::complaints(&told, &sessions));
    complaints.extend(silences::complaints(&told, &sessions));
    complaints.extend(struck::waits(&told));
    complaints
}

/// What models refused, by the code of the error, and how often; the first [`REASONS_MAX`] codes.
pub(crate) fn refusals(seen: &[Seen]) -> BTreeMap<String, u64> {
    let sessions = seen.iter().flat_map(|seen| &seen.sessions);
    let mut refusals = BTreeMap::new();
    for (code, times) in sessions.flat_map(|session| &session.errors) {
        if refusals.len() < REASONS_MAX || refusals.contains_key(code) {
            *refusals.entry(code.clone()).or_default() += times;
        }
    }
    refusals
}

/// More reasons than this nobody reads.
const REASONS_MAX: usize = 8;

/// The sessions of a round, by the call whose audio they got.
struct Sessions<'a> {
    all: Vec<&'a SessionReport>,
    by_call: BTreeMap<u32, Vec<&'a SessionReport>>,
}

impl<'a> Sessions<'a> {
    fn sort(seen: &'a [Seen]) -> Self {
        let all: Vec<_> = seen.iter().flat_map(|seen| &seen.sessions).collect();
        let mut by_call: BTreeMap<u32, Vec<_>> = BTreeMap::new();
        for &session in &all {
            for &call in session.uplink.streams.keys() {
                by_call.entry(call).or_default().push(session);
            }
        }
        Self { all, by_call }
    }

    fn of(&self, call: u32) -> &[&'a SessionReport] {
        self.by_call.get(&call).map_or(&[], Vec::as_slice)
    }
}

/// Blocks of one direction.
struct Tally {
    lost: u64,
    twice: u64,
}

fn hearing(told: &[&Told], figures: &mut Figures) {
    let reports = || told.iter().map(|told| &told.report);
    let first = Spread::of(reports().filter_map(|report| report.first_media));
    figures.set_some(Figure::FirstAudioP50, first.at(0.5));
    figures.set_some(Figure::FirstAudioP99, first.at(0.99));
    let answers = Spread::of(reports().flat_map(|report| report.answer_latencies.iter().copied()));
    figures.set_some(Figure::AnswerP50, answers.at(0.5));
    figures.set_some(Figure::AnswerP99, answers.at(0.99));
    let dead_air = reports().map(|report| report.dead_air_max).max();
    figures.set_some(Figure::DeadAirMax, dead_air.map(ms));
    let sum = |of: fn(&crate::carrier::CallReport) -> u64| count(reports().map(of).sum());
    figures.set(Figure::TurnsSaid, sum(|it| it.turns_said.into()));
    figures.set(
        Figure::TurnsUnanswered,
        sum(|it| it.turns_unanswered.into()),
    );
    figures.set(Figure::BargeIns, sum(|it| it.barge_ins.into()));
    figures.set(Figure::Violations, sum(|it| it.violations.values().sum()));
}

fn costs(told: &[&Told], window: &Window, figures: &mut Figures) {
    let (Some(idle), Some(before), Some(after)) = (window.idle, window.before, window.after) else {
        return;
    };
    let overlap = |told: &&Told| {
        let (begin, end) = (told.began.max(window.begin), told.ended.min(window.end));
        end.saturating_sub(begin)
    };
    let unfinished = window.end.saturating_sub(window.begin) * window.unfinished;
    let call_time = told.iter().map(overlap).sum::<Duration>() + unfinished;
    if !call_time.is_zero() {
        let cpu = after.cpu.saturating_sub(before.cpu);
        figures.set(Figure::CpuPerCallSecond, ms(cpu) / call_time.as_secs_f64());
    }
    figures.set(Figure::RssIdle, kib(idle.rss_bytes));
    figures.set(Figure::RssSteady, kib(after.rss_bytes));
    if window.live > 0 {
        let more = kib(after.rss_bytes) - kib(idle.rss_bytes);
        figures.set(Figure::RssPerCall, more / f64::from(window.live));
    }
}

/// What takes longer is taken for this.
const TIME_MAX: Duration = Duration::from_hours(1);

/// Times, by how many are below.
struct Spread(Histogram<u64>);

impl Spread {
    fn new() -> Self {
        Self(Histogram::new(3).expect("three significant digits are allowed"))
    }

    fn of(times: impl Iterator<Item = Duration>) -> Self {
        let mut spread = Self::new();
        times.for_each(|time| spread.add(time));
        spread
    }

    fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.min(TIME_MAX).as_micros()).unwrap_or(u64::MAX);
        self.add_many(micros, 1);
    }

    fn add_many(&mut self, micros: u64, times: u64) {
        self.0
            .record_n(micros, times)
            .expect("the histogram grows as it needs to");
    }

    /// Milliseconds that this share of them does not exceed; `None` if there are none.
    fn at(&self, share: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| ms(Duration::from_micros(self.0.value_at_quantile(share))))
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a run does not count to two to the fifty-third"
)]
fn count(number: u64) -> f64 {
    number as f64
}

fn kib(bytes: u64) -> f64 {
    count(bytes / 1024)
}
