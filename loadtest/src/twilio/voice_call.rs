//! One whole call through a Voice URL, over real sockets.
//!
//! Owns the waiting: it takes the [`Interpreter`]'s steps one after the other and tells it what came of them. What a call does is
//! decided there; what its caller says is the [`Phone`]'s; a stream while it is open is in [`stream`], and callbacks go out in
//! [`courier`].

pub(super) mod courier;
mod stream;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet};

use self::courier::Courier;
pub use self::courier::Delivery;
use super::{
    account::Account,
    fault::{FetchFault, StreamFault},
    fetch::{Fetcher, Wanted},
    interpreter::{Ask, Event, Interpreter, Opening, Page, Step, Update},
    note::{End, Note, StreamOver},
    number::{Number, Parties},
    settings::{TwilioSettings, millis},
};
use crate::{
    carrier::{CallReport, Ended, Happening, Identity, Phone},
    net::Socket,
    peer::{Outbox, Peer as _},
};

/// Notes of one report.
const NOTES_MAX: usize = 4_096;
/// Status callbacks of a call that is over are waited for at most so long.
const DELIVERY_MAX: Duration = Duration::from_secs(20);

/// A call that comes in at a number.
#[derive(Clone, Debug)]
pub struct VoiceCall {
    /// Whose number it is.
    pub account: Arc<Account>,
    /// What the number's owner has filled in.
    pub number: Number,
    /// How the carrier behaves.
    pub settings: Arc<TwilioSettings>,
    /// Who calls whom; see [`Parties::draw`].
    pub parties: Parties,
    /// What chance is drawn from.
    pub seed: u64,
}

/// What a story of the call tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// By the carrier.
    Note(Note),
    /// On the line.
    Happening(Happening),
}

/// What is known of a call when it is over. Points in time are since the beginning of the run.
#[derive(Clone, Debug, Default)]
pub struct VoiceReport {
    /// What was said and heard, over all streams.
    pub call: CallReport,
    /// What happened to it, in order; at most 4,096.
    pub notes: Vec<(Duration, Note)>,
    /// Status callbacks, and actions of a call that was over.
    pub deliveries: Vec<Delivery>,
    /// How it ended.
    pub end: Option<End>,
    /// When it came in.
    pub began: Duration,
    /// When it was over.
    pub ended: Duration,
}

impl VoiceReport {
    /// How many documents came and were carried out.
    pub fn documents(&self) -> usize {
        let is = |(_, note): &&(Duration, Note)| matches!(note, Note::Document { .. });
        self.notes.iter().filter(is).count()
    }

    /// How many streams were open.
    pub fn streams(&self) -> usize {
        let is = |(_, note): &&(Duration, Note)| matches!(note, Note::Opened { .. });
        self.notes.iter().filter(is).count()
    }

    /// From the end of each stream to the opening of the next.
    pub fn between_streams(&self) -> Vec<Duration> {
        let mut over = None;
        let mut between = Vec::new();
        for (at, note) in &self.notes {
            match note {
                Note::StreamOver { .. } => over = Some(*at),
                Note::Opened { .. } => {
                    between.extend(over.take().map(|over| at.saturating_sub(over)));
                }
                Note::Asks { .. }
                | Note::Document { .. }
                | Note::Failed { .. }
                | Note::Warns { .. }
                | Note::Answered
                | Note::Begins { .. }
                | Note::Keys { .. }
                | Note::Opens { .. }
                | Note::NotOpened { .. }
                | Note::Dialled { .. }
                | Note::Updated
                | Note::Ended(_) => {}
            }
        }
        between
    }
}

impl VoiceCall {
    /// Lives the call with this phone, which has not been started, to its end and beyond: until what is told of it is delivered.
    /// `story` is told what happens, as it happens, by the time since the call came in.
    pub fn live(
        self,
        phone: Phone,
        story: impl FnMut(Duration, Told),
    ) -> Pin<Box<impl Future<Output = VoiceReport>>> {
        let updates = self.account.begin(&self.parties);
        // On the heap: hundreds of calls wait beside each other in futures of others.
        Box::pin(self.line(phone, updates, None, story).live())
    }

    /// As [`live`](Self::live), a call that the account has made itself, and that this phone has just picked up. `updates` is what
    /// REST wants of it.
    pub(super) fn picked_up(
        self,
        phone: Phone,
        updates: mpsc::Receiver<Update>,
        opening: Opening,
        story: impl FnMut(Duration, Told),
    ) -> Pin<Box<impl Future<Output = VoiceReport>>> {
        Box::pin(self.line(phone, updates, Some(opening), story).live())
    }

    fn line<F: FnMut(Duration, Told)>(
        self,
        phone: Phone,
        updates: mpsc::Receiver<Update>,
        opening: Option<Opening>,
        story: F,
    ) -> Line<F> {
        let clock = self.account.clock;
        let fetcher = Fetcher {
            token: self.account.token.clone(),
            tls: self.account.tls.clone(),
            request_max: millis(self.settings.request_max_ms),
            idempotency_on_first: self.settings.idempotency_on_first,
        };
        let interpreter = Interpreter::new(
            Arc::clone(&self.settings),
            self.number,
            self.parties,
            self.seed,
        );
        let began = clock.now();
        Line {
            courier: Courier::start(fetcher.clone(), clock),
            account: self.account,
            settings: self.settings,
            fetcher,
            interpreter,
            opening,
            phone,
            updates,
            asking: None,
            dialling: None,
            noticing: None,
            left: None,
            open: None,
            closing: JoinSet::new(),
            report: VoiceReport {
                began,
                ..VoiceReport::default()
            },
            story,
        }
    }
}

/// What is being waited for.
type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A call while it runs.
struct Line<F> {
    account: Arc<Account>,
    settings: Arc<TwilioSettings>,
    fetcher: Fetcher,
    interpreter: Interpreter,
    /// How it begins, where it does not come in.
    opening: Option<Opening>,
    phone: Phone,
    updates: mpsc::Receiver<Update>,
    courier: Courier,
    /// The document that is being fetched.
    asking: Option<Waiting<Result<Page, FetchFault>>>,
    /// The stream that is being opened.
    dialling: Option<(Identity, Waiting<Result<Socket, StreamFault>>)>,
    /// The stream that was lost, and when the carrier notices.
    noticing: Option<(Duration, StreamOver)>,
    /// The open stream, before it runs.
    open: Option<(Socket, Outbox)>,
    /// The open stream, after it was left.
    left: Option<Socket>,
    /// Streams that are being closed.
    closing: JoinSet<()>,
    report: VoiceReport,
    story: F,
}

/// What came first.
enum Input {
    Fetched(Result<Page, FetchFault>),
    Dialled(Result<Socket, StreamFault>),
    Update(Update),
    Time,
}

impl<F: FnMut(Duration, Told)> Line<F> {
    async fn live(mut self) -> VoiceReport {
        let clock = self.account.clock;
        let mut steps = Vec::new();
        match self.opening.take() {
            None => self.interpreter.start(clock.now(), &mut steps),
            Some(opening) => self.interpreter.pick_up(clock.now(), opening, &mut steps),
        }
        loop {
            for step in steps.drain(..) {
                self.take(step).await;
            }
            self.tell();
            if self.interpreter.end().is_some() {
                break;
            }
            let event = match self.open.take() {
                Some((socket, out)) => self.stream(socket, out).await,
                None => match self.next_input().await {
                    Input::Fetched(page) => {
                        self.asking = None;
                        Some(Event::Fetched(page))
                    }
                    Input::Dialled(dialled) => Some(self.on_dialled(dialled)),
                    Input::Update(update) => Some(Event::Update(update)),
                    Input::Time => self.on_time(),
                },
            };
            if let Some(event) = event {
                self.interpreter.on(clock.now(), event, &mut steps);
            }
        }
        self.finish().await
    }

    /// Does what the interpreter says.
    async fn take(&mut self, step: Step) {
        let now = self.account.clock.now();
        match step {
            Step::Ask(ask) => self.asking = Some(Box::pin(fetch(self.fetcher.clone(), ask))),
            Step::Tell(tell) => self.courier.send(tell),
            Step::Answer => self.phone.answer(now),
            Step::Sound(length) => self.phone.hear(now, length),
            Step::Hush => self.phone.hush(now),
            Step::Open(open) => self.dial(open),
            Step::Close { .. } => {
                self.dialling = None;
                self.close().await;
            }
            Step::End(end) => {
                self.asking = None;
                let code = (!end.is_lost()).then_some(1000);
                self.phone.hang_up(now, Ended::ServerClosed { code });
            }
        }
    }

    async fn next_input(&mut self) -> Input {
        let clock = self.account.clock;
        let noticed = self.noticing.map(|(at, _)| at);
        let deadlines = [self.interpreter.deadline(), self.phone.deadline(), noticed];
        let first = deadlines.into_iter().flatten().min();
        let until = first.unwrap_or_else(|| clock.now() + Duration::from_secs(1));
        let dialling = self.dialling.as_mut().map(|(_, dialling)| dialling);
        tokio::select! {
            fetched = ready(self.asking.as_mut()) => Input::Fetched(fetched),
            dialled = ready(dialling) => Input::Dialled(dialled),
            Some(update) = self.updates.recv() => Input::Update(update),
            () = clock.wait_until(until) => Input::Time,
        }
    }

    fn on_dialled(&mut self, dialled: Result<Socket, StreamFault>) -> Event {
        let now = self.account.clock.now();
        match (dialled, self.dialling.take()) {
            (Ok(socket), Some((identity, _))) => {
                let mut out = Outbox::new();
                self.phone.connect(now, identity, &mut out);
                self.open = Some((socket, out));
                Event::Opened
            }
            (Ok(_), None) => Event::NotOpened(StreamFault::Refused),
            (Err(fault), _) => Event::NotOpened(fault),
        }
    }

    /// Time has passed: for the caller, for a lost stream, for the interpreter.
    fn on_time(&mut self) -> Option<Event> {
        let now = self.account.clock.now();
        self.phone.tick(now, &mut Outbox::new());
        if self.phone.is_over() {
            return Some(Event::CallerHungUp);
        }
        if let Some((at, over)) = self.noticing
            && at <= now
        {
            self.noticing = None;
            return Some(Event::StreamOver(over));
        }
        let due = self.interpreter.deadline().is_some_and(|at| at <= now);
        due.then_some(Event::Tick)
    }

    /// Tells the story so far, and the account.
    fn tell(&mut self) {
        let began = self.report.began;
        let mut told: Vec<_> = Vec::new();
        for (at, note) in self.interpreter.take_notes() {
            if self.report.notes.len() < NOTES_MAX {
                self.report.notes.push((at, note.clone()));
            }
            told.push((at, Told::Note(note)));
        }
        for (at, happening) in self.phone.take_happenings() {
            told.push((at, Told::Happening(happening)));
        }
        told.sort_by_key(|(at, _)| *at);
        for (at, told) in told {
            (self.story)(at.saturating_sub(began), told);
        }
        let sid = &self.interpreter.parties().call_sid;
        self.account.note(sid, self.interpreter.status());
    }

    async fn finish(mut self) -> VoiceReport {
        self.close().await;
        self.tell();
        let clock = self.account.clock;
        let mut report = self.report;
        (report.end, report.ended) = (self.interpreter.end(), clock.now());
        let sid = self.interpreter.parties().call_sid.clone();
        report.call = self.phone.into_report();
        report.call.call_sid = sid;
        report.deliveries = self.courier.finish(DELIVERY_MAX).await;
        // Streams that were left close in their own time, which is bounded.
        while self.closing.join_next().await.is_some() {}
        report
    }
}

async fn fetch(fetcher: Fetcher, ask: Ask) -> Result<Page, FetchFault> {
    let wanted = Wanted {
        address: &ask.address,
        method: ask.method,
        form: &ask.form,
        idempotency: &ask.idempotency,
    };
    fetcher.fetch(wanted).await.into_page()
}

/// Waits for what may not be there; what came is not waited for again by its owner.
async fn ready<T>(waiting: Option<&mut Waiting<T>>) -> T {
    match waiting {
        Some(waiting) => waiting.await,
        None => std::future::pending().await,
    }
}
