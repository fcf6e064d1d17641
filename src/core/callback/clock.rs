//! Whether the wall clock can be trusted: it is compared with our own time at every input, and with somebody else's clock after
//! the start and after a step. Until they agree nothing is texted, rung or let expire.

use std::time::Duration;

use crate::core::time::{Instant, Utc};

/// By how much the clock may be wrong.
const STEP_MAX: Duration = Duration::from_secs(5);

/// How often somebody else's clock is asked for.
const ASK_EVERY: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
pub(super) enum WallClock {
    /// Not compared yet, or stepped since.
    Unsure { ask_at: Instant },
    /// At `now` it was right, and said `utc`.
    Sane { now: Instant, utc: Utc },
}

/// What an input has shown of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClockNews {
    None,
    Stepped,
}

impl WallClock {
    pub(super) const fn new() -> Self {
        Self::Unsure {
            ask_at: Instant::ZERO,
        }
    }

    pub(super) const fn is_sane(self) -> bool {
        matches!(self, Self::Sane { .. })
    }

    /// It says `utc` now.
    pub(super) fn reads(&mut self, now: Instant, utc: Utc) -> ClockNews {
        let Self::Sane {
            now: then,
            utc: was,
        } = *self
        else {
            return ClockNews::None;
        };
        let (ours, theirs) = (now.since(then), utc.since(was));
        if ours.abs_diff(theirs) <= STEP_MAX && utc >= was {
            return ClockNews::None;
        }
        *self = Self::Unsure { ask_at: now };
        ClockNews::Stepped
    }

    /// Another clock says `theirs`. `true`: from now on this one is trusted.
    pub(super) fn compare(&mut self, now: Instant, utc: Utc, theirs: Utc) -> bool {
        let apart = utc.since(theirs).max(theirs.since(utc));
        let was_sane = self.is_sane();
        *self = if apart <= STEP_MAX {
            Self::Sane { now, utc }
        } else {
            match *self {
                Self::Unsure { ask_at } => Self::Unsure { ask_at },
                Self::Sane { .. } => Self::Unsure { ask_at: now },
            }
        };
        self.is_sane() && !was_sane
    }

    /// Whether it is time to ask somebody; if so, that is done.
    pub(super) fn asks(&mut self, now: Instant) -> bool {
        let Self::Unsure { ask_at } = self else {
            return false;
        };
        let is_time = *ask_at <= now;
        if is_time {
            *ask_at = now + ASK_EVERY;
        }
        is_time
    }

    pub(super) const fn deadline(self) -> Option<Instant> {
        match self {
            Self::Unsure { ask_at } => Some(ask_at),
            Self::Sane { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_step_the_clock_is_not_trusted_until_another_agrees() {
        let now = |secs| Instant::from_start(Duration::from_secs(secs));
        let utc = |secs: u64| Utc::from_millis((1_000_000 + secs) * 1_000);
        let mut clock = WallClock::new();
        assert!(clock.asks(now(0)) && !clock.asks(now(9)) && clock.asks(now(10)));
        assert!(clock.compare(now(10), utc(10), utc(14)));
        assert_eq!(clock.reads(now(20), utc(25)), ClockNews::None);
        assert_eq!(clock.reads(now(20), utc(26)), ClockNews::Stepped);
        assert!(!clock.compare(now(21), utc(27), utc(21)));
        assert!(clock.compare(now(21), utc(27), utc(22)));
        assert_eq!(clock.reads(now(22), utc(22)), ClockNews::Stepped);
    }
}
