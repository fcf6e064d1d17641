//! The states of the menu. A state carries its own data.

use std::time::Duration;

use crate::core::call::effect::EndReason;
use crate::core::call::line::Line;
use crate::core::call::menu::wish::{Digits, Given};
use crate::core::time::Instant;

/// Where a caller stands.
#[derive(Debug)]
pub(super) enum State {
    /// Hears the offer, or thinks about it.
    Offering { cue: Cue, is_repeat: bool },
    /// Keys a number.
    Keying { cue: Cue, entry: Entry },
    /// Hears that number, and says whether it is right.
    Confirming {
        cue: Cue,
        digits: Digits,
        is_repeat: bool,
    },
    /// Waits for the promise to be kept: the only silence that is owed.
    Promising { since: Instant, consent: Given },
    /// Is asked for a message.
    Inviting { cue: Cue },
    /// Hears the tone.
    Beeping,
    /// Leaves a message.
    Taping { since: Instant, said: bool },
    /// Waits for the message to be kept.
    Saving { since: Instant },
    /// Hears the last words.
    Closing { cue: Cue, reason: EndReason },
}

/// Words that are heard, and then an answer that is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cue {
    /// The words are heard, since then at the earliest.
    Playing { since: Instant },
    /// An answer is waited for.
    Waiting { until: Instant },
}

impl Cue {
    /// Words begin, or are queued.
    pub(super) const fn plays(now: Instant) -> Self {
        Self::Playing { since: now }
    }

    /// Whether the time for an answer is over, which begins when the words were heard.
    pub(super) fn has_lapsed(
        &mut self,
        now: Instant,
        line: &Line,
        grace: Duration,
        wait: Duration,
    ) -> bool {
        if let Self::Playing { .. } = self
            && (line.downlink.is_played() || now >= self.deadline(line, grace))
        {
            *self = Self::Waiting { until: now + wait };
        }
        match self {
            Self::Playing { .. } => false,
            Self::Waiting { until } => now >= *until,
        }
    }

    /// When to look again. Words whose end the carrier does not confirm count as heard a moment after it.
    pub(super) fn deadline(&self, line: &Line, grace: Duration) -> Instant {
        match self {
            Self::Playing { since } => line.downlink.plays_until().max(*since) + grace,
            Self::Waiting { until } => *until,
        }
    }
}

/// The number that is being keyed: at most one digit more than a number has, so that too many are noticed.
#[derive(Default)]
pub(super) struct Entry(String);

impl Entry {
    const DIGITS_MAX: usize = 16;

    pub(super) fn push(&mut self, digit: char) {
        if self.0.len() < Self::DIGITS_MAX {
            self.0.push(digit);
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number, if it can be one.
    pub(super) fn digits(&self) -> Option<Digits> {
        Digits::parse(&self.0)
    }
}

/// Without the digits.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({})", self.0.len())
    }
}
