//! Which prompt comes from where, as rows of a table. No words of a prompt are in it.

use std::time::Duration;

use super::bundled::Name;
use super::cache::PromptCache;
use super::found::Found;
use super::language::Language;
use super::store::Source;
use super::voice::Greeter;
use crate::audio::loudness::{Level, measure_mulaw};
use crate::core::audio::duration_of;

/// One prompt of one agent.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which prompt.
    pub name: Name,
    /// Where it comes from: a source's name, `model` or `nobody`.
    pub source: &'static str,
    /// What is known of the recording, if it is one.
    pub recording: Option<Recorded>,
}

/// A recording, without its audio.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Where it comes from.
    pub source: Source,
    /// The language that it is in.
    pub language: Language,
    /// How long it plays.
    pub duration: Duration,
    /// How loud it is.
    pub level: Option<Level>,
}

impl PromptCache {
    /// All prompts of an agent, as a caller of this language hears them; empty if there is no such agent.
    pub fn rows(&self, agent: &str, caller_language: Option<&str>) -> Vec<Row> {
        let row = |name| self.row(agent, caller_language, name);
        Name::all().filter_map(row).collect()
    }

    /// One prompt of an agent, as a caller of this language hears it; none if there is no such agent.
    pub fn row(&self, agent: &str, caller_language: Option<&str>, name: Name) -> Option<Row> {
        let found = if name == Name::GREETING {
            match self.greeting(agent, caller_language)? {
                Greeter::Nobody => return Some(Row::without(name, "nobody")),
                Greeter::Model => return Some(Row::without(name, "model")),
                Greeter::Recording(found) => found,
            }
        } else {
            self.find(agent, caller_language, name)?
        };
        Some(Row::of(name, &found))
    }
}

impl Row {
    const fn without(name: Name, source: &'static str) -> Self {
        Self {
            name,
            source,
            recording: None,
        }
    }

    fn of(name: Name, found: &Found) -> Self {
        Self {
            name,
            source: found.source.name(),
            recording: Some(Recorded {
                source: found.source,
                language: found.language.clone(),
                duration: duration_of(found.audio.len() as u64),
                level: measure_mulaw(&found.audio),
            }),
        }
    }
}
