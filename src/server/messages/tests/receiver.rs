//! Somebody who is sent messages: a real server on loopback.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;

/// What it answers to the how-many-eth request of this message, both from 0.
type Manners = fn(request: usize, message: usize) -> StatusCode;

/// One request, as it came.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) signature: String,
    pub(super) body: Bytes,
    pub(super) answer: StatusCode,
}

impl Request {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }
}

#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
    manners: Manners,
}

impl Receiver {
    pub(super) async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            url: format!("http://{}/hook?from=calls", listener.local_addr().unwrap()),
            seen: Arc::default(),
            manners,
        };
        let router = Router::new()
            .route("/hook", post(take))
            .layer(DefaultBodyLimit::max(16 << 20))
            .with_state(receiver.clone());
        #[expect(clippy::disallowed_methods, reason = "a peer is no task of the server")]
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        receiver
    }

    pub(super) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// How many messages it took.
    pub(super) fn taken(&self) -> usize {
        let seen = self.seen();
        seen.iter().filter(|one| one.answer.is_success()).count()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers["x-ringback-signature"].to_str().unwrap().to_owned();
    assert_eq!(headers["content-type"], "application/json");
    let mut request = Request {
        signature,
        body,
        answer: StatusCode::OK,
    };
    let mut seen = receiver.seen.lock().unwrap();
    let ids: Vec<_> = seen.iter().map(Request::id).collect();
    let mut order = Vec::new();
    for id in ids.iter().chain([&request.id()]) {
        if !order.contains(id) {
            order.push(id.clone());
        }
    }
    let message = order.iter().position(|id| *id == request.id()).unwrap();
    let so_far = ids.iter().filter(|id| **id == request.id()).count();
    request.answer = (receiver.manners)(so_far, message);
    let answer = request.answer;
    seen.push(request);
    answer
}
