//! What may be tried again: a call's budget in time, and the fleet's in dials.
//!
//! Retries help while few need them and kill a provider that all need at once; so they are paid for. Whoever is out of budget
//! goes on without a retry. How long one waits is [`super::backoff`]'s.

use std::time::Duration;

use crate::core::pool::policy::RetryPolicy;
use crate::core::time::Instant;

/// How long one call may still wait for retries. The call owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallBudget {
    left: Option<Duration>,
}

impl CallBudget {
    /// A budget that nothing was spent of.
    pub(super) const WHOLE: Self = Self { left: None };

    /// Spends `wait`; `false`, and nothing is spent, if less is left.
    pub(super) fn spend(&mut self, wait: Duration, policy: &RetryPolicy) -> bool {
        let left = self.left(policy).checked_sub(wait);
        if left.is_some() {
            self.left = left;
        }
        left.is_some()
    }

    /// What is left.
    pub(super) fn left(&self, policy: &RetryPolicy) -> Duration {
        self.left.unwrap_or(policy.wait_max)
    }
}

/// One dial in the fleet's account.
const DIAL: u32 = 100;

/// The extra dials of all calls: a share of the first dials, and a floor that time refills.
#[derive(Clone, Debug)]
pub(super) struct FleetBudget {
    policy: RetryPolicy,
    /// In hundredths of a dial; at most `extra_max` dials.
    left: u32,
    refilled_at: Instant,
}

impl FleetBudget {
    pub(super) const fn new(policy: RetryPolicy) -> Self {
        Self {
            policy,
            left: policy.extra_floor.saturating_mul(DIAL),
            refilled_at: Instant::ZERO,
        }
    }

    /// A first dial earns its share.
    pub(super) fn earn(&mut self) {
        let max = self.policy.extra_max.saturating_mul(DIAL);
        self.left = self.left.saturating_add(self.policy.extra_percent).min(max);
    }

    /// Whether there is a dial left.
    pub(super) fn has_any(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.left >= DIAL
    }

    /// Spends one dial, which [`has_any`](Self::has_any) said that there is.
    pub(super) fn spend(&mut self) {
        assert!(self.left >= DIAL, "only what is left is spent");
        self.left -= DIAL;
    }

    /// How many dials are left.
    pub(super) const fn dials_left(&self) -> u32 {
        self.left / DIAL
    }

    /// Below the floor, time gives back one dial after another.
    fn refill(&mut self, now: Instant) {
        let floor = self.policy.extra_floor.saturating_mul(DIAL);
        let interval = self.policy.extra_refill;
        while self.left < floor && now.since(self.refilled_at) >= interval {
            self.refilled_at = self.refilled_at + interval;
            self.left = self.left.saturating_add(DIAL).min(floor);
        }
        if self.left >= floor {
            self.refilled_at = now;
        }
    }
}

/// How long a draw on the reserve counts, at least.
const RESERVE_SPAN: Duration = Duration::from_secs(10);

/// The live calls' reserve: within a span, as many redials as there were live calls.
///
/// A call whose session is lost is one of those that were live, so the most of this span and of the one before counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Reserve {
    span: u64,
    before: Span,
    current: Span,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    live_max: u32,
    drawn: u32,
}

impl Reserve {
    /// There are this many live sessions now.
    pub(super) fn see(&mut self, now: Instant, live: u32) {
        self.turn(now, live);
        self.current.live_max = self.current.live_max.max(live);
    }

    /// How many redials are left while `live` sessions are.
    pub(super) fn left(&mut self, now: Instant, live: u32) -> u32 {
        self.see(now, live);
        let size = self.before.live_max.max(self.current.live_max);
        size.saturating_sub(self.before.drawn + self.current.drawn)
    }

    /// Draws one.
    pub(super) const fn draw(&mut self) {
        self.current.drawn = self.current.drawn.saturating_add(1);
    }

    fn turn(&mut self, now: Instant, live: u32) {
        let span = now.since_start().as_secs() / RESERVE_SPAN.as_secs();
        let fresh = Span {
            live_max: live,
            drawn: 0,
        };
        if span == self.span + 1 {
            self.before = std::mem::replace(&mut self.current, fresh);
        } else if span > self.span {
            self.before = fresh;
            self.current = fresh;
        }
        self.span = self.span.max(span);
    }
}

/// Hedges: a share of all dials, and never more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HedgeBudget {
    /// In hundredths of a dial; at most [`HEDGES_SAVED_MAX`] dials.
    left: u32,
}

/// How many hedges can be saved up: few, for they come when a provider turns slow, all at once.
const HEDGES_SAVED_MAX: u32 = 20;

impl HedgeBudget {
    /// A dial earns its share.
    pub(super) fn earn(&mut self, percent: u32) {
        self.left = (self.left + percent).min(HEDGES_SAVED_MAX * DIAL);
    }

    /// Whether there is a hedge left.
    pub(super) const fn has_any(self) -> bool {
        self.left >= DIAL
    }

    /// Spends one, which [`has_any`](Self::has_any) said that there is.
    pub(super) fn spend(&mut self) {
        assert!(self.left >= DIAL, "only what is left is spent");
        self.left -= DIAL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_start(Duration::from_secs(secs))
    }

    #[test]
    fn ten_first_dials_earn_one_extra() {
        let policy = RetryPolicy {
            extra_floor: 0,
            ..RetryPolicy::default()
        };
        let mut budget = FleetBudget::new(policy);
        for _ in 0..9 {
            budget.earn();
        }
        assert!(!budget.has_any(at(1_000)));
        budget.earn();
        assert!(budget.has_any(at(1_000)));
        budget.spend();
        assert!(!budget.has_any(at(1_000)));
    }

    #[test]
    fn the_floor_comes_back_with_time_and_is_not_exceeded_by_it() {
        let mut budget = FleetBudget::new(RetryPolicy::default());
        let mut spent = 0;
        while budget.has_any(at(0)) {
            budget.spend();
            spent += 1;
        }
        assert_eq!(spent, 20);
        assert!(!budget.has_any(at(29)));
        assert!(budget.has_any(at(30)));
        assert!(budget.has_any(at(100_000)));
        assert_eq!(budget.dials_left(), 20);
    }

    #[test]
    fn the_reserve_is_as_large_as_the_live_calls_were_before_they_were_lost() {
        let mut reserve = Reserve::default();
        reserve.see(at(8), 200);
        for _ in 0..200 {
            assert!(reserve.left(at(11), 0) > 0);
            reserve.draw();
        }
        assert_eq!(reserve.left(at(11), 0), 0);
        assert_eq!(
            reserve.left(at(19), 200),
            0,
            "they came back and are lost again"
        );
        assert_eq!(reserve.left(at(31), 200), 200);
    }

    #[test]
    fn a_call_spends_what_it_has_and_no_more() {
        let policy = RetryPolicy::default();
        let mut budget = CallBudget::WHOLE;
        assert!(budget.spend(Duration::from_millis(600), &policy));
        assert!(!budget.spend(Duration::from_millis(301), &policy));
        assert!(budget.spend(Duration::from_millis(300), &policy));
        assert_eq!(budget.left(&policy), Duration::ZERO);
    }
}
