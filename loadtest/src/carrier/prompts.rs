//! Words that are not the model's, told apart by how they begin: was the same caller greeted twice?
//!
//! Owns the comparison. A recording is the same bytes each time, however they are cut into messages; its first sound is enough.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use crate::g711;

/// So much of a recording tells it from others: a tenth of a second.
const PRINT_BYTES: usize = 800;
/// Recordings of one call; further ones are not compared.
const PRINTS_MAX: usize = 256;
/// A recording so soon after a stream has opened is its greeting; a caller who waits hears nothing sooner than that.
const GREETING_WITHIN: Duration = Duration::from_secs(1);
/// What is below this is silence before the first sound.
const SOUND_MIN: u16 = 256;

#[derive(Debug, Default)]
pub(super) struct Prompts {
    opened: Duration,
    streams: u32,
    now: Reading,
    /// The stream that it came on, whether at its beginning, and how it begins.
    prints: Vec<(u32, bool, u64)>,
}

#[derive(Debug, Default)]
enum Reading {
    /// What comes next is the beginning of something.
    #[default]
    Nothing,
    Beginning {
        at: Duration,
        bytes: Vec<u8>,
    },
    /// The rest of what is known already.
    Rest,
}

impl Prompts {
    /// Another stream of the call opens.
    pub(super) fn open(&mut self, now: Duration) {
        (self.opened, self.now) = (now, Reading::Nothing);
        self.streams += 1;
    }

    /// Audio has come: the model's, or not; behind other audio, or with nothing before it.
    pub(super) fn receive(&mut self, now: Duration, audio: &[u8], stamped: bool, behind: bool) {
        if stamped {
            self.now = Reading::Nothing;
            return;
        }
        if !behind || matches!(self.now, Reading::Nothing) {
            let (at, bytes) = (now, Vec::new());
            self.now = Reading::Beginning { at, bytes };
        }
        let Reading::Beginning { at, bytes } = &mut self.now else {
            return;
        };
        let is_sound = |byte: &&u8| g711::decode(**byte).unsigned_abs() >= SOUND_MIN;
        let silent = audio.iter().take_while(|byte| !is_sound(byte)).count();
        let skipped = if bytes.is_empty() { silent } else { 0 };
        let left = PRINT_BYTES - bytes.len();
        bytes.extend(audio.iter().skip(skipped).take(left));
        if bytes.len() == PRINT_BYTES {
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            let greets = at.saturating_sub(self.opened) < GREETING_WITHIN;
            if self.prints.len() < PRINTS_MAX {
                self.prints.push((self.streams, greets, hasher.finish()));
            }
            self.now = Reading::Rest;
        }
    }

    /// How often a later stream began with the recording that the first one began with. Those may begin with a filler: their
    /// caller has waited.
    pub(super) fn greeted_again(&self) -> u32 {
        let first = self.prints.iter();
        let first = first
            .filter(|(stream, ..)| *stream == 1)
            .find(|(_, greets, _)| *greets);
        let Some(&(_, _, print)) = first else {
            return 0;
        };
        let again = |it: &&(u32, bool, u64)| it.0 != 1 && it.1 && it.2 == print;
        u32::try_from(self.prints.iter().filter(again).count()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// Sounds that are nobody else's.
    fn voice(seed: u64) -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(seed);
        (0..1_600)
            .map(|_| g711::encode(rng.i16(2_000..9_000)))
            .collect()
    }

    fn say(prompts: &mut Prompts, at: u64, voice: &[u8], piece: usize) {
        for (nth, piece) in voice.chunks(piece).enumerate() {
            prompts.receive(MS(at), piece, false, nth > 0);
        }
    }

    #[test]
    fn the_same_greeting_on_a_second_stream_is_noticed_however_it_is_cut() {
        let mut prompts = Prompts::default();
        prompts.open(MS(0));
        say(&mut prompts, 50, &voice(1), 160);
        prompts.open(MS(5_000));
        let silence = vec![g711::SILENCE; 320];
        say(&mut prompts, 5_100, &[silence, voice(1)].concat(), 400);
        assert_eq!(prompts.greeted_again(), 1);
    }

    #[test]
    fn other_words_later_words_and_the_models_are_no_greeting() {
        let mut prompts = Prompts::default();
        prompts.open(MS(0));
        say(&mut prompts, 50, &voice(1), 160);
        say(&mut prompts, 900, &voice(1), 160); // On the same stream.
        prompts.open(MS(5_000));
        say(&mut prompts, 5_100, &voice(2), 160);
        say(&mut prompts, 6_500, &voice(1), 160); // A filler is as old as this.
        prompts.open(MS(9_000));
        prompts.receive(MS(9_050), &voice(1), true, false);
        assert_eq!(prompts.greeted_again(), 0);
    }
}
