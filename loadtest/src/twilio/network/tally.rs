//! What phones got, counted by phone: nobody else knows whether a caller was texted twice.
//!
//! Owns the counting and what is one too many. It believes nobody: neither the server under test nor what REST answered.

use std::{collections::BTreeMap, time::Duration};

/// Phones that are counted; what comes to others is counted as a whole only.
const PHONES_MAX: usize = 100_000;
/// Texts, and rings, of one phone that are told apart; those behind them are one too many each.
const OF_A_PHONE_MAX: usize = 256;

/// A text that was requested for a phone.
#[derive(Clone, PartialEq, Eq)]
pub struct TextSeen {
    /// When.
    pub at: Duration,
    /// `SM…`; empty where it was refused.
    pub sid: String,
    /// The path of its status callback, which names what it is for.
    pub path: String,
    /// It was taken in; else it was refused.
    pub accepted: bool,
    /// The phone has it.
    pub delivered: bool,
}

/// A ring of a phone.
#[derive(Clone, PartialEq, Eq)]
pub struct RingSeen {
    /// When it was requested.
    pub at: Duration,
    /// `CA…`.
    pub sid: String,
    /// The path of its status callback, which names what it is for.
    pub path: String,
    /// Whether people may be rung then.
    pub in_hours: bool,
    /// The phone has rung.
    pub rang: bool,
    /// A person has picked up, and a stream was opened for them.
    pub connected: bool,
    /// When it was over.
    pub ended: Option<Duration>,
}

/// One phone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PhoneSeen {
    /// Calls that may have led to a promise to this phone.
    pub calls: u32,
    /// Those in which the promise was heard.
    pub promised: u32,
    /// When it first was.
    pub promised_at: Option<Duration>,
    /// Texts, in order; at most 256.
    pub texts: Vec<TextSeen>,
    /// Rings, in order; at most 256.
    pub rings: Vec<RingSeen>,
    /// Answers to what it wrote.
    pub answers: u32,
    /// It wrote STOP, and that was answered then.
    pub stopped_at: Option<Duration>,
    /// Whether it is theirs nobody knows: the number was keyed in, or the network does not vouch for it.
    pub is_doubtful: bool,
    /// It wrote that it wants to be called.
    pub agreed_at: Option<Duration>,
    /// Beyond what is kept.
    uncounted: u32,
}

/// All phones, and what they cost.
#[derive(Clone, Default, PartialEq)]
pub struct Tally {
    phones: BTreeMap<String, PhoneSeen>,
    cents: f64,
    /// To phones beyond the bound.
    uncounted: u32,
}

/// What is known of all phones together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Callers who heard that they are promised something.
    pub promises: u32,
    /// Those of them whose phone got neither a text nor a ring.
    pub promises_lost: u32,
    /// Texts that were taken in.
    pub texts: u32,
    /// Those of them beyond one for each lost call.
    pub texts_double: u32,
    /// Texts that were requested for whoever had written STOP.
    pub texts_after_stop: u32,
    /// The most texts to one phone.
    pub texts_to_one: u32,
    /// Rings.
    pub rings: u32,
    /// Rings beside or right behind another one of the same phone, or behind one that had led to a conversation.
    pub rings_double: u32,
    /// Rings when people there are asleep.
    pub rings_outside_hours: u32,
    /// Rings of whoever had written STOP.
    pub rings_after_stop: u32,
    /// Rings of phones that nobody has vouched for and that have not said YES.
    pub rings_unasked: u32,
    /// The most rings of one phone.
    pub rings_to_one: u32,
    /// Answers to what phones wrote.
    pub answers: u32,
    /// Phones that wrote STOP.
    pub stopped: u32,
    /// What it cost.
    pub cents: f64,
}

impl Tally {
    /// A call that may lead to a promise to this phone. `is_doubtful`: it was keyed in, or its network does not vouch for it.
    pub fn call(&mut self, phone: &str, is_doubtful: bool) {
        if let Some(seen) = self.phone_mut(phone) {
            seen.is_doubtful = is_doubtful && (seen.is_doubtful || seen.calls == 0);
            seen.calls += 1;
        }
    }

    /// Its caller has heard the promise.
    pub fn promise(&mut self, phone: &str, at: Duration) {
        if let Some(seen) = self.phone_mut(phone) {
            seen.promised += 1;
            seen.promised_at.get_or_insert(at);
        }
    }

    /// A text was requested, and cost this if it was taken in.
    pub(in crate::twilio) fn text(&mut self, phone: &str, text: TextSeen, cents: f64) {
        if text.accepted {
            self.cents += cents;
        }
        let Some(seen) = self.phone_mut(phone) else {
            return;
        };
        if seen.texts.len() < OF_A_PHONE_MAX {
            seen.texts.push(text);
        } else {
            seen.uncounted += u32::from(text.accepted);
        }
    }

    /// A phone has a text now. Returns how many it had.
    pub(super) fn delivered(&mut self, phone: &str, sid: &str) -> u64 {
        let Some(seen) = self.phone_mut(phone) else {
            return u64::MAX;
        };
        let had = seen.texts.iter().filter(|text| text.delivered).count() as u64;
        if let Some(text) = seen.texts.iter_mut().find(|text| text.sid == sid) {
            text.delivered = true;
        }
        had
    }

    /// An answer to what it wrote is under way to it.
    pub(in crate::twilio) fn answered(&mut self, phone: &str, cents: f64) {
        self.cents += cents;
        if let Some(seen) = self.phone_mut(phone) {
            seen.answers += 1;
        }
    }

    /// A ring was requested. Returns how many there were before.
    pub(in crate::twilio) fn ring(&mut self, phone: &str, ring: RingSeen) -> u64 {
        let Some(seen) = self.phone_mut(phone) else {
            return u64::MAX;
        };
        let before = seen.rings.len() as u64;
        if seen.rings.len() < OF_A_PHONE_MAX {
            seen.rings.push(ring);
        } else {
            seen.uncounted += 1;
        }
        before
    }

    /// Something became of a ring.
    pub(super) fn of_ring(&mut self, phone: &str, sid: &str, change: impl FnOnce(&mut RingSeen)) {
        if let Some(seen) = self.phone_mut(phone)
            && let Some(ring) = seen.rings.iter_mut().find(|ring| ring.sid == sid)
        {
            change(ring);
        }
    }

    /// A ring that was answered cost this.
    pub(super) fn pay(&mut self, cents: f64) {
        self.cents += cents;
    }

    /// It wrote STOP, and that was answered well; or START.
    pub(super) fn stop(&mut self, phone: &str, at: Option<Duration>) {
        if let Some(seen) = self.phone_mut(phone) {
            seen.stopped_at = at;
        }
    }

    /// It wrote that it wants to be called.
    pub(super) fn agree(&mut self, phone: &str, at: Duration) {
        if let Some(seen) = self.phone_mut(phone) {
            seen.agreed_at.get_or_insert(at);
        }
    }

    /// The phones, by their numbers.
    pub fn phones(&self) -> impl Iterator<Item = (&str, &PhoneSeen)> {
        self.phones
            .iter()
            .map(|(number, seen)| (number.as_str(), seen))
    }

    /// The phone of this number, if there was anything to count.
    pub fn phone(&self, number: &str) -> Option<&PhoneSeen> {
        self.phones.get(number)
    }

    /// All together. Two rings that begin closer to each other than `ring_again` are one too many.
    pub fn counts(&self, ring_again: Duration) -> Counts {
        let mut counts = Counts {
            cents: self.cents,
            texts: self.uncounted,
            ..Counts::default()
        };
        for seen in self.phones.values() {
            let texts = seen.texts_accepted();
            let rings = many(seen.rings.len()) + seen.uncounted;
            counts.promises += seen.promised;
            counts.promises_lost += u32::from(seen.is_lost()) * seen.promised;
            counts.texts += texts;
            counts.texts_double += seen.texts_double();
            counts.texts_after_stop += many(seen.after_stop(seen.texts.iter().map(|it| it.at)));
            counts.texts_to_one = counts.texts_to_one.max(texts);
            counts.rings += rings;
            counts.rings_double += seen.rings_double(ring_again);
            counts.rings_outside_hours += many(seen.rings.iter().filter(|it| !it.in_hours).count());
            counts.rings_after_stop += many(seen.after_stop(seen.rings.iter().map(|it| it.at)));
            counts.rings_unasked += seen.rings_unasked();
            counts.rings_to_one = counts.rings_to_one.max(rings);
            counts.answers += seen.answers;
            counts.stopped += u32::from(seen.stopped_at.is_some());
        }
        counts
    }

    fn phone_mut(&mut self, number: &str) -> Option<&mut PhoneSeen> {
        if self.phones.len() >= PHONES_MAX && !self.phones.contains_key(number) {
            self.uncounted += 1;
            return None;
        }
        Some(self.phones.entry(number.to_owned()).or_default())
    }
}

impl PhoneSeen {
    /// Neither a text nor a ring has reached it.
    pub fn is_lost(&self) -> bool {
        let texted = self.texts.iter().any(|text| text.delivered);
        self.promised > 0 && !texted && !self.rings.iter().any(|ring| ring.rang)
    }

    fn texts_accepted(&self) -> u32 {
        many(self.texts.iter().filter(|text| text.accepted).count())
    }

    /// Beyond one for each call, or with the name of another one.
    fn texts_double(&self) -> u32 {
        let beyond = self.texts_accepted().saturating_sub(self.calls.max(1));
        let named = |text: &&TextSeen| text.accepted && !text.path.is_empty();
        let paths = self.texts.iter().filter(named);
        let mut paths: Vec<_> = paths.map(|text| text.path.as_str()).collect();
        let all = paths.len();
        paths.sort_unstable();
        paths.dedup();
        beyond.max(many(all - paths.len()))
    }

    fn rings_double(&self, ring_again: Duration) -> u32 {
        let allowed = self.calls.max(1);
        let mut connected = 0;
        let mut double = self.uncounted;
        let mut before: Option<&RingSeen> = None;
        for ring in &self.rings {
            let beside = before.is_some_and(|before| {
                before.ended.is_none_or(|ended| ring.at < ended) || ring.at < before.at + ring_again
            });
            double += u32::from(beside || connected >= allowed);
            connected += u32::from(ring.connected);
            before = Some(ring);
        }
        double
    }

    fn rings_unasked(&self) -> u32 {
        let asked = |at| self.agreed_at.is_some_and(|agreed| agreed <= at);
        let unasked = self
            .rings
            .iter()
            .filter(|ring| self.is_doubtful && !asked(ring.at));
        many(unasked.count())
    }

    fn after_stop(&self, times: impl Iterator<Item = Duration>) -> usize {
        times
            .filter(|at| self.stopped_at.is_some_and(|stopped| *at > stopped))
            .count()
    }
}

fn many(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Without numbers.
impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tally({} phones)", self.phones.len())
    }
}

impl std::fmt::Debug for PhoneSeen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (texts, rings) = (self.texts.len(), self.rings.len());
        write!(
            f,
            "PhoneSeen({} calls, {texts} texts, {rings} rings)",
            self.calls
        )
    }
}

/// Without the path, which holds a token.
impl std::fmt::Debug for TextSeen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TextSeen({:?}, delivered: {})", self.at, self.delivered)
    }
}

impl std::fmt::Debug for RingSeen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "RingSeen({:?}, rang: {}, connected: {})",
            self.at, self.rang, self.connected
        )
    }
}

#[cfg(test)]
mod tests;
