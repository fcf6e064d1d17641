//! A client in virtual time: it sends, waits and remembers what came when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadtest::model::ModelSession;
use loadtest::model::settings::{Between, ModelSettings};
use loadtest::peer::{Action, Outbox, Peer as _};
use loadtest::recording::Line;
use loadtest::stamp::Stamp;
use serde_json::{Value, json};

use crate::schema;

pub(crate) const SESSION: u32 = 7;
pub(crate) const CALL: u32 = 4_711;
/// Longer than any wait in a test: what has not come by then never comes.
const PATIENCE: Duration = Duration::from_mins(1);

/// A session, its client and everything that the session did.
pub(crate) struct Story {
    pub(crate) session: ModelSession,
    pub(crate) now: Duration,
    pub(crate) trace: Vec<(Duration, Action)>,
    pub(crate) seed: u64,
    events: u32,
    blocks: u32,
}

/// Something that the session sent.
pub(crate) struct Event {
    pub(crate) at: Duration,
    pub(crate) kind: String,
    pub(crate) body: Value,
}

impl Story {
    /// A session whose socket was just opened.
    pub(crate) fn new(settings: ModelSettings, script: Vec<Line>, seed: u64) -> Self {
        let (settings, script) = (Arc::new(settings), Arc::new(script));
        let mut story = Self {
            session: ModelSession::new(settings, script, SESSION, seed),
            now: Duration::ZERO,
            trace: Vec::new(),
            seed,
            events: 0,
            blocks: 0,
        };
        let mut out = Outbox::new();
        story.session.start(story.now, &mut out);
        story.remember(out);
        story
    }

    /// A session that is ready for a phone call.
    pub(crate) fn ready(settings: ModelSettings, script: Vec<Line>, seed: u64) -> Self {
        let mut story = Self::new(settings, script, seed);
        story.wait_for("session.created");
        story.client(phone_session());
        story.wait_for("session.updated");
        story
    }

    /// Sends an event under a new id; tells the id.
    pub(crate) fn client(&mut self, mut event: Value) -> String {
        self.events += 1;
        let id = format!("evt_{}", self.events);
        event["event_id"] = json!(id);
        self.text(&event.to_string());
        id
    }

    pub(crate) fn text(&mut self, text: &str) {
        let mut out = Outbox::new();
        self.session.receive(self.now, text, &mut out);
        self.remember(out);
    }

    pub(crate) fn append(&mut self, audio: &[u8]) {
        self.client(json!({"type": "input_audio_buffer.append", "audio": STANDARD.encode(audio)}));
    }

    /// The caller speaks, or is silent: stamped frames of 20 ms in their time.
    pub(crate) fn say(&mut self, ms: u64, byte: u8) {
        for _ in 0..ms / 20 {
            let mut frame: Vec<u8> = [byte, byte ^ 0x80].repeat(80);
            let stamp = Stamp {
                stream: CALL,
                item: 0,
                block: self.blocks,
                sent: self.now.saturating_sub(Duration::from_millis(3)),
            };
            stamp.write(&mut frame);
            self.blocks += 1;
            self.append(&frame);
            self.run_for(Duration::from_millis(20));
        }
    }

    pub(crate) fn speak(&mut self, ms: u64) {
        self.say(ms, 0x20);
    }

    pub(crate) fn listen(&mut self, ms: u64) {
        self.say(ms, 0xff);
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.session.deadline().filter(|&at| at <= end) {
            self.tick(at);
        }
        self.now = end;
    }

    /// Runs until an event of this type comes, and tells it.
    pub(crate) fn wait_for(&mut self, kind: &str) -> Value {
        let give_up_at = self.now + PATIENCE;
        let mut seen = self.trace.len();
        loop {
            let fresh = self.events_from(seen);
            if let Some(event) = fresh.into_iter().find(|event| event.kind == kind) {
                return event.body;
            }
            seen = self.trace.len();
            match self.session.deadline().filter(|&at| at <= give_up_at) {
                Some(at) => self.tick(at),
                None => panic!("seed {}: no {kind} comes", self.seed),
            }
        }
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events_from(0)
    }

    pub(crate) fn all(&self, kind: &str) -> Vec<Event> {
        let events = self.events().into_iter();
        events.filter(|event| event.kind == kind).collect()
    }

    /// The error that answers the event of this id.
    pub(crate) fn error_for(&self, event_id: &str) -> Value {
        let errors = self.all("error");
        let error = errors
            .iter()
            .find(|event| event.body["error"]["event_id"] == event_id);
        let error = error.unwrap_or_else(|| panic!("seed {}: {event_id} is no error", self.seed));
        error.body["error"].clone()
    }

    /// The audio of each item, in their order.
    pub(crate) fn audio(&self) -> BTreeMap<String, Vec<u8>> {
        let mut audio = BTreeMap::<String, Vec<u8>>::new();
        for event in self.all("response.output_audio.delta") {
            let item = event.body["item_id"].as_str().unwrap().to_owned();
            audio.entry(item).or_default().extend(mulaw(&event.body));
        }
        audio
    }

    fn tick(&mut self, at: Duration) {
        self.now = self.now.max(at);
        let mut out = Outbox::new();
        self.session.tick(self.now, &mut out);
        self.remember(out);
    }

    fn remember(&mut self, out: Outbox) {
        for action in out {
            if let Action::Send(text) = &action
                && let Ok(event) = serde_json::from_str::<Value>(text)
            {
                check(&event);
            }
            self.trace.push((self.now, action));
        }
    }

    fn events_from(&self, from: usize) -> Vec<Event> {
        let sent = self.trace[from..].iter().filter_map(|(at, action)| {
            let Action::Send(text) = action else {
                return None;
            };
            let body: Value = serde_json::from_str(text).ok()?;
            let kind = body["type"].as_str()?.to_owned();
            let at = *at;
            Some(Event { at, kind, body })
        });
        sent.collect()
    }
}

pub(crate) fn mulaw(delta: &Value) -> Vec<u8> {
    STANDARD.decode(delta["delta"].as_str().unwrap()).unwrap()
}

/// Settings with which a story is easy to follow: one item an answer, no late deltas.
pub(crate) fn plain() -> ModelSettings {
    ModelSettings {
        several_items_share: 0.0,
        late_deltas_max: 0,
        transcription_delay_ms: Between::new(50, 200),
        ..ModelSettings::default()
    }
}

/// A line of this length, different from every other.
pub(crate) fn line(text: &str, ms: usize) -> Line {
    let mut rng = fastrand::Rng::with_seed(ms as u64);
    let audio = (0..ms * 8).map(|_| rng.u8(..)).collect();
    let text = text.to_owned();
    Line { audio, text }
}

pub(crate) fn phone_session() -> Value {
    json!({"type": "session.update", "session": {
        "type": "realtime", "output_modalities": ["audio"], "instructions": "You are the dentist's receptionist.",
        "tools": [{"type": "function", "name": "end_call", "parameters": {"type": "object", "properties": {}}}],
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"}, "noise_reduction": null,
                "transcription": {"model": "gpt-4o-mini-transcribe"},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
            },
            "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
        },
    }})
}

/// Checks a server event against its definition. Types of our own (`x.…`) and broken events are no part of the protocol.
fn check(event: &Value) {
    let kind = event["type"].as_str().expect("an event has a type");
    if kind.starts_with("x.") {
        return;
    }
    let wrong = schema::faults("ga_server", &without_nulls(event));
    assert!(wrong.is_empty(), "{kind}: {wrong:#?}");
}

/// The schema knows no nulls where servers send them.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => (fields.iter())
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
