//! What may be asked for at the public listener, and who is let in.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::Shared;
use super::addresses::{Peer, Place};
use super::call_task::CallTask;
use super::clock::draw_call_id;
use super::drain::Stage;
use super::region::door::Standing;
use super::region::{Nodes, door};
use super::webhooks::{self, check_upgrade};
use crate::carrier::socket::limited;
use crate::core::health::Readiness;
use crate::telemetry::Count;

/// When somebody who found no room may ask again: about as long as an overload takes to ease.
const RETRY_AFTER_SECONDS: &str = "5";

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/media", get(media))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .merge(webhooks::router())
        .merge(door::router())
        .with_state(shared)
        .layer(map_response(close_unless_upgraded))
}

/// A connection carries one request: nobody keeps a place that others wait for. But for other nodes of ours, which have places of
/// their own.
pub(super) async fn close_unless_upgraded(mut response: Response) -> Response {
    let stays = response.extensions().get::<Standing>().is_some();
    if !stays && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// Whether the event loop turns.
async fn live(State(shared): State<Arc<Shared>>) -> Response {
    if shared.health.is_turning(shared.clock.now()) {
        "live\n".into_response()
    } else {
        let sentence = "The event loop stands still.\n";
        (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response()
    }
}

/// Whether new calls are to come here. Without a model as well, where no other node has one: the apology and the call back are here.
async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let now = shared.clock.now();
    let readiness = shared.readiness(now, shared.missing(now));
    let sentence = match readiness {
        Readiness::Ready => "ready\n".to_owned(),
        Readiness::ReadyWithout(missing) => format!("ready, without: {}\n", missing.name()),
        Readiness::Leaving => format!("{}\n", shared.tasks.stage().name()),
        Readiness::BetterElsewhere(missing) => {
            format!("better elsewhere, without: {}\n", missing.name())
        }
    };
    if readiness.is_ready() {
        sentence.into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response()
    }
}

/// A carrier's media stream: lets it in, and starts its call.
async fn media(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    if shared.nodes.as_ref().is_some_and(Nodes::is_witness) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let (mut parts, _) = request.into_parts();
    let place = match let_in(&shared, peer, &parts) {
        Ok(place) => place,
        Err(refused) => return refused.into_response(),
    };
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &shared).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    // With documents of our own, a call was refused or taken when it asked for one.
    let is_taken = !shared.has_foreign_documents();
    let stage = shared.tasks.stage();
    let is_leaving = stage >= Stage::HandingOver || (stage > Stage::Serving && !is_taken);
    let room = if is_leaving {
        Err(Count::UpgradesLeaving)
    } else if is_taken || shared.overload.stage().allows_calls() {
        shared.calls.seat()
    } else {
        Err(Count::UpgradesOverloaded)
    };
    let seat = match room {
        Ok(seat) => seat.with_place(place),
        Err(count) => {
            shared.telemetry.refused(count);
            return busy();
        }
    };
    limited(upgrade, &shared.carrier_limits).on_upgrade(async move |socket| {
        let call = draw_call_id();
        let tasks = shared.tasks.clone();
        tasks.spawn(call, CallTask::new(call, socket, seat, shared).run());
    })
}

/// Whether an upgrade comes from whom we serve; without a signature it takes a place of its address's until its stream starts.
fn let_in(shared: &Shared, peer: Peer, parts: &Parts) -> Result<Option<Place>, Refused> {
    let Some(front) = &shared.front else {
        return is_from_here(&parts.headers)
            .map(|()| None)
            .map_err(|(count, sentence)| {
                shared.telemetry.refused(count);
                Refused::Stranger(StatusCode::FORBIDDEN, sentence)
            });
    };
    let client = shared.proxies.client(peer, &parts.headers);
    if !front.memory().may_ask(shared.clock.now(), client) {
        shared.telemetry.refused(Count::RequestsImpatient);
        let sentence = "Too much of this was refused before.\n";
        return Err(Refused::Stranger(StatusCode::TOO_MANY_REQUESTS, sentence));
    }
    let is_signed = check_upgrade(shared, front, client, parts);
    let is_signed = is_signed.map_err(|status| Refused::Stranger(status, "Not signed.\n"))?;
    let Some(client) = client.filter(|_| !is_signed) else {
        return Ok(None);
    };
    let place = shared.unsigned.enter(client);
    if place.is_none() {
        shared.telemetry.refused(Count::UpgradesOverAddress);
    }
    place.map(Some).ok_or(Refused::NoRoom)
}

/// Why an upgrade is not accepted.
enum Refused {
    /// It comes from nobody whom we serve.
    Stranger(StatusCode, &'static str),
    /// Its address has all that it may have.
    NoRoom,
}

impl Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Stranger(status, sentence) => (status, sentence).into_response(),
            Self::NoRoom => busy(),
        }
    }
}

/// There is no room for another call, now.
fn busy() -> Response {
    let retry_after = [(header::RETRY_AFTER, RETRY_AFTER_SECONDS)];
    let sentence = "There is no room for another call.\n";
    (StatusCode::SERVICE_UNAVAILABLE, retry_after, sentence).into_response()
}

/// Without signatures only this machine is let in, and the loopback address alone does not prove that it is this machine that
/// asks: a proxy or a tunnel on it brings others, and so does a web page in its browser.
pub(super) fn is_from_here(headers: &HeaderMap) -> Result<(), (Count, &'static str)> {
    let forwarded = headers.keys().any(|name| {
        let name = name.as_str();
        name == "forwarded" || name.starts_with("x-forwarded-") || name == "x-twilio-signature"
    });
    if forwarded {
        let sentence =
            "This comes from outside, and public.auth = \"none\" serves this machine only.\n";
        return Err((Count::UpgradesForwarded, sentence));
    }
    let origin = headers.get(header::ORIGIN);
    if origin.is_some_and(|origin| !origin.to_str().is_ok_and(is_loopback_origin)) {
        let sentence = "A web page of another machine asks, and public.auth = \"none\" serves this machine only.\n";
        return Err((Count::UpgradesFromPages, sentence));
    }
    Ok(())
}

fn is_loopback_origin(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else {
        return false;
    };
    is_loopback_host(uri.host().unwrap_or_default())
}

/// Whether this host can only be this machine.
pub(super) fn is_loopback_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(name: &'static str, value: &'static str) -> Option<Count> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        is_from_here(&headers).err().map(|(count, _)| count)
    }

    #[test]
    fn what_was_forwarded_is_not_from_here() {
        for name in [
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-twilio-signature",
        ] {
            assert_eq!(verdict(name, "x"), Some(Count::UpgradesForwarded), "{name}");
        }
        assert_eq!(verdict("x-request-id", "x"), None);
    }

    #[test]
    fn a_page_of_another_machine_is_not_from_here() {
        for origin in [
            "https://evil.example",
            "http://localhost.evil.example",
            "null",
        ] {
            assert_eq!(
                verdict("origin", origin),
                Some(Count::UpgradesFromPages),
                "{origin}"
            );
        }
        for origin in [
            "http://127.0.0.1:8080",
            "http://localhost:3000",
            "http://[::1]:1",
        ] {
            assert_eq!(verdict("origin", origin), None, "{origin}");
        }
    }
}
