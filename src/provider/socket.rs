//! One provider's WebSocket with its session: commands in, events out, every buffer bounded.
//!
//! Nothing in here waits: what the network does not take stays in a bounded buffer until the next
//! [`ProviderSocket::poll_flush`].

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, Stream, StreamExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::core::call::effect::ProviderCommand;
use crate::core::call::input::ProviderEvent;
use crate::core::fault::Fault;
use crate::core::time::Instant;
use crate::provider::dial::Transport;
use crate::provider::flood::Flood;
use crate::provider::openai::outgoing::Outgoing;
use crate::provider::openai::session::Session;

/// The limits of a provider's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketLimits {
    /// From the first packet to an open WebSocket. Keep it below the call's own time-out of a dial, so that this one, which
    /// knows the stage, comes first; what is left then is the session's.
    pub dial_timeout: Duration,
    /// Bytes that one read takes; allocated for each socket.
    pub read_buffer_bytes: usize,
    /// The longest message that is accepted: [`Fault::Oversized`] beyond it.
    pub message_bytes_max: usize,
    /// What is collected before a write is tried at all without a flush.
    pub write_batch_bytes: usize,
    /// What may wait for a provider that does not read: [`Fault::WriteOverflow`] beyond it. More than `write_batch_bytes`.
    pub write_buffer_bytes_max: usize,
    /// How long a close may take.
    pub close_timeout: Duration,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            dial_timeout: Duration::from_millis(2_500),
            read_buffer_bytes: 8 * 1024,
            message_bytes_max: 1024 * 1024,
            write_batch_bytes: 8 * 1024,
            // A session that takes over is given at once what the caller said before: half a minute as an item, and half a
            // minute as audio.
            write_buffer_bytes_max: 1024 * 1024,
            close_timeout: Duration::from_secs(1),
        }
    }
}

/// An open socket and the session on it.
pub struct ProviderSocket {
    socket: WebSocketStream<Box<dyn Transport>>,
    session: Session,
    outgoing: Outgoing,
    /// Whether something was written since the last complete flush.
    unflushed: bool,
    /// Whether a fault was told: nothing is heard or said any more.
    failed: bool,
    flood: Flood,
    opened_at: tokio::time::Instant,
    close_timeout: Duration,
}

impl ProviderSocket {
    pub(super) async fn new(
        stream: Box<dyn Transport>,
        first_bytes: Vec<u8>,
        session: Session,
        limits: &SocketLimits,
    ) -> Self {
        let socket = websocket(stream, first_bytes, limits).await;
        Self::with(socket, session, Outgoing::new(), limits.close_timeout)
    }

    /// The socket of a session that waited until now and has these first words to say.
    pub(super) fn of_session(
        socket: WebSocketStream<Box<dyn Transport>>,
        session: Session,
        first_words: Outgoing,
        close_timeout: Duration,
    ) -> Result<Self, Fault> {
        let mut claimed = Self::with(socket, session, first_words, close_timeout);
        claimed.write_outgoing()?;
        Ok(claimed)
    }

    fn with(
        socket: WebSocketStream<Box<dyn Transport>>,
        session: Session,
        outgoing: Outgoing,
        close_timeout: Duration,
    ) -> Self {
        Self {
            socket,
            session,
            outgoing,
            unflushed: false,
            failed: false,
            flood: Flood::new(),
            opened_at: tokio::time::Instant::now(),
            close_timeout,
        }
    }

    /// The next thing that the provider says. After [`ProviderEvent::Failed`], nothing: pending for ever.
    ///
    /// Configures the session by itself once the provider has opened it.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<ProviderEvent> {
        while !self.failed {
            let next = match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Ready(next) => next,
                Poll::Pending => return Poll::Pending,
            };
            let event = match next {
                Some(Ok(message)) => {
                    let event = self.on_message(message);
                    if self.is_flooded(event.as_ref()) {
                        Some(ProviderEvent::Failed(Fault::Flooded))
                    } else {
                        event
                    }
                }
                Some(Err(error)) => Some(ProviderEvent::Failed(fault_of(&error))),
                None => Some(ProviderEvent::Failed(CUT)),
            };
            let event = match self.write_outgoing() {
                Ok(()) => event,
                Err(fault) => Some(ProviderEvent::Failed(fault)),
            };
            self.start_flush(cx);
            if let Some(event) = event {
                self.failed |= matches!(event, ProviderEvent::Failed(_));
                return Poll::Ready(event);
            }
        }
        Poll::Pending
    }

    /// Says what the call wants. Never waits: [`ProviderSocket::poll_flush`] brings it on its way.
    ///
    /// A socket that is closing takes it without an error; [`ProviderSocket::poll_event`] tells why it closes.
    pub fn send(&mut self, command: &ProviderCommand) -> Result<(), Fault> {
        if self.failed {
            return Ok(());
        }
        let sent = match command {
            ProviderCommand::Ping => self.write(Message::Ping(Bytes::new())),
            ProviderCommand::Append(_)
            | ProviderCommand::Greet
            | ProviderCommand::Respond
            | ProviderCommand::Commit
            | ProviderCommand::CancelResponse(_)
            | ProviderCommand::Truncate { .. }
            | ProviderCommand::Delete { .. }
            | ProviderCommand::Keys(_)
            | ProviderCommand::GoodbyeDeclined(_)
            | ProviderCommand::Continue
            | ProviderCommand::Recite(_)
            | ProviderCommand::Seed { .. } => {
                self.session.command(command, &mut self.outgoing);
                self.write_outgoing()
            }
        };
        self.failed |= sent.is_err();
        sent
    }

    /// Writes what is buffered, as far as the network takes it; ready when nothing is left.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.unflushed || self.failed {
            return Poll::Ready(());
        }
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Pending => Poll::Pending,
            // An error of the connection comes by the reading side, which may still have the reason for it.
            Poll::Ready(Ok(()) | Err(_)) => {
                self.unflushed = false;
                Poll::Ready(())
            }
        }
    }

    /// Closes the socket properly, as far as the provider goes along in `close_timeout`: an open session costs money.
    pub async fn close(self) {
        close(self.socket, self.close_timeout).await;
    }

    /// Sends what the session says of its own accord at once; the rest goes with the next flush.
    fn start_flush(&mut self, cx: &mut Context<'_>) {
        match self.poll_flush(cx) {
            Poll::Ready(()) | Poll::Pending => {}
        }
    }

    /// Whether more comes than any conversation needs.
    fn is_flooded(&mut self, event: Option<&ProviderEvent>) -> bool {
        // A fault that was found says more than the number of messages.
        if matches!(event, Some(ProviderEvent::Failed(_))) {
            return false;
        }
        let audio = match event {
            Some(ProviderEvent::Audio { frame, .. }) => frame.duration(),
            Some(_) | None => Duration::ZERO,
        };
        let opened_at = self.opened_at;
        self.flood
            .take(audio, || Instant::from_start(opened_at.elapsed()))
    }

    fn on_message(&mut self, message: Message) -> Option<ProviderEvent> {
        match message {
            Message::Text(text) => self.session.receive(&Bytes::from(text), &mut self.outgoing),
            Message::Binary(_) => Some(ProviderEvent::Failed(Fault::Garbled)),
            Message::Pong(_) => Some(ProviderEvent::Pong),
            Message::Close(frame) => {
                let (code, reason) = close_parts(frame.as_ref());
                Some(ProviderEvent::Failed(self.session.closed(code, reason)))
            }
            // The library has its answer to a ping ready, and reads no raw frames.
            Message::Ping(_) | Message::Frame(_) => None,
        }
    }

    fn write_outgoing(&mut self) -> Result<(), Fault> {
        while let Some(text) = self.outgoing.pop() {
            let text = Utf8Bytes::try_from(text).expect("a session writes JSON, which is UTF-8");
            self.write(Message::Text(text))?;
        }
        Ok(())
    }

    fn write(&mut self, message: Message) -> Result<(), Fault> {
        self.unflushed = true;
        match Pin::new(&mut self.socket).start_send(message) {
            Err(Error::WriteBufferFull(_)) => Err(Fault::WriteOverflow),
            // The connection is gone, or going: the reading side knows why.
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl fmt::Debug for ProviderSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderSocket")
            .field("session", &self.session)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// A WebSocket on a connection that was upgraded, with these bytes on it already.
pub(super) async fn websocket(
    stream: Box<dyn Transport>,
    first_bytes: Vec<u8>,
    limits: &SocketLimits,
) -> WebSocketStream<Box<dyn Transport>> {
    let config = WebSocketConfig::default()
        .read_buffer_size(limits.read_buffer_bytes)
        .write_buffer_size(limits.write_batch_bytes)
        // The library insists on more than one batch.
        .max_write_buffer_size(limits.write_buffer_bytes_max.max(limits.write_batch_bytes + 1))
        .max_message_size(Some(limits.message_bytes_max))
        .max_frame_size(Some(limits.message_bytes_max));
    WebSocketStream::from_partially_read(stream, first_bytes, Role::Client, Some(config)).await
}

/// Says goodbye on a socket, and waits so long for the other side to do so.
pub(super) async fn close(mut socket: WebSocketStream<Box<dyn Transport>>, within: Duration) {
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: Utf8Bytes::from_static(""),
    };
    let closing = async {
        if socket.close(Some(frame)).await.is_ok() {
            // What still comes is of no interest, but unread it would reset the connection.
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    // Whoever does not answer in time is left.
    tokio::time::timeout(within, closing).await.ok();
}

/// Code and reason of a close frame.
pub(super) fn close_parts(frame: Option<&CloseFrame>) -> (u16, &str) {
    match frame {
        Some(frame) => (frame.code.into(), frame.reason.as_str()),
        None => (u16::from(CloseCode::Status), ""),
    }
}

/// The connection ended without a close frame.
pub(super) const CUT: Fault = Fault::Closed { code: 1006 };

/// The fault of a connection that ended in this way.
pub(super) fn fault_of(error: &Error) -> Fault {
    match error {
        Error::Capacity(_) => Fault::Oversized,
        Error::WriteBufferFull(_) => Fault::WriteOverflow,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => CUT,
        Error::Protocol(_) | Error::Utf8(_) | Error::AttackAttempt => Fault::Garbled,
    }
}
