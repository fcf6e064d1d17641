//! One session that speaks one text: dialled as a call's is, configured with the agent's voice, asked once, and closed.

use std::time::Duration;

use crate::audio::prompts::store::Key;
use crate::audio::prompts::verify::{BYTES_MAX, TRANSCRIPT_BYTES_MAX};
use crate::core::call::effect::ProviderCommand;
use crate::core::call::input::{Ignored, ProviderEvent, ResponseOutcome};
use crate::core::fault::{DialStage, Fault};
use crate::provider::dial::dial;
use crate::provider::endpoint::Endpoint;
use crate::provider::openai::settings::{SessionSettings, TurnDetection};
use crate::provider::socket::{ProviderSocket, SocketLimits};
use crate::server::probes::{next, ready};

/// Longer than the longest recording takes at its own speed, which no known model keeps to.
const RECITAL_TIMEOUT: Duration = Duration::from_secs(45);

const INSTRUCTIONS: &str = "You record announcements for a telephone line: you read aloud what you are given, word for word, and use no tool.";

/// Where a text is spoken.
#[derive(Debug)]
pub(super) struct Studio<'a> {
    pub(super) endpoint: &'a Endpoint,
    /// The model to ask for where the URL does not name it.
    pub(super) model: Option<&'a std::sync::Arc<str>>,
    pub(super) limits: &'a SocketLimits,
    /// How long the session may take to be ready.
    pub(super) dial_timeout: Duration,
}

/// What was spoken.
#[derive(Debug, Default)]
pub(super) struct Recited {
    /// µ-law as it came, at most [`BYTES_MAX`] and one delta.
    pub(super) audio: Vec<u8>,
    /// The model's own transcript of it.
    pub(super) said: Words,
}

/// Words that are not for a log.
#[derive(Clone, Default)]
pub(super) struct Words(pub(super) String);

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Words({} bytes)", self.0.len())
    }
}

/// Has the words of `key` spoken in its voice; `on_ready` hears when the session takes our settings.
pub(super) async fn recite(
    studio: &Studio<'_>,
    key: &Key,
    on_ready: impl FnOnce(),
) -> Result<Recited, Fault> {
    let settings = SessionSettings {
        model: studio.model.cloned(),
        instructions: INSTRUCTIONS.into(),
        voice: Some(key.voice.as_str().into()).filter(|_| !key.voice.is_empty()),
        language: Some(key.language.tag().into()),
        greeting: None,
        transcription_model: None,
        turn_detection: Some(TurnDetection::default()),
    };
    let mut socket = dial(studio.endpoint, settings, studio.limits).await?;
    let conversing = converse(&mut socket, studio.dial_timeout, key, on_ready);
    let recited = tokio::time::timeout(RECITAL_TIMEOUT, conversing).await;
    socket.close().await;
    recited.unwrap_or(Err(Fault::AnswerTimedOut))
}

async fn converse(
    socket: &mut ProviderSocket,
    dial_timeout: Duration,
    key: &Key,
    on_ready: impl FnOnce(),
) -> Result<Recited, Fault> {
    let ready = tokio::time::timeout(dial_timeout, ready(socket)).await;
    ready.unwrap_or(Err(Fault::DialTimedOut(DialStage::Session)))?;
    on_ready();
    socket.send(&ProviderCommand::Recite(key.text.as_str().into()))?;
    let mut recited = Recited::default();
    loop {
        match next(socket).await {
            ProviderEvent::Audio { frame, .. } => {
                recited.audio.extend_from_slice(&frame.to_raw());
                if recited.audio.len() >= BYTES_MAX {
                    return Ok(recited); // Too long to be played, whatever still comes.
                }
            }
            ProviderEvent::AgentText { text, .. } => {
                if recited.said.0.len() < TRANSCRIPT_BYTES_MAX {
                    recited.said.0.push_str(&text);
                }
            }
            ProviderEvent::ResponseDone { outcome, .. } => {
                return match outcome {
                    ResponseOutcome::Completed => Ok(recited),
                    ResponseOutcome::Failed(fault) => Err(fault),
                    // Not to the end: what is missing was not said.
                    ResponseOutcome::Cancelled | ResponseOutcome::Incomplete => Err(Fault::Mute),
                };
            }
            ProviderEvent::Ignored(Ignored::RejectedEvent) => return Err(Fault::RequestRejected),
            ProviderEvent::Failed(fault) | ProviderEvent::Stumbled(fault) => return Err(fault),
            ProviderEvent::Ready { .. }
            | ProviderEvent::SpeechStarted
            | ProviderEvent::SpeechStopped
            | ProviderEvent::ResponseStarted { .. }
            | ProviderEvent::AudioDone { .. }
            | ProviderEvent::CallerText { .. }
            | ProviderEvent::CallerItem { .. }
            | ProviderEvent::Goodbye { .. }
            | ProviderEvent::Pong
            | ProviderEvent::Ignored(
                Ignored::HarmlessError
                | Ignored::UnknownEvent
                | Ignored::AlreadyResponding
                | Ignored::UndeclaredTool
                | Ignored::NotTranscribed,
            ) => {}
        }
    }
}
