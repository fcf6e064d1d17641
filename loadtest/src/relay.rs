//! The bare relay: the least that a server between a carrier and a model can do, as a measure for one that does more.
//!
//! It is built from the same WebSocket libraries as the server under test, with the same marks and pings, and only splices
//! payloads. It keeps nothing, paces nothing, and survives nothing: audio that comes before the model is configured is dropped.
//! It reads the JSON of our own doubles by byte search and is no server for anybody else.

mod call;
mod splice;

use std::{io, sync::Arc};

use axum::{
    Router,
    extract::{State, WebSocketUpgrade},
    response::Response,
    routing::get,
    serve::ListenerExt,
};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ClientConfig;

/// Read buffers of both sockets of a call, as the server under test has them.
const READ_BUFFER_BYTES: usize = 8 * 1024;
/// More than this waiting for a slow side ends the call.
const WRITE_BUFFER_BYTES_MAX: usize = 1024 * 1024;
/// The largest message from the carrier.
const CARRIER_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// What the relay needs to know.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Where the model is (`ws://` or `wss://`).
    pub model_url: String,
    /// Whom to trust behind `wss://`.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Relay {
    /// Relays every call that comes to `/media` until the task ends.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let routes = Router::new()
            .route("/media", get(upgrade))
            .route("/health/live", get(|| async { "ok\n" }))
            .with_state(Arc::new(self));
        let listener = listener.tap_io(|tcp| {
            // Without it a call works as well, only later.
            let _delayed = tcp.set_nodelay(true);
        });
        axum::serve(listener, routes).await
    }
}

async fn upgrade(State(relay): State<Arc<Relay>>, request: WebSocketUpgrade) -> Response {
    request
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(CARRIER_MESSAGE_BYTES_MAX)
        .max_frame_size(CARRIER_MESSAGE_BYTES_MAX)
        .on_upgrade(async move |carrier| call::relay(carrier, &relay).await)
}
