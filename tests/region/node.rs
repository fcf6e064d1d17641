//! A node as the server will be: it holds what decides, and does what that says.

use std::collections::BTreeMap;
use std::time::Duration;

use ringback::core::ids::{CallSid, PromiseId};
use ringback::core::region::ballot::{Plea, Vote};
use ringback::core::region::drain::DrainSettings;
use ringback::core::region::owner::Tenure;
use ringback::core::region::presence::{Beat, Load, News, Presence};
use ringback::core::region::resume::{Account, Fate, Resume, Resumed};
use ringback::core::region::role::{Keeper, Letter, Role};
use ringback::core::region::{Life, Peer};
use ringback::core::time::Instant;

use crate::leaving::Leaving;
use crate::promises::Serving;
use crate::sites::Site;
use crate::store::PromiseRow;
use crate::world::{Arrival, Event, ROLES, Whom, World, name, region};

pub(crate) const CALLS_MAX: u32 = 100;

/// Four nodes and the witness.
const VOTERS: usize = 5;

/// The witness among the voters.
pub(crate) const WITNESS: usize = VOTERS - 1;

/// A stream that a node holds.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) tenure: Tenure,
    pub(crate) stream: u32,
    pub(crate) resumed: Resumed,
    pub(crate) words: Vec<u32>,
    pub(crate) turn: u32,
    pub(crate) is_mid_turn: bool,
    /// The newest checkpoint is not kept yet.
    pub(crate) is_unkept: bool,
    /// It is to be closed, and what is to be known of it is on its way to the store.
    pub(crate) parting: Option<Fate>,
}

/// A question of the carrier's that is being decided.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) call: CallSid,
    pub(crate) resume: Resume<Vec<u32>>,
    pub(crate) since: Duration,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) peer: Peer,
    pub(crate) site: Site,
    pub(crate) is_up: bool,
    pub(crate) sleeps_until: Duration,
    pub(crate) born: Duration,
    pub(crate) form: u8,
    pub(crate) presence: Presence,
    pub(crate) keeper: Keeper,
    pub(crate) drain: Leaving,
    pub(crate) held: BTreeMap<CallSid, Held>,
    /// What it remembers of streams that it held.
    pub(crate) known: BTreeMap<CallSid, Account<Vec<u32>>>,
    /// What the next stream of a call is told.
    pub(crate) told: BTreeMap<CallSid, Vec<u32>>,
    pub(crate) asked: BTreeMap<u64, Asked>,
    pub(crate) rows: BTreeMap<PromiseId, PromiseRow>,
    pub(crate) serving: BTreeMap<PromiseId, Serving>,
    /// Callers who want nothing of us; on its disk, with whether the store has it too.
    pub(crate) stops: BTreeMap<usize, bool>,
    pub(crate) beats: u64,
    /// When it last reached each voter, for the checkers.
    pub(crate) reached: [Duration; VOTERS],
}

impl Node {
    pub(crate) fn new(place: usize, life: u64) -> Self {
        let site = if place < 2 { Site::East } else { Site::West };
        let peer = Peer {
            region: region(site),
            node: name(place),
            life: Life(life),
        };
        Self {
            peer,
            site,
            is_up: false,
            sleeps_until: Duration::ZERO,
            born: Duration::ZERO,
            form: 1,
            presence: Presence::new(peer),
            keeper: keeper(place, peer),
            drain: Leaving::new(drains(), usize::try_from(CALLS_MAX).unwrap()),
            held: BTreeMap::new(),
            known: BTreeMap::new(),
            told: BTreeMap::new(),
            asked: BTreeMap::new(),
            rows: BTreeMap::new(),
            serving: BTreeMap::new(),
            stops: BTreeMap::new(),
            beats: 0,
            reached: [Duration::ZERO; VOTERS],
        }
    }

    /// Since when it has not reached a majority. Its votes need not be of one moment: each holds for a lease, and who gave one may be gone.
    pub(crate) fn majority_at(&self) -> Duration {
        let mut reached = self.reached;
        reached.sort_unstable();
        reached[VOTERS / 2]
    }

    pub(crate) fn load(&self, has_provider: bool) -> Load {
        Load {
            calls: u32::try_from(self.drain.live()).unwrap(),
            calls_max: CALLS_MAX,
            takes_calls: self.drain.is_ready(),
            has_provider,
            is_whole: has_provider,
        }
    }
}

fn keeper(place: usize, peer: Peer) -> Keeper {
    let me = (peer.node, peer.region);
    let voters = (0..VOTERS).map(name);
    Keeper::new(Instant::ZERO, me, voters, place < 2, ROLES)
}

fn drains() -> DrainSettings {
    DrainSettings {
        grace: Duration::from_secs(5),
        hand_over: Duration::from_secs(4),
        last: Duration::from_secs(3),
    }
}

impl World {
    /// A process begins; what was on the disk is there.
    pub(crate) fn boot(&mut self, place: usize) {
        if self.nodes[place].is_up || self.net.is_lost(self.nodes[place].site) {
            return;
        }
        let mut node = Node::new(place, self.rng.u64(..));
        let before = &mut self.nodes[place];
        node.stops = std::mem::take(&mut before.stops);
        node.form = before.form;
        node.born = self.now;
        node.reached = [self.now; VOTERS];
        node.is_up = true;
        self.nodes[place] = node;
        self.say(|| format!("node    {} begins", name(place)));
        let whom = self.whom(place);
        self.soon(0, 999, Event::At(whom, Arrival::Second));
    }

    /// A process is gone, and its sockets with it.
    pub(crate) fn kill(&mut self, place: usize) {
        if !self.nodes[place].is_up {
            return;
        }
        self.say(|| format!("node    {} is gone", name(place)));
        let node = &mut self.nodes[place];
        node.is_up = false;
        node.held.clear();
        self.streams_of(place, 50, 1_500);
    }

    /// What a node does once a second.
    pub(crate) fn second(&mut self, node: usize) {
        let whom = self.whom(node);
        self.after(Duration::from_secs(1), Event::At(whom, Arrival::Second));
        self.beat(node);
        let (now, _) = self.clocks(node);
        let mut letters = Vec::new();
        self.nodes[node].keeper.tick(now, &mut letters);
        self.send(whom, letters);
        let mut orders = Vec::new();
        self.nodes[node].drain.tick(now, &mut orders);
        self.obey(node, &orders);
        self.keep_again(node);
        self.duty(node);
        self.leaves(node);
    }

    pub(crate) fn send(&mut self, from: Whom, letters: Vec<Letter>) {
        for letter in letters {
            self.soon(1, 60, Event::Letter { from, letter });
        }
    }

    pub(crate) fn deliver(&mut self, from: Whom, letter: Letter) {
        let sender = self.nodes[from.0].peer;
        let site = self.nodes[from.0].site;
        let voter = (0..VOTERS).find(|place| name(*place) == letter.to).unwrap();
        let vote = if voter == WITNESS {
            if !self.net.reaches(site, Site::Witness) {
                return;
            }
            let now = Instant::from_start(self.now);
            self.witness
                .ask(now, sender.region, letter.epoch, letter.plea)
        } else {
            let there = &self.nodes[voter];
            let is_awake = there.is_up && there.sleeps_until <= self.now;
            if !is_awake || !self.net.reaches(site, there.site) {
                return;
            }
            let now = self.clocks(voter).0;
            let keeper = &mut self.nodes[voter].keeper;
            keeper.asked(now, sender.region, letter.epoch, letter.plea)
        };
        self.nodes[from.0].reached[voter] = self.now;
        self.say(|| format!("letter  {sender:?} {letter:?} -> {vote:?}"));
        if letter.plea == Plea::Decree && vote == Vote::Granted {
            self.books.count("a decree was heard");
        }
        let (to, voter, round) = (from, letter.to, letter.round);
        self.soon(1, 60, Event::At(to, Arrival::Voted { voter, round, vote }));
    }

    fn beat(&mut self, node: usize) {
        let now = self.clocks(node).0;
        let has_provider = self.has_provider(node);
        let speaker = &mut self.nodes[node];
        speaker.beats += 1;
        let beat = Beat {
            peer: speaker.peer,
            count: speaker.beats,
            load: speaker.load(has_provider),
        };
        let role = speaker.keeper.role(now);
        if role != Role::Standby {
            self.sees_voters(node);
            let alone = self.now.saturating_sub(self.nodes[node].majority_at());
            let (node, at) = (name(node), self.now);
            self.books.is_active(node, alone, || {
                format!("{node} is active at {at:?}, {role:?}")
            });
        }
        let is_alone = role != Role::Standby && self.voters_awake(node) <= VOTERS / 2;
        self.books.needs_a_word(self.now, name(node), is_alone);
        if let Role::Active(epoch) = role
            && self.net.reaches(self.nodes[node].site, Site::Witness)
        {
            self.witness.hear(epoch, Some(beat.peer.region));
        }
        for to in (0..4).filter(|to| *to != node) {
            self.hears_beat(to, self.nodes[node].site, beat);
            let is_heard = self.is_heard(to, self.nodes[node].site);
            if let (Role::Active(epoch), true) = (role, is_heard) {
                let now = self.clocks(to).0;
                self.nodes[to]
                    .keeper
                    .heard_active(now, beat.peer.region, epoch);
            }
        }
    }

    /// Another process speaks by the name of a node.
    pub(crate) fn impostor_beats(&mut self, node: usize) {
        let count = self.now.as_secs();
        let peer = Peer {
            life: Life(7),
            ..self.nodes[node].peer
        };
        let load = self.nodes[node].load(true);
        for to in 0..4 {
            self.hears_beat(to, self.nodes[node].site, Beat { peer, count, load });
        }
    }

    fn hears_beat(&mut self, to: usize, from: Site, beat: Beat) {
        if !self.is_heard(to, from) {
            return;
        }
        let now = self.clocks(to).0;
        match self.nodes[to].presence.hear(now, beat) {
            News::None => {}
            News::NameTwice(name_of_two) => {
                if name(to) != name_of_two {
                    self.books.noticed.insert(name_of_two);
                }
                let is_doubled = self
                    .doubled
                    .iter()
                    .any(|node| name(*node) == beat.peer.node);
                let is_late = self.books.was_doubled_lately(self.now);
                if !is_doubled && !is_late {
                    self.books
                        .find("names", "a double that there is not".to_owned());
                }
                self.books.count("a name was noticed twice");
            }
            News::Crowded => self
                .books
                .find("names", "no room for four nodes".to_owned()),
        }
    }

    /// How many voters a node reaches that answer now.
    fn voters_awake(&self, node: usize) -> usize {
        let from = self.nodes[node].site;
        let others = (0..4).filter(|to| self.is_heard(*to, from));
        others.count() + usize::from(self.net.reaches(from, Site::Witness))
    }

    fn is_heard(&self, to: usize, from: Site) -> bool {
        let there = &self.nodes[to];
        let is_awake = there.is_up && there.sleeps_until <= self.now;
        is_awake && (there.site == from || self.net.reaches(from, there.site))
    }

    pub(crate) fn has_provider(&self, node: usize) -> bool {
        self.no_provider[usize::from(self.nodes[node].site == Site::West)] == 0
    }

    /// Ends a process that has nothing more to do.
    fn leaves(&mut self, node: usize) {
        let Some(report) = self.nodes[node].drain.report() else {
            return;
        };
        self.books.count("drained");
        if report.left > 0 {
            self.books.count("drained, some left");
        }
        let (whom, now) = (self.whom(node), self.now);
        let mut calls = self.carrier.calls.iter();
        let is_forgotten = calls.any(|call| call.is_long_with(whom, now));
        if is_forgotten {
            self.books
                .find("no call is forgotten", format!("{report:?}"));
        }
        self.kill(node);
        self.nodes[node].form = self.form;
        self.soon(500, 4_000, Event::Boot(node));
    }
}
