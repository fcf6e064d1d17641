//! Whether a model spoke the words that it was given: a recording must say its text, for it is played as that.
//!
//! Three things are held against the text: how long it sounds, how it sounds, and the model's own transcript, which must be the text,
//! word for word. Words are compared as letters: case, punctuation, spaces and the spelling of small numbers tell nothing. What is
//! refused costs a rendering, and the caller hears the recording that there was; one that leaves out a "not" would cost a caller's trust.

use std::time::Duration;

use super::language::Language;
use super::store::Key;
use crate::audio::g711;
use crate::audio::loudness::{self, MARGIN, Unfit};
use crate::core::audio::duration_of;

/// How much audio is taken at most: the longest recording, and silence around it. What is longer is refused anyway.
pub const BYTES_MAX: usize = 40 * 8_000;

/// How long a transcript is read: far more than the longest words of a prompt.
pub const TRANSCRIPT_BYTES_MAX: usize = 8 * 1024;

/// Why a rendering is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The model's own transcript is not the text.
    #[error("says other words than it was asked to")]
    OtherWords,
    /// Nobody says so many words in this time.
    #[error("sounds for {} ms; its words take {} to {} ms", .sounds.as_millis(), .least.as_millis(), .most.as_millis())]
    Pace {
        /// How long it sounds.
        sounds: Duration,
        /// The shortest time for its words.
        least: Duration,
        /// The longest.
        most: Duration,
    },
    /// It is no recording that is played at all.
    #[error("{0}")]
    Unfit(#[from] Unfit),
}

/// What a model spoke, made ready to be played as these words: `audio` is µ-law as it came, `said` the model's transcript of it.
pub fn verify(key: &Key, audio: &[u8], said: &str) -> Result<Vec<u8>, Refused> {
    let wanted = letters(&key.text, &key.language);
    // Words without a letter cannot be told from others.
    if wanted.is_empty() || wanted != letters(said, &key.language) {
        return Err(Refused::OtherWords);
    }
    let samples: Vec<i16> = audio.iter().map(|&byte| g711::decode(byte)).collect();
    let prepared = loudness::prepare(&samples)?;
    let sounds = duration_of(prepared.len() as u64).saturating_sub(2 * MARGIN);
    let (least, most) = bounds(&key.text, &key.language);
    if sounds < least || sounds > most {
        return Err(Refused::Pace {
            sounds,
            least,
            most,
        });
    }
    Ok(prepared)
}

/// A text reduced to what is heard of it.
fn letters(text: &str, language: &Language) -> String {
    let lower = text.to_lowercase();
    let mut letters = String::with_capacity(lower.len());
    // "don't" is one word, however its apostrophe is written.
    let is_apostrophe = |letter: char| matches!(letter, '\'' | '\u{2019}' | '\u{02bc}');
    let is_gap = |letter: char| !letter.is_alphanumeric() && !is_apostrophe(letter);
    for word in lower.split(is_gap) {
        match number_of(word, language) {
            Some(number) => letters.push_str(&number.to_string()),
            None => letters.extend(word.chars().filter(|letter| !is_apostrophe(*letter))),
        }
    }
    letters
}

/// The number that a word says, up to ten: a transcript writes "1" where the text says "one", and the other way round.
fn number_of(word: &str, language: &Language) -> Option<usize> {
    #[rustfmt::skip]
    const WORDS: [(&str, [&str; 11]); 5] = [
        ("en", ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]),
        ("es", ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez"]),
        ("fr", ["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix"]),
        ("it", ["zero", "uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove", "dieci"]),
        ("pt", ["zero", "um", "dois", "três", "quatro", "cinco", "seis", "sete", "oito", "nove", "dez"]),
    ];
    let primary = language.primary();
    let (_, words) = WORDS.iter().find(|(of, _)| *of == primary)?;
    words.iter().position(|known| *known == word)
}

/// In which time these words can be said.
fn bounds(text: &str, language: &Language) -> (Duration, Duration) {
    /// A single word may be drawn out, and a slow voice pauses.
    const PATIENCE: Duration = Duration::from_millis(1_500);
    // Letters a second. Scripts that write a syllable as one sign have fewer.
    let (slowest, fastest) = match language.primary() {
        "zh" | "yue" | "ja" => (2.0, 14.0),
        "ko" => (2.0, 16.0),
        _ => (6.0, 32.0),
    };
    // A digit is a word of its own.
    let weight = |letter: char| if letter.is_numeric() { 4 } else { 1 };
    let heard = text.chars().filter(|letter| letter.is_alphanumeric());
    let count: u32 = heard.map(weight).sum();
    let time = |rate: f64| Duration::from_secs_f64(f64::from(count) / rate);
    (time(fastest), time(slowest) + PATIENCE)
}

#[cfg(test)]
mod tests;
