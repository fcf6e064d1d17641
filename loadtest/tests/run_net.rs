//! Doubles over real sockets: what the coupling promises to every peer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use loadtest::{
    net::{Clock, Coupled, Ending, House, couple, dial, host},
    peer::{Action, Outbox, Peer},
    tls::{Authority, Certificate},
};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};

/// Far more than anything here takes.
const LONG: Duration = Duration::from_secs(30);

/// Sends back what it gets.
#[derive(Debug)]
struct Echo;

impl Peer for Echo {
    fn receive(&mut self, _now: Duration, text: &str, out: &mut Outbox) {
        out.push(Action::Send(text.to_owned()));
    }

    fn closed(&mut self, _now: Duration, _code: Option<u16>) {}

    fn tick(&mut self, _now: Duration, _out: &mut Outbox) {}

    fn deadline(&self) -> Option<Duration> {
        None
    }
}

/// Sends a message every 20 ms, `wanted` times, then closes; notes what came back, and how late its ticks were.
#[derive(Debug)]
struct Metronome {
    next: Duration,
    wanted: usize,
    sent: usize,
    back: usize,
    size: usize,
    late_max: Duration,
    was_closed: bool,
}

impl Metronome {
    fn new(begin: Duration, wanted: usize, size: usize) -> Self {
        Self {
            next: begin,
            wanted,
            sent: 0,
            back: 0,
            size,
            late_max: Duration::ZERO,
            was_closed: false,
        }
    }
}

impl Peer for Metronome {
    fn receive(&mut self, _now: Duration, _text: &str, out: &mut Outbox) {
        self.back += 1;
        if self.back == self.wanted {
            out.push(Action::Close {
                code: 1000,
                reason: "done".into(),
            });
        }
    }

    fn closed(&mut self, _now: Duration, _code: Option<u16>) {
        self.was_closed = true;
    }

    fn tick(&mut self, now: Duration, out: &mut Outbox) {
        let late = now.checked_sub(self.next).expect("a tick is not early");
        self.late_max = self.late_max.max(late);
        self.next += Duration::from_millis(20);
        self.sent += 1;
        out.push(Action::Send("x".repeat(self.size)));
    }

    fn deadline(&self) -> Option<Duration> {
        (self.sent < self.wanted).then_some(self.next)
    }
}

async fn open(
    certificate: Option<(&Authority, Certificate)>,
) -> (House, watch::Sender<bool>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scheme = if certificate.is_some() { "wss" } else { "ws" };
    let url = format!(
        "{scheme}://{}/any/path?and=query",
        listener.local_addr().unwrap()
    );
    let (closing, closed) = watch::channel(false);
    let house = House {
        listener,
        tls: certificate.map(|(authority, which)| authority.acceptor(which).unwrap()),
        clock: Clock::start(),
        closing: closed,
    };
    (house, closing, url)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the runtime of a test ends with the test, and its tasks with it"
)]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

async fn play(url: &str, authority: Option<&Authority>, peer: &mut Metronome) -> Coupled {
    let tls = authority.map(|authority| authority.client().unwrap());
    let socket = dial(url, tls).await.unwrap();
    let playing = couple(socket, peer, Clock::start(), Outbox::new(), |_, _| {});
    let played = tokio::time::timeout(LONG, playing).await;
    played.expect("a coupling ends")
}

#[tokio::test]
async fn a_peer_is_paced_by_an_absolute_clock_over_plain_and_over_tls() {
    let authority = Authority::generate().unwrap();
    for tls in [false, true] {
        let (house, _open, url) = open(tls.then_some((&authority, Certificate::Good))).await;
        spawn(async { assert_eq!(host(house, |_, _, _, _| Echo, |_, _| {}).await, 0) });
        let mut peer = Metronome::new(Duration::from_millis(5), 50, 300);
        let began = tokio::time::Instant::now();
        let coupled = play(&url, tls.then_some(&authority), &mut peer).await;
        assert_eq!(coupled.ending, Ending::ClosedByUs);
        assert_eq!((peer.sent, peer.back, coupled.texts), (50, 50, 50));
        assert!(peer.was_closed, "a peer is told that its socket is gone");
        assert!(began.elapsed() >= Duration::from_millis(5 + 49 * 20));
        println!("tls {tls}: the latest tick was {:?} late", peer.late_max);
    }
}

#[tokio::test]
async fn an_untrusted_certificate_is_not_spoken_to() {
    let authority = Authority::generate().unwrap();
    for bad in [
        Certificate::Expired,
        Certificate::WrongName,
        Certificate::Untrusted,
    ] {
        let (house, _open, url) = open(Some((&authority, bad))).await;
        spawn(async { assert_eq!(host(house, |_, _, _, _| Echo, |_, _| {}).await, 1) });
        let refused = dial(&url, Some(authority.client().unwrap())).await;
        assert!(refused.is_err(), "{bad:?} was trusted");
    }
}

#[tokio::test]
async fn a_house_that_closes_lets_its_visitors_out_and_gives_their_doubles_back() {
    let (house, closing, url) = open(None).await;
    let (tell, told) = oneshot::channel();
    spawn(async move {
        let mut visits = Vec::new();
        let lost = host(house, |_, _, _, _| Echo, |_, visit| visits.push(visit)).await;
        tell.send((visits, lost)).expect("the test waits for it");
    });
    let mut peer = Metronome::new(Duration::ZERO, 1, 10);
    play(&url, None, &mut peer).await;
    closing.send_replace(true);
    let (visits, lost) = tokio::time::timeout(LONG, told).await.unwrap().unwrap();
    assert_eq!(lost, 0);
    assert_eq!(visits.len(), 1);
    assert_eq!(visits[0].ending, Ending::ClosedByThem(Some(1000)));
    assert_eq!(visits[0].texts, 1);
}

#[tokio::test]
async fn a_server_that_never_reads_is_given_up_before_memory_runs_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (done, wait) = oneshot::channel::<()>();
    spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let socket = tokio_tungstenite::accept_async(tcp).await.unwrap();
        assert!(wait.await.is_ok(), "the test ends in order");
        drop(socket); // Held open until now, and never read.
    });
    let mut peer = Metronome::new(Duration::ZERO, 1_000, 1024 * 1024);
    let coupled = play(&url, None, &mut peer).await;
    assert_eq!(coupled.ending, Ending::Overflowed);
    assert!(peer.sent < 100, "{} MiB were kept", peer.sent);
    done.send(()).unwrap();
}

#[tokio::test]
async fn a_url_that_cannot_be_used_says_what_is_allowed() {
    for (url, reason) in [
        ("http://127.0.0.1:1/", "neither ws nor wss"),
        ("wss://127.0.0.1:1/", "refused"),
        ("127.0.0.1", "allowed: ws://"),
    ] {
        let Err(error) = dial(url, None).await else {
            panic!("{url} was dialled");
        };
        let message = error.to_string();
        assert!(message.contains(reason), "{message}");
    }
}
