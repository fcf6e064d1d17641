//! Both doubles on one line, in virtual time: every recorded call is played against the model by the simplest of servers.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use loadtest::{
    carrier::{CallReport, CarrierSettings, Ended, Phone},
    model::{ModelSession, report::SessionReport, settings::ModelSettings},
    peer::{Action, Outbox, Peer},
    recording::{Recording, Then, Turn},
};
use serde_json::{Value, json};

const SEED: u64 = 4_711;

/// A server that passes audio on, whole frames at a time, and clears when the caller speaks.
#[derive(Default)]
struct Splice {
    stream_sid: String,
    ready: bool,
    /// What is less than a frame, of this item.
    rest: (String, Vec<u8>),
    /// The item that was interrupted: the rest of it must not play.
    cut: String,
    events: u32,
}

impl Splice {
    fn on_phone(&mut self, text: &str) -> Option<String> {
        let message: Value = serde_json::from_str(text).unwrap();
        match message["event"].as_str().unwrap() {
            "start" => {
                let stream_sid = message["streamSid"].as_str().unwrap();
                stream_sid.clone_into(&mut self.stream_sid);
                let format = json!({"type": "audio/pcmu"});
                let detection = json!({"type": "server_vad", "silence_duration_ms": 600});
                Some(self.event(
                    json!({"type": "session.update", "session": {"type": "realtime", "audio": {
                        "input": {"format": format, "turn_detection": detection},
                        "output": {"format": format},
                    }}}),
                ))
            }
            "media" if self.ready => {
                let audio = &message["media"]["payload"];
                Some(self.event(json!({"type": "input_audio_buffer.append", "audio": audio})))
            }
            _ => None,
        }
    }

    fn on_model(&mut self, text: &str, to_phone: &mut Vec<String>, to_model: &mut Vec<String>) {
        let event: Value = serde_json::from_str(text).unwrap();
        match event["type"].as_str().unwrap() {
            "session.updated" => {
                self.ready = true;
                to_model.push(self.event(json!({"type": "response.create"})));
            }
            "input_audio_buffer.speech_started" => {
                self.cut.clone_from(&self.rest.0);
                self.rest.1.clear();
                to_phone.push(self.command(json!({"event": "clear"})));
            }
            "response.output_audio.delta" if event["item_id"] != self.cut.as_str() => {
                let item = event["item_id"].as_str().unwrap();
                if self.rest.0 != item {
                    self.rest = (item.to_owned(), Vec::new());
                }
                let delta = event["delta"].as_str().unwrap();
                STANDARD.decode_vec(delta, &mut self.rest.1).unwrap();
                let whole = self.rest.1.len() / 160 * 160;
                let frames: Vec<u8> = self.rest.1.drain(..whole).collect();
                self.play(&frames, to_phone);
            }
            "response.output_audio.done" if event["item_id"] == self.rest.0.as_str() => {
                let mut last = std::mem::take(&mut self.rest.1);
                last.resize(last.len().next_multiple_of(160), 0xff);
                self.play(&last, to_phone);
            }
            "error" => panic!("{event}"),
            _ => {}
        }
    }

    fn play(&self, audio: &[u8], to_phone: &mut Vec<String>) {
        if !audio.is_empty() {
            let payload = STANDARD.encode(audio);
            to_phone.push(self.command(json!({"event": "media", "media": {"payload": payload}})));
            to_phone.push(self.command(json!({"event": "mark", "mark": {"name": "m"}})));
        }
    }

    fn command(&self, mut message: Value) -> String {
        message["streamSid"] = json!(self.stream_sid);
        message.to_string()
    }

    fn event(&mut self, mut event: Value) -> String {
        self.events += 1;
        event["event_id"] = json!(format!("event_{}", self.events));
        event.to_string()
    }
}

fn play(recording: Recording, seed: u64) -> (CallReport, SessionReport) {
    let script = Arc::new(recording.agent.clone());
    let mut model = ModelSession::new(Arc::new(ModelSettings::default()), script, 1, seed);
    let settings = Arc::new(CarrierSettings::default());
    let mut phone = Phone::new(Arc::new(recording), settings, 1, seed);
    let mut splice = Splice::default();
    let mut now = Duration::from_secs(1);
    let (mut from_phone, mut from_model) = (Outbox::new(), Outbox::new());
    phone.start(now, &mut from_phone);
    model.start(now, &mut from_model);
    while !phone.is_over() {
        while !from_phone.is_empty() || !from_model.is_empty() {
            let (mut to_phone, mut to_model) = (Vec::new(), Vec::new());
            for text in from_phone.drain(..).filter_map(text_of) {
                to_model.extend(splice.on_phone(&text));
            }
            for text in from_model.drain(..).filter_map(text_of) {
                splice.on_model(&text, &mut to_phone, &mut to_model);
            }
            for text in to_phone {
                phone.receive(now, &text, &mut from_phone);
            }
            for text in to_model {
                model.receive(now, &text, &mut from_model);
            }
        }
        let next = [phone.deadline(), model.deadline()]
            .into_iter()
            .flatten()
            .min();
        now = now.max(next.expect("a call that is not over has a next frame"));
        assert!(
            now < Duration::from_mins(5),
            "the call never ends, seed {seed}"
        );
        if phone.deadline().is_some_and(|at| at <= now) {
            phone.tick(now, &mut from_phone);
        }
        if model.deadline().is_some_and(|at| at <= now) {
            model.tick(now, &mut from_model);
        }
    }
    (phone.into_report(), model.into_report())
}

fn text_of(action: Action) -> Option<String> {
    match action {
        Action::Send(text) => Some(text),
        Action::SendBinary(_) => panic!("neither sends binary messages here"),
        Action::Close { .. } | Action::Cut | Action::Freeze => None,
    }
}

#[test]
fn every_recorded_call_goes_through_and_every_block_is_accounted_for() {
    for &name in Recording::builtin_names() {
        let recording = Recording::builtin(name).unwrap();
        let turns = recording.caller.len();
        let interrupted = |turn: &Turn| matches!(turn.then, Then::BargeIn { .. });
        let barge_ins = recording
            .caller
            .iter()
            .filter(|turn| interrupted(turn))
            .count();
        let (call, session) = play(recording, SEED);
        assert_eq!(call.ended, Some(Ended::HungUp), "{name}, seed {SEED}");
        assert_eq!(
            (call.turns_said as usize, call.turns_repeated),
            (turns, 0),
            "{name}"
        );
        assert_eq!(call.barge_ins as usize, barge_ins, "{name}");
        assert!(call.violations.is_empty(), "{name}: {:?}", call.violations);
        assert!(
            call.dead_air_max < Duration::from_secs(2),
            "{name}: {call:?}"
        );
        for item in &call.items {
            assert_eq!(
                (item.missing, item.duplicated, item.out_of_order),
                (0, 0, 0),
                "{name}"
            );
            let spoken = session
                .spoken
                .list
                .iter()
                .find(|spoken| spoken.item == item.item)
                .unwrap();
            if item.cut {
                assert!(item.bytes_played < spoken.bytes, "{name}: {item:?}");
            } else {
                let left = spoken.bytes.next_multiple_of(160) - item.bytes_played;
                assert!(left < 160, "{name}: {item:?} of {}", spoken.bytes);
            }
        }
    }
}
