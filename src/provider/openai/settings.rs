//! What a session is configured with; the server fills it in from the agent and the provider.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Messages that one command makes at most: the seed of a conversation.
pub const SEED_MESSAGES_MAX: usize = super::seed::RECENT_TURNS + 2;

/// How the model is to speak and listen. Cheap to clone: a process has few agents and many calls.
#[derive(Clone)]
pub struct SessionSettings {
    /// The model, where the endpoint's URL does not name it.
    pub model: Option<Arc<str>>,
    /// What the agent is told to be.
    pub instructions: Arc<str>,
    /// The provider's name of a voice; `None`: the provider's default.
    pub voice: Option<Arc<str>>,
    /// The caller's language, as a BCP 47 tag such as `en-US`; helps the transcription.
    pub language: Option<Arc<str>>,
    /// The words with which the agent opens the call; `None`: the model finds its own.
    pub greeting: Option<Arc<str>>,
    /// The model that transcribes the caller; `None`: the dialect's default.
    pub transcription_model: Option<Arc<str>>,
    /// How the provider finds the ends of the caller's turns; `None`: it looks for none, and answers nothing unasked.
    pub turn_detection: Option<TurnDetection>,
}

/// Voice activity detection at the provider.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TurnDetection {
    /// How loud speech must be, from 0 to 1.
    pub threshold: f64,
    /// Audio taken along from before the speech.
    pub prefix_padding: Duration,
    /// Silence that ends a turn.
    pub silence: Duration,
}

impl Default for TurnDetection {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            prefix_padding: Duration::from_millis(300),
            silence: Duration::from_millis(500),
        }
    }
}

/// Without the operator's texts: they may hold what is not for a log.
impl fmt::Debug for SessionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSettings")
            .field("model", &self.model)
            .field("voice", &self.voice)
            .field("language", &self.language)
            .field("transcription_model", &self.transcription_model)
            .field("turn_detection", &self.turn_detection)
            .finish_non_exhaustive()
    }
}
