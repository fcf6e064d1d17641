//! Our own ear: hears by energy whether the caller speaks.
//!
//! A provider's detection is better and comes first. The ear tells who has the floor where no session can, and notices a session
//! that hears nothing.

use std::time::Duration;

use crate::core::audio::{FRAME_BYTES, duration_of, magnitude};
use crate::core::time::Instant;

/// Mean magnitude of a sample above which 20 ms count as loud: about −38 dBFS.
const LOUD: u32 = 400;

/// Loud time that counts as speech: a click is shorter.
const SPEECH_MIN: Duration = Duration::from_millis(240);

/// Quiet time after which speech has ended: longer than a pause for breath, and longer than providers wait.
const QUIET_MIN: Duration = Duration::from_millis(900);

/// Quiet time between two words.
const BETWEEN_WORDS: Duration = Duration::from_millis(200);

/// What the ear hears of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ear {
    hearing: Hearing,
    /// Loud time of the speech that goes on, or of what may become speech; it leaks away in the quiet.
    loud: Duration,
    /// When it became loud after it had been quiet.
    loud_from: Instant,
    /// When it was last loud.
    loud_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    Quiet,
    Speech,
}

/// A change that the ear heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// The caller began to speak.
    Began,
    /// The caller stopped speaking.
    Ended {
        /// When it was first loud.
        from: Instant,
        /// When it was last loud.
        at: Instant,
        /// For how long it was loud.
        spoke: Duration,
    },
}

impl Ear {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            hearing: Hearing::Quiet,
            loud: Duration::ZERO,
            loud_from: now,
            loud_at: now,
        }
    }

    /// Hears the caller's next audio.
    pub(super) fn hear(&mut self, now: Instant, audio: &[u8]) -> Option<Edge> {
        let lasted = duration_of(audio.len() as u64);
        let is_loud = audio.chunks(FRAME_BYTES).any(is_loud);
        if is_loud {
            if self.loud.is_zero() {
                self.loud_from = now;
            }
            self.loud_at = now;
            self.loud += lasted;
        }
        match self.hearing {
            Hearing::Quiet if self.loud >= SPEECH_MIN => {
                self.hearing = Hearing::Speech;
                Some(Edge::Began)
            }
            Hearing::Quiet => {
                if !is_loud {
                    self.loud = self.loud.saturating_sub(lasted / 4);
                }
                None
            }
            Hearing::Speech if now.since(self.loud_at) >= QUIET_MIN => {
                self.hearing = Hearing::Quiet;
                Some(Edge::Ended {
                    from: self.loud_from,
                    at: self.loud_at,
                    spoke: std::mem::take(&mut self.loud),
                })
            }
            Hearing::Speech => None,
        }
    }

    /// Whether the caller speaks.
    pub(super) const fn hears_speech(&self) -> bool {
        matches!(self.hearing, Hearing::Speech)
    }

    /// Whether the caller is speaking at this very moment, as far as anybody can tell between two words.
    pub(super) fn hears_words(&self, now: Instant) -> bool {
        self.hears_speech() && now.since(self.loud_at) < BETWEEN_WORDS
    }

    /// When the caller was last loud.
    pub(super) const fn loud_at(&self) -> Instant {
        self.loud_at
    }
}

fn is_loud(piece: &[u8]) -> bool {
    let sum: u32 = piece.iter().map(|&byte| magnitude(byte)).sum();
    let samples = u32::try_from(piece.len()).unwrap_or(u32::MAX).max(1);
    sum / samples >= LOUD
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD_BYTE: u8 = 0x10;

    fn hear(ear: &mut Ear, from: u64, to: u64, byte: u8) -> Vec<(u64, Edge)> {
        let hear = |ms| {
            let now = Instant::from_start(Duration::from_millis(ms));
            ear.hear(now, &[byte; FRAME_BYTES]).map(|edge| (ms, edge))
        };
        (from..to).step_by(20).filter_map(hear).collect()
    }

    #[test]
    fn speech_begins_after_a_while_and_ends_at_its_last_sound() {
        let mut ear = Ear::new(Instant::ZERO);
        assert_eq!(hear(&mut ear, 0, 1_000, 0xFF), []);
        assert_eq!(
            hear(&mut ear, 1_000, 2_000, LOUD_BYTE),
            [(1_220, Edge::Began)]
        );
        let ended = Edge::Ended {
            from: Instant::from_start(Duration::from_secs(1)),
            at: Instant::from_start(Duration::from_millis(1_980)),
            spoke: Duration::from_secs(1),
        };
        assert_eq!(hear(&mut ear, 2_000, 4_000, 0xFF), [(2_880, ended)]);
    }

    #[test]
    fn a_click_is_no_speech() {
        let mut ear = Ear::new(Instant::ZERO);
        for second in 0..20 {
            let at = second * 2_000;
            assert_eq!(hear(&mut ear, at, at + 100, LOUD_BYTE), []);
            assert_eq!(hear(&mut ear, at + 100, at + 2_000, 0xFF), []);
        }
    }
}
