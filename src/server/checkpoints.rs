//! What is kept of calls whose stream may be lost: as much as another stream needs to go on. Touched between turns, never by a frame.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::core::call::checkpoint::Checkpoint;
use crate::core::ids::{CallId, CallSid};
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
    /// Our name of the call, which its next stream goes by.
    id: CallId,
    checkpoint: Checkpoint,
}

impl Checkpoints {
    /// The call stands here now.
    pub(super) fn keep(&self, now: Instant, call: CallSid, id: CallId, checkpoint: Checkpoint) {
        let mut calls = self.lock();
        if calls.len() >= CALLS_MAX && !calls.contains_key(&call) {
            let oldest = calls.iter().min_by_key(|(_, kept)| kept.at);
            if let Some(oldest) = oldest.map(|(call, _)| *call) {
                calls.remove(&oldest);
            }
        }
        let at = now;
        calls.insert(call, Kept { at, id, checkpoint });
    }

    /// The call stood here in a life before, unless something newer is known.
    pub(super) fn recall(&self, now: Instant, call: CallSid, id: CallId, checkpoint: Checkpoint) {
        if !self.lock().contains_key(&call) {
            self.keep(now, call, id, checkpoint);
        }
    }

    /// Where the call stood, and our name of it, if a stream of it was lost a moment ago.
    pub(super) fn take(&self, now: Instant, call: &CallSid) -> Option<(CallId, Checkpoint)> {
        let Kept { at, id, checkpoint } = self.lock().remove(call)?;
        (now.since(at) < KEPT_FOR).then_some((id, checkpoint))
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

    fn sid(number: usize) -> CallSid {
        CallSid::parse(&format!("CA{number:032x}")).unwrap()
    }

    const ID: CallId = CallId::from_bits(1);

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
        checkpoints.keep(at(0), sid(1), ID, Checkpoint::default());
        checkpoints.keep(at(1), sid(1), ID, checkpoint.clone());
        checkpoints.recall(at(1), sid(1), ID, Checkpoint::default());
        assert_eq!(checkpoints.take(at(2), &sid(1)), Some((ID, checkpoint)));
        assert_eq!(checkpoints.take(at(2), &sid(1)), None);
    }

    #[test]
    fn what_is_over_old_or_too_much_is_forgotten() {
        let checkpoints = Checkpoints::default();
        checkpoints.keep(at(0), sid(0), ID, Checkpoint::default());
        checkpoints.forget(&sid(0));
        assert_eq!(checkpoints.take(at(0), &sid(0)), None);
        for number in 1..=CALLS_MAX + 1 {
            checkpoints.keep(at(number as u64), sid(number), ID, Checkpoint::default());
        }
        assert_eq!(checkpoints.take(at(2), &sid(1)), None, "the oldest");
        assert!(checkpoints.take(at(3), &sid(2)).is_some());
        assert_eq!(checkpoints.take(at(700), &sid(3)), None);
    }
}
