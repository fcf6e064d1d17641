//! A node that has just begun is on trial: it takes few calls at first, and is to leave if they fare worse than those of the others.
//!
//! It may be a new version, new settings, or a machine with an illness. How calls fare is counted by what models did: answers that were
//! said to their end, and attempts that failed. Only nodes that are on trial no more are compared with, over the time in which both were
//! asked: an outage of a provider strikes all of them alike, and is nobody's fault. Who has nobody to be compared with is free at once to
//! take what comes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::region::presence::NODES_MAX;
use crate::core::region::{Life, Node, Peer, Region};
use crate::core::time::Instant;

/// After so many answers and faults of its own, and none too many, a trial is over.
pub const PASSED_AFTER: u64 = 50;

/// Fewer faults than this are chance.
pub const FAULTS_MIN: u64 = 3;

/// Others with fewer answers and faults meanwhile are nobody to be compared with.
pub const OTHERS_MIN: u64 = 30;

/// How many times as often as with the others something has to fail.
pub const WORSE_TIMES: u64 = 5;

/// On trial a node takes one call for so many of the others of its region.
pub const OTHERS_A_CALL: u32 = 20;

/// And so many in any case.
pub const PLACES_MIN: u32 = 2;

/// For how long a word of another node is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(10);

/// How calls of a node fared since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Answers that were said to their end.
    pub answers: u64,
    /// Attempts that failed, at the dial or later, and answers that did.
    pub faults: u64,
}

impl Record {
    const fn all(self) -> u64 {
        self.answers.saturating_add(self.faults)
    }

    const fn since(self, earlier: Self) -> Self {
        Self {
            answers: self.answers.saturating_sub(earlier.answers),
            faults: self.faults.saturating_sub(earlier.faults),
        }
    }

    const fn and(self, other: Self) -> Self {
        Self {
            answers: self.answers.saturating_add(other.answers),
            faults: self.faults.saturating_add(other.faults),
        }
    }

    /// Whether faults are that much more often than in another record that they are no chance.
    const fn is_worse_than(self, other: Self) -> bool {
        // One more on both sides of the other: of few answers without a fault not too much is concluded.
        let here = self.faults.saturating_mul(other.all().saturating_add(1));
        let there = (other.faults.saturating_add(1)).saturating_mul(self.all());
        self.faults >= FAULTS_MIN && here >= there.saturating_mul(WORSE_TIMES)
    }
}

/// How a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Open,
    /// The node is one of the others.
    Passed,
    /// Its calls fare worse than theirs: it is to leave. That is said once and for all.
    Worse,
}

/// The trial of a node.
#[derive(Clone, Debug)]
pub struct Trial {
    until: Instant,
    verdict: Verdict,
    /// As many as are remembered of nodes at all.
    others: BTreeMap<Node, Other>,
}

#[derive(Clone, Copy, Debug)]
struct Other {
    life: Life,
    region: Region,
    first: Record,
    last: Record,
    heard: Instant,
}

impl Trial {
    /// A node that begins now is on trial for so long at most; not at all for no time.
    pub fn new(now: Instant, longest: Duration) -> Self {
        let verdict = if longest.is_zero() {
            Verdict::Passed
        } else {
            Verdict::Open
        };
        Self {
            until: now + longest,
            verdict,
            others: BTreeMap::new(),
        }
    }

    /// Another node, which is on trial no more, says how its calls fared.
    pub fn hear(&mut self, now: Instant, from: Peer, record: Record) {
        if let Some(known) = self.others.get_mut(&from.node)
            && known.life == from.life
        {
            known.last = record;
            known.heard = now;
            return;
        }
        if self.others.len() < NODES_MAX || self.others.contains_key(&from.node) {
            let other = Other {
                life: from.life,
                region: from.region,
                first: record,
                last: record,
                heard: now,
            };
            self.others.insert(from.node, other);
        }
    }

    /// How it stands, by how our own calls fared.
    pub fn judge(&mut self, now: Instant, own: Record) -> Verdict {
        if self.verdict != Verdict::Open {
            return self.verdict;
        }
        let meanwhile = self.believed(now).map(|it| it.last.since(it.first));
        let others = meanwhile.fold(Record::default(), Record::and);
        if others.all() >= OTHERS_MIN && own.is_worse_than(others) {
            self.verdict = Verdict::Worse;
        } else if own.all() >= PASSED_AFTER || now >= self.until {
            self.verdict = Verdict::Passed;
        }
        self.verdict
    }

    /// How it stands.
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// How many calls the node takes at a time, where the others of its region have so many; `None`: all that come.
    pub fn places(&self, now: Instant, region: Region, calls: u32) -> Option<u32> {
        let has_others = self.believed(now).any(|other| other.region == region);
        let is_open = self.verdict == Verdict::Open;
        (is_open && has_others).then(|| (calls / OTHERS_A_CALL).max(PLACES_MIN))
    }

    fn believed(&self, now: Instant) -> impl Iterator<Item = &Other> {
        let is_believed = move |other: &&Other| now.since(other.heard) < BELIEVED_FOR;
        self.others.values().filter(is_believed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_mins(10);

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    fn peer(region: &str, node: &str, life: u64) -> Peer {
        Peer {
            region: Region::parse(region).unwrap(),
            node: Node::parse(node).unwrap(),
            life: Life(life),
        }
    }

    const fn record(answers: u64, faults: u64) -> Record {
        Record { answers, faults }
    }

    /// A trial in which another node had these answers and faults meanwhile.
    fn beside(answers: u64, faults: u64) -> Trial {
        let mut trial = Trial::new(at(0), LONGEST);
        // What was before is no matter of theirs.
        let before = record(1_000, 900);
        trial.hear(at(1), peer("east", "b", 1), before);
        let after = before.and(record(answers, faults));
        trial.hear(at(20), peer("east", "b", 1), after);
        trial
    }

    #[test]
    fn whose_calls_fare_worse_than_those_of_others_is_to_leave() {
        for (theirs, own, expected) in [
            ((200, 0), (10, 3), Verdict::Worse),
            ((200, 0), (10, 2), Verdict::Open),   // Chance.
            ((200, 100), (10, 8), Verdict::Open), // The provider is ill, and everybody knows.
            ((200, 8), (10, 3), Verdict::Worse),  // 4 % and 23 %.
            ((200, 12), (10, 3), Verdict::Open),  // 6 % and 23 %.
            ((20, 0), (1, 9), Verdict::Open),     // Nobody to be compared with.
            ((200, 0), (47, 3), Verdict::Worse),  // Before it is taken for passed.
            ((200, 4), (49, 3), Verdict::Passed),
            ((2_000, 0), (40, 1), Verdict::Open),
        ] {
            let mut trial = beside(theirs.0, theirs.1);
            let verdict = trial.judge(at(21), record(own.0, own.1));
            assert_eq!(verdict, expected, "{theirs:?} {own:?}");
        }
        let mut trial = beside(200, 0);
        assert_eq!(trial.judge(at(21), record(0, 3)), Verdict::Worse);
        let late = trial.judge(at(22), record(1_000, 3));
        assert_eq!(late, Verdict::Worse, "it is said once and for all");
    }

    #[test]
    fn who_is_silent_or_has_begun_anew_is_not_compared_with() {
        let mut trial = beside(200, 0);
        let ill = record(0, 30);
        trial.hear(at(21), peer("east", "b", 2), record(500, 0));
        assert_eq!(trial.judge(at(22), ill), Verdict::Open, "another life");
        let mut trial = beside(200, 0);
        assert_eq!(trial.judge(at(30), ill), Verdict::Open, "not heard of late");
        assert_eq!(trial.judge(at(600), ill), Verdict::Passed, "it has an end");
    }

    #[test]
    fn few_calls_are_taken_on_trial_and_only_where_somebody_else_takes_the_rest() {
        let (east, west) = (peer("east", "b", 1).region, peer("west", "c", 1).region);
        let trial = beside(200, 0);
        assert_eq!(trial.places(at(21), east, 200), Some(10));
        assert_eq!(trial.places(at(21), east, 5), Some(PLACES_MIN));
        assert_eq!(trial.places(at(21), west, 320), None);
        assert_eq!(trial.places(at(30), east, 320), None, "they are silent");
        let mut passed = trial.clone();
        assert_eq!(passed.judge(at(21), record(50, 0)), Verdict::Passed);
        assert_eq!(passed.places(at(21), east, 320), None);
        let never = Trial::new(at(0), Duration::ZERO);
        assert_eq!(never.verdict(), Verdict::Passed);
    }
}
