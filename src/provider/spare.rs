//! One provider's WebSocket that waits for a call: connected, opened, and not configured for any agent.
//!
//! Whoever holds it polls it, so that the connection lives, and pings it. It must not decide how long it waits.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::core::fault::Fault;
use crate::core::time::Instant;
use crate::provider::dial::{Transport, open_stream};
use crate::provider::endpoint::Endpoint;
use crate::provider::flood::Flood;
use crate::provider::openai::outgoing::Outgoing;
use crate::provider::openai::settings::SessionSettings;
use crate::provider::openai::spare::Spare;
pub use crate::provider::openai::spare::SpareEvent;
use crate::provider::socket::{
    CUT, ProviderSocket, SocketLimits, close, close_parts, fault_of, websocket,
};

/// See the module.
pub struct SpareSocket {
    socket: WebSocketStream<Box<dyn Transport>>,
    spare: Spare,
    flood: Flood,
    unflushed: bool,
    failed: bool,
    opened_at: tokio::time::Instant,
    close_timeout: Duration,
}

impl SpareSocket {
    /// Dials `endpoint` as [`dial`](crate::provider::dial::dial) does, up to the open socket; `model` is asked for where the URL
    /// does not name one. The provider then opens the session: see [`SpareEvent::Opened`].
    pub async fn dial(
        endpoint: &Endpoint,
        model: Option<&str>,
        limits: &SocketLimits,
    ) -> Result<Self, Fault> {
        let (stream, first_bytes) = open_stream(endpoint, model, limits).await?;
        Ok(Self {
            socket: websocket(stream, first_bytes, limits).await,
            spare: Spare::new(endpoint.dialect().quirks()),
            flood: Flood::new(),
            unflushed: false,
            failed: false,
            opened_at: tokio::time::Instant::now(),
            close_timeout: limits.close_timeout,
        })
    }

    /// What happens next; the socket's own answers and pings go along. After [`SpareEvent::Failed`]: pending for ever.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SpareEvent> {
        while !self.failed {
            let next = match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Ready(next) => next,
                Poll::Pending => {
                    self.flush(cx);
                    return Poll::Pending;
                }
            };
            let event = match next {
                Some(Ok(message)) => self.on_message(message),
                Some(Err(error)) => Some(SpareEvent::Failed(fault_of(&error))),
                None => Some(SpareEvent::Failed(CUT)),
            };
            if let Some(event) = event {
                self.failed |= matches!(event, SpareEvent::Failed(_));
                return Poll::Ready(event);
            }
        }
        Poll::Pending
    }

    /// Asks for a sign of life. It goes when the socket is next polled.
    pub fn ping(&mut self) {
        self.unflushed = true;
        // What does not go out now is not needed, and a connection that is gone is found so by reading.
        Pin::new(&mut self.socket)
            .start_send(Message::Ping(Bytes::new()))
            .ok();
    }

    /// The socket of a call from now on, which has just asked for these settings: it is ready when the provider has confirmed
    /// them.
    pub fn claim(self, settings: SessionSettings) -> Result<ProviderSocket, Fault> {
        let mut outgoing = Outgoing::new();
        let session = self.spare.claim(settings, &mut outgoing);
        ProviderSocket::of_session(self.socket, session, outgoing, self.close_timeout)
    }

    /// Closes the socket properly, as [`ProviderSocket::close`] does.
    pub async fn close(self) {
        close(self.socket, self.close_timeout).await;
    }

    fn flush(&mut self, cx: &mut Context<'_>) {
        if self.unflushed && Pin::new(&mut self.socket).poll_flush(cx).is_ready() {
            self.unflushed = false;
        }
    }

    fn on_message(&mut self, message: Message) -> Option<SpareEvent> {
        let opened_at = self.opened_at;
        let now = || Instant::from_start(opened_at.elapsed());
        if self.flood.take(Duration::ZERO, now) {
            return Some(SpareEvent::Failed(Fault::Flooded));
        }
        match message {
            Message::Text(text) => self.spare.receive(&Bytes::from(text)),
            Message::Binary(_) => Some(SpareEvent::Failed(Fault::Garbled)),
            Message::Pong(_) => Some(SpareEvent::Pong),
            Message::Close(frame) => {
                let (code, reason) = close_parts(frame.as_ref());
                Some(SpareEvent::Failed(self.spare.closed(code, reason)))
            }
            // The library has its answer to a ping ready, and reads no raw frames.
            Message::Ping(_) | Message::Frame(_) => None,
        }
    }
}

impl fmt::Debug for SpareSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpareSocket")
            .field("spare", &self.spare)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
