//! What the caller waits for the model: the stretches of owed time in which it was not heard.
//!
//! Owns *gaps*. Speech of the model is owed from the end of the caller's turn until it is heard; fillers and apologies, which carry no
//! stamps, break dead air ([`hearing`](super::hearing)'s figure) and no gap. Where an answer breaks off and goes on, what is between
//! is a gap too, short of which it is a pause for breath. Whether a gap has a cause is for those to judge who know what failed when.

use std::time::Duration;

use super::play_out::Window;

/// Shorter silence within an answer is how people speak.
pub const PAUSE_MAX: Duration = Duration::from_millis(200);
/// A sound so soon after the start that is not the model's is a recorded greeting: the model owes none.
const GREETED_WITHIN: Duration = Duration::from_millis(500);
/// Gaps, and turns, of one call; hours of talk have no more.
const GAPS_MAX: usize = 4_096;

/// Owed time without the model's speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// When it began.
    pub from: Duration,
    /// When the model was heard, or the caller had enough.
    pub to: Duration,
    /// After what.
    pub after: After,
    /// Whether the model was heard in the end.
    pub answered: bool,
}

/// What a gap follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The caller's turn, or the start of a call that is to be greeted.
    Turn,
    /// The model's own speech, which went on after it.
    Speech,
}

/// A turn of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The first word.
    pub began: Duration,
    /// The last word; `None` if it was never said.
    pub ended: Option<Duration>,
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    owed: Option<Duration>,
    /// The end of the model's last sound since the caller's turn.
    spoke_until: Option<Duration>,
    pub(super) gaps: Vec<Gap>,
    pub(super) turns: Vec<Turn>,
}

impl Waiting {
    /// The model is to be heard from here on.
    pub(super) fn owe(&mut self, at: Duration) {
        self.owed = Some(at);
        self.spoke_until = None;
    }

    /// The caller's last word.
    pub(super) fn turn_ended(&mut self, at: Duration) {
        if let Some(turn) = self.turns.last_mut() {
            turn.ended.get_or_insert(at);
        }
        self.owe(at);
    }

    /// A key adds to the turn, if it is not answered yet.
    pub(super) fn key_pressed(&mut self, at: Duration) {
        if self.owed.is_some() {
            self.owe(at);
        }
    }

    /// No answer is waited for.
    pub(super) fn excuse(&mut self) {
        self.owed = None;
        self.spoke_until = None;
    }

    /// The caller's first word.
    pub(super) fn turn_began(&mut self, at: Duration) {
        self.give_up(at);
        if self.turns.len() < GAPS_MAX {
            let ended = None;
            self.turns.push(Turn { began: at, ended });
        }
    }

    /// Nothing is waited for any more: the caller speaks, or is gone.
    pub(super) fn give_up(&mut self, at: Duration) {
        if let Some(from) = self.owed {
            self.note(from, at, After::Turn, false);
        }
        self.excuse();
    }

    /// A window has sounded.
    pub(super) fn hear(&mut self, window: &Window) {
        if !window.loud {
            return;
        }
        if !window.stamped {
            self.hear_greeting(window);
            return;
        }
        if let Some(owed) = self.owed {
            if window.received < owed {
                return; // Left over from before.
            }
            self.owed = None;
            self.note(owed, window.begins, After::Turn, true);
        } else if let Some(until) = self.spoke_until
            && window.begins.saturating_sub(until) > PAUSE_MAX
        {
            self.note(until, window.begins, After::Speech, true);
        }
        self.spoke_until = Some(window.ends);
    }

    /// A sound that is not the model's.
    fn hear_greeting(&mut self, window: &Window) {
        let is_greeting = self.turns.is_empty()
            && self.gaps.is_empty()
            && self
                .owed
                .is_some_and(|owed| window.begins <= owed + GREETED_WITHIN);
        if is_greeting {
            self.excuse();
        }
    }

    fn note(&mut self, from: Duration, to: Duration, after: After, answered: bool) {
        if self.gaps.len() < GAPS_MAX {
            self.gaps.push(Gap {
                from,
                to: to.max(from),
                after,
                answered,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn sound(received: u64, begins: u64, stamped: bool) -> Window {
        Window {
            begins: MS(begins),
            ends: MS(begins + 20),
            loud: true,
            stamped,
            received: MS(received),
        }
    }

    fn gap(from: u64, to: u64, after: After, answered: bool) -> Gap {
        let (from, to) = (MS(from), MS(to));
        Gap {
            from,
            to,
            after,
            answered,
        }
    }

    #[test]
    fn a_filler_does_not_end_a_gap_and_the_answer_does() {
        let mut waiting = Waiting::default();
        waiting.turn_began(MS(0));
        waiting.turn_ended(MS(1_000));
        waiting.hear(&sound(900, 1_100, true));
        waiting.hear(&sound(1_500, 1_600, false));
        waiting.hear(&sound(2_000, 2_100, true));
        assert_eq!(waiting.gaps, [gap(1_000, 2_100, After::Turn, true)]);
        let ended = Some(MS(1_000));
        assert_eq!(
            waiting.turns,
            [Turn {
                began: MS(0),
                ended
            }]
        );
    }

    #[test]
    fn who_is_greeted_by_a_recording_does_not_wait_for_the_model() {
        for (begins, expected) in [(250, 0), (1_400, 1)] {
            let mut waiting = Waiting::default();
            waiting.owe(MS(0));
            waiting.hear(&sound(begins, begins, false));
            waiting.turn_began(MS(5_000));
            assert_eq!(waiting.gaps.len(), expected, "after {begins} ms");
        }
    }

    #[test]
    fn an_answer_that_breaks_off_leaves_a_gap_if_it_goes_on() {
        let mut waiting = Waiting::default();
        waiting.owe(MS(0));
        for begins in [500, 700, 1_720, 1_740] {
            waiting.hear(&sound(begins, begins, true));
        }
        // A breath between the first two.
        let expected = [
            gap(0, 500, After::Turn, true),
            gap(720, 1_720, After::Speech, true),
        ];
        assert_eq!(waiting.gaps, expected);
        waiting.turn_began(MS(9_000));
        assert_eq!(waiting.gaps.len(), 2, "the end of an answer is no gap");
    }

    #[test]
    fn who_speaks_again_has_waited_in_vain_and_who_is_excused_has_not_waited() {
        let mut waiting = Waiting::default();
        waiting.turn_ended(MS(1_000));
        waiting.key_pressed(MS(1_500));
        waiting.turn_began(MS(9_000));
        assert_eq!(waiting.gaps, [gap(1_500, 9_000, After::Turn, false)]);
        waiting.turn_ended(MS(10_000));
        waiting.excuse();
        waiting.give_up(MS(11_000));
        assert_eq!(waiting.gaps.len(), 1);
    }
}
