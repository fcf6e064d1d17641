//! What is wrong with a session for longer than a moment, and which of its answers fail.

use std::collections::VecDeque;

use super::faults::{Failure, Via};
use super::recital::Mishap;
use super::wire::pcm_of;
use crate::g711;

/// Something that is wrong until the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasting {
    Stalled,
    Frozen,
    BlackHole,
    Deaf,
    NoAnswer,
    Untranscribed,
}

/// How a session's answers sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Voice {
    #[default]
    Natural,
    Mute,
    Noise,
}

/// Answers that fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failing {
    pub(super) failure: Failure,
    pub(super) via: Via,
    /// How many answers, this one included.
    pub(super) times: u32,
    /// The socket closes after it, with this code.
    pub(super) close: Option<u16>,
}

impl Failing {
    /// So many answers fail by an `error`.
    pub(super) fn by_error(failure: Failure, times: u32) -> Self {
        Self {
            via: Via::Error,
            ..Self::by_done(failure, times)
        }
    }

    /// So many answers fail by `response.done`.
    pub(super) fn by_done(failure: Failure, times: u32) -> Self {
        Self {
            failure,
            via: Via::ResponseDone,
            times,
            close: None,
        }
    }

    /// All answers fail.
    pub(super) fn for_ever(failure: Failure, via: Via, close: Option<u16>) -> Self {
        Self {
            failure,
            via,
            times: u32::MAX,
            close,
        }
    }
}

/// What is wrong with a session.
#[derive(Debug, Default)]
pub(super) struct Condition {
    /// Each at most once.
    lasting: Vec<Lasting>,
    pub(super) voice: Voice,
    /// What goes wrong with words that it is given.
    pub(super) recites: Option<Mishap>,
    /// What awaits the next answers; at most [`FAILING_MAX`] kinds, later ones are dropped.
    failing: VecDeque<Failing>,
}

/// More kinds of failure than this do not wait in one session.
const FAILING_MAX: usize = 64;

impl Condition {
    pub(super) fn has(&self, lasting: Lasting) -> bool {
        self.lasting.contains(&lasting)
    }

    pub(super) fn get(&mut self, lasting: Lasting) {
        if !self.has(lasting) {
            self.lasting.push(lasting);
        }
    }

    /// The next answers fail so.
    pub(super) fn fail(&mut self, failing: Failing) {
        if failing.times > 0 && self.failing.len() < FAILING_MAX {
            self.failing.push_back(failing);
        }
    }

    /// Whether the answer that begins now fails, and how.
    pub(super) fn next_failure(&mut self) -> Option<Failing> {
        let failing = self.failing.front_mut()?;
        let now = *failing;
        failing.times = failing.times.saturating_sub(1);
        if failing.times == 0 {
            self.failing.pop_front();
        }
        Some(now)
    }
}

impl Voice {
    /// What becomes of audio in this voice.
    pub(super) fn of(self, mulaw: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Natural => mulaw,
            Self::Mute => vec![g711::SILENCE; mulaw.len()],
            Self::Noise => pcm_of(&mulaw),
        }
    }
}
