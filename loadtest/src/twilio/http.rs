//! One HTTP exchange over a connection of its own.
//!
//! Owns the socket and its time-outs. It neither signs nor tries again: that is [`Fetcher`](super::fetch::Fetcher)'s.

use std::{future::Future, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1,
    header::{CONTENT_TYPE, LOCATION},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

use super::{address::Address, fault::FetchFault, overrides::Overrides};
use crate::net::Bytes as ByteStream;

/// The largest body that is read.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What was answered, whatever its status.
#[derive(Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// `Content-Type`, or nothing.
    pub content_type: String,
    /// `Location`, if there is one.
    pub location: Option<String>,
    /// The whole body.
    pub body: Bytes,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            status,
            content_type,
            body,
            ..
        } = self;
        write!(f, "Answer({status}, {content_type}, {} bytes)", body.len())
    }
}

/// Connects to a host, with TLS where its scheme wants it, within `most`.
pub(super) async fn connect(
    address: &Address,
    tls: Option<&Arc<ClientConfig>>,
    most: Duration,
) -> Result<Box<dyn ByteStream>, FetchFault> {
    let connecting = async {
        let port = address.port().ok_or(FetchFault::BadUrl)?;
        let found = tokio::net::lookup_host((address.host(), port)).await;
        let found: Vec<_> = found.map_err(|_| FetchFault::BadHost)?.collect();
        if found.is_empty() {
            return Err(FetchFault::BadHost);
        }
        let tcp = TcpStream::connect(found.as_slice()).await;
        let tcp = tcp.map_err(|_| FetchFault::Connection)?;
        tcp.set_nodelay(true).map_err(|_| FetchFault::Connection)?;
        if !address.is_tls() {
            return Ok(Box::new(tcp) as Box<dyn ByteStream>);
        }
        let tls = tls.ok_or(FetchFault::Tls)?;
        let name = ServerName::try_from(address.host().to_owned()).map_err(|_| FetchFault::Tls)?;
        let connected = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
        let connected = connected.map_err(|error| {
            let cut = [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof];
            if cut.contains(&error.kind()) {
                FetchFault::Connection
            } else {
                FetchFault::Tls
            }
        })?;
        Ok(Box::new(connected) as Box<dyn ByteStream>)
    };
    match timeout(most, connecting).await {
        Ok(connected) => connected,
        Err(_elapsed) => Err(FetchFault::ConnectTimedOut),
    }
}

/// Sends a request and reads the whole answer, each wait for it bounded by `overrides.read`.
pub(super) async fn exchange(
    stream: Box<dyn ByteStream>,
    request: Request<Full<Bytes>>,
    overrides: Overrides,
) -> Result<Answer, FetchFault> {
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| FetchFault::Connection)?;
    let asking = async {
        let response = within(overrides.read, sender.send_request(request)).await?;
        read(response, overrides.read).await
    };
    tokio::pin!(asking);
    tokio::pin!(connection);
    // The connection moves the bytes; that it is over says nothing that the answer does not.
    tokio::select! {
        biased;
        answer = &mut asking => answer,
        _over = &mut connection => asking.await,
    }
}

async fn read(response: Response<Incoming>, most: Duration) -> Result<Answer, FetchFault> {
    let (head, mut body) = response.into_parts();
    let header = |name| {
        let value = head.headers.get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let mut whole = Vec::new();
    while let Some(frame) = next_frame(&mut body, most).await? {
        if whole.len() + frame.len() > BODY_BYTES_MAX {
            return Err(FetchFault::TooLarge);
        }
        whole.extend_from_slice(&frame);
    }
    Ok(Answer {
        status: head.status.as_u16(),
        content_type: header(CONTENT_TYPE).unwrap_or_default(),
        location: header(LOCATION),
        body: whole.into(),
    })
}

/// The next piece of a body; trailers count as none.
async fn next_frame(body: &mut Incoming, most: Duration) -> Result<Option<Bytes>, FetchFault> {
    match timeout(most, body.frame()).await {
        Err(_elapsed) => Err(FetchFault::ReadTimedOut),
        Ok(None) => Ok(None),
        Ok(Some(Err(_broken))) => Err(FetchFault::Connection),
        Ok(Some(Ok(frame))) => Ok(Some(frame.into_data().unwrap_or_default())),
    }
}

async fn within<T>(
    most: Duration,
    waiting: impl Future<Output = hyper::Result<T>>,
) -> Result<T, FetchFault> {
    match timeout(most, waiting).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_broken)) => Err(FetchFault::Connection),
        Err(_elapsed) => Err(FetchFault::ReadTimedOut),
    }
}
