//! Recitals: words that a client gives to the model to speak as they are, outside of the conversation.
//!
//! Owns what such a request looks like, what may go wrong with it, and the voice: speech-like sound that follows from the words and
//! the session's voice alone, of the length that the words take. How it is sent is [`answer`](super::answer)'s.

use std::f64::consts::TAU;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::Deserialize;
use serde_json::Value;

use super::ModelSession;
use super::shape::Refusal;
use crate::g711;
use crate::recording::Line;

/// What goes wrong with a recital.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mishap {
    /// It says the words, and some of its own; its transcript tells.
    OtherWords,
    /// It says that it cannot do that.
    Declines,
    /// It can hardly be heard.
    Faint,
    /// Its peaks are cut off.
    Clipped,
    /// It sounds six times as long as the words take.
    Drawn,
    /// It is silence, of the length that the words take.
    Silent,
}

/// What a client says of words that are to be spoken as they are; without one of these it wants an answer to them.
const VERBATIM: [&str; 3] = ["word for word", "verbatim", "exactly"];

/// How loud the voice is, as the size of its largest samples.
const LOUD: f64 = 9_000.0;

impl ModelSession {
    /// What is to be recited, if that is what `response.create` wants; nothing else is made outside of the conversation.
    pub(super) fn recital(&self, event: &Value) -> Result<Option<Line>, Refusal> {
        let Some(response) = event.get("response") else {
            return Ok(None);
        };
        if response.get("conversation").and_then(Value::as_str) != Some("none") {
            return Ok(None);
        }
        let words = words(response).ok_or_else(|| {
            let message = "Responses outside of the conversation must have one text to be spoken.";
            Refusal::of("response.input", "invalid_value", message)
        })?;
        let voice = self.config.session.pointer("/audio/output/voice");
        let voice = voice.map(Value::to_string).unwrap_or_default();
        Ok(Some(line(words, &voice, self.condition.recites)))
    }
}

/// The one text of a request that wants it spoken as it is.
fn words(response: &Value) -> Option<&str> {
    let instructions = response.get("instructions")?.as_str()?.to_lowercase();
    let is_verbatim = VERBATIM.iter().any(|word| instructions.contains(word));
    let [item] = response.get("input")?.as_array()?.as_slice() else {
        return None;
    };
    let [part] = item.get("content")?.as_array()?.as_slice() else {
        return None;
    };
    let is_text = part.get("type").and_then(Value::as_str) == Some("input_text");
    let text = part.get("text")?.as_str()?;
    (is_verbatim && is_text && !text.is_empty()).then_some(text)
}

/// The words as they are spoken.
fn line(words: &str, voice: &str, mishap: Option<Mishap>) -> Line {
    let text = match mishap {
        None | Some(Mishap::Faint | Mishap::Clipped | Mishap::Drawn | Mishap::Silent) => {
            words.to_owned()
        }
        Some(Mishap::OtherWords) => format!("{words} Is there anything else?"),
        Some(Mishap::Declines) => "I am sorry, but I cannot help with that.".to_owned(),
    };
    let (slowness, size) = match mishap {
        None | Some(Mishap::OtherWords | Mishap::Declines) => (1, LOUD),
        Some(Mishap::Faint) => (1, 60.0),
        Some(Mishap::Clipped) => (1, 40.0 * LOUD),
        Some(Mishap::Drawn) => (6, LOUD),
        Some(Mishap::Silent) => (1, 0.0),
    };
    let audio = sound(&text, voice, slowness, size);
    Line { audio, text }
}

/// About fifteen letters a second, syllables of an eighth of a second, at a pitch of its own for each voice and text.
fn sound(text: &str, voice: &str, slowness: usize, size: f64) -> Vec<u8> {
    const BYTES_PER_LETTER: usize = 8_000 / 15;
    const SYLLABLE_BYTES: usize = 1_000;
    let letters = text.chars().filter(|letter| letter.is_alphanumeric());
    let bytes = (letters.count() * BYTES_PER_LETTER * slowness).max(SYLLABLE_BYTES * 3);
    // Without keys: the same in every run.
    let mut hasher = DefaultHasher::new();
    (text, voice).hash(&mut hasher);
    let mut rng = fastrand::Rng::with_seed(hasher.finish());
    let mut audio = Vec::with_capacity(bytes);
    while audio.len() < bytes {
        let pitch = 100.0 + 120.0 * rng.f64();
        let count = SYLLABLE_BYTES.min(bytes - audio.len());
        audio.extend((0..count).map(|place| {
            let part = fraction(place, SYLLABLE_BYTES);
            // Each syllable swells and fades.
            let swell = (TAU / 2.0 * part).sin();
            let turn = TAU * pitch * fraction(place, 8_000);
            let wave = 0.6 * turn.sin() + 0.3 * (2.0 * turn).sin() + 0.1 * (5.0 * turn).sin();
            encode(size * swell * wave)
        }));
    }
    audio
}

fn fraction(part: usize, whole: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    number(part) / number(whole)
}

fn encode(sample: f64) -> u8 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the clamp holds it in bounds"
    )]
    let sample = sample.clamp(-32_767.0, 32_767.0) as i16;
    g711::encode(sample)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::{Ear, EarSettings};

    const WORDS: &str = "Please hold the line, somebody will be with you.";

    #[test]
    fn a_voice_follows_from_the_words_and_takes_their_time() {
        let spoken = line(WORDS, "marin", None);
        assert_eq!(spoken, line(WORDS, "marin", None));
        assert_ne!(spoken.audio, line(WORDS, "cedar", None).audio);
        assert_eq!(spoken.text, WORDS);
        let millis = spoken.duration().as_millis();
        assert!((2_000..4_000).contains(&millis), "{millis} ms");
        let mut ear = Ear::new(EarSettings::default());
        assert!(ear.hear(&spoken.audio).is_some(), "nobody would hear it");
    }

    #[test]
    fn each_mishap_is_what_it_is_called() {
        let spoken = |mishap| line(WORDS, "marin", Some(mishap));
        let good = line(WORDS, "marin", None);
        assert!(spoken(Mishap::OtherWords).text.starts_with(WORDS));
        assert_ne!(spoken(Mishap::OtherWords).text, WORDS);
        assert!(!spoken(Mishap::Declines).text.contains("hold"));
        let peak = |mishap| {
            let samples = spoken(mishap).audio.into_iter().map(g711::decode);
            samples.map(i16::unsigned_abs).max().unwrap_or_default()
        };
        assert_eq!(peak(Mishap::Silent), 0);
        assert!(peak(Mishap::Faint) < 100);
        assert_eq!(peak(Mishap::Clipped), 32_124);
        assert_eq!(spoken(Mishap::Drawn).audio.len(), good.audio.len() * 6);
    }
}
