//! How fast sessions may start at one key: a token bucket with a rate and a burst.
//!
//! Who goes first when there are fewer tokens than callers is decided by [`super::queue`].

use std::time::Duration;

use crate::core::time::Instant;

/// A token bucket. Instead of tokens it keeps the moment at which it is full again: one number, exact at any rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Throttle {
    /// In which time one token comes.
    interval: Duration,
    /// How many tokens it holds when full.
    burst: u32,
    full_at: Instant,
}

impl Throttle {
    pub(super) fn new(starts_per_second: u32, burst: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / starts_per_second.max(1),
            burst,
            full_at: Instant::ZERO,
        }
    }

    /// How many sessions may start now, if the bucket holds `permille` thousandths of its burst (one at least).
    pub(super) fn tokens(&self, now: Instant, permille: u32) -> u32 {
        let missing = self.full_at.since(now).as_nanos();
        let missing = missing.div_ceil(self.interval.as_nanos());
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        self.burst_of(permille).saturating_sub(missing)
    }

    /// When there are `tokens` of them; those that the bucket cannot hold come one after the other once it is full.
    pub(super) fn at(&self, tokens: u32, permille: u32) -> Instant {
        let burst = self.burst_of(permille);
        let missing = self.interval.saturating_mul(burst.saturating_sub(tokens));
        let beyond = self.interval.saturating_mul(tokens.saturating_sub(burst));
        self.full_at - missing + beyond
    }

    /// Whether more than half of the burst could start now.
    pub(super) fn is_over_half(&self, now: Instant) -> bool {
        u64::from(self.tokens(now, 1_000)) * 2 > u64::from(self.burst)
    }

    /// A session starts.
    pub(super) fn take(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.interval;
    }

    fn burst_of(&self, permille: u32) -> u32 {
        let part = u64::from(self.burst) * u64::from(permille) / 1_000;
        u32::try_from(part).unwrap_or(self.burst).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn a_burst_is_served_at_once_and_then_the_rate() {
        let mut throttle = Throttle::new(20, 3);
        for left in [3, 2, 1] {
            assert_eq!(throttle.tokens(at(0), 1_000), left);
            throttle.take(at(0));
        }
        assert_eq!(throttle.tokens(at(0), 1_000), 0);
        assert_eq!(throttle.at(1, 1_000), at(50));
        assert_eq!(throttle.tokens(at(49), 1_000), 0);
        assert_eq!(throttle.tokens(at(50), 1_000), 1);
        assert_eq!(
            throttle.tokens(at(10_000), 1_000),
            3,
            "never more than the burst"
        );
    }

    #[test]
    fn a_tenth_of_the_burst_is_one_token_at_least_at_the_full_rate() {
        let mut throttle = Throttle::new(20, 5);
        assert_eq!(throttle.tokens(at(0), 100), 1);
        throttle.take(at(0));
        assert_eq!(throttle.tokens(at(49), 100), 0);
        assert_eq!(throttle.tokens(at(50), 100), 1);
    }
}
