//! Which prompts nobody has recorded in the agent's words and voice: what there is to render.

use std::collections::BTreeSet;
use std::fmt;

use super::bundled::Name;
use super::cache::PromptCache;
use super::language::Language;
use super::script::{Greets, Script};
use super::store::Key;
use crate::core::call::prompt::Prompt;

/// A prompt that is to be recorded.
#[derive(Clone, PartialEq, Eq)]
pub struct Wanted {
    /// An agent that has it; others of the same words, voice and language share the recording.
    pub agent: String,
    /// Which prompt.
    pub name: Name,
    /// Its words, voice and language.
    pub key: Key,
}

/// Without the words.
impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_str();
        write!(f, "Wanted({}, {name}, {})", self.agent, self.key.language)
    }
}

/// In which languages prompts are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tongues {
    /// In the agent's own, and in those that its file has words in.
    Named,
    /// In every language that there are recordings in as well.
    All,
    /// In this one.
    One(Language),
}

impl PromptCache {
    /// What is wanted of these agents, the prompts that calls play first, each recording once; at most `count_max`.
    pub fn wanted<'a>(
        &self,
        scripts: impl IntoIterator<Item = &'a Script>,
        tongues: &Tongues,
        count_max: usize,
    ) -> Vec<Wanted> {
        let all = scripts
            .into_iter()
            .flat_map(|script| self.wanted_of(script, tongues));
        let mut wanted: Vec<Wanted> = all.collect();
        wanted.sort_by_key(|wanted| rank(wanted.name));
        let mut seen = BTreeSet::new();
        wanted.retain(|wanted| seen.insert(wanted.key.file_name()));
        wanted.truncate(count_max);
        wanted
    }

    fn wanted_of(&self, script: &Script, tongues: &Tongues) -> Vec<Wanted> {
        let languages = script.languages().into_iter();
        let languages = languages.filter(|language| tongues.include(script, language));
        let wanted = languages.flat_map(|language| {
            let names = Name::all().filter(|name| {
                is_played(script, &language, *name) && !self.has_own(script, &language, *name)
            });
            let wanted = names.filter_map(|name| {
                Some(Wanted {
                    agent: script.agent.clone(),
                    name,
                    key: script.key(&language, name)?,
                })
            });
            wanted.collect::<Vec<_>>()
        });
        wanted.collect()
    }
}

impl Tongues {
    fn include(&self, script: &Script, language: &Language) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == language || one.primary() == language.primary(),
            Self::Named => {
                let has_words = |(of, _): &(Language, Name)| of == language;
                *language == script.language || script.lines.keys().any(has_words)
            }
        }
    }
}

/// What most calls may play comes first, then what the menu says, then what goes with it.
fn rank(name: Name) -> usize {
    const FIRST: [Prompt; 5] = [
        Prompt::Greeting,
        Prompt::ApologyOnly,
        Prompt::OneMoment,
        Prompt::StillHere,
        Prompt::Apology,
    ];
    let place = FIRST
        .into_iter()
        .position(|prompt| Name::of(prompt) == Some(name));
    place.unwrap_or(FIRST.len())
}

/// Whether a recording of it would be played. One of bundled words must not make an agent greet that lets the model find its own.
fn is_played(script: &Script, language: &Language, name: Name) -> bool {
    if name != Name::GREETING {
        return true;
    }
    match script.greets {
        Some(Greets::Cached) => true,
        Some(Greets::Model | Greets::No) => false,
        None => script
            .line(language, name)
            .is_some_and(|line| line.text.is_some()),
    }
}

#[cfg(test)]
mod tests;
