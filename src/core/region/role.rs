//! Which region is active: the one whose nodes may ring.
//!
//! A region is active while a majority of the voters (all nodes, and a witness) gives it a lease; then promotion is automatic, and
//! a minority is active by no means of its own. Without a majority an operator may promote it: by an epoch above all others, before
//! which an older one gives way as soon as it hears of it. Calls do not ask for roles: any node answers them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::region::ballot::{Ballot, Plea, Vote};
use crate::core::region::{Epoch, Node, Region};
use crate::core::time::Instant;

/// How many voters there may be.
pub const VOTERS_MAX: usize = 65;

/// The numbers of roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleSettings {
    /// How long a vote holds.
    pub lease: Duration,
    /// How often it is asked for anew.
    pub renew_every: Duration,
    /// How long a standby region hears nothing of an active one before it asks for votes.
    pub take_over_after: Duration,
}

impl Default for RoleSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            renew_every: Duration::from_millis(2_500),
            take_over_after: Duration::from_secs(12),
        }
    }
}

/// What a node's region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its nodes ring and text, by this epoch.
    Active(Epoch),
    /// They do not.
    Standby,
}

/// Why an operator's word is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The other region is active, and was heard of a moment ago.
    OtherSideLives,
    /// This node is about to leave.
    Draining,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    /// To which voter.
    pub to: Node,
    /// By which epoch.
    pub epoch: Epoch,
    /// What is asked.
    pub plea: Plea,
    /// Comes back with the answer.
    pub round: u64,
}

/// What one node knows of the roles, and its own vote.
#[derive(Clone, Debug)]
pub struct Keeper {
    me: Node,
    region: Region,
    settings: RoleSettings,
    /// All of them, this node included; at most [`VOTERS_MAX`].
    voters: Vec<Node>,
    ballot: Ballot,
    /// The highest epoch that was heard of.
    highest: Epoch,
    /// The highest epoch that a voter had voted for when it refused us: ours must be above it.
    outbid: Epoch,
    /// By which epoch our own region was last known to be active.
    ours: Epoch,
    /// The highest epoch that was known when an operator last made our region a standby: who acts by it has not heard of that yet.
    demoted: Epoch,
    stand: Stand,
    /// When another region was last known to be active.
    other_active: Option<Instant>,
    round: u64,
    /// When the pleas of the last rounds were sent.
    sent: BTreeMap<u64, Instant>,
    is_draining: bool,
}

/// How many rounds are remembered: an answer to an older one comes too late.
const ROUNDS: usize = 8;

#[derive(Clone, Debug)]
enum Stand {
    /// Waits; asks for votes from then on, if nobody is active. `None`: not by itself.
    Waiting { until: Option<Instant> },
    /// Asks for votes, and is active while it has enough.
    Asking {
        epoch: Epoch,
        again_at: Instant,
        votes: Votes,
    },
    /// Is active by an operator's word, until it has a majority as well.
    Decreed {
        epoch: Epoch,
        again_at: Instant,
        votes: Votes,
    },
}

/// Who voted for us, and when they were asked.
type Votes = BTreeMap<Node, Instant>;

impl Keeper {
    /// A node that has just begun. `voters` are all nodes and witnesses, this one included or not; `is_preferred`: its region is
    /// to be active where nobody is.
    pub fn new(
        now: Instant,
        (me, region): (Node, Region),
        voters: impl IntoIterator<Item = Node>,
        is_preferred: bool,
        settings: RoleSettings,
    ) -> Self {
        let mut voters: Vec<_> = voters.into_iter().chain([me]).collect();
        voters.sort_unstable();
        voters.dedup();
        voters.truncate(VOTERS_MAX);
        // Nobody votes for as long as a lease after its start.
        let wait = if is_preferred {
            settings.lease
        } else {
            settings.lease + settings.take_over_after
        };
        Self {
            me,
            region,
            voters,
            ballot: Ballot::new(now, settings.lease),
            highest: Epoch::default(),
            outbid: Epoch::default(),
            ours: Epoch::default(),
            demoted: Epoch::default(),
            stand: Stand::Waiting {
                until: Some(now + wait),
            },
            other_active: None,
            round: 0,
            sent: BTreeMap::new(),
            is_draining: false,
            settings,
        }
    }

    /// What the region is, as far as this node is to act by it.
    pub fn role(&self, now: Instant) -> Role {
        match &self.stand {
            Stand::Waiting { .. } => Role::Standby,
            Stand::Decreed { epoch, .. } => Role::Active(*epoch),
            Stand::Asking { epoch, votes, .. } => {
                if self.holds_until(votes).is_some_and(|until| now < until) {
                    Role::Active(*epoch)
                } else {
                    Role::Standby
                }
            }
        }
    }

    /// When [`tick`](Self::tick) has something to do; `None`: never by itself.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.stand {
            Stand::Waiting { until } => *until,
            Stand::Asking { again_at, .. } | Stand::Decreed { again_at, .. } => Some(*again_at),
        }
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Instant, letters: &mut Vec<Letter>) {
        if self.deadline().is_none_or(|at| now < at) || self.is_draining {
            return;
        }
        match &self.stand {
            Stand::Waiting { .. } => {
                // Others of our region may be at it.
                let is_ours = self.ours == self.highest && self.ours > Epoch::default();
                let epoch = if is_ours {
                    self.ours
                } else {
                    self.highest.next()
                };
                let votes = Votes::new();
                self.stand = Stand::Asking {
                    epoch,
                    again_at: now,
                    votes,
                };
            }
            Stand::Asking { .. } => self.ask_higher(now),
            Stand::Decreed { .. } => self.decree_higher(now),
        }
        self.plead(now, letters);
    }

    /// A voter's answer to a letter.
    pub fn answered(&mut self, now: Instant, from: Node, round: u64, vote: Vote) {
        let Some(sent) = self.sent.get(&round).copied() else {
            return;
        };
        self.count(now, from, sent, vote);
    }

    /// A node of `region` acts as active by this epoch, as it says itself.
    pub fn heard_active(&mut self, now: Instant, region: Region, epoch: Epoch) {
        self.ballot.hear(epoch, Some(region));
        self.highest = self.highest.max(epoch);
        if region == self.region {
            // One region, one epoch: that of whoever of us is ahead.
            self.ours = self.ours.max(epoch);
            match &mut self.stand {
                // Somebody has made it active again since: this node joins.
                Stand::Waiting {
                    until: until @ None,
                } if epoch > self.demoted && !self.is_draining => {
                    *until = Some(now);
                }
                Stand::Waiting { .. } => {}
                Stand::Asking { epoch: own, .. } | Stand::Decreed { epoch: own, .. } => {
                    *own = epoch.max(*own);
                }
            }
            return;
        }
        self.other_active = Some(now);
        let own = match &self.stand {
            Stand::Waiting { .. } => Epoch::default(),
            Stand::Asking { epoch, .. } | Stand::Decreed { epoch, .. } => *epoch,
        };
        // Who acts by a lower one will hear of ours. Two operators may have come upon the same.
        if (epoch, region) > (own, self.region) {
            self.wait_for_silence(now);
        }
    }

    /// Somebody has acted by this epoch, as the store remembers, and which region, if it says so: ours has to be above it, unless it is
    /// ours. Where all nodes have begun anew nobody else knows how far they had counted.
    pub fn outdated(&mut self, epoch: Epoch, of: Option<Region>) {
        self.ballot.hear(epoch, of);
        self.highest = self.highest.max(epoch);
    }

    /// Another node asks for this one's vote.
    pub fn asked(&mut self, now: Instant, region: Region, epoch: Epoch, plea: Plea) -> Vote {
        let vote = self.ballot.ask(now, region, epoch, plea);
        match plea {
            Plea::Decree if vote == Vote::Granted => self.heard_active(now, region, epoch),
            Plea::Release if region == self.region => self.rest(epoch),
            Plea::Lease | Plea::Decree | Plea::Release => {}
        }
        vote
    }

    /// An operator makes this region the active one. `is_forced`: even if the other one is active; it gives way when it hears.
    pub fn promote(&mut self, now: Instant, is_forced: bool) -> Result<Epoch, Refusal> {
        if self.is_draining {
            return Err(Refusal::Draining);
        }
        if let Role::Active(epoch) = self.role(now) {
            return Ok(epoch);
        }
        let is_late = |heard: Instant| now.since(heard) < self.settings.lease;
        // Who has our vote asked for it within a lease.
        let holder = self.ballot.holder(now);
        let has_our_vote = holder.is_some_and(|holder| holder != self.region);
        if !is_forced && (has_our_vote || self.other_active.is_some_and(is_late)) {
            return Err(Refusal::OtherSideLives);
        }
        let epoch = self.highest.next();
        self.highest = epoch;
        let votes = Votes::new();
        self.stand = Stand::Decreed {
            epoch,
            again_at: now,
            votes,
        };
        Ok(epoch)
    }

    /// An operator makes this region a standby: it does not ask again by itself until another one was active, or an operator has made it
    /// active again. The letters tell its other nodes as well.
    pub fn demote(&mut self, now: Instant, letters: &mut Vec<Letter>) {
        self.release(now, letters);
        self.rest(self.highest);
    }

    /// This node is about to leave: it rings no more and asks for no votes. The others of its region go on; it votes until its end.
    pub fn drain(&mut self) {
        self.is_draining = true;
        self.stand = Stand::Waiting { until: None };
    }

    /// An operator's word, given at whichever node of ours: no node of the region goes on.
    fn rest(&mut self, epoch: Epoch) {
        self.demoted = self.highest.max(epoch);
        self.stand = Stand::Waiting { until: None };
    }

    fn wait_for_silence(&mut self, now: Instant) {
        if !self.is_draining {
            let until = Some(now + self.settings.take_over_after);
            self.stand = Stand::Waiting { until };
        }
    }

    /// Asks for as much as before, or, where that was in vain, with a higher epoch.
    fn ask_higher(&mut self, now: Instant) {
        let is_active = matches!(self.role(now), Role::Active(_));
        let is_late = |heard: Instant| now.since(heard) < self.settings.take_over_after;
        if !is_active && self.other_active.is_some_and(is_late) {
            self.wait_for_silence(now);
            return;
        }
        let (highest, outbid) = (self.highest, self.outbid);
        if let Stand::Asking { epoch, votes, .. } = &mut self.stand
            && (highest > *epoch || (outbid == *epoch && outbid > Epoch::default()))
        {
            *epoch = highest.next();
            if !is_active {
                votes.clear();
            }
        }
    }

    /// The same of an operator's word: it is above what others only asked by. Before one that acts it has given way.
    fn decree_higher(&mut self, now: Instant) {
        let is_late = |heard: Instant| now.since(heard) < self.settings.take_over_after;
        if self.other_active.is_some_and(is_late) {
            return;
        }
        let (highest, outbid) = (self.highest, self.outbid);
        if let Stand::Decreed { epoch, .. } = &mut self.stand
            && outbid >= *epoch
        {
            *epoch = highest.next();
        }
    }

    fn plead(&mut self, now: Instant, letters: &mut Vec<Letter>) {
        let next = now + self.settings.renew_every;
        let (epoch, plea) = match &mut self.stand {
            Stand::Waiting { .. } => return,
            Stand::Asking {
                epoch, again_at, ..
            } => {
                *again_at = next;
                (*epoch, Plea::Lease)
            }
            Stand::Decreed {
                epoch, again_at, ..
            } => {
                *again_at = next;
                (*epoch, Plea::Decree)
            }
        };
        self.highest = self.highest.max(epoch);
        self.round += 1;
        self.sent.insert(self.round, now);
        while self.sent.len() > ROUNDS {
            self.sent.pop_first();
        }
        let round = self.round;
        let others = self.voters.iter().filter(|voter| **voter != self.me);
        letters.extend(others.map(|to| Letter {
            to: *to,
            epoch,
            plea,
            round,
        }));
        let own = self.ballot.ask(now, self.region, epoch, plea);
        self.count(now, self.me, now, own);
    }

    fn count(&mut self, now: Instant, from: Node, sent: Instant, vote: Vote) {
        let is_voter = self.voters.contains(&from);
        let votes = match &mut self.stand {
            Stand::Waiting { .. } => return,
            Stand::Asking { votes, .. } | Stand::Decreed { votes, .. } => votes,
        };
        match vote {
            Vote::Granted if is_voter => {
                let at = votes.entry(from).or_insert(sent);
                *at = sent.max(*at);
            }
            Vote::Granted => {}
            Vote::Refused { highest, holder } => self.refused(now, from, highest, holder),
            Vote::Deposed(by) => {
                self.highest = self.highest.max(by);
                self.other_active = Some(now);
                self.wait_for_silence(now);
            }
        }
        self.rest_on_majority(now);
    }

    fn refused(&mut self, now: Instant, from: Node, highest: Epoch, holder: Option<Region>) {
        self.highest = self.highest.max(highest);
        match &mut self.stand {
            Stand::Waiting { .. } => {}
            // Another node of ours asks with a higher epoch: one region, one epoch.
            Stand::Asking { epoch, .. } | Stand::Decreed { epoch, .. }
                if holder == Some(self.region) =>
            {
                *epoch = highest.max(*epoch);
                self.outbid = Epoch::default();
            }
            Stand::Asking { votes, .. } => {
                votes.remove(&from);
                self.outbid = self.outbid.max(highest);
                if holder.is_some() {
                    self.other_active = Some(now);
                }
            }
            Stand::Decreed { votes, .. } => {
                votes.remove(&from);
                if holder.is_none() {
                    self.outbid = self.outbid.max(highest);
                }
            }
        }
    }

    /// An operator's word is needed only until the voters agree.
    fn rest_on_majority(&mut self, now: Instant) {
        if let Stand::Decreed {
            epoch,
            again_at,
            votes,
        } = &self.stand
            && self.holds_until(votes).is_some_and(|until| now < until)
        {
            let (epoch, again_at, votes) = (*epoch, *again_at, votes.clone());
            self.stand = Stand::Asking {
                epoch,
                again_at,
                votes,
            };
        }
    }

    fn release(&mut self, now: Instant, letters: &mut Vec<Letter>) {
        let epoch = self.highest;
        let round = 0; // Nobody waits for an answer.
        let plea = Plea::Release;
        let others = self.voters.iter().filter(|voter| **voter != self.me);
        letters.extend(others.map(|to| Letter {
            to: *to,
            epoch,
            plea,
            round,
        }));
        self.ballot.ask(now, self.region, epoch, plea);
    }

    /// Until when a majority holds; `None`: there is none.
    fn holds_until(&self, votes: &Votes) -> Option<Instant> {
        let mut asked: Vec<_> = votes.values().copied().collect();
        asked.sort_unstable_by(|one, other| other.cmp(one));
        // With so many that were asked as late as this, or later, it is a majority.
        asked
            .get(self.voters.len() / 2)
            .map(|at| *at + self.settings.lease)
    }
}

#[cfg(test)]
mod tests;
