//! The answer that is being made: whether it comes on, and whether it is speech.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::core::audio::Frame;
use crate::core::call::settings::CallSettings;
use crate::core::call::timbre::{Sound, Timbre};
use crate::core::ids::ItemId;
use crate::core::time::Instant;

/// A stall is seen this long before the caller hears it: time to reach another session.
const AHEAD_OF_SILENCE: Duration = Duration::from_millis(300);

/// The answer of one turn, over all its responses.
#[derive(Debug, Default)]
pub(super) struct Answer {
    progress: Progress,
    timbre: Timbre,
    /// Audio of which nobody can tell yet whether it is speech; a few seconds at most.
    held: VecDeque<(ItemId, Frame)>,
    /// The item that was said last.
    said: Option<ItemId>,
    /// The item whose words came last, as long as nothing of it is said.
    unsaid: Option<ItemId>,
    /// From the end of the caller's turn to the first speech of this response, if it was owed.
    after: Option<Duration>,
    /// It failed once and was asked for again.
    was_asked_again: bool,
}

/// What a complete response was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completed {
    /// It had no audio.
    Nothing,
    /// It had audio, and nothing that could be heard.
    Silence,
    /// It was spoken.
    Speech {
        /// From the end of the caller's turn to the first speech, if it was owed.
        after: Duration,
    },
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

    /// Another session makes it from now on: its items have numbers of their own.
    pub(super) fn leave_session(&mut self) {
        self.cut();
        self.said = None;
    }

    /// A response begins.
    pub(super) fn begin(&mut self) {
        self.progress = Progress::None;
        self.timbre = Timbre::default();
        self.held.clear();
        self.unsaid = None;
        self.after = None;
    }

    /// Its next audio; what it sounds like.
    pub(super) fn on_audio(&mut self, now: Instant, frame: &Frame) -> Sound {
        self.progress = Progress::Speaking { last_at: now };
        self.timbre.hear(frame)
    }

    /// Holds audio back of which nobody can tell yet whether it is speech.
    pub(super) fn hold(&mut self, item: ItemId, frame: &Frame) {
        // A copy: a slice of a message would pin the socket's read buffer.
        let copy = Frame::from_raw(frame.with_raw(Bytes::copy_from_slice));
        self.held.push_back((item, copy));
    }

    /// Whether what was held back is speech, now that its item is complete.
    pub(super) fn ends_in_speech(&self) -> bool {
        !self.held.is_empty() && self.timbre.was_speech()
    }

    /// What was held back, one piece after the other.
    pub(super) fn release(&mut self) -> Option<(ItemId, Frame)> {
        self.held.pop_front()
    }

    /// Words of an item came: they run ahead of its audio.
    pub(super) fn on_text(&mut self, item: ItemId) {
        if self.said != Some(item) {
            self.unsaid = Some(item);
        }
    }

    /// Audio of an item is played.
    pub(super) fn on_said(&mut self, item: ItemId) {
        self.said = Some(item);
        self.unsaid = self.unsaid.filter(|&unsaid| unsaid != item);
    }

    /// The items of which nothing was said: their audio is held back, or has not come. Some of them twice.
    pub(super) fn unsaid(&self) -> impl Iterator<Item = ItemId> {
        let said = self.said;
        let held = self.held.iter().map(|(item, _)| *item);
        held.filter(move |&item| Some(item) != said)
            .chain(self.unsaid)
    }

    /// The item of which a part was said, and how much of it is held back.
    pub(super) fn half_said(&self) -> Option<(ItemId, Duration)> {
        let said = self.said?;
        let held = self.held.iter().filter(|(item, _)| *item == said);
        let held: Duration = held.map(|(_, frame)| frame.duration()).sum();
        (!held.is_zero()).then_some((said, held))
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
    pub(super) fn cut(&mut self) {
        self.progress = Progress::None;
        self.held.clear();
        self.unsaid = None;
    }

    /// The response is complete.
    pub(super) fn complete(&mut self) -> Completed {
        let had_audio = self.is_under_way();
        let was_silent = !self.held.is_empty();
        self.cut();
        match (had_audio, was_silent) {
            (false, _) => Completed::Nothing,
            (true, true) => Completed::Silence,
            (true, false) => Completed::Speech {
                after: self.after.take().unwrap_or_default(),
            },
        }
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
