//! Down to the line's 8 kHz, from rates that are a whole multiple of it: all that recordings of voices come in.
//!
//! Owns the low-pass without which what lies above 4 kHz would come back as noise below it. Other ratios are refused by
//! [`super::wav`].

use std::f64::consts::PI;

/// Keeps one sample of `factor`, after a low-pass at 3.6 kHz. With a factor of one the samples are as they were.
pub fn decimate(samples: &[i16], factor: usize) -> Vec<i16> {
    if factor <= 1 {
        return samples.to_vec();
    }
    let taps = low_pass(factor);
    let half = taps.len() / 2;
    (0..samples.len())
        .step_by(factor)
        .map(|center| {
            // Before the first and after the last sample there is silence.
            let first = center.saturating_sub(half);
            let skipped = half - (center - first);
            let around = samples.iter().skip(first);
            let sum: f64 = around
                .zip(taps.iter().skip(skipped))
                .map(|(&sample, tap)| f64::from(sample) * tap)
                .sum();
            to_sample(sum)
        })
        .collect()
}

/// The nearest sample; what is too large is clipped.
pub fn to_sample(value: f64) -> i16 {
    let bounded = value
        .round()
        .clamp(f64::from(i16::MIN), f64::from(i16::MAX));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is whole and within the bounds of a sample"
    )]
    let sample = bounded as i16;
    sample
}

/// A windowed sinc (Blackman) whose taps sum up to one: 3.3 kHz pass, from 3.95 kHz on everything is gone.
fn low_pass(factor: usize) -> Vec<f64> {
    /// Where half of the amplitude is left, as a part of the new rate.
    const CUT_OFF: f64 = 3_600.0 / 8_000.0;
    /// Zero crossings to each side: more make it steeper.
    const CROSSINGS: usize = 32;
    let half = CROSSINGS * factor;
    let step = 1.0 / as_float(factor);
    let taps = (0..=2 * half).map(|index| {
        let x = (as_float(index) - as_float(half)) * step;
        let sinc = if index == half {
            2.0 * CUT_OFF
        } else {
            (2.0 * PI * CUT_OFF * x).sin() / (PI * x)
        };
        let turn = PI * as_float(index) / as_float(half);
        let window = 0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos();
        sinc * window
    });
    let taps: Vec<f64> = taps.collect();
    let sum: f64 = taps.iter().sum();
    taps.into_iter().map(|tap| tap / sum).collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of taps: a few hundred at most"
)]
const fn as_float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: usize) -> Vec<i16> {
        (0..rate)
            .map(|i| to_sample(10_000.0 * (2.0 * PI * hertz * as_float(i) / as_float(rate)).sin()))
            .collect()
    }

    /// The amplitude in the middle, away from where the tone begins and ends.
    fn peak(samples: &[i16]) -> u16 {
        let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
        middle.iter().map(|s| s.unsigned_abs()).max().unwrap()
    }

    #[test]
    fn speech_passes_and_what_the_line_cannot_carry_is_gone() {
        for (rate, factor) in [(16_000, 2), (24_000, 3)] {
            for hertz in [100.0, 1_000.0, 3_000.0] {
                let low = decimate(&tone(hertz, rate), factor);
                assert_eq!(low.len(), 8_000);
                assert!((9_500..=10_100).contains(&peak(&low)), "{hertz} Hz");
            }
            for hertz in [4_200.0, 5_000.0, 7_500.0] {
                let alias = peak(&decimate(&tone(hertz, rate), factor));
                assert!(alias < 50, "{hertz} Hz of {rate} comes back as {alias}");
            }
        }
    }

    #[test]
    fn the_line_rate_is_left_alone() {
        assert_eq!(decimate(&[1, -2, 3], 1), [1, -2, 3]);
        assert_eq!(decimate(&[], 3), [0_i16; 0]);
    }
}
