//! What a business offers a caller for whom no model is left, and for how long.

use std::time::Duration;

/// What is on offer when no model is left. With all three parts off the caller hears an apology and a goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own for a business"
)]
pub struct Menu {
    /// A text message and a call back (key 1).
    pub call_back: bool,
    /// Whether a caller who presses nothing wants that.
    pub consent: Consent,
    /// A person (key 2): the call leaves the stream, and whoever answers the carrier connects it.
    pub person: bool,
    /// A message after the tone (key 3, or staying on the line).
    pub message: bool,
    /// Whether the call goes on with a model that is back while the caller has chosen nothing.
    pub return_to_model: bool,
    /// How long a key is waited for after the words that ask for it.
    pub key_wait: Duration,
    /// How long the first digit of a number is waited for.
    pub number_wait: Duration,
    /// How long after a digit the number is taken to be complete, without a `#`.
    pub number_pause: Duration,
    /// How often a number may be keyed.
    pub numbers_max: u8,
    /// How many keys that mean nothing are pointed out; the next one counts as silence without consent.
    pub wrong_keys_max: u8,
    /// How long a promise may take to be kept. The ledger itself answers within 300 ms.
    pub promise_wait: Duration,
    /// How long a message may be.
    pub message_max: Duration,
    /// How much silence ends it.
    pub message_silence: Duration,
    /// How long the store of messages may take.
    pub message_wait: Duration,
    /// How long all of it may take, without a message and the last words.
    pub total_max: Duration,
}

/// What it takes for a caller to want a call back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// They press the key. Silence is no yes.
    Ask,
    /// They hear the offer twice and press nothing. Only ever for the number that they call from.
    Implied,
}

impl Menu {
    /// Whether anything is on offer.
    pub const fn offers_anything(&self) -> bool {
        self.call_back || self.person || self.message
    }
}

impl Menu {
    /// Nothing is on offer, until somebody says who is to be called back, who answers and who hears messages.
    pub const NOTHING: Self = Self {
        call_back: false,
        consent: Consent::Ask,
        person: false,
        message: false,
        return_to_model: true,
        key_wait: Duration::from_secs(4),
        number_wait: Duration::from_secs(8),
        number_pause: Duration::from_secs(4),
        numbers_max: 3,
        wrong_keys_max: 3,
        promise_wait: Duration::from_secs(1),
        message_max: Duration::from_mins(2),
        message_silence: Duration::from_secs(4),
        message_wait: Duration::from_secs(1),
        total_max: Duration::from_secs(90),
    };
}

impl Default for Menu {
    fn default() -> Self {
        Self::NOTHING
    }
}
