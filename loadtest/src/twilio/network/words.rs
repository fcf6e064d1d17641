//! What people write who answer a text.
//!
//! Owns the words. None of them says who wrote it.

use serde::Deserialize;

/// The longest text that a phone writes.
const LONGEST: usize = 1_600;

/// What a phone answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// Yes.
    Yes,
    /// That no more is to come.
    Stop,
    /// That it may come again.
    Start,
    /// What this is.
    Help,
    /// To be called now.
    Call,
    /// A time.
    AtFive,
    /// No.
    No,
    /// Something of their own.
    Words,
    /// Nothing but pictures.
    Emoji,
    /// From right to left.
    RightToLeft,
    /// As much as a text can hold.
    Long,
    /// Nothing.
    Nothing,
}

impl Says {
    /// The words; `None`: there is no answer.
    pub fn words(self) -> Option<String> {
        let words = match self {
            Self::Yes => "YES",
            Self::Stop => "STOP",
            Self::Start => "START",
            Self::Help => "HELP",
            Self::Call => "CALL",
            Self::AtFive => "at 5",
            Self::No => "NO",
            Self::Words => "thanks, my order is 4711 & I am in a hurry <3",
            Self::Emoji => "👍🏽🙏 👨‍👩‍👧‍👦",
            Self::RightToLeft => "נא להתקשר אליי ב-5, شكراً",
            Self::Long => {
                return Some(
                    "the order did not come, "
                        .chars()
                        .cycle()
                        .take(LONGEST)
                        .collect(),
                );
            }
            Self::Nothing => return None,
        };
        Some(words.to_owned())
    }

    /// Whether nothing may come after it.
    pub fn is_stop(self) -> bool {
        self == Self::Stop
    }
}

/// What the carrier itself does about these words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    OptsOut,
    OptsIn,
}

impl Keyword {
    /// The carrier looks at a text of one word only.
    pub(super) fn of(words: &str) -> Option<Self> {
        match words.trim().to_ascii_uppercase().as_str() {
            "STOP" | "STOPALL" | "UNSUBSCRIBE" | "CANCEL" | "END" | "QUIT" | "REVOKE"
            | "OPTOUT" => Some(Self::OptsOut),
            "START" | "YES" | "UNSTOP" => Some(Self::OptsIn),
            _ => None,
        }
    }
}

/// Parts that a text is paid by.
pub(in crate::twilio) fn parts(words: &str) -> usize {
    words.chars().count().div_ceil(160).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_answer_is_as_long_as_a_text_can_be_and_nothing_is_none() {
        assert_eq!(Says::Long.words().unwrap().chars().count(), LONGEST);
        assert_eq!(parts(&Says::Long.words().unwrap()), 10);
        assert_eq!(Says::Nothing.words(), None);
        assert_eq!(Keyword::of(" stop "), Some(Keyword::OptsOut));
        assert_eq!(Keyword::of("please stop"), None);
    }
}
