//! The answer that is being made: whether it comes on, and whether it is speech.

use std::time::Duration;

use crate::core::audio::Frame;
use crate::core::call::settings::CallSettings;
use crate::core::call::timbre::{Sound, Timbre};
use crate::core::time::Instant;

/// A stall is seen this long before the caller hears it: time to reach another session.
const AHEAD_OF_SILENCE: Duration = Duration::from_millis(300);

/// The answer of one turn, over all its responses.
#[derive(Debug, Default)]
pub(super) struct Answer {
    progress: Progress,
    timbre: Timbre,
    /// From the end of the caller's turn to the first speech of this response, if it was owed.
    after: Option<Duration>,
    /// It failed once and was asked for again.
    was_asked_again: bool,
}

/// How far a response has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    /// No audio of a response is under way.
    #[default]
    None,
    /// An item is being spoken; its last audio came at this time.
    Speaking { last_at: Instant },
    /// An item is complete, the response is not.
    Between { last_at: Instant },
}

impl Answer {
    /// The caller has said something new.
    pub(super) const fn on_turn(&mut self) {
        self.was_asked_again = false;
    }

    /// A response begins.
    pub(super) fn begin(&mut self) {
        self.progress = Progress::None;
        self.timbre = Timbre::default();
        self.after = None;
    }

    /// Its next audio; what it sounds like.
    pub(super) fn on_audio(&mut self, now: Instant, frame: &Frame) -> Sound {
        self.progress = Progress::Speaking { last_at: now };
        self.timbre.hear(frame)
    }

    /// It is the first speech of what was owed for so long.
    pub(super) const fn on_owed(&mut self, after: Duration) {
        self.after = Some(after);
    }

    /// An item is complete.
    pub(super) const fn on_item_done(&mut self) {
        if let Progress::Speaking { last_at } = self.progress {
            self.progress = Progress::Between { last_at };
        }
    }

    /// It was cut.
    pub(super) const fn cut(&mut self) {
        self.progress = Progress::None;
    }

    /// The response is complete: the time to its first speech, if it had any.
    pub(super) fn complete(&mut self) -> Option<Duration> {
        let had_audio = !matches!(self.progress, Progress::None);
        self.progress = Progress::None;
        had_audio.then(|| self.after.take().unwrap_or_default())
    }

    /// Whether a response has begun to speak and is not complete.
    pub(super) const fn is_under_way(&self) -> bool {
        !matches!(self.progress, Progress::None)
    }

    /// It failed; `true` if it was not asked for again yet.
    pub(super) const fn ask_again(&mut self) -> bool {
        !std::mem::replace(&mut self.was_asked_again, true)
    }

    /// When the answer counts as stalled; `plays_until` is when its audio runs dry.
    pub(super) fn stalled_at(
        &self,
        plays_until: Instant,
        settings: &CallSettings,
    ) -> Option<Instant> {
        match self.progress {
            Progress::None => None,
            Progress::Speaking { last_at } => {
                Some((last_at + settings.stall_timeout).max(plays_until - AHEAD_OF_SILENCE))
            }
            Progress::Between { last_at } => {
                Some((last_at + settings.pause_timeout).max(plays_until))
            }
        }
    }
}
