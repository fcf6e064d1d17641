//! The server's side: a house that gives every visitor a double of its own.

use std::{sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{
    accept_hdr_async_with_config,
    tungstenite::handshake::server::{ErrorResponse, Request, Response},
};

use super::{Bytes, Clock, Coupled, Socket, couple::couple, websocket_limits};
use crate::peer::{Outbox, Peer};

/// More visitors than this at once are not let in: a run's largest, twice.
const VISITORS_MAX: usize = 8_192;
/// A visitor who has not upgraded by then is sent away.
const UPGRADE_MAX: Duration = Duration::from_secs(5);
/// When the house closes, visitors may take this long to leave.
const LEAVE_MAX: Duration = Duration::from_secs(3);

/// What a visitor said at the door. Recorded, never checked: any path, query and key may come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upgrade {
    /// The path and query asked for.
    pub target: String,
    /// It carried an `Authorization` header. The key itself is not kept.
    pub authorized: bool,
}

/// The door and what is behind it.
pub struct House {
    /// Where visitors come in.
    pub listener: TcpListener,
    /// They speak TLS, with this certificate.
    pub tls: Option<TlsAcceptor>,
    /// The run's clock.
    pub clock: Clock,
    /// Turns true when the house closes.
    pub closing: watch::Receiver<bool>,
}

impl std::fmt::Debug for House {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("House")
            .field("listener", &self.listener)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// Serves until the house closes. `open` makes the double of a visitor and says what it sends first (`number` counts from 1, and
/// is given only to visitors who did upgrade); `done` takes it back when the visitor has left.
///
/// Returns how many visitors never upgraded or did not leave.
pub async fn host<P, O, D>(house: House, open: O, mut done: D) -> u64
where
    P: Peer + Send + 'static,
    O: Fn(u32, &Upgrade, Duration, &mut Outbox) -> P + Send + Sync + 'static,
    D: FnMut(P, Coupled),
{
    let House {
        listener,
        tls,
        clock,
        mut closing,
    } = house;
    let open = Arc::new(open);
    let numbers = Arc::new(std::sync::atomic::AtomicU32::new(1));
    let mut visits: JoinSet<Option<(P, Coupled)>> = JoinSet::new();
    let mut lost = 0;
    let mut take = |visit: Result<Option<(P, Coupled)>, tokio::task::JoinError>| match visit {
        Ok(Some((peer, coupled))) => done(peer, coupled),
        Ok(None) | Err(_) => lost += 1,
    };
    loop {
        tokio::select! {
            arrived = listener.accept(), if visits.len() < VISITORS_MAX => {
                let Ok((tcp, _from)) = arrived else { continue };
                let (tls, open, numbers) = (tls.clone(), Arc::clone(&open), Arc::clone(&numbers));
                visits.spawn(async move {
                    let (socket, upgrade) = let_in(tcp, tls).await?;
                    let number = numbers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let mut out = Outbox::new();
                    let mut peer = open(number, &upgrade, clock.now(), &mut out);
                    let coupled = couple(socket, &mut peer, clock, out, |_, _| {}).await;
                    Some((peer, coupled))
                });
            }
            Some(visit) = visits.join_next() => take(visit),
            _ = closing.wait_for(|closing| *closing) => break,
        }
    }
    let leaving = tokio::time::Instant::now() + LEAVE_MAX;
    while let Ok(Some(visit)) = tokio::time::timeout_at(leaving, visits.join_next()).await {
        take(visit);
    }
    lost + visits.len() as u64
}

async fn let_in(tcp: TcpStream, tls: Option<TlsAcceptor>) -> Option<(Socket, Upgrade)> {
    let entering = async {
        tcp.set_nodelay(true).ok()?;
        let stream: Box<dyn Bytes> = match tls {
            Some(acceptor) => Box::new(acceptor.accept(tcp).await.ok()?),
            None => Box::new(tcp),
        };
        let mut upgrade = Upgrade::default();
        #[expect(
            clippy::result_large_err,
            reason = "the signature is the library's, and the error is never made"
        )]
        let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            upgrade = Upgrade {
                target: request.uri().to_string(),
                authorized: request.headers().contains_key("authorization"),
            };
            Ok(response)
        };
        let socket = accept_hdr_async_with_config(stream, note, Some(websocket_limits())).await;
        socket.ok().map(|socket| (socket, upgrade))
    };
    tokio::time::timeout(UPGRADE_MAX, entering).await.ok()?
}
