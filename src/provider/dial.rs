//! Opens a provider's socket: name, connection, TLS and upgrade, each with its own fault.
//!
//! It tries once. Whether to dial again, and where, is decided elsewhere.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::core::fault::{DialStage, Fault};
use crate::provider::endpoint::Endpoint;
use crate::provider::openai::session::Session;
use crate::provider::openai::settings::SessionSettings;
use crate::provider::socket::{ProviderSocket, SocketLimits};
use crate::provider::tls;
use crate::provider::upgrade::upgrade;

/// Addresses of a host that are tried, in the resolver's order.
const ADDRESSES_MAX: usize = 4;

/// What a WebSocket runs over.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Dials `endpoint`: on success its socket is open, and the session will configure itself as the socket is polled.
///
/// Whatever `limits.dial_timeout` does not suffice for is [`Fault::DialTimedOut`] with the stage that was not passed. The
/// session's own stage comes after this: its time-out is the call's. Dropping the future gives the dial up.
pub async fn dial(
    endpoint: &Endpoint,
    settings: SessionSettings,
    limits: &SocketLimits,
) -> Result<ProviderSocket, Fault> {
    let (stream, first_bytes) = open_stream(endpoint, settings.model.as_deref(), limits).await?;
    let session = Session::new(settings, endpoint.dialect().quirks());
    Ok(ProviderSocket::new(stream, first_bytes, session, limits).await)
}

/// The connection of a WebSocket that was just upgraded, and what came on it already.
pub(super) async fn open_stream(
    endpoint: &Endpoint,
    model: Option<&str>,
    limits: &SocketLimits,
) -> Result<(Box<dyn Transport>, Vec<u8>), Fault> {
    let deadline = Instant::now() + limits.dial_timeout;
    let request = endpoint
        .request(model)
        .map_err(|_| Fault::RequestRejected)?;
    let tcp = within(deadline, DialStage::Connect, connect(endpoint, limits)).await?;
    let mut stream: Box<dyn Transport> = match endpoint.tls() {
        None => Box::new(tcp),
        Some((config, name)) => {
            let handshake = async {
                let stream = TlsConnector::from(config).connect(name, tcp).await;
                stream.map_err(|error| Fault::TlsFailed(tls::fault_of(&error)))
            };
            Box::new(within(deadline, DialStage::Tls, handshake).await?)
        }
    };
    let quirks = endpoint.dialect().quirks();
    let answer = upgrade(&mut stream, request, quirks);
    let first_bytes = within(deadline, DialStage::Upgrade, answer).await?;
    Ok((stream, first_bytes))
}

async fn within<T>(
    deadline: Instant,
    stage: DialStage,
    step: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    timeout_at(deadline, step)
        .await
        .unwrap_or(Err(Fault::DialTimedOut(stage)))
}

async fn connect(endpoint: &Endpoint, limits: &SocketLimits) -> Result<TcpStream, Fault> {
    let addresses = lookup_host(endpoint.address()).await;
    let addresses: Vec<SocketAddr> = addresses
        .map_err(|_| Fault::DnsFailed)?
        .take(ADDRESSES_MAX)
        .collect();
    let Some((last, others)) = addresses.split_last() else {
        return Err(Fault::DnsFailed);
    };
    for address in others {
        // An address that swallows packets must leave time for the next one.
        let share = share_of(limits.dial_timeout, addresses.len());
        if let Ok(Ok(stream)) = timeout(share, open(*address)).await {
            return Ok(stream);
        }
    }
    open(*last).await
}

fn share_of(time: Duration, addresses: usize) -> Duration {
    let parts = u32::try_from(addresses)
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    time.checked_div(parts).unwrap_or(time)
}

async fn open(address: SocketAddr) -> Result<TcpStream, Fault> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|_| Fault::ConnectFailed)?;
    // 20 ms frames must not wait for each other.
    stream.set_nodelay(true).map_err(|_| Fault::ConnectFailed)?;
    Ok(stream)
}
