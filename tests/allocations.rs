//! What a frame of audio costs in allocations, counted over the real pieces between the sockets, both ways.
//!
//! Messages are handed over as a socket does it: slices of memory that is shared already. What is sent is dropped at once, as
//! by a socket that has copied it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use allocation_counter::{measure, opt_out};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use ringback::carrier::twilio::Stream;
use ringback::core::audio::{FRAME_BYTES, duration_of};
use ringback::core::call::effect::{CarrierCommand, Effect, Effects};
use ringback::core::call::input::{CarrierEvent, Input, Mark};
use ringback::core::call::{Call, CallSettings};
use ringback::core::ids::{AttemptId, CallId};
use ringback::core::time::{Instant, Utc};
use ringback::provider::openai::outgoing::Outgoing;
use ringback::provider::openai::quirks::Dialect;
use ringback::provider::openai::session::Session;
use ringback::provider::openai::settings::{SessionSettings, TurnDetection};

/// Frames of 20 ms each way.
const FRAMES: usize = 100_000;

/// Bytes of an answer: ten seconds.
const ITEM_BYTES: usize = 80_000;

const ATTEMPT: AttemptId = AttemptId(0);
const STREAM: &str = "MZ00000000000000000000000000000001";

/// A live call between two sockets that cost nothing.
struct Edge {
    now: Instant,
    stream: Stream,
    call: Call,
    session: Session,
    outgoing: Outgoing,
    effects: Effects,
    text: BytesMut,
    /// Marks that the carrier returns, and when.
    echoes: VecDeque<(Instant, Mark)>,
    plays_until: Instant,
    to_carrier_bytes: u64,
    to_model: usize,
}

impl Edge {
    /// A call whose session is ready.
    fn live() -> Self {
        let settings = CallSettings {
            carrier_silence_max: Duration::from_hours(1),
            prompts: ringback::core::call::prompt::Prompts::new(
                ringback::core::call::prompt::Greeting::None,
                |_| Bytes::new(),
            ),
            ..CallSettings::default()
        };
        let now = Instant::ZERO;
        let mut edge = Self {
            now,
            stream: Stream::new(Arc::new([])),
            call: Call::new(CallId::from_bits(1), now, Utc::from_millis(0), settings),
            session: Session::new(session_settings(), Dialect::Ga.quirks()),
            outgoing: Outgoing::new(),
            effects: Effects::new(),
            text: BytesMut::with_capacity(8 * 1024),
            echoes: VecDeque::new(),
            plays_until: now,
            to_carrier_bytes: 0,
            to_model: 0,
        };
        let account = format!("AC{:032x}", 1);
        let call = format!("CA{:032x}", 1);
        edge.hear_carrier(&message(&format!(
            r#"{{"event":"start","sequenceNumber":"1","streamSid":"{STREAM}","start":{{"accountSid":"{account}","streamSid":"{STREAM}","callSid":"{call}","tracks":["inbound"],"mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}},"customParameters":{{}}}}}}"#
        )));
        for kind in ["session.created", "session.updated"] {
            edge.hear_model(&message(&format!(
                r#"{{"type":"{kind}","event_id":"event_1","session":{{"type":"realtime","id":"sess_1"}}}}"#
            )));
        }
        edge.to_model = 0;
        edge
    }

    /// The time that it is now: the carrier returns marks, and the call does what is due.
    fn pass(&mut self, now: Instant) {
        self.now = now;
        while let Some((at, mark)) = self.echoes.front().copied() {
            if at > now {
                break;
            }
            self.echoes.pop_front();
            let mut echo = Bytes::new();
            opt_out(|| {
                let name = format!("g{}-{}", mark.generation, mark.number);
                echo = message(&format!(
                    r#"{{"event":"mark","sequenceNumber":"7","streamSid":"{STREAM}","mark":{{"name":"{name}"}}}}"#
                ));
            });
            self.hear_carrier(&echo);
        }
        while self.call.deadline().is_some_and(|at| at <= now) {
            self.input(Input::Tick);
        }
    }

    fn hear_carrier(&mut self, text: &Bytes) {
        let event = self.stream.receive(text);
        assert!(
            !matches!(event, CarrierEvent::Refused(_) | CarrierEvent::Unknown),
            "{event:?}"
        );
        self.input(Input::Carrier(event));
    }

    fn hear_model(&mut self, text: &Bytes) {
        let event = self.session.receive(text, &mut self.outgoing);
        self.empty_outgoing();
        if let Some(event) = event {
            self.input(Input::Provider(ATTEMPT, event));
        }
    }

    fn input(&mut self, input: Input) {
        let mut effects = mem::take(&mut self.effects);
        self.call.handle(self.now, input, &mut effects);
        for effect in effects.drain() {
            self.perform(effect);
        }
        self.effects = effects;
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::ToCarrier(command) => {
                self.stream.write(&command, &mut self.text);
                self.text.clear();
                match command {
                    CarrierCommand::Media(frame) => {
                        self.to_carrier_bytes += frame.len() as u64;
                        self.plays_until = self.plays_until.max(self.now) + frame.duration();
                    }
                    CarrierCommand::Mark(mark) => {
                        let at = self.plays_until + Duration::from_millis(40);
                        opt_out(|| self.echoes.push_back((at, mark)));
                    }
                    CarrierCommand::Clear => panic!("nobody interrupts"),
                }
            }
            Effect::ToProvider(_, command) => {
                self.session.command(&command, &mut self.outgoing);
                self.empty_outgoing();
            }
            Effect::EndCall(reason) => panic!("the call ended: {reason:?}"),
            Effect::Dial(..)
            | Effect::Report(..)
            | Effect::Abandon(_)
            | Effect::Checkpoint(_)
            | Effect::Promise(_)
            | Effect::Record(_)
            | Effect::Observe(_) => {}
        }
    }

    fn empty_outgoing(&mut self) {
        while self.outgoing.pop().is_some() {
            self.to_model += 1;
        }
    }
}

/// A text as a socket hands it over.
fn message(text: &str) -> Bytes {
    BytesMut::from(text).split().freeze()
}

/// What the model says in this long an answer, piece by piece, with what comes before and after it, and how much audio each
/// piece holds.
fn answer(number: usize, pieces: impl Iterator<Item = usize>) -> Vec<(Bytes, usize)> {
    let place = format!(
        r#""event_id":"event_CXxMl8Tz","response_id":"resp_{number}","item_id":"item_{number}","output_index":0,"content_index":0"#
    );
    let response = |kind: &str, status: &str| {
        let text = format!(
            r#"{{"type":"response.{kind}","event_id":"event_1","response":{{"id":"resp_{number}","object":"realtime.response","status":"{status}"}}}}"#
        );
        (message(&text), 0)
    };
    let mut texts = vec![response("created", "in_progress")];
    for bytes in pieces {
        let delta = STANDARD.encode(vec![0x55; bytes]);
        let text = format!(r#"{{"type":"response.output_audio.delta",{place},"delta":"{delta}"}}"#);
        texts.push((message(&text), bytes));
    }
    let done = format!(r#"{{"type":"response.output_audio.done",{place}}}"#);
    texts.push((message(&done), 0));
    texts.push(response("done", "completed"));
    texts
}

/// Lets the model say all of this, `speed` times as fast as it is heard, the next answer when the last was heard.
/// Returns allocations per frame of 20 ms, and per delta.
fn speak(answers: &[Vec<(Bytes, usize)>], speed: u32) -> (f64, f64) {
    let mut edge = Edge::live();
    let (mut allocations, mut deltas, mut sent) = (0, 0_u32, 0);
    for texts in answers {
        for (text, bytes) in texts {
            let counted = measure(|| edge.hear_model(text));
            allocations += counted.count_total;
            deltas += u32::from(*bytes > 0);
            sent += bytes;
            let next = edge.now + duration_of(*bytes as u64) / speed;
            allocations += measure(|| edge.pass(next)).count_total;
        }
        while !edge.echoes.is_empty() || edge.now < edge.plays_until {
            let next = edge.now + Duration::from_millis(20);
            allocations += measure(|| edge.pass(next)).count_total;
        }
    }
    let (heard, sent) = (edge.to_carrier_bytes, sent as u64);
    assert!(heard >= sent, "{heard} of {sent} bytes went to the carrier");
    let frames = u32::try_from(heard).unwrap() / u32::try_from(FRAME_BYTES).unwrap();
    assert!(frames as usize >= FRAMES, "{frames}");
    let allocations = f64::from(u32::try_from(allocations).unwrap());
    (
        allocations / f64::from(frames),
        allocations / f64::from(deltas),
    )
}

fn session_settings() -> SessionSettings {
    SessionSettings {
        model: None,
        instructions: "You answer the phone.".into(),
        voice: None,
        language: None,
        greeting: None,
        transcription_model: None,
        turn_detection: Some(TurnDetection::default()),
    }
}

#[test]
fn a_frame_of_the_caller_costs_at_most_one_allocation() {
    let payload = STANDARD.encode([0x55; FRAME_BYTES]);
    let texts: Vec<_> = (0..FRAMES)
        .map(|n| {
            message(&format!(
                r#"{{"event":"media","sequenceNumber":"{}","media":{{"track":"inbound","chunk":"{n}","timestamp":"{}","payload":"{payload}"}},"streamSid":"{STREAM}"}}"#,
                n + 2,
                n * 20 + 5
            ))
        })
        .collect();
    let mut edge = Edge::live();
    let mut allocations = 0;
    for text in &texts {
        let next = edge.now + Duration::from_millis(20);
        let counted = measure(|| {
            edge.hear_carrier(text);
            edge.pass(next);
        });
        allocations += counted.count_total;
    }
    assert_eq!(edge.to_model, FRAMES);
    println!("caller to model: {allocations} allocations for {FRAMES} frames");
    assert!(allocations <= FRAMES as u64, "{allocations}");
}

#[test]
fn a_frame_of_the_model_costs_at_most_one_allocation() {
    let per_answer = ITEM_BYTES / FRAME_BYTES;
    let answers: Vec<_> = (0..FRAMES / per_answer)
        .map(|number| answer(number, std::iter::repeat_n(FRAME_BYTES, per_answer)))
        .collect();
    for speed in [1, 2, 8] {
        let (per_frame, _) = speak(&answers, speed);
        println!(
            "model to caller, in frames of 20 ms, {speed}x: {per_frame:.4} allocations a frame"
        );
        assert!(per_frame <= 1.0, "{per_frame} at {speed}x");
    }
}

#[test]
fn uneven_deltas_of_the_model_cost_at_most_one_allocation_a_frame() {
    let answers: Vec<_> = (0..=FRAMES * FRAME_BYTES / ITEM_BYTES)
        .map(|number| {
            let mut rng = fastrand::Rng::with_seed(number as u64);
            let mut left = ITEM_BYTES;
            let pieces = std::iter::from_fn(move || {
                let piece = rng.usize(60 * 8..=400 * 8).min(left);
                left -= piece;
                (piece > 0).then_some(piece)
            });
            answer(number, pieces)
        })
        .collect();
    for speed in [1, 5] {
        let (per_frame, per_delta) = speak(&answers, speed);
        println!(
            "model to caller, in uneven deltas, {speed}x: {per_frame:.4} allocations a frame, {per_delta:.2} a delta"
        );
        assert!(per_frame <= 1.0, "{per_frame} at {speed}x");
    }
}
