//! The breaker of one endpoint, or of one key: closed = calls pass.
//!
//! Opens fast and closes slow. It is told outcomes and time and answers whether calls pass; it does not dial, and knows no
//! providers. Which outcome of a session is which [`Sample`] is decided by [`super::health`].
//!
//! Every breaker reads its thresholds from a policy of its own at each sample. News of an outage elsewhere lowers them for a
//! while ([`Warning`]): fewer failures open it, and without one of its own it stays as it is.

use std::time::Duration;

use crate::core::fault::Fault;
use crate::core::pool::backoff::Chance;
use crate::core::pool::policy::BreakerPolicy;
use crate::core::pool::window::Window;
use crate::core::time::Instant;

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BreakerState {
    /// All calls pass.
    Closed,
    /// Closed of late: a growing share of the calls passes where another rung takes the rest.
    SlowStart,
    /// No call passes.
    Open,
    /// No call passes; probes do.
    HalfOpen,
    /// Nothing passes, by an operator's word and until it is taken back.
    Isolated,
}

impl BreakerState {
    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::SlowStart => "slow_start",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Isolated => "isolated",
        }
    }
}

/// Why a breaker changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Too many failures in a row.
    InARow,
    /// Too great a share of failures.
    Failures,
    /// Too great a share of slow dials.
    Slowness,
    /// A fault that lasts until somebody mends it.
    Permanent(Fault),
    /// A probe failed.
    ProbeFailed,
    /// The cool-down is over.
    CooledDown,
    /// Enough probes were good.
    ProbesGood,
    /// The slow start is over.
    SlowStartOver,
    /// An operator's word.
    Operator,
}

impl Cause {
    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InARow => "failures_in_a_row",
            Self::Failures => "failures",
            Self::Slowness => "slowness",
            Self::Permanent(_) => "permanent",
            Self::ProbeFailed => "probe_failed",
            Self::CooledDown => "cooled_down",
            Self::ProbesGood => "probes_good",
            Self::SlowStartOver => "slow_start_over",
            Self::Operator => "operator",
        }
    }
}

/// What an operator may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Control {
    /// Open now; probes close it again.
    Open,
    /// Close now, without a slow start.
    Close,
    /// Let nothing pass, not even probes, until it is closed by hand.
    Isolate,
}

/// What other nodes say of a provider: how many of them have lost it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Warning {
    /// One: three fifths of the failures are enough.
    One,
    /// Several: two fifths are.
    Many,
}

impl Warning {
    /// So many failures in place of as many; never fewer than two, unless one is enough for the policy itself.
    fn lower(self, count: u32) -> u32 {
        let fifths = match self {
            Self::One => 3,
            Self::Many => 2,
        };
        count.saturating_mul(fifths).div_ceil(5).max(2).min(count)
    }
}

/// One outcome, as a breaker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    /// A dial takes too long; how it ends is still open.
    DialSlow,
    /// A dial failed; it may have been slow before.
    DialFailed { was_slow: bool },
    /// A session is ready: the row of failed dials ends. No success yet: a provider may take sessions and answer none.
    Ready,
    /// A spare could not be dialled.
    SpareFailed,
    /// A spare waits. It was not configured as a call's is, so it takes back what spares added to the row, and no more.
    SpareReady,
    /// A session answered for the first time: the dial was a success.
    DialGood { was_slow: bool },
    /// A live session was lost.
    Lost,
    /// An answer failed.
    AnswerFailed,
    /// An answer was completed, with audio.
    AnswerGood,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Breaker {
    policy: BreakerPolicy,
    /// What was heard of others, and until when it counts.
    warned: Option<(Warning, Instant)>,
    state: State,
    /// How often it opened without having been closed for long: cool-downs double with it.
    openings: u32,
}

#[derive(Clone, Debug)]
enum State {
    Closed(Closed),
    Open { until: Instant, bars_redial: bool },
    HalfOpen { probes_good: u32, bars_redial: bool },
    Isolated,
}

#[derive(Clone, Debug)]
struct Closed {
    since: Instant,
    slow_start_until: Option<Instant>,
    /// Judged apart, or the answers of sessions that are well would hide that no new one can be had.
    dials: Window,
    answers: Window,
    /// The first of the losses that are one failure.
    lost_at: Option<Instant>,
    /// How much of the row of failed dials is spares.
    spares_failed: u32,
}

impl Breaker {
    pub(super) fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            warned: None,
            state: State::Closed(Closed::new(Instant::ZERO, None)),
            openings: 0,
        }
    }

    pub(super) const fn state(&self) -> BreakerState {
        match &self.state {
            State::Closed(Closed {
                slow_start_until: None,
                ..
            }) => BreakerState::Closed,
            State::Closed(_) => BreakerState::SlowStart,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
            State::Isolated => BreakerState::Isolated,
        }
    }

    /// Whether callers pass.
    pub(super) const fn passes(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// Whether a live call may come back once although callers do not pass: never to what only a person can mend, nor
    /// against an operator's word.
    pub(super) const fn takes_redial(&self) -> bool {
        match self.state {
            State::Closed(_) => true,
            State::Open { bars_redial, .. } | State::HalfOpen { bars_redial, .. } => !bars_redial,
            State::Isolated => false,
        }
    }

    /// How many of 1,000 calls pass: less than all during the slow start.
    pub(super) fn permille(&self, now: Instant) -> u32 {
        let State::Closed(closed) = &self.state else {
            return 0;
        };
        let Some(until) = closed.slow_start_until else {
            return 1_000;
        };
        let first = self.policy.slow_start_percent * 10;
        let passed = now.since(closed.since).as_millis();
        let length = until.since(closed.since).as_millis().max(1);
        let grown = u128::from(1_000 - first) * passed / length;
        u32::try_from(grown).map_or(1_000, |grown| (first + grown).min(1_000))
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Closed(closed) => closed.slow_start_until,
            State::Open { until, .. } => Some(*until),
            State::HalfOpen { .. } | State::Isolated => None,
        }
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Cause> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        match &mut self.state {
            State::Closed(closed) => {
                closed.slow_start_until = None;
                Some(Cause::SlowStartOver)
            }
            State::Open { bars_redial, .. } => {
                self.state = State::HalfOpen {
                    probes_good: 0,
                    bars_redial: *bars_redial,
                };
                Some(Cause::CooledDown)
            }
            State::HalfOpen { .. } | State::Isolated => None,
        }
    }

    /// Others have lost the provider: until then fewer failures open it. A later word stands in place of an earlier one.
    pub(super) const fn warn(&mut self, warned: Option<(Warning, Instant)>) {
        self.warned = warned;
    }

    /// Takes in an outcome. Only a closed breaker counts them: an open one is closed by probes alone.
    pub(super) fn record(
        &mut self,
        now: Instant,
        sample: Sample,
        chance: &mut Chance,
    ) -> Option<Cause> {
        let policy = self.policy_at(now);
        let State::Closed(closed) = &mut self.state else {
            return None;
        };
        closed.record(now, sample, &policy);
        let cause = closed.verdict(&policy)?;
        self.open(now, false, chance);
        Some(cause)
    }

    /// Opens at once, for a fault that lasts.
    pub(super) fn trip(
        &mut self,
        now: Instant,
        fault: Fault,
        chance: &mut Chance,
    ) -> Option<Cause> {
        match &mut self.state {
            State::Closed(_) => {
                self.open(now, true, chance);
                Some(Cause::Permanent(fault))
            }
            State::Open { bars_redial, .. } | State::HalfOpen { bars_redial, .. } => {
                *bars_redial = true;
                None
            }
            State::Isolated => None,
        }
    }

    /// A probe was answered with audio.
    pub(super) fn on_probe_good(&mut self, now: Instant) -> Option<Cause> {
        let State::HalfOpen { probes_good, .. } = &mut self.state else {
            return None;
        };
        *probes_good += 1;
        if *probes_good < self.policy.probes_good {
            return None;
        }
        let slow_start_until = now + self.policy.slow_start;
        self.state = State::Closed(Closed::new(now, Some(slow_start_until)));
        Some(Cause::ProbesGood)
    }

    /// A probe failed.
    pub(super) fn on_probe_failed(&mut self, now: Instant, chance: &mut Chance) -> Option<Cause> {
        let State::HalfOpen { bars_redial, .. } = self.state else {
            return None;
        };
        self.open(now, bars_redial, chance);
        Some(Cause::ProbeFailed)
    }

    /// Does what an operator says.
    pub(super) fn control(&mut self, now: Instant, control: Control, chance: &mut Chance) -> Cause {
        match control {
            Control::Open => self.open(now, true, chance),
            Control::Close => {
                self.openings = 0;
                self.state = State::Closed(Closed::new(now, None));
            }
            Control::Isolate => self.state = State::Isolated,
        }
        Cause::Operator
    }

    /// The policy, with thresholds as low as others have made them.
    fn policy_at(&self, now: Instant) -> BreakerPolicy {
        let Some((warning, _)) = self.warned.filter(|(_, until)| now < *until) else {
            return self.policy;
        };
        BreakerPolicy {
            failures_in_a_row: warning.lower(self.policy.failures_in_a_row),
            outcomes_min: warning.lower(self.policy.outcomes_min),
            ..self.policy
        }
    }

    fn open(&mut self, now: Instant, bars_redial: bool, chance: &mut Chance) {
        if let State::Closed(closed) = &self.state
            && now.since(closed.since) >= self.policy.cool_down_max
        {
            self.openings = 0; // It had been well for long.
        }
        let until = now + self.cool_down(chance);
        self.openings = self.openings.saturating_add(1);
        self.state = State::Open { until, bars_redial };
    }

    /// The next cool-down: doubled for each opening, and varied so that nodes do not probe together.
    fn cool_down(&self, chance: &mut Chance) -> Duration {
        let factor = 1_u32.checked_shl(self.openings).unwrap_or(u32::MAX);
        let length = self.policy.cool_down.saturating_mul(factor);
        let length = length.min(self.policy.cool_down_max);
        let jitter = length * self.policy.jitter_percent / 100;
        length.saturating_sub(jitter) + chance.up_to(jitter * 2)
    }
}

impl Closed {
    fn new(since: Instant, slow_start_until: Option<Instant>) -> Self {
        Self {
            since,
            slow_start_until,
            dials: Window::default(),
            answers: Window::default(),
            lost_at: None,
            spares_failed: 0,
        }
    }

    fn record(&mut self, now: Instant, sample: Sample, policy: &BreakerPolicy) {
        let length = policy.window;
        match sample {
            Sample::DialSlow => self.dials.slow(now, length),
            Sample::DialFailed { was_slow } => self.dials.fail(now, length, was_slow),
            Sample::Ready => {
                self.dials.end_row();
                self.spares_failed = 0;
            }
            Sample::SpareFailed => {
                self.dials.fail(now, length, false);
                self.spares_failed = self.spares_failed.saturating_add(1);
            }
            Sample::SpareReady => {
                let taken_back = std::mem::take(&mut self.spares_failed);
                self.dials.shorten_row(taken_back);
            }
            // It was dialled a while ago: it does not end the row of those that were dialled since.
            Sample::DialGood { was_slow } => self.dials.succeed(now, length, was_slow),
            Sample::AnswerFailed => self.answers.fail(now, length, false),
            Sample::AnswerGood => {
                self.answers.succeed(now, length, false);
                self.answers.end_row();
            }
            Sample::Lost => {
                let is_same = |at: Instant| now.since(at) < policy.loss_window;
                if !self.lost_at.is_some_and(is_same) {
                    self.lost_at = Some(now);
                    self.answers.fail(now, length, false);
                }
            }
        }
    }

    /// Why it should open, if it should.
    fn verdict(&self, policy: &BreakerPolicy) -> Option<Cause> {
        [&self.dials, &self.answers].into_iter().find_map(|window| {
            let sums = window.sums();
            let is_over = |part: u32, percent: u32| {
                sums.outcomes >= policy.outcomes_min
                    && u64::from(part) * 100 >= u64::from(sums.outcomes) * u64::from(percent)
            };
            if window.in_a_row() >= policy.failures_in_a_row {
                Some(Cause::InARow)
            } else if is_over(sums.failures, policy.failure_percent) {
                Some(Cause::Failures)
            } else if is_over(sums.slow, policy.slow_percent) {
                Some(Cause::Slowness)
            } else {
                None
            }
        })
    }
}
