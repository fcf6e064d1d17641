//! Lives of two desks over one store, in virtual time: each serves what it changed last, whichever dies, sleeps or is asked.
//!
//! What the server does around the ledger there is done here as well: a change bears the name of its desk, a desk that was not
//! heard of is followed by the other, what is asked about at one is taken over from the other, and a request is made soon after it
//! is kept as begun, by a desk that holds its claim, or not at all. In some lives a cap is low and callers are many.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use fastrand::Rng;
use ringback::core::callback::CallbackLedger;
use ringback::core::callback::caps::Cap;
use ringback::core::callback::effect::{
    Answer, Effect, Effects, Seen, SendNote, Told, Write, WriteId,
};
use ringback::core::callback::input::{Input, Models, RingStatus};
use ringback::core::callback::intent::Intent;
use ringback::core::callback::number::Number;
use ringback::core::callback::promise::{SendId, SendKind};
use ringback::core::callback::settings::Settings;
use ringback::core::ids::{CallId, CallSid, PromiseId};
use ringback::core::time::{Instant, Utc};

use crate::carrier::{Carrier, millis};
use crate::keeper::Keeper;
use crate::world::BEGIN_MILLIS;

mod outside;
mod purse;
mod sharing;
mod store;

use self::purse::{Purse, Scarce};

/// Nothing goes wrong from then on.
const CALM_FROM: Duration = Duration::from_mins(100);

/// When every promise must have ended.
const UNTIL: Duration = Duration::from_hours(56);

/// Many times what a life takes.
const TURNS_MAX: u32 = 500_000;

const LEASE: Duration = Duration::from_secs(30);

/// A claim outlasts a request by this.
const REQUEST_LASTS: Duration = Duration::from_secs(15);

/// So soon after it was kept as begun a request is made, or not at all.
const WITHIN: Duration = Duration::from_secs(5);

const LOOK_EVERY: Duration = Duration::from_secs(2);

type Name = u32;

#[derive(Clone, Debug)]
enum Event {
    /// For one life of a desk.
    Told(Name, Input),
    Store(Name, WriteId, Write),
    /// It asks for its claim, and looks at what the other one has.
    Look(Name),
    TakenOn(Name, SendId, SendKind, Number),
    /// The carrier tells or asks whichever desk it reaches; then once more the other one, or nobody.
    Hook(Input),
    RingStep(CallSid, RingStatus),
    Wants(usize),
    Writes(usize, Intent<Utc>),
    Kill(usize),
    Begin(usize),
    Sleeps(usize, Duration),
    Away(bool),
}

struct Desk {
    name: Name,
    ledger: CallbackLedger,
    born: Duration,
    is_up: bool,
    sleeps_until: Duration,
    /// When it asked for the claim that it holds.
    claimed: Option<Duration>,
    begun: BTreeMap<SendId, Duration>,
}

impl Desk {
    fn hears(&self, now: Duration) -> bool {
        self.is_up && self.sleeps_until <= now
    }
}

pub(crate) struct Desks {
    rng: Rng,
    now: Duration,
    events: BTreeMap<(Duration, u64), Event>,
    number: u64,
    keeper: Keeper,
    /// Who serves what, as it stands beside each promise.
    serves: BTreeMap<PromiseId, Name>,
    leases: BTreeMap<Name, Duration>,
    is_away: bool,
    carrier: Carrier,
    /// Promises of which it is kept that a person speaks with us.
    served: BTreeSet<PromiseId>,
    /// When each caller called last.
    called: BTreeMap<Number, Duration>,
    stopped: BTreeMap<Number, Duration>,
    both: [Desk; 2],
    scarce: Scarce,
    settings: Settings,
    purse: Purse,
    /// Until then a desk may not have heard what the other one has done: it slept, or the store was away.
    unaware_until: [Duration; 2],
    told: BTreeSet<PromiseId>,
    wanted: BTreeMap<CallId, Number>,
    pub(crate) findings: Vec<(&'static str, String)>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) trace: String,
}

impl Desks {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let scarce = Scarce::of(seed);
        let settings = scarce.settings(&mut rng);
        let desk = |name| Desk {
            name,
            ledger: CallbackLedger::new(settings.clone()),
            born: Duration::ZERO,
            is_up: false,
            sleeps_until: Duration::ZERO,
            claimed: None,
            begun: BTreeMap::new(),
        };
        let mut desks = Self {
            rng,
            now: Duration::ZERO,
            events: BTreeMap::new(),
            number: 10,
            keeper: Keeper::default(),
            serves: BTreeMap::new(),
            leases: BTreeMap::new(),
            is_away: false,
            carrier: Carrier::default(),
            served: BTreeSet::new(),
            called: BTreeMap::new(),
            stopped: BTreeMap::new(),
            both: [desk(1), desk(2)],
            scarce,
            settings,
            purse: Purse::default(),
            unaware_until: [Duration::ZERO; 2],
            told: BTreeSet::new(),
            wanted: BTreeMap::new(),
            findings: Vec::new(),
            counts: BTreeMap::new(),
            trace: String::new(),
        };
        desks.carrier.deaf = 50;
        desks.plan();
        desks
    }

    fn plan(&mut self) {
        for desk in 0..2 {
            self.after(Duration::ZERO, Event::Begin(desk));
        }
        let (callers, times, until) = match self.scarce {
            Scarce::Nothing => (2, self.rng.u8(1..=3), 600_000),
            Scarce::Only(_) => (self.scarce.callers(), 40, 4_000_000),
        };
        for _ in 0..times {
            let (from, who) = (self.some(1_000, until), self.rng.usize(..callers));
            self.after(from, Event::Wants(who));
            // The same caller soon after, often at the other one.
            let again = from + self.some(10, 60_000);
            self.after(again, Event::Wants(who));
        }
        // At once, so that neither has heard of the other: more than there is money for.
        let volley = self.some(1_000, 1_200_000);
        for who in 0..self.scarce.volley() {
            let at = volley + self.some(0, 1_500);
            self.after(at, Event::Wants(who));
        }
        for _ in 0..self.rng.u8(..4) {
            let at = self.some(1_000, 5_000_000);
            let intent = [Intent::Stop, Intent::Call, Intent::No, Intent::Free];
            let intent = intent[self.rng.usize(..4)];
            let who = self.rng.usize(..2);
            self.after(at, Event::Writes(who, intent));
        }
        for _ in 0..self.rng.u8(..4) {
            let (at, who) = (self.some(1_000, 3_000_000), self.rng.usize(..2));
            if self.rng.bool() {
                let down = self.some(1_000, 400_000);
                self.after(at, Event::Kill(who));
                self.after(at + down, Event::Begin(who));
            } else {
                let long = self.some(100, 120_000);
                self.after(at, Event::Sleeps(who, long));
            }
        }
        if self.rng.u8(..3) == 0 {
            let at = self.some(1_000, 2_000_000);
            let long = self.some(100, 200_000);
            self.after(at, Event::Away(true));
            self.after(at + long, Event::Away(false));
        }
    }

    pub(crate) fn run(&mut self) {
        // What waits for money waits for another day: that is told elsewhere.
        let until = match self.scarce {
            Scarce::Nothing => UNTIL,
            Scarce::Only(_) => CALM_FROM,
        };
        let mut turns = 0;
        while self.now < until && !self.is_over() {
            let next = self.events.first_key_value().map(|((at, _), _)| *at);
            let wanted = [0, 1].into_iter().filter_map(|place| self.wakes(place));
            let wanted = wanted.min();
            let due = [next, wanted.map(|(at, _)| at)].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due < until) else {
                break;
            };
            self.now = self.now.max(due);
            turns += 1;
            if turns > TURNS_MAX {
                self.find("every promise reaches an end", "it goes round".to_owned());
                return;
            }
            if next.is_some_and(|next| next <= self.now) {
                let (_, event) = self.events.pop_first().unwrap();
                self.happen(event);
            } else if let Some((_, place)) = wanted {
                self.tell(place, Input::Tick);
            }
        }
        match self.scarce {
            Scarce::Nothing => self.at_the_end(),
            // Otherwise nobody would find out that more is counted than was spent.
            Scarce::Only(Cap::Money) if self.purse.requests() >= 12 => {
                self.count("spent the money");
            }
            Scarce::Only(_) => {}
        }
    }

    /// Nothing is left to do, and nothing more goes wrong.
    fn is_over(&self) -> bool {
        let has_open = |desk: &Desk| desk.ledger.open() > 0;
        let mut kept = self.keeper.promises.values();
        self.now > CALM_FROM
            && !self.both.iter().any(has_open)
            && !kept.any(|(promise, _)| promise.stage.is_open())
    }

    fn at_the_end(&mut self) {
        let open = self.keeper.promises.values();
        let open = open.filter(|(promise, _)| promise.stage.is_open()).count();
        let left: usize = self.both.iter().map(|desk| desk.ledger.open()).sum();
        if open > 0 || left > 0 {
            let what = format!("{open} in the store, {left} at desks");
            self.find("every promise reaches an end", what);
        }
    }

    fn wakes(&self, place: usize) -> Option<(Duration, usize)> {
        let desk = &self.both[place];
        let at = desk.ledger.deadline().filter(|_| desk.is_up)?;
        Some(((desk.born + at.since_start()).max(desk.sleeps_until), place))
    }

    fn some(&mut self, from: u64, to: u64) -> Duration {
        millis(&mut self.rng, from, to)
    }

    fn after(&mut self, by: Duration, event: Event) {
        self.number += 1;
        self.events.insert((self.now + by, self.number), event);
    }

    fn find(&mut self, checker: &'static str, what: String) {
        self.say(&format!("FOUND {checker}: {what}"));
        self.findings.push((checker, what));
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn say(&mut self, what: &str) {
        let what: String = what.chars().take(300).collect();
        writeln!(self.trace, "{:>12.3?}  {what}", self.now).unwrap();
    }

    fn utc(&self) -> Utc {
        Utc::from_millis(BEGIN_MILLIS + u64::try_from(self.now.as_millis()).unwrap())
    }

    fn happen(&mut self, event: Event) {
        if let Event::Told(name, _) | Event::Look(name) = &event {
            let Some(place) = self.place(*name) else {
                return; // Of a life that is over.
            };
            // It sleeps: whatever comes is there when it wakes up.
            let wakes = self.both[place].sleeps_until;
            if wakes > self.now {
                self.after(wakes.saturating_sub(self.now), event);
                return;
            }
        }
        match event {
            Event::Told(name, input) => {
                if let Some(place) = self.place(name) {
                    self.tell(place, input);
                }
            }
            Event::Store(name, write, what) => self.store(name, write, &what),
            Event::Look(name) => self.look(name),
            Event::TakenOn(name, send, kind, to) => self.taken_on(name, send, kind, to),
            Event::Hook(input) => self.hook(input),
            Event::RingStep(sid, status) => self.ring_step(sid, status),
            Event::Wants(who) => self.wants(who),
            Event::Writes(who, intent) => self.writes(who, intent),
            Event::Kill(place) => {
                self.say(&format!("desk {place} is killed"));
                self.count("killed");
                self.both[place].is_up = false;
                self.both[place].name = 0;
            }
            Event::Begin(place) => self.begin(place),
            Event::Sleeps(place, long) => {
                self.count("slept");
                self.both[place].sleeps_until = self.now + long;
                self.unaware(place, self.now + long);
                self.say(&format!("desk {place} sleeps for {long:?}"));
            }
            Event::Away(is_away) => {
                self.say(&format!("store away: {is_away}"));
                self.count("store away");
                self.is_away = is_away;
                for place in 0..2 {
                    self.unaware(place, self.now);
                }
            }
        }
    }

    fn place(&self, name: Name) -> Option<usize> {
        self.both
            .iter()
            .position(|desk| desk.is_up && desk.name == name)
    }

    fn begin(&mut self, place: usize) {
        if self.both[place].is_up {
            return;
        }
        self.number += 1;
        let name = Name::try_from(self.number).unwrap();
        self.both[place] = Desk {
            name,
            ledger: CallbackLedger::new(self.settings.clone()),
            born: self.now,
            is_up: true,
            sleeps_until: Duration::ZERO,
            claimed: None,
            begun: BTreeMap::new(),
        };
        self.say(&format!("desk {place} begins as {name}"));
        let kept = self.keeper.promises.values().cloned();
        for (promise, revision) in kept.collect::<Vec<_>>() {
            let told = if promise.stage.is_open() {
                Input::Sighted(Box::new(promise), revision)
            } else {
                Input::Restored(Box::new(promise), revision)
            };
            self.tell(place, told);
        }
        self.tell(place, Input::Ready);
        self.tell(
            place,
            Input::Models(Models::Back {
                ring_every: Duration::from_secs(1),
                ringing_max: 3,
            }),
        );
        self.after(Duration::ZERO, Event::Look(name));
    }

    fn tell(&mut self, place: usize, input: Input) {
        let desk = &mut self.both[place];
        let now = Instant::from_start(self.now.saturating_sub(desk.born));
        let utc = Utc::from_millis(BEGIN_MILLIS + u64::try_from(self.now.as_millis()).unwrap());
        let mut effects = Effects::new();
        let said = (input != Input::Tick).then(|| format!("{place} <- {input:?}"));
        desk.ledger.handle(now, utc, input, &mut effects);
        if let Some(said) = said {
            self.say(&said);
        }
        for effect in effects.drain().collect::<Vec<_>>() {
            self.say(&format!("{place} -> {effect:?}"));
            self.perform(place, effect);
        }
    }

    fn perform(&mut self, place: usize, effect: Effect) {
        let name = self.both[place].name;
        match effect {
            Effect::Write(id, write) => {
                if let Write::Change {
                    send: SendNote::Begin(send),
                    ..
                } = write
                {
                    let now = self.now;
                    self.both[place].begun.insert(send, now);
                }
                let after = self.some(0, 20);
                self.after(after, Event::Store(name, id, write));
            }
            Effect::Text(text) => self.request(place, text.send, SendKind::Text, text.to),
            Effect::Ring(ring) => self.request(place, ring.send, SendKind::Ring, ring.to),
            Effect::LookUpText { send, to } => {
                let found = self.carrier.find_text(&mut self.rng, self.now, send, to);
                let after = self.some(50, 500);
                self.after(after, Event::Told(name, Input::TextLookedUp(send, found)));
            }
            Effect::LookUpRing {
                send,
                to,
                call,
                since,
            } => {
                let since = Duration::from_millis(since.millis().saturating_sub(BEGIN_MILLIS));
                let carrier = &self.carrier;
                let found = carrier.find_ring(&mut self.rng, self.now, to, since, call);
                let after = self.some(50, 500);
                self.after(after, Event::Told(name, Input::RingLookedUp(send, found)));
            }
            Effect::CancelRing(sid) => {
                let after = self.some(50, 500);
                self.after(after, Event::RingStep(sid, RingStatus::Completed));
            }
            Effect::Tell(call, told) => self.is_told(call, told),
            Effect::Answer(_, answer) => {
                if answer == Answer::Again {
                    self.count("answered again");
                }
            }
            Effect::CheckTime => {
                let checked = Input::Checked(self.utc());
                let after = self.some(10, 100);
                self.after(after, Event::Told(name, checked));
            }
            Effect::Observe(Seen::Double(kind)) => {
                self.find("no doubles", format!("{kind:?} was taken on twice"));
            }
            Effect::Observe(Seen::Capped(cap)) => self.count(match cap {
                Cap::Destination => "capped destination",
                Cap::Caller => "capped caller",
                Cap::Prefix => "capped prefix",
                Cap::Money => "capped money",
            }),
            Effect::Observe(Seen::Waits(Cap::Money)) => self.count("waits for money"),
            Effect::Observe(_) => {}
        }
    }

    fn is_told(&mut self, call: CallId, told: Told) {
        let open = self.keeper.open_of(self.wanted[&call]);
        match told {
            Told::Promised { .. } => {
                match open.filter(|open| open.call == call).map(|open| open.id) {
                    Some(id) => drop(self.told.insert(id)),
                    None => self.find("nothing told that is not durable", "promised".to_owned()),
                }
            }
            Told::Already { .. } => {
                // What ended in the very moment in which it was told.
                let is_there = open.is_some()
                    || self
                        .told
                        .iter()
                        .any(|id| self.keeper.promises[id].0.to == self.wanted[&call]);
                if !is_there {
                    self.find("nothing told that is not durable", "already".to_owned());
                }
                self.count("told already");
            }
            Told::Cannot(_) => self.count("told that it cannot be"),
        }
    }
}
