//! The door of a house: TLS, the upgrade, and the ways not to answer.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{
    accept_hdr_async_with_config,
    tungstenite::{
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode, header},
    },
};

use super::{
    Bytes, Socket, Upgrade,
    keeper::{Entry, Open},
    websocket_limits,
};
use crate::key::KeyMark;

/// A visitor who has not upgraded by then is sent away.
const UPGRADE_MAX: Duration = Duration::from_secs(5);

/// What came of a visitor at the door.
pub(super) enum LetIn<P> {
    Entered(Box<Socket>, Open<P>),
    /// The keeper wanted it so.
    KeptOut,
    Lost,
}

/// Holds a connection and says nothing, until its other side or the house has enough.
pub(super) async fn hold(mut tcp: TcpStream, closing: &mut watch::Receiver<bool>) {
    let mut piece = vec![0; 1024];
    let swallow = async { while matches!(tcp.read(&mut piece).await, Ok(1..)) {} };
    tokio::select! {
        () = swallow => {}
        _ = closing.wait_for(|closing| *closing) => {}
    }
}

/// Listens to a visitor, and does with him what `decide` says.
pub(super) async fn let_in<P>(
    tcp: TcpStream,
    tls: Option<TlsAcceptor>,
    decide: impl FnOnce(&Upgrade) -> Entry<P> + Unpin,
    closing: &mut watch::Receiver<bool>,
) -> LetIn<P> {
    let shut = Arc::new(AtomicBool::new(false));
    let mut decided = None;
    let entering = enter(tcp, tls, Arc::clone(&shut), decide, &mut decided);
    let too_late = async {
        tokio::time::sleep(UPGRADE_MAX).await;
        if shut.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let socket = tokio::select! {
        socket = entering => socket,
        () = too_late => None,
        _ = closing.wait_for(|closing| *closing) => None,
    };
    match (socket, decided) {
        (Some(socket), Some(Entry::Open(open))) => LetIn::Entered(Box::new(socket), open),
        (_, Some(Entry::Refuse { .. } | Entry::Hang)) => LetIn::KeptOut,
        (None, Some(Entry::Open(_))) | (_, None) => LetIn::Lost,
    }
}

async fn enter<P>(
    tcp: TcpStream,
    tls: Option<TlsAcceptor>,
    shut: Arc<AtomicBool>,
    decide: impl FnOnce(&Upgrade) -> Entry<P> + Unpin,
    decided: &mut Option<Entry<P>>,
) -> Option<Socket> {
    tcp.set_nodelay(true).ok()?;
    let stream: Box<dyn Bytes> = match tls {
        Some(acceptor) => Box::new(acceptor.accept(tcp).await.ok()?),
        None => Box::new(tcp),
    };
    let stream: Box<dyn Bytes> = Box::new(Gate {
        stream,
        shut: Arc::clone(&shut),
    });
    #[expect(
        clippy::result_large_err,
        reason = "the signature is the library's, and an upgrade that is refused is no hot path"
    )]
    let answer = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let entry = decide(&upgrade_of(request));
        let answer = match &entry {
            Entry::Open(_) => Ok(response),
            Entry::Hang => {
                shut.store(true, Ordering::Relaxed);
                Ok(response)
            }
            Entry::Refuse {
                status,
                retry_after,
                body,
            } => Err(refusal(*status, *retry_after, body)),
        };
        *decided = Some(entry);
        answer
    };
    let upgraded = accept_hdr_async_with_config(stream, answer, Some(websocket_limits())).await;
    upgraded.ok()
}

fn upgrade_of(request: &Request) -> Upgrade {
    let authorization = request.headers().get(header::AUTHORIZATION);
    let key = authorization.and_then(|header| KeyMark::of_authorization(header.to_str().ok()?));
    Upgrade {
        target: request.uri().to_string(),
        authorized: authorization.is_some(),
        key,
    }
}

fn refusal(status: u16, retry_after: Option<Duration>, body: &str) -> ErrorResponse {
    let kind = match body.chars().next() {
        Some('{') => "application/json",
        Some(_) | None => "text/html",
    };
    let mut response = ErrorResponse::new(Some(body.to_owned()));
    // The library does not send what is no error; a plan that wants such a thing gets this.
    *response.status_mut() = StatusCode::from_u16(status)
        .ok()
        .filter(|status| !status.is_success())
        .unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Some(after) = retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A stream that, once shut, takes nothing more: what is written waits until the other side is gone.
struct Gate {
    stream: Box<dyn Bytes>,
    shut: Arc<AtomicBool>,
}

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Gate {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        while self.shut.load(Ordering::Relaxed) {
            // Whoever waits behind the gate notices by this that the other side is gone.
            let mut piece = [0; 1024];
            let mut buffer = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
