//! The server's side: a house that gives every visitor a double of its own.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use super::{
    Clock, Coupled, Ending,
    couple::couple,
    door::{self, LetIn},
    keeper::{Arrival, Entry, Keeper, Open},
};
use crate::{
    key::KeyMark,
    peer::{Outbox, Peer},
};

/// More visitors than this at once are not let in: a run's largest, twice.
const VISITORS_MAX: usize = 8_192;
/// When the house closes, visitors may take this long to leave.
const LEAVE_MAX: Duration = Duration::from_secs(3);

/// What a visitor said at the door. Recorded, never checked: any path, query and key may come in, unless a [`Keeper`] minds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upgrade {
    /// The path and query asked for.
    pub target: String,
    /// It carried an `Authorization` header. The key itself is not kept.
    pub authorized: bool,
    /// The mark of its bearer key.
    pub key: Option<KeyMark>,
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
pub async fn host<P, O, D>(house: House, open: O, done: D) -> u64
where
    P: Peer + Send + 'static,
    O: Fn(u32, &Upgrade, Duration, &mut Outbox) -> P + Send + Sync + 'static,
    D: FnMut(P, Coupled),
{
    let everybody = Everybody {
        open: Arc::new(open),
        numbers: Arc::new(AtomicU32::new(1)),
    };
    host_by(house, Arc::new(Mutex::new(everybody)), done).await
}

/// As [`host`], with a keeper who decides about each visitor. Whom the keeper keeps out is not counted among those who did not
/// upgrade.
pub async fn host_by<K, D>(house: House, keeper: Arc<Mutex<K>>, mut done: D) -> u64
where
    K: Keeper,
    D: FnMut(K::Guest, Coupled),
{
    let House {
        listener,
        tls,
        clock,
        mut closing,
    } = house;
    let inside = closing.clone();
    let mut visits = JoinSet::new();
    let mut lost = 0;
    let mut take = |visit: Result<Visit<K::Guest>, tokio::task::JoinError>| match visit {
        Ok(Visit::Over(peer, coupled)) => {
            lost += u64::from(coupled.ending == Ending::Stayed);
            done(*peer, coupled);
        }
        Ok(Visit::KeptOut) => {}
        Ok(Visit::Lost) | Err(_) => lost += 1,
    };
    loop {
        tokio::select! {
            arrived = listener.accept(), if visits.len() < VISITORS_MAX => {
                let Ok((tcp, _from)) = arrived else { continue };
                let visitor = Visitor { tls: tls.clone(), clock, closing: inside.clone() };
                let keeper = Arc::clone(&keeper);
                visits.spawn(visitor.visit(tcp, keeper));
            }
            Some(visit) = visits.join_next() => take(visit),
            _ = closing.wait_for(|closing| *closing) => break,
        }
    }
    // A little longer than visitors may stay: they give their doubles back.
    let leaving = tokio::time::Instant::now() + LEAVE_MAX * 2;
    while let Ok(Some(visit)) = tokio::time::timeout_at(leaving, visits.join_next()).await {
        take(visit);
    }
    lost + visits.len() as u64
}

/// What became of a visitor.
enum Visit<P> {
    Over(Box<P>, Coupled),
    KeptOut,
    Lost,
}

struct Visitor {
    tls: Option<TlsAcceptor>,
    clock: Clock,
    closing: watch::Receiver<bool>,
}

impl Visitor {
    async fn visit<K: Keeper>(
        mut self,
        tcp: tokio::net::TcpStream,
        keeper: Arc<Mutex<K>>,
    ) -> Visit<K::Guest> {
        let arrival = keeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .arrive(self.clock.now());
        let after = match arrival {
            Arrival::ComeIn { after } => after,
            Arrival::Hang => {
                door::hold(tcp, &mut self.closing).await;
                return Visit::KeptOut;
            }
            Arrival::Reset => {
                // If it cannot be reset it is closed: it is gone either way.
                let _closed = tcp.set_zero_linger();
                return Visit::KeptOut;
            }
        };
        if !after.is_zero() {
            tokio::time::sleep(after).await;
        }
        let clock = self.clock;
        let decide = move |upgrade: &Upgrade| -> Entry<K::Guest> {
            let mut keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
            keeper.enter(clock.now(), upgrade)
        };
        let (socket, open) = match door::let_in(tcp, self.tls, decide, &mut self.closing).await {
            LetIn::Entered(socket, open) => (socket, open),
            LetIn::KeptOut => return Visit::KeptOut,
            LetIn::Lost => return Visit::Lost,
        };
        let mut out = Outbox::new();
        let mut peer = Box::new(open(clock.now(), &mut out));
        let coupled = tokio::select! {
            coupled = couple(*socket, &mut *peer, clock, out, |_, _| {}) => coupled,
            () = overstay(&mut self.closing) => {
                peer.closed(clock.now(), None);
                Coupled { ending: Ending::Stayed, texts: 0, binaries: 0 }
            }
        };
        Visit::Over(peer, coupled)
    }
}

/// Waits until the house has been closed for as long as visitors may stay.
async fn overstay(closing: &mut watch::Receiver<bool>) {
    // Nobody can close it any more: it is closed.
    drop(closing.wait_for(|closing| *closing).await);
    tokio::time::sleep(LEAVE_MAX).await;
}

/// The keeper who lets everybody in.
struct Everybody<O> {
    open: Arc<O>,
    numbers: Arc<AtomicU32>,
}

impl<P, O> Keeper for Everybody<O>
where
    P: Peer + Send + 'static,
    O: Fn(u32, &Upgrade, Duration, &mut Outbox) -> P + Send + Sync + 'static,
{
    type Guest = P;

    fn arrive(&mut self, _now: Duration) -> Arrival {
        Arrival::ComeIn {
            after: Duration::ZERO,
        }
    }

    fn enter(&mut self, _now: Duration, upgrade: &Upgrade) -> Entry<P> {
        let (open, numbers) = (Arc::clone(&self.open), Arc::clone(&self.numbers));
        let upgrade = upgrade.clone();
        let open: Open<P> = Box::new(move |now, out| {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            open(number, &upgrade, now, out)
        });
        Entry::Open(open)
    }
}
