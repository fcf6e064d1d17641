//! Whoever is at the front door beside the callers: strangers who want something for nothing, and calls that only ring.
//!
//! Owns their behaviour and what they were given. Strangers come from addresses of their own, as they would: what the server
//! holds against one of them must not be held against the carrier.

mod hurried;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    runtime::Builder,
    sync::oneshot,
    task::JoinSet,
    time::timeout,
};

use self::hurried::Hurry;
use super::subject::Running;
use crate::{
    net::Clock,
    plan::{ACCOUNT_SID, AUTH_TOKEN, Beside},
    twilio::{
        Account,
        address::Address,
        fetch::{Fetcher, Wanted},
        number::{Parties, Status},
        signature::AuthToken,
        twiml::Method,
    },
};

/// A stranger whose socket was dropped comes again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Nobody waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests of one kind at a time; those that would be more are left out.
const REQUESTS_MAX: usize = 1_000;
/// Answers whose time is kept.
const ANSWERS_MAX: usize = 1_000_000;

/// What they were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beheld {
    /// Strangers' sockets that were opened, over the window.
    pub(super) sockets_opened: u64,
    /// Forged webhooks that were sent.
    pub(super) forged: u64,
    /// Those that got a document.
    pub(super) forged_served: u64,
    /// Calls that only rang: how long their document took, connection included.
    pub(super) answers: Vec<Duration>,
    /// Those that got none.
    pub(super) answers_failed: u64,
    /// Callers in a hurry who pressed their keys and were gone.
    pub(super) hurried: u64,
    /// Those who came to no stream, or whose stream was cut.
    pub(super) hurried_failed: u64,
}

/// All of them, for as long as this is kept. They have a thread of their own: what they cost must not be found in the latency of
/// the callers' frames.
pub(super) struct Crowd {
    /// They go when this is dropped.
    leaving: oneshot::Sender<()>,
    /// What they were given, once they are gone.
    gone: oneshot::Receiver<Beheld>,
}

#[derive(Debug, Default)]
struct Seen {
    sockets_opened: AtomicU64,
    forged: AtomicU64,
    forged_served: AtomicU64,
    answers_failed: AtomicU64,
    hurried: AtomicU64,
    hurried_failed: AtomicU64,
    answers: Mutex<Vec<Duration>>,
}

/// What each of them knows.
#[derive(Clone)]
struct Stranger {
    server: SocketAddr,
    voice: Address,
    clock: Clock,
    until: Duration,
    seen: Arc<Seen>,
    account: Arc<Account>,
}

impl Crowd {
    /// They come, and stay until then. Nobody comes where the server has no Voice URL.
    pub(super) fn gather(
        beside: Beside,
        running: &Running,
        account: &Arc<Account>,
        clock: Clock,
        until: Duration,
    ) -> io::Result<Self> {
        let (leaving, left) = oneshot::channel();
        let (tell, gone) = oneshot::channel();
        let voice = running.number.as_ref().map(|number| &number.voice.url);
        let voice = voice.and_then(|url| Address::parse(url));
        let stranger = match (running.address.parse(), voice) {
            (Ok(server), Some(voice)) => Some(Stranger {
                server,
                voice,
                clock,
                until,
                seen: Arc::default(),
                account: Arc::clone(account),
            }),
            (Ok(_) | Err(_), _) => None,
        };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let stay = move || {
            let beheld = runtime.block_on(crowd(beside, stranger, left));
            // Whoever does not want to know has ended the run.
            let _told = tell.send(beheld);
        };
        std::thread::Builder::new()
            .name("beside".into())
            .spawn(stay)?;
        Ok(Self { leaving, gone })
    }

    /// They go; what they were given.
    pub(super) async fn leave(self) -> Beheld {
        drop(self.leaving);
        // A thread that panicked has told so; what is missing then fails the plan's objectives.
        self.gone.await.unwrap_or_default()
    }
}

async fn crowd(beside: Beside, stranger: Option<Stranger>, left: oneshot::Receiver<()>) -> Beheld {
    let Some(stranger) = stranger else {
        return Beheld::default();
    };
    let mut tasks = JoinSet::new();
    for nth in 0..beside.idle_sockets {
        let from = source(nth, beside.addresses);
        tasks.spawn(stranger.clone().idle(from));
    }
    let addresses = beside.addresses;
    let forge = move |stranger: Stranger, nth| stranger.forge(source(nth, addresses));
    let rate = beside.forged_per_second;
    tasks.spawn(stranger.clone().paced(rate, forge));
    let rate = beside.answers_per_second;
    let ring = |stranger: Stranger, _nth| stranger.ring();
    tasks.spawn(stranger.clone().paced(rate, ring));
    let rate = beside.promises_per_second;
    let hurry = |stranger: Stranger, nth| stranger.hurry(nth);
    tasks.spawn(stranger.clone().paced(rate, hurry));
    // By a word or by the end of the run.
    let _left = left.await;
    tasks.shutdown().await;
    let seen = &stranger.seen;
    let count = |it: &AtomicU64| it.load(Ordering::Relaxed);
    let answers = seen.answers.lock();
    Beheld {
        sockets_opened: count(&seen.sockets_opened),
        forged: count(&seen.forged),
        forged_served: count(&seen.forged_served),
        answers: answers.unwrap_or_else(PoisonError::into_inner).clone(),
        answers_failed: count(&seen.answers_failed),
        hurried: count(&seen.hurried),
        hurried_failed: count(&seen.hurried_failed),
    }
}

impl Stranger {
    /// Holds a socket whose upgrade never comes to its end; another one when it is dropped.
    async fn idle(self, from: Ipv4Addr) {
        // Not all in the same moment: a second is enough.
        let wait = Duration::from_millis(fastrand::u64(..1_000));
        tokio::time::sleep(wait).await;
        while self.clock.now() < self.until {
            if let Ok(mut socket) = self.connect(from).await {
                self.seen.sockets_opened.fetch_add(1, Ordering::Relaxed);
                let begun = socket
                    .write_all(b"GET /media HTTP/1.1\r\nHost: x\r\n")
                    .await;
                if begun.is_ok() {
                    // Until the server has had enough.
                    let _closed = socket.read_u8().await;
                }
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// A webhook that is not Twilio's.
    async fn forge(self, from: Ipv4Addr) {
        self.seen.forged.fetch_add(1, Ordering::Relaxed);
        let body = parties().form(Status::Ringing).encode();
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             X-Twilio-Signature: {:027x}=\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.voice.path,
            self.voice.authority,
            fastrand::u64(..),
            body.len()
        );
        let asking = async {
            let mut socket = self.connect(from).await?;
            // It may be refused before it is whole.
            let _written = socket.write_all(format!("{head}{body}").as_bytes()).await;
            let mut status = [0; 12];
            socket.read_exact(&mut status).await?;
            Ok::<_, io::Error>(status.ends_with(b" 200"))
        };
        if let Ok(Ok(true)) = timeout(PATIENCE, asking).await {
            self.seen.forged_served.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A call that is given up as soon as it has its document.
    async fn ring(self) {
        let fetcher = Fetcher {
            token: AuthToken::new(AUTH_TOKEN),
            tls: None,
            request_max: PATIENCE,
            idempotency_on_first: true,
        };
        let form = parties().form(Status::Ringing);
        let idempotency = format!("{:032x}", fastrand::u128(..));
        let wanted = Wanted {
            address: &self.voice,
            method: Method::Post,
            form: &form,
            idempotency: &idempotency,
        };
        let asked = self.clock.now();
        let page = fetcher.fetch(wanted).await.into_page();
        let after = self.clock.now().saturating_sub(asked);
        if page.is_err() {
            self.seen.answers_failed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let answers = self.seen.answers.lock();
        let mut answers = answers.unwrap_or_else(PoisonError::into_inner);
        if answers.len() < ANSWERS_MAX {
            answers.push(after);
        }
    }

    /// A caller who wants to be called back and does not listen.
    async fn hurry(self, nth: u32) {
        let Self {
            voice,
            account,
            seen,
            ..
        } = self;
        let hurry = Hurry { account, voice };
        let count = match hurry.call(nth).await {
            Some(()) => &seen.hurried,
            None => &seen.hurried_failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Does something so often a second.
    async fn paced<F: Future<Output = ()> + Send + 'static>(
        self,
        per_second: u32,
        what: impl Fn(Self, u32) -> F,
    ) {
        if per_second == 0 {
            return;
        }
        let (began, mut nth) = (self.clock.now(), 0);
        let mut doing = JoinSet::new();
        while self.clock.now() < self.until {
            if doing.len() < REQUESTS_MAX {
                doing.spawn(what(self.clone(), nth));
            }
            nth += 1;
            let next = began + Duration::from_secs(1) * nth / per_second;
            self.clock.wait_until(next).await;
            while doing.try_join_next().is_some() {}
        }
        while doing.join_next().await.is_some() {}
    }

    async fn connect(&self, from: Ipv4Addr) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        socket.connect(self.server).await
    }
}

/// Where the stranger of this number comes from.
fn source(nth: u32, addresses: u16) -> Ipv4Addr {
    let nth = nth % u32::from(addresses.max(1));
    let [_, _, high, low] = nth.to_be_bytes();
    Ipv4Addr::new(127, 1 + high, 1 + low / 250, 1 + low % 250)
}

fn parties() -> Parties {
    let (from, to) = ("+12025550199", "+12025550100");
    Parties::draw(ACCOUNT_SID, from, to, &mut fastrand::Rng::new())
}
