//! Changes the pitch of a voice and leaves its time as it is.
//!
//! Owns the one effect. Two readers run through the voice faster or slower than it was spoken, half a grain apart; each jumps back
//! where the other is heard. It makes a voice harder to recognise, no more: words, accent and rhythm stay.

use std::f64::consts::PI;

use crate::g711;

/// Samples of a grain: 40 ms, two periods of the lowest voices.
const GRAIN: f64 = 320.0;

/// Draws how far each side's pitch is shifted: three to five semitones, up or down.
pub fn draw(rng: &mut fastrand::Rng) -> (f64, f64) {
    let mut factor = || {
        let semitones = 3.0 + 2.0 * rng.f64();
        let semitones = if rng.bool() { semitones } else { -semitones };
        (semitones / 12.0).exp2()
    };
    (factor(), factor())
}

/// µ-law with its pitch multiplied by `factor`, as long as before.
pub fn shift(audio: &[u8], factor: f64) -> Vec<u8> {
    let sample = |place: f64| {
        if place < 0.0 {
            return 0.0;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and within the audio or past its end"
        )]
        let index = place as usize;
        let at = |index| {
            audio
                .get(index)
                .map_or(0.0, |&byte| f64::from(g711::decode(byte)))
        };
        at(index) + (at(index + 1) - at(index)) * place.fract()
    };
    let mut phase = 0.0_f64;
    let mut now = 0.0_f64;
    let shifted = audio.iter().map(|_| {
        // How far behind the voice a reader is, and how loud.
        let reader = |phase: f64| sample(now - phase * GRAIN) * (PI * phase).sin().powi(2);
        let sum = reader(phase) + reader((phase + 0.5).fract());
        phase = (phase + (1.0 - factor) / GRAIN).rem_euclid(1.0);
        now += 1.0;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the two weights add up to one, so it is a mean of samples"
        )]
        let sum = sum as i16;
        g711::encode(sum)
    });
    shifted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        listen::{Ear, EarSettings},
        recording::Recording,
    };

    fn crossings(audio: &[u8]) -> usize {
        let signs = audio.windows(2);
        signs
            .filter(|pair| g711::decode(pair[0]) < 0 && g711::decode(pair[1]) >= 0)
            .count()
    }

    #[test]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "small"
    )]
    fn a_tone_moves_by_the_factor() {
        let wave = |n: u32| (f64::from(n) * 0.2).sin() * 8_000.0;
        let tone: Vec<u8> = (0..16_000).map(|n| g711::encode(wave(n) as i16)).collect();
        for factor in [0.75, 1.0, 1.3] {
            let shifted = shift(&tone, factor);
            assert_eq!(shifted.len(), tone.len());
            let moved = crossings(&shifted) as f64 / crossings(&tone) as f64;
            assert!(
                (moved / factor - 1.0).abs() < 0.06,
                "{factor} became {moved}"
            );
        }
    }

    #[test]
    fn words_stay_where_they_were() {
        let line = Recording::builtin("reschedule")
            .unwrap()
            .caller
            .remove(0)
            .line;
        let edges = |audio: &[u8]| {
            let mut ear = Ear::new(EarSettings::default());
            audio
                .chunks(160)
                .filter_map(|frame| ear.hear(frame))
                .count()
        };
        let shifted = shift(&line.audio, 1.25);
        assert_eq!(edges(&line.audio), edges(&shifted));
        assert_ne!(line.audio, shifted);
    }
}
