//! What a session wants sent: text messages, in one buffer that is used again and again.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Room for a second of audio in base64 with its envelope; a longer message makes the buffer grow once.
const BUFFER_BYTES: usize = 4 * 1024;

/// Messages to send, in order.
///
/// Bounded by its use: whoever drives the session takes them out after each event or command, and none makes more than
/// [`super::settings::SEED_MESSAGES_MAX`].
#[derive(Debug)]
pub struct Outgoing {
    messages: VecDeque<Bytes>,
    buffer: BytesMut,
}

impl Outgoing {
    /// Nothing to send.
    pub fn new() -> Self {
        Self {
            messages: VecDeque::new(),
            buffer: BytesMut::with_capacity(BUFFER_BYTES),
        }
    }

    /// The next message: JSON text. Drop it once it is sent, so that its memory can be used again.
    pub fn pop(&mut self) -> Option<Bytes> {
        self.messages.pop_front()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Appends the message that `write` writes, of about `bytes`.
    pub(super) fn message(&mut self, bytes: usize, write: impl FnOnce(&mut BytesMut)) {
        self.buffer.reserve(bytes);
        write(&mut self.buffer);
        self.messages.push_back(self.buffer.split().freeze());
    }
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::new()
    }
}
