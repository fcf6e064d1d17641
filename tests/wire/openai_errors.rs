//! Errors, by each of the ways in which they come.

use ringback::core::call::input::{Ignored, ProviderEvent, ResponseOutcome};
use ringback::core::fault::Fault;
use ringback::provider::openai::quirks::Dialect;
use ringback::provider::openai::session::Session;
use serde_json::{Value, json};

use crate::openai::{Line, settings};

const RATE_LIMITED: Fault = Fault::RateLimited { retry_after: None };

/// Codes that make a session useless, whatever their type.
const FATAL: [(&str, Fault); 15] = [
    ("session_expired", Fault::Expired),
    ("content_filter", Fault::PolicyRefused),
    ("content_policy_violation", Fault::PolicyRefused),
    ("context_length_exceeded", Fault::ContextTooLong),
    ("context_window_exceeded", Fault::ContextTooLong),
    ("rate_limit_exceeded", RATE_LIMITED),
    ("inference_rate_limit_exceeded", RATE_LIMITED),
    ("insufficient_quota", Fault::QuotaExhausted),
    ("credit_balance_exhausted", Fault::QuotaExhausted),
    ("billing_hard_limit_reached", Fault::QuotaExhausted),
    ("account_deactivated", Fault::QuotaExhausted),
    ("invalid_api_key", Fault::Unauthorized),
    ("model_not_found", Fault::ModelNotFound),
    ("DeploymentNotFound", Fault::ModelNotFound),
    ("beta_api_shape_disabled", Fault::WrongDialect),
];

fn error(kind: &str, code: Option<&str>, message: &str) -> Value {
    json!({"type": "error", "event_id": "event_1", "error":
        {"type": kind, "code": code, "message": message, "param": null, "event_id": "mine"}})
}

fn failed_response(error: &Value) -> Value {
    json!({"type": "response.done", "response": {"id": "resp_1", "status": "failed",
        "status_details": {"type": "failed", "error": error}}})
}

fn told(dialect: Dialect, message: &Value) -> Option<ProviderEvent> {
    Line::ready(dialect).hear(message)
}

#[test]
fn a_fatal_code_is_a_fault_by_the_error_event_and_by_a_failed_response() {
    for (code, fault) in FATAL {
        let event = told(Dialect::Ga, &error("invalid_request_error", Some(code), ""));
        assert_eq!(event, Some(ProviderEvent::Failed(fault)), "{code}");
        let done = failed_response(&json!({"type": "invalid_request_error", "code": code}));
        let Some(ProviderEvent::ResponseDone { outcome, .. }) = told(Dialect::Ga, &done) else {
            panic!("{code} ends the response only");
        };
        assert_eq!(outcome, ResponseOutcome::Failed(fault), "{code}");
    }
}

#[test]
fn a_type_tells_the_fault_where_there_is_no_code() {
    let event = told(
        Dialect::Ga,
        &error("server_error", None, "The server had an error"),
    );
    assert_eq!(event, Some(ProviderEvent::Stumbled(Fault::ServerError)));
    let done = failed_response(&json!({"type": "insufficient_quota", "code": null}));
    let Some(ProviderEvent::ResponseDone { outcome, .. }) = told(Dialect::Ga, &done) else {
        panic!("a response that is done");
    };
    assert_eq!(outcome, ResponseOutcome::Failed(Fault::QuotaExhausted));
}

#[test]
fn a_session_that_says_it_failed_goes_on_and_one_that_was_not_set_up_does_not() {
    for code in ["server_error", "internal_error", "internal_server_error"] {
        let said = error("invalid_request_error", Some(code), "");
        let mut line = Line::ready(Dialect::Ga);
        let stumbled = Some(ProviderEvent::Stumbled(Fault::ServerError));
        assert_eq!(line.hear(&said), stumbled, "{code}");
        assert_eq!(line.hear(&said), stumbled, "{code}: it is still heard");
        let done = failed_response(&json!({"type": "invalid_request_error", "code": code}));
        let Some(ProviderEvent::ResponseDone { outcome, .. }) = line.hear(&done) else {
            panic!("{code} ends the response only");
        };
        assert_eq!(
            outcome,
            ResponseOutcome::Failed(Fault::ServerError),
            "{code}"
        );

        let mut opening = Line::new(settings(), Dialect::Ga);
        opening.hear(&json!({"type": "session.created"}));
        let failed = Some(ProviderEvent::Failed(Fault::ServerError));
        assert_eq!(opening.hear(&said), failed, "{code}");
    }
}

#[test]
fn an_answer_that_a_filter_cut_was_refused_and_one_that_grew_too_long_was_not() {
    let cut = |reason: &str| {
        let done = json!({"type": "response.done", "response": {"id": "resp_1", "status": "incomplete",
            "status_details": {"type": "incomplete", "reason": reason}}});
        match told(Dialect::Ga, &done) {
            Some(ProviderEvent::ResponseDone { outcome, .. }) => outcome,
            other => panic!("{other:?}"),
        }
    };
    let refused = ResponseOutcome::Failed(Fault::PolicyRefused);
    assert_eq!(cut("content_filter"), refused);
    assert_eq!(cut("max_output_tokens"), ResponseOutcome::Incomplete);
    assert_eq!(cut("a_reason_of_next_year"), ResponseOutcome::Incomplete);
}

#[test]
fn what_was_already_so_is_no_failure() {
    for code in [
        "response_cancel_not_active",
        "input_audio_buffer_commit_empty",
        "item_retrieve_invalid_item_id",
        "item_truncate_invalid_item_id",
        "item_delete_invalid_item_id",
    ] {
        let event = told(Dialect::Ga, &error("invalid_request_error", Some(code), ""));
        assert_eq!(
            event,
            Some(ProviderEvent::Ignored(Ignored::HarmlessError)),
            "{code}"
        );
    }
    let busy = error(
        "invalid_request_error",
        Some("conversation_already_has_active_response"),
        "",
    );
    assert_eq!(
        told(Dialect::Ga, &busy),
        Some(ProviderEvent::Ignored(Ignored::AlreadyResponding))
    );
}

#[test]
fn an_event_of_ours_that_is_refused_is_lost_alone() {
    for (code, message) in [
        (
            Some("invalid_value"),
            "Audio content of 1200ms is already shorter than 1340ms",
        ),
        (
            Some("unsupported_content_type"),
            "Only model output audio messages can be truncated",
        ),
        (None, "Only model output audio messages can be truncated"),
        (Some("unknown_parameter"), "Unknown parameter"),
        (Some("a_code_of_next_year"), "quota"),
    ] {
        let event = told(Dialect::Ga, &error("invalid_request_error", code, message));
        assert_eq!(
            event,
            Some(ProviderEvent::Ignored(Ignored::RejectedEvent)),
            "{code:?}"
        );
    }
}

#[test]
fn a_refused_update_makes_the_session_useless() {
    let mut line = Line::new(settings(), Dialect::Ga);
    line.hear(&json!({"type": "session.created"}));
    let update = line.said[0]["event_id"].clone();
    let mut refused = error("invalid_request_error", Some("unknown_parameter"), "");
    let other = line.hear(&refused);
    assert_eq!(
        other,
        Some(ProviderEvent::Ignored(Ignored::RejectedEvent)),
        "another event"
    );
    refused["error"]["event_id"] = update;
    assert_eq!(
        line.hear(&refused),
        Some(ProviderEvent::Failed(Fault::RequestRejected))
    );

    let mut line = Line::new(settings(), Dialect::LocalAi);
    line.hear(&json!({"type": "session.created"}));
    let nameless = json!({"type": "error", "error": {"message": "bad session"}});
    assert_eq!(
        line.hear(&nameless),
        Some(ProviderEvent::Failed(Fault::RequestRejected))
    );
}

#[test]
fn servers_with_codes_of_their_own_are_understood_by_their_words() {
    for (message, expected) in [
        (
            "Conversation already has an active response",
            ProviderEvent::Ignored(Ignored::AlreadyResponding),
        ),
        (
            "Cancellation failed: no active response found",
            ProviderEvent::Ignored(Ignored::HarmlessError),
        ),
        (
            "Error committing input audio buffer: buffer too small",
            ProviderEvent::Ignored(Ignored::HarmlessError),
        ),
        (
            "Rate limit reached for team",
            ProviderEvent::Failed(RATE_LIMITED),
        ),
        (
            "Your team has run out of credits",
            ProviderEvent::Failed(Fault::QuotaExhausted),
        ),
        (
            "Incorrect API key provided",
            ProviderEvent::Failed(Fault::Unauthorized),
        ),
        (
            "Internal server error",
            ProviderEvent::Stumbled(Fault::ServerError),
        ),
        (
            "This violates our content policy",
            ProviderEvent::Failed(Fault::PolicyRefused),
        ),
        (
            "Maximum context length reached",
            ProviderEvent::Failed(Fault::ContextTooLong),
        ),
    ] {
        let event = error("invalid_request_error", Some("code_17"), message);
        assert_eq!(told(Dialect::Xai, &event), Some(expected), "{message}");
        let unread = told(Dialect::Ga, &event);
        assert_eq!(
            unread,
            Some(ProviderEvent::Ignored(Ignored::RejectedEvent)),
            "OpenAI's codes are exact"
        );
    }
}

#[test]
fn a_response_ends_in_one_of_four_ways() {
    for (status, details, outcome) in [
        ("completed", json!(null), ResponseOutcome::Completed),
        (
            "cancelled",
            json!({"type": "cancelled", "reason": "turn_detected"}),
            ResponseOutcome::Cancelled,
        ),
        (
            "incomplete",
            json!({"type": "incomplete", "reason": "max_output_tokens"}),
            ResponseOutcome::Incomplete,
        ),
        (
            "failed",
            json!(null),
            ResponseOutcome::Failed(Fault::ServerError),
        ),
        ("of_next_year", json!(null), ResponseOutcome::Incomplete),
    ] {
        let done = json!({"type": "response.done",
            "response": {"id": "resp_1", "status": status, "status_details": details}});
        let Some(ProviderEvent::ResponseDone { outcome: told, .. }) = told(Dialect::Ga, &done)
        else {
            panic!("{status} ends the response");
        };
        assert_eq!(told, outcome, "{status}");
    }
}

#[test]
fn a_close_says_why_by_its_reason_or_by_its_code() {
    let fault = |dialect: Dialect, code, reason: &str| {
        Session::new(settings(), dialect.quirks()).closed(code, reason)
    };
    let ga = Dialect::Ga;
    assert_eq!(
        fault(ga, 3000, "invalid_request_error.invalid_api_key"),
        Fault::Unauthorized
    );
    assert_eq!(
        fault(ga, 4000, "invalid_request_error.beta_api_shape_disabled"),
        Fault::WrongDialect
    );
    assert_eq!(
        fault(ga, 4000, "invalid_request_error.model_not_found"),
        Fault::ModelNotFound
    );
    assert_eq!(
        fault(ga, 1000, "insufficient_quota.insufficient_quota"),
        Fault::QuotaExhausted
    );
    assert_eq!(fault(ga, 1011, "server_error"), Fault::ServerError);
    let expired = "Your session hit the maximum duration of 60 minutes.";
    assert_eq!(fault(ga, 1001, expired), Fault::Expired);
    assert_eq!(fault(ga, 3000, ""), Fault::Unauthorized);
    for code in [1000, 1001, 1005, 1006, 1008, 1011, 1013, 4000] {
        assert_eq!(fault(ga, code, ""), Fault::Closed { code });
    }
    assert_eq!(fault(Dialect::LiteLlm, 1008, ""), Fault::Unauthorized);
    let ready = Line::ready(Dialect::LiteLlm);
    assert_eq!(
        ready.closed(1008, ""),
        Fault::Closed { code: 1008 },
        "a session that was let in"
    );
    assert_eq!(
        fault(Dialect::LiteLlm, 1008, "rate limit reached"),
        RATE_LIMITED
    );
}

#[test]
fn unknown_events_and_known_ones_without_news_change_nothing() {
    let unknown = Some(ProviderEvent::Ignored(Ignored::UnknownEvent));
    for (message, event) in [
        (
            json!({"type": "response.of_next_year", "response": 7, "item_id": null}),
            unknown,
        ),
        (
            json!({"type": "rate_limits.updated", "rate_limits": "?"}),
            None,
        ),
        (
            json!({"type": "conversation.item.added", "item": {"id": "item_1"}}),
            None,
        ),
        (
            json!({"type": "conversation.item.input_audio_transcription.failed", "item_id": "i"}),
            Some(ProviderEvent::Ignored(Ignored::NotTranscribed)),
        ),
    ] {
        assert_eq!(told(Dialect::Ga, &message), event, "{message}");
    }
}

#[test]
fn what_is_not_the_protocol_is_garbled() {
    for text in [
        "",
        "{",
        "[]",
        "7",
        "{}",
        r#"{"type": 7}"#,
        r#"{"type": "response.done"}"#,
        r#"{"type": "response.output_audio.delta", "response_id": "r", "item_id": "i", "delta": "&&&&"}"#,
        r#"{"type": "response.output_audio.delta", "response_id": "r", "delta": "AAAA"}"#,
        r#"{"type": "session.updated", "type": "session.updated"}"#,
    ] {
        let event = Line::ready(Dialect::Ga).hear_bytes(&text.into());
        assert_eq!(event, Some(ProviderEvent::Failed(Fault::Garbled)), "{text}");
    }
}
