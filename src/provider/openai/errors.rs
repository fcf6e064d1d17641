//! What an error means: the table of codes, which comes by four ways (`error`, a failed response, a close reason, the body of
//! a refused upgrade).

use crate::core::fault::Fault;
use crate::provider::openai::quirks::Quirks;
use crate::provider::openai::wire::read::WireError;

/// What is to be made of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// What we asked for was already so.
    Harmless,
    /// A response was asked for while another is being made.
    AlreadyResponding,
    /// What we sent was wrong.
    Rejected,
    /// The session, or the whole provider, is of no use.
    Fault(Fault),
}

/// The verdict on an error: by its code, else by its type, else (in dialects that need it) by its message.
pub(crate) fn verdict(error: &WireError<'_>, quirks: &Quirks) -> Verdict {
    let code = error.code.as_deref().unwrap_or_default();
    let kind = error.kind.as_deref().unwrap_or_default();
    let by_name = by_name(code).or_else(|| by_name(kind));
    let message = error.message.as_deref().unwrap_or_default();
    by_name
        .or_else(|| says_expired(message).then_some(Verdict::Fault(Fault::Expired)))
        .or_else(|| by_message(message).filter(|_| quirks.errors_by_message))
        // Most errors concern one event and leave the session as it was.
        .unwrap_or(Verdict::Rejected)
}

/// The fault of a close frame: a reason is `<type>.<code>`, or a sentence.
pub(crate) fn fault_of_close(code: u16, reason: &str, quirks: &Quirks) -> Fault {
    let (kind, name) = reason.split_once('.').unwrap_or((reason, ""));
    let named = by_name(name).or_else(|| by_name(kind));
    let named = named.or_else(|| by_message(reason).filter(|_| quirks.errors_by_message));
    if let Some(Verdict::Fault(fault)) = named {
        return fault;
    }
    match code {
        _ if says_expired(reason) => Fault::Expired,
        3000 => Fault::Unauthorized,
        code => Fault::Closed { code },
    }
}

/// The same before the session is configured: there some servers refuse a key or a model in this way.
pub(crate) fn fault_of_early_close(code: u16, reason: &str, quirks: &Quirks) -> Fault {
    let fault = fault_of_close(code, reason, quirks);
    if quirks.refuses_by_policy_close && fault == (Fault::Closed { code: 1008 }) {
        return Fault::Unauthorized;
    }
    fault
}

fn by_name(name: &str) -> Option<Verdict> {
    let name = name.strip_prefix("inference_").unwrap_or(name); // Azure's prefix.
    CODES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, verdict)| *verdict)
}

fn by_message(message: &str) -> Option<Verdict> {
    MESSAGES
        .iter()
        .find(|(words, _)| contains(message, words))
        .map(|(_, verdict)| *verdict)
}

/// The one fault that OpenAI itself tells by its message in a close reason.
fn says_expired(message: &str) -> bool {
    contains(message, "maximum duration")
}

/// Whether `message` contains `words`, which are in lower case.
fn contains(message: &str, words: &str) -> bool {
    message
        .as_bytes()
        .windows(words.len())
        .any(|window| window.eq_ignore_ascii_case(words.as_bytes()))
}

const RATE_LIMITED: Verdict = Verdict::Fault(Fault::RateLimited { retry_after: None });
const NO_QUOTA: Verdict = Verdict::Fault(Fault::QuotaExhausted);
const NO_KEY: Verdict = Verdict::Fault(Fault::Unauthorized);
const NO_MODEL: Verdict = Verdict::Fault(Fault::ModelNotFound);
const SERVER_ERROR: Verdict = Verdict::Fault(Fault::ServerError);
const REFUSED: Verdict = Verdict::Fault(Fault::PolicyRefused);
const TOO_LONG: Verdict = Verdict::Fault(Fault::ContextTooLong);

/// The word by which a response says that a filter cut it.
pub(super) const CONTENT_FILTER: &str = "content_filter";

/// Codes and types; they share one space of names.
const CODES: &[(&str, Verdict)] = &[
    ("response_cancel_not_active", Verdict::Harmless),
    ("input_audio_buffer_commit_empty", Verdict::Harmless),
    ("item_truncate_invalid_item_id", Verdict::Harmless),
    ("item_delete_invalid_item_id", Verdict::Harmless),
    ("item_retrieve_invalid_item_id", Verdict::Harmless),
    ("item_not_found", Verdict::Harmless),
    (
        "conversation_already_has_active_response",
        Verdict::AlreadyResponding,
    ),
    ("session_expired", Verdict::Fault(Fault::Expired)),
    ("server_error", SERVER_ERROR),
    ("internal_error", SERVER_ERROR),
    ("internal_server_error", SERVER_ERROR),
    ("rate_limit_exceeded", RATE_LIMITED),
    ("rate_limit_error", RATE_LIMITED),
    ("insufficient_quota", NO_QUOTA),
    ("credit_balance_exhausted", NO_QUOTA),
    ("billing_hard_limit_reached", NO_QUOTA),
    ("account_deactivated", NO_QUOTA),
    ("invalid_api_key", NO_KEY),
    ("authentication_error", NO_KEY),
    ("permission_denied", NO_KEY),
    // The protocol names none of these; they are what the same vendors' other interfaces say.
    (CONTENT_FILTER, REFUSED),
    ("content_policy_violation", REFUSED),
    ("moderation_blocked", REFUSED),
    ("ResponsibleAIPolicyViolation", REFUSED),
    ("context_length_exceeded", TOO_LONG),
    ("context_window_exceeded", TOO_LONG),
    ("model_not_found", NO_MODEL),
    ("OpperationNotSupported", NO_MODEL), // Azure's own spelling, for a deployment that is no realtime model.
    ("DeploymentNotFound", NO_MODEL),
    (
        "beta_api_shape_disabled",
        Verdict::Fault(Fault::WrongDialect),
    ),
];

/// Words that tell an error where its code does not, the most telling first.
const MESSAGES: &[(&str, Verdict)] = &[
    ("already has an active response", Verdict::AlreadyResponding),
    ("no active response", Verdict::Harmless),
    ("buffer too small", Verdict::Harmless),
    ("buffer is empty", Verdict::Harmless),
    ("item not found", Verdict::Harmless),
    ("quota", NO_QUOTA),
    ("credits", NO_QUOTA),
    ("rate limit", RATE_LIMITED),
    ("too many", RATE_LIMITED),
    ("api key", NO_KEY),
    ("unauthorized", NO_KEY),
    ("model not found", NO_MODEL),
    ("content policy", REFUSED),
    ("content filter", REFUSED),
    ("context length", TOO_LONG),
    ("context window", TOO_LONG),
    ("internal server error", SERVER_ERROR),
    ("internal error", SERVER_ERROR),
];
