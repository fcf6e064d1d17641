//! What can go wrong with a provider's session, and with what a carrier sends: each has a name and an owner.

use std::fmt;
use std::time::Duration;

/// A failure of one attempt at a provider session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The provider's host name does not resolve.
    DnsFailed,
    /// No TCP connection: refused, unreachable or reset.
    ConnectFailed,
    /// TLS could not be set up.
    TlsFailed(TlsFault),
    /// The dial's time ran out at this stage.
    DialTimedOut(DialStage),
    /// The upgrade was answered with this HTTP status, which no other fault names.
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// Too many requests or sessions.
    RateLimited {
        /// How long the provider asks us to wait.
        retry_after: Option<Duration>,
    },
    /// The account has no credit or quota left; lasts until somebody pays.
    QuotaExhausted,
    /// The key is wrong, revoked or not allowed to do this.
    Unauthorized,
    /// The configured model does not exist, or not for this key.
    ModelNotFound,
    /// The provider speaks another dialect than the configured one.
    WrongDialect,
    /// The provider closed the socket with this code (1006: without a close frame).
    Closed {
        /// The WebSocket close code.
        code: u16,
    },
    /// The provider says that it failed.
    ServerError,
    /// The session reached its maximum duration.
    Expired,
    /// The provider refused what we sent: ours to mend.
    RequestRejected,
    /// What came is not the protocol: no JSON, a binary frame, audio that is not base64.
    Garbled,
    /// A message over the size limit.
    Oversized,
    /// The socket is open, but pings are no longer answered.
    NoPong,
    /// The provider does not read: our write buffer overflowed.
    WriteOverflow,
    /// No audio came in time after the caller's turn.
    AnswerTimedOut,
    /// The audio of an answer stopped in its middle.
    Stalled,
    /// The model never noticed that the caller spoke.
    Deaf,
    /// What the model sends as audio is silence.
    Mute,
    /// What the model sends as audio is noise: most likely another codec.
    Noise,
    /// More than any answer needs came in too short a time.
    Flooded,
    /// The provider will not talk about what was said.
    PolicyRefused,
    /// The conversation is longer than the model's window.
    ContextTooLong,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The provider's, or the network's on the way to it.
    Provider,
    /// A defect of this program.
    Us,
    /// The operator's: a key, a model name, a certificate.
    Config,
    /// What the caller said; nothing is broken.
    Caller,
}

/// What may be tried after a fault. "Here" is the same provider with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// One session failed, or the way to it: another one here may do.
    Here,
    /// Insisting here is of little use: another key, region or provider; here only as the last resort.
    Elsewhere,
    /// Nothing failed: a successor is due, here if possible.
    Rotate,
    /// Here it fails again until somebody mends it, or something else is asked: never here.
    Never,
}

/// What a fault means to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Count {
    /// Nothing: it is not the provider's, or not a failure.
    No,
    /// It is one failure.
    Once,
    /// The breaker opens at once: it lasts until somebody mends it.
    Opens,
    /// Nothing, but the key rests until the provider takes more.
    Rests,
}

/// What a fault tells about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Only the key that was used: another key at the same endpoint may do.
    Key,
    /// The endpoint, whatever the key.
    Endpoint,
}

/// How TLS failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsFault {
    /// The certificate's time is over.
    Expired,
    /// The certificate is for another name.
    WrongName,
    /// Nobody that we trust signed the certificate.
    Untrusted,
    /// Anything else.
    Other,
}

/// How far a dial had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DialStage {
    /// Resolving the name and connecting by TCP.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The WebSocket upgrade.
    Upgrade,
    /// Waiting for the session to be created and configured.
    Session,
}

impl Fault {
    /// Whose it is.
    pub const fn blame(self) -> Blame {
        match self {
            Self::TlsFailed(TlsFault::WrongName | TlsFault::Untrusted)
            | Self::QuotaExhausted
            | Self::Unauthorized
            | Self::ModelNotFound
            | Self::WrongDialect => Blame::Config,
            Self::RequestRejected | Self::ContextTooLong => Blame::Us,
            Self::PolicyRefused => Blame::Caller,
            Self::DnsFailed
            | Self::ConnectFailed
            | Self::TlsFailed(TlsFault::Expired | TlsFault::Other)
            | Self::DialTimedOut(_)
            | Self::Refused { .. }
            | Self::RateLimited { .. }
            | Self::Closed { .. }
            | Self::ServerError
            | Self::Expired
            | Self::Garbled
            | Self::Oversized
            | Self::NoPong
            | Self::WriteOverflow
            | Self::AnswerTimedOut
            | Self::Stalled
            | Self::Deaf
            | Self::Mute
            | Self::Noise
            | Self::Flooded => Blame::Provider,
        }
    }

    /// What may be tried after it.
    pub const fn retry(self) -> Retry {
        match self {
            Self::DnsFailed
            | Self::ConnectFailed
            | Self::DialTimedOut(_)
            | Self::Refused { .. }
            | Self::Closed { .. }
            | Self::ServerError
            | Self::NoPong
            | Self::WriteOverflow
            | Self::AnswerTimedOut
            | Self::Stalled
            | Self::Deaf
            | Self::Mute => Retry::Here,
            Self::TlsFailed(TlsFault::Expired | TlsFault::Other)
            | Self::RateLimited { .. }
            | Self::RequestRejected
            | Self::Garbled
            | Self::Oversized
            | Self::Noise
            | Self::Flooded
            | Self::ContextTooLong => Retry::Elsewhere,
            Self::Expired => Retry::Rotate,
            Self::TlsFailed(TlsFault::WrongName | TlsFault::Untrusted)
            | Self::QuotaExhausted
            | Self::Unauthorized
            | Self::ModelNotFound
            | Self::WrongDialect
            | Self::PolicyRefused => Retry::Never,
        }
    }

    /// What it means to the breaker.
    pub const fn count(self) -> Count {
        match self {
            Self::QuotaExhausted
            | Self::Unauthorized
            | Self::ModelNotFound
            | Self::WrongDialect => Count::Opens,
            Self::RateLimited { .. } => Count::Rests,
            Self::Expired | Self::RequestRejected | Self::PolicyRefused | Self::ContextTooLong => {
                Count::No
            }
            Self::DnsFailed
            | Self::ConnectFailed
            | Self::TlsFailed(_)
            | Self::DialTimedOut(_)
            | Self::Refused { .. }
            | Self::Closed { .. }
            | Self::ServerError
            | Self::Garbled
            | Self::Oversized
            | Self::NoPong
            | Self::WriteOverflow
            | Self::AnswerTimedOut
            | Self::Stalled
            | Self::Deaf
            | Self::Mute
            | Self::Noise
            | Self::Flooded => Count::Once,
        }
    }

    /// What it tells about.
    pub const fn scope(self) -> Scope {
        match self {
            Self::RateLimited { .. }
            | Self::QuotaExhausted
            | Self::Unauthorized
            | Self::ModelNotFound => Scope::Key,
            Self::DnsFailed
            | Self::ConnectFailed
            | Self::TlsFailed(_)
            | Self::DialTimedOut(_)
            | Self::Refused { .. }
            | Self::WrongDialect
            | Self::Closed { .. }
            | Self::ServerError
            | Self::Expired
            | Self::RequestRejected
            | Self::Garbled
            | Self::Oversized
            | Self::NoPong
            | Self::WriteOverflow
            | Self::AnswerTimedOut
            | Self::Stalled
            | Self::Deaf
            | Self::Mute
            | Self::Noise
            | Self::Flooded
            | Self::PolicyRefused
            | Self::ContextTooLong => Scope::Endpoint,
        }
    }

    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DnsFailed => "dns_failed",
            Self::ConnectFailed => "connect_failed",
            Self::TlsFailed(TlsFault::Expired) => "tls_expired",
            Self::TlsFailed(TlsFault::WrongName) => "tls_wrong_name",
            Self::TlsFailed(TlsFault::Untrusted) => "tls_untrusted",
            Self::TlsFailed(TlsFault::Other) => "tls_failed",
            Self::DialTimedOut(DialStage::Connect) => "connect_timed_out",
            Self::DialTimedOut(DialStage::Tls) => "tls_timed_out",
            Self::DialTimedOut(DialStage::Upgrade) => "upgrade_timed_out",
            Self::DialTimedOut(DialStage::Session) => "session_timed_out",
            Self::Refused { .. } => "refused",
            Self::RateLimited { .. } => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::Unauthorized => "unauthorized",
            Self::ModelNotFound => "model_not_found",
            Self::WrongDialect => "wrong_dialect",
            Self::Closed { .. } => "closed",
            Self::ServerError => "server_error",
            Self::Expired => "expired",
            Self::RequestRejected => "request_rejected",
            Self::Garbled => "garbled",
            Self::Oversized => "oversized",
            Self::NoPong => "no_pong",
            Self::WriteOverflow => "write_overflow",
            Self::AnswerTimedOut => "answer_timed_out",
            Self::Stalled => "stalled",
            Self::Deaf => "deaf",
            Self::Mute => "mute",
            Self::Noise => "noise",
            Self::Flooded => "flooded",
            Self::PolicyRefused => "policy_refused",
            Self::ContextTooLong => "context_too_long",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if let Self::Refused { status: number } | Self::Closed { code: number } = self {
            write!(f, " ({number})")?;
        }
        Ok(())
    }
}

/// Why a carrier's message, or its whole stream, is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Not JSON, or a known event without the fields that it must have.
    Malformed,
    /// A binary frame: the protocol is text.
    Binary,
    /// A message over the size limit.
    Oversized,
    /// Audio, a mark or a key before `start`.
    BeforeStart,
    /// A second `start` on one socket.
    SecondStart,
    /// Another stream's SID.
    WrongStream,
    /// Audio that is not base64.
    BadAudio,
    /// An account that is not ours.
    ForeignAccount,
    /// Nothing that proves that the stream belongs to a document of ours.
    Unauthenticated,
    /// A media format that is not µ-law, 8 kHz, mono.
    ForeignFormat,
    /// The call has a live stream already.
    DuplicateCall,
    /// More marks came back than were sent.
    MarkFlood,
    /// Keys faster than anybody presses them.
    KeyFlood,
}

impl Refusal {
    /// Whether the stream ends with it; otherwise only the message is dropped.
    pub const fn is_fatal(self) -> bool {
        match self {
            Self::Oversized
            | Self::ForeignAccount
            | Self::Unauthenticated
            | Self::ForeignFormat
            | Self::DuplicateCall => true,
            Self::Malformed
            | Self::Binary
            | Self::BeforeStart
            | Self::SecondStart
            | Self::WrongStream
            | Self::BadAudio
            | Self::MarkFlood
            | Self::KeyFlood => false,
        }
    }

    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Binary => "binary",
            Self::Oversized => "oversized",
            Self::BeforeStart => "before_start",
            Self::SecondStart => "second_start",
            Self::WrongStream => "wrong_stream",
            Self::BadAudio => "bad_audio",
            Self::ForeignAccount => "foreign_account",
            Self::Unauthenticated => "unauthenticated",
            Self::ForeignFormat => "foreign_format",
            Self::DuplicateCall => "duplicate_call",
            Self::MarkFlood => "mark_flood",
            Self::KeyFlood => "key_flood",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
