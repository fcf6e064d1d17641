//! From a request to a question of Twilio's: bounded, read and checked, or refused, counted and told once a burst.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};

use super::Hook;
use crate::carrier::twilio::address::Asks;
use crate::carrier::twilio::form::Form;
use crate::carrier::twilio::signature::{Body, Signed, Unsigned};
use crate::core::ids::CallSid;
use crate::server::Shared;
use crate::server::addresses::{Client, Peer};
use crate::server::front::Front;
use crate::telemetry::Count;

/// The longest body that is read; Twilio's are a few kilobytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// A longer name of a question is none of Twilio's.
const QUESTION_BYTES_MAX: usize = 512;

/// A question that Twilio asks.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) form: Form,
    /// The ticket in its URL.
    pub(super) ticket: Option<String>,
    /// The agent in its URL.
    pub(super) agent: Option<String>,
    /// Another node has passed it on to this one.
    pub(super) is_passed_on: bool,
    /// What its repetitions have in common with it.
    token: Option<String>,
    /// The leg to a person that is over, where one is.
    dial: Option<String>,
}

impl Received {
    /// The name of the question: the same when it is asked again. `None`: it has no name, and is another one each time.
    pub(super) fn question(&self, hook: Hook, call: CallSid) -> Option<String> {
        self.named(hook.path(), call)
    }

    /// The same for a path of which there are many.
    pub(super) fn named(&self, path: &str, call: CallSid) -> Option<String> {
        let mark = self.token.as_ref().or(self.ticket.as_ref())?;
        // After each person the same document is asked behind.
        let dial = self.dial.as_deref().unwrap_or_default();
        let is_short = mark.len() + dial.len() <= QUESTION_BYTES_MAX;
        is_short.then(|| format!("{path} {call} {mark} {dial}"))
    }
}

/// Reads a request and checks that it is Twilio's; else the status that refuses it.
pub(super) async fn receive(
    shared: &Arc<Shared>,
    front: &Front,
    peer: Peer,
    request: Request,
) -> Result<Received, StatusCode> {
    let client = shared.proxies.client(peer, request.headers());
    if !front.memory().may_ask(shared.clock.now(), client) {
        shared.telemetry.refused(Count::RequestsImpatient);
        return Err(StatusCode::TOO_MANY_REQUESTS);
    }
    let (parts, body) = request.into_parts();
    let read = match to_bytes(body, BODY_BYTES_MAX).await {
        Ok(body) => read(front, &parts, &body),
        // Too long, or cut short: there is nothing to be signed.
        Err(_) => Err((Count::WebhooksOversized, StatusCode::PAYLOAD_TOO_LARGE)),
    };
    read.map_err(|(count, status)| {
        refuse(shared, front, client, count);
        status
    })
}

fn read(front: &Front, parts: &Parts, body: &[u8]) -> Result<Received, (Count, StatusCode)> {
    let malformed = (Count::WebhooksMalformed, StatusCode::BAD_REQUEST);
    let query = Form::parse(parts.uri.query().unwrap_or_default().as_bytes()).ok_or(malformed)?;
    let kind = text(&parts.headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let is_form = kind.starts_with("application/x-www-form-urlencoded");
    let is_get = parts.method == Method::GET;
    let form = match (is_get, is_form) {
        (false, true) => Form::parse(body).ok_or(malformed)?,
        // Another body is looked into once its signature has been found good.
        (true, _) | (false, false) => Form::default(),
    };
    let signed = Signed {
        asks: Asks::Http,
        target: target(parts),
        body: match (is_get, is_form) {
            (true, _) => Body::Nothing,
            (false, true) => Body::Form(&form),
            (false, false) => Body::Bytes(body),
        },
        signature: text(&parts.headers, SIGNATURE),
    };
    check(front, &parts.headers, &signed)?;
    let form = match (is_get, is_form) {
        (true, _) => query.clone(),
        (false, true) => form,
        (false, false) => Form::parse_json(body).ok_or(malformed)?,
    };
    let dial = form.get("DialCallSid").or(form.get("DialCallStatus"));
    Ok(Received {
        ticket: query.get("ticket").map(str::to_owned),
        agent: query.get("agent").map(str::to_owned),
        is_passed_on: query.get("passed").is_some(),
        dial: dial.map(str::to_owned),
        form,
        token: text(&parts.headers, "i-twilio-idempotency-token").map(str::to_owned),
    })
}

/// Whether the upgrade of a stream is signed: `Ok(false)`: it is not, and need not be. Else what it is refused for.
pub(in crate::server) fn check_upgrade(
    shared: &Shared,
    front: &Front,
    client: Option<Client>,
    parts: &Parts,
) -> Result<bool, StatusCode> {
    let signature = text(&parts.headers, SIGNATURE);
    if signature.is_none() && !front.needs_signed_upgrades() {
        return Ok(false);
    }
    let signed = Signed {
        asks: Asks::WebSocket,
        target: target(parts),
        body: Body::Nothing,
        signature,
    };
    let checked = check(front, &parts.headers, &signed);
    checked.map(|()| true).map_err(|(count, status)| {
        let count = if count == Count::WebhooksUnsigned {
            Count::UpgradesUnsigned
        } else {
            Count::UpgradesForged
        };
        refuse(shared, front, client, count);
        status
    })
}

const SIGNATURE: &str = "x-twilio-signature";

/// A host that is longer than this names nothing.
const HOST_BYTES_MAX: usize = 255;

fn check(
    front: &Front,
    headers: &HeaderMap,
    signed: &Signed<'_>,
) -> Result<(), (Count, StatusCode)> {
    let count = match front.signatures.check(signed) {
        Ok(()) => return Ok(()),
        Err(Unsigned::Missing) => Count::WebhooksUnsigned,
        Err(Unsigned::Forged | Unsigned::OtherBody) => Count::WebhooksForged,
    };
    let host = text(headers, header::HOST.as_str()).filter(|host| host.len() <= HOST_BYTES_MAX);
    // Nobody but Twilio can sign for the host that the request names: so it is not the request that is wrong.
    if let Some(host) = host.filter(|host| front.signatures.fits_host(host, signed)) {
        let configured = front.public_url();
        tracing::error!(
            configured,
            asked = host,
            "Twilio signs for another address than the configured one: twilio.public_url must be what the number's Voice URL says"
        );
    }
    Err((count, StatusCode::FORBIDDEN))
}

fn refuse(shared: &Shared, front: &Front, client: Option<Client>, count: Count) {
    front.memory().refused(shared.clock.now(), client);
    shared.telemetry.refused(count);
}

/// The path and the query as they came.
fn target(parts: &Parts) -> &str {
    let target = parts.uri.path_and_query();
    target.map_or("/", axum::http::uri::PathAndQuery::as_str)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
