//! What is decided of a call whose stream has ended.

use crate::core::front::Card;
use crate::core::region::Peer;
use crate::core::region::resume::{Account, Fate, HomeSays, Question, Resume, Resumed};
use crate::core::time::Utc;

/// What a call gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<C> {
    /// The end: everything was said.
    Hangup,
    /// Words that nobody can take the call, and the end: it was put together too often.
    Apologize,
    /// What its front door knows of a person comes next.
    Person(Account<C>),
    /// A stream at its home, which remembers it.
    Back {
        /// Where.
        home: Peer,
        /// What the document counts from, and which call it is of.
        last: Card,
        /// When it was put together again, this time included.
        resumed: Resumed,
    },
    /// A stream here. It is no new call: nobody is greeted.
    Here {
        /// What the document counts from, and which call it is of.
        last: Card,
        /// When it was put together again, this time included if it was a crash.
        resumed: Resumed,
        /// What the next model is told.
        memory: Memory<C>,
    },
}

/// What the next model is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Memory<C> {
    /// The conversation.
    Whole(C),
    /// The conversation, but for the last words of the caller, which it is to ask for.
    LastWordsLost(C),
    /// Nothing: nobody has a checkpoint.
    None,
    /// Nothing: there is one, and it is of a newer form.
    Newer,
}

impl<C: Clone> Resume<C> {
    /// With what is known by now.
    pub(super) fn verdict(&self, utc: Utc) -> Verdict<C> {
        let newest = self.newest();
        if let Some(account) = newest {
            match account.fate {
                Fate::Ended => return Verdict::Hangup,
                Fate::Person => return Verdict::Person(account.clone()),
                Fate::GoesOn | Fate::HandedOver => {}
            }
        }
        let resumed = self.resumed();
        // Who hands over has not crashed: that is no loop.
        let is_handed_over = newest.is_some_and(|account| account.fate == Fate::HandedOver);
        if !is_handed_over && resumed.is_worn_out(utc) {
            return Verdict::Apologize;
        }
        let resumed = if is_handed_over {
            resumed
        } else {
            resumed.again(utc)
        };
        let last = self.papers().count_from(utc);
        match self.home_that_takes() {
            Some(home) => Verdict::Back {
                home,
                last,
                resumed,
            },
            None => Verdict::Here {
                last,
                resumed,
                memory: self.memory(),
            },
        }
    }

    /// The account of the newest document; of one document, the owner's own word. What is older than the ticket says nothing of
    /// how the call stands.
    fn newest(&self) -> Option<&Account<C>> {
        let asked_for = self.epoch_asked_for().unwrap_or_default();
        let known = self
            .accounts()
            .filter(|(account, _)| account.card.epoch >= asked_for);
        // What has ended does not go on, whoever says otherwise of the same document.
        let rank = |(account, is_owners): &(&Account<C>, bool)| {
            (account.card.epoch, account.fate == Fate::Ended, *is_owners)
        };
        known.max_by_key(rank).map(|(account, _)| account)
    }

    /// The home that has the call, if its word is the newest and it goes on with it.
    ///
    /// A carrier that asks without a ticket could not get a document elsewhere: it may not get a stream there either.
    fn home_that_takes(&self) -> Option<Peer> {
        let newest = self.newest()?;
        let is_bare = matches!(self.question, Question::Bare { .. });
        if is_bare && newest.owner.region != self.me.region {
            return None;
        }
        let is_it = |(home, says): &&(Peer, Option<HomeSays<C>>)| match says {
            Some(HomeSays::Own { account, takes }) => {
                *takes
                    && account.fate == Fate::GoesOn
                    && account.owner == *home
                    && account.card.epoch == newest.card.epoch
                    && newest.owner == *home
            }
            Some(HomeSays::Stranger | HomeSays::Dead) | None => false,
        };
        self.homes.iter().find(is_it).map(|(home, _)| *home)
    }

    /// What documents say that were carried out: one that came too late for the carrier counts for nothing.
    fn resumed(&self) -> Resumed {
        let of_ticket = match &self.question {
            Question::Ticket { resumed, .. } => *resumed,
            Question::Bare { .. } => Resumed::default(),
        };
        let known = self.accounts().map(|(account, _)| account.resumed);
        known.fold(of_ticket, Resumed::or)
    }

    /// The newest checkpoint, whoever has it. An older one that can be read is not used in place of a newer one that cannot:
    /// what the caller said since would never have been said.
    fn memory(&self) -> Memory<C> {
        let known = self
            .accounts()
            .filter_map(|(account, _)| account.memory.as_ref());
        let Some(newest) = known.max_by_key(|memory| memory.version) else {
            return Memory::None;
        };
        // Of the stream that is over nothing is known: somebody has the rest, and does not say so in time.
        let is_older = newest.version.epoch < self.epoch_asked_for().unwrap_or_default();
        match newest.checkpoint.clone() {
            None => Memory::Newer,
            Some(checkpoint) if newest.is_turn_open || is_older => {
                Memory::LastWordsLost(checkpoint)
            }
            Some(checkpoint) => Memory::Whole(checkpoint),
        }
    }
}

impl<C> Verdict<C> {
    /// The card of the document that connects the next stream; `None`: there is no such document.
    pub fn card(&self) -> Option<Card> {
        match self {
            Self::Hangup | Self::Apologize | Self::Person(_) => None,
            Self::Back { last, .. } | Self::Here { last, .. } => Some(Card {
                id: last.id,
                epoch: last.epoch.saturating_add(1),
            }),
        }
    }
}
