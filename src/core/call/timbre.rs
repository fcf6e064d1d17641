//! Whether what a model sends as audio is speech at all: a session that sends silence, or bytes of another codec, is a fault.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::core::audio::{Frame, duration_of, magnitude};

/// Mean magnitude of a sample below which 20 ms count as silence: about −60 dBFS.
const SILENT: u32 = 32;

/// Mean magnitude from which on 20 ms are loud. µ-law codes drawn by lot have 6,000, and so have the vowels of a loud voice.
const LOUD: u32 = 3_500;

/// Mean magnitude from which on 20 ms are no voice: it would be cut off at both ends.
const CUT_OFF: u32 = 10_000;

/// How often of 100 the sign changes from one sample to the next in a vowel at most; codes drawn by lot change it half the time.
const CHANGES_PERCENT_MAX: u32 = 30;

/// How much of 100 the odd samples may be louder or softer than the even ones. Half of the bytes of 16-bit samples are high ones,
/// and half are low ones; neighbours in a voice are alike.
const LOPSIDED_PERCENT_MAX: u32 = 15;

/// How long audio may be silent.
const MUTE_AFTER: Duration = Duration::from_secs(2);

/// How long audio may be noise.
const NOISE_AFTER: Duration = Duration::from_secs(1);

/// How long speech may pause before nobody can tell again.
const PAUSE: Duration = Duration::from_millis(400);

/// How long nobody can tell: what is neither for so long is no speech.
const UNCLEAR_MAX: Duration = Duration::from_secs(4);

/// Pieces in a row that make speech: now and then a piece of noise looks like one. Each is 20 ms that a caller waits.
const CLEAR_MIN: u8 = 2;

/// What 20 ms sound like by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Silence,
    Voice,
    Noise,
}

impl Piece {
    fn of(samples: &[u8]) -> Self {
        let (mut sums, mut changes, mut last) = ([0, 0], 0, None);
        for pair in samples.chunks(2) {
            for (sum, &sample) in sums.iter_mut().zip(pair) {
                *sum += magnitude(sample);
                let sign = sample & 0x80;
                changes += u32::from(last.is_some_and(|last| last != sign));
                last = Some(sign);
            }
        }
        let [even, odd] = sums;
        let count = u32::try_from(samples.len()).unwrap_or(u32::MAX).max(1);
        let mean = (even + odd) / count;
        let is_lopsided = even.abs_diff(odd) * 100 > (even + odd) * LOPSIDED_PERCENT_MAX;
        let is_rough = changes * 100 > count * CHANGES_PERCENT_MAX;
        if mean < SILENT {
            Self::Silence
        } else if mean >= CUT_OFF || is_lopsided || (mean >= LOUD && is_rough) {
            Self::Noise
        } else {
            Self::Voice
        }
    }
}

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
        let piece = Piece::of(piece);
        if !self.is_speech {
            self.unclear += lasts;
        }
        match piece {
            Piece::Silence => {
                self.silent += lasts;
                self.noisy = Duration::ZERO;
                self.clear = 0;
            }
            Piece::Noise => {
                self.noisy += lasts;
                self.silent = Duration::ZERO;
                self.clear = 0;
            }
            Piece::Voice => {
                self.clear = self.clear.saturating_add(1);
                self.silent = Duration::ZERO;
                if self.is_speech || self.clear >= CLEAR_MIN {
                    self.is_speech = true;
                    self.noisy = Duration::ZERO;
                }
            }
        }
        piece == Piece::Voice
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

    /// Two seconds of a vowel at 120 Hz, of this peak, as 16-bit samples.
    fn vowel(peak: f64) -> Vec<i16> {
        let harmonics = [(120.0, 1.0), (240.0, 0.8), (720.0, 0.6), (1_200.0, 0.2)];
        let sample = |n: u32| {
            let seconds = f64::from(n) / 8_000.0;
            let wave =
                |(hz, weight): (f64, f64)| weight * (hz * seconds * std::f64::consts::TAU).sin();
            let sum: f64 = harmonics.into_iter().map(wave).sum();
            #[expect(clippy::cast_possible_truncation, reason = "within the peak")]
            let sample = (sum / 2.0 * peak) as i16;
            sample
        };
        (0..16_000).map(sample).collect()
    }

    /// The µ-law code that is nearest.
    fn encode(sample: i16) -> u8 {
        let sign = if sample < 0 { 0 } else { 0x80 };
        let distance = |code: &u8| u32::from(sample.unsigned_abs()).abs_diff(magnitude(*code));
        (0..0x80)
            .map(|code| sign | code)
            .min_by_key(distance)
            .unwrap()
    }

    #[test]
    fn a_loud_voice_is_speech_as_soon_as_a_soft_one() {
        for peak in [1_000.0, 8_000.0, 20_000.0] {
            let voice: Bytes = vowel(peak).into_iter().map(encode).collect();
            let mut timbre = Timbre::default();
            let heard = timbre.hear(&Frame::from_raw(voice.slice(..320)));
            assert_eq!(heard, Sound::Speech, "{peak}");
            let rest = timbre.hear(&Frame::from_raw(voice.slice(320..)));
            assert_eq!(rest, Sound::Speech, "{peak}");
        }
    }

    #[test]
    fn samples_of_16_bits_are_noise_and_never_speech() {
        for peak in [500.0, 1_000.0, 8_000.0, 20_000.0] {
            let bytes: Bytes = vowel(peak).into_iter().flat_map(i16::to_le_bytes).collect();
            let mut timbre = Timbre::default();
            let sounds: Vec<_> = bytes
                .chunks(160)
                .map(|piece| timbre.hear(&Frame::from_raw(Bytes::copy_from_slice(piece))))
                .collect();
            assert!(!sounds.contains(&Sound::Speech), "{peak}");
            assert!(sounds.contains(&Sound::Noise), "{peak}");
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
