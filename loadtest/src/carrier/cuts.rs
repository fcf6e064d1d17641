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
    /// The answer to the caller's last turn is heard.
    Goodbye,
}

/// What the conversation is in, just now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) caller_speaks: bool,
    pub(super) agent_speaks: bool,
    /// The caller has said something.
    pub(super) has_spoken: bool,
    /// The caller has nothing more to say.
    pub(super) is_last: bool,
    /// An answer is awaited, and was not heard yet.
    pub(super) is_owed: bool,
}

impl Now {
    fn is(self, during: During) -> bool {
        let answers = self.agent_speaks && self.has_spoken && !self.caller_speaks && !self.is_owed;
        match during {
            During::Greeting => self.agent_speaks && !self.has_spoken,
            During::Speaking => self.caller_speaks,
            During::Waiting => self.has_spoken && self.is_owed && !self.caller_speaks,
            During::Answer => answers,
            During::Goodbye => answers && self.is_last,
        }
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
        if !now.is(cut.during) {
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
        has_spoken: false,
        is_last: false,
        is_owed: true,
    };

    #[test]
    fn each_cut_is_made_once_in_its_part_and_in_its_turn() {
        let cut = |during, after_ms| StreamCut { during, after_ms };
        let mut cuts = Cuts::new(&[cut(During::Greeting, 100), cut(During::Waiting, 0)]);
        let greets = Now {
            agent_speaks: true,
            ..SILENT
        };
        assert!(!cuts.is_due(MS(0), greets));
        assert!(!cuts.is_due(MS(80), SILENT), "it has stopped");
        assert!(!cuts.is_due(MS(120), greets), "and begins again");
        assert!(cuts.is_due(MS(220), greets));
        assert!(!cuts.is_due(MS(240), greets), "once");
        let waits = Now {
            has_spoken: true,
            ..SILENT
        };
        assert!(cuts.is_due(MS(900), waits));
        assert!(!cuts.is_due(MS(950), waits));
    }

    #[test]
    fn a_goodbye_is_the_answer_to_the_last_turn() {
        let answers = Now {
            agent_speaks: true,
            has_spoken: true,
            is_owed: false,
            ..SILENT
        };
        let last = Now {
            is_last: true,
            ..answers
        };
        assert!(answers.is(During::Answer) && last.is(During::Answer));
        assert!(!answers.is(During::Goodbye) && last.is(During::Goodbye));
        let interrupted = Now {
            caller_speaks: true,
            ..last
        };
        assert!(!interrupted.is(During::Answer) && interrupted.is(During::Speaking));
    }
}
