//! Where other nodes ask: who is let in, and how much of us they may take.
//!
//! The seal is looked at before the words are read, so that a stranger costs a header. Whatever is refused is counted with its reason.

use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::Nodes;
use super::answering::answer;
use super::seal::{Broken, HEADER, Opened, PATH, STAMP_APART_MAX, Seal};
use super::words::{self, Answer, Question, WORDS_BYTES_MAX};
use crate::core::front::Expiring;
use crate::core::time::Instant;
use crate::server::Shared;
use crate::server::clock::Clock;
use crate::telemetry::Count;

/// How many questions are answered at a time; further ones are refused with 503, and asked again by whoever needs it.
const ANSWERING_MAX: usize = 128;

/// How many connections of other nodes stay open for their next question: four of each of as many nodes as there may be. On any more
/// one question is answered.
const STANDING_MAX: usize = 256;

/// How long the words of a question may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// How many questions are remembered, for as long as they could be asked again: 64 nodes that ask four times a second. Beyond it the
/// oldest goes.
const REMEMBERED_MAX: usize = 16_384;

/// See the module.
#[derive(Debug)]
pub(super) struct Door {
    answering: Semaphore,
    standing: Arc<Semaphore>,
    /// The questions that were asked, by their numbers.
    asked: Mutex<Expiring<u64, ()>>,
}

/// The place of a connection that stays open for the next question of another node. In an answer's extensions it says that this one does.
#[derive(Clone, Debug)]
pub(in crate::server) struct Standing {
    _place: Arc<OwnedSemaphorePermit>,
}

impl Door {
    pub(super) fn new() -> Self {
        Self {
            answering: Semaphore::new(ANSWERING_MAX),
            standing: Arc::new(Semaphore::new(STANDING_MAX)),
            asked: Mutex::new(Expiring::new(REMEMBERED_MAX, STAMP_APART_MAX * 2)),
        }
    }

    /// Whether a question is asked for the first time.
    fn is_new(&self, now: Instant, nonce: u64) -> bool {
        // It is changed by steps that cannot panic half-way.
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = asked.get(now, &nonce).is_none();
        asked.put(now, nonce, ());
        is_new
    }
}

/// The route; without other nodes there is nothing behind it.
pub(in crate::server) fn router() -> Router<Arc<Shared>> {
    Router::new().route(PATH, post(asked))
}

async fn asked(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let Some(nodes) = &shared.nodes else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match serve(&shared, nodes, request).await {
        Ok(response) => response,
        Err((count, status)) => {
            shared.telemetry.refused(count);
            status.into_response()
        }
    }
}

/// What a refusal is counted as, and answered.
type Refused = (Count, StatusCode);

async fn serve(shared: &Arc<Shared>, nodes: &Nodes, request: Request) -> Result<Response, Refused> {
    let (head, body) = request.into_parts();
    let opened = let_in(shared, nodes, &head.headers)?;
    let door = &nodes.door;
    let busy = |_| (Count::PeersCrowded, StatusCode::SERVICE_UNAVAILABLE);
    let _turn = door.answering.try_acquire().map_err(busy)?;
    let body = timeout(BODY_TIMEOUT, to_bytes(body, WORDS_BYTES_MAX)).await;
    let body: Bytes = match body {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return Err((Count::PeersOversized, StatusCode::PAYLOAD_TOO_LARGE)),
        Err(_) => return Err((Count::PeersMalformed, StatusCode::REQUEST_TIMEOUT)),
    };
    if !opened.covers(&body) {
        return Err((Count::PeersForged, StatusCode::UNAUTHORIZED));
    }
    if !door.is_new(shared.clock.now(), opened.seal.nonce) {
        return Err((Count::PeersRepeated, StatusCode::CONFLICT));
    }
    let (from, question) = words::read::<Question>(&body)
        .map_err(|_| (Count::PeersMalformed, StatusCode::BAD_REQUEST))?;
    // Two opinions on where a node stands would make two majorities; and a witness votes, and asks nothing.
    if from.node != opened.seal.from || !nodes.peers.is_node(from) {
        return Err((Count::PeersUnknown, StatusCode::FORBIDDEN));
    }
    let answer = match question {
        Some(question) => answer(shared, nodes, from, question).await,
        None => Answer::NotUnderstood,
    };
    let body = words::write(nodes.me, &answer);
    let header = opened.tag.answer(nodes.peers.key(), &body);
    let mut response = ([(HEADER, header)], body).into_response();
    if let Ok(place) = Arc::clone(&door.standing).try_acquire_owned() {
        let place = Arc::new(place);
        response.extensions_mut().insert(Standing { _place: place });
    }
    Ok(response)
}

/// Whether this is signed by one of us, for us, and of now.
fn let_in(shared: &Shared, nodes: &Nodes, headers: &HeaderMap) -> Result<Opened, Refused> {
    let header = headers.get(HEADER).and_then(|header| header.to_str().ok());
    let malformed = (Count::PeersMalformed, StatusCode::BAD_REQUEST);
    let opened = Seal::open(nodes.peers.key(), Clock::utc(), header.ok_or(malformed)?);
    let opened = opened.map_err(|broken| match broken {
        Broken::Malformed => malformed,
        Broken::Forged => (Count::PeersForged, StatusCode::UNAUTHORIZED),
        Broken::Stale => (Count::PeersStale, StatusCode::UNAUTHORIZED),
    })?;
    let is_known = nodes.peers.is_known(opened.seal.from);
    if !is_known || opened.seal.to != nodes.me.node {
        return Err((Count::PeersUnknown, StatusCode::FORBIDDEN));
    }
    tracing::trace!(from = %opened.seal.from, stage = shared.tasks.stage().name(), "a node asks");
    Ok(opened)
}
