//! What is known in memory of the messages on disk: how far each and its words are, and what is next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::time::{Instant, Utc};
use crate::store::CallerHash;
use crate::store::messages::{MessageId, MessageState, TranscriptState};

/// The messages on disk, and those on their way there.
#[derive(Debug)]
pub(super) struct Book {
    entries: BTreeMap<MessageId, Entry>,
    kept_max: usize,
    /// Whether messages are to be written down.
    transcribes: bool,
}

/// What a receiver is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Post {
    /// A message, with its sound.
    Message(MessageId),
    /// The words of one that it was sent before.
    Words(MessageId),
}

/// What is thrown away, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeping {
    /// How long a message is kept after it was left.
    pub(super) retention: Duration,
    /// With a receiver: when nobody is asked any more to take a message or to write it down.
    pub(super) deliver_for: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// When it was left.
    at: Utc,
    caller: Option<CallerHash>,
    stage: Stage,
    words: Words,
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

/// How far a message's words are.
#[derive(Clone, Copy, Debug)]
enum Words {
    /// Somebody is to write them down; so many have heard the message and did not.
    Wanted { tries: u32 },
    /// They are to be delivered, after so many tries and not before this.
    Waiting { tries: u32, next: Instant },
    /// They need nothing more: delivered, given up, or never wanted.
    Over,
}

impl Post {
    /// The message that it is about.
    pub(super) const fn id(self) -> MessageId {
        match self {
            Self::Message(id) | Self::Words(id) => id,
        }
    }
}

impl Book {
    pub(super) const fn new(kept_max: usize, transcribes: bool) -> Self {
        Self {
            entries: BTreeMap::new(),
            kept_max,
            transcribes,
        }
    }

    /// A message is about to be written; `false`: there are too many.
    pub(super) fn begin(&mut self, id: MessageId, at: Utc, caller: Option<CallerHash>) -> bool {
        let has_room = self.entries.len() < self.kept_max;
        if has_room {
            let entry = Entry {
                at,
                caller,
                stage: Stage::Writing,
                words: self.unwritten(0),
            };
            self.entries.insert(id, entry);
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
        let words = self.unwritten(0);
        let entry = Entry {
            at,
            caller,
            stage,
            words,
        };
        self.entries.entry(id).or_insert(entry);
    }

    /// Its words, or what is known of them, were found on disk.
    pub(super) fn found_words(
        &mut self,
        id: MessageId,
        tries: u32,
        how_far: TranscriptState,
        now: Instant,
    ) {
        let words = match how_far {
            TranscriptState::Wanted => self.unwritten(tries),
            TranscriptState::Waiting => Words::Waiting {
                tries: 0,
                next: now,
            },
            TranscriptState::Delivered
            | TranscriptState::Undelivered
            | TranscriptState::GivenUp => Words::Over,
        };
        self.set_words(id, words);
    }

    const fn unwritten(&self, tries: u32) -> Words {
        if self.transcribes {
            Words::Wanted { tries }
        } else {
            Words::Over
        }
    }

    /// It needs nothing more; `false`: its caller was forgotten meanwhile.
    pub(super) fn over(&mut self, post: Post) -> bool {
        match post {
            Post::Message(id) => self.set(id, Stage::Over),
            Post::Words(id) => self.set_words(id, Words::Over),
        }
    }

    /// Its delivery failed: how often it has now.
    pub(super) fn failed(&mut self, post: Post) -> u32 {
        self.tries(post).map_or(0, |(tries, _)| {
            *tries = tries.saturating_add(1);
            *tries
        })
    }

    /// It is not tried again before this.
    pub(super) fn rest(&mut self, post: Post, until: Instant) {
        if let Some((_, next)) = self.tries(post) {
            *next = until;
        }
    }

    /// What is next, and when: of what is due, the least tried and then the oldest. Words follow their message.
    pub(super) fn next(&self, now: Instant) -> Option<(Post, Instant)> {
        let waiting =
            self.entries
                .iter()
                .filter_map(|(id, entry)| match (entry.stage, entry.words) {
                    (Stage::Waiting { tries, next }, _) => {
                        Some((next.max(now), tries, entry.at, Post::Message(*id)))
                    }
                    (Stage::Over, Words::Waiting { tries, next }) => {
                        Some((next.max(now), tries, entry.at, Post::Words(*id)))
                    }
                    (Stage::Writing, _) | (Stage::Over, Words::Wanted { .. } | Words::Over) => None,
                });
        waiting.min().map(|(next, _, _, post)| (post, next))
    }

    /// The message that is to be written down next: the least tried, then the oldest; with how often it was tried.
    pub(super) fn next_unwritten(&self) -> Option<(MessageId, u32)> {
        let wanted = self.entries.iter().filter_map(|(id, entry)| {
            match (entry.stage, entry.words) {
                (Stage::Waiting { .. } | Stage::Over, Words::Wanted { tries }) => {
                    Some((tries, entry.at, *id))
                }
                (Stage::Writing, _)
                | (Stage::Waiting { .. } | Stage::Over, Words::Waiting { .. } | Words::Over) => {
                    None
                }
            }
        });
        wanted.min().map(|(tries, _, id)| (id, tries))
    }

    /// A session has heard it and wrote nothing down; `false`: its caller was forgotten meanwhile.
    pub(super) fn not_written(&mut self, id: MessageId, tries: u32) -> bool {
        self.set_words(id, Words::Wanted { tries })
    }

    /// Its words are on disk; `false`: its caller was forgotten meanwhile.
    pub(super) fn words_written(&mut self, id: MessageId, now: Instant) -> bool {
        let words = Words::Waiting {
            tries: 0,
            next: now,
        };
        self.set_words(id, words)
    }

    /// How old a message is, for the wall's clock.
    pub(super) fn age(&self, id: MessageId, now: Utc) -> Duration {
        let entry = self.entries.get(&id);
        entry.map_or(Duration::ZERO, |entry| now.since(entry.at))
    }

    /// Takes out what needs nothing more and is old enough. Where nothing is delivered, what waits is old enough as well. What
    /// nobody has written down keeps a message no longer than it would be kept; only one that is thrown away on delivery waits for
    /// that, and no longer than for its delivery.
    pub(super) fn expire(&mut self, now: Utc, keeping: Keeping) -> BTreeSet<MessageId> {
        let Keeping {
            retention,
            deliver_for,
        } = keeping;
        let is_delivered = deliver_for.is_some();
        self.take(|entry| {
            let age = now.since(entry.at);
            let message_may_go = match entry.stage {
                Stage::Writing => false,
                Stage::Waiting { .. } => !is_delivered,
                Stage::Over => true,
            };
            let words_may_go = match entry.words {
                Words::Wanted { .. } => {
                    !retention.is_zero() || deliver_for.is_none_or(|patience| age > patience)
                }
                Words::Waiting { .. } => !is_delivered,
                Words::Over => true,
            };
            message_may_go && words_may_go && age >= retention
        })
    }

    /// Takes out all of a caller's.
    pub(super) fn forget(&mut self, caller: CallerHash) -> BTreeSet<MessageId> {
        self.take(|entry| entry.caller == Some(caller))
    }

    /// Whether it is there.
    pub(super) fn has(&self, id: MessageId) -> bool {
        self.entries.contains_key(&id)
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

    fn tries(&mut self, post: Post) -> Option<(&mut u32, &mut Instant)> {
        match post {
            Post::Message(id) => match &mut self.entries.get_mut(&id)?.stage {
                Stage::Waiting { tries, next } => Some((tries, next)),
                Stage::Writing | Stage::Over => None,
            },
            Post::Words(id) => match &mut self.entries.get_mut(&id)?.words {
                Words::Waiting { tries, next } => Some((tries, next)),
                Words::Wanted { .. } | Words::Over => None,
            },
        }
    }

    fn set_words(&mut self, id: MessageId, words: Words) -> bool {
        let entry = self.entries.get_mut(&id);
        entry.map(|entry| entry.words = words).is_some()
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
