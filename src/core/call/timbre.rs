//! Whether what a model sends as audio is speech at all: a session that sends silence, or bytes of another codec, is a fault.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::core::audio::{Frame, duration_of, magnitude};

/// Mean magnitude of a sample below which 20 ms count as silence: about −60 dBFS.
const SILENT: u32 = 32;

/// Mean magnitude above which 20 ms count as noise. µ-law codes drawn by lot have 6,000; speech has it in vowels only, and is
/// never without pauses for long.
const NOISY: u32 = 3_500;

/// How long audio may be silent.
const MUTE_AFTER: Duration = Duration::from_secs(2);

/// How long audio may be noise.
const NOISE_AFTER: Duration = Duration::from_secs(1);

/// How long speech may pause before nobody can tell again.
const PAUSE: Duration = Duration::from_millis(400);

/// How long nobody can tell: what is neither for so long is no speech.
const UNCLEAR_MAX: Duration = Duration::from_secs(4);

/// Pieces in a row that make speech: now and then a piece of noise looks like one.
const CLEAR_MIN: u8 = 3;

/// What the audio of one response sounds like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Timbre {
    unclear: Duration,
    silent: Duration,
    noisy: Duration,
    /// Pieces in a row that sound like speech, as long as nothing is known for it.
    clear: u8,
    is_speech: bool,
}

/// What it sounds like so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sound {
    /// Nobody can tell yet.
    Unclear,
    /// Speech.
    Speech,
    /// Silence, for longer than any speaker pauses.
    Mute,
    /// Another codec's bytes.
    Noise,
}

impl Timbre {
    /// Hears the next audio. Once it is known for speech, the first speech in a piece stands for the rest of it.
    pub(super) fn hear(&mut self, frame: &Frame) -> Sound {
        let was_speech = self.is_speech;
        frame.look(|piece| {
            if self.add(piece) && was_speech {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        self.sound()
    }

    /// Whether it is speech, now that no more of it comes: a word can be too short to tell before.
    pub(super) const fn was_speech(&self) -> bool {
        self.is_speech || (self.clear > 0 && self.noisy.is_zero())
    }

    const fn sound(self) -> Sound {
        if self.silent.as_micros() >= MUTE_AFTER.as_micros() {
            Sound::Mute
        } else if self.noisy.as_micros() >= NOISE_AFTER.as_micros()
            || self.unclear.as_micros() >= UNCLEAR_MAX.as_micros()
        {
            Sound::Noise
        } else if self.is_speech && self.pauses() {
            Sound::Unclear
        } else if self.is_speech {
            Sound::Speech
        } else {
            Sound::Unclear
        }
    }

    const fn pauses(self) -> bool {
        self.silent.as_micros() >= PAUSE.as_micros() || self.noisy.as_micros() >= PAUSE.as_micros()
    }

    /// Adds a piece; whether it is speech.
    fn add(&mut self, piece: &[u8]) -> bool {
        let lasts = duration_of(piece.len() as u64);
        let sum: u32 = piece.iter().map(|&byte| magnitude(byte)).sum();
        let mean = sum / u32::try_from(piece.len()).unwrap_or(u32::MAX).max(1);
        if !self.is_speech {
            self.unclear += lasts;
        }
        if mean < SILENT {
            self.silent += lasts;
            self.noisy = Duration::ZERO;
            self.clear = 0;
        } else if mean >= NOISY {
            self.noisy += lasts;
            self.silent = Duration::ZERO;
            self.clear = 0;
        } else {
            self.clear = self.clear.saturating_add(1);
            self.silent = Duration::ZERO;
            if self.is_speech || self.clear >= CLEAR_MIN {
                self.is_speech = true;
                self.noisy = Duration::ZERO;
            }
        }
        (SILENT..NOISY).contains(&mean)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn frame(ms: usize, byte: impl Fn(usize) -> u8) -> Frame {
        Frame::from_raw((0..ms * 8).map(byte).collect::<Bytes>())
    }

    #[test]
    fn silence_is_muteness_after_two_seconds_and_not_before() {
        let mut timbre = Timbre::default();
        let silence = frame(100, |_| 0xFF);
        let sounds: Vec<_> = (0..20).map(|_| timbre.hear(&silence)).collect();
        assert_eq!(sounds[18], Sound::Unclear);
        assert_eq!(sounds[19], Sound::Mute);
    }

    #[test]
    fn a_pause_in_speech_is_no_muteness() {
        let mut timbre = Timbre::default();
        for _ in 0..50 {
            assert_eq!(timbre.hear(&frame(100, |_| 0x40)), Sound::Speech);
            for _ in 0..19 {
                assert_ne!(timbre.hear(&frame(100, |_| 0xFF)), Sound::Mute);
            }
        }
    }

    #[test]
    fn another_codec_is_noise_and_never_speech() {
        let mut rng = crate::core::pool::Chance::new(7);
        let mut timbre = Timbre::default();
        let bytes: Vec<u8> = (0..16_000).map(|_| rng.bits().to_le_bytes()[0]).collect();
        let mut last = Sound::Unclear;
        for piece in bytes.chunks(800).take(10) {
            last = timbre.hear(&Frame::from_raw(Bytes::copy_from_slice(piece)));
            assert_ne!(last, Sound::Speech);
        }
        assert_eq!(last, Sound::Noise);
    }
}
