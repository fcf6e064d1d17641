//! What the caller hears: when the agent speaks, whether an answer is owed, and how long the line was dead.
//!
//! Owns the figures of waiting. An answer is *owed* from the end of the caller's turn until it is heard, or until the caller speaks
//! again; *dead air* is owed time without any sound. What the caller does about it is [`caller`](super::caller)'s.

use std::time::Duration;

use super::{
    play_out::Window,
    settings::{Answer, CarrierSettings},
};

/// Latencies of one call; thousands of turns have no more to tell.
const LATENCIES_MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct Hearing {
    answer: Answer,
    /// So much silence ends what the agent says.
    gap: Duration,
    /// When the last sound ended.
    last_sound: Option<Duration>,
    /// The agent is speaking, as far as one can tell.
    speaking: bool,
    /// The end of the caller's turn: only what came after is its answer.
    asked: Option<Asked>,
    /// An answer is owed since.
    owed: Option<Duration>,
    /// The caller speaks: nobody owes them a sound.
    has_floor: bool,
    pub(super) first_sound: Option<Duration>,
    pub(super) latencies: Vec<Duration>,
    pub(super) unanswered: u32,
    dead_air: DeadAir,
    /// Since the model's last sound the line was silent for this long at most: dead air, if the answer goes on.
    broken_off: Option<Duration>,
    prompt: Option<Prompt>,
}

/// Owed time without any sound; the longer one is the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DeadAir {
    pub(super) lasted: Duration,
    pub(super) ended: Duration,
}

/// Sound that is not the model's: a filler or an apology.
#[derive(Clone, Copy, Debug)]
struct Prompt {
    began: Duration,
    ends: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Duration,
    /// The first sound of the answer.
    answered: Option<Duration>,
    accepts: Answer,
}

/// A change in what is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The agent began to speak.
    Began {
        at: Duration,
        /// From the end of the caller's turn, if this is its answer.
        after: Option<Duration>,
    },
    /// The agent's last sound, noticed by the silence after it.
    Ended { at: Duration },
}

impl Hearing {
    pub(super) fn new(settings: &CarrierSettings) -> Self {
        Self {
            answer: settings.answer,
            gap: Duration::from_millis(settings.answer_end_ms),
            last_sound: None,
            speaking: false,
            asked: None,
            owed: None,
            has_floor: false,
            first_sound: None,
            latencies: Vec::new(),
            unanswered: 0,
            dead_air: DeadAir::default(),
            broken_off: None,
            prompt: None,
        }
    }

    /// The line is open and a greeting is owed.
    pub(super) fn await_greeting(&mut self, now: Duration) {
        self.asked = Some(Asked {
            at: now,
            answered: None,
            accepts: Answer::AnySound,
        });
        self.owed = Some(now);
    }

    /// The caller's turn ended here.
    pub(super) fn turn_ended(&mut self, at: Duration) {
        self.broken_off = None;
        self.has_floor = false;
        self.asked = Some(Asked {
            at,
            answered: None,
            accepts: self.answer,
        });
        self.owed = Some(at);
    }

    /// A key adds to the turn: the answer to it is owed from here, unless it is heard already.
    pub(super) fn key_pressed(&mut self, at: Duration) {
        self.broken_off = None;
        if self.owed.is_some() {
            self.count_silence(at);
            self.owed = Some(at);
        }
    }

    /// The caller's turn is over, and no answer is waited for.
    pub(super) fn excuse(&mut self) {
        self.owed = None;
    }

    /// The caller begins to speak, or leaves: nothing is owed any more.
    pub(super) fn interrupt(&mut self, at: Duration) {
        self.broken_off = None;
        self.has_floor = true;
        if self.owed.is_some() {
            self.count_silence(at);
            self.unanswered += 1;
            self.owed = None;
        }
    }

    /// A window has sounded.
    pub(super) fn hear(&mut self, window: &Window) -> Option<Heard> {
        if !window.loud {
            return None;
        }
        let at = window.begins;
        self.first_sound.get_or_insert(at);
        self.count_silence(at);
        let answered = self.asked.as_mut().filter(|asked| {
            let counts = window.stamped || asked.accepts == Answer::AnySound;
            asked.answered.is_none() && counts && window.received >= asked.at
        });
        let after = answered.map(|asked| {
            asked.answered = Some(at);
            at.saturating_sub(asked.at)
        });
        if after.is_some() {
            self.owed = None;
        }
        self.listen_for_the_rest(window);
        self.last_sound = Some(window.ends);
        if let Some(after) = after
            && self.latencies.len() < LATENCIES_MAX
        {
            self.latencies.push(after);
        }
        let began = !self.speaking;
        self.speaking = true;
        (began || after.is_some()).then_some(Heard::Began { at, after })
    }

    /// Time has passed; nothing more has sounded until `now`.
    pub(super) fn pass(&mut self, now: Duration) -> Option<Heard> {
        let at = self.last_sound?;
        if !self.speaking || now.saturating_sub(at) < self.gap {
            return None;
        }
        self.speaking = false;
        Some(Heard::Ended { at })
    }

    /// When the answer to the last turn began; `None` if it has not.
    pub(super) fn answered(&self) -> Option<Duration> {
        self.asked?.answered
    }

    /// Whether the agent speaks, or did a moment ago.
    pub(super) fn is_speaking(&self) -> bool {
        self.speaking
    }

    /// How long it has been silent since the later of a sound and the end of the caller's turn.
    pub(super) fn silent_for(&self, now: Duration) -> Duration {
        let asked = self.asked.map(|asked| asked.at);
        now.saturating_sub(asked.max(self.last_sound).unwrap_or_default())
    }

    /// The longest dead air, with what lasts until now.
    pub(super) fn dead_air_until(&self, now: Duration) -> DeadAir {
        self.dead_air.max(DeadAir {
            lasted: self.silence_until(now),
            ended: now,
        })
    }

    /// When the last sound began that was not the model's: a filler, or the apology. A breath does not end it.
    pub(super) fn prompted(&self) -> Option<Duration> {
        self.prompt.map(|prompt| prompt.began)
    }

    /// The rest of an answer that broke off was owed all the while: silence in it is dead air as soon as it goes on.
    fn listen_for_the_rest(&mut self, window: &Window) {
        let silent = window
            .begins
            .saturating_sub(self.last_sound.unwrap_or(window.begins));
        if let Some(longest) = &mut self.broken_off {
            *longest = silent.max(*longest);
        }
        if window.stamped && (self.owed.is_some() || self.has_floor) {
            return; // Left over from before, or said to somebody who speaks.
        }
        if window.stamped {
            let longest = self.broken_off.replace(Duration::ZERO);
            self.dead_air = self.dead_air.max(DeadAir {
                lasted: longest.unwrap_or_default(),
                ended: window.begins,
            });
            return;
        }
        let goes_on = self
            .prompt
            .is_some_and(|prompt| window.begins <= prompt.ends + self.gap);
        let began = self
            .prompt
            .filter(|_| goes_on)
            .map_or(window.begins, |prompt| prompt.began);
        let ends = window.ends;
        self.prompt = Some(Prompt { began, ends });
    }

    fn count_silence(&mut self, at: Duration) {
        self.dead_air = self.dead_air_until(at);
    }

    /// Owed silence that ends here.
    fn silence_until(&self, at: Duration) -> Duration {
        let Some(owed) = self.owed else {
            return Duration::ZERO;
        };
        at.saturating_sub(self.last_sound.unwrap_or_default().max(owed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn hearing(answer: Answer) -> Hearing {
        Hearing::new(&CarrierSettings {
            answer,
            ..CarrierSettings::default()
        })
    }

    fn sound(received: u64, begins: u64, stamped: bool) -> Window {
        Window {
            begins: MS(begins),
            ends: MS(begins + 20),
            loud: true,
            stamped,
            received: MS(received),
        }
    }

    #[test]
    fn an_answer_is_owed_from_the_last_word_to_its_first_sound() {
        let mut hearing = hearing(Answer::AnySound);
        hearing.turn_ended(MS(1_000));
        // Left over from before: a sound, but no answer.
        let left_over = hearing.hear(&sound(900, 1_100, true));
        assert_eq!(
            left_over,
            Some(Heard::Began {
                at: MS(1_100),
                after: None
            })
        );
        let answer = hearing.hear(&sound(1_500, 1_900, true));
        assert_eq!(
            answer,
            Some(Heard::Began {
                at: MS(1_900),
                after: Some(MS(900))
            })
        );
        assert_eq!(hearing.dead_air.lasted, MS(780));
        assert_eq!(hearing.latencies, [MS(900)]);
        hearing.interrupt(MS(9_000));
        assert_eq!((hearing.dead_air.lasted, hearing.unanswered), (MS(780), 0));
    }

    #[test]
    fn a_filler_breaks_dead_air_and_owes_the_answer_still() {
        let mut hearing = hearing(Answer::Stamped);
        hearing.turn_ended(MS(1_000));
        assert!(hearing.hear(&sound(2_000, 2_200, false)).is_some());
        assert_eq!(hearing.answered(), None);
        assert_eq!(hearing.dead_air_until(MS(3_720)).lasted, MS(1_500));
        hearing.hear(&sound(3_000, 3_320, true));
        assert_eq!(hearing.dead_air_until(MS(9_000)).lasted, MS(1_200));
        assert_eq!(hearing.latencies, [MS(2_320)]);
    }

    #[test]
    fn silence_in_an_answer_is_dead_air_if_the_answer_goes_on() {
        let mut hearing = hearing(Answer::Stamped);
        hearing.turn_ended(MS(1_000));
        hearing.hear(&sound(1_500, 1_500, true));
        // A filler after a second and a half, and the rest after another one.
        hearing.hear(&sound(3_020, 3_020, false));
        assert_eq!(hearing.dead_air.lasted, MS(500), "it may have been the end");
        hearing.hear(&sound(4_040, 4_040, true));
        assert_eq!(hearing.dead_air.lasted, MS(1_500));
        assert_eq!(hearing.prompted(), Some(MS(3_020)));
        hearing.interrupt(MS(9_000));
        hearing.hear(&sound(9_500, 9_500, true));
        assert_eq!(
            hearing.dead_air.lasted,
            MS(1_500),
            "the caller spoke meanwhile"
        );
    }

    #[test]
    fn silence_while_the_caller_speaks_is_no_dead_air() {
        let mut hearing = hearing(Answer::Stamped);
        hearing.turn_ended(MS(1_000));
        hearing.hear(&sound(1_500, 1_500, true));
        hearing.interrupt(MS(1_510));
        // The last of what was cut, and somebody who speaks into the turn.
        hearing.hear(&sound(1_500, 1_520, true));
        hearing.hear(&sound(4_900, 4_920, true));
        assert_eq!(hearing.dead_air.lasted, MS(500));
    }

    #[test]
    fn a_caller_who_speaks_again_is_owed_nothing() {
        let mut hearing = hearing(Answer::AnySound);
        hearing.turn_ended(MS(1_000));
        hearing.interrupt(MS(1_600));
        assert_eq!(hearing.dead_air_until(MS(9_000)).lasted, MS(600));
        assert_eq!(hearing.unanswered, 1);
    }

    #[test]
    fn a_breath_is_not_the_end() {
        let mut hearing = hearing(Answer::AnySound);
        hearing.turn_ended(MS(1_000));
        hearing.hear(&sound(1_000, 1_500, true));
        assert_eq!(hearing.pass(MS(2_219)), None);
        assert_eq!(
            hearing.pass(MS(2_220)),
            Some(Heard::Ended { at: MS(1_520) })
        );
        assert_eq!(hearing.pass(MS(2_240)), None);
        assert_eq!(hearing.silent_for(MS(2_240)), MS(720));
    }
}
