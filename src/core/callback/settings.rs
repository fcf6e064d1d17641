//! The numbers of the ledger, each with its default.

use std::time::Duration;

use crate::core::callback::destinations::Destinations;

/// What an operator may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a call waits for its promise to be durable.
    pub tell_within: Duration,
    /// How long the webhook of a text waits for what it changes to be durable.
    pub answer_within: Duration,
    /// The longest that a promised text may have to wait for its turn; also the time after the call in which a text may be
    /// sent at any hour.
    pub text_within: Duration,
    /// Time between two texts.
    pub text_every: Duration,
    /// How long a promise is open.
    pub expires_after: Duration,
    /// Open promises at once; beyond it none is given. About 1 KiB each.
    pub promises_max: usize,
    /// Ended promises that are remembered for [`REMEMBERED_FOR`]; beyond it the oldest is forgotten.
    pub past_max: usize,

    /// The carrier's API has this long to answer.
    pub request_timeout: Duration,
    /// How long after it was accepted a text or a call may be missing in the carrier's lists.
    pub list_lag: Duration,
    /// How often a text is requested.
    pub text_tries_max: u8,
    /// How often a text is looked up in vain because the carrier does not answer; then the caller is rung instead.
    pub look_ups_max: u8,

    /// How long after its promise a caller is not rung, nor after a call that is told of it: they hear the last words, and hang up.
    pub ring_after: Duration,
    /// How often a caller is rung; at most [`RINGS_MAX`].
    pub rings_max: u8,
    /// Time between two rings of one caller.
    pub ring_again_after: Duration,
    /// How long the carrier lets it ring, with all that it needs to tell so.
    pub ring_timeout: Duration,

    /// Others may serve promises of the same store: a request is made so soon after it was asked to be kept that it is about to
    /// be, or not at all. `None`: nobody else does.
    pub shared_within: Option<Duration>,

    /// Where texts and rings may go.
    pub destinations: Destinations,
    /// What may be spent on whom.
    pub caps: CapSettings,
}

/// What may be spent on whom. A promise counts with the texts and rings that it may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapSettings {
    /// Promises to one number in 24 hours.
    pub per_destination: u32,
    /// Promises to callers from one number in 24 hours: what they keyed in may be other numbers.
    pub per_caller: u32,
    /// Promises to callers who withheld their number in 24 hours.
    pub withheld: u32,
    /// Texts to numbers with the same first digits in an hour, and rings as well.
    pub per_prefix: u32,
    /// How many first digits.
    pub prefix_digits: u32,
    /// Cents in 24 hours.
    pub cents: u32,
    /// What a text costs at most.
    pub text_cents: u32,
    /// What a ring costs at most, the conversation included.
    pub ring_cents: u32,
    /// Answers to the texts of one number in an hour: two machines could go on for ever.
    pub answers: u32,
}

/// The highest [`rings_max`](Settings::rings_max): rings up to it are known for ours, whatever is set now.
pub const RINGS_MAX: u8 = 5;

/// How long promises that have ended count: the window of the caps.
pub const REMEMBERED_FOR: Duration = Duration::from_hours(24);

impl Default for Settings {
    fn default() -> Self {
        Self {
            tell_within: Duration::from_millis(300),
            answer_within: Duration::from_millis(80),
            text_within: Duration::from_mins(15),
            text_every: Duration::from_secs(1),
            expires_after: Duration::from_hours(48),
            promises_max: 20_000,
            past_max: 20_000,
            request_timeout: Duration::from_secs(10),
            list_lag: Duration::from_secs(30),
            text_tries_max: 3,
            look_ups_max: 4,
            ring_after: Duration::from_secs(20),
            rings_max: 3,
            ring_again_after: Duration::from_mins(15),
            ring_timeout: Duration::from_secs(90),
            shared_within: None,
            destinations: Destinations::default(),
            caps: CapSettings::default(),
        }
    }
}

impl Default for CapSettings {
    fn default() -> Self {
        Self {
            per_destination: 3,
            per_caller: 5,
            withheld: 100,
            per_prefix: 60,
            prefix_digits: 7,
            cents: 50_000,
            text_cents: 10,
            ring_cents: 100,
            answers: 5,
        }
    }
}

impl Settings {
    /// What a promise may cost at most.
    pub fn promise_cents(&self) -> u32 {
        let texts = self
            .caps
            .text_cents
            .saturating_mul(u32::from(self.text_tries_max));
        let rings = self
            .caps
            .ring_cents
            .saturating_mul(u32::from(self.rings_max));
        texts.saturating_add(rings)
    }
}
