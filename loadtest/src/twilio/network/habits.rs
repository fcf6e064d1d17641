//! What the phone of a number does: drawn once, the same in every run of a seed.
//!
//! Owns the drawing, and nothing that happens.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use serde::Deserialize;

use super::{settings::PhoneSettings, words::Says};

/// What somebody does whose phone rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Does {
    /// They pick up and talk.
    Answer,
    /// They pick up and hang up at once.
    HangUp,
    /// A machine picks up.
    Machine,
    /// They are on the phone.
    Busy,
    /// They do not pick up.
    NoAnswer,
    /// There is no such number.
    Failed,
}

/// One ring of a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    pub(super) does: Does,
    /// Ringing before they do.
    pub(super) after: Duration,
    /// Finding out who it is.
    pub(super) detection: Duration,
    /// What is said.
    pub(super) seed: u64,
}

/// An answer to a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) words: String,
    /// From the text's delivery.
    pub(super) after: Duration,
    /// It comes twice.
    pub(super) twice: bool,
}

/// Chance for this number, this occasion and its count.
pub(in crate::twilio) fn chance(
    seed: u64,
    number: &str,
    occasion: &str,
    nth: u64,
) -> fastrand::Rng {
    let mut hasher = DefaultHasher::new();
    (seed, number, occasion, nth).hash(&mut hasher);
    fastrand::Rng::with_seed(hasher.finish())
}

impl PhoneSettings {
    /// What happens when the phone of this number rings for the `nth` time.
    pub(super) fn ring(&self, number: &str, nth: u64) -> Ring {
        let mut rng = chance(self.seed, number, "ring", nth);
        let drawn = pick(self.picks_up.iter().map(|it| (it.does, it.share)), &mut rng);
        let numbered = self.numbers.get(number).and_then(|it| it.does);
        Ring {
            does: numbered.or(drawn).unwrap_or(Does::NoAnswer),
            after: within(self.pick_up_after_ms, &mut rng),
            detection: within(self.detection_ms, &mut rng),
            seed: rng.u64(..),
        }
    }

    /// What it answers to the `nth` text, counted from 0.
    pub(super) fn answer(&self, number: &str, nth: u64) -> Option<Answer> {
        if nth >= self.replies_max.into() {
            return None;
        }
        let mut rng = chance(self.seed, number, "text", nth);
        let drawn = pick(self.replies.iter().map(|it| (it.says, it.share)), &mut rng);
        let numbered = self.numbers.get(number).and_then(|it| it.says);
        let says: Says = numbered.or(drawn)?;
        Some(Answer {
            words: says.words()?,
            after: within(self.reply_after_ms, &mut rng),
            twice: rng.f64() < self.reply_twice_share,
        })
    }
}

/// One of several by their shares of a whole; `None` for what is left of it.
pub(in crate::twilio) fn pick<T>(
    choices: impl Iterator<Item = (T, f64)>,
    rng: &mut fastrand::Rng,
) -> Option<T> {
    let mut left = rng.f64();
    for (choice, share) in choices {
        if left < share {
            return Some(choice);
        }
        left -= share;
    }
    None
}

/// A time between least and most.
pub(in crate::twilio) fn within([least, most]: [u64; 2], rng: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(rng.u64(least.min(most)..=least.max(most)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twilio::network::settings::{PicksUp, Reply};

    #[test]
    fn a_number_does_the_same_in_every_run_and_the_shares_come_out() {
        let half = |does| PicksUp { does, share: 0.5 };
        let settings = PhoneSettings {
            picks_up: vec![half(Does::Answer), half(Does::Machine)],
            replies: vec![Reply {
                says: Says::Yes,
                share: 0.25,
            }],
            ..PhoneSettings::default()
        };
        let number = |nth: u64| format!("+1202555{nth:04}");
        let of = |does| {
            (0..4_000)
                .filter(|&nth| settings.ring(&number(nth), 0).does == does)
                .count()
        };
        assert!(
            (1_800..2_200).contains(&of(Does::Answer)),
            "{}",
            of(Does::Answer)
        );
        assert_eq!(of(Does::Answer) + of(Does::Machine), 4_000);
        let yes = (0..4_000)
            .filter(|&nth| settings.answer(&number(nth), 0).is_some())
            .count();
        assert!((850..1_150).contains(&yes), "{yes}");
        assert_eq!(settings.ring(&number(7), 1), settings.ring(&number(7), 1));
        assert_eq!(settings.answer(&number(7), 1), None, "one answer a phone");
    }
}
