//! What the carrier does with a call: documents, verbs, streams, fallbacks. No clock and no socket.
//!
//! Owns the state of one call. It is told what happened and answers with [`Step`]s; who takes them is [`super::VoiceCall`]. The
//! parts: [`asking`] (documents), [`verbs`] (what takes time), [`streaming`], [`dialling`], [`telling`] (status callbacks).

mod asking;
mod dialling;
mod picked_up;
mod streaming;
mod telling;
mod verbs;

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

pub use self::picked_up::Opening;
use self::{asking::Asked, dialling::Dialling, streaming::Streaming, verbs::Waiting};
use super::{
    address::Address,
    fault::{FetchFault, StreamFault},
    form::Form,
    note::{End, Note, StreamOver, Why},
    number::{Number, Parties, Status, sid},
    settings::{TwilioSettings, millis},
    twiml::{Document, Link, Method, Verb},
};

/// Documents of one call: whoever redirects in circles is stopped here, with the carrier's number for too many redirects.
const DOCUMENTS_MAX: u32 = 200;
/// What happened and was not taken yet; beyond it nothing is noted.
const NOTES_MAX: usize = 2_048;

/// A request for a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Why.
    pub why: Why,
    /// Where, with connection overrides.
    pub address: Address,
    /// How.
    pub method: Method,
    /// With what.
    pub form: Form,
    /// The same in every try, and for all copies of one event.
    pub idempotency: String,
}

/// A request whose answer changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tell {
    /// Where, with connection overrides.
    pub address: Address,
    /// How.
    pub method: Method,
    /// With what.
    pub form: Form,
    /// The same in every try.
    pub idempotency: String,
}

/// A stream to open. It does not show the values of its parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct Open {
    /// Where to.
    pub address: Address,
    /// `MZ…`.
    pub stream_sid: String,
    /// `customParameters`.
    pub parameters: Vec<(String, String)>,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open")
            .field("stream_sid", &self.stream_sid)
            .finish_non_exhaustive()
    }
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Fetch a document. One that is still being fetched is given up.
    Ask(Ask),
    /// Tell somebody; the answer changes nothing.
    Tell(Tell),
    /// The call is answered.
    Answer,
    /// The caller hears somebody for so long.
    Sound(Duration),
    /// Whatever the caller hears from the carrier stops.
    Hush,
    /// Open a stream.
    Open(Open),
    /// Close the stream, or give up opening it.
    Close {
        /// `MZ…`.
        stream_sid: String,
    },
    /// The call is over.
    End(End),
}

/// What came back from a URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Page {
    /// Where from, after redirects: what relative URLs are relative to.
    pub address: Address,
    /// `Content-Type`.
    pub content_type: String,
    /// The document.
    pub body: String,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({}, {} bytes)", self.content_type, self.body.len())
    }
}

/// What REST wants of a live call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// `Status=completed`.
    Complete,
    /// `Url`.
    Url(Link),
    /// `Twiml`.
    Twiml(String),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The document that was asked for last came, or did not.
    Fetched(Result<Page, FetchFault>),
    /// The stream is open.
    Opened,
    /// It is not.
    NotOpened(StreamFault),
    /// It is over.
    StreamOver(StreamOver),
    /// The caller has hung up.
    CallerHungUp,
    /// REST changes the call.
    Update(Update),
    /// Time has passed.
    Tick,
}

/// One call as the carrier sees it.
#[derive(Debug)]
pub struct Interpreter {
    settings: Arc<TwilioSettings>,
    number: Number,
    parties: Parties,
    rng: fastrand::Rng,
    status: Status,
    began: Duration,
    answered_at: Option<Duration>,
    /// Where the document came from: what its URLs are relative to.
    base: Option<Address>,
    /// What is left of it.
    verbs: VecDeque<Verb>,
    /// No verb of this call was begun yet.
    is_first_verb: bool,
    documents: u32,
    /// Which of them held the last `<Connect>`.
    connected_in: u32,
    callbacks: u32,
    state: State,
    notes: Vec<(Duration, Note)>,
}

#[derive(Debug)]
enum State {
    Idle,
    /// A document is being fetched.
    Asking(Asked),
    /// A verb takes its time.
    Waiting(Waiting),
    /// A stream is being opened, or open.
    Streaming(Streaming),
    /// Somebody is dialled.
    Dialling(Dialling),
    Over(End),
}

impl Interpreter {
    /// A call that has not begun. Equal arguments make equal calls.
    pub fn new(settings: Arc<TwilioSettings>, number: Number, parties: Parties, seed: u64) -> Self {
        Self {
            settings,
            number,
            parties,
            rng: fastrand::Rng::with_seed(seed),
            status: Status::Ringing,
            began: Duration::ZERO,
            answered_at: None,
            base: None,
            verbs: VecDeque::new(),
            is_first_verb: true,
            documents: 0,
            connected_in: 0,
            callbacks: 0,
            state: State::Idle,
            notes: Vec::new(),
        }
    }

    /// The call comes in: the Voice URL is asked. Does nothing the second time.
    pub fn start(&mut self, now: Duration, steps: &mut Vec<Step>) {
        if matches!(self.state, State::Idle) {
            self.began = now;
            let voice = self.number.voice.clone();
            self.ask(now, Why::Voice, &voice, Form::new(), steps);
        }
    }

    /// Something happened. What does not fit to what is going on comes late, and changes nothing.
    pub fn on(&mut self, now: Duration, event: Event, steps: &mut Vec<Step>) {
        if matches!(self.state, State::Idle | State::Over(_)) {
            return;
        }
        match event {
            Event::Fetched(fetched) => self.on_fetched(now, fetched, steps),
            Event::Opened => self.on_opened(now, steps),
            Event::NotOpened(fault) => self.on_not_opened(now, fault, steps),
            Event::StreamOver(over) => self.on_stream_over(now, over, steps),
            Event::CallerHungUp => self.on_caller_hung_up(now, steps),
            Event::Update(update) => self.on_update(now, update, steps),
            Event::Tick => self.on_tick(now, steps),
        }
    }

    /// When a [`Event::Tick`] is wanted; `None`: not before something else happens.
    pub fn deadline(&self) -> Option<Duration> {
        let end = self.began + millis(self.settings.call_max_ms);
        let state = match &self.state {
            State::Idle | State::Over(_) => return None,
            State::Asking(_) | State::Streaming(_) => None,
            State::Waiting(waiting) => Some(waiting.until()),
            State::Dialling(dialling) => dialling.until(),
        };
        Some(state.map_or(end, |state| state.min(end)))
    }

    /// How the call ended, if it has.
    pub fn end(&self) -> Option<End> {
        match self.state {
            State::Over(end) => Some(end),
            State::Idle
            | State::Asking(_)
            | State::Waiting(_)
            | State::Streaming(_)
            | State::Dialling(_) => None,
        }
    }

    /// How far the call has come.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Who calls whom.
    pub fn parties(&self) -> &Parties {
        &self.parties
    }

    /// What happened since this was last asked, in order; 2,048 wait at most.
    pub fn take_notes(&mut self) -> Vec<(Duration, Note)> {
        std::mem::take(&mut self.notes)
    }

    fn on_tick(&mut self, now: Duration, steps: &mut Vec<Step>) {
        if now >= self.began + millis(self.settings.call_max_ms) {
            self.leave(now, steps);
            return self.finish(now, End::TooLong, steps);
        }
        match &self.state {
            State::Waiting(waiting) if waiting.until() <= now => self.on_waited(now, steps),
            State::Dialling(dialling) if dialling.until().is_some_and(|until| until <= now) => {
                self.on_dial_time(now, steps);
            }
            State::Idle
            | State::Asking(_)
            | State::Waiting(_)
            | State::Streaming(_)
            | State::Dialling(_)
            | State::Over(_) => {}
        }
    }

    fn on_caller_hung_up(&mut self, now: Duration, steps: &mut Vec<Step>) {
        let action = self
            .settings
            .action_after_hang_up
            .then(|| self.current_action());
        let stream = self.leave(now, steps);
        self.finish(now, End::CallerHungUp, steps);
        if let Some((verb, link, form)) = action.flatten() {
            self.tell_action(now, verb, &link, (form, stream), steps);
        }
    }

    fn on_update(&mut self, now: Duration, update: Update, steps: &mut Vec<Step>) {
        self.note(now, Note::Updated);
        let action = self
            .settings
            .action_of_replaced
            .then(|| self.current_action());
        let stream = self.leave(now, steps);
        if let Some((verb, link, form)) = action.flatten() {
            self.tell_action(now, verb, &link, (form, stream), steps);
        }
        match update {
            Update::Complete => self.finish(now, End::Completed, steps),
            Update::Url(link) => {
                self.base = None;
                self.ask(now, Why::Update, &link, Form::new(), steps);
            }
            Update::Twiml(text) => {
                self.base = None;
                self.documents += 1;
                self.take_document(now, now, Why::Update, &text, steps);
            }
        }
    }

    /// Stops what is going on, whatever it is. Returns the stream that was left.
    fn leave(&mut self, now: Duration, steps: &mut Vec<Step>) -> Option<String> {
        self.verbs.clear();
        let left = std::mem::replace(&mut self.state, State::Idle);
        match left {
            State::Idle | State::Asking(_) | State::Over(_) => None,
            State::Waiting(_) | State::Dialling(_) => {
                steps.push(Step::Hush);
                None
            }
            State::Streaming(streaming) => {
                let sid = streaming.stream_sid.clone();
                steps.push(Step::Close {
                    stream_sid: sid.clone(),
                });
                self.tell_stream_over(now, &streaming, StreamOver::ByCarrier, steps);
                Some(sid)
            }
        }
    }

    fn finish(&mut self, now: Duration, end: End, steps: &mut Vec<Step>) {
        self.status = match (end, self.answered_at) {
            (End::Rejected { busy: true }, _) => Status::Busy,
            (End::Rejected { busy: false }, _) => self.rejected_status(),
            (End::Error(_), None) => Status::Failed,
            (End::CallerHungUp, None) => Status::NoAnswer,
            (
                End::Hangup
                | End::NothingLeft
                | End::CallerHungUp
                | End::Completed
                | End::Error(_)
                | End::TooLong
                | End::StreamLost,
                _,
            ) => Status::Completed,
        };
        self.state = State::Over(end);
        self.note(now, Note::Ended(end));
        self.tell_call_over(now, steps);
        steps.push(Step::End(end));
    }

    fn note(&mut self, now: Duration, note: Note) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push((now, note));
        }
    }
}
