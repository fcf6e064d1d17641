//! One vote on which region is active: a lease that a voter gives to one region at a time.
//!
//! Nodes and witnesses vote. Two majorities share a voter, and that voter gives nothing to a second region before the lease of the
//! first has ended: so two regions never hold a majority at once. A lease is counted by each on its own clock: by the voter from
//! when it is given, by the region from when it was asked for, which is earlier.

use std::time::Duration;

use crate::core::region::{Epoch, Region};
use crate::core::time::Instant;

/// What a voter answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    /// The region has this vote for a lease.
    Granted,
    /// It has not.
    Refused {
        /// The highest epoch that the voter has voted for: one who asks again takes a higher one.
        highest: Epoch,
        /// Who has its vote now.
        holder: Option<Region>,
    },
    /// It has not, and is to give way: another one is active by an operator's word, and by this higher epoch.
    Deposed(Epoch),
}

/// What a region asks of a voter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plea {
    /// Its vote, or its vote for longer.
    Lease,
    /// The same by an operator's word, which ends the lease of another region.
    Decree,
    /// To take its vote back.
    Release,
}

/// A voter.
#[derive(Clone, Copy, Debug)]
pub struct Ballot {
    lease: Duration,
    /// It has just begun, and does not know what it gave in its life before.
    mute_until: Instant,
    highest: Epoch,
    /// Whose that epoch is, where that is known: what is heard of it before it is asked for must not count against them.
    highest_of: Option<Region>,
    granted: Option<Granted>,
}

#[derive(Clone, Copy, Debug)]
struct Granted {
    to: Region,
    until: Instant,
    is_decreed: bool,
}

impl Ballot {
    /// One that has just begun; leases are this long.
    pub fn new(now: Instant, lease: Duration) -> Self {
        Self {
            lease,
            mute_until: now + lease,
            highest: Epoch::default(),
            highest_of: None,
            granted: None,
        }
    }

    /// A region asks.
    pub fn ask(&mut self, now: Instant, region: Region, epoch: Epoch, plea: Plea) -> Vote {
        let held = self.granted.filter(|granted| now < granted.until);
        // An epoch is one region's, so who takes over has a higher one.
        let is_new = epoch > self.highest;
        let may_act = is_new || (epoch == self.highest && self.highest_of == Some(region));
        let may = match plea {
            Plea::Release => {
                if held.is_some_and(|granted| granted.to == region) {
                    self.granted = None;
                    self.highest_of = None;
                }
                false
            }
            Plea::Decree => may_act,
            Plea::Lease => {
                let is_free = held.is_none_or(|held| held.to == region);
                now >= self.mute_until && may_act && is_free
            }
        };
        if !may {
            let is_deposed = held.is_some_and(|held| held.is_decreed && held.to != region);
            return if is_deposed && epoch < self.highest {
                Vote::Deposed(self.highest)
            } else {
                let holder = held.map(|held| held.to);
                Vote::Refused {
                    highest: self.highest,
                    holder,
                }
            };
        }
        self.highest = epoch;
        self.highest_of = Some(region);
        self.granted = Some(Granted {
            to: region,
            until: now + self.lease,
            is_decreed: plea == Plea::Decree,
        });
        Vote::Granted
    }

    /// Which region has its vote now.
    pub fn holder(&self, now: Instant) -> Option<Region> {
        let held = self.granted.filter(|granted| now < granted.until);
        held.map(|held| held.to)
    }

    /// A region acts by this epoch, or somebody of whom no more is known: none below it is voted for, and by it that region alone.
    pub fn hear(&mut self, epoch: Epoch, of: Option<Region>) {
        if epoch > self.highest {
            self.highest = epoch;
            self.highest_of = of;
        } else if epoch == self.highest {
            self.highest_of = self.highest_of.or(of);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_region_at_a_time_has_its_vote() {
        let at = |seconds| Instant::from_start(Duration::from_secs(seconds));
        let [east, west] = ["east", "west"].map(|name| Region::parse(name).unwrap());
        let mut ballot = Ballot::new(at(0), Duration::from_secs(10));
        let is_granted = |vote| vote == Vote::Granted;
        let mut ask = |second, region, epoch, plea| {
            is_granted(ballot.ask(at(second), region, Epoch(epoch), plea))
        };
        assert!(
            !ask(9, east, 1, Plea::Lease),
            "what it gave before is not known"
        );
        assert!(ask(10, east, 1, Plea::Lease));
        assert!(!ask(12, west, 2, Plea::Lease), "it is given");
        assert!(ask(15, east, 1, Plea::Lease), "for longer");
        assert!(!ask(24, west, 2, Plea::Lease));
        assert!(!ask(25, west, 1, Plea::Lease), "an epoch is one region's");
        assert!(ask(25, west, 2, Plea::Lease));
        assert!(
            !ask(26, east, 1, Plea::Lease),
            "who slept has been replaced"
        );
        assert!(
            !ask(26, east, 2, Plea::Decree),
            "even an operator counts on"
        );
        assert!(ask(26, east, 3, Plea::Decree));
        assert!(!ask(27, west, 4, Plea::Lease));
        assert!(!ask(27, east, 3, Plea::Release));
        assert!(ask(27, west, 4, Plea::Lease), "it was given back");
        assert!(ask(28, east, 5, Plea::Decree));
        let vote = ballot.ask(at(28), west, Epoch(4), Plea::Lease);
        assert_eq!(vote, Vote::Deposed(Epoch(5)));
    }

    #[test]
    fn who_acts_by_an_epoch_may_ask_by_it_though_it_was_heard_of_before() {
        let now = Instant::from_start(Duration::from_secs(20));
        let [east, west] = ["east", "west"].map(|name| Region::parse(name).unwrap());
        for plea in [Plea::Decree, Plea::Lease] {
            let mut ballot = Ballot::new(Instant::ZERO, Duration::from_secs(10));
            ballot.hear(Epoch(2), Some(east));
            ballot.hear(Epoch(2), None);
            let refused = ballot.ask(now, west, Epoch(2), plea);
            assert_ne!(refused, Vote::Granted, "an epoch is one region's");
            assert_eq!(ballot.ask(now, east, Epoch(2), plea), Vote::Granted);
        }
        let mut ballot = Ballot::new(Instant::ZERO, Duration::from_secs(10));
        assert_eq!(ballot.ask(now, west, Epoch(1), Plea::Lease), Vote::Granted);
        ballot.hear(Epoch(2), Some(east));
        let refused = ballot.ask(now, west, Epoch(2), Plea::Lease);
        assert_ne!(refused, Vote::Granted, "not by another's either");
    }
}
