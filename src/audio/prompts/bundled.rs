//! The recordings that are in the binary, with their words.
//!
//! Owns the list of all prompts that there are: those of English. The other languages have some of them. What a text or a voice of
//! an agent makes of them is [`super::cache`]'s.

use bytes::Bytes;

use super::language::Language;
use crate::audio::wav::Wav;
use crate::core::call::prompt::Prompt;

/// The files of a language, by name: their audio, and the words of all of them.
struct Folder {
    tag: &'static str,
    words: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

/// Names what stands in a folder of `config/prompts`; a test holds it equal to the folder.
macro_rules! folder {
    ($tag:literal: $($name:literal)*) => {
        Folder {
            tag: $tag,
            words: include_str!(concat!("../../../config/prompts/", $tag, "/words.tsv")),
            files: &[$((
                $name,
                include_bytes!(concat!("../../../config/prompts/", $tag, "/", $name, ".wav")),
            )),*],
        }
    };
}

static ENGLISH: Folder = folder!("en-US":
    "already_promised" "apology" "apology_only" "ask_number" "busy" "confirm_keys" "confirm_number"
    "digit_0" "digit_1" "digit_2" "digit_3" "digit_4" "digit_5" "digit_6" "digit_7" "digit_8" "digit_9"
    "follow_up" "goodbye" "greeting" "invalid_key" "leave_message" "message_saved" "one_moment"
    "promised" "resume" "ring_back" "still_here" "text_sent" "transfer_failed" "transferring");

static OTHERS: [Folder; 4] = [
    folder!("es": "apology" "apology_only" "goodbye" "greeting" "leave_message" "one_moment"
        "promised" "ring_back" "text_sent" "transferring"),
    folder!("fr": "apology" "apology_only" "goodbye" "greeting" "leave_message" "one_moment"
        "promised" "ring_back" "text_sent" "transferring"),
    folder!("it": "apology" "apology_only" "goodbye" "greeting" "leave_message" "one_moment"
        "promised" "ring_back" "transferring"),
    folder!("pt-BR": "apology" "apology_only" "goodbye" "greeting" "leave_message" "one_moment"
        "promised" "ring_back" "transferring"),
];

/// The name of a prompt: one of those that there are in English.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(&'static str);

impl Name {
    /// What is said first.
    pub const GREETING: Self = Self("greeting");

    /// All of them, by their letters.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        ENGLISH.files.iter().map(|&(name, _)| Self(name))
    }

    /// The prompt of this name, if there is one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::all().find(|name| name.0 == text)
    }

    /// The recording that a call plays as this prompt; `None`: it is no recording.
    pub const fn of(prompt: Prompt) -> Option<Self> {
        if matches!(prompt, Prompt::Tone) {
            None
        } else {
            Some(Self(prompt.name()))
        }
    }

    /// Its text.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// A recording that is in the binary.
#[derive(Clone)]
pub struct Bundled {
    /// Its language.
    pub language: Language,
    /// Its words.
    pub words: &'static str,
    /// What is to be said: the same words, or more of them than the recording has. What nobody has recorded is rendered so.
    pub wanted: &'static str,
    /// Its audio, in whole 20 ms frames of µ-law.
    pub audio: &'static [u8],
}

/// Without the audio.
impl std::fmt::Debug for Bundled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bundled({} bytes)", self.audio.len())
    }
}

impl Bundled {
    /// The recording of this prompt in this language or a variety of it.
    pub fn find(language: &Language, name: Name) -> Option<Self> {
        let folder = folder_of(language)?;
        let (_, file) = folder.files.iter().find(|(is, _)| *is == name.0)?;
        let (_, line) = lines(folder).find(|(is, _)| *is == name.0)?;
        let (words, wanted) = line.split_once('\t').unwrap_or((line, line));
        let audio = Wav::parse(file).ok()?.mulaw()?;
        Some(Self {
            language: Language::parse(folder.tag)?,
            words,
            wanted,
            audio,
        })
    }

    /// Its audio: no copy, it is the binary's own.
    pub const fn bytes(&self) -> Bytes {
        Bytes::from_static(self.audio)
    }
}

/// The languages of the recordings, English first.
pub fn languages() -> impl Iterator<Item = Language> {
    folders().filter_map(|folder| Language::parse(folder.tag))
}

fn folder_of(language: &Language) -> Option<&'static Folder> {
    let tags: Vec<_> = languages().collect();
    folders().nth(language.best_of(&tags)?)
}

fn folders() -> impl Iterator<Item = &'static Folder> {
    std::iter::once(&ENGLISH).chain(&OTHERS)
}

/// The words of a folder: a name, a tab and the words on each line; behind a second tab the words that are wanted, where the
/// recording has less.
fn lines(folder: &Folder) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
    folder
        .words
        .lines()
        .filter_map(|line| line.split_once('\t'))
}

#[cfg(test)]
mod tests;
