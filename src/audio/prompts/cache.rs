//! Which recording each agent has for each prompt, in each language: found once, looked up by calls.
//!
//! A prompt is looked for in the caller's language, then in the agent's, then in English. Within a language an agent's own
//! recording comes first, then what the store has of the words in the agent's voice, then the bundled one. The bundle has
//! everything in English, so nothing is ever silent. What is missing or wrong on the way becomes a warning, never a refusal
//! to start: a tenant's torn file is no reason to leave all callers alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::bundled::Name;
use super::found::Found;
use super::language::Language;
use super::script::{Greets, Script};
use super::store::{Key, Source, Store, StoreError, Stored};
use super::voice::{Greeter, Tongue, Voice};
use crate::audio::loudness;
use crate::audio::wav::{self, Wav, Wrong};
use crate::core::call::prompt::Prompts;

/// How much audio of agents' own is kept in memory: nine hours. Beyond it an agent has the bundled recordings, with a warning.
pub const BYTES_MAX: usize = 256 << 20;

/// More warnings than these are counted.
const WARNINGS_MAX: usize = 50;

/// Every agent's prompts, ready to be played. It never changes: what is new on disk is in the next one that is
/// [made](Self::with) of it, or loaded.
#[derive(Clone, Debug, Default)]
pub struct PromptCache {
    agents: BTreeMap<String, Voice>,
    /// What an agent has that is in no file.
    fallback: Arc<Prompts>,
    warnings: Vec<String>,
    /// Warnings beyond those.
    more_warnings: usize,
    /// What was read from the store, by the names of files.
    stored: BTreeMap<String, Stored>,
    /// Bytes of agents' own audio.
    bytes: usize,
}

impl PromptCache {
    /// Finds the recordings of these agents: reads files, and takes as long as that takes.
    pub fn load(scripts: impl IntoIterator<Item = Script>, store: Option<&Store>) -> Self {
        let mut cache = Self::default();
        for path in store.map(Store::foreign).unwrap_or_default() {
            let path = path.display();
            cache.warn(format!(
                "{path}: has no name of a recording of ours; it is left alone"
            ));
        }
        for script in scripts {
            let voice = cache.load_voice(&script, store);
            cache.agents.insert(script.agent, voice);
        }
        let nobody = Voice {
            greets: None,
            tongues: vec![Tongue::new(Language::english())],
        };
        cache.fallback = Arc::new(nobody.prompts(0));
        cache
    }

    /// The prompts of a call with this agent, for a caller of this language, as in `es` or `pt-BR`. A look-up: no file, no lock.
    pub fn for_call(&self, agent: &str, caller_language: Option<&str>) -> Arc<Prompts> {
        let found = self.agents.get(agent).and_then(|voice| {
            let tongue = voice.tongues.get(voice.place(caller_language))?;
            Some(Arc::clone(&tongue.prompts))
        });
        found.unwrap_or_else(|| Arc::clone(&self.fallback))
    }

    /// The recording of any prompt, as [`Self::for_call`] finds those of a call. There is one for each prompt of each agent.
    pub fn find(&self, agent: &str, caller_language: Option<&str>, name: Name) -> Option<Found> {
        let voice = self.agents.get(agent)?;
        voice.find(voice.place(caller_language), name)
    }

    /// Who greets in a call of this agent and language, and the recording if it is one.
    pub(super) fn greeting(&self, agent: &str, caller_language: Option<&str>) -> Option<Greeter> {
        let voice = self.agents.get(agent)?;
        Some(voice.greeting(voice.place(caller_language)))
    }

    /// The same prompts, and this recording for whichever of these agents have its words, voice and language and no recording of
    /// their own; `None` if there is no room for it, or nobody who has no other.
    pub fn with<'a>(
        &self,
        scripts: impl IntoIterator<Item = &'a Script>,
        key: &Key,
        stored: &Stored,
    ) -> Option<Self> {
        let mut next = self.clone();
        next.take_room(stored.audio.len()).ok()?;
        let found = Found {
            audio: stored.audio.clone(),
            text: key.text.as_str().into(),
            source: stored.source,
            language: key.language.clone(),
        };
        let mut is_used = false;
        for script in scripts {
            let Some(voice) = next.agents.get_mut(&script.agent) else {
                continue;
            };
            let names = Name::all().filter(|name| {
                let of_it = script.key(&key.language, *name);
                of_it.is_some_and(|of_it| of_it == *key)
            });
            is_used |= voice.take(names, &found);
        }
        next.stored.insert(key.file_name(), stored.clone());
        is_used.then_some(next)
    }

    /// Whether an agent has a recording of this prompt, in its words and voice, in this language.
    pub(super) fn has_own(&self, script: &Script, language: &Language, name: Name) -> bool {
        let voice = self.agents.get(&script.agent);
        let tongue = voice.and_then(|voice| {
            let mut tongues = voice.tongues.iter();
            tongues.find(|tongue| tongue.language == *language)
        });
        tongue.is_some_and(|tongue| tongue.own.contains_key(&name))
    }

    /// What is missing or wrong, a sentence each.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.warnings.iter().map(String::as_str)
    }

    /// How many warnings there are beyond those.
    pub const fn more_warnings(&self) -> usize {
        self.more_warnings
    }

    fn load_voice(&mut self, script: &Script, store: Option<&Store>) -> Voice {
        let tongues = script.languages().into_iter().map(|language| {
            let mut tongue = Tongue::new(language);
            for name in Name::all() {
                let own = self.load_own(script, &tongue.language, name, store);
                tongue.own.extend(own.map(|found| (name, found)));
            }
            tongue
        });
        let tongues = tongues.collect();
        let mut voice = Voice {
            greets: script.greets,
            tongues,
        };
        voice.make_ready();
        self.warn_of_missing(script, &voice);
        voice
    }

    /// The recording of this prompt that is not bundled: what the agent's file names, else what the store has.
    fn load_own(
        &mut self,
        script: &Script,
        language: &Language,
        name: Name,
        store: Option<&Store>,
    ) -> Option<Found> {
        let line = script.line(language, name);
        let recording = line.and_then(|line| line.recording.as_deref());
        if recording.is_none() && store.is_none_or(Store::is_empty) {
            return None; // Most agents of most servers.
        }
        let key = script.key(language, name)?;
        let of_file = recording.and_then(|path| match self.read(path) {
            Ok(stored) => Some(stored),
            Err(what) => {
                self.warn(format!("{} {what}", at(script, language, name)));
                None
            }
        });
        let of_store = || match self.stored(store?, &key) {
            Ok(stored) => stored,
            Err(what) => {
                self.warn(format!("{} {what}", at(script, language, name)));
                None
            }
        };
        let Stored { audio, source } = of_file.or_else(of_store)?;
        Some(Found {
            audio,
            text: key.text.into(),
            source,
            language: language.clone(),
        })
    }

    /// What an agent's file names.
    fn read(&mut self, path: &Path) -> Result<Stored, String> {
        let audio = read_recording(path).map_err(|error| error.to_string())?;
        self.take_room(audio.len())?;
        let source = Source::Recording;
        Ok(Stored { audio, source })
    }

    /// What the store has. Agents of the same words and voice share it.
    fn stored(&mut self, store: &Store, key: &Key) -> Result<Option<Stored>, String> {
        let name = key.file_name();
        if let Some(stored) = self.stored.get(&name) {
            return Ok(Some(stored.clone()));
        }
        let stored = store.get(key).map_err(|error| error.to_string())?;
        if let Some(stored) = &stored {
            self.take_room(stored.audio.len())?;
            self.stored.insert(name, stored.clone());
        }
        Ok(stored)
    }

    fn take_room(&mut self, bytes: usize) -> Result<(), String> {
        let taken = self.bytes.saturating_add(bytes);
        if taken > BYTES_MAX {
            return Err(format!(
                "is not loaded: {BYTES_MAX} bytes are in use, and more are not allowed"
            ));
        }
        self.bytes = taken;
        Ok(())
    }

    /// Warns of words that nobody has recorded.
    fn warn_of_missing(&mut self, script: &Script, voice: &Voice) {
        for ((language, name), line) in &script.lines {
            // The model speaks a greeting that is not recorded, unless a recording is asked for.
            let is_spoken = *name == Name::GREETING && script.greets != Some(Greets::Cached);
            let tongue = voice
                .tongues
                .iter()
                .find(|tongue| tongue.language == *language);
            let is_recorded = tongue.is_some_and(|tongue| tongue.own.contains_key(name));
            if line.text.is_some() && !is_spoken && !is_recorded {
                let at = at(script, language, *name);
                self.warn(format!(
                    "{at} has words of its own that nobody has recorded: bundled words are played instead"
                ));
            }
        }
        if script.greets == Some(Greets::Cached)
            && script.line(&script.language, Name::GREETING).is_none()
        {
            let agent = &script.agent;
            self.warn(format!(
                "agent \"{agent}\": greets = \"cached\", but it has no greeting of its own: bundled words are played"
            ));
        }
    }

    fn warn(&mut self, sentence: String) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(sentence);
        } else {
            self.more_warnings += 1;
        }
    }
}

/// A WAV file as it is played.
pub fn read_recording(path: &Path) -> Result<Bytes, StoreError> {
    let wrong = |wrong: Wrong| StoreError::Wrong {
        path: path.to_owned(),
        wrong,
    };
    let bytes = wav::read_bytes(path).map_err(wrong)?;
    let samples = Wav::parse(&bytes).map_err(wrong)?.samples();
    let audio = loudness::prepare(&samples).map_err(|unfit| StoreError::Unfit {
        path: path.to_owned(),
        unfit,
    })?;
    Ok(audio.into())
}

/// Which key of which agent a warning is about.
fn at(script: &Script, language: &Language, name: Name) -> String {
    let agent = &script.agent;
    let name = name.as_str();
    if *language == script.language {
        format!("agent \"{agent}\": prompts.{name}")
    } else {
        format!("agent \"{agent}\": prompts.{language}.{name}")
    }
}

#[cfg(test)]
mod tests;
