//! What a session has seen and done, for those who judge the server under test.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::faults::Failure;
use super::uplink::Uplink;
use crate::key::KeyMark;

/// What one session has seen and done. Times are since the beginning of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionReport {
    /// The session's number: the stream in its stamps.
    pub session: u32,
    /// The key that its client showed, if the house was told of one.
    pub key: Option<KeyMark>,
    /// When the socket opened.
    pub opened: Option<Duration>,
    /// When `session.created` went out.
    pub created: Option<Duration>,
    /// When the first `session.updated` went out.
    pub ready: Option<Duration>,
    /// When the first audio went out.
    pub first_audio: Option<Duration>,
    /// The callers' audio.
    pub uplink: Uplink,
    /// The callers' audio that came as items of the conversation: what was said before.
    pub seeded_audio: Uplink,
    /// When each `input_audio_buffer.speech_started` went out.
    pub speech_started: Bounded<Duration>,
    /// The turns that were heard, in order.
    pub utterances: Bounded<Utterance>,
    /// The responses, in order.
    pub responses: Bounded<Response>,
    /// The audio items that were sent, in order.
    pub spoken: Bounded<SpokenItem>,
    /// The truncations that were accepted.
    pub truncations: Bounded<Truncation>,
    /// The items that the client deleted.
    pub deletions: Bounded<Deletion>,
    /// The errors that were returned, by code (`null` without one).
    pub errors: BTreeMap<String, u64>,
    /// What the client should not have done.
    pub violations: Violations,
    /// The items that the client created, in order.
    pub seeds: Bounded<Said>,
    /// The whole conversation as it stands at the end, in order.
    pub conversation: Vec<Said>,
    /// Faults that happened.
    pub faults: u64,
    /// When the first of them did.
    pub first_fault: Option<Duration>,
    /// How and when the session ended, if it has.
    pub ended: Option<Ended>,
}

impl SessionReport {
    pub(super) fn new(session: u32) -> Self {
        Self {
            session,
            key: None,
            opened: None,
            created: None,
            ready: None,
            first_audio: None,
            uplink: Uplink::new(),
            seeded_audio: Uplink::new(),
            speech_started: Bounded::default(),
            utterances: Bounded::default(),
            responses: Bounded::default(),
            spoken: Bounded::default(),
            truncations: Bounded::default(),
            deletions: Bounded::default(),
            errors: BTreeMap::new(),
            violations: Violations::default(),
            seeds: Bounded::default(),
            conversation: Vec::new(),
            faults: 0,
            first_fault: None,
            ended: None,
        }
    }

    /// How many responses ended so.
    pub fn responses_that(&self, ended: Outcome) -> usize {
        let outcomes = self.responses.list.iter().filter_map(|r| r.done);
        outcomes.filter(|&(_, outcome)| outcome == ended).count()
    }

    pub(super) fn count_error(&mut self, code: &str) {
        const CODES_MAX: usize = 64;
        let code = if code.is_empty() { "null" } else { code };
        if self.errors.len() < CODES_MAX || self.errors.contains_key(code) {
            *self.errors.entry(code.to_owned()).or_default() += 1;
        }
    }
}

/// A list of at most [`LIST_MAX`] entries; what comes later is only counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounded<T> {
    /// The first entries.
    pub list: Vec<T>,
    /// How many entries had no place.
    pub left_out: u64,
}

/// The most entries of a [`Bounded`] list.
pub const LIST_MAX: usize = 10_000;

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            left_out: 0,
        }
    }
}

impl<T> Bounded<T> {
    pub(super) fn push(&mut self, entry: T) {
        if self.list.len() < LIST_MAX {
            self.list.push(entry);
        } else {
            self.left_out += 1;
        }
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.list.len() as u64 + self.left_out
    }
}

/// A turn of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utterance {
    /// When its end was known.
    pub at: Duration,
    /// How long was spoken; of a turn that the client committed, how long its audio is.
    pub spoken: Duration,
}

/// A response of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// Who asked for it.
    pub asked_by: AskedBy,
    /// When.
    pub asked: Duration,
    /// It was asked for with instructions of its own.
    pub instructed: bool,
    /// When `response.created` went out.
    pub created: Option<Duration>,
    /// When its first audio went out.
    pub first_audio: Option<Duration>,
    /// When `response.done` went out, and how it ended.
    pub done: Option<(Duration, Outcome)>,
}

/// Who asked for a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedBy {
    /// The caller, by a turn.
    Turn,
    /// The client, by `response.create`.
    Client,
    /// Nobody: a fault.
    Fault,
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was said to its end.
    Completed,
    /// The caller spoke.
    TurnDetected,
    /// The client cancelled it.
    ClientCancelled,
    /// It failed, or was not let through to its end.
    Failed(Failure),
}

/// An item of the model's audio. Its words are not shown by `Debug`: imported recordings are of real people.
#[derive(Clone, PartialEq, Eq)]
pub struct SpokenItem {
    /// Its number, as in the stamps.
    pub item: u16,
    /// How many bytes of it went out, as µ-law; the blocks that have a stamp are the whole ones.
    pub bytes: u64,
    /// The words that went out with them.
    pub words: String,
}

impl fmt::Debug for SpokenItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { item, bytes, words } = self;
        write!(
            f,
            "SpokenItem({item}, {bytes} bytes, {} of words)",
            words.len()
        )
    }
}

/// A truncation that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// The session's number.
    pub session: u32,
    /// The item's number, as in the stamps.
    pub item: u16,
    /// What the caller heard of it, says the client.
    pub audio_end_ms: u64,
    /// When it came.
    pub at: Duration,
}

/// An item that the client deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The session's number.
    pub session: u32,
    /// The item's number as in the stamps, if it was the model's audio.
    pub item: Option<u16>,
    /// When it came.
    pub at: Duration,
}

/// What the client should not have done. What was refused is in [`SessionReport::errors`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    /// Messages of audio that came before the session was told that it is µ-law.
    pub misread_appends: u64,
    /// Messages of audio that are not base64.
    pub undecodable_appends: u64,
    /// Messages of audio without an `event_id`: if one fails, nobody knows which.
    pub unnamed_appends: u64,
    /// Other events without an `event_id`.
    pub unnamed_events: u64,
    /// Events with the `event_id` of a recent one.
    pub repeated_event_ids: u64,
    /// `response.cancel` that named no response: it stops whichever is being made when it arrives.
    pub unnamed_cancels: u64,
    /// Messages that are not JSON.
    pub not_json: u64,
    /// Binary messages.
    pub binary: u64,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Duration,
    /// Whether the model ended it.
    pub by_model: bool,
    /// The close code, if there was one.
    pub code: Option<u16>,
}

/// Something in the conversation. Its words are not shown by `Debug`: imported recordings are of real people.
#[derive(Clone, PartialEq, Eq)]
pub struct Said {
    /// Who says it.
    pub role: Role,
    /// The words, the arguments or the output.
    pub text: String,
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Said({:?}, {} bytes)", self.role, self.text.len())
    }
}

/// Who says something in the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The caller.
    User,
    /// The model.
    Assistant,
    /// The operator.
    System,
    /// The model calls a function.
    FunctionCall,
    /// What the function returned.
    FunctionOutput,
}
