//! A carrier's side of one call.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use memchr::memmem::Finder;
use ringback::audio::prompts::bundled::Bundled;
use ringback::audio::prompts::{Language, Name};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::DEADLINE;
use crate::model::VOICE;
use crate::server::Server;

/// 20 ms of silence in base64.
pub(crate) fn silence() -> String {
    let mut text = "////".repeat(53);
    text.push_str("/w==");
    text
}

/// A media stream, as the carrier sees it.
pub(crate) struct Phone {
    pub(crate) socket: WebSocketStream<TcpStream>,
    stream: String,
}

impl Phone {
    /// Opens a socket and starts no stream.
    pub(crate) async fn connect(server: &Server) -> Self {
        Self::connect_with(server, &[]).await.unwrap()
    }

    /// Tries to open a socket with these headers.
    pub(crate) async fn connect_with(
        server: &Server,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let tcp = TcpSocket::new_v4().unwrap();
        // A small window, so that a phone that does not read is soon felt.
        tcp.set_recv_buffer_size(16 * 1024).unwrap();
        let tcp = tcp.connect(server.address).await?;
        let url = format!("ws://{}/media", server.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().insert(*name, value);
        }
        let opened = timeout(DEADLINE, client_async(request, tcp)).await;
        let (socket, _) = opened.expect("the upgrade is answered")?;
        Ok(Self {
            socket,
            stream: String::new(),
        })
    }

    /// Opens a socket and starts the stream of the call of this number.
    pub(crate) async fn dial(server: &Server, call: u32) -> Self {
        let mut phone = Self::connect(server).await;
        phone.start(call, &json!({})).await;
        phone
    }

    /// Starts the stream.
    pub(crate) async fn start(&mut self, call: u32, parameters: &Value) {
        self.stream = format!("MZ{call:032x}");
        self.send(&json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
            .await;
        let start = json!({
            "event": "start", "sequenceNumber": "1", "streamSid": self.stream,
            "start": {
                "accountSid": format!("AC{:032x}", 1), "streamSid": self.stream,
                "callSid": format!("CA{call:032x}"), "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": parameters,
            },
        });
        self.send(&start).await;
    }

    /// Says 20 ms of nothing, so many times.
    pub(crate) async fn say(&mut self, frames: usize) {
        for _ in 0..frames {
            let media = json!({
                "event": "media", "streamSid": self.stream,
                "media": {"track": "inbound", "chunk": "1", "timestamp": "1", "payload": silence()},
            });
            self.send(&media).await;
        }
    }

    /// Hangs up as a caller does.
    pub(crate) async fn hang_up(mut self) {
        let stop = json!({"event": "stop", "streamSid": self.stream, "stop": {}});
        self.send(&stop).await;
        self.heard_to_end().await;
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        let sent = timeout(DEADLINE, self.socket.send(message)).await;
        sent.expect("the server reads").unwrap();
    }

    /// The next message; `None` at the end of the socket.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        loop {
            let next = timeout(DEADLINE, self.socket.next()).await;
            match next.expect("the server says something")? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(other) => panic!("a carrier wants text, not {other:?}"),
            }
        }
    }

    /// Hears bytes of audio until there are so many, and echoes marks as a carrier does.
    pub(crate) async fn hear_audio(&mut self, bytes: usize) {
        let mut heard = 0;
        while heard < bytes {
            let message = self.hear().await.expect("the call goes on");
            assert_eq!(message["streamSid"], self.stream.as_str());
            match message["event"].as_str().unwrap() {
                "media" => heard += decoded_len(message["media"]["payload"].as_str().unwrap()),
                "mark" => self.send(&message).await,
                "clear" => {}
                other => panic!("no carrier knows {other}"),
            }
        }
    }

    /// Hears, and echoes marks, until what was heard since now fits.
    pub(crate) async fn hear_until(&mut self, what: &str, fits: impl Fn(&[u8]) -> bool) {
        let mut heard = Vec::new();
        while !fits(&heard) {
            let message = self.hear().await;
            let message = message.unwrap_or_else(|| panic!("the call ends before {what}"));
            match message["event"].as_str().unwrap() {
                "media" => {
                    let payload = message["media"]["payload"].as_str().unwrap();
                    heard.extend(STANDARD.decode(payload).unwrap());
                }
                "mark" => self.send(&message).await,
                "clear" => heard.clear(),
                other => panic!("no carrier knows {other}"),
            }
        }
    }

    /// The same until the beginning of this recorded prompt is heard, which no other one has.
    pub(crate) async fn hear_prompt(&mut self, name: &str) {
        const BEGINNING: usize = 16_000;
        let name = Name::parse(name).unwrap();
        let prompt = Bundled::find(&Language::english(), name).unwrap().audio;
        let beginning = Finder::new(&prompt[..BEGINNING]);
        self.hear_until(name.as_str(), |heard| beginning.find(heard).is_some())
            .await;
    }

    /// The same until a model is heard for so many bytes on end.
    pub(crate) async fn hear_model(&mut self, bytes: usize) {
        let voice = STANDARD.decode(VOICE).unwrap()[0];
        let voice = vec![voice; bytes];
        let voice = Finder::new(&voice);
        self.hear_until("the model", |heard| voice.find(heard).is_some())
            .await;
    }

    /// Presses a key.
    pub(crate) async fn press(&mut self, key: char) {
        let dtmf = json!({
            "event": "dtmf", "streamSid": self.stream, "sequenceNumber": "5",
            "dtmf": {"track": "inbound_track", "digit": key.to_string()},
        });
        self.send(&dtmf).await;
    }

    /// Reads until the server has closed the socket, and echoes marks as a carrier does that has played all.
    pub(crate) async fn hears_out(&mut self) {
        while let Some(message) = self.hear().await {
            if message["event"] == "mark" {
                self.send(&message).await;
            }
        }
    }

    /// Reads until the server has closed the socket; how many messages came.
    pub(crate) async fn heard_to_end(&mut self) -> usize {
        let mut count = 0;
        while self.hear().await.is_some() {
            count += 1;
        }
        count
    }
}

/// Bytes of audio in a base64 text.
pub(crate) fn decoded_len(base64: &str) -> usize {
    let padding = base64
        .bytes()
        .rev()
        .take_while(|&byte| byte == b'=')
        .count();
    base64.len() / 4 * 3 - padding
}
