//! Accepts connections and serves their one HTTP request each; a WebSocket's further life is its call's task, and another node of ours
//! may ask again on the connection that it has.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use super::Shared;
use super::addresses::{Peer, Place};
use super::drain::Stage;
use super::lobby::{self, Guest, Lobby};
use super::region::door::Standing;
use super::routes;
use super::tls::Tls;
use crate::telemetry::Count;

/// From the first byte of a connection to the end of its response or upgrade; closed after it.
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may say nothing: nothing is set up for it before its first byte.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How long another node's connection may say nothing before it is closed: longer than that node keeps one that it does not use.
const STANDING_SILENCE_MAX: Duration = Duration::from_mins(1);

/// The head of a request and what is behind it; carriers' signatures and parameters are far below.
const HTTP_BUFFER_BYTES_MAX: usize = 16 * 1024;

/// How long to wait when the process has no more file descriptors: calls must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until live calls are ended: whoever is on the line is served, and health checks are told. Beyond `connections_max` connections before their upgrade the oldest gives way.
pub(super) async fn accept(listener: TcpListener, connections_max: usize, shared: &Arc<Shared>) {
    let router = routes::router(Arc::clone(shared));
    let tls = shared.tls.as_ref().map(Tls::acceptor);
    let lobby = Lobby::new(connections_max);
    let draining = shared.tasks.reached(Stage::Draining);
    let mut draining = pin!(draining);
    loop {
        let accepted = tokio::select! {
            () = &mut draining => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok((stream, address)) => (stream, Peer(address.ip())),
            Err(error) => {
                shared.telemetry.refused(Count::ConnectionsDropped);
                tracing::debug!(%error, "no connection accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A proxy of ours may have as many as there are.
        let place = match shared.proxies.client_of(peer) {
            None => None,
            Some(client) => {
                let Some(place) = shared.connections.enter(client) else {
                    shared.telemetry.refused(Count::ConnectionsOverAddress);
                    continue;
                };
                Some(place)
            }
        };
        let (guest, has_one_gone) = lobby.enter();
        if has_one_gone {
            shared.telemetry.refused(Count::ConnectionsDropped);
        }
        let held = Arc::clone(&guest.place);
        let served = serve(stream, (peer, held), router.clone(), tls.clone(), shared);
        spawn(served, (guest, place), shared);
        if has_one_gone {
            // A crowd comes all at once: live calls are not to wait until all of it was let in.
            tokio::task::yield_now().await;
        }
    }
}

/// Serves a connection, by TLS where that is ours.
fn serve(
    stream: TcpStream,
    (peer, held): (Peer, Arc<lobby::Place>),
    router: axum::Router,
    tls: Option<TlsAcceptor>,
    shared: &Arc<Shared>,
) -> impl Future<Output = ()> + Send + 'static {
    let telemetry = shared.telemetry.clone();
    async move {
        let Some(tls) = tls else {
            return serve_plain(stream, peer, Some(held), router).await;
        };
        // As below.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        match timeout(HTTP_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => serve_http(stream, peer, Some(held), router).await,
            Ok(Err(error)) => {
                let so_far = telemetry.count(Count::HandshakesFailed);
                if so_far.is_power_of_two() {
                    tracing::warn!(%error, so_far, "a TLS handshake failed");
                }
            }
            Err(_) => {
                telemetry.count(Count::HandshakesFailed);
            }
        }
    }
}

fn spawn(
    served: impl Future<Output = ()> + Send + 'static,
    (guest, place): (Guest, Option<Place>),
    shared: &Arc<Shared>,
) {
    let tasks = shared.tasks.clone();
    shared.tasks.spawn("connection", async move {
        tokio::select! {
            () = served => {}
            Ok(()) = guest.told_to_go => {}
            () = tasks.reached(Stage::Draining) => {}
        }
        drop((guest.place, place));
    });
}

/// Serves an operator's connection to the end of its one request, or of its time.
pub(super) async fn serve_one(stream: TcpStream, peer: Peer, router: axum::Router) {
    serve_plain(stream, peer, None, router).await;
}

async fn serve_plain(
    stream: TcpStream,
    peer: Peer,
    held: Option<Arc<lobby::Place>>,
    router: axum::Router,
) {
    // Frames of 20 ms must not wait for each other. A socket that cannot be told so is gone already.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    if let Ok(Ok(())) = timeout(SILENCE_MAX, stream.readable()).await {
        serve_http(stream, peer, held, router).await;
    }
}

async fn serve_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    held: Option<Arc<lobby::Place>>,
    router: axum::Router,
) {
    let standing = Arc::new(Stand::default());
    let stand = Arc::clone(&standing);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        if let Some(place) = &held {
            place.asks();
        }
        request.extensions_mut().insert(peer);
        let answered = router.clone().call(request);
        let (stand, held) = (Arc::clone(&stand), held.clone());
        async move {
            let mut answered = answered.await;
            if let Ok(answer) = &mut answered
                && let Some(standing) = answer.extensions_mut().remove::<Standing>()
            {
                stand.take(standing);
                // It is one of us, and needs no place of those who come and go.
                if let Some(place) = held {
                    place.leave();
                }
            }
            answered
        }
    });
    let connection = http1::Builder::new()
        .max_buf_size(HTTP_BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut limit = HTTP_TIMEOUT;
    loop {
        tokio::select! {
            // A peer that speaks no HTTP: there is nobody to tell.
            _ended = &mut connection => return,
            () = sleep(limit) => return,
            () = standing.asked.notified() => limit = STANDING_SILENCE_MAX,
        }
    }
}

/// A connection that stays: by which place, and told at each of its questions.
#[derive(Debug, Default)]
struct Stand {
    place: Mutex<Option<Standing>>,
    asked: Notify,
}

impl Stand {
    fn take(&self, standing: Standing) {
        // Nothing is done under the lock that could leave it half changed.
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(standing);
        self.asked.notify_one();
    }
}
