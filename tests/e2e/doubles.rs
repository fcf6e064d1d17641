//! Whole models and callers: the doubles of `loadtest`, on real sockets.

use std::sync::Arc;
use std::time::Duration;

use loadtest::carrier::{CallReport, CarrierSettings, Phone, StreamCut};
use loadtest::model::ModelSession;
use loadtest::model::faults::Faults;
use loadtest::model::report::SessionReport;
use loadtest::model::settings::{Between, ModelSettings};
use loadtest::net::{Clock, House, couple, dial, host};
use loadtest::peer::{Action, Outbox, Peer};
use loadtest::recording::Recording;
use loadtest::twilio::number::{Number, Parties};
use loadtest::twilio::twiml::Link;
use loadtest::twilio::{Account, VoiceCall, VoiceReport};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::DEADLINE;
use crate::model::{VOICE, spawn};
use crate::server::Server;

/// Longer than any of the recorded calls, whose answers end in time.
const CALL_MAX_MS: u64 = 50_000;

/// A model that answers as a recording's agent does.
pub(crate) struct Doubles {
    pub(crate) url: String,
    clock: Clock,
    script: Arc<Recording>,
    sessions: watch::Receiver<Vec<SessionReport>>,
    /// Sessions that were opened.
    opened: watch::Receiver<u32>,
    /// The house closes when this is dropped.
    _closing: watch::Sender<bool>,
}

/// What awaits a session.
pub(crate) enum Fate {
    /// A model, with these faults.
    Model(Faults),
    /// A model that ends the call after its last line.
    Parting,
    /// A model that loses no time, with these faults.
    Quick(Faults),
    /// A model that writes down what it hears in these words, with these faults.
    Writes(&'static str, Faults),
    /// No sense, but without end.
    Storm,
}

impl Doubles {
    /// Opens the house; `fate` says what awaits the session of this number, from 1 on.
    pub(crate) async fn start(recording: &str, fate: fn(u32) -> Fate) -> Self {
        let script = Arc::new(Recording::builtin(recording).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "ws://{}/v1/realtime?model=test",
            listener.local_addr().unwrap()
        );
        let (open, closing) = watch::channel(false);
        let (counted, opened) = watch::channel(0);
        let (done, sessions) = watch::channel(Vec::new());
        let clock = Clock::start();
        let house = House {
            listener,
            tls: None,
            clock,
            closing,
        };
        let lines = Arc::new(script.agent.clone());
        let welcome = move |number: u32, _: &_, now, out: &mut Outbox| {
            counted.send_modify(|opened| *opened += 1);
            let settings = match fate(number) {
                Fate::Storm => return Visitor::Storm(Storm::new(out)),
                Fate::Model(faults) => ModelSettings {
                    faults,
                    ..ModelSettings::default()
                },
                Fate::Quick(faults) => ModelSettings {
                    faults,
                    speed_min: 60.0,
                    speed_max: 60.0,
                    answer_delay_ms: Between::new(1, 5),
                    ..ModelSettings::default()
                },
                Fate::Writes(words, faults) => ModelSettings {
                    faults,
                    caller_texts: vec![words.to_owned()],
                    ..ModelSettings::default()
                },
                Fate::Parting => ModelSettings {
                    goodbye: true,
                    ..ModelSettings::default()
                },
            };
            let (settings, lines) = (Arc::new(settings), Arc::clone(&lines));
            let mut model = ModelSession::new(settings, lines, number, number.into());
            model.start(now, out);
            Visitor::Model(Box::new(model))
        };
        spawn(async move {
            host(house, welcome, |visitor, _| {
                if let Visitor::Model(model) = visitor {
                    done.send_modify(|sessions| sessions.push(model.into_report()));
                }
            })
            .await;
        });
        Self {
            url,
            clock,
            script,
            sessions,
            opened,
            _closing: open,
        }
    }

    /// Waits until so many sessions were opened.
    pub(crate) async fn opened(&mut self, count: u32) {
        let waited = timeout(DEADLINE, self.opened.wait_for(|opened| *opened >= count));
        let is_there = waited.await.is_ok();
        assert!(is_there, "{} sessions", *self.opened.borrow());
    }

    /// What the sessions have seen, when so many of them have ended.
    pub(crate) async fn ended(&mut self, count: usize) -> Vec<SessionReport> {
        let ended = |sessions: &Vec<SessionReport>| sessions.len() >= count;
        let are_there = timeout(DEADLINE, self.sessions.wait_for(ended))
            .await
            .is_ok();
        assert!(are_there, "{} sessions", self.sessions.borrow().len());
        self.sessions.borrow().clone()
    }

    /// Makes the recorded call of this number, to its end.
    pub(crate) async fn call(&self, server: &Server, number: u32) -> CallReport {
        let url = format!("ws://{}/media", server.address);
        let settings = CarrierSettings {
            record: false,
            call_max_ms: CALL_MAX_MS,
            ..CarrierSettings::default()
        };
        let script = Arc::clone(&self.script);
        let mut phone = Phone::new(script, Arc::new(settings), number, number.into());
        let socket = dial(&url, None).await.unwrap();
        let mut out = Outbox::new();
        phone.start(self.clock.now(), &mut out);
        couple(socket, &mut phone, self.clock, out, |_, _| {}).await;
        phone.into_report()
    }
}

impl Doubles {
    /// Calls the number that points to this server, and lives the call to its end; its streams are cut like this.
    pub(crate) async fn ring(
        &self,
        server: &Server,
        number: u32,
        cuts: Vec<StreamCut>,
    ) -> VoiceReport {
        let account = Account::new(&format!("AC{:032x}", 1), "12345", None, self.clock);
        let link = |path| Link {
            url: format!("http://{}{path}", server.address),
            ..Link::default()
        };
        let settings = CarrierSettings {
            record: false,
            call_max_ms: CALL_MAX_MS,
            cuts,
            ..CarrierSettings::default()
        };
        let call = VoiceCall {
            number: Number {
                voice: link("/twiml/answer"),
                fallback: Some(link("/twiml/fallback")),
                status: Some(link("/calls/status")),
            },
            settings: Arc::default(),
            parties: Parties::of_seed(&account.sid, &settings.from, &settings.to, number.into()),
            account: Arc::new(account),
            seed: number.into(),
        };
        let script = Arc::clone(&self.script);
        let phone = Phone::new(script, Arc::new(settings), number, number.into());
        call.live(phone, |_, _| {}).await
    }
}

enum Visitor {
    Model(Box<ModelSession>),
    Storm(Storm),
}

impl Visitor {
    fn peer(&self) -> &dyn Peer {
        match self {
            Self::Model(model) => &**model,
            Self::Storm(storm) => storm,
        }
    }

    fn peer_mut(&mut self) -> &mut dyn Peer {
        match self {
            Self::Model(model) => &mut **model,
            Self::Storm(storm) => storm,
        }
    }
}

impl Peer for Visitor {
    fn receive(&mut self, now: Duration, text: &str, out: &mut Outbox) {
        self.peer_mut().receive(now, text, out);
    }

    fn closed(&mut self, now: Duration, code: Option<u16>) {
        self.peer_mut().closed(now, code);
    }

    fn tick(&mut self, now: Duration, out: &mut Outbox) {
        self.peer_mut().tick(now, out);
    }

    fn deadline(&self) -> Option<Duration> {
        self.peer().deadline()
    }
}

/// A session that interrupts itself a hundred times a second, each time with as much audio as a carrier may have ahead.
struct Storm {
    next: Option<Duration>,
    round: u32,
}

impl Storm {
    fn new(out: &mut Outbox) -> Self {
        let session = json!({"type": "realtime", "id": "sess_storm"});
        say(out, "session.created", &json!({ "session": session }));
        Self {
            next: None,
            round: 0,
        }
    }
}

impl Peer for Storm {
    fn receive(&mut self, now: Duration, text: &str, out: &mut Outbox) {
        let event: Value = serde_json::from_str(text).unwrap();
        if event["type"] == "session.update" {
            let session = &event["session"];
            say(out, "session.updated", &json!({ "session": session }));
            self.next = Some(now);
        }
    }

    fn closed(&mut self, _now: Duration, _code: Option<u16>) {
        self.next = None;
    }

    fn tick(&mut self, now: Duration, out: &mut Outbox) {
        self.next = Some(now + Duration::from_millis(10));
        self.round += 1;
        let response = format!("resp_{}", self.round);
        let speech = json!({"item_id": "caller", "audio_start_ms": 0});
        say(out, "input_audio_buffer.speech_started", &speech);
        let began = json!({"id": response, "object": "realtime.response", "status": "in_progress"});
        say(out, "response.created", &json!({ "response": began }));
        let delta = json!({
            "response_id": response, "item_id": format!("item_{}", self.round),
            "output_index": 0, "content_index": 0, "delta": VOICE.repeat(40_000 / 3),
        });
        say(out, "response.output_audio.delta", &delta);
    }

    fn deadline(&self) -> Option<Duration> {
        self.next
    }
}

fn say(out: &mut Outbox, kind: &str, fields: &Value) {
    let mut event = fields.clone();
    event["type"] = kind.into();
    event["event_id"] = "event_1".into();
    out.push(Action::Send(event.to_string()));
}
