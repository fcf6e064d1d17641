//! What is known in memory of the messages on disk: how far each is, and which one is next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::time::{Instant, Utc};
use crate::store::CallerHash;
use crate::store::messages::{MessageId, MessageState};

/// The messages on disk, and those on their way there.
#[derive(Debug)]
pub(super) struct Book {
    entries: BTreeMap<MessageId, Entry>,
    kept_max: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// When it was left.
    at: Utc,
    caller: Option<CallerHash>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// It is being written.
    Writing,
    /// It is to be delivered, after so many tries and not before this.
    Waiting { tries: u32, next: Instant },
    /// It needs nothing more.
    Over,
}

impl Book {
    pub(super) const fn new(kept_max: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            kept_max,
        }
    }

    /// A message is about to be written; `false`: there are too many.
    pub(super) fn begin(&mut self, id: MessageId, at: Utc, caller: Option<CallerHash>) -> bool {
        let has_room = self.entries.len() < self.kept_max;
        if has_room {
            let stage = Stage::Writing;
            self.entries.insert(id, Entry { at, caller, stage });
        }
        has_room
    }

    /// It is on disk; `false`: its caller was forgotten meanwhile.
    pub(super) fn written(&mut self, id: MessageId, now: Instant) -> bool {
        self.set(
            id,
            Stage::Waiting {
                tries: 0,
                next: now,
            },
        )
    }

    /// It was found on disk. However many there are, they are known.
    pub(super) fn found(
        &mut self,
        id: MessageId,
        at: Utc,
        caller: Option<CallerHash>,
        how_far: MessageState,
        now: Instant,
    ) {
        let stage = match how_far {
            MessageState::Waiting => Stage::Waiting {
                tries: 0,
                next: now,
            },
            MessageState::Delivered | MessageState::Undelivered => Stage::Over,
        };
        // One of this process is known better.
        let entry = Entry { at, caller, stage };
        self.entries.entry(id).or_insert(entry);
    }

    /// It needs nothing more; `false`: its caller was forgotten meanwhile.
    pub(super) fn over(&mut self, id: MessageId) -> bool {
        self.set(id, Stage::Over)
    }

    /// Its delivery failed: how often it has now.
    pub(super) fn failed(&mut self, id: MessageId) -> u32 {
        let stage = self.entries.get_mut(&id).map(|entry| &mut entry.stage);
        match stage {
            Some(Stage::Waiting { tries, .. }) => {
                *tries = tries.saturating_add(1);
                *tries
            }
            Some(Stage::Writing | Stage::Over) | None => 0,
        }
    }

    /// It is not tried again before this.
    pub(super) fn rest(&mut self, id: MessageId, until: Instant) {
        let stage = self.entries.get_mut(&id).map(|entry| &mut entry.stage);
        if let Some(Stage::Waiting { next, .. }) = stage {
            *next = until;
        }
    }

    /// Which message is next, and when: of those that are due, the least tried and then the oldest.
    pub(super) fn next(&self, now: Instant) -> Option<(MessageId, Instant)> {
        let waiting = self
            .entries
            .iter()
            .filter_map(|(id, entry)| match entry.stage {
                Stage::Waiting { tries, next } => Some((next.max(now), tries, entry.at, *id)),
                Stage::Writing | Stage::Over => None,
            });
        waiting.min().map(|(next, _, _, id)| (id, next))
    }

    /// How old a message is, for the wall's clock.
    pub(super) fn age(&self, id: MessageId, now: Utc) -> Duration {
        let entry = self.entries.get(&id);
        entry.map_or(Duration::ZERO, |entry| now.since(entry.at))
    }

    /// Takes out what needs nothing more and is old enough. Where nothing is delivered, what waits is old enough as well.
    pub(super) fn expire(
        &mut self,
        now: Utc,
        retention: Duration,
        is_delivered: bool,
    ) -> BTreeSet<MessageId> {
        self.take(|entry| {
            let may_go = match entry.stage {
                Stage::Writing => false,
                Stage::Waiting { .. } => !is_delivered,
                Stage::Over => true,
            };
            may_go && now.since(entry.at) >= retention
        })
    }

    /// Takes out all of a caller's.
    pub(super) fn forget(&mut self, caller: CallerHash) -> BTreeSet<MessageId> {
        self.take(|entry| entry.caller == Some(caller))
    }

    /// It is not there.
    pub(super) fn drop_one(&mut self, id: MessageId) {
        self.entries.remove(&id);
    }

    pub(super) fn waiting(&self) -> usize {
        let entries = self.entries.values();
        entries
            .filter(|entry| matches!(entry.stage, Stage::Waiting { .. }))
            .count()
    }

    fn set(&mut self, id: MessageId, stage: Stage) -> bool {
        let entry = self.entries.get_mut(&id);
        entry.map(|entry| entry.stage = stage).is_some()
    }

    fn take(&mut self, which: impl Fn(&Entry) -> bool) -> BTreeSet<MessageId> {
        let taken = self.entries.extract_if(.., |_, entry| which(entry));
        taken.map(|(id, _)| id).collect()
    }
}
