//! What is said to the caller without a model: cached audio, at hand before it is needed.

use std::fmt;

use bytes::Bytes;

/// A cached prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prompt {
    /// The first words of the call.
    Greeting,
    /// "One moment."
    OneMoment,
    /// "I'm still here."
    StillHere,
    /// An apology and a goodbye.
    Apology,
}

impl Prompt {
    /// Its name in files, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::OneMoment => "one_moment",
            Self::StillHere => "still_here",
            Self::Apology => "apology",
        }
    }
}

/// The prompts of a call, in the agent's language: raw µ-law. An empty one is not played.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Prompts {
    /// See [`Prompt::Greeting`].
    pub greeting: Greeting,
    /// See [`Prompt::OneMoment`].
    pub one_moment: Bytes,
    /// See [`Prompt::StillHere`].
    pub still_here: Bytes,
    /// See [`Prompt::Apology`].
    pub apology: Bytes,
}

/// Who speaks first.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Greeting {
    /// The caller does.
    None,
    /// The model does, as soon as it is there.
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

impl Prompts {
    /// The audio of a prompt.
    pub fn audio(&self, prompt: Prompt) -> Bytes {
        match prompt {
            Prompt::Greeting => match &self.greeting {
                Greeting::Cached { audio, .. } => audio.clone(),
                Greeting::None | Greeting::Spoken => Bytes::new(),
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
        let Self {
            greeting,
            one_moment,
            still_here,
            apology,
        } = self;
        f.debug_struct("Prompts")
            .field("greeting", greeting)
            .field("one_moment", &one_moment.len())
            .field("still_here", &still_here.len())
            .field("apology", &apology.len())
            .finish()
    }
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
