//! A carrier's socket: reads one event at a time, queues what is to be said, and never waits for a peer that does not read.
//!
//! It owns the limits of the socket and its end. What the texts mean is [`twilio::Stream`]'s; when to read, write and close is
//! the server's.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use bytes::{Bytes, BytesMut};
use futures_util::{Sink, StreamExt as _};
use tokio_tungstenite::tungstenite::Error as WsError;

use crate::carrier::twilio;
use crate::core::call::effect::CarrierCommand;
use crate::core::call::input::CarrierEvent;
use crate::core::fault::Refusal;

/// How much memory one carrier's socket may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketLimits {
    /// The longest message that is accepted, in bytes; a longer one ends the socket before it is read.
    pub message_bytes_max: usize,
    /// How many bytes are read at once. Frames of audio share this memory as long as they live.
    pub read_buffer_bytes: usize,
    /// How many bytes are queued before they are written without being flushed.
    pub write_buffer_bytes: usize,
    /// How many bytes may be queued while the peer does not read; at more, sending fails with [`WriteOverflow`].
    pub write_bytes_max: usize,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            message_bytes_max: 64 * 1024,
            // A frame of 20 ms is a message of 400 bytes.
            read_buffer_bytes: 4 * 1024,
            write_buffer_bytes: 4 * 1024,
            // The five seconds that a call is ahead of the caller's ear are 75 KiB, in messages of 20 ms.
            write_bytes_max: 256 * 1024,
        }
    }
}

/// An upgrade whose socket keeps these limits.
pub fn limited(upgrade: WebSocketUpgrade, limits: &SocketLimits) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(limits.read_buffer_bytes)
        .write_buffer_size(limits.write_buffer_bytes)
        // The library asserts that there is room for more than what it writes unasked.
        .max_write_buffer_size(limits.write_bytes_max.max(limits.write_buffer_bytes + 1))
        .max_message_size(limits.message_bytes_max)
        .max_frame_size(limits.message_bytes_max)
}

/// A command did not fit into the write buffer and is lost: the carrier does not read, and the call cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the carrier does not read: the write buffer is full")]
pub struct WriteOverflow;

/// The socket of one media stream.
pub struct CarrierSocket {
    socket: WebSocket,
    stream: twilio::Stream,
    reading: Reading,
    writing: Writing,
    /// Where texts are written; reused from message to message.
    text: BytesMut,
}

/// What is still to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Open,
    /// The socket has ended; nobody has been told yet.
    Ended,
    Told,
}

/// What is still to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Flushed,
    Queued,
    /// Writing failed. Reading says how it ended: a `stop` may have come before.
    Failed,
}

impl CarrierSocket {
    /// A socket that was upgraded with [`limited`], and the stream that it carries.
    pub fn new(socket: WebSocket, stream: twilio::Stream) -> Self {
        Self {
            socket,
            stream,
            reading: Reading::Open,
            writing: Writing::Flushed,
            text: BytesMut::new(),
        }
    }

    /// The next thing that the carrier says; after [`CarrierEvent::Closed`], which comes once, forever pending.
    ///
    /// Pings are answered on the way, and what could not be written of the answers is tried again whenever the socket takes
    /// more. That flushes what is queued as well.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<CarrierEvent> {
        loop {
            match self.reading {
                Reading::Open => {}
                Reading::Ended => {
                    self.reading = Reading::Told;
                    return Poll::Ready(CarrierEvent::Closed);
                }
                Reading::Told => return Poll::Pending,
            }
            match ready!(self.socket.poll_next_unpin(cx)) {
                Some(Ok(Message::Text(text))) => {
                    return Poll::Ready(self.stream.receive(&Bytes::from(text)));
                }
                Some(Ok(Message::Binary(_))) => {
                    return Poll::Ready(CarrierEvent::Refused(Refusal::Binary));
                }
                // The library answers when it is polled again: now.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => self.reading = Reading::Ended,
                Some(Err(error)) => {
                    self.reading = Reading::Ended;
                    if matches!(Failure::of(error), Failure::Oversized) {
                        return Poll::Ready(CarrierEvent::Refused(Refusal::Oversized));
                    }
                }
            }
        }
    }

    /// Queues a command, to leave with the next [`poll_flush`](Self::poll_flush); never waits.
    ///
    /// Once the socket is lost, commands are dropped: [`poll_event`](Self::poll_event) tells.
    pub fn send(&mut self, command: &CarrierCommand) -> Result<(), WriteOverflow> {
        if self.reading != Reading::Open || self.writing == Writing::Failed {
            return Ok(());
        }
        self.stream.write(command, &mut self.text);
        if self.text.is_empty() {
            return Ok(()); // There is no stream yet to address it to.
        }
        let text = self.take_text();
        match Pin::new(&mut self.socket).start_send(Message::Text(text)) {
            Ok(()) => self.writing = Writing::Queued,
            Err(error) => match Failure::of(error) {
                Failure::Full => return Err(WriteOverflow),
                Failure::Oversized | Failure::Lost => self.writing = Writing::Failed,
            },
        }
        Ok(())
    }

    /// Pushes out what is queued; ready when nothing is left to push, or nowhere to push it.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.writing == Writing::Queued {
            self.writing = match ready!(Pin::new(&mut self.socket).poll_flush(cx)) {
                Ok(()) => Writing::Flushed,
                Err(_) => Writing::Failed,
            };
        }
        Poll::Ready(())
    }

    /// Takes out the parameters that came with `start`; see [`twilio::Stream::take_parameters`].
    pub fn take_parameters(&mut self) -> twilio::Parameters {
        self.stream.take_parameters()
    }

    /// Says goodbye after what is queued, waits for the carrier to say it too, and drops the socket; takes
    /// [`CLOSE_TIMEOUT`] at most.
    pub async fn close(self) {
        // In time or not, the socket is dropped: there is nobody left to tell.
        drop(tokio::time::timeout(CLOSE_TIMEOUT, self.say_goodbye()).await);
    }

    async fn say_goodbye(mut self) {
        let goodbye = Message::Close(Some(CloseFrame {
            code: close_code::NORMAL,
            reason: Utf8Bytes::default(),
        }));
        // It fails where the carrier said goodbye first, and where nothing can be said any more: reading ends either way.
        drop(self.socket.send(goodbye).await);
        // Audio that is left unread when the socket is dropped would reset it, and what is on its way to the caller be lost.
        // Where the carrier said goodbye first, the library answers on this read.
        while let Some(Ok(_)) = self.socket.next().await {}
    }

    /// The text that was written, in memory that comes back once the library has copied it.
    fn take_text(&mut self) -> Utf8Bytes {
        let text = self.text.split().freeze();
        if text.len() > TEXT_BYTES_KEPT {
            self.text = BytesMut::new();
        }
        Utf8Bytes::try_from(text).expect("SIDs, marks and base64 are ASCII")
    }
}

/// How long a goodbye may take.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A longer text gives its memory back: the next ones are short.
const TEXT_BYTES_KEPT: usize = 8 * 1024;

/// Without the buffers, which hold the caller's voice.
impl fmt::Debug for CarrierSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CarrierSocket")
            .field("stream", &self.stream)
            .field("reading", &self.reading)
            .field("writing", &self.writing)
            .finish_non_exhaustive()
    }
}

/// What the library's errors mean here.
enum Failure {
    /// A message over the limit came.
    Oversized,
    /// What was to be written did not fit.
    Full,
    /// The socket is gone, or the peer does not speak the protocol.
    Lost,
}

impl Failure {
    fn of(error: axum::Error) -> Self {
        match error.into_inner().downcast_ref::<WsError>() {
            Some(WsError::Capacity(_)) => Self::Oversized,
            Some(WsError::WriteBufferFull(_)) => Self::Full,
            Some(_) | None => Self::Lost,
        }
    }
}

#[cfg(test)]
mod tests;
