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
            granted: None,
        }
    }

    /// A region asks.
    pub fn ask(&mut self, now: Instant, region: Region, epoch: Epoch, plea: Plea) -> Vote {
        let held = self.granted.filter(|granted| now < granted.until);
        let is_theirs = held.is_some_and(|granted| granted.to == region);
        let may = match plea {
            Plea::Release => {
                if is_theirs {
                    self.granted = None;
                }
                false
            }
            Plea::Decree => epoch > self.highest || (is_theirs && epoch == self.highest),
            Plea::Lease => now >= self.mute_until && self.may_lease(held, region, epoch),
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

    /// Somebody acts by this epoch: none below it is voted for.
    pub fn hear(&mut self, epoch: Epoch) {
        self.highest = self.highest.max(epoch);
    }

    fn may_lease(&self, held: Option<Granted>, region: Region, epoch: Epoch) -> bool {
        // An epoch is one region's, so who takes over has a higher one.
        let is_last = self.granted.is_some_and(|granted| granted.to == region);
        let is_new = epoch > self.highest || (is_last && epoch == self.highest);
        is_new && held.is_none_or(|held| held.to == region)
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
}
