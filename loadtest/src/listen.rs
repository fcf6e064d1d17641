//! Hearing speech by its energy, as a telephone's own detector does.
//!
//! Owns the question "is somebody speaking?" and nothing of who or what. The caller listens by it for the end of an answer, the
//! model for the end of a turn, and the import for both. It keeps no audio and allocates nothing.

use std::time::Duration;

use crate::g711;

/// When a sound is speech.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EarSettings {
    /// Root mean square of 20 ms, in dB below full scale, from which they are loud.
    pub threshold_dbfs: f64,
    /// Speech begins after this much loud audio in a row; a click is shorter.
    pub onset: Duration,
    /// Speech ends after this much audio that is not loud; a pause between words is shorter.
    pub hangover: Duration,
}

impl Default for EarSettings {
    fn default() -> Self {
        Self {
            threshold_dbfs: -42.0,
            onset: Duration::from_millis(40),
            hangover: Duration::from_millis(500),
        }
    }
}

/// A change from silence to speech or back. Positions count from the first byte heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeechEdge {
    /// Somebody speaks.
    Began {
        /// Where the loud audio began: [`EarSettings::onset`] before it was noticed.
        at: Duration,
    },
    /// Nobody speaks any more.
    Ended {
        /// Where the last loud audio ended: [`EarSettings::hangover`] before it was noticed.
        at: Duration,
    },
}

/// One listener to one voice.
#[derive(Clone, Debug)]
pub struct Ear {
    loud_energy: u64,
    onset_windows: u32,
    hangover_windows: u32,
    /// Sum of squares of the window that is not yet whole, and how many samples it has.
    energy: u64,
    samples: usize,
    windows: u64,
    speaking: bool,
    /// Windows in a row that speak against `speaking`.
    against: u32,
}

/// µ-law bytes that are judged together: 20 ms.
pub const WINDOW_BYTES: usize = 160;

impl Ear {
    /// An ear that has heard nothing yet.
    pub fn new(settings: EarSettings) -> Self {
        let windows = |duration: Duration| {
            let bytes = g711::bytes_in(duration).div_ceil(WINDOW_BYTES);
            u32::try_from(bytes).unwrap_or(u32::MAX).max(1)
        };
        Self {
            loud_energy: energy_of(settings.threshold_dbfs),
            onset_windows: windows(settings.onset),
            hangover_windows: windows(settings.hangover),
            energy: 0,
            samples: 0,
            windows: 0,
            speaking: false,
            against: 0,
        }
    }

    /// Hears the next µ-law bytes, any number of them. Of several edges in one frame the last is told, which needs a frame
    /// longer than both the onset and the hangover.
    pub fn hear(&mut self, frame: &[u8]) -> Option<SpeechEdge> {
        let mut edge = None;
        let mut rest = frame;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(WINDOW_BYTES - self.samples));
            self.energy += energy(now);
            self.samples += now.len();
            rest = later;
            if self.samples == WINDOW_BYTES {
                edge = self.judge().or(edge);
            }
        }
        edge
    }

    /// Whether somebody speaks, as far as could be noticed.
    pub fn is_speaking(&self) -> bool {
        self.speaking
    }

    /// How much audio was heard, in whole windows.
    pub fn heard(&self) -> Duration {
        position(self.windows)
    }

    fn judge(&mut self) -> Option<SpeechEdge> {
        let loud = self.energy >= self.loud_energy;
        (self.energy, self.samples) = (0, 0);
        self.windows += 1;
        if loud == self.speaking {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let needed = if loud {
            self.onset_windows
        } else {
            self.hangover_windows
        };
        if self.against < needed {
            return None;
        }
        let at = position(self.windows - u64::from(self.against));
        self.against = 0;
        self.speaking = loud;
        Some(if loud {
            SpeechEdge::Began { at }
        } else {
            SpeechEdge::Ended { at }
        })
    }
}

/// Whether a piece of µ-law of up to one window is loud. Short pieces are judged by their own length.
pub fn is_loud(piece: &[u8], threshold_dbfs: f64) -> bool {
    let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
    !piece.is_empty()
        && energy(piece).saturating_mul(WINDOW_BYTES as u64)
            >= energy_of(threshold_dbfs).saturating_mul(length)
}

fn position(windows: u64) -> Duration {
    Duration::from_millis(windows.saturating_mul(20))
}

/// Sum of squares.
fn energy(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .map(|&byte| {
            let size = u64::from(g711::decode(byte).unsigned_abs());
            size * size
        })
        .sum()
}

/// The sum of squares of one window at this level.
fn energy_of(dbfs: f64) -> u64 {
    let level = 32_768.0 * 10_f64.powf(dbfs.clamp(-96.0, 0.0) / 20.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "between 0 and 2^38 by the clamp above"
    )]
    let energy = (level * level * WINDOW_BYTES as f64) as u64;
    energy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(duration_ms: usize, size: i16) -> Vec<u8> {
        (0..duration_ms * 8)
            .map(|i| g711::encode(if i / 10 % 2 == 0 { size } else { -size }))
            .collect()
    }

    fn edges(audio: &[u8], chunk: usize) -> Vec<SpeechEdge> {
        let mut ear = Ear::new(EarSettings::default());
        audio
            .chunks(chunk)
            .filter_map(|chunk| ear.hear(chunk))
            .collect()
    }

    #[test]
    fn speech_is_told_by_where_it_began_and_ended_however_it_is_cut() {
        let mut audio = tone(200, 0);
        audio.extend(tone(1_000, 3_000));
        audio.extend(tone(300, 0)); // A pause between two words.
        audio.extend(tone(500, 3_000));
        audio.extend(tone(800, 0));
        let at = Duration::from_millis;
        let expected = [
            SpeechEdge::Began { at: at(200) },
            SpeechEdge::Ended { at: at(2_000) },
        ];
        for chunk in [1, 33, 160, 161, 320] {
            assert_eq!(edges(&audio, chunk), expected, "in pieces of {chunk}");
        }
    }

    #[test]
    fn clicks_and_a_noisy_line_are_not_speech() {
        let mut audio = tone(1_000, 60);
        audio.extend(tone(20, 9_000));
        audio.extend(tone(1_000, 60));
        assert_eq!(edges(&audio, 160), []);
    }

    #[test]
    fn a_short_piece_is_judged_by_its_own_length() {
        assert!(is_loud(&tone(5, 3_000), -42.0));
        assert!(!is_loud(&tone(5, 60), -42.0));
        assert!(!is_loud(&[], -42.0));
    }
}
