//! The model double: one session of an OpenAI-Realtime server, GA dialect, without the socket.
//!
//! [`ModelSession`] owns what a real server would know of one session, and answers from a script. It makes no sound of its own,
//! reads no clock and imports nothing of the server under test. Where to look next: [`settings`] for what a plan may set,
//! [`faults`] for what may go wrong in a session and [`outages`] for what may with the provider as a whole, which [`house`] is;
//! [`report`] and [`uplink`] for what it tells at the end; `client` for what a client may
//! ask, `turns` for how it hears, `answer` for how it speaks.
//!
//! What it leaves out: answers as text, responses outside of the conversation that are no [`recital`], images, MCP, the idle timeout, A-law. It refuses
//! them, except for `idle_timeout_ms`, which is accepted and never fires.

mod agenda;
mod answer;
mod append;
mod client;
mod condition;
mod config;
mod conversation;
pub mod dials;
mod failing;
pub mod faults;
mod going_wrong;
pub mod house;
pub mod outages;
pub mod recital;
pub mod refusal;
pub mod report;
mod requests;
mod response;
mod seed;
pub mod settings;
mod shape;
mod turns;
pub mod uplink;
mod vad;
mod wire;

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::peer::{Action, Outbox, Peer};
use crate::recording::Line;
use agenda::{Agenda, Due};
use condition::{Condition, Lasting};
use config::Config;
use conversation::Conversation;
use faults::{Drawn, Moment, What};
use report::{Ended, SessionReport};
use response::Response;
use settings::ModelSettings;
use vad::Vad;
use wire::Wire;

/// One session of the model: one WebSocket.
///
/// It is seeded: the same settings, script, number, seed and messages give the same events at the same times. Its memory is
/// bounded by its lists, each of which says its own bound, and by the longest message that the socket lets through.
pub struct ModelSession {
    settings: Arc<ModelSettings>,
    script: Arc<Vec<Line>>,
    /// The line of the script that comes next.
    next_line: usize,
    number: u32,
    rng: fastrand::Rng,
    agenda: Agenda,
    wire: Wire,
    config: Config,
    /// When the last `session.update` takes effect.
    updated_at: Duration,
    vad: Vad,
    /// The item that the speech that is heard will become.
    speaking: Option<String>,
    /// Bytes of audio that no item has yet.
    buffered_bytes: u64,
    conversation_id: String,
    conversation: Conversation,
    response: Option<Response>,
    /// Responses so far.
    responses: u32,
    /// Items of audio so far; the last number is used again when there are no more.
    audio_items: u16,
    has_spoken: bool,
    /// A turn ended while a response was being made: it is answered after it.
    owes_answer: bool,
    faults: Drawn,
    condition: Condition,
    event_ids: EventIds,
    /// Decoded audio: one buffer for all messages.
    audio: Vec<u8>,
    report: SessionReport,
}

impl ModelSession {
    /// A session that answers with the lines of `script`, in order, then again. `number` is its stream in the stamps.
    pub fn new(
        settings: Arc<ModelSettings>,
        script: Arc<Vec<Line>>,
        number: u32,
        seed: u64,
    ) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let faults = Drawn::new(&settings.faults, &mut rng);
        let mut wire = Wire::new(number);
        let session_id = wire.id("sess");
        let config = Config::new(&settings, &session_id);
        Self {
            script,
            next_line: 0,
            number,
            rng,
            agenda: Agenda::default(),
            updated_at: Duration::ZERO,
            vad: Vad::new(config.turns.map(|turns| turns.hearing)),
            config,
            speaking: None,
            buffered_bytes: 0,
            conversation_id: wire.id("conv"),
            conversation: Conversation::default(),
            response: None,
            responses: 0,
            audio_items: 0,
            has_spoken: false,
            owes_answer: false,
            faults,
            condition: Condition::default(),
            event_ids: EventIds::default(),
            audio: Vec::new(),
            report: SessionReport::new(number),
            wire,
            settings,
        }
    }

    /// The socket is open: `session.created` follows a moment later.
    pub fn start(&mut self, now: Duration, _out: &mut Outbox) {
        self.report.opened = Some(now);
        self.config.expire(&self.settings, now);
        // First of all: what happens at once happens before anything is said.
        for (after, what) in self.faults.take_timed() {
            self.plan(now + after, Due::Fault(what));
        }
        let delay = self.settings.created_delay_ms.pick(&mut self.rng);
        self.plan(now + delay, Due::Created);
        let length = Duration::from_millis(self.settings.session_length_ms);
        self.plan(now + length, Due::Expire);
    }

    /// The session's number: its stream in the stamps.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether it does nothing any more, and its socket does neither: what [`Action::Freeze`] told.
    pub fn is_frozen(&self) -> bool {
        self.condition.has(Lasting::Frozen)
    }

    /// Something happens at this time, since the beginning of the run. Call it before [`start`](Self::start).
    pub(super) fn await_fate(&mut self, at: Duration, what: What) {
        self.plan(at, Due::Fault(what));
    }

    /// Whether the session has ended: nothing comes from it any more.
    pub fn is_over(&self) -> bool {
        self.report.ended.is_some()
    }

    /// What the session has seen and done until now.
    pub fn report(&self) -> SessionReport {
        SessionReport {
            conversation: self.conversation.said(),
            ..self.report.clone()
        }
    }

    /// What the session has seen and done.
    pub fn into_report(self) -> SessionReport {
        SessionReport {
            conversation: self.conversation.said(),
            ..self.report
        }
    }

    fn plan(&mut self, at: Duration, due: Due) {
        self.agenda.plan(at, due);
    }

    /// Does what is due by now.
    fn run(&mut self, now: Duration, out: &mut Outbox) {
        while !self.is_over()
            && let Some(due) = self.agenda.take(now)
        {
            let is_swallowed = self.condition.has(Lasting::BlackHole)
                && !matches!(due, Due::Fault(_) | Due::Expire);
            if is_swallowed {
                continue;
            }
            match due {
                Due::Created => {
                    self.report.created = Some(now);
                    let event = json!({"session": self.config.session});
                    self.send(out, "session.created", &event);
                }
                Due::Update(update) => self.take_update(now, &update, out),
                Due::Step { plan } => self.step(now, plan, out),
                Due::Act(action) => out.push(action),
                Due::Transcript {
                    item_id,
                    text,
                    spoken,
                } => self.transcribe(&item_id, text, spoken, out),
                Due::Fault(what) => self.go_wrong(now, what, out),
                Due::Storm(storm) => self.storm(now, storm, out),
                Due::Expire => self.expire(now, out),
            }
        }
    }

    fn take_update(&mut self, now: Duration, update: &Value, out: &mut Outbox) {
        self.config.update(update, &self.settings);
        self.vad.set(self.config.turns.map(|turns| turns.hearing));
        let is_first = self.report.ready.is_none();
        if is_first {
            self.report.ready = Some(now);
            self.report.uplink.open(now);
        }
        let event = json!({"session": self.config.session});
        self.send(out, "session.updated", &event);
        if is_first {
            self.reach(now, Moment::Ready, out);
        }
    }

    fn expire(&mut self, now: Duration, out: &mut Outbox) {
        let minutes = self.settings.session_length_ms / 60_000;
        let message = format!("Your session hit the maximum duration of {minutes} minutes.");
        self.refuse(
            &shape::Refusal::new("session_expired", message.clone()),
            None,
            out,
        );
        self.close(now, 1001, message, out);
    }

    fn send(&mut self, out: &mut Outbox, kind: &str, fields: &Value) {
        out.push(Action::Send(self.wire.event(kind, fields)));
    }

    fn close(&mut self, now: Duration, code: u16, reason: String, out: &mut Outbox) {
        out.push(Action::Close { code, reason });
        self.end(now, true, Some(code));
    }

    fn end(&mut self, at: Duration, by_model: bool, code: Option<u16>) {
        self.agenda.clear();
        self.report
            .ended
            .get_or_insert(Ended { at, by_model, code });
    }
}

// Without the words of the script and of the caller.
impl fmt::Debug for ModelSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelSession")
            .field("number", &self.number)
            .field("responses", &self.responses)
            .field("ended", &self.report.ended)
            .finish_non_exhaustive()
    }
}

impl Peer for ModelSession {
    fn receive(&mut self, now: Duration, text: &str, out: &mut Outbox) {
        self.run(now, out);
        if self.is_over() || self.is_frozen() {
            return;
        }
        if self.condition.has(Lasting::BlackHole) {
            self.swallow(now, text);
        } else if let Some(append) = append::parse(text) {
            self.note_event_id(append.event_id, true);
            self.hear(now, append.audio, append.event_id, out);
        } else {
            self.take(now, text, out);
        }
    }

    fn receive_binary(&mut self, _now: Duration, _bytes: &[u8], out: &mut Outbox) {
        if self.is_over() || self.is_frozen() {
            return;
        }
        self.report.violations.binary += 1;
        if self.condition.has(Lasting::BlackHole) {
            return;
        }
        let message = "The server expects events as text messages.";
        self.refuse(&shape::Refusal::new("invalid_event", message), None, out);
    }

    fn closed(&mut self, now: Duration, code: Option<u16>) {
        self.end(now, false, code);
    }

    fn tick(&mut self, now: Duration, out: &mut Outbox) {
        self.run(now, out);
    }

    fn deadline(&self) -> Option<Duration> {
        self.agenda.next_at()
    }
}

/// The recent `event_id`s of the client: the last [`EVENT_IDS_MAX`] at most; repetitions farther apart go unnoticed.
#[derive(Debug, Default)]
struct EventIds(BTreeSet<u64>);

const EVENT_IDS_MAX: usize = 4_096;

impl EventIds {
    fn is_repeated(&mut self, id: &str) -> bool {
        if self.0.len() >= EVENT_IDS_MAX {
            self.0.clear();
        }
        // Without keys: the same in every run.
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        !self.0.insert(hasher.finish())
    }
}
