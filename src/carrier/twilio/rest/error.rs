//! Why a request did not do what it was to do, and what to make of that.
//!
//! The interface has no key that would make a request harmless to repeat. So the one thing that must be told apart is whether
//! it *may* have been done: only what never left this machine, and what Twilio has refused, was certainly not.

use std::fmt;
use std::time::Duration;

/// Why a request did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestError {
    /// It never left this machine: certainly not done.
    #[error("not sent: {0}")]
    NotSent(#[from] NotSent),
    /// Twilio has refused it: certainly not done.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// It was sent, and no answer says what became of it. A write may have been done; a look-up is to be made again.
    #[error("no answer: {0}")]
    Unknown(#[from] Lost),
}

/// Why a request never left this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// No connection: name, network or TLS.
    #[error("the API cannot be reached")]
    Unreachable,
    /// It failed too often of late.
    #[error("the breaker is open for {0:?} more")]
    BreakerOpen(Duration),
    /// Twilio has asked for a rest.
    #[error("Twilio wants a rest for {0:?} more")]
    Resting(Duration),
    /// As many as allowed were sent of late.
    #[error("the rate is used up for {0:?}")]
    Throttled(Duration),
    /// As many as allowed are under way.
    #[error("too many requests are under way")]
    Crowded,
    /// It is longer than Twilio takes.
    #[error("{0} is longer than Twilio takes")]
    TooLong(&'static str),
}

/// What became of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// It did not come in time.
    #[error("none came in time")]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke")]
    Closed,
    /// Twilio ran into a fault of its own.
    #[error("status {0}")]
    Server(u16),
    /// It cannot be read.
    #[error("it cannot be read")]
    Garbled,
    /// Whoever waited for it has stopped.
    #[error("nobody waited for it")]
    Abandoned,
}

/// Twilio's no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("status {status}, {code}")]
pub struct Refusal {
    /// The status of the answer.
    pub status: u16,
    /// What it says.
    pub code: Code,
    /// After which time it may be asked again, if it says so.
    pub retry_after: Option<Duration>,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// It was not done. The same request may be made again after this time.
    Retry(Duration),
    /// It was not done, and the same request will be refused again.
    Never,
    /// It was not done, and nothing must be sent to this recipient by text again: they said STOP.
    OptedOut,
    /// It was not done: the recipient takes no texts, only calls.
    NotByText,
    /// It was not done: the call is over, or not yet there, or never was one of this account in this region.
    Over,
    /// It was not done: somebody has to mend the account or the settings.
    Mend,
    /// It may have been done: look it up before it is done again.
    LookUp,
}

/// Without a word of Twilio's: its own client waits from nothing up to a few of these.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl RestError {
    /// What to do about it.
    pub const fn advice(&self) -> Advice {
        match self {
            Self::NotSent(NotSent::Unreachable | NotSent::Crowded) => Advice::Retry(RETRY_AFTER),
            Self::NotSent(
                NotSent::BreakerOpen(after) | NotSent::Resting(after) | NotSent::Throttled(after),
            ) => Advice::Retry(*after),
            Self::NotSent(NotSent::TooLong(_)) => Advice::Never,
            Self::Refused(refusal) => refusal.advice(),
            Self::Unknown(_) => Advice::LookUp,
        }
    }
}

impl Refusal {
    const fn advice(&self) -> Advice {
        let later = match self.retry_after {
            Some(after) => after,
            None => RETRY_AFTER,
        };
        match self.code {
            Code::TooManyRequests => Advice::Retry(later),
            Code::SenderQueueFull => Advice::Retry(SENDER_QUEUE),
            Code::OptedOut => Advice::OptedOut,
            Code::NotTextable => Advice::NotByText,
            Code::CallNotInProgress | Code::NotFound => Advice::Over,
            Code::Unauthorized
            | Code::InvalidFrom
            | Code::CountryNotAllowed
            | Code::SenderUnusable
            | Code::TrialAccount => Advice::Mend,
            Code::InvalidTo | Code::Unroutable | Code::BodyTooLong | Code::Other(_) => {
                Advice::Never
            }
        }
    }
}

/// The queue of a sender holds four hours of messages: it does not become free in a second.
const SENDER_QUEUE: Duration = Duration::from_mins(1);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $($number:literal)|+,)+) => {
        /// What Twilio's error codes mean, as far as anything depends on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $name,)+
            /// Another one; 0: the answer had none.
            Other(u32),
        }

        impl Code {
            /// What a number means.
            pub const fn of(number: u32) -> Self {
                match number {
                    $($($number)|+ => Self::$name,)+
                    other => Self::Other(other),
                }
            }
        }

        impl fmt::Display for Code {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => f.write_str(stringify!($name)),)+
                    Self::Other(number) => write!(f, "code {number}"),
                }
            }
        }
    };
}

codes! {
    /// The credentials are not accepted, at this edge and region at least.
    Unauthorized = 20_003,
    /// There is no such call or message, in this region at least.
    NotFound = 20_404,
    /// Too many requests at once: this one was not looked at.
    TooManyRequests = 20_429,
    /// The recipient is no number.
    InvalidTo = 21_211 | 21_217 | 21_401,
    /// The sender is no number.
    InvalidFrom = 21_212 | 21_210,
    /// The call is not in progress any more, or not yet.
    CallNotInProgress = 21_220,
    /// The account may not call or text that country.
    CountryNotAllowed = 21_408 | 21_215,
    /// The sender is not the account's, or not for this.
    SenderUnusable = 21_606 | 21_659 | 21_660,
    /// An account on trial reaches verified numbers alone.
    TrialAccount = 21_608 | 21_219,
    /// The recipient said STOP to this sender.
    OptedOut = 21_610,
    /// The queue of the sender is full.
    SenderQueueFull = 21_611,
    /// There is no way from this sender to this recipient.
    Unroutable = 21_612,
    /// The recipient takes no texts: a landline.
    NotTextable = 21_614,
    /// The text is too long.
    BodyTooLong = 21_617,
}
