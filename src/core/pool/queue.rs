//! Who waits for a session, in order: live calls before new ones, and the oldest wait first.
//!
//! Nobody is called up: a call that waits asks again, and is served if what there is suffices for all who stand before it as
//! well. So nobody is overtaken to his harm, and nothing is kept for one who no longer asks.

use std::time::Duration;

use crate::core::ids::CallId;
use crate::core::pool::ladder::Entries;
use crate::core::pool::request::{Rank, Request};
use crate::core::time::Instant;

/// How many calls may wait. Beyond it the last in order goes, and who would be last is not let in.
const WAITERS_MAX: usize = 4_096;

/// For how long after the moment at which it should have asked a waiter keeps its place.
const GRACE: Duration = Duration::from_millis(250);

/// The calls that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    /// In order of rank.
    waiters: Vec<Waiter>,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    rank: Rank,
    /// Which of them would do.
    wants: Entries,
    stale_at: Instant,
}

impl Queue {
    /// How many stand before `request` and want this entry too.
    pub(super) fn ahead(&self, now: Instant, request: &Request, entry: Entries) -> u32 {
        let rank = request.rank();
        let ahead = self
            .waiters
            .iter()
            .take_while(|waiter| waiter.rank < rank)
            .filter(|waiter| waiter.wants.has_any(entry) && now < waiter.stale_at)
            .count();
        u32::try_from(ahead).unwrap_or(u32::MAX)
    }

    /// Stands in line, or keeps standing; `false` if the queue is full of others who go first.
    pub(super) fn join(
        &mut self,
        now: Instant,
        request: &mut Request,
        wants: Entries,
        until: Instant,
    ) -> bool {
        self.leave(request);
        self.waiters.retain(|waiter| now < waiter.stale_at);
        let rank = request.rank();
        let place = self.waiters.partition_point(|waiter| waiter.rank < rank);
        if place >= WAITERS_MAX {
            return false;
        }
        self.waiters.truncate(WAITERS_MAX - 1);
        let stale_at = until + GRACE;
        let waiter = Waiter {
            rank,
            wants,
            stale_at,
        };
        self.waiters.insert(place, waiter);
        request.is_queued = true;
        true
    }

    /// Stands in line no longer.
    pub(super) fn leave(&mut self, request: &mut Request) {
        if std::mem::take(&mut request.is_queued) {
            self.remove(request.call());
        }
    }

    /// Whether anybody waits who wants this entry.
    pub(super) fn is_awaited(&self, now: Instant, entry: Entries) -> bool {
        self.waiters
            .iter()
            .any(|waiter| waiter.wants.has_any(entry) && now < waiter.stale_at)
    }

    /// How many wait.
    pub(super) fn len(&self, now: Instant) -> usize {
        let is_waiting = |waiter: &&Waiter| now < waiter.stale_at;
        self.waiters.iter().filter(is_waiting).count()
    }

    fn remove(&mut self, call: CallId) {
        self.waiters.retain(|waiter| waiter.rank.2 != call);
    }
}
