//! The socket over a real connection: an axum server on loopback, a client of another library's making.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use axum::serve::Listener;
use futures_util::SinkExt as _;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Said;

use super::*;
use crate::core::audio::Frame;
use crate::core::call::input::{Key, Mark};

const STREAM: &str = "MZ00000000000000000000000000000003";

/// Longer than anything here takes: what fails, fails by this.
const DEADLINE: Duration = Duration::from_secs(20);

type Client = WebSocketStream<TcpStream>;

/// Both ends of a socket, and how often the server's end was written to.
struct Line {
    socket: CarrierSocket,
    client: Client,
    writes: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

/// A line on which the stream has not started.
async fn line(limits: SocketLimits) -> Line {
    let writes = Arc::new(AtomicUsize::new(0));
    let listener = CountingListener {
        listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        writes: Arc::clone(&writes),
    };
    let address = listener.local_addr().unwrap();
    let (upgraded, mut sockets) = mpsc::channel(1);
    let app = Router::new().route(
        "/media",
        get(move |upgrade: WebSocketUpgrade| async move {
            limited(upgrade, &limits).on_upgrade(move |socket| async move {
                upgraded.send(socket).await.unwrap();
            })
        }),
    );
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await.unwrap() });

    let tcp = TcpSocket::new_v4().unwrap();
    // So that a client that stops reading is soon felt.
    tcp.set_recv_buffer_size(8 * 1024).unwrap();
    let tcp = tcp.connect(address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let url = format!("ws://{address}/media");
    let (client, _) = tokio_tungstenite::client_async(url, tcp).await.unwrap();
    let socket = within(sockets.recv()).await.unwrap();
    Line {
        socket: CarrierSocket::new(socket, twilio::Stream::new(Arc::new([]))),
        client,
        writes,
        _server: server,
    }
}

/// A line on which the stream has started.
async fn started(limits: SocketLimits) -> Line {
    let mut line = line(limits).await;
    say(&mut line.client, start()).await;
    let event = event(&mut line.socket).await;
    assert!(matches!(event, CarrierEvent::Started(_)), "{event:?}");
    line
}

fn start() -> String {
    let account = "AC00000000000000000000000000000001";
    let call = "CA00000000000000000000000000000002";
    let format = r#"{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}"#;
    format!(
        r#"{{"event":"start","start":{{"accountSid":"{account}","callSid":"{call}","mediaFormat":{format},"customParameters":{{"agent":"reception"}}}},"streamSid":"{STREAM}"}}"#
    )
}

fn key(digit: char) -> String {
    format!(r#"{{"event":"dtmf","streamSid":"{STREAM}","dtmf":{{"digit":"{digit}"}}}}"#)
}

fn pressed(digit: char) -> CarrierEvent {
    CarrierEvent::Key(Key::parse(digit).unwrap())
}

fn mark(number: u32) -> CarrierCommand {
    CarrierCommand::Mark(Mark {
        generation: 0,
        number,
    })
}

fn mark_text(number: u32) -> String {
    format!(r#"{{"event":"mark","streamSid":"{STREAM}","mark":{{"name":"g0-{number}"}}}}"#)
}

fn audio(len: usize) -> CarrierCommand {
    CarrierCommand::Media(Frame::from_raw(Bytes::from(vec![0x7F; len])))
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(DEADLINE, future).await;
    outcome.expect("it happens within the deadline")
}

async fn event(socket: &mut CarrierSocket) -> CarrierEvent {
    within(poll_fn(|cx| socket.poll_event(cx))).await
}

async fn flush(socket: &mut CarrierSocket) {
    within(poll_fn(|cx| socket.poll_flush(cx))).await;
}

async fn say(client: &mut Client, text: impl Into<String>) {
    within(client.send(Said::text(text.into()))).await.unwrap();
}

async fn hear(client: &mut Client) -> Said {
    within(client.next()).await.unwrap().unwrap()
}

/// The socket's end is told once, and nothing after it.
async fn assert_closed(socket: &mut CarrierSocket) {
    assert_eq!(event(socket).await, CarrierEvent::Closed);
    let more = poll_fn(|cx| Poll::Ready(socket.poll_event(cx))).await;
    assert!(more.is_pending(), "{more:?}");
    assert_eq!(socket.send(&CarrierCommand::Clear), Ok(()));
    flush(socket).await;
}

#[tokio::test]
async fn a_call_goes_both_ways() {
    let mut line = started(SocketLimits::default()).await;
    let parameters = line.socket.take_parameters();
    assert_eq!(parameters.get("agent"), Some("reception"));
    say(&mut line.client, key('5')).await;
    assert_eq!(event(&mut line.socket).await, pressed('5'));

    for command in [audio(160), mark(1), CarrierCommand::Clear] {
        line.socket.send(&command).unwrap();
    }
    flush(&mut line.socket).await;
    let sound = hear(&mut line.client).await;
    assert!(sound.is_text() && sound.len() > 216, "{sound:?}");
    assert_eq!(hear(&mut line.client).await, Said::text(mark_text(1)));
    let clear = format!(r#"{{"event":"clear","streamSid":"{STREAM}"}}"#);
    assert_eq!(hear(&mut line.client).await, Said::text(clear));
}

#[tokio::test]
async fn several_commands_leave_in_one_write_and_share_one_buffer() {
    let mut line = started(SocketLimits::default()).await;
    for round in 0..100 {
        let before = line.writes.load(Ordering::SeqCst);
        for number in 0..10 {
            line.socket.send(&audio(160)).unwrap();
            line.socket.send(&mark(round * 10 + number)).unwrap();
            let reused = line.socket.text.try_reclaim(256);
            assert!(
                reused,
                "the memory of a text that was queued does not come back"
            );
        }
        assert_eq!(
            line.writes.load(Ordering::SeqCst),
            before,
            "written without a flush"
        );
        flush(&mut line.socket).await;
        assert_eq!(line.writes.load(Ordering::SeqCst), before + 1);
        for number in 0..10 {
            hear(&mut line.client).await;
            let expected = Said::text(mark_text(round * 10 + number));
            assert_eq!(hear(&mut line.client).await, expected);
        }
    }
}

#[tokio::test]
async fn a_binary_frame_is_refused_and_the_next_text_is_read() {
    let mut line = started(SocketLimits::default()).await;
    within(line.client.send(Said::binary(vec![0xFF; 160])))
        .await
        .unwrap();
    say(&mut line.client, key('#')).await;
    let refused = CarrierEvent::Refused(Refusal::Binary);
    assert_eq!(event(&mut line.socket).await, refused);
    assert_eq!(event(&mut line.socket).await, pressed('#'));
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_and_ends_the_socket() {
    let limits = SocketLimits {
        message_bytes_max: 1_000,
        ..SocketLimits::default()
    };
    let mut line = started(limits).await;
    say(&mut line.client, format!("{:1000}", key('1'))).await;
    assert_eq!(event(&mut line.socket).await, pressed('1'));
    say(&mut line.client, format!("{:1001}", key('2'))).await;
    let refused = CarrierEvent::Refused(Refusal::Oversized);
    assert_eq!(event(&mut line.socket).await, refused);
    assert_closed(&mut line.socket).await;
    within(line.socket.close()).await;
    assert!(hear(&mut line.client).await.is_close());
}

#[tokio::test]
async fn a_message_in_pieces_over_the_limit_is_refused_too() {
    let limits = SocketLimits {
        message_bytes_max: 1_000,
        ..SocketLimits::default()
    };
    let mut line = started(limits).await;
    // Text without FIN, of 600 bytes (a 16-bit length), masked with zeros; then a continuation of the same.
    for opcode in [0x01, 0x00] {
        let mut piece = vec![opcode, 0xFE, 0x02, 0x58, 0, 0, 0, 0];
        piece.resize(piece.len() + 600, b' ');
        line.client.get_mut().write_all(&piece).await.unwrap();
    }
    let refused = CarrierEvent::Refused(Refusal::Oversized);
    assert_eq!(event(&mut line.socket).await, refused);
    assert_closed(&mut line.socket).await;
}

#[tokio::test]
async fn a_carrier_that_closes_is_told_once_and_answered() {
    let mut line = started(SocketLimits::default()).await;
    within(line.client.close(None)).await.unwrap();
    assert_closed(&mut line.socket).await;
    let (answer, ()) = tokio::join!(hear(&mut line.client), within(line.socket.close()));
    assert!(answer.is_close(), "{answer:?}");
    assert!(within(line.client.next()).await.is_none());
}

#[tokio::test]
async fn a_carrier_that_vanishes_is_told_once() {
    let mut line = started(SocketLimits::default()).await;
    drop(line.client);
    assert_closed(&mut line.socket).await;
    within(line.socket.close()).await;
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_is_closed() {
    // An unmasked frame; a reserved opcode; text that is not UTF-8.
    for garbage in [
        &b"\x81\x02{}"[..],
        b"\x83\x80\0\0\0\0",
        b"\x81\x81\0\0\0\0\xFF",
    ] {
        let mut line = started(SocketLimits::default()).await;
        line.client.get_mut().write_all(garbage).await.unwrap();
        assert_closed(&mut line.socket).await;
    }
}

#[tokio::test]
async fn a_ping_is_answered_while_nobody_speaks() {
    let mut line = started(SocketLimits::default()).await;
    within(line.client.send(Said::Ping("are you there?".into())))
        .await
        .unwrap();
    let answer = tokio::select! {
        answer = hear(&mut line.client) => answer,
        event = event(&mut line.socket) => panic!("{event:?}"),
    };
    assert_eq!(answer, Said::Pong("are you there?".into()));
}

#[tokio::test]
async fn a_client_that_stops_reading_overflows_the_buffer_and_still_is_heard() {
    let mut line = started(SocketLimits::default()).await;
    let mut number = 0;
    while line.socket.send(&audio(1_600)).is_ok() && line.socket.send(&mark(number)).is_ok() {
        number += 1;
        // What the system takes is taken; nothing waits for the rest.
        let flushed = poll_fn(|cx| Poll::Ready(line.socket.poll_flush(cx))).await;
        assert!(
            number < 20_000,
            "{flushed:?}: nothing holds what is queued in bounds"
        );
        tokio::task::yield_now().await;
    }
    assert_eq!(line.socket.send(&audio(1_600)), Err(WriteOverflow));
    let flushed = poll_fn(|cx| Poll::Ready(line.socket.poll_flush(cx))).await;
    assert!(flushed.is_pending());

    say(&mut line.client, key('9')).await;
    assert_eq!(event(&mut line.socket).await, pressed('9'));

    // All that was accepted arrives, in order, as soon as the client reads.
    let (socket, client) = (&mut line.socket, &mut line.client);
    let listening = async {
        for expected in 0..number {
            assert!(hear(client).await.len() > 2_100);
            assert_eq!(hear(client).await, Said::text(mark_text(expected)));
        }
    };
    tokio::join!(flush(socket), listening);
}

#[tokio::test]
async fn closing_takes_bounded_time_when_the_client_does_not_read() {
    let mut line = started(SocketLimits::default()).await;
    while line.socket.send(&audio(1_600)).is_ok() {
        tokio::task::yield_now().await;
    }
    within(line.socket.close()).await;

    // With room in our own buffer but none in the system's, and with a client that is merely silent.
    for stuck in [true, false] {
        let mut line = started(SocketLimits::default()).await;
        while stuck
            && poll_fn(|cx| Poll::Ready(line.socket.poll_flush(cx)))
                .await
                .is_ready()
        {
            line.socket.send(&audio(1_600)).unwrap();
            tokio::task::yield_now().await;
        }
        within(line.socket.close()).await;
    }
}

#[tokio::test]
async fn what_is_queued_is_heard_before_the_goodbye_though_the_caller_talks_on() {
    let mut line = started(SocketLimits::default()).await;
    for _ in 0..500 {
        say(&mut line.client, key('1')).await;
    }
    line.socket.send(&mark(1)).unwrap();
    let closing = within(line.socket.close());
    let listening = async {
        assert_eq!(hear(&mut line.client).await, Said::text(mark_text(1)));
        let Said::Close(Some(goodbye)) = hear(&mut line.client).await else {
            panic!("no goodbye");
        };
        assert_eq!(u16::from(goodbye.code), close_code::NORMAL);
        assert!(within(line.client.next()).await.is_none());
    };
    tokio::join!(closing, listening);
}

#[tokio::test]
async fn a_stop_that_comes_before_a_reset_is_not_lost() {
    let mut line = started(SocketLimits::default()).await;
    let stop = format!(r#"{{"event":"stop","streamSid":"{STREAM}"}}"#);
    say(&mut line.client, stop).await;
    line.client.get_ref().set_zero_linger().unwrap();
    drop(line.client);
    let writing = async {
        while line.socket.writing != Writing::Failed {
            line.socket.send(&audio(160)).unwrap();
            poll_fn(|cx| line.socket.poll_flush(cx)).await;
            tokio::task::yield_now().await;
        }
    };
    within(writing).await;
    assert_eq!(event(&mut line.socket).await, CarrierEvent::Stopped);
    assert_closed(&mut line.socket).await;
}

#[tokio::test]
async fn nothing_of_the_callers_is_in_debug_output() {
    let mut line = started(SocketLimits::default()).await;
    say(&mut line.client, key('7')).await;
    let key = event(&mut line.socket).await;
    let shown = format!("{:?} {key:?}", line.socket);
    assert!(
        !shown.contains("reception") && !shown.contains('7'),
        "{shown}"
    );
}

/// A listener whose connections count their writes.
struct CountingListener {
    listener: TcpListener,
    writes: Arc<AtomicUsize>,
}

impl Listener for CountingListener {
    type Io = Counting;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Counting, SocketAddr) {
        let (tcp, address) = self.listener.accept().await.unwrap();
        let writes = Arc::clone(&self.writes);
        (Counting { tcp, writes }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

struct Counting {
    tcp: TcpStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
