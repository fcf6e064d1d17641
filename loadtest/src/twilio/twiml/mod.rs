//! Documents of TwiML, as the carrier reads them.
//!
//! Owns which verbs, nouns and attributes there are, their defaults and their errors. What a verb does: [`super::interpreter`].

mod parse;

use std::{fmt, time::Duration};

pub use parse::Document;

/// Method of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Parameters in the query.
    Get,
    /// Parameters as a form.
    #[default]
    Post,
}

/// A URL as a document holds it, and how to ask it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// As written: perhaps relative, perhaps with connection overrides.
    pub url: String,
    /// How.
    pub method: Method,
}

/// What a document tells the carrier to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Speaks.
    Say(Say),
    /// Plays a file.
    Play(Play),
    /// Waits; as the first verb, before the call is answered.
    Pause(Duration),
    /// Collects keys.
    Gather(Gather),
    /// Calls somebody else.
    Dial(Dial),
    /// Opens a stream in both directions.
    Connect(Connect),
    /// Goes on with another document.
    Redirect(Link),
    /// Ends the call.
    Hangup,
    /// Refuses the call, if it is the first verb.
    Reject {
        /// With the busy tone.
        busy: bool,
    },
    /// A verb that the carrier knows and this one does not act on: it takes no time.
    Other(&'static str),
}

impl Verb {
    /// Its element's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Say(_) => "Say",
            Self::Play(_) => "Play",
            Self::Pause(_) => "Pause",
            Self::Gather(_) => "Gather",
            Self::Dial(_) => "Dial",
            Self::Connect(_) => "Connect",
            Self::Redirect(_) => "Redirect",
            Self::Hangup => "Hangup",
            Self::Reject { .. } => "Reject",
            Self::Other(name) => name,
        }
    }
}

/// Words, spoken. It shows how many characters they have, not which.
#[derive(Clone, PartialEq, Eq)]
pub struct Say {
    /// The words, without markup.
    pub words: String,
    /// How often; 0 is as often as the call allows.
    pub times: u32,
}

impl fmt::Debug for Say {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Say({} characters, {}×)",
            self.words.chars().count(),
            self.times
        )
    }
}

/// A file, or keys, played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Play {
    /// The file's URL as written; empty where keys are played.
    pub url: String,
    /// How often; 0 is as often as the call allows.
    pub times: u32,
}

/// What is heard while keys are awaited, and where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    /// Where the keys go; without it, to the document itself.
    pub action: Option<Link>,
    /// `method` of it.
    pub method: Method,
    /// Silence after which there are no more keys.
    pub timeout: Duration,
    /// The key that ends them.
    pub finish_on: Option<char>,
    /// So many are enough.
    pub digits: Option<usize>,
    /// `action` is asked even without a key.
    pub on_empty: bool,
    /// Say, Play and Pause in it.
    pub prompts: Vec<Verb>,
}

/// A call to somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Where its end is told.
    pub action: Option<Link>,
    /// It rings so long.
    pub timeout: Duration,
    /// It lasts at most so long.
    pub time_limit: Duration,
    /// What the other one hears first.
    pub whisper: Option<Link>,
    /// Whether there is anybody to call.
    pub has_target: bool,
}

/// A stream in both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Where its end is told.
    pub action: Option<Link>,
    /// The stream; without one the verb does nothing.
    pub stream: Option<Stream>,
}

/// Where a stream goes and what it is given. It shows the names of its parameters, not their values.
#[derive(Clone, PartialEq, Eq)]
pub struct Stream {
    /// As written.
    pub url: String,
    /// Its name, if it was given one.
    pub name: String,
    /// `track`, if it is written.
    pub track: Option<String>,
    /// Where is told what becomes of it.
    pub status: Option<Link>,
    /// Names and values, in the order of the document; at most 99.
    pub parameters: Vec<(String, String)>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.parameters.iter().map(|(name, _)| name).collect();
        f.debug_struct("Stream")
            .field("parameters", &names)
            .finish_non_exhaustive()
    }
}

/// Why a document cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {what}")]
pub struct DocumentError {
    /// The carrier's number.
    pub code: u32,
    /// In words.
    pub what: String,
}

/// Something in a document that the carrier would warn about, and pass over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The carrier's number.
    pub code: u32,
    /// In words.
    pub what: String,
}
