//! A number as its owner has set it up, and who calls it.
//!
//! Owns what every request about a call says of it.

use std::fmt;

use super::{form::Form, twiml::Link};

/// What a number's owner has filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Number {
    /// "A call comes in".
    pub voice: Link,
    /// "Primary handler fails"; without it there is the carrier's own apology.
    pub fallback: Option<Link>,
    /// "Call status changes".
    pub status: Option<Link>,
}

/// The parties of a call and its SIDs. It does not show the numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Parties {
    /// `AC…`.
    pub account_sid: String,
    /// `CA…`.
    pub call_sid: String,
    /// Who calls.
    pub from: String,
    /// Who is called.
    pub to: String,
    /// Who has begun the call.
    pub direction: Direction,
    /// Whether the network vouches for the caller's number: `StirVerstat`, where it says so.
    pub verstat: Option<String>,
    /// Who has picked up, where that was to be found out and is known: `AnsweredBy`.
    pub answered_by: Option<&'static str>,
}

/// Who has begun a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Somebody who called the number.
    #[default]
    Inbound,
    /// The number's owner, by REST.
    OutboundApi,
}

impl Direction {
    /// Its word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
        }
    }
}

impl fmt::Debug for Parties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parties")
            .field("call_sid", &self.call_sid)
            .finish_non_exhaustive()
    }
}

impl Parties {
    /// Parties with SIDs of their own, drawn from `rng`.
    pub fn draw(account_sid: &str, from: &str, to: &str, rng: &mut fastrand::Rng) -> Self {
        Self {
            account_sid: account_sid.to_owned(),
            call_sid: sid("CA", rng),
            from: from.to_owned(),
            to: to.to_owned(),
            direction: Direction::Inbound,
            verstat: None,
            answered_by: None,
        }
    }

    /// As [`draw`](Self::draw): the same seed makes the same call.
    pub fn of_seed(account_sid: &str, from: &str, to: &str, seed: u64) -> Self {
        Self::draw(account_sid, from, to, &mut fastrand::Rng::with_seed(seed))
    }

    /// What every request about the call begins with.
    pub(crate) fn form(&self, status: Status) -> Form {
        let mut form = Form::new()
            .with("AccountSid", self.account_sid.clone())
            .with("ApiVersion", "2010-04-01")
            .with("CallSid", self.call_sid.clone())
            .with("CallStatus", status.word())
            .with("Called", self.to.clone())
            .with("Caller", self.from.clone())
            .with("Direction", self.direction.word())
            .with("From", self.from.clone())
            .with("To", self.to.clone());
        if let Some(verstat) = &self.verstat {
            form.push("StirVerstat", verstat.clone());
        }
        if let Some(answered_by) = self.answered_by {
            form.push("AnsweredBy", answered_by);
        }
        form
    }
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It waits to be made.
    Queued,
    /// It is being made.
    Initiated,
    /// It rings.
    Ringing,
    /// It was answered.
    InProgress,
    /// It was answered, and is over.
    Completed,
    /// It was refused with the busy tone.
    Busy,
    /// It was not answered.
    NoAnswer,
    /// It could not be answered.
    Failed,
    /// It was taken back before it was answered.
    Canceled,
}

impl Status {
    /// Its word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Initiated => "initiated",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// Whether the call is over.
    pub fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Initiated | Self::Ringing | Self::InProgress => false,
            Self::Completed | Self::Busy | Self::NoAnswer | Self::Failed | Self::Canceled => true,
        }
    }
}

/// A SID of this kind.
pub(super) fn sid(kind: &str, rng: &mut fastrand::Rng) -> String {
    format!("{kind}{:032x}", rng.u128(..))
}
