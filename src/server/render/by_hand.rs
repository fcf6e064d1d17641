//! Renderings that an operator asks for: one after the other, at the first provider, without a server.

use std::time::Duration;

use super::press::{Unpressed, press};
use super::recite::{Recited, Studio, recite};
use crate::audio::loudness::{Level, measure_mulaw};
use crate::audio::prompts::store::{Store, StoreError, Stored};
use crate::audio::prompts::verify::Refused;
use crate::audio::prompts::{Source, Wanted};
use crate::config::{Config, Provider};
use crate::core::audio::duration_of;
use crate::core::fault::Fault;
use crate::core::pool::Share;
use crate::provider::socket::SocketLimits;

/// Sessions for one text: one, and one more.
pub const ATTEMPTS_MAX: u32 = 2;

/// Between the two.
const PAUSE: Duration = Duration::from_secs(1);

/// Where an operator's renderings are made.
#[derive(Debug)]
pub struct Recorder {
    provider: Provider,
    limits: SocketLimits,
    dial_timeout: Duration,
}

/// A prompt that was recorded.
#[derive(Clone, Copy, Debug)]
pub struct Rendered {
    /// Where the recording in the folder comes from: it was rendered, or somebody else was faster.
    pub source: Source,
    /// How long it plays.
    pub duration: Duration,
    /// How loud it is.
    pub level: Option<Level>,
    /// How many sessions it took.
    pub attempts: u32,
}

/// Why a prompt was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum Unrendered {
    /// The provider failed.
    #[error("the provider failed: {0}")]
    Fault(Fault),
    /// What it spoke is refused.
    #[error("{0}")]
    Refused(Refused),
    /// It said other words.
    #[error("says other words than it was asked to")]
    OtherWords {
        /// By its own transcript.
        said: Transcript,
    },
    /// The folder does not take it: it would take no other either.
    #[error("{0}")]
    Store(StoreError),
}

/// What a model said of itself, for the operator who asked for it and for no log.
pub struct Transcript(String);

impl Transcript {
    /// The words.
    pub fn words(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transcript({} bytes)", self.0.len())
    }
}

impl Recorder {
    /// At the first provider of the ladder: where callers hear the agent's voice. `None`: there is none but canaries.
    pub fn new(config: &Config) -> Option<Self> {
        let entries = config.providers.entries.iter();
        let entries = entries.filter(|entry| matches!(entry.policy.share, Share::Weight(_)));
        let provider = entries.min_by_key(|entry| entry.policy.tier)?.clone();
        Some(Self {
            provider,
            limits: SocketLimits {
                dial_timeout: config.call.dial_timeout * 4 / 5,
                ..SocketLimits::default()
            },
            dial_timeout: config.call.dial_timeout,
        })
    }

    /// The provider's name.
    pub fn provider(&self) -> &str {
        &self.provider.policy.name
    }

    /// Has one prompt spoken, checks it and stores it; once more if that goes wrong. Waits for a minute and a half at most.
    pub async fn render(&self, wanted: &Wanted, store: &mut Store) -> Result<Rendered, Unrendered> {
        let mut attempts = 1;
        loop {
            match self.attempt(wanted, store).await {
                Ok(stored) => {
                    return Ok(Rendered {
                        source: stored.source,
                        duration: duration_of(stored.audio.len() as u64),
                        level: measure_mulaw(&stored.audio),
                        attempts,
                    });
                }
                Err(unrendered @ Unrendered::Store(_)) => return Err(unrendered),
                Err(unrendered) if attempts >= ATTEMPTS_MAX => return Err(unrendered),
                Err(_) => {}
            }
            attempts += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn attempt(&self, wanted: &Wanted, store: &mut Store) -> Result<Stored, Unrendered> {
        let endpoint = self.provider.endpoints.first();
        let studio = Studio {
            endpoint: endpoint
                .expect("an entry has an endpoint for each key, and one without keys"),
            model: self.provider.model.as_ref(),
            limits: &self.limits,
            dial_timeout: self.dial_timeout,
        };
        let recited = recite(&studio, &wanted.key, || ()).await;
        let recited = recited.map_err(Unrendered::Fault)?;
        press(store, &wanted.key, &recited).map_err(|unpressed| told(unpressed, recited))
    }
}

fn told(unpressed: Unpressed, recited: Recited) -> Unrendered {
    match unpressed {
        Unpressed::Store(error) => Unrendered::Store(error),
        Unpressed::Refused(Refused::OtherWords) => Unrendered::OtherWords {
            said: Transcript(recited.said.0),
        },
        Unpressed::Refused(refused @ (Refused::Pace { .. } | Refused::Unfit(_))) => {
            Unrendered::Refused(refused)
        }
    }
}
