//! Which region is active: asks for votes, gives them, and does what an operator says. Decided in [`crate::core::region::role`].
//!
//! It owns what is decided from, behind one lock, and the task that lets its time pass and carries its letters. Where there is one region
//! only it is the active one, and nobody is asked.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use super::Nodes;
use super::words::{Answer, PleaWords, Question};
use crate::config::{Begins, Others};
use crate::core::region::ballot::{Ballot, Plea, Vote};
use crate::core::region::role::{Keeper, Letter, Refusal, RoleSettings};
use crate::core::region::{Epoch, Node, Peer, Region, Role};
use crate::core::time::Instant;
use crate::server::Shared;
use crate::server::drain::Stage;
use crate::telemetry::Count;

/// How many letters may be on their way: eight to each voter, which is more than are sent while one waits for its answer.
const LETTERS_MAX: usize = 512;

/// How often is looked whether the role has changed, at least.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is known of the roles.
#[derive(Debug)]
pub(in crate::server) struct Roles {
    stand: Stand,
    lease: Duration,
    /// Letters of an operator's word, for the task: one to each voter at most.
    outbox: Vec<Letter>,
}

#[derive(Debug)]
enum Stand {
    /// There is one region.
    Sole,
    /// A node of one of several.
    Node(Box<Keeper>),
    /// The witness.
    Witness(Ballot),
}

impl Roles {
    pub(super) fn new(
        now: Instant,
        me: Peer,
        begins: Begins,
        settings: RoleSettings,
        others: &Others,
    ) -> Self {
        let is_sole = others.peers.iter().all(|peer| peer.region == me.region);
        let nodes = others.peers.iter().map(|peer| peer.node);
        let voters = nodes.chain(others.witness.iter().map(|witness| witness.node));
        let keeper = |is_preferred| {
            let me = (me.node, me.region);
            Stand::Node(Box::new(Keeper::new(
                now,
                me,
                voters,
                is_preferred,
                settings,
            )))
        };
        let stand = match begins {
            Begins::Witness => Stand::Witness(Ballot::new(now, settings.lease)),
            Begins::Active | Begins::Standby if is_sole => Stand::Sole,
            Begins::Active => keeper(true),
            Begins::Standby => keeper(false),
        };
        Self {
            stand,
            lease: settings.lease,
            outbox: Vec::new(),
        }
    }

    /// Whether regions are voted on here, by a node of one of them.
    pub(super) const fn is_voted(&self) -> bool {
        match self.stand {
            Stand::Node(_) => true,
            Stand::Sole | Stand::Witness(_) => false,
        }
    }

    /// What our region is, as far as this node is to act by it.
    pub(in crate::server) fn role(&self, now: Instant) -> Role {
        match &self.stand {
            Stand::Sole => Role::Active(Epoch::default()),
            Stand::Node(keeper) => keeper.role(now),
            Stand::Witness(_) => Role::Standby,
        }
    }

    /// How this process stands, for people.
    pub(in crate::server) fn name(&self, now: Instant) -> &'static str {
        match (&self.stand, self.role(now)) {
            (Stand::Sole, _) => "sole",
            (Stand::Witness(_), _) => "witness",
            (Stand::Node(_), Role::Active(_)) => "active",
            (Stand::Node(_), Role::Standby) => "standby",
        }
    }

    /// The epoch that others are to hear of; `None`: we are not active, or there is nobody who could be in our place.
    pub(super) fn told(&self, now: Instant) -> Option<u64> {
        match (&self.stand, self.role(now)) {
            (Stand::Node(_), Role::Active(epoch)) => Some(epoch.0),
            (Stand::Node(_), Role::Standby) | (Stand::Sole | Stand::Witness(_), _) => None,
        }
    }

    /// A node of `region` says that it is active.
    pub(super) fn heard_active(&mut self, now: Instant, region: Region, epoch: Epoch) {
        match &mut self.stand {
            Stand::Sole => {}
            Stand::Node(keeper) => keeper.heard_active(now, region, epoch),
            Stand::Witness(ballot) => ballot.hear(epoch, Some(region)),
        }
    }

    /// Somebody has acted by this epoch before, of that region if it is known: ours has to be above it, unless it is ours.
    pub(super) fn outdated(&mut self, epoch: Epoch, of: Option<Region>) {
        match &mut self.stand {
            Stand::Sole => {}
            Stand::Node(keeper) => keeper.outdated(epoch, of),
            Stand::Witness(ballot) => ballot.hear(epoch, of),
        }
    }

    /// Another node asks for our vote; `None`: it counts by another lease, so its vote would end when ours does not.
    pub(super) fn asked(&mut self, now: Instant, from: Peer, words: &PleaWords) -> Option<Vote> {
        if words.lease() != self.lease {
            return None;
        }
        let (epoch, plea) = (words.epoch(), words.plea());
        match &mut self.stand {
            // It knows of regions that we do not.
            Stand::Sole => None,
            Stand::Node(keeper) => Some(keeper.asked(now, from.region, epoch, plea)),
            Stand::Witness(ballot) => Some(ballot.ask(now, from.region, epoch, plea)),
        }
    }

    /// An operator's word.
    pub(super) fn promote(
        &mut self,
        now: Instant,
        is_forced: bool,
        is_draining: bool,
    ) -> Result<Epoch, Refused> {
        match &mut self.stand {
            Stand::Sole => Err(Refused::Sole),
            Stand::Witness(_) => Err(Refused::Witness),
            Stand::Node(_) if is_draining => Err(Refused::Draining),
            Stand::Node(keeper) => {
                keeper
                    .promote(now, is_forced)
                    .map_err(|refusal| match refusal {
                        Refusal::OtherSideLives => Refused::OtherSideLives,
                        Refusal::Draining => Refused::Draining,
                    })
            }
        }
    }

    /// As above.
    pub(super) fn demote(&mut self, now: Instant, is_draining: bool) -> Result<(), Refused> {
        match &mut self.stand {
            Stand::Sole => Err(Refused::Sole),
            Stand::Witness(_) => Err(Refused::Witness),
            Stand::Node(_) if is_draining => Err(Refused::Draining),
            Stand::Node(keeper) => {
                self.outbox.clear();
                keeper.demote(now, &mut self.outbox);
                Ok(())
            }
        }
    }

    fn drain(&mut self) {
        if let Stand::Node(keeper) = &mut self.stand {
            keeper.drain();
        }
    }

    fn answered(&mut self, now: Instant, from: Node, round: u64, vote: Vote) {
        if let Stand::Node(keeper) = &mut self.stand {
            keeper.answered(now, from, round, vote);
        }
    }

    /// What is to be sent now, and when there is more to do.
    fn tick(&mut self, now: Instant) -> (Vec<Letter>, Instant) {
        let mut letters = std::mem::take(&mut self.outbox);
        let look_at = now + LOOK_EVERY;
        let Stand::Node(keeper) = &mut self.stand else {
            return (letters, look_at);
        };
        keeper.tick(now, &mut letters);
        (
            letters,
            keeper.deadline().map_or(look_at, |at| at.min(look_at)),
        )
    }
}

/// Why an operator's word is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::server) enum Refused {
    /// There is one region only.
    #[error("There is one region only, and it is active: region.peers names no node of another.")]
    Sole,
    /// It only votes.
    #[error("This is a witness: it votes, and its region is none.")]
    Witness,
    /// The other one was heard of.
    #[error(
        "The other region is active, and was heard of a moment ago. Demote it there, or promote this one with --force."
    )]
    OtherSideLives,
    /// It leaves.
    #[error("This node is about to leave: ask another one of its region.")]
    Draining,
}

/// Lets time pass and carries letters, until live calls are ended: who leaves votes until its end.
pub(in crate::server) async fn keep(shared: Arc<Shared>) {
    let Some(nodes) = &shared.nodes else {
        return;
    };
    let mut draining = std::pin::pin!(shared.tasks.reached(Stage::Draining));
    let mut letters: FuturesUnordered<BoxFuture<'_, _>> = FuturesUnordered::new();
    let mut told = None;
    loop {
        let now = shared.clock.now();
        let (outgoing, due) = {
            let mut roles = nodes.roles();
            if shared.tasks.stage() > Stage::Serving {
                roles.drain();
            }
            roles.tick(now)
        };
        for letter in outgoing {
            if letters.len() < LETTERS_MAX {
                letters.push(send(nodes, letter).boxed());
            }
        }
        tell(&shared, nodes, now, &mut told);
        tokio::select! {
            () = &mut draining => return,
            () = nodes.spoken.notified() => {}
            Some((from, round, vote)) = letters.next() => {
                if let Some(vote) = vote {
                    nodes.roles().answered(shared.clock.now(), from, round, vote);
                }
            }
            () = tokio::time::sleep_until(shared.clock.timer_at(due.max(now))) => {}
        }
    }
}

/// A voter's answer; `None`: there is none.
async fn send(nodes: &Nodes, letter: Letter) -> (Node, u64, Option<Vote>) {
    let Letter {
        to,
        epoch,
        plea,
        round,
    } = letter;
    let lease = nodes.roles().lease;
    let question = Question::Vote(PleaWords::new(epoch, plea, lease));
    // A later answer would still count, and the next round asks again.
    let heard = nodes.peers.ask(to, &question, lease / 4).await;
    let vote = heard.ok().and_then(|heard| match heard.answer {
        Answer::Vote(words) => words.read(),
        Answer::NotUnderstood
        | Answer::Beat(_)
        | Answer::Heard
        | Answer::NoCall
        | Answer::Call(_)
        | Answer::Record(_) => None,
    });
    (to, round, vote)
}

/// A line when the role changes, not one a second.
fn tell(shared: &Shared, nodes: &Nodes, now: Instant, told: &mut Option<Role>) {
    let role = nodes.roles().role(now);
    if *told == Some(role) {
        return;
    }
    let region = nodes.me.region;
    match role {
        Role::Active(epoch) => tracing::info!(%region, %epoch, "this region is active"),
        Role::Standby if told.is_some() => {
            tracing::warn!(%region, "this region is not active any more");
        }
        Role::Standby => {}
    }
    if told.is_some() {
        shared.telemetry.count(Count::RoleChanges);
    }
    *told = Some(role);
}

/// The answer to a plea.
pub(super) fn answer(shared: &Shared, nodes: &Nodes, from: Peer, words: &PleaWords) -> Answer {
    let vote = nodes.roles().asked(shared.clock.now(), from, words);
    let Some(vote) = vote else {
        let so_far = shared.telemetry.count(Count::PleasMismatched);
        if so_far.is_power_of_two() {
            tracing::error!(from = %from.node, so_far, "a node counts votes by other regions, or by another region.lease, than this one");
        }
        return Answer::NotUnderstood;
    };
    if words.plea() == Plea::Decree {
        nodes.spoken.notify_one();
    }
    Answer::Vote(vote.into())
}

impl Nodes {
    /// An operator's word that our region is to be active.
    pub(in crate::server) fn promote(
        &self,
        now: Instant,
        is_forced: bool,
        is_draining: bool,
    ) -> Result<Epoch, Refused> {
        let epoch = self.roles().promote(now, is_forced, is_draining)?;
        self.spoken.notify_one();
        Ok(epoch)
    }

    /// An operator's word that it is not to be.
    pub(in crate::server) fn demote(&self, now: Instant, is_draining: bool) -> Result<(), Refused> {
        self.roles().demote(now, is_draining)?;
        self.spoken.notify_one();
        Ok(())
    }
}
