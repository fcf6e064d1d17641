//! Times, sorted into fixed buckets: an observation is two additions to atomics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the buckets, in milliseconds. The promises of the design are among them (filler at 1.2 s, a slow dial at
/// 1.5 s, dead air at 2 s, failover at 2.5 s, apology by 8 s), so that the share that broke one can be read off exactly.
pub(super) const BOUNDS_MS: [u32; 19] = [
    1, 5, 10, 20, 50, 100, 150, 200, 300, 500, 750, 1_000, 1_200, 1_500, 2_000, 2_500, 3_000,
    5_000, 8_000,
];

/// How many buckets there are: one for each bound, and one for what is beyond all.
pub(super) const BUCKETS: usize = BOUNDS_MS.len() + 1;

/// See the module.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_micros: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            sum_micros: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Takes in one time.
    pub(super) fn observe(&self, time: Duration) {
        let is_within = |bound: &u32| time <= Duration::from_millis(u64::from(*bound));
        let place = BOUNDS_MS.iter().position(is_within);
        let bucket = self.buckets.get(place.unwrap_or(BOUNDS_MS.len()));
        let bucket = bucket.expect("there is a bucket beyond all bounds");
        bucket.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How many are within each bound, and how many there are in all: the last one.
    pub(super) fn cumulated(&self) -> [u64; BUCKETS] {
        let mut sum = 0;
        self.buckets.each_ref().map(|bucket| {
            sum += bucket.load(Ordering::Relaxed);
            sum
        })
    }

    /// The sum of all times.
    pub(super) fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_micros.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_on_a_bound_is_within_it_and_one_beyond_all_is_counted() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(1_200));
        histogram.observe(Duration::from_micros(1_200_001));
        histogram.observe(Duration::from_hours(1));
        let cumulated = histogram.cumulated();
        let within = |ms| cumulated[BOUNDS_MS.iter().position(|bound| *bound == ms).unwrap()];
        assert_eq!(within(1_000), 0);
        assert_eq!(within(1_200), 1);
        assert_eq!(within(1_500), 2);
        assert_eq!(within(8_000), 2);
        assert_eq!(cumulated[BUCKETS - 1], 3);
        assert_eq!(histogram.sum(), Duration::from_micros(3_602_400_001));
    }
}
