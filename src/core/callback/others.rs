//! What is known of promises that are not served here: those of other desks over the same store, and those that were over before.
//!
//! It owns one account for each, so that a later word of a promise replaces the earlier one, and what is told twice counts
//! once. It must not count: that is [`super::caps`].

use std::collections::{BTreeMap, BTreeSet};

use crate::core::callback::number::{Number, Prefix};
use crate::core::callback::promise::{Act, Promise, Stage};
use crate::core::ids::PromiseId;
use crate::core::time::Utc;

/// The most accounts, of about 300 bytes each: 60 MB. Who has no more room for one promises nothing until there is.
pub(super) const ACCOUNTS_MAX: usize = 200_000;

/// In how many whole looks in a row a promise is missing that is there no more: one may have begun before it was there.
pub(super) const MISSED_MAX: u8 = 2;

/// What counts of one promise, as it was last heard of.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) revision: u64,
    pub(super) to: Number,
    pub(super) caller: Option<Number>,
    /// When it was promised; `None`: nobody was told of it, so that it is no promise.
    pub(super) promised: Option<Utc>,
    pub(super) acts: Box<[Act]>,
    /// Whether more may be done for it.
    pub(super) is_open: bool,
    /// Whether its text waits for its turn.
    pub(super) is_waiting: bool,
    kept_until: Utc,
    /// Whether it stands where others look as well, as far as is known.
    is_shared: bool,
    /// In how many whole looks it was missing of late.
    missed: u8,
}

impl Account {
    pub(super) fn of(promise: &Promise, revision: u64) -> Self {
        Self {
            revision,
            to: promise.to,
            caller: promise.caller,
            promised: promise.stage.was_told().then_some(promise.promised),
            acts: promise.acts.as_slice().into(),
            is_open: promise.stage.is_open(),
            is_waiting: matches!(promise.stage, Stage::Promised { .. }),
            kept_until: promise.kept_until(),
            is_shared: false,
            missed: 0,
        }
    }

    /// Where the promise stands others see it as well.
    pub(super) fn shared(self) -> Self {
        Self {
            is_shared: true,
            ..self
        }
    }

    /// More may be done for it, whatever was about to be done here.
    pub(super) fn open(self) -> Self {
        Self {
            is_open: true,
            ..self
        }
    }
}

/// All accounts.
#[derive(Debug, Default)]
pub(super) struct Others {
    accounts: BTreeMap<PromiseId, Account>,
    /// When each is of no more use, whatever becomes of the store.
    ends: BTreeSet<(Utc, PromiseId)>,
    open: u32,
    /// Texts that wait for their turn, by how the numbers begin.
    waiting: BTreeMap<Prefix, u32>,
}

impl Others {
    pub(super) fn is_full(&self) -> bool {
        self.accounts.len() >= ACCOUNTS_MAX
    }

    /// How many of them are open.
    pub(super) const fn open(&self) -> u32 {
        self.open
    }

    pub(super) fn waiting(&self, prefix: Prefix) -> u32 {
        self.waiting.get(&prefix).copied().unwrap_or(0)
    }

    /// Whether this revision of a promise, or a later one, is known.
    pub(super) fn knows(&self, id: PromiseId, revision: u64) -> bool {
        let known = self.accounts.get(&id);
        known.is_some_and(|known| known.revision >= revision)
    }

    /// Opens an account; the one that there was has to be closed before.
    pub(super) fn open_account(&mut self, id: PromiseId, account: Account, prefix: Prefix) {
        self.open += u32::from(account.is_open);
        if account.is_waiting {
            *self.waiting.entry(prefix).or_default() += 1;
        }
        self.ends.insert((account.kept_until, id));
        self.accounts.insert(id, account);
    }

    /// Closes an account.
    pub(super) fn close(
        &mut self,
        id: PromiseId,
        prefix: impl Fn(Number) -> Prefix,
    ) -> Option<Account> {
        let account = self.accounts.remove(&id)?;
        self.ends.remove(&(account.kept_until, id));
        self.open -= u32::from(account.is_open);
        let prefix = prefix(account.to);
        if account.is_waiting
            && let Some(waiting) = self.waiting.get_mut(&prefix)
        {
            *waiting -= 1;
            if *waiting == 0 {
                self.waiting.remove(&prefix);
            }
        }
        Some(account)
    }

    /// One that counts no more: it is not kept any longer than until now.
    pub(super) fn over(&self, now: Utc) -> Option<PromiseId> {
        let (until, id) = self.ends.first()?;
        (*until <= now).then_some(*id)
    }

    /// Those to a number.
    pub(super) fn to(&self, number: Number) -> Vec<PromiseId> {
        let to = self.accounts.iter().filter(|(_, it)| it.to == number);
        to.map(|(id, _)| *id).collect()
    }

    /// What stands in the store was looked through; those that are there no more.
    pub(super) fn gone(&mut self, there: &BTreeSet<PromiseId>) -> Vec<PromiseId> {
        let mut gone = Vec::new();
        for (id, account) in &mut self.accounts {
            if there.contains(id) {
                (account.is_shared, account.missed) = (true, 0);
            } else if account.is_shared {
                account.missed += 1;
                if account.missed >= MISSED_MAX {
                    gone.push(*id);
                }
            }
        }
        gone
    }
}
