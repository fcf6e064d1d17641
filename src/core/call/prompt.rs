//! What is said to the caller without a model: cached audio, at hand before it is needed.

use std::fmt;

use bytes::Bytes;

/// What can be said without a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prompt {
    /// The first words.
    Greeting,
    /// An answer takes a moment.
    OneMoment,
    /// An answer takes longer still.
    StillHere,
    /// There is no model.
    Apology,
}

impl Prompt {
    /// Its name, in settings, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::OneMoment => "one_moment",
            Self::StillHere => "still_here",
            Self::Apology => "apology",
        }
    }
}

/// The prompts of a call, in the agent's language: raw µ-law, whole 20 ms frames. An empty one is not played.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Prompts {
    /// Who says the first words.
    pub greeting: Greeting,
    /// An answer takes a moment.
    pub one_moment: Bytes,
    /// An answer takes longer still.
    pub still_here: Bytes,
    /// There is no model.
    pub apology: Bytes,
}

impl Prompts {
    /// The audio of a prompt; empty if there is none.
    pub fn audio(&self, prompt: Prompt) -> Bytes {
        match prompt {
            Prompt::Greeting => match &self.greeting {
                Greeting::None | Greeting::Spoken => Bytes::new(),
                Greeting::Cached { audio, .. } => audio.clone(),
            },
            Prompt::OneMoment => self.one_moment.clone(),
            Prompt::StillHere => self.still_here.clone(),
            Prompt::Apology => self.apology.clone(),
        }
    }
}

/// Without the audio.
impl fmt::Debug for Prompts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompts")
            .field("greeting", &self.greeting)
            .field("one_moment", &self.one_moment.len())
            .field("still_here", &self.still_here.len())
            .field("apology", &self.apology.len())
            .finish()
    }
}

/// Who says the first words of a call.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Greeting {
    /// The agent waits for the caller.
    None,
    /// The model speaks first.
    #[default]
    Spoken,
    /// These words are played at once, and the model is told that it said them.
    Cached {
        /// The words as audio.
        audio: Bytes,
        /// The words.
        text: Box<str>,
    },
}

/// Without the audio and the words.
impl fmt::Debug for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Spoken => f.write_str("Spoken"),
            Self::Cached { audio, .. } => write!(f, "Cached({} bytes)", audio.len()),
        }
    }
}
