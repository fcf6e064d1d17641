//! The server under test: it answers by a script, and keeps what it was asked.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use loadtest::{
    carrier::{CarrierSettings, Phone},
    net::Clock,
    recording::Recording,
    twilio::{
        Account, VoiceCall, VoiceReport,
        form::Form,
        number::{Number, Parties},
        settings::TwilioSettings,
        signature::AuthToken,
        twiml::Link,
    },
};
use serde_json::Value;
use tokio::net::TcpListener;

/// Far more than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(30);
pub(crate) const TOKEN: &str = "12345";
pub(crate) const FROM: &str = "+14155550199";

/// What a path answers; the last one of a list is answered again and again.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Xml(String),
    Other(u16, &'static str, String),
    Redirect(u16, &'static str),
    Hang,
}

/// What happens on a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Media {
    /// Plays 300 ms, then closes with this code.
    PlayAndClose(u16),
    /// Cuts the connection at the third frame.
    Cut,
    /// Listens until the other side closes.
    Stay,
    /// Does not upgrade.
    Refuse,
    /// Upgrades, then reads nothing: not even pings.
    Freeze,
}

/// A request that was made.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) form: Form,
    pub(crate) token: Option<String>,
    pub(crate) was_signed: bool,
}

#[derive(Debug, Default)]
struct Script {
    answers: BTreeMap<String, VecDeque<Answer>>,
    media: VecDeque<Media>,
    asked: Vec<Asked>,
    /// What came on each stream, but for its media.
    heard: Vec<Vec<Value>>,
    /// Whoever asks is answered, signed or not.
    is_open: bool,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    script: Arc<Mutex<Script>>,
}

impl Server {
    pub(crate) async fn start(media: &[Media]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let script = Script {
            media: media.iter().copied().collect(),
            ..Script::default()
        };
        let server = Self {
            address,
            script: Arc::new(Mutex::new(script)),
        };
        let router = Router::new()
            .route("/media", get(media_route))
            .fallback(page)
            .with_state(server.clone());
        #[expect(clippy::disallowed_methods, reason = "it ends with its test")]
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        server
    }

    /// What a path answers, one after the other.
    pub(crate) fn answers(self, path: &str, answers: &[Answer]) -> Self {
        let answers = answers.iter().cloned().collect();
        self.script
            .lock()
            .unwrap()
            .answers
            .insert(path.into(), answers);
        self
    }

    /// Whoever asks is answered, signed or not.
    pub(crate) fn open(self) -> Self {
        self.script.lock().unwrap().is_open = true;
        self
    }

    /// A document, in its response.
    pub(crate) fn says(self, path: &str, verbs: &str) -> Self {
        let xml = Answer::Xml(verbs.replace("{host}", &self.address));
        self.answers(path, &[xml])
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap().asked.clone()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }

    pub(crate) fn asked_for(&self, path: &str) -> Vec<Asked> {
        let mut asked = self.asked();
        asked.retain(|asked| asked.path == path);
        asked
    }

    /// The events of each stream, media left out.
    pub(crate) fn heard(&self) -> Vec<Vec<Value>> {
        self.script.lock().unwrap().heard.clone()
    }

    /// Waits until a stream is open.
    pub(crate) async fn stream_opened(&self, count: usize) {
        let open = async {
            while self.heard().iter().filter(|heard| heard.len() >= 2).count() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LONG, open).await.unwrap();
    }
}

/// A caller who listens, for so long at most.
pub(crate) fn phone(call_max_ms: u64) -> Phone {
    let settings = CarrierSettings {
        listens_only: true,
        call_max_ms,
        ..CarrierSettings::default()
    };
    let recording = Recording::find("order_status").unwrap();
    Phone::new(Arc::new(recording), Arc::new(settings), 1, 7)
}

pub(crate) fn account() -> Arc<Account> {
    Arc::new(bare_account())
}

pub(crate) fn bare_account() -> Account {
    let sid = format!("AC{:032x}", 1);
    Account::new(&sid, TOKEN, None, Clock::start())
}

/// A call to the number whose Voice URL is `/answer`, with connection overrides that are fast.
pub(crate) fn voice_call(
    server: &Server,
    account: &Arc<Account>,
    settings: TwilioSettings,
) -> VoiceCall {
    let link = |path: &str| Link {
        url: server.url(path),
        ..Link::default()
    };
    let mut rng = fastrand::Rng::with_seed(3);
    VoiceCall {
        account: Arc::clone(account),
        number: Number {
            voice: link("/answer#rt=400&tt=2000"),
            fallback: Some(link("/fallback")),
            status: Some(link("/calls/status")),
        },
        settings: Arc::new(settings),
        parties: Parties::draw(&account.sid, FROM, "+14155550100", &mut rng),
        seed: 11,
    }
}

/// Lives a call with settings that do not dawdle.
pub(crate) async fn live(server: &Server, settings: TwilioSettings) -> VoiceReport {
    let call = voice_call(server, &account(), settings);
    let living = call.live(phone(20_000), |_, _| {});
    tokio::time::timeout(LONG, living).await.unwrap()
}

pub(crate) fn fast() -> TwilioSettings {
    TwilioSettings {
        say_ms_per_character: 1,
        error_message_ms: 50,
        ..TwilioSettings::default()
    }
}

/// What was told of a call, without its times.
pub(crate) fn sentences(report: &VoiceReport, server: &Server) -> Vec<String> {
    let notes = report.notes.iter().filter_map(|(_, note)| {
        let sentence = note.sentence().replace(&server.address, "HOST");
        (!sentence.starts_with("a document after")).then_some(sentence)
    });
    notes.collect()
}

async fn page(
    State(server): State<Server>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = Form::parse(&body);
    let text = |name: &str| Some(headers.get(name)?.to_str().unwrap().to_owned());
    let url = server.url(&uri.to_string());
    let signature = match method {
        Method::POST => AuthToken::new(TOKEN).sign_form(&url, &form),
        _ => AuthToken::new(TOKEN).sign(&url),
    };
    let answer = {
        let mut script = server.script.lock().unwrap();
        let was_signed = text("x-twilio-signature") == Some(signature);
        if !was_signed && !script.is_open {
            return StatusCode::FORBIDDEN.into_response();
        }
        script.asked.push(Asked {
            path: uri.path().to_owned(),
            form,
            token: text("i-twilio-idempotency-token"),
            was_signed,
        });
        let answers = script.answers.get_mut(uri.path());
        answers.and_then(|answers| match answers.len() {
            0 | 1 => answers.front().cloned(),
            _ => answers.pop_front(),
        })
    };
    match answer {
        Some(Answer::Xml(verbs)) => {
            let xml = format!("<?xml version=\"1.0\"?><Response>{verbs}</Response>");
            ([(header::CONTENT_TYPE, "text/xml")], xml).into_response()
        }
        Some(Answer::Other(status, kind, body)) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [(header::CONTENT_TYPE, kind)], body).into_response()
        }
        Some(Answer::Redirect(status, to)) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [(header::LOCATION, to)]).into_response()
        }
        Some(Answer::Hang) => std::future::pending().await,
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn media_route(
    State(server): State<Server>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let signed = format!("ws://{}/media", server.address);
    let expected = AuthToken::new(TOKEN).sign(&signed);
    let media = {
        let mut script = server.script.lock().unwrap();
        if headers["x-twilio-signature"].to_str().unwrap() != expected && !script.is_open {
            return StatusCode::FORBIDDEN.into_response();
        }
        script.media.pop_front()
    };
    let media = media.unwrap_or(Media::Stay);
    if matches!(media, Media::Refuse) {
        return StatusCode::FORBIDDEN.into_response();
    }
    upgrade.on_upgrade(move |socket| talk(server, socket, media))
}

async fn talk(server: Server, mut socket: WebSocket, media: Media) {
    let place = {
        let mut script = server.script.lock().unwrap();
        script.heard.push(Vec::new());
        script.heard.len() - 1
    };
    if media == Media::Freeze {
        tokio::time::sleep(LONG).await;
    }
    let mut frames = 0;
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else {
            continue;
        };
        let event: Value = serde_json::from_str(&text).unwrap();
        if event["event"] != "media" {
            server.script.lock().unwrap().heard[place].push(event.clone());
        }
        frames += u32::from(event["event"] == "media");
        match media {
            Media::PlayAndClose(_) if event["event"] == "start" => {
                let payload = STANDARD.encode([0x10_u8; 2_400]);
                let media = serde_json::json!({"event": "media", "streamSid": event["streamSid"],
                    "media": {"payload": payload}});
                let mark = serde_json::json!({"event": "mark", "streamSid": event["streamSid"],
                    "mark": {"name": "end"}});
                for message in [media, mark] {
                    socket
                        .send(Message::text(message.to_string()))
                        .await
                        .unwrap();
                }
            }
            Media::PlayAndClose(code) if event["event"] == "mark" => {
                let frame = CloseFrame {
                    code,
                    reason: "".into(),
                };
                socket.send(Message::Close(Some(frame))).await.unwrap();
            }
            Media::Cut if frames >= 3 => return,
            Media::PlayAndClose(_) | Media::Cut | Media::Stay | Media::Refuse | Media::Freeze => {}
        }
    }
}
