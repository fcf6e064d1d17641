//! A node that has just begun is on trial: it takes few calls at first, and is to leave if they fare worse than those of the others.
//!
//! It may be a new version, new settings, or a machine with an illness. How calls fare is counted by what models did: answers that were
//! said to their end, and attempts that failed. Only nodes that are on trial no more are compared with, over the same last half minute or
//! more, and only while they are well themselves: an outage of a provider strikes all alike, and is nobody's fault. Who has nobody to be
//! compared with takes what comes.

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

/// Of so many answers and faults of another node one fault is usual, and two in any case; with more it is ill itself.
pub const USUAL_FAULT_OF: u64 = 50;

/// How many times as often as with any other node something has to fail.
pub const WORSE_TIMES: u64 = 5;

/// For how long it has to be so: not all notice at once that a provider is out.
pub const WORSE_FOR: Duration = Duration::from_secs(5);

/// It is compared over this time at least, and twice this time at most.
pub const COMPARED_OVER: Duration = Duration::from_secs(30);

/// On trial a node takes one call for so many of the others of its region.
pub const OTHERS_A_CALL: u32 = 20;

/// And so many in any case.
pub const PLACES_MIN: u32 = 4;

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

    /// Whether faults are no more than is usual.
    const fn is_well(self) -> bool {
        self.faults <= 2 + self.all() / USUAL_FAULT_OF
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
    /// Since when it has looked as if the node were worse.
    worse_since: Option<Instant>,
    /// As many as are remembered of nodes at all.
    others: BTreeMap<Node, Other>,
}

#[derive(Clone, Copy, Debug)]
struct Other {
    life: Life,
    region: Region,
    /// Two looks back, a window apart: it is compared since the older one.
    older: Look,
    newer: Look,
    last: Record,
    heard: Instant,
}

/// How it stood with both at a moment.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    theirs: Record,
    own: Record,
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
            worse_since: None,
            others: BTreeMap::new(),
        }
    }

    /// Another node, which is on trial no more, says how its calls fared. `own`: how ours did, looked at after that was heard.
    pub fn hear(&mut self, now: Instant, from: Peer, theirs: Record, own: Record) {
        let look = Look {
            at: now,
            theirs,
            own,
        };
        if let Some(known) = self.others.get_mut(&from.node)
            && known.life == from.life
        {
            known.last = theirs;
            known.heard = now;
            if now.since(known.newer.at) >= COMPARED_OVER {
                known.older = known.newer;
                known.newer = look;
            }
            return;
        }
        if self.others.len() < NODES_MAX || self.others.contains_key(&from.node) {
            let other = Other {
                life: from.life,
                region: from.region,
                older: look,
                newer: look,
                last: theirs,
                heard: now,
            };
            self.others.insert(from.node, other);
        }
    }

    /// Another node is ill itself, or on trial: it is compared with anew once it is not.
    pub fn forget(&mut self, node: Node) {
        self.others.remove(&node);
    }

    /// How it stands, by how our own calls fared: looked at before the others were asked, so that they know of whatever we know.
    pub fn judge(&mut self, now: Instant, own: Record) -> Verdict {
        if self.verdict != Verdict::Open {
            return self.verdict;
        }
        self.worse_since = if self.looks_worse(now, own) {
            self.worse_since.or(Some(now))
        } else {
            None
        };
        let is_worse = (self.worse_since).is_some_and(|since| now.since(since) >= WORSE_FOR);
        if is_worse {
            self.verdict = Verdict::Worse;
        } else if self.worse_since.is_none() && (own.all() >= PASSED_AFTER || now >= self.until) {
            self.verdict = Verdict::Passed;
        }
        self.verdict
    }

    /// Worse than each of the others that have enough to be compared with, all of whom are well.
    fn looks_worse(&self, now: Instant, own: Record) -> bool {
        let pairs = self.believed(now).map(|other| {
            let theirs = other.last.since(other.older.theirs);
            (own.since(other.older.own), theirs)
        });
        let mut pairs = pairs
            .filter(|(_, theirs)| theirs.all() >= OTHERS_MIN)
            .peekable();
        pairs.peek().is_some()
            && pairs.all(|(own, theirs)| theirs.is_well() && own.is_worse_than(theirs))
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

    /// A trial in which another node had these answers and faults meanwhile, and we had none at its beginning.
    fn beside(answers: u64, faults: u64) -> Trial {
        let mut trial = Trial::new(at(0), LONGEST);
        // What was before is no matter of theirs.
        let before = record(1_000, 900);
        trial.hear(at(1), peer("east", "b", 1), before, record(0, 0));
        let after = record(1_000 + answers, 900 + faults);
        trial.hear(at(20), peer("east", "b", 1), after, record(0, 0));
        trial
    }

    /// The verdict once it has looked so for long enough.
    fn judged(trial: &mut Trial, own: Record) -> Verdict {
        let first = trial.judge(at(21), own);
        assert_ne!(first, Verdict::Worse, "nobody is condemned at a glance");
        trial.judge(at(26), own)
    }

    #[test]
    fn whose_calls_fare_worse_than_those_of_others_is_to_leave() {
        for (theirs, own, expected) in [
            ((200, 0), (10, 3), Verdict::Worse),
            ((200, 0), (10, 2), Verdict::Open),  // Chance.
            ((200, 6), (10, 3), Verdict::Worse), // 3 % and 23 %.
            ((200, 6), (30, 3), Verdict::Open),  // 3 % and 9 %.
            ((20, 0), (1, 9), Verdict::Open),    // Nobody to be compared with.
            ((200, 0), (47, 3), Verdict::Worse),
            ((200, 0), (40, 1), Verdict::Open),
            ((200, 0), (49, 1), Verdict::Passed),
        ] {
            let (own, mut trial) = (record(own.0, own.1), beside(theirs.0, theirs.1));
            assert_eq!(judged(&mut trial, own), expected, "{theirs:?} {own:?}");
        }
        let mut trial = beside(200, 0);
        assert_eq!(judged(&mut trial, record(0, 3)), Verdict::Worse);
        let late = trial.judge(at(25), record(1_000, 3));
        assert_eq!(late, Verdict::Worse, "it is said once and for all");
    }

    #[test]
    fn an_outage_that_strikes_the_others_as_well_is_nobodys_fault() {
        // All calls of all are cut: theirs have answered for long, ours have just begun.
        for (theirs, own) in [((400, 100), (0, 6)), ((900, 25), (2, 6)), ((30, 5), (1, 3))] {
            let mut trial = beside(theirs.0, theirs.1);
            let own = record(own.0, own.1);
            assert_eq!(judged(&mut trial, own), Verdict::Open, "{theirs:?} {own:?}");
        }
        // What was before they were heard of counts on neither side: they may have passed their trial since.
        let mut trial = Trial::new(at(0), LONGEST);
        let struck = record(2, 6);
        trial.hear(at(1), peer("east", "b", 1), record(40, 10), struck);
        trial.hear(at(20), peer("east", "b", 1), record(240, 10), struck);
        assert_eq!(judged(&mut trial, struck), Verdict::Open);
        // And of long ago nothing counts either: of an hour's answers a hundred faults are few.
        let mut trial = beside(200, 0);
        for (seconds, answers) in [(31, 5_000), (61, 9_000), (62, 9_005)] {
            let theirs = record(1_000 + answers, 900);
            trial.hear(at(seconds), peer("east", "b", 1), theirs, record(0, 0));
        }
        let theirs = record(10_005, 1_000);
        trial.hear(at(63), peer("east", "b", 1), theirs, record(0, 9));
        trial.judge(at(64), record(0, 9));
        assert_eq!(trial.judge(at(67), record(0, 9)), Verdict::Open);
    }

    #[test]
    fn who_has_been_ill_is_compared_with_anew() {
        let mut trial = beside(200, 0);
        let (ill, other) = (record(0, 9), peer("east", "b", 1));
        trial.forget(other.node);
        trial.hear(at(21), other, record(1_200, 900), ill);
        trial.hear(at(25), other, record(1_300, 900), ill);
        assert_eq!(judged(&mut trial, ill), Verdict::Open);
    }

    #[test]
    fn who_is_silent_or_has_begun_anew_is_not_compared_with() {
        let mut trial = beside(200, 0);
        let ill = record(0, 30);
        trial.hear(at(21), peer("east", "b", 2), record(500, 0), record(0, 0));
        assert_eq!(judged(&mut trial, ill), Verdict::Open, "another life");
        let mut trial = beside(200, 0);
        trial.judge(at(30), ill);
        assert_eq!(trial.judge(at(33), ill), Verdict::Open, "not heard of late");
        assert_eq!(trial.judge(at(600), ill), Verdict::Passed, "it has an end");
    }

    #[test]
    fn what_looks_worse_for_a_moment_only_is_forgotten() {
        let mut trial = beside(200, 0);
        assert_eq!(trial.judge(at(21), record(0, 3)), Verdict::Open);
        let theirs = record(1_200, 912);
        trial.hear(at(22), peer("east", "b", 1), theirs, record(0, 3));
        assert_eq!(trial.judge(at(22), record(0, 3)), Verdict::Open);
        let theirs = record(1_900, 912);
        trial.hear(at(23), peer("east", "b", 1), theirs, record(0, 3));
        assert_eq!(trial.judge(at(24), record(0, 3)), Verdict::Open, "anew");
        assert_eq!(trial.judge(at(29), record(0, 3)), Verdict::Worse);
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
