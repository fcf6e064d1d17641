//! What happened of late: outcomes in a window of time, and failures in a row.

use std::time::Duration;

use crate::core::time::Instant;

/// How many parts a window has: the oldest leaves as a new one begins.
const PARTS: usize = 10;

/// Outcomes of one kind (dials, or answers) within a window of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    parts: [Part; PARTS],
    /// The number of the newest part, counted from the beginning of time.
    newest: u64,
    /// Failures since the row was last ended.
    in_a_row: u32,
}

/// Counts within one part; they stop at their maximum, where shares are still right enough.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    outcomes: u16,
    failures: u16,
    slow: u16,
}

/// The sums of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) outcomes: u32,
    pub(super) failures: u32,
    pub(super) slow: u32,
}

impl Window {
    /// A failure. `is_counted`: it was slow before, and is in the sum of outcomes already.
    pub(super) fn fail(&mut self, now: Instant, length: Duration, is_counted: bool) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let part = self.part(now, length);
        part.failures = part.failures.saturating_add(1);
        part.outcomes = part.outcomes.saturating_add(u16::from(!is_counted));
    }

    /// Something took too long; how it ends is still open.
    pub(super) fn slow(&mut self, now: Instant, length: Duration) {
        let part = self.part(now, length);
        part.slow = part.slow.saturating_add(1);
        part.outcomes = part.outcomes.saturating_add(1);
    }

    /// A success; it ends no row. `is_counted`: as for failures.
    pub(super) fn succeed(&mut self, now: Instant, length: Duration, is_counted: bool) {
        let part = self.part(now, length);
        part.outcomes = part.outcomes.saturating_add(u16::from(!is_counted));
    }

    /// The row of failures ends.
    pub(super) const fn end_row(&mut self) {
        self.in_a_row = 0;
    }

    /// So many of the row's failures no longer belong to it.
    pub(super) const fn shorten_row(&mut self, failures: u32) {
        self.in_a_row = self.in_a_row.saturating_sub(failures);
    }

    /// Failures since the row was last ended.
    pub(super) const fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// What the window holds; as new as the last outcome.
    pub(super) fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for part in &self.parts {
            sums.outcomes += u32::from(part.outcomes);
            sums.failures += u32::from(part.failures);
            sums.slow += u32::from(part.slow);
        }
        sums
    }

    /// The part of this moment; those that left the window are emptied.
    fn part(&mut self, now: Instant, length: Duration) -> &mut Part {
        let number = number_of(now, length);
        let passed = number.saturating_sub(self.newest).min(PARTS as u64);
        for gone in 0..passed {
            *self.at(number - gone) = Part::default();
        }
        self.newest = self.newest.max(number);
        self.at(self.newest)
    }

    fn at(&mut self, number: u64) -> &mut Part {
        let place = usize::try_from(number % PARTS as u64).unwrap_or_default();
        self.parts
            .get_mut(place)
            .expect("a remainder is less than its divisor")
    }
}

fn number_of(now: Instant, length: Duration) -> u64 {
    let part = (length.as_nanos() / PARTS as u128).max(1);
    u64::try_from(now.since_start().as_nanos() / part).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(10);

    fn at(secs: u64) -> Instant {
        Instant::from_start(Duration::from_secs(secs))
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut window = Window::default();
        window.fail(at(0), LENGTH, false);
        window.succeed(at(5), LENGTH, false);
        window.slow(at(9), LENGTH);
        let sums = |window: &Window| {
            let sums = window.sums();
            (sums.outcomes, sums.failures, sums.slow)
        };
        assert_eq!(sums(&window), (3, 1, 1));
        window.succeed(at(10), LENGTH, false);
        assert_eq!(sums(&window), (3, 0, 1), "the failure is gone");
        window.fail(at(1_000), LENGTH, false);
        assert_eq!(sums(&window), (1, 1, 0), "all else is gone");
    }

    #[test]
    fn a_slow_dial_that_fails_is_one_outcome() {
        let mut window = Window::default();
        window.slow(at(0), LENGTH);
        window.fail(at(1), LENGTH, true);
        let expected = Sums {
            outcomes: 1,
            failures: 1,
            slow: 1,
        };
        assert_eq!(window.sums(), expected);
    }
}
