//! Carries out what a call wants, one effect at a time. Nothing in here waits, and nothing in here decides.

use std::sync::Arc;

use super::call_task::CallTask;
use crate::config::Agent;
use crate::core::call::effect::{CarrierCommand, DialKind, Effect, Report};
use crate::core::fault::Fault;
use crate::core::ids::AttemptId;
use crate::core::pool::Rung;
use crate::core::time::Instant;
use crate::provider::dial::dial;
use crate::provider::openai::settings::{SessionSettings, TurnDetection};

impl CallTask {
    /// Does what an effect says. What fails comes back to the call as an input.
    pub(super) fn perform(&mut self, now: Instant, effect: Effect) {
        match effect {
            Effect::Dial(attempt, kind) => self.dial(now, attempt, kind),
            Effect::Report(attempt, report) => {
                self.desk.report(now, attempt, report);
                if let Report::Failed(_) = report {
                    // It is lost, so its place is free for the next before the call gets to abandon it.
                    self.sessions.abandon(attempt);
                }
            }
            Effect::Abandon(attempt) => {
                self.desk.abandon(now, attempt);
                self.sessions.abandon(attempt);
            }
            Effect::ToCarrier(command) => self.tell_carrier(&command),
            Effect::ToProvider(attempt, command) => self.sessions.send(attempt, &command),
            Effect::Observe(observation) => self.log.observe(now, &observation),
            Effect::Checkpoint(checkpoint) => {
                if let Some(call) = self.seat.call() {
                    self.shared.checkpoints.keep(now, call, *checkpoint);
                }
            }
            // The call is over now, so the loop ends and the task closes both sides.
            Effect::EndCall(reason) => {
                if let Some(call) = self.seat.call().filter(|_| !reason.may_go_on()) {
                    self.shared.checkpoints.forget(&call);
                }
                self.remember_end(now, reason);
            }
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

    /// Asks the pool, dials if it admits the call, and has the call told at its next turn.
    fn dial(&mut self, now: Instant, attempt: AttemptId, kind: DialKind) {
        let ruling = self.desk.dial(now, attempt, kind);
        if let Some(seen) = &ruling.seen {
            self.log.observe(now, seen);
        }
        if let Some(rung) = ruling.rung {
            self.open(attempt, rung);
        }
        self.answers.push_back((attempt, ruling.answer));
    }

    fn open(&mut self, attempt: AttemptId, rung: Rung) {
        let shared = Arc::clone(&self.shared);
        let agent = Arc::clone(&self.agent);
        let dialling = async move {
            let place = shared.providers.place(rung.provider, rung.key);
            // The pool names entries and keys of the configuration only.
            let place = place.ok_or(Fault::RequestRejected)?;
            let settings = session_settings(&agent, place.model);
            dial(place.endpoint, settings, &shared.provider_limits).await
        };
        self.sessions.dial(attempt, Box::pin(dialling));
    }
}

/// How a model is to play this agent.
fn session_settings(agent: &Agent, model: Option<&Arc<str>>) -> SessionSettings {
    SessionSettings {
        model: model.cloned(),
        instructions: Arc::clone(&agent.instructions),
        voice: agent.voice.clone(),
        language: agent.language.clone(),
        greeting: agent.greeting.clone(),
        transcription_model: None,
        turn_detection: TurnDetection::default(),
    }
}
