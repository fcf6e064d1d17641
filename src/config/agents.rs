//! The agents: whom callers speak with. One file an agent, or the built-in example.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::persons::{self, Persons};
use super::problem::{Origin, Problems};
use super::prompts;
use super::raw::{entries, parse, read_file};
use super::section::{Form, Located, Section};
use super::texts::{self, Texts};
use crate::audio::prompts::script::Lines;
use crate::audio::prompts::{Greets, Language, Name};

/// The agent that there is when no folder of agents is configured.
const BUILT_IN: &str = include_str!("../../config/agents/default.toml");

/// The agent that answers what names none.
const DEFAULT: &str = "default";

/// How many agents there may be: an agent is a tenant.
const AGENTS_MAX: usize = 10_000;

/// How many called numbers one agent may answer.
const NUMBERS_MAX: usize = 1_000;

/// Whom a caller speaks with.
#[derive(Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// The called numbers that it answers, in E.164.
    pub numbers: Vec<String>,
    /// What the model is told to be and to do.
    pub instructions: Arc<str>,
    /// The voice, as the provider names it; none: the provider's own choice.
    pub voice: Option<Arc<str>>,
    /// The language of its callers, as in `en` or `en-US`.
    pub language: Option<Arc<str>>,
    /// What it says first.
    pub greeting: Option<Arc<str>>,
    /// Who says the first words; none: a recording of the greeting where there is one, else the model.
    pub greets: Option<Greets>,
    /// What it says without a model in words of its own, the greeting among them.
    pub prompts: Lines,
    /// Whom its callers reach who ask for a person.
    pub persons: Persons,
    /// What its callers are texted in words of its own.
    pub texts: Texts,
}

/// Without its words and numbers.
impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Agent({})", self.name)
    }
}

/// The agents, at least one, each found by name and by called number.
#[derive(Clone, Debug)]
pub struct Agents {
    by_name: BTreeMap<String, Arc<Agent>>,
    by_number: BTreeMap<String, Arc<Agent>>,
    default: Arc<Agent>,
}

/// How an agent was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// By its name or number.
    Named,
    /// Nothing named one: the default.
    Unnamed,
    /// What named one names none that there is: the default.
    Unknown,
}

impl Agents {
    /// The agent of this name, else of this called number, else the default.
    pub fn find(&self, name: Option<&str>, number: Option<&str>) -> (&Arc<Agent>, Found) {
        let by_name = name.and_then(|name| self.by_name.get(name));
        let by_number = || number.and_then(|number| self.by_number.get(number));
        match by_name.or_else(by_number) {
            Some(agent) => (agent, Found::Named),
            None if name.is_some() || number.is_some() => (&self.default, Found::Unknown),
            None => (&self.default, Found::Unnamed),
        }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Agent>> {
        self.by_name.values()
    }
}

/// Reads the folder, or the built-in agent where none is configured.
pub(super) fn read(dir: Option<&Located>, problems: &mut Problems) -> Option<Agents> {
    let mut agents = Vec::new();
    let origin = match dir {
        None => {
            agents.extend(read_one(&Origin::Default, BUILT_IN, problems));
            Origin::Default
        }
        Some(located) => {
            let path = located.origin.resolve(&located.text);
            read_dir(&path, located, &mut agents, problems);
            Origin::File(path)
        }
    };
    collect(&origin, agents, problems)
}

fn read_dir(
    path: &Path,
    dir: &Located,
    agents: &mut Vec<(Origin, Agent)>,
    problems: &mut Problems,
) {
    let files = match agent_files(path) {
        Ok(files) => files,
        Err(error) => {
            let value = path.display();
            let sentence = format!("agents_dir = \"{value}\" cannot be read: {error}");
            problems.push(&dir.origin, sentence);
            return;
        }
    };
    if files.is_empty() || files.len() > AGENTS_MAX {
        let sentence = format!(
            "agents_dir = \"{}\" has {} files; allowed: 1 to {AGENTS_MAX} files *.toml",
            path.display(),
            files.len()
        );
        problems.push(&dir.origin, sentence);
        return;
    }
    for file in files {
        match read_file(&file) {
            Ok(text) => agents.extend(read_one(&Origin::File(file), &text, problems)),
            Err(what) => problems.push(&Origin::File(file), what),
        }
    }
}

/// The files of a folder, in order.
fn agent_files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        if file
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

const NAME: Form = Form {
    allowed: "a name of 1 to 64 small letters, digits and hyphens",
    accepts: super::is_name,
};
const NUMBER: Form = Form {
    allowed: r#"a number with its country, as in "+14155550100""#,
    accepts: is_number,
};
const INSTRUCTIONS: Form = Form {
    allowed: "a text of 1 to 32768 bytes",
    accepts: |text| !text.trim().is_empty() && text.len() <= 32_768,
};
const VOICE: Form = Form {
    allowed: "a name of 1 to 64 letters, digits, hyphens and underscores",
    accepts: |text| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=64).contains(&text.len()) && text.bytes().all(fits)
    },
};
pub(super) const LANGUAGE: Form = Form {
    allowed: r#"a language's two letters, and a country's if it matters, as in "en" or "en-US""#,
    accepts: |text| {
        let (language, country) = text.split_once('-').unwrap_or((text, "US"));
        let is =
            |part: &str, fits: fn(&u8) -> bool| part.len() == 2 && part.as_bytes().iter().all(fits);
        is(language, u8::is_ascii_lowercase) && is(country, u8::is_ascii_uppercase)
    },
};
pub(super) const GREETING: Form = Form {
    allowed: "a text of 1 to 1000 bytes",
    accepts: |text| !text.trim().is_empty() && text.len() <= 1_000 && !text.contains('\0'),
};

pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0')
}

fn read_one(origin: &Origin, text: &str, problems: &mut Problems) -> Option<(Origin, Agent)> {
    let table = parse(origin, text, problems)?;
    let values = entries(origin, table);
    let mut section = Section::new("", origin.clone(), values, problems);
    let mut optional = |key, form| {
        let located: Option<Located> = section.optional_text(key, form);
        located.map(|located| Arc::from(located.text))
    };
    let voice = optional("voice", VOICE);
    let language: Option<Arc<str>> = optional("language", LANGUAGE);
    let greeting = optional("greeting", GREETING);
    let own = language.as_deref().and_then(Language::parse);
    let own = own.unwrap_or_else(Language::english);
    let prompts = prompts::read(&mut section, origin, &own, greeting.as_ref());
    let persons = persons::read(&mut section, language.as_deref());
    let texts = texts::read(&mut section, origin, &own);
    let greeting = prompts.get(&(own, Name::GREETING));
    let agent = Agent {
        name: section.text("name", NAME),
        numbers: section.texts("numbers", NUMBERS_MAX, NUMBER),
        instructions: section.text("instructions", INSTRUCTIONS).into(),
        voice,
        language,
        greeting: greeting.and_then(|line| line.text.clone()),
        greets: section.choice("greets", &Greets::NAMES),
        prompts,
        persons,
        texts,
    };
    section.finish();
    Some((origin.clone(), agent))
}

fn collect(dir: &Origin, agents: Vec<(Origin, Agent)>, problems: &mut Problems) -> Option<Agents> {
    let mut by_name = BTreeMap::new();
    let mut by_number = BTreeMap::new();
    for (origin, agent) in agents {
        let agent = Arc::new(agent);
        for number in &agent.numbers {
            if let Some(other) = by_number.insert(number.clone(), Arc::clone(&agent)) {
                let sentence = format!(
                    "numbers holds \"{number}\", which agent \"{}\" answers; allowed: one agent a number",
                    other.name
                );
                problems.push(&origin, sentence);
            }
        }
        if by_name
            .insert(agent.name.clone(), Arc::clone(&agent))
            .is_some()
        {
            let name = &agent.name;
            let sentence = format!("name = \"{name}\" is taken; allowed: one file an agent");
            problems.push(&origin, sentence);
        }
    }
    let only = by_name.values().next().filter(|_| by_name.len() == 1);
    let default = by_name.get(DEFAULT).or(only).cloned();
    if default.is_none() && !by_name.is_empty() {
        let sentence = format!(
            "none of {} agents is named \"{DEFAULT}\"; allowed: one agent, or one of that name among them",
            by_name.len()
        );
        problems.push(dir, sentence);
    }
    Some(Agents {
        by_name,
        by_number,
        default: default?,
    })
}
