//! One session: what the protocol's words mean for a call, without a socket and without a clock.
//!
//! It configures the session, numbers what the provider names, and turns both channels of errors into faults. It keeps no
//! audio and decides nothing: the call does ([`crate::core::call`]).

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::core::audio::{FRAME_BYTES, Frame, duration_of};
use crate::core::call::effect::{Occasion, ProviderCommand};
use crate::core::call::input::{Ignored, ProviderEvent, ResponseId, ResponseOutcome, ToolCallId};
use crate::core::call::memory::Memory;
use crate::core::fault::Fault;
use crate::core::ids::ItemId;
use crate::core::time::Utc;
use crate::provider::openai::configure::{END_CALL, is_ours, millis, session_update};
use crate::provider::openai::errors::{
    CONTENT_FILTER, Verdict, fault_of_close, fault_of_early_close, verdict,
};
use crate::provider::openai::names::Names;
use crate::provider::openai::outgoing::Outgoing;
use crate::provider::openai::quirks::Quirks;
use crate::provider::openai::recite;
use crate::provider::openai::seed;
use crate::provider::openai::settings::SessionSettings;
use crate::provider::openai::wire::read::{self, AudioDelta, ServerEvent, SessionState, WireError};
use crate::provider::openai::wire::write::{self, EventId};

/// The longest name of an item, a response or a tool call: real ones have about 30 bytes. A longer one is not the protocol.
pub const NAME_BYTES_MAX: usize = 256;

/// One session of a call, from the first event to the last.
#[derive(Debug)]
pub struct Session {
    settings: SessionSettings,
    quirks: &'static Quirks,
    phase: Phase,
    /// Events sent: the next one's name.
    events: u64,
    items: Names<Item>,
    responses: Names<()>,
    tool_calls: Names<()>,
}

/// How far the session is.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing came yet.
    Opening,
    /// `session.update` is on its way.
    Configuring {
        update: EventId,
        expires_at: Option<Utc>,
    },
    /// It takes and gives µ-law.
    Ready,
    /// It failed; nothing more is heard of it.
    Failed,
}

/// What is known of an item.
#[derive(Debug, Default)]
struct Item {
    /// Bytes of audio that came.
    audio: u64,
    /// The part of it that is audio.
    content_index: u32,
}

impl Session {
    /// A session whose socket has just been opened.
    pub const fn new(settings: SessionSettings, quirks: &'static Quirks) -> Self {
        Self {
            settings,
            quirks,
            phase: Phase::Opening,
            events: 0,
            items: Names::new(),
            responses: Names::new(),
            tool_calls: Names::new(),
        }
    }

    /// A session that the provider opened before anybody needed it: what configures it is appended to `out`.
    pub(super) fn claimed(
        settings: SessionSettings,
        quirks: &'static Quirks,
        expires_at: Option<Utc>,
        out: &mut Outgoing,
    ) -> Self {
        let mut session = Self::new(settings, quirks);
        session.configure(expires_at, out);
        session
    }

    /// Takes a text message of the provider's; what it makes us say is appended to `out`.
    ///
    /// `None` where it tells a call nothing. After [`ProviderEvent::Failed`] always `None`. On the path of audio nothing is
    /// allocated, unless the delta has to be decoded because it or its place is no multiple of 20 ms.
    pub fn receive(&mut self, text: &Bytes, out: &mut Outgoing) -> Option<ProviderEvent> {
        if matches!(self.phase, Phase::Failed) {
            return None;
        }
        let event = match read::read(text) {
            Ok(event) => self.on_event(event, out),
            Err(read::Malformed) => Some(ProviderEvent::Failed(Fault::Garbled)),
        };
        if let Some(ProviderEvent::Failed(_)) = event {
            self.phase = Phase::Failed;
        }
        event
    }

    /// The fault of a socket that the provider closed with this code and reason.
    pub fn closed(&self, code: u16, reason: &str) -> Fault {
        match self.phase {
            Phase::Opening | Phase::Configuring { .. } => {
                fault_of_early_close(code, reason, self.quirks)
            }
            Phase::Ready | Phase::Failed => fault_of_close(code, reason, self.quirks),
        }
    }

    /// Says to the provider what the call wants; the messages are appended to `out`.
    ///
    /// Nothing is sent for an item or a tool call that is forgotten, for audio before the session is ready (it would be taken
    /// for another format) and for [`ProviderCommand::Ping`], which is the socket's.
    pub fn command(&mut self, command: &ProviderCommand, out: &mut Outgoing) {
        match command {
            ProviderCommand::Append(frame) => self.append(frame, out),
            ProviderCommand::Greet => self.respond(greet(self.settings.greeting.as_deref()), out),
            ProviderCommand::Respond => self.respond(None, out),
            ProviderCommand::Commit => self.send("input_audio_buffer.commit", json!({}), out),
            ProviderCommand::CancelResponse(response) => self.cancel(*response, out),
            ProviderCommand::Truncate { item, heard } => self.truncate(*item, *heard, out),
            ProviderCommand::Delete { item } => self.delete(*item, out),
            ProviderCommand::Keys(keys) => self.keys(keys, out),
            ProviderCommand::GoodbyeDeclined(tool_call) => self.decline(*tool_call, out),
            ProviderCommand::Continue => {
                let instructions = go_on(&self.settings.instructions);
                self.respond(Some(instructions), out);
            }
            ProviderCommand::Recite(text) => {
                self.send("response.create", recite::body(text, self.quirks), out);
            }
            ProviderCommand::Seed { memory, occasion } => self.seed(memory, *occasion, out),
            ProviderCommand::Ping => {}
        }
    }
}

/// What comes.
impl Session {
    fn on_event(&mut self, event: ServerEvent<'_>, out: &mut Outgoing) -> Option<ProviderEvent> {
        Some(match event {
            ServerEvent::Audio(delta) => return self.on_audio(delta),
            ServerEvent::Opened(state) => {
                self.on_opened(&state, out);
                return None;
            }
            ServerEvent::Updated(state) => return self.on_updated(&state),
            ServerEvent::SpeechStarted => ProviderEvent::SpeechStarted,
            ServerEvent::SpeechStopped => ProviderEvent::SpeechStopped,
            ServerEvent::Committed { item_id } => match self.item(&item_id) {
                Some((item, _)) => ProviderEvent::CallerItem { item },
                None => GARBLED,
            },
            ServerEvent::ResponseCreated { response_id } => match self.response(&response_id) {
                Some(response) => ProviderEvent::ResponseStarted { response },
                None => GARBLED,
            },
            ServerEvent::AudioDone { item_id } => match self.item(&item_id) {
                Some((item, _)) => ProviderEvent::AudioDone { item },
                None => GARBLED,
            },
            ServerEvent::AgentText {
                response_id,
                item_id,
                text,
            } => match (self.response(&response_id), self.item(&item_id)) {
                (Some(response), Some((item, _))) => ProviderEvent::AgentText {
                    response,
                    item,
                    text: text.into(),
                },
                (None, _) | (_, None) => GARBLED,
            },
            ServerEvent::CallerText { item_id, text } => match self.item(&item_id) {
                Some((item, _)) => ProviderEvent::CallerText {
                    item,
                    text: text.into(),
                },
                None => GARBLED,
            },
            ServerEvent::CallerTextFailed => ProviderEvent::Ignored(Ignored::NotTranscribed),
            ServerEvent::ToolCalled { call_id, name } => self.on_tool_called(&call_id, &name),
            ServerEvent::ResponseDone {
                response_id,
                status,
                reason,
                error,
            } => match self.response(&response_id) {
                Some(response) => ProviderEvent::ResponseDone {
                    response,
                    outcome: self.outcome(&status, reason.as_deref(), error),
                },
                None => GARBLED,
            },
            ServerEvent::Error(error) => self.on_error(&error),
            ServerEvent::Silent => return None,
            ServerEvent::Unknown => ProviderEvent::Ignored(Ignored::UnknownEvent),
        })
    }

    fn on_opened(&mut self, state: &SessionState<'_>, out: &mut Outgoing) {
        if let Phase::Opening = self.phase {
            self.configure(expiry(state), out);
        }
    }

    fn configure(&mut self, expires_at: Option<Utc>, out: &mut Outgoing) {
        self.phase = Phase::Configuring {
            update: EventId(self.events),
            expires_at,
        };
        let update = session_update(&self.settings, self.quirks);
        self.send("session.update", update, out);
    }

    fn on_updated(&mut self, state: &SessionState<'_>) -> Option<ProviderEvent> {
        // Only the answer to our own update is news.
        let Phase::Configuring { expires_at, .. } = self.phase else {
            return None;
        };
        // Played as µ-law, any other format is noise.
        if state
            .output_format
            .as_deref()
            .is_some_and(|format| !is_ours(format))
        {
            return Some(ProviderEvent::Failed(Fault::WrongDialect));
        }
        self.phase = Phase::Ready;
        Some(ProviderEvent::Ready {
            expires_at: expiry(state).or(expires_at),
        })
    }

    fn on_audio(&mut self, delta: AudioDelta<'_>) -> Option<ProviderEvent> {
        let Phase::Ready = self.phase else {
            // It speaks before it knows our format: that would be noise.
            return Some(ProviderEvent::Ignored(Ignored::UnknownEvent));
        };
        let (Some(response), Some((item, known))) =
            (self.response(&delta.response_id), self.item(&delta.item_id))
        else {
            return Some(GARBLED);
        };
        let frame = delta.frame?;
        let bytes = frame.len() as u64;
        let frame = if is_aligned(known.audio) && is_aligned(bytes) {
            frame
        } else {
            Frame::from_raw(frame.to_raw())
        };
        known.audio = known.audio.saturating_add(bytes);
        known.content_index = delta.content_index;
        Some(ProviderEvent::Audio {
            response,
            item,
            frame,
        })
    }

    fn on_tool_called(&mut self, call_id: &str, name: &str) -> ProviderEvent {
        if name != END_CALL {
            return ProviderEvent::Ignored(Ignored::UndeclaredTool);
        }
        match number(&mut self.tool_calls, call_id) {
            Some((number, ())) => ProviderEvent::Goodbye {
                tool_call: ToolCallId(number),
            },
            None => GARBLED,
        }
    }

    fn on_error(&mut self, error: &WireError<'_>) -> ProviderEvent {
        match verdict(error, self.quirks) {
            Verdict::Harmless => ProviderEvent::Ignored(Ignored::HarmlessError),
            Verdict::AlreadyResponding => ProviderEvent::Ignored(Ignored::AlreadyResponding),
            // A session that failed once goes on; one that could not be set up does not.
            Verdict::Fault(Fault::ServerError) if matches!(self.phase, Phase::Ready) => {
                ProviderEvent::Stumbled(Fault::ServerError)
            }
            Verdict::Fault(fault) => ProviderEvent::Failed(fault),
            // A session without its settings is of no use; any other event that is refused is lost alone.
            Verdict::Rejected if self.concerns_update(error) => {
                ProviderEvent::Failed(Fault::RequestRejected)
            }
            Verdict::Rejected => ProviderEvent::Ignored(Ignored::RejectedEvent),
        }
    }

    fn concerns_update(&self, error: &WireError<'_>) -> bool {
        match (self.phase, error.event_id.as_deref()) {
            (Phase::Configuring { update, .. }, Some(event)) => update.is(event),
            // Nothing else was sent yet.
            (Phase::Configuring { .. }, None) => true,
            (Phase::Opening | Phase::Ready | Phase::Failed, _) => false,
        }
    }

    fn outcome(
        &self,
        status: &str,
        reason: Option<&str>,
        error: Option<WireError<'_>>,
    ) -> ResponseOutcome {
        match status {
            "incomplete" if reason == Some(CONTENT_FILTER) => {
                ResponseOutcome::Failed(Fault::PolicyRefused)
            }
            "completed" => ResponseOutcome::Completed,
            "cancelled" => ResponseOutcome::Cancelled,
            "failed" => {
                let error = error.unwrap_or_default();
                ResponseOutcome::Failed(match verdict(&error, self.quirks) {
                    Verdict::Fault(fault) => fault,
                    // It did not make a response, and does not say whose fault it is.
                    Verdict::Harmless | Verdict::AlreadyResponding | Verdict::Rejected => {
                        Fault::ServerError
                    }
                })
            }
            // Cut by a limit or a filter, or by something that we do not know yet.
            _ => ResponseOutcome::Incomplete,
        }
    }

    fn item(&mut self, name: &str) -> Option<(ItemId, &mut Item)> {
        number(&mut self.items, name).map(|(number, known)| (ItemId(number), known))
    }

    fn response(&mut self, name: &str) -> Option<ResponseId> {
        number(&mut self.responses, name).map(|(number, ())| ResponseId(number))
    }
}

const GARBLED: ProviderEvent = ProviderEvent::Failed(Fault::Garbled);

fn number<'a, T: Default>(names: &'a mut Names<T>, name: &str) -> Option<(u32, &'a mut T)> {
    (name.len() <= NAME_BYTES_MAX).then(|| names.number(name))
}

fn is_aligned(bytes: u64) -> bool {
    bytes.is_multiple_of(FRAME_BYTES as u64)
}

/// When the provider ends the session, if it says so.
pub(super) fn expiry(state: &SessionState<'_>) -> Option<Utc> {
    let seconds = state.expires_at.filter(|seconds| *seconds > 0)?;
    Some(Utc::from_millis(seconds.checked_mul(1_000)?))
}

/// What goes.
impl Session {
    fn append(&mut self, frame: &Frame, out: &mut Outgoing) {
        let Phase::Ready = self.phase else {
            debug_assert!(
                matches!(self.phase, Phase::Failed),
                "audio waits for `Ready`"
            );
            return;
        };
        if !frame.is_empty() {
            let id = self.next_id();
            write::append(id, frame, out);
        }
    }

    fn respond(&mut self, instructions: Option<String>, out: &mut Outgoing) {
        let mut response = serde_json::Map::new();
        if let Some(instructions) = instructions {
            response.insert("instructions".to_owned(), json!(instructions));
        }
        if let Some(modalities) = self.quirks.response_modalities {
            response.insert("modalities".to_owned(), json!(modalities));
        }
        let body = if response.is_empty() {
            json!({})
        } else {
            json!({ "response": response })
        };
        self.send("response.create", body, out);
    }

    /// By its name: without one the provider stops whichever it is making when this arrives, which may be the answer to what the caller has
    /// said since.
    fn cancel(&mut self, response: ResponseId, out: &mut Outgoing) {
        if let Some((name, ())) = self.responses.name(response.0) {
            let body = json!({ "response_id": name });
            self.send("response.cancel", body, out);
        }
    }

    fn truncate(&mut self, item: ItemId, heard: Duration, out: &mut Outgoing) {
        let Some((name, known)) = self.items.name(item.0) else {
            return;
        };
        // A provider refuses to cut an item where it has no audio.
        let heard = millis(heard.min(duration_of(known.audio)));
        if heard == 0 {
            return self.delete(item, out);
        }
        let body = json!({
            "item_id": name,
            "content_index": known.content_index,
            "audio_end_ms": heard,
        });
        self.send("conversation.item.truncate", body, out);
    }

    fn delete(&mut self, item: ItemId, out: &mut Outgoing) {
        if let Some((name, _)) = self.items.name(item.0) {
            let body = json!({ "item_id": name });
            self.send("conversation.item.delete", body, out);
        }
    }

    fn keys(&mut self, keys: &str, out: &mut Outgoing) {
        let text = format!("(The caller keyed in: {keys})");
        self.create_item(&seed::message("user", "input_text", &text), out);
    }

    fn decline(&mut self, tool_call: ToolCallId, out: &mut Outgoing) {
        if let Some((name, ())) = self.tool_calls.name(tool_call.0) {
            let item = json!({
                "type": "function_call_output",
                "call_id": name,
                "output": r#"{"ended":false,"reason":"The caller went on speaking."}"#,
            });
            self.create_item(&item, out);
        }
    }

    fn seed(&mut self, memory: &Memory, occasion: Occasion, out: &mut Outgoing) {
        for item in seed::items(memory, occasion, self.quirks) {
            self.create_item(&item, out);
        }
    }

    fn create_item(&mut self, item: &Value, out: &mut Outgoing) {
        self.send("conversation.item.create", json!({ "item": item }), out);
    }

    fn send(&mut self, kind: &str, body: Value, out: &mut Outgoing) {
        let id = self.next_id();
        write::event(id, kind, body, out);
    }

    const fn next_id(&mut self) -> EventId {
        let id = EventId(self.events);
        self.events += 1;
        id
    }
}

/// What makes the model speak the greeting word for word, in whatever language it is.
fn greet(greeting: Option<&str>) -> Option<String> {
    let greeting = greeting?;
    Some(format!(
        "The caller has just been connected. Say exactly this, in the same words and language, and nothing else: {greeting}"
    ))
}

/// What makes the model go on with an answer that another session began. What a response is told takes the place of what the
/// session was told, so the agent comes first.
fn go_on(instructions: &str) -> String {
    format!(
        "{instructions}\n\n\
        The line broke while you were speaking: of your last answer the caller heard only what stands at the end of the \
        conversation. Go on from exactly there, in the same language and tone, in mid-sentence if that is where it stops. Repeat \
        nothing of it, do not begin anew, do not apologize and do not speak of the line."
    )
}
