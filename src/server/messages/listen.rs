//! One session that hears one message: dialled as a call's is, told to answer nothing, given the recording as a caller's turn, asked
//! for its words, and closed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use crate::core::audio::{Frame, duration_of};
use crate::core::call::effect::ProviderCommand;
use crate::core::call::input::{Ignored, ProviderEvent};
use crate::core::fault::{DialStage, Fault};
use crate::core::ids::ItemId;
use crate::provider::dial::dial;
use crate::provider::endpoint::Endpoint;
use crate::provider::openai::settings::SessionSettings;
use crate::provider::socket::{ProviderSocket, SocketLimits};
use crate::server::probes::{next, ready};

/// Bytes of one append: 400 ms.
const PIECE_BYTES: usize = 3_200;

/// Between two of them: the message is heard at five times its speed, a megabit a second in base64.
const PIECE_PAUSE: Duration = Duration::from_millis(80);

/// Silence behind the message, µ-law: so that a provider that looks for the ends of turns all the same finds this one.
const SILENCE: [u8; PIECE_BYTES] = [0xFF; PIECE_BYTES];

/// How long the words may take, from the last sound on.
const WORDS_TIMEOUT: Duration = Duration::from_secs(30);

const INSTRUCTIONS: &str = "You are a recorder. Nobody speaks with you: write down what you hear, answer nothing, and use no tool.";

/// Where a message is heard.
#[derive(Debug)]
pub(super) struct Room<'a> {
    pub(super) endpoint: &'a Endpoint,
    /// The model to ask for where the URL does not name it.
    pub(super) model: Option<&'a Arc<str>>,
    pub(super) limits: &'a SocketLimits,
    /// How long the session may take to be ready.
    pub(super) dial_timeout: Duration,
}

/// What is heard.
pub(super) struct Recording {
    /// The caller's language, as a tag.
    pub(super) language: Option<Arc<str>>,
    /// µ-law.
    pub(super) audio: Bytes,
}

/// What a provider writes down of a recording; `on_ready` hears when the session takes our settings. Takes as long as a fifth of the
/// recording, the dial, and [`WORDS_TIMEOUT`] at most.
pub(super) async fn listen(
    room: &Room<'_>,
    recording: &Recording,
    on_ready: impl FnOnce(),
) -> Result<String, Fault> {
    let settings = SessionSettings {
        model: room.model.cloned(),
        instructions: INSTRUCTIONS.into(),
        voice: None,
        language: recording.language.clone(),
        greeting: None,
        transcription_model: None,
        turn_detection: None,
    };
    let mut socket = dial(room.endpoint, settings, room.limits).await?;
    let heard = converse(&mut socket, room.dial_timeout, &recording.audio, on_ready).await;
    socket.close().await;
    heard
}

async fn converse(
    socket: &mut ProviderSocket,
    dial_timeout: Duration,
    audio: &Bytes,
    on_ready: impl FnOnce(),
) -> Result<String, Fault> {
    let ready = tokio::time::timeout(dial_timeout, ready(socket)).await;
    ready.unwrap_or(Err(Fault::DialTimedOut(DialStage::Session)))?;
    on_ready();
    let mut written = Written::default();
    play(socket, audio, &mut written).await?;
    let waiting = async {
        while !written.is_whole() {
            written.take(next(socket).await)?;
        }
        Ok(())
    };
    let waited = tokio::time::timeout(WORDS_TIMEOUT, waiting).await;
    waited.unwrap_or(Err(Fault::AnswerTimedOut))?;
    Ok(written.words())
}

/// Gives the session the recording, at a bounded rate, and says that it is a turn.
async fn play(
    socket: &mut ProviderSocket,
    audio: &Bytes,
    written: &mut Written,
) -> Result<(), Fault> {
    let begun = Instant::now();
    let silence = Bytes::from_static(&SILENCE);
    let pieces = (0..audio.len())
        .step_by(PIECE_BYTES)
        .map(|from| audio.slice(from..audio.len().min(from + PIECE_BYTES)));
    let mut due = begun;
    for piece in pieces.chain([silence]) {
        debug_assert!(duration_of(piece.len() as u64) <= Duration::from_millis(400));
        socket.send(&ProviderCommand::Append(Frame::from_raw(piece)))?;
        due += PIECE_PAUSE;
        loop {
            tokio::select! {
                event = next(socket) => written.take(event)?,
                () = sleep_until(due) => break,
            }
        }
    }
    written.is_asked = true;
    socket.send(&ProviderCommand::Commit)
}

/// What came of a recording: one turn, or as many as a provider makes of it.
#[derive(Default)]
struct Written {
    /// Whether the whole of it was given.
    is_asked: bool,
    /// The turns in their order, with their words once they are there; a turn is two seconds and more, so there are few.
    turns: BTreeMap<ItemId, Option<Box<str>>>,
}

impl Written {
    fn is_whole(&self) -> bool {
        self.is_asked && !self.turns.is_empty() && self.turns.values().all(Option::is_some)
    }

    fn words(self) -> String {
        let words: Vec<_> = self.turns.into_values().flatten().collect();
        let words = words.iter().map(|words| words.trim());
        words.collect::<Vec<_>>().join(" ").trim().to_owned()
    }

    fn take(&mut self, event: ProviderEvent) -> Result<(), Fault> {
        match event {
            ProviderEvent::CallerItem { item } => {
                self.turns.entry(item).or_default();
                Ok(())
            }
            ProviderEvent::CallerText { item, text } => {
                self.turns.insert(item, Some(text));
                Ok(())
            }
            ProviderEvent::Ignored(Ignored::NotTranscribed) => Err(Fault::Mute),
            ProviderEvent::Ignored(Ignored::RejectedEvent) => Err(Fault::RequestRejected),
            ProviderEvent::Failed(fault) | ProviderEvent::Stumbled(fault) => Err(fault),
            // Some answer although nobody asked.
            ProviderEvent::Ready { .. }
            | ProviderEvent::SpeechStarted
            | ProviderEvent::SpeechStopped
            | ProviderEvent::ResponseStarted { .. }
            | ProviderEvent::Audio { .. }
            | ProviderEvent::AudioDone { .. }
            | ProviderEvent::AgentText { .. }
            | ProviderEvent::Goodbye { .. }
            | ProviderEvent::ResponseDone { .. }
            | ProviderEvent::Pong
            | ProviderEvent::Ignored(
                Ignored::HarmlessError
                | Ignored::UnknownEvent
                | Ignored::AlreadyResponding
                | Ignored::UndeclaredTool,
            ) => Ok(()),
        }
    }
}
