//! Couples the sans-IO doubles to real WebSockets: a phone that dials, a model that is dialled, one task a socket.
//!
//! Owns every socket of loadtest and the run's one clock. Knows nothing of any protocol: what is said over a socket is the
//! business of the [`Peer`](crate::peer::Peer) at its end. Look next at [`couple`] for the loop, [`dial`] for the client's side
//! and [`host`] for the server's; a [`Keeper`] decides who may come in.

mod bind;
mod clock;
mod couple;
mod dial;
mod door;
mod host;
mod keeper;

pub(crate) use bind::bind;
pub use clock::Clock;
pub use couple::{Coupled, Ending, Reins, couple, couple_by};
pub use dial::{DialError, dial, dial_with};
pub use host::{House, Upgrade, host, host_by};
pub use keeper::{Arrival, Entry, Keeper, Open};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::WebSocketConfig};

/// A stream of bytes, plain or TLS: the difference does not matter above it.
pub trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Bytes for S {}

/// A WebSocket over either.
pub type Socket = WebSocketStream<Box<dyn Bytes>>;

/// Read buffer of a socket: hundreds of them must be cheap.
const READ_BUFFER_BYTES: usize = 8 * 1024;
/// What is gathered before it is written; a batch of messages leaves in one system call.
const WRITE_BUFFER_BYTES: usize = 8 * 1024;
/// A double whose other side does not read is cut when this much waits: a minute of a model's audio and its largest fault.
const WRITE_BUFFER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The largest message that a double takes.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

fn websocket_limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}
