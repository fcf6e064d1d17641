//! Whether a provider sends more than any conversation needs: told what comes and when, it keeps two leaky measures.
//!
//! It reads no clock and knows no protocol. What it protects is everybody else's time on this machine: what may be *held* of an
//! answer is bounded by the call.

use std::time::Duration;

use crate::core::time::Instant;

/// Messages that may come in a second, on and on. An answer in pieces of 20 ms at forty times its own speed.
const MESSAGES_PER_SECOND: u32 = 2_000;

/// Messages that may come at once beyond that: an answer of 160 s in pieces of 20 ms, which is more than may be held of it.
const MESSAGES_AT_ONCE: u32 = 8_000;

/// How many times faster than it plays audio may come, on and on.
const AUDIO_SPEED: u32 = 40;

/// Audio that may come at once beyond that: more than all the answers of a call.
const AUDIO_AT_ONCE: Duration = Duration::from_mins(30);

/// After how many messages the time is looked at: few enough to notice in time, many enough to cost nothing.
const LOOK_EVERY: u32 = 64;

/// What came of late from one provider's socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flood {
    looked_at: Option<Instant>,
    messages: u32,
    audio: Duration,
    unlooked: u32,
}

impl Flood {
    /// A socket on which nothing came yet.
    pub const fn new() -> Self {
        Self {
            looked_at: None,
            messages: 0,
            audio: Duration::ZERO,
            unlooked: 0,
        }
    }

    /// A message came, with this much audio in it; `true`: it is too much by now. Looks at the time every 64th message.
    pub fn take(&mut self, audio: Duration, now: impl FnOnce() -> Instant) -> bool {
        self.messages = self.messages.saturating_add(1);
        self.audio = self.audio.saturating_add(audio);
        self.unlooked += 1;
        if self.unlooked < LOOK_EVERY {
            return false;
        }
        self.unlooked = 0;
        let now = now();
        let passed = now.since(self.looked_at.unwrap_or(now));
        self.looked_at = Some(now);
        let drained = passed.as_millis() * u128::from(MESSAGES_PER_SECOND) / 1_000;
        let drained = u32::try_from(drained).unwrap_or(u32::MAX);
        self.messages = self.messages.saturating_sub(drained);
        let played = passed.saturating_mul(AUDIO_SPEED);
        self.audio = self.audio.saturating_sub(played);
        self.messages > MESSAGES_AT_ONCE || self.audio > AUDIO_AT_ONCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: Duration = Duration::from_millis(20);

    /// After how many messages, `gap` apart, it is too much; `None`: not within ten minutes.
    fn too_many_at(audio: Duration, gap: Duration) -> Option<u32> {
        let mut flood = Flood::new();
        let mut now = Instant::ZERO;
        for count in 1.. {
            if flood.take(audio, || now) {
                return Some(count);
            }
            now = now + gap;
            if now.since_start() > Duration::from_mins(10) {
                return None;
            }
        }
        None
    }

    #[test]
    fn what_models_send_is_never_too_much() {
        // Twenty-five times as fast as it plays, on and on; in pieces of any length.
        for piece in [PIECE, Duration::from_millis(100), Duration::from_secs(1)] {
            assert_eq!(too_many_at(piece, piece / 25), None, "{piece:?}");
        }
        // A long answer at once: all of it that may be held.
        let mut flood = Flood::new();
        assert!(!(0..6_000).any(|_| flood.take(PIECE, || Instant::ZERO)));
    }

    #[test]
    fn more_messages_than_anybody_speaks_are_too_much_within_seconds() {
        let count = too_many_at(Duration::ZERO, Duration::from_micros(100)).unwrap();
        assert!((8_000..=11_000).contains(&count), "{count} at 10,000/s");
        assert_eq!(
            too_many_at(Duration::ZERO, Duration::from_micros(600)),
            None
        );
    }

    #[test]
    fn audio_that_runs_far_ahead_is_too_much_however_few_messages_bring_it() {
        let (second, gap) = (Duration::from_secs(1), Duration::from_millis(1));
        let count = too_many_at(second, gap).unwrap();
        assert!((1_800..=2_000).contains(&count), "{count} s of audio");
    }
}
