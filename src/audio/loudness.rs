//! How loud a recording is, and what makes it fit to be played: level, silence at its ends, length, no clipping.
//!
//! Prompts come from synthesisers, models and people's desks; a caller who hears one after the other should not reach for the
//! volume. Levels are in dBFS: 0 is the largest sample.

use std::time::Duration;

use super::g711;
use super::resample::to_sample;
use crate::core::audio::{FRAME_BYTES, SILENCE, duration_of};

/// Where the level of speech is put: what realtime models speak at, so that prompt and model sound alike.
pub const TARGET_DBFS: f64 = -20.0;

/// How far from the target a recording is left as it is: nobody hears it, and each encoding costs a little.
pub const TOLERANCE_DB: f64 = 1.0;

/// The peak is not raised above this; a recording of large peaks stays below the target instead of being clipped.
pub const PEAK_MAX_DBFS: f64 = -1.0;

/// How much silence is left at each end.
pub const MARGIN: Duration = Duration::from_millis(80);

/// The shortest recording that is taken, without the silence at its ends.
pub const DURATION_MIN: Duration = Duration::from_millis(200);

/// The longest one: 240 kB. A longer one is a speech, not a prompt.
pub const DURATION_MAX: Duration = Duration::from_secs(30);

/// Speech below this is too far down to be lifted out of its noise.
const AUDIBLE_DBFS: f64 = -50.0;

/// What is so far below the loudest block is a pause and does not count as speech.
const PAUSE_DB: f64 = 25.0;

/// What is so far below the speech is silence.
const SILENCE_DB: f64 = 30.0;

/// The length of a block over which power is averaged: 20 ms.
const BLOCK: usize = FRAME_BYTES;

/// How loud a recording is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The level of its speech, pauses left out: an effective value.
    pub speech_dbfs: f64,
    /// Its largest sample.
    pub peak_dbfs: f64,
}

/// Why a recording is not played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Nothing is heard in it.
    #[error("holds no sound; allowed: speech above -50 dBFS")]
    Silent,
    /// Its peaks are cut off.
    #[error("is clipped: {0} of its samples stand at the limit; allowed: 1 in 1000")]
    Clipped(usize),
    /// It is too short.
    #[error("sounds for {} ms; allowed: {} to {} ms", .0.as_millis(), DURATION_MIN.as_millis(), DURATION_MAX.as_millis())]
    Length(Duration),
}

/// How loud these samples are; none if nothing is heard in them.
pub fn measure(samples: &[i16]) -> Option<Level> {
    let peak = samples.iter().map(|sample| sample.unsigned_abs()).max()?;
    let speech_dbfs = speech_dbfs(samples);
    (speech_dbfs >= AUDIBLE_DBFS).then(|| Level {
        speech_dbfs,
        peak_dbfs: decibels(f64::from(peak)),
    })
}

/// How loud this µ-law audio is; none if nothing is heard in it.
pub fn measure_mulaw(audio: &[u8]) -> Option<Level> {
    let samples: Vec<_> = audio.iter().map(|&byte| g711::decode(byte)).collect();
    measure(&samples)
}

/// A recording as it is played: at the target's level, with little silence at its ends, as µ-law in whole 20 ms frames.
pub fn prepare(samples: &[i16]) -> Result<Vec<u8>, Unfit> {
    let clipped = clipped(samples);
    if clipped > samples.len() / 1_000 {
        return Err(Unfit::Clipped(clipped));
    }
    let level = measure(samples).ok_or(Unfit::Silent)?;
    let (start, end) = sounding(samples, level).ok_or(Unfit::Silent)?;
    let sounds = duration(end - start);
    if sounds < DURATION_MIN || sounds > DURATION_MAX {
        return Err(Unfit::Length(sounds));
    }
    let (start, end) = with_margin(start, end, samples.len());
    let factor = 10_f64.powf(gain(level) / 20.0);
    let kept = samples.iter().take(end).skip(start);
    let louder = kept.map(|&sample| g711::encode(to_sample(f64::from(sample) * factor)));
    let mut audio: Vec<u8> = louder.collect();
    audio.resize(audio.len().next_multiple_of(FRAME_BYTES), SILENCE);
    Ok(audio)
}

/// How much silence is at the two ends; none if there is nothing else.
pub fn silence_at_ends(samples: &[i16]) -> Option<(Duration, Duration)> {
    let (start, end) = sounding(samples, measure(samples)?)?;
    Some((duration(start), duration(samples.len() - end)))
}

/// How many samples stand in rows at the limit: a waveform touches it, only a clipped one stays there.
pub fn clipped(samples: &[i16]) -> usize {
    /// As many in a row are no coincidence.
    const ROW: usize = 3;
    let limit = g711::SAMPLE_MAX.unsigned_abs();
    samples
        .chunk_by(|a, b| {
            (a.unsigned_abs() >= limit) == (b.unsigned_abs() >= limit)
                && a.is_negative() == b.is_negative()
        })
        .filter(|row| row.len() >= ROW && row.first().is_some_and(|s| s.unsigned_abs() >= limit))
        .map(<[i16]>::len)
        .sum()
}

/// What is to be added to a level, in dB.
fn gain(level: Level) -> f64 {
    let wanted = TARGET_DBFS - level.speech_dbfs;
    if wanted.abs() <= TOLERANCE_DB {
        return 0.0;
    }
    let possible = PEAK_MAX_DBFS - level.peak_dbfs;
    wanted.min(possible.max(0.0))
}

/// Where the sound begins and ends, in samples.
fn sounding(samples: &[i16], level: Level) -> Option<(usize, usize)> {
    let sounds = |block: &[i16]| decibels(power(block).sqrt()) > level.speech_dbfs - SILENCE_DB;
    let first = samples.chunks(BLOCK).position(sounds)?;
    let last = samples.chunks(BLOCK).rposition(sounds)?;
    Some((first * BLOCK, samples.len().min((last + 1) * BLOCK)))
}

fn with_margin(start: usize, end: usize, len: usize) -> (usize, usize) {
    let margin = MARGIN.as_millis() * u128::from(g711::RATE) / 1_000;
    let margin = usize::try_from(margin).unwrap_or_default();
    (start.saturating_sub(margin), len.min(end + margin))
}

fn speech_dbfs(samples: &[i16]) -> f64 {
    let powers = samples.chunks(BLOCK).map(power);
    let loudest = powers.clone().fold(0.0, f64::max);
    let pause = loudest * 10_f64.powf(-PAUSE_DB / 10.0);
    let (sum, count) = powers
        .filter(|&power| power > pause)
        .fold((0.0, 0.0), |(sum, count), power| (sum + power, count + 1.0));
    decibels((sum / f64::max(count, 1.0)).sqrt())
}

/// The mean of the squares.
fn power(block: &[i16]) -> f64 {
    let squares = block.iter().map(|&sample| f64::from(sample).powi(2));
    let (sum, count) = squares.fold((0.0, 0.0), |(sum, count), square| {
        (sum + square, count + 1.0)
    });
    sum / f64::max(count, 1.0)
}

fn decibels(amplitude: f64) -> f64 {
    20.0 * (amplitude.max(1e-3) / 32_768.0).log10()
}

fn duration(samples: usize) -> Duration {
    duration_of(samples as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone of this amplitude with silence around it, in milliseconds.
    fn tone(before: usize, sounds: usize, after: usize, amplitude: f64) -> Vec<i16> {
        let mut samples = vec![0; before * 8];
        let wave = (0..sounds * 8).map(|i| {
            let turn = f64::from(u32::try_from(i).unwrap()) * 0.35;
            to_sample(amplitude * turn.sin())
        });
        samples.extend(wave);
        samples.resize(samples.len() + after * 8, 0);
        samples
    }

    fn decoded(audio: &[u8]) -> Vec<i16> {
        audio.iter().map(|&byte| g711::decode(byte)).collect()
    }

    #[test]
    fn quiet_and_loud_recordings_come_out_alike() {
        for amplitude in [200.0, 1_000.0, 5_000.0, 20_000.0, 31_000.0] {
            let audio = prepare(&tone(0, 1_000, 0, amplitude)).unwrap();
            let level = measure_mulaw(&audio).unwrap();
            let off = level.speech_dbfs - TARGET_DBFS;
            assert!(off.abs() < TOLERANCE_DB + 0.2, "{amplitude}: {level:?}");
        }
    }

    #[test]
    fn peaks_are_not_clipped_to_reach_the_level() {
        // A quiet tone with one loud click.
        let mut samples = tone(0, 1_000, 0, 1_500.0);
        samples[4_000] = 25_000;
        let level = measure_mulaw(&prepare(&samples).unwrap()).unwrap();
        assert!(level.peak_dbfs <= PEAK_MAX_DBFS + 0.3, "{level:?}");
        assert!(level.speech_dbfs < TARGET_DBFS, "{level:?}");
    }

    #[test]
    fn silence_at_the_ends_is_cut_and_the_pause_within_stays() {
        let mut samples = tone(1_500, 400, 600, 4_000.0);
        samples.extend(tone(0, 400, 2_000, 4_000.0));
        let audio = prepare(&samples).unwrap();
        assert!(audio.len().is_multiple_of(FRAME_BYTES));
        let (before, after) = silence_at_ends(&decoded(&audio)).unwrap();
        let hundred = Duration::from_millis(100);
        assert!(
            before <= hundred && after <= hundred,
            "{before:?} {after:?}"
        );
        let whole = duration(audio.len());
        assert!((1_400..=1_600).contains(&whole.as_millis()), "{whole:?}");
    }

    #[test]
    fn what_is_not_fit_to_be_played_is_refused() {
        assert_eq!(prepare(&[]), Err(Unfit::Silent));
        assert_eq!(prepare(&tone(2_000, 0, 0, 0.0)), Err(Unfit::Silent));
        assert_eq!(prepare(&tone(0, 1_000, 0, 20.0)), Err(Unfit::Silent));
        let short = prepare(&tone(500, 60, 500, 4_000.0)).unwrap_err();
        assert!(matches!(short, Unfit::Length(_)), "{short}");
        let long = prepare(&tone(0, 31_000, 0, 4_000.0)).unwrap_err();
        assert!(matches!(long, Unfit::Length(_)), "{long}");
        let clipped = prepare(&tone(0, 1_000, 0, 90_000.0)).unwrap_err();
        assert!(matches!(clipped, Unfit::Clipped(_)), "{clipped}");
    }
}
