//! The prompts of one agent: for each language that a caller may have, what is said to that caller.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bundled::{Bundled, Name};
use super::found::Found;
use super::language::Language;
use super::script::Greets;
use super::store::Source;
use crate::core::call::prompt::{Greeting, Prompts};

/// The prompts of one agent.
#[derive(Clone, Debug)]
pub(super) struct Voice {
    pub(super) greets: Option<Greets>,
    /// By language, the agent's own first. At most the languages of its file and those of the bundle.
    pub(super) tongues: Vec<Tongue>,
}

/// The prompts of one agent in one language.
#[derive(Clone, Debug)]
pub(super) struct Tongue {
    pub(super) language: Language,
    /// Recordings that are not bundled.
    pub(super) own: BTreeMap<Name, Found>,
    /// What a call gets, made of all tongues.
    pub(super) prompts: Arc<Prompts>,
}

/// Who says the first words.
#[derive(Clone, Debug)]
pub(super) enum Greeter {
    Nobody,
    Model,
    Recording(Found),
}

impl Tongue {
    pub(super) fn new(language: Language) -> Self {
        Self {
            language,
            own: BTreeMap::new(),
            prompts: Arc::default(),
        }
    }

    fn own(&self, name: Name) -> Option<Found> {
        self.own.get(&name).cloned()
    }

    fn bundled(&self, name: Name) -> Option<Found> {
        let bundled = Bundled::find(&self.language, name)?;
        Some(Found {
            audio: bundled.bytes(),
            text: bundled.words.into(),
            source: Source::Bundled,
            language: bundled.language,
        })
    }

    fn own_or_bundled(&self, name: Name) -> Option<Found> {
        self.own(name).or_else(|| self.bundled(name))
    }
}

impl Voice {
    /// The place of a caller's language among those of the agent; the agent's own if the caller has none that it knows.
    pub(super) fn place(&self, caller_language: Option<&str>) -> usize {
        let caller = caller_language.and_then(Language::parse);
        let languages = self.tongues.iter().map(|tongue| &tongue.language);
        caller
            .and_then(|caller| caller.best_of(languages))
            .unwrap_or_default()
    }

    /// The recording of a prompt: in the caller's language, else in the agent's, else in English.
    pub(super) fn find(&self, place: usize, name: Name) -> Option<Found> {
        let languages = self.tongues.iter().map(|tongue| &tongue.language);
        let english = Language::english().best_of(languages);
        [Some(place), Some(0), english]
            .into_iter()
            .flatten()
            .filter_map(|place| self.tongues.get(place))
            .find_map(|tongue| tongue.own_or_bundled(name))
    }

    /// Who greets a caller of this language.
    pub(super) fn greeting(&self, place: usize) -> Greeter {
        // The agent's own words, never those of an English agent that there is not.
        let own = || {
            let tongues = [place, 0].into_iter().filter_map(|at| self.tongues.get(at));
            let mut own = tongues.filter_map(|tongue| tongue.own(Name::GREETING));
            own.next()
        };
        let found = match self.greets {
            Some(Greets::No) => return Greeter::Nobody,
            Some(Greets::Model) => None,
            Some(Greets::Cached) => self.find(place, Name::GREETING),
            None => own(),
        };
        found.map_or(Greeter::Model, Greeter::Recording)
    }

    /// Takes a recording for these prompts of its language, where there is none yet; whether it was.
    pub(super) fn take(&mut self, names: impl Iterator<Item = Name>, found: &Found) -> bool {
        let mut tongues = self.tongues.iter_mut();
        let Some(tongue) = tongues.find(|tongue| tongue.language == found.language) else {
            return false;
        };
        let before = tongue.own.len();
        for name in names {
            tongue.own.entry(name).or_insert_with(|| found.clone());
        }
        let is_taken = tongue.own.len() > before;
        if is_taken {
            self.make_ready();
        }
        is_taken
    }

    /// Makes what calls get, of what is there now.
    pub(super) fn make_ready(&mut self) {
        for place in 0..self.tongues.len() {
            let prompts = Arc::new(self.prompts(place));
            if let Some(tongue) = self.tongues.get_mut(place) {
                tongue.prompts = prompts;
            }
        }
    }

    /// What a call with a caller of this language gets.
    pub(super) fn prompts(&self, place: usize) -> Prompts {
        let greeting = match self.greeting(place) {
            Greeter::Nobody => Greeting::None,
            Greeter::Model => Greeting::Spoken,
            Greeter::Recording(found) => Greeting::Cached {
                audio: found.audio,
                text: found.text.as_ref().into(),
            },
        };
        Prompts::new(greeting, |prompt| {
            let found = Name::of(prompt).and_then(|name| self.find(place, name));
            found.map(|found| found.audio).unwrap_or_default()
        })
    }
}
