//! What an agent's file says about its prompts: words, recordings of them, and who greets.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::bundled::{Bundled, Name};
use super::language::Language;
use super::store::Key;

/// Who says the first words of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greets {
    /// The model, once its session is ready.
    Model,
    /// A recording, at once.
    Cached,
    /// The caller.
    No,
}

impl Greets {
    /// As they are written.
    pub const NAMES: [(&str, Self); 3] = [
        ("model", Self::Model),
        ("cached", Self::Cached),
        ("no", Self::No),
    ];
}

/// A prompt in words of an agent's own.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// The words; none: the bundled ones.
    pub text: Option<Arc<str>>,
    /// A WAV file of them.
    pub recording: Option<PathBuf>,
}

/// Without the words.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({:?})", self.recording)
    }
}

/// Prompts in an agent's own words, by language; bounded by the languages of one agent times the prompts that there are.
pub type Lines = BTreeMap<(Language, Name), Line>;

/// Everything that an agent's file says about its prompts.
#[derive(Clone, Debug)]
pub struct Script {
    /// The agent's name.
    pub agent: String,
    /// Its voice, as the provider names it.
    pub voice: Option<Arc<str>>,
    /// The language of its callers.
    pub language: Language,
    /// Who greets; none: a recording where there is one in the agent's words and voice, else the model.
    pub greets: Option<Greets>,
    /// Its own words, the greeting among them.
    pub lines: Lines,
}

impl Script {
    /// What a recording of this prompt is stored under; none if there are no words for it in this language.
    pub fn key(&self, language: &Language, name: Name) -> Option<Key> {
        let own = self
            .line(language, name)
            .and_then(|line| line.text.as_ref());
        let text = match own {
            Some(text) => text.to_string(),
            None => Bundled::find(language, name)?.wanted.to_owned(),
        };
        let voice = self.voice.as_deref().unwrap_or_default().to_owned();
        Some(Key {
            text,
            voice,
            language: language.clone(),
        })
    }

    /// What the file says about this prompt in this language.
    pub fn line(&self, language: &Language, name: Name) -> Option<&Line> {
        self.lines.get(&(language.clone(), name))
    }

    /// The languages that it has prompts in: its own, those of its lines, those of the bundled recordings. A variety of a
    /// language that is there already is left out where only the bundle has it.
    pub fn languages(&self) -> Vec<Language> {
        let mut languages = vec![self.language.clone()];
        for (language, _) in self.lines.keys() {
            if !languages.contains(language) {
                languages.push(language.clone());
            }
        }
        for language in super::bundled::languages() {
            if language.best_of(&languages).is_none() {
                languages.push(language);
            }
        }
        languages
    }
}
