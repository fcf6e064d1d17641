//! Carries out what a call wants, one effect at a time. Nothing in here waits, and nothing in here decides.

use std::sync::Arc;

use super::call_task::CallTask;
use crate::config::Agent;
use crate::core::call::effect::{CarrierCommand, Effect};
use crate::core::ids::AttemptId;
use crate::core::time::Instant;
use crate::provider::dial::dial;
use crate::provider::openai::settings::{SessionSettings, TurnDetection};

impl CallTask {
    /// Does what an effect says. What fails comes back to the call as an input.
    pub(super) fn perform(&mut self, now: Instant, effect: Effect) {
        match effect {
            Effect::Dial(attempt, _) => self.dial(attempt),
            Effect::Report(..) => {}
            Effect::Abandon(attempt) => self.sessions.abandon(attempt),
            Effect::ToCarrier(command) => self.tell_carrier(&command),
            Effect::ToProvider(attempt, command) => self.sessions.send(attempt, &command),
            Effect::Observe(observation) => self.log.observe(now, &observation),
            // The call is over now, so the loop ends and the task closes both sides.
            Effect::EndCall(_) => {}
        }
    }

    fn tell_carrier(&mut self, command: &CarrierCommand) {
        match command {
            CarrierCommand::Media(_) => self.log.frame_out(),
            CarrierCommand::Mark(_) | CarrierCommand::Clear => {}
        }
        if self.carrier.send(command).is_err() {
            self.carrier_is_stuck = true;
        }
    }

    fn dial(&mut self, attempt: AttemptId) {
        let shared = Arc::clone(&self.shared);
        let settings = session_settings(&self.agent);
        let dialling =
            async move { dial(&shared.endpoint, settings, &shared.provider_limits).await };
        self.sessions.dial(attempt, Box::pin(dialling));
    }
}

/// How a model is to play this agent.
fn session_settings(agent: &Agent) -> SessionSettings {
    SessionSettings {
        model: None, // The URL names it.
        instructions: Arc::clone(&agent.instructions),
        voice: agent.voice.clone(),
        language: agent.language.clone(),
        greeting: agent.greeting.clone(),
        transcription_model: None,
        turn_detection: TurnDetection::default(),
    }
}
