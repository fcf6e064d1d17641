//! What agents' files say about prompts, and the cache that is made of it.
//!
//! Owns the keys `greets`, `greeting` and `[prompts]` of an agent's file, `prompts_dir`, and `[prompts]` of the settings. Which recording is played is
//! [`crate::audio::prompts`]'s to find.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Value;

use super::agents::{Agent, Agents, GREETING, LANGUAGE};
use super::problem::{Origin, Problems};
use super::raw::{Entries, Entry, entries};
use super::section::{Form, Located, Section};
use super::{HOUR, Layers, TENTH};
use crate::audio::prompts::bundled::Bundled;
use crate::audio::prompts::script::Lines;
use crate::audio::prompts::{Language, Line, Name, PromptCache, Script, Store};

/// How many languages beside its own an agent may have words in.
const LANGUAGES_MAX: usize = 32;

const TABLE: &str = r#"a table of texts by prompt, as in one_moment = "One second, please.""#;
const LINE: &str = r#"a text of 1 to 1000 bytes, or { text = "…", audio = "FILE.wav" }"#;
const AUDIO: Form = Form {
    allowed: "the path of a WAV file",
    accepts: |text| !text.is_empty(),
};

/// Whether, and how often, a running server has a prompt spoken by a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rendering {
    /// The least time between two such sessions, and before the first; `None`: there are none.
    pub interval: Option<Duration>,
}

impl Layers {
    /// `[prompts]`; `None`: it has problems.
    pub(super) fn read_rendering(&mut self) -> Option<Rendering> {
        let mut section = self.section("prompts");
        let is_on = section.choice("render", &[("background", true), ("off", false)]);
        let interval = section.duration("render_interval", TENTH..=24 * HOUR);
        section.finish();
        let interval = Some(interval).filter(|_| is_on == Some(true));
        is_on.map(|_| Rendering { interval })
    }
}

/// The words of an agent and its recordings of them: `greeting` and `[prompts]`.
pub(super) fn read(
    section: &mut Section<'_>,
    origin: &Origin,
    own: &Language,
    greeting: Option<&Arc<str>>,
) -> Lines {
    let mut lines = Lines::new();
    if let Some(entry) = section.take("prompts") {
        read_languages(origin, own, &entry, &mut lines, section.problems);
    }
    let Some(greeting) = greeting else {
        return lines;
    };
    let line = lines.entry((own.clone(), Name::GREETING)).or_default();
    if line.text.replace(Arc::clone(greeting)).is_some() {
        let what = "has a text, and so has greeting; allowed: one of them";
        section
            .problems
            .push(origin, format!("prompts.greeting {what}"));
    }
    lines
}

/// The table of the agent's own language, and those of others within it.
fn read_languages(
    origin: &Origin,
    own: &Language,
    entry: &Entry,
    lines: &mut Lines,
    problems: &mut Problems,
) {
    let Value::Table(table) = entry.value.clone() else {
        problems.push(origin, format!("prompts is not a table; allowed: {TABLE}"));
        return;
    };
    let (others, of_own): (Entries, Entries) = entries(origin, table)
        .into_iter()
        .partition(|(key, entry)| entry.value.is_table() && (LANGUAGE.accepts)(key));
    if others.len() > LANGUAGES_MAX {
        let count = others.len();
        problems.push(
            origin,
            format!("prompts has {count} languages; allowed: {LANGUAGES_MAX}"),
        );
        return;
    }
    read_table("prompts.", origin, own, of_own, lines, problems);
    for (tag, entry) in others {
        let Some(language) = Language::parse(&tag) else {
            continue; // Its form was looked at.
        };
        if language == *own {
            let sentence = format!(
                "prompts.{tag} is the agent's own language; allowed: its words in [prompts]"
            );
            problems.push(origin, sentence);
        } else if let Value::Table(table) = entry.value {
            let prefix = format!("prompts.{tag}.");
            let table = entries(origin, table);
            read_table(&prefix, origin, &language, table, lines, problems);
        }
    }
}

/// The prompts of one language, by name.
fn read_table(
    prefix: &str,
    origin: &Origin,
    language: &Language,
    table: Entries,
    lines: &mut Lines,
    problems: &mut Problems,
) {
    let mut section = Section::new(prefix, origin.clone(), table, problems);
    for name in Name::all() {
        let is_plain = section.is_text(name.as_str());
        let line = if is_plain {
            let located = section.optional_text(name.as_str(), GREETING);
            located.map(|located| Line {
                text: Some(located.text.into()),
                recording: None,
            })
        } else {
            let entry = section.take(name.as_str());
            let prefix = format!("{prefix}{}", name.as_str());
            entry.map(|entry| read_line(&prefix, origin, language, name, entry, section.problems))
        };
        lines.extend(line.map(|line| ((language.clone(), name), line)));
    }
    section.finish();
}

/// A prompt whose recording is named: `{ text = "…", audio = "…" }`.
fn read_line(
    key: &str,
    origin: &Origin,
    language: &Language,
    name: Name,
    entry: Entry,
    problems: &mut Problems,
) -> Line {
    let Value::Table(table) = entry.value else {
        problems.push(origin, format!("{key} is neither; allowed: {LINE}"));
        return Line::default();
    };
    let table = entries(origin, table);
    let mut section = Section::new(format!("{key}."), origin.clone(), table, problems);
    let text = section.optional_text("text", GREETING);
    let audio = section.optional_text("audio", AUDIO);
    // Words are needed to tell a model what was said; the bundled ones are known.
    if text.is_none() && name != Name::GREETING && Bundled::find(language, name).is_none() {
        section.missing("text", GREETING.allowed);
    }
    section.finish();
    Line {
        text: text.map(|located| located.text.into()),
        recording: audio.map(|located| located.origin.resolve(&located.text)),
    }
}

/// The folder of recordings, and where it is named: by itself, else it is the one beside the folder of agents, else none.
pub(super) fn folder(
    named: Option<&Located>,
    agents_dir: Option<&Located>,
) -> Option<(PathBuf, Origin)> {
    let resolve = |located: &Located| located.origin.resolve(&located.text);
    match (named, agents_dir) {
        (Some(named), _) => Some((resolve(named), named.origin.clone())),
        (None, Some(agents)) => {
            let beside = resolve(agents);
            let parent = beside.parent().unwrap_or(Path::new(""));
            Some((parent.join("prompts"), agents.origin.clone()))
        }
        (None, None) => None,
    }
}

/// The prompts of all agents, from the bundle and this folder; none if the folder cannot be read.
pub(super) fn load(
    agents: &Agents,
    folder: Option<&(PathBuf, Origin)>,
    problems: &mut Problems,
) -> Option<PromptCache> {
    let mut store = None;
    if let Some((dir, origin)) = folder {
        match Store::open(dir) {
            Ok(opened) => store = Some(opened),
            Err(error) => {
                problems.push(origin, format!("prompts_dir cannot be used: {error}"));
                return None;
            }
        }
    }
    let scripts = agents.iter().map(|agent| agent.script());
    Some(PromptCache::load(scripts, store.as_ref()))
}

impl Agent {
    /// The language of its callers; English if its file does not say.
    pub fn prompt_language(&self) -> Language {
        let language = self.language.as_deref().and_then(Language::parse);
        language.unwrap_or_else(Language::english)
    }

    /// What its file says about its prompts.
    pub fn script(&self) -> Script {
        Script {
            agent: self.name.clone(),
            voice: self.voice.clone(),
            language: self.prompt_language(),
            greets: self.greets,
            lines: self.prompts.clone(),
        }
    }
}
