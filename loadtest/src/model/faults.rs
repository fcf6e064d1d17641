//! What goes wrong in a session: one row of the plan for each fault.
//!
//! A new kind of fault is a new [`What`] (what happens) or a new [`When`] (at which moment), and one arm where the session
//! does it: `going_wrong`. What goes wrong with a provider as a whole is in [`outages`](super::outages).

use std::time::Duration;

use serde::Deserialize;

use super::recital::Mishap;

/// The faults of a session, none by default.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Faults(pub Vec<FaultRow>);

/// One fault: when it happens, what happens, and to how many sessions.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRow {
    /// At which moment.
    pub when: When,
    /// What happens.
    pub what: What,
    /// The share of sessions that it happens to.
    #[serde(default = "all")]
    pub share: f64,
}

fn all() -> f64 {
    1.0
}

/// The moment of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum When {
    /// This long after the socket opened.
    AfterMs(u64),
    /// When the first `session.updated` has gone out.
    Ready,
    /// When the caller begins to speak for the so manyeth time, from 1.
    SpeechStart(u32),
    /// When the caller's turn of this number, from 1, has ended: before it is answered.
    TurnEnd(u32),
    /// In the middle of a response.
    MidResponse {
        /// Which one of the session, from 1.
        response: u32,
        /// How much of its audio is sent before.
        audio_ms: u64,
    },
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    // Broken messages.
    /// A text message that is not JSON.
    Garbage,
    /// A text message that is JSON and breaks off.
    HalfMessage,
    /// An audio delta whose audio is not base64.
    BadBase64,
    /// A binary message.
    Binary,
    /// A valid text message of this many bytes, at most [`OVERSIZE_MAX`].
    Oversize {
        /// Its length.
        bytes: usize,
    },

    // The end of the session.
    /// The socket closes.
    Close {
        /// The close code.
        code: u16,
    },
    /// The connection is cut without a close frame.
    Cut,
    /// The session has reached its longest time: `session_expired`, then close code 1001.
    Expire,
    /// The session opened, and is refused after all: an error, then a close frame that names it.
    Reject {
        /// For what reason.
        code: Rejection,
    },

    // From now on, to the end of the session.
    /// No response goes on, ends, or is begun; the caller is heard, and pings are answered.
    Stall,
    /// Nothing comes any more, no pong either, and nothing is read.
    Freeze,
    /// Nothing comes any more, whatever the client sends; pings are answered.
    BlackHole,
    /// The caller's speech is not noticed.
    Deaf,
    /// Turns are heard, committed and transcribed; no response is begun, whoever asks for one.
    NoAnswer,
    /// Turns are heard and committed; writing them down fails.
    Untranscribed,
    /// Answers are silence, of the length that they would have.
    Mute,
    /// Answers are loud noise: 16-bit PCM at 24 kHz, sent as if it were µ-law. They become six times as long.
    Noise,

    /// What it is given to [recite](super::recital) goes wrong.
    Recites(Mishap),

    // Instead of answers: the one that is being made, or the next.
    /// An `error` of type `server_error`. The session stays open.
    ServerError {
        /// So many answers in a row.
        #[serde(default = "once")]
        times: u32,
    },
    /// `response.done` with the status `failed` and a `server_error`.
    ResponseFailed {
        /// So many answers in a row.
        #[serde(default = "once")]
        times: u32,
    },
    /// `response.done` with the status `failed` and the code `rate_limit_exceeded`.
    RateLimited {
        /// So many answers in a row.
        #[serde(default = "once")]
        times: u32,
    },
    /// All answers fail with `insufficient_quota`.
    Quota {
        /// By which of its two channels the server says so.
        #[serde(default)]
        via: Via,
        /// With this code the socket closes after it; without one it stays open. Both were told of real servers.
        #[serde(default)]
        close: Option<u16>,
    },
    /// `response.done` with the status `incomplete` and the reason `content_filter`.
    ContentFilter {
        /// So many answers in a row.
        #[serde(default = "once")]
        times: u32,
    },
    /// `response.done` with the status `failed` and the code `context_length_exceeded`. The code is not known of real servers.
    ContextTooLong {
        /// So many answers in a row.
        #[serde(default = "once")]
        times: u32,
    },

    // Too much.
    /// The answer does not end, and is sent much too fast; there is one even if nobody asked.
    Flood {
        /// How many times faster than real time.
        speed: u32,
        /// How long it lasts.
        lasts_ms: u32,
    },
    /// Errors that mean nothing, one after the other.
    ErrorStorm {
        /// How many a second; at most [`STORM_MAX`].
        per_second: u32,
        /// How long it lasts.
        lasts_ms: u32,
    },
    /// Events of a type that no client knows, one after the other.
    UnknownEvents {
        /// How many a second; at most [`STORM_MAX`].
        per_second: u32,
        /// How long it lasts.
        lasts_ms: u32,
    },
}

fn once() -> u32 {
    1
}

/// The channel by which a server tells that a response failed. Clients that read only one of them sit in silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// An `error` event; the response is never announced.
    #[default]
    Error,
    /// `response.done`.
    ResponseDone,
}

/// Why a session is refused after it opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// Nobody has this key. Close code 3000.
    InvalidApiKey,
    /// The account was closed. Close code 3000.
    AccountDeactivated,
    /// Nobody has this model. Close code 3000.
    ModelNotFound,
    /// The client speaks the dialect that was switched off. Close code 4000.
    BetaApiShapeDisabled,
}

/// Why a response failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server had an error.
    ServerError,
    /// Too many tokens or requests.
    RateLimited,
    /// Nobody pays.
    Quota,
    /// The answer was not let through.
    ContentFilter,
    /// The conversation has become too long.
    ContextTooLong,
}

/// The longest message of [`What::Oversize`].
pub const OVERSIZE_MAX: usize = 64 * 1024 * 1024;

/// The most messages a second of a storm: more are only more of the same.
pub const STORM_MAX: u32 = 1_000;

/// The most bytes of audio of one [`What::Flood`]: ten seconds at two hundred times real time.
pub(super) const FLOOD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A moment in a session's life at which a fault may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Ready,
    SpeechStart(u64),
    TurnEnd(u64),
    /// So much of the audio of the response of this number, from 1, is sent.
    MidResponse(u32, u64),
}

/// The faults that this session has drawn, until each has happened.
#[derive(Debug)]
pub(super) struct Drawn {
    rows: Vec<FaultRow>,
}

impl Drawn {
    /// Draws which of the rows happen to this session.
    pub(super) fn new(faults: &Faults, rng: &mut fastrand::Rng) -> Self {
        let rows = faults.0.iter().filter(|row| rng.f64() < row.share);
        Self {
            rows: rows.cloned().collect(),
        }
    }

    /// Adds a fault that does happen.
    pub(super) fn add(&mut self, when: When, what: What) {
        let share = 1.0;
        self.rows.push(FaultRow { when, what, share });
    }

    /// The moments by the clock, each with what happens then.
    pub(super) fn take_timed(&mut self) -> Vec<(Duration, What)> {
        let mut timed = Vec::new();
        self.rows.retain(|row| match row.when {
            When::AfterMs(ms) => {
                timed.push((Duration::from_millis(ms), row.what));
                false
            }
            When::Ready | When::SpeechStart(_) | When::TurnEnd(_) | When::MidResponse { .. } => {
                true
            }
        });
        timed
    }

    /// One thing that happens at this moment; ask until there is none.
    pub(super) fn take(&mut self, moment: Moment) -> Option<What> {
        let is_due = |when: When| match (when, moment) {
            (When::Ready, Moment::Ready) => true,
            (When::SpeechStart(wanted), Moment::SpeechStart(number))
            | (When::TurnEnd(wanted), Moment::TurnEnd(number)) => u64::from(wanted) == number,
            (When::MidResponse { response, audio_ms }, Moment::MidResponse(number, sent_ms)) => {
                response == number && sent_ms >= audio_ms
            }
            (
                When::AfterMs(_)
                | When::Ready
                | When::SpeechStart(_)
                | When::TurnEnd(_)
                | When::MidResponse { .. },
                _,
            ) => false,
        };
        let due = self.rows.iter().position(|row| is_due(row.when))?;
        Some(self.rows.remove(due).what)
    }
}
