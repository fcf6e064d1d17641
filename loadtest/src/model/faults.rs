//! What goes wrong in a session: one row of the plan for each fault.
//!
//! A new kind of fault is a new [`What`] (what happens) or a new [`When`] (at which moment), and one arm where the session
//! does it.

use std::time::Duration;

use serde::Deserialize;

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
    /// The socket closes.
    Close {
        /// The close code.
        code: u16,
    },
    /// The connection is cut without a close frame.
    Cut,
    /// The answer does not end, and is sent much too fast; there is one even if nobody asked.
    Flood {
        /// How many times faster than real time.
        speed: u32,
        /// How long it lasts.
        lasts_ms: u32,
    },
}

/// The longest message of [`What::Oversize`].
pub const OVERSIZE_MAX: usize = 64 * 1024 * 1024;

/// The most bytes of audio of one [`What::Flood`]: ten seconds at two hundred times real time.
pub(super) const FLOOD_BYTES_MAX: usize = 16 * 1024 * 1024;

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

    /// The moments by the clock, each with what happens then.
    pub(super) fn take_timed(&mut self) -> Vec<(Duration, What)> {
        let mut timed = Vec::new();
        self.rows.retain(|row| match row.when {
            When::AfterMs(ms) => {
                timed.push((Duration::from_millis(ms), row.what));
                false
            }
            When::MidResponse { .. } => true,
        });
        timed
    }

    /// What happens now that `sent_ms` of the audio of a response (counted from 1) are sent.
    pub(super) fn take_mid_response(&mut self, number: u32, sent_ms: u64) -> Option<What> {
        let due = self.rows.iter().position(|row| match row.when {
            When::MidResponse { response, audio_ms } => response == number && sent_ms >= audio_ms,
            When::AfterMs(_) => false,
        })?;
        Some(self.rows.swap_remove(due).what)
    }
}
