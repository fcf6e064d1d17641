//! Waiting by chance, so that those who failed together do not come back together.

use std::time::Duration;

/// A seeded generator: chance enters the core as one number, and the same seed gives the same run.
///
/// Good enough to spread dials (`SplitMix64`), not for secrets.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The chance that follows from a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A duration from zero up to `max`, all equally likely.
    pub fn up_to(&mut self, max: Duration) -> Duration {
        let part = u128::from(self.bits());
        let nanos = (max.as_nanos().min(u128::from(u64::MAX)) * part) >> 64;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// The golden ratio in 64 bits: odd, and without a pattern.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Spreads a number over all 64 bits: a neighbour's result has nothing in common.
pub(super) const fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// Exponential backoff with full jitter: anything from nothing up to a step that doubles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    first: Duration,
    max: Duration,
}

impl Backoff {
    pub(super) const fn new(first: Duration, max: Duration) -> Self {
        Self { first, max }
    }

    /// How long to wait before the retry after `retries` others.
    pub(super) fn delay(self, retries: u32, chance: &mut Chance) -> Duration {
        chance.up_to(self.step(retries))
    }

    /// How long that may be at most.
    pub(super) fn step(self, retries: u32) -> Duration {
        let factor = 1_u32.checked_shl(retries).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_double_up_to_the_longest_and_jitter_is_full() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
        let mut chance = Chance::new(1);
        for (retries, max) in [(0, 100), (1, 200), (2, 400), (3, 400), (40, 400)] {
            let max = Duration::from_millis(max);
            let delays: Vec<_> = (0..1_000)
                .map(|_| backoff.delay(retries, &mut chance))
                .collect();
            assert!(delays.iter().all(|delay| *delay <= max), "{retries}");
            assert!(
                delays.iter().any(|delay| *delay < max / 10),
                "jitter is full"
            );
            assert!(
                delays.iter().any(|delay| *delay > max * 9 / 10),
                "jitter is full"
            );
        }
    }
}
