//! A provider's side: just enough of a realtime model to see what the server does with it.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::DEADLINE;
use crate::phone::decoded_len;

/// Three bytes of µ-law as loud as speech, in base64: silence would be a fault.
pub(crate) const VOICE: &str = "wMDA";

/// What a model does with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It greets with a second of audio when asked to, and listens.
    Greets,
    /// It accepts the connection and never answers the upgrade.
    NeverAnswers,
    /// It hangs up on so many connections without a word, and then greets as the first does.
    RecoversAfter(usize),
    /// It greets, and ends the call after the first frame of the caller's audio.
    Parts,
    /// It closes every session after the first frame of the caller's audio.
    Leaves,
    /// It answers the first frame with bytes that are no protocol.
    Garbles,
    /// It greets, and answers the first frame as if these words had been said.
    Answers(&'static str),
    /// The same, with the words of its own answer; and it closes the session at the next frame.
    AnswersAndLeaves(&'static str, &'static str),
    /// It writes down what the caller said, in these words.
    Transcribes(&'static str),
    /// It ends every session once it has opened it, before anything is asked.
    EndsIdle,
    /// It ends every session that it is to configure.
    RefusesSettings,
    /// It never confirms a configuration.
    NeverConfirms,
    /// It opens sessions that end after so many seconds, by its word, and greets.
    LivesFor(u64),
    /// It interrupts itself over and over, each time with twenty seconds of audio.
    Floods,
}

/// What happened at the model so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Connections, sessions or not.
    pub(crate) connections: usize,
    /// Callers' audio in frames of 20 ms, over all sessions; several may come in one message.
    pub(crate) frames: usize,
    /// Sessions that were opened.
    pub(crate) opened: usize,
    /// The connections, counted from 1, on which a configuration was asked for, in order.
    pub(crate) configured: Vec<usize>,
    /// The instructions of sessions, in order.
    pub(crate) instructions: Vec<String>,
    /// What sessions were told of the conversation, as text, in order.
    pub(crate) told: Vec<String>,
    /// The same, each with its session, counted as the connections are, and with who says it.
    pub(crate) items: Vec<(usize, String, String)>,
    /// Responses that were asked for.
    pub(crate) asked: usize,
    /// Sessions whose socket is gone.
    pub(crate) closed: usize,
}

/// A model that listens.
pub(crate) struct Model {
    address: SocketAddr,
    seen: watch::Receiver<Seen>,
}

impl Model {
    pub(crate) async fn start(manner: Manner) -> Self {
        Self::start_with(move |_| manner).await
    }

    /// A model that treats each connection, counted from 1, in its own manner.
    pub(crate) async fn start_with(manner: impl Fn(usize) -> Manner + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, seen) = watch::channel(Seen::default());
        spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                sender.send_modify(|seen| seen.connections += 1);
                let number = sender.borrow().connections;
                let manner = manner(number);
                let manner = if let Manner::RecoversAfter(count) = manner {
                    if number <= count {
                        continue;
                    }
                    Manner::Greets
                } else {
                    manner
                };
                spawn(serve(stream, manner, number, sender.clone()));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/v1/realtime?model=test", self.address)
    }

    /// Waits until what was seen fits.
    pub(crate) async fn until(&mut self, fits: impl Fn(&Seen) -> bool) -> Seen {
        let waited = timeout(DEADLINE, self.seen.wait_for(|seen| fits(seen))).await;
        let found = waited.ok().and_then(Result::ok).map(|seen| seen.clone());
        found.unwrap_or_else(|| panic!("the model has only seen {:?}", self.seen.borrow()))
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.borrow().connections
    }

    pub(crate) fn frames(&self) -> usize {
        self.seen.borrow().frames
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the double's own tasks; they end with the test"
)]
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(future));
}

async fn serve(stream: TcpStream, manner: Manner, number: usize, seen: watch::Sender<Seen>) {
    if manner == Manner::NeverAnswers {
        // Held open, so that the dial hangs.
        std::future::pending::<()>().await;
    }
    if let Ok(socket) = accept_async(stream).await {
        let mut session = Session {
            socket,
            manner,
            number,
        };
        session.live(&seen).await;
    }
    seen.send_modify(|seen| seen.closed += 1);
}

struct Session {
    socket: WebSocketStream<TcpStream>,
    manner: Manner,
    number: usize,
}

impl Session {
    /// Until either side has enough.
    async fn live(&mut self, seen: &watch::Sender<Seen>) {
        let mut created = json!({
            "type": "session.created", "event_id": "e", "session": {"type": "realtime", "id": "s"},
        });
        if let Manner::LivesFor(seconds) = self.manner {
            #[expect(
                clippy::disallowed_methods,
                reason = "a provider has a clock of its own"
            )]
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            created["session"]["expires_at"] = (now.as_secs() + seconds).into();
        }
        self.tell(&created).await;
        seen.send_modify(|seen| seen.opened += 1);
        if self.manner == Manner::EndsIdle {
            self.socket.close(None).await.ok();
            return;
        }
        while let Some(Ok(message)) = self.socket.next().await {
            let Message::Text(text) = message else {
                continue;
            };
            let event: Value = serde_json::from_str(&text).unwrap();
            match event["type"].as_str().unwrap() {
                "session.update" => {
                    let number = self.number;
                    seen.send_modify(|seen| seen.configured.push(number));
                    if self.manner == Manner::RefusesSettings {
                        return;
                    }
                    if self.manner != Manner::NeverConfirms {
                        self.update(&event, seen).await;
                    }
                }
                "response.create" => {
                    seen.send_modify(|seen| seen.asked += 1);
                    if matches!(
                        self.manner,
                        Manner::Greets
                            | Manner::Parts
                            | Manner::LivesFor(_)
                            | Manner::Answers(_)
                            | Manner::AnswersAndLeaves(..)
                    ) {
                        self.speak("1", 8_000, None).await;
                    }
                }
                "conversation.item.create" => {
                    let content = &event["item"]["content"][0]["text"];
                    let text = content.as_str().unwrap_or_default().to_owned();
                    let role = event["item"]["role"].as_str().unwrap_or_default();
                    seen.send_modify(|seen| {
                        let item = (self.number, role.to_owned(), text.clone());
                        seen.items.push(item);
                        seen.told.push(text);
                    });
                }
                "input_audio_buffer.append" => {
                    let frames = decoded_len(event["audio"].as_str().unwrap()) / 160;
                    seen.send_modify(|seen| seen.frames += frames);
                    if !self.on_frame().await {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    async fn update(&mut self, event: &Value, seen: &watch::Sender<Seen>) {
        let session = &event["session"];
        let instructions = session["instructions"].as_str().unwrap().to_owned();
        seen.send_modify(|seen| seen.instructions.push(instructions));
        let updated = json!({"type": "session.updated", "event_id": "e", "session": session});
        self.tell(&updated).await;
    }

    /// `false` if the session is over.
    async fn on_frame(&mut self) -> bool {
        match self.manner {
            Manner::Leaves => {
                self.socket.close(None).await.ok();
                false
            }
            Manner::Parts => {
                let item = json!({
                    "id": "item_2", "type": "function_call", "status": "completed",
                    "name": "end_call", "call_id": "call_1", "arguments": "{}",
                });
                self.tell(&json!({
                    "type": "response.output_item.done", "event_id": "e",
                    "response_id": "resp_1", "output_index": 1, "item": item,
                }))
                .await
            }
            Manner::Garbles => {
                let nonsense = Message::text("{\"type\": 7, ]");
                self.socket.send(nonsense).await.is_ok()
            }
            Manner::Answers(words) => {
                self.answer(words, None).await;
                self.manner = Manner::Greets;
                true
            }
            Manner::AnswersAndLeaves(words, answer) => {
                self.answer(words, Some(answer)).await;
                self.manner = Manner::Leaves;
                true
            }
            Manner::Transcribes(words) => {
                self.tell(&json!({
                    "type": "conversation.item.input_audio_transcription.completed",
                    "event_id": "e", "item_id": "caller", "content_index": 0, "transcript": words,
                }))
                .await
            }
            Manner::Floods => {
                for round in 0..60 {
                    let speech = json!({
                        "type": "input_audio_buffer.speech_started",
                        "event_id": "e", "item_id": "caller", "audio_start_ms": 0,
                    });
                    self.tell(&speech).await;
                    self.speak(&round.to_string(), 160_000, None).await;
                }
                true
            }
            Manner::Greets
            | Manner::NeverAnswers
            | Manner::RecoversAfter(_)
            | Manner::EndsIdle
            | Manner::RefusesSettings
            | Manner::NeverConfirms
            | Manner::LivesFor(_) => true,
        }
    }

    /// Has heard these words, and answers; in these words, if they are told.
    async fn answer(&mut self, words: &str, answer: Option<&str>) {
        for kind in ["speech_started", "speech_stopped"] {
            self.tell(&json!({
                "type": format!("input_audio_buffer.{kind}"), "event_id": "e",
                "item_id": "caller", "audio_start_ms": 0, "audio_end_ms": 20,
            }))
            .await;
        }
        self.tell(&json!({
            "type": "conversation.item.input_audio_transcription.completed",
            "event_id": "e", "item_id": "caller", "content_index": 0, "transcript": words,
        }))
        .await;
        self.speak("answer", 1_600, answer).await;
    }

    /// A response of one item with so many bytes of audio, and its words, if they are told.
    async fn speak(&mut self, name: &str, bytes: usize, words: Option<&str>) {
        let response = format!("resp_{name}");
        let item = format!("item_{name}");
        let of_response =
            json!({"id": response, "object": "realtime.response", "status": "in_progress"});
        self.tell(&json!({"type": "response.created", "event_id": "e", "response": of_response}))
            .await;
        if let Some(words) = words {
            self.tell(&json!({
                "type": "response.output_audio_transcript.delta", "event_id": "e",
                "response_id": response, "item_id": item, "output_index": 0, "content_index": 0,
                "delta": words,
            }))
            .await;
        }
        let delta = VOICE.repeat(bytes / 3);
        self.tell(&json!({
            "type": "response.output_audio.delta", "event_id": "e", "response_id": response,
            "item_id": item, "output_index": 0, "content_index": 0, "delta": delta,
        }))
        .await;
        self.tell(&json!({
            "type": "response.output_audio.done", "event_id": "e", "response_id": response,
            "item_id": item, "output_index": 0, "content_index": 0,
        }))
        .await;
        let done = json!({"id": response, "object": "realtime.response", "status": "completed"});
        self.tell(&json!({"type": "response.done", "event_id": "e", "response": done}))
            .await;
    }

    /// Says something; `false` if the server has hung up.
    async fn tell(&mut self, event: &Value) -> bool {
        self.socket
            .send(Message::text(event.to_string()))
            .await
            .is_ok()
    }
}
