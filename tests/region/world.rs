//! One life of two regions: events in virtual time between callers, the carrier, four nodes, a witness and a store.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

use fastrand::Rng;
use ringback::core::region::ballot::Ballot;
use ringback::core::region::claim::ClaimSettings;
use ringback::core::region::role::RoleSettings;
use ringback::core::region::{Node as Name, Region};
use ringback::core::time::{Instant, Utc};

use crate::books::Books;
use crate::carrier::{Call, Carrier};
pub(crate) use crate::event::{Arrival, Event, Purpose, Whom};
use crate::node::{Node, WITNESS};
use crate::sites::{Net, Site};
use crate::store::{Answer, Op, Stage, Store};

/// When the world begins.
const BEGIN_MILLIS: u64 = 1_900_000_000_000;

/// When the last harm has ended.
pub(crate) const CALM_FROM: Duration = Duration::from_secs(200);

/// When everything must have come to its end.
pub(crate) const UNTIL: Duration = Duration::from_mins(8);

pub(crate) const ROLES: RoleSettings = RoleSettings {
    lease: Duration::from_secs(10),
    renew_every: Duration::from_millis(2_500),
    take_over_after: Duration::from_secs(12),
};

pub(crate) const CLAIMS: ClaimSettings = ClaimSettings {
    lease: Duration::from_secs(25),
    request_timeout: Duration::from_secs(4),
    skew_max: Duration::from_secs(5),
    opt_out_within: Duration::from_secs(5),
    text_lease: Duration::from_secs(40),
};

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: Duration,
    events: BTreeMap<(Duration, u64), Event>,
    numbers: u64,
    pub(crate) net: Net,
    pub(crate) store: Store,
    pub(crate) nodes: Vec<Node>,
    pub(crate) witness: Ballot,
    /// By how much the clocks of the two regions are wrong, in milliseconds.
    pub(crate) skew: [u64; 2],
    pub(crate) carrier: Carrier,
    pub(crate) books: Books,
    pub(crate) no_provider: [u32; 2],
    /// Names of nodes that somebody else uses as well.
    pub(crate) doubled: Vec<usize>,
    /// Instances of the store that have failed.
    pub(crate) failed: VecDeque<usize>,
    /// Of which form the next deploy is.
    pub(crate) form: u8,
    /// What happened, for people; empty unless it is asked for.
    pub(crate) trace: String,
    pub(crate) is_traced: bool,
}

impl World {
    /// A life as its seed draws it.
    pub(crate) fn new(seed: u64, is_traced: bool) -> Self {
        let mut world = Self::quiet(seed, is_traced);
        world.plan();
        world
    }

    /// A world in which nothing is to come.
    pub(crate) fn quiet(seed: u64, is_traced: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let skew = [rng.u64(0..4_000), rng.u64(0..4_000)];
        let mut world = Self {
            now: Duration::ZERO,
            events: BTreeMap::new(),
            numbers: 0,
            net: Net::default(),
            store: Store::new(CLAIMS.lease),
            nodes: (0..4).map(|place| Node::new(place, rng.u64(..))).collect(),
            witness: Ballot::new(Instant::ZERO, ROLES.lease),
            skew,
            carrier: Carrier::default(),
            books: Books::default(),
            no_provider: [0; 2],
            doubled: Vec::new(),
            failed: VecDeque::new(),
            form: 1,
            trace: String::new(),
            is_traced,
            rng,
        };
        for place in 0..4 {
            world.after(Duration::ZERO, Event::Boot(place));
        }
        world.after(Duration::ZERO, Event::Watch);
        world
    }

    pub(crate) fn run(&mut self) {
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at >= UNTIL {
                break;
            }
            self.now = at;
            let is_watch = matches!(event, Event::Watch);
            self.happen(event);
            if is_watch && at > CALM_FROM + Duration::from_secs(30) && self.is_over() {
                break;
            }
        }
        self.at_the_end();
    }

    pub(crate) fn after(&mut self, by: Duration, event: Event) {
        self.numbers += 1;
        self.events.insert((self.now + by, self.numbers), event);
    }

    pub(crate) fn soon(&mut self, from: u64, to: u64, event: Event) {
        let by = Duration::from_millis(self.rng.u64(from..=to));
        self.after(by, event);
    }

    pub(crate) fn say(&mut self, what: impl FnOnce() -> String) {
        if self.is_traced {
            let at = self.now;
            writeln!(self.trace, "{:>9.3}  {}", at.as_secs_f64(), what()).unwrap();
        }
    }

    pub(crate) fn utc(&self, site: Site) -> Utc {
        let skew = match site {
            Site::East => self.skew[0],
            Site::West => self.skew[1],
            Site::Witness | Site::Carrier => 0,
        };
        Utc::from_millis(BEGIN_MILLIS + u64::try_from(self.now.as_millis()).unwrap() + skew)
    }

    /// What the clock of a node says.
    pub(crate) fn clocks(&self, node: usize) -> (Instant, Utc) {
        let node = &self.nodes[node];
        let now = Instant::from_start(self.now.saturating_sub(node.born));
        (now, self.utc(node.site))
    }

    pub(crate) fn whom(&self, node: usize) -> Whom {
        (node, self.nodes[node].peer.life)
    }

    /// Asks the store, which answers within its client's patience, whatever becomes of it.
    pub(crate) fn ask_store(&mut self, from: Whom, purpose: Purpose, op: Op) {
        self.books.asked_store(purpose);
        // A slow one takes on late what nobody waits for any more.
        let late = if self.store.slow > 0 { 2_500 } else { 40 };
        let asked = self.now;
        let event = Event::Store {
            from,
            purpose,
            asked,
            op,
        };
        self.soon(1, late, event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::At(to, arrival) => self.arrive(to, arrival),
            Event::Ring(call) => self.rings_in(call),
            Event::Documented { ask, doc } => self.is_documented(ask, doc),
            Event::Unanswered { ask } => self.is_unanswered(ask),
            Event::Open(call, ask, opening) => self.opens(call, ask, opening),
            Event::Turn {
                call,
                stream,
                is_end,
            } => self.turn(call, stream, is_end),
            Event::HangsUp(call) => self.hangs_up(call),
            Event::Noticed { call, stream } => self.notices(call, stream),
            Event::Store {
                from,
                purpose,
                asked,
                op,
            } => self.store(from, purpose, asked, op),
            Event::HomeAsked {
                home,
                from,
                ask,
                call,
            } => self.home_is_asked(home, from, ask, call),
            Event::Letter { from, letter } => self.deliver(from, letter),
            Event::RingOver { promise, number } => self.ring_over(promise, number),
            Event::Stop(caller) => self.writes_stop(caller),
            Event::Boot(node) => self.boot(node),
            Event::Watch => self.watch(),
            Event::Harm(harm, begins) => self.harm(harm, begins),
        }
    }

    /// Something comes to a node: if it is there; when it wakes, if it sleeps.
    fn arrive(&mut self, to: Whom, arrival: Arrival) {
        let node = &self.nodes[to.0];
        if !node.is_up || node.peer.life != to.1 {
            return;
        }
        if node.sleeps_until > self.now {
            let by = node.sleeps_until.saturating_sub(self.now);
            self.after(by, Event::At(to, arrival));
            return;
        }
        let node = to.0;
        match arrival {
            Arrival::Asked { ask, question } => self.is_asked(node, ask, question),
            Arrival::Start {
                call,
                stream,
                opening,
            } => self.starts(node, call, stream, opening),
            Arrival::Goodbye { call } => self.says_goodbye(node, call),
            Arrival::Closed { call, stream } => self.hears_close(node, call, stream),
            Arrival::Stored {
                purpose,
                asked,
                answer,
            } => self.is_answered(node, purpose, asked, answer),
            Arrival::HomeSaid { ask, home, says } => self.home_said(node, ask, home, says),
            Arrival::Decide { ask } => self.decides(node, ask),
            Arrival::Voted { voter, round, vote } => {
                let now = self.clocks(node).0;
                self.nodes[node].keeper.answered(now, voter, round, vote);
            }
            Arrival::Texted { promise, is_known } => self.has_texted(node, promise, is_known),
            Arrival::Rung { promise } => self.has_rung(node, promise),
            Arrival::Found {
                promise,
                asked,
                text,
                ring,
            } => self.has_found(node, promise, asked, text, ring),
            Arrival::Second => self.second(node),
        }
    }

    fn store(&mut self, from: Whom, purpose: Purpose, asked: Duration, op: Op) {
        let site = self.nodes[from.0].site;
        let utc = [self.utc(Site::East), self.utc(Site::West)];
        let answer = self.store.run(&self.net, site, utc, &op);
        self.say(|| format!("store   {purpose:?} {op:?} -> {answer:?}"));
        let took = self.now.saturating_sub(asked);
        let stored = |answer| {
            let arrival = Arrival::Stored {
                purpose,
                asked,
                answer,
            };
            Event::At(from, arrival)
        };
        if matches!(answer, Answer::Away) || self.store.slow > 0 {
            let patience = Duration::from_millis(250).saturating_sub(took);
            self.after(patience, stored(Answer::Away));
        } else {
            self.soon(1, 40, stored(answer));
        }
    }

    fn watch(&mut self) {
        self.store.watch(&self.net, self.now);
        for place in 0..4 {
            self.sees_voters(place);
        }
        let names = self.doubled.clone();
        for node in names {
            self.impostor_beats(node);
        }
        self.after(Duration::from_secs(1), Event::Watch);
    }

    /// Notes which voters a node reaches now, itself included.
    pub(crate) fn sees_voters(&mut self, place: usize) {
        let from = self.nodes[place].site;
        for voter in 0..=WITNESS {
            let is_reached = match self.nodes.get(voter) {
                Some(node) => node.is_up && (voter == place || self.net.reaches(from, node.site)),
                None => self.net.reaches(from, Site::Witness),
            };
            if is_reached {
                self.nodes[place].reached[voter] = self.now;
            }
        }
    }

    /// Whether nothing more is to come: all calls are over, and what was promised has ended.
    fn is_over(&self) -> bool {
        let newest = self
            .store
            .instances
            .iter()
            .max_by_key(|instance| instance.term)
            .unwrap();
        let promises = newest.data.promises.values();
        self.carrier.calls.iter().all(Call::is_over)
            && self
                .nodes
                .iter()
                .all(|node| node.held.is_empty() && node.stops.values().all(|kept| *kept))
            && promises.clone().all(|row| row.stage == Stage::Ended)
    }

    fn at_the_end(&mut self) {
        for (place, node) in self.nodes.iter().enumerate() {
            for call in node.held.keys() {
                let state = self
                    .carrier
                    .by_sid(*call)
                    .map(|call| format!("{:?}", call.phase));
                self.books.find(
                    "every call ends",
                    format!("node {place} holds {call}: {state:?}"),
                );
            }
        }
        for call in &self.carrier.calls {
            if !call.is_over() {
                let what = format!("{}: {:?}", call.sid, call.phase);
                self.books.find("every call ends", what);
            }
        }
        if self.store.overwritten > 0 {
            let what = "an older stream wrote over a newer one, or over the end";
            self.books.find("one owner", what.to_owned());
        }
        if self.store.failovers > 0 {
            self.books.count("fail-over of the store");
        }
        let newest = self
            .store
            .instances
            .iter()
            .max_by_key(|instance| instance.term)
            .unwrap();
        self.books.promises_have_ended(&newest.data);
    }
}

pub(crate) fn region(site: Site) -> Region {
    Region::parse(site.name()).unwrap()
}

pub(crate) fn name(place: usize) -> Name {
    Name::parse(["east-1", "east-2", "west-1", "west-2", "witness"][place]).unwrap()
}
