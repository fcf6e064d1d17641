//! The caller: what is said when, by the recording and by what is heard.
//!
//! Owns the caller's decisions, one every 20 ms. It neither hears ([`hearing`](super::hearing)) nor sends: it is told and
//! answers with an [`Act`].

use std::{ops::Range, time::Duration};

use super::{
    hearing::Hearing,
    report::Ended,
    settings::{AnswerEnd, CarrierSettings},
};
use crate::{
    listen::{WINDOW_BYTES, is_loud},
    recording::{Recording, Then},
    stamp::BLOCK_BYTES,
};

/// What the caller does in one frame's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Says nothing.
    Listen,
    /// Says these bytes of a turn.
    Say {
        turn: usize,
        bytes: Range<usize>,
        /// How the turn is said, with its first bytes.
        manner: Option<Manner>,
        /// Where in these bytes the first word begins, if it does.
        begins: Option<usize>,
        /// Where in these bytes the last word ends, if it does.
        ends: Option<usize>,
    },
    /// Presses a key.
    Press { turn: usize, nth: usize },
    /// Hangs up, for this reason.
    HangUp(Ended),
}

/// How a turn is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// Again, since nothing was heard.
    pub(super) again: bool,
    /// While the agent is heard.
    pub(super) barges_in: bool,
}

#[derive(Debug)]
pub(super) struct Caller {
    doing: Doing,
    /// The turn that comes next.
    next: usize,
    /// How often the last turn was said again.
    repeats: u32,
    pub(super) turns_said: u32,
    pub(super) turns_repeated: u32,
    pub(super) barge_ins: u32,
    pub(super) keys_pressed: u32,
}

#[derive(Debug)]
enum Doing {
    /// Waits for an answer, and interrupts it after this much.
    Listening {
        barges_in_after: Option<Duration>,
    },
    /// Says nothing until then, whatever is heard.
    Pausing {
        until: Duration,
    },
    Speaking {
        turn: usize,
        place: usize,
        spoken: Range<usize>,
        manner: Manner,
    },
    Keying {
        turn: usize,
        nth: usize,
        at: Duration,
    },
    Leaving {
        at: Duration,
    },
    /// Stays on the line and says nothing.
    Resting,
}

/// What the caller knows at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    pub(super) now: Duration,
    pub(super) began: Duration,
    pub(super) hearing: &'a Hearing,
    /// Whether the carrier still has something to be heard.
    pub(super) sound_buffered: bool,
    pub(super) recording: &'a Recording,
    pub(super) settings: &'a CarrierSettings,
}

impl Moment<'_> {
    fn answer_is_over(&self) -> bool {
        let silent = self.hearing.silent_for(self.now) >= millis(self.settings.answer_end_ms);
        silent
            && match self.settings.answer_end {
                AnswerEnd::EmptyBuffer => !self.sound_buffered,
                AnswerEnd::Silence => true,
            }
    }

    /// Whether nobody is to answer this turn: the caller hangs up after it.
    pub(super) fn is_farewell(&self, turn: usize) -> bool {
        let then = self.recording.caller.get(turn).map(|turn| &turn.then);
        then == Some(&Then::HangUp) && self.may_leave()
    }

    fn may_leave(&self) -> bool {
        self.now.saturating_sub(self.began) >= millis(self.settings.talk_for_ms)
    }
}

impl Caller {
    pub(super) fn new(recording: &Recording, settings: &CarrierSettings, now: Duration) -> Self {
        let doing = if settings.listens_only {
            Doing::Resting
        } else if settings.greeting_expected || recording.opening != Then::Wait {
            // Keys before the first word and hanging up at once are as good as after one.
            after(&recording.opening, 0, now, settings)
        } else {
            Doing::Pausing { until: now }
        };
        Self {
            doing,
            next: 0,
            repeats: 0,
            turns_said: 0,
            turns_repeated: 0,
            barge_ins: 0,
            keys_pressed: 0,
        }
    }

    /// Whether the caller waits for something to be said.
    pub(super) fn is_listening(&self) -> bool {
        matches!(self.doing, Doing::Listening { .. })
    }

    /// Says nothing any more, and stays on the line.
    pub(super) fn rest(&mut self) {
        self.doing = Doing::Resting;
    }

    /// What the caller does in the 20 ms up to now.
    pub(super) fn act(&mut self, moment: Moment<'_>) -> Act {
        if moment.now.saturating_sub(moment.began) >= millis(moment.settings.call_max_ms) {
            return Act::HangUp(Ended::TooLong);
        }
        match self.doing {
            Doing::Listening { barges_in_after } => self.listen(moment, barges_in_after),
            Doing::Pausing { until } if moment.now >= until => self.go_on(moment),
            Doing::Leaving { at } if moment.now >= at => self.leave(moment),
            Doing::Keying { turn, nth, at } if moment.now >= at => self.press(moment, turn, nth),
            Doing::Pausing { .. }
            | Doing::Leaving { .. }
            | Doing::Keying { .. }
            | Doing::Resting => Act::Listen,
            Doing::Speaking { .. } => self.say(moment),
        }
    }

    fn listen(&mut self, moment: Moment<'_>, barges_in_after: Option<Duration>) -> Act {
        let Some(answered) = moment.hearing.answered() else {
            return self.lose_patience(moment);
        };
        let heard = moment.now.saturating_sub(answered);
        let barges_in = barges_in_after.is_some_and(|after| heard >= after);
        if barges_in || moment.answer_is_over() {
            self.repeats = 0;
            return self.go_on(moment);
        }
        Act::Listen
    }

    /// Nothing is heard: says it again after a while, and gives up in the end.
    fn lose_patience(&mut self, moment: Moment<'_>) -> Act {
        let settings = moment.settings;
        let patient = moment.hearing.silent_for(moment.now) < millis(settings.patience_ms);
        if patient || moment.hearing.is_speaking() || moment.sound_buffered {
            return Act::Listen;
        }
        let Some(turn) = self.next.checked_sub(1) else {
            // Nobody has greeted: the caller speaks first.
            return self.go_on(moment);
        };
        if self.repeats >= settings.repeats_max {
            return Act::HangUp(Ended::GaveUp);
        }
        self.repeats += 1;
        self.turns_repeated += 1;
        self.begin(moment, turn, true)
    }

    /// Says the next turn, or leaves when there is none.
    fn go_on(&mut self, moment: Moment<'_>) -> Act {
        let turns = moment.recording.caller.len();
        if self.next >= turns {
            if moment.may_leave() || turns == 0 {
                return Act::HangUp(Ended::HungUp);
            }
            self.next = 0;
        }
        let turn = self.next;
        self.next += 1;
        self.begin(moment, turn, false)
    }

    fn begin(&mut self, moment: Moment<'_>, turn: usize, again: bool) -> Act {
        let audio = audio_of(moment.recording, turn);
        let barges_in = moment.sound_buffered && !audio.is_empty();
        self.turns_said += 1;
        self.barge_ins += u32::from(barges_in);
        self.doing = Doing::Speaking {
            turn,
            place: 0,
            spoken: spoken(audio, moment.settings.loud_dbfs),
            manner: Manner { again, barges_in },
        };
        self.say(moment)
    }

    fn say(&mut self, moment: Moment<'_>) -> Act {
        let Doing::Speaking {
            turn,
            place,
            spoken,
            manner,
        } = &mut self.doing
        else {
            return Act::Listen;
        };
        let turn = *turn;
        let length = audio_of(moment.recording, turn).len();
        let bytes = *place..(*place + BLOCK_BYTES).min(length);
        *place = bytes.end;
        // A turn without a word begins and ends where it stands.
        let within = |word: usize| (word - bytes.start).min(BLOCK_BYTES);
        let first = bytes.start == 0;
        let wordless = first && spoken.start == spoken.end;
        let begins = wordless || bytes.contains(&spoken.start);
        let ends = wordless || (bytes.start < spoken.end && spoken.end <= bytes.end);
        let act = Act::Say {
            turn,
            manner: first.then_some(*manner),
            begins: begins.then(|| within(spoken.start)),
            ends: ends.then(|| within(spoken.end)),
            bytes,
        };
        if *place >= length {
            let then = moment.recording.caller.get(turn).map(|turn| &turn.then);
            let then = then.unwrap_or(&Then::HangUp);
            self.doing = after(then, turn, moment.now, moment.settings);
        }
        act
    }

    fn press(&mut self, moment: Moment<'_>, turn: usize, nth: usize) -> Act {
        let at = moment.now + millis(moment.settings.key_gap_ms);
        self.doing = if nth + 1 < keys_of(moment.recording, turn).map_or(0, str::len) {
            Doing::Keying {
                turn,
                nth: nth + 1,
                at,
            }
        } else {
            Doing::Listening {
                barges_in_after: None,
            }
        };
        self.keys_pressed += 1;
        Act::Press { turn, nth }
    }

    fn leave(&mut self, moment: Moment<'_>) -> Act {
        if moment.may_leave() {
            return Act::HangUp(Ended::HungUp);
        }
        // Not through yet: the answer to the last turn is waited for, then all begins anew.
        self.next = moment.recording.caller.len();
        self.doing = Doing::Listening {
            barges_in_after: None,
        };
        Act::Listen
    }
}

/// What follows a turn.
fn after(then: &Then, turn: usize, now: Duration, settings: &CarrierSettings) -> Doing {
    match then {
        Then::Wait => Doing::Listening {
            barges_in_after: None,
        },
        Then::BargeIn { after } => Doing::Listening {
            barges_in_after: Some(*after),
        },
        Then::Keys(_) => Doing::Keying {
            turn,
            nth: 0,
            at: now + millis(settings.key_gap_ms),
        },
        Then::Pause(pause) => Doing::Pausing {
            until: now + *pause,
        },
        Then::HangUp => Doing::Leaving {
            at: now + millis(settings.hang_up_after_ms),
        },
    }
}

/// The keys that are pressed after a turn.
pub(super) fn keys_of(recording: &Recording, turn: usize) -> Option<&str> {
    match &recording.caller.get(turn)?.then {
        Then::Keys(keys) => Some(keys),
        Then::Wait | Then::BargeIn { .. } | Then::Pause(_) | Then::HangUp => None,
    }
}

/// What is said in a turn.
pub(super) fn audio_of(recording: &Recording, turn: usize) -> &[u8] {
    recording
        .caller
        .get(turn)
        .map_or(&[], |turn| &turn.line.audio)
}

/// From the first word of a turn to its last: files begin and end with silence.
fn spoken(audio: &[u8], loud_dbfs: f64) -> Range<usize> {
    let loud = |window: &[u8]| is_loud(window, loud_dbfs);
    let mut windows = audio.chunks(WINDOW_BYTES);
    let Some(first) = windows.position(loud) else {
        return 0..0;
    };
    let last = audio.chunks(WINDOW_BYTES).rposition(loud).unwrap_or(first);
    first * WINDOW_BYTES..((last + 1) * WINDOW_BYTES).min(audio.len())
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
