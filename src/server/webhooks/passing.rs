//! Passing on: another node is asked what comes next, for this one is on its way out, or has no seat.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::receive::Received;
use super::{Hook, xml};
use crate::carrier::twilio::address::PublicUrl;
use crate::carrier::twilio::twiml::Document;
use crate::carrier::twilio::webhook::Voice;
use crate::core::front::Failed;
use crate::server::Shared;
use crate::server::region::routing::{self, Successor};
use crate::telemetry::Count;

/// Who goes on with a call in our place. What was passed on once stays where it is: two nodes without a seat pass nobody to and fro. Nor is
/// a call passed on whose documents the carrier cannot carry out: others would write the same.
pub(super) fn successor<'a>(
    shared: &'a Shared,
    voice: &Voice,
    received: &Received,
) -> Successor<'a> {
    if received.is_passed_on || voice.failed == Failed::Document {
        Successor::Nobody
    } else {
        routing::successor(shared, voice.call)
    }
}

/// The node at this place is to be asked. Whoever asks by the fallback URL has nobody else to ask, and is told where.
pub(super) fn pass_on(hook: Hook, shared: &Shared, place: &PublicUrl) -> Response {
    if hook != Hook::Fallback {
        return leave(shared);
    }
    shared.telemetry.count(Count::CallsGivenAway);
    let action = &place.http(&format!("{}?passed=1", hook.path()));
    xml(&Document::Redirect { action }.render())
}

/// The carrier is to ask another process: by the fallback URL, or through a balancer.
pub(super) fn leave(shared: &Shared) -> Response {
    shared.telemetry.refused(Count::WebhooksLeaving);
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}
