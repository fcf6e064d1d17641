//! What is wrong with the settings: every message names where it stands, the key, the value and what is allowed.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The documented defaults, which are built in.
    Default,
    /// A file.
    File(PathBuf),
    /// An environment variable of this name.
    Variable(String),
}

impl Origin {
    /// A path of this origin's, as seen from where the program runs: paths in a file are relative to that file.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        match self {
            Self::File(file) => file.parent().unwrap_or(Path::new("")).join(path),
            Self::Default | Self::Variable(_) => PathBuf::from(path),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in ringback.toml"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong, in one sentence. It never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    origin: Origin,
    sentence: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.sentence)
    }
}

/// Everything that is wrong: at most fifty, then one that says that there are more.
#[derive(Debug, Default, thiserror::Error)]
pub struct Problems(Vec<Problem>);

/// Beyond it nobody reads on.
const PROBLEMS_MAX: usize = 50;

impl Problems {
    pub(super) fn push(&mut self, origin: &Origin, sentence: String) {
        let sentence = match self.0.len() {
            0..PROBLEMS_MAX => sentence,
            PROBLEMS_MAX => "there are more problems than these".to_owned(),
            _ => return,
        };
        let origin = origin.clone();
        self.0.push(Problem { origin, sentence });
    }

    /// A problem of this key: its value and what is allowed.
    pub(super) fn wrong(&mut self, at: &At<'_>, value: &str, what: &str, allowed: &str) {
        let (key, value) = (at.key, shortened(value));
        self.push(
            at.origin,
            format!("{key} = {value} {what}; allowed: {allowed}"),
        );
    }

    /// A problem of this key whose value must not be printed, or is not there.
    pub(super) fn without_value(&mut self, at: &At<'_>, what: &str) {
        self.push(at.origin, format!("{} {what}", at.key));
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong, in the order in which it was found.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Problem> {
        self.0.iter()
    }
}

/// One a line.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

/// A key, in full, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    pub(super) origin: &'a Origin,
    pub(super) key: &'a str,
}

/// Enough of a value to find it again.
fn shortened(value: &str) -> String {
    const CHARS_MAX: usize = 80;
    let line = value.lines().next().unwrap_or_default();
    let short: String = line.chars().take(CHARS_MAX).collect();
    let is_whole = short.len() == value.len();
    format!("{short}{}", if is_whole { "" } else { "…" })
}
