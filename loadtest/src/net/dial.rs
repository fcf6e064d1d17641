//! The client's side: a WebSocket to the server under test.

use std::{sync::Arc, time::Duration};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{
        self,
        client::IntoClientRequest,
        http::{HeaderValue, Uri},
    },
};

use super::{Bytes, Socket, websocket_limits};

/// Connecting and upgrading together take at most this.
const DIAL_MAX: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The URL cannot be used.
    #[error("url = \"{url}\": {wrong}; allowed: ws://HOST:PORT/PATH, or wss:// with a CA file")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// It took too long.
    #[error("{url}: no WebSocket within {} s", DIAL_MAX.as_secs())]
    TimedOut {
        /// Where to.
        url: String,
    },
    /// The network, or TLS, said no.
    #[error("{url}: {source}")]
    Connect {
        /// Where to.
        url: String,
        /// What it said.
        source: std::io::Error,
    },
    /// The server refused to upgrade.
    #[error("{url}: {source}")]
    Upgrade {
        /// Where to.
        url: String,
        /// What it said.
        source: Box<tungstenite::Error>,
    },
}

/// Connects to `url`; `tls` is used for `wss`.
pub async fn dial(url: &str, tls: Option<Arc<ClientConfig>>) -> Result<Socket, DialError> {
    dial_with(url, tls, &[]).await
}

/// As [`dial`], with these headers in the upgrade. One that no header can have is left out.
pub async fn dial_with(
    url: &str,
    tls: Option<Arc<ClientConfig>>,
    headers: &[(&'static str, &str)],
) -> Result<Socket, DialError> {
    match tokio::time::timeout(DIAL_MAX, connect(url, tls, headers)).await {
        Ok(result) => result,
        Err(_elapsed) => Err(DialError::TimedOut { url: url.into() }),
    }
}

async fn connect(
    url: &str,
    tls: Option<Arc<ClientConfig>>,
    headers: &[(&'static str, &str)],
) -> Result<Socket, DialError> {
    let wrong = |wrong| DialError::Url {
        url: url.into(),
        wrong,
    };
    let refused = |source| DialError::Connect {
        url: url.into(),
        source,
    };
    let uri: Uri = url.parse().map_err(|_| wrong("it is no URL"))?;
    let host = uri.host().ok_or_else(|| wrong("it names no host"))?;
    let is_tls = match uri.scheme_str() {
        Some("ws") => false,
        Some("wss") => true,
        Some(_) | None => return Err(wrong("its scheme is neither ws nor wss")),
    };
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let bare_host = host.trim_start_matches('[').trim_end_matches(']');
    let tcp = TcpStream::connect((bare_host, port))
        .await
        .map_err(refused)?;
    tcp.set_nodelay(true).map_err(refused)?;
    let stream: Box<dyn Bytes> = if is_tls {
        let config = tls.ok_or_else(|| wrong("wss needs a CA file"))?;
        let name = ServerName::try_from(bare_host.to_owned())
            .map_err(|_| wrong("its host is no name that a certificate can have"))?;
        let connected = TlsConnector::from(config).connect(name, tcp).await;
        Box::new(connected.map_err(refused)?)
    } else {
        Box::new(tcp)
    };
    let refused = |source| DialError::Upgrade {
        url: url.into(),
        source: Box::new(source),
    };
    let mut request = url.into_client_request().map_err(refused)?;
    for &(name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            request.headers_mut().insert(name, value);
        }
    }
    let upgraded = client_async_with_config(request, stream, Some(websocket_limits())).await;
    upgraded.map(|(socket, _response)| socket).map_err(refused)
}
