//! Synthetic sessions: whether a provider is well again is tried out by us, never by a caller.
//!
//! A probe is a whole session: dialled with the key in question, configured, told one line of text and asked for one short
//! answer. Only an answer that was completed *with audio* counts: a provider that takes sessions and says nothing, or writes
//! instead of speaking, is not well. It costs a few hundred tokens of text and about a second of audio out, less than a US
//! cent at the prices of large models, and by the defaults three of them close a breaker.
//!
//! The pool says when (see [`super::providers`]), and is told what became of it.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::drain::Stage;
use super::providers::Place;
use crate::core::call::effect::ProviderCommand;
use crate::core::call::input::{ProviderEvent, ResponseOutcome};
use crate::core::fault::{DialStage, Fault};
use crate::core::pool::{Report, Rung};
use crate::core::time::Instant;
use crate::provider::dial::dial;
use crate::provider::openai::settings::{SessionSettings, TurnDetection};
use crate::provider::socket::ProviderSocket;

const INSTRUCTIONS: &str = "This is a test of the line, and nobody listens. Whatever you are told, answer aloud with one short word, and use no tool.";

/// Less audio than this is no word.
const AUDIO_MIN: Duration = Duration::from_millis(100);

/// Runs one synthetic session, and reports on it.
pub(super) async fn probe(shared: Arc<Shared>, rung: Rung) {
    let tasks = shared.tasks.clone();
    let report = tokio::select! {
        report = outcome(&shared, rung) => report,
        // We go; that says nothing of the provider.
        () = tasks.reached(Stage::Draining) => Report::Ended,
    };
    let (telemetry, Rung { provider, key, .. }) = (&shared.telemetry, rung);
    match report {
        Report::Failed(fault) => telemetry.probed(provider, key, Err(fault)),
        Report::Answered { .. } => telemetry.probed(provider, key, Ok(())),
        Report::Slow | Report::Ready | Report::AnswerFailed(_) | Report::Ended => {}
    }
    shared.providers.record(shared.clock.now(), &rung, report);
}

async fn outcome(shared: &Shared, rung: Rung) -> Report {
    let Some(place) = shared.providers.place(rung.provider, rung.key) else {
        return Report::Ended;
    };
    let timeout = shared.providers.policy().breaker.probe_timeout;
    let session = session(shared, place);
    match tokio::time::timeout(timeout, session).await {
        Ok(Ok(after)) => Report::Answered { after },
        Ok(Err(fault)) => Report::Failed(fault),
        Err(_) => Report::Failed(Fault::AnswerTimedOut),
    }
}

/// How long the answer took; the socket is closed whatever happened.
async fn session(shared: &Shared, place: Place<'_>) -> Result<Duration, Fault> {
    let settings = SessionSettings {
        model: place.model.cloned(),
        instructions: INSTRUCTIONS.into(),
        voice: None,
        language: None,
        greeting: None,
        transcription_model: None,
        turn_detection: Some(TurnDetection::default()),
    };
    let mut socket = dial(place.endpoint, settings, &shared.provider_limits).await?;
    let answered = converse(shared, &mut socket).await;
    socket.close().await;
    answered
}

/// One short turn.
async fn converse(shared: &Shared, socket: &mut ProviderSocket) -> Result<Duration, Fault> {
    let ready_by = shared.clock.now() + shared.settings.dial_timeout;
    let ready = tokio::time::timeout_at(shared.clock.timer_at(ready_by), ready(socket)).await;
    ready.unwrap_or(Err(Fault::DialTimedOut(DialStage::Session)))?;
    let asked_at = shared.clock.now();
    // A line of text as the caller's turn, and the wish for an answer to it.
    socket.send(&ProviderCommand::Keys("1".into()))?;
    socket.send(&ProviderCommand::Respond)?;
    answer(shared, socket, asked_at).await
}

/// Waits until a session takes our settings.
pub(super) async fn ready(socket: &mut ProviderSocket) -> Result<(), Fault> {
    loop {
        match next(socket).await {
            ProviderEvent::Ready { .. } => return Ok(()),
            ProviderEvent::Failed(fault) | ProviderEvent::Stumbled(fault) => return Err(fault),
            ProviderEvent::SpeechStarted
            | ProviderEvent::SpeechStopped
            | ProviderEvent::ResponseStarted { .. }
            | ProviderEvent::Audio { .. }
            | ProviderEvent::AudioDone { .. }
            | ProviderEvent::AgentText { .. }
            | ProviderEvent::CallerText { .. }
            | ProviderEvent::CallerItem { .. }
            | ProviderEvent::Goodbye { .. }
            | ProviderEvent::ResponseDone { .. }
            | ProviderEvent::Pong
            | ProviderEvent::Ignored(_) => {}
        }
    }
}

async fn answer(
    shared: &Shared,
    socket: &mut ProviderSocket,
    asked_at: Instant,
) -> Result<Duration, Fault> {
    let mut heard = Duration::ZERO;
    let mut after = None;
    loop {
        match next(socket).await {
            ProviderEvent::Audio { frame, .. } => {
                after.get_or_insert_with(|| shared.clock.now().since(asked_at));
                heard += frame.duration();
            }
            ProviderEvent::ResponseDone { outcome, .. } => {
                return match (outcome, after) {
                    (ResponseOutcome::Completed, Some(after)) if heard >= AUDIO_MIN => Ok(after),
                    (ResponseOutcome::Failed(fault), _) => Err(fault),
                    // It answered, but not aloud, or not to the end.
                    (
                        ResponseOutcome::Completed
                        | ResponseOutcome::Cancelled
                        | ResponseOutcome::Incomplete,
                        _,
                    ) => Err(Fault::Mute),
                };
            }
            ProviderEvent::Failed(fault) | ProviderEvent::Stumbled(fault) => return Err(fault),
            ProviderEvent::Ready { .. }
            | ProviderEvent::SpeechStarted
            | ProviderEvent::SpeechStopped
            | ProviderEvent::ResponseStarted { .. }
            | ProviderEvent::AudioDone { .. }
            | ProviderEvent::AgentText { .. }
            | ProviderEvent::CallerText { .. }
            | ProviderEvent::CallerItem { .. }
            | ProviderEvent::Goodbye { .. }
            | ProviderEvent::Pong
            | ProviderEvent::Ignored(_) => {}
        }
    }
}

/// What the socket says next; what is to be written goes along.
pub(super) async fn next(socket: &mut ProviderSocket) -> ProviderEvent {
    poll_fn(|cx| {
        let event = socket.poll_event(cx);
        if event.is_pending() {
            match socket.poll_flush(cx) {
                std::task::Poll::Ready(()) | std::task::Poll::Pending => {}
            }
        }
        event
    })
    .await
}
