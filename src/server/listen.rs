//! Opens the addresses at which the process listens.
//!
//! It owns how many connections may wait in the kernel until they are accepted. When a node or a region goes away, all of its calls
//! come to another one in the same instant: a connection beyond the queue is not refused but forgotten, and its carrier knocks again a
//! whole second later, while the caller hears nothing.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use super::StartError;

/// Connections that wait in the kernel; it cuts this to its own bound (Linux: `net.core.somaxconn`, 4,096 by default).
const QUEUE: u32 = 4_096;

/// Listens where the settings say by this key, and says where that is.
pub(super) fn listen(
    key: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let wrong = |source| StartError::Listen {
        key,
        address,
        source,
    };
    let listener = bind(address).map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?;
    Ok((listener, address))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Connections of the process before may still be closing. Elsewhere than on Unix this would share the port with a stranger.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpStream;
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_region_full_of_calls_that_comes_at_once_is_not_kept_waiting() {
        const CALLS: usize = 300;
        let (listener, address) = listen("public.listen", "127.0.0.1:0".parse().unwrap()).unwrap();
        let mut calls: JoinSet<_> = (0..CALLS).map(|_| TcpStream::connect(address)).collect();
        // Nobody is accepted meanwhile: whoever has no place in the queue is never connected.
        let mut lines = Vec::new();
        while let Ok(Some(line)) = timeout(Duration::from_secs(5), calls.join_next()).await {
            lines.push(line.unwrap().unwrap());
        }
        assert_eq!(lines.len(), CALLS);
        drop(listener);
    }
}
