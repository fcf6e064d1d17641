//! One life of a few promises: events in virtual time between the ledger, what keeps them, the carrier and the callers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use fastrand::Rng;
use ringback::core::callback::CallbackLedger;
use ringback::core::callback::effect::{
    Answer, Effect, Effects, RingRequest, TextRequest, Told, Write, WriteId,
};
use ringback::core::callback::input::{
    InboundText, Input, Models, RingStatus, Stored, TextStatus, Wanted,
};
use ringback::core::callback::intent::Intent;
use ringback::core::callback::number::{Language, Number};
use ringback::core::callback::promise::{Consent, Promise, SendId, Source};
use ringback::core::callback::settings::Settings;
use ringback::core::ids::{CallId, CallSid, MessageSid, PromiseId};
use ringback::core::time::{Instant, Utc};

use crate::books::Books;
use crate::carrier::{Carrier, millis};
use crate::keeper::Keeper;
use crate::line::{LAST_WORDS_MAX_MILLIS, Lines};
use crate::phones::Phone;
use crate::weather::settings;

/// When the world begins: a Sunday, for once.
pub(crate) const BEGIN_MILLIS: u64 = 1_900_000_000_000;

/// When nothing goes wrong any more.
pub(crate) const CALM_FROM: Duration = Duration::from_hours(60);

/// When every promise must have ended: the latest call, the time it asked for, and what is open behind that.
const UNTIL: Duration = Duration::from_hours(240);

#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Something that the process asked for comes back, if it still lives.
    Told(u32, Input),
    Store(u32, WriteId, Write),
    TakeText(u32, TextRequest, bool),
    TakeRing(u32, RingRequest, bool),
    /// Something that the carrier tells whoever answers.
    Hook(Input),
    Inbound(Box<InboundText>),
    MessageStep(MessageSid, TextStatus),
    RingStep(CallSid, RingStatus),
    Wants(usize),
    Weather(Weather),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Weather {
    Models(bool),
    CarrierOut(bool),
    StoreSlow(bool),
    StoreOut(bool),
    Step(i64),
    Crash,
    Restart,
    Forget,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a weather of its own"
)]
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: Duration,
    /// By how much the process's clock is wrong, in milliseconds.
    pub(crate) clock_error: i64,
    pub(crate) born: Duration,
    pub(crate) epoch: u32,
    pub(crate) is_down: bool,
    pub(crate) ledger: CallbackLedger,
    pub(crate) settings: Settings,
    events: BTreeMap<(Duration, u64), Event>,
    pub(crate) number: u64,
    pub(crate) keeper: Keeper,
    pub(crate) keeper_free_at: Duration,
    pub(crate) store_is_slow: bool,
    pub(crate) store_is_out: bool,
    pub(crate) carrier: Carrier,
    pub(crate) phones: Vec<Phone>,
    pub(crate) models: Models,
    pub(crate) is_calm: bool,
    /// How many of a hundred status callbacks are lost.
    pub(crate) lossy: u8,
    pub(crate) unanswered: BTreeMap<MessageSid, InboundText>,
    pub(crate) callers: BTreeMap<CallId, Number>,
    pub(crate) books: Books,
    pub(crate) lines: Lines,
    pub(crate) trace: String,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let is_calm = seed.is_multiple_of(4);
        let settings = settings(&mut rng, is_calm);
        let phones = (0..rng.u64(1..=4)).map(|n| {
            let number = Number::parse(&format!("+1555{}01000{n}", rng.u8(1..=2) * 100)).unwrap();
            Phone::draw(&mut rng, number)
        });
        let phones = phones.collect();
        let mut world = Self {
            rng,
            now: Duration::ZERO,
            clock_error: 0,
            born: Duration::ZERO,
            epoch: 0,
            is_down: false,
            ledger: CallbackLedger::new(settings.clone()),
            settings,
            events: BTreeMap::new(),
            number: 0,
            keeper: Keeper::default(),
            keeper_free_at: Duration::ZERO,
            store_is_slow: false,
            store_is_out: false,
            carrier: Carrier::default(),
            phones,
            models: Models::Out,
            is_calm,
            lossy: 0,
            unanswered: BTreeMap::new(),
            callers: BTreeMap::new(),
            books: Books::default(),
            lines: Lines::default(),
            trace: String::new(),
        };
        world.plan();
        world
    }

    pub(crate) fn run(&mut self) {
        self.tell(Input::Ready);
        self.tell(Input::Models(self.models));
        while self.now < UNTIL {
            let next = self.events.first_key_value().map(|((at, _), _)| *at);
            let wanted = self.ledger.deadline().filter(|_| !self.is_down);
            let wanted = wanted.map(|at| self.born + at.since_start());
            let due = [next, wanted].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due < UNTIL) else {
                break;
            };
            self.now = self.now.max(due);
            if next.is_some_and(|next| next <= self.now) {
                let (_, event) = self.events.pop_first().unwrap();
                self.happen(event);
            } else {
                self.tell(Input::Tick);
            }
            self.books.every_wish_is_answered_in_time(self.now);
        }
        self.now = UNTIL;
        let open = self.ledger.open();
        self.books.at_the_end(&self.keeper, open, self.is_calm);
    }

    pub(crate) fn utc(&self) -> Utc {
        let true_utc = i64::try_from(self.true_utc().millis()).unwrap();
        Utc::from_millis(u64::try_from(true_utc + self.clock_error).unwrap())
    }

    pub(crate) fn true_utc(&self) -> Utc {
        let millis = u64::try_from(self.now.as_millis()).unwrap();
        Utc::from_millis(BEGIN_MILLIS + millis)
    }

    pub(crate) fn after(&mut self, by: Duration, event: Event) {
        self.number += 1;
        self.events.insert((self.now + by, self.number), event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Told(epoch, input) => {
                if epoch == self.epoch && !self.is_down {
                    self.tell(input);
                }
            }
            Event::Store(epoch, write, what) => self.store(epoch, write, &what),
            Event::TakeText(epoch, text, answers) => self.take_text(epoch, &text, answers),
            Event::TakeRing(epoch, ring, answers) => self.take_ring(epoch, &ring, answers),
            Event::Hook(input) => {
                // Nobody is there: the carrier does not tell it again.
                if !self.is_down {
                    self.books.is_told(&input);
                    self.tell(input);
                }
            }
            Event::Inbound(text) => self.inbound(*text),
            Event::MessageStep(sid, status) => self.message_step(sid, status),
            Event::RingStep(sid, status) => self.ring_step(sid, status),
            Event::Wants(phone) => self.wants(phone),
            Event::Weather(weather) => self.weather(weather),
        }
    }

    pub(crate) fn wants(&mut self, phone: usize) {
        if self.is_down {
            return;
        }
        let utc = self.utc();
        let phone = &self.phones[phone];
        let call = CallId::from_bits(self.rng.u128(..));
        let caller = match phone.source {
            Source::KeyedIn => None,
            Source::CallerId | Source::Doubted => Some(phone.number),
        };
        let wanted = Wanted {
            promise: PromiseId::from_bits(self.rng.u128(..)),
            call,
            to: phone.number,
            caller,
            called: Number::parse("+15550100100").unwrap(),
            language: Language::parse("en-US").unwrap(),
            source: phone.source,
            consent: Consent::Given,
            takes_texts: !phone.is_landline || self.rng.bool(),
            hours: phone.hours(utc),
        };
        self.callers.insert(call, phone.number);
        self.books.calls_again(wanted.to);
        self.books.wishes(self.now, call);
        let lasts = millis(&mut self.rng, 1_000, LAST_WORDS_MAX_MILLIS);
        self.lines.call(self.now, wanted.to, lasts);
        self.tell(Input::Wanted(Box::new(wanted)));
    }

    /// A text leaves a phone.
    pub(crate) fn writes(&mut self, after: Duration, from: Number, intent: Intent<Utc>) {
        self.number += 1;
        let sid = MessageSid::parse(&format!("SM{:032x}", 0xabcd_0000_0000 + self.number)).unwrap();
        let text = InboundText {
            message: sid,
            from,
            intent,
            promise: PromiseId::from_bits(self.rng.u128(..)),
            hours: ringback::core::callback::hours::AllowedHours::default(),
        };
        // A START is told once: of two, the second could come behind a STOP that it does not answer.
        if intent != Intent::Start && self.rng.u8(..5) == 0 {
            let again = after + millis(&mut self.rng, 0, 3_600_000);
            self.after(again, Event::Inbound(Box::new(text.clone())));
        }
        self.after(after, Event::Inbound(Box::new(text)));
    }

    fn inbound(&mut self, mut text: InboundText) {
        if self.is_down {
            if text.intent != Intent::Start {
                self.after(Duration::from_secs(10), Event::Inbound(Box::new(text)));
            }
            return;
        }
        let phone = self
            .phones
            .iter()
            .find(|phone| phone.number == text.from)
            .unwrap();
        text.hours = phone.hours(self.utc());
        text.promise = PromiseId::from_bits(self.rng.u128(..));
        if text.intent == Intent::Stop && self.rng.u8(..3) == 0 {
            self.books.carrier_stops(text.from);
        }
        self.books.hears(&text);
        self.lines.hear(self.now, &text);
        self.unanswered.insert(text.message, text.clone());
        self.tell(Input::Text(Box::new(text)));
    }

    /// Tells the ledger something, and does what it wants.
    pub(crate) fn tell(&mut self, input: Input) {
        let now = Instant::from_start(self.now.saturating_sub(self.born));
        let mut effects = Effects::new();
        if !matches!(input, Input::Tick) {
            writeln!(self.trace, "{:>12.3?}  {}", self.now, brief(&input)).unwrap();
        }
        self.ledger.handle(now, self.utc(), input, &mut effects);
        let effects: Vec<_> = effects.drain().collect();
        for effect in effects {
            writeln!(self.trace, "                  -> {}", brief(&effect)).unwrap();
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        let epoch = self.epoch;
        match effect {
            Effect::Write(write, what) => self.write(write, what),
            Effect::Text(text) => self.text(text),
            Effect::Ring(ring) => self.ring(ring),
            Effect::LookUpText { send, to } => {
                let found = self.carrier.find_text(&mut self.rng, self.now, send, to);
                let after = millis(&mut self.rng, 50, 500);
                self.after(after, Event::Told(epoch, Input::TextLookedUp(send, found)));
            }
            Effect::LookUpRing {
                send,
                to,
                call,
                since,
            } => {
                let since = Duration::from_millis(since.millis().saturating_sub(BEGIN_MILLIS));
                let found = self
                    .carrier
                    .find_ring(&mut self.rng, self.now, to, since, call);
                let after = millis(&mut self.rng, 50, 500);
                self.after(after, Event::Told(epoch, Input::RingLookedUp(send, found)));
            }
            Effect::CancelRing(sid) => self.after(
                Duration::from_millis(200),
                Event::RingStep(sid, RingStatus::Completed),
            ),
            Effect::Tell(call, told) => {
                let number = self.callers[&call];
                self.books.tells(self.now, call, told, number, &self.keeper);
                self.books.count(&format!("told {}", variant(&told)));
                if matches!(told, Told::Promised { .. }) {
                    writeln!(self.trace, "                  (told)").unwrap();
                }
            }
            Effect::Answer(message, answer) => self.answer(message, answer),
            Effect::CheckTime => {
                let after = millis(&mut self.rng, 20, 300);
                if !self.carrier.is_out {
                    let theirs = Input::Checked(self.true_utc());
                    self.after(after, Event::Told(epoch, theirs));
                }
            }
            Effect::Observe(seen) => self.books.sees(&seen),
        }
    }

    fn answer(&mut self, message: MessageSid, answer: Answer) {
        self.books.count(&format!("answer {}", variant(&answer)));
        let Some(text) = self.unanswered.remove(&message) else {
            // Whoever asks again gets this, whatever has happened since.
            self.books.has_reply(message, answer);
            return;
        };
        if answer == Answer::Again && text.intent != Intent::Start {
            let again = millis(&mut self.rng, 1_000, 20_000);
            self.after(again, Event::Inbound(Box::new(text)));
        } else {
            self.books.answers(&text, answer, &self.keeper);
        }
    }

    fn store(&mut self, epoch: u32, write: WriteId, what: &Write) {
        if epoch != self.epoch || self.is_down {
            return;
        }
        let given_up =
            self.store_is_slow && matches!(what, Write::Promise(..)) && self.rng.u8(..4) == 0;
        let stored = if self.store_is_out || given_up {
            Stored::Failed
        } else {
            let stored = self.keeper.apply(what);
            self.books.is_kept(what, stored);
            stored
        };
        let is_lost = !self.is_calm && self.rng.u8(..200) == 0;
        let stored = if is_lost { Stored::Failed } else { stored };
        let after = millis(&mut self.rng, 0, 5);
        self.after(after, Event::Told(epoch, Input::Stored(write, stored)));
    }

    pub(crate) fn check_text(&mut self, text: &TextRequest) {
        let promise = self.kept_flight(text.send, text.to);
        let true_utc = self.true_utc();
        self.books
            .text_is_requested(self.now, text, promise.as_ref(), &self.keeper);
        self.books.clock_is_sane(self.clock_error);
        if let Some(promise) = promise {
            self.books
                .is_at_a_fit_time(&promise, true_utc, self.settings.text_within);
        }
    }

    pub(crate) fn check_ring(&mut self, ring: &RingRequest) {
        let promise = self.kept_flight(ring.send, ring.to);
        let true_utc = self.true_utc();
        self.books
            .ring_is_requested(ring, promise.as_ref(), &self.keeper);
        self.books.clock_is_sane(self.clock_error);
        self.books.models_are_back(self.models);
        let ring_after = self.settings.ring_after;
        if let Some(what) = self.lines.complaint(self.now, ring.to, ring_after) {
            self.books
                .find("nobody is rung while on the line", what.to_owned());
        }
        if let Some(promise) = promise {
            self.books
                .is_at_a_fit_time(&promise, true_utc, Duration::ZERO);
        }
    }

    fn kept_flight(&self, send: SendId, to: Number) -> Option<Promise> {
        let promise = self.keeper.open_of(to)?;
        (promise.flight() == Some(send)).then(|| promise.clone())
    }
}

/// The names of what a value is, without what it holds.
pub(crate) fn variant(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.chars()
        .take_while(|c| c.is_alphanumeric() || "(".contains(*c))
        .collect()
}

fn brief(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").chars().take(400).collect()
}

/// Numbers that were used, to see whether any is printed.
pub(crate) fn digits(world: &World) -> BTreeSet<String> {
    world
        .phones
        .iter()
        .map(|phone| phone.number.dialled())
        .collect()
}
