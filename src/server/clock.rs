//! The only place that asks for the time, and for chance: everything else is told.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant as TokioInstant;
use tokio_rustls::rustls::crypto::ring;

use crate::core::ids::{CallId, PromiseId};
use crate::core::time::{Instant, Utc};
use crate::store::messages::MessageId;

/// Time since the process began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: TokioInstant,
}

impl Clock {
    /// A clock that begins now.
    pub(super) fn start() -> Self {
        Self {
            origin: TokioInstant::now(),
        }
    }

    /// Now.
    pub(super) fn now(self) -> Instant {
        Instant::from_start(self.origin.elapsed())
    }

    /// A moment as timers want it.
    pub(super) fn timer_at(self, at: Instant) -> TokioInstant {
        self.origin + at.since_start()
    }

    /// The moment that lies `duration` after now, for what others date.
    pub(super) fn utc_after(duration: Duration) -> Utc {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Utc::from_millis(Self::utc().millis().saturating_add(millis))
    }

    /// The moment that lies `duration` before now, for what is kept.
    pub(super) fn utc_before(duration: Duration) -> Utc {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Utc::from_millis(Self::utc().millis().saturating_sub(millis))
    }

    /// Now, for what others date.
    pub(super) fn utc() -> Utc {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is where time enters the server"
        )]
        let now = SystemTime::now();
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Utc::from_millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A name for a call that no other call has, anywhere.
pub(super) fn draw_call_id() -> CallId {
    CallId::from_bits(u128::from_le_bytes(draw()))
}

/// A name for a message that no other message has.
pub(super) fn draw_message_id() -> MessageId {
    MessageId::from_bits(u128::from_le_bytes(draw()))
}

/// A name for a promise that no other has, anywhere.
pub(super) fn draw_promise_id() -> PromiseId {
    PromiseId::from_bits(u128::from_le_bytes(draw()))
}

/// A name for one life of the task that serves promises, which no other has, anywhere.
pub(super) fn draw_desk_name() -> u128 {
    u128::from_le_bytes(draw())
}

/// What the pool's chance begins with.
pub(super) fn draw_seed() -> u64 {
    u64::from_le_bytes(draw())
}

/// What tells a token from all others.
pub(super) fn draw_nonce() -> u64 {
    u64::from_le_bytes(draw())
}

fn draw<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .expect("the kernel gives random bytes once it has booted");
    bytes
}
