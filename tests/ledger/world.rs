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
    InboundText, Input, Models, RingOutcome, RingStatus, Stored, TextOutcome, TextStatus, Wanted,
};
use ringback::core::callback::intent::Intent;
use ringback::core::callback::number::{Language, Number};
use ringback::core::callback::promise::{Consent, Promise, SendId, Source};
use ringback::core::callback::settings::{CapSettings, Settings};
use ringback::core::ids::{CallId, CallSid, MessageSid, PromiseId};
use ringback::core::time::{Instant, Utc};

use crate::books::Books;
use crate::carrier::{Carrier, Fate, TIMEOUT, millis};
use crate::keeper::Keeper;
use crate::phones::{HOUR, Phone, PicksUp, intent};

/// When the world begins: a Sunday, for once.
const BEGIN_MILLIS: u64 = 1_900_000_000_000;

/// When nothing goes wrong any more.
const CALM_FROM: Duration = Duration::from_hours(60);

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

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: Duration,
    /// By how much the process's clock is wrong, in milliseconds.
    pub(crate) clock_error: i64,
    born: Duration,
    epoch: u32,
    is_down: bool,
    pub(crate) ledger: CallbackLedger,
    pub(crate) settings: Settings,
    events: BTreeMap<(Duration, u64), Event>,
    number: u64,
    pub(crate) keeper: Keeper,
    keeper_free_at: Duration,
    store_is_slow: bool,
    store_is_out: bool,
    pub(crate) carrier: Carrier,
    pub(crate) phones: Vec<Phone>,
    pub(crate) models: Models,
    pub(crate) is_calm: bool,
    unanswered: BTreeMap<MessageSid, InboundText>,
    pub(crate) callers: BTreeMap<CallId, Number>,
    pub(crate) books: Books,
    pub(crate) trace: String,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let is_calm = seed % 4 == 0;
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
            unanswered: BTreeMap::new(),
            callers: BTreeMap::new(),
            books: Books::default(),
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

    /// What is to come.
    fn plan(&mut self) {
        for phone in 0..self.phones.len() {
            for _ in 0..self.rng.u8(1..=3) {
                let at = millis(&mut self.rng, 5_000, 48 * 3_600_000);
                self.after(at, Event::Wants(phone));
            }
        }
        self.after(CALM_FROM, Event::Weather(Weather::Models(true)));
        if self.is_calm {
            let at = millis(&mut self.rng, 0, 10 * 3_600_000);
            self.after(at, Event::Weather(Weather::Models(true)));
            return;
        }
        for _ in 0..self.rng.u8(1..6) {
            let at = millis(&mut self.rng, 0, 50 * 3_600_000);
            let is_back = self.rng.bool();
            self.after(at, Event::Weather(Weather::Models(is_back)));
        }
        self.carrier.trouble = [0, 100, 400, 800][self.rng.usize(..4)];
        self.carrier.deaf = [0, 100, 500, 950][self.rng.usize(..4)];
        for _ in 0..self.rng.u8(..12) {
            let at = millis(&mut self.rng, 0, 55 * 3_600_000);
            let lasts = millis(&mut self.rng, 1_000, 3 * 3_600_000);
            let (begin, end) = match self.rng.u8(..7) {
                0 => (Weather::CarrierOut(true), Weather::CarrierOut(false)),
                1 => (Weather::StoreSlow(true), Weather::StoreSlow(false)),
                2 => (Weather::StoreOut(true), Weather::StoreOut(false)),
                3 => {
                    let by =
                        self.rng.i64(5_500..20 * 3_600_000) * if self.rng.bool() { 1 } else { -1 };
                    (Weather::Step(by), Weather::Step(-by))
                }
                4 if self.rng.u8(..4) == 0 => (Weather::Forget, Weather::Forget),
                _ => (Weather::Crash, Weather::Crash),
            };
            self.after(at, Event::Weather(begin));
            self.after(at + lasts, Event::Weather(end));
        }
        // Somebody writes of his own accord.
        for _ in 0..self.rng.u8(..4) {
            let at = millis(&mut self.rng, 0, 70 * 3_600_000);
            let phone = self.rng.usize(..self.phones.len());
            let intent = intent(&mut self.rng, Utc::from_millis(BEGIN_MILLIS));
            let wish = match intent {
                Intent::At(_) => Intent::Call,
                other => other,
            };
            self.writes(at, self.phones[phone].number, wish);
        }
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

    fn weather(&mut self, weather: Weather) {
        writeln!(self.trace, "{:>12.3?}  {weather:?}", self.now).unwrap();
        self.books.count(&format!("weather {weather:?}"));
        match weather {
            Weather::Models(is_back) => {
                self.models = if is_back {
                    Models::Back {
                        ring_every: Duration::from_secs(2),
                        ringing_max: 2,
                    }
                } else {
                    Models::Out
                };
                if !self.is_down {
                    self.tell(Input::Models(self.models));
                }
            }
            Weather::CarrierOut(is_out) => self.carrier.is_out = is_out,
            Weather::StoreSlow(is_slow) => self.store_is_slow = is_slow,
            Weather::StoreOut(is_out) => self.store_is_out = is_out,
            Weather::Step(by) => self.clock_error += by,
            Weather::Crash if !self.is_down => {
                self.is_down = true;
                self.epoch += 1;
                self.books.crash();
                for text in std::mem::take(&mut self.unanswered).into_values() {
                    let again = millis(&mut self.rng, 1_000, 20_000);
                    self.after(again, Event::Inbound(Box::new(text)));
                }
                let until = if self.rng.u8(..4) == 0 {
                    7_200_000
                } else {
                    60_000
                };
                let until = millis(&mut self.rng, 500, until);
                self.after(until, Event::Weather(Weather::Restart));
            }
            Weather::Crash => {}
            Weather::Restart => self.restart(),
            Weather::Forget => {
                let phone = self.rng.usize(..self.phones.len());
                let number = self.phones[phone].number;
                self.books.forgets(number);
                if !self.is_down {
                    self.tell(Input::Forget(number));
                }
            }
        }
    }

    fn restart(&mut self) {
        self.is_down = false;
        self.born = self.now;
        self.keeper_free_at = self.now;
        self.ledger = CallbackLedger::new(self.settings.clone());
        let kept: Vec<_> = self.keeper.promises.values().cloned().collect();
        for (promise, revision) in kept {
            self.tell(Input::Restored(Box::new(promise), revision));
        }
        self.tell(Input::Ready);
        self.tell(Input::Models(self.models));
    }

    fn wants(&mut self, phone: usize) {
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
        self.tell(Input::Wanted(Box::new(wanted)));
    }

    /// A text leaves a phone.
    fn writes(&mut self, after: Duration, from: Number, intent: Intent<Utc>) {
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
        self.unanswered.insert(text.message, text.clone());
        self.tell(Input::Text(Box::new(text)));
    }

    fn message_step(&mut self, sid: MessageSid, status: TextStatus) {
        let Some(message) = self
            .carrier
            .messages
            .iter_mut()
            .find(|message| message.sid == sid)
        else {
            return;
        };
        message.status = status;
        let (send, to) = (message.send, message.to);
        self.hook(Input::TextStatus(send, sid, status));
        let utc = self.true_utc();
        let phone = self.phones.iter().find(|phone| phone.number == to).unwrap();
        if status == TextStatus::Delivered
            && let Some((after, intent)) = phone.answer(&mut self.rng, utc)
        {
            self.writes(after, to, intent);
        }
    }

    /// A status callback: late, twice, or never.
    fn hook(&mut self, input: Input) {
        if !self.is_calm && self.rng.u8(..10) == 0 {
            return;
        }
        let late = if self.rng.u8(..20) == 0 {
            3_600_000
        } else {
            2_000
        };
        for _ in 0..=u8::from(self.rng.u8(..8) == 0) {
            let after = millis(&mut self.rng, 0, late);
            self.after(after, Event::Hook(input.clone()));
        }
    }

    fn ring_step(&mut self, sid: CallSid, status: RingStatus) {
        let Some(ring) = self.carrier.rings.iter_mut().find(|ring| ring.sid == sid) else {
            return;
        };
        if ring.is_over {
            return;
        }
        ring.is_over = matches!(status, RingStatus::Nobody | RingStatus::Completed);
        if status != RingStatus::Completed {
            ring.status = status;
        }
        let (send, to) = (ring.send, ring.to);
        match status {
            RingStatus::Person | RingStatus::Machine => {
                let talks = millis(&mut self.rng, 3_000, 300_000);
                self.after(talks, Event::RingStep(sid, RingStatus::Completed));
                // The document that a person is answered with is asked of us at once, or the call is lost in its turn.
                if self.is_down {
                    return;
                }
                let input = Input::RingStatus(send, sid, status);
                self.books.is_told(&input);
                self.tell(input);
                if status == RingStatus::Person && !self.is_calm && self.rng.u8(..10) == 0 {
                    let phone = self
                        .phones
                        .iter()
                        .position(|phone| phone.number == to)
                        .unwrap();
                    self.after(talks / 2, Event::Wants(phone));
                }
            }
            RingStatus::Ringing | RingStatus::Nobody | RingStatus::Completed => {
                self.hook(Input::RingStatus(send, sid, status));
            }
        }
    }

    /// Tells the ledger something, and does what it wants.
    pub(crate) fn tell(&mut self, input: Input) {
        let now = Instant::from_start(self.now - self.born);
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
            Effect::Write(write, what) => {
                let wait = match (self.store_is_slow, self.rng.u8(..20)) {
                    (true, 0..10) => millis(&mut self.rng, 200, 2_000),
                    (_, 0) => millis(&mut self.rng, 20, 400),
                    _ => millis(&mut self.rng, 1, 15),
                };
                let begun = self.keeper_free_at.max(self.now) + wait;
                self.keeper_free_at = begun;
                self.after(begun - self.now, Event::Store(epoch, write, what));
            }
            Effect::Text(text) => {
                self.check_text(&text);
                let is_landline = self
                    .phones
                    .iter()
                    .any(|phone| phone.number == text.to && phone.is_landline);
                let is_stopped = self.books.is_stopped_at_the_carrier(text.to);
                match self
                    .carrier
                    .text_fate(&mut self.rng, is_landline, is_stopped)
                {
                    Fate::TakenOn { after, answers } => {
                        let send = text.send;
                        self.after(after, Event::TakeText(epoch, text, answers));
                        if !answers {
                            let unknown = Input::Texted(send, TextOutcome::Unknown);
                            self.after(TIMEOUT, Event::Told(epoch, unknown));
                        }
                    }
                    Fate::Not(outcome, after) => {
                        self.after(after, Event::Told(epoch, Input::Texted(text.send, outcome)));
                    }
                }
            }
            Effect::Ring(ring) => {
                self.check_ring(&ring);
                match self.carrier.ring_fate(&mut self.rng) {
                    Fate::TakenOn { after, answers } => {
                        let send = ring.send;
                        self.after(after, Event::TakeRing(epoch, ring, answers));
                        if !answers {
                            let unknown = Input::Rung(send, RingOutcome::Unknown);
                            self.after(TIMEOUT, Event::Told(epoch, unknown));
                        }
                    }
                    Fate::Not(outcome, after) => {
                        self.after(after, Event::Told(epoch, Input::Rung(ring.send, outcome)));
                    }
                }
            }
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

    fn take_text(&mut self, epoch: u32, text: &TextRequest, answers: bool) {
        let sid = self
            .carrier
            .message(&mut self.rng, self.now, text.send, text.to);
        self.books
            .text_is_taken_on(self.now, text.send, text.to, &self.settings);
        if answers {
            let accepted = Input::Texted(text.send, TextOutcome::Accepted(sid));
            self.after(Duration::from_millis(20), Event::Told(epoch, accepted));
        }
        self.hook(Input::TextStatus(text.send, sid, TextStatus::Sent));
        let after = millis(&mut self.rng, 10, 20_000);
        let status = match self.rng.u8(..20) {
            0 => TextStatus::Failed,
            1 if !self.is_calm => return,
            _ => TextStatus::Delivered,
        };
        self.after(after, Event::MessageStep(sid, status));
    }

    fn take_ring(&mut self, epoch: u32, ring: &RingRequest, answers: bool) {
        let promise = self.books.promise_of(ring.send);
        let is_ringing = self
            .carrier
            .rings
            .iter()
            .any(|other| other.to == ring.to && !other.is_over);
        let sid = self
            .carrier
            .ring(&mut self.rng, self.now, ring.send, promise, ring.to);
        self.books
            .ring_is_taken_on(self.now, promise, ring.to, is_ringing, &self.settings);
        if answers {
            let accepted = Input::Rung(ring.send, RingOutcome::Accepted(sid));
            self.after(Duration::from_millis(20), Event::Told(epoch, accepted));
        }
        let phone = self
            .phones
            .iter()
            .find(|phone| phone.number == ring.to)
            .unwrap();
        let picks_up = phone.picks_up(&mut self.rng);
        let (status, after) = match picks_up {
            PicksUp::Person => (RingStatus::Person, millis(&mut self.rng, 10, 40_000)),
            PicksUp::Machine => (RingStatus::Machine, millis(&mut self.rng, 3_000, 40_000)),
            PicksUp::Nobody => (RingStatus::Nobody, millis(&mut self.rng, 500, 60_000)),
        };
        self.hook(Input::RingStatus(ring.send, sid, RingStatus::Ringing));
        self.after(after, Event::RingStep(sid, status));
    }

    fn check_text(&mut self, text: &TextRequest) {
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

    fn check_ring(&mut self, ring: &RingRequest) {
        let promise = self.kept_flight(ring.send, ring.to);
        let true_utc = self.true_utc();
        self.books
            .ring_is_requested(ring, promise.as_ref(), &self.keeper);
        self.books.clock_is_sane(self.clock_error);
        self.books.models_are_back(self.models);
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

/// Settings that are reached: tight caps in some worlds.
fn settings(rng: &mut Rng, is_calm: bool) -> Settings {
    let caps = CapSettings::default();
    let caps = if is_calm || rng.bool() {
        caps
    } else {
        CapSettings {
            per_destination: rng.u32(1..=3),
            per_caller: rng.u32(1..=4),
            withheld: rng.u32(1..=3),
            per_prefix: rng.u32(1..=4),
            cents: rng.u32(400..2_000),
            ..caps
        }
    };
    Settings {
        caps,
        expires_after: HOUR * 48,
        ..Settings::default()
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
