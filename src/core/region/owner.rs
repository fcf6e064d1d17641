//! Who owns a call: the newest stream that the carrier opened for it.
//!
//! A call keeps its `CallSid` over all its streams. Each document that connects a stream has an epoch ([`Card::epoch`]), and a
//! stream has that of its document. What is kept of a call in the shared store has a [`Title`]: the rule by which writes are
//! taken or refused stands here once, whoever keeps them. A node that hears that it is no longer the owner lets go. Documents that
//! are not ours are not counted: all their streams have epoch 0, and of these the later write counts, whoever it is by.
//!
//! Silence of others is no input here: no stream is moved because a heartbeat is missing.

use crate::core::front::Card;
use crate::core::region::Peer;
use crate::core::time::Utc;

/// A stream of a call: that of this document, at this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// The document's card.
    pub card: Card,
    /// Who holds the stream.
    pub owner: Peer,
}

/// The epoch of documents that are not ours: nobody counts them.
pub const NOT_COUNTED: u32 = 0;

/// Which of two checkpoints of a call is newer: that of the newer document, and of one document that of the later turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The document's epoch.
    pub epoch: u32,
    /// How many checkpoints came before it on the same stream: no two have the same number.
    pub turn: u32,
}

/// What the store knows of who owns a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Title {
    /// It goes on.
    Held {
        /// By whom.
        tenure: Tenure,
        /// The newest checkpoint on its stream.
        turn: u32,
    },
    /// Everything was said.
    Ended,
}

/// What a node wants to be kept of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A stream was opened here, a turn is over, or the call is handed over: the checkpoint of this number; the first is 0.
    Checkpoint(u32),
    /// The call has ended.
    End,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It is kept.
    Kept,
    /// It or a later one of the same stream is kept already: nothing was changed, and nothing is wrong.
    Late,
    /// The call has ended: nothing was kept.
    Ended,
    /// The call has an owner of this epoch, who is not the writer: nothing was kept.
    Superseded(u32),
}

impl Title {
    /// Rules on what `by` wants to be kept of a call with this title; `None`: nothing is kept of it.
    pub fn rule(kept: Option<Self>, by: Tenure, entry: Entry) -> Ruling {
        match kept {
            None => Ruling::Kept,
            Some(Self::Ended) => Ruling::Ended,
            Some(Self::Held { tenure, turn }) => tenure.rule_on(turn, by, entry),
        }
    }

    /// The title after an entry that was kept.
    pub const fn after(by: Tenure, entry: Entry) -> Self {
        match entry {
            Entry::Checkpoint(turn) => Self::Held { tenure: by, turn },
            Entry::End => Self::Ended,
        }
    }
}

/// What a node hears of a call that it holds a stream of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The store, on what the node wanted to be kept.
    Store(Ruling),
    /// Another node has opened a stream of the call.
    Opened(Tenure),
}

/// What it does then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It goes on.
    Keep,
    /// It closes its stream, says nothing more, and keeps nothing more of the call.
    LetGo,
}

impl Tenure {
    fn rule_on(self, kept: u32, by: Self, entry: Entry) -> Ruling {
        let (mine, theirs) = (self.card.epoch, by.card.epoch);
        // Of one epoch whoever came first stays: the other one is asked for anew by the carrier.
        let is_another = theirs == mine && by.owner != self.owner && mine != NOT_COUNTED;
        if theirs < mine || is_another {
            return Ruling::Superseded(mine);
        }
        match entry {
            Entry::Checkpoint(turn) if theirs == mine && turn <= kept => Ruling::Late,
            Entry::Checkpoint(_) | Entry::End => Ruling::Kept,
        }
    }

    /// What to do on hearing this.
    pub fn hear(self, word: Word) -> Hold {
        let is_lost = match word {
            Word::Store(Ruling::Kept | Ruling::Late) => false,
            Word::Store(Ruling::Ended | Ruling::Superseded(_)) => true,
            Word::Opened(other) => other.owner != self.owner && other.card.epoch > self.card.epoch,
        };
        if is_lost { Hold::LetGo } else { Hold::Keep }
    }
}

/// How it is known which document of a call was the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Papers {
    /// The carrier brings the ticket of the document whose time is over.
    Ticket(Card),
    /// It brings nothing; this is the newest that anybody is known to have written, and there may be a newer one.
    Hearsay(Card),
}

impl Papers {
    /// The card of the last document, as far as it is known: what the next one counts from.
    ///
    /// Documents are counted, from 1 on. Where the count is not known for certain, the next one takes the seconds of the wall
    /// clock: more than any count, and more than an earlier one that was made so, unless the clocks are further apart than
    /// the two documents.
    pub fn count_from(self, utc: Utc) -> Card {
        match self {
            Self::Ticket(card) => card,
            Self::Hearsay(card) => {
                let seconds = u32::try_from(utc.millis() / 1_000).unwrap_or(u32::MAX);
                Card {
                    id: card.id,
                    epoch: card.epoch.max(seconds),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::CallId;
    use crate::core::region::{Life, Node, Region};

    fn tenure(epoch: u32, node: &str, life: u64) -> Tenure {
        Tenure {
            card: Card {
                id: CallId::from_bits(1),
                epoch,
            },
            owner: Peer {
                region: Region::parse("east").unwrap(),
                node: Node::parse(node).unwrap(),
                life: Life(life),
            },
        }
    }

    #[test]
    fn the_newest_stream_writes_and_an_older_one_is_told() {
        let first = tenure(1, "a", 1);
        let second = tenure(2, "b", 1);
        let held = |tenure, turn| Some(Title::Held { tenure, turn });
        let checkpoint = Entry::Checkpoint;
        for (kept, by, entry, ruling) in [
            (None, first, checkpoint(0), Ruling::Kept),
            (None, first, Entry::End, Ruling::Kept),
            (held(first, 3), first, checkpoint(4), Ruling::Kept),
            (held(first, 3), first, checkpoint(2), Ruling::Late),
            (held(first, 3), first, checkpoint(3), Ruling::Late),
            (held(first, 3), second, checkpoint(0), Ruling::Kept),
            (held(second, 0), first, checkpoint(9), Ruling::Superseded(2)),
            (held(second, 0), first, Entry::End, Ruling::Superseded(2)),
            (held(second, 0), second, Entry::End, Ruling::Kept),
            (Some(Title::Ended), first, checkpoint(5), Ruling::Ended),
            (Some(Title::Ended), second, checkpoint(5), Ruling::Ended),
            // The same document twice: whoever came first.
            (
                held(second, 0),
                tenure(2, "c", 1),
                checkpoint(1),
                Ruling::Superseded(2),
            ),
            (
                held(second, 0),
                tenure(2, "b", 2),
                checkpoint(1),
                Ruling::Superseded(2),
            ),
        ] {
            assert_eq!(
                Title::rule(kept, by, entry),
                ruling,
                "{kept:?} {by:?} {entry:?}"
            );
        }
        assert_eq!(Title::after(second, Entry::End), Title::Ended);
    }

    #[test]
    fn of_documents_that_are_not_ours_the_later_write_counts() {
        let (first, second) = (tenure(0, "a", 1), tenure(0, "b", 1));
        let kept = Some(Title::Held {
            tenure: first,
            turn: 7,
        });
        for (turn, ruling) in [(7, Ruling::Late), (8, Ruling::Kept)] {
            let checkpoint = Entry::Checkpoint(turn);
            assert_eq!(Title::rule(kept, second, checkpoint), ruling);
        }
        assert_eq!(Title::rule(kept, second, Entry::End), Ruling::Kept);
    }

    #[test]
    fn who_is_told_lets_go_and_who_hears_of_older_streams_does_not() {
        let mine = tenure(2, "b", 1);
        for (word, hold) in [
            (Word::Store(Ruling::Kept), Hold::Keep),
            (Word::Store(Ruling::Late), Hold::Keep),
            (Word::Store(Ruling::Ended), Hold::LetGo),
            (Word::Store(Ruling::Superseded(3)), Hold::LetGo),
            (Word::Opened(tenure(3, "a", 1)), Hold::LetGo),
            (Word::Opened(tenure(1, "a", 1)), Hold::Keep),
            (Word::Opened(tenure(2, "a", 1)), Hold::Keep),
            (Word::Opened(mine), Hold::Keep),
        ] {
            assert_eq!(mine.hear(word), hold, "{word:?}");
        }
    }

    #[test]
    fn a_document_that_is_not_counted_is_newer_than_all_that_are() {
        let card = tenure(7, "a", 1).card;
        let utc = Utc::from_millis(1_900_000_000_000);
        assert_eq!(Papers::Ticket(card).count_from(utc), card);
        let blind = Papers::Hearsay(card).count_from(utc);
        assert_eq!((blind.id, blind.epoch), (card.id, 1_900_000_000));
        let next = Card {
            epoch: blind.epoch + 1,
            ..blind
        };
        assert_eq!(Papers::Hearsay(next).count_from(utc), next);
        assert_eq!(Papers::Ticket(next).count_from(utc), next);
    }
}
