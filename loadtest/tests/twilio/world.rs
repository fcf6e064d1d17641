//! The interpreter in virtual time: documents and streams by a script, and what it does as lines.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use loadtest::twilio::{
    address::Address,
    fault::{FetchFault, StreamFault},
    interpreter::{Ask, Event, Interpreter, Page, Step},
    note::{End, Note, StreamOver, Why},
    number::{Number, Parties},
    settings::TwilioSettings,
    twiml::Link,
};

/// Steps of one call; one that takes more runs for ever.
const STEPS_MAX: usize = 5_000;

/// What becomes of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    NotOpened(StreamFault),
    Over(StreamOver),
    HungUp,
}

/// Plays one call.
pub(crate) struct World {
    interpreter: Interpreter,
    pages: BTreeMap<String, VecDeque<Result<Page, FetchFault>>>,
    fates: VecDeque<Fate>,
    /// When the caller hangs up.
    pub(crate) hangs_up_at: Option<Duration>,
    now: Duration,
    pub(crate) lines: Vec<String>,
}

pub(crate) fn settings() -> TwilioSettings {
    TwilioSettings {
        say_ms_per_character: 100,
        ..TwilioSettings::default()
    }
}

impl World {
    pub(crate) fn new(settings: TwilioSettings) -> Self {
        let link = |path: &str| Link {
            url: format!("https://voice.test{path}"),
            ..Link::default()
        };
        let number = Number {
            voice: link("/answer#ct=1000"),
            fallback: Some(link("/fallback")),
            status: Some(link("/status")),
        };
        let mut rng = fastrand::Rng::with_seed(1);
        let parties = Parties::draw("AC1", "+14155550199", "+14155550100", &mut rng);
        Self {
            interpreter: Interpreter::new(Arc::new(settings), number, parties, 5),
            pages: BTreeMap::new(),
            fates: VecDeque::new(),
            hangs_up_at: None,
            now: Duration::ZERO,
            lines: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, path: &str, verbs: &str) -> Self {
        let address = Address::parse(&format!("https://voice.test{path}")).unwrap();
        let page = Page {
            address,
            content_type: "text/xml; charset=utf-8".into(),
            body: format!("<Response>{verbs}</Response>"),
        };
        self.pages
            .entry(path.into())
            .or_default()
            .push_back(Ok(page));
        self
    }

    pub(crate) fn raw(mut self, path: &str, content_type: &str, body: &str) -> Self {
        self = self.with(path, "");
        if let Some(Ok(page)) = self.pages.get_mut(path).unwrap().back_mut() {
            (page.content_type, page.body) = (content_type.into(), body.into());
        }
        self
    }

    pub(crate) fn failing(mut self, path: &str, fault: FetchFault) -> Self {
        self.pages
            .entry(path.into())
            .or_default()
            .push_back(Err(fault));
        self
    }

    pub(crate) fn fates(mut self, fates: &[Fate]) -> Self {
        self.fates.extend(fates);
        self
    }

    /// Plays to the end and tells what was done.
    pub(crate) fn play(mut self) -> Vec<String> {
        self.run();
        self.lines
    }

    /// As [`play`](Self::play), with what was told of the call in place of what was done.
    pub(crate) fn notes(mut self) -> Vec<Note> {
        self.run();
        let notes = self.interpreter.take_notes();
        notes.into_iter().map(|(_, note)| note).collect()
    }

    pub(crate) fn run(&mut self) -> Option<End> {
        let mut steps = Vec::new();
        self.interpreter.start(self.now, &mut steps);
        for _ in 0..STEPS_MAX {
            let event = self.next_event(&mut steps);
            if self.interpreter.end().is_some() {
                let rest = self.next_event(&mut steps);
                assert!(rest.is_none() || steps.is_empty());
                return self.interpreter.end();
            }
            let Some(event) = event else {
                panic!("nothing is waited for: {:#?}", self.lines);
            };
            self.interpreter.on(self.now, event, &mut steps);
        }
        panic!("a call that never ends: {:#?}", self.lines.last());
    }

    /// Something happens that the script does not foresee.
    pub(crate) fn tell(&mut self, event: Event) {
        let mut steps = Vec::new();
        self.interpreter.on(self.now, event, &mut steps);
        self.next_event(&mut steps);
    }

    /// Takes all steps and says what happens next.
    fn next_event(&mut self, steps: &mut Vec<Step>) -> Option<Event> {
        let mut next = Vec::new();
        for step in steps.drain(..) {
            match step {
                Step::Ask(ask) => {
                    self.lines.push(asked(&ask));
                    next = vec![Event::Fetched(self.page(&ask))];
                }
                Step::Tell(tell) => {
                    let get = |name| tell.form.get(name).unwrap_or_default();
                    let words = [get("StreamEvent"), get("StreamError"), get("CallStatus")];
                    let words = words.join(" ");
                    let words = words.trim();
                    self.lines
                        .push(format!("tell {} {words}", tell.address.path));
                }
                Step::Answer => self.lines.push("answer".into()),
                Step::Sound(length) => self.lines.push(format!("sound {} ms", length.as_millis())),
                Step::Hush => self.lines.push("hush".into()),
                Step::Open(open) => {
                    self.lines.push(format!("open {}", open.address.url()));
                    next = match self.fates.pop_front() {
                        None => vec![
                            Event::Opened,
                            Event::StreamOver(StreamOver::Closed(Some(1000))),
                        ],
                        Some(Fate::NotOpened(fault)) => vec![Event::NotOpened(fault)],
                        Some(Fate::Over(over)) => vec![Event::Opened, Event::StreamOver(over)],
                        Some(Fate::HungUp) => vec![Event::Opened, Event::CallerHungUp],
                    };
                }
                Step::Close { .. } => self.lines.push("close".into()),
                Step::End(end) => self.lines.push(format!("end {end:?}")),
            }
        }
        self.now += Duration::from_millis(10);
        if let [Event::Opened, over] = next.as_slice() {
            let over = over.clone();
            self.interpreter.on(self.now, Event::Opened, steps);
            self.next_event_of_opened(steps);
            return Some(over);
        }
        if let Some(event) = next.pop() {
            return Some(event);
        }
        let deadline = self.interpreter.deadline()?;
        if let Some(hangs_up_at) = self.hangs_up_at.filter(|at| *at <= deadline) {
            self.now = self.now.max(hangs_up_at);
            return Some(Event::CallerHungUp);
        }
        self.now = self.now.max(deadline);
        Some(Event::Tick)
    }

    /// What an open stream brings: it is told, no more.
    fn next_event_of_opened(&mut self, steps: &mut Vec<Step>) {
        for step in steps.drain(..) {
            let Step::Tell(tell) = step else {
                panic!("{step:?}");
            };
            let event = tell.form.get("StreamEvent").unwrap();
            self.lines
                .push(format!("tell {} {event}", tell.address.path));
        }
    }

    fn page(&mut self, ask: &Ask) -> Result<Page, FetchFault> {
        let path = ask.address.path.split('?').next().unwrap_or_default();
        let pages = self.pages.get_mut(path);
        let page = pages.and_then(|pages| match pages.len() {
            0 | 1 => pages.front().cloned(),
            _ => pages.pop_front(),
        });
        page.unwrap_or(Err(FetchFault::Status(404)))
    }
}

/// A question, with what only some questions say.
fn asked(ask: &Ask) -> String {
    let mut line = format!("ask {}", ask.address.path);
    for name in ["ErrorCode", "DialCallStatus", "Digits", "StreamSid"] {
        if let Some(value) = ask.form.get(name) {
            let value = if name == "StreamSid" { "MZ…" } else { value };
            line = format!("{line} {name}={value}");
        }
    }
    if ask.why == Why::Whisper {
        line.push_str(" (whisper)");
    }
    line
}
