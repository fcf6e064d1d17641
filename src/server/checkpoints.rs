//! What is kept of calls whose stream may be lost: as much as another stream needs to go on. Touched between turns, never by a frame.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::core::call::checkpoint::Checkpoint;
use crate::core::ids::{CallId, CallSid};
use crate::core::region::Version;
use crate::core::region::owner::{NOT_COUNTED, Tenure};
use crate::core::region::resume::{Fate, Resumed};
use crate::core::time::Instant;

/// Calls that are remembered: beyond it the oldest is forgotten. A conversation has 16 KiB at most.
pub(super) const CALLS_MAX: usize = 10_000;

/// How long a call is remembered after its last turn: longer than any carrier takes to come back.
pub(super) const KEPT_FOR: Duration = Duration::from_mins(10);

/// The last checkpoint of each call.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    calls: Mutex<BTreeMap<CallSid, Kept>>,
}

#[derive(Debug)]
struct Kept {
    at: Instant,
    left: Left,
}

/// Where a stream has left its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// Whose stream it is or was. The next one goes by the same name.
    pub(super) by: Tenure,
    /// Which of its checkpoints this is.
    pub(super) turn: u32,
    /// What is to become of the call.
    pub(super) fate: Fate,
    /// When it was put together again, as its documents say.
    pub(super) resumed: Resumed,
    pub(super) checkpoint: Checkpoint,
}

impl Left {
    /// Which is newer.
    pub(super) const fn version(&self) -> Version {
        Version {
            epoch: self.by.card.epoch,
            turn: self.turn,
        }
    }
}

impl Checkpoints {
    /// The call stands here now, unless a newer stream has said where it stands since: one that is being replaced still speaks. Streams
    /// of documents that are not ours are not counted, so of those the last one that speaks counts.
    pub(super) fn keep(&self, now: Instant, call: CallSid, left: Left) {
        let mut calls = self.lock();
        let is_counted = left.by.card.epoch != NOT_COUNTED;
        let newest = calls.get(&call).map(|kept| kept.left.version());
        if is_counted && newest.is_some_and(|newest| newest > left.version()) {
            return;
        }
        if calls.len() >= CALLS_MAX && !calls.contains_key(&call) {
            let oldest = calls.iter().min_by_key(|(_, kept)| kept.at);
            if let Some(oldest) = oldest.map(|(call, _)| *call) {
                calls.remove(&oldest);
            }
        }
        let at = now;
        calls.insert(call, Kept { at, left });
    }

    /// The call stood here in a life before or at another node, unless something as new is known.
    pub(super) fn recall(&self, now: Instant, call: CallSid, left: Left) {
        let known = self.known(now, &call);
        if known.is_none_or(|known| known.version() < left.version()) {
            self.keep(now, call, left);
        }
    }

    /// Where the call stands, if a stream of it is or was here a moment ago.
    pub(super) fn known(&self, now: Instant, call: &CallSid) -> Option<Left> {
        let calls = self.lock();
        let kept = calls.get(call)?;
        (now.since(kept.at) < KEPT_FOR).then(|| kept.left.clone())
    }

    /// Where the call stood, and our name of it, if a stream of it was lost a moment ago.
    pub(super) fn take(&self, now: Instant, call: &CallSid) -> Option<(CallId, Checkpoint)> {
        let Kept { at, left } = self.lock().remove(call)?;
        let is_recent = now.since(at) < KEPT_FOR;
        is_recent.then_some((left.by.card.id, left.checkpoint))
    }

    /// The caller has heard nothing for so long since: the next stream is to break the silence the sooner.
    pub(super) fn has_waited(&self, call: &CallSid, since: Duration) {
        if let Some(kept) = self.lock().get_mut(call) {
            kept.left.checkpoint.waited += since;
        }
    }

    /// The call is over: nobody goes on with it.
    pub(super) fn forget(&self, call: &CallSid) {
        self.lock().remove(call);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CallSid, Kept>> {
        // Nothing is done under the lock that could leave the map half changed.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::call::memory::{Memory, Speaker};
    use crate::core::front::Card;
    use crate::core::region::{Life, Node, Peer, Region};

    fn sid(number: usize) -> CallSid {
        CallSid::parse(&format!("CA{number:032x}")).unwrap()
    }

    const ID: CallId = CallId::from_bits(1);

    fn left(turn: u32, checkpoint: Checkpoint) -> Left {
        let card = Card { id: ID, epoch: 1 };
        let owner = Peer {
            region: Region::parse("main").unwrap(),
            node: Node::parse("node-1").unwrap(),
            life: Life(1),
        };
        Left {
            by: Tenure { card, owner },
            turn,
            fate: Fate::GoesOn,
            resumed: Resumed::default(),
            checkpoint,
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn the_next_stream_of_a_call_gets_its_last_checkpoint_once() {
        let checkpoints = Checkpoints::default();
        let mut memory = Memory::default();
        memory.push(Speaker::Caller, "Hello?");
        let is_mid_turn = true;
        let checkpoint = Checkpoint {
            memory,
            is_mid_turn,
            ..Checkpoint::default()
        };
        checkpoints.keep(at(0), sid(1), left(0, Checkpoint::default()));
        checkpoints.keep(at(1), sid(1), left(1, checkpoint.clone()));
        checkpoints.recall(at(1), sid(1), left(1, Checkpoint::default()));
        assert_eq!(checkpoints.take(at(2), &sid(1)), Some((ID, checkpoint)));
        assert_eq!(checkpoints.take(at(2), &sid(1)), None);
    }

    #[test]
    fn a_stream_that_is_being_replaced_does_not_speak_for_the_newer_one() {
        let checkpoints = Checkpoints::default();
        let of = |epoch, turn| {
            let mut left = left(turn, Checkpoint::default());
            left.by.card.epoch = epoch;
            left
        };
        checkpoints.keep(at(0), sid(1), of(1, 7));
        checkpoints.keep(at(1), sid(1), of(2, 0));
        checkpoints.keep(at(2), sid(1), of(1, 8));
        assert_eq!(checkpoints.known(at(2), &sid(1)), Some(of(2, 0)));
        checkpoints.keep(at(3), sid(1), of(2, 1));
        assert_eq!(checkpoints.known(at(3), &sid(1)), Some(of(2, 1)));
        // Nobody counts those.
        checkpoints.keep(at(4), sid(1), of(NOT_COUNTED, 0));
        assert_eq!(checkpoints.known(at(4), &sid(1)), Some(of(NOT_COUNTED, 0)));
    }

    #[test]
    fn who_has_waited_for_the_carrier_has_waited_for_the_agent() {
        let checkpoints = Checkpoints::default();
        let checkpoint = Checkpoint {
            waited: Duration::from_secs(1),
            ..Checkpoint::default()
        };
        checkpoints.keep(at(0), sid(1), left(0, checkpoint));
        checkpoints.has_waited(&sid(1), Duration::from_secs(2));
        checkpoints.has_waited(&sid(2), Duration::from_secs(2));
        let (_, kept) = checkpoints.take(at(1), &sid(1)).unwrap();
        assert_eq!(kept.waited, Duration::from_secs(3));
        assert_eq!(checkpoints.take(at(1), &sid(2)), None);
    }

    #[test]
    fn what_is_newer_elsewhere_takes_the_place_of_what_is_known() {
        let checkpoints = Checkpoints::default();
        checkpoints.keep(at(0), sid(1), left(1, Checkpoint::default()));
        let newer = left(2, Checkpoint::default());
        checkpoints.recall(at(0), sid(1), newer.clone());
        assert_eq!(checkpoints.known(at(1), &sid(1)), Some(newer));
    }

    #[test]
    fn what_is_over_old_or_too_much_is_forgotten() {
        let checkpoints = Checkpoints::default();
        let nothing = || left(0, Checkpoint::default());
        checkpoints.keep(at(0), sid(0), nothing());
        checkpoints.forget(&sid(0));
        assert_eq!(checkpoints.take(at(0), &sid(0)), None);
        for number in 1..=CALLS_MAX + 1 {
            checkpoints.keep(at(number as u64), sid(number), nothing());
        }
        assert_eq!(checkpoints.take(at(2), &sid(1)), None, "the oldest");
        assert!(checkpoints.take(at(3), &sid(2)).is_some());
        assert_eq!(checkpoints.take(at(700), &sid(3)), None);
    }
}
