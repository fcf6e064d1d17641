//! What may be spent on whom: so that nobody can make us text and ring whomever they like, as often as they like.
//!
//! A promise is only given if all that it may lead to is within the money of the day, with what was spent and what other open
//! promises may still cost; and a request is only made if the money is there, for another desk may have spent it since. What was
//! spent is counted from the promises: those that are served here as it happens, all others ([`super::others`]) by what was last
//! heard of them.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::core::callback::number::{Number, Prefix};
use crate::core::callback::others::{Account, Others};
use crate::core::callback::promise::SendKind;
use crate::core::callback::settings::{CapSettings, REMEMBERED_FOR};
use crate::core::callback::window::Window;
use crate::core::ids::PromiseId;
use crate::core::time::Utc;

/// Which cap was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cap {
    /// Promises to one number.
    Destination,
    /// Promises to callers from one number, or from withheld ones.
    Caller,
    /// Texts to numbers with the same first digits.
    Prefix,
    /// Money.
    Money,
}

impl Cap {
    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Destination => "destination",
            Self::Caller => "caller",
            Self::Prefix => "prefix",
            Self::Money => "money",
        }
    }
}

const HOUR: Duration = Duration::from_hours(1);

/// Counts over the windows of the caps.
#[derive(Debug)]
pub(super) struct Caps {
    settings: CapSettings,
    /// By number: promises to it.
    to: Window<Number>,
    /// By the caller's number: promises to whomever.
    by: Window<Option<Number>>,
    texts: Window<Prefix>,
    rings: Window<Prefix>,
    answers: Window<Number>,
    /// By what it was: what it cost follows from that.
    acts: Window<SendKind>,
    /// What open promises that are served here may cost.
    reserved: u64,
    others: Others,
}

impl Caps {
    pub(super) fn new(settings: CapSettings) -> Self {
        Self {
            settings,
            to: Window::new(REMEMBERED_FOR),
            by: Window::new(REMEMBERED_FOR),
            texts: Window::new(HOUR),
            rings: Window::new(HOUR),
            answers: Window::new(HOUR),
            acts: Window::new(REMEMBERED_FOR),
            reserved: 0,
            others: Others::default(),
        }
    }

    /// Whether a promise may be given that costs `cents` at most, while `waiting` texts to the same prefix are still to be sent.
    pub(super) fn check(
        &mut self,
        now: Utc,
        to: Number,
        by: Option<Number>,
        cents: u32,
        waiting: u32,
    ) -> Result<(), Cap> {
        self.tidy(now);
        let prefix = self.prefix(to);
        let waiting = waiting.saturating_add(self.others.waiting(prefix));
        let per_caller = match by {
            Some(_) => self.settings.per_caller,
            None => self.settings.withheld,
        };
        if self.to.count(now, to) >= self.settings.per_destination {
            return Err(Cap::Destination);
        }
        if self.by.count(now, by) >= per_caller {
            return Err(Cap::Caller);
        }
        if self.texts.count(now, prefix).saturating_add(waiting) >= self.settings.per_prefix {
            return Err(Cap::Prefix);
        }
        let elsewhere = u64::from(self.others.open()) * u64::from(cents);
        let reserved = self.reserved.saturating_add(elsewhere);
        let spent = self.spent(now).saturating_add(reserved);
        // What there is no room to know of may have cost anything.
        let is_spent = spent.saturating_add(u64::from(cents)) > u64::from(self.settings.cents);
        if is_spent || self.others.is_full() {
            return Err(Cap::Money);
        }
        Ok(())
    }

    /// A promise was given, or is known of from before.
    pub(super) fn promised(&mut self, at: Utc, to: Number, by: Option<Number>) {
        self.to.add(at, to);
        self.by.add(at, by);
    }

    /// It was not given, or nothing is to be known of it any more. What was spent on it stays spent.
    pub(super) fn unpromised(&mut self, at: Utc, to: Number, by: Option<Number>) {
        self.to.remove(at, to);
        self.by.remove(at, by);
    }

    /// An open promise may cost this.
    pub(super) fn reserve(&mut self, cents: u32) {
        self.reserved = self.reserved.saturating_add(u64::from(cents));
    }

    /// It may no longer.
    pub(super) fn release(&mut self, cents: u32) {
        self.reserved = self.reserved.saturating_sub(u64::from(cents));
    }

    /// Whether one more of its kind may go to a number in this hour, and can be paid for.
    pub(super) fn admits(&mut self, now: Utc, kind: SendKind, to: Number) -> Result<(), Cap> {
        let prefix = self.prefix(to);
        let (window, cents) = match kind {
            SendKind::Text => (&mut self.texts, self.settings.text_cents),
            SendKind::Ring => (&mut self.rings, self.settings.ring_cents),
        };
        if window.count(now, prefix) >= self.settings.per_prefix {
            return Err(Cap::Prefix);
        }
        // What is promised here alone is paid for in advance; of what others have promised meanwhile one hears later.
        if self.spent(now).saturating_add(cents.into()) > u64::from(self.settings.cents) {
            return Err(Cap::Money);
        }
        Ok(())
    }

    /// Something is about to be requested, or was.
    pub(super) fn act(&mut self, at: Utc, kind: SendKind, to: Number) {
        let prefix = self.prefix(to);
        match kind {
            SendKind::Text => self.texts.add(at, prefix),
            SendKind::Ring => self.rings.add(at, prefix),
        }
        self.acts.add(second(at), kind);
    }

    /// It was not, or was refused.
    pub(super) fn undo(&mut self, at: Utc, kind: SendKind, to: Number) {
        let prefix = self.prefix(to);
        match kind {
            SendKind::Text => self.texts.remove(at, prefix),
            SendKind::Ring => self.rings.remove(at, prefix),
        }
        self.acts.remove(second(at), kind);
    }

    /// A promise that is not served here stands so: what was counted for it by an earlier revision is replaced.
    pub(super) fn sighted(&mut self, now: Utc, id: PromiseId, account: Account) {
        self.tidy(now);
        if self.others.knows(id, account.revision) {
            return;
        }
        self.taken(id);
        if self.others.is_full() {
            return;
        }
        if let Some(promised) = account.promised {
            self.promised(promised, account.to, account.caller);
        }
        for act in &account.acts {
            self.act(act.at, act.kind, account.to);
        }
        self.left(id, account);
    }

    /// A promise is no longer served here. It stays counted as it was; for good, where there is no room to know more of it.
    pub(super) fn left(&mut self, id: PromiseId, account: Account) {
        if !self.others.is_full() {
            let prefix = self.prefix(account.to);
            self.others.open_account(id, account, prefix);
        }
    }

    /// A promise is to be served here, and counted anew for that.
    pub(super) fn taken(&mut self, id: PromiseId) {
        if let Some(account) = self.close(id) {
            self.unaccount(&account);
            for act in &account.acts {
                self.undo(act.at, act.kind, account.to);
            }
        }
    }

    /// Whether nothing is to be learnt from this revision of a promise that is not served here.
    pub(super) fn knows(&self, id: PromiseId, revision: u64) -> bool {
        self.others.knows(id, revision)
    }

    /// What stands in the store was looked through. Of what is there no more no number is left: somebody wanted it to be
    /// forgotten, or its time is over. What was spent on it stays spent.
    pub(super) fn looked_through(&mut self, now: Utc, there: &BTreeSet<PromiseId>) {
        self.tidy(now);
        for id in self.others.gone(there) {
            self.drop_number(id);
        }
    }

    /// No number is left of a person.
    pub(super) fn forget(&mut self, number: Number) {
        for id in self.others.to(number) {
            self.drop_number(id);
        }
        self.to.forget(number);
        self.by.forget(Some(number));
        self.answers.forget(number);
    }

    fn drop_number(&mut self, id: PromiseId) {
        if let Some(account) = self.close(id) {
            self.unaccount(&account);
        }
    }

    /// Of what is kept nowhere any longer nothing is remembered.
    fn tidy(&mut self, now: Utc) {
        while let Some(id) = self.others.over(now) {
            self.taken(id);
        }
    }

    fn unaccount(&mut self, account: &Account) {
        if let Some(promised) = account.promised {
            self.unpromised(promised, account.to, account.caller);
        }
    }

    fn close(&mut self, id: PromiseId) -> Option<Account> {
        let digits = self.settings.prefix_digits;
        self.others.close(id, |number| number.prefix(digits))
    }

    /// Whether a text of this number may be answered; if so, it is.
    pub(super) fn answers(&mut self, now: Utc, to: Number) -> bool {
        let may = self.answers.count(now, to) < self.settings.answers;
        if may {
            self.answers.add(now, to);
        }
        may
    }

    pub(super) fn prefix(&self, number: Number) -> Prefix {
        number.prefix(self.settings.prefix_digits)
    }

    fn spent(&mut self, now: Utc) -> u64 {
        let texts = u64::from(self.acts.count(now, SendKind::Text));
        let rings = u64::from(self.acts.count(now, SendKind::Ring));
        texts * u64::from(self.settings.text_cents) + rings * u64::from(self.settings.ring_cents)
    }
}

/// The end of the second in which something happened: so all seconds of a day have room in a window.
const fn second(at: Utc) -> Utc {
    Utc::from_millis(at.millis().div_ceil(1_000).saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps() -> Caps {
        Caps::new(CapSettings {
            cents: 1_000,
            per_prefix: 2,
            ..CapSettings::default()
        })
    }

    fn at(hours: u64) -> Utc {
        Utc::from_millis(hours * 3_600_000)
    }

    #[test]
    fn what_is_promised_is_paid_for_in_advance_and_given_back_when_it_is_over() {
        let mut caps = caps();
        let number = Number::parse("+15550100199").unwrap();
        assert_eq!(caps.check(at(0), number, None, 600, 0), Ok(()));
        caps.reserve(600);
        assert_eq!(caps.check(at(0), number, None, 600, 0), Err(Cap::Money));
        caps.act(at(0), SendKind::Ring, number);
        caps.release(600);
        assert_eq!(caps.check(at(1), number, None, 900, 0), Ok(()));
        assert_eq!(caps.check(at(1), number, None, 901, 0), Err(Cap::Money));
        assert_eq!(caps.check(at(24), number, None, 1_000, 0), Ok(()));
    }

    #[test]
    fn each_number_and_each_caller_has_a_few_promises_a_day() {
        let mut caps = caps();
        let numbers: Vec<_> = (0..9)
            .map(|n| Number::parse(&format!("+1555010019{n}")).unwrap())
            .collect();
        for _ in 0..3 {
            caps.promised(at(0), numbers[0], Some(numbers[1]));
        }
        let destination = caps.check(at(1), numbers[0], Some(numbers[2]), 1, 0);
        assert_eq!(destination, Err(Cap::Destination));
        for number in &numbers[3..5] {
            caps.promised(at(0), *number, Some(numbers[1]));
        }
        assert_eq!(
            caps.check(at(1), numbers[6], Some(numbers[1]), 1, 0),
            Err(Cap::Caller)
        );
        assert_eq!(
            caps.check(at(24), numbers[0], Some(numbers[1]), 1, 0),
            Ok(())
        );
    }

    #[test]
    fn a_request_that_cost_nothing_does_not_count() {
        let mut caps = caps();
        let number = Number::parse("+15550100199").unwrap();
        for _ in 0..2 {
            caps.act(at(0), SendKind::Text, number);
        }
        let full = Err(Cap::Prefix);
        assert_eq!(caps.admits(at(0), SendKind::Text, number), full);
        assert_eq!(caps.admits(at(0), SendKind::Ring, number), Ok(()));
        caps.undo(at(0), SendKind::Text, number);
        assert_eq!(caps.admits(at(0), SendKind::Text, number), Ok(()));
        assert_eq!(caps.check(at(0), number, None, 1, 1), full);
        assert_eq!(caps.admits(at(1), SendKind::Text, number), Ok(()));
    }
}
