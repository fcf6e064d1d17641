//! Opens the addresses of doubles, with room for all that come at once.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait in the kernel until they are accepted, which cuts it to its own bound. Beyond it they are forgotten, and come again
/// a second later: that would be taken for the server's fault.
const QUEUE: u32 = 4_096;

/// Listens there.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Its port was somebody's before.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}
