//! Answers that fail: in the words of a real server, by either of its two channels.

use std::time::Duration;

use serde_json::{Value, json};

use super::ModelSession;
use super::condition::Failing;
use super::faults::{Failure, Rejection, Via};
use super::report::{self, AskedBy, Outcome};
use super::response::{Asked, Response, Stage};
use crate::peer::Outbox;

/// An error in a server's words.
struct Words {
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
}

impl Words {
    fn of(failure: Failure, session_id: &str, model: &str) -> Self {
        let (kind, code, message) = match failure {
            Failure::ServerError => (
                "server_error",
                None,
                format!(
                    "The server had an error while processing your request. Sorry about that! Please contact us if the error persists. (include session ID in your message: {session_id})."
                ),
            ),
            Failure::RateLimited => (
                "rate_limit_exceeded",
                Some("rate_limit_exceeded"),
                format!(
                    "Rate limit reached for {model} on tokens per min (TPM). Please try again later."
                ),
            ),
            Failure::Quota => (
                "insufficient_quota",
                Some("insufficient_quota"),
                "You exceeded your current quota, please check your plan and billing details."
                    .to_owned(),
            ),
            Failure::ContextTooLong => (
                "invalid_request_error",
                Some("context_length_exceeded"),
                "The conversation is longer than the context window of this model.".to_owned(),
            ),
            Failure::ContentFilter => (
                "invalid_request_error",
                Some("content_filter"),
                "The response was stopped by the content filter.".to_owned(),
            ),
        };
        Self {
            kind,
            code,
            message,
        }
    }
}

/// The status of a response in `response.done`, and its details.
pub(super) fn status(outcome: Outcome, session_id: &str, model: &str) -> (&'static str, Value) {
    let cancelled = |reason| ("cancelled", json!({"type": "cancelled", "reason": reason}));
    match outcome {
        Outcome::Completed => ("completed", Value::Null),
        Outcome::TurnDetected => cancelled("turn_detected"),
        Outcome::ClientCancelled => cancelled("client_cancelled"),
        Outcome::Failed(Failure::ContentFilter) => (
            "incomplete",
            json!({"type": "incomplete", "reason": "content_filter"}),
        ),
        Outcome::Failed(
            failure @ (Failure::ServerError
            | Failure::RateLimited
            | Failure::Quota
            | Failure::ContextTooLong),
        ) => {
            let Words {
                kind,
                code,
                message,
            } = Words::of(failure, session_id, model);
            let error = json!({"type": kind, "code": code, "message": message});
            ("failed", json!({"type": "failed", "error": error}))
        }
    }
}

impl ModelSession {
    /// The answer that is being made fails, or else the next; after it as many as `failing` says.
    pub(super) fn fail_answers(&mut self, now: Duration, failing: Failing, out: &mut Outbox) {
        // What the client has not heard of fails when it is to be announced, and what was cut is over anyway.
        let is_under_way = |response: &mut Response| match response.stage {
            Stage::BetweenItems | Stage::Speaking(_) => true,
            Stage::Asked | Stage::Cut { .. } => false,
        };
        let response = self.response.take_if(is_under_way);
        let times = failing.times - u32::from(response.is_some() && failing.times > 0);
        self.condition.fail(Failing { times, ..failing });
        if let Some(response) = response {
            self.fail(now, response, failing, true, out);
        }
    }

    /// A response fails. `announced`: the client has heard of it.
    pub(super) fn fail(
        &mut self,
        now: Duration,
        mut response: Response,
        failing: Failing,
        announced: bool,
        out: &mut Outbox,
    ) {
        if response.bytes == 0 {
            // Nobody heard the line: it is said the next time.
            self.next_line = response.line;
        }
        let outcome = Outcome::Failed(failing.failure);
        if failing.via == Via::Error {
            let words = Words::of(failing.failure, self.session_id(), &self.settings.model);
            self.tell_error(&words, out);
        }
        match (failing.via, announced) {
            // The response is not mentioned, before or after.
            (Via::Error, false) => {}
            (Via::ResponseDone, false) => {
                self.announce(now, &response, out);
                self.tell_done_so(&response, outcome, out);
            }
            (Via::Error | Via::ResponseDone, true) => {
                let stage = std::mem::replace(&mut response.stage, Stage::BetweenItems);
                if let Stage::Speaking(speech) = stage {
                    self.end_item(&mut response, &speech, "incomplete", out);
                }
                self.tell_done_so(&response, outcome, out);
            }
        }
        self.settle(now, response.number, outcome);
        if let Some(code) = failing.close {
            let kind = Words::of(failing.failure, "", "").kind;
            let reason = format!(
                "{kind}.{}",
                Words::of(failing.failure, "", "").code.unwrap_or(kind)
            );
            self.close(now, code, reason, out);
        }
    }

    /// `response.done`.
    pub(super) fn tell_done_so(&mut self, response: &Response, outcome: Outcome, out: &mut Outbox) {
        let (status, details) = status(outcome, self.session_id(), &self.settings.model);
        let body = self.response_json(response, status, &details);
        self.send(out, "response.done", &json!({"response": body}));
    }

    /// Notes how a response ended, and begins the answer that waited for its end.
    pub(super) fn settle(&mut self, now: Duration, number: u32, outcome: Outcome) {
        self.report_response(number, |report| report.done = Some((now, outcome)));
        if std::mem::take(&mut self.owes_answer) {
            self.ask(now, AskedBy::Turn, Value::Null, Asked::Line);
        }
    }

    /// The session is refused after all.
    pub(super) fn reject(&mut self, now: Duration, rejection: Rejection, out: &mut Outbox) {
        let (name, close, message) = match rejection {
            Rejection::InvalidApiKey => ("invalid_api_key", 3_000, "Incorrect API key provided."),
            Rejection::AccountDeactivated => (
                "account_deactivated",
                3_000,
                "The account associated with this API key was deactivated.",
            ),
            Rejection::ModelNotFound => (
                "model_not_found",
                3_000,
                "The model does not exist or you do not have access to it.",
            ),
            Rejection::BetaApiShapeDisabled => (
                "beta_api_shape_disabled",
                4_000,
                "The Realtime Beta API is no longer supported.",
            ),
        };
        let words = Words {
            kind: "invalid_request_error",
            code: Some(name),
            message: message.to_owned(),
        };
        self.tell_error(&words, out);
        self.close(now, close, format!("invalid_request_error.{name}"), out);
    }

    /// An `error` that answers nothing in particular.
    fn tell_error(&mut self, words: &Words, out: &mut Outbox) {
        let error = json!({
            "type": words.kind, "code": words.code, "message": words.message,
            "param": null, "event_id": null,
        });
        self.send(out, "error", &json!({"error": error}));
    }

    /// One of a storm of errors, which means nothing.
    pub(super) fn tell_nothing(&mut self, out: &mut Outbox) {
        let words = Words {
            kind: "invalid_request_error",
            code: Some("response_cancel_not_active"),
            message: "Cancellation failed: no active response found".to_owned(),
        };
        self.tell_error(&words, out);
    }

    fn session_id(&self) -> &str {
        let id = self.config.session.get("id");
        id.and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn report_response(
        &mut self,
        number: u32,
        change: impl FnOnce(&mut report::Response),
    ) {
        let place = (number as usize).checked_sub(1);
        let entry = place.and_then(|place| self.report.responses.list.get_mut(place));
        if let Some(entry) = entry {
            change(entry);
        }
    }
}
