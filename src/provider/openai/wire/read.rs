//! What a server says: text in, [`ServerEvent`] out.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;

use crate::core::audio::Frame;
use crate::provider::openai::wire::audio;

/// A server's event, reduced to what a call needs; borrowed from its message.
#[derive(Debug, PartialEq)]
pub enum ServerEvent<'a> {
    /// The session exists, with the provider's settings.
    Opened(SessionState<'a>),
    /// The session has our settings.
    Updated(SessionState<'a>),
    /// The caller speaks.
    SpeechStarted,
    /// The caller stopped speaking.
    SpeechStopped,
    /// The caller's words became an item.
    Committed {
        /// The item.
        item_id: Cow<'a, str>,
    },
    /// A response is being made.
    ResponseCreated {
        /// The response.
        response_id: Cow<'a, str>,
    },
    /// The next audio of an item.
    Audio(AudioDelta<'a>),
    /// The item has no more audio.
    AudioDone {
        /// The item.
        item_id: Cow<'a, str>,
    },
    /// More of what the agent says.
    AgentText {
        /// The response that it belongs to.
        response_id: Cow<'a, str>,
        /// The item.
        item_id: Cow<'a, str>,
        /// The next piece.
        text: Cow<'a, str>,
    },
    /// What the caller said.
    CallerText {
        /// The item.
        item_id: Cow<'a, str>,
        /// All of it.
        text: Cow<'a, str>,
    },
    /// The caller's words could not be transcribed.
    CallerTextFailed,
    /// The model calls a tool; its arguments are complete.
    ToolCalled {
        /// The provider's name of this one call.
        call_id: Cow<'a, str>,
        /// The tool.
        name: Cow<'a, str>,
    },
    /// A response is over.
    ResponseDone {
        /// The response.
        response_id: Cow<'a, str>,
        /// How it went, in the protocol's word.
        status: Cow<'a, str>,
        /// Why it was cut, in the protocol's word, if the provider says so.
        reason: Option<Cow<'a, str>>,
        /// Why it failed, if it did and the provider says so.
        error: Option<WireError<'a>>,
    },
    /// An error.
    Error(WireError<'a>),
    /// A known event that tells a call nothing.
    Silent,
    /// An event that we do not know.
    Unknown,
}

/// What a session is.
#[derive(Debug, Default, PartialEq)]
pub struct SessionState<'a> {
    /// When it ends, in seconds since 1970.
    pub expires_at: Option<u64>,
    /// The format of its audio, in the protocol's word.
    pub output_format: Option<Cow<'a, str>>,
}

/// A piece of an item's audio.
#[derive(Debug, PartialEq)]
pub struct AudioDelta<'a> {
    /// The response that it belongs to.
    pub response_id: Cow<'a, str>,
    /// The item that it belongs to.
    pub item_id: Cow<'a, str>,
    /// Which part of the item it belongs to.
    pub content_index: u32,
    /// The audio; `None` if there is none in it.
    pub frame: Option<Frame>,
}

/// An error, in the words of the provider.
#[derive(Debug, Default, PartialEq, Deserialize)]
pub struct WireError<'a> {
    /// Its type.
    #[serde(borrow, default, rename = "type")]
    pub kind: Option<Cow<'a, str>>,
    /// Its code.
    #[serde(borrow, default)]
    pub code: Option<Cow<'a, str>>,
    /// What it says. May quote what we sent: never to be logged.
    #[serde(borrow, default)]
    pub message: Option<Cow<'a, str>>,
    /// The name of our event that caused it.
    #[serde(borrow, default)]
    pub event_id: Option<Cow<'a, str>>,
}

/// A message that is not JSON, has no type, or is a known event without what it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads a message. Audio takes a path without a tree or a copy; both paths read the same.
pub fn read(text: &Bytes) -> Result<ServerEvent<'_>, Malformed> {
    match audio::audio_delta(text) {
        Some(delta) => Ok(ServerEvent::Audio(delta)),
        None => read_with_serde(text),
    }
}

/// Reads a message as [`read`] does, without its fast path: the path for anything unusual, and the measure of the other.
pub fn read_with_serde(text: &Bytes) -> Result<ServerEvent<'_>, Malformed> {
    let json = std::str::from_utf8(text).map_err(|_| Malformed)?;
    let Head { kind } = parse(json)?;
    Ok(match &*kind {
        kind if is_audio_delta(kind) => ServerEvent::Audio(audio_with_serde(text, json)?),
        // One server announces the conversation first, or only it.
        "session.created" | "conversation.created" => ServerEvent::Opened(session(json)?),
        "session.updated" => ServerEvent::Updated(session(json)?),
        "input_audio_buffer.speech_started" => ServerEvent::SpeechStarted,
        "input_audio_buffer.speech_stopped" => ServerEvent::SpeechStopped,
        "input_audio_buffer.committed" => {
            let OfItem { item_id } = parse(json)?;
            ServerEvent::Committed { item_id }
        }
        "response.created" => {
            let OfResponse { response } = parse(json)?;
            ServerEvent::ResponseCreated {
                response_id: response.id,
            }
        }
        "response.output_audio.done" | "response.audio.done" => {
            let OfItem { item_id } = parse(json)?;
            ServerEvent::AudioDone { item_id }
        }
        "response.output_audio_transcript.delta" | "response.audio_transcript.delta" => {
            let TextDelta {
                response_id,
                item_id,
                delta,
            } = parse(json)?;
            ServerEvent::AgentText {
                response_id,
                item_id,
                text: delta,
            }
        }
        "conversation.item.input_audio_transcription.completed" => {
            let Transcript {
                item_id,
                transcript,
            } = parse(json)?;
            ServerEvent::CallerText {
                item_id,
                text: transcript,
            }
        }
        "conversation.item.input_audio_transcription.failed" => ServerEvent::CallerTextFailed,
        "response.output_item.done" => tool_call(json)?,
        "response.done" => {
            let OfResponse { response } = parse(json)?;
            let details = response.status_details.unwrap_or_default();
            ServerEvent::ResponseDone {
                response_id: response.id,
                status: response.status.unwrap_or(Cow::Borrowed("completed")),
                reason: details.reason,
                error: details.error,
            }
        }
        "error" => {
            let OfError { error } = parse(json)?;
            ServerEvent::Error(error.unwrap_or_default())
        }
        kind if SILENT.contains(&kind) => ServerEvent::Silent,
        _ => ServerEvent::Unknown,
    })
}

/// Whether this type is the model's audio, in the new or the old name.
pub(super) fn is_audio_delta(kind: &str) -> bool {
    kind == "response.output_audio.delta" || kind == "response.audio.delta"
}

/// Known events that tell a call nothing that another event does not tell better.
const SILENT: &[&str] = &[
    "conversation.item.added",
    "conversation.item.created",
    "conversation.item.deleted",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.segment",
    "conversation.item.input_audio_transcription.updated",
    "conversation.item.retrieved",
    "conversation.item.truncated",
    "input_audio_buffer.cleared",
    "input_audio_buffer.timeout_triggered",
    "output_audio_buffer.cleared",
    "output_audio_buffer.started",
    "output_audio_buffer.stopped",
    "rate_limits.updated",
    "response.audio_transcript.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_audio_transcript.done",
    "response.output_item.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.text.delta",
    "response.text.done",
];

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Malformed> {
    serde_json::from_str(json).map_err(|_| Malformed)
}

fn audio_with_serde<'a>(text: &'a Bytes, json: &'a str) -> Result<AudioDelta<'a>, Malformed> {
    let fields: AudioFields<'a> = parse(json)?;
    let base64 = match fields.delta {
        Cow::Borrowed(part) => text.slice_ref(part.as_bytes()),
        Cow::Owned(unescaped) => Bytes::from(unescaped),
    };
    let frame = if base64.is_empty() {
        None
    } else {
        Some(Frame::from_base64(base64).ok_or(Malformed)?)
    };
    Ok(AudioDelta {
        response_id: fields.response_id,
        item_id: fields.item_id,
        content_index: fields.content_index.unwrap_or(0),
        frame,
    })
}

/// What a server says of its session differs most between servers: nothing of it is required.
fn session(json: &str) -> Result<SessionState<'_>, Malformed> {
    let OfSession { session } = parse(json)?;
    let Some(Lenient::Known(session)) = session else {
        return Ok(SessionState::default());
    };
    let nested = session.audio.and_then(Lenient::known);
    let nested = nested.and_then(|audio| audio.output.and_then(Lenient::known));
    let nested = nested.and_then(|output| output.format.and_then(Lenient::known));
    let flat = session.output_audio_format.and_then(Lenient::known);
    Ok(SessionState {
        expires_at: session.expires_at.and_then(Lenient::known),
        output_format: nested.map(|format| format.kind).or(flat),
    })
}

fn tool_call(json: &str) -> Result<ServerEvent<'_>, Malformed> {
    let OfTool { item } = parse(json)?;
    // An interrupted call has half its arguments: it never happened.
    let is_complete = item.status.is_none_or(|status| status == "completed");
    match (item.kind.as_deref(), item.call_id, item.name) {
        (Some("function_call"), Some(call_id), Some(name)) if is_complete => {
            Ok(ServerEvent::ToolCalled { call_id, name })
        }
        _ => Ok(ServerEvent::Silent),
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct AudioFields<'a> {
    #[serde(borrow)]
    response_id: Cow<'a, str>,
    #[serde(borrow)]
    item_id: Cow<'a, str>,
    content_index: Option<u32>,
    #[serde(borrow)]
    delta: Cow<'a, str>,
}

#[derive(Deserialize)]
struct OfItem<'a> {
    #[serde(borrow)]
    item_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct TextDelta<'a> {
    #[serde(borrow)]
    response_id: Cow<'a, str>,
    #[serde(borrow)]
    item_id: Cow<'a, str>,
    #[serde(borrow)]
    delta: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Transcript<'a> {
    #[serde(borrow)]
    item_id: Cow<'a, str>,
    #[serde(borrow)]
    transcript: Cow<'a, str>,
}

#[derive(Deserialize)]
struct OfResponse<'a> {
    #[serde(borrow)]
    response: Response<'a>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    status_details: Option<StatusDetails<'a>>,
}

#[derive(Default, Deserialize)]
struct StatusDetails<'a> {
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error: Option<WireError<'a>>,
}

#[derive(Deserialize)]
struct OfError<'a> {
    #[serde(borrow, default)]
    error: Option<WireError<'a>>,
}

#[derive(Deserialize)]
struct OfTool<'a> {
    #[serde(borrow)]
    item: Item<'a>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    call_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
}

/// A value that may have any shape; only the known one is used.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Known(T),
    Other(serde::de::IgnoredAny),
}

impl<T> Lenient<T> {
    fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Other(_) => None,
        }
    }
}

#[derive(Deserialize)]
struct OfSession<'a> {
    #[serde(borrow, default)]
    session: Option<Lenient<WireSession<'a>>>,
}

#[derive(Deserialize)]
struct WireSession<'a> {
    #[serde(default)]
    expires_at: Option<Lenient<u64>>,
    #[serde(borrow, default)]
    audio: Option<Lenient<Audio<'a>>>,
    #[serde(borrow, default)]
    output_audio_format: Option<Lenient<Cow<'a, str>>>,
}

#[derive(Deserialize)]
struct Audio<'a> {
    #[serde(borrow, default)]
    output: Option<Lenient<Output<'a>>>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow, default)]
    format: Option<Lenient<Format<'a>>>,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}
