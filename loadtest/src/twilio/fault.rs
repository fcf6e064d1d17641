//! What goes wrong between the carrier and a server, by the carrier's own numbers.
//!
//! Owns the numbers. The pages behind them: `https://www.twilio.com/docs/api/errors/NUMBER`.

/// Why a document could not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchFault {
    /// It answered, with this status.
    #[error("status {0}")]
    Status(u16),
    /// There was no connection in time.
    #[error("no connection in time")]
    ConnectTimedOut,
    /// The connection was refused, or broke before the answer.
    #[error("the connection was refused or broke")]
    Connection,
    /// No answer came in time.
    #[error("no answer in time")]
    ReadTimedOut,
    /// The host has no address.
    #[error("the host has no address")]
    BadHost,
    /// The URL is none that can be fetched.
    #[error("this is no URL that can be fetched")]
    BadUrl,
    /// It redirected too often.
    #[error("too many redirects")]
    TooManyRedirects,
    /// TLS failed.
    #[error("TLS failed")]
    Tls,
    /// `rp` of the connection overrides holds an unknown word.
    #[error("the connection overrides hold an unknown word")]
    BadOverride,
    /// The document is larger than 64 KiB.
    #[error("the document is too large")]
    TooLarge,
}

impl FetchFault {
    /// The carrier's number.
    pub fn code(self) -> u32 {
        match self {
            Self::Status(_) => 11_200,
            Self::ConnectTimedOut | Self::Connection | Self::ReadTimedOut => 11_205,
            Self::BadHost => 11_210,
            Self::BadUrl => 11_100,
            Self::TooManyRedirects => 11_215,
            Self::Tls => 11_220,
            Self::BadOverride => 11_243,
            Self::TooLarge => 11_750,
        }
    }
}

/// Why a stream did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// There was no WebSocket in time.
    #[error("WebSocket Connection Timeout")]
    TimedOut,
    /// The connection was refused.
    #[error("Connection Refused")]
    Refused,
    /// The server answered something else than 101; its status, where it was one.
    #[error("Handshake Error")]
    Handshake(Option<u16>),
    /// The URL is not `wss`.
    #[error("URL schema not supported")]
    Scheme,
    /// The URL is none.
    #[error("Malformed URL")]
    Url,
    /// `track` is not for a stream of this kind.
    #[error("Invalid Track configuration")]
    Track,
}

impl StreamFault {
    /// The carrier's number.
    pub fn code(self) -> u32 {
        match self {
            Self::TimedOut => 31_901,
            Self::Refused => 31_902,
            Self::Handshake(_) => 31_920,
            Self::Scheme => 31_922,
            Self::Url => 31_923,
            Self::Track => 31_941,
        }
    }
}

/// The stream was cut: the carrier's number for a broken pipe.
pub const BROKEN_PIPE: u32 = 31_903;
