//! How fast a provider has been of late, for hedges and for the choice of the faster one.

use std::time::Duration;

/// How many of the newest durations count.
const SAMPLES_MAX: usize = 64;

/// Fewer tell nothing.
const SAMPLES_MIN: usize = 10;

/// The newest durations of one kind. Quantiles are worked out when one comes in, so that reading them costs nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Latency {
    /// A ring of at most [`SAMPLES_MAX`].
    samples: Vec<Duration>,
    next: usize,
    quantiles: Option<Quantiles>,
}

/// What half of the durations, and all but a twentieth of them, stay within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// The median.
    pub p50: Duration,
    /// The 95th percentile.
    pub p95: Duration,
}

impl Latency {
    /// Takes in one; the oldest gives way.
    pub(super) fn push(&mut self, duration: Duration) {
        if let Some(oldest) = self.samples.get_mut(self.next) {
            *oldest = duration;
        } else {
            self.samples.push(duration);
        }
        self.next = (self.next + 1) % SAMPLES_MAX;
        self.quantiles = self.measure();
    }

    /// The quantiles, as soon as there are enough durations.
    pub(super) const fn quantiles(&self) -> Option<Quantiles> {
        self.quantiles
    }

    fn measure(&self) -> Option<Quantiles> {
        let len = self.samples.len();
        let mut sorted = [Duration::ZERO; SAMPLES_MAX];
        let sorted = sorted.get_mut(..len).filter(|_| len >= SAMPLES_MIN)?;
        sorted.copy_from_slice(&self.samples);
        sorted.sort_unstable();
        Some(Quantiles {
            p50: *sorted.get(len / 2)?,
            p95: *sorted.get(len * 95 / 100)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_count_and_only_once_there_are_enough() {
        let mut latency = Latency::default();
        for millis in 0..9 {
            latency.push(Duration::from_millis(millis));
        }
        assert_eq!(latency.quantiles(), None);
        for millis in 0..1_000 {
            latency.push(Duration::from_millis(millis));
        }
        let expected = Quantiles {
            p50: Duration::from_millis(968),
            p95: Duration::from_millis(996),
        };
        assert_eq!(latency.quantiles(), Some(expected));
        assert_eq!(latency.samples.len(), SAMPLES_MAX);
    }
}
