//! A session that nobody has claimed yet: it was opened, and no agent has configured it.
//!
//! It hears when the provider opens the session and why it ends it, and says nothing. Claimed, it is a [`Session`] whose
//! settings are on their way.

use bytes::Bytes;

use crate::core::fault::Fault;
use crate::core::time::Utc;
use crate::provider::openai::errors::{Verdict, fault_of_close, fault_of_early_close, verdict};
use crate::provider::openai::outgoing::Outgoing;
use crate::provider::openai::quirks::Quirks;
use crate::provider::openai::session::{Session, expiry};
use crate::provider::openai::settings::SessionSettings;
use crate::provider::openai::wire::read::{self, ServerEvent};

/// See the module.
#[derive(Debug)]
pub struct Spare {
    quirks: &'static Quirks,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing came yet.
    Opening,
    /// It can be claimed.
    Open { expires_at: Option<Utc> },
}

/// What a spare hears that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpareEvent {
    /// The provider has opened the session: it can be claimed.
    Opened {
        /// When the provider ends it, if it says so.
        expires_at: Option<Utc>,
    },
    /// The answer to a ping.
    Pong,
    /// It is of no use any more. Nothing comes after it.
    Failed(Fault),
}

impl Spare {
    /// A spare whose socket has just been opened.
    pub const fn new(quirks: &'static Quirks) -> Self {
        Self {
            quirks,
            phase: Phase::Opening,
        }
    }

    /// Takes a text message of the provider's; `None`: it does not matter to one that waits.
    pub fn receive(&mut self, text: &Bytes) -> Option<SpareEvent> {
        let Ok(event) = read::read(text) else {
            return Some(SpareEvent::Failed(Fault::Garbled));
        };
        match event {
            ServerEvent::Opened(state) => {
                let Phase::Opening = self.phase else {
                    return None;
                };
                let expires_at = expiry(&state);
                self.phase = Phase::Open { expires_at };
                Some(SpareEvent::Opened { expires_at })
            }
            ServerEvent::Error(error) => match verdict(&error, self.quirks) {
                Verdict::Fault(fault) => Some(SpareEvent::Failed(fault)),
                Verdict::Harmless | Verdict::AlreadyResponding | Verdict::Rejected => None,
            },
            // Nobody has spoken, so nothing of this concerns a conversation.
            ServerEvent::Updated(_)
            | ServerEvent::SpeechStarted
            | ServerEvent::SpeechStopped
            | ServerEvent::Committed { .. }
            | ServerEvent::ResponseCreated { .. }
            | ServerEvent::Audio(_)
            | ServerEvent::AudioDone { .. }
            | ServerEvent::AgentText { .. }
            | ServerEvent::CallerText { .. }
            | ServerEvent::CallerTextFailed
            | ServerEvent::ToolCalled { .. }
            | ServerEvent::ResponseDone { .. }
            | ServerEvent::Silent
            | ServerEvent::Unknown => None,
        }
    }

    /// The fault of a socket that the provider closed with this code and reason.
    pub fn closed(&self, code: u16, reason: &str) -> Fault {
        match self.phase {
            Phase::Opening => fault_of_early_close(code, reason, self.quirks),
            // Its key and model were accepted; whatever the code says, it is not about them.
            Phase::Open { .. } => fault_of_close(code, reason, self.quirks),
        }
    }

    /// The session of a call from now on; what configures it is appended to `out`, if the provider has opened it.
    pub fn claim(self, settings: SessionSettings, out: &mut Outgoing) -> Session {
        match self.phase {
            Phase::Opening => Session::new(settings, self.quirks),
            Phase::Open { expires_at } => Session::claimed(settings, self.quirks, expires_at, out),
        }
    }
}
