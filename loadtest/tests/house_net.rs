//! A provider with faults, over real sockets: what a client meets at its door and inside.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use loadtest::{
    key::KeyMark,
    model::{house::ModelHouse, report::SessionReport, settings::ModelSettings},
    net::{Clock, House, host_by},
    recording::Line,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};

/// Far more than anything here takes.
const LONG: Duration = Duration::from_secs(30);
/// What does not come within this does not come.
const NEVER: Duration = Duration::from_millis(300);

type Socket = WebSocketStream<TcpStream>;

struct Provider {
    address: SocketAddr,
    house: Arc<Mutex<ModelHouse>>,
    closing: watch::Sender<bool>,
    sessions: oneshot::Receiver<(Vec<SessionReport>, u64)>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the runtime of a test ends with the test, and its tasks with it"
)]
async fn provider(settings: &str) -> Provider {
    let settings: ModelSettings = toml::from_str(settings).unwrap();
    let line = Line {
        audio: [0x20, 0xa0].repeat(8_000),
        text: "Well, well.".to_owned(),
    };
    let house = ModelHouse::new(Arc::new(settings), Arc::new(vec![line]), 1);
    let house = Arc::new(Mutex::new(house));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (closing, closed) = watch::channel(false);
    let (tell, sessions) = oneshot::channel();
    let (keeper, door) = (
        Arc::clone(&house),
        House {
            listener,
            tls: None,
            clock: Clock::start(),
            closing: closed,
        },
    );
    tokio::spawn(async move {
        let mut reports = Vec::new();
        let lost = host_by(door, keeper, |session, _| {
            reports.push(session.into_report());
        })
        .await;
        // Not every test asks.
        let _asked = tell.send((reports, lost));
    });
    Provider {
        address,
        house,
        closing,
        sessions,
    }
}

impl Provider {
    async fn dial(&self) -> Result<Socket, tungstenite::Error> {
        let tcp = TcpStream::connect(self.address).await?;
        let url = format!("ws://{}/v1/realtime?model=m", self.address);
        let mut request = url.into_client_request()?;
        let key = "Bearer sk-one".parse().unwrap();
        request.headers_mut().insert("authorization", key);
        client_async(request, tcp).await.map(|(socket, _)| socket)
    }

    async fn close(self) -> (Vec<SessionReport>, u64) {
        self.closing.send_replace(true);
        timeout(LONG, self.sessions).await.unwrap().unwrap()
    }
}

async fn next(socket: &mut Socket) -> Option<Result<Message, tungstenite::Error>> {
    timeout(LONG, socket.next()).await.expect("something comes")
}

async fn wait_for(socket: &mut Socket, wanted: &str) {
    loop {
        let message = next(socket).await.unwrap().unwrap();
        if message.to_text().is_ok_and(|text| text.contains(wanted)) {
            return;
        }
    }
}

async fn tell(socket: &mut Socket, event: &serde_json::Value) {
    socket.send(Message::text(event.to_string())).await.unwrap();
}

/// A session that is ready and answers.
async fn talk(socket: &mut Socket) {
    wait_for(socket, "session.created").await;
    let format = json!({"type": "audio/pcmu"});
    let audio = json!({"input": {"format": format}, "output": {"format": format}});
    let session = json!({"type": "realtime", "audio": audio});
    tell(
        socket,
        &json!({"type": "session.update", "session": session}),
    )
    .await;
    wait_for(socket, "session.updated").await;
    tell(socket, &json!({"type": "response.create"})).await;
}

async fn pongs(socket: &mut Socket) -> bool {
    socket
        .send(Message::Ping(b"?".as_slice().into()))
        .await
        .unwrap();
    loop {
        match timeout(NEVER, socket.next()).await {
            Ok(Some(Ok(Message::Pong(_)))) => return true,
            Ok(Some(Ok(_))) => {}
            Ok(other) => panic!("{other:?}"),
            Err(_) => return false,
        }
    }
}

#[tokio::test]
async fn an_upgrade_is_refused_with_status_reason_and_time() {
    let provider = provider(
        "house_faults = [{ what = { refuse = { status = 429, retry_after_ms = 1200 } } }]",
    )
    .await;
    let error = timeout(LONG, provider.dial()).await.unwrap().unwrap_err();
    let tungstenite::Error::Http(response) = error else {
        panic!("{error}");
    };
    assert_eq!(response.status(), 429);
    assert_eq!(
        response.headers()["retry-after"],
        "2",
        "whole seconds, rounded up"
    );
    let dials = provider.house.lock().unwrap().dials().clone();
    assert_eq!(dials.total().refused, 1);
    assert_eq!(
        dials.list.list.first().unwrap().key,
        Some(KeyMark::of("sk-one"))
    );
    let (sessions, lost) = provider.close().await;
    assert_eq!(
        (sessions.len(), lost),
        (0, 0),
        "who is kept out is not lost"
    );
}

#[tokio::test]
async fn a_body_comes_with_a_refusal() {
    let provider = provider("house_faults = [{ what = { refuse = { status = 401 } } }]").await;
    let mut tcp = TcpStream::connect(provider.address).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LONG, tcp.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 401"), "{head}");
    assert!(
        head.to_lowercase()
            .contains(&format!("content-length: {}", body.len()))
    );
    assert!(body.contains("invalid_api_key"), "{body}");
}

#[tokio::test]
async fn who_is_down_resets_and_who_hangs_says_nothing_and_holds_on() {
    let down = provider("house_faults = [{ what = 'down' }]").await;
    let error = timeout(LONG, down.dial()).await.unwrap().unwrap_err();
    let reset = matches!(&error, tungstenite::Error::Io(error) if error.kind() == ErrorKind::ConnectionReset);
    let early = matches!(&error, tungstenite::Error::Protocol(_));
    assert!(reset || early, "{error}");
    for stage in ["connect", "tls", "upgrade"] {
        let hangs = provider(&format!(
            "house_faults = [{{ what = {{ hang = '{stage}' }} }}]"
        ))
        .await;
        assert!(timeout(NEVER, hangs.dial()).await.is_err(), "{stage}");
        // The one who gave up is noticed, and the house closes at once.
        let (_, lost) = hangs.close().await;
        assert_eq!(lost, 0, "{stage}");
    }
}

#[tokio::test]
async fn a_session_that_hangs_answers_pings_and_nothing_else() {
    let provider = provider("house_faults = [{ what = { hang = 'session' } }]").await;
    let mut socket = timeout(LONG, provider.dial()).await.unwrap().unwrap();
    assert!(timeout(NEVER, socket.next()).await.is_err());
    assert!(pongs(&mut socket).await);
}

#[tokio::test]
async fn a_stalled_session_answers_pings_and_a_frozen_one_does_not_and_both_are_given_back() {
    for (what, alive) in [("stall", true), ("freeze", false)] {
        let provider = provider(&format!(
            "faults = [{{ when = {{ mid_response = {{ response = 1, audio_ms = 200 }} }}, what = '{what}' }}]"
        ))
        .await;
        let mut socket = timeout(LONG, provider.dial()).await.unwrap().unwrap();
        talk(&mut socket).await;
        wait_for(&mut socket, "output_audio.delta").await;
        let silent = async {
            while let Ok(Some(message)) = timeout(NEVER * 3, socket.next()).await {
                assert!(
                    !message
                        .unwrap()
                        .to_text()
                        .unwrap()
                        .contains("response.done")
                );
            }
        };
        timeout(LONG, silent).await.unwrap();
        assert_eq!(pongs(&mut socket).await, alive, "{what}");
        drop(socket);
        let (sessions, _) = provider.close().await;
        assert_eq!(sessions.len(), 1, "{what}: its report is not lost");
        assert_eq!(sessions.first().unwrap().faults, 1, "{what}");
    }
}

#[tokio::test]
async fn a_kill_cuts_whoever_is_there() {
    let provider = provider(
        "created_delay_ms = [0, 0]\nhouse_faults = [{ from_ms = 400, what = { kill = { with = { close = 1011 } } } }]",
    )
    .await;
    let mut socket = timeout(LONG, provider.dial()).await.unwrap().unwrap();
    let closed = loop {
        if let Message::Close(frame) = next(&mut socket).await.unwrap().unwrap() {
            break frame.unwrap();
        }
    };
    assert_eq!(u16::from(closed.code), 1_011);
    let mut later = timeout(LONG, provider.dial()).await.unwrap().unwrap();
    talk(&mut later).await;
    wait_for(&mut later, "response.done").await;
}

#[tokio::test]
async fn a_slow_handshake_takes_its_time() {
    let provider = provider("handshake_delay_ms = [200, 200]").await;
    assert!(
        timeout(Duration::from_millis(150), provider.dial())
            .await
            .is_err()
    );
    timeout(LONG, provider.dial()).await.unwrap().unwrap();
}
