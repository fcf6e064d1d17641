//! Streams that are cut, without a word, at a chosen moment of the conversation.
//!
//! Owns when. What follows is the carrier's: it notices, and goes on with its document.

use std::{collections::VecDeque, time::Duration};

use serde::Deserialize;

/// A cut of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamCut {
    /// In which part of the conversation.
    pub during: During,
    /// When that has gone on for so long.
    #[serde(default)]
    pub after_ms: u64,
    /// Only when the caller has begun so many turns; without it, whichever comes.
    pub turn: Option<u32>,
}

/// A part of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum During {
    /// The agent is heard, and the caller has not said anything yet.
    Greeting,
    /// The caller says something.
    Speaking,
    /// The caller has said something, and hears nothing yet.
    Waiting,
    /// The answer is heard.
    Answer,
}

/// What the conversation is in, just now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) caller_speaks: bool,
    pub(super) agent_speaks: bool,
    /// How many turns the caller has begun.
    pub(super) turns: u32,
    /// An answer is awaited, and was not heard yet.
    pub(super) is_owed: bool,
}

impl Now {
    fn is(self, cut: StreamCut) -> bool {
        let has_spoken = self.turns > 0 && !self.caller_speaks;
        let is_part = match cut.during {
            During::Greeting => self.agent_speaks && self.turns == 0,
            During::Speaking => self.caller_speaks,
            During::Waiting => has_spoken && self.is_owed,
            During::Answer => has_spoken && self.agent_speaks && !self.is_owed,
        };
        is_part && cut.turn.is_none_or(|turn| turn == self.turns)
    }
}

/// The cuts that are still to come.
#[derive(Debug)]
pub(super) struct Cuts {
    next: VecDeque<StreamCut>,
    since: Option<Duration>,
}

impl Cuts {
    pub(super) fn new(cuts: &[StreamCut]) -> Self {
        Self {
            next: cuts.iter().copied().collect(),
            since: None,
        }
    }

    /// Whether the stream is cut now.
    pub(super) fn is_due(&mut self, at: Duration, now: Now) -> bool {
        let Some(cut) = self.next.front().copied() else {
            return false;
        };
        if !now.is(cut) {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(at);
        let is_due = at.saturating_sub(since) >= Duration::from_millis(cut.after_ms);
        if is_due {
            self.next.pop_front();
            self.since = None;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;
    const SILENT: Now = Now {
        caller_speaks: false,
        agent_speaks: false,
        turns: 0,
        is_owed: true,
    };

    fn cut(during: During, after_ms: u64, turn: Option<u32>) -> StreamCut {
        StreamCut {
            during,
            after_ms,
            turn,
        }
    }

    #[test]
    fn each_cut_is_made_once_in_its_part_and_in_its_turn() {
        let waiting = cut(During::Waiting, 0, None);
        let mut cuts = Cuts::new(&[cut(During::Greeting, 100, None), waiting]);
        let greets = Now {
            agent_speaks: true,
            ..SILENT
        };
        assert!(!cuts.is_due(MS(0), greets));
        assert!(!cuts.is_due(MS(80), SILENT), "it has stopped");
        assert!(!cuts.is_due(MS(120), greets), "and begins again");
        assert!(cuts.is_due(MS(220), greets));
        assert!(!cuts.is_due(MS(240), greets), "once");
        let waits = Now { turns: 1, ..SILENT };
        assert!(cuts.is_due(MS(900), waits));
        assert!(!cuts.is_due(MS(950), waits));
    }

    #[test]
    fn an_answer_is_what_is_heard_after_a_turn_and_may_be_chosen_by_it() {
        let answers = Now {
            agent_speaks: true,
            turns: 2,
            is_owed: false,
            ..SILENT
        };
        assert!(answers.is(cut(During::Answer, 0, None)));
        assert!(answers.is(cut(During::Answer, 0, Some(2))));
        assert!(!answers.is(cut(During::Answer, 0, Some(3))));
        let interrupted = Now {
            caller_speaks: true,
            ..answers
        };
        assert!(!interrupted.is(cut(During::Answer, 0, None)));
        assert!(interrupted.is(cut(During::Speaking, 0, None)));
    }
}
