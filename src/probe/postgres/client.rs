//! The client of Postgres, with TLS of ours.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, Either, select};
use futures_util::{FutureExt as _, TryFutureExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_postgres::{Config, Error, SimpleQueryMessage};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::probe::Fault;

/// What is asked, and the answer.
const QUESTION: &str = "SELECT 1";
const ANSWER: &str = "1";

/// The most hosts that one address names: one after the other is tried.
const HOSTS_MAX: usize = 4;

/// A database and the way to it.
#[derive(Clone)]
pub(super) struct Client {
    config: Config,
    tls: Tls,
}

impl Client {
    pub(super) fn parse(url: &str, tls: &Arc<ClientConfig>) -> Option<Self> {
        let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let mut config: Config = url.parse().ok().filter(|_| is_url)?;
        if !(1..=HOSTS_MAX).contains(&config.get_hosts().len()) {
            return None;
        }
        if config.get_application_name().is_none() {
            config.application_name("ringback");
        }
        let tls = Tls(TlsConnector::from(Arc::clone(tls)));
        Some(Self { config, tls })
    }

    pub(super) fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    pub(super) fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    pub(super) async fn ask(&self) -> Result<(), Fault> {
        let connected = self.config.connect(self.tls.clone()).await;
        let (client, connection) = connected.map_err(|error| of_client(&error))?;
        let mut connection = pin!(connection);
        let asked = match select(pin!(client.simple_query(QUESTION)), connection.as_mut()).await {
            Either::Left((asked, _)) => asked,
            Either::Right(_) => return Err(Fault::Closed),
        };
        // It says goodbye when nobody asks any more; what becomes of that says nothing of the database.
        drop(client);
        connection.await.ok();
        let messages = asked.map_err(|error| of_client(&error))?;
        let is_answer = |message: &SimpleQueryMessage| {
            if let SimpleQueryMessage::Row(row) = message {
                row.try_get(0).ok().flatten() == Some(ANSWER)
            } else {
                false
            }
        };
        let is_answered = messages.iter().any(is_answer);
        is_answered.then_some(()).ok_or(Fault::Garbled)
    }
}

/// Its own words are not passed on but for the code, which is five letters and digits.
fn of_client(error: &Error) -> Fault {
    if let Some(refused) = error.as_db_error() {
        let code = refused.code().code().chars();
        Fault::Refused(code.filter(char::is_ascii_alphanumeric).take(5).collect())
    } else if error.is_closed() {
        Fault::Closed
    } else {
        Fault::Unreachable
    }
}

/// TLS as the rest of the program has it.
#[derive(Clone)]
struct Tls(TlsConnector);

impl<S> MakeTlsConnect<S> for Tls
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Stream = Secured<S>;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, io::Error> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connector = self.0.clone();
        Ok(Handshake { connector, name })
    }
}

/// A handshake that is still to be made.
struct Handshake {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl<S> TlsConnect<S> for Handshake
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Stream = Secured<S>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Secured<S>>>;

    fn connect(self, stream: S) -> Self::Future {
        let secured = self.connector.connect(self.name, stream);
        secured.map_ok(Secured).boxed()
    }
}

/// A connection by TLS. The login is not bound to it: the certificate was verified.
struct Secured<S>(TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for Secured<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
