//! `/sms`: a caller's text, answered within a tenth of a second whatever else is slow; and how far our own texts are.
//!
//! What a text asks for is read here and decided by [`crate::core::callback`]. Its words are never logged, and never kept.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;

use super::receive::{Received, receive};
use super::xml;
use crate::carrier::twilio::form::Form;
use crate::carrier::twilio::twiml::Document;
use crate::config::TextName;
use crate::core::callback::effect::{Answer, Reply};
use crate::core::callback::input::Input;
use crate::core::callback::intent::{Intent, WallTime};
use crate::core::callback::number::{Language, Number};
use crate::core::callback::promise::SendKind;
use crate::core::ids::{AccountSid, MessageSid};
use crate::server::Shared;
use crate::server::addresses::Peer;
use crate::server::callbacks::{Callbacks, text_status};
use crate::server::front::Front;
use crate::telemetry::Count;

/// How long a text waits for what it changes to be kept: the ledger gives up a little sooner, and says so.
const ANSWER_WITHIN: Duration = Duration::from_millis(90);

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/sms", post(text))
        .route("/sms/status/{send}/{token}", post(status))
}

async fn text(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let (Some(front), Some(callbacks)) = (&shared.front, &shared.callbacks) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let received = match received(&shared, front, peer, request).await {
        Ok(received) => received,
        Err(status) => return status.into_response(),
    };
    let form = &received.form;
    let Some(message) = form.get("MessageSid").and_then(MessageSid::parse) else {
        shared.telemetry.refused(Count::WebhooksMalformed);
        return StatusCode::BAD_REQUEST.into_response();
    };
    shared.telemetry.count(Count::CallbackTexts);
    // A short code or a name is nobody whom we could ring.
    let Some(from) = form.get("From").and_then(Number::parse) else {
        return silence();
    };
    let opted = form.get("OptOutType").map(opted);
    let body = form.get("Body").unwrap_or_default();
    let intent = opted.unwrap_or_else(|| Intent::parse(body));
    let answered = callbacks.text(message, from, intent, ANSWER_WITHIN).await;
    match answered.map(|answered| (answered.answer, answered.language)) {
        None | Some((Answer::Again, _)) => {
            shared.telemetry.count(Count::CallbackTextsPutOff);
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        // The carrier answers these by itself, where it says what they are.
        Some((Answer::Reply(_), _)) if opted.is_some() => silence(),
        Some((Answer::Nothing, _)) => silence(),
        Some((Answer::Reply(reply), language)) => {
            let ours = form.get("To");
            let words = words(&shared, callbacks, (from, ours), language.as_ref(), reply);
            xml(&Document::SmsReply { text: &words }.render())
        }
    }
}

/// Nothing is written back.
fn silence() -> Response {
    xml("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response/>\n")
}

/// What the carrier has found a text to be, where it looks itself.
fn opted(kind: &str) -> Intent<WallTime> {
    match kind {
        "STOP" => Intent::Stop,
        "START" => Intent::Start,
        // "HELP", and whatever comes to it.
        _ => Intent::Help,
    }
}

fn words(
    shared: &Shared,
    callbacks: &Callbacks,
    (from, ours): (Number, Option<&str>),
    language: Option<&Language>,
    reply: Reply,
) -> String {
    let (agent, _) = shared.agents.find(None, ours);
    let wanted = language.map(Language::name);
    let say = |name, values: &[(&str, &str)]| {
        let own = agent.language.as_deref();
        agent.texts.say(wanted, own, name, values)
    };
    let name = match reply {
        Reply::At(at) => {
            return match callbacks.moment(from, at) {
                Some(at) if at.is_today => say(TextName::At, &[("time", &at.time)]),
                Some(at) => say(TextName::AtDay, &[("day", &at.day), ("time", &at.time)]),
                None => say(TextName::Soon, &[]),
            };
        }
        Reply::Help => TextName::Help,
        Reply::Soon => TextName::Soon,
        Reply::NotThen => TextName::NotThen,
        Reply::Declined => TextName::Declined,
        Reply::Welcome => TextName::Welcome,
        Reply::Unclear => TextName::Unclear,
        Reply::CallUs => TextName::CallUs,
    };
    say(name, &[])
}

async fn status(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    Path((send, token)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (Some(front), Some(callbacks)) = (&shared.front, &shared.callbacks) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let received = match received(&shared, front, peer, request).await {
        Ok(received) => received,
        Err(status) => return status.into_response(),
    };
    let Some(send) = front.sent(SendKind::Text, &send, &token) else {
        shared.telemetry.refused(Count::CallbackPathsForged);
        return StatusCode::FORBIDDEN.into_response();
    };
    let Some((message, status)) = text_status(&received.form) else {
        shared.telemetry.refused(Count::WebhooksMalformed);
        return StatusCode::BAD_REQUEST.into_response();
    };
    told(&shared, callbacks, Input::TextStatus(send, message, status))
}

/// What a status callback is answered with: the ledger was told, or has too much to do.
pub(super) fn told(shared: &Shared, callbacks: &Callbacks, input: Input) -> Response {
    if callbacks.heard(input) {
        return StatusCode::NO_CONTENT.into_response();
    }
    shared.telemetry.count(Count::CallbacksDropped);
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

/// Reads a request that is Twilio's, and of an account of ours.
pub(super) async fn received(
    shared: &Arc<Shared>,
    front: &Front,
    peer: Peer,
    request: Request,
) -> Result<Received, StatusCode> {
    let received = receive(shared, front, peer, request).await?;
    let account = |form: &Form| AccountSid::parse(form.get("AccountSid")?);
    match account(&received.form) {
        Some(account) if front.serves(account) => Ok(received),
        Some(_) => {
            shared.telemetry.refused(Count::WebhooksForeign);
            Err(StatusCode::FORBIDDEN)
        }
        None => {
            shared.telemetry.refused(Count::WebhooksMalformed);
            Err(StatusCode::BAD_REQUEST)
        }
    }
}
