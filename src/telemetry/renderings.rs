//! Renderings, as numbers and lines.

use super::Telemetry;
use crate::core::fault::Fault;
use crate::core::ids::ProviderId;

/// What became of a session that was to speak a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenderingEnd {
    /// It is recorded.
    Rendered,
    /// It said other words than it was asked to.
    OtherWords,
    /// It cannot be played, or not as these words: too long, too short, silent or clipped.
    Unfit,
    /// The provider failed.
    Failed(Fault),
    /// It could not be stored.
    NotStored,
}

/// Which prompt it was; no word of it.
#[derive(Clone, Copy, Debug)]
pub struct Rendition<'a> {
    /// The agent's name.
    pub agent: &'a str,
    /// The prompt's name.
    pub prompt: &'a str,
    /// Its language.
    pub language: &'a str,
}

/// The names of what becomes of renderings.
pub(super) const RENDERING_OUTCOMES: [&str; 5] =
    ["rendered", "other_words", "unfit", "failed", "not_stored"];

impl RenderingEnd {
    const fn name(self) -> &'static str {
        match self {
            Self::Rendered => "rendered",
            Self::OtherWords => "other_words",
            Self::Unfit => "unfit",
            Self::Failed(_) => "failed",
            Self::NotStored => "not_stored",
        }
    }
}

impl Telemetry {
    /// A session is dialled that is to speak a prompt.
    pub fn rendering_dialled(&self, provider: ProviderId) {
        if let Some(row) = self.metrics.providers.get(provider) {
            row.attempts.add("rendering");
        }
    }

    /// A session is dialled that is to write down a message.
    pub fn transcription_dialled(&self, provider: ProviderId) {
        if let Some(row) = self.metrics.providers.get(provider) {
            row.attempts.add("transcription");
        }
    }

    /// It has ended. There are few of them: each has a line.
    pub fn rendering_ended(&self, provider: ProviderId, of: Rendition<'_>, end: RenderingEnd) {
        let row = self.metrics.providers.get(provider);
        if let Some(row) = row {
            row.renderings.add(end.name());
        }
        let provider = row.map(|row| &*row.name);
        let Rendition {
            agent,
            prompt,
            language,
        } = of;
        match end {
            RenderingEnd::Rendered => {
                tracing::info!(provider, agent, prompt, language, "prompt rendered");
            }
            RenderingEnd::Failed(fault) => {
                tracing::info!(provider, agent, prompt, language, %fault, "rendering failed");
            }
            RenderingEnd::OtherWords | RenderingEnd::Unfit | RenderingEnd::NotStored => {
                let reason = end.name();
                tracing::warn!(
                    provider,
                    agent,
                    prompt,
                    language,
                    reason,
                    "rendering refused"
                );
            }
        }
    }
}
