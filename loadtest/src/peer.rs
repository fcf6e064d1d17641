//! What every double is: something that speaks a protocol over a socket, without the socket and without a clock.

use std::time::Duration;

/// One end of a WebSocket. Times are since the beginning of the run.
pub trait Peer {
    /// A text message came.
    fn receive(&mut self, now: Duration, text: &str, out: &mut Outbox);

    /// A binary message came. Neither of the protocols has any: a peer that does not complain ignores it.
    fn receive_binary(&mut self, _now: Duration, _bytes: &[u8], _out: &mut Outbox) {}

    /// The socket is gone; `code` is the other side's close code, if it sent one.
    fn closed(&mut self, now: Duration, code: Option<u16>);

    /// The [deadline](Self::deadline) is reached.
    fn tick(&mut self, now: Duration, out: &mut Outbox);

    /// When the peer next wants a [tick](Self::tick); `None`: not before something comes.
    fn deadline(&self) -> Option<Duration>;
}

/// What a peer wants its socket to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a text message.
    Send(String),
    /// Send a binary message.
    SendBinary(Vec<u8>),
    /// Close with a close frame.
    Close {
        /// The close code.
        code: u16,
        /// The reason in the close frame.
        reason: String,
    },
    /// Cut the connection without a close frame.
    Cut,
    /// Neither read nor write any more, pongs included, and keep the connection: only [`Cut`](Self::Cut) may follow.
    Freeze,
}

/// Where a peer puts its [`Action`]s.
pub type Outbox = Vec<Action>;
