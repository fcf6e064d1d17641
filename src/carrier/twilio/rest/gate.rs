//! What stands before a request: a breaker, rests that Twilio asks for, rates, and how many may be under way.
//!
//! It is told the time and opens no socket. A breaker that is closed lets requests pass; one that has cooled down lets a single
//! one pass, whose outcome counts: no synthetic request could show that writes work.

use std::time::Duration;

use super::error::NotSent;
use crate::core::time::Instant;

/// What goes through the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Changes to calls that there are, and look-ups.
    Control,
    /// New calls.
    Ring,
    /// New messages.
    Text,
}

/// How fast and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestLimits {
    /// Changes and look-ups a second, and at once. Default: 50.
    pub control_per_second: u32,
    /// New calls a second, and at once. Default: 1, which is what an account starts with.
    pub rings_per_second: u32,
    /// New messages a second, and at once. Default: 1, which is what a long number takes.
    pub texts_per_second: u32,
    /// Requests under way. Default: 32.
    pub under_way_max: u32,
}

impl Default for RestLimits {
    fn default() -> Self {
        Self {
            control_per_second: 50,
            rings_per_second: 1,
            texts_per_second: 1,
            under_way_max: 32,
        }
    }
}

/// How a request ended, as the gate sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Twilio answered, if only with a no.
    Answered,
    /// It is not well: no connection, no answer, a fault of its own.
    Failed,
    /// It wants fewer requests.
    Limited(Option<Duration>),
    /// It does not know us: nothing is asked until the cool-down is over, which is at its longest.
    Unauthorized,
    /// Nobody knows.
    Abandoned,
}

/// How many failures in a row open the breaker.
const FAILURES_IN_A_ROW: u32 = 5;

/// The first cool-down; each further one is twice as long, up to the longest.
const COOL_DOWN: Duration = Duration::from_secs(5);
const COOL_DOWN_MAX: Duration = Duration::from_secs(80);

/// A rest that Twilio does not time, and the longest that is believed.
const REST: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_mins(5);

#[derive(Clone, Copy, Debug)]
enum Breaker {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
    },
    /// One request is under way that decides.
    Trial,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Gate {
    limits: RestLimits,
    breaker: Breaker,
    /// How often it opened in a row.
    openings: u32,
    rest_until: Instant,
    /// When something was last answered.
    answered_at: Option<Instant>,
    under_way: u32,
    control: Bucket,
    rings: Bucket,
    texts: Bucket,
}

/// A request that was let through; its outcome is to be recorded once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pass {
    is_trial: bool,
}

impl Gate {
    pub(super) fn new(limits: RestLimits) -> Self {
        Self {
            limits,
            breaker: Breaker::Closed { failures: 0 },
            openings: 0,
            rest_until: Instant::ZERO,
            answered_at: None,
            under_way: 0,
            control: Bucket::new(limits.control_per_second),
            rings: Bucket::new(limits.rings_per_second),
            texts: Bucket::new(limits.texts_per_second),
        }
    }

    pub(super) fn admit(&mut self, now: Instant, lane: Lane) -> Result<Pass, NotSent> {
        let is_trial = match self.breaker {
            Breaker::Closed { .. } => false,
            Breaker::Open { until } if now < until => {
                return Err(NotSent::BreakerOpen(until.since(now)));
            }
            Breaker::Open { .. } => true,
            Breaker::Trial => return Err(NotSent::BreakerOpen(COOL_DOWN)),
        };
        if now < self.rest_until {
            return Err(NotSent::Resting(self.rest_until.since(now)));
        }
        if self.under_way >= self.limits.under_way_max {
            return Err(NotSent::Crowded);
        }
        let bucket = match lane {
            Lane::Control => &mut self.control,
            Lane::Ring => &mut self.rings,
            Lane::Text => &mut self.texts,
        };
        bucket.take(now).map_err(NotSent::Throttled)?;
        self.under_way += 1;
        if is_trial {
            self.breaker = Breaker::Trial;
        }
        Ok(Pass { is_trial })
    }

    #[expect(clippy::needless_pass_by_value, reason = "a pass is recorded once")]
    pub(super) fn record(&mut self, now: Instant, pass: Pass, outcome: Outcome) {
        self.under_way = self.under_way.saturating_sub(1);
        match outcome {
            Outcome::Answered => {
                self.answered_at = Some(now);
                self.succeed(pass.is_trial);
            }
            Outcome::Limited(after) => {
                let rest = after.unwrap_or(REST).min(REST_MAX);
                self.rest_until = self.rest_until.max(now + rest);
                self.succeed(pass.is_trial);
            }
            Outcome::Failed => self.fail(now, pass.is_trial),
            Outcome::Unauthorized => {
                self.breaker = Breaker::Open {
                    until: now + COOL_DOWN_MAX,
                };
            }
            // The next one decides.
            Outcome::Abandoned if pass.is_trial => self.breaker = Breaker::Open { until: now },
            Outcome::Abandoned => {}
        }
    }

    /// For health: how long the breaker is still open; `None`: it is closed.
    pub(super) fn open_for(&self, now: Instant) -> Option<Duration> {
        match self.breaker {
            Breaker::Closed { .. } => None,
            Breaker::Open { until } => Some(until.since(now)),
            Breaker::Trial => Some(Duration::ZERO),
        }
    }

    /// For health: when something was last answered.
    pub(super) const fn answered_at(&self) -> Option<Instant> {
        self.answered_at
    }

    /// Requests that were under way when it opened do not close it.
    fn succeed(&mut self, is_trial: bool) {
        let is_closed = matches!(self.breaker, Breaker::Closed { .. });
        if is_trial || is_closed {
            self.openings = 0;
            self.breaker = Breaker::Closed { failures: 0 };
        }
    }

    fn fail(&mut self, now: Instant, is_trial: bool) {
        match &mut self.breaker {
            Breaker::Closed { failures } => {
                *failures += 1;
                if *failures >= FAILURES_IN_A_ROW {
                    self.open(now);
                }
            }
            Breaker::Open { .. } | Breaker::Trial if is_trial => self.open(now),
            Breaker::Open { .. } | Breaker::Trial => {}
        }
    }

    fn open(&mut self, now: Instant) {
        let factor = 1_u32.checked_shl(self.openings).unwrap_or(u32::MAX);
        let cool_down = COOL_DOWN.saturating_mul(factor).min(COOL_DOWN_MAX);
        self.openings = self.openings.saturating_add(1);
        self.breaker = Breaker::Open {
            until: now + cool_down,
        };
    }
}

/// A token bucket of one second's worth. It keeps the moment at which it is full again.
#[derive(Debug)]
struct Bucket {
    interval: Duration,
    full_at: Instant,
}

impl Bucket {
    fn new(per_second: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second.max(1),
            full_at: Instant::ZERO,
        }
    }

    /// Takes a token, or tells after which time there is one.
    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        const HOLDS: Duration = Duration::from_secs(1);
        let full_at = self.full_at.max(now) + self.interval;
        let missing = full_at.since(now).saturating_sub(HOLDS);
        if missing > Duration::ZERO {
            return Err(missing);
        }
        self.full_at = full_at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_start(Duration::from_millis(millis))
    }

    fn gate() -> Gate {
        Gate::new(RestLimits::default())
    }

    /// One request that ends at once.
    fn ask(gate: &mut Gate, now: Instant, outcome: Outcome) -> Result<(), NotSent> {
        let pass = gate.admit(now, Lane::Control)?;
        gate.record(now, pass, outcome);
        Ok(())
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_one_good_request_after_the_cool_down_closes_it() {
        let mut gate = gate();
        for _ in 0..4 {
            ask(&mut gate, at(0), Outcome::Failed).unwrap();
        }
        ask(&mut gate, at(0), Outcome::Answered).unwrap();
        for _ in 0..5 {
            assert_eq!(gate.open_for(at(0)), None);
            ask(&mut gate, at(0), Outcome::Failed).unwrap();
        }
        let open = NotSent::BreakerOpen(Duration::from_secs(4));
        assert_eq!(ask(&mut gate, at(1_000), Outcome::Answered), Err(open));
        // One at a time tries.
        let pass = gate.admit(at(5_000), Lane::Control).unwrap();
        assert!(gate.admit(at(5_000), Lane::Control).is_err());
        gate.record(at(5_000), pass, Outcome::Answered);
        assert_eq!(ask(&mut gate, at(5_000), Outcome::Answered), Ok(()));
    }

    #[test]
    fn cool_downs_double_up_to_the_longest() {
        let mut gate = gate();
        for _ in 0..5 {
            ask(&mut gate, at(0), Outcome::Failed).unwrap();
        }
        let mut now = at(0);
        for expected in [5, 10, 20, 40, 80, 80] {
            let open = gate.open_for(now).unwrap();
            assert_eq!(open, Duration::from_secs(expected));
            now = now + open;
            ask(&mut gate, now, Outcome::Failed).unwrap();
        }
    }

    #[test]
    fn a_trial_that_nobody_waits_for_lets_the_next_one_try() {
        let mut gate = gate();
        for _ in 0..5 {
            ask(&mut gate, at(0), Outcome::Failed).unwrap();
        }
        ask(&mut gate, at(5_000), Outcome::Abandoned).unwrap();
        ask(&mut gate, at(5_000), Outcome::Answered).unwrap();
        assert_eq!(gate.open_for(at(5_000)), None);
    }

    #[test]
    fn late_answers_to_requests_from_before_do_not_close_it() {
        let mut gate = gate();
        let early = gate.admit(at(0), Lane::Control).unwrap();
        for _ in 0..5 {
            ask(&mut gate, at(0), Outcome::Failed).unwrap();
        }
        gate.record(at(1_000), early, Outcome::Answered);
        assert_eq!(gate.open_for(at(1_000)), Some(Duration::from_secs(4)));
    }

    #[test]
    fn a_rest_is_kept_as_long_as_twilio_says_within_reason() {
        let mut gate = gate();
        let rest = |secs| Outcome::Limited(Some(Duration::from_secs(secs)));
        ask(&mut gate, at(0), rest(3)).unwrap();
        let resting = NotSent::Resting(Duration::from_secs(1));
        assert_eq!(ask(&mut gate, at(2_000), Outcome::Answered), Err(resting));
        ask(&mut gate, at(3_000), rest(999_999)).unwrap();
        let resting = NotSent::Resting(REST_MAX);
        assert_eq!(ask(&mut gate, at(3_000), Outcome::Answered), Err(resting));
    }

    #[test]
    fn wrong_credentials_are_not_tried_again_and_again() {
        let mut gate = gate();
        ask(&mut gate, at(0), Outcome::Unauthorized).unwrap();
        assert_eq!(gate.open_for(at(0)), Some(COOL_DOWN_MAX));
    }

    #[test]
    fn rings_and_texts_have_rates_of_their_own_and_little_is_under_way() {
        let mut gate = gate();
        for lane in [Lane::Ring, Lane::Text] {
            assert!(gate.admit(at(0), lane).is_ok());
            let throttled = Err(NotSent::Throttled(Duration::from_millis(700)));
            assert_eq!(gate.admit(at(300), lane), throttled);
            assert!(gate.admit(at(1_000), lane).is_ok());
        }
        for _ in 0..28 {
            assert!(gate.admit(at(1_000), Lane::Control).is_ok());
        }
        let crowded = gate.admit(at(1_000), Lane::Control);
        assert_eq!(crowded, Err(NotSent::Crowded));
        gate.record(at(1_000), Pass { is_trial: false }, Outcome::Answered);
        assert!(gate.admit(at(1_000), Lane::Control).is_ok());
    }
}
