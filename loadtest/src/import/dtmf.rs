//! Keypad tones in audio: found by Goertzel's filter, and taken out.
//!
//! Owns the tones. It prefers to take out too much: a digit that stays in a recording can be a secret.

use std::{f64::consts::TAU, ops::Range};

use crate::g711;

const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// Samples that are judged together: rows are told apart by it.
const WINDOW: usize = 205;
const HOP: usize = 80;
/// Windows in a row that must agree: 45 ms of tone, as telephones make at least.
const AGREE: usize = 3;
/// Windows without the tone after which the next is another key, though it be the same.
const APART: usize = 3;
/// Of a window's energy, what the two tones must have.
const SHARE: f64 = 0.6;
/// How much louder one tone may be than the other, as energy.
const TWIST: f64 = 10.0;
/// Energy of a sample below which nothing is listened to: 50 dB below full scale.
const QUIET: f64 = 10_000.0;
/// Taken out around a tone as well: what is left of its edges is too short to be read.
const MARGIN: usize = 400;

/// A key that was pressed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Which one.
    pub key: char,
    /// Where its tone is, margins included.
    pub bytes: Range<usize>,
}

/// Without the key.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:?})", self.bytes)
    }
}

/// The keys in a stretch of µ-law, in order.
pub fn find(audio: &[u8]) -> Vec<Key> {
    let mut samples = [0.0; WINDOW];
    let mut found: Vec<Key> = Vec::new();
    // The tone that is heard now, the windows that had it, and where it began.
    let mut heard: Option<(char, usize, usize)> = None;
    let mut silent = APART;
    for (number, window) in audio.windows(WINDOW).step_by(HOP).enumerate() {
        for (sample, &byte) in samples.iter_mut().zip(window) {
            *sample = f64::from(g711::decode(byte));
        }
        let at = number * HOP;
        let Some(key) = judge(&samples) else {
            silent += 1;
            if silent >= APART {
                heard = None;
            }
            continue;
        };
        silent = 0;
        heard = match heard {
            Some((same, windows, begin)) if same == key => Some((key, windows + 1, begin)),
            Some(_) | None => Some((key, 1, at)),
        };
        let Some((_, windows, begin)) = heard else {
            continue;
        };
        let end = (at + WINDOW + MARGIN).min(audio.len());
        if windows == AGREE {
            let bytes = begin.saturating_sub(MARGIN)..end;
            found.push(Key { key, bytes });
        } else if windows > AGREE
            && let Some(last) = found.last_mut()
        {
            last.bytes.end = end;
        }
    }
    found
}

/// Takes the tones out.
pub fn mute(audio: &mut [u8], keys: &[Key]) {
    for key in keys {
        if let Some(tone) = audio.get_mut(key.bytes.clone()) {
            tone.fill(g711::SILENCE);
        }
    }
}

/// The key whose tones make up most of a window.
fn judge(window: &[f64]) -> Option<char> {
    let energy: f64 = window.iter().map(|sample| sample * sample).sum();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let length = window.len() as f64;
    if energy < QUIET * length {
        return None;
    }
    let (row, low) = strongest(window, &ROWS)?;
    let (column, high) = strongest(window, &COLUMNS)?;
    let share = 2.0 * (low + high) / (length * energy);
    let balanced = low < high * TWIST && high < low * TWIST;
    if share < SHARE || !balanced {
        return None;
    }
    KEYS.get(row)?.get(column).copied()
}

/// The strongest of these frequencies and its power.
fn strongest(window: &[f64], frequencies: &[f64]) -> Option<(usize, f64)> {
    let powers = frequencies
        .iter()
        .map(|&frequency| power(window, frequency));
    powers.enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// Goertzel: the squared size of one frequency in a window.
fn power(window: &[f64], frequency: f64) -> f64 {
    let factor = 2.0 * (TAU * frequency / f64::from(g711::RATE)).cos();
    let (last, before) = window.iter().fold((0.0, 0.0), |(last, before), sample| {
        (sample + factor * last - before, last)
    });
    last * last + before * before - factor * last * before
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::recording::Recording;

    /// The tone of a key, 80 ms of it.
    pub(in crate::import) fn tone(key: char) -> Vec<u8> {
        let place = KEYS
            .iter()
            .flatten()
            .position(|&other| other == key)
            .unwrap();
        let (row, column) = (ROWS[place / 4], COLUMNS[place % 4]);
        let wave = |frequency: f64, n: u32| (TAU * frequency * f64::from(n) / 8_000.0).sin();
        #[expect(clippy::cast_possible_truncation, reason = "below 16,000")]
        let sample = |n| ((wave(row, n) + 0.8 * wave(column, n)) * 6_000.0) as i16;
        (0..640).map(|n| g711::encode(sample(n))).collect()
    }

    pub(in crate::import) fn tones(keys: &str, apart: usize) -> Vec<u8> {
        let silence = vec![g711::SILENCE; apart];
        keys.chars()
            .flat_map(|key| [tone(key), silence.clone()].concat())
            .collect()
    }

    #[test]
    fn every_key_is_found_and_muted() {
        let keys = "1234567890*#ABCD5511";
        for apart in [400, 437, 1_600] {
            let mut audio = vec![g711::SILENCE; 333];
            audio.extend(tones(keys, apart));
            let found = find(&audio);
            assert_eq!(found.iter().map(|key| key.key).collect::<String>(), keys);
            mute(&mut audio, &found);
            assert_eq!(find(&audio), []);
            let left = audio.iter().filter(|&&byte| byte != g711::SILENCE).count();
            assert_eq!(left, 0, "something of the tones is left");
        }
    }

    #[test]
    fn a_key_over_a_noisy_line_is_found() {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut audio = tones("42", 800);
        for byte in &mut audio {
            *byte = g711::encode(g711::decode(*byte) + rng.i16(-600..600));
        }
        assert_eq!(find(&audio).len(), 2);
    }

    #[test]
    fn speech_is_not_taken_for_keys() {
        for name in Recording::builtin_names() {
            let recording = Recording::builtin(name).unwrap();
            let turns = recording.caller.iter().map(|turn| &turn.line);
            for line in turns.chain(&recording.agent) {
                assert_eq!(find(&line.audio), [], "{name}: {}", line.text);
            }
        }
    }
}
