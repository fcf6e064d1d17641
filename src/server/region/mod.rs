//! Nodes know of each other: what they say, sign, hear and ask. It acts and never decides.
//!
//! | file | owns |
//! |---|---|
//! | here | what is known of the others, behind locks that are taken for a decision |
//! | [`words`], [`call_words`], `votes` | what nodes ask each other, and how it travels |
//! | `seal` | how a question and its answer are signed |
//! | `peers`, `door`, `answering` | asking, being asked, and the answers |
//! | `beats` | which nodes there are, and how they are |
//! | `roles`, `remembering` | which region is active, and by which epoch it was |
//! | `advice` | warnings of providers |
//! | `routing` | where a new call's stream goes |
//! | `trial` | whether a node that has just begun does as well as the others |
//!
//! All of it is there where `region.peers` names somebody. What follows from what is heard is decided in [`crate::core::region`]; the rules
//! are in [`crate::docs::regions`].

pub(super) mod advice;
mod answering;
pub(super) mod beats;
pub(super) mod call_words;
pub(super) mod door;
mod peers;
pub(super) mod remembering;
pub(super) mod roles;
pub(super) mod routing;
mod seal;
pub(super) mod trial;
mod votes;
pub(super) mod words;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use self::door::Door;
pub(super) use self::peers::{Heard as Said, Peers};
use self::roles::Roles;
use self::trial::OnTrial;
use super::clock::draw_seed;
use crate::config::{Begins, RegionSettings};
use crate::core::region::advice::Advice;
use crate::core::region::presence::Presence;
use crate::core::region::{Life, Node, Peer, Role};
use crate::core::time::Instant;
use crate::telemetry::{NodesMoment, Telemetry};

/// The other nodes, as this one knows them. See the module.
#[derive(Debug)]
pub(super) struct Nodes {
    /// This one, in this life.
    pub(super) me: Peer,
    /// Whom it can ask.
    pub(super) peers: Peers,
    begins: Begins,
    door: Door,
    presence: Mutex<Presence>,
    advice: Mutex<Advice>,
    roles: Mutex<Roles>,
    /// An operator has spoken, or another node has.
    spoken: Notify,
    beats: AtomicU64,
    on_trial: OnTrial,
}

impl Nodes {
    /// This process among all nodes, in a life that begins now; and the others, of whom nobody was heard of yet.
    pub(super) fn open(
        now: Instant,
        settings: RegionSettings,
        node: &str,
        telemetry: &Telemetry,
    ) -> (Peer, Option<Self>) {
        let me = Peer {
            region: settings.region,
            node: Node::parse(node).expect("the configuration has looked at the name"),
            life: Life(draw_seed()),
        };
        let (begins, numbers, trial) = (settings.begins, settings.roles, settings.trial);
        let nodes = settings.others.map(|others| Self {
            me,
            roles: Mutex::new(Roles::new(now, me, begins, numbers, &others)),
            spoken: Notify::new(),
            peers: Peers::new(me, others, telemetry.clone()),
            begins,
            door: Door::new(),
            presence: Mutex::new(Presence::new(me)),
            advice: Mutex::default(),
            beats: AtomicU64::new(0),
            on_trial: OnTrial::new(now, trial),
        });
        (me, nodes)
    }

    /// Whether this process is no node, and only votes.
    pub(super) fn is_witness(&self) -> bool {
        self.begins == Begins::Witness
    }

    /// Who is there, as far as is known: for a decision, and nothing that waits.
    pub(super) fn presence(&self) -> MutexGuard<'_, Presence> {
        // A bug in a decision cost one beat; what is known of the others still holds.
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the others stand, as numbers.
    pub(super) fn moment(&self, now: Instant) -> NodesMoment {
        NodesMoment {
            peers: self.peers.nodes().count(),
            heard: self.presence().believed(now).count(),
            is_active: matches!(self.role(now), Role::Active(_)),
        }
    }

    /// What the others say of providers: as above.
    fn advice(&self) -> MutexGuard<'_, Advice> {
        self.advice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What our region is, as far as this node is to act by it: whether its nodes ring.
    pub(super) fn role(&self, now: Instant) -> Role {
        self.roles().role(now)
    }

    /// Whether there is another region that could be active in our place.
    fn has_roles(&self) -> bool {
        self.roles().is_voted()
    }

    /// Which region is active: as above.
    pub(super) fn roles(&self) -> MutexGuard<'_, Roles> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_beat(&self) -> u64 {
        self.beats.fetch_add(1, Ordering::Relaxed) + 1
    }
}
