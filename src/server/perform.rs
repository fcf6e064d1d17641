//! Carries out what a call wants, one effect at a time. Nothing in here waits, and nothing in here decides.

use std::sync::Arc;

use super::call_task::CallTask;
use crate::config::Agent;
use crate::core::call::effect::{CarrierCommand, DialKind, Effect, Report};
use crate::core::fault::Fault;
use crate::core::ids::AttemptId;
use crate::core::pool::{Rung, Seat};
use crate::core::time::Instant;
use crate::provider::dial::dial;
use crate::provider::openai::settings::{SessionSettings, TurnDetection};
use crate::provider::socket::ProviderSocket;
use crate::telemetry::SpareEnd;

impl CallTask {
    /// Does what an effect says. What fails comes back to the call as an input.
    pub(super) fn perform(&mut self, now: Instant, effect: Effect) {
        match effect {
            Effect::Dial(attempt, kind) => self.dial(now, attempt, kind),
            Effect::Report(attempt, report) => {
                self.desk.report(now, attempt, report);
                if let Some(nodes) = &self.shared.nodes {
                    nodes.count(report);
                }
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
            Effect::Checkpoint(checkpoint) => self.keep(now, *checkpoint),
            Effect::Promise(wish) => self.promise(now, &wish),
            Effect::Record(record) => self.record(now, &record),
            // The call is over now, so the loop ends and the task closes both sides.
            Effect::EndCall(reason) => self.part(now, reason),
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
        let warm = rung.spare.and_then(|spare| self.take_spare(rung, spare));
        let was_warm = warm.is_some();
        let agent = Arc::clone(&self.agent);
        let dialling = async move {
            if was_warm {
                // This is polled only where the spare was of no use.
                let telemetry = &shared.telemetry;
                telemetry.spare_ended(rung.provider, rung.key, SpareEnd::Dead);
            }
            let place = shared.providers.place(rung.provider, rung.key);
            // The pool names entries and keys of the configuration only.
            let place = place.ok_or(Fault::RequestRejected)?;
            let settings = session_settings(&agent, place.model);
            dial(place.endpoint, settings, &shared.provider_limits).await
        };
        let dialling = Box::pin(dialling);
        match warm {
            Some(socket) => {
                let patience = self.shared.settings.dial_timeout / 3;
                self.sessions.take_over(attempt, socket, patience, dialling);
            }
            None => self.sessions.dial(attempt, dialling),
        }
    }

    /// The session that waits for this call, told to play its agent.
    fn take_spare(&self, rung: Rung, spare: Seat) -> Option<ProviderSocket> {
        let shared = &self.shared;
        // Another may be dialled in its place.
        shared.providers.nudge();
        let place = shared.providers.place(rung.provider, rung.key)?;
        let socket = shared.spares.take(spare)?;
        let telemetry = &shared.telemetry;
        telemetry.spare_ended(rung.provider, rung.key, SpareEnd::Taken);
        socket
            .claim(session_settings(&self.agent, place.model))
            .ok()
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
        turn_detection: Some(TurnDetection::default()),
    }
}
