//! What a call gets whose stream has ended, at whichever node the carrier asks: the end, its home again, or a stream here.
//!
//! The carrier cannot tell a goodbye from a crash, so whoever is asked asks the store and the call's home at once, and decides
//! when it knows enough, at its deadline at the latest. Answers come in any order, late, or not at all, and may contradict each
//! other: the newest document counts. It must not wait for anybody beyond its deadline, and it knows no words: a checkpoint is
//! somebody else's value (`C`).
//!
//! What is weighed is in [`account`], the verdict in [`verdict`].

mod account;
mod verdict;

pub use self::account::{Account, Fate, Remembered, Resumed};
pub use self::verdict::{Memory, Verdict};

use std::time::Duration;

use crate::core::front::Card;
use crate::core::region::{Papers, Peer};
use crate::core::time::{Instant, Utc};

/// How long the store and the home have in all.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(300);

/// How many homes are asked: the one that the ticket names, and one that the store names.
pub const HOMES_MAX: usize = 2;

/// What the carrier brings when it asks what comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The ticket of the document whose stream has ended.
    Ticket {
        /// Its card.
        card: Card,
        /// Who was to hold the stream.
        home: Peer,
        /// When the call was put together again before.
        resumed: Resumed,
    },
    /// Nothing: it asks elsewhere because a document could not be had.
    Bare {
        /// A card of epoch 0, with the call's name if nobody knows it.
        new: Card,
    },
}

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The shared store.
    Store,
    /// The call's home.
    Home(Peer),
}

/// What is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<C> {
    /// The store's answer.
    Store(StoreSays<C>),
    /// A home's answer.
    Home(Peer, HomeSays<C>),
    /// Time passes.
    Tick,
}

/// What the store answers. A replica may answer where the primary cannot be asked: what it has is true, and at worst not the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each question of a carrier's, for 300 ms"
)]
pub enum StoreSays<C> {
    /// What is kept of the call.
    Call(Account<C>),
    /// It knows of no such call.
    Nothing,
    /// It cannot be asked.
    Away,
}

/// What a home answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each question of a carrier's, for 300 ms"
)]
pub enum HomeSays<C> {
    /// The call is its own. `takes`: it goes on with it; else it has handed it over, or has no room.
    Own {
        /// What it knows.
        account: Account<C>,
        /// Whether the call may come back.
        takes: bool,
    },
    /// It knows nothing of the call: it was restarted, or is another one of the same name.
    Stranger,
    /// Nobody is there.
    Dead,
}

/// One question, until it is decided.
#[derive(Clone, Debug)]
pub struct Resume<C> {
    question: Question,
    me: Peer,
    give_up_at: Instant,
    /// What is known here.
    own: Option<Account<C>>,
    /// `None`: not answered yet.
    store: Option<StoreSays<C>>,
    /// Those that were asked, at most [`HOMES_MAX`].
    homes: Vec<(Peer, Option<HomeSays<C>>)>,
    /// Who is to be asked.
    asks: Vec<Ask>,
    is_decided: bool,
}

impl<C: Clone> Resume<C> {
    /// The carrier asks `me`, who knows `own` of the call, or nothing. [`asks`](Self::asks) says whom to ask, and
    /// [`hear`](Self::hear) with [`Heard::Tick`] whether it can be decided at once.
    pub fn new(now: Instant, me: Peer, question: Question, own: Option<Account<C>>) -> Self {
        let mut resume = Self {
            question,
            me,
            give_up_at: now + ANSWER_WITHIN,
            own,
            store: None,
            homes: Vec::new(),
            asks: vec![Ask::Store],
            is_decided: false,
        };
        if let Question::Ticket { home, .. } = resume.question {
            resume.ask_home(Some(home));
        }
        let known = resume.own.as_ref().map(|account| account.owner);
        resume.ask_home(known);
        resume
    }

    /// Whom to ask now; each once.
    pub fn asks(&mut self) -> impl Iterator<Item = Ask> {
        std::mem::take(&mut self.asks).into_iter()
    }

    /// When it is decided whatever has been heard; `None`: it is decided.
    pub fn deadline(&self) -> Option<Instant> {
        (!self.is_decided).then_some(self.give_up_at)
    }

    /// Takes in an answer; the verdict, once. What comes behind it is too late.
    pub fn hear(&mut self, now: Instant, utc: Utc, heard: Heard<C>) -> Option<Verdict<C>> {
        if self.is_decided {
            return None;
        }
        match heard {
            Heard::Store(says) => {
                let newer = self.newer_home(&says);
                self.store = Some(says);
                self.ask_home(newer);
            }
            Heard::Home(home, says) => {
                // Of one that was not asked it is not believed.
                if let Some((_, place)) = self.homes.iter_mut().find(|(asked, _)| *asked == home) {
                    *place = Some(says);
                }
            }
            Heard::Tick => {}
        }
        if now < self.give_up_at && !self.is_enough() {
            return None;
        }
        self.is_decided = true;
        Some(self.verdict(utc))
    }

    fn ask_home(&mut self, home: Option<Peer>) {
        let Some(home) = home else { return };
        let is_asked = self.homes.iter().any(|(asked, _)| *asked == home);
        if home != self.me && !is_asked && self.homes.len() < HOMES_MAX {
            self.homes.push((home, None));
            self.asks.push(Ask::Home(home));
        }
    }

    /// Whom the store knows to own the stream that the carrier has asked for, or a newer one.
    fn newer_home(&self, says: &StoreSays<C>) -> Option<Peer> {
        match says {
            StoreSays::Call(account) => {
                let is_older = account.card.epoch < self.epoch_asked_for().unwrap_or_default();
                (!is_older && account.fate == Fate::GoesOn).then_some(account.owner)
            }
            StoreSays::Nothing | StoreSays::Away => None,
        }
    }

    /// The epoch of the ticket: nobody whose word is older can say how the call stands.
    fn epoch_asked_for(&self) -> Option<u32> {
        match &self.question {
            Question::Ticket { card, .. } => Some(card.epoch),
            Question::Bare { .. } => None,
        }
    }

    /// Whether nothing that could still come would change the verdict, or all has come.
    fn is_enough(&self) -> bool {
        let of_homes = self.homes.iter().all(|(_, says)| says.is_some());
        if of_homes && self.store.is_some() {
            return true;
        }
        // Without a ticket nobody is known to have the last word.
        let Some(epoch) = self.epoch_asked_for() else {
            return false;
        };
        let mut accounts = self.accounts();
        accounts.any(|(account, is_word_of_owner)| {
            let is_over = account.fate == Fate::Ended;
            account.card.epoch >= epoch && (is_over || is_word_of_owner)
        })
    }

    /// All that is known; `true`: it is the owner himself who says so.
    fn accounts(&self) -> impl Iterator<Item = (&Account<C>, bool)> {
        let own = self
            .own
            .iter()
            .map(|account| (account, account.owner == self.me));
        let store = match &self.store {
            Some(StoreSays::Call(account)) => Some((account, false)),
            Some(StoreSays::Nothing | StoreSays::Away) | None => None,
        };
        let homes = self.homes.iter().filter_map(|(home, says)| match says {
            Some(HomeSays::Own { account, .. }) => Some((account, account.owner == *home)),
            Some(HomeSays::Stranger | HomeSays::Dead) | None => None,
        });
        homes.chain(own).chain(store)
    }

    /// What the next document counts from.
    fn papers(&self) -> Papers {
        let newest = self.accounts().map(|(account, _)| account.card);
        match &self.question {
            Question::Ticket { card, .. } => {
                // The carrier knows which document it carried out; what is newer it has not got.
                let epoch = newest.map(|card| card.epoch).max().unwrap_or_default();
                Papers::Ticket(Card {
                    id: card.id,
                    epoch: card.epoch.max(epoch),
                })
            }
            Question::Bare { new } => {
                Papers::Hearsay(newest.max_by_key(|card| card.epoch).unwrap_or(*new))
            }
        }
    }
}

#[cfg(test)]
mod tests;
