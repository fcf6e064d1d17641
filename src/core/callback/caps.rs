//! What may be spent on whom: so that nobody can make us text and ring whomever they like, as often as they like.
//!
//! A promise is only given if all that it may lead to is within the money of the day, with what was spent and what other open
//! promises may still cost. What was spent is rebuilt from the kept promises after a restart.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::core::callback::number::{Number, Prefix};
use crate::core::callback::promise::SendKind;
use crate::core::callback::settings::{CapSettings, REMEMBERED_FOR};
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

/// The most events of a window; when it is full, its cap is reached. With the default prices the money is spent far earlier.
const EVENTS_MAX: usize = 200_000;

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
    /// What open promises may cost.
    reserved: u64,
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
        let prefix = self.prefix(to);
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
        let spent = self.spent(now).saturating_add(self.reserved);
        if spent.saturating_add(u64::from(cents)) > u64::from(self.settings.cents) {
            return Err(Cap::Money);
        }
        Ok(())
    }

    /// A promise was given, or is known of from before.
    pub(super) fn promised(&mut self, at: Utc, to: Number, by: Option<Number>) {
        self.to.add(at, to);
        self.by.add(at, by);
    }

    /// An open promise may cost this.
    pub(super) fn reserve(&mut self, cents: u32) {
        self.reserved = self.reserved.saturating_add(u64::from(cents));
    }

    /// It may no longer.
    pub(super) fn release(&mut self, cents: u32) {
        self.reserved = self.reserved.saturating_sub(u64::from(cents));
    }

    /// Whether one more of its kind may go to a number in this hour.
    pub(super) fn admits(&mut self, now: Utc, kind: SendKind, to: Number) -> bool {
        let prefix = self.prefix(to);
        let window = match kind {
            SendKind::Text => &mut self.texts,
            SendKind::Ring => &mut self.rings,
        };
        window.count(now, prefix) < self.settings.per_prefix
    }

    /// Something is about to be requested, or was.
    pub(super) fn act(&mut self, at: Utc, kind: SendKind, to: Number) {
        let prefix = self.prefix(to);
        match kind {
            SendKind::Text => self.texts.add(at, prefix),
            SendKind::Ring => self.rings.add(at, prefix),
        }
        self.acts.add(at, kind);
    }

    /// It was not, or was refused.
    pub(super) fn undo(&mut self, at: Utc, kind: SendKind, to: Number) {
        let prefix = self.prefix(to);
        match kind {
            SendKind::Text => self.texts.remove(at, prefix),
            SendKind::Ring => self.rings.remove(at, prefix),
        }
        self.acts.remove(at, kind);
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

/// How often what happened within a stretch of time.
#[derive(Debug)]
struct Window<K> {
    lasts: Duration,
    /// In the order of their time.
    events: VecDeque<(Utc, K)>,
    counts: BTreeMap<K, u32>,
}

impl<K: Ord + Copy> Window<K> {
    const fn new(lasts: Duration) -> Self {
        Self {
            lasts,
            events: VecDeque::new(),
            counts: BTreeMap::new(),
        }
    }

    fn count(&mut self, now: Utc, key: K) -> u32 {
        while let Some(&(at, old)) = self.events.front()
            && now.since(at) >= self.lasts
        {
            self.events.pop_front();
            self.lower(old);
        }
        if self.events.len() >= EVENTS_MAX {
            return u32::MAX;
        }
        self.counts.get(&key).copied().unwrap_or(0)
    }

    fn add(&mut self, at: Utc, key: K) {
        if self.events.len() < EVENTS_MAX {
            let place = self.events.partition_point(|(other, _)| *other <= at);
            self.events.insert(place, (at, key));
            *self.counts.entry(key).or_default() += 1;
        }
    }

    fn remove(&mut self, at: Utc, key: K) {
        if let Some(place) = self.events.iter().rposition(|event| *event == (at, key)) {
            self.events.remove(place);
            self.lower(key);
        }
    }

    fn lower(&mut self, key: K) {
        if let Some(count) = self.counts.get_mut(&key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&key);
            }
        }
    }
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
        assert!(!caps.admits(at(0), SendKind::Text, number));
        assert!(caps.admits(at(0), SendKind::Ring, number));
        caps.undo(at(0), SendKind::Text, number);
        assert!(caps.admits(at(0), SendKind::Text, number));
        assert_eq!(caps.check(at(0), number, None, 1, 1), Err(Cap::Prefix));
        assert!(caps.admits(at(1), SendKind::Text, number));
    }
}
