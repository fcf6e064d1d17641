//! What a caller without a model wants, and what is answered: the words between the menu and whoever keeps promises and messages.

use std::fmt;

use crate::core::audio::Frame;
use crate::core::call::prompt::Prompt;

/// Fewer digits are no number that anybody could call.
pub(super) const DIGITS_MIN: usize = 6;

/// The most digits that a number has (E.164).
pub(super) const DIGITS_MAX: usize = 15;

/// What is known of the number that a call comes from; told before the stream starts, or not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// It is withheld, or nobody told: who wants to be called back has to key a number.
    #[default]
    Withheld,
    /// It takes no texts, a landline perhaps: the same.
    NotTextable,
    /// It takes texts.
    Textable,
}

/// A caller wants to be called back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Where.
    pub number: Asked,
    /// How it is known that they want it.
    pub consent: Given,
}

/// The number that a caller wants to be called at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// That which they call from.
    Own,
    /// One that they keyed in, heard and confirmed: nobody knows whose it is.
    Keyed(Digits),
}

/// How it is known that a caller wants to be called back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// They pressed the key.
    Chosen,
    /// They heard the offer and pressed nothing, where the business takes that for a yes.
    Implied,
}

/// What became of the wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promised {
    /// It is kept, durably: the caller may be told.
    Kept {
        /// The text asks for a YES before anybody rings.
        asks: bool,
    },
    /// The caller has a promise already.
    Already {
        /// The text asks for a YES before anybody rings, and there was none.
        asks: bool,
    },
    /// Nobody is texted or rung at this number: it is none, or one that is not allowed. Another one may do.
    CannotThisNumber,
    /// Nothing is promised now: the store did not answer in time, a cap is reached, the queue is too long.
    Cannot,
}

/// What is to be done about a message after the tone.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// It begins.
    Begin,
    /// More of it: the caller's audio, in order and without a gap.
    Audio(Frame),
    /// It is over.
    End {
        /// Whether anything was said: else it is thrown away. Kept is answered by [`Recorded`], also after the call has ended.
        keep: bool,
    },
}

/// What became of a message that is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is kept: the caller may be told.
    Kept,
    /// It is not.
    Lost,
}

/// The digits of a number as a caller keyed them, in whatever form they dial: at most fifteen. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Digits(Box<str>);

impl Digits {
    /// Six to fifteen digits; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number && (DIGITS_MIN..=DIGITS_MAX).contains(&text.len())).then(|| Self(text.into()))
    }

    /// The digits. Not for logs.
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// The words for them, one after the other.
    pub(super) fn words(&self) -> impl Iterator<Item = Prompt> {
        self.0.chars().filter_map(Prompt::digit)
    }
}

/// Without the digits.
impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digits({})", self.0.len())
    }
}
