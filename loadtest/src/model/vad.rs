//! The session's turn detection: where speech starts and ends in the audio that was appended.
//!
//! [`Ear`] hears µ-law. A session that expects 24 kHz PCM hears whatever came as PCM, so µ-law that is sent too early is the
//! loud noise that a real server would hear.

use std::time::Duration;

use super::config::Format;
use crate::g711;
use crate::listen::{Ear, EarSettings, SpeechEdge, WINDOW_BYTES};

/// What is heard. Times count the audio of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Speech starts; the time includes the padding before it.
    Started { audio_start: Duration },
    /// Speech has ended; the time includes the silence that was waited for.
    Stopped {
        audio_end: Duration,
        spoken: Duration,
    },
}

/// What counts as speech.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hearing {
    /// From which level on.
    pub(super) threshold_dbfs: f64,
    /// How much audio before the start of speech belongs to it.
    pub(super) prefix: Duration,
    /// How much silence ends it.
    pub(super) silence: Duration,
}

/// A listener to the audio of one session.
#[derive(Debug)]
pub(super) struct Vad {
    hearing: Option<Hearing>,
    ear: Ear,
    /// How much audio came before this ear.
    before: Duration,
    /// Bytes of µ-law that were heard.
    bytes: u64,
    /// Where the speech that is going on began.
    began: Duration,
    /// PCM that does not yet make a sample of 8 kHz.
    pcm: Vec<u8>,
}

/// Bytes of 24 kHz PCM that make one sample at 8 kHz.
const PCM_BYTES: usize = 6;

impl Vad {
    pub(super) fn new(hearing: Option<Hearing>) -> Self {
        Self {
            hearing,
            ear: ear(hearing),
            before: Duration::ZERO,
            bytes: 0,
            began: Duration::ZERO,
            pcm: Vec::with_capacity(PCM_BYTES),
        }
    }

    /// Listens differently from now on; speech that is going on is forgotten if anything changes.
    pub(super) fn set(&mut self, hearing: Option<Hearing>) {
        if hearing != self.hearing {
            self.hearing = hearing;
            self.forget();
        }
    }

    /// Forgets the speech that it is in the middle of.
    pub(super) fn forget(&mut self) {
        self.ear = ear(self.hearing);
        self.before = self.heard();
    }

    /// How much audio came until now.
    pub(super) fn heard(&self) -> Duration {
        Duration::from_micros(self.bytes * 125)
    }

    /// Takes from the front of `audio` until something is heard; `None`: all of it is taken.
    pub(super) fn hear(&mut self, audio: &mut &[u8], format: Format) -> Option<Heard> {
        while !audio.is_empty() {
            let edge = match format {
                Format::Pcmu => {
                    let (window, rest) = audio.split_at(audio.len().min(WINDOW_BYTES));
                    *audio = rest;
                    self.listen(window)
                }
                Format::Pcm => self.listen_to_pcm(audio),
            };
            if let Some(heard) = edge.and_then(|edge| self.tell(edge)) {
                return Some(heard);
            }
        }
        None
    }

    fn listen(&mut self, mulaw: &[u8]) -> Option<SpeechEdge> {
        self.bytes += mulaw.len() as u64;
        self.ear.hear(mulaw)
    }

    /// Hears a window of PCM: every third sample, as µ-law.
    fn listen_to_pcm(&mut self, audio: &mut &[u8]) -> Option<SpeechEdge> {
        let mut mulaw = [0; WINDOW_BYTES];
        let mut length = 0;
        for slot in &mut mulaw {
            let missing = PCM_BYTES - self.pcm.len();
            let (taken, rest) = audio.split_at(audio.len().min(missing));
            self.pcm.extend_from_slice(taken);
            *audio = rest;
            let &[low, high, _, _, _, _] = self.pcm.as_slice() else {
                break;
            };
            *slot = g711::encode(i16::from_le_bytes([low, high]));
            length += 1;
            self.pcm.clear();
        }
        let (whole, _) = mulaw.split_at(length);
        self.listen(whole)
    }

    fn tell(&mut self, edge: SpeechEdge) -> Option<Heard> {
        let hearing = self.hearing?;
        match edge {
            SpeechEdge::Began { at } => {
                self.began = at;
                Some(Heard::Started {
                    audio_start: (self.before + at).saturating_sub(hearing.prefix),
                })
            }
            SpeechEdge::Ended { at } => Some(Heard::Stopped {
                audio_end: self.before + at + hearing.silence,
                spoken: at.saturating_sub(self.began),
            }),
        }
    }
}

fn ear(hearing: Option<Hearing>) -> Ear {
    let defaults = EarSettings::default();
    Ear::new(hearing.map_or(defaults, |hearing| EarSettings {
        threshold_dbfs: hearing.threshold_dbfs,
        hangover: hearing.silence,
        ..defaults
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARING: Hearing = Hearing {
        threshold_dbfs: -42.0,
        prefix: Duration::from_millis(300),
        silence: Duration::from_millis(500),
    };

    fn heard(mut audio: &[u8], piece: usize, format: Format) -> Vec<Heard> {
        let mut vad = Vad::new(Some(HEARING));
        let mut all = Vec::new();
        while !audio.is_empty() {
            let (mut now, later) = audio.split_at(piece.min(audio.len()));
            audio = later;
            all.extend(std::iter::from_fn(|| vad.hear(&mut now, format)));
        }
        all
    }

    fn quiet(ms: usize) -> Vec<u8> {
        vec![0xff; ms * 8]
    }

    fn loud(ms: usize) -> Vec<u8> {
        [0x20, 0xa0].repeat(ms * 4)
    }

    #[test]
    fn turns_start_with_speech_and_end_after_the_silence() {
        let turn = [quiet(1_000), loud(800), quiet(600)].concat();
        let audio = [turn.clone(), turn].concat();
        let at = Duration::from_millis;
        let expected = [(700, 2_300), (3_100, 4_700)].map(|(start, end)| {
            [
                Heard::Started {
                    audio_start: at(start),
                },
                Heard::Stopped {
                    audio_end: at(end),
                    spoken: at(800),
                },
            ]
        });
        for piece in [77, 160, audio.len()] {
            assert_eq!(
                heard(&audio, piece, Format::Pcmu),
                expected.concat(),
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn a_hiss_in_the_wrong_format_is_noise() {
        let hiss = [0xf8, 0x78].repeat(24_000);
        assert_eq!(heard(&hiss, 160, Format::Pcmu), []);
        let misheard = heard(&hiss, 160, Format::Pcm);
        assert!(
            matches!(misheard.first(), Some(Heard::Started { .. })),
            "{misheard:?}"
        );
    }
}
